//! The page in the hands of its reader: wheel, mouse, keyboard and fingers.

use super::{SECOND, STEPS};
use crate::browser::{Browser, CTRL, SHIFT};
use crate::page::{near, spot, stairs, window};
use serde_json::json;

#[test]
fn the_wheel_with_ctrl_zooms_about_the_pointer_and_not_beyond_what_is_stored() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    browser.open(&page, "");
    let at = spot(&mut browser, STEPS, 0.25, 0.5);
    browser.point(at);
    let before = browser.number("pointer.t");
    browser.wheel(at, -100.0, CTRL);
    let (from, to) = window(&mut browser);
    assert!(to - from < 50.0 * SECOND && from > 0.0);
    assert!(near(from + 0.25 * (to - from), before, 0.01), "what is under the pointer stays there");
    browser.wheel(at, -100.0, CTRL | SHIFT);
    let rows = browser.eval(&format!("rows(maps[{STEPS}])"));
    let (low, high) = (rows[0].as_f64().expect("low"), rows[1].as_f64().expect("high"));
    let size = browser.number(&format!("maps[{STEPS}].panel.size"));
    assert!(high - low < 0.8 * size && near((low + high) / 2.0, size / 2.0, 0.02), "{low} {high} of {size}");
    assert_eq!(window(&mut browser), (from, to), "time stays");
    for _ in 0..40 {
        browser.wheel(at, -120.0, CTRL);
    }
    let stored = browser.number(&format!("D.duration / maps[{STEPS}].panel.cols"));
    let (from, to) = window(&mut browser);
    assert!(near(to - from, 8.0 * stored, 1e-6), "eight stored columns are left");
    assert!(browser.text("$('window').textContent").ends_with("as stored"));
    browser.screenshot("as-stored");
}

#[test]
fn dragging_moves_a_box_zooms_and_a_double_click_shows_everything() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    browser.open(&page, "#t=20000000000~40000000000");
    let from = spot(&mut browser, STEPS, 0.5, 0.5);
    let to = spot(&mut browser, STEPS, 0.25, 0.5);
    browser.drag(from, to, 0);
    let (start, end) = window(&mut browser);
    assert!(near(start, 25.0 * SECOND, 0.01) && near(end, 45.0 * SECOND, 0.01), "{start} {end}");
    let (from, to) = (spot(&mut browser, STEPS, 0.2, 0.25), spot(&mut browser, STEPS, 0.6, 0.75));
    browser.drag(from, to, SHIFT);
    let (start, end) = window(&mut browser);
    assert!(near(start, 29.0 * SECOND, 0.01) && near(end, 37.0 * SECOND, 0.01), "{start} {end}");
    let share = browser.number(&format!("(([a, b]) => (b - a) / maps[{STEPS}].panel.size)(rows(maps[{STEPS}]))"));
    assert!(near(share, 0.5, 0.03), "{share}");
    // Zoomed in addresses, dragging moves these as well.
    let low = browser.number(&format!("rows(maps[{STEPS}])[0]"));
    let (from, to) = (spot(&mut browser, STEPS, 0.5, 0.5), spot(&mut browser, STEPS, 0.5, 0.6));
    browser.drag(from, to, 0);
    assert!(browser.number(&format!("rows(maps[{STEPS}])[0]")) > low);
    let at = spot(&mut browser, STEPS, 0.5, 0.5);
    for clicks in [1, 2] {
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at.0, "y": at.1, "button": "left", "clickCount": clicks});
            browser.call("Input.dispatchMouseEvent", event);
        }
    }
    browser.frame();
    assert_eq!(browser.eval("view.t[0] === 0 && view.t[1] === D.duration && Object.keys(view.y).length === 0"), true);
    assert!(browser.problems.is_empty(), "{:?}", browser.problems);
}

#[test]
fn everything_can_be_done_with_the_keyboard() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 1400) else { return };
    browser.open(&page, "");
    // By Tab alone to the large map; what has the focus shows it.
    for _ in 0..40 {
        browser.key("Tab", 0);
        let outlined = browser
            .eval("(e => e === document.body || getComputedStyle(e).outlineStyle === 'solid')(document.activeElement)");
        assert_eq!(outlined, true, "no focus is seen on {}", browser.text("document.activeElement.outerHTML"));
        if browser.eval(&format!("document.activeElement === maps[{STEPS}].canvas")) == true {
            break;
        }
    }
    assert_eq!(browser.eval(&format!("document.activeElement === maps[{STEPS}].canvas")), true);
    browser.key("+", 0);
    let (from, to) = window(&mut browser);
    assert!(near(to - from, 42.0 * SECOND, 1e-6) && near(from + to, 60.0 * SECOND, 1e-6));
    browser.key("ArrowRight", 0);
    assert!(near(window(&mut browser).0 - from, 4.2 * SECOND, 1e-6));
    browser.key("ArrowLeft", 0);
    assert!(near(window(&mut browser).0, from, 1e-6));
    browser.key("-", 0);
    assert!(near(window(&mut browser).1, 60.0 * SECOND, 1e-6));
    browser.key("y", 0);
    let low = browser.number(&format!("rows(maps[{STEPS}])[0]"));
    browser.key("ArrowUp", 0);
    assert!(browser.number(&format!("rows(maps[{STEPS}])[0]")) > low);
    browser.key("Y", SHIFT);
    assert_eq!(browser.eval("Object.keys(view.y).length"), 0);
    // The crosshair goes cell by cell, and says what it finds.
    browser.key("ArrowRight", SHIFT);
    let first = browser.number("pointer.t");
    browser.key("ArrowRight", SHIFT);
    let stored = browser.number(&format!("D.duration / maps[{STEPS}].panel.cols"));
    assert!(near(browser.number("pointer.t") - first, stored, 1e-3));
    browser.key("ArrowDown", SHIFT);
    let said = browser.text("$('spoken').textContent");
    assert!(said.contains("accessed") && said.contains("Hz") && said.contains("touched: working set"), "{said}");
    browser.key("a", 0);
    browser.key("b", 0);
    assert_eq!(browser.eval("view.a === pointer.t && view.b === view.a"), true);
    browser.screenshot("keyboard");
    browser.key("x", 0);
    assert_eq!(browser.eval("view.a === null && view.b === null"), true);
    browser.key("=", 0);
    browser.key("0", 0);
    assert!(near(window(&mut browser).1, 60.0 * SECOND, 1e-6));
    assert!(browser.problems.is_empty(), "{:?}", browser.problems);
}

#[test]
fn one_finger_moves_and_two_zoom_along_their_axis() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(390, 2200) else { return };
    browser.call("Emulation.setTouchEmulationEnabled", json!({"enabled": true, "maxTouchPoints": 2}));
    browser.open(&page, "#t=20000000000~40000000000");
    let swipe = |browser: &mut Browser, from: &[(f64, f64)], to: &[(f64, f64)]| {
        let spots = |browser: &mut Browser, fingers: &[(f64, f64)]| -> Vec<_> {
            fingers.iter().map(|(x, y)| spot(browser, STEPS, *x, *y)).collect()
        };
        let start = spots(browser, from);
        browser.touch("touchStart", &start);
        for part in [0.2, 0.4, 0.6, 0.8, 1.0] {
            let between = from.iter().zip(to).map(|(a, b)| (a.0 + (b.0 - a.0) * part, a.1 + (b.1 - a.1) * part));
            let between = spots(browser, &between.collect::<Vec<_>>());
            browser.touch("touchMove", &between);
        }
        browser.touch("touchEnd", &[]);
    };
    swipe(&mut browser, &[(0.7, 0.5)], &[(0.3, 0.5)]);
    let (from, to) = window(&mut browser);
    assert!(from > 24.0 * SECOND && near(to - from, 20.0 * SECOND, 1e-6), "one finger moves: {from} {to}");
    swipe(&mut browser, &[(0.4, 0.5), (0.6, 0.5)], &[(0.2, 0.5), (0.8, 0.5)]);
    let (from, to) = window(&mut browser);
    assert!(to - from < 10.0 * SECOND, "side by side they zoom time: {from} {to}");
    assert_eq!(browser.eval("Object.keys(view.y).length"), 0);
    swipe(&mut browser, &[(0.5, 0.4), (0.5, 0.6)], &[(0.5, 0.2), (0.5, 0.8)]);
    let share = browser.number(&format!("(([a, b]) => (b - a) / maps[{STEPS}].panel.size)(rows(maps[{STEPS}]))"));
    assert!(share < 0.6, "above one another they zoom addresses: {share}");
    assert!(near(window(&mut browser).1 - window(&mut browser).0, to - from, 1e-6));
    assert_eq!(
        browser.eval("document.documentElement.scrollWidth <= innerWidth"),
        true,
        "nothing sticks out of a phone"
    );
    assert!(browser.problems.is_empty(), "{:?}", browser.problems);
    browser.screenshot("phone");
}

#[test]
fn the_wheel_scrolls_the_page_unless_the_map_was_clicked() {
    let (_here, page) = stairs();
    let Some(mut browser) = Browser::start(1200, 500) else { return };
    browser.open(&page, "");
    let at = spot(&mut browser, STEPS, 0.25, 0.5);
    let (before, whole) = (browser.number("scrollY"), window(&mut browser));
    browser.wheel(at, 120.0, 0);
    browser.wait_for(&format!("scrollY > {before}"));
    assert_eq!(window(&mut browser), whole, "nothing is zoomed");
    let at = spot(&mut browser, STEPS, 0.25, 0.5);
    browser.mouse("mousePressed", at, 0);
    browser.mouse("mouseReleased", at, 0);
    browser.wheel(at, -100.0, 0);
    let (from, to) = window(&mut browser);
    assert!(to - from < whole.1 - whole.0, "a map in focus is zoomed");
    browser.key("Escape", 0);
    browser.wheel(at, -100.0, 0);
    assert_eq!(window(&mut browser), (from, to), "no longer after Esc");
}
