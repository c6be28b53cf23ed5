//! Every panel on terminals of several sizes, as text.

use super::draw::{About, SMALLEST, draw};
use super::style::{ScreenStyle, Tone};
use super::table::List;
use super::view::{Asked, View};
use crate::state::State;
use damo_model::{Nanos, SchemeProgress, Side, Sink, SinkError, Stamp, TimeSpan};
use damo_sim::{Options, builtin, simulate};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::ops::ControlFlow;

impl Sink for State {
    fn put(&mut self, item: &damo_model::Item) -> Result<(), SinkError> {
        self.take(item);
        Ok(())
    }
}

/// What is known after so many seconds of a built-in workload.
fn state(name: &str, seconds: i64) -> State {
    state_with(name, seconds, false)
}

/// The same, with its memory spread over two NUMA nodes if that is wanted.
fn state_with(name: &str, seconds: i64, spread: bool) -> State {
    let workload = builtin::find(name).expect("built in");
    let options = Options { duration: Some(Nanos::from_secs(seconds)), spread, ..workload.options() };
    let mut state = State::default();
    simulate(&workload.workloads(), &options, &mut state, &mut |_| ControlFlow::Continue(())).expect("a simulation");
    state
}

fn plain_style() -> ScreenStyle {
    ScreenStyle { heat: Vec::new(), unicode: true }
}

/// The screen as lines.
fn screen_with(
    view: &mut View,
    state: &State,
    size: (u16, u16),
    style: &ScreenStyle,
    end: Option<&str>,
) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a terminal");
    let about = About { name: "stairs.damo".into(), end: end.map(str::to_owned) };
    terminal.draw(|frame| draw(frame.buffer_mut(), view, state, &about, style)).expect("drawn");
    let buffer = terminal.backend().buffer();
    let line = |y: u16| (0..size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..size.1).map(|y| line(y).trim_end().to_owned()).collect()
}

fn screen(view: &mut View, state: &State, size: (u16, u16)) -> Vec<String> {
    screen_with(view, state, size, &plain_style(), None)
}

fn press(view: &mut View, state: &mut State, keys: &[KeyCode]) -> Asked {
    let mut asked = Asked::Nothing;
    for key in keys {
        asked = view.key(KeyEvent::new(*key, KeyModifiers::NONE), state);
    }
    asked
}

fn typed(text: &str) -> Vec<KeyCode> {
    text.chars().map(KeyCode::Char).chain([KeyCode::Enter]).collect()
}

#[test]
fn the_screen_is_the_one_that_the_page_shows() {
    let state = state("stairs", 60);
    let lines = screen(&mut View::default(), &state, (80, 24));
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(top.join("docs/monitor.md")).expect("docs/monitor.md");
    let (_, rest) = page.split_once("<!-- screen -->\n```\n").expect("the page has a screen");
    let (shown, _) = rest.split_once("```\n").expect("the page has a screen");
    assert!(shown == text, "docs/monitor.md shows another screen than\n{text}");
}

#[test]
fn all_panels_are_there_at_every_size() {
    let state = state("stairs", 60);
    for size in [SMALLEST, (80, 24), (120, 40), (200, 50)] {
        let lines = screen(&mut View::default(), &state, size);
        let has = |text: &str| lines.iter().any(|line| line.contains(text));
        for text in [
            "damo monitor stairs.damo",
            "[stack]",
            "time",
            "wset ",
            "rss ",
            "[Processes]",
            "PID",
            "masim",
            "0 events lost",
        ] {
            assert!(has(text), "{size:?}: {text}\n{}", lines.join("\n"));
        }
        assert!(lines[usize::from(size.1) - 1].starts_with("q end"), "{}", lines.join("\n"));
        // The map, the working set and the resident size.
        let hot = lines.iter().filter(|line| line.contains('█')).count();
        assert!(hot >= 3, "{}", lines.join("\n"));
    }
}

#[test]
fn a_terminal_that_is_too_small_is_told_so() {
    let state = state("stairs", 5);
    for size in [(59, 24), (80, 15), (1, 1), (10, 2)] {
        let lines = screen(&mut View::default(), &state, size);
        assert!(size.0 < 40 || lines[1].contains("60x16 are needed"), "{lines:?}");
    }
}

#[test]
fn before_the_first_snapshot_and_after_the_end_the_screen_says_so() {
    let empty = State::default();
    let lines = screen(&mut View::default(), &empty, (80, 24)).join("\n");
    assert!(lines.contains("waiting for the first snapshot"), "{lines}");
    let state = state("stairs", 5);
    let end = Some("the stream breaks off after 77 bytes");
    let lines = screen_with(&mut View::default(), &state, (80, 24), &plain_style(), end);
    assert!(lines[23].contains("breaks off after 77 bytes") && lines[0].ends_with("ended"), "{}", lines.join("\n"));
}

#[test]
fn colours_are_half_blocks_and_ascii_is_ascii() {
    let state = state("stairs", 30);
    let heat = (16..=231).map(Tone::Indexed).collect();
    let colored = ScreenStyle { heat, unicode: true };
    let lines = screen_with(&mut View::default(), &state, (80, 24), &colored, None).join("\n");
    assert!(lines.contains('▄'), "{lines}");
    let ascii = ScreenStyle::default();
    for keys in [&[][..], &[KeyCode::Enter], &[KeyCode::Char('?')]] {
        let (mut view, mut state) = (View::default(), self::state("stairs", 30));
        press(&mut view, &mut state, keys);
        let lines = screen_with(&mut view, &state, (80, 24), &ascii, None).join("\n");
        assert!(lines.is_ascii(), "{lines}");
    }
}

#[test]
fn enter_goes_into_a_process_a_mapping_and_a_region_and_escape_back() {
    let (mut view, mut state) = (View::default(), state("stairs", 60));
    press(&mut view, &mut state, &[KeyCode::Enter]);
    let lines = screen(&mut view, &state, (80, 24)).join("\n");
    assert!(lines.contains("[Mappings]") && lines.contains("[anon:step9]"), "{lines}");
    press(&mut view, &mut state, &[KeyCode::Enter]);
    assert_eq!(view.list, List::Regions);
    let lines = screen(&mut view, &state, (80, 24));
    assert!(lines[0].contains("masim: [anon:step9]"), "{}", lines.join("\n"));
    press(&mut view, &mut state, &[KeyCode::Esc, KeyCode::Esc]);
    assert_eq!((view.list, view.focus.is_none()), (List::Processes, true));
}

#[test]
fn rows_are_filtered_and_sorted() {
    let (mut view, mut state) = (View::default(), state("stairs", 60));
    press(&mut view, &mut state, &[KeyCode::Char('2'), KeyCode::Char('/')]);
    press(&mut view, &mut state, &typed("STEP"));
    let names =
        |view: &View, state: &State| view.rows(state).iter().map(|row| row.cells[0].clone()).collect::<Vec<String>>();
    assert_eq!(names(&view, &state).len(), 10);
    assert_eq!(names(&view, &state)[0], "[anon:step9]");
    // By name, which is two columns before heat.
    press(&mut view, &mut state, &[KeyCode::Char('<'), KeyCode::Char('<')]);
    assert!(names(&view, &state).is_sorted());
    press(&mut view, &mut state, &[KeyCode::Char('r')]);
    assert_eq!(names(&view, &state)[9], "[anon:step0]");
    press(&mut view, &mut state, &[KeyCode::Char('/'), KeyCode::Char('x'), KeyCode::Enter]);
    let lines = screen(&mut view, &state, (80, 24)).join("\n");
    assert!(lines.contains("nothing with this text"), "{lines}");
}

#[test]
fn time_goes_back_and_forth_while_recording_goes_on() {
    let (mut view, mut state) = (View::default(), state("stairs", 60));
    let now = state.now();
    press(&mut view, &mut state, &[KeyCode::Left, KeyCode::Left]);
    assert_eq!(view.time(&state), Nanos(now.0 - 12_000_000_000));
    press(&mut view, &mut state, &[KeyCode::Right, KeyCode::Right]);
    assert_eq!(view.at, None);
    press(&mut view, &mut state, &[KeyCode::Char(' ')]);
    assert_eq!(view.at, Some(now));
    press(&mut view, &mut state, &[KeyCode::Char(' '), KeyCode::Home]);
    let lines = screen(&mut view, &state, (80, 24));
    assert!(lines[0].contains("back"), "{}", lines[0]);
    press(&mut view, &mut state, &[KeyCode::End, KeyCode::Char('+')]);
    assert_eq!((view.at, view.window()), (None, Nanos::from_secs(30)));
    press(&mut view, &mut state, &[KeyCode::Char('-'); 30]);
    assert_eq!(view.window(), Nanos::from_secs(24 * 3600));
    screen(&mut view, &state, (80, 24));
}

#[test]
fn marks_are_set_at_the_moment_that_is_shown_and_only_the_present_is_passed_on() {
    let (mut view, mut state) = (View::default(), state("pair", 20));
    state.marks.clear();
    let mark = [KeyCode::Char('m'), KeyCode::Enter];
    assert_eq!(press(&mut view, &mut state, &mark), Asked::Mark("mark 1".into()));
    press(&mut view, &mut state, &[KeyCode::Left]);
    assert_eq!(press(&mut view, &mut state, &mark), Asked::Nothing);
    assert_eq!(state.marks.len(), 2);
    let lines = screen(&mut view, &state, (80, 24)).join("\n");
    assert!(lines.contains('┊') && lines.contains("marked: mark 2"), "{lines}");
}

#[test]
fn help_has_all_keys_and_any_key_leaves_it() {
    let (mut view, mut state) = (View::default(), state("stairs", 5));
    press(&mut view, &mut state, &[KeyCode::Char('?')]);
    let lines = screen(&mut view, &state, (80, 24)).join("\n");
    for key in ["q, Ctrl-C", "Tab", "Enter", "Space", "Left, Right", "+, -", "set a mark", "filter"] {
        assert!(lines.contains(key), "{key}\n{lines}");
    }
    press(&mut view, &mut state, &[KeyCode::Char('z')]);
    assert!(!view.help);
    assert_eq!(press(&mut view, &mut state, &[KeyCode::Char('q')]), Asked::Quit);
}

#[test]
fn schemes_tell_their_quota_as_it_was_at_the_moment_shown() {
    let (mut view, mut state) = (View::default(), state("stairs", 5));
    let progress = |second, quota: u64| SchemeProgress {
        at: Stamp::Record(Nanos::from_secs(second)),
        kdamond: None,
        context: 0,
        scheme: 0,
        effective_quota: Some(damo_model::Bytes(quota << 20)),
        counts: None,
    };
    state.take(&damo_model::Item::Side(Side::Scheme(progress(1, 5))));
    state.take(&damo_model::Item::Side(Side::Scheme(progress(3, 7))));
    press(&mut view, &mut state, &[KeyCode::Char('4')]);
    let lines = screen(&mut view, &state, (80, 24)).join("\n");
    assert!(lines.contains("[Schemes]") && lines.contains("scheme 0, quota 7.0 MiB"), "{lines}");
    view.at = Some(Nanos::from_secs(2));
    let lines = screen(&mut view, &state, (80, 24)).join("\n");
    assert!(lines.contains("scheme 0, quota 5.0 MiB"), "{lines}");
}

#[test]
fn what_is_saved_is_a_record_of_what_is_shown() {
    let mut state = state("pair", 60);
    state.mark(Nanos::from_secs(55), "here");
    let mut view = View::default();
    // The second process, of which the map shows the last ten seconds.
    press(&mut view, &mut state, &[KeyCode::Down, KeyCode::Enter, KeyCode::Char('+'), KeyCode::Char('+')]);
    let target = view.target(&state).expect("a target");
    let shown = state.saved(target, TimeSpan::new(Nanos(0), Nanos(0)), None).expect("a record");
    let nothing: Vec<_> = snapshots(shown);
    assert!(nothing.is_empty(), "nothing lies in an empty span");
    let saved = snapshots(view.saved(&state).expect("something is shown").expect("a record"));
    let span = TimeSpan::new(Nanos::from_secs(50), Nanos::from_secs(60));
    let moments: Vec<_> = state.history.within(span).filter(|moment| moment.target == target).collect();
    assert_eq!(saved.len(), moments.len());
    for (snapshot, moment) in saved.iter().zip(moments) {
        assert_eq!(snapshot.time_span(), moment.span);
        assert_eq!(snapshot.intervals.map(|intervals| intervals.max_nr_accesses().0), Some(moment.max_nr_accesses));
        let rows =
            snapshot.regions.iter().map(|region| (region.start.0, region.nr_accesses.0, region.age.map(|age| age.0)));
        assert!(rows.eq(moment.regions.iter().map(|row| (row.start, row.nr_accesses, row.age()))));
    }
    // Into the first mapping: only its addresses.
    press(&mut view, &mut state, &[KeyCode::Enter]);
    let (_, ranges) = view.focus.clone().expect("a mapping");
    let saved = snapshots(view.saved(&state).expect("something is shown").expect("a record"));
    let regions = saved.iter().flat_map(|snapshot| &snapshot.regions);
    let mut outside = regions
        .clone()
        .filter(|region| !ranges.iter().any(|range| region.start >= range.start && region.end <= range.end));
    assert!(regions.clone().count() > 0 && outside.next().is_none());
}

fn snapshots(record: Vec<u8>) -> Vec<damo_model::Snapshot> {
    let mut reader = damo_format::StreamReader::new(&record[..]).expect("a record");
    let items = std::iter::from_fn(|| reader.next_item().expect("an item"));
    items
        .filter_map(|item| if let damo_model::Item::Snapshot(snapshot) = item { Some(snapshot) } else { None })
        .collect()
}

#[test]
fn a_name_to_save_is_offered_and_goes_to_whoever_saves() {
    let mut state = state("stairs", 30);
    let mut view = View::default();
    press(&mut view, &mut state, &[KeyCode::Char('s')]);
    let lines = screen(&mut view, &state, (80, 24));
    assert_eq!(lines.last().map(String::as_str), Some("save as: masim-30s.png_"));
    assert_eq!(press(&mut view, &mut state, &[KeyCode::Enter]), Asked::Save("masim-30s.png".into()));
    assert_eq!(press(&mut view, &mut state, &[KeyCode::Char('s'), KeyCode::Esc]), Asked::Nothing);
    assert!(view.editing.is_none());
}

#[test]
fn memory_by_node_is_listed_with_the_share_of_remote_accesses() {
    let (mut view, mut state) = (View::default(), state_with("stairs", 20, true));
    press(&mut view, &mut state, &[KeyCode::Char('5')]);
    let lines = screen(&mut view, &state, (80, 24));
    let at = lines.iter().position(|line| line.contains("[Nodes]")).expect("the list");
    assert!(lines[at].contains("by NODE  est. remote "), "{}", lines[at]);
    // Of ten areas of 10 MB each second one is on node 1; one is hot at a time.
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cells(&lines[at + 1]), ["NODE", "RESIDENT", "HOT", "WARM", "COLD", "ACCESSES%"]);
    let (first, second) = (cells(&lines[at + 2]), cells(&lines[at + 3]));
    assert_eq!((first[0].as_str(), second[0].as_str()), ("0", "1"), "{lines:?}");
    let accesses: f64 = [&first, &second].iter().map(|row| row.last().unwrap().parse::<f64>().unwrap()).sum();
    assert!((accesses - 100.0).abs() < 0.2, "{lines:?}");
    // The thread runs on node 0: remote is what goes to node 1.
    assert!(lines[at].contains(&format!("remote {} %", second.last().unwrap())), "{lines:?}");
    // Within a mapping it is this one's memory: the areas lie on one node after the other.
    press(&mut view, &mut state, &[KeyCode::Char('2'), KeyCode::Enter, KeyCode::Char('5')]);
    let lines = screen(&mut view, &state, (80, 24));
    let of_mapping = cells(&lines[at + 2]);
    assert!(of_mapping[1] == "9.5" && cells(&lines[at + 3]).len() < 3, "{lines:?}");
    let mut unknown = self::state("stairs", 5);
    let mut view = View::default();
    press(&mut view, &mut unknown, &[KeyCode::Char('5')]);
    let lines = screen(&mut view, &unknown, (80, 24)).join("\n");
    assert!(lines.contains("on which NUMA nodes this memory is, is not known"), "{lines}");
}
