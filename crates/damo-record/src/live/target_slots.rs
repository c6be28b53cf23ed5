//! What is at each place in a kdamond's list of targets.

use damo_model::{KdamondIndex, Process};

/// What stands at a place in a kdamond's list of targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum TargetSlot {
    /// Not a process: physical addresses, or not known.
    #[default]
    NotAProcess,
    /// A process that is monitored.
    Process(Process),
    /// A process that is gone. The kernel goes on reporting its last regions, but nothing is measured any more.
    Gone,
}

impl TargetSlot {
    /// Whether it is the same, whatever its process is called now.
    pub(crate) fn is(&self, other: &TargetSlot) -> bool {
        match (self, other) {
            (TargetSlot::Process(one), TargetSlot::Process(other)) => one.identity() == other.identity(),
            _ => self == other,
        }
    }
}

/// The processes at some places.
pub(crate) fn processes_in(places: &[TargetSlot]) -> impl Iterator<Item = &Process> {
    places.iter().filter_map(|place| if let TargetSlot::Process(process) = place { Some(process) } else { None })
}

/// Where a process is.
pub(crate) fn place_in(kdamonds: &[(KdamondIndex, Vec<TargetSlot>)], pid: i32) -> Option<(KdamondIndex, usize)> {
    kdamonds.iter().find_map(|(kdamond, places)| {
        let is_it = |place: &TargetSlot| matches!(place, TargetSlot::Process(process) if process.pid == pid);
        Some((*kdamond, places.iter().position(is_it)?))
    })
}

/// A list of targets with the newcomers behind the others, where the kernel can remove those who are gone: all others keep
/// their regions.
pub(crate) fn append(present: &[TargetSlot], born: &[Process]) -> Vec<TargetSlot> {
    present.iter().cloned().chain(born.iter().cloned().map(TargetSlot::Process)).collect()
}

/// A list of targets without those who are gone (the kernel refuses their ids) and with the newcomers. Who is alive
/// keeps its place as far as possible, because a place's regions stay with the place until the next update.
pub(crate) fn arrange(present: &[TargetSlot], born: &[Process]) -> Vec<TargetSlot> {
    let mut newcomers = born.iter().cloned();
    let mut next: Vec<TargetSlot> = present.to_vec();
    for place in next.iter_mut().filter(|place| **place == TargetSlot::Gone) {
        if let Some(process) = newcomers.next() {
            *place = TargetSlot::Process(process);
        }
    }
    next.extend(newcomers.map(TargetSlot::Process));
    // Holes that are left are filled from the end.
    while let Some(hole) = next.iter().position(|place| *place == TargetSlot::Gone) {
        if let Some(last) = next.pop()
            && last != TargetSlot::Gone
            && hole < next.len()
        {
            next[hole] = last;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(pid: i32) -> TargetSlot {
        TargetSlot::Process(Process { pid, ..Process::default() })
    }

    fn born(pids: &[i32]) -> Vec<Process> {
        pids.iter().map(|pid| Process { pid: *pid, ..Process::default() }).collect()
    }

    #[test]
    fn newcomers_take_the_places_of_the_gone_and_the_living_stay_where_they_are() {
        let present = [who(1), TargetSlot::Gone, who(3)];
        assert_eq!(arrange(&present, &born(&[4])), [who(1), who(4), who(3)]);
        assert_eq!(arrange(&present, &born(&[4, 5])), [who(1), who(4), who(3), who(5)]);
    }

    #[test]
    fn no_place_of_a_gone_process_is_left_for_the_kernel_to_refuse() {
        assert_eq!(arrange(&[who(1), TargetSlot::Gone, TargetSlot::Gone], &born(&[4])), [who(1), who(4)]);
        assert_eq!(arrange(&[TargetSlot::Gone, TargetSlot::Gone, who(3)], &born(&[4])), [who(4), who(3)]);
        assert_eq!(arrange(&[TargetSlot::Gone, TargetSlot::Gone, who(3)], &[]), [who(3)]);
        assert_eq!(arrange(&[TargetSlot::Gone], &[]), []);
    }
}
