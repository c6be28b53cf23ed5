//! The lists below the map: processes, mappings, regions, schemes.

use crate::areas::name_of;
use crate::history::{Heat, Moment, bytes};
use crate::plain::{percent, scheme_text, size};
use crate::reading::NodeReading;
use crate::state::{State, TargetState};
use damo_model::human::format_hex_range;
use damo_model::{AddrRange, Bytes, Nanos, TargetKey, TimeSpan};
use std::collections::BTreeMap;

/// Change is told against so long before.
const CHANGE: Nanos = Nanos(5_000_000_000);
/// More rows are not made: the first ones by the sorted column are shown.
const MOST_ROWS: usize = 2_000;

/// One of the lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum List {
    #[default]
    Processes,
    Mappings,
    Regions,
    Schemes,
    Nodes,
}

/// A column: its title, its width, and whether its text is on the left.
pub(crate) type Column = (&'static str, usize, bool);

impl List {
    pub(crate) const ALL: [List; 5] = [List::Processes, List::Mappings, List::Regions, List::Schemes, List::Nodes];

    pub(crate) fn name(self) -> &'static str {
        match self {
            List::Processes => "Processes",
            List::Mappings => "Mappings",
            List::Regions => "Regions",
            List::Schemes => "Schemes",
            List::Nodes => "Nodes",
        }
    }

    pub(crate) fn columns(self) -> &'static [Column] {
        match self {
            List::Processes => &[
                ("PID", 7, false),
                ("NAME", 15, true),
                ("WSET", 10, false),
                ("HOT", 10, false),
                ("COLD", 10, false),
                ("RSS", 10, false),
                ("CPU%", 5, false),
                ("HEAT%", 5, false),
            ],
            List::Mappings => &[
                ("NAME", 24, true),
                ("SIZE", 10, false),
                ("HEAT%", 6, false),
                ("WSET", 10, false),
                ("AGE", 9, false),
                ("CHANGE", 7, false),
            ],
            List::Regions => &[
                ("ADDRESSES", 30, true),
                ("SIZE", 10, false),
                ("HEAT%", 6, false),
                ("AGE", 9, false),
                ("CHANGE", 7, false),
                ("NAME", 12, true),
            ],
            List::Schemes => &[("SCHEME", 78, true)],
            List::Nodes => &[
                ("NODE", 5, false),
                ("RESIDENT", 11, false),
                ("HOT", 11, false),
                ("WARM", 11, false),
                ("COLD", 11, false),
                ("ACCESSES%", 9, false),
            ],
        }
    }

    /// The column that it is sorted by at first.
    pub(crate) fn first_sort(self) -> usize {
        match self {
            List::Processes | List::Mappings | List::Regions => {
                self.columns().iter().position(|(title, ..)| *title == "HEAT%").unwrap_or(0)
            }
            List::Schemes | List::Nodes => 0,
        }
    }
}

/// What a row is of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Subject {
    Target(TargetKey),
    /// Some addresses with their name.
    Addresses(String, Vec<AddrRange>),
    Nothing,
}

/// A row: its texts, and numbers to sort by.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) cells: Vec<String>,
    numbers: Vec<f64>,
}

/// The text of a row in a column, and the number to sort by.
type Cell = (String, f64);

impl Row {
    fn new(subject: Subject, cells: impl IntoIterator<Item = Cell>) -> Self {
        let (cells, numbers) = cells.into_iter().unzip();
        Self { subject, cells, numbers }
    }
}

/// What is shown of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) list: List,
    pub(crate) at: Nanos,
    pub(crate) target: Option<TargetKey>,
    pub(crate) focus: Option<&'a [AddrRange]>,
    pub(crate) filter: &'a str,
    pub(crate) sort: usize,
    pub(crate) reverse: bool,
}

impl Wanted<'_> {
    /// The rows, sorted: numbers from high to low, texts from a to z.
    pub(crate) fn rows(&self, state: &State) -> Vec<Row> {
        let mut rows = match self.list {
            List::Processes => processes(state, self.at),
            List::Mappings => self.target.map_or_else(Vec::new, |target| mappings(state, target, self.at)),
            List::Regions => self.target.map_or_else(Vec::new, |target| regions(state, target, self.focus, self.at)),
            List::Schemes => schemes(state, self.at),
            List::Nodes => self.target.map_or_else(Vec::new, |target| nodes(state, target, self.focus, self.at)),
        };
        if !self.filter.is_empty() {
            let wanted = self.filter.to_lowercase();
            rows.retain(|row| row.cells.iter().any(|cell| cell.to_lowercase().contains(&wanted)));
        }
        let sort = self.sort.min(self.list.columns().len() - 1);
        rows.sort_by(|a, b| {
            let order = match (a.numbers[sort], b.numbers[sort]) {
                (a, b) if a.is_nan() && b.is_nan() => std::cmp::Ordering::Equal,
                (a, b) => b.total_cmp(&a),
            };
            let order = order.then_with(|| a.cells[sort].cmp(&b.cells[sort]));
            if self.reverse { order.reverse() } else { order }
        });
        rows.truncate(MOST_ROWS);
        rows
    }
}

/// A text is sorted as such.
const TEXT: f64 = f64::NAN;

fn processes(state: &State, at: Nanos) -> Vec<Row> {
    let reading = state.reading(TimeSpan::new(at.saturating_sub(Nanos::from_secs(1)), at));
    let mut rows = Vec::new();
    for (key, target) in &state.targets {
        let Some(moment) = state.history.last_of(*key, at) else { continue };
        let read = reading.targets.iter().find(|target| target.key == *key);
        let all: Vec<AddrRange> = moment.regions.iter().map(|row| row.range()).collect();
        let heat = moment.heat(&all);
        let pid = target.target.process.as_ref().map(|process| process.pid);
        let rss = target.rss.at(at).map(Bytes);
        let cpu = read.and_then(|target| target.cpu);
        let ended = if is_over(target, moment, at) { " (ended)" } else { "" };
        let sums = moment.sums;
        let cells = [
            (pid.map_or_else(|| "-".into(), |pid| pid.to_string()), f64::from(pid.unwrap_or(0))),
            (format!("{}{ended}", state.name(&target.target)), TEXT),
            (size(Bytes(sums.working_set)), sums.working_set as f64),
            (size(Bytes(sums.hot)), sums.hot as f64),
            (size(Bytes(sums.cold)), sums.cold as f64),
            (rss.map_or_else(|| "-".into(), size), rss.map_or(-1.0, |rss| rss.0 as f64)),
            (percent(cpu), cpu.unwrap_or(-1.0)),
            (percent(Some(heat.share * 100.0)), heat.share),
        ];
        rows.push(Row::new(Subject::Target(*key), cells));
    }
    rows
}

/// Whether a target has no snapshots any more while others have, or the time went on.
fn is_over(target: &TargetState, moment: &Moment, at: Nanos) -> bool {
    let patience = Nanos::from_secs(5).max(Nanos(moment.span.length().0.saturating_mul(5)));
    at.saturating_sub(target.last) > patience
}

/// The snapshot that changes are told against.
fn earlier<'a>(state: &'a State, target: TargetKey, moment: &Moment) -> Option<&'a Moment> {
    state.history.last_of(target, moment.span.end.saturating_sub(CHANGE))
}

/// How hot some addresses are, their age, and by how many percent points the heat changed.
fn heat_of(moment: &Moment, before: Option<&Moment>, ranges: &[AddrRange]) -> (Heat, Cell, Cell) {
    let heat = moment.heat(ranges);
    let before = before.map(|moment| moment.heat(ranges)).filter(|heat| heat.bytes > 0);
    let age = (age_text(heat.age, moment.aggregation), heat.age.unwrap_or(-1.0));
    let change = before.map(|before| (heat.share - before.share) * 100.0);
    let text = change.map_or_else(|| "-".into(), |change| format!("{change:+.1}"));
    (heat, age, (text, change.map_or(-1.0, f64::abs)))
}

fn age_text(age: Option<f64>, aggregation: Option<Nanos>) -> String {
    match (age, aggregation) {
        (None, _) => "-".into(),
        (Some(age), None) => format!("{age:.0}"),
        (Some(age), Some(each)) => {
            let seconds = age * each.as_secs_f64();
            match seconds {
                0.0..120.0 => format!("{seconds:.1} s"),
                120.0..7200.0 => format!("{:.1} min", seconds / 60.0),
                _ => format!("{:.1} h", seconds / 3600.0),
            }
        }
    }
}

fn mappings(state: &State, target: TargetKey, at: Nanos) -> Vec<Row> {
    let (Some(moment), Some(of)) = (state.history.last_of(target, at), state.targets.get(&target)) else {
        return Vec::new();
    };
    let before = earlier(state, target, moment);
    // Files and named memory by name; unnamed memory each for itself.
    let mut by_name: BTreeMap<String, Vec<AddrRange>> = BTreeMap::new();
    for area in &of.areas {
        let name = match area.name.as_ref() {
            "anon" => format!("anon {:x}", area.range.start.0),
            name => name.to_owned(),
        };
        by_name.entry(name).or_default().push(area.range);
    }
    let mut rows = Vec::new();
    for (name, ranges) in by_name {
        let (heat, age, change) = heat_of(moment, before, &ranges);
        if heat.bytes == 0 {
            continue;
        }
        let total = ranges.iter().map(|range| range.size().0).fold(0, u64::saturating_add);
        let cells = [
            (name.clone(), TEXT),
            (size(Bytes(total)), total as f64),
            (percent(Some(heat.share * 100.0)), heat.share),
            (size(Bytes(heat.accessed)), heat.accessed as f64),
            age,
            change,
        ];
        rows.push(Row::new(Subject::Addresses(name, ranges), cells));
    }
    rows
}

fn regions(state: &State, target: TargetKey, focus: Option<&[AddrRange]>, at: Nanos) -> Vec<Row> {
    let (Some(moment), Some(of)) = (state.history.last_of(target, at), state.targets.get(&target)) else {
        return Vec::new();
    };
    let before = earlier(state, target, moment);
    let wanted = |range: AddrRange| focus.is_none_or(|focus| focus.iter().any(|focus| focus.overlaps(range)));
    let mut rows = Vec::new();
    for region in moment.regions.iter().filter(|row| wanted(row.range())) {
        let range = region.range();
        let (heat, age, change) = heat_of(moment, before, &[range]);
        let name = name_of(&of.areas, range).map_or_else(String::new, ToString::to_string);
        let text = format_hex_range(range);
        let cells = [
            (text.clone(), -(range.start.0 as f64)),
            (size(bytes(heat.bytes as f64)), heat.bytes as f64),
            (percent(Some(heat.share * 100.0)), heat.share),
            age,
            change,
            (name, TEXT),
        ];
        rows.push(Row::new(Subject::Addresses(text, vec![range]), cells));
    }
    rows
}

fn schemes(state: &State, at: Nanos) -> Vec<Row> {
    let reading = state.reading(TimeSpan::new(at, at));
    let row = |scheme| Row::new(Subject::Nothing, [(scheme_text(scheme), TEXT)]);
    reading.schemes.iter().map(row).collect()
}

/// A target's memory by NUMA node, in the last second.
fn nodes(state: &State, target: TargetKey, focus: Option<&[AddrRange]>, at: Nanos) -> Vec<Row> {
    let row = |of: &NodeReading| {
        let sizes = [of.resident, of.hot, of.warm, of.cold];
        let cells = sizes.map(size).into_iter();
        let numbers = sizes.map(|size| size.0 as f64).into_iter();
        Row {
            subject: Subject::Nothing,
            cells: std::iter::once(of.node.to_string()).chain(cells).chain([percent(of.accesses)]).collect(),
            // The lowest number comes first.
            numbers: std::iter::once(-f64::from(of.node)).chain(numbers).chain([of.accesses.unwrap_or(-1.0)]).collect(),
        }
    };
    node_readings(state, target, focus, at).0.iter().map(row).collect()
}

/// A target's memory by node in the second before a moment, or of its last snapshot before that, and the share of remote
/// accesses in percent: of mappings in these ranges alone, or of all.
pub(crate) fn node_readings(
    state: &State,
    target: TargetKey,
    focus: Option<&[AddrRange]>,
    at: Nanos,
) -> (Vec<NodeReading>, Option<f64>) {
    let Some(last) = state.history.last_of(target, at) else { return (Vec::new(), None) };
    let start = last.span.start.min(at.saturating_sub(Nanos::from_secs(1)));
    state.node_readings(target, focus, TimeSpan::new(start, at.max(last.span.end)))
}
