//! Records as files: names, permissions, leftovers, full disks, growing files, repair.
#![allow(clippy::unwrap_used)]
mod common;

use common::{evolving, meta, record, snapshots, target};
use damo_format::{Kind, Owner, Reader, RecordFile, Rules, StreamReader, WriteError, Writer, WriterOptions, repair};
use damo_model::{Item, Lost, Side, Sink, Snapshot, Stamp, Target, TargetKey};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn options() -> WriterOptions {
    WriterOptions { max_snapshots_per_block: 4, ..WriterOptions::default() }
}

fn items(n: usize) -> (Vec<Snapshot>, Vec<Item>) {
    let written = evolving(0, n, 6, 4);
    let mut items = vec![meta(), target(0)];
    items.extend(written.iter().cloned().map(Item::Snapshot));
    (written, items)
}

fn create(path: &Path) -> Result<RecordFile, WriteError> {
    RecordFile::create(path, options(), false)
}

fn write_file(path: &Path, n: usize) -> Vec<Snapshot> {
    let (written, items) = items(n);
    let mut file = create(path).unwrap();
    items.iter().for_each(|item| file.put(item).unwrap());
    file.finish().unwrap();
    written
}

#[test]
fn a_record_appears_complete_under_its_name_and_only_its_owner_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damon.damo");
    let mut file = create(&path).unwrap();
    let part = file.part_path().to_owned();
    assert_eq!(fs::metadata(&part).unwrap().permissions().mode() & 0o777, 0o600);
    let (written, items) = items(10);
    items.iter().for_each(|item| file.write(item).unwrap());
    assert!(!path.exists());
    let summary = file.finish().unwrap();
    assert!(!part.exists());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&path).unwrap().len(), summary.bytes.0);
    assert_eq!((summary.snapshots, summary.blocks), (10, 3));
    assert_eq!(snapshots(&Reader::open(&path).unwrap()), written);
}

#[test]
fn an_older_record_of_the_same_name_is_kept_as_old() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damon.damo");
    let first = write_file(&path, 5);
    let second = write_file(&path, 9);
    let old = directory.path().join("damon.damo.old");
    assert_eq!(snapshots(&Reader::open(&old).unwrap()), first);
    assert_eq!(snapshots(&Reader::open(&path).unwrap()), second);
}

#[test]
fn nothing_that_is_no_record_is_replaced_and_no_link_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let precious = directory.path().join("precious");
    fs::write(&precious, "do not lose this").unwrap();
    let link = directory.path().join("link");
    symlink(&precious, &link).unwrap();
    let dangling = directory.path().join("dangling");
    symlink(directory.path().join("nowhere"), &dangling).unwrap();
    let folder = directory.path().join("folder");
    fs::create_dir(&folder).unwrap();
    for path in [&precious, &link, &dangling, &folder] {
        let error = create(path).err().unwrap();
        assert!(matches!(error, WriteError::Occupied { .. }), "{error}");
        // With `overwrite`, a file may go, links and directories never.
        assert_eq!(RecordFile::create(path, options(), true).is_ok(), path == &precious);
    }
    // A link in the place of the unfinished record is not followed either.
    let path = directory.path().join("damon.damo");
    symlink(&precious, directory.path().join("damon.damo.part")).unwrap();
    assert!(matches!(create(&path), Err(WriteError::Occupied { .. })));
    assert_eq!(fs::read_to_string(&precious).unwrap(), "do not lose this");
    assert!(!directory.path().join("folder.part").exists());
}

#[test]
fn what_comes_to_the_name_in_the_meantime_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damon.damo");
    let mut file = create(&path).unwrap();
    let (written, items) = items(5);
    items.iter().for_each(|item| file.write(item).unwrap());
    fs::write(&path, "something else").unwrap();
    let error = file.finish().unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "something else");
    // The message says that nothing is lost, and where it is.
    let WriteError::NotNamed { part, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains(&format!("is kept as {}", part.display())), "{error}");
    let reader = Reader::open(part).unwrap();
    assert!(reader.is_finished());
    assert_eq!(snapshots(&reader), written);
}

#[test]
fn a_record_that_is_removed_or_moved_while_it_is_written_is_there_in_the_end() {
    let (written, items) = items(10);
    for moved in [None, Some("elsewhere")] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("damon.damo");
        let mut file = create(&path).unwrap();
        items[..6].iter().for_each(|item| file.put(item).unwrap());
        assert!(!file.is_gone());
        match moved {
            Some(name) => fs::rename(file.part_path(), directory.path().join(name)).unwrap(),
            None => fs::remove_file(file.part_path()).unwrap(),
        }
        assert!(file.is_gone());
        items[6..].iter().for_each(|item| file.put(item).unwrap());
        file.finish_repacked().unwrap();
        let reader = Reader::open(&path).unwrap();
        assert!(reader.is_finished());
        assert_eq!(snapshots(&reader), written);
    }
}

#[test]
fn a_record_whose_directory_is_removed_or_moved_is_told_of_in_the_end() {
    let above = tempfile::tempdir().unwrap();
    let above = above.path().canonicalize().unwrap();
    let begin = || {
        fs::create_dir(above.join("here")).unwrap();
        let mut file = create(&above.join("here/damon.damo")).unwrap();
        items(10).1.iter().for_each(|item| file.put(item).unwrap());
        file
    };
    let file = begin();
    fs::rename(above.join("here"), above.join("there")).unwrap();
    let error = file.finish().unwrap_err();
    let kept = above.join("there/damon.damo.part");
    assert!(matches!(&error, WriteError::NotNamed { part, .. } if *part == kept), "{error}");
    assert!(Reader::open(&kept).unwrap().is_finished());
    let file = begin();
    fs::remove_dir_all(above.join("here")).unwrap();
    let error = file.finish().unwrap_err().to_string();
    assert!(error.contains("was removed meanwhile"), "{error}");
}

#[test]
fn what_a_killed_recorder_left_is_readable_and_no_later_recorder_destroys_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damon.damo");
    let (written, items) = items(10);
    for name in ["damon.damo.interrupted", "damon.damo.interrupted.1"] {
        let mut file = create(&path).unwrap();
        items.iter().for_each(|item| file.write(item).unwrap());
        // As a killed process: what was not in a block yet is gone.
        drop(file);
        let left = Reader::open(directory.path().join("damon.damo.part")).unwrap();
        assert_eq!(snapshots(&left), written[..8]);
        assert!(!left.is_finished());
        let next = create(&path).unwrap();
        assert_eq!(next.set_aside(), [directory.path().join(name)]);
        next.finish().unwrap();
        assert_eq!(snapshots(&Reader::open(directory.path().join(name)).unwrap()), written[..8]);
    }
}

#[test]
fn two_recorders_of_the_same_name_are_kept_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damon.damo");
    let first = create(&path).unwrap();
    let error = create(&path).err().unwrap().to_string();
    assert!(error.contains("another recorder"), "{error}");
    first.finish().unwrap();
    assert!(create(&path).is_ok());
}

#[test]
fn of_recorders_that_start_at_once_on_one_name_one_gets_it_and_nothing_is_moved() {
    for _ in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("damon.damo");
        let start = std::sync::Barrier::new(4);
        let begin = || {
            start.wait();
            create(&path)
        };
        let files: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (got, refused): (Vec<_>, Vec<_>) = files.into_iter().partition(Result::is_ok);
        assert_eq!(got.len(), 1);
        for error in refused.into_iter().filter_map(Result::err) {
            assert!(error.to_string().contains("is being written by another recorder"), "{error}");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

#[test]
fn what_stands_where_the_old_record_would_go_is_noticed_at_the_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damon.damo");
    let old = directory.path().join("damon.damo.old");
    let written = write_file(&path, 5);
    let obstacles: [&dyn Fn(); 3] =
        [&|| symlink("elsewhere", &old).unwrap(), &|| fs::create_dir(&old).unwrap(), &|| {
            fs::write(&old, "notes").unwrap()
        }];
    for plant in obstacles {
        plant();
        let error = create(&path).err().unwrap().to_string();
        assert!(error.contains("damon.damo.old"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        assert_eq!(snapshots(&Reader::open(&path).unwrap()), written);
        let _ = fs::remove_file(&old);
        let _ = fs::remove_dir(&old);
    }
    assert!(create(&path).is_ok());
}

#[test]
fn a_record_without_snapshots_replaces_no_record_and_is_never_kept_as_old() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damon.damo");
    let names = || fs::read_dir(directory.path()).unwrap().count();
    let empty = |path: &Path| {
        let mut file = create(path).unwrap();
        [meta(), target(0)].iter().for_each(|item| file.put(item).unwrap());
        file
    };
    empty(&path).finish().unwrap();
    let written = write_file(&path, 5);
    assert_eq!(names(), 1, "the empty one was worth nothing");
    for finish in [RecordFile::finish, RecordFile::finish_repacked, RecordFile::finish_cut] {
        let error = finish(empty(&path)).unwrap_err();
        assert!(matches!(error, WriteError::NothingNew { .. }), "{error}");
        assert_eq!(snapshots(&Reader::open(&path).unwrap()), written);
        assert_eq!(names(), 1);
    }
    // As a killed recorder leaves it: not worth a name of its own either.
    drop(empty(&path));
    assert_eq!(create(&path).unwrap().set_aside(), [] as [&Path; 0]);
}

/// Takes so many bytes and then is full.
struct Full {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.room - self.bytes.len());
        self.bytes.extend(&bytes[..n]);
        if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_leaves_a_record_of_what_was_written() {
    let (written, items) = items(12);
    let whole = record(&written, options());
    for room in (16..whole.len()).step_by(7) {
        let mut writer = Writer::new(Full { bytes: Vec::new(), room }, options()).unwrap();
        let failed = items.iter().find_map(|item| writer.write(item).err());
        let Some(error) = failed else {
            // Only the index did not fit.
            continue;
        };
        assert!(matches!(error, WriteError::Io(_)), "{error}");
        assert!(matches!(writer.write(&items[2]), Err(WriteError::Failed)));
        let bytes = writer.get_ref().bytes.clone();
        assert_eq!(bytes, whole[..room]);
        let got = snapshots(&Reader::from_bytes(bytes).unwrap());
        assert_eq!(got, written[..got.len()]);
        assert_eq!(got.len(), writer.summary().blocks as usize * 4);
    }
}

/// Gives a few bytes at a time, as pipes do.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = out.len().min(self.size);
        self.rest.read(&mut out[..n])
    }
}

/// Two targets, one of which becomes better known later, a side item before each snapshot, and a block for every three snapshots.
fn small_blocks(path: &Path) -> (RecordFile, Vec<Snapshot>, Vec<Side>) {
    let mut file = RecordFile::create(path, WriterOptions::live(), false).unwrap();
    let written = evolving(0, 200, 12, 4);
    [meta(), target(0), target(1)].iter().for_each(|item| file.put(item).unwrap());
    let mut side_data = Vec::new();
    for (n, snapshot) in written.iter().enumerate() {
        if n == 150 {
            let named = Target { key: TargetKey(1), data_source: "late".into(), ..Target::default() };
            file.put(&Item::Target(named)).unwrap();
        }
        let lost = Lost { at: Stamp::Record(snapshot.end), events: n as u64, reason: "ring".into() };
        side_data.push(Side::Lost(lost));
        file.put(&Item::Side(side_data[n].clone())).unwrap();
        file.put(&Item::Snapshot(snapshot.clone())).unwrap();
        if n % 3 == 2 {
            file.flush_block().unwrap();
        }
    }
    (file, written, side_data)
}

#[test]
fn small_blocks_are_put_together_at_the_end_and_nothing_else_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damon.damo");
    // What a recorder left that was killed in the midst of it. No process has a number that large.
    fs::write(directory.path().join(".damon.damo.part.4294967295-0.damo-new"), "half a record").unwrap();
    let (file, written, side_data) = small_blocks(&path);
    let before = file.summary();
    fs::set_permissions(file.part_path(), fs::Permissions::from_mode(0o640)).unwrap();
    let summary = file.finish_repacked().unwrap();
    assert_eq!((summary.snapshots, summary.blocks), (200, 2));
    assert!(summary.bytes.0 < before.bytes.0 * 3 / 4, "{before:?} {summary:?}");
    assert_eq!(fs::metadata(&path).unwrap().len(), summary.bytes.0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    let reader = Reader::open(&path).unwrap();
    assert!(reader.is_finished() && reader.damage().is_empty());
    assert_eq!(snapshots(&reader), written);
    assert_eq!(reader.side_data().unwrap(), side_data);
    assert_eq!(reader.targets()[1].data_source, "late");
}

#[test]
fn a_repack_that_fails_leaves_the_record_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain.damo");
    small_blocks(&plain).0.finish().unwrap();
    // It cannot be created, as in a directory that takes no new file: all names for it are in use.
    let path = directory.path().join("damon.damo");
    let (file, ..) = small_blocks(&path);
    for n in 0..=1000 {
        let name = format!(".damon.damo.part.{}-{n}.damo-new", std::process::id());
        fs::create_dir(directory.path().join(name)).unwrap();
    }
    file.finish_repacked().unwrap();
    assert!(fs::read(&path).unwrap() == fs::read(&plain).unwrap());

    // It fails half-way: the disk gave back something else than was written.
    let path = directory.path().join("other.damo");
    let (file, ..) = small_blocks(&path);
    let part = fs::OpenOptions::new().write(true).open(file.part_path()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&part, b"spoilt", file.summary().bytes.0 / 2).unwrap();
    file.finish_repacked().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), fs::metadata(&plain).unwrap().len());
    let left = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".other.damo");
    assert!(!fs::read_dir(directory.path()).unwrap().any(|entry| left(entry.unwrap())));
    assert!(Reader::open(&path).unwrap().is_finished());
}

#[test]
fn a_growing_record_can_be_followed() {
    let (written, _) = items(12);
    let bytes = record(&written, options());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("growing");
    let mut file = fs::File::create(&path).unwrap();
    let mut stream = StreamReader::new(fs::File::open(&path).unwrap()).unwrap();
    let mut got = Vec::new();
    for (i, piece) in bytes.chunks(13).enumerate() {
        file.write_all(piece).unwrap();
        // Before the file's first header is there, there is nothing to ask for.
        while i > 0
            && let Some(item) = stream.next_item().unwrap()
        {
            if let Item::Snapshot(snapshot) = item {
                got.push(snapshot);
            }
        }
        assert_eq!(stream.is_finished(), (i + 1) * 13 >= bytes.len());
    }
    assert_eq!(got, written);
    assert_eq!((stream.damage(), stream.pending().0), (&[][..], 0));
}

#[test]
fn a_stream_in_pieces_of_any_size_is_read() {
    let (written, _) = items(12);
    let bytes = record(&written, options());
    for size in [1, 3, 100, 5000] {
        let pieces = || Pieces { rest: &bytes, size };
        assert_eq!(snapshots(&Reader::from_stream(pieces()).unwrap()), written);
        let mut stream = StreamReader::new(pieces()).unwrap();
        let mut got = Vec::new();
        while let Some(item) = stream.next_item().unwrap() {
            if let Item::Snapshot(snapshot) = item {
                got.push(snapshot);
            }
        }
        assert_eq!(got, written);
        assert!(stream.is_finished());
    }
}

#[test]
fn repair_makes_a_sound_record_of_what_is_readable_and_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let (written, _) = items(20);
    let mut bytes = record(&written, options());
    let at = Reader::from_bytes(bytes.as_slice()).unwrap().index()[2].offset.0 as usize;
    bytes[at + 60] ^= 1;
    bytes.truncate(bytes.len() - 50);
    let (bad, good) = (directory.path().join("bad.damo"), directory.path().join("good.damo"));
    fs::write(&bad, &bytes).unwrap();
    let report = repair(&bad, &good, false).unwrap();
    assert_eq!((report.written.snapshots, report.lost_snapshots, report.was_finished), (16, 4, false));
    assert!(!report.damage.is_empty());
    let reader = Reader::open(&good).unwrap();
    assert!(reader.damage().is_empty() && reader.is_finished());
    let expected: Vec<Snapshot> = [&written[..8], &written[12..]].concat();
    assert_eq!(snapshots(&reader), expected);
    assert_eq!(reader.meta().tool, "test 1");
    let side_data = reader.side_data().unwrap();
    let [Side::Lost(lost)] = &side_data[..] else { panic!("{side_data:?}") };
    assert!(lost.reason.contains("4 snapshots"), "{}", lost.reason);
    // Never in place: what is damaged may be all that there is.
    for force in [false, true] {
        let error = repair(&bad, &bad, force).unwrap_err().to_string();
        assert!(error.contains("is what is read here"), "{error}");
        assert_eq!(fs::read(&bad).unwrap(), bytes);
    }
    assert!(repair(&bad, &good, false).unwrap_err().to_string().contains("is a record"));
    repair(&bad, &good, true).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn repairing_what_is_no_record_creates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (bad, good) = (directory.path().join("bad"), directory.path().join("good"));
    fs::write(&bad, "no record").unwrap();
    let error = repair(&bad, &good, false).unwrap_err().to_string();
    assert!(error.contains("not a .damo record"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn what_was_written_before_the_disk_was_full_gets_its_name_and_reads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damon.damo");
    let (written, items) = items(10);
    let mut file = create(&path).unwrap();
    items.iter().for_each(|item| file.write(item).unwrap());
    // Two blocks of four are on the disk, the last two snapshots are not.
    file.finish_cut().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert!(!reader.is_finished());
    assert_eq!(snapshots(&reader), &written[..8]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// Only root can give files away, so for others there is nothing to see.
#[test]
fn a_record_made_by_root_for_a_user_is_the_users_and_gives_way_to_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    if directory.path().metadata().unwrap().uid() != 0 {
        return;
    }
    let path = directory.path().join("damon.damo");
    for heir in [None, Some(Owner { uid: 65534, gid: 65533 }), Some(Owner { uid: 65534, gid: 65533 })] {
        let mut file = RecordFile::create_with(&path, options(), Rules { heir, ..Rules::new(Kind::Record) }).unwrap();
        items(6).1.iter().for_each(|item| file.put(item).unwrap());
        file.finish_repacked().unwrap();
        let found = path.metadata().unwrap();
        let expected = heir.map_or(0, |heir| heir.uid);
        assert_eq!((found.uid(), found.permissions().mode() & 0o777), (expected, 0o600));
    }
    // Root itself finds somebody else's file there.
    assert!(create(&path).is_err());
    let somebody = Owner { uid: 4242, gid: 4242 };
    assert!(
        RecordFile::create_with(&path, options(), Rules { heir: Some(somebody), ..Rules::new(Kind::Record) }).is_err()
    );
}
