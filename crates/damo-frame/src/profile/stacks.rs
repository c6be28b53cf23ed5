//! From numbers of stacks to frames in modules: each stack of a process once, as long as its mappings stay.

use super::{Frame, Located, Location, Module};
use damo_model::profile::{CodeKind, CodeMaps, CodeModule, FrameKind, KERNEL_PID, Sample, StackNode, Stacks};
use damo_model::{Addr, Nanos};
use std::collections::{BTreeSet, HashMap};

/// Stacks of more frames than this are cut: tables that are not trusted may be one long chain.
const MOST_FRAMES: usize = 4096;
/// Processes of a module that are remembered.
const MOST_PIDS: usize = 64;
/// What the kernel is called where the record does not map it.
const KERNEL: &str = "[kernel.kallsyms]";

/// The stack tables of a record.
#[derive(Debug, Default)]
pub(super) struct Tables(HashMap<u64, Table>);

/// Nodes by their numbers; where a block was lost, there are none.
type Table = HashMap<u32, StackNode>;

impl Tables {
    pub(super) fn add(&mut self, stacks: Stacks) {
        let table = self.0.entry(stacks.table).or_default();
        table.extend((stacks.first..).zip(stacks.nodes));
    }
}

/// Finds stacks, each of them once.
pub(super) struct Resolver<'p> {
    maps: &'p CodeMaps,
    tables: &'p Tables,
    pub(super) located: Located,
    /// Stacks by process, state of its mappings, table and node.
    known: HashMap<(i32, usize, u64, u32), u32>,
    stacks: HashMap<Vec<Frame>, u32>,
    locations: HashMap<Location, u32>,
    modules: HashMap<(CodeModule, CodeKind), u32>,
}

impl<'p> Resolver<'p> {
    pub(super) fn new(maps: &'p CodeMaps, tables: &'p Tables) -> Self {
        Self {
            maps,
            tables,
            located: Located::default(),
            known: HashMap::new(),
            stacks: HashMap::new(),
            locations: HashMap::new(),
            modules: HashMap::new(),
        }
    }

    /// The number of the stack of a sample.
    pub(super) fn stack(&mut self, pid: i32, at: Nanos, table: u64, node: u32) -> u32 {
        let key = (pid, self.maps.epoch(pid, at), table, node);
        if let Some(stack) = self.known.get(&key) {
            return *stack;
        }
        let frames = self.frames(pid, at, table, node);
        let stack = match self.stacks.get(&frames) {
            Some(stack) => *stack,
            None => {
                let stack = self.located.stacks.len() as u32;
                self.located.stacks.push(frames.clone());
                self.stacks.insert(frames, stack);
                stack
            }
        };
        self.known.insert(key, stack);
        stack
    }

    fn frames(&mut self, pid: i32, at: Nanos, table: u64, node: u32) -> Vec<Frame> {
        if node == Sample::NO_STACK {
            return Vec::new();
        }
        let nodes = self.tables.0.get(&table);
        let mut frames = Vec::new();
        let mut next = Some(node);
        let mut last_kind = None;
        while let Some(number) = next {
            // A node that was lost, or a chain that goes on and on.
            let Some(node) = nodes.and_then(|nodes| nodes.get(&number)).filter(|_| frames.len() < MOST_FRAMES) else {
                frames.push(Frame::Cut);
                break;
            };
            // Return addresses are behind the call: what they are looked up by lies within it.
            let is_call = last_kind.is_some_and(|last| last == node.kind || last == FrameKind::Cut);
            frames.push(self.frame(pid, at, node, is_call));
            last_kind = Some(node.kind);
            next = node.parent.filter(|parent| *parent < number);
        }
        frames
    }

    fn frame(&mut self, pid: i32, at: Nanos, node: &StackNode, is_call: bool) -> Frame {
        let address = if is_call { Addr(node.address.0.saturating_sub(1)) } else { node.address };
        let space = match node.kind {
            FrameKind::Cut => return Frame::Cut,
            FrameKind::User => pid,
            FrameKind::Kernel => KERNEL_PID,
        };
        let mapping = self.maps.find(space, at, address).and_then(|at| self.maps.mappings().get(at as usize));
        let module = match mapping {
            Some(mapping) => {
                let of_process = (mapping.kind == CodeKind::Anonymous).then_some(pid);
                let (name, build_id) = (mapping.name.clone(), mapping.build_id.clone());
                Some((CodeModule { name, build_id, pid: of_process }, mapping.kind))
            }
            None if node.kind == FrameKind::Kernel => {
                Some((CodeModule { name: KERNEL.to_owned(), ..CodeModule::default() }, CodeKind::Kernel))
            }
            None => None,
        };
        let module = module.map(|(module, kind)| self.module(module, kind, pid));
        let address = mapping.map_or(address.0, |mapping| mapping.symbol_address(address));
        let location = Location { module, address };
        let located = &mut self.located.locations;
        Frame::Code(*self.locations.entry(location).or_insert_with(|| {
            located.push(location);
            located.len() as u32 - 1
        }))
    }

    fn module(&mut self, module: CodeModule, kind: CodeKind, pid: i32) -> u32 {
        let modules = &mut self.located.modules;
        let at = *self.modules.entry((module, kind)).or_insert_with_key(|(module, kind)| {
            modules.push(Module { module: module.clone(), kind: *kind, pids: BTreeSet::new() });
            modules.len() as u32 - 1
        });
        if let Some(module) = modules.get_mut(at as usize).filter(|module| module.pids.len() < MOST_PIDS) {
            module.pids.insert(pid);
        }
        at
    }
}
