use super::*;
use crate::Report;
use damo_model::human::Style;
use damo_model::kdamond::{Context, Kdamond};
use damo_model::scheme::Scheme;
use damo_model::{Item, Meta, Ops, Params, SchemeProgress, Side, Stamp};

const MIB: u64 = 1 << 20;

fn at(ms: i64) -> Stamp {
    Stamp::Record(Nanos::from_millis(ms))
}

fn told(ms: i64, sz_applied: u64, qt_exceeds: u64) -> Item {
    let counts = SchemeCounts {
        nr_tried: sz_applied / MIB,
        sz_tried: Bytes(2 * sz_applied),
        nr_applied: 1,
        sz_applied: Bytes(sz_applied),
        qt_exceeds,
        ..SchemeCounts::default()
    };
    let kdamond = Some(KdamondIndex(0));
    let (context, scheme, effective_quota) = (0, 0, Some(Bytes(4 * MIB)));
    let counts = Some(counts);
    Item::Side(Side::Scheme(SchemeProgress { at: at(ms), kdamond, context, scheme, effective_quota, counts }))
}

fn params(action: Action, quotas: Quotas) -> Item {
    let mut context = Context::new(Ops::Vaddr);
    context.schemes =
        vec![Scheme { quotas, target_nid: matches!(action, Action::MigrateCold).then_some(0), ..Scheme::new(action) }];
    let json = Kdamond { refresh: None, contexts: vec![context] }.to_json().to_string();
    Item::Side(Side::Params(Params {
        at: at(0),
        kdamond: Some(KdamondIndex(0)),
        context: Some(0),
        ops: None,
        intervals: None,
        intervals_goal: None,
        nr_regions: None,
        json,
    }))
}

fn report(items: impl IntoIterator<Item = Item>, options: &SchemesOptions) -> Result<SchemesReport, ReportError> {
    let items: Vec<Item> = std::iter::once(Item::Meta(Meta::default())).chain(items).collect();
    schemes(&[Record::from_items(&items).unwrap()], options)
}

fn limited() -> Quotas {
    Quotas { size: Bytes(4 * MIB), reset_interval: Nanos::from_secs(1), ..Quotas::default() }
}

#[test]
fn counters_become_what_was_done_in_each_interval() {
    let items = [
        params(Action::MigrateCold, limited()),
        told(0, 100 * MIB, 7),
        told(500, 102 * MIB, 7),
        told(1000, 104 * MIB, 8),
        told(2500, 108 * MIB, 9),
        // The scheme began anew.
        told(3500, MIB, 0),
        told(4000, 2 * MIB, 1),
    ];
    let found = report(items, &SchemesOptions::default()).unwrap();
    let [series] = &found.series[..] else { panic!("one scheme") };
    let applied: Vec<u64> = series.intervals.iter().map(|of| of.counts.unwrap().sz_applied.0 / MIB).collect();
    assert_eq!(applied, [2, 2, 4, 2]);
    let exceeded: Vec<u64> = series.intervals.iter().map(|of| of.counts.unwrap().qt_exceeds).collect();
    assert_eq!(exceeded, [0, 1, 1, 1]);
    assert_eq!(series.control(), QuotaControl::UsedUp { exceeded: 3, of: 4 });
    let mut text = Vec::new();
    found.write_text(&mut text, &Style::Human).unwrap();
    let text = String::from_utf8(text).unwrap();
    for line in [
        "scheme 0 (migrate_cold)\nquota: 4.000 MiB each 1 s\nis the quota in control? at times: it was used up in 3 of 4",
        "from  tried regions       tried   migrated  quota in effect  exceeded",
        "2 s              4   8.000 MiB  4.000 MiB        4.000 MiB         1",
        "all             10  20.000 MiB  10.000 MiB                -         3",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&text).contains(&squeezed(line)), "{line}\nin\n{text}");
    }
}

#[test]
fn the_answer_on_the_quota_has_its_reason() {
    let answer = |action: Item, exceeded: u64| {
        let items = [action, told(0, 0, 0), told(10_000, MIB, exceeded)];
        report(items, &SchemesOptions::default()).unwrap().series[0].control().sentence()
    };
    assert!(answer(params(Action::Pageout, limited()), 10).starts_with("yes: it was used up in 10 of 10"));
    assert!(answer(params(Action::Pageout, limited()), 2).starts_with("at times"));
    assert!(answer(params(Action::Pageout, limited()), 0).starts_with("no: it was never used up"));
    // Without a quota the kernel tells none in effect.
    let nothing_in_effect = |item: Item| match item {
        Item::Side(Side::Scheme(progress)) => {
            Item::Side(Side::Scheme(SchemeProgress { effective_quota: None, ..progress }))
        }
        item => item,
    };
    let items = [params(Action::Pageout, Quotas::default()), told(0, 0, 0), told(1000, MIB, 0)].map(nothing_in_effect);
    let found = report(items, &SchemesOptions::default()).unwrap();
    assert_eq!(found.series[0].control(), QuotaControl::NoQuota);
}

#[test]
fn a_part_begins_with_what_was_counted_before_it() {
    let items = || [told(0, 0, 0), told(1000, MIB, 0), told(2000, 3 * MIB, 0), told(3000, 7 * MIB, 0)];
    let range = |from, to| TimeRange {
        start: Nanos::from_millis(from),
        end: Nanos::from_millis(to),
        base: crate::range::TimeBase::Began,
    };
    let options = |interval, time| SchemesOptions { interval, time: Some(time) };
    let found = report(items(), &options(Some(Nanos::from_millis(500)), range(1500, 3000))).unwrap();
    let applied: Vec<u64> = found.series[0].intervals.iter().map(|of| of.counts.unwrap().sz_applied.0 / MIB).collect();
    assert_eq!(applied, [0, 2, 4]);
    let said = report(items(), &options(None, range(5000, 6000))).unwrap_err().to_string();
    assert!(said.contains("from 0 ns to 3 s"), "{said}");
    let said = report(items(), &options(Some(Nanos(1)), range(0, 3000))).unwrap_err().to_string();
    assert!(said.contains("a longer one"), "{said}");
    let said = report([], &SchemesOptions::default()).unwrap_err().to_string();
    assert!(said.contains("no figures of schemes"), "{said}");
}
