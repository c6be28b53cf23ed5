//! Parameters of kdamonds as JSON in the Python tool's schema: {"kdamonds": [{"contexts": [...]}]}. Read with all of
//! its spellings (human units or raw numbers, percent or samples, old names), written in its human form.
//!
//! Keys that this version does not know are an error rather than silently without effect, unless the Python tool
//! ignores them as well.

mod read;
mod write;

pub use read::{kdamonds, schemes};
pub use write::{text, to_json};

#[cfg(test)]
mod tests;
