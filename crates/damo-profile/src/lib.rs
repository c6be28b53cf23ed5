//! Names of code: from addresses within modules (executables, libraries, the kernel, code that a JIT compiler made) to
//! functions, source files and lines.
//!
//! A module is looked up once, and each of its addresses once: [`Symbolizer::resolve`] takes all distinct addresses of a module
//! and opens what tells about it, in this order: debug information (DWARF, with the functions that the compiler inlined) of the
//! file itself or of its debug file, then the symbol table of either. The build id that was recorded has to be that of the
//! file; another program at the same path gives no names, and [`Problem::OtherBuild`] says so.
//!
//! Files are read in the parts that are needed instead of being mapped: a mapped file that somebody truncates ends the
//! program that reads it.
//!
//! ```
//! use damo_profile::{Module, Places, Symbolizer};
//!
//! // Nothing is known of a file that is not there, and the answer says so.
//! let module = Module::file("/no/such/program", &[]);
//! let resolved = Symbolizer::new(Places::default()).resolve(&module, &[0x1000]);
//! assert!(resolved.frames[0].is_empty());
//! assert!(resolved.problem.is_some());
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod binary;
mod debug_file;
mod demangle;
mod dwarf;
mod kernel;
mod module;
mod perf_map;
mod places;
mod record;
mod symbolizer;

pub use module::{Frame, Module, ModuleKind, Problem, Resolved};
pub use places::{OwnFiles, Places};
pub use record::{ModuleOutcome, SampledCode};
pub use symbolizer::Symbolizer;
