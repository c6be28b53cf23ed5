//! Takes records apart and puts them together with right checksums, so that lies get past those.

/// One block: the first 24 bytes of its header, but for the checksums, and its payload.
#[derive(Clone, Debug)]
pub struct Frame {
    pub offset: usize,
    pub kind: u16,
    pub codec: u8,
    pub raw_len: u32,
    pub sequence: u32,
    pub payload: Vec<u8>,
}

pub const HEADER: usize = 28;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut at = 16;
    while at < bytes.len() {
        let header = &bytes[at..at + HEADER];
        let length = u32_at(header, 8) as usize;
        frames.push(Frame {
            offset: at,
            kind: u16::from_le_bytes([header[4], header[5]]),
            codec: header[6],
            raw_len: u32_at(header, 12),
            sequence: u32_at(header, 16),
            payload: bytes[at + HEADER..at + HEADER + length].to_vec(),
        });
        at += HEADER + length;
    }
    frames
}

pub fn frame_bytes(frame: &Frame, stored_len: u32) -> Vec<u8> {
    let mut out = b"\xdabk\n".to_vec();
    out.extend(frame.kind.to_le_bytes());
    out.extend([frame.codec, 0]);
    out.extend(stored_len.to_le_bytes());
    out.extend(frame.raw_len.to_le_bytes());
    out.extend(frame.sequence.to_le_bytes());
    out.extend(crc32fast::hash(&frame.payload).to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out.extend(&frame.payload);
    out
}

/// The file header of `original`, and the frames.
pub fn assemble(original: &[u8], frames: &[Frame]) -> Vec<u8> {
    let mut out = original[..16].to_vec();
    for frame in frames {
        out.extend(frame_bytes(frame, frame.payload.len() as u32));
    }
    out
}
