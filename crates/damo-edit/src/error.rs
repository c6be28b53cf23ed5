//! Why a record cannot be changed in the way that was asked for: what, where, and what to do about it.

/// Why a record cannot be changed in the way that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Records that are not known to be of one boot of one host.
    #[error(
        "{first} and {second} are not known to be of one boot of one host ({why}); --any_host merges them all the same"
    )]
    OtherHost {
        /// Name of the first record.
        first: String,
        /// Name of the second record.
        second: String,
        /// What shows that they are of different machines or boots.
        why: String,
    },
    /// Records whose clocks cannot be brought together.
    #[error("{first} and {second} cannot be put on one time axis: {why}")]
    OtherClock {
        /// Name of the first record.
        first: String,
        /// Name of the second record.
        second: String,
        /// What is missing.
        why: String,
    },
    /// Two records tell different things of one target at one time.
    #[error(
        "{first} and {second} both have snapshots of {target} at {at} ns, but not the same ones: cut one of them to the \
         time that the other does not have (damo cut --time_range)"
    )]
    Overlap {
        /// Name of the first record.
        first: String,
        /// Name of the second record.
        second: String,
        /// The target, in words.
        target: String,
        /// When, on the merged record's clock.
        at: i64,
    },
    /// More targets than a key can number.
    #[error("the records have too many targets for one record")]
    TooManyTargets,
    /// Addresses that fill the whole address space leave no room to move them.
    #[error("the record's addresses take up the whole address space and cannot be moved")]
    NoRoom,
}
