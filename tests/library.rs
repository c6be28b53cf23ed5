//! docs/library.md shows the examples as they are.

mod common;

#[test]
fn the_code_on_the_page_is_the_text_of_the_examples() {
    let page = std::fs::read_to_string(common::top().join("docs/library.md")).expect("docs/library.md");
    // Each block of code follows a line with its file's name: "`crates/…/examples/….rs`:".
    let parts: Vec<&str> = page.split("\n```").collect();
    let mut shown = 0;
    for pair in parts.windows(2) {
        let Some(code) = pair[1].strip_prefix("rust\n") else { continue };
        let line = pair[0].trim_end().lines().last().unwrap_or_default();
        let name = line.strip_prefix('`').and_then(|line| line.strip_suffix("`:")).expect("the file's name");
        let example = std::fs::read_to_string(common::top().join(name));
        let example = example.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(code, example.trim_end(), "docs/library.md does not show {name} as it is");
        shown += 1;
    }
    assert_eq!(shown, 5);
}
