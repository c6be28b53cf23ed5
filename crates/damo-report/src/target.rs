//! What to call a target in a report.

use damo_frame::Record;
use damo_model::{Target, TargetKey};
use std::collections::HashMap;

/// The kernel's target id, or `None` where the source does not tell.
pub(crate) fn target_id_text(target: &Target) -> String {
    target.target_id.map_or_else(|| "None".to_owned(), |id| id.to_string())
}

/// A label for each of a record's targets: the kernel's target id, and where several share it, what tells them apart. A
/// scheme's view of a target is told apart by the scheme.
pub(crate) fn target_labels(record: &Record) -> HashMap<TargetKey, String> {
    // A record may have tens of thousands of targets: nothing here looks at all of them for each.
    let mut sharing: HashMap<Option<u64>, Vec<&Target>> = HashMap::new();
    for target in record.targets() {
        sharing.entry(target.target_id).or_default().push(target);
    }
    let mut labels: HashMap<TargetKey, String> = HashMap::new();
    let mut uses: HashMap<String, usize> = HashMap::new();
    for targets in sharing.values() {
        let told = DistinguishingParts::of(targets);
        for target in targets {
            let label = told.label(target);
            *uses.entry(label.clone()).or_default() += 1;
            labels.insert(target.key, label);
        }
    }
    for (key, label) in &mut labels {
        if uses.get(label.as_str()).is_some_and(|uses| *uses > 1) {
            *label = format!("{label} (series {})", key.0);
        }
    }
    labels
}

/// What tells the targets of one id apart. What is the same for all, or told for one only, tells nothing apart.
struct DistinguishingParts {
    kdamond: bool,
    context: bool,
    scheme: bool,
    pid: bool,
}

impl DistinguishingParts {
    fn of(targets: &[&Target]) -> Self {
        let differs = |of: fn(&Target) -> Option<u64>| {
            let mut told = targets.iter().filter_map(|target| of(target));
            let first = told.next();
            told.any(|other| Some(other) != first)
        };
        Self {
            kdamond: differs(|target| target.kdamond.map(|index| u64::from(index.0))),
            context: differs(|target| target.context.map(u64::from)),
            scheme: targets.len() > 1,
            pid: differs(|target| target.process.as_ref().map(|process| process.pid.unsigned_abs().into())),
        }
    }

    fn label(&self, target: &Target) -> String {
        let numbers = [
            ("kdamond", target.kdamond.map(|index| index.0).filter(|_| self.kdamond)),
            ("context", target.context.filter(|_| self.context)),
            ("scheme", target.scheme.filter(|_| self.scheme)),
        ];
        let mut parts: Vec<String> =
            numbers.into_iter().filter_map(|(name, number)| Some(format!("{name} {}", number?))).collect();
        parts.extend(target.process.as_ref().filter(|_| self.pid).map(|process| format!("pid {}", process.pid)));
        let id = target_id_text(target);
        if parts.is_empty() { id } else { format!("{id} ({})", parts.join(", ")) }
    }
}
