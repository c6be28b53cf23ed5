//! Reports: the text, the tables and the picture that the command line shows of one record.

use crate::table::PyTable;
use crate::{failed, nanos};
use damo_analysis::phases::{PhasesOptions, phases};
use damo_frame::Record;
use damo_model::Nanos;
use damo_report::ages::{AgesOptions, ages};
use damo_report::filter::{Bounds, Filter};
use damo_report::footprints::{FootprintsOptions, footprints};
use damo_report::guide::guide;
use damo_report::heats::{Columns, HeatMap, HeatsOptions, HeatsReport, heats};
use damo_report::nr_regions::{NrRegionsOptions, nr_regions};
use damo_report::picture::{Format, Style, draw};
use damo_report::profile::{ProfileOptions, profile};
use damo_report::range::TimeRange;
use damo_report::selection::selected;
use damo_report::wss::{WssOptions, wss};
use damo_report::{Report, ReportError, Table, Zero};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::Arc;

/// The reports there are, in the order of the command line's help.
const NAMES: [&str; 8] = ["heats", "wss", "footprints", "nr_regions", "phases", "record_info", "ages", "wss_profile"];
/// The cells of a heat map's table in time, and in addresses: as on the command line.
const CELLS: usize = 100;

/// A report in the forms that it can be shown in.
trait Shown: Send + Sync {
    fn text(&self) -> Result<String, ReportError>;
    fn tables(&self) -> Result<Vec<Table>, ReportError>;
    fn draw(&self, format: Format, style: &Style) -> Result<Vec<u8>, ReportError>;
}

/// A report whose picture is made of what was found for text and tables.
struct Found<R>(R);

impl<R: Report + Send + Sync> Shown for Found<R> {
    fn text(&self) -> Result<String, ReportError> {
        text(&self.0)
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        self.0.tables()
    }

    fn draw(&self, format: Format, style: &Style) -> Result<Vec<u8>, ReportError> {
        let picture = self.0.picture(&R::Layout::default())?;
        draw(&*picture, format, style).map_err(|error| ReportError::invalid(error.to_string()))
    }
}

/// A heat map, which is made anew for each size of picture: a cell is a pixel.
struct Map {
    records: Arc<[Record]>,
    time: Option<TimeRange>,
    table: HeatsReport,
}

impl Map {
    fn of(records: &[Record], time: Option<TimeRange>, options: HeatsOptions) -> Result<HeatsReport, ReportError> {
        heats(records, &HeatsOptions { time_range: time, ..options })
    }

    fn new(records: &Arc<[Record]>, time: Option<TimeRange>) -> Result<Self, ReportError> {
        let options = HeatsOptions { rows: CELLS, columns: Columns::Each(CELLS), ..HeatsOptions::overview() };
        let table = Self::of(records, time.clone(), options)?;
        Ok(Self { records: Arc::clone(records), time, table })
    }
}

impl Shown for Map {
    fn text(&self) -> Result<String, ReportError> {
        text(&self.table)
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        self.table.tables()
    }

    fn draw(&self, format: Format, style: &Style) -> Result<Vec<u8>, ReportError> {
        let report = Self::of(&self.records, self.time.clone(), HeatMap::options(style))?;
        draw(&HeatMap { report: &report }, format, style).map_err(|error| ReportError::invalid(error.to_string()))
    }
}

fn text<R: Report>(report: &R) -> Result<String, ReportError> {
    let mut text = Vec::new();
    report.write_text(&mut text, &R::Layout::default())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What is known of a record under a report's name; `None` if there is no such report.
fn find(
    records: &Arc<[Record]>,
    name: &str,
    range: Option<(Nanos, Nanos)>,
) -> Result<Option<Box<dyn Shown>>, ReportError> {
    let mut filter = Filter::default();
    filter.since_began.extend(range.map(|(from, to)| Bounds::new(from, to)));
    let time = range.map(|(start, end)| TimeRange { start, end, ..TimeRange::default() });
    let passing = || selected(records, &filter);
    Ok(Some(match name {
        "heats" => Box::new(Map::new(records, time)?),
        "wss" => {
            Box::new(Found(wss(records, &WssOptions { errors: true, filter: passing()?, ..WssOptions::default() })?))
        }
        "footprints" => {
            Box::new(Found(footprints(records, &FootprintsOptions { time, ..FootprintsOptions::default() })?))
        }
        "nr_regions" => Box::new(Found(nr_regions(
            records,
            &NrRegionsOptions { filter: passing()?, ..NrRegionsOptions::default() },
        )?)),
        "phases" => Box::new(Found(phases(records, &PhasesOptions { filter: passing()?, exclude_samples: None })?)),
        "record_info" => Box::new(Found(guide(records)?)),
        "ages" => Box::new(Found(ages(records, &AgesOptions { filter: passing()?, ..AgesOptions::default() })?)),
        "wss_profile" => {
            let Some(record) = records.first() else { return Ok(None) };
            Box::new(Found(profile(record, &ProfileOptions { filter: passing()?, ..ProfileOptions::default() })?))
        }
        _ => return Ok(None),
    }))
}

/// A report on one record.
#[pyclass(name = "Report", module = "damo", frozen)]
pub(crate) struct PyReport {
    name: &'static str,
    records: Arc<[Record]>,
    shown: Box<dyn Shown>,
}

/// Makes a report.
pub(crate) fn report(
    py: Python<'_>,
    records: &Arc<[Record]>,
    name: &str,
    time_range: Option<(f64, f64)>,
) -> PyResult<PyReport> {
    let range = time_range.map(|(from, to)| (nanos(from), nanos(to)));
    let known = NAMES.into_iter().find(|known| *known == name);
    let found = py.detach(|| find(records, name, range)).map_err(failed)?;
    match (known, found) {
        (Some(name), Some(shown)) => Ok(PyReport { name, records: Arc::clone(records), shown }),
        _ => Err(PyKeyError::new_err(format!("there is no report {name:?}; there are {}", NAMES.join(", ")))),
    }
}

impl PyReport {
    fn draw(&self, py: Python<'_>, format: Format, width: usize, height: usize) -> PyResult<Vec<u8>> {
        let subtitle = self.records.first().map(|record| record.name().to_owned());
        let style = Style { width, height, subtitle, ..Style::default() };
        py.detach(|| self.shown.draw(format, &style)).map_err(failed)
    }

    fn all(&self) -> Result<Vec<Table>, ReportError> {
        let zero = Zero::of(&self.records);
        let record = self.records.first().map(Record::name).unwrap_or_default();
        self.shown.tables()?.into_iter().map(|table| table.since(zero)?.of_record(record)).collect()
    }
}

#[pymethods]
impl PyReport {
    /// Its name, as on the command line.
    #[getter]
    fn name(&self) -> &str {
        self.name
    }

    /// What the command line prints.
    #[getter]
    fn text(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.shown.text()).map_err(failed)
    }

    /// Its tables by name, the main one first.
    #[getter]
    fn tables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let tables = py.detach(|| self.all()).map_err(failed)?;
        let by_name = PyDict::new(py);
        for table in tables {
            by_name.set_item(table.name, PyTable::new(table.name, table.frame))?;
        }
        Ok(by_name)
    }

    /// The picture as PNG.
    #[pyo3(signature = (width=1200, height=720))]
    fn png<'py>(&self, py: Python<'py>, width: usize, height: usize) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.draw(py, Format::Png, width, height)?))
    }

    /// The picture as SVG.
    #[pyo3(signature = (width=1200, height=720))]
    fn svg(&self, py: Python<'_>, width: usize, height: usize) -> PyResult<String> {
        String::from_utf8(self.draw(py, Format::Svg, width, height)?).map_err(failed)
    }

    /// What notebooks show.
    fn _repr_png_<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.png(py, 1200, 720)
    }

    fn __repr__(&self) -> String {
        let record = self.records.first().map(Record::name).unwrap_or_default();
        format!("<damo.Report {:?} on {record:?}>", self.name)
    }
}
