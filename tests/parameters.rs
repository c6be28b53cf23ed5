//! Parameters of kdamonds and schemes as JSON and YAML: what the Python tool writes is read, what cannot be met is
//! refused, and reports are its reports but for the differences that the docs list.

mod common;

use common::{fails, ok, record_stairs, run, top};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn here() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// A file in `directory`; its name.
fn file(directory: &Path, name: &str, content: &str) -> String {
    std::fs::write(directory.join(name), content).expect("can write");
    name.to_owned()
}

fn written_by_the_python_tool() -> PathBuf {
    top().join("testdata/cases/kdamonds.yaml")
}

/// What `damo args` makes of a file of parameters.
fn understood(directory: &Path, line: &str) -> Value {
    serde_json::from_str(&ok(directory, &format!("args damon {line}"))).expect("JSON")
}

/// Parameters of one kdamond, to be changed.
fn parameters(context: Value) -> String {
    let mut whole = json!({"ops": "paddr", "targets": [{"pid": null, "regions": []}]});
    let (Value::Object(whole), Value::Object(more)) = (&mut whole, context) else { panic!("objects") };
    whole.extend(more);
    json!({"kdamonds": [{"contexts": [whole]}]}).to_string()
}

#[test]
fn yaml_that_the_python_tool_wrote_is_read_as_kdamonds_and_as_a_target() {
    let here = here();
    let path = written_by_the_python_tool();
    for line in [format!("--kdamonds {}", path.display()), path.display().to_string()] {
        let read = understood(here.path(), &line);
        let context = &read["kdamonds"][0]["contexts"][0];
        assert_eq!(read["kdamonds"].as_array().map(Vec::len), Some(2));
        let region = json!({"start": 4_294_967_296_u64, "end": 68_719_476_736_u64});
        assert_eq!(context["targets"][0]["regions"][0], region);
        assert_eq!(context["intervals"]["aggr_us"], "2 s");
        let scheme = &context["schemes"][0];
        assert_eq!((&scheme["action"], &scheme["target_nid"]), (&json!("migrate_cold"), &json!(1)));
        assert_eq!(scheme["access_pattern"]["sz_bytes"]["min"], 4096);
        // 30 s in aggregation intervals of 2 s.
        assert_eq!(scheme["access_pattern"]["age"]["min"], "15 aggr_intervals");
        assert_eq!(scheme["filters"][0]["memcg_path"], "/hmsdk");
        assert_eq!(scheme["filters"][1]["filter_type"], "young");
    }
}

#[test]
fn yaml_and_json_of_the_same_parameters_are_the_same() {
    let here = here();
    let options = "paddr --damos_action pageout --damos_age 5s max --damos_filter reject addr 0x1000 8192 \
                   --damos_quotas 10ms 100M 1s";
    let text = ok(here.path(), &format!("args damon --format yaml {options}"));
    assert!(text.starts_with("kdamonds:\n- contexts:\n  - ops: paddr\n"), "{text}");
    file(here.path(), "k.yaml", &text);
    file(here.path(), "k.json", &ok(here.path(), &format!("args damon {options}")));
    let (yaml, json) = (understood(here.path(), "k.yaml"), understood(here.path(), "k.json"));
    assert_eq!(yaml, json);
    let range = &json["kdamonds"][0]["contexts"][0]["schemes"][0]["filters"][0]["address_range"];
    assert_eq!(*range, json!({"start": 4096, "end": 8192}));
}

#[test]
fn schemes_are_read_from_yaml_also_for_what_if() {
    let here = here();
    record_stairs(here.path());
    file(here.path(), "s.yaml", "- action: pageout\n  access_pattern:\n    age:\n      min: 5 s\n");
    file(here.path(), "s.json", r#"[{"action": "pageout", "access_pattern": {"age": {"min": "5 s"}}}]"#);
    let of = |name: &str| ok(here.path(), &format!("schemes --what-if damon.damo --schemes {name}"));
    assert_eq!(of("s.yaml"), of("s.json"));
    let started = ok(here.path(), "args damon paddr --schemes s.yaml --dry_run");
    assert!(started.contains("pageout > "), "{started}");
}

#[test]
fn what_if_takes_intervals_that_the_record_does_not_tell() {
    let here = here();
    let trace = common::real("trace-text/trace.txt");
    let of = |more: &str| {
        ok(
            here.path(),
            &format!("schemes --what-if {} --damos_action pageout --damos_age 1s max {more}", trace.display()),
        )
    };
    // An age of 1 s is 10 aggregation intervals of 100 ms and 5 of 200 ms, which more regions reach.
    assert_ne!(of("--intervals 5ms 100ms"), of("--intervals 5ms 200ms"));
    ok(here.path(), &format!("schemes suggest {} --goal refault<100% --intervals 5ms 200ms", trace.display()));
    // No such process: nothing can begin, whatever becomes of the option.
    let said = fails(here.path(), "schemes --damos_action stat --intervals 5ms 100ms 999999999", 2);
    assert!(said.contains("--what-if RECORD"), "{said}");
}

#[test]
fn schemes_are_numbered_from_0_in_errors_and_in_output() {
    let here = here();
    record_stairs(here.path());
    file(here.path(), "two.json", r#"[{"action": "pageout"}, {"action": "cold"}]"#);
    let said = ok(here.path(), "schemes --what-if damon.damo --schemes two.json");
    assert!(said.contains("\nscheme 0: pageout") && said.contains("\nscheme 1: cold"), "{said}");
    assert!(!said.contains("scheme 2"), "{said}");
    file(here.path(), "bad.json", r#"[{"action": "pageout"}, {"action": "cold", "quotas": {"time_ms": "soon"}}]"#);
    let said = fails(here.path(), "schemes --what-if damon.damo --schemes bad.json", 2);
    assert!(said.contains("scheme 1: quotas.time_ms"), "{said}");
}

#[test]
fn what_the_python_tool_3_4_3_writes_for_nothing_is_read_as_nothing() {
    let here = here();
    let context = json!({"probes": [], "ops_attrs": null, "pause": false,
        "sample_control": {"primitives_enabled": {"page_table": true, "page_fault": false}, "sample_filters": []},
        "name": "0", "comments": "first",
        "schemes": [{"name": "0", "comments": null, "action": "stat", "filters": [
            {"name": "0", "comments": "x", "filter_type": "memcg", "matching": true, "allow": false,
             "memcg_path": "a/b", "address_range": null, "damon_target_idx": null, "hugepage_size": null,
             "probe_hits_wsum_range": null, "complement": null},
            {"filter_type": "young", "memcg_path": "", "probe_hits_wsum_range": [], "complement": false}]}]});
    file(here.path(), "k.json", &parameters(context));
    let read = understood(here.path(), "k.json");
    let filters = &read["kdamonds"][0]["contexts"][0]["schemes"][0]["filters"];
    assert_eq!(filters[0]["memcg_path"], "/a/b");
    assert_eq!(filters.as_array().map(Vec::len), Some(2));
}

#[test]
fn a_wish_that_cannot_be_met_is_refused_with_its_place() {
    let here = here();
    let filter = |more: Value| {
        let mut filter = json!({"filter_type": "anon", "matching": true, "allow": false});
        filter.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        json!({"schemes": [{"action": "stat", "filters": [filter]}]})
    };
    for (context, said) in [
        (
            json!({"probes": [{"filters": [{"filter_type": "young"}]}]}),
            "probes[0].filters[0]: `young` is no filter of a probe",
        ),
        (json!({"probes": [{"preps": [{"action": "x"}]}]}), "contexts[0].probes[0].preps: preparations of probes"),
        (json!({"sample_control": {"primitives_enabled": {"page_table": true, "page_fault": true}}}), "sample_control"),
        (json!({"sample_control": {"primitives_enabled": {"page_table": false}}}), "primitives_enabled: samples"),
        (json!({"sample_control": {"sample_filters": [{"filter_type": "cpumask"}]}}), "sample_control.sample_filters"),
        (json!({"sample_control": {"fliters": []}}), "unknown key `fliters`"),
        (json!({"ops_attrs": {"write_only": true}}), "contexts[0].ops_attrs"),
        (json!({"intervalls": {}}), "unknown key `intervalls`; did you mean `intervals`?"),
        (json!({"nr_regions": {"min": 10, "max": 20, "mean": 1}}), "nr_regions: unknown key `mean`"),
        (filter(json!({"probe_hits_wsum_range": [1, 5]})), "filters[0].probe_hits_wsum_range"),
        (filter(json!({"complement": true})), "filters[0].complement: is not supported"),
        (filter(json!({"machting": true})), "filters[0]: unknown key `machting`; did you mean `matching`?"),
        (json!({"schemes": [{"acton": "stat"}]}), "schemes[0]: unknown key `acton`; did you mean `action`?"),
    ] {
        let name = file(here.path(), "k.json", &parameters(context));
        let error = fails(here.path(), &format!("args damon {name}"), 2);
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn hostile_yaml_is_refused_with_a_sentence_and_little_memory() {
    let here = here();
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    (1..20).for_each(|level| {
        let names = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{names}]\n"));
    });
    for (name, content, said) in [
        ("bomb.yaml", bomb, "with its aliases written out"),
        ("deep.yaml", "- ".repeat(100_000), "nested deeper"),
        ("twice.yaml", "kdamonds: []\nkdamonds: []\n".to_owned(), "line 2: the key `kdamonds` is there twice"),
        ("tag.yaml", "kdamonds: !!python/object:os.system [x]\n".to_owned(), "means nothing here"),
        ("record.data", "\u{1}\u{2}PERFILE2".to_owned(), "record.data: neither an object nor a list"),
    ] {
        file(here.path(), name, &content);
        let error = fails(here.path(), &format!("args damon --kdamonds {name}"), 2);
        assert!(error.contains(said) && error.lines().count() <= 2, "{name}: {error}");
    }
}

#[test]
fn an_address_filter_takes_hexadecimal_and_decimal_and_refusals_show_hexadecimal() {
    let here = here();
    let of = |range: &str| {
        understood(
            here.path(),
            &format!("--damos_action stat --damos_filter reject addr {range} -r 0x0-0x100000000 paddr"),
        )
    };
    assert_eq!(of("0x1000 0x40000000"), of("4096 1073741824"));
    let context =
        json!({"targets": [{"pid": null, "regions": [{"start": 8192, "end": 12288}, {"start": 4096, "end": 8192}]}]});
    file(here.path(), "k.json", &parameters(context));
    let error = fails(here.path(), "args damon k.json --dry_run", 2);
    assert!(error.contains("0x1000-0x2000"), "{error}");
}

/// The Python tool as a program of its own, if this machine has it: `$PYTHON_DAMO`, else `../shared/bin/python-damo`.
fn python_tool() -> Option<PathBuf> {
    let path = std::env::var_os("PYTHON_DAMO").map_or_else(|| top().join("../shared/bin/python-damo"), PathBuf::from);
    let works = Command::new(&path).arg("version").output().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("note: no Python tool at {}: skipped", path.display());
    }
    works.then_some(path)
}

/// The comparison of text reports, with the Python tool at `python`: its exit code and what it printed.
/// The main reports only: all of them, which the script compares without `--main`, take minutes.
fn compare(python: &Path, docs: &Path, records: &[&Path]) -> (Option<i32>, String) {
    let output = Command::new(top().join("scripts/compare_python.py"))
        .args(["--main", "--ours", env!("CARGO_BIN_EXE_damo"), "--python"])
        .arg(python)
        .arg("--docs")
        .arg(docs)
        .args(records)
        .output()
        .expect("python3 starts");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.code(), said)
}

#[test]
fn main_reports_of_all_recordings_are_the_python_tools_but_for_what_the_docs_list() {
    let (Some(python), Some(data)) = (python_tool(), common::large_real_data()) else { return };
    let (code, said) =
        compare(&python, &top().join("docs/differences.md"), &[&data, &top().join("testdata/golden/python")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 unexplained"), "{said}");
}

#[test]
fn a_difference_that_is_not_listed_or_no_longer_there_fails_the_comparison() {
    let here = here();
    let python = here.path().join("python-tool");
    // It reports nothing but `wss`, wrongly.
    std::fs::write(&python, "#!/bin/sh\n[ \"$2\" = wss ] && echo 'target_id: 99' || exit 1\n").expect("can write");
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).expect("can change");
    let record = common::real("stairs/damon.data");
    let table = |row: &str| {
        let text = format!("## Differences by recording\n\n| Recording | Report | Why |\n|---|---|---|\n{row}\n");
        here.path().join(file(here.path(), "docs.md", &text))
    };
    let (code, said) = compare(&python, &table(""), &[&record]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("damon.data: report wss: ") && said.contains("target_id: 99"), "{said}");
    let (code, said) = compare(&python, &table("| `*` | `wss*` | all of it |"), &[&record]);
    assert_eq!(code, Some(0), "{said}");
    let rows = "| `*` | `wss*` | all of it |\n| `*` | `times*` | nothing |";
    let (code, said) = compare(&python, &table(rows), &[&record]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("`times*`: no longer differs"), "{said}");
}

#[test]
fn the_python_tool_reads_the_parameters_that_are_printed() {
    let Some(python) = python_tool() else { return };
    let here = here();
    let options = "--damos_action pageout --damos_access_rate 0% 0% --damos_age 5s max --damos_quotas 10ms 100M 1s \
                   --damos_filter reject addr 4096 8192 --damos_filter allow none memcg /a -r 0x1000-0x100000000 paddr";
    file(here.path(), "ours.json", &ok(here.path(), &format!("args damon {options}")));
    let output = Command::new(&python).args(["args", "damon", "ours.json"]).current_dir(here.path()).output();
    let output = output.expect("the Python tool starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let theirs: Value = serde_json::from_str(&text[..=text.rfind('}').unwrap_or(0)]).expect("JSON of the Python tool");
    file(here.path(), "theirs.json", &theirs.to_string());
    let (ours, theirs) = (understood(here.path(), "ours.json"), understood(here.path(), "theirs.json"));
    let scheme = |of: &Value| of["kdamonds"][0]["contexts"][0]["schemes"][0].clone();
    for key in ["access_pattern", "filters", "action"] {
        assert_eq!(scheme(&ours)[key], scheme(&theirs)[key], "{key}");
    }
    let targets = |of: &Value| of["kdamonds"][0]["contexts"][0]["targets"].clone();
    assert_eq!(targets(&ours), targets(&theirs));
    assert!(run(here.path(), "args damon theirs.json").status.success());
}
