//! The Firefox Profiler's JSON (its "processed profile format"), which profiler.firefox.com and `samply load` open.

use super::folded::frames_outermost_first;
use super::stacks::Chosen;
use crate::ReportError;
use damo_frame::Record;
use damo_frame::profile::Profile;
use damo_model::Nanos;
use fxprof_processed_profile::{
    CategoryColor, CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, Profile as Firefox, ReferenceTimestamp,
    SamplingInterval, StackHandle, ThreadHandle, Timestamp,
};
use std::collections::HashMap;
use std::io::Write;

/// Writes the samples that count, each thread by itself, with times since the recording began.
///
/// # Errors
/// If `out` takes no more.
pub fn write_firefox(
    record: &Record,
    profile: &Profile,
    chosen: &Chosen,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let began = chosen.whole.map_or(Nanos(0), |whole| whole.start);
    // When the record does not tell the time of day, it was 1970.
    let wall = record.meta().clock_pair.map(|pair| began.saturating_sub(pair.record).saturating_add(pair.wall));
    let reference = ReferenceTimestamp::from_millis_since_unix_epoch(wall.unwrap_or_default().0 as f64 / 1e6);
    let frequency = if chosen.basis.frequency == 0 { 1000 } else { chosen.basis.frequency };
    let interval = SamplingInterval::from_hz(frequency as f32);
    let name = record.name().rsplit('/').next().unwrap_or_default();
    let mut firefox = Firefox::new(&format!("damo: {name}"), reference, interval);
    firefox.set_product(&format!("damo: {name}"));
    firefox.set_symbolicated(true);
    let since = |at: Nanos| {
        let since = at.saturating_sub(began).0;
        Timestamp::from_nanos_since_reference(u64::try_from(since).unwrap_or(0))
    };
    let mut writer = Threads {
        user: firefox.add_category("User", CategoryColor::Yellow),
        kernel: firefox.add_category("Kernel", CategoryColor::Orange),
        firefox,
        threads: Vec::new(),
        stacks: HashMap::new(),
    };
    writer.add_threads(chosen, since(began));
    let mut samples: Vec<_> = chosen.samples.iter().collect();
    samples.sort_by_key(|sample| sample.at);
    for sample in samples {
        let Some(thread) = writer.threads.get(sample.thread as usize).copied() else { continue };
        let stack = writer.stack(profile, chosen, thread, sample.stack);
        let cpu = CpuDelta::from_nanos(interval.nanos());
        let weight = i32::try_from(sample.weight).unwrap_or(i32::MAX);
        writer.firefox.add_sample(thread, since(sample.at), stack, cpu, weight);
    }
    serde_json::to_writer(out, &writer.firefox).map_err(|error| ReportError::Write(error.into()))
}

struct Threads {
    user: CategoryHandle,
    kernel: CategoryHandle,
    firefox: Firefox,
    threads: Vec<ThreadHandle>,
    stacks: HashMap<(ThreadHandle, u32), Option<StackHandle>>,
}

impl Threads {
    fn add_threads(&mut self, chosen: &Chosen, start: Timestamp) {
        let mut processes = HashMap::new();
        for thread in &chosen.threads {
            let number = |id: i32| u32::try_from(id).unwrap_or(0);
            let process = *processes.entry(thread.pid).or_insert_with(|| {
                let main = chosen.threads.iter().find(|other| other.tid == thread.pid).unwrap_or(thread);
                self.firefox.add_process(&main.comm, number(thread.pid), start)
            });
            let is_main = thread.tid == thread.pid;
            let handle = self.firefox.add_thread(process, number(thread.tid), start, is_main);
            self.firefox.set_thread_name(handle, &thread.comm);
            self.threads.push(handle);
        }
    }

    fn stack(&mut self, profile: &Profile, chosen: &Chosen, thread: ThreadHandle, stack: u32) -> Option<StackHandle> {
        if let Some(known) = self.stacks.get(&(thread, stack)) {
            return *known;
        }
        let mut frames = Vec::new();
        for frame in frames_outermost_first(profile, chosen, stack) {
            let category = if frame.is_kernel { self.kernel } else { self.user };
            let label = self.firefox.intern_string(&frame.name);
            frames.push(FrameInfo {
                frame: Frame::Label(label),
                category_pair: category.into(),
                flags: FrameFlags::empty(),
            });
        }
        let handle = self.firefox.intern_stack_frames(thread, frames.into_iter());
        self.stacks.insert((thread, stack), handle);
        handle
    }
}
