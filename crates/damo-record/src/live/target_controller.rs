//! What a recording does with targets that come and go, which depends on whose kdamonds it records.

use super::target_slots::TargetSlot;
use crate::error::RecordError;
use damo_model::kdamond::ContextTarget;
use damo_model::{KdamondIndex, Process};
use damo_steer::Notifier;
use std::os::fd::BorrowedFd;

/// How the loop keeps DAMON and the processes together.
pub(crate) trait TargetController {
    /// The places, now that these are gone.
    fn without(&mut self, gone: &[Process]) -> Vec<(KdamondIndex, Vec<TargetSlot>)>;
    /// Whether some processes could not be told to DAMON yet.
    fn has_waiting(&self) -> bool;
    /// Begins to tell DAMON of newcomers. Whether places changed, because it was told of earlier ones.
    fn admit(&mut self, born: &[Process], notifier: &mut dyn Notifier) -> Result<bool, RecordError>;
    /// The places that DAMON is being told of, and may have taken already.
    fn committing(&self) -> Option<(KdamondIndex, Vec<TargetSlot>)> {
        None
    }
    /// Can be read when DAMON has taken newcomers or refused them.
    fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Whether it has.
    fn has_news(&mut self) -> bool {
        false
    }
    /// The owner of a kdamond gave it these targets. Gives the processes among them; `None` if the owner is us.
    fn retargeted(&mut self, kdamond: KdamondIndex, targets: &[ContextTarget]) -> Option<Vec<Process>> {
        let _ = (kdamond, targets);
        None
    }
    /// What is at each place of each kdamond.
    fn places(&self) -> Vec<(KdamondIndex, Vec<TargetSlot>)>;
    /// The kdamond and place of a process.
    fn place_of(&self, pid: i32) -> Option<(KdamondIndex, usize)>;
    /// Whether the recording is over when all targets are gone.
    fn ends_with_targets(&self) -> bool;
    /// Whether DAMON still runs.
    fn is_running(&self) -> Result<bool, RecordError>;
}
