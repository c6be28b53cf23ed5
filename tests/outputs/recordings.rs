//! Recordings: the earlier record is there until the new one takes its place, and what is left of one that is stopped
//! can be read.

use super::{Random, directory, names, record, said, shell};
use crate::common::{damo, fails, ok, run, top};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_recording_does_not_write_over_the_workload_or_schemes_that_it_reads() {
    let here = directory();
    fs::copy(top().join("testdata/masim/stairs.cfg"), here.path().join("load.cfg")).expect("copy");
    let scheme = r#"[{"action": "stat", "access_pattern": {}}]"#;
    fs::write(here.path().join("schemes.json"), scheme).expect("write");
    for output in ["load.cfg", "schemes.json"] {
        let before = fs::read(here.path().join(output)).expect("a file");
        let line =
            format!("record --quiet --simulate load.cfg --schemes schemes.json --timeout 5s --force -o {output}");
        let said = fails(here.path(), &line, 2);
        assert!(said.contains("what is read here"), "{said}");
        assert!(fs::read(here.path().join(output)).expect("a file") == before);
    }
}

#[test]
fn a_recording_killed_at_any_moment_leaves_the_earlier_record_and_readable_files() {
    let here = directory();
    let words = ["record", "--quiet", "--simulate", "stairs", "-o", "a.damo"];
    let begun = Instant::now();
    ok(here.path(), &words.join(" "));
    let took = u64::try_from(begun.elapsed().as_micros()).expect("a short time");
    // An earlier record that differs from what is recorded, so that the two cannot be mistaken for each other.
    ok(here.path(), "record --quiet --simulate zigzag --timeout 5s -o earlier.damo");
    let earlier = fs::read(here.path().join("earlier.damo")).expect("a record");
    let mut random = Random(13);
    for round in 0..8 {
        for signal in ["KILL", "TERM", "INT"] {
            let dir = directory();
            let kept = |name: &str| fs::read(dir.path().join(name)).is_ok_and(|found| found == earlier);
            fs::write(dir.path().join("a.damo"), &earlier).expect("write");
            let mut child = damo(dir.path()).args(words).stderr(Stdio::null()).spawn().expect("damo starts");
            std::thread::sleep(Duration::from_micros(random.below(took)));
            let pid = child.id().to_string();
            Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill");
            child.wait().expect("it ends");
            let left = names(dir.path());
            assert!(kept("a.damo") || kept("a.damo.old"), "{round} {signal}: {left:?}");
            for name in left {
                if signal == "KILL" && name.starts_with(".a.damo.part.") {
                    continue; // The next recording removes it, as is seen below.
                }
                assert!(["a.damo", "a.damo.old", "a.damo.part"].contains(&&*name), "{round} {signal}: {name}");
                let is_empty = fs::metadata(dir.path().join(&name)).expect("there").len() == 0;
                let code = run(dir.path(), &format!("info {name}")).status.code();
                // A file that was only just created has nothing in it yet.
                assert!(matches!(code, Some(0 | 3)) || is_empty && name.ends_with(".part"), "{round} {signal}: {name}");
            }
            ok(dir.path(), "record --quiet --simulate stairs --timeout 5s -o a.damo");
            let left = names(dir.path());
            assert!(left.iter().all(|name| !name.starts_with('.')), "{round} {signal}: {left:?}");
        }
    }
}

#[test]
fn a_recording_that_fails_leaves_the_record_that_was_there_and_its_old_one() {
    let here = directory();
    for timeout in [5, 10] {
        ok(here.path(), &format!("record --quiet --simulate stairs --timeout {timeout}s"));
    }
    let read = |name: &str| fs::read(here.path().join(name)).expect("a record");
    let before = (read("damon.damo"), read("damon.damo.old"));
    assert!(before.0 != before.1);
    fs::write(here.path().join("huge.cfg"), "a, 900000000000000\n\np\n1000\na, 1, 64, 1\n").expect("write");
    fs::write(here.path().join("bad.cfg"), "a, 10x\n\np\n1000\na, 1, 64, 1\n").expect("write");
    let files = names(here.path());
    for config in ["huge.cfg", "huge.cfg", "bad.cfg", "nowhere.cfg"] {
        fails(here.path(), &format!("record --quiet --simulate {config}"), 2);
        assert!((read("damon.damo"), read("damon.damo.old")) == before, "{config}");
        assert_eq!(names(here.path()), files, "{config}");
    }
}

#[test]
fn a_record_without_snapshots_does_not_take_the_place_of_one_with_some() {
    let here = directory();
    ok(here.path(), "record --quiet --simulate stairs --timeout 5s");
    let before = fs::read(here.path().join("damon.damo")).expect("a record");
    let said = fails(here.path(), "record --quiet --simulate stairs --timeout 1ms", 2);
    assert!(said.contains("no snapshot") && said.contains("damon.damo"), "{said}");
    assert!(fs::read(here.path().join("damon.damo")).expect("a record") == before);
    assert_eq!(names(here.path()), ["damon.damo"]);
    // Where nothing is lost it is what was asked for, and gives way to a real one without becoming .old.
    ok(here.path(), "record --quiet --simulate stairs --timeout 1ms -o b.damo");
    ok(here.path(), "record --quiet --simulate stairs --timeout 5s -o b.damo");
    assert_eq!(names(here.path()), ["b.damo", "damon.damo"]);
}

#[test]
fn a_limit_hit_at_any_moment_of_a_recording_is_told_with_the_name_of_what_is_left() {
    let here = directory();
    ok(here.path(), "record --quiet --simulate stairs --timeout 20s -o whole.damo");
    let blocks = fs::metadata(here.path().join("whole.damo")).expect("a record").len().div_ceil(512);
    // The last ones hit the index and the end mark.
    for limit in (1..blocks).rev().take(4).chain([1, 3]) {
        let dir = directory();
        let script = format!("ulimit -f {limit}; \"$damo\" record --quiet --simulate stairs --timeout 20s -o a.damo");
        let out = shell(dir.path(), &script);
        let said = said(&out);
        assert_eq!(out.status.code(), Some(2), "{limit}: {said}");
        let left = names(dir.path());
        assert!(said.contains("File too large") && said.contains("stays readable"), "{limit}: {said}");
        assert_eq!(left, ["a.damo"], "{limit}: {said}");
        assert!(said.contains("a.damo: "), "{limit}: {said}");
        let code = run(dir.path(), "info a.damo").status.code();
        assert!(matches!(code, Some(0 | 3)), "{limit}: {code:?}");
    }
}

#[test]
fn converting_an_unfinished_record_says_what_is_missing() {
    let here = directory();
    record(here.path());
    let whole = fs::read(here.path().join("damon.damo")).expect("a record");
    fs::write(here.path().join("damon.damo.part"), &whole[..whole.len() - 40]).expect("write");
    fs::remove_file(here.path().join("damon.damo")).expect("ours");
    let said = fails(here.path(), "convert damon.damo.part new.damo", 3);
    assert!(said.contains("damon.damo.part: the record has no end") && said.contains("cut short"), "{said}");
    // Repaired to its own name it is a record again.
    ok(here.path(), "convert new.damo again.damo");
    let said = run(here.path(), "repair damon.damo.part damon.damo");
    assert!(matches!(said.status.code(), Some(0 | 3)), "{said:?}");
    assert_eq!(ok(here.path(), "report raw damon.damo"), ok(here.path(), "report raw new.damo"));
}
