//! What to call a target in a report.

use damo_frame::Record;
use damo_model::{Target, TargetKey};
use std::collections::HashMap;

/// The kernel's target id, or `None` where the source does not tell.
pub fn target_id_text(target: &Target) -> String {
    target.target_id.map_or_else(|| "None".to_owned(), |id| id.to_string())
}

/// A label for each of a record's targets: the kernel's target id, and where several share it, what tells them apart. A
/// scheme's view of a target is told apart by the scheme.
pub fn target_labels(record: &Record) -> HashMap<TargetKey, String> {
    let targets = record.targets();
    let mut labels: Vec<(TargetKey, String)> =
        targets.iter().map(|target| (target.key, label(target, targets))).collect();
    let count = |label: &str| labels.iter().filter(|(_, other)| other == label).count();
    let ambiguous: Vec<bool> = labels.iter().map(|(_, label)| count(label) > 1).collect();
    for ((key, label), ambiguous) in labels.iter_mut().zip(ambiguous) {
        if ambiguous {
            *label = format!("{label} (series {})", key.0);
        }
    }
    labels.into_iter().collect()
}

fn label(target: &Target, targets: &[Target]) -> String {
    let id = target_id_text(target);
    let sharing = || targets.iter().filter(|other| other.target_id == target.target_id);
    // What is the same for all, or told for one only, tells nothing apart.
    let differs = |of: fn(&Target) -> Option<u64>| {
        let mut told = sharing().filter_map(of);
        let first = told.next();
        told.any(|other| Some(other) != first)
    };
    let pid = |target: &Target| target.process.as_ref().map(|process| process.pid.unsigned_abs().into());
    let mut parts = Vec::new();
    if differs(|target| target.kdamond.map(u64::from)) {
        parts.extend(target.kdamond.map(|kdamond| format!("kdamond {kdamond}")));
    }
    if differs(|target| target.context.map(u64::from)) {
        parts.extend(target.context.map(|context| format!("context {context}")));
    }
    if sharing().count() > 1 {
        parts.extend(target.scheme.map(|scheme| format!("scheme {scheme}")));
    }
    if differs(pid) {
        parts.extend(target.process.as_ref().map(|process| format!("pid {}", process.pid)));
    }
    if parts.is_empty() { id } else { format!("{id} ({})", parts.join(", ")) }
}
