//! Tampering: whatever is changed, removed, put in or put back is named.

use std::fs;
use std::path::{Path, PathBuf};

use journal::{VerifyError, VerifyOptions, VerifyReport, verify};

use crate::support::{Place, append, copy, entry, files};

const SIZE: u64 = 600;

/// A closed log of [`SIZE`] entries with several checkpoints.
fn log(place: &Place) {
    for from in (0..SIZE).step_by(150) {
        let (journal, _) = place.open();
        append(&journal, (from..from + 150).map(entry));
        journal.close().expect("closes");
    }
}

fn check(place: &Place) -> Result<VerifyReport, VerifyError> {
    check_with(&place.log(), &VerifyOptions::default())
}

fn check_with(dir: &Path, options: &VerifyOptions) -> Result<VerifyReport, VerifyError> {
    verify(dir, options, &mut |_, _| {})
}

fn vkey(place: &Place) -> String {
    let keys = fs::read_to_string(place.log().join("keys/vkeys.txt")).expect("reads");
    keys.trim_end().to_owned()
}

/// Rewrites a bundle's entries.
fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let bytes = fs::read(path).expect("reads");
    let mut entries = Vec::new();
    let mut rest = &bytes[..];
    while let [a, b, more @ ..] = rest {
        let (entry, after) = more.split_at(usize::from(u16::from_be_bytes([*a, *b])));
        entries.push(entry.to_vec());
        rest = after;
    }
    change(&mut entries);
    let framed = entries.iter().flat_map(|entry| {
        let len = u16::try_from(entry.len()).expect("short");
        [&len.to_be_bytes()[..], entry].concat()
    });
    fs::write(path, framed.collect::<Vec<_>>()).expect("writes");
}

fn bundle(place: &Place, name: &str) -> PathBuf {
    place.log().join("tile/entries").join(name)
}

#[test]
fn an_untouched_log_holds() {
    let place = Place::new();
    log(&place);
    let mut told = Vec::new();
    let options = VerifyOptions {
        vkeys: vec![vkey(&place)],
        ..VerifyOptions::default()
    };
    let report = verify(&place.log(), &options, &mut |done, all| told.push((done, all)));
    let report = report.expect("holds");
    assert_eq!((report.size, report.unsigned, report.checkpoints), (SIZE, 0, 5));
    assert_eq!(report.origin, "bank/gateway-1");
    assert!(!report.torn && !report.keys_from_log && report.anchored.is_none());
    assert_eq!(told, [(256, 600), (512, 600), (600, 600)]);
}

#[test]
fn a_live_log_holds() {
    let place = Place::new();
    let (journal, _) = place.open();
    append(&journal, (0..1000).map(entry));
    let report = check(&place).expect("holds");
    assert_eq!(report.size + report.unsigned, 1000);
    drop(journal);
}

#[test]
fn a_byte_changed_in_any_file_is_found() {
    let place = Place::new();
    log(&place);
    let wal = place.log().join("wal");
    for path in files(&place.log()) {
        let evidence = !path.starts_with(&wal) && !path.ends_with("closed") && !path.ends_with("lock");
        if !evidence {
            continue;
        }
        let bytes = fs::read(&path).expect("reads");
        // Each byte of short files, some of long ones.
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 150) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x04;
            fs::write(&path, changed).expect("writes");
            assert!(check(&place).is_err(), "byte {at} of {}", path.display());
        }
        fs::write(&path, bytes).expect("writes");
    }
    check(&place).expect("holds again");
}

#[test]
fn a_changed_entry_is_named() {
    let place = Place::new();
    log(&place);
    for (name, at, index) in [("000", 7, 7), ("001", 200, 456), ("002.p/88", 87, 599)] {
        let path = bundle(&place, name);
        let bytes = fs::read(&path).expect("reads");
        rewrite(&path, |entries| entries[at][9] ^= 1);
        let fault = check(&place);
        assert!(
            matches!(fault, Err(VerifyError::EntryChanged { index: i }) if i == index),
            "{fault:?}"
        );
        fs::write(&path, bytes).expect("writes");
    }
}

#[test]
fn a_removed_repeated_or_moved_entry_is_named() {
    let place = Place::new();
    log(&place);
    let path = bundle(&place, "001");
    let bytes = fs::read(&path).expect("reads");
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        rewrite(&path, change);
        let fault = check(&place).expect_err("is found");
        fs::write(&path, &bytes).expect("writes");
        fault
    };
    let fault = with(&|entries| drop(entries.remove(10)));
    assert!(
        matches!(fault, VerifyError::EntryMissing { index: 266 }),
        "{fault:?}"
    );
    let fault = with(&|entries| drop(entries.pop()));
    assert!(
        matches!(fault, VerifyError::EntryMissing { index: 511 }),
        "{fault:?}"
    );
    let fault = with(&|entries| entries.insert(10, entries[9].clone()));
    assert!(
        matches!(fault, VerifyError::EntryAdded { index: 266 }),
        "{fault:?}"
    );
    let fault = with(&|entries| entries.push(b"more".to_vec()));
    assert!(
        matches!(fault, VerifyError::EntryAdded { index: 512 }),
        "{fault:?}"
    );
    let fault = with(&|entries| entries.swap(10, 20));
    assert!(
        matches!(
            fault,
            VerifyError::EntryMoved {
                index: 266,
                from: 276
            }
        ),
        "{fault:?}"
    );
    let fault = with(&|entries| entries.swap(10, 11));
    assert!(
        matches!(
            fault,
            VerifyError::EntryMoved {
                index: 266,
                from: 267
            }
        ),
        "{fault:?}"
    );
}

#[test]
fn a_removed_file_is_named() {
    let place = Place::new();
    log(&place);
    let without = |name: &str| {
        let path = place.log().join(name);
        let bytes = fs::read(&path).expect("reads");
        fs::remove_file(&path).expect("removes");
        let fault = check(&place).expect_err("is found");
        fs::write(&path, bytes).expect("writes");
        fault
    };
    let fault = without("tile/entries/001");
    assert!(
        matches!(fault, VerifyError::EntryMissing { index: 256 }),
        "{fault:?}"
    );
    let fault = without("tile/entries/002.p/88");
    assert!(
        matches!(
            fault,
            VerifyError::Cut {
                held: 512,
                signed: 600
            }
        ),
        "{fault:?}"
    );
    for tile in ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"] {
        let fault = without(tile);
        assert!(
            matches!(&fault, VerifyError::TileMissing { path } if path.ends_with(tile)),
            "{fault:?}"
        );
    }
    assert!(matches!(without("checkpoints.log"), VerifyError::NotLogged));
    assert!(matches!(without("checkpoint"), VerifyError::NoLog { .. }));
}

#[test]
fn a_cut_tail_is_named() {
    let place = Place::new();
    log(&place);
    let path = bundle(&place, "002.p/88");
    let bytes = fs::read(&path).expect("reads");
    rewrite(&path, |entries| entries.truncate(70));
    let fault = check(&place);
    assert!(
        matches!(
            fault,
            Err(VerifyError::Cut {
                held: 582,
                signed: 600
            })
        ),
        "{fault:?}"
    );
    fs::write(&path, bytes).expect("writes");

    // Cut together with the latest checkpoint: the others still say how long it was.
    let notes = fs::read_to_string(place.log().join("checkpoints.log")).expect("reads");
    let at = notes
        .match_indices("bank/gateway-1\n450\n")
        .next()
        .expect("signed")
        .0;
    let earlier = notes[at..].split_inclusive("\n\n").take(2).collect::<String>();
    fs::write(place.log().join("checkpoint"), &earlier[..earlier.len() - 1]).expect("writes");
    let cut = check(&place);
    assert!(
        matches!(cut, Ok(VerifyReport { size: 600, .. })),
        "a crash leaves this behind: {cut:?}"
    );
    let at = notes
        .match_indices("bank/gateway-1\n300\n")
        .next()
        .expect("signed")
        .0;
    let earlier = notes[at..].split_inclusive("\n\n").take(2).collect::<String>();
    fs::write(place.log().join("checkpoint"), &earlier[..earlier.len() - 1]).expect("writes");
    assert!(matches!(check(&place), Err(VerifyError::NotLogged)));
}

#[test]
fn a_changed_tile_is_told_from_a_changed_entry() {
    let place = Place::new();
    log(&place);
    for tile in ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"] {
        let path = place.log().join(tile);
        let bytes = fs::read(&path).expect("reads");
        let mut changed = bytes.clone();
        changed[40] ^= 1;
        fs::write(&path, changed).expect("writes");
        let fault = check(&place).expect_err("is found");
        assert!(
            matches!(&fault, VerifyError::TileChanged { path } if path.ends_with(tile)),
            "{fault:?}"
        );
        fs::write(&path, bytes).expect("writes");
    }
}

#[test]
fn an_older_copy_is_named_with_an_anchor() {
    let place = Place::new();
    log(&place);
    let old = place.path().join("old");
    copy(&place.log(), &old);
    let (journal, _) = place.open();
    append(&journal, (SIZE..SIZE + 10).map(entry));
    let anchor = journal.close().expect("closes").note.clone();
    drop(journal);
    let options = VerifyOptions {
        anchors: vec![anchor],
        ..VerifyOptions::default()
    };
    assert_eq!(
        check_with(&place.log(), &options).expect("holds").anchored,
        Some(610)
    );
    let fault = check_with(&old, &options);
    assert!(
        matches!(
            fault,
            Err(VerifyError::OlderCopy {
                held: 600,
                signed: 610
            })
        ),
        "{fault:?}"
    );
    check_with(&old, &VerifyOptions::default()).expect("consistent in itself");

    // The old copy written on: a second history, well signed, but not the anchored one.
    fs::remove_dir_all(place.log()).expect("removes");
    copy(&old, &place.log());
    let (journal, _) = place.open();
    append(&journal, (0..500).map(entry));
    journal.close().expect("closes");
    let fault = check_with(&place.log(), &options);
    assert!(
        matches!(fault, Err(VerifyError::Replaced { size: 610 })),
        "{fault:?}"
    );
}

#[test]
fn a_log_written_anew_with_another_key_is_named() {
    let place = Place::new();
    log(&place);
    let options = VerifyOptions {
        vkeys: vec![vkey(&place)],
        ..VerifyOptions::default()
    };
    check_with(&place.log(), &options).expect("holds");
    let other = Place::new();
    log(&other);
    check(&other).expect("consistent in itself");
    let fault = check_with(&other.log(), &options);
    assert!(matches!(fault, Err(VerifyError::Checkpoint { .. })), "{fault:?}");
}

#[test]
fn a_rewritten_history_differs_at_the_next_checkpoint() {
    let place = Place::new();
    log(&place);
    let other = Place::new();
    let (journal, _) = other.open();
    append(&journal, (0..SIZE).map(|n| entry(n + u64::from(n == 200))));
    journal.close().expect("closes");
    drop(journal);
    fs::remove_dir_all(place.log().join("tile")).expect("removes");
    copy(&other.log().join("tile"), &place.log().join("tile"));
    let fault = check(&place);
    assert!(
        matches!(
            fault,
            Err(VerifyError::RootDiffers {
                size: 300,
                after: 150
            })
        ),
        "{fault:?}"
    );
}

#[test]
fn damage_in_what_is_not_signed_yet_is_named() {
    let place = Place::new();
    log(&place);
    let (journal, _) = place.open();
    for n in SIZE..SIZE + 3 {
        append(&journal, [entry(n)]);
    }
    let crash = place.path().join("crash");
    copy(&place.log(), &crash);
    let report = check_with(&crash, &VerifyOptions::default()).expect("holds");
    assert_eq!((report.size, report.unsigned, report.torn), (600, 3, false));
    let segment = crash.join("wal").join(format!("{SIZE:020}"));
    let bytes = fs::read(&segment).expect("reads");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("written") + 1;
    for at in 0..end * 2 / 3 {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        fs::write(&segment, changed).expect("writes");
        let fault = check_with(&crash, &VerifyOptions::default());
        assert!(
            matches!(fault, Err(VerifyError::WalDamaged { .. })),
            "byte {at}: {fault:?}"
        );
    }
    drop(journal);
}

#[test]
fn an_entry_that_is_none_is_named() {
    let place = Place::new();
    let (journal, _) = place.open();
    append(
        &journal,
        [entry(0), b"{\"v\":2,\"kind\":\"x\"}".to_vec(), entry(2)],
    );
    journal.close().expect("closes");
    let fault = check(&place);
    assert!(
        matches!(fault, Err(VerifyError::EntryMalformed { index: 1 })),
        "{fault:?}"
    );
}

#[test]
fn what_holds_no_log_says_so() {
    let place = Place::new();
    assert!(matches!(check(&place), Err(VerifyError::NoLog { .. })));
}
