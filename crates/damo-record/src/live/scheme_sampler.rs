//! Figures of schemes of our own kdamonds, where the kernel tells them in files only (before 7.0). It brings the files up to
//! date when it is asked, which takes it an aggregation or two: so it is asked on a thread of its own, about once a second. The
//! kdamonds of others are never written to, so that their figures come from events alone.

use damo_kernel::procfs::now;
use damo_kernel::sysfs::Sysfs;
use damo_model::kdamond::Kdamond;
use damo_model::{Item, KdamondIndex, SchemeCounts, SchemeProgress, Side, Stamp};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// How often the kernel is asked, at most.
const PERIOD: Duration = Duration::from_secs(1);
/// A kernel that takes long is left alone for so many times as long.
const REST: u32 = 2;
/// How long it may take; meanwhile nobody waits.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks for the figures of schemes, and remembers those told last.
pub(crate) struct SchemeSampler {
    sysfs: Sysfs,
    kdamonds: Vec<KdamondIndex>,
    answer: Option<Receiver<Vec<SchemeProgress>>>,
    asked: Instant,
    due: Instant,
    /// By kdamond, context and scheme.
    last: HashMap<(Option<KdamondIndex>, u32, u32), SchemeProgress>,
}

impl SchemeSampler {
    pub(crate) fn new(sysfs: Sysfs, kdamonds: Vec<KdamondIndex>) -> Self {
        let (now, last) = (Instant::now(), HashMap::new());
        Self { sysfs, kdamonds, answer: None, asked: now, due: now + PERIOD, last }
    }

    /// Puts what is new into `out`, and asks again if that is due. To be called about once a second.
    pub(crate) fn sample(&mut self, out: &mut Vec<Item>) {
        if let Some(answer) = &self.answer {
            match answer.try_recv() {
                Ok(found) => out.extend(found.into_iter().filter_map(|one| self.news(one))),
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
        let asking = std::thread::Builder::new().name("damo-schemes".to_owned());
        // Without another thread there are no figures; whoever does not wait for the answer any more does not want it.
        let asked = asking.spawn(move || drop(told.send(figures(&sysfs, &kdamonds))));
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
fn figures(sysfs: &Sysfs, kdamonds: &[KdamondIndex]) -> Vec<SchemeProgress> {
    let mut found = Vec::new();
    for kdamond in kdamonds {
        let Ok(status) = sysfs.refreshed(*kdamond, false, TIMEOUT) else { continue };
        if !status.on {
            continue;
        }
        let at = Stamp::Record(now());
        for (context, schemes) in (0..).zip(&status.schemes) {
            for (scheme, of) in (0..).zip(schemes) {
                let counts = Some(of.stats);
                // 0 stands for no limit.
                let effective_quota = of.effective_size.filter(|size| size.0 > 0);
                let kdamond = Some(*kdamond);
                found.push(SchemeProgress { at, kdamond, context, scheme, effective_quota, counts });
            }
        }
    }
    found
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
