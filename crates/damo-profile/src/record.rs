//! From code that a record's samples were taken in to the symbols that are added to the record.

use crate::module::{Module, ModuleKind, Problem};
use crate::symbolizer::Symbolizer;
use damo_model::Stamp;
use damo_model::profile::{CodeKind, CodeModule, SymbolAddress, SymbolFrame, Symbols};
use std::collections::HashMap;

/// More addresses than this are put into several entries: an entry has to fit into a block of a record.
const MOST_ADDRESSES: usize = 1 << 16;

/// Code of one module in which samples were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampledCode {
    /// The executable file, kernel or generated code that the addresses are in.
    pub module: CodeModule,
    /// What it is.
    pub kind: CodeKind,
    /// Processes that have it.
    pub pids: Vec<i32>,
    /// The addresses, as [`Symbols`] count them, each once.
    pub addresses: Vec<u64>,
}

/// What became of a module's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleOutcome {
    /// The executable file, kernel or generated code that was looked at.
    pub module: CodeModule,
    /// How many addresses got a name.
    pub named: usize,
    /// How many addresses there are.
    pub addresses: usize,
    /// Why some or all have no name.
    pub problem: Option<Problem>,
}

impl Symbolizer {
    /// Symbols of one module's code, found at the moment `at`, and what became of it. There are no symbols if there are no
    /// names.
    #[must_use]
    pub fn symbols(&self, code: &SampledCode, at: Stamp) -> (Vec<Symbols>, ModuleOutcome) {
        let kind = match code.kind {
            CodeKind::File => ModuleKind::File,
            CodeKind::Anonymous => ModuleKind::Jit,
            CodeKind::Vdso => ModuleKind::Vdso,
            CodeKind::Kernel | CodeKind::KernelModule => ModuleKind::Kernel,
        };
        let mut addresses = code.addresses.clone();
        addresses.sort_unstable();
        addresses.dedup();
        let file = Module::file(&code.module.name, &code.module.build_id);
        let resolved = self.resolve(&Module { kind, pids: code.pids.clone(), ..file }, &addresses);
        let mut all = Vec::new();
        let mut named = 0;
        for (addresses, frames) in addresses.chunks(MOST_ADDRESSES).zip(resolved.frames.chunks(MOST_ADDRESSES)) {
            let mut texts = Texts::default();
            let found = addresses.iter().zip(frames).filter(|(_, frames)| !frames.is_empty());
            let found = found.map(|(address, frames)| {
                let frame = |frame: &crate::Frame| SymbolFrame {
                    function: texts.position(&frame.function),
                    file: (!frame.file.is_empty()).then(|| texts.position(&frame.file)),
                    line: (frame.line > 0).then_some(frame.line),
                };
                SymbolAddress { address: *address, frames: frames.iter().map(frame).collect() }
            });
            let addresses: Vec<SymbolAddress> = found.collect();
            named += addresses.len();
            if !addresses.is_empty() {
                all.push(Symbols { at, module: code.module.clone(), texts: texts.texts, addresses });
            }
        }
        let problem = resolved.problem.filter(|_| named < addresses.len());
        (all, ModuleOutcome { module: code.module.clone(), named, addresses: addresses.len(), problem })
    }
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    texts: Vec<String>,
    positions: HashMap<String, u32>,
}

impl Texts {
    fn position(&mut self, text: &str) -> u32 {
        if let Some(position) = self.positions.get(text) {
            return *position;
        }
        let position = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.positions.insert(text.to_owned(), position);
        position
    }
}
