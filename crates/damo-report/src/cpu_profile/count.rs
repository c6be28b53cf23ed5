//! From samples to functions: how much each took by itself, and with what it called.

use super::stacks::{Chosen, Tally, chosen};
use super::{Basis, Choice, find_profile};
use crate::ReportError;
use damo_frame::Record;
use damo_frame::profile::{Frame, Located, Name, Names, Profile};
use damo_model::TimeSpan;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// Functions with which a thread begins.
const BEGINNINGS: [&str; 9] =
    ["main", "_start", "start_thread", "thread_start", "clone", "clone3", "__clone", "__clone3", "ret_from_fork"];

/// Who called a function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caller {
    /// The calling function.
    pub name: String,
    /// Share of the function's own samples in which it was called by that one, 0 to 1.
    pub share: f64,
}

/// What a function took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function {
    /// Its name; of code without names its module and where in it most samples are.
    pub name: String,
    /// The file's name without folders, `[kernel]`, `[vdso]`, `[jit]`; empty if unknown.
    pub module: String,
    /// Whether `name` is the name of a function.
    pub has_name: bool,
    /// The source line that most samples of its own code are of, as `FILE:LINE`; empty if unknown.
    pub line: String,
    /// Samples of its own code.
    pub self_samples: u64,
    /// Samples of its own code and of what it called.
    pub total_samples: u64,
    /// The same as a share of all samples that count, 0 to 1.
    pub self_share: f64,
    /// The same as a share of all samples that count, 0 to 1.
    pub total_share: f64,
    /// Which function called it most often when its own code was sampled.
    pub caller: Option<Caller>,
}

/// A level of a location: a function, and the line that is executed in it.
#[derive(Clone, Debug)]
struct Level {
    function: usize,
    line: String,
}

/// What is collected of a function.
#[derive(Debug, Default)]
struct Counted {
    name: String,
    module: String,
    has_name: bool,
    own: Tally,
    total: Tally,
    lines: BTreeMap<String, u64>,
    callers: BTreeMap<usize, u64>,
    /// Of code without names.
    places: BTreeMap<u64, u64>,
}

/// Numbers functions in the order in which samples come to them, and counts their samples.
struct Counting<'p> {
    names: &'p Names,
    located: &'p Located,
    inlined: bool,
    /// By the function's name and its module's, without folders: what rows and differences tell apart.
    numbers: HashMap<(String, String), usize>,
    functions: Vec<Counted>,
    levels: HashMap<u32, Rc<[Level]>>,
}

impl<'p> Counting<'p> {
    fn new(profile: &'p Profile, chosen: &'p Chosen, inlined: bool) -> Self {
        Self {
            names: &profile.names,
            located: &chosen.located,
            inlined,
            numbers: HashMap::new(),
            functions: Vec::new(),
            levels: HashMap::new(),
        }
    }

    /// The functions of a location, innermost first.
    fn levels(&mut self, location: u32) -> Rc<[Level]> {
        if let Some(levels) = self.levels.get(&location) {
            return Rc::clone(levels);
        }
        let levels: Rc<[Level]> = self.find_levels(location).into();
        self.levels.insert(location, Rc::clone(&levels));
        levels
    }

    fn find_levels(&mut self, number: u32) -> Vec<Level> {
        let Some(location) = self.located.locations.get(number as usize).copied() else { return Vec::new() };
        let module = self.located.module(location).map(|module| module.short_name()).unwrap_or_default();
        let names = self.names.of(self.located, location);
        let levels: Vec<Level> = names
            .iter()
            .filter(|name| !name.function.is_empty() && (self.inlined || !name.is_inlined))
            .map(|name| (name.function.to_owned(), line_of(name)))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(name, line)| Level { function: self.number(name, true, module), line })
            .collect();
        if !levels.is_empty() {
            return levels;
        }
        let what = if module.is_empty() { "[unknown]" } else { module };
        vec![Level { function: self.number(what.to_owned(), false, module), line: String::new() }]
    }

    fn number(&mut self, name: String, has_name: bool, module: &str) -> usize {
        // A name without a module that is no function's stands for the module.
        let key = (if has_name { name.clone() } else { String::new() }, module.to_owned());
        *self.numbers.entry(key).or_insert_with(|| {
            self.functions.push(Counted { name, module: module.to_owned(), has_name, ..Counted::default() });
            self.functions.len() - 1
        })
    }

    /// Counts a stack; whether its innermost code has a name.
    fn add(&mut self, frames: &[Frame], tally: Tally) -> bool {
        let mut seen: HashSet<usize> = HashSet::new();
        let mut own: Option<usize> = None;
        let mut has_caller = false;
        for (depth, frame) in frames.iter().enumerate() {
            let Frame::Code(location) = frame else {
                // Who called what is behind a gap is not known.
                has_caller = own.is_some();
                continue;
            };
            let address = self.located.locations.get(*location as usize).map_or(0, |location| location.address);
            let levels = self.levels(*location);
            for (at, level) in levels.iter().enumerate() {
                if let Some(own) = own.filter(|_| !has_caller) {
                    has_caller = true;
                    if let Some(counted) = self.functions.get_mut(own) {
                        *counted.callers.entry(level.function).or_default() += tally.weight;
                    }
                }
                let Some(counted) = self.functions.get_mut(level.function) else { continue };
                if depth == 0 && at == 0 {
                    own = Some(level.function);
                    counted.own.add(tally);
                    if !level.line.is_empty() {
                        *counted.lines.entry(level.line.clone()).or_default() += tally.weight;
                    }
                    if !counted.has_name {
                        *counted.places.entry(address).or_default() += tally.weight;
                    }
                }
                if seen.insert(level.function) {
                    counted.total.add(tally);
                }
            }
        }
        own.and_then(|own| self.functions.get(own)).is_some_and(|counted| counted.has_name)
    }

    /// Whether a stack ends before the function with which its thread began.
    fn ends_early(&mut self, frames: &[Frame]) -> bool {
        let user: Vec<u32> = frames.iter().filter_map(|frame| self.user_location(*frame)).collect();
        let Some(outermost) = user.last() else { return false };
        let begins = user.iter().any(|location| {
            let location = self.located.locations.get(*location as usize).copied();
            let names = location.map(|location| self.names.of(self.located, location)).unwrap_or_default();
            names.iter().any(|name| is_beginning(name.function))
        });
        // The C library's own first functions have no names where its symbol table was stripped.
        let module =
            self.located.locations.get(*outermost as usize).and_then(|location| self.located.module(*location));
        let is_libc = module.is_some_and(|module| {
            ["libc.", "libc-", "libpthread", "ld-"].iter().any(|name| module.short_name().starts_with(name))
        });
        !(begins || is_libc && user.len() > 1)
    }

    fn user_location(&self, frame: Frame) -> Option<u32> {
        let Frame::Code(number) = frame else { return None };
        let module = self.located.module(*self.located.locations.get(number as usize)?);
        let is_kernel = module.is_some_and(|module| module.is_kernel());
        (!is_kernel).then_some(number)
    }
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.samples += other.samples;
        self.weight = self.weight.saturating_add(other.weight);
    }
}

fn is_beginning(name: &str) -> bool {
    BEGINNINGS.contains(&name)
        || name.ends_with("::main")
        || name.starts_with("__libc_start")
        || name.starts_with("std::rt::lang_start")
}

fn line_of(name: &Name<'_>) -> String {
    match (name.file.is_empty(), name.line) {
        (true, _) | (_, 0) => String::new(),
        (false, line) => format!("{}:{line}", short_path(name.file)),
    }
}

/// The last two parts of a path: names of files alone (`mod.rs`) tell little.
fn short_path(path: &str) -> &str {
    let mut slashes = path.rmatch_indices('/').map(|(at, _)| at);
    match (slashes.next(), slashes.next()) {
        (Some(_), Some(second)) => path.get(second + 1..).unwrap_or(path),
        _ => path,
    }
}

/// The functions of samples, and what the figures are based on.
pub(super) fn functions(profile: &Profile, chosen: &Chosen, inlined: bool) -> (Vec<Function>, Basis) {
    let mut counting = Counting::new(profile, chosen, inlined);
    let mut basis = chosen.basis.clone();
    basis.cut = 0;
    for (stack, tally) in chosen.tallies() {
        let frames = chosen.frames(stack);
        let has_code = frames.iter().any(|frame| *frame != Frame::Cut);
        if has_code && !counting.add(frames, tally) {
            basis.unnamed += tally.samples;
        }
        let is_cut = frames.contains(&Frame::Cut) || basis.has_names && counting.ends_early(frames);
        basis.cut += if is_cut { tally.samples } else { 0 };
    }
    (rows(&counting.functions, basis.weight), basis)
}

/// Whose own code samples are of.
pub(super) struct OwnFunctions {
    /// By the number of the stack, positions in `functions`; none of stacks without code.
    pub of_stack: HashMap<u32, usize>,
    /// The functions, by their names and modules alone.
    pub functions: Vec<Function>,
}

/// Whose own code the samples that count are of, stack by stack: each is looked up once, however often it is counted.
pub(super) fn own_functions(profile: &Profile, chosen: &Chosen) -> OwnFunctions {
    let mut counting = Counting::new(profile, chosen, false);
    let own = chosen.tallies().into_iter().filter_map(|(stack, _)| {
        let Some(Frame::Code(location)) = chosen.frames(stack).first() else { return None };
        Some((stack, counting.levels(*location).first()?.function))
    });
    let of_stack = own.collect();
    let function = |counted: &Counted| Function {
        name: counted.name.clone(),
        module: counted.module.clone(),
        has_name: counted.has_name,
        ..Function::default()
    };
    OwnFunctions { of_stack, functions: counting.functions.iter().map(function).collect() }
}

fn rows(counted: &[Counted], weight: u64) -> Vec<Function> {
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let row = |function: &Counted| {
        let line = most(&function.lines).map(|(line, _)| line.clone()).unwrap_or_default();
        let caller = most(&function.callers).and_then(|(caller, weight)| {
            let name = counted.get(*caller)?.name.clone();
            Some(Caller { name, share: share(weight, function.own.weight) })
        });
        let name = match most(&function.places) {
            Some((place, _)) if !function.has_name => format!("{}+{place:#x}…", function.name),
            _ => function.name.clone(),
        };
        Function {
            name,
            module: function.module.clone(),
            has_name: function.has_name,
            line,
            self_samples: function.own.samples,
            total_samples: function.total.samples,
            self_share: share(function.own.weight, weight),
            total_share: share(function.total.weight, weight),
            caller,
        }
    };
    let mut rows: Vec<Function> = counted.iter().map(row).collect();
    rows.sort_by(|a, b| {
        let by_share = b.self_share.total_cmp(&a.self_share).then(b.total_share.total_cmp(&a.total_share));
        by_share.then_with(|| (&a.name, &a.module).cmp(&(&b.name, &b.module)))
    });
    rows
}

/// The entry with the highest count, the first of several.
fn most<K: Ord>(counts: &BTreeMap<K, u64>) -> Option<(&K, u64)> {
    counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(key, count)| (key, *count))
}

/// The functions of a time, and what their figures are based on.
pub(crate) type FunctionsOfTime = (Vec<Function>, Basis);

/// The functions of each of some times on the record's clock, and of how many samples; `None` if the recording has no profile.
/// For what tells of several times at once: the profile is read once.
///
/// # Errors
/// When a record cannot be read.
pub fn functions_of_times(records: &[Record], times: &[TimeSpan]) -> Result<Option<Vec<FunctionsOfTime>>, ReportError> {
    let Some(profile) = find_profile(records)? else { return Ok(None) };
    let mut all = chosen(records, &profile, &Choice::default())?;
    let samples = std::mem::take(&mut all.samples);
    let mut found = Vec::with_capacity(times.len());
    for time in times {
        all.samples = samples.iter().filter(|sample| time.contains(sample.at)).copied().collect();
        all.basis.samples = all.samples.len() as u64;
        all.basis.weight = all.samples.iter().fold(0, |sum, sample| sum.saturating_add(sample.weight.into()));
        all.basis.time = time.length();
        found.push(functions(&profile, &all, false));
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_by_their_last_two_parts() {
        assert_eq!(short_path("/home/me/app/src/main.rs"), "src/main.rs");
        assert_eq!(short_path("main.c"), "main.c");
        assert_eq!(short_path("src/main.c"), "src/main.c");
    }

    #[test]
    fn threads_begin_where_the_runtime_or_the_program_begins() {
        for name in ["main", "app::main", "start_thread", "__libc_start_call_main", "std::rt::lang_start::{{closure}}"]
        {
            assert!(is_beginning(name), "{name}");
        }
        assert!(!is_beginning("domain") && !is_beginning("transpose"));
    }
}
