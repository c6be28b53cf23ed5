//! Numbers of variable length within columns: seven bits a byte, lowest first, the high bit set on all but the last
//! (LEB128); signed numbers zigzag first (0, -1, 1, -2 … become 0, 1, 2, 3 …), so that small ones are short.

/// Appends a number in groups of 7 bits, lowest first.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed `value`.
#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, zigzag(value));
}

/// Signed to unsigned.
#[inline]
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
#[inline]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Takes numbers from the front of a slice.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Input { rest: bytes }
    }

    /// The next number; `None` at the end or if it does not fit 64 bits.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u64> {
        let (&first, rest) = self.rest.split_first()?;
        if first < 0x80 {
            self.rest = rest;
            return Some(u64::from(first));
        }
        self.next_long()
    }

    fn next_long(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            if i == 9 && bits > 1 {
                return None;
            }
            value |= bits << (7 * i);
            if byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Some(value);
            }
        }
        None
    }

    /// The next signed number.
    #[inline]
    pub(crate) fn next_signed(&mut self) -> Option<i64> {
        self.next().map(unzigzag)
    }

    /// Whether everything was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes if all of them are numbers of one byte; takes nothing otherwise.
    #[inline]
    pub(crate) fn next_short(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        // One pass without early exit: it vectorises, and nearly always succeeds.
        let all = head.iter().fold(0u8, |all, byte| all | byte);
        if all >= 0x80 {
            return None;
        }
        self.rest = rest;
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_comes_back(values in proptest::collection::vec(any::<u64>(), 0..20), signed in any::<i64>()) {
            let mut bytes = Vec::new();
            for &value in &values {
                put(&mut bytes, value);
            }
            put_signed(&mut bytes, signed);
            let mut input = Input::new(&bytes);
            for &value in &values {
                prop_assert_eq!(input.next(), Some(value));
            }
            prop_assert_eq!(input.next_signed(), Some(signed));
            prop_assert!(input.is_empty());
            prop_assert_eq!(input.next(), None);
        }
    }

    #[test]
    fn a_number_that_does_not_fit_or_does_not_end_is_refused() {
        assert_eq!(Input::new(&[0xff; 11]).next(), None);
        assert_eq!(Input::new(&[0x80, 0x80]).next(), None);
        let mut most = Vec::new();
        put(&mut most, u64::MAX);
        assert_eq!(Input::new(&most).next(), Some(u64::MAX));
        *most.last_mut().unwrap() = 2;
        assert_eq!(Input::new(&most).next(), None);
    }
}
