//! Ready-made templates: what the styles are.

use super::template::Area;

/// A way to show snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Style {
    /// A line for each region, with a heat map of the snapshot above.
    #[default]
    Detailed,
    /// A box for each region.
    SimpleBoxes,
    /// A box for each region, the hottest first.
    Hot,
    /// A box for each region, the coldest first.
    Cold,
    /// How much memory has which temperature.
    TemperatureSzHist,
    /// How much memory was last accessed when.
    RecencySzHist,
    /// When percentiles of the memory were last accessed.
    RecencyPercentiles,
    /// Temperatures of percentiles of the memory.
    TemperaturePercentiles,
}

impl Style {
    /// Names in options; some styles have two.
    pub const NAMES: [(&'static str, Style); 10] = [
        ("detailed", Style::Detailed),
        ("simple-boxes", Style::SimpleBoxes),
        ("temperature-sz-hist", Style::TemperatureSzHist),
        ("recency-sz-hist", Style::RecencySzHist),
        ("cold-memory-tail", Style::RecencySzHist),
        ("recency-percentiles", Style::RecencyPercentiles),
        ("idle-time-percentiles", Style::RecencyPercentiles),
        ("temperature-percentiles", Style::TemperaturePercentiles),
        ("cold", Style::Cold),
        ("hot", Style::Hot),
    ];

    /// Whether it shows regions as boxes of one line.
    pub(super) fn has_boxes(self) -> bool {
        matches!(self, Style::SimpleBoxes | Style::Hot | Style::Cold)
    }
}

/// What the templates depend on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub several_records: bool,
    /// A record with more than one snapshot.
    pub several_snapshots: bool,
    pub scheme_filters: bool,
    /// Filters of which regions may pass in part.
    pub ops_filters: bool,
    pub goal: bool,
    pub damon_stat: bool,
    pub probes: bool,
    pub total_sz_only: bool,
    pub region_box: bool,
    /// Standard errors at the end of each snapshot.
    pub errors: bool,
}

const TIME: &str = "snapshot time: [<start time>, <end time>] (<duration>)";

/// The columns of regions with probe hits, at the Python tool's fixed places.
const PROBES_HEADING: &str =
    "#   addr         size                age           probe_hits\n#                             access_hz";

/// The template of an area.
pub(super) fn template(style: Style, area: Area, facts: Facts) -> String {
    if facts.total_sz_only && matches!(area, Area::SnapshotHead | Area::Region) {
        return String::new();
    }
    match area {
        Area::RecordHead if facts.several_records => {
            "kdamond <kdamond index> / context <context index> / scheme <scheme index> / target id <target id> / \
             recorded for <duration> from <abs start time>"
                .to_owned()
        }
        Area::RecordHead => String::new(),
        Area::SnapshotHead => snapshot_head(style, facts),
        Area::Region => region(style, facts),
        Area::SnapshotTail => snapshot_tail(facts),
        Area::RecordTail => record_tail(facts),
    }
}

fn snapshot_head(style: Style, facts: Facts) -> String {
    let mut lines = Vec::new();
    // A line of boxes tells nothing of when it was, so that the time is there for a single snapshot as well.
    let timed = facts.several_snapshots || style == Style::SimpleBoxes;
    if timed && !matches!(style, Style::TemperatureSzHist | Style::RecencySzHist) {
        lines.push(TIME.to_owned());
    }
    match style {
        Style::Detailed | Style::Hot | Style::Cold => {
            lines.push("heatmap: <heatmap>\nintervals: <snapshot intervals>".to_owned());
            if facts.scheme_filters {
                lines.push("# damos filters (df): <filters passed type>\ndf-pass: <filters passed heatmap>".to_owned());
            }
            if facts.probes && style == Style::Detailed {
                lines.push(PROBES_HEADING.to_owned());
            }
        }
        Style::SimpleBoxes => {}
        Style::TemperatureSzHist => lines.extend(histogram("<temperature>", "temperature", facts)),
        Style::RecencySzHist => lines.extend(histogram("<idle time (us)>", "recency", facts)),
        Style::RecencyPercentiles => lines.extend(percentiles("recency", facts)),
        Style::TemperaturePercentiles => lines.extend(percentiles("temperature", facts)),
    }
    lines.join("\n")
}

fn histogram(legend: &str, metric: &str, facts: Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if facts.ops_filters {
        lines.push("# damos filters (df): <filters passed type>".to_owned());
        lines.push(format!("{legend} <df-passed size>\n<{metric}-df-passed-sz histogram>\n"));
    }
    lines.push(format!("{legend} <total size>\n<{metric}-sz histogram>"));
    lines
}

fn percentiles(metric: &str, facts: Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if facts.ops_filters {
        lines.push("# damos filters (df): <filters passed type>".to_owned());
        lines.push(format!("# df-passed {metric} percentiles\n<df-passed {metric} percentiles>\n"));
    }
    lines.push(format!("# total {metric} percentiles\n<{metric} percentiles>"));
    lines
}

fn region(style: Style, facts: Facts) -> String {
    match style {
        Style::Detailed => {
            let mut line = if facts.region_box { "<box>".to_owned() } else { String::new() };
            line.push_str(if facts.probes {
                "<index> <start address> <size>  <access hz> <age> <probe hits> "
            } else {
                "<index> addr <start address> size <size> access <access hz> age <age>"
            });
            if facts.scheme_filters && !facts.probes {
                line.push_str(" df-passed <filters passed bytes>");
            }
            line
        }
        Style::SimpleBoxes => "<box> size <size> access <access hz> age <age>".to_owned(),
        Style::Hot | Style::Cold => "<box> <size> access <access hz> <age>".to_owned(),
        _ => String::new(),
    }
}

fn snapshot_tail(facts: Facts) -> String {
    if facts.total_sz_only {
        return "<total bytes>".to_owned();
    }
    let tail = totals(facts);
    if facts.errors { format!("{tail}\nstandard errors: <standard errors>") } else { tail }
}

fn totals(facts: Facts) -> String {
    if facts.scheme_filters {
        "memory bw estimate: <estimated memory bandwidth>  df-passed: <filters passed estimated memory bandwidth>\n\
         total size: <total bytes>  df-passed <filters passed bytes>\n\
         scheme stats\n<damos stats>"
            .to_owned()
    } else {
        "memory bw estimate: <estimated memory bandwidth>\ntotal size: <total bytes>".to_owned()
    }
}

fn record_tail(facts: Facts) -> String {
    let mut text = "record DAMON intervals: <intervals>".to_owned();
    if facts.goal {
        text.push_str("\n# <intervals goal>");
    }
    if facts.damon_stat {
        text.push_str("\n# data source: <data source>");
    }
    if facts.region_box {
        text.push_str("\n<region box description>");
    }
    text
}
