//! A shell on the terminal of tmux, as a user has it: keys go in, and what is on the screen is seen.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A tmux server of its own with one shell on a terminal of 80 columns and 24 lines.
pub struct Tmux(String);

impl Tmux {
    /// Starts the shell in a directory, with these assignments of variables. `None` where there is no tmux, which is told.
    pub fn start(dir: &Path, variables: &str) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: there is no tmux");
            return None;
        }
        let tmux = Tmux(format!("damo-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
        let shell = format!("cd '{}'; {variables} PS1='$ ' LC_ALL=C.UTF-8 exec sh", dir.display());
        let started = tmux.tmux(&["new-session", "-d", "-x", "80", "-y", "24", &shell]);
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Some(tmux)
    }

    /// A command of tmux to this server.
    pub fn tmux(&self, words: &[&str]) -> Output {
        Command::new("tmux").args(["-L", &self.0, "-f", "/dev/null"]).args(words).output().expect("tmux")
    }

    /// Presses keys, by tmux's names, or types texts.
    pub fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits until the screen has all of these words.
    pub fn shows(&self, words: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let text = String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned();
            if words.iter().all(|word| text.contains(word)) {
                return text;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "not on the screen: {words:?}\n{text}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
