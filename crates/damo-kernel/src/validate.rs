//! What parameters must be beside what [`damo_model::kdamond::check`] looks at: for beginning, and for a commit.

use crate::error::{Error, Result};
use damo_model::Ops;
use damo_model::kdamond::Kdamond;

/// Checks what only beginning needs: in a commit a target without ranges keeps those that it has.
///
/// # Errors
/// [`Error::Invalid`] for a target of physical addresses without any, of which nothing would ever be told.
pub(crate) fn beginning(kdamonds: &[Kdamond]) -> Result<()> {
    for (k, context) in
        kdamonds.iter().enumerate().flat_map(|(k, kdamond)| kdamond.contexts.iter().map(move |c| (k, c)))
    {
        let empty = context.targets.iter().position(|target| target.regions.is_empty() && !target.obsolete);
        if let Some(t) = empty.filter(|_| context.ops == Ops::Paddr) {
            let what = format!("kdamond {k}, target {t}");
            return Err(invalid(
                &what,
                "no range",
                "physical memory is monitored in the ranges given: give at least one",
            ));
        }
    }
    Ok(())
}

pub(crate) fn same_number(staged: usize, given: usize) -> Result<()> {
    if staged == given {
        return Ok(());
    }
    Err(invalid("number of kdamonds", &given.to_string(), &format!("{staged} run, and a commit cannot change that")))
}

fn invalid(what: &str, value: &str, why: &str) -> Error {
    Error::Invalid { what: what.to_owned(), value: value.to_owned(), why: why.to_owned() }
}
