//! Imports foreign records, says what was in them and how long it took: `cargo run --release --example import FILE…`.

use damo_model::{Item, Sink, SinkError};
use std::time::Instant;

/// Takes everything and keeps nothing.
#[derive(Default)]
struct Count {
    targets: usize,
    side_data: usize,
}

impl Sink for Count {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match item {
            Item::Target(_) => self.targets += 1,
            Item::Side(_) => self.side_data += 1,
            _ => {}
        }
        Ok(())
    }
}

fn main() {
    for path in std::env::args().skip(1) {
        let mut count = Count::default();
        let begin = Instant::now();
        match damo_import::import_path(path.as_ref(), &damo_import::Options::default(), &mut count) {
            Ok(imported) => println!(
                "{path}: {:?}\n  {} targets, {} sides, {:.1} ms",
                imported,
                count.targets,
                count.side_data,
                begin.elapsed().as_secs_f64() * 1e3
            ),
            Err(error) => println!("{error}"),
        }
    }
}
