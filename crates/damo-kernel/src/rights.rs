//! Running a program with the rights of the user who called sudo, supplementary groups included.

use rustix::process::{Gid, Uid};
use rustix::thread;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A user's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Numeric id of the user.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups, the primary one included.
    pub groups: Vec<u32>,
    /// Login name; the number where there is none.
    pub name: String,
    /// Home directory; empty if unknown.
    pub home: String,
}

impl Rights {
    /// The user who called sudo; `None` if we are not root, were not called through sudo, or root called it.
    ///
    /// # Errors
    /// If sudo's variables make no sense: a program must not run as root by mistake.
    pub fn of_invoker() -> io::Result<Option<Self>> {
        if crate::system::effective_uid() != 0 {
            return Ok(None);
        }
        let (uid, gid) = (std::env::var_os("SUDO_UID"), std::env::var_os("SUDO_GID"));
        let text = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
        Self::from_parts(uid, gid, &text("/etc/passwd"), &text("/etc/group"))
    }

    fn from_parts(uid: Option<OsString>, gid: Option<OsString>, passwd: &str, group: &str) -> io::Result<Option<Self>> {
        let Some(uid) = uid else { return Ok(None) };
        let number = |name: &str, value: Option<OsString>| -> io::Result<u32> {
            value.and_then(|value| value.to_str()?.parse().ok()).ok_or_else(|| {
                let why = format!("{name} of sudo is not a number; unset SUDO_UID to run the program as root");
                io::Error::new(io::ErrorKind::InvalidInput, why)
            })
        };
        let (uid, gid) = (number("SUDO_UID", Some(uid))?, number("SUDO_GID", gid)?);
        if uid == 0 {
            return Ok(None);
        }
        // name:password:uid:gid:comment:home:shell
        let entry = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|entry| entry.get(2).is_some_and(|id| id.parse() == Ok(uid)));
        let field = |at: usize| entry.as_ref().and_then(|entry| entry.get(at)).map(|text| (*text).to_owned());
        let name = field(0);
        // group:password:gid:member,member
        let member_of = |line: &str| {
            let mut fields = line.split(':').skip(2);
            let id = fields.next()?.parse().ok()?;
            fields.next()?.split(',').any(|member| Some(member) == name.as_deref()).then_some(id)
        };
        let mut groups = vec![gid];
        groups.extend(group.lines().filter_map(member_of).filter(|id: &u32| *id != gid));
        let home = field(5).unwrap_or_default();
        Ok(Some(Self { uid, gid, groups, name: name.unwrap_or_else(|| uid.to_string()), home }))
    }

    /// Makes `command` run with these rights, and with the variables that tell who and where one is.
    pub fn apply(&self, command: &mut Command) {
        command.env("USER", &self.name).env("LOGNAME", &self.name);
        if !self.home.is_empty() {
            command.env("HOME", &self.home);
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let groups: Vec<Gid> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        let drop_rights = move || {
            // Groups first: without root they cannot be set any more. No allocation between fork and exec.
            // After the fork there is one thread, so that what is set for it is set for the process.
            thread::set_thread_groups(&groups)?;
            thread::set_thread_gid(gid)?;
            Ok(thread::set_thread_uid(uid)?)
        };
        // SAFETY: the closure makes system calls only and does not allocate, which is all that is allowed between fork
        // and exec.
        unsafe { command.pre_exec(drop_rights) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000:Ann,,,:/home/ann:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:ann,bob\nann:x:1000:\nvideo:x:44:bob\nkvm:x:36:ann\n";

    fn parts(uid: Option<&str>, gid: Option<&str>) -> io::Result<Option<Rights>> {
        Rights::from_parts(uid.map(OsString::from), gid.map(OsString::from), PASSWD, GROUP)
    }

    #[test]
    fn the_invoker_keeps_all_groups_and_the_home() {
        let rights = parts(Some("1000"), Some("1000")).expect("sound").expect("someone");
        assert_eq!(rights.groups, [1000, 10, 36]);
        assert_eq!((rights.name.as_str(), rights.home.as_str()), ("ann", "/home/ann"));
    }

    #[test]
    fn without_sudo_or_for_root_nothing_is_dropped() {
        assert_eq!(parts(None, None).expect("sound"), None);
        assert_eq!(parts(Some("0"), Some("0")).expect("sound"), None);
    }

    #[test]
    fn nonsense_from_sudo_never_runs_a_program_as_root() {
        assert!(parts(Some("x"), Some("1000")).is_err());
        assert!(parts(Some("1000"), None).is_err());
        let unknown = parts(Some("4242"), Some("4242")).expect("sound").expect("someone");
        assert_eq!((unknown.name.as_str(), unknown.groups.as_slice()), ("4242", &[4242][..]));
    }
}
