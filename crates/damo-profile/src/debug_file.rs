//! Finding the file that code is of, and its debug file.

use crate::binary::{Elf, Source, build_id, open_regular};
use crate::module::{Module, ModuleKind, Problem};
use crate::places::{OwnFiles, Places, below};
use object::Object;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The vdso of no architecture is larger.
const MAX_VDSO: u64 = 1 << 20;

/// The file that a module is of.
///
/// # Errors
/// Why there is none that can be used.
pub(crate) fn main_file(module: &Module, places: &Places) -> Result<Source, Problem> {
    if module.kind == ModuleKind::Vdso {
        // Without a build id nothing but the boot tells that it is the same.
        let may_differ = !module.build_id.is_empty() && places.own_files != OwnFiles::None;
        let own = may_differ.then_some(Path::new("/proc"));
        let image = places.proc.as_deref().or(own).ok_or(Problem::OtherBoot)?;
        let bytes =
            vdso(image).map_err(|error| Problem::Unreadable { path: "[vdso]".into(), why: error.to_string() })?;
        return accepted(Source::image("[vdso]", bytes), &module.build_id);
    }
    let mut problem = None;
    for (path, root) in candidates(module, places) {
        let source = match Source::open(&path) {
            Ok(source) => Source { root, ..source },
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => {
                problem.get_or_insert(Problem::Unreadable { path, why: error.to_string() });
                continue;
            }
        };
        match accepted(source, &module.build_id) {
            Ok(source) => return Ok(source),
            // Another build at the right path tells more than a file that cannot be read.
            Err(other @ Problem::OtherBuild { .. }) => problem = Some(other),
            Err(other) => drop(problem.get_or_insert(other)),
        }
    }
    let path = Path::new(&module.path);
    let is_there = places.own_files != OwnFiles::None && path.is_absolute() && path.exists();
    Err(problem.unwrap_or(match is_there && is_unproven(module, places) {
        true => Problem::Unproven { path: path.to_owned() },
        false => Problem::NotFound,
    }))
}

/// Whether nothing tells that what is at the module's path is the file that ran.
fn is_unproven(module: &Module, places: &Places) -> bool {
    module.build_id.is_empty() && (module.is_deleted || places.own_files == OwnFiles::WithBuildId)
}

/// The source, if it is an ELF file with the wanted build id; any build id will do if it is unknown.
fn accepted(source: Source, wanted: &[u8]) -> Result<Source, Problem> {
    let path = source.path.clone();
    let found = match source.elf() {
        Ok(elf) => build_id(&elf),
        Err(error) => return Err(Problem::Unreadable { path, why: error.to_string() }),
    };
    if wanted.is_empty() || found == wanted {
        return Ok(source);
    }
    Err(Problem::OtherBuild { path, found, wanted: wanted.to_vec() })
}

/// Where the file may be, the likeliest first, each with the root directory of that place.
fn candidates(module: &Module, places: &Places) -> Vec<(PathBuf, PathBuf)> {
    let path = Path::new(&module.path);
    let at = |root: &Path| (below(root, path), root.to_owned());
    let mut paths: Vec<_> = places.symfs.iter().map(|root| at(root)).collect();
    if !path.is_absolute() {
        return paths;
    }
    let processes = || places.proc.iter().flat_map(|proc| module.pids.iter().map(|pid| proc.join(pid.to_string())));
    if module.is_deleted {
        for process in processes() {
            let found = deleted_file(&process, module).into_iter();
            paths.extend(found.map(|path| (path, process.join("root"))));
        }
    }
    if !is_unproven(module, places) {
        paths.extend(processes().map(|process| at(&process.join("root"))));
        paths.extend((places.own_files != OwnFiles::None).then(|| at(Path::new("/"))));
    }
    paths
}

/// Ways to a deleted file while a process has it mapped.
fn deleted_file(process: &Path, module: &Module) -> Vec<PathBuf> {
    let deleted = format!("{} (deleted)", module.path);
    // A file that is there may be the one that ran: its build id tells.
    let is_same = |name: &str| name == deleted || name == module.path && !module.build_id.is_empty();
    let mut paths = Vec::new();
    let exe = process.join("exe");
    if std::fs::read_link(&exe).is_ok_and(|target| target.to_str().is_some_and(is_same)) {
        paths.push(exe);
    }
    let maps = std::fs::read_to_string(process.join("maps")).unwrap_or_default();
    let range = maps.lines().find_map(|line| {
        let mut words = line.splitn(6, ' ');
        let range = words.next()?;
        words.nth(4).is_some_and(|name| is_same(name.trim_start())).then_some(range)
    });
    paths.extend(range.map(|range| process.join("map_files").join(range)));
    paths
}

/// The image that the kernel maps into this process, which it maps into all of the same kind.
fn vdso(proc: &Path) -> io::Result<Vec<u8>> {
    let process = proc.join("self");
    let maps = std::fs::read_to_string(process.join("maps"))?;
    let range = maps.lines().find(|line| line.ends_with("[vdso]")).and_then(|line| line.split(' ').next());
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = range
        .and_then(|range| range.split_once('-'))
        .and_then(|(start, end)| Some((number(start)?, number(end)?)))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "this kernel maps none"))?;
    let mut memory = File::open(process.join("mem"))?;
    memory.seek(SeekFrom::Start(start))?;
    let mut image = Vec::new();
    memory.take(end.saturating_sub(start).min(MAX_VDSO)).read_to_end(&mut image)?;
    Ok(image)
}

/// The separate debug file of a program or library; `None` if there is none that belongs to it.
pub(crate) fn debug_file(module: &Module, main: &Source, elf: &Elf<'_>, places: &Places) -> Option<Source> {
    let id = build_id(elf);
    let roots: Vec<&Path> = places.roots(&main.root).collect();
    let below_roots = roots.iter().flat_map(|root| places.debug_dirs.iter().map(|dir| below(root, dir)));
    let dirs: Vec<PathBuf> = below_roots.chain(places.debug_dirs.iter().cloned()).collect();
    if let Some(name) = by_build_id(&id) {
        let found = dirs.iter().filter_map(|dir| Source::open(&dir.join(&name)).ok());
        if let Some(source) = found.into_iter().find_map(|source| accepted(source, &id).ok()) {
            return Some(source);
        }
    }
    let (name, crc) = elf.gnu_debuglink().ok().flatten()?;
    let name = Path::new(std::str::from_utf8(name).ok()?).file_name()?;
    // Where the file was for the process: `/proc/PID/exe` has no neighbours, and a copy is at the same path below its root.
    let dir = Path::new(&module.path).parent()?;
    let beside =
        roots.iter().map(|root| below(root, dir)).flat_map(|dir| [dir.join(name), dir.join(".debug").join(name)]);
    let paths = beside.chain(dirs.iter().map(|debug| below(debug, dir).join(name)));
    paths.filter(|path| *path != main.path).find_map(|path| {
        let source = Source::open(&path).ok()?;
        if id.is_empty() {
            return (checksum(&path).ok()? == crc).then_some(source);
        }
        accepted(source, &id).ok()
    })
}

/// The name of a debug file below a directory of debug files.
fn by_build_id(id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(PathBuf::from(format!(".build-id/{first:02x}/{rest}.debug")))
}

/// The CRC-32 that a debug link names its file by.
fn checksum(path: &Path) -> io::Result<u32> {
    let mut file = open_regular(path)?;
    let (mut hasher, mut buffer) = (crc32fast::Hasher::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_files_are_named_by_the_build_id() {
        assert_eq!(by_build_id(&[0xab, 0x01, 0xff]), Some(".build-id/ab/01ff.debug".into()));
        assert_eq!(by_build_id(&[0xab]), None);
    }

    #[test]
    fn the_vdso_is_an_elf_image_with_symbols() {
        let image = vdso(Path::new("/proc")).unwrap();
        let source = Source::image("[vdso]", image);
        assert!(source.elf().unwrap().dynamic_symbols().count() > 0);
    }
}
