//! From addresses of a module to functions.

use crate::binary::{Elf, Layout, Symbols, has_content};
use crate::debug_file::{debug_file, main_file};
use crate::dwarf::{DebugInfoError, Sections};
use crate::kernel::KernelSymbols;
use crate::module::{Frame, Module, ModuleKind, Problem, Resolved};
use crate::places::Places;
use crate::{kernel, perf_map};
use std::sync::OnceLock;

/// Looks up names of code.
#[derive(Clone, Debug, Default)]
pub struct Symbolizer {
    places: Places,
    /// Read once for all modules of the kernel.
    kernel: OnceLock<Result<KernelSymbols, Problem>>,
}

impl Symbolizer {
    /// Looks for files in these places.
    #[must_use]
    pub fn new(places: Places) -> Self {
        Self { places, kernel: OnceLock::new() }
    }

    /// The functions of a module that addresses lie in: offsets in its file, or virtual addresses, as
    /// [`ModuleKind`] says. The module's files are opened and parsed once for all addresses, so give them together; each
    /// address should be given once.
    #[must_use]
    pub fn resolve(&self, module: &Module, addresses: &[u64]) -> Resolved {
        match module.kind {
            ModuleKind::Kernel => {
                kernel::resolve(addresses, self.kernel.get_or_init(|| KernelSymbols::of(&self.places)))
            }
            ModuleKind::Jit => perf_map::resolve(module, addresses, &self.places),
            ModuleKind::File | ModuleKind::Vdso => self.resolve_in_file(module, addresses).unwrap_or_else(|problem| {
                Resolved { frames: vec![Vec::new(); addresses.len()], problem: Some(problem) }
            }),
        }
    }

    fn resolve_in_file(&self, module: &Module, offsets: &[u64]) -> Result<Resolved, Problem> {
        let source = main_file(module, &self.places)?;
        let unreadable =
            |error: object::Error| Problem::Unreadable { path: source.path.clone(), why: error.to_string() };
        let elf = source.elf().map_err(unreadable)?;
        let layout = Layout::of(&elf);
        let addresses: Vec<Option<u64>> = offsets.iter().map(|offset| layout.address(*offset)).collect();
        let mut frames = vec![Vec::new(); addresses.len()];
        // Functions without debug information may be in the debug file, else in the symbol table of either.
        let separate = debug_file(module, &source, &elf, &self.places);
        let debug = separate.as_ref().and_then(|source| Some((source, source.elf().ok()?)));
        let mut damage = None;
        for (source, elf) in
            [Some((&source, &elf)), debug.as_ref().map(|(source, elf)| (*source, elf))].into_iter().flatten()
        {
            if let Err(error) = fill(&mut frames, &addresses, elf) {
                damage = Some(Problem::Unreadable { path: source.path.clone(), why: error.to_string() });
            }
        }
        // The file with debug information has the complete symbol table, if either has.
        for elf in [debug.as_ref().map(|(_, elf)| elf), Some(&elf)].into_iter().flatten() {
            if frames.iter().any(|frames| lacks_path(frames)) {
                name_by_symbols(&mut frames, &addresses, &Symbols::of(elf));
            }
        }
        frames.iter_mut().filter(|frames| lacks_name(frames)).for_each(Vec::clear);
        let is_incomplete = frames.iter().any(Vec::is_empty) || !has_content(&elf);
        let stripped = || Problem::Stripped { path: source.path.clone() };
        let problem = is_incomplete.then(|| damage.unwrap_or_else(stripped));
        Ok(Resolved { frames, problem })
    }
}

fn lacks_name(frames: &[Frame]) -> bool {
    frames.last().is_none_or(|outermost| outermost.function.is_empty())
}

/// Looks up what was not found before in the debug information of a file, if it has any.
///
/// # Errors
/// When that cannot be read.
fn fill(frames: &mut [Vec<Frame>], addresses: &[Option<u64>], elf: &Elf<'_>) -> Result<(), DebugInfoError> {
    let missing: Vec<Option<u64>> =
        frames.iter().zip(addresses).map(|(frames, address)| address.filter(|_| lacks_name(frames))).collect();
    let Some(debug_information) = Sections::of(elf)? else { return Ok(()) };
    for (frames, found) in frames.iter_mut().zip(debug_information.frames(&missing)?) {
        if !found.is_empty() {
            *frames = found;
        }
    }
    Ok(())
}

/// Whether the outermost function has no name yet, or one without the modules or classes that it is in: compilers leave
/// these out of the small kinds of debug information.
fn lacks_path(frames: &[Frame]) -> bool {
    frames.last().is_none_or(|outermost| !outermost.function.contains("::"))
}

/// Names the outermost function of each address that has no full name yet; the functions inlined into it keep theirs.
fn name_by_symbols(frames: &mut [Vec<Frame>], addresses: &[Option<u64>], symbols: &Symbols<'_, '_>) {
    for (frames, address) in frames.iter_mut().zip(addresses).filter(|(frames, _)| lacks_path(frames)) {
        let Some(named) = address.and_then(|address| symbols.frame(address)) else { continue };
        match frames.last_mut() {
            // Code that is shared by several functions has any of their names as symbol.
            Some(outermost) if !named.function.contains(&outermost.function) => {}
            Some(outermost) => outermost.function = named.function,
            None => frames.push(named),
        }
    }
}
