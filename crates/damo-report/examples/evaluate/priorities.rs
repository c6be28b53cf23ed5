//! Which memory goes first when a quota is short: areas of different heat under pageout and under migration of what is hot,
//! each byte that a scheme was applied to put to its area by ground truth.

use crate::{Out, Result};
use damo_model::scheme::Scheme;
use damo_model::{AddrRange, Item, Nanos, Sink, SinkError};
use damo_report::picture::{Bar, Bars, Unit};
use damo_sim::{GroundTruth, Options, Workload, simulate};
use std::ops::ControlFlow;

/// Weights by which areas of 24 MB are picked for accesses, from hot to idle.
const HEAT: [u32; 8] = [40, 20, 10, 5, 2, 1, 0, 0];
const LENGTH: Nanos = Nanos(120 * 1_000_000_000);

fn workload() -> Result<Workload> {
    let mut text = String::new();
    (0..HEAT.len()).for_each(|i| text += &format!("a{i}, 24000000\n"));
    text += "\nfill\n1000\n";
    (0..HEAT.len()).for_each(|i| text += &format!("a{i}, 0, 4096, 1\n"));
    text += "\nuse\n1000000\n";
    HEAT.iter().zip(0..).filter(|(weight, _)| **weight > 0).for_each(|(weight, i)| {
        text += &format!("a{i}, 0, 4096, {weight}\n");
    });
    Ok(Workload::parse(&text, "areas")?)
}

/// What was seen of each area.
struct Areas {
    ranges: Vec<AddrRange>,
    /// Of which target: everything, or what the scheme was applied to.
    applied: bool,
    views: Vec<damo_model::TargetKey>,
    bytes: Vec<f64>,
    /// Bytes times access rate.
    rates: Vec<f64>,
}

impl Sink for Areas {
    fn put(&mut self, item: &Item) -> std::result::Result<(), SinkError> {
        match item {
            Item::Target(target) if target.scheme.is_some() == self.applied => self.views.push(target.key),
            Item::Snapshot(snapshot) if self.views.contains(&snapshot.target) => {
                for region in &snapshot.regions {
                    for (i, range) in self.ranges.iter().enumerate() {
                        let size = range.intersection(region.range()).map_or(0, |both| both.size().0) as f64;
                        self.bytes[i] += size;
                        self.rates[i] += size * f64::from(region.nr_accesses.0) / 20.0;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// For each area, the share of all bytes in percent and the mean access rate in percent.
fn run_with(scheme: Option<&str>) -> Result<Vec<(f64, f64)>> {
    let workload = workload()?;
    let schemes: Vec<Scheme> = scheme.map(serde_json::from_str).transpose()?.into_iter().collect();
    let options = Options { scheme_snapshots: scheme.is_some(), schemes, duration: Some(LENGTH), ..Options::default() };
    let truth = GroundTruth::new(&workload, &options, 0)?;
    let range = |i: usize| truth.at(Nanos(0)).iter().find(|a| a.name == format!("a{i}")).map(|a| a.range);
    let ranges: Vec<AddrRange> = (0..HEAT.len()).filter_map(range).collect();
    let zeros = vec![0.0; ranges.len()];
    let applied = scheme.is_some();
    let mut areas = Areas { bytes: zeros.clone(), rates: zeros, ranges, applied, views: Vec::new() };
    simulate(&[workload], &options, &mut areas, &mut |_| ControlFlow::Continue(()))?;
    let all: f64 = areas.bytes.iter().sum();
    let of = |(bytes, rates): (&f64, &f64)| (100.0 * bytes / all, 100.0 * rates / bytes.max(1.0));
    Ok(areas.bytes.iter().zip(&areas.rates).map(of).collect())
}

fn scheme(action: &str, weights: (u32, u32)) -> String {
    format!(
        r#"{{{action}, "quotas": {{"sz_bytes": "4 MiB", "reset_interval_ms": "1 s",
            "weights": {{"nr_accesses_permil": {}, "age_permil": {}}}}}}}"#,
        weights.0, weights.1
    )
}

const WEIGHTS: [(&str, (u32, u32)); 3] =
    [("no weights", (0, 0)), ("weight on rate", (1000, 0)), ("rate and age alike", (500, 500))];

pub(crate) fn run(out: &Out) -> Result<()> {
    let seen = run_with(None)?;
    let mut shares: Vec<Vec<f64>> = Vec::new();
    let mut groups = Vec::new();
    for (color, title, action) in
        [(0, "paged out", r#""action": "pageout""#), (1, "moved as hot", r#""action": "migrate_hot", "target_nid": 1"#)]
    {
        for (name, weights) in WEIGHTS {
            let found: Vec<f64> = run_with(Some(&scheme(action, weights)))?.iter().map(|(share, _)| *share).collect();
            let bar = |(i, share): (usize, &f64)| Bar {
                label: format!("area {}, accessed {:.0} %", i + 1, seen[i].1),
                spans: vec![(0.0, *share)],
                text: format!("{share:.0} %"),
                color,
            };
            // The weight on the rate alone is between the two.
            if name != WEIGHTS[1].0 {
                groups.push((format!("{title}, {name}"), found.iter().enumerate().map(bar).collect()));
            }
            shares.push(found);
        }
    }
    let rows: Vec<Vec<String>> = (0..HEAT.len())
        .map(|i| {
            let mut row = vec![(i + 1).to_string(), format!("{:.0} %", seen[i].1)];
            row.extend(shares.iter().map(|found| format!("{:.0} %", found[i])));
            row
        })
        .collect();
    let columns = [
        "area",
        "access rate",
        "paged out: no weights",
        "rate",
        "rate and age",
        "moved as hot: no weights",
        "rate",
        "rate and age",
    ];
    out.table("priorities", &columns, &rows)?;
    let x = ("share of the bytes that the scheme was applied to".to_owned(), Unit::Percent);
    out.picture("priorities", &Bars { title: "Which memory goes first".to_owned(), x, groups }, (1000, 900))
}
