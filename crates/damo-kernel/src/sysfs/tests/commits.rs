//! What becomes of a kdamond that runs when it is told of other parameters.

use super::*;

#[test]
fn a_kdamond_that_the_kernel_ends_at_commit_is_started_again_as_it_was() {
    for answer in [None, Some(libc::EINVAL)] {
        let (fake, sysfs) = kernel((6, 12));
        fake.set_alive(&[7, 8]);
        fake.end_at_refused_commits(answer);
        let mut staged = sysfs.stage(&[process(7), process(8)]).expect("fits");
        staged.start().expect("goes on");
        let (before, threads) = (staged.params().expect("readable"), staged.threads());
        let mut wanted = [process(7), process(9)];
        wanted[0].contexts[0].nr_regions.max = 77;
        let error = staged.commit(&wanted).expect_err("9 is dead");
        assert!(matches!(error, Error::Ended { index: KdamondIndex(1), again: Ok(_) }), "{error}");
        let text = error.to_string();
        assert!(text.contains("kdamond 1") && text.contains("`commit`") && text.contains("on again"), "{text}");
        assert_eq!(staged.params().expect("readable"), before);
        let now = staged.threads();
        assert_eq!((now[0], now[1] == threads[1]), (threads[0], false), "only the one that ended is another thread");
        let running: Vec<_> = (0..).map(KdamondIndex).zip(now.iter().copied().map(Some)).collect();
        assert_eq!(sysfs.running().expect("readable"), running);
        // The first has been told to go back.
        let (path, value) = (file(KdamondIndex(0), "state"), "commit".to_owned());
        assert_eq!(fake.log().iter().filter(|write| **write == (path.clone(), value.clone())).count(), 2);
    }
}

#[test]
fn one_that_cannot_go_on_again_after_a_commit_is_said_to_be_off_and_why() {
    let (fake, sysfs) = kernel((6, 12));
    fake.end_at_refused_commits(None);
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    fake.set_alive(&[]);
    let error = staged.commit(&[process(9)]).expect_err("all are dead").to_string();
    for part in ["kdamond 0", "is off now", "process must live", "`damo start`"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(staged.params().expect("readable"), [process(7)]);
    assert!(!staged.is_running().expect("readable"));
}

#[test]
fn a_kdamond_that_ends_at_new_targets_does_not_run_on_as_an_unfollowed_thread() {
    let (fake, sysfs) = kernel((6, 12));
    fake.set_alive(&[7]);
    fake.end_at_refused_commits(None);
    let mut staged = sysfs.stage(&[process(7)]).expect("fits");
    staged.start().expect("goes on");
    staged.set_targets(0, 0, &process(9).contexts[0].targets).expect("the kernel says so");
    assert!(!staged.is_running().expect("readable"));
    assert!(sysfs.running().expect("readable").is_empty());
}

#[test]
fn a_quota_that_is_taken_away_from_a_running_scheme_is_one_that_it_never_reaches() {
    let (fake, sysfs) = kernel((6, 12));
    let with = |size: u64, reset_interval: Nanos| {
        let mut kdamond = everything();
        let scheme = &mut kdamond.contexts[0].schemes[0];
        scheme.quotas = Quotas { size: Bytes(size), reset_interval, ..Quotas::default() };
        [kdamond]
    };
    let never = Quotas::default().reset_interval;
    let file = |name: &str| fake.files()[&format!("{KDAMONDS}/0/contexts/0/schemes/0/quotas/{name}")].clone();
    let mut staged = sysfs.stage(&with(4096, Nanos::from_millis(500))).expect("fits");
    staged.start().expect("goes on");
    // A second commit may come before the kernel has reset the quota.
    for _ in 0..2 {
        staged.commit(&with(0, never)).expect("fits");
        assert_eq!([file("bytes"), file("reset_interval_ms")], [(1u64 << 62).to_string(), "500".to_owned()]);
        assert_eq!(sysfs.kdamonds().expect("read")[0].params.contexts[0].schemes[0].quotas.size, Bytes(0));
    }
    staged.commit(&with(8192, Nanos::from_millis(1000))).expect("fits");
    assert_eq!([file("bytes"), file("reset_interval_ms")], ["8192", "1000"]);
    staged.undo().expect("put back");
    let mut staged = sysfs.stage(&with(0, never)).expect("fits");
    staged.start().expect("goes on");
    staged.commit(&with(0, never)).expect("fits");
    assert_eq!(file("bytes"), "0", "it had none");
    staged.undo().expect("put back");
}
