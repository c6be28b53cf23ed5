//! Whether standard output was open when the program was started.
//!
//! Rust's runtime opens the null device in place of each standard stream that is closed, before `main`. From then on such a
//! stream cannot be told from one that was opened on the null device for reading and writing, as other programs do for those
//! whose output they do not want. So it is looked at earlier: by a function that the loader calls, as it does constructors of
//! C and C++.

use std::sync::atomic::{AtomicBool, Ordering};

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

#[used]
// SAFETY: the section holds pointers to functions that the loader calls once, before the runtime of any language but C's is
// there. This one makes a system call and stores to an atomic.
#[unsafe(link_section = ".init_array")]
static AT_THE_BEGINNING: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: a plain system call on a number.
    let is_closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } < 0;
    STDOUT_WAS_CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Whether standard output was closed by whoever started us, so that what is written there is lost.
pub fn stdout_is_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}
