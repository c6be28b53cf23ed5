//! What the kernel's build configuration has of DAMON and of tracing.

use super::{Check, Need, Verdict};
use damo_kernel::Root;
use std::cell::OnceCell;
use std::io::Read;

/// The kernel's build configuration, read when it is asked for.
pub(super) struct KernelConfig<'a> {
    root: &'a Root,
    release: &'a str,
    /// The file and its text; `None` if there is none.
    pub(super) found: OnceCell<Option<(String, String)>>,
}

/// No configuration is longer.
pub(super) const MAX_CONFIG_BYTES: u64 = 8 << 20;

impl<'a> KernelConfig<'a> {
    pub(super) fn new(root: &'a Root, release: &'a str) -> Self {
        Self { root, release, found: OnceCell::new() }
    }

    pub(super) fn found(&self) -> Option<&(String, String)> {
        self.found.get_or_init(|| self.packed().or_else(|| self.plain())).as_ref()
    }

    fn packed(&self) -> Option<(String, String)> {
        let bytes = self.root.io().read("proc/config.gz").ok()?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).take(MAX_CONFIG_BYTES).read_to_string(&mut text).ok()?;
        Some(("/proc/config.gz".to_owned(), text))
    }

    fn plain(&self) -> Option<(String, String)> {
        let release = self.release;
        let places = [
            format!("boot/config-{release}"),
            format!("lib/modules/{release}/config"),
            format!("usr/lib/modules/{release}/config"),
            format!("lib/modules/{release}/build/.config"),
        ];
        places.into_iter().find_map(|rel| Some((format!("/{rel}"), self.root.read_text(&rel).ok()?)))
    }

    pub(super) fn value(&self, option: &str) -> Option<&str> {
        let (_, text) = self.found()?;
        text.lines().find_map(|line| line.strip_prefix(option)?.strip_prefix('=')).map(str::trim)
    }

    /// An option with its value and the file that tells, as far as known.
    pub(super) fn tell(&self, option: &str) -> String {
        match self.found() {
            Some((from, _)) => {
                let value = self.value(option).map_or(" is not set".to_owned(), |value| format!("={value}"));
                format!("{option}{value} ({from})")
            }
            None => format!("{option} is not known"),
        }
    }

    /// `None` if the configuration is not known.
    pub(super) fn is_on(&self, option: &str) -> Option<bool> {
        self.found()?;
        Some(matches!(self.value(option), Some("y" | "m")))
    }
}

/// Whether the kernel was built with all that recording needs.
pub(super) fn config_checks(config: &KernelConfig<'_>) -> Vec<Check> {
    let options = [
        ("config_damon", "CONFIG_DAMON", "a kernel built with DAMON", Verdict::Bad),
        ("config_damon_sysfs", "CONFIG_DAMON_SYSFS", "a kernel built with DAMON's sysfs interface", Verdict::Bad),
        ("config_damon_vaddr", "CONFIG_DAMON_VADDR", "monitoring of processes", Verdict::Limited),
        ("config_damon_paddr", "CONFIG_DAMON_PADDR", "monitoring of physical memory", Verdict::Limited),
        ("config_perf_events", "CONFIG_PERF_EVENTS", "perf rings, which events are taken through", Verdict::Bad),
        ("config_event_tracing", "CONFIG_EVENT_TRACING", "tracepoints that user space can take", Verdict::Bad),
    ];
    let check = |(name, option, needed, missing)| {
        let need = Need(name, needed);
        let build = format!("boot a kernel built with {option}=y; to find one: grep -l {option}=y /boot/config-*");
        match config.is_on(option) {
            Some(true) => need.good(config.tell(option)),
            Some(false) => need.is(missing, config.tell(option), build),
            None => need.unknown(
                "neither /proc/config.gz nor /boot/config-* is there",
                "modprobe configs, to see the kernel's configuration in /proc/config.gz",
            ),
        }
    };
    options.into_iter().map(check).collect()
}
