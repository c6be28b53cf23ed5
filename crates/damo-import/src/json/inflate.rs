//! The text, compressed or not. Memory is bounded whatever the compressed data unpack to: small texts are held, larger
//! ones are parsed as they come, with a bound on the length of any single word in them.

use super::read::{State, Top};
use crate::error::FilePosition;
use flate2::read::ZlibDecoder;
use serde::de::DeserializeSeed;
use serde_json::Deserializer;
use std::io::{BufReader, Error, Read, Result};

/// Unpacked texts up to this size are held, which is faster.
const HELD: usize = 64 << 20;
/// No number, name or text in a record is nearly as long.
const MAX_WORD: usize = 1 << 20;
/// Records unpack to some 10 to 50 times their size. What unpacks to more than this is made to cost time.
const MAX_RATIO: u64 = 300;
const BUFFER: usize = 64 << 10;

/// Where the text is.
#[derive(Debug)]
pub(super) enum Text<'a> {
    Plain(&'a [u8]),
    /// Unpacked, with the reason why it ends early, if it does.
    Held(Vec<u8>, Option<String>),
    /// Too long to be held.
    Packed(&'a [u8]),
}

impl<'a> Text<'a> {
    pub(super) fn inflate(packed: &'a [u8]) -> Self {
        let mut text = Vec::new();
        match ZlibDecoder::new(packed).take(HELD as u64 + 1).read_to_end(&mut text) {
            Ok(_) if text.len() > HELD => Text::Packed(packed),
            Ok(_) => Text::Held(text, None),
            Err(error) => Text::Held(text, Some(format!("the compressed data do not unpack ({error})"))),
        }
    }

    /// Why the text ends early, if that is known.
    pub(super) fn damage(&self) -> Option<&str> {
        match self {
            Text::Held(_, damage) => damage.as_deref(),
            _ => None,
        }
    }

    pub(super) fn place(&self, fault: &serde_json::Error) -> FilePosition {
        let (line, column) = (fault.line() as u64, fault.column() as u64);
        match self {
            _ if line == 0 => FilePosition::Whole,
            Text::Plain(_) => FilePosition::Line(line),
            _ => FilePosition::Inflated(line, column),
        }
    }

    pub(super) fn parse(&self, state: &mut State<'_>) -> serde_json::Result<()> {
        match self {
            Text::Plain(text) => parse(Deserializer::from_slice(text), state),
            Text::Held(text, _) => parse(Deserializer::from_slice(text), state),
            Text::Packed(packed) => {
                let reader = Guard::new(ZlibDecoder::new(*packed), packed.len() as u64 * MAX_RATIO);
                parse(Deserializer::from_reader(BufReader::with_capacity(BUFFER, reader)), state)
            }
        }
    }
}

fn parse<'de, R: serde_json::de::Read<'de>>(
    mut json: Deserializer<R>,
    state: &mut State<'_>,
) -> serde_json::Result<()> {
    Top(state).deserialize(&mut json)?;
    json.end()
}

/// Refuses words without end, which a JSON reader would gather in memory, and more text than a record of that size has.
struct Guard<R> {
    inner: R,
    left: u64,
    word: usize,
    in_text: bool,
    escaped: bool,
}

impl<R> Guard<R> {
    fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit, word: 0, in_text: false, escaped: false }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = self.inner.read(buffer)?;
        let left = self.left.checked_sub(len as u64);
        self.left = left.ok_or_else(|| {
            Error::other(format!("it unpacks to more than {MAX_RATIO} times its size, which no record does"))
        })?;
        for byte in &buffer[..len] {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => {
                    self.in_text = !self.in_text;
                    self.word = 0;
                }
                b' ' | b'\n' | b'\r' | b'\t' | b',' | b':' | b'[' | b']' | b'{' | b'}' if !self.in_text => {
                    self.word = 0
                }
                _ => {}
            }
            self.word += 1;
            if self.word > MAX_WORD {
                return Err(Error::other("a word of more than 1 MiB, which no record has"));
            }
        }
        Ok(len)
    }
}
