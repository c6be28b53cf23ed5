//! The tracing data: what perf copied from tracefs so that raw records can be read elsewhere.

use super::bytes::Cursor;
use damo_model::Bytes;
use std::collections::BTreeMap;

/// More threads' names than this are not remembered.
const MAX_COMMS: usize = 1 << 16;

/// What is used of it.
#[derive(Debug, Default)]
pub(super) struct TracingData {
    /// Texts of the events' `format` files.
    pub(super) formats: Vec<String>,
    /// Page size of the recorded machine.
    pub(super) page_size: Option<Bytes>,
    /// Names of threads.
    pub(super) comms: BTreeMap<i32, String>,
}

impl TracingData {
    /// Reads as far as it makes sense.
    pub(super) fn read(data: &[u8]) -> Self {
        let mut read = Self::default();
        // What could not be read is missing, and noticed where it is needed.
        let _ = read.fill(&mut Cursor(data));
        read
    }

    fn fill(&mut self, data: &mut Cursor<'_>) -> Option<()> {
        if data.take(10)? != b"\x17\x08\x44tracing" {
            return None;
        }
        let _version = data.until_zero()?;
        let (is_big_endian, _size_of_long) = (data.u8()? != 0, data.u8()?);
        if is_big_endian {
            return None;
        }
        self.page_size = data.u32().map(|size| Bytes(size.into())).filter(|size| size.0.is_power_of_two());
        for _ in ["header_page", "header_event"] {
            let _name = data.until_zero()?;
            let len = data.u64()?;
            data.skip(len)?;
        }
        let nr_ftrace = data.u32()?;
        for _ in 0..nr_ftrace {
            let len = data.u64()?;
            data.skip(len)?;
        }
        let nr_systems = data.u32()?;
        for _ in 0..nr_systems {
            let is_damon = data.until_zero()? == b"damon";
            let nr_events = data.u32()?;
            for _ in 0..nr_events {
                let len = usize::try_from(data.u64()?).ok()?;
                let text = data.take(len)?;
                if is_damon {
                    self.formats.push(String::from_utf8_lossy(text).into_owned());
                }
            }
        }
        // Kernel symbols, then formats of trace_printk.
        for _ in 0..2 {
            let len = data.u32()?;
            data.skip(len.into())?;
        }
        let len = usize::try_from(data.u64()?).ok()?;
        let comms = String::from_utf8_lossy(data.take(len)?);
        let comm = |line: &str| {
            let (thread, comm) = line.split_once(' ')?;
            Some((thread.parse().ok()?, comm.to_owned()))
        };
        self.comms = comms.lines().filter_map(comm).take(MAX_COMMS).collect();
        Some(())
    }
}
