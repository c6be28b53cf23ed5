//! Folded stacks: a line for each stack, with its functions from the outermost to the innermost and how often it was seen. What
//! flame graph programs read.

use super::stacks::Chosen;
use crate::ReportError;
use damo_frame::profile::{Frame, Profile};
use damo_model::human::is_plain;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

/// Writes the samples as folded stacks, each line of which begins with the thread's name. Functions that were inlined are there
/// as well; code without a name is told by module and address.
///
/// # Errors
/// If `out` takes no more.
pub fn write_folded(profile: &Profile, chosen: &Chosen, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut seen: HashMap<(u32, u32), u64> = HashMap::new();
    for sample in &chosen.samples {
        *seen.entry((sample.thread, sample.stack)).or_default() += u64::from(sample.weight);
    }
    // Stacks that differ in addresses only are one line.
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for ((thread, stack), weight) in seen {
        let mut line = chosen.threads.get(thread as usize).map_or_else(String::new, |thread| plain(&thread.comm));
        if line.is_empty() {
            line.push_str("[thread]");
        }
        for frame in frames_outermost_first(profile, chosen, stack) {
            line.push(';');
            line.push_str(&plain(&frame.name));
        }
        *lines.entry(line).or_default() += weight;
    }
    for (line, weight) in lines {
        writeln!(out, "{line} {weight}")?;
    }
    Ok(())
}

/// A frame with its name.
pub(super) struct NamedFrame {
    pub name: String,
    pub is_kernel: bool,
}

/// The frames of a stack by name, the outermost first.
pub(super) fn frames_outermost_first(profile: &Profile, chosen: &Chosen, stack: u32) -> Vec<NamedFrame> {
    let mut frames = Vec::new();
    for frame in chosen.frames(stack).iter().rev() {
        let Frame::Code(number) = frame else {
            frames.push(NamedFrame { name: "[cut]".to_owned(), is_kernel: false });
            continue;
        };
        let Some(location) = chosen.located.locations.get(*number as usize).copied() else { continue };
        let is_kernel = chosen.located.module(location).is_some_and(|module| module.is_kernel());
        let names = profile.names.of(&chosen.located, location);
        if names.is_empty() {
            frames.push(NamedFrame { name: chosen.located.place(location), is_kernel });
        }
        frames.extend(names.iter().rev().map(|name| NamedFrame { name: name.function.to_owned(), is_kernel }));
    }
    frames
}

/// A name without what separates names from one another, and without characters that are not visible or turn text around.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c == ';' { ':' } else { c }).filter(|c| is_plain(*c)).collect()
}
