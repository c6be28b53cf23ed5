//! The HTML report: one file, no network, and it comes up in a real browser where there is one.

mod common;

use std::fs;
use std::process::Command;

#[test]
fn the_page_is_one_file_below_two_megabytes_that_asks_for_nothing_else() {
    let here = tempfile::tempdir().expect("temporary directory");
    common::record_stairs(here.path());
    common::ok(here.path(), "report html -o page.html");
    let page = fs::read_to_string(here.path().join("page.html")).expect("page");
    assert!(page.len() < 2 << 20);
    for outside in ["http://", "https://", " src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!page.contains("/*DATA*/"), "the data are in their place");
    assert!(page.contains("on step 3"), "marks are there");
}

#[test]
fn the_page_comes_up_in_a_browser_with_its_view_from_the_fragment() {
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
    else {
        eprintln!("note: no Chromium here: skipped");
        return;
    };
    let here = tempfile::tempdir().expect("temporary directory");
    common::record_stairs(here.path());
    common::ok(here.path(), "report html -o page.html");
    let url = format!(
        "file://{}#t=9000000000~31000000000&a=12000000000&b=24000000000",
        here.path().join("page.html").display()
    );
    let output = Command::new("timeout")
        .args(["120", browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-sync", "--virtual-time-budget=8000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", here.path().join("profile").display()))
        .arg(url)
        .output()
        .expect("the browser starts");
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("data-ready=\"yes\""), "the page's program ran to its end:\n{page:.2000}");
    assert!(page.contains("9 s – 31 s (22 s)"), "the view is the fragment's");
    assert!(
        page.contains("<td>time</td><td>12 s</td><td>24 s</td><td>+12 s</td>"),
        "markers A and B and their difference"
    );
}
