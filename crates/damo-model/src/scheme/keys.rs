//! Keys of written parameters: which are known, and which one was probably meant by one that is not.

/// A sentence on `key`, which is none of `known`: the nearest known key if one is near, else all of them.
///
/// ```
/// use damo_model::scheme::unknown_key;
/// assert_eq!(unknown_key("acton", &["action", "filters"]), "unknown key `acton`; did you mean `action`?");
/// assert_eq!(unknown_key("x", &["action", "filters"]), "unknown key `x`; the known ones are action, filters");
/// ```
pub fn unknown_key(key: &str, known: &[&str]) -> String {
    // A key from a file of somebody else may be long, and may hold control characters.
    let shown: String = key.chars().take(64).flat_map(char::escape_debug).collect();
    let nearest = known.iter().map(|known| (distance(key, known), *known)).min();
    match nearest {
        Some((distance, known)) if distance * 3 <= known.len().max(3) => {
            format!("unknown key `{shown}`; did you mean `{known}`?")
        }
        _ => format!("unknown key `{shown}`; the known ones are {}", known.join(", ")),
    }
}

/// How many characters have to be inserted, removed, replaced or swapped with their neighbour to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    // No known key is near to a long one, and the time grows with the product of the lengths.
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
    fn a_key_is_shown_without_control_characters_and_not_at_length() {
        let said = unknown_key(&format!("\u{1b}[2J{}", "x".repeat(1000)), &["action"]);
        assert!(!said.contains('\u{1b}') && said.len() < 150, "{said}");
    }
}
