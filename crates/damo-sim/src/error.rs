//! Why a simulation cannot be run, or had to stop.

use damo_model::{ParamError, SinkError};

/// Why a simulation cannot be run, or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// A mistake in a configuration file.
    #[error("{name}, line {line}: {what}; {remedy}")]
    Config {
        /// The workload's name as given to [`Workload::parse`](crate::Workload::parse).
        name: String,
        /// Line in the file, from 1.
        line: usize,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// An option that cannot be.
    #[error("{option}: {what}; {remedy}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A monitoring parameter that no kernel would take either.
    #[error("{0}")]
    Parameter(#[from] ParamError),
    /// A scheme that cannot be.
    #[error("scheme {index}: {what}: {remedy}")]
    Scheme {
        /// Which, from 0.
        index: usize,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// Nothing to monitor.
    #[error("no workload to simulate; give at least one masim configuration")]
    NoWorkload,
    /// More memory than can be simulated.
    #[error("the workloads need {needed} bytes of memory, of which {limit} can be there; {remedy}")]
    Memory {
        /// Bytes that the workloads allocate.
        needed: u64,
        /// Bytes that there can be.
        limit: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// The sink took no more.
    #[error("the simulated record could not be written on: {0}")]
    Sink(#[from] SinkError),
}
