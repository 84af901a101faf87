//! Crashes: what was acknowledged is there afterwards, what was torn is cut.

use std::fs;

use crate::support::{Place, append, copy, entry};
use journal::OpenError;

/// A log with signed entries, and some that are in a segment only, as after a crash.
fn crashed(place: &Place, signed: u64, ahead: u64) {
    let (journal, _) = place.open();
    append(&journal, (0..signed).map(entry));
    drop(journal);
    let (journal, _) = place.open();
    for n in signed..signed + ahead {
        append(&journal, [entry(n)]);
    }
    let crash = place.path().join("crash");
    // The lock stays with the first log; the copy is what a power cut would leave.
    copy(&place.log(), &crash);
    drop(journal);
    fs::remove_dir_all(place.log()).expect("removes");
    fs::rename(crash, place.log()).expect("renames");
}

#[test]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let place = Place::new();
    crashed(&place, 300, 3);
    let segment = place.log().join("wal").join(format!("{:020}", 300));
    let whole = fs::read(&segment).expect("reads");
    let end = whole.iter().rposition(|byte| *byte != 0).expect("written") + 1;
    let starts: Vec<_> = (0..end)
        .filter(|at| whole[*at..].starts_with(b"\xF5TGWAL"))
        .collect();
    assert_eq!(starts.len(), 3);
    let pristine = place.path().join("pristine");
    copy(&place.log(), &pristine);
    for cut in starts[1]..end {
        fs::remove_dir_all(place.log()).expect("removes");
        copy(&pristine, &place.log());
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        if cut % 2 == 0 {
            torn.truncate(cut);
        }
        fs::write(&segment, torn).expect("writes");
        let (journal, recovery) = place.open();
        assert_eq!(
            recovery.size,
            if cut < starts[2] { 301 } else { 302 },
            "cut at {cut}"
        );
        append(&journal, [b"after".to_vec()]);
        drop(journal);
        let (journal, again) = place.open();
        assert_eq!((again.size, again.cut_bytes), (recovery.size + 1, 0));
        assert_eq!(
            journal
                .reader()
                .entry(again.size - 1)
                .expect("reads")
                .expect("there")
                .bytes,
            "after"
        );
    }
}

#[test]
fn damage_before_a_whole_block_is_no_torn_tail() {
    let place = Place::new();
    crashed(&place, 300, 3);
    let segment = place.log().join("wal").join(format!("{:020}", 300));
    let mut bytes = fs::read(&segment).expect("reads");
    bytes[40] ^= 1;
    fs::write(&segment, bytes).expect("writes");
    assert!(matches!(
        place.try_open(),
        Err(OpenError::Damaged { size: 300, .. })
    ));
}

#[test]
fn a_missing_segment_is_refused() {
    let place = Place::new();
    crashed(&place, 300, 3);
    let wal = place.log().join("wal");
    fs::rename(wal.join(format!("{:020}", 300)), wal.join(format!("{:020}", 301))).expect("renames");
    assert!(matches!(
        place.try_open(),
        Err(OpenError::Damaged { size: 300, .. })
    ));
}

#[test]
fn a_torn_checkpoint_is_cut_and_signed_again() {
    let place = Place::new();
    crashed(&place, 300, 3);
    let path = place.log().join("checkpoints.log");
    let whole = fs::read(&path).expect("reads");
    let note = fs::read(place.log().join("checkpoint")).expect("reads");
    let pristine = place.path().join("pristine");
    copy(&place.log(), &pristine);
    for len in [1, 20, note.len() / 2, note.len()] {
        fs::remove_dir_all(place.log()).expect("removes");
        copy(&pristine, &place.log());
        fs::write(&path, [&whole[..], &note[..len]].concat()).expect("writes");
        let (journal, _) = place.open();
        journal.close().expect("closes");
        drop(journal);
        journal::verify(&place.log(), &journal::VerifyOptions::default(), &mut |_, _| {}).expect("holds");
        let after = fs::read(&path).expect("reads");
        assert!(after.starts_with(&whole) && after.ends_with(b"\n\n"));
    }
}

#[test]
fn a_log_that_is_smaller_than_its_checkpoint_does_not_open() {
    let place = Place::new();
    let (journal, _) = place.open();
    append(&journal, (0..300).map(entry));
    drop(journal);
    fs::remove_dir_all(place.log().join("tile/0/001.p")).expect("removes");
    fs::remove_dir_all(place.log().join("tile/entries/001.p")).expect("removes");
    let opened = place.try_open();
    assert!(
        matches!(
            opened,
            Err(OpenError::RolledBack {
                held: 256,
                signed: 300
            })
        ),
        "{opened:?}"
    );
}

#[test]
fn an_older_copy_does_not_open_against_an_anchor() {
    let place = Place::new();
    let (journal, _) = place.open();
    append(&journal, (0..300).map(entry));
    journal.close().expect("closes");
    drop(journal);
    let old = place.path().join("old");
    copy(&place.log(), &old);
    let (journal, _) = place.open();
    append(&journal, (300..400).map(entry));
    let anchor = journal.close().expect("closes").note.clone();
    drop(journal);

    let mut options = place.options();
    options.anchors = vec![anchor];
    journal::Journal::open(&place.log(), options.clone()).expect("the anchor holds");
    fs::remove_dir_all(place.log()).expect("removes");
    copy(&old, &place.log());
    let opened = journal::Journal::open(&place.log(), options.clone());
    assert!(matches!(
        opened,
        Err(OpenError::RolledBack {
            held: 300,
            signed: 400
        })
    ));

    // Going on from the copy makes another history, which the anchor shows as well.
    let (journal, _) = place.open();
    append(&journal, (1300..1500).map(entry));
    drop(journal);
    let opened = journal::Journal::open(&place.log(), options);
    assert!(matches!(opened, Err(OpenError::Forked { size: 400 })));
}

#[test]
fn a_log_without_its_checkpoint_or_key_does_not_open() {
    let place = Place::new();
    crashed(&place, 10, 1);
    let key = place.path().join("key");
    fs::rename(&key, place.path().join("kept")).expect("renames");
    assert!(matches!(
        place.try_open(),
        Err(OpenError::Key(journal::KeyError::Missing { .. }))
    ));
    fs::rename(place.path().join("kept"), &key).expect("renames");
    fs::remove_file(place.log().join("checkpoint")).expect("removes");
    assert!(matches!(
        place.try_open(),
        Err(OpenError::CheckpointMissing { .. })
    ));
}

#[test]
fn a_log_whose_first_start_was_killed_opens_at_the_next() {
    let place = Place::new();
    drop(place.open());
    let published = fs::read_to_string(place.log().join("keys/vkeys.txt")).expect("reads");
    // Between the publishing of the key and its keeping.
    fs::remove_dir_all(place.log()).expect("removes");
    fs::create_dir_all(place.log().join("keys")).expect("makes");
    fs::write(place.log().join("keys/vkeys.txt"), &published).expect("writes");
    fs::remove_file(place.path().join("key")).expect("removes");
    drop(place.open());
    let keys = fs::read_to_string(place.log().join("keys/vkeys.txt")).expect("reads");
    assert_eq!(keys.lines().count(), 2, "{keys}");
    // Between that and the first checkpoint.
    fs::remove_file(place.log().join("checkpoints.log")).expect("removes");
    fs::remove_file(place.log().join("checkpoint")).expect("removes");
    fs::remove_dir_all(place.log().join("wal")).expect("removes");
    let (journal, recovery) = place.open();
    assert!(recovery.fresh);
    append(&journal, (0..3).map(entry));
    drop(journal);
    assert_eq!(place.open().1.size, 3);
}
