//! A block of text, or a line of JSON, for each interval: for pipes, files, and terminals that show nothing else.

use crate::error::MonitorError;
use crate::monitor::{End, Monitor};
use crate::reading::{IDLE_PERCENTILES, NodeReading, Reading, SchemeReading, TargetReading};
use crate::source::Source;
use crate::state::State;
use damo_model::human::{Style, format_size};
use damo_model::{Bytes, Nanos, TimeSpan};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// So many blocks wait for an output that stands still; later ones are left out if the stream is live.
const MOST_WAITING: usize = 256;
/// Between two looks whether to stop.
const LOOK: Duration = Duration::from_millis(100);

damo_model::with_defaults! {
    /// What to print.
    #[derive(Clone, Debug)]
    pub struct PlainOptions {
        /// The time of one block, on the record's clock.
        pub interval: Nanos = Nanos::from_secs(1),
        /// Ends after so many blocks.
        pub count: Option<u64>,
        /// One JSON object a line instead of text.
        pub json: bool,
        /// Ends printing when it is set: by a signal.
        pub stop: Arc<AtomicBool> = Arc::default(),
    }
}

/// Prints the figures of each interval in which there was a snapshot, until the stream ends. Tells how it ended, and how
/// many blocks the output was too slow for.
///
/// # Errors
/// If the input is no record or cannot be read, or the output fails.
pub fn plain(source: Source, options: &PlainOptions, out: &mut dyn Write) -> Result<(End, u64), MonitorError> {
    let (sender, blocks) = sync_channel(MOST_WAITING);
    let left_out = Arc::new(AtomicU64::new(0));
    let mut printer = Printer {
        interval: Nanos(options.interval.0.max(1)),
        end: None,
        live: source.is_live(),
        sender,
        left_out: Arc::clone(&left_out),
    };
    let monitor = Monitor::start(source, move |state| printer.observe(state))?;
    let (mut printed, mut last, mut failed) = (0, None, None);
    let mut print = |reading: &Reading| {
        let text = if options.json { format!("{}\n", json_line(reading)) } else { block(reading) };
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    };
    while options.count.is_none_or(|count| printed < count) && !options.stop.load(Ordering::Relaxed) {
        let reading = match blocks.recv_timeout(LOOK) {
            Ok(reading) => reading,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => match rest(&monitor.state(), last, options.interval) {
                Some(reading) => reading,
                None => break,
            },
        };
        last = Some(reading.span.end);
        if let Err(error) = print(&reading) {
            failed = Some(error);
            break;
        }
        printed += 1;
    }
    drop(blocks);
    let end = monitor.finish();
    match failed {
        Some(error) => Err(MonitorError::Write(error)),
        None => Ok((end?, left_out.load(Ordering::Relaxed))),
    }
}

/// What came after the last whole interval, when the stream has ended.
fn rest(state: &State, last: Option<Nanos>, interval: Nanos) -> Option<Reading> {
    let (begin, end) = (state.begin()?, state.now());
    let start = last.unwrap_or(begin).max(end.saturating_sub(interval));
    let reading = (start < end).then(|| state.reading(TimeSpan::new(start, end)))?;
    (!reading.targets.is_empty()).then_some(reading)
}

/// Makes blocks on the reading thread and hands them over.
struct Printer {
    interval: Nanos,
    /// When the interval at hand ends.
    end: Option<Nanos>,
    live: bool,
    sender: SyncSender<Reading>,
    left_out: Arc<AtomicU64>,
}

impl Printer {
    /// False if nobody takes more.
    fn observe(&mut self, state: &State) -> bool {
        let (Some(begin), now) = (state.begin(), state.now()) else { return true };
        let end = *self.end.get_or_insert(begin.saturating_add(self.interval));
        if now < end {
            return true;
        }
        let reading = state.reading(TimeSpan::new(end.saturating_sub(self.interval), end));
        // Intervals without a snapshot are passed over.
        let passed = (now.0.saturating_sub(end.0) / self.interval.0).saturating_add(1);
        self.end = Some(end.saturating_add(Nanos(self.interval.0.saturating_mul(passed))));
        reading.targets.is_empty() || self.send(reading)
    }

    fn send(&mut self, reading: Reading) -> bool {
        if !self.live {
            return self.sender.send(reading).is_ok();
        }
        match self.sender.try_send(reading) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// A reading as text.
fn block(reading: &Reading) -> String {
    let mut text = String::new();
    let sum = |of: fn(&TargetReading) -> u64| {
        Bytes(reading.targets.iter().filter(|target| !target.of_scheme).map(of).fold(0, u64::saturating_add))
    };
    let _ = writeln!(
        text,
        "{:.3} s  working set {}  hot {}  cold {}",
        reading.span.end.as_secs_f64(),
        size(sum(|target| target.working_set.0)),
        size(sum(|target| target.hot.0)),
        size(sum(|target| target.cold.0)),
    );
    let _ = writeln!(
        text,
        "  {:>8} {:<16} {:>11} {:>11} {:>11} {:>11} {:>6} {:>7}",
        "PID", "NAME", "WORKING SET", "HOT", "COLD", "RSS", "CPU%", "REGIONS"
    );
    for target in &reading.targets {
        let _ = writeln!(
            text,
            "  {:>8} {:<16} {:>11} {:>11} {:>11} {:>11} {:>6} {:>7}",
            target.pid.map_or_else(|| "-".into(), |pid| pid.to_string()),
            target.name,
            size(target.working_set),
            size(target.hot),
            size(target.cold),
            target.rss.map_or_else(|| "-".into(), size),
            percent(target.cpu),
            target.regions,
        );
        for node in &target.nodes {
            let _ = writeln!(text, "  {:>8} {}", "", node_text(node));
        }
        if !target.nodes.is_empty() {
            let _ = writeln!(text, "  {:>8} remote accesses {} % (estimated)", "", percent(target.remote));
        }
    }
    let _ = writeln!(text, "  {}", cost_text(reading));
    for scheme in &reading.schemes {
        let _ = writeln!(text, "  {}", scheme_text(scheme));
    }
    text.push('\n');
    text
}

/// A target's memory on a node in one line.
fn node_text(of: &NodeReading) -> String {
    let [resident, hot, warm, cold] = [of.resident, of.hot, of.warm, of.cold].map(size);
    let accesses = percent(of.accesses);
    format!("node {}: resident {resident}  hot {hot}  warm {warm}  cold {cold}  accesses {accesses} %", of.node)
}

/// What DAMON and its recorder take, and how many events were lost, in one line.
pub(crate) fn cost_text(reading: &Reading) -> String {
    let known = [("kdamonds", reading.kdamond_cpu), ("recorder", reading.recorder_cpu)];
    let known = known.iter().filter_map(|(who, share)| Some(format!("{who} {:.1} % CPU, ", (*share)?)));
    format!("DAMON: {}{} events lost", known.collect::<String>(), reading.lost_events)
}

/// A scheme in one line.
pub(crate) fn scheme_text(scheme: &SchemeReading) -> String {
    let mut text = format!("scheme {}", scheme.name);
    if let Some(action) = &scheme.action {
        let _ = write!(text, " ({action})");
    }
    if let Some(counts) = scheme.counts {
        let _ = write!(
            text,
            ": tried {} regions ({}), applied {} ({}), quota exceeded {} times",
            counts.nr_tried,
            size(counts.sz_tried),
            counts.nr_applied,
            size(counts.sz_applied),
            counts.qt_exceeds
        );
    }
    if let Some(quota) = scheme.effective_quota {
        let _ = write!(text, ", quota {}", size(quota));
    }
    text
}

/// A size with one decimal, short enough for columns.
pub(crate) fn size(size: Bytes) -> String {
    let text = format_size(size, Style::Human);
    match text.split_once(' ') {
        Some((number, unit)) => match number.parse::<f64>() {
            Ok(number) if unit != "B" => format!("{number:.1} {unit}"),
            _ => text,
        },
        None => text,
    }
}

/// A share with one decimal; `-` if unknown.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".into(), |share| format!("{share:.1}"))
}

/// A reading as one JSON object. Times are in seconds on the record's clock, sizes in bytes, CPU in percent of one CPU;
/// what is not known is null.
fn json_line(reading: &Reading) -> Value {
    let targets = reading.targets.iter().map(|target| {
        json!({
            "target": target.key.0,
            "pid": target.pid,
            "name": target.name,
            "of_scheme": target.of_scheme,
            "working_set": target.working_set.0,
            "hot": target.hot.0,
            "cold": target.cold.0,
            "monitored": target.monitored.0,
            "idle": target.idle.map(idle_json),
            "rss": target.rss.map(|rss| rss.0),
            "cpu_percent": rounded(target.cpu),
            "regions": target.regions,
            "snapshots": target.snapshots,
            "nodes": target.nodes.iter().map(node_json).collect::<Vec<_>>(),
            "remote_percent": rounded(target.remote),
        })
    });
    let schemes = reading.schemes.iter().map(|scheme| {
        json!({
            "scheme": scheme.name,
            "action": scheme.action,
            "effective_quota": scheme.effective_quota.map(|quota| quota.0),
            "nr_tried": scheme.counts.map(|counts| counts.nr_tried),
            "sz_tried": scheme.counts.map(|counts| counts.sz_tried.0),
            "nr_applied": scheme.counts.map(|counts| counts.nr_applied),
            "sz_applied": scheme.counts.map(|counts| counts.sz_applied.0),
            "qt_exceeds": scheme.counts.map(|counts| counts.qt_exceeds),
        })
    });
    json!({
        "start": reading.span.start.as_secs_f64(),
        "end": reading.span.end.as_secs_f64(),
        "targets": targets.collect::<Vec<_>>(),
        "kdamond_cpu_percent": rounded(reading.kdamond_cpu),
        "recorder_cpu_percent": rounded(reading.recorder_cpu),
        "lost_events": reading.lost_events,
        "schemes": schemes.collect::<Vec<_>>(),
    })
}

fn node_json(of: &NodeReading) -> Value {
    json!({
        "node": of.node,
        "resident": of.resident.0,
        "hot": of.hot.0,
        "warm": of.warm.0,
        "cold": of.cold.0,
        "accesses_percent": rounded(of.accesses),
    })
}

/// Idle times in seconds by percentile: `{"p25": 1.2, …}`.
fn idle_json(idle: [Nanos; IDLE_PERCENTILES.len()]) -> Value {
    let names = IDLE_PERCENTILES.map(|percentile| format!("p{percentile}"));
    names.into_iter().zip(idle.map(|idle| json!(idle.as_secs_f64()))).collect()
}

/// To a thousandth: more is noise.
fn rounded(share: Option<f64>) -> Option<f64> {
    share.map(|share| (share * 1000.0).round() / 1000.0)
}
