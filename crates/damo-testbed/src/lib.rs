//! Memory access workloads with known ground truth. A monitor can only be judged against what really happened; this
//! crate makes it happen: it runs the same masim configurations that the simulator takes, but on real memory of a real
//! process, and writes down when it accessed what. `damo-workload` is the program to be monitored, `damo-score`
//! compares a record with what it wrote down.
//!
//! - [`facts`]: what is in a record, in numbers, and how well it found what was accessed
//! - [`phases`]: phases of known CPU time, and how well a profile tells of them
//! - [`replay`]: the accesses of a record, made again
//! - [`run`]: phases, one after the other
//! - [`truth`]: what happened when, as JSON lines
#![forbid(unsafe_code)]

mod error;
pub mod facts;
mod memory;
pub mod phases;
pub mod replay;
pub mod run;
mod score;
pub mod truth;

pub use error::TestbedError;
