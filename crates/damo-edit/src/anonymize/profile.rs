//! CPU profiles without names: stacks, times and which code is the same stay; files, functions, threads and build ids go.
//!
//! Addresses of code are moved area by area as those of memory are. How far they are apart and where they lie in their files
//! stays: who has the same build of a program can recognise it by that.

use super::{Anonymize, Space, Survey, names};
use damo_model::profile::{CodeKind, CodeMapping, EVENTS, FrameKind, Samples, StackNode, SymbolFrame, Symbols};
use damo_model::{Addr, AddrRange, Bytes, Side};
use std::collections::BTreeMap;

impl Survey {
    /// Notes the addresses that a piece of a profile names.
    pub(super) fn survey_profile(&mut self, side: &Side) {
        match side {
            Side::Code(code) => {
                let ranges = code.mappings.iter().filter(|mapping| mapping.kind != CodeKind::Kernel);
                let ranges = ranges.map(|mapping| AddrRange::new(mapping.start, mapping.end));
                self.areas.entry(Space::Code).or_default().0.add(ranges);
                let modules = code.mappings.iter().filter(|mapping| mapping.kind == CodeKind::KernelModule);
                self.kernel_modules.extend(modules.map(|mapping| mapping.name.clone()));
            }
            Side::Stacks(stacks) => {
                // Also of code that no mapping tells of. One by one they are sorted, as ranges are to be.
                let mut ranges: Vec<AddrRange> = stacks.nodes.iter().filter_map(of_node).collect();
                ranges.sort_unstable_by_key(|range| range.start);
                self.areas.entry(Space::Code).or_default().0.add(ranges.into_iter());
            }
            Side::Samples(samples) => {
                let spaces = self.spaces(samples);
                let mut ranges: BTreeMap<Space, Vec<AddrRange>> = BTreeMap::new();
                for (sample, address) in samples.samples.iter().zip(&samples.addresses) {
                    if let Some(space) = spaces.get(sample.thread as usize) {
                        ranges.entry(*space).or_default().push(of_address(*address));
                    }
                }
                for (space, mut ranges) in ranges {
                    ranges.sort_unstable_by_key(|range| range.start);
                    self.areas.entry(space).or_default().0.add(ranges.into_iter());
                }
            }
            _ => {}
        }
    }

    /// The address space of each thread that was sampled.
    fn spaces(&self, samples: &Samples) -> Vec<Space> {
        samples.threads.iter().map(|thread| self.space(None, Some(thread.pid))).collect()
    }
}

/// The byte at an address, as a range.
fn of_address(address: Addr) -> AddrRange {
    AddrRange::new(address, Addr(address.0.saturating_add(1)))
}

/// A frame's address and the byte before it: a caller's name is looked up by that, because its address is the one that the
/// call returns to.
fn of_node(node: &StackNode) -> Option<AddrRange> {
    let range = of_address(node.address);
    (node.kind != FrameKind::Cut).then(|| AddrRange::new(Addr(range.start.0.saturating_sub(1)), range.end))
}

impl Anonymize<'_> {
    /// Changes a piece of a profile; `false` for what may name anything.
    pub(super) fn profile(&mut self, side: &mut Side) -> bool {
        match side {
            Side::Code(code) => {
                code.pid = self.code_pid(code.pid);
                if let damo_model::profile::CodeBase::CopyOf(parent) = &mut code.base {
                    *parent = self.names.pid(*parent);
                }
                code.mappings.iter_mut().for_each(|mapping| self.code_mapping(mapping));
            }
            Side::Stacks(stacks) => {
                for node in stacks.nodes.iter_mut().filter(|node| node.kind != FrameKind::Cut) {
                    node.address = self.moved(Space::Code, node.address);
                }
            }
            Side::Samples(samples) => {
                let spaces = self.survey.spaces(samples);
                for (sample, address) in samples.samples.iter().zip(&mut samples.addresses) {
                    let space = spaces.get(sample.thread as usize).copied();
                    *address = space.map_or(Addr(0), |space| self.moved(space, *address));
                }
                for thread in &mut samples.threads {
                    thread.pid = self.names.pid(thread.pid);
                    // A process's first thread has its number, others have numbers of their own.
                    thread.tid = self.names.pid(thread.tid);
                    thread.comm.clear();
                }
            }
            Side::Profile(info) => {
                if !EVENTS.contains(&info.event.as_str()) {
                    info.event = "other".to_owned();
                }
                for why in [&mut info.no_kernel, &mut info.no_addresses] {
                    if !why.is_empty() {
                        *why = "not recorded".to_owned();
                    }
                }
            }
            Side::LostSamples(lost) => lost.reason = names::reason(&lost.reason),
            Side::Symbols(symbols) => self.symbols(symbols),
            _ => return false,
        }
        true
    }

    fn code_pid(&mut self, pid: i32) -> i32 {
        if pid == damo_model::profile::KERNEL_PID { pid } else { self.names.pid(pid) }
    }

    fn code_mapping(&mut self, mapping: &mut CodeMapping) {
        if mapping.kind == CodeKind::Kernel {
            mapping.offset = Bytes(0);
        } else if let Some(moves) = self.moves.get(&Space::Code) {
            (mapping.start, mapping.end) = moves.range(mapping.start, mapping.end);
        }
        mapping.name = self.code_name(&mapping.name);
        mapping.build_id.clear();
    }

    fn code_name(&mut self, name: &str) -> String {
        if matches!(name, "[kernel.kallsyms]" | "//anon") { name.to_owned() } else { self.names.mapping(name) }
    }

    fn moved(&self, space: Space, address: Addr) -> Addr {
        let range = of_address(address);
        self.moves.get(&space).map_or(Addr(0), |moves| moves.range(range.start, range.end).0)
    }

    /// Functions become numbers, each name the same one within its module; files and lines go. Addresses of names are offsets
    /// in files, which mappings keep.
    fn symbols(&mut self, symbols: &mut Symbols) {
        let name = &symbols.module.name;
        let is_kernel = name.starts_with("[kernel") || self.survey.kernel_modules.contains(name);
        let is_memory = is_kernel || symbols.module.pid.is_some();
        symbols.module.name = self.code_name(&symbols.module.name);
        symbols.module.build_id.clear();
        symbols.module.pid = symbols.module.pid.map(|pid| self.names.pid(pid));
        let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
        let mut texts = Vec::new();
        for address in &mut symbols.addresses {
            if is_memory {
                address.address = self.moved(Space::Code, Addr(address.address)).0;
            }
            for frame in &mut address.frames {
                let next = texts.len() as u32;
                let function = *numbers.entry(frame.function).or_insert_with(|| {
                    texts.push(format!("function #{}", next + 1));
                    next
                });
                *frame = SymbolFrame { function, file: None, line: None };
            }
        }
        symbols.texts = texts;
        symbols.addresses.sort_by_key(|address| address.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::profile::{
        CodeBase, CodeMappings, CodeModule, LostSamples, ProfileInfo, Sample, Sampled, SampledThread, Stacks,
        SymbolAddress,
    };
    use damo_model::{Item, Meta, Nanos, Sink, Stamp};

    const AT: Stamp = Stamp::Record(Nanos(5));
    const SECRETS: [&str; 6] = ["acme", "4242", "jane", "secret", "222173", "0xdead"];

    fn record() -> Vec<Item> {
        let code = |start: u64, kind, name: &str| CodeMapping {
            start: Addr(start),
            end: Addr(start + 0x1000),
            offset: Bytes(0x2000),
            kind,
            name: name.to_owned(),
            build_id: vec![222, 173],
        };
        let mappings =
            vec![code(0x5555_0000_0000, CodeKind::File, "/opt/acme/bin"), code(0x7000, CodeKind::Anonymous, "//anon")];
        let kernel = vec![code(1 << 63, CodeKind::Kernel, "[kernel.kallsyms]")];
        let node = |parent, address, kind| StackNode { parent, address: Addr(address), kind };
        let nodes = vec![
            node(None, 0, FrameKind::Cut),
            node(Some(0), 0x5555_0000_0100, FrameKind::User),
            node(Some(1), 0x5555_0000_0180, FrameKind::User),
            node(Some(2), 0xffff_ffff_8100_0000, FrameKind::Kernel),
        ];
        let threads = vec![SampledThread { pid: 4242, tid: 4243, comm: "acme".into() }];
        let samples = vec![Sample { time: 1, thread: 0, stack: 3, weight: 1 }];
        let frame = SymbolFrame { function: 1, file: Some(0), line: Some(7) };
        let address = SymbolAddress { address: 0x2100, frames: vec![frame; 2] };
        let sides = [
            Side::Profile(ProfileInfo {
                at: AT,
                event: "cycles".into(),
                no_kernel: "jane may not".into(),
                ..ProfileInfo::default()
            }),
            Side::Code(CodeMappings { at: AT, pid: -1, base: CodeBase::Nothing, mappings: kernel }),
            Side::Code(CodeMappings { at: AT, pid: 4242, base: CodeBase::CopyOf(4242), mappings }),
            Side::Stacks(Stacks { at: AT, table: 9, first: 0, nodes }),
            Side::Samples(Samples {
                at: AT,
                sampled: Sampled::Access,
                table: 9,
                unit: Nanos(1),
                threads,
                samples,
                addresses: vec![Addr(0xdead_0000)],
            }),
            Side::LostSamples(LostSamples { at: AT, samples: 3, reason: "ring".into() }),
            Side::Symbols(Symbols {
                at: AT,
                module: CodeModule { name: "/opt/acme/bin".into(), build_id: vec![222, 173], pid: None },
                texts: vec!["/home/jane/x.c".into(), "secret".into()],
                addresses: vec![address],
            }),
        ];
        std::iter::once(Item::Meta(Meta::default())).chain(sides.map(Item::Side)).collect()
    }

    /// What becomes of a record.
    fn anonymized(items: &[Item]) -> Vec<Item> {
        let mut survey = Survey::default();
        items.iter().for_each(|item| survey.put(item).unwrap());
        let mut out: Vec<Item> = Vec::new();
        let mut anonymize = Anonymize::new(survey, false, &mut out).unwrap();
        items.iter().for_each(|item| anonymize.put(item).unwrap());
        out
    }

    #[test]
    fn a_profile_keeps_its_stacks_and_loses_its_names() {
        let out = anonymized(&record());
        assert_eq!(out.len(), record().len());
        let text = format!("{out:?}");
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
        let [
            _,
            _,
            _,
            Item::Side(Side::Code(code)),
            Item::Side(Side::Stacks(stacks)),
            ..,
            Item::Side(Side::Symbols(symbols)),
        ] = &out[..]
        else {
            panic!("{out:?}")
        };
        let mapping = &code.mappings[0];
        assert_eq!(
            (mapping.name.as_str(), mapping.offset.0, mapping.end.0 - mapping.start.0),
            ("file #1", 0x2000, 0x1000)
        );
        let offsets: Vec<u64> = stacks.nodes[1..3].iter().map(|node| node.address.0 - mapping.start.0).collect();
        assert_eq!(offsets, [0x100, 0x180], "frames lie where they lay in the file");
        assert_eq!(stacks.nodes[0].kind, FrameKind::Cut);
        assert_eq!((symbols.module.name.as_str(), symbols.text(0)), ("file #1", "function #1"));
        assert_eq!(symbols.addresses[0].frames[0], SymbolFrame { function: 0, file: None, line: None });
    }

    /// Symbols of a module whose addresses are those in memory.
    fn in_memory(name: &str, address: u64) -> Item {
        let frames = vec![SymbolFrame { function: 0, file: None, line: None }];
        Item::Side(Side::Symbols(Symbols {
            at: AT,
            module: CodeModule { name: name.into(), ..CodeModule::default() },
            texts: vec!["f".into()],
            addresses: vec![SymbolAddress { address, frames }],
        }))
    }

    #[test]
    fn names_of_callers_and_of_modules_of_the_kernel_move_with_their_frames() {
        let (caller, in_module) = (0xffff_ffff_8100_0105, 0xffff_ffff_c000_0020);
        let node = |address| StackNode { parent: None, address: Addr(address), kind: FrameKind::Kernel };
        let module = CodeMapping {
            start: Addr(0xffff_ffff_c000_0000),
            end: Addr(0xffff_ffff_c000_1000),
            kind: CodeKind::KernelModule,
            name: "[acme]".into(),
            ..CodeMapping::default()
        };
        let items = [
            Item::Meta(Meta::default()),
            Item::Side(Side::Code(CodeMappings { at: AT, pid: -1, base: CodeBase::Nothing, mappings: vec![module] })),
            Item::Side(Side::Stacks(Stacks { at: AT, table: 9, first: 0, nodes: vec![node(caller), node(in_module)] })),
            // Of a caller the name is that of the byte before the address that the call returns to.
            in_memory("[kernel.kallsyms]", caller - 1),
            in_memory("[acme]", in_module),
        ];
        let out = anonymized(&items);
        let [
            _,
            _,
            Item::Side(Side::Stacks(stacks)),
            Item::Side(Side::Symbols(kernel)),
            Item::Side(Side::Symbols(module)),
        ] = &out[..]
        else {
            panic!("{out:?}")
        };
        let moved: Vec<u64> = stacks.nodes.iter().map(|node| node.address.0).collect();
        assert_eq!([kernel, module].map(|symbols| symbols.addresses[0].address), [moved[0] - 1, moved[1]]);
        assert!(moved.iter().all(|address| *address > 0 && ![caller, in_module].contains(address)), "{moved:x?}");
    }
}
