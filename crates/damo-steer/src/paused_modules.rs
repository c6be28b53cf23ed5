//! Kernel modules that are switched off so that DAMON can be used, and on again afterwards.
//!
//! Before a module is switched off, a note in `/run/damo` says so (`modules-PID`), with a lock on it as long as the process
//! lives. What a killed process switched off, the next run finds by a note without a lock, and switches on. The note of
//! `damo start` (`modules-started`) stays until `damo stop`.

use crate::error::{Result, SteerError};
use crate::notes::{note_of_modules, read_note};
use crate::signals::Signals;
use crate::steer::LOCK_TIMEOUT;
use crate::{Machine, Notifier};
use damo_kernel::sysfs::Module;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What the names of these notes begin with.
const PREFIX: &str = "modules-";
/// The note of `damo start`.
const OF_START: &str = "started";
/// How long a module's kdamond may take to end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Whether modules that are on are switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausePolicy {
    /// If the user agrees.
    Ask,
    /// Without a question.
    Pause,
}

/// How long modules stay off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedFor {
    /// For as long as this process lives.
    ThisProcess,
    /// Until `damo stop`.
    Start,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    modules: Vec<String>,
}

/// Modules that this process switched off. They are switched on again when it is dropped.
#[derive(Debug)]
pub struct PausedModules {
    machine: Machine,
    modules: Vec<Module>,
    note: PathBuf,
    /// Locked.
    _file: File,
    stays: bool,
}

impl PausedModules {
    /// Switches off the modules that are on, as `policy` says; `None` if none is, or the user does not agree.
    ///
    /// # Errors
    /// If a module cannot be switched off, or that could not be noted; then all of them are as before.
    pub fn pause(
        machine: &Machine,
        policy: PausePolicy,
        paused_for: PausedFor,
        signals: &Signals,
        notifier: &mut dyn Notifier,
    ) -> Result<Option<Self>> {
        let modules: Vec<Module> = machine.sysfs.enabled_modules().iter().filter_map(|of| module(&of.module)).collect();
        if modules.is_empty() {
            return Ok(None);
        }
        let (names, until) = (
            names(&modules),
            match paused_for {
                PausedFor::ThisProcess => "and on again afterwards",
                PausedFor::Start => "and on again by `damo stop`",
            },
        );
        let question =
            format!("{names} running, and the kernel starts no other kdamond meanwhile. Switch off now, {until}?");
        if policy == PausePolicy::Ask && !notifier.confirm(&question, signals) {
            return Ok(None);
        }
        let _settings_lock = machine.notes.lock(LOCK_TIMEOUT)?;
        let of = match paused_for {
            PausedFor::ThisProcess => std::process::id().to_string(),
            PausedFor::Start => OF_START.to_owned(),
        };
        let said = Note { modules: modules.iter().map(|module| module.as_str().to_owned()).collect() };
        let (note, file) = note_of_modules(&machine.notes, &format!("{PREFIX}{of}"), &said)?;
        let mut paused = Self { machine: machine.clone(), modules, note, _file: file, stays: false };
        for module in &paused.modules {
            machine.sysfs.enable_module(*module, false)?;
            wait_for_end(machine, *module)?;
        }
        notifier.note(&format!("{names} switched off, {until}"));
        paused.stays = paused_for == PausedFor::Start;
        Ok(Some(paused))
    }

    /// Switches them on again.
    ///
    /// # Errors
    /// If one cannot be switched on; the note stays then, so that the next run tries again.
    pub fn resume(mut self) -> Result<()> {
        self.switch_on()
    }

    fn switch_on(&mut self) -> Result<()> {
        if self.stays || self.note.as_os_str().is_empty() {
            return Ok(());
        }
        for module in &self.modules {
            self.machine.sysfs.enable_module(*module, true)?;
        }
        let note = std::mem::take(&mut self.note);
        fs::remove_file(&note).map_err(|e| SteerError::io(format!("removing {}", note.display()), e))
    }
}

impl Drop for PausedModules {
    fn drop(&mut self) {
        // Where that fails, the next run finds the note.
        let _ = self.switch_on();
    }
}

impl Machine {
    /// Switches on what killed processes switched off.
    pub fn resume_abandoned_modules(&self, notifier: &mut dyn Notifier) {
        for (note, of) in self.notes_of_modules() {
            if of == OF_START || is_alive(&note) {
                continue;
            }
            match self.resume_noted(&note) {
                Ok(names) if names.is_empty() => {}
                Ok(names) => notifier.say(&format!(
                    "Switched {names} on again, which a damo that was killed had switched off for itself."
                )),
                Err(error) => notifier.warn(&format!(
                    "a damo that was killed had switched kernel modules of DAMON off, and they cannot be switched on again \
                     now: {error}"
                )),
            }
        }
    }

    /// Switches on what was switched off for `damo start`. Gives their names, in words; empty if none was.
    ///
    /// # Errors
    /// If one cannot be switched on.
    pub fn resume_modules_of_start(&self) -> Result<String> {
        let notes = self.notes_of_modules();
        let Some((note, _)) = notes.into_iter().find(|(_, of)| of == OF_START) else { return Ok(String::new()) };
        self.resume_noted(&note)
    }

    fn resume_noted(&self, note: &std::path::Path) -> Result<String> {
        let _settings_lock = self.notes.lock(LOCK_TIMEOUT)?;
        let Ok(said) = read_note::<Note>(note) else { return Ok(String::new()) };
        let modules: Vec<Module> = said.modules.iter().filter_map(|name| module(name)).collect();
        for module in &modules {
            self.sysfs.enable_module(*module, true)?;
        }
        fs::remove_file(note).map_err(|e| SteerError::io(format!("removing {}", note.display()), e))?;
        Ok(modules.iter().map(|module| module.as_str()).collect::<Vec<_>>().join(" and "))
    }

    /// The notes of modules that were switched off, and by whom.
    fn notes_of_modules(&self) -> Vec<(PathBuf, String)> {
        let entries = fs::read_dir(self.notes.directory()).into_iter().flatten().flatten();
        let of = |entry: fs::DirEntry| {
            let of = entry.file_name().to_str()?.strip_prefix(PREFIX)?.to_owned();
            Some((entry.path(), of))
        };
        entries.filter_map(of).collect()
    }
}

fn is_alive(note: &std::path::Path) -> bool {
    File::open(note).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn module(name: &str) -> Option<Module> {
    Module::ALL.into_iter().find(|module| module.as_str() == name)
}

fn names(modules: &[Module]) -> String {
    let names: Vec<&str> = modules.iter().map(|module| module.as_str()).collect();
    format!("{} {}", names.join(" and "), if names.len() == 1 { "is" } else { "are" })
}

/// A module looks at its parameters now and then; until its kdamond has ended, the kernel starts no other.
fn wait_for_end(machine: &Machine, module: Module) -> Result<()> {
    let begun = Instant::now();
    while machine.sysfs.module(module)?.pid.is_some() {
        if begun.elapsed() > END_WITHIN {
            let what = format!("the end of {}'s kdamond", module.as_str());
            return Err(damo_kernel::Error::Timeout { what, waited: END_WITHIN }.into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notes::NoteStore;
    use crate::notifier::Silent;
    use damo_kernel::Root;
    use damo_kernel::sysfs::MemorySysfs;
    use std::sync::Arc;

    const ENABLED: &str = "sys/module/damon_stat/parameters/enabled";

    fn machine(dir: &tempfile::TempDir) -> (Arc<MemorySysfs>, Machine) {
        let fake = Arc::new(MemorySysfs::new((7, 3)));
        fake.put_module("damon_stat", &[("enabled", "Y")], &[]);
        fake.put_module("damon_reclaim", &[("enabled", "N")], &[]);
        let machine = Machine::new(Root::with_io(fake.clone()), NoteStore::below(dir.path()));
        (fake, machine)
    }

    fn pause(machine: &Machine, policy: PausePolicy, paused_for: PausedFor) -> Option<PausedModules> {
        PausedModules::pause(machine, policy, paused_for, &Signals::default(), &mut Silent).unwrap()
    }

    #[test]
    fn a_module_is_off_while_it_is_paused_and_on_again_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let (fake, machine) = machine(&dir);
        assert!(pause(&machine, PausePolicy::Ask, PausedFor::ThisProcess).is_none(), "nobody agreed");
        assert_eq!(fake.files()[ENABLED], "Y");
        let paused = pause(&machine, PausePolicy::Pause, PausedFor::ThisProcess).unwrap();
        assert_eq!(fake.files()[ENABLED], "N");
        machine.resume_abandoned_modules(&mut Silent);
        assert_eq!(fake.files()[ENABLED], "N", "it is not abandoned");
        paused.resume().unwrap();
        assert_eq!(fake.files()[ENABLED], "Y");
        assert_eq!(machine.notes_of_modules(), []);
        assert!(!fake.log().iter().any(|(path, _)| path.contains("damon_reclaim")), "what was off stays off");
        drop(pause(&machine, PausePolicy::Pause, PausedFor::ThisProcess).unwrap());
        assert_eq!(fake.files()[ENABLED], "Y", "also after a panic");
    }

    #[test]
    fn what_a_killed_process_switched_off_the_next_run_switches_on() {
        let dir = tempfile::tempdir().unwrap();
        let (fake, machine) = machine(&dir);
        let paused = pause(&machine, PausePolicy::Pause, PausedFor::ThisProcess).unwrap();
        // As a kill does: the file stays, the lock goes.
        let note = paused.note.clone();
        let left = note.with_file_name("modules-4000001");
        fs::copy(&note, &left).unwrap();
        std::mem::forget(paused);
        machine.resume_abandoned_modules(&mut Silent);
        assert_eq!((fake.files()[ENABLED].as_str(), left.exists(), note.exists()), ("Y", false, true));
    }

    #[test]
    fn the_note_stays_where_a_module_cannot_be_switched_on_again() {
        let dir = tempfile::tempdir().unwrap();
        let (fake, machine) = machine(&dir);
        let paused = pause(&machine, PausePolicy::Pause, PausedFor::ThisProcess).unwrap();
        // Once when it is asked for, and once when it is dropped.
        (0..2).for_each(|_| fake.fail_next(ENABLED, rustix::io::Errno::BUSY.raw_os_error()));
        assert!(paused.resume().is_err());
        assert_eq!(machine.notes_of_modules().len(), 1);
        machine.resume_abandoned_modules(&mut Silent);
        assert_eq!((fake.files()[ENABLED].as_str(), machine.notes_of_modules().len()), ("Y", 0));
    }

    #[test]
    fn for_start_modules_stay_off_until_stop() {
        let dir = tempfile::tempdir().unwrap();
        let (fake, machine) = machine(&dir);
        drop(pause(&machine, PausePolicy::Pause, PausedFor::Start).unwrap());
        machine.resume_abandoned_modules(&mut Silent);
        assert_eq!(fake.files()[ENABLED], "N");
        assert_eq!(machine.resume_modules_of_start().unwrap(), "damon_stat");
        assert_eq!(fake.files()[ENABLED], "Y");
        assert_eq!(machine.resume_modules_of_start().unwrap(), "");
    }
}
