//! Pages of a tracefs `trace_pipe_raw`: the kernel's ring buffer as it is. Recorded pages are how decoding is tested
//! and measured on real data away from the kernel that made them.

/// A page's header: time stamp and commit counter.
const HEADER: usize = 16;
const PADDING: u32 = 29;
const TIME_EXTEND: u32 = 30;
const TIME_STAMP: u32 = 31;

/// One record of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent<'a> {
    /// On the trace clock, nanoseconds (for clocks that count so).
    pub time: u64,
    /// The record, from `common_type` on. May have up to three bytes of padding at its end.
    pub raw: &'a [u8],
}

/// The records of one page, in order. Ends at the first thing that makes no sense.
#[derive(Clone, Debug)]
pub struct RawPage<'a> {
    data: &'a [u8],
    time: u64,
    missed: bool,
}

impl<'a> RawPage<'a> {
    /// A whole page (usually 4096 bytes); `None` if it is shorter than its header.
    pub fn new(page: &'a [u8]) -> Option<Self> {
        let time = u64::from_ne_bytes(*page.first_chunk()?);
        let commit = u64::from_ne_bytes(*page.get(8..)?.first_chunk()?);
        let data = page.get(HEADER..)?;
        // The two top bits of the low word tell of events that were overwritten, and whether their number is stored.
        let len = ((commit & 0x3fff_ffff) as usize).min(data.len());
        Some(Self { data: &data[..len], time, missed: commit & (1 << 31) != 0 })
    }

    /// Whether events before this page were dropped by the kernel.
    pub fn missed(&self) -> bool {
        self.missed
    }

    fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.data.split_first_chunk::<4>()?;
        self.data = rest;
        Some(u32::from_ne_bytes(*word))
    }
}

impl<'a> Iterator for RawPage<'a> {
    type Item = RawEvent<'a>;

    fn next(&mut self) -> Option<RawEvent<'a>> {
        loop {
            let head = self.word()?;
            // Bit fields: the low bits come first on little-endian machines.
            let (kind, delta) =
                if cfg!(target_endian = "little") { (head & 31, head >> 5) } else { (head >> 27, head & 0x07ff_ffff) };
            let delta = u64::from(delta);
            match kind {
                PADDING if delta == 0 => return None,
                PADDING => {
                    let len = self.word()? as usize;
                    self.data = self.data.get(len.checked_sub(4)?..)?;
                    self.time = self.time.wrapping_add(delta);
                }
                TIME_EXTEND => self.time = self.time.wrapping_add((u64::from(self.word()?) << 27) + delta),
                TIME_STAMP => {
                    let stamp = (u64::from(self.word()?) << 27) + delta;
                    // An absolute stamp has 59 bits; the upper five stay as they were.
                    self.time = stamp | (self.time & (0x1f << 59));
                }
                _ => {
                    self.time = self.time.wrapping_add(delta);
                    let len = match kind {
                        0 => (self.word()? as usize).checked_sub(4)?,
                        words => words as usize * 4,
                    };
                    let raw = self.data.get(..len)?;
                    // Records are laid out in whole words.
                    self.data = self.data.get(len.next_multiple_of(4)..).unwrap_or_default();
                    return Some(RawEvent { time: self.time, raw });
                }
            }
        }
    }
}
