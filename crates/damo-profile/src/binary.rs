//! ELF files: build ids, how offsets in the file relate to addresses, and symbol tables.

use crate::demangle::symbol_name;
use crate::module::Frame;
use object::{Object, ObjectSegment, ObjectSymbol, ObjectSymbolTable, ReadCache, SymbolIndex, SymbolKind};
use rustix::fs::{Mode, OFlags};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

/// Something to read an ELF file from.
pub(crate) trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

/// The bytes of an ELF file; parts that were read once are kept.
pub(crate) type Cache = ReadCache<Box<dyn Bytes>>;
/// An ELF file whose bytes are in a cache.
pub(crate) type Elf<'d> = object::File<'d, &'d Cache>;

/// More symbols than this are not read from a file.
const MAX_SYMBOLS: usize = 1 << 24;
/// Of nested symbols, so many before the nearest one are looked at.
const NESTED: usize = 16;

/// A file that may be an ELF file.
pub(crate) struct Source {
    /// Where it was found.
    pub path: PathBuf,
    /// The directory there that stands for the root directory of the process that ran it.
    pub root: PathBuf,
    /// The file's bytes, read in parts as they are asked for.
    pub cache: Cache,
}

impl Source {
    /// Opens a regular file on this machine.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let cache = ReadCache::new(Box::new(open_regular(path)?) as Box<dyn Bytes>);
        Ok(Self { path: path.to_owned(), root: "/".into(), cache })
    }

    /// An image in memory.
    pub(crate) fn image(path: &str, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), root: "/".into(), cache: ReadCache::new(Box::new(Cursor::new(bytes))) }
    }

    /// Parses its headers.
    pub(crate) fn elf(&self) -> Result<Elf<'_>, object::Error> {
        object::File::parse(&self.cache)
    }
}

/// Opens a file that is a regular one. Other processes choose what is at such paths: a FIFO or a device would never end, and
/// is not waited for, even if it takes the place of a file at this moment.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

/// An ELF file's build id; empty if it has none.
pub(crate) fn build_id(elf: &Elf<'_>) -> Vec<u8> {
    elf.build_id().ok().flatten().map(<[u8]>::to_vec).unwrap_or_default()
}

/// Which part of a file is at which addresses.
#[derive(Clone, Copy, Debug)]
struct Segment {
    offset: u64,
    size: u64,
    address: u64,
}

/// From offsets in a file to the addresses that its symbols and debug information use.
#[derive(Debug)]
pub(crate) struct Layout(Vec<Segment>);

impl Layout {
    pub(crate) fn of(elf: &Elf<'_>) -> Self {
        let segment = |segment: object::Segment<'_, '_, &Cache>| {
            let (offset, size) = segment.file_range();
            Segment { offset, size, address: segment.address() }
        };
        Self(elf.segments().map(segment).collect())
    }

    /// The address of a byte of the file; `None` if it is in no loaded segment.
    pub(crate) fn address(&self, offset: u64) -> Option<u64> {
        let segment =
            self.0.iter().find(|segment| offset.checked_sub(segment.offset).is_some_and(|at| at < segment.size));
        segment.and_then(|segment| segment.address.checked_add(offset - segment.offset))
    }
}

#[derive(Clone, Copy, Debug)]
struct Symbol {
    start: u64,
    size: u64,
    index: SymbolIndex,
    is_dynamic: bool,
    /// Which of several names of an address is taken: the lowest.
    rank: u8,
}

/// The functions of a symbol table, sorted by address.
pub(crate) struct Symbols<'d, 'e> {
    elf: &'e Elf<'d>,
    symbols: Vec<Symbol>,
    /// Names that were read, by the symbol's address.
    names: RefCell<HashMap<u64, String>>,
}

impl<'d, 'e> Symbols<'d, 'e> {
    /// Reads the symbol table, or if there is none, that of dynamic symbols.
    pub(crate) fn of(elf: &'e Elf<'d>) -> Self {
        let mut symbols: Vec<Symbol> =
            elf.symbols().filter_map(|symbol| function(&symbol, false)).take(MAX_SYMBOLS).collect();
        if symbols.is_empty() {
            symbols = elf.dynamic_symbols().filter_map(|symbol| function(&symbol, true)).take(MAX_SYMBOLS).collect();
        }
        symbols.sort_by_key(|symbol| (symbol.start, symbol.rank));
        symbols.dedup_by_key(|symbol| symbol.start);
        Self { elf, symbols, names: RefCell::default() }
    }

    /// The function at an address.
    pub(crate) fn frame(&self, address: u64) -> Option<Frame> {
        let after = self.symbols.partition_point(|symbol| symbol.start <= address);
        let nearest = self.symbols.get(after.saturating_sub(NESTED)..after)?.iter().rev();
        let holds = |symbol: &&Symbol| {
            // Symbols of assembler code often have no size: they reach to the next one.
            let is_nearest = self.symbols.get(after - 1).is_some_and(|nearest| nearest.start == symbol.start);
            if symbol.size == 0 { is_nearest } else { address - symbol.start < symbol.size }
        };
        let symbol = nearest.clone().find(holds)?;
        let known = self.names.borrow().get(&symbol.start).cloned();
        let function = match known {
            Some(name) => name,
            None => {
                let name = self.read_name(symbol)?;
                self.names.borrow_mut().insert(symbol.start, name.clone());
                name
            }
        };
        Some(Frame { function, ..Frame::default() })
    }

    fn read_name(&self, symbol: &Symbol) -> Option<String> {
        let name = if symbol.is_dynamic {
            self.elf.dynamic_symbol_table()?.symbol_by_index(symbol.index).ok()?.name_bytes().ok()?
        } else {
            self.elf.symbol_by_index(symbol.index).ok()?.name_bytes().ok()?
        };
        Some(symbol_name(&String::from_utf8_lossy(name)))
    }
}

fn function<'d>(symbol: &impl ObjectSymbol<'d>, is_dynamic: bool) -> Option<Symbol> {
    let is_code = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown);
    if !is_code || symbol.is_undefined() || symbol.address() == 0 {
        return None;
    }
    let rank = match (symbol.kind(), symbol.size(), symbol.is_global()) {
        (SymbolKind::Text, 1.., true) => 0,
        (SymbolKind::Text, 1.., false) => 1,
        (SymbolKind::Text, 0, _) => 2,
        _ => 3,
    };
    // Labels without a type are marks of the assembler as often as functions.
    if rank == 3 && symbol.size() == 0 {
        return None;
    }
    Some(Symbol { start: symbol.address(), size: symbol.size(), index: symbol.index(), is_dynamic, rank })
}

/// Whether a file may hold code that runs: some libraries of debug symbols have empty segments only.
pub(crate) fn has_content(elf: &Elf<'_>) -> bool {
    elf.segments().any(|segment| segment.file_range().1 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_addresses_by_their_segment() {
        let layout = Layout(vec![
            Segment { offset: 0, size: 0x1000, address: 0x400000 },
            Segment { offset: 0x1000, size: 0x800, address: 0x402000 },
        ]);
        assert_eq!(layout.address(0x10), Some(0x400010));
        assert_eq!(layout.address(0x1010), Some(0x402010));
        assert_eq!(layout.address(0x1800), None);
    }

    #[test]
    fn a_device_is_not_opened() {
        assert!(Source::open(Path::new("/dev/zero")).is_err());
    }
}
