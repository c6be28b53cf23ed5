//! The Python tool's own record: a list of targets ("records"), each with its snapshots, as JSON that is usually
//! compressed with zlib. Numbers are numbers or text, raw or with units, as the tool's versions and options had it.

mod faults;
mod inflate;
mod read;
mod region;
mod scalar;
mod write;

pub use write::{JsonWriter, Written};

use crate::error::{FilePosition, ImportError};
use crate::side_data::SideFiles;
use crate::{Context, Format, Imported};
use damo_model::{Item, Lost, Meta, Nanos, Side, Sink, Source, Stamp, Target, TargetKey};
use inflate::Text;
use read::{Pass, State};
use serde_json::error::Category;

/// Reads a record into `sink`.
pub(crate) fn import(
    bytes: &[u8],
    format: Format,
    context: &Context<'_>,
    side_data: &SideFiles,
    sink: &mut dyn Sink,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let text = if format == Format::DamoJsonZlib { Text::inflate(bytes) } else { Text::Plain(bytes) };
    // The first run finds what must be told before the snapshots: which targets there are, and what their first
    // snapshots' starts are if the file does not say.
    let mut state = State::new(Pass::Survey, None);
    let fault = text.parse(&mut state).err();
    if let Some(fault) = fault.filter(|fault| !is_salvageable(fault, &state)) {
        return Err(wrong(&fault, &text, context));
    }
    if state.records.is_empty() {
        let remedy = "it was written before anything was recorded: record again";
        return Err(context.bad(FilePosition::Whole, "the list of records is empty".to_owned(), remedy));
    }
    let default_intervals = context.options.intervals.or(side_data.intervals());
    let mut intervals = state.records.iter().map(|record| record.intervals.or(default_intervals));
    let first = intervals.next().flatten();
    let mut meta = Meta {
        source: Source::Imported { format: format.as_str().to_owned() },
        intervals: first.filter(|_| intervals.all(|other| other == first)),
        intervals_goal: state.records.first().and_then(|record| record.goal).filter(|goal| goal.aggregations > 0),
        ..Meta::default()
    };
    side_data.describe(&mut meta);
    sink.put(&Item::Meta(meta))?;
    let targets: Vec<Target> =
        (0..).zip(&state.records).map(|(key, record)| record.target(TargetKey(key), side_data)).collect();
    for target in &targets {
        sink.put(&Item::Target(target.clone()))?;
    }
    side_data.put(&targets, sink, imported)?;
    let records = std::mem::take(&mut state.records);
    let mut state = State::new(Pass::Give(sink), default_intervals);
    state.records = records;
    let fault = text.parse(&mut state).err();
    if state.refused.is_none() {
        // Refusals are looked at just below.
        let _ = state.flush();
    }
    if let Some(error) = state.refused.take() {
        return Err(ImportError::Sink(error));
    }
    imported.snapshots = state.snapshots;
    imported.partial_snapshots = state.partial;
    imported.regions = state.regions;
    state.notes(imported);
    let (last, salvageable) = (state.last_end, fault.as_ref().is_none_or(|fault| is_salvageable(fault, &state)));
    drop(state);
    let damage = match fault {
        Some(fault) if !salvageable => return Err(wrong(&fault, &text, context)),
        Some(fault) => Some(format!("damaged{}: {}", text.place(&fault), message(&fault, &text))),
        None => text.damage().map(|damage| format!("damaged: {damage}")),
    };
    if let Some(damage) = damage {
        imported.damaged = true;
        imported.notes.push(format!("{damage}; what comes after is lost"));
        let lost = Lost { at: Stamp::Record(last.unwrap_or(Nanos(0))), events: 1, reason: "file".to_owned() };
        imported.lost_events += 1;
        sink.put(&Item::Side(Side::Lost(lost)))?;
    }
    Ok(())
}

/// Whether what was read up to the fault is worth keeping: the text ends or turns into something else after snapshots
/// that are whole. A text that says something impossible is refused instead.
fn is_salvageable(fault: &serde_json::Error, state: &State<'_>) -> bool {
    state.snapshots > 0 && fault.classify() != Category::Data
}

fn wrong(fault: &serde_json::Error, text: &Text<'_>, context: &Context<'_>) -> ImportError {
    let remedy = match fault.classify() {
        Category::Data => "it is not a record of the Python damo, or was changed by hand: correct it there",
        Category::Eof => "the file is cut: copy it again, or record again",
        _ => "the file is damaged: copy it again",
    };
    context.bad(text.place(fault), message(fault, text), remedy)
}

/// The fault without the place that the JSON reader adds to it.
fn message(fault: &serde_json::Error, text: &Text<'_>) -> String {
    let message = fault.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    match text.damage() {
        Some(damage) => format!("{damage}: {}", &message[..end]),
        None => message[..end].to_owned(),
    }
}
