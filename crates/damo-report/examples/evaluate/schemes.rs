//! The staircase under pageout schemes: what is saved, and what it costs.

use crate::{Out, Result};
use damo_model::scheme::Scheme;
use damo_model::{Item, Nanos, Side, Sink, SinkError, Stamp};
use damo_report::picture::{Chart, Line, Unit};
use damo_sim::{Options, Outcome, builtin, simulate};
use std::ops::ControlFlow;

const LENGTH: Nanos = Nanos(600 * 1_000_000_000);
/// Means are taken from the second round on.
const SETTLED: Nanos = Nanos(60 * 1_000_000_000);
/// How much of the course is drawn.
const DRAWN: Nanos = Nanos(120 * 1_000_000_000);

/// Resident sizes over time.
#[derive(Default)]
struct Resident(Vec<(Nanos, f64)>);

impl Sink for Resident {
    fn put(&mut self, item: &Item) -> std::result::Result<(), SinkError> {
        if let Item::Side(Side::Process(process)) = item
            && let Stamp::Record(at) = process.at
        {
            self.0.push((at, process.footprint.rss.unwrap_or_default().0 as f64));
        }
        Ok(())
    }
}

/// Ten minutes of the staircase under a scheme.
struct Run {
    resident: Vec<(Nanos, f64)>,
    outcome: Outcome,
}

impl Run {
    fn new(scheme: Option<&str>) -> Result<Run> {
        let schemes: Vec<Scheme> = scheme.map(serde_json::from_str).transpose()?.into_iter().collect();
        let options = Options { schemes, duration: Some(LENGTH), ..Options::default() };
        let mut sink = Resident::default();
        let outcome = simulate(&builtin::STAIRS.workloads(), &options, &mut sink, &mut |_| ControlFlow::Continue(()))?;
        Ok(Run { resident: sink.0, outcome })
    }

    /// Mean resident bytes.
    fn mean(&self) -> f64 {
        let settled: Vec<f64> = self.resident.iter().filter(|(at, _)| *at >= SETTLED).map(|(_, rss)| *rss).collect();
        settled.iter().sum::<f64>() / settled.len().max(1) as f64
    }

    fn saved_percent(&self, plain: &Run) -> f64 {
        100.0 * (1.0 - self.mean() / plain.mean())
    }

    /// Milliseconds each second: the workload waiting for memory, and the scheme at work.
    fn costs(&self) -> (f64, f64) {
        let each = |time: Nanos| time.as_secs_f64() * 1000.0 / LENGTH.as_secs_f64();
        let stats = self.outcome.schemes.first().copied().unwrap_or_default();
        (each(self.outcome.stalled), each(stats.time))
    }

    fn row(&self, name: &str, plain: &Run) -> Vec<String> {
        let (waiting, acting) = self.costs();
        vec![
            name.to_owned(),
            format!("{:.1}", self.mean() / 1e6),
            format!("{:.0} %", self.saved_percent(plain)),
            format!("{:.0}", self.outcome.refaults as f64 / LENGTH.as_secs_f64()),
            format!("{waiting:.2}"),
            format!("{acting:.2}"),
        ]
    }

    fn course(&self, name: &str) -> Line {
        let points = self.resident.iter().filter(|(at, _)| *at <= DRAWN).map(|(at, rss)| (at.0 as f64, *rss));
        Line { name: name.to_owned(), points: points.collect(), steps: true, filled: false }
    }
}

fn columns(first: &str) -> [&str; 6] {
    [first, "resident MB", "saved", "refaults/s", "waiting ms/s", "scheme ms/s"]
}

fn pageout(age: &str, quotas: &str) -> String {
    format!(
        r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": "0 %"}}, "age": {{"min": "{age}"}}}},
            "quotas": {{{quotas}}}}}"#
    )
}

/// At most so many bytes a second, rate and age alike.
fn at_most(bytes: u32) -> String {
    let weights = r#""weights": {"nr_accesses_permil": 500, "age_permil": 500}"#;
    format!(r#""sz_bytes": {bytes}, "reset_interval_ms": "1 s", {weights}"#)
}

const LIMITS: [(&str, u32); 7] = [
    ("64 KiB", 1 << 16),
    ("256 KiB", 1 << 18),
    ("1 MiB", 1 << 20),
    ("2 MiB", 1 << 21),
    ("4 MiB", 1 << 22),
    ("8 MiB", 1 << 23),
    ("no limit", 0),
];

pub(crate) fn run(out: &Out) -> Result<()> {
    let plain = Run::new(None)?;
    let mut rows = vec![plain.row("never", &plain)];
    for age in ["30 s", "10 s", "5 s", "2 s", "1 s", "500 ms"] {
        rows.push(Run::new(Some(&pageout(age, "")))?.row(age, &plain));
    }
    out.table("ages", &columns("paged out after"), &rows)?;
    quotas(out, &plain)?;
    let mut rows = Vec::new();
    for target in ["100 us", "1 ms", "5 ms", "20 ms"] {
        let goal = format!(r#"{{"metric": "some_mem_psi_us", "target_value": "{target}"}}"#);
        let quotas = format!(r#""reset_interval_ms": "1 s", "goals": [{goal}]"#);
        rows.push(Run::new(Some(&pageout("2 s", &quotas)))?.row(target, &plain));
    }
    out.table("goals", &columns("waiting each second"), &rows)
}

fn quotas(out: &Out, plain: &Run) -> Result<()> {
    let (mut rows, mut trade) = (Vec::new(), Vec::new());
    let mut courses = vec![plain.course("no scheme")];
    for age in ["10 s", "5 s", "2 s"] {
        let mut points = vec![(0.0, 0.0)];
        for (name, bytes) in LIMITS {
            let run = Run::new(Some(&pageout(age, &at_most(bytes))))?;
            let (waiting, acting) = run.costs();
            points.push((waiting + acting, run.saved_percent(plain)));
            if age == "2 s" {
                rows.push(run.row(name, plain));
                if ["1 MiB", "4 MiB", "no limit"].contains(&name) {
                    courses.push(run.course(&if bytes > 0 { format!("{name} each second") } else { name.to_owned() }));
                }
            }
        }
        trade.push(Line { name: format!("idle for {age}"), points, steps: false, filled: false });
    }
    out.table("quotas", &columns("at most, each second"), &rows)?;
    let x = ("cost: waiting and acting, milliseconds each second", Unit::Count);
    let title = "Quotas trade saving for cost";
    out.picture("quotas", &Chart::new(title, x, ("resident size saved", Unit::Percent), trade), (1000, 480))?;
    let title = "Paging out what is idle for 2 s, under quotas";
    let course = Chart::new(title, ("time", Unit::Time), ("resident", Unit::Bytes), courses);
    out.picture("quotas-time", &course, (1000, 480))
}
