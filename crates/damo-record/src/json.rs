//! Parameters of kdamonds in the Python tool's schema: {"kdamonds": [{"contexts": [...]}]}. Read with all of its
//! spellings (human units or raw numbers, percent or samples, old names), written so that it reads them. The values come
//! from JSON or from YAML.
//!
//! Keys that this version does not know, and wishes that it cannot meet, are an error rather than silently without effect. Schemes are read by
//! [`damo_model::scheme`], with missing bounds at their natural ends.

mod read;
mod write;

pub use read::{apply_schemes, check_filters, kdamonds, schemes};
pub use write::{text, to_json};

#[cfg(test)]
mod tests;
