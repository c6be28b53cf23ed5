//! Names that a record has for code.

use super::{Located, Location, Module};
use damo_model::profile::{CodeKind, CodeModule, SymbolAddress, Symbols};
use std::collections::HashMap;

/// What a location is called: one level of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a> {
    /// The function's name, demangled.
    pub function: &'a str,
    /// Its source file; empty if unknown.
    pub file: &'a str,
    /// The line; 0 if unknown.
    pub line: u32,
    /// Whether it was inlined into the next one.
    pub is_inlined: bool,
}

/// Names by module and address.
#[derive(Debug, Default)]
pub struct Names {
    symbols: Vec<Symbols>,
    /// Of each module positions in `symbols` and in its addresses, by address.
    modules: HashMap<CodeModule, Vec<(u64, u32, u32)>>,
}

impl Names {
    pub(super) fn add(&mut self, symbols: Symbols) {
        let number = self.symbols.len() as u32;
        let addresses = self.modules.entry(symbols.module.clone()).or_default();
        addresses.extend((0..).zip(&symbols.addresses).map(|(at, address)| (address.address, number, at)));
        self.symbols.push(symbols);
    }

    /// Sorts what was added; of several entries for an address the last one stays.
    pub(super) fn sort(&mut self) {
        for addresses in self.modules.values_mut() {
            addresses.sort_by_key(|(address, number, _)| (*address, std::cmp::Reverse(*number)));
            addresses.dedup_by_key(|(address, ..)| *address);
        }
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// The functions of a location, innermost first: all but the last are inlined. Empty if nothing is known.
    pub fn of(&self, located: &Located, location: Location) -> Vec<Name<'_>> {
        let module = location.module.and_then(|module| located.modules.get(module as usize));
        let Some((symbols, address)) = module.and_then(|module| self.find(module, location.address)) else {
            return Vec::new();
        };
        let last = address.frames.len().saturating_sub(1);
        let name = |(at, frame): (usize, &damo_model::profile::SymbolFrame)| Name {
            function: symbols.text(frame.function),
            file: frame.file.map_or("", |file| symbols.text(file)),
            line: frame.line.unwrap_or(0),
            is_inlined: at < last,
        };
        address.frames.iter().enumerate().map(name).collect()
    }

    fn find(&self, module: &Module, address: u64) -> Option<(&Symbols, &SymbolAddress)> {
        let addresses = self.modules.get(&module.module)?;
        let at = addresses.binary_search_by_key(&address, |(address, ..)| *address).ok()?;
        let (_, number, at) = addresses.get(at)?;
        let symbols = self.symbols.get(*number as usize)?;
        Some((symbols, symbols.addresses.get(*at as usize)?))
    }
}

impl Module {
    /// Whether it is code of the kernel.
    pub fn is_kernel(&self) -> bool {
        matches!(self.kind, CodeKind::Kernel | CodeKind::KernelModule)
    }

    /// The last part of the name, as reports show it.
    pub fn short_name(&self) -> &str {
        let name = match self.kind {
            CodeKind::File => self.module.name.strip_suffix(" (deleted)").unwrap_or(&self.module.name),
            _ => &self.module.name,
        };
        match self.kind {
            CodeKind::Kernel => "[kernel]",
            CodeKind::Anonymous if name.is_empty() || name == "//anon" => "[jit]",
            _ => name.rsplit('/').next().unwrap_or(name),
        }
    }
}

impl Located {
    /// The module of a location.
    pub fn module(&self, location: Location) -> Option<&Module> {
        self.modules.get(location.module? as usize)
    }

    /// A location without a name: its module and the address there.
    pub fn place(&self, location: Location) -> String {
        match self.module(location) {
            Some(module) => format!("{}+{:#x}", module.short_name(), location.address),
            None => format!("[unknown]+{:#x}", location.address),
        }
    }
}
