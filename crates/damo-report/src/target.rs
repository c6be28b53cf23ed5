//! What to call a target in a report.

use damo_frame::Record;
use damo_model::{Target, TargetKey};
use std::collections::HashMap;

/// The kernel's target id, or `None` where the source does not tell.
pub fn target_id_text(target: &Target) -> String {
    target.target_id.map_or_else(|| "None".to_owned(), |id| id.to_string())
}

/// A label for each of a record's targets: the kernel's target id, and where several share it, what tells them apart.
pub fn target_labels(record: &Record) -> HashMap<TargetKey, String> {
    let targets = record.targets();
    let label = |target: &Target| {
        let id = target_id_text(target);
        let shared = targets.iter().filter(|other| other.target_id == target.target_id).count() > 1;
        if !shared {
            return id;
        }
        let mut parts = Vec::new();
        parts.extend(target.kdamond.map(|kdamond| format!("kdamond {kdamond}")));
        parts.extend(target.context.map(|context| format!("context {context}")));
        parts.extend(target.scheme.map(|scheme| format!("scheme {scheme}")));
        parts.extend(target.process.as_ref().map(|process| format!("pid {}", process.pid)));
        if parts.is_empty() {
            parts.push(format!("series {}", target.key.0));
        }
        format!("{id} ({})", parts.join(", "))
    };
    targets.iter().map(|target| (target.key, label(target))).collect()
}
