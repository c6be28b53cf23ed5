//! The HTML report: one file, no network, and it does what it says in a real browser, where there is one.
//!
//! `DAMO_SCREENSHOTS=DIRECTORY` leaves pictures of the page there, to be looked at.

#[path = "common/browser.rs"]
mod browser;
mod common;
#[path = "html/hands.rs"]
mod hands;
#[path = "common/page.rs"]
mod page;

use browser::{Browser, CTRL, SHIFT};
use damo_frame::{OpenOptions, Record};
use damo_model::{Addr, Item, Meta, Nanos, NrAccesses, Region, Snapshot, Target, TargetKey};
use damo_report::heats::Columns;
use page::{hostile, maps, near, page_of, spot, stairs};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The staircase's large map.
const STEPS: usize = 2;
const SECOND: f64 = 1e9;

#[test]
fn the_page_is_one_file_below_two_megabytes_that_asks_for_nothing_else() {
    let (_here, page) = stairs();
    let page = fs::read_to_string(page).expect("page");
    assert!(page.len() < 2 << 20);
    for outside in ["http://", "https://", " src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for place in ["/*POLICY*/", "/*STYLE*/", "/*DATA*/", "/*PROGRAM*/"] {
        assert!(!page.contains(place), "{place}");
    }
    assert!(page.contains("on step 3"), "marks are there");
}

#[test]
fn the_page_opens_with_what_the_record_tells_and_names_the_phase_at_the_pointer() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    browser.open(&page, "");
    assert!(browser.number("document.querySelectorAll('#sentences li').length") > 5.0);
    assert!(browser.text("$('sentences').textContent").contains("damo report phases damon.damo"));
    assert_eq!(browser.number("D.phases.length"), 11.0);
    // On step 3, which lasts from 25 s to 30 s.
    let at = spot(&mut browser, STEPS, 27.0 / 60.0, 0.5);
    browser.point(at);
    let said = browser.text("$('readout').textContent");
    assert!(said.contains("phaseE, number 5, 25 s – 30 s"), "{said}");
    assert!(browser.problems.is_empty(), "{:?}", browser.problems);
}

#[test]
fn open_hands_the_written_page_to_the_desktop_or_says_where_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let here = tempfile::tempdir().expect("temporary directory");
    common::ok(here.path(), "record --quiet --simulate stairs --timeout 5s");
    let opener = here.path().join("xdg-open");
    fs::write(&opener, "#!/bin/sh\nprintf '%s' \"$1\" > opened.new && mv opened.new opened\n").expect("write");
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).expect("may be run");
    let open = |display: &str| {
        let path = format!("{}:{}", here.path().display(), std::env::var("PATH").unwrap_or_default());
        let mut damo = common::damo(here.path());
        damo.args(["report", "html", "--output=-page.html", "--open"]).env("PATH", path).env("DISPLAY", display);
        damo.env_remove("WAYLAND_DISPLAY").output().expect("damo runs")
    };
    let out = open("");
    assert!(out.status.success() && String::from_utf8_lossy(&out.stderr).contains("there is no display here"));
    assert!(!here.path().join("opened").exists());
    let out = open(":0");
    assert!(out.status.success(), "{out:?}");
    // Nobody waits for a browser.
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let opened = loop {
        if let Ok(opened) = fs::read_to_string(here.path().join("opened")) {
            break opened;
        }
        assert!(std::time::Instant::now() < patience, "it was not opened");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let page = here.path().canonicalize().expect("a directory").join("-page.html");
    assert_eq!(opened, page.display().to_string());
}

#[test]
fn an_hour_of_a_thousand_regions_is_below_two_megabytes() {
    let here = tempfile::tempdir().expect("temporary directory");
    common::ok(here.path(), "record --quiet --simulate bench-h");
    common::ok(here.path(), "report html -o page.html");
    let length = fs::metadata(here.path().join("page.html")).expect("page").len();
    assert!((500_000..2_000_000).contains(&length), "{length}");
}

#[test]
fn noise_that_packs_badly_still_gives_a_page_below_two_megabytes() {
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
    let mut random = 1_u64;
    for at in 0..2048 {
        let mut snapshot = Snapshot::new(TargetKey(0), Nanos(at * 100), Nanos(at * 100 + 100), None);
        for i in 0..512 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let samples = NrAccesses((random >> 50) as u32);
            snapshot.regions.push(Region::new(Addr(i << 20), Addr((i + 1) << 20), samples, None));
        }
        items.push(Item::Snapshot(snapshot));
    }
    let here = tempfile::tempdir().expect("temporary directory");
    let page = page_of(here.path(), &Record::from_items(&items).expect("record"));
    assert!(fs::metadata(page).expect("page").len() < 2_000_000);
}

#[test]
fn names_from_a_record_never_become_markup() {
    let here = tempfile::tempdir().expect("temporary directory");
    let page = page_of(here.path(), &hostile());
    let text = fs::read_to_string(&page).expect("page");
    let (_, data) = text.split_once("id=\"data\">").expect("data");
    let (data, _) = data.split_once("</script>").expect("end of data");
    assert!(!data.contains('<') && data.contains("window.broken"), "the data have no markup at all");
    let Some(mut browser) = Browser::start(1200, 1000) else { return };
    browser.open(&page, "");
    let at = spot(&mut browser, 0, 0.05, 0.9);
    browser.point(at);
    assert_eq!(browser.eval("window.broken === undefined && document.scripts.length"), 2);
    assert_eq!(browser.eval("document.querySelectorAll('img').length"), 0);
    assert!(browser.text("document.querySelector('option').textContent").contains("</script><script>"));
    assert!(browser.text("$('readout').textContent").contains("window.broken"), "the mapping's name is shown as text");
    assert!(browser.problems.is_empty(), "{:?}", browser.problems);
}

#[test]
fn the_heat_at_any_zoom_is_the_exact_mean_that_the_library_tells() {
    let here = tempfile::tempdir().expect("temporary directory");
    let staircase = Record::open(
        &{
            common::record_stairs(here.path());
            here.path().join("damon.damo")
        },
        &OpenOptions::default(),
    );
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    for record in [staircase.expect("record"), hostile()] {
        let whole = maps(&record, 1, Columns::Each(1));
        let page = page_of(here.path(), &record);
        browser.open(&page, "");
        for (i, panel) in whole.iter().enumerate() {
            let exact = panel.covered_heat_at(0, 0);
            let shown = browser
                .number(&format!("mean(maps[{i}].panel, [0, maps[{i}].panel.cols], [0, maps[{i}].panel.rows]).mean"));
            assert!(near(shown, exact, 1e-3), "panel {i}: {shown} for {exact}");
        }
        // Every cell of every level against the stored cells below it.
        let worst = browser.number(
            "Math.max(...maps.flatMap(({panel}) => panel.levels.map(level => { let worst = 0; \
               for (let c = 0; c < level.cols; c++) for (let r = 0; r < level.rows; r += 7) { \
                 const exact = mean(panel, [c * level.step, Math.min((c + 1) * level.step, panel.cols)], [r, r + 1]); \
                 const i = c * level.rows + r, own = level.cover[i] ? level.sum[i] / level.cover[i] : 0; \
                 worst = Math.max(worst, Math.abs(own - (exact ? exact.mean : 0))); } \
               return worst; })))",
        );
        assert!(worst < 1e-3, "a coarser cell is off by {worst}");
        // No column is narrower than a pixel, whatever the zoom: none is skipped.
        for share in [1.0, 0.7, 0.3, 0.1, 0.01] {
            let pixels = browser.number(&format!(
                "(() => {{ view.t = within(0, D.duration * {share}, D.duration); drawNow(); \
                 return maps[0].column / span() * boxOf(maps[0].canvas).width; }})()"
            ));
            assert!(pixels >= 0.999, "{pixels} pixels for a column at {share}");
        }
    }
}

#[test]
fn pointing_shows_the_stored_numbers_of_the_cell_and_of_every_track() {
    let (here, page) = stairs();
    let record = Record::open(&here.path().join("damon.damo"), &OpenOptions::default()).expect("record");
    let Some(mut browser) = Browser::start(1300, 1400) else { return };
    browser.open(&page, "");
    let (cols, rows) = (2048, browser.number(&format!("maps[{STEPS}].panel.rows")) as usize);
    assert_eq!(browser.number(&format!("maps[{STEPS}].panel.cols")) as usize, cols);
    let grid = maps(&record, cols, Columns::Shared { total: 512, least: 24, between: 0 }).remove(STEPS);
    assert_eq!(grid.space.len(), rows);
    for (across, down) in [(0.29, 0.25), (0.5, 0.45), (0.05, 0.8), (0.9, 0.1)] {
        let at = spot(&mut browser, STEPS, across, down);
        browser.point(at);
        let (column, row) = (
            browser.number(&format!("cellAt(maps[{STEPS}].panel, pointer.t, pointer.offset).column")) as usize,
            browser.number(&format!("cellAt(maps[{STEPS}].panel, pointer.t, pointer.offset).row")) as usize,
        );
        assert!(near(column as f64, across * cols as f64, 0.01) && near(row as f64, (1.0 - down) * rows as f64, 0.03));
        let heat = grid.covered_heat_at(column, row);
        let said = browser.text("$('readout').textContent");
        let shown = said.split("accessed").nth(1).and_then(|rest| rest.split(" Hz").next()).expect("a rate");
        let shown: f64 = shown.trim().parse().unwrap_or_else(|_| panic!("{said}"));
        assert!((shown - heat).abs() < 0.01, "{shown} for {heat}: {said}");
        let start = grid.space.bound(row);
        for part in
            ["% of possible", "[anon:step", "touched: working set", " B)", "allocated: RSS", &format!("{start:#x}")]
        {
            assert!(said.contains(part), "{part} is missing in: {said}");
        }
    }
    browser.screenshot("hover");
}

#[test]
fn markers_show_what_changed_from_a_to_b() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1500) else { return };
    browser.open(&page, "");
    for (across, key) in [(0.2, "a"), (0.4, "b")] {
        let at = spot(&mut browser, STEPS, across, 0.5);
        browser.point(at);
        browser.key(key, 0);
    }
    assert!(near(browser.number("view.a"), 12.0 * SECOND, 0.01) && near(browser.number("view.b"), 24.0 * SECOND, 0.01));
    let row = |browser: &mut Browser, name: &str| -> Vec<String> {
        let cells = browser.eval(&format!(
            "[...document.querySelectorAll('#delta-table tbody tr')].map(r => [...r.children].map(c => c.textContent)) \
             .find(r => r[0].startsWith({name:?}))"
        ));
        cells.as_array().expect("a row").iter().map(|cell| cell.as_str().expect("text").to_owned()).collect()
    };
    let time = row(&mut browser, "time");
    assert!(time[3].starts_with("+1") && time[3].ends_with(" s"), "{time:?}");
    let touched = row(&mut browser, "touched");
    let mib = |text: &str| -> f64 { text.trim_end_matches(" MiB").parse().unwrap_or_else(|_| panic!("{text}")) };
    assert!((8.0..12.0).contains(&mib(&touched[1])) && (8.0..12.0).contains(&mib(&touched[4])), "{touched:?}");
    assert!(row(&mut browser, "allocated")[1].ends_with(" MiB"));
    let rate = row(&mut browser, "mean access rate, [anon:step");
    assert!(rate[1].ends_with(" Hz") && rate[4].ends_with(" Hz"), "{rate:?}");
    browser.screenshot("markers");
    browser.click("#clear");
    assert_eq!(browser.eval("$('delta').hidden"), true);
    browser.click("#set-a");
    assert_eq!(browser.eval("view.a !== null && view.b === null"), true);
}

#[test]
fn the_view_is_in_the_address_and_comes_back_from_it() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    browser.open(&page, "");
    let at = spot(&mut browser, STEPS, 0.3, 0.4);
    browser.wheel(at, -100.0, CTRL);
    browser.wheel(at, -100.0, CTRL | SHIFT);
    browser.key("a", 0);
    browser.click("#theme");
    browser.wait_for("location.hash.includes('theme=') && location.hash.includes('a=')");
    let fragment = browser.text("location.hash");
    let kept = "JSON.stringify([view.t.map(Math.round), Object.entries(view.y).map(([k, v]) => [k, v.map(Math.round)]), \
                Math.round(view.a), view.b, view.theme, view.target])";
    let before = browser.text(kept);
    browser.open(&page, &fragment);
    assert_eq!(browser.text(kept), before);
    // A changed address changes the page that is open.
    browser.eval("location.hash = 't=9000000000~31000000000&a=12000000000&b=24000000000'");
    browser.wait_for("$('window').textContent.startsWith('9 s – 31 s (22 s)') && !$('delta').hidden");
    for nonsense in ["#t=5~1&a=x&target=99&y0.0=1e99~2&theme=<b>", "#t=NaN~Infinity&y7.7=1~2", "#&&==%%", "#t=-5~1e300"]
    {
        browser.open(&page, nonsense);
        assert_eq!(
            browser.eval("view.t[0] === 0 && view.t[1] === D.duration && view.target === 0"),
            true,
            "{nonsense}"
        );
    }
    assert!(browser.problems.is_empty(), "{:?}", browser.problems);
}

#[test]
fn it_is_light_or_dark_as_the_system_or_the_user_says_and_readable_in_both() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1000) else { return };
    let scheme = |value: &str| json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
    let theme = "document.documentElement.dataset.theme";
    browser.call("Emulation.setEmulatedMedia", scheme("dark"));
    browser.open(&page, "");
    assert_eq!(browser.text(theme), "dark");
    browser.call("Emulation.setEmulatedMedia", scheme("light"));
    browser.wait_for("document.documentElement.dataset.theme === 'light'");
    browser.click("#theme");
    assert_eq!(browser.text(theme), "dark");
    browser.screenshot("dark");
    for name in ["light", "dark"] {
        browser.open(&page, &format!("#theme={name}"));
        assert_eq!(browser.text(theme), name);
        // The contrast of inks on their grounds, by the rules of WCAG.
        let worst = browser.eval(
            "(() => { const light = v => { const c = rgb(v).map(x => { x /= 255; return x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; }); \
               return .2126 * c[0] + .7152 * c[1] + .0722 * c[2]; }; \
             const full = v => v.length === 4 ? '#' + [...v.slice(1)].map(c => c + c).join('') : v; \
             let worst = [99, '']; \
             for (const ink of ['--fg', '--soft', '--a', '--b', '--mark', '--s0', '--s1', '--s2', '--s3', '--s4', '--s5']) \
               for (const ground of ['--bg', '--panel']) { \
                 const [p, q] = [css(ink), css(ground)].map(v => light(full(v))).sort((a, b) => b - a), c = (p + .05) / (q + .05); \
                 if (c < worst[0]) worst = [c, ink + ' on ' + ground]; } \
             return worst; })()",
        );
        assert!(worst[0].as_f64().expect("contrast") >= 4.5, "{name}: {worst}");
    }
}

#[test]
fn each_target_has_its_own_map_tracks_and_figures() {
    let here = tempfile::tempdir().expect("temporary directory");
    common::ok(here.path(), "record --quiet --simulate pair");
    common::ok(here.path(), "report html -o page.html");
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    browser.open(&here.path().join("page.html"), "");
    let all = "[maps.map(m => m.panel.name).join(), $('figures').textContent, $('areas').textContent].join('|')";
    browser.wait_for("$('areas').textContent.length > 0");
    let first = browser.text(all);
    assert_eq!(browser.number("document.querySelectorAll('#target option').length"), 2.0);
    // As a user does it: the keyboard on the focused selection.
    browser.eval("$('target').focus()");
    browser.key("ArrowDown", 0);
    browser.wait_for("view.target === 1 && maps[0]?.key.startsWith('1.') && location.hash.includes('target=1')");
    browser.wait_for(&format!("{all} !== {}", Value::from(first.clone())));
    assert!(browser.text(all).contains("input0"), "the batch job's mappings");
    assert!(first.contains("mean") && !first.contains("input0"));
    browser.screenshot("second-target");
}

#[test]
fn what_schemes_were_applied_to_is_shown_over_the_heat_and_can_be_switched_off() {
    let here = tempfile::tempdir().expect("temporary directory");
    let record = Record::open(&common::real("schemes/trace.txt"), &OpenOptions::default()).expect("record");
    let page = page_of(here.path(), &record);
    let Some(mut browser) = Browser::start(1200, 1000) else { return };
    browser.open(&page, "");
    assert_eq!(browser.number("D.targets.length"), 2.0, "schemes' views of targets are no targets of their own");
    assert_eq!(browser.number("target().schemes.length"), 1.0);
    let stripes = "(() => { const c = maps[0].canvas, d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; \
                   let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 1] > d[i] + 60 && d[i + 2] > d[i] + 60) n++; return n; })()";
    assert!(browser.number(stripes) > 1000.0);
    let at = spot(&mut browser, 0, 0.5, 0.5);
    browser.point(at);
    assert!(browser.text("$('readout').textContent").contains("scheme 0 applied to"));
    browser.screenshot("schemes");
    browser.key("s", 0);
    assert_eq!(browser.number(stripes), 0.0);
    browser.wait_for("location.hash.includes('schemes=0')");
    browser.click("#schemes button");
    assert!(browser.number(stripes) > 1000.0);
}

#[test]
fn incomplete_data_are_hatched_and_gaps_are_not_taken_for_cold() {
    let here = tempfile::tempdir().expect("temporary directory");
    let page = page_of(here.path(), &hostile());
    let Some(mut browser) = Browser::start(1200, 1000) else { return };
    browser.open(&page, "#theme=light");
    assert_eq!(browser.eval("$('key-partial').hidden"), false);
    assert_eq!(browser.number("D.targets.length"), 1.0, "a target that was never seen has no map");
    // Eight seconds: 0 and 1 are known, 2 to 4 are a gap, 5 is incomplete, 6 is a gap, 7 is known.
    let colours = |browser: &mut Browser, second: f64| {
        let (x, y) = ((second + 0.5) / 8.0, 0.3);
        browser.number(&format!(
            "(() => {{ const c = maps[0].canvas, b = boxOf(c), x = Math.round(b.x + {x} * b.width) - 20; \
             const d = c.getContext('2d').getImageData(x, Math.round({y} * b.height) - 5, 40, 10).data, seen = new Set(); \
             for (let i = 0; i < d.length; i += 4) seen.add(d.slice(i, i + 3).join()); return seen.size; }})()"
        ))
    };
    assert_eq!(colours(&mut browser, 3.0), 1.0, "a gap is plain");
    assert!(colours(&mut browser, 5.0) > 1.0, "incomplete data are hatched");
    for (second, said) in [(3.0, "no data"), (5.0, "incomplete snapshots only"), (7.0, "2 samples")] {
        let at = spot(&mut browser, 0, (second + 0.5) / 8.0, 0.5);
        browser.point(at);
        let text = browser.text("$('readout').textContent");
        assert!(text.contains(said), "{said} is missing in: {text}");
        assert_eq!(text.contains("working set"), second > 6.0, "nothing is known of the working set then: {text}");
    }
    browser.screenshot("incomplete");
}

#[test]
fn printing_gives_pages_with_the_maps_on_white() {
    let (here, page) = stairs();
    let Some(mut browser) = Browser::start(1400, 1000) else { return };
    browser.open(&page, "#theme=dark&a=12000000000&b=24000000000");
    let printed =
        browser.call("Page.printToPDF", json!({"printBackground": true, "paperWidth": 8.27, "paperHeight": 11.69}));
    let file = here.path().join("page.pdf");
    browser::save(&printed, &file);
    let pdf = fs::read(&file).expect("pdf");
    if let Some(directory) = std::env::var_os("DAMO_SCREENSHOTS") {
        fs::copy(&file, Path::new(&directory).join("page.pdf")).expect("copy");
    }
    let times = |what: &str| pdf.windows(what.len()).filter(|window| *window == what.as_bytes()).count();
    assert!(pdf.starts_with(b"%PDF") && (1..=4).contains(&times("/Type /Page\n")), "{} pages", times("/Type /Page\n"));
    let canvases = browser.number("maps.length + tracks.length") as usize;
    assert!(times("/Subtype /Image") >= canvases, "{} pictures for {canvases} plots", times("/Subtype /Image"));
    browser.wait_for("document.documentElement.dataset.theme === 'dark' && document.body.style.width === ''");
}

#[test]
fn low_addresses_are_at_the_bottom_of_the_page_as_in_pictures() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    browser.open(&page, "");
    let starts = "maps.map(m => [m.panel.start, m.canvas.getBoundingClientRect().top])";
    let order = "(maps => maps.length > 2 && maps.every(([start, top], i) => \
                 !i || BigInt(start) > BigInt(maps[i - 1][0]) && top < maps[i - 1][1]))";
    assert_eq!(browser.eval(&format!("{order}({starts})")), true);
}

#[test]
fn whoever_cannot_see_the_colours_finds_names_and_tables() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    browser.open(&page, "");
    let unnamed = browser.text(
        "[...document.querySelectorAll('main canvas, #tracks canvas, button, select')] \
         .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML).join()",
    );
    assert_eq!(unnamed, "");
    assert_eq!(
        browser.eval(
            "[...maps, ...tracks].every(m => m.canvas.tabIndex === 0 && $(m.canvas.getAttribute('aria-describedby')))"
        ),
        true
    );
    browser.wait_for("$('areas').rows.length > 5 && $('values').rows.length > 2");
    let areas = browser.text("$('areas').innerText");
    assert!(areas.contains("[anon:step4]") && areas.contains("mean access rate") && areas.contains(" Hz"), "{areas}");
    let figures = browser.text("$('figures').innerText");
    assert!(figures.contains("working set, highest") && figures.contains("MiB"), "{figures}");
    // The tables follow the view.
    browser.eval("location.hash = 't=30100000000~34900000000'");
    browser.wait_for("[...$('areas').rows].some(r => r.cells[0].textContent === '[anon:step4]' && parseFloat(r.cells[3].textContent) > 150)");
}

#[test]
fn the_table_in_view_begins_with_the_hottest_and_is_sorted_by_its_columns() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    browser.open(&page, "");
    browser.wait_for("$('areas').rows.length > 5");
    let rates =
        "[...$('areas').tBodies[0].rows].map(r => parseFloat(r.cells[3]?.textContent)).filter(Number.isFinite).join()";
    let falls = |rates: &str| {
        let rates: Vec<f64> = rates.split(',').map(|rate| rate.parse().expect("a rate")).collect();
        rates.len() > 3 && rates.windows(2).all(|pair| pair[0] >= pair[1])
    };
    let text = browser.text(rates);
    assert!(falls(&text), "{text}");
    browser.click("#areas thead th:first-child button");
    let names = browser.text("[...$('areas').tBodies[0].rows].map(r => r.cells[0].textContent).join()");
    let mut sorted: Vec<&str> = names.split(',').collect();
    sorted.sort_by_key(|name| name.to_lowercase());
    assert_eq!(names.split(',').next(), sorted.first().copied(), "{names}");
    assert_eq!(browser.text("$('areas').querySelector('[aria-sort]').getAttribute('aria-sort')"), "ascending");
    browser.click("#areas thead th:nth-child(3) button");
    browser.click("#areas thead th:nth-child(4) button");
    let text = browser.text(rates);
    assert!(falls(&text), "the largest first again: {text}");
}

#[test]
fn a_page_of_a_hostile_record_runs_nothing_and_loads_nothing() {
    let here = tempfile::tempdir().expect("temporary directory");
    let page = page_of(here.path(), &hostile());
    let text = fs::read_to_string(&page).expect("page");
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-";
    assert!(text.contains(policy) && !text.contains("unsafe"), "the policy is there");
    assert!(text.find(policy) < text.find("<style"), "before anything that it is about");
    // Neither attributes that run nor styles that a policy of hashes would stop.
    assert!(
        ![" onclick=", " onload=", " onerror=", " style="].iter().any(|it| text
            .replace("\\u003c", "<")
            .split("<script type")
            .next()
            .expect("head")
            .contains(it))
    );
    let Some(mut browser) = Browser::start(1200, 1000) else { return };
    browser.open(&page, "");
    assert_eq!(browser.eval("typeof window.broken"), "undefined");
    assert_eq!(browser.problems, Vec::<String>::new());
    // Should markup ever get in, the policy still stops it: scripts, handlers, styles, pictures and links that run.
    browser.eval(
        "(() => { const box = document.createElement('div'); \
         box.innerHTML = '<img src=x onerror=\"window.broken=1\"><a id=evil href=\"javascript:window.broken=2\">x</a>' + \
           '<svg onload=\"window.broken=3\"></svg><p id=styled style=\"width:1px\">x</p>'; document.body.append(box); \
         const script = document.createElement('script'); script.textContent = 'window.broken = 4'; document.body.append(script); \
         document.getElementById('evil').click(); })()",
    );
    browser.frame();
    browser.frame();
    assert_eq!(browser.eval("typeof window.broken"), "undefined");
    assert_eq!(browser.text("document.getElementById('styled').style.width"), "", "no style but the page's own");
    // And the page's own program and style work under it.
    assert_eq!(browser.text("getComputedStyle($('bar')).position"), "sticky");
}
