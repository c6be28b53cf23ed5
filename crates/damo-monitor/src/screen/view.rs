//! What the user looks at, and what keys change of it.

use super::map::Cache;
use super::table::{List, Row, Subject, Wanted};
use crate::state::State;
use damo_format::WriteError;
use damo_model::{AddrRange, Nanos, TargetKey, TimeSpan};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// How much time the map shows, in seconds.
const WINDOWS: [i64; 12] = [5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 4 * 3_600, 12 * 3_600, 24 * 3_600];
/// The one at first.
const FIRST_WINDOW: usize = 3;

/// Text that is typed on the last line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Editing {
    Filter(String),
    Mark(String),
    Save(String),
}

impl Editing {
    /// What stands before the text.
    pub(crate) fn prompt(&self) -> (&'static str, &str) {
        match self {
            Editing::Filter(text) => ("filter", text),
            Editing::Mark(text) => ("mark", text),
            Editing::Save(text) => ("save as", text),
        }
    }

    /// The same with another text.
    fn with(&self, text: String) -> Self {
        match self {
            Editing::Filter(_) => Editing::Filter(text),
            Editing::Mark(_) => Editing::Mark(text),
            Editing::Save(_) => Editing::Save(text),
        }
    }
}

/// What a key asked for beyond the view.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    Nothing,
    Quit,
    /// A mark with this text at the present moment, for the recorder.
    Mark(String),
    /// What is shown, as a file of this name.
    Save(String),
}

damo_model::with_defaults! {
    /// What the user looks at.
    #[derive(Debug)]
    pub(crate) struct View {
        pub(crate) list: List,
        target: Option<TargetKey>,
        /// What the map and the regions are limited to, with its name.
        pub(crate) focus: Option<(String, Vec<AddrRange>)>,
        pub(crate) row: usize,
        sort: [usize; 5] = List::ALL.map(List::first_sort),
        pub(crate) reverse: bool,
        pub(crate) filter: String,
        pub(crate) editing: Option<Editing>,
        /// The moment that is shown; `None` is the latest.
        pub(crate) at: Option<Nanos>,
        zoom: usize = FIRST_WINDOW,
        pub(crate) help: bool,
        pub(crate) message: Option<String>,
        pub(crate) cache: Cache,
    }
}

impl View {
    /// The moment that is shown.
    pub(crate) fn time(&self, state: &State) -> Nanos {
        self.at.unwrap_or_else(|| state.now())
    }

    /// How much time the map shows.
    pub(crate) fn window(&self) -> Nanos {
        Nanos::from_secs(WINDOWS[self.zoom])
    }

    /// Whose memory the map shows: the chosen target, else the first one that has snapshots.
    pub(crate) fn target(&self, state: &State) -> Option<TargetKey> {
        let has = |key: &TargetKey| state.targets.get(key).is_some_and(|target| target.first.is_some());
        self.target.filter(has).or_else(|| state.targets.keys().copied().find(has))
    }

    /// The column that the list is sorted by.
    pub(crate) fn sort(&self) -> usize {
        self.sort[self.list as usize]
    }

    /// The addresses that are looked into, if not all.
    pub(crate) fn focused(&self) -> Option<&[AddrRange]> {
        self.focus.as_ref().map(|(_, ranges)| &ranges[..])
    }

    /// The rows of the list.
    pub(crate) fn rows(&self, state: &State) -> Vec<Row> {
        let wanted = Wanted {
            list: self.list,
            at: self.time(state),
            target: self.target(state),
            focus: self.focused(),
            filter: &self.filter,
            sort: self.sort(),
            reverse: self.reverse,
        };
        wanted.rows(state)
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent, state: &mut State) -> Asked {
        self.message = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if matches!(key.code, KeyCode::Char('c')) { Asked::Quit } else { Asked::Nothing };
        }
        if let Some(editing) = self.editing.take() {
            return self.edit(editing, key.code, state);
        }
        if self.help {
            self.help = false;
            return if key.code == KeyCode::Char('q') { Asked::Quit } else { Asked::Nothing };
        }
        match key.code {
            KeyCode::Char('q') => return Asked::Quit,
            KeyCode::Char('?') | KeyCode::F(1) => self.help = true,
            KeyCode::Char('/') => self.editing = Some(Editing::Filter(self.filter.clone())),
            KeyCode::Char('m') => {
                self.editing = Some(Editing::Mark(format!("mark {}", state.marks.len() + 1)));
            }
            KeyCode::Char('s') => self.editing = Some(Editing::Save(self.name_to_save(state))),
            KeyCode::Char(' ') => self.at = if self.at.is_none() { Some(state.now()) } else { None },
            KeyCode::Char('+' | '=') => self.zoom = self.zoom.saturating_sub(1),
            KeyCode::Char('-') => self.zoom = (self.zoom + 1).min(WINDOWS.len() - 1),
            KeyCode::Left => self.shift(state, -(self.window().0 / 10)),
            KeyCode::Right => self.shift(state, self.window().0 / 10),
            KeyCode::Home => self.at = state.history.begin().map(|begin| begin.saturating_add(Nanos(1))),
            KeyCode::End => self.at = None,
            KeyCode::Up => self.row = self.row.saturating_sub(1),
            KeyCode::Down => self.row = self.row.saturating_add(1),
            KeyCode::PageUp => self.row = self.row.saturating_sub(10),
            KeyCode::PageDown => self.row = self.row.saturating_add(10),
            KeyCode::Tab => self.show((self.list as usize + 1) % List::ALL.len()),
            KeyCode::BackTab => self.show((self.list as usize + List::ALL.len() - 1) % List::ALL.len()),
            KeyCode::Char(digit @ '1'..='5') => self.show(digit as usize - '1' as usize),
            KeyCode::Char('>' | '.') => self.sort_by(1),
            KeyCode::Char('<' | ',') => self.sort_by(self.list.columns().len() - 1),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Enter => self.enter(state),
            KeyCode::Esc | KeyCode::Backspace => self.leave(),
            _ => {}
        }
        // So that going up from behind the end moves at once.
        if matches!(key.code, KeyCode::Down | KeyCode::PageDown) {
            self.row = self.row.min(self.rows(state).len().saturating_sub(1));
        }
        Asked::Nothing
    }

    fn edit(&mut self, editing: Editing, key: KeyCode, state: &mut State) -> Asked {
        let mut text = editing.prompt().1.to_owned();
        match key {
            KeyCode::Esc => return Asked::Nothing,
            KeyCode::Enter => return self.typed(&editing, text, state),
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char(letter) if !letter.is_control() && text.chars().count() < 60 => text.push(letter),
            _ => {}
        }
        self.editing = Some(editing.with(text));
        Asked::Nothing
    }

    fn typed(&mut self, editing: &Editing, text: String, state: &mut State) -> Asked {
        match editing {
            Editing::Filter(_) => {
                (self.filter, self.row) = (text, 0);
                Asked::Nothing
            }
            Editing::Mark(_) => {
                // What is shown ends with this moment, and the next column begins with it.
                let at = Nanos(self.time(state).0.saturating_sub(1));
                state.mark(at, &text);
                self.message = Some(format!("marked: {text}"));
                // Only the present can be marked in a recording.
                if self.at.is_none() { Asked::Mark(text) } else { Asked::Nothing }
            }
            Editing::Save(_) if text.is_empty() => Asked::Nothing,
            Editing::Save(_) => Asked::Save(text),
        }
    }

    /// A name for what is shown: whose memory, and until when.
    fn name_to_save(&self, state: &State) -> String {
        let target = self.target(state).and_then(|key| state.targets.get(&key));
        let name = target.map_or_else(|| "damo".to_owned(), |target| state.name(&target.target));
        let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' });
        let since = self.time(state).saturating_sub(state.begin().unwrap_or_default());
        format!("{}-{}s.png", plain.collect::<String>(), since.0 / 1_000_000_000)
    }

    /// A record of what the map shows; `None` before the first snapshot.
    pub(crate) fn saved(&self, state: &State) -> Option<Result<Vec<u8>, WriteError>> {
        let end = self.time(state);
        let span = TimeSpan::new(end.saturating_sub(self.window()), end);
        Some(state.saved(self.target(state)?, span, self.focused()))
    }

    /// Goes back or forth in time; forth to the latest moment goes on with it.
    fn shift(&mut self, state: &State, by: i64) {
        let first = state.history.begin().map_or(state.now(), |begin| begin.saturating_add(Nanos(1)));
        let at = self.time(state).saturating_add(Nanos(by)).max(first);
        self.at = (at < state.now()).then_some(at);
    }

    fn show(&mut self, list: usize) {
        (self.list, self.row) = (List::ALL[list], 0);
    }

    fn sort_by(&mut self, further: usize) {
        let sort = &mut self.sort[self.list as usize];
        *sort = (*sort + further) % self.list.columns().len();
    }

    fn enter(&mut self, state: &State) {
        let Some(row) = self.rows(state).into_iter().nth(self.row) else { return };
        match row.subject {
            Subject::Target(key) => {
                (self.target, self.focus) = (Some(key), None);
                let has_mappings = state.targets.get(&key).is_some_and(|target| !target.areas.is_empty());
                self.show(if has_mappings { List::Mappings } else { List::Regions } as usize);
            }
            Subject::Addresses(name, ranges) => {
                self.focus = Some((name, ranges));
                self.show(List::Regions as usize);
            }
            Subject::Nothing => return,
        }
        // The filter was for the list that was left.
        self.filter.clear();
    }

    /// One step back: from the filter, from a mapping, from a process.
    fn leave(&mut self) {
        if !self.filter.is_empty() {
            self.filter.clear();
        } else if self.focus.take().is_some() {
            self.show(List::Mappings as usize);
        } else {
            self.show(List::Processes as usize);
        }
    }
}
