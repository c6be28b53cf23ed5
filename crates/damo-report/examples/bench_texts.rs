//! How fast the text reports are: `cargo run --release -p damo-report --example bench_texts -- WHAT…`, each WHAT being a
//! `.damo` record or a built-in workload of the simulator (`bench-a`, `bench-h`, `stairs`, …). Prints seconds and bytes of
//! output.

use damo_format::{Writer, WriterOptions};
use damo_frame::{OpenOptions, Record};
use damo_model::human::Style;
use damo_report::distribution::{DistributionText, SortBy};
use damo_report::{Report, access, nr_regions, raw, wss};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

type Error = Box<dyn std::error::Error>;

/// Takes bytes and counts them.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    for what in std::env::args().skip(1) {
        let records = [load(&what)?];
        let [record] = &records;
        println!("{what}: {} regions", record.totals().regions);
        time("raw", |out| Ok(raw::raw(&records, raw::RawOptions::default())?.write_text(out, &Style::Human)?))?;
        time("wss", |out| {
            Ok(wss::wss(&records, &wss::WssOptions::default())?.write_text(out, &DistributionText::default())?)
        })?;
        time("nr_regions", |out| {
            Ok(nr_regions::nr_regions(&records, &nr_regions::NrRegionsOptions::default())?
                .write_text(out, &SortBy::Size)?)
        })?;
        time("access", |out| {
            let report = access::AccessReport { records: &records, options: access::AccessOptions::default() };
            Ok(report.write_text(out, &())?)
        })?;
    }
    Ok(())
}

fn load(what: &str) -> Result<Record, Error> {
    if Path::new(what).exists() {
        return Ok(Record::open(Path::new(what), &OpenOptions::default())?);
    }
    let builtin =
        damo_sim::builtin::find(what).ok_or_else(|| format!("{what}: neither a file nor a built-in workload"))?;
    let mut writer = Writer::new(Vec::new(), WriterOptions::default())?;
    damo_sim::simulate(&builtin.workloads(), &builtin.options(), &mut writer, &mut |_| ControlFlow::Continue(()))?;
    let (bytes, _) = writer.finish()?;
    Ok(Record::from_stream(io::Cursor::new(bytes), what, &OpenOptions::default())?)
}

fn time(name: &str, report: impl Fn(&mut Counter) -> Result<(), Error>) -> Result<(), Error> {
    for round in ["first", "second"] {
        let mut out = Counter(0);
        let started = Instant::now();
        report(&mut out)?;
        println!("  {name:<12} {round:<7} {:>8.3} s {:>12} bytes", started.elapsed().as_secs_f64(), out.0);
    }
    Ok(())
}
