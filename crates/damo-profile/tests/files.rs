//! Names of this test program's own functions, with its files as they are, stripped, deleted, replaced and apart.

use damo_profile::{Module, ModuleKind, OwnFiles, Places, Problem, Resolved, Symbolizer};
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A function with a name to be found.
#[inline(never)]
fn a_function_to_be_found(n: u64) -> u64 {
    let mut sum = black_box(n);
    for i in 0..black_box(10) {
        sum = inlined_into_it(sum, i);
    }
    sum
}

#[inline(always)]
fn inlined_into_it(sum: u64, i: u64) -> u64 {
    black_box(sum.wrapping_mul(31) ^ i)
}

fn own_path() -> PathBuf {
    fs::read_link("/proc/self/exe").expect("as the test needs it")
}

/// Offsets in this program's file of the first bytes of the function.
fn own_offsets() -> Vec<u64> {
    assert!(a_function_to_be_found(black_box(3)) > 0);
    let address = a_function_to_be_found as fn(u64) -> u64 as usize as u64;
    let maps = fs::read_to_string("/proc/self/maps").expect("as the test needs it");
    let hex = |text: &str| u64::from_str_radix(text, 16).expect("as the test needs it");
    for line in maps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = words[0].split_once('-').expect("as the test needs it");
        if (hex(start)..hex(end)).contains(&address) {
            return (0..24).map(|byte| address - hex(start) + hex(words[2]) + byte).collect();
        }
    }
    panic!("the function is in no mapping");
}

fn run(program: &str, arguments: &[&Path]) {
    let status = Command::new(program).args(arguments).status().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program}: {status}");
}

fn resolve(path: &Path, build_id: &[u8], places: Places) -> Resolved {
    Symbolizer::new(places)
        .resolve(&Module::file(path.to_str().expect("as the test needs it"), build_id), &own_offsets())
}

fn first_name(resolved: &Resolved) -> Option<&str> {
    Some(resolved.frames.first()?.last()?.function.as_str())
}

/// Nothing of this machine.
fn nowhere() -> Places {
    Places { proc: None, own_files: OwnFiles::None, ..Places::default() }
}

const NAME: &str = "files::a_function_to_be_found";

#[test]
fn a_function_has_its_name_its_file_and_what_was_inlined_into_it() {
    let resolved = resolve(&own_path(), &[], Places::default());
    assert_eq!(first_name(&resolved), Some(NAME), "{resolved:?}");
    let outermost = resolved.frames[0].last().expect("as the test needs it");
    assert!(outermost.file.ends_with("tests/files.rs") && outermost.line > 10, "{outermost:?}");
    let inlined = resolved.frames.iter().flatten().filter(|frame| frame.is_inlined);
    assert!(inlined.clone().count() > 0, "{resolved:?}");
    assert!(resolved.frames.iter().filter_map(|frames| frames.last()).all(|frame| !frame.is_inlined));
}

#[test]
fn a_stripped_program_has_no_names_and_says_why() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let stripped = dir.path().join("app");
    run("strip", &[Path::new("-o"), &stripped, &own_path()]);
    let resolved = resolve(&stripped, &[], Places::default());
    assert_eq!(first_name(&resolved), None);
    assert_eq!(resolved.problem, Some(Problem::Stripped { path: stripped }));
}

#[test]
fn a_debug_file_beside_a_stripped_program_names_its_functions() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let (app, debug) = (dir.path().join("app"), dir.path().join("app.debug"));
    run("objcopy", &[Path::new("--only-keep-debug"), &own_path(), &debug]);
    run("strip", &[Path::new("-o"), &app, &own_path()]);
    let mut link = std::ffi::OsString::from("--add-gnu-debuglink=");
    link.push(&debug);
    run("objcopy", &[Path::new(&link), &app]);
    assert_eq!(first_name(&resolve(&app, &[], Places::default())), Some(NAME));
    // The same name with other contents is not its debug file.
    fs::copy(own_path(), &debug).expect("as the test needs it");
    fs::write(&debug, [fs::read(&debug).expect("as the test needs it"), vec![0]].concat())
        .expect("as the test needs it");
    let id = build_id(&app);
    if id.is_empty() {
        assert_eq!(first_name(&resolve(&app, &[], Places::default())), None);
    }
}

/// The build id of a file as `readelf` tells it; empty if it has none.
fn build_id(path: &Path) -> Vec<u8> {
    let out = Command::new("readelf").arg("-n").arg(path).output().expect("as the test needs it");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let hex = text.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).unwrap_or_default().to_owned();
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("as the test needs it")).collect()
}

/// This program with a build id of our own.
fn with_build_id(dir: &Path, id: &[u8; 20]) -> PathBuf {
    let (note, app) = (dir.join("note"), dir.join("app-with-id"));
    let note_of = [&[4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0], &b"GNU\0"[..], id].concat();
    fs::write(&note, note_of).expect("as the test needs it");
    let section = format!(".note.gnu.build-id={}", note.display());
    fs::copy(own_path(), &app).expect("as the test needs it");
    let _ = Command::new("objcopy").args(["--remove-section", ".note.gnu.build-id"]).arg(&app).status();
    run("objcopy", &[Path::new("--add-section"), Path::new(&section), &app]);
    assert_eq!(build_id(&app), id);
    app
}

#[test]
fn another_build_at_the_same_path_gives_no_names_and_is_said() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let app = with_build_id(dir.path(), &[7; 20]);
    assert_eq!(first_name(&resolve(&app, &[7; 20], Places::default())), Some(NAME));
    let resolved = resolve(&app, &[8; 20], Places::default());
    assert_eq!(first_name(&resolved), None);
    let problem = resolved.problem.expect("as the test needs it");
    assert!(matches!(&problem, Problem::OtherBuild { found, .. } if found == &[7; 20]), "{problem:?}");
    assert!(problem.to_string().contains("0707") && problem.to_string().contains("--symfs"), "{problem}");
}

#[test]
fn debug_files_are_found_by_build_id_below_the_directory_that_is_named() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let whole = with_build_id(dir.path(), &[7; 20]);
    let debug = dir.path().join("debug/.build-id/07");
    fs::create_dir_all(&debug).expect("as the test needs it");
    let app = dir.path().join("app");
    run("strip", &[Path::new("-o"), &app, &whole]);
    fs::copy(&whole, debug.join(format!("{}.debug", "07".repeat(19)))).expect("as the test needs it");
    let places = Places { debug_dirs: vec![dir.path().join("debug")], ..Places::default() };
    assert_eq!(first_name(&resolve(&app, &[7; 20], places)), Some(NAME));
    assert_eq!(first_name(&resolve(&app, &[7; 20], Places::default())), None);
}

#[test]
fn copies_of_files_from_another_machine_are_found_by_symfs_alone() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let place = dir.path().join("opt/app");
    fs::create_dir_all(place.parent().expect("as the test needs it")).expect("as the test needs it");
    fs::copy(own_path(), &place).expect("as the test needs it");
    let elsewhere = Places { symfs: vec![dir.path().to_owned()], ..nowhere() };
    assert_eq!(first_name(&resolve(Path::new("/opt/app"), &[], elsewhere)), Some(NAME));
    assert_eq!(resolve(&own_path(), &[], nowhere()).problem, Some(Problem::NotFound));
}

#[test]
fn a_deleted_program_is_read_while_it_runs() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let app = dir.path().join("app");
    fs::copy(own_path(), &app).expect("as the test needs it");
    // It waits for its standard input to end.
    let mut child = Command::new(&app)
        .args(["--exact", "waits_for_its_parent", "--ignored", "--nocapture"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("as the test needs it");
    fs::remove_file(&app).expect("as the test needs it");
    let module = Module {
        pids: vec![i32::try_from(child.id()).expect("as the test needs it")],
        ..Module::file(&format!("{} (deleted)", app.display()), &[])
    };
    let resolved = Symbolizer::default().resolve(&module, &own_offsets());
    drop(child.stdin.take());
    child.wait().expect("as the test needs it");
    assert_eq!(first_name(&resolved), Some(NAME), "{:?}", resolved.problem);
    assert_eq!(Symbolizer::default().resolve(&module, &own_offsets()).problem, Some(Problem::NotFound));
}

#[test]
#[ignore = "what a_deleted_program_is_read_while_it_runs starts"]
fn waits_for_its_parent() {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("as the test needs it");
}

#[test]
fn functions_of_the_vdso_have_names() {
    let module = Module { kind: ModuleKind::Vdso, ..Module::default() };
    let offsets: Vec<u64> = (0..0x4000).collect();
    let resolved = Symbolizer::default().resolve(&module, &offsets);
    let named = resolved.frames.iter().flatten().any(|frame| frame.function.contains("clock_gettime"));
    assert!(named || cfg!(not(target_arch = "x86_64")), "{:?}", resolved.problem);
}

#[test]
fn damaged_files_are_an_answer_and_not_a_crash() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let app = dir.path().join("app");
    let whole = fs::read(own_path()).expect("as the test needs it");
    // Byte by byte through the headers, then cut at many lengths.
    for at in (0..64).chain((64..whole.len()).step_by(whole.len() / 40)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(&app, &bytes).expect("as the test needs it");
        let _ = resolve(&app, &[], Places::default());
        fs::write(&app, &whole[..at]).expect("as the test needs it");
        let _ = resolve(&app, &[], Places::default());
    }
    fs::write(&app, "no ELF file").expect("as the test needs it");
    assert!(matches!(resolve(&app, &[], Places::default()).problem, Some(Problem::Unreadable { .. })));
}

/// This program stripped, with a link to `app.debug`, and that file.
fn stripped_with_debug_link(app: &Path, debug: &Path) {
    for path in [app, debug] {
        fs::create_dir_all(path.parent().expect("as the test needs it")).expect("as the test needs it");
    }
    run("objcopy", &[Path::new("--only-keep-debug"), &own_path(), debug]);
    run("strip", &[Path::new("-o"), app, &own_path()]);
    let link = format!("--add-gnu-debuglink={}", debug.display());
    run("objcopy", &[Path::new(&link), app]);
}

#[test]
fn debug_links_are_followed_from_where_the_file_was_on_its_machine() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let path = |name: &str| dir.path().join(name);
    // The debug file is below a directory of debug files by the path on the machine that was recorded.
    stripped_with_debug_link(&path("target/opt/x/app"), &path("debug/opt/x/app.debug"));
    let places =
        Places { symfs: vec![path("target")], debug_dirs: vec![path("debug")], proc: None, ..Places::default() };
    assert_eq!(first_name(&resolve(Path::new("/opt/x/app"), &[], places.clone())), Some(NAME));
    // Or below the copy of that directory on that machine.
    fs::create_dir_all(path("target/usr/lib/debug/opt")).expect("as the test needs it");
    fs::rename(path("debug/opt/x"), path("target/usr/lib/debug/opt/x")).expect("as the test needs it");
    let places = Places { debug_dirs: vec!["/usr/lib/debug".into()], ..places };
    assert_eq!(first_name(&resolve(Path::new("/opt/x/app"), &[], places)), Some(NAME));
}

#[test]
fn debug_files_of_a_container_are_looked_for_in_the_container() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let path = |name: &str| dir.path().join(name);
    stripped_with_debug_link(&path("proc/77/root/opt/x/app"), &path("proc/77/root/opt/x/app.debug"));
    let places = || Places { proc: Some(path("proc")), ..Places::default() };
    let module = Module { pids: vec![77], ..Module::file("/opt/x/app", &[]) };
    let name = |places| Symbolizer::new(places).resolve(&module, &own_offsets());
    assert_eq!(first_name(&name(places())), Some(NAME));
    fs::create_dir_all(path("proc/77/root/usr/lib/debug/opt/x")).expect("as the test needs it");
    fs::rename(path("proc/77/root/opt/x/app.debug"), path("proc/77/root/usr/lib/debug/opt/x/app.debug"))
        .expect("as the test needs it");
    assert_eq!(first_name(&name(places())), Some(NAME));
}

#[test]
fn what_took_the_place_of_a_deleted_file_without_build_id_gives_no_names() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let app = dir.path().join("app");
    fs::copy(own_path(), &app).expect("as the test needs it");
    let deleted = Module::file(&format!("{} (deleted)", app.display()), &[]);
    let problem = Symbolizer::default().resolve(&deleted, &own_offsets()).problem;
    assert_eq!(problem, Some(Problem::Unproven { path: app.clone() }));
    // Who names a copy of the machine's files says that it is the right one.
    let places = Places { symfs: vec!["/".into()], ..Places::default() };
    assert_eq!(first_name(&Symbolizer::new(places).resolve(&deleted, &own_offsets())), Some(NAME));
}

#[test]
fn files_of_another_machine_need_a_build_id() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let (app, other) = (with_build_id(dir.path(), &[7; 20]), dir.path().join("plain"));
    run("objcopy", &[Path::new("--remove-section=.note.gnu.build-id"), &own_path(), &other]);
    let places = |own_files| Places { proc: None, own_files, ..Places::default() };
    assert_eq!(first_name(&resolve(&app, &[7; 20], places(OwnFiles::WithBuildId))), Some(NAME));
    let problem = resolve(&other, &[], places(OwnFiles::WithBuildId)).problem;
    assert_eq!(problem, Some(Problem::Unproven { path: other.clone() }));
    // After this machine was started again they are as likely the same as before.
    assert_eq!(first_name(&resolve(&other, &[], places(OwnFiles::All))), Some(NAME));
}

#[test]
fn the_vdso_of_another_boot_gives_no_names() {
    let module = Module { kind: ModuleKind::Vdso, ..Module::default() };
    let places = Places { proc: None, ..Places::default() };
    assert_eq!(Symbolizer::new(places).resolve(&module, &[0x1000]).problem, Some(Problem::OtherBoot));
}

#[test]
fn damaged_debug_information_is_said() {
    let dir = tempfile::tempdir().expect("as the test needs it");
    let app = dir.path().join("app");
    let options = ["--compress-debug-sections=zlib", "--strip-all", "--keep-section=.debug_*"].map(Path::new);
    run("objcopy", &[&options[..], &[&own_path(), &app]].concat());
    assert!(resolve(&app, &[], Places::default()).frames.iter().flatten().any(|frame| frame.line > 10));
    // Bytes of the compressed section's data are overwritten.
    let out = Command::new("readelf").args(["-SW"]).arg(&app).output().expect("as the test needs it");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find(|line| line.contains(" .debug_info")).expect("as the test needs it");
    let words: Vec<&str> = line.split(" .debug_info").nth(1).expect("a section").split_whitespace().collect();
    let [offset, size] = [2, 3].map(|at| usize::from_str_radix(words[at], 16).expect("a number"));
    let mut bytes = fs::read(&app).expect("as the test needs it");
    bytes[offset + size / 2..offset + size / 2 + 64].fill(0xff);
    fs::write(&app, bytes).expect("as the test needs it");
    let problem = resolve(&app, &[], Places::default()).problem;
    assert!(
        matches!(&problem, Some(Problem::Unreadable { why, .. }) if why.contains("debug information cannot be read")),
        "{problem:?}"
    );
}
