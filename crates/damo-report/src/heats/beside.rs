//! What records tell beside regions, put in order once for any number of maps: a record may have thousands of targets, and
//! nothing here is looked through for each of them.

use super::mappings::MappingNames;
use crate::survey::Identity;
use damo_frame::{FrameError, Record};
use damo_model::{Mappings, Side, Target, TargetKey};
use std::collections::HashMap;

/// The targets of some records and the mappings of their processes.
pub(super) struct Beside<'r> {
    /// The records, in the order in which they are numbered here.
    pub records: &'r [Record],
    /// Number of the record and target, in the records' order.
    targets: HashMap<Identity, Vec<(usize, &'r Target)>>,
    /// Schemes' views, likewise.
    schemes: Vec<(usize, &'r Target)>,
    mappings: Vec<RecordMappings<'r>>,
}

/// The mappings that one record tells, by whose they are.
#[derive(Default)]
struct RecordMappings<'r> {
    of_target: HashMap<TargetKey, Vec<&'r Mappings>>,
    /// Of those that name no target.
    of_pid: HashMap<i32, Vec<&'r Mappings>>,
    /// Whether the record has one target, to which everything belongs that names none.
    one_target: bool,
}

impl<'r> Beside<'r> {
    /// What some records tell.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(super) fn of(records: &'r [Record]) -> Result<Self, FrameError> {
        let mut found = Self { records, targets: HashMap::new(), schemes: Vec::new(), mappings: Vec::new() };
        for (number, record) in records.iter().enumerate() {
            for target in record.targets() {
                found.targets.entry(Identity::from(target)).or_default().push((number, target));
                if target.scheme.is_some() {
                    found.schemes.push((number, target));
                }
            }
            let mut mappings = RecordMappings { one_target: record.targets().len() == 1, ..RecordMappings::default() };
            for side in record.side_data()? {
                let Side::Mappings(all) = side else { continue };
                match all.target {
                    Some(key) => mappings.of_target.entry(key).or_default().push(all),
                    None => mappings.of_pid.entry(all.pid).or_default().push(all),
                }
            }
            found.mappings.push(mappings);
        }
        Ok(found)
    }

    /// The targets that an identity stands for: number of the record and target.
    pub(super) fn targets(&self, identity: Identity) -> &[(usize, &'r Target)] {
        self.targets.get(&identity).map_or(&[], Vec::as_slice)
    }

    /// Schemes' views of a target.
    pub(super) fn schemes_of(&self, identity: Identity) -> impl Iterator<Item = (usize, &'r Target)> {
        let views = self.schemes.iter().copied();
        views.filter(move |(_, target)| Identity::from(*target).is_scheme_of(identity))
    }

    /// The mappings of the processes that an identity stands for.
    pub(super) fn mappings(&self, identity: Identity) -> MappingNames {
        let mut lists: Vec<&Mappings> = Vec::new();
        for (number, target) in self.targets(identity) {
            let Some(all) = self.mappings.get(*number) else { continue };
            lists.extend(all.of_target.get(&target.key).into_iter().flatten());
            if all.one_target {
                lists.extend(all.of_pid.values().flatten());
            } else if let Some(process) = &target.process {
                lists.extend(all.of_pid.get(&process.pid).into_iter().flatten());
            }
        }
        MappingNames::out_of(lists.into_iter())
    }
}
