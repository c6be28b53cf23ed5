//! Attribute probes (Linux 7.2; weights 7.3): beside whether a sampled page was accessed, the kernel counts what kind of page it was.

use crate::json::{At, ParamError, Result};
use crate::scheme::{FilterKind, SchemeFilter, memcg_path};
use serde_json::{Value, json};
use std::fmt;

/// What the samples of each region are looked at for. Its hits are counted region by region, as accesses are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Which pages are a hit: the first filter that matches decides, as for schemes. The kernel takes `anon` and `memcg`.
    pub filters: Vec<SchemeFilter>,
    /// How much its hits count where regions are split and joined, beside those of other probes; 0 is not at all. With a
    /// weight, Linux 7.3 counts no accesses.
    pub weight: u64,
}

/// The kernel's limit.
const MAX_PROBES: usize = 4;

impl fmt::Display for Probe {
    /// As its filters are typed: `allow anon reject none memcg /a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, filter) in self.filters.iter().enumerate() {
            let (between, verb) = (if at > 0 { " " } else { "" }, if filter.allow { "allow" } else { "reject" });
            write!(f, "{between}{verb} {}{}", if filter.matching { "" } else { "none " }, filter.kind)?;
            filter.kind.memcg().map_or(Ok(()), |path| write!(f, " {path}"))?;
        }
        Ok(())
    }
}

impl Probe {
    /// Checks all probes of a context.
    ///
    /// # Errors
    /// The first thing that no kernel takes.
    pub(super) fn check(probes: &[Probe]) -> Result<()> {
        if probes.len() > MAX_PROBES {
            let what = format!("there are {}, and the kernel takes {MAX_PROBES}", probes.len());
            return Err(ParamError::new("probes", what));
        }
        for (p, probe) in probes.iter().enumerate() {
            for (f, filter) in probe.filters.iter().enumerate() {
                if !matches!(filter.kind, FilterKind::Anon | FilterKind::Memcg(_) | FilterKind::Newer(_)) {
                    let what = format!("{} is no filter of a probe: use anon or memcg", filter.kind);
                    return Err(ParamError::new(format!("probes[{p}].filters[{f}].filter_type"), what));
                }
            }
        }
        Ok(())
    }

    pub(super) fn from_json(at: &At<'_>) -> Result<Probe> {
        at.only(&["filters", "weight", "preps"])?;
        at.nothing("preps", "preparations of probes are not supported, because no released kernel has them")?;
        let filters = at.maybe("filters").map(|at| at.items()).transpose()?.unwrap_or_default();
        Ok(Probe {
            filters: filters.iter().map(filter).collect::<Result<_>>()?,
            weight: at.maybe("weight").map(|at| at.count()).transpose()?.unwrap_or(0),
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let filter = |filter: &SchemeFilter| {
            let mut value =
                json!({ "filter_type": filter.kind.as_str(), "matching": filter.matching, "allow": filter.allow });
            if let FilterKind::Memcg(path) = &filter.kind {
                value["path"] = json!(path);
            }
            value
        };
        json!({ "filters": self.filters.iter().map(filter).collect::<Vec<_>>(), "weight": self.weight })
    }
}

fn filter(at: &At<'_>) -> Result<SchemeFilter> {
    at.only(&["filter_type", "matching", "allow", "path", "range_min", "range_max"])?;
    at.nothing("range_min", "is not supported: no released kernel has probes with a range")?;
    at.nothing("range_max", "is not supported: no released kernel has probes with a range")?;
    let flag = |key: &str, default| at.maybe(key).map_or(Ok(default), |at| at.flag());
    let word = at.get("filter_type")?.text()?;
    let path = at.maybe("path").map(|at| at.text()).transpose()?.filter(|path| !path.trim().is_empty());
    let kind = match (word.as_str(), path) {
        ("anon", _) => FilterKind::Anon,
        ("memcg", Some(path)) => FilterKind::Memcg(memcg_path(&path)),
        ("memcg", None) => return at.error("`path` is missing; memcg needs it"),
        _ => return at.error(format!("`{word}` is no filter of a probe: use anon or memcg")),
    };
    Ok(SchemeFilter { kind, matching: flag("matching", true)?, allow: flag("allow", false)? })
}
