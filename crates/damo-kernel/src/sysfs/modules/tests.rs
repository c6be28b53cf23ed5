//! Modules on an in-memory kernel.

use super::*;
use crate::Root;
use crate::sysfs::MemorySysfs;
use std::sync::Arc;

const RECLAIM: &str = "sys/module/damon_reclaim/parameters";

fn kernel(enabled: &str) -> (Arc<MemorySysfs>, Sysfs) {
    let fake = Arc::new(MemorySysfs::new((6, 12)));
    let params = [
        ("enabled", enabled),
        ("commit_inputs", "N"),
        ("min_age", "120000000"),
        ("quota_sz", "134217728"),
        ("wmarks_high", "500"),
        ("skip_anon", "N"),
    ];
    fake.put_module("damon_reclaim", &params, &[("kdamond_pid", "-1"), ("nr_quota_exceeds", "3")]);
    let sysfs = Sysfs::new(&Root::with_io(fake.clone()));
    (fake, sysfs)
}

fn changes(words: &[(&str, &str)]) -> Vec<(String, String)> {
    words.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn parameters_are_written_in_the_kernels_units_and_taken_by_a_module_that_is_on() {
    let (fake, sysfs) = kernel("Y");
    let all = [("min_age", "30s"), ("quota_sz", "1 GiB"), ("wmarks_high", "20%"), ("skip_anon", "yes")];
    sysfs.set_module(Module::Reclaim, &changes(&all)).unwrap();
    let files = fake.files();
    let values = ["min_age", "quota_sz", "wmarks_high", "skip_anon"].map(|name| &*files[&format!("{RECLAIM}/{name}")]);
    assert_eq!(values, ["30000000", "1073741824", "200", "Y"]);
    assert_eq!(fake.log().last().unwrap(), &(format!("{RECLAIM}/commit_inputs"), "Y".to_owned()));
    // One that is off takes them when it is switched on.
    let (fake, sysfs) = kernel("N");
    sysfs.set_module(Module::Reclaim, &changes(&[("min_age", "5000")])).unwrap();
    assert_eq!(fake.log(), [(format!("{RECLAIM}/min_age"), "5000".to_owned())]);
}

#[test]
fn a_parameter_that_cannot_be_set_changes_nothing() {
    for (wrong, said) in [
        (("min_ages", "1s"), "there is no such parameter; there are commit_inputs, enabled, min_age"),
        (("nr_quota_exceeds", "0"), "the kernel only shows it"),
        (("quota_sz", "much"), "'much' is not a size"),
        (("min_age", "-5s"), "it must not be negative"),
        (("skip_anon", "2"), "'2' is not yes or no"),
    ] {
        let (fake, sysfs) = kernel("Y");
        let error = sysfs.set_module(Module::Reclaim, &changes(&[("wmarks_high", "1"), wrong])).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(fake.log().is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_value_that_the_kernel_refuses_puts_the_others_back() {
    let (fake, sysfs) = kernel("Y");
    fake.fail_next("quota_sz", libc::EINVAL);
    let error = sysfs.set_module(Module::Reclaim, &changes(&[("min_age", "1s"), ("quota_sz", "1")])).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("/sys/module/damon_reclaim/parameters/quota_sz") && error.contains("out of range"),
        "{error}"
    );
    assert_eq!(fake.files()[&format!("{RECLAIM}/min_age")], "120000000");
    assert!(fake.log().iter().all(|(path, _)| !path.ends_with("commit_inputs")));
}

#[test]
fn a_module_is_switched_on_and_off_and_a_missing_one_is_named_with_its_build_option() {
    let (fake, sysfs) = kernel("N");
    sysfs.enable_module(Module::Reclaim, true).unwrap();
    assert_eq!(sysfs.enabled_modules().len(), 1);
    sysfs.enable_module(Module::Reclaim, false).unwrap();
    assert!(sysfs.enabled_modules().is_empty());
    fake.fail_next("enabled", libc::EBUSY);
    let error = sysfs.enable_module(Module::Reclaim, true).unwrap_err().to_string();
    assert!(error.contains("Another kdamond is on"), "{error}");
    let error = sysfs.enable_module(Module::Stat, true).unwrap_err().to_string();
    assert!(error.contains("damon_stat") && error.contains("CONFIG_DAMON_STAT"), "{error}");
}

#[test]
fn idle_times_are_percentiles_of_bytes_and_negative_while_memory_is_accessed() {
    let (fake, sysfs) = kernel("N");
    let list: Vec<String> = (-20..81).map(|n: i64| (n * 100).to_string()).collect();
    let results = |list: &str| {
        let results = [("memory_idle_ms_percentiles", list), ("estimated_memory_bandwidth", "4096")];
        fake.put_module("damon_stat", &[("enabled", "Y")], &results);
        sysfs.module(Module::Stat).unwrap().idle_times()
    };
    let found = results(&list.join(",")).unwrap().unwrap();
    assert_eq!((found.percentiles[0], found.percentiles[100]), (Nanos::from_secs(-2), Nanos::from_secs(8)));
    assert_eq!((found.bandwidth, found.aggregation), (Some(Bytes(4096)), None));
    // As kernels show it that take the number for one without a sign.
    let unsigned: Vec<String> = (-20..81).map(|n: i64| (n * 100).cast_unsigned().to_string()).collect();
    assert_eq!(results(&unsigned.join(",")).unwrap().unwrap().percentiles, found.percentiles);
    assert!(results("1,2,3").unwrap_err().to_string().contains("101 times"));
    assert_eq!(sysfs.module(Module::Reclaim).unwrap().idle_times().unwrap(), None);
}

#[test]
fn values_are_shown_with_the_units_that_they_have() {
    let shown = [("min_age", "120000000"), ("quota_sz", "134217728"), ("wmarks_high", "500"), ("skip_anon", "N")]
        .map(|(name, value)| ModuleKdamond::in_words(name, value));
    assert_eq!(shown, ["2 min", "128.000 MiB", "50 %", "N"]);
}

#[test]
fn a_module_tells_its_intervals_as_far_as_its_parameters_say() {
    let intervals = |module: &str, params: &[(&str, &str)]| {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let module = ModuleKdamond { module: module.to_owned(), enabled: true, pid: None, params };
        module.intervals().map(|intervals| (intervals.sample.as_micros(), intervals.aggregation.as_micros()))
    };
    assert_eq!(intervals("damon_stat", &[("aggr_interval_us", "2000000")]), Some((100_000, 2_000_000)));
    assert_eq!(intervals("damon_stat", &[("aggr_interval_us", "0")]), None, "it has not looked yet");
    assert_eq!(intervals("damon_stat", &[]), None);
    let set = [("sample_interval", "5000"), ("aggr_interval", "100000")];
    assert_eq!(intervals("damon_reclaim", &set), Some((5000, 100_000)));
    let tuned = [&set[..], &[("autotune_monitoring_intervals", "Y")]].concat();
    assert_eq!(intervals("damon_reclaim", &tuned), None);
}
