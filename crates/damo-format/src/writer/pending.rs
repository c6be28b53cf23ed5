//! Side data that wait for their block.

/// Entries of one kind of block.
pub(super) struct Pending {
    /// The kind of block that they are written in.
    pub(super) kind: u16,
    /// The entries, encoded.
    pub(super) bytes: Vec<u8>,
    /// How many they are.
    pub(super) entries: usize,
    /// Mappings in them.
    pub(super) mappings: usize,
}

impl Pending {
    pub(super) fn new(kind: u16) -> Self {
        Self { kind, bytes: Vec::new(), entries: 0, mappings: 0 }
    }

    /// All that waits; then nothing does.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.kind))
    }

    /// Uses the memory of what was taken again.
    pub(super) fn reuse(&mut self, taken: Self) {
        self.bytes = taken.bytes;
        self.bytes.clear();
    }
}
