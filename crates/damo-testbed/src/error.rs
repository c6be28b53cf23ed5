//! Why memory cannot be accessed as wanted, or a log of accesses not be written or read.

use std::io;

/// Why memory cannot be accessed as wanted, or a log of accesses not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestbedError {
    /// No address space is that large.
    #[error("region {name}: {size} bytes are more than this machine can address; make it smaller")]
    TooLarge {
        /// Name of the region.
        name: String,
        /// Its configured size.
        size: u64,
    },
    /// The file that should fill a region.
    #[error("region {name}: cannot read {file}: {source}; name a readable file, or none")]
    InitFile {
        /// Name of the region.
        name: String,
        /// Name of the file whose content fills it.
        file: String,
        /// The reason that the system gave.
        source: io::Error,
    },
    /// The file that should fill a region has nothing in it.
    #[error("region {name}: {file} is empty; name a file with content, or none")]
    EmptyInitFile {
        /// Name of the region.
        name: String,
        /// Name of the file whose content fills it.
        file: String,
    },
    /// The log of what happened cannot be written.
    #[error("cannot write the log of accesses: {0}; give another file to --truth")]
    WriteLog(#[source] io::Error),
    /// The log could not be read.
    #[error("cannot read the log: {0}")]
    ReadLog(#[source] io::Error),
    /// A line that is no event.
    #[error("line {line} of the log: {what}; is this a file that damo-workload --truth wrote?")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}
