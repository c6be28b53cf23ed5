//! What a terminal is asked.

use std::os::fd::AsFd;

/// Columns and rows of a terminal, each `None` where it does not know, and for what is no terminal.
pub fn size(terminal: impl AsFd) -> (Option<usize>, Option<usize>) {
    let size = rustix::termios::tcgetwinsize(terminal).ok();
    (known(size.map(|size| size.ws_col)), known(size.map(|size| size.ws_row)))
}

/// Serial lines say 0: they do not know. After `stty cols 40` one knows its columns alone.
fn known(number: Option<u16>) -> Option<usize> {
    number.filter(|number| *number > 0).map(usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_does_not_know_its_size_has_none() {
        assert_eq!([known(None), known(Some(0)), known(Some(132))], [None, None, Some(132)]);
    }
}
