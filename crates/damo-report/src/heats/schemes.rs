//! Where schemes were applied, to lie over the heat of the memory that they were applied to.
//!
//! A record may hold schemes' views of a target (`damos_before_apply`): snapshots of the regions that a scheme was
//! about to be applied to. Such a snapshot reaches back to the application before it, which may have been long ago; what
//! it tells is of one moment, its end. It is shown for one aggregation interval.

use super::axis::Axis;
use super::beside::Beside;
use super::grid::Sums;
use crate::survey::Identity;
use damo_frame::{FrameError, Record, SnapshotView};
use damo_model::{Nanos, Side, TargetKey};

/// Schemes beyond these are not told apart: there are no more colours.
const MOST: usize = 6;

/// Where one scheme was applied.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemeLayer {
    /// Its position in its context.
    pub scheme: u32,
    /// What it does, where the record tells.
    pub action: Option<String>,
    /// For each panel the share of each cell that it was applied to, 0..=1, row after row.
    pub applied: Vec<Vec<f64>>,
    /// How often it was applied within the map's time.
    pub times: u64,
}

impl SchemeLayer {
    /// Whether the scheme was applied in a cell.
    pub fn is_applied(&self, panel: usize, cell: usize) -> bool {
        self.applied.get(panel).and_then(|cells| cells.get(cell)).is_some_and(|share| *share > 0.0)
    }

    /// As legends have it: `scheme 0: pageout`.
    pub fn title(&self) -> String {
        match &self.action {
            Some(action) => format!("scheme {}: {action}", self.scheme),
            None => format!("scheme {}", self.scheme),
        }
    }
}

/// Which targets of which records are schemes' views of the monitored one.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    schemes: Vec<u32>,
    /// Record number, target, position in `schemes`.
    targets: Vec<(usize, TargetKey, usize)>,
}

impl Layers {
    pub(super) fn of(beside: &Beside<'_>, identity: Identity) -> Self {
        let mut layers = Layers::default();
        if identity.scheme.is_some() {
            return layers;
        }
        for (number, target) in beside.schemes_of(identity) {
            let Some(scheme) = target.scheme else { continue };
            let known = layers.schemes.iter().position(|known| *known == scheme);
            if known.is_none() && layers.schemes.len() == MOST {
                continue;
            }
            let layer = known.unwrap_or_else(|| {
                layers.schemes.push(scheme);
                layers.schemes.len() - 1
            });
            layers.targets.push((number, target.key, layer));
        }
        layers
    }

    /// All views: record number, target, and which layer they belong to.
    pub(super) fn all(&self) -> &[(usize, TargetKey, usize)] {
        &self.targets
    }

    /// How many layers there are.
    pub(super) fn len(&self) -> usize {
        self.schemes.len()
    }
}

/// Applications while they are being added up.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    layers: Vec<(u32, u64, Vec<Sums>)>,
}

impl Applied {
    pub(super) fn new(layers: &Layers, time: &Axis, space: &[Axis]) -> Self {
        let panels = || space.iter().map(|space| Sums::new(time.len() * space.len())).collect();
        Self { layers: layers.schemes.iter().map(|scheme| (*scheme, 0, panels())).collect() }
    }

    /// Takes in one application.
    pub(super) fn add(
        &mut self,
        layer: usize,
        view: &SnapshotView<'_>,
        length: Option<Nanos>,
        time: &Axis,
        space: &[Axis],
    ) {
        let Some((_, times, panels)) = self.layers.get_mut(layer) else { return };
        let (start, end) = (i128::from(view.head.start.0), i128::from(view.head.end.0));
        let start = start.max(length.map_or(start, |length| end - i128::from(length.0)));
        if time.clip(start, end).is_none() {
            return;
        }
        *times += 1;
        for (space, sums) in space.iter().zip(panels) {
            for (row, held) in time.parts(start, end) {
                for (start, end) in view.start.iter().zip(view.end) {
                    if let Some((low, high)) = space.clip((*start).into(), (*end).into()) {
                        sums.add(space, row * space.len(), low, high, held);
                    }
                }
            }
        }
    }

    pub(super) fn merge(&mut self, later: &Applied) {
        for ((_, times, panels), (_, more, theirs)) in self.layers.iter_mut().zip(&later.layers) {
            *times += more;
            panels.iter_mut().zip(theirs).for_each(|(a, b)| a.merge(b));
        }
    }

    /// Shares per cell, and what the schemes do.
    pub(super) fn finish(
        self,
        records: &[Record],
        time: &Axis,
        space: &[Axis],
    ) -> Result<Vec<SchemeLayer>, FrameError> {
        if self.layers.is_empty() {
            return Ok(Vec::new());
        }
        let actions = actions(records)?;
        let shares = |sums: Sums, space: &Axis| {
            let row = |row: usize| {
                let area = move |cell: usize| time.size(row) as f64 * space.size(cell) as f64;
                let cells = sums.row(space, row * space.len()).enumerate();
                cells.map(move |(cell, sum)| (sum / area(cell)).clamp(0.0, 1.0)).collect::<Vec<_>>()
            };
            (0..time.len()).flat_map(row).collect()
        };
        let mut layers: Vec<SchemeLayer> = self
            .layers
            .into_iter()
            .filter(|(_, times, _)| *times > 0)
            .map(|(scheme, times, panels)| SchemeLayer {
                scheme,
                action: actions.get(scheme as usize).cloned(),
                applied: panels.into_iter().zip(space).map(|(sums, space)| shares(sums, space)).collect(),
                times,
            })
            .collect();
        layers.sort_by_key(|layer| layer.scheme);
        Ok(layers)
    }
}

/// What the schemes of the first parameters that tell do, by position; empty if nothing tells.
fn actions(records: &[Record]) -> Result<Vec<String>, FrameError> {
    for record in records {
        for side in record.side_data()? {
            let Side::Params(params) = side else { continue };
            let Ok(json) = serde_json::from_str::<serde_json::Value>(&params.json) else { continue };
            let context = params.context.unwrap_or(0) as usize;
            let Some(schemes) = json.pointer(&format!("/contexts/{context}/schemes")) else { continue };
            let names = schemes.as_array().into_iter().flatten();
            let names: Vec<String> =
                names.map(|scheme| scheme["action"].as_str().unwrap_or("unknown").to_owned()).collect();
            if !names.is_empty() {
                return Ok(names);
            }
        }
    }
    Ok(Vec::new())
}
