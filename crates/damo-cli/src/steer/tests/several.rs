//! Several kdamonds on one command line, and what newer kernels take.

use super::*;

/// A kernel of that release with two nodes of memory.
fn two_nodes(release: (u32, u32)) -> (TempDir, Arc<MemorySysfs>, Machine) {
    let notes = tempfile::tempdir().unwrap();
    let fake = Arc::new(MemorySysfs::new(release));
    fake.put("proc/iomem", "00001000-0009ffff : System RAM\n00100000-7fffffff : System RAM\n");
    fake.put("sys/devices/system/memory/block_size_bytes", "8000000");
    for (node, block) in [(0, 1), (1, 2)] {
        fake.put(&format!("sys/devices/system/node/node{node}/memory{block}/phys_index"), &block.to_string());
        fake.put(&format!("sys/devices/system/memory/memory{block}/phys_index"), &block.to_string());
    }
    let place = Machine::new(Root::with_io(fake.clone()), NoteStore::new(notes.path()));
    (notes, fake, place)
}

const TWO_TIERS: &str = "--kdamond --damon_ctx --ops paddr --monitoring_intervals_goal 4% 3 5ms 10s \
    --damon_target --numa_node 0 --damos_scheme --damos_action migrate_cold 1 --damos_access_rate 0% 0% \
    --damos_apply_interval 1s --damos_quota_interval 1s --damos_quota_space 200MB \
    --damos_quota_goal node_mem_free_bp 0.5% 0 --damos_filter reject young \
    --kdamond --damon_ctx --ops paddr --monitoring_intervals_goal 4% 3 5ms 10s \
    --damon_target --numa_node 1 --damos_scheme --damos_action migrate_hot 0 --damos_access_rate 5% max \
    --damos_apply_interval 1s --damos_quota_interval 1s --damos_quota_space 200MB \
    --damos_quota_goal node_mem_used_bp 99.7% 0 --damos_filter allow young";

#[test]
fn two_tiers_of_memory_are_two_kdamonds_on_one_command_line() {
    let (_notes, fake, place) = two_nodes((6, 16));
    let words: Vec<&str> = TWO_TIERS.split_whitespace().collect();
    start(&place, &words).unwrap();
    let files = fake.files();
    let of = |kdamond: usize, file: &str| {
        files[&format!("{CONTEXT}/{file}").replace("/0/contexts", &format!("/{kdamond}/contexts"))].clone()
    };
    for (kdamond, action, nid, start, metric, node) in [
        (0, "migrate_cold", "1", 0x0800_0000u64, "node_mem_free_bp", "0"),
        (1, "migrate_hot", "0", 0x1000_0000, "node_mem_used_bp", "0"),
    ] {
        assert_eq!(of(kdamond, "operations"), "paddr");
        assert_eq!(of(kdamond, "monitoring_attrs/intervals/intervals_goal/access_bp"), "400");
        assert_eq!(of(kdamond, "targets/0/regions/0/start"), start.to_string());
        assert_eq!((of(kdamond, "schemes/nr_schemes"), of(kdamond, "schemes/0/action")), ("1".into(), action.into()));
        assert_eq!(of(kdamond, "schemes/0/target_nid"), nid);
        assert_eq!(of(kdamond, "schemes/0/quotas/goals/0/target_metric"), metric);
        assert_eq!(of(kdamond, "schemes/0/quotas/goals/0/nid"), node);
        assert_eq!(of(kdamond, "schemes/0/ops_filters/0/type"), "young");
        assert_eq!(of(kdamond, "schemes/0/apply_interval_us"), "1000000");
    }
    // As it was typed before there were markers.
    let mut counted = TWO_TIERS.to_owned();
    for marker in ["--kdamond", "--damon_ctx", "--damon_target", "--damos_scheme"] {
        counted = counted.replace(&format!("{marker} "), "");
    }
    let counted =
        counted + " --damos_nr_quota_goals 1 1 --damos_nr_filters 1 1 --nr_targets 1 1 --nr_schemes 1 1 --nr_ctxs 1 1";
    let writes = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        print(&place, &[&["--dry_run"][..], &words].concat()).unwrap()
    };
    assert_eq!(writes(&counted), writes(TWO_TIERS));
    // The same, printed, is read again; and tuned with another quota all else stays.
    let printed = print(&place, &[&["damon"][..], &words].concat()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(json["kdamonds"][1]["contexts"][0]["schemes"][0]["access_pattern"]["nr_accesses"]["min"], "5 %");
    let again = print(&place, &["--kdamonds", &printed, "--dry_run"]).unwrap();
    assert_eq!(again, print(&place, &[&["--dry_run"][..], &words].concat()).unwrap());
    let other = TWO_TIERS.replace("200MB", "100MB");
    tune_on(&place, &parse::<TuneArgs>(&other.split_whitespace().collect::<Vec<_>>())).unwrap();
    let after = fake.files();
    let changed: Vec<&str> =
        after.iter().filter(|(path, value)| files.get(*path) != Some(value)).map(|(path, _)| &path[34..]).collect();
    assert_eq!(changed, ["/0/contexts/0/schemes/0/quotas/bytes", "/1/contexts/0/schemes/0/quotas/bytes"]);
}

#[test]
fn markers_begin_targets_and_schemes_of_one_kdamond_too() {
    let (_notes, _, place) = place();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let json = |line: &str| -> serde_json::Value {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        serde_json::from_str(&print(&place, &words).unwrap()).unwrap()
    };
    let typed = json(
        "--ops paddr -s 1ms --damon_target -r 1-2 --damon_target -r 3-4 --damos_scheme --damos_filter reject anon \
         --damos_filter allow young --damos_action stat --damos_scheme --damos_action pageout --damos_sz_region 4K max",
    );
    let context = &typed["kdamonds"][0]["contexts"][0];
    assert_eq!(context["targets"][1]["regions"][0]["start"], 3);
    assert_eq!(context["intervals"]["sample_us"], "1 ms");
    assert_eq!(context["schemes"][0]["filters"].as_array().unwrap().len(), 2);
    assert_eq!(context["schemes"][1]["access_pattern"]["sz_bytes"]["min"], 4096);
    let two = json("--kdamond paddr -s 1ms --kdamond paddr -s 2ms");
    assert_eq!(two["kdamonds"][1]["contexts"][0]["intervals"]["sample_us"], "2 ms");
    for (line, said) in [
        ("--damon_ctx paddr --damon_ctx paddr", "one context per kdamond"),
        ("--kdamond paddr -s 1ms -s 2ms", "cannot be used multiple times"),
        ("--kdamond paddr --kdamonds x.json", "--kdamonds has whole kdamonds"),
    ] {
        let matches = PrintArgs::augment_args(Command::new("test").no_binary_name(true));
        let matches = matches.try_get_matches_from(words(line)).unwrap();
        let error = PrintArgs::from_arg_matches(&matches).unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains("Usage"), "{error}");
    }
    let error = print(&place, &["paddr", "--damos_scheme"]).unwrap_err().to_string();
    assert!(error.contains("--damos_scheme belongs to a scheme: give its --damos_action"), "{error}");
}

#[test]
fn what_newer_kernels_take_is_set_by_options_and_refused_by_older_ones() {
    let (_notes, fake, place) = two_nodes((7, 3));
    let line = "--damon_addr_unit 4096 --refresh_stat 500 --probe --probe_filter allow anon --probe_weight 3 \
                --probe --probe_filter reject non memcg /a paddr";
    start(&place, &line.split_whitespace().collect::<Vec<_>>()).unwrap_err();
    let line = line.replace(" paddr", " --ops paddr");
    let words: Vec<&str> = line.split_whitespace().collect();
    start(&place, &words).unwrap();
    let file = |name: &str| fake.files()[&format!("{CONTEXT}/{name}")].clone();
    assert_eq!((file("addr_unit"), file("targets/0/regions/1/start")), ("4096".into(), "256".into()));
    assert_eq!(fake.files()[&format!("{CONTEXT}/refresh_ms").replace("/contexts/0", "")], "500");
    assert_eq!(
        (file("monitoring_attrs/probes/nr_probes"), file("monitoring_attrs/probes/0/weight")),
        ("2".into(), "3".into())
    );
    let filter = |name: &str| file(&format!("monitoring_attrs/probes/1/filters/0/{name}"));
    assert_eq!(
        (filter("type"), filter("path"), filter("matching"), filter("allow")),
        ("memcg".into(), "/a".into(), "N".into(), "N".into())
    );
    for (option, paused) in [(&["--pause_ctx", "0"][..], "Y"), (&["--pause_ctx"], "N")] {
        tune_on(&place, &parse::<TuneArgs>(option)).unwrap();
        assert_eq!(file("pause"), paused);
    }
    let error = tune_on(&place, &parse::<TuneArgs>(&["--obsolete_targets", "1"])).unwrap_err().to_string();
    assert!(error.contains("there is no target 1; there are 1"), "{error}");
    assert_eq!(file("monitoring_attrs/probes/nr_probes"), "2", "what is not named stays");
    let (_notes, old, place) = self::place();
    let before = old.files();
    for words in
        [&["--probe", "--probe_filter", "allow", "anon"][..], &["--pause_ctx", "0"], &["--damon_addr_unit", "4K"]]
    {
        let error = start(&place, words).unwrap_err().to_string();
        assert!(error.contains("since") || error.contains("6.18") || error.contains("7."), "{error}");
    }
    assert_eq!(old.files(), before);
}
