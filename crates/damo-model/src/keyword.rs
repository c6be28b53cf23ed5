//! Words of DAMON's files (operations sets, actions, metrics), each a variant of an enum. One macro gives the enums their
//! text: [`std::fmt::Display`] writes the kernel's word and [`std::str::FromStr`] reads it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// A word that is none of those that this version knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no {what}; {}", hint(word, known))]
pub struct UnknownKeyword {
    word: String,
    what: &'static str,
    known: &'static [&'static str],
}

impl UnknownKeyword {
    pub(crate) fn new(word: &str, what: &'static str, known: &'static [&'static str]) -> Self {
        // A word from a file of somebody else may be long, and may hold control characters.
        UnknownKeyword { word: word.chars().take(64).flat_map(char::escape_debug).collect(), what, known }
    }
}

/// A sentence on the key `key` of an object, which is none of `known`.
pub(crate) fn unknown_key(key: &str, known: &[&str]) -> String {
    let shown: String = key.chars().take(64).flat_map(char::escape_debug).collect();
    format!("unknown key `{shown}`; {}", hint(key, known))
}

/// The nearest of the known words if one is near, else all of them.
fn hint(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|known| (distance(word, known), *known)).min();
    match nearest {
        Some((distance, known)) if distance * 3 <= known.len().max(3) => format!("did you mean `{known}`?"),
        _ => format!("the known ones are {}", known.join(", ")),
    }
}

/// How many characters have to be inserted, removed, replaced or swapped with their neighbour to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    // No known word is near to a long one, and the time grows with the product of the lengths.
    const LONGEST: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(LONGEST).collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, j) => j,
                (i, 0) => i,
                (i, j) => {
                    let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(rows[i - 2][j - 2] + 1);
                    }
                    least
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

/// A word of a kernel that is newer than this version: it is kept and written back as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NewerKeyword(&'static str);

impl NewerKeyword {
    /// Words of kernels are few and short: each is kept once, for the life of the program, so that enums stay `Copy`.
    pub(crate) fn new(word: &str) -> Self {
        static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = words.get(word) {
            return NewerKeyword(known);
        }
        let kept: &'static str = Box::leak(word.to_owned().into_boxed_str());
        words.insert(kept);
        NewerKeyword(kept)
    }

    /// The word as the kernel writes it.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Defines an enum whose variants have a word each: with `ALL`, `WORDS`, `NAMED` and `as_str`. With `or Newer`, a variant
/// of that name holds words that only newer kernels know.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* pub enum $type:ident $(or $newer:ident)? {
        $($(#[$doc:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$meta])*
        pub enum $type {
            $($(#[$doc])* $variant,)+
            $(
                /// Of a newer kernel.
                $newer($crate::NewerKeyword),
            )?
        }

        impl $type {
            /// All that this version knows.
            pub const ALL: [$type; Self::WORDS.len()] = [$($type::$variant),+];
            /// The words of [`Self::ALL`], in the same order.
            pub const WORDS: [&'static str; [$($word),+].len()] = [$($word),+];
            /// Words and what they stand for.
            pub const NAMED: [(&'static str, $type); Self::WORDS.len()] = [$(($word, $type::$variant)),+];

            /// The word that it is written as.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($type::$variant => $word,)+
                    $($type::$newer(word) => word.as_str(),)?
                }
            }

            $(
                /// A word from a kernel's file, also one that only newer kernels know.
                pub fn of_kernel(word: &str) -> Self {
                    word.parse().unwrap_or_else(|_| $type::$newer($crate::NewerKeyword::new(word)))
                }
            )?
        }
    };
}

/// An enum of [`words`] of the kernel: it is also read and written as text, and a word that is none of them is an
/// error that says what it is not.
macro_rules! keywords {
    ($what:literal, $(#[$meta:meta])* pub enum $type:ident $(or $newer:ident)? { $($body:tt)* }) => {
        $crate::words! { $(#[$meta])* pub enum $type $(or $newer)? { $($body)* } }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownKeyword;

            fn from_str(word: &str) -> std::result::Result<Self, Self::Err> {
                let known = Self::ALL.into_iter().find(|known| known.as_str() == word);
                known.ok_or_else(|| $crate::UnknownKeyword::new(word, $what, &Self::WORDS))
            }
        }
    };
}
pub(crate) use keywords;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_one_change_each() {
        for (typed, meant) in [("acton", "action"), ("mni", "min"), ("qoutas", "quotas"), ("filter", "filters")] {
            assert_eq!(distance(typed, meant), 1, "{typed}");
        }
        assert_eq!(distance("", "min"), 3);
    }

    #[test]
    fn the_nearest_known_word_is_named_or_else_all_of_them() {
        assert_eq!(unknown_key("acton", &["action", "filters"]), "unknown key `acton`; did you mean `action`?");
        assert_eq!(unknown_key("x", &["action", "filters"]), "unknown key `x`; the known ones are action, filters");
        let error = "vadr".parse::<crate::Ops>().unwrap_err().to_string();
        assert_eq!(error, "`vadr` is no operations set; did you mean `vaddr`?");
    }

    #[test]
    fn a_key_is_shown_without_control_characters_and_not_at_length() {
        let said = unknown_key(&format!("\u{1b}[2J{}", "x".repeat(1000)), &["action"]);
        assert!(!said.contains('\u{1b}') && said.len() < 150, "{said}");
    }
}
