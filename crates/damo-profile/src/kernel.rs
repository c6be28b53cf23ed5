//! The kernel's symbols: `/proc/kallsyms`, which has those of its modules as well.

use crate::module::{Frame, Problem, Resolved};
use crate::places::Places;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The functions of the kernel and its modules, sorted by address.
#[derive(Clone, Debug)]
pub(crate) struct KernelSymbols(Vec<Symbol>);

impl KernelSymbols {
    /// Reads the symbols that the kernel shows in its `kallsyms`.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) fn of(places: &Places) -> Result<Self, Problem> {
        let path: PathBuf = match (&places.kallsyms, &places.proc) {
            (Some(file), _) => file.clone(),
            (None, Some(proc)) => proc.join("kallsyms"),
            (None, None) => return Err(Problem::OtherBoot),
        };
        let symbols = read(&path).map_err(|error| Problem::Unreadable { path, why: error.to_string() })?;
        if symbols.iter().all(|symbol| symbol.start == 0) {
            return Err(Problem::KernelHidden);
        }
        Ok(Self(symbols))
    }

    fn frame(&self, address: u64) -> Option<Frame> {
        let after = self.0.partition_point(|symbol| symbol.start <= address);
        let symbol = after.checked_sub(1).and_then(|at| self.0.get(at)).filter(|_| after < self.0.len());
        symbol.map(|symbol| Frame { function: symbol.name.clone(), ..Frame::default() })
    }
}

/// Functions of the kernel that addresses lie in.
pub(crate) fn resolve(addresses: &[u64], symbols: &Result<KernelSymbols, Problem>) -> Resolved {
    match symbols {
        Ok(symbols) => {
            let frames = addresses.iter().map(|address| symbols.frame(*address).into_iter().collect());
            Resolved { frames: frames.collect(), problem: None }
        }
        Err(problem) => Resolved { frames: vec![Vec::new(); addresses.len()], problem: Some(problem.clone()) },
    }
}

#[derive(Clone, Debug)]
struct Symbol {
    start: u64,
    name: String,
}

/// Symbols of code, sorted by address. The last one only ends the one before: nobody knows where it ends itself.
fn read(path: &Path) -> std::io::Result<Vec<Symbol>> {
    let mut symbols = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let (Some(start), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
        let (Ok(start), true) = (u64::from_str_radix(start, 16), matches!(kind, "t" | "T" | "w" | "W")) else {
            continue;
        };
        let module = words.next().unwrap_or_default();
        let name = if module.is_empty() { name.to_owned() } else { format!("{name} {module}") };
        symbols.push(Symbol { start, name });
    }
    // Of several names of an address the first one in the file stays.
    symbols.sort_by_key(|symbol| symbol.start);
    symbols.dedup_by_key(|symbol| symbol.start);
    Ok(symbols)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(kallsyms: &str, addresses: &[u64]) -> (Vec<String>, Option<Problem>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kallsyms");
        std::fs::write(&path, kallsyms).unwrap();
        let places = Places { kallsyms: Some(path), ..Places::default() };
        let resolved = resolve(addresses, &KernelSymbols::of(&places));
        let names = resolved.frames.iter().map(|f| f.first().map_or(String::new(), |frame| frame.function.clone()));
        (names.collect(), resolved.problem)
    }

    #[test]
    fn kernel_functions_and_those_of_modules_are_found() {
        let kallsyms = "ffffffff81000000 T _text\nffffffff81000100 t do_one\nffffffff81000100 t alias_of_it\n\
                        ffffffff81000200 D data\nffffffffc0000000 t helper\t[zram]\nffffffffc0000100 T end\t[zram]\n";
        let (names, problem) = resolved(kallsyms, &[0xffffffff81000123, 0xffffffffc0000001, 0x10, 0xffffffffd0000000]);
        assert_eq!(names, ["do_one", "helper [zram]", "", ""]);
        assert_eq!(problem, None);
    }

    #[test]
    fn hidden_addresses_are_no_addresses() {
        let (names, problem) = resolved("0000000000000000 T _text\n0000000000000000 T do_one\n", &[0xffffffff81000123]);
        assert_eq!((names, problem), (vec![String::new()], Some(Problem::KernelHidden)));
    }

    #[test]
    fn kernels_of_other_boots_have_no_names_here() {
        let places = Places { proc: None, ..Places::default() };
        assert_eq!(resolve(&[1], &KernelSymbols::of(&places)).problem, Some(Problem::OtherBoot));
    }
}
