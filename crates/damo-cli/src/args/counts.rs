//! `--nr_targets`, `--nr_schemes`, `--nr_ctxs`: the older way to type several kdamonds. The n-th occurrence of an option is
//! for the n-th target, scheme or context of all, and these counts say how many each context and kdamond has of them.

use super::setup::{OF_TARGET, Typed};
use crate::error::{UsageError, usage};
use damo_model::human::Show;

/// Each counted thing is set up one by one, so that a mistyped count must not fill the memory.
const MAX_COUNT: usize = 1024;
pub(super) const COUNTS: [&str; 3] = ["nr_ctxs", "nr_targets", "nr_schemes"];
/// Options that a scheme may have several times, and those that say how many each scheme has.
const SHARED: [(&str, &str); 2] = [("damos_filter", "damos_nr_filters"), ("damos_quota_goal", "damos_nr_quota_goals")];

/// The same with markers ahead of what each count is of; as it is where there are no counts.
///
/// # Errors
/// A sentence on a count that does not fit.
pub(super) fn with_markers(typed: Vec<Typed>) -> Result<Vec<Typed>, UsageError> {
    if !typed.iter().any(|one| COUNTS.contains(&one.id.as_str())) {
        return Ok(typed);
    }
    let (contexts, targets, schemes) =
        (counts(&typed, "nr_ctxs")?, counts(&typed, "nr_targets")?, counts(&typed, "nr_schemes")?);
    let nr_contexts = targets.len().max(schemes.len()).max(contexts.iter().sum());
    if !contexts.is_empty() && contexts.iter().sum::<usize>() != nr_contexts {
        return usage(format!(
            "--nr_ctxs: the other counts are for {nr_contexts} contexts, not {}",
            contexts.iter().sum::<usize>()
        ));
    }
    if contexts.iter().any(|count| *count != 1) {
        return usage("--nr_ctxs: kernels take one context per kdamond: give a 1 for each");
    }
    let mut rest = typed;
    let mut found = Vec::new();
    for at in 0..nr_contexts {
        found.extend(["kdamond", "damon_ctx"].map(marker));
        let of_context: Vec<String> =
            ids(&rest, |id| !OF_TARGET.contains(&id) && !is_of_scheme(id) && !COUNTS.contains(&id));
        found.extend(of_context.iter().filter_map(|id| take(&mut rest, id)));
        for _ in 0..targets.get(at).copied().unwrap_or(1) {
            found.push(marker("damon_target"));
            let of_target = ids(&rest, |id| OF_TARGET.contains(&id));
            found.extend(of_target.iter().filter_map(|id| take(&mut rest, id)));
        }
        for _ in 0..schemes.get(at).copied().unwrap_or(0) {
            found.push(marker("damos_scheme"));
            let single = |id: &str| is_of_scheme(id) && !SHARED.iter().any(|(one, count)| id == *one || id == *count);
            found.extend(ids(&rest, single).iter().filter_map(|id| take(&mut rest, id)));
            for (id, numbers) in SHARED {
                let nr = next_count(&mut rest, numbers)?.unwrap_or(if schemes.iter().sum::<usize>() == 1 {
                    usize::MAX
                } else {
                    0
                });
                found.extend(std::iter::from_fn(|| take(&mut rest, id)).take(nr));
            }
        }
    }
    match rest.iter().find(|one| !COUNTS.contains(&one.id.as_str()) && !one.words.is_empty()) {
        Some(one) => {
            usage(format!("--{}: there are more of it than --nr_ctxs, --nr_targets and --nr_schemes tell of", one.id))
        }
        None => Ok(found),
    }
}

fn is_of_scheme(id: &str) -> bool {
    id.starts_with("damos_") || id == "schemes"
}

fn marker(id: &str) -> Typed {
    Typed { id: id.to_owned(), words: vec!["true".to_owned()] }
}

/// Which options there are, each once.
fn ids(typed: &[Typed], wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut ids: Vec<String> = typed.iter().map(|one| one.id.clone()).filter(|id| wanted(id)).collect();
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    ids
}

/// The next occurrence of an option.
fn take(typed: &mut Vec<Typed>, id: &str) -> Option<Typed> {
    let at = typed.iter().position(|one| one.id == id)?;
    Some(typed.remove(at))
}

fn counts(typed: &[Typed], id: &str) -> Result<Vec<usize>, UsageError> {
    let words = typed.iter().filter(|one| one.id == id).flat_map(|one| &one.words);
    words
        .map(|word| match number(id, word)? {
            count if count > MAX_COUNT => usage(format!("--{id}: {count} is more than the {MAX_COUNT} that are taken")),
            count => Ok(count),
        })
        .collect()
}

/// The next number of an option that has one for each scheme.
fn next_count(typed: &mut [Typed], id: &str) -> Result<Option<usize>, UsageError> {
    let Some(one) = typed.iter_mut().find(|one| one.id == id && !one.words.is_empty()) else { return Ok(None) };
    number(id, &one.words.remove(0)).map(Some)
}

fn number(id: &str, word: &str) -> Result<usize, UsageError> {
    word.parse().or_else(|_| usage(format!("--{id}: `{}` is no number", word.shown())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_are_no_number_or_fill_the_memory_are_refused() {
        let typed = |id: &str, words: &[&str]| Typed {
            id: id.to_owned(),
            words: words.iter().map(|&word| word.into()).collect(),
        };
        for (id, words) in [
            ("nr_targets", &["4000000000"][..]),
            ("nr_ctxs", &["18446744073709551615", "1"]),
            ("nr_schemes", &["two"]),
            ("nr_targets", &["-1"]),
        ] {
            let error = with_markers(vec![typed(id, words)]).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(&format!("--{id}: ")) && error.contains(words[0]), "{error}");
        }
        let found = with_markers(vec![typed("nr_targets", &["2"])]).unwrap();
        assert_eq!(found.iter().filter(|one| one.id == "damon_target").count(), 2);
    }
}
