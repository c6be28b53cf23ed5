//! What newer kernels have, and what is not known of them.

use super::*;

#[test]
fn an_operations_set_of_a_newer_kernel_is_read_and_tuned_as_it_is() {
    let (fake, sysfs) = kernel((6, 12));
    let mut staged = sysfs.stage(&[physical()]).unwrap();
    let context = format!("{KDAMONDS}/0/contexts/0");
    fake.kernel_writes(&format!("{context}/avail_operations"), "vaddr paddr iomem");
    fake.kernel_writes(&format!("{context}/operations"), "iomem");
    let mut params = staged.params().unwrap();
    assert_eq!(params[0].contexts[0].ops.to_string(), "iomem");
    sysfs.root.io().write(&format!("{KDAMONDS}/0/state"), "on").unwrap();
    staged.keep();
    staged = sysfs.adopt(&[KdamondIndex(0)]).unwrap();
    params[0].contexts[0].nr_regions.max = 2000;
    params[0].contexts[0].targets.clear();
    staged.commit(&params).unwrap();
    assert_eq!(fake.files()[&format!("{context}/operations")], "iomem");
    assert_eq!(sysfs.kdamond(KdamondIndex(0)).unwrap().params, params[0]);
}

#[test]
fn a_probe_that_was_left_is_reset_by_those_who_want_none_and_comes_back_afterwards() {
    let (fake, sysfs) = kernel((7, 3));
    let mut with = physical();
    let anon = SchemeFilter { kind: FilterKind::Anon, matching: true, allow: true };
    with.contexts[0].probes.push(Probe { filters: vec![anon], weight: 1 });
    sysfs.stage(&[with]).unwrap().keep();
    let before = settings(&fake);
    let probes = format!("{KDAMONDS}/0/contexts/0/monitoring_attrs/probes");
    let staged = sysfs.stage(&[physical()]).unwrap();
    assert_eq!(fake.files()[&format!("{probes}/nr_probes")], "0");
    staged.undo().unwrap();
    assert_eq!(settings(&fake), before);
    assert_eq!(fake.files()[&format!("{probes}/0/weight")], "1");
}

#[test]
fn targets_that_are_obsolete_are_in_no_file_any_more_once_the_kernel_has_removed_them() {
    let (fake, sysfs) = kernel((6, 19));
    let mut kdamond = process(1);
    let target = |pid| ContextTarget { pid: Some(pid), ..ContextTarget::default() };
    kdamond.contexts[0].targets = vec![target(1), target(2), target(3)];
    let mut staged = sysfs.stage(std::slice::from_ref(&kdamond)).unwrap();
    staged.start().unwrap();
    assert!(staged.can_remove_targets(0, 0));
    kdamond.contexts[0].targets[1].obsolete = true;
    let first = fake.log().len();
    staged.commit(&[kdamond]).unwrap();
    let log = fake.log();
    let place =
        |end: &str, word: &str| log[first..].iter().position(|(path, value)| path.ends_with(end) && value == word);
    assert!(place("targets/1/obsolete_target", "Y") < place("state", "commit"));
    assert!(place("state", "commit") < place("nr_targets", "2"));
    let left = staged.params().unwrap().remove(0).contexts.remove(0).targets;
    assert_eq!(left, [target(1), target(3)]);
    assert!(!sysfs_of((6, 18)).can_remove_targets(0, 0));
}

#[test]
fn a_feature_that_this_kernel_lacks_is_named_with_the_release_that_brought_it() {
    let (fake, sysfs) = kernel((6, 12));
    let before = fake.files();
    let mut kdamond = process(1);
    let (min_sample, max_sample) = (Nanos::from_millis(5), Nanos::from_secs(10));
    kdamond.contexts[0].intervals_goal =
        Some(IntervalsGoal { access_bp: 400, aggregations: 3, min_sample, max_sample });
    let error = sysfs.stage(&[kdamond]).expect_err("6.12 cannot").to_string();
    assert!(error.contains("intervals/intervals_goal") && error.contains("Linux 6.15"), "{error}");
    assert_eq!(fake.files(), before);
}

#[test]
fn a_dry_run_takes_the_operations_sets_that_the_kernel_lists_a_line_each() {
    let (fake, sysfs) = kernel((6, 12));
    fake.put("proc/sys/kernel/osrelease", "6.12.1");
    sysfs.stage(&[process(1)]).expect("fits").keep();
    sysfs.dry_run(&[process(1)]).expect("vaddr is the first of three");
}
