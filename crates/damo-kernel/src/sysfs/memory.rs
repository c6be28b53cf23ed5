//! An in-memory DAMON sysfs that reacts as the kernel does: numbers of directories make directories, `state` takes
//! commands and refuses what the kernel refuses, files appear with the release that brought them. For tests of
//! everything above, and for `--dry-run`: it logs what it was told.
//!
//! It stands below [`crate::Root`] like the files of a live machine, `/proc` and other files included as far as they
//! were put in with [`MemorySysfs::put`]. The facts it follows were seen on a 6.12 kernel; releases of single files are
//! those of the kernel's history.

mod layout;

use super::{Command, KDAMONDS};
use crate::error::Result;
use crate::features::parse_release;
use crate::io::{Io, Root};
use crate::needs::WORDS;
use crate::procfs::Procfs;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The tree in memory.
#[derive(Debug)]
pub struct MemorySysfs {
    kernel: (u32, u32),
    tree: Mutex<Tree>,
}

#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<String, File>,
    log: Vec<(String, String)>,
    next_thread: i32,
    /// Processes that are alive; `None`: all.
    alive: Option<BTreeSet<i32>>,
    fail: Vec<(String, i32)>,
    /// How many writes are done before one fails, and its errno.
    fail_after: Option<(usize, i32)>,
    /// Whether a refused commit ends the kdamond, and the errno that the writer gets then; `None` inside: success.
    commit_ends: Option<Option<i32>>,
    /// What `update_tuned_intervals` writes: sampling and aggregation interval in µs.
    tuned: Option<(u64, u64)>,
    /// Whether commits wait: for the end of an aggregation that does not come.
    hold_commits: bool,
    /// What another program writes once this one has written to a path that ends so.
    meddle: Vec<(String, String, String)>,
}

#[derive(Clone, Debug)]
struct File {
    value: String,
    writable: bool,
}

impl MemorySysfs {
    /// A freshly booted kernel of that release, as `(6, 12)`.
    pub fn new(kernel: (u32, u32)) -> Self {
        let mut tree = Tree { next_thread: 1000, ..Tree::default() };
        tree.rw(KDAMONDS, &[("nr_kdamonds", "0")]);
        let release = format!("{}.{}.0", kernel.0, kernel.1);
        tree.ro("proc/sys/kernel", &[("osrelease", &release)]);
        Self { kernel, tree: Mutex::new(tree) }
    }

    /// A copy of the settings that are below `root` at present, as a kernel of that release.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn like(root: &Root) -> Result<Self> {
        let fake = Self::as_booted(root);
        fake.copy(root, KDAMONDS)?;
        Ok(fake)
    }

    /// A freshly booted kernel of the release of `root`.
    pub(crate) fn as_booted(root: &Root) -> Self {
        let release = Procfs::new(root).kernel_release();
        // An unknown kernel, or one that was given DAMON later, is taken for one that has everything: the real one has
        // the last word.
        Self::new(parse_release(&release).filter(|release| *release >= (5, 18)).unwrap_or((u32::MAX, 0)))
    }

    fn copy(&self, root: &Root, dir: &str) -> Result<()> {
        for name in root.io().list(dir).map_err(|source| root.cannot_read(dir, source))? {
            let path = format!("{dir}/{name}");
            if root.io().is_dir(&path) {
                self.copy(root, &path)?;
            } else {
                let file = File { value: root.read_line(&path)?, writable: root.io().writable(&path) };
                self.lock().files.insert(path, file);
            }
        }
        Ok(())
    }

    /// Puts any file there, `proc/1/comm` for example.
    pub fn put(&self, rel: &str, value: &str) {
        self.lock().files.insert(rel.to_owned(), File { value: value.to_owned(), writable: false });
    }

    /// Puts a module of DAMON there: its parameters, and the results that it only shows.
    pub fn put_module(&self, module: &str, params: &[(&str, &str)], results: &[(&str, &str)]) {
        let mut tree = self.lock();
        let dir = format!("sys/module/{module}/parameters");
        tree.rw(&dir, params);
        tree.ro(&dir, results);
    }

    /// Takes a file away, or all files below a directory: what a kernel does not have.
    pub fn remove(&self, rel: &str) {
        let below = format!("{rel}/");
        self.lock().files.retain(|path, _| path != rel && !path.starts_with(&below));
    }

    /// From now on only these processes are alive.
    pub fn set_alive(&self, pids: &[i32]) {
        self.lock().alive = Some(pids.iter().copied().collect());
    }

    /// Lets the next write to a path that ends so fail with an errno.
    pub fn fail_next(&self, path_end: &str, errno: i32) {
        self.lock().fail.push((path_end.to_owned(), errno));
    }

    /// Lets `writes` more writes be done, and the one after them fail with an errno.
    pub fn fail_after(&self, writes: usize, errno: i32) {
        self.lock().fail_after = Some((writes, errno));
    }

    /// From now on a kdamond whose commit is refused ends, as on 6.12, and the writer is told so by an errno or, with
    /// `None`, not at all: there it depends on who is faster.
    pub fn end_at_refused_commits(&self, errno: Option<i32>) {
        self.lock().commit_ends = Some(errno);
    }

    /// Tuning chooses these intervals, in µs: they are in the files from the next `update_tuned_intervals` on.
    pub fn tune_intervals(&self, sample: u64, aggregation: u64) {
        self.lock().tuned = Some((sample, aggregation));
    }

    /// From now on commits wait until the kdamond is off, or until this is called with `false`.
    pub fn hold_commits(&self, hold: bool) {
        self.lock().hold_commits = hold;
    }

    /// After the next write to a path that ends with `path_end` another program writes `value` to the file `rel`.
    #[cfg(test)]
    pub(crate) fn meddle_after(&self, path_end: &str, rel: &str, value: &str) {
        self.lock().meddle.push((path_end.to_owned(), rel.to_owned(), value.to_owned()));
    }

    /// A kdamond ends by itself, as when its targets exit.
    pub fn end(&self, index: usize) {
        self.lock().switch_off(&format!("{KDAMONDS}/{index}"));
    }

    /// Sets a file that only the kernel writes (statistics).
    pub fn kernel_writes(&self, rel: &str, value: &str) {
        self.lock().set(rel, value);
    }

    /// All writes so far, paths relative to the root.
    pub fn log(&self) -> Vec<(String, String)> {
        self.lock().log.clone()
    }

    /// All files and their values.
    pub fn files(&self) -> BTreeMap<String, String> {
        self.lock().files.iter().map(|(path, file)| (path.clone(), file.value.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, file: &str, word: &str) -> bool {
        let since = WORDS.iter().find(|(of, known, _)| *of == file && *known == word).map(|(.., since)| *since);
        since.and_then(parse_release).is_some_and(|since| self.kernel >= since)
    }

    fn is_held(&self, state: &str) -> bool {
        let tree = self.lock();
        tree.hold_commits && tree.get(state) == "on"
    }

    /// What the kernel does with a write.
    fn take(&self, rel: &str, value: &str) -> io::Result<()> {
        let mut tree = self.lock();
        let tree = &mut *tree;
        tree.log.push((rel.to_owned(), value.to_owned()));
        if let Some(at) = tree.fail.iter().position(|(end, _)| rel.ends_with(end.as_str())) {
            return Err(errno(tree.fail.remove(at).1));
        }
        match &mut tree.fail_after {
            Some((0, code)) => {
                let code = *code;
                tree.fail_after = None;
                return Err(errno(code));
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        let file = tree.files.get(rel).ok_or_else(|| errno(libc::ENOENT))?;
        if !file.writable {
            return Err(errno(libc::EACCES));
        }
        let value = value.trim();
        let (dir, name) = rel.rsplit_once('/').unwrap_or(("", rel));
        match name {
            "state" => return self.command(tree, dir, value),
            "nr_kdamonds" if tree.any_on() => return Err(errno(libc::EBUSY)),
            "nr_contexts" if !matches!(value, "0" | "1") => return Err(errno(libc::EINVAL)),
            "action" | "type" | "target_metric" | "metric" if !self.knows(name, value) => {
                return Err(errno(libc::EINVAL));
            }
            "operations"
                if !tree.get(&format!("{dir}/avail_operations")).split_whitespace().any(|known| known == value) =>
            {
                return Err(errno(libc::EINVAL));
            }
            _ => {}
        }
        if name.starts_with("nr_") {
            let count: usize = value.parse().map_err(|_| errno(libc::EINVAL))?;
            self.make(tree, dir, name, count);
        }
        // Taken by the next aggregation interval, which is at once here.
        tree.set(rel, if name == "commit_inputs" { "N" } else { value });
        Ok(())
    }

    fn command(&self, tree: &mut Tree, dir: &str, word: &str) -> io::Result<()> {
        let on = tree.get(&format!("{dir}/state")) == "on";
        let started = tree.files.contains_key(&format!("{dir}/.ran"));
        match word {
            "on" if on => Err(errno(libc::EBUSY)),
            "on" => {
                check(tree, dir)?;
                tree.next_thread += 1;
                let thread = tree.next_thread.to_string();
                tree.set(&format!("{dir}/state"), "on");
                tree.set(&format!("{dir}/pid"), &thread);
                tree.rw(dir, &[(".ran", "")]);
                Ok(())
            }
            "off" if on => {
                tree.switch_off(dir);
                Ok(())
            }
            "off" => Err(errno(if started { libc::EPERM } else { libc::EINVAL })),
            "commit" if on => match (check(tree, dir), tree.commit_ends) {
                (Err(_), Some(answer)) => {
                    tree.switch_off(dir);
                    answer.map_or(Ok(()), |code| Err(errno(code)))
                }
                (checked, _) => checked,
            },
            word if on && Command::WORDS.contains(&word) => {
                if let Some((sample, aggregation)) =
                    tree.tuned.filter(|_| word == Command::UpdateTunedIntervals.as_str())
                {
                    let intervals = format!("{dir}/contexts/0/monitoring_attrs/intervals");
                    tree.set(&format!("{intervals}/sample_us"), &sample.to_string());
                    tree.set(&format!("{intervals}/aggr_us"), &aggregation.to_string());
                }
                Ok(())
            }
            _ => Err(errno(libc::EINVAL)),
        }
    }
}

fn errno(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// What the kernel refuses with EINVAL when a kdamond goes on or commits.
fn check(tree: &Tree, dir: &str) -> io::Result<()> {
    let number = |rel: &str| tree.get(&format!("{dir}/contexts/0/{rel}")).parse::<i64>().unwrap_or(0);
    if tree.get(&format!("{dir}/contexts/nr_contexts")) != "1" {
        return Err(errno(libc::EINVAL));
    }
    let attrs = "monitoring_attrs";
    let (sample, aggregation) =
        (number(&format!("{attrs}/intervals/sample_us")), number(&format!("{attrs}/intervals/aggr_us")));
    let (min, max) = (number(&format!("{attrs}/nr_regions/min")), number(&format!("{attrs}/nr_regions/max")));
    let paddr = tree.get(&format!("{dir}/contexts/0/operations")) == "paddr";
    let dead = (0..number("targets/nr_targets")).any(|target| {
        let pid = number(&format!("targets/{target}/pid_target"));
        !paddr && tree.alive.as_ref().is_some_and(|alive| !alive.contains(&(pid as i32)))
    });
    if aggregation < sample || min < 3 || max < min || dead { Err(errno(libc::EINVAL)) } else { Ok(()) }
}

impl Tree {
    fn rw(&mut self, dir: &str, files: &[(&str, &str)]) {
        for (name, value) in files {
            self.files.insert(format!("{dir}/{name}"), File { value: (*value).to_owned(), writable: true });
        }
    }

    fn ro(&mut self, dir: &str, files: &[(&str, &str)]) {
        for (name, value) in files {
            self.files.insert(format!("{dir}/{name}"), File { value: (*value).to_owned(), writable: false });
        }
    }

    fn get(&self, path: &str) -> &str {
        self.files.get(path).map_or("", |file| file.value.as_str())
    }

    fn set(&mut self, path: &str, value: &str) {
        if let Some(file) = self.files.get_mut(path) {
            file.value = value.to_owned();
        }
    }

    fn switch_off(&mut self, kdamond: &str) {
        self.set(&format!("{kdamond}/state"), "off");
        self.set(&format!("{kdamond}/pid"), "-1");
    }

    fn remove_numbered(&mut self, dir: &str) {
        let numbered = |path: &str| {
            let below = path.strip_prefix(dir).and_then(|rest| rest.strip_prefix('/'));
            below.and_then(|rest| rest.split('/').next()).is_some_and(|name| name.parse::<usize>().is_ok())
        };
        self.files.retain(|path, _| !numbered(path));
    }

    fn any_on(&self) -> bool {
        let states = self.files.iter().filter(|(path, _)| path.starts_with(KDAMONDS) && path.ends_with("/state"));
        states.into_iter().any(|(_, file)| file.value == "on")
    }
}

impl Io for MemorySysfs {
    fn read(&self, rel: &str) -> io::Result<Vec<u8>> {
        let tree = self.lock();
        let file = tree.files.get(rel).ok_or_else(|| errno(libc::ENOENT))?;
        Ok(format!("{}\n", file.value).into_bytes())
    }

    fn write(&self, rel: &str, value: &str) -> io::Result<()> {
        while value == "commit" && self.is_held(rel) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let done = self.take(rel, value);
        let meddling = {
            let mut tree = self.lock();
            let at = tree.meddle.iter().position(|(end, ..)| rel.ends_with(end.as_str()));
            at.map(|at| tree.meddle.remove(at))
        };
        if let Some((_, rel, value)) = meddling {
            self.take(&rel, &value)?;
        }
        done
    }

    /// A link is kept as a file whose content is where it leads.
    fn link(&self, rel: &str) -> io::Result<String> {
        self.lock().files.get(rel).map(|file| file.value.clone()).ok_or_else(|| errno(libc::ENOENT))
    }

    fn list(&self, rel: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{}/", rel.trim_end_matches('/'));
        let tree = self.lock();
        let below = tree.files.range(prefix.clone()..).map(|(path, _)| path).take_while(|p| p.starts_with(&prefix));
        let names: BTreeSet<String> =
            below.filter_map(|path| path[prefix.len()..].split('/').next()).map(str::to_owned).collect();
        if names.is_empty() { Err(errno(libc::ENOENT)) } else { Ok(names.into_iter().collect()) }
    }

    fn exists(&self, rel: &str) -> bool {
        self.lock().files.contains_key(rel) || self.is_dir(rel)
    }

    fn is_dir(&self, rel: &str) -> bool {
        self.list(rel).is_ok()
    }

    fn writable(&self, rel: &str) -> bool {
        // A mark of our own, not a file of the kernel's.
        !rel.ends_with("/.ran") && self.lock().files.get(rel).is_some_and(|file| file.writable)
    }

    fn shown(&self, rel: &str) -> PathBuf {
        PathBuf::from(format!("/{rel}"))
    }
}
