//! What the kernel tells of our own kdamonds in files only: figures of schemes (before 7.0), and the intervals that its tuning
//! chose (before 6.17). It brings the files up to date when it is asked, which takes it an aggregation or two: so it is asked on
//! a thread of its own, about once a second. The kdamonds of others are never written to, so that all of this comes from
//! events alone there.

use super::events::Events;
use damo_kernel::procfs::now;
use damo_kernel::sysfs::Sysfs;
use damo_model::kdamond::Kdamond;
use damo_model::{Intervals, Item, KdamondIndex, Nanos, SchemeCounts, SchemeProgress, Side, Stamp};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// How often the kernel is asked, at most.
const PERIOD: Duration = Duration::from_secs(1);
/// A kernel that takes long is left alone for so many times as long.
const REST: u32 = 2;
/// How long it may take; meanwhile nobody waits.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the files of a kdamond tell.
struct Found {
    kdamond: KdamondIndex,
    at: Nanos,
    /// Those that tuning chose; `None` where the kernel does not tune them.
    intervals: Option<Intervals>,
    schemes: Vec<SchemeProgress>,
}

/// Asks what the kernel tells in files, and remembers what was told last.
pub(crate) struct StatusSampler {
    sysfs: Sysfs,
    kdamonds: Vec<KdamondIndex>,
    answer: Option<Receiver<Vec<Found>>>,
    asked: Instant,
    due: Instant,
    /// By kdamond, context and scheme.
    last: HashMap<(Option<KdamondIndex>, u32, u32), SchemeProgress>,
}

impl StatusSampler {
    pub(crate) fn new(sysfs: Sysfs, kdamonds: Vec<KdamondIndex>) -> Self {
        let (now, last) = (Instant::now(), HashMap::new());
        Self { sysfs, kdamonds, answer: None, asked: now, due: now + PERIOD, last }
    }

    /// Tells `events` the intervals, puts what is new of schemes into `out`, and asks again if that is due. To be called about
    /// once a second.
    pub(crate) fn sample(&mut self, events: &mut Events, out: &mut Vec<Item>) {
        if let Some(answer) = &self.answer {
            match answer.try_recv() {
                Ok(all) => {
                    for found in all {
                        found.intervals.into_iter().for_each(|chosen| events.chosen(found.kdamond, found.at, chosen));
                        out.extend(found.schemes.into_iter().filter_map(|one| self.news(one)));
                    }
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {}
            }
            self.answer = None;
            self.due = self.asked + PERIOD.max(self.asked.elapsed() * REST);
        }
        if Instant::now() < self.due {
            return;
        }
        self.asked = Instant::now();
        let (told, answer) = channel();
        let (sysfs, kdamonds) = (self.sysfs.clone(), self.kdamonds.clone());
        let asking = std::thread::Builder::new().name("damo-status".to_owned());
        // Without another thread nothing is told; whoever does not wait for the answer any more does not want it.
        let asked = asking.spawn(move || drop(told.send(look(&sysfs, &kdamonds))));
        self.answer = asked.is_ok().then_some(answer);
    }

    fn news(&mut self, one: SchemeProgress) -> Option<Item> {
        let last = self.last.insert((one.kdamond, one.context, one.scheme), one);
        let is_news = last.is_none_or(|last| (last.counts, last.effective_quota) != (one.counts, one.effective_quota));
        is_news.then_some(Item::Side(Side::Scheme(one)))
    }
}

/// What the files of the kdamonds tell after the kernel has brought them up to date. Of one that is off, or is being
/// changed, nothing.
fn look(sysfs: &Sysfs, kdamonds: &[KdamondIndex]) -> Vec<Found> {
    let mut all = Vec::new();
    for kdamond in kdamonds {
        let Ok(status) = sysfs.refreshed(*kdamond, false, TIMEOUT) else { continue };
        if !status.on {
            continue;
        }
        let at = now();
        let tuned = status.params.contexts.first().filter(|context| context.intervals_goal.is_some());
        let mut schemes_found = Vec::new();
        for (context, schemes) in (0..).zip(&status.schemes) {
            let unit = status.params.contexts.get(context as usize).and_then(|context| context.addr_unit).unwrap_or(1);
            for (scheme, of) in (0..).zip(schemes) {
                let counts = Some(of.stats);
                // 0 stands for no limit.
                let effective_quota = of.effective_size.filter(|size| size.0 > 0);
                let kdamond = Some(*kdamond);
                let at = Stamp::Record(at);
                let progress = SchemeProgress { at, kdamond, context, scheme, effective_quota, counts };
                schemes_found.push(progress.in_bytes(unit));
            }
        }
        let intervals = tuned.map(|context| context.intervals);
        all.push(Found { kdamond: *kdamond, at, intervals, schemes: schemes_found });
    }
    all
}

/// What schemes did before they began, from which their figures are counted.
pub(crate) fn beginnings(
    indices: impl IntoIterator<Item = KdamondIndex>,
    kdamonds: &[Kdamond],
) -> impl Iterator<Item = Item> {
    let at = Stamp::Record(now());
    let each = indices.into_iter().zip(kdamonds).flat_map(|(index, kdamond)| {
        let contexts = (0..).zip(&kdamond.contexts);
        contexts.flat_map(move |(context, of)| (0..).zip(&of.schemes).map(move |(scheme, _)| (index, context, scheme)))
    });
    each.map(move |(index, context, scheme)| {
        let (kdamond, counts) = (Some(index), Some(SchemeCounts::default()));
        Item::Side(Side::Scheme(SchemeProgress { at, kdamond, context, scheme, effective_quota: None, counts }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::events::Watched;
    use damo_kernel::Root;
    use damo_kernel::sysfs::MemorySysfs;
    use damo_kernel::tracefs::EventFormat;
    use damo_model::kdamond::{Context, ContextTarget};
    use damo_model::{IntervalsGoal, KdamondThread, Ops};
    use std::sync::Arc;

    #[test]
    fn intervals_that_tuning_chose_are_asked_for_where_no_event_tells_them() {
        let fake = Arc::new(MemorySysfs::new((6, 16)));
        let sysfs = Sysfs::new(&Root::with_io(fake.clone()));
        let (min_sample, max_sample) = (Nanos::from_millis(5), Nanos::from_secs(10));
        let goal = IntervalsGoal { access_bp: 400, aggregations: 3, min_sample, max_sample };
        let target = ContextTarget { pid: Some(77), ..ContextTarget::default() };
        let context = Context { targets: vec![target], intervals_goal: Some(goal), ..Context::new(Ops::Vaddr) };
        let mut staged = sysfs.stage(&[Kdamond { contexts: vec![context], ..Kdamond::default() }]).unwrap();
        staged.start().unwrap();
        let format = include_str!("../../../../testdata/kernel/formats/6.12-damon_aggregated.txt");
        let decoder = super::super::description::decoder(&[EventFormat::parse(format).unwrap()]).unwrap();
        let mut events = Events::new(decoder, None);
        let (kdamond, thread, intervals) = (Some(KdamondIndex(0)), KdamondThread(1), Some(Intervals::default()));
        events.watch(Watched { thread, kdamond, intervals, ..Watched::default() }, Vec::new());
        let mut sampler = StatusSampler::new(sysfs, vec![KdamondIndex(0)]);
        let mut sample = |events: &mut Events| {
            let mut out = Vec::new();
            sampler.due = Instant::now();
            sampler.sample(events, &mut out);
            while sampler.answer.is_some() {
                sampler.due = Instant::now() + PERIOD;
                sampler.sample(events, &mut out);
            }
            assert!(out.is_empty(), "there are no schemes");
            events.ready().filter(|item| matches!(item, Item::Side(Side::Params(_)))).count()
        };
        assert_eq!(sample(&mut events), 0, "nothing was chosen yet");
        fake.tune_intervals(40_000, 800_000);
        assert_eq!(sample(&mut events), 1);
        let (sample_interval, aggregation) = (Nanos::from_millis(40), Nanos::from_millis(800));
        let chosen = Intervals { sample: sample_interval, aggregation, ..Intervals::default() };
        assert_eq!(events.in_force(KdamondIndex(0)), Some(chosen));
        assert_eq!(sample(&mut events), 0, "told once");
    }
}
