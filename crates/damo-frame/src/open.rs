//! From a name to a record: sniffing, importing foreign records, standard input.
//!
//! A foreign record is packed into the same form that `.damo` files have, in memory, so that there is one way over
//! records only; packed regions take one or two bytes each, far less than the foreign file did.

use crate::{FrameError, Record};
use damo_format::{Reader, Writer, WriterOptions};
use damo_import::ImportError;
use damo_model::human::Show;
use damo_model::{Item, Sink};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// As much of a foreign input as is looked at to tell what it is.
const SNIFF_LEN: usize = 64 << 10;

damo_model::with_defaults! {
    /// How to open records.
    #[derive(Clone, Debug)]
    pub struct OpenOptions {
        /// Decoding threads; 0 means one per core.
        pub threads: usize,
        /// The largest foreign input that is read, in bytes: foreign formats have no index and are taken in whole.
        pub max_foreign: u64 = 4 << 30,
        /// How foreign records are taken over.
        pub import: damo_import::Options,
    }
}

impl OpenOptions {
    fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
}

impl Record {
    /// Opens a record of any known kind; `-` is standard input. Side files of the Python tool beside a foreign record
    /// are taken in as well.
    ///
    /// # Errors
    /// When the file cannot be read or is no record.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Record, FrameError> {
        if path.as_os_str() == "-" {
            return Record::from_stream(io::stdin().lock(), "-", options);
        }
        let name = path.shown().to_string();
        let io_error = |source| FrameError::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(io_error)?;
        let meta = file.metadata().map_err(io_error)?;
        if !meta.is_file() && !meta.is_dir() {
            // A pipe or a device: cannot be read twice.
            return Record::from_stream(file, &name, options);
        }
        // A directory may hold a trace, and cannot be read as a file.
        let head =
            if meta.is_dir() { Vec::new() } else { read_up_to(&mut file, SNIFF_LEN as u64).map_err(io_error)? };
        drop(file);
        if damo_format::sniff(&head) {
            let reader = Reader::open(path).map_err(|source| FrameError::Read { name: name.clone(), source })?;
            return Ok(Record::new(name, reader, Vec::new(), options.threads()).with_file_size(meta.len()));
        }
        if meta.len() > options.max_foreign {
            damo_import::recognise_path(path)?;
            return Err(FrameError::TooLarge { name, limit: options.max_foreign });
        }
        let record = import(&name, options, |sink| damo_import::import_path(path, &options.import, sink))?;
        // A directory's own size tells nothing of what is in it.
        Ok(if meta.is_file() { record.with_file_size(meta.len()) } else { record })
    }

    /// Reads a record of any known kind to its end. `.damo` records keep their packed form: memory is bounded by their
    /// size.
    ///
    /// # Errors
    /// When the stream cannot be read or is no record.
    pub fn from_stream(mut stream: impl Read, name: &str, options: &OpenOptions) -> Result<Record, FrameError> {
        let io_error = |source| FrameError::Io { path: name.into(), source };
        let bytes = read_up_to(&mut stream, SNIFF_LEN as u64).map_err(io_error)?;
        if damo_format::sniff(&bytes) {
            let whole = io::Cursor::new(bytes).chain(stream);
            let reader =
                Reader::from_stream(whole).map_err(|source| FrameError::Read { name: name.to_owned(), source })?;
            return Ok(Record::new(name.to_owned(), reader, Vec::new(), options.threads()));
        }
        let mut whole = Counted { inner: io::Cursor::new(bytes).chain(stream), bytes: 0 };
        let limit = options.max_foreign;
        let record =
            import(name, options, |sink| damo_import::import_stream(&mut whole, name, &options.import, limit, sink))?;
        Ok(record.with_file_size(whole.bytes))
    }

    /// A record out of items, as a source would give them: for tests and for programs that make their own.
    ///
    /// # Errors
    /// When the items break the order that [`Item`] asks for.
    pub fn from_items(items: &[Item]) -> Result<Record, FrameError> {
        let name = "(items)";
        let pack = |source| FrameError::Pack { name: name.to_owned(), source };
        let mut writer = Writer::new(Vec::new(), WriterOptions::default()).map_err(pack)?;
        for item in items {
            writer.put(item).map_err(|error| FrameError::invalid(format!("{name}: {error}")))?;
        }
        let (bytes, _) = writer.finish().map_err(pack)?;
        let reader = Reader::from_bytes(bytes).map_err(|source| FrameError::Read { name: name.to_owned(), source })?;
        Ok(Record::new(name.to_owned(), reader, Vec::new(), OpenOptions::default().threads()))
    }
}

/// Packs what an importer finds.
fn import(
    name: &str,
    options: &OpenOptions,
    run: impl FnOnce(&mut dyn Sink) -> Result<damo_import::Imported, damo_import::ImportError>,
) -> Result<Record, FrameError> {
    let pack = |source| FrameError::Pack { name: name.to_owned(), source };
    let quick = WriterOptions { level: 1, ..WriterOptions::default() };
    let mut writer = Writer::new(Vec::new(), quick).map_err(pack)?;
    let (notes, cut_short) = match run(&mut writer) {
        // Where, is in the notes.
        Ok(imported) => (imported.notes, imported.damaged.then(|| "a part of it is damaged".to_owned())),
        // What comes before the place that cannot be read is worth having.
        Err(error @ ImportError::Bad { .. }) if writer.summary().snapshots > 0 => (Vec::new(), Some(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let (bytes, _) = writer.finish().map_err(pack)?;
    let reader = Reader::from_bytes(bytes).map_err(|source| FrameError::Read { name: name.to_owned(), source })?;
    let mut record = Record::new(name.to_owned(), reader, notes, options.threads());
    record.set_imported(cut_short);
    Ok(record)
}

/// A stream that counts what was read of it.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

fn read_up_to(stream: &mut impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
