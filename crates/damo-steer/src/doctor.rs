//! `damo doctor` and `damo features`: whether this machine can record, what is amiss, and what its DAMON can do. The
//! facts are [`crate::readiness`]'s and [`damo_kernel::features`]'s; here they become a table or JSON.

use crate::error::{Result, SteerError};
use crate::readiness::{Check, Verdict, checks, overall};
use damo_kernel::Root;
use damo_kernel::features::{Feature, Support, features};
use damo_model::human::{Show, plain_json};
use serde_json::json;
use std::io::{self, Write};
use std::process::ExitCode;

/// Writes the table of all that recording needs to `out`. Nothing is changed on the machine.
///
/// Exit code 0 if recording will work, 1 if something is missing.
///
/// # Errors
/// If `out` cannot be written to.
pub fn doctor(root: &Root, json: bool, out: &mut dyn Write) -> Result<ExitCode> {
    let checks = checks(root);
    let ready = overall(&checks) < Verdict::Bad;
    let written = if json {
        let value = json!({ "ready": ready, "checks": checks });
        writeln!(out, "{}", plain_json(&format!("{value:#}")))
    } else {
        table(&checks, out)
    };
    finish(written)?;
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Which features to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeatureFilter {
    /// All features that this version knows.
    #[default]
    All,
    /// Features that this kernel has, or should have by its release.
    Supported,
    /// Features that this kernel does not have.
    Unsupported,
}

/// Writes which features of DAMON this kernel has to `out`, as a table or as JSON.
///
/// # Errors
/// If `out` cannot be written to.
pub fn list_features(root: &Root, which: FeatureFilter, as_json: bool, out: &mut dyn Write) -> Result<ExitCode> {
    let wanted = |feature: &Feature| match which {
        FeatureFilter::All => true,
        FeatureFilter::Supported => feature.support.is_expected(),
        FeatureFilter::Unsupported => !feature.support.is_expected(),
    };
    let mut found: Vec<Feature> = features(root).into_iter().filter(wanted).collect();
    found.sort_by_key(|feature| feature.name);
    let written = if as_json {
        writeln!(out, "{}", plain_json(&format!("{:#}", json!(found))))
    } else {
        found.iter().try_for_each(|feature| {
            writeln!(
                out,
                "{:<38} {:<12} since {:<5} {}",
                feature.name,
                support(feature.support),
                feature.since,
                feature.what
            )
        })
    };
    finish(written)?;
    Ok(ExitCode::SUCCESS)
}

fn support(support: Support) -> &'static str {
    match support {
        Support::Present => "yes",
        Support::Absent => "no",
        Support::Likely => "likely",
        Support::Unlikely => "unlikely",
        Support::Unknown => "unknown",
    }
}

fn table(checks: &[Check], out: &mut dyn Write) -> io::Result<()> {
    for check in checks {
        writeln!(out, "{:<8} {:<20} {}", verdict(check.verdict), check.name, check.present.shown())?;
        if check.verdict > Verdict::Good {
            writeln!(out, "{:29} needed: {}", "", check.needed)?;
            if !check.remedy.is_empty() {
                writeln!(out, "{:29} try: {}", "", check.remedy)?;
            }
        }
    }
    let is_amiss = |name: &str| checks.iter().any(|check| check.name == name && check.verdict > Verdict::Unknown);
    // Who runs already can be recorded, and no other be started beside.
    let is_busy = is_amiss("kdamonds") || is_amiss("modules");
    let target = match (is_amiss("config_damon_vaddr"), is_amiss("config_damon_paddr")) {
        (false, _) => Some(" $(pidof PROGRAM)"),
        (true, false) => Some(" paddr"),
        (true, true) => None,
    };
    let missing: Vec<&Check> = checks.iter().filter(|check| check.verdict == Verdict::Bad).collect();
    let limited = checks.iter().any(|check| check.verdict == Verdict::Limited);
    if missing.is_empty() {
        let limits = if limited { ", within the limits above" } else { "" };
        return match target {
            _ if is_busy => writeln!(out, "\nReady to record{limits}: damo record"),
            Some(target) => writeln!(out, "\nReady to record{limits}: damo record{target}"),
            None => writeln!(out, "\nReady to record{limits}."),
        };
    }
    writeln!(out, "\nNot ready to record: what is marked MISSING must be fixed first, in this order.")?;
    let works_without = !is_busy && missing.iter().all(|check| check.is_for_events_alone());
    if let Some(target) = target.filter(|_| works_without) {
        writeln!(out, "Works without it, with one snapshot per second: damo record --snapshot 1s 60{target}")?;
    }
    writeln!(out, "Meanwhile `damo record --simulate stairs` works without root and without DAMON.")
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "ok",
        Verdict::Unknown => "unknown",
        Verdict::Limited => "limited",
        Verdict::Bad => "MISSING",
    }
}

/// A reader that has seen enough is no failure.
fn finish(written: io::Result<()>) -> Result<()> {
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| SteerError::io("writing to standard output", e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_anything_gets_a_remedy_for_each_thing_missing_and_exit_code_1() {
        let empty = tempfile::tempdir().unwrap();
        let mut text = Vec::new();
        assert_eq!(doctor(&Root::new(empty.path()), false, &mut text).unwrap(), ExitCode::from(1));
        let text = String::from_utf8(text).unwrap();
        let missing = text.lines().filter(|line| line.starts_with("MISSING")).count();
        assert!(missing >= 3, "{text}");
        assert!(text.matches("try: ").count() >= missing, "{text}");
        assert!(text.ends_with("--simulate stairs` works without root and without DAMON.\n"), "{text}");
    }

    #[test]
    fn only_what_the_other_checks_allow_is_offered() {
        let offered = |amiss: &[(&'static str, Verdict)]| {
            let names = ["events", "config_damon_vaddr", "config_damon_paddr", "kdamonds", "modules", "container"];
            let verdict =
                |name| amiss.iter().find(|(of, _)| *of == name).map_or(Verdict::Good, |(_, verdict)| *verdict);
            let check = |name| Check {
                name,
                needed: "it",
                verdict: verdict(name),
                present: String::new(),
                remedy: String::new(),
            };
            let mut text = Vec::new();
            table(&names.map(check), &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            let told = |line: &&str| line.starts_with("Ready") || line.starts_with("Works");
            text.lines().find(told).unwrap_or_default().to_owned()
        };
        let (bad, limited) = (Verdict::Bad, Verdict::Limited);
        let (vaddr, paddr) = (("config_damon_vaddr", limited), ("config_damon_paddr", limited));
        let (busy, none) = (("kdamonds", limited), ("events", bad));
        assert_eq!(offered(&[]), "Ready to record: damo record $(pidof PROGRAM)");
        assert_eq!(offered(&[("config_damon_vaddr", Verdict::Unknown)]), offered(&[]));
        assert_eq!(offered(&[vaddr]), "Ready to record, within the limits above: damo record paddr");
        assert_eq!(offered(&[vaddr, paddr]), "Ready to record, within the limits above.");
        assert_eq!(offered(&[busy]), "Ready to record, within the limits above: damo record");
        assert_eq!(
            offered(&[none]),
            "Works without it, with one snapshot per second: damo record --snapshot 1s 60 $(pidof PROGRAM)"
        );
        assert_eq!(
            offered(&[none, vaddr]),
            "Works without it, with one snapshot per second: damo record --snapshot 1s 60 paddr"
        );
        for amiss in [&[none, busy][..], &[none, ("modules", limited)], &[none, vaddr, paddr]] {
            assert_eq!(offered(amiss), "", "{amiss:?}");
        }
    }

    #[test]
    fn the_same_as_json_can_be_read_by_a_script() {
        let empty = tempfile::tempdir().unwrap();
        let mut text = Vec::new();
        doctor(&Root::new(empty.path()), true, &mut text).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["ready"], false);
        let tracefs = value["checks"].as_array().unwrap().iter().find(|check| check["name"] == "tracefs").unwrap();
        assert_eq!(tracefs["verdict"], "bad");
    }

    #[test]
    fn features_that_cannot_be_seen_are_told_by_the_release() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/sys/kernel")).unwrap();
        std::fs::write(tree.path().join("proc/sys/kernel/osrelease"), "6.12.1\n").unwrap();
        let list = |which| {
            let mut text = Vec::new();
            list_features(&Root::new(tree.path()), which, false, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        assert!(list(FeatureFilter::Supported).contains("sysfs/tried_regions"));
        assert!(list(FeatureFilter::Unsupported).contains("sysfs/intervals_goal"));
        assert_eq!(
            list(FeatureFilter::All).lines().count(),
            list(FeatureFilter::Supported).lines().count() + list(FeatureFilter::Unsupported).lines().count()
        );
    }
}
