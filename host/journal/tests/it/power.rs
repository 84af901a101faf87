//! Power losses: of what was written after the last checkpoint and not synced, anything may be
//! left. Whatever it is, everything acknowledged is there again and verifies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use journal::{Journal, Reader, VerifyOptions, verify};

use crate::support::{Place, append, copy, entry, files};

/// Entries in the last checkpoint: not a whole bundle, so that a partial one is claimed.
const SIGNED: u64 = 300;

/// A folder just before its second checkpoint is signed, and what in it may not be synced yet.
struct Cut {
    place: Place,
    /// Number of entries that were acknowledged.
    size: u64,
    /// The folder as the files were written.
    pristine: PathBuf,
    /// Tiles and bundles after the last checkpoint, with their bytes.
    unsynced: BTreeMap<PathBuf, Vec<u8>>,
}

impl Cut {
    fn new() -> Self {
        let place = Place::new();
        let (journal, _) = place.open();
        append(&journal, (0..SIGNED).map(entry));
        drop(journal);
        let pristine = place.path().join("pristine");
        copy(&place.log(), &pristine);
        let signed = tiles(&pristine);

        let (journal, _) = place.open();
        let size = append_until_tiles_fill(&place, &journal);
        fs::remove_dir_all(pristine.join("wal")).expect("removes");
        copy(&place.log().join("wal"), &pristine.join("wal"));
        // Ending it writes the partial files too before it signs.
        drop(journal);
        copy(&place.log().join("tile"), &pristine.join("tile"));
        let mut unsynced = tiles(&pristine);
        unsynced.retain(|path, _| !signed.contains_key(path));
        Self {
            place,
            size,
            pristine,
            unsynced,
        }
    }

    /// Loses power so that of some files only that is left which `left` makes of their bytes,
    /// and opens the log.
    fn check(&self, damaged: &[&PathBuf], left: Left) {
        let log = self.place.log();
        fs::remove_dir_all(&log).expect("removes");
        copy(&self.pristine, &log);
        for path in damaged {
            match left(&self.unsynced[*path]) {
                Some(bytes) => fs::write(log.join(path), bytes).expect("writes"),
                None => fs::remove_file(log.join(path)).expect("removes"),
            }
            // A folder that is empty now has gone as well; others stay.
            let _ = fs::remove_dir(log.join(path).parent().expect("in a folder"));
        }
        let report = verify(&log, &VerifyOptions::default(), &mut |_, _| {}).expect("holds unopened");
        assert_eq!((report.size, report.size + report.unsigned), (SIGNED, self.size));
        assert_entries(&Reader::open(&log).expect("opens"), self.size);

        let (journal, recovery) = self.place.open();
        assert_eq!((recovery.size, recovery.cut_bytes), (self.size, 0));
        assert_entries(&journal.reader(), self.size);
        append(&journal, [entry(self.size)]);
        drop(journal);
        let report = verify(&log, &VerifyOptions::default(), &mut |_, _| {}).expect("holds");
        assert_eq!((report.size, report.unsigned), (self.size + 1, 0));
        assert_entries(&Reader::open(&log).expect("opens"), self.size + 1);
        for (path, bytes) in &self.unsynced {
            let is = fs::read(log.join(path)).ok();
            // A partial file was made superfluous by the entry after it.
            assert!(is.as_ref() == Some(bytes) || is.is_none() && path.parent().is_some_and(is_partials));
        }
    }
}

/// What is left of a file; `None` if it is not there.
type Left = fn(&[u8]) -> Option<Vec<u8>>;

fn is_partials(folder: &Path) -> bool {
    folder.extension().is_some_and(|extension| extension == "p")
}

/// Appends until whole tiles after the last checkpoint stand in the folder. Returns the size.
fn append_until_tiles_fill(place: &Place, journal: &Journal) -> u64 {
    // Each new segment has the tiles made of those before it.
    let last = place.log().join("tile/0/003");
    while !last.exists() {
        let size = journal.size();
        assert!(size < 1_000_000, "no tiles are made");
        append(journal, (size..size + 50).map(entry));
    }
    journal.size()
}

/// The tiles and bundles below a folder.
fn tiles(log: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("reads");
        (path.strip_prefix(log).expect("below it").to_path_buf(), bytes)
    };
    files(&log.join("tile")).into_iter().map(read).collect()
}

fn assert_entries(reader: &Reader, size: u64) {
    let mut read = 0;
    for (n, found) in (0..).zip(reader.entries(0)) {
        assert_eq!(found.expect("reads").bytes, entry(n));
        read = n + 1;
    }
    assert_eq!(read, size);
}

#[test]
fn whatever_a_power_loss_leaves_of_unsynced_files_is_made_again() {
    let cut = Cut::new();
    let names: Vec<_> = cut.unsynced.keys().collect();
    let whole = |name: &str| names.iter().any(|path| path.ends_with(name));
    assert!(whole("tile/entries/001") && whole("tile/0/001") && whole("tile/0/003"));
    assert!(
        names
            .iter()
            .filter(|path| path.parent().is_some_and(is_partials))
            .count()
            >= 3
    );

    let each: [Left; 5] = [
        |_| None,
        |_| Some(Vec::new()),
        |bytes| Some(bytes[..bytes.len() / 2].to_vec()),
        |bytes| Some(vec![0; bytes.len()]),
        |bytes| Some(bytes.iter().map(|byte| byte.wrapping_mul(167) ^ 0x5A).collect()),
    ];
    let all: [Left; 2] = [
        // Whole hashes and entries that are not those they should be, and then too few.
        |bytes| Some(bytes.chunks(32).rev().flatten().copied().collect()),
        |bytes| Some(bytes[..bytes.len() / 64 * 32].to_vec()),
    ];
    for left in each {
        for name in &names {
            cut.check(&[name], left);
        }
    }
    for left in each.into_iter().chain(all) {
        cut.check(&names, left);
    }
    cut.check(&[], |_| None);
}
