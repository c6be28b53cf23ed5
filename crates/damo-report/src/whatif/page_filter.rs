//! What a scheme's filters let pass of a region, as far as a record tells.
//!
//! Addresses and targets are decided as the kernel does, whole regions cut at the borders. Of filters that look at pages
//! a record knows little: whether memory is anonymous by the names of mappings, whether it is young by the access rate.
//! Of the others nothing: they count as filters that are for no page, and are reported as unknown.

use crate::ReportError;
use damo_frame::Record;
use damo_model::scheme::{Action, FilterKind, Scheme, SchemeFilter};
use damo_model::{Addr, AddrRange, Mapping, Side, Target};

const PAGE: u64 = 4096;

/// A scheme's filters, prepared for the targets of a context.
#[derive(Clone, Debug)]
pub(super) struct PageFilter {
    filters: Vec<Prepared>,
    core_pass: bool,
    pages_pass: bool,
    pages_decide: bool,
}

#[derive(Clone, Debug)]
struct Prepared {
    filter: SchemeFilter,
    is: FilterTest,
}

/// How it is decided whether memory is of a filter's kind.
#[derive(Clone, Debug, PartialEq)]
enum FilterTest {
    /// Inside the range, whole pages.
    Inside(AddrRange),
    /// The target with this index.
    Target(usize),
    /// By its address: one list of sorted ranges for each target of the context.
    Listed(Vec<Vec<AddrRange>>),
    /// The share touched in the last aggregation interval.
    Touched,
    /// None of it.
    Nothing,
    /// Not to be told from a record.
    Unknown,
    /// The kernel does not ask it with this action.
    Ignored,
}

damo_model::words! {
    /// What is known of one filter.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[non_exhaustive]
    pub enum Knowledge {
        /// Decided as the kernel does.
        #[default]
        Exact = "exact",
        /// Estimated from what the record tells.
        Estimated = "estimated",
        /// The record does not tell: taken as matching nothing.
        Unknown = "unknown",
        /// The kernel does not ask it for this action on virtual addresses.
        Ignored = "ignored",
    }
}

/// Whether a mapping's memory is anonymous, by its name.
fn is_anonymous(mapping: &Mapping) -> bool {
    let name = mapping.name.as_str();
    name.is_empty() || name.starts_with("[heap") || name.starts_with("[stack") || name.starts_with("[anon:")
}

/// Anonymous ranges of a target, by the last mappings that the record has of it; `None` without any.
fn anonymous(record: &Record, target: &Target) -> Result<Option<Vec<AddrRange>>, ReportError> {
    let pid = target.process.as_ref().map(|process| process.pid);
    let of_target = |side: &Side| match side {
        Side::Mappings(all) if all.target == Some(target.key) || (pid.is_some() && pid == Some(all.pid)) => {
            let ranges = all.mappings.iter().filter(|m| is_anonymous(m)).map(|m| AddrRange::new(m.start, m.end));
            Some(ranges.collect())
        }
        _ => None,
    };
    Ok(record.side_data()?.iter().rev().find_map(of_target))
}

impl PageFilter {
    pub(super) fn new(scheme: &Scheme, record: &Record, targets: &[&Target]) -> Result<PageFilter, ReportError> {
        let physical = super::is_physical(record) || targets.iter().all(|t| t.process.is_none());
        // madvise() knows no filters: on virtual addresses they are asked by migrations and statistics only.
        let asks_pages = physical || matches!(scheme.action, Action::MigrateHot | Action::MigrateCold | Action::Stat);
        let mut filters = Vec::with_capacity(scheme.filters.len());
        for filter in &scheme.filters {
            let is = match &filter.kind {
                FilterKind::Addr(range) => {
                    let end = range.end.0.div_ceil(PAGE).saturating_mul(PAGE);
                    FilterTest::Inside(AddrRange::new(Addr(range.start.0 / PAGE * PAGE), Addr(end)))
                }
                FilterKind::Target(index) => FilterTest::Target(usize::try_from(*index).unwrap_or(usize::MAX)),
                _ if !asks_pages => FilterTest::Ignored,
                FilterKind::Anon => {
                    let lists = targets.iter().map(|target| anonymous(record, target));
                    let lists: Option<Vec<_>> = lists.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
                    lists.map_or(FilterTest::Unknown, FilterTest::Listed)
                }
                FilterKind::Young => FilterTest::Touched,
                FilterKind::Unmapped if !physical => FilterTest::Nothing,
                _ => FilterTest::Unknown,
            };
            filters.push(Prepared { filter: filter.clone(), is });
        }
        let of = |core: bool| scheme.filters.iter().filter(move |f| f.kind.is_core() == core);
        Ok(PageFilter {
            filters,
            core_pass: SchemeFilter::passes_by_default(of(true)),
            pages_pass: !asks_pages || SchemeFilter::passes_by_default(of(false)),
            pages_decide: of(false).next().is_some(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// How far each filter can be told.
    pub(super) fn knowledge(&self) -> Vec<Knowledge> {
        let of = |prepared: &Prepared| match &prepared.is {
            FilterTest::Inside(_) | FilterTest::Target(_) | FilterTest::Nothing => Knowledge::Exact,
            FilterTest::Listed(_) | FilterTest::Touched => Knowledge::Estimated,
            FilterTest::Unknown => Knowledge::Unknown,
            FilterTest::Ignored => Knowledge::Ignored,
        };
        self.filters.iter().map(of).collect()
    }

    /// Where regions of the `target`-th target have to be cut so that each part is of one kind.
    pub(super) fn cuts(&self, target: usize) -> impl Iterator<Item = Addr> {
        let ends = |range: &AddrRange| [range.start, range.end];
        self.filters.iter().flat_map(move |prepared| match &prepared.is {
            FilterTest::Inside(range) => ends(range).to_vec(),
            FilterTest::Listed(lists) => {
                lists.get(target).map(|list| list.iter().flat_map(ends).collect()).unwrap_or_default()
            }
            _ => Vec::new(),
        })
    }

    /// The share of `range` that passes, and whether the core let it pass at all (else it costs no quota). `touched` is the
    /// share touched lately. What each filter keeps out goes to `kept`, as a share.
    pub(super) fn pass(&self, target: usize, range: AddrRange, touched: f32, kept: &mut [f32]) -> (bool, f32) {
        kept.fill(0.0);
        let mut core_decided = false;
        for (prepared, kept) in self.filters.iter().zip(kept.iter_mut()).filter(|(p, _)| p.filter.kind.is_core()) {
            if prepared.share(target, range, touched) > 0.5 {
                if !prepared.filter.allow {
                    *kept = 1.0;
                    return (false, 0.0);
                }
                core_decided = true;
                break;
            }
        }
        if core_decided {
            return (true, 1.0);
        }
        if !self.pages_decide && !self.core_pass {
            if let Some(last) = kept.last_mut() {
                *last = 1.0;
            }
            return (false, 0.0);
        }
        let (mut open, mut passed) = (1.0, 0.0);
        let mut last_page = None;
        for (i, prepared) in self.filters.iter().enumerate().filter(|(_, p)| !p.filter.kind.is_core()) {
            let decided = open * prepared.share(target, range, touched);
            if prepared.filter.allow {
                passed += decided;
            } else if let Some(kept) = kept.get_mut(i) {
                *kept = decided;
            }
            open -= decided;
            last_page = Some(i);
        }
        if self.pages_pass {
            return (true, passed + open);
        }
        // What no filter lets pass is kept out by the last one, which is for letting pass.
        if let Some(kept) = last_page.and_then(|i| kept.get_mut(i)) {
            *kept = open;
        }
        (true, passed)
    }
}

impl Prepared {
    /// The share of `range` that the filter is for.
    fn share(&self, target: usize, range: AddrRange, touched: f32) -> f32 {
        let whether = |is: bool| if is { 1.0 } else { 0.0 };
        let is = match &self.is {
            FilterTest::Inside(inside) => whether(inside.start <= range.start && range.end <= inside.end),
            FilterTest::Target(index) => whether(*index == target),
            FilterTest::Listed(lists) => {
                let list = lists.get(target).map_or(&[][..], Vec::as_slice);
                let at = list.partition_point(|r| r.end <= range.start);
                whether(list.get(at).is_some_and(|r| r.start <= range.start))
            }
            FilterTest::Touched => touched,
            FilterTest::Nothing => 0.0,
            FilterTest::Unknown | FilterTest::Ignored => return 0.0,
        };
        if self.filter.matching { is } else { 1.0 - is }
    }
}
