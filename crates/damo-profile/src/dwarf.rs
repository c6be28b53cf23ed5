//! Debug information: functions with those that were inlined into them, source files and lines.

use crate::binary::Elf;
use crate::demangle::demangle;
use crate::module::Frame;
use addr2line::Context;
use gimli::{DwarfSections, EndianSlice, RunTimeEndian, SectionId};
use object::{CompressionFormat, Object, ObjectSection};
use std::borrow::Cow;
use std::io::Read;

/// A compressed section that unpacks to more than this is not used.
const MAX_SECTION: u64 = 4 << 30;
/// More functions than this inlined into one another are cut.
const MAX_INLINED: usize = 256;

/// Why debug information cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DebugInfoError {
    /// A section cannot be read or unpacked.
    #[error("its debug information in {name} cannot be read: {why}")]
    Section {
        /// The section's name.
        name: &'static str,
        /// What is wrong with it.
        why: SectionError,
    },
    /// What the sections say is damaged.
    #[error("its debug information cannot be read: {0}")]
    Damaged(#[from] gimli::Error),
}

/// What is wrong with a section.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SectionError {
    /// The file's headers do not fit together.
    #[error(transparent)]
    Object(#[from] object::Error),
    /// It says that it unpacks to more bytes than are taken.
    #[error("it would have {0} bytes")]
    TooLarge(u64),
    /// It unpacks to fewer bytes than it says.
    #[error("it has {found} bytes instead of {told}")]
    Short {
        /// Bytes that came out.
        found: usize,
        /// Bytes that the section's header tells.
        told: u64,
    },
    /// Unpacking fails.
    #[error(transparent)]
    Unpacking(#[from] std::io::Error),
    /// Another compression than zlib's and zstd's.
    #[error("it is compressed in a way that is not known")]
    UnknownCompression,
}

/// The sections of debug information, unpacked.
pub(crate) struct Sections<'d>(DwarfSections<Cow<'d, [u8]>>, RunTimeEndian);

impl<'d> Sections<'d> {
    /// Reads them; `None` if the file has no debug information.
    ///
    /// # Errors
    /// Which of them is damaged, or packed in a way that is not known.
    pub(crate) fn of(elf: &Elf<'d>) -> Result<Option<Self>, DebugInfoError> {
        if elf.section_by_name(".debug_info").or_else(|| elf.section_by_name(".zdebug_info")).is_none() {
            return Ok(None);
        }
        let load = |id: SectionId| {
            let name = id.name();
            section(elf, name).map_err(|why| DebugInfoError::Section { name, why })
        };
        let endian = if elf.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
        DwarfSections::load(load).map(|sections| Some(Self(sections, endian)))
    }

    /// The functions at each address, the innermost first; empty where the debug information tells none.
    ///
    /// # Errors
    /// What is wrong with the debug information.
    pub(crate) fn frames(&self, addresses: &[Option<u64>]) -> Result<Vec<Vec<Frame>>, DebugInfoError> {
        let dwarf = self.0.borrow(|section| EndianSlice::new(section, self.1));
        let context = Context::from_dwarf(dwarf)?;
        let frames = |address: &Option<u64>| address.map(|address| frames_at(&context, address)).unwrap_or_default();
        Ok(addresses.iter().map(frames).collect())
    }
}

fn frames_at(context: &Context<EndianSlice<'_, RunTimeEndian>>, address: u64) -> Vec<Frame> {
    let mut found = Vec::new();
    // Debug information in separate objects (split DWARF) is not looked for.
    let Ok(mut frames) = context.find_frames(address).skip_all_loads() else { return found };
    while let Ok(Some(frame)) = frames.next() {
        let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
        let location = frame.location.as_ref();
        found.push(Frame {
            function: name.map(|name| demangle(&name)).unwrap_or_default(),
            file: location.and_then(|location| location.file).unwrap_or_default().to_owned(),
            line: location.and_then(|location| location.line).unwrap_or(0),
            is_inlined: true,
        });
        if found.len() > MAX_INLINED {
            break;
        }
    }
    if let Some(outermost) = found.last_mut() {
        outermost.is_inlined = false;
    }
    found
}

/// A section, unpacked; empty if there is none.
///
/// # Errors
/// Why it cannot be read.
fn section<'d>(elf: &Elf<'d>, name: &str) -> Result<Cow<'d, [u8]>, SectionError> {
    let Some(section) = elf.section_by_name(name) else { return Ok(Cow::default()) };
    let data = section.compressed_data()?;
    let size = data.uncompressed_size;
    if size > MAX_SECTION {
        return Err(SectionError::TooLarge(size));
    }
    let unpacked = |reader: &mut dyn Read| -> Result<Cow<'d, [u8]>, SectionError> {
        let mut unpacked = Vec::new();
        // The declared size is not believed: memory grows by what really comes out, up to that size.
        let found = reader.take(size).read_to_end(&mut unpacked)?;
        if found as u64 == size { Ok(Cow::Owned(unpacked)) } else { Err(SectionError::Short { found, told: size }) }
    };
    match data.format {
        CompressionFormat::None => Ok(Cow::Borrowed(data.data)),
        CompressionFormat::Zlib => unpacked(&mut flate2::read::ZlibDecoder::new(data.data)),
        CompressionFormat::Zstandard => unpacked(&mut zstd::Decoder::new(data.data)?),
        _ => Err(SectionError::UnknownCompression),
    }
}
