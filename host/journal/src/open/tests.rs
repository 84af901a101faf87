//! A device that fails: nothing is acknowledged after that, and the log says why it ended.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use super::*;
use crate::commit::{AppendError, CommitMode, Unwritable};
use crate::segment::{Device, Disk, Output};

#[derive(Default)]
struct Faults {
    write: AtomicBool,
    sync: AtomicBool,
    create: AtomicBool,
    syncs_after_failure: AtomicU32,
    /// So many tiles and folders can be synced before one cannot; none fails if negative.
    tile_syncs: AtomicI64,
    /// What of the tiles and folders was synced.
    synced: Mutex<BTreeSet<PathBuf>>,
}

impl Faults {
    fn sync_tile(&self, path: &Path) -> io::Result<()> {
        if self.tile_syncs.fetch_sub(1, SeqCst) == 0 {
            return Err(io::Error::other("input/output error"));
        }
        self.synced.lock().expect("locks").insert(path.to_path_buf());
        Ok(())
    }
}

struct Faulty(Arc<Faults>);

struct FaultyFile(Arc<Faults>, Box<dyn Output>);

impl Device for Faulty {
    fn create(&self, path: &Path, capacity: u64) -> io::Result<Box<dyn Output>> {
        if self.0.create.load(SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = Disk.create(path, capacity)?;
        Ok(Box::new(FaultyFile(Arc::clone(&self.0), file)))
    }

    fn begin_sync(&self, file: &File) {
        Disk.begin_sync(file);
    }

    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        self.0.sync_tile(path)?;
        Disk.sync_file(file, path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.0.sync_tile(path)?;
        Disk.sync_folder(path)
    }
}

impl Output for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.0.write.load(SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.1.write_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.0.sync.load(SeqCst) {
            self.0.syncs_after_failure.fetch_add(1, SeqCst);
            return Err(io::Error::other("input/output error"));
        }
        self.1.sync()
    }
}

fn open(dir: &Path, mode: CommitMode) -> (Journal, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    faults.tile_syncs.store(-1, SeqCst);
    let mut options = Options::new("faulty", dir.join("key"));
    options.commit = CommitChoice::Fixed(mode);
    options.segment_bytes = 16 * 1024;
    // Signed when closed, and at no other time.
    options.checkpoint_every = Duration::from_secs(3600);
    let device = Arc::new(Faulty(Arc::clone(&faults)));
    let (journal, _) = open_on(&dir.join("log"), options, device).expect("opens");
    (journal, faults)
}

fn put(journal: &Journal, bytes: usize) -> Result<(), AppendError> {
    let ticket = journal.append(|out| out.resize(out.len() + bytes, b'x'))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime");
    Ok(runtime.block_on(journal.durable(ticket))?)
}

fn reason(journal: &Journal) -> Arc<str> {
    let Err(Unwritable { reason }) = journal.health() else {
        panic!("it goes on");
    };
    reason
}

#[test]
fn a_failed_sync_or_write_ends_the_log_and_is_not_tried_again() {
    for mode in [CommitMode::Inline, CommitMode::Thread] {
        for failing in [
            |f: &Faults| f.sync.store(true, SeqCst),
            |f: &Faults| f.write.store(true, SeqCst),
        ] {
            let dir = tempfile::tempdir().expect("folder");
            let (journal, faults) = open(dir.path(), mode);
            put(&journal, 100).expect("works so far");
            failing(&faults);
            assert!(matches!(put(&journal, 100), Err(AppendError::Unwritable(_))));
            assert!(matches!(put(&journal, 100), Err(AppendError::Unwritable(_))));
            assert_eq!(journal.size(), 1);
            assert!(!reason(&journal).is_empty());
            journal.close().expect_err("is not orderly");
            drop(journal);
            assert!(faults.syncs_after_failure.load(SeqCst) <= 1);
            let (_journal, _) = open(dir.path(), mode);
        }
    }
}

#[test]
fn all_who_wait_learn_that_the_log_has_ended() {
    let dir = tempfile::tempdir().expect("folder");
    let (journal, faults) = open(dir.path(), CommitMode::Thread);
    faults.sync.store(true, SeqCst);
    let tickets: Vec<_> = (0..20)
        .filter_map(|_| journal.append(|out| out.push(b'x')).ok())
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime");
    runtime.block_on(async {
        for ticket in tickets {
            journal.durable(ticket).await.expect_err("was never durable");
        }
    });
}

#[test]
fn a_full_disk_is_the_last_thing_on_record() {
    let dir = tempfile::tempdir().expect("folder");
    let (journal, faults) = open(dir.path(), CommitMode::Inline);
    faults.create.store(true, SeqCst);
    // The segment made ready and the present one are still filled; then it ends.
    let ended = (0..1000).find_map(|_| put(&journal, 1000).err());
    assert!(matches!(ended, Some(AppendError::Unwritable(_))));
    assert!(
        reason(&journal).contains("the disk is full"),
        "{}",
        reason(&journal)
    );
    let acknowledged = journal.size();
    drop(journal);
    let (journal, _) = open(dir.path(), CommitMode::Inline);
    let last = journal
        .reader()
        .entry(acknowledged)
        .expect("reads")
        .expect("is there");
    let last = String::from_utf8_lossy(&last.bytes).into_owned();
    assert!(
        last.contains(r#""kind":"fault""#) && last.contains("the disk is full"),
        "{last}"
    );
    assert_eq!(journal.size(), acknowledged + 1);
}

/// Files and folders below `folder`, with itself.
fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::from([folder.to_path_buf()]);
    for item in fs::read_dir(folder).expect("reads") {
        let path = item.expect("reads").path();
        if path.is_dir() {
            all.extend(below(&path));
        } else {
            all.insert(path);
        }
    }
    all
}

#[test]
fn what_a_checkpoint_claims_was_synced_with_every_folder_above_it() {
    let dir = tempfile::tempdir().expect("folder");
    let log = dir.path().join("log");
    let claimed = |faults: &Faults| {
        let synced = faults.synced.lock().expect("locks");
        assert!(synced.contains(&log));
        below(&log.join("tile"))
            .difference(&synced)
            .cloned()
            .collect::<Vec<_>>()
    };
    let (journal, faults) = open(dir.path(), CommitMode::Inline);
    // More files than are kept open.
    for _ in 0..80 {
        (0..256).for_each(|_| drop(journal.append(|out| out.push(b'x'))));
        put(&journal, 1).expect("works");
    }
    assert_eq!(journal.close().expect("closes").checkpoint.size, 80 * 257);
    assert_eq!(claimed(&faults), [] as [PathBuf; 0]);
    drop(journal);

    // Folders that a process made which was killed before it synced them are synced by the next.
    let pristine = dir.path().join("pristine");
    fs::create_dir(&pristine).expect("makes a folder");
    let (journal, faults) = open(&pristine, CommitMode::Inline);
    fs::create_dir_all(pristine.join("log/tile/entries/000.p")).expect("makes a folder");
    put(&journal, 1).expect("works");
    journal.close().expect("closes");
    let synced = faults.synced.lock().expect("locks").clone();
    assert!(below(&pristine.join("log/tile")).is_subset(&synced));
}

#[test]
fn nothing_is_signed_before_all_of_it_is_synced() {
    for fails_at in 0.. {
        let dir = tempfile::tempdir().expect("folder");
        let (journal, faults) = open(dir.path(), CommitMode::Inline);
        for _ in 0..600 {
            put(&journal, 1).expect("works");
        }
        faults.tile_syncs.store(fails_at, SeqCst);
        let closed = journal.close();
        drop(journal);
        if faults.tile_syncs.load(SeqCst) >= 0 {
            // Bundles and tiles 0 to 2, and the partial tile above; a folder each for what is
            // whole and what is not, and `tile` and the log's own.
            assert_eq!(closed.expect("closes").checkpoint.size, 600);
            assert!(fails_at >= 7);
            return;
        }
        closed.expect_err("is not orderly");
        let note = fs::read(dir.path().join("log/checkpoint")).expect("reads");
        assert_eq!(crate::note::stated_size(&note), Some(0), "at sync {fails_at}");
        let (journal, _) = open(dir.path(), CommitMode::Inline);
        assert_eq!(journal.size(), 601, "and an entry that says why it ended");
    }
}

#[test]
fn a_long_checkpoint_log_is_read_from_its_end() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("checkpoints.log");
    let new = NewKey::draw(&dir.path().join("key"), "origin").expect("key");
    let key = new.key();
    let mut log = Vec::new();
    for size in 0..1000 {
        log.extend_from_slice(&key.sign(size, [1; 32]).expect("signs").note);
        log.push(b'\n');
    }
    fs::write(&path, &log).expect("writes");
    let (tail, offset) = notes_tail(&path, "origin").expect("reads");
    assert!(offset > 0 && log[usize::try_from(offset).expect("small")..] == tail);
    let (notes, rest) = split_notes(&tail);
    assert!(rest.is_empty() && notes.len() > 100);
    let keys = Keys::parse([key.vkey()]).expect("key");
    assert_eq!(
        keys.open(notes[notes.len() - 1]).expect("holds").checkpoint.size,
        999
    );
}
