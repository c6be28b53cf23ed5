//! Stamps on the record's clock.

use damo_model::{ClockPair, Nanos, Side, Stamp};

/// A stamp on the record's clock; `None` for wall time when it is not known how the clocks relate.
pub fn on_record_clock(stamp: Stamp, pair: Option<ClockPair>) -> Option<Nanos> {
    match stamp {
        Stamp::Record(at) => Some(at),
        Stamp::Wall(at) => pair.map(|pair| at.saturating_sub(pair.wall).saturating_add(pair.record)),
    }
}

/// When a piece of side data was seen; `None` for kinds that this crate does not know.
pub(crate) fn stamp_of(side: &Side) -> Option<Stamp> {
    Some(match side {
        Side::Mappings(side) => side.at,
        Side::Process(side) => side.at,
        Side::System(side) => side.at,
        Side::Cpu(side) => side.at,
        Side::Pressure(side) => side.at,
        Side::Params(side) => side.at,
        Side::Lost(side) => side.at,
        Side::Mark(side) => side.at,
        Side::Scheme(side) => side.at,
        Side::Placement(side) => side.at,
        Side::Code(side) => side.at,
        Side::Stacks(side) => side.at,
        Side::Samples(side) => side.at,
        Side::Profile(side) => side.at,
        Side::LostSamples(side) => side.at,
        Side::Symbols(side) => side.at,
        _ => return None,
    })
}

/// The same, to be changed.
pub(crate) fn stamp_mut(side: &mut Side) -> Option<&mut Stamp> {
    Some(match side {
        Side::Mappings(side) => &mut side.at,
        Side::Process(side) => &mut side.at,
        Side::System(side) => &mut side.at,
        Side::Cpu(side) => &mut side.at,
        Side::Pressure(side) => &mut side.at,
        Side::Params(side) => &mut side.at,
        Side::Lost(side) => &mut side.at,
        Side::Mark(side) => &mut side.at,
        Side::Scheme(side) => &mut side.at,
        Side::Placement(side) => &mut side.at,
        Side::Code(side) => &mut side.at,
        Side::Stacks(side) => &mut side.at,
        Side::Samples(side) => &mut side.at,
        Side::Profile(side) => &mut side.at,
        Side::LostSamples(side) => &mut side.at,
        Side::Symbols(side) => &mut side.at,
        _ => return None,
    })
}
