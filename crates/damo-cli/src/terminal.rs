//! What a terminal is asked.

use std::os::fd::AsFd;

/// Columns and rows of a terminal; `None` for what is none, and for one that does not know.
pub fn size(terminal: impl AsFd) -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    known(size.ws_col, size.ws_row)
}

/// Serial lines say 0: they do not know.
fn known(columns: u16, rows: u16) -> Option<(usize, usize)> {
    (columns > 0 && rows > 0).then(|| (columns.into(), rows.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_does_not_know_its_size_has_none() {
        assert_eq!((known(0, 0), known(132, 0), known(132, 43)), (None, None, Some((132, 43))));
    }
}
