//! DAMON without a kernel: its algorithm over simulated memory, in virtual time.
//!
//! A [`Workload`] is a process described by a masim configuration file: memory regions, and phases in which they are
//! accessed. [`simulate`] lets workloads run and monitors them as the kernel's DAMON would, region sampling, merging,
//! splitting and aging included, and tells a [`damo_model::Sink`] everything that a recorder would have told: an hour
//! of monitoring in seconds, without privileges, and with the same result for the same [`Options::seed`]. What really
//! was accessed is known, too: [`GroundTruth`].
//!
//! ```
//! use damo_sim::{GroundTruth, Options, Workload, builtin, simulate};
//! use std::ops::ControlFlow;
//!
//! let workload = builtin::STAIRS_30S.workloads().remove(0);
//! let options = Options { seed: 42, ..Options::default() };
//! let mut items: Vec<damo_model::Item> = Vec::new();
//! simulate(&[workload.clone()], &options, &mut items, &mut |_| ControlFlow::Continue(()))?;
//!
//! let truth = GroundTruth::new(&workload, &options, 0)?;
//! let now = truth.at(damo_model::Nanos::from_secs(29));
//! assert_eq!(now.len(), 1, "one region at a time is accessed at the end");
//! # Ok::<(), damo_sim::SimError>(())
//! ```
#![forbid(unsafe_code)]

mod act;
pub mod builtin;
mod damos;
mod error;
mod layout;
mod machine;
mod monitor;
mod options;
mod pages;
mod params;
mod parse;
mod process;
mod rng;
mod run;
mod tell;
mod truth;
mod tune;
mod workload;

pub use damos::SchemeStats;
pub use error::SimError;
pub use machine::MemoryUse;
pub use options::{HUGE_PAGE, Layout, MAX_REGIONS, Options, PAGE_SIZE};
pub use run::{Outcome, Progress, simulate};
pub use truth::{Accessed, GroundTruth};
pub use workload::{MemRegion, Pattern, Phase, RwMode, Workload};
