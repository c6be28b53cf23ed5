//! Everything that talks to the kernel: DAMON's control files, its events, and what is sampled beside them.
//!
//! All paths lie under a [`Root`] that the caller gives: `/` on a live machine, a temporary directory or an in-memory
//! [`sysfs::MemorySysfs`] in tests. This is the only crate with `unsafe`, and within it only the memory that
//! [`ring`] shares with the kernel, and a few system calls.
//!
//! - [`sysfs`]: DAMON's tree: read, set up, start, tune, stop, put back
//! - [`tracefs`]: how the running kernel lays out DAMON's events, and decoding them
//! - [`ring`]: the events themselves, through perf
//! - [`sampling`]: samples of the CPU time of processes, with call chains
//! - [`features`]: what this kernel's DAMON can do
//! - [`rights`]: a program with the rights of the user who called sudo
//! - [`signals`]: who sent one, and whether it was ignored when we were started
//! - [`streams`]: whether standard output was open when we were started
//! - [`procfs`]: processes, memory, pressure, CPU time
//! - [`areas`]: memory in mappings of its own, for a workload
//!
//! How a recording goes, in order: [`tracefs::Tracefs::recording_events`]; [`ring::Ring::per_cpu`]; [`sysfs::Sysfs::stage`] and [`sysfs::Staged::start`]; [`ring::Ring::narrow`]; then
//! [`ring::Ring::wait`] and [`ring::Ring::drain`], through a [`tracefs::Decoder`] into a [`damo_trace::assemble::Assembler`]
//! per kdamond thread, until [`sysfs::Staged::is_running`] is false or a signal came; [`sysfs::Staged::stop`]; a last
//! drain; [`sysfs::Staged::undo`]. `examples/watch.rs` is all of that in one small program.
//!
//! Starting DAMON for a process and putting everything back, on a tree that behaves like a kernel's:
//!
//! ```
//! use damo_kernel::Root;
//! use damo_kernel::sysfs::{MemorySysfs, Sysfs};
//! use damo_model::Ops;
//! use damo_model::kdamond::{Context, ContextTarget, Kdamond};
//! use std::sync::Arc;
//!
//! let sysfs = Sysfs::new(&Root::with_io(Arc::new(MemorySysfs::new((6, 12))))); // Root::host() is this machine
//! let target = ContextTarget { pid: Some(42), ..ContextTarget::default() };
//! let context = Context { targets: vec![target], ..Context::new(Ops::Vaddr) };
//! let mut staged = sysfs.stage(&[Kdamond { contexts: vec![context], ..Kdamond::default() }])?;
//! staged.start()?;
//! assert!(staged.is_running()?);
//! staged.stop()?;
//! staged.undo()?;
//! # Ok::<(), damo_kernel::Error>(())
//! ```
#![deny(unsafe_op_in_unsafe_fn)]

pub mod areas;
mod error;
pub mod features;
mod io;
mod needs;
pub mod procfs;
pub mod referenced;
pub mod rights;
pub mod ring;
pub mod sampling;
pub mod signals;
pub mod streams;
pub mod sysfs;
mod system;
pub mod tracefs;
mod validate;

pub use error::{Error, Result};
pub use io::{Io, Root};
