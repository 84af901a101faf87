//! Crashes: what was acknowledged is there afterwards, what was torn is cut.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Place, append, copy, entry, open_with, options, wait};
use journal::{CommitChoice, CommitMode, OpenError};

/// Runs in a process of its own: appends, and says which entries were acknowledged.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os("JOURNAL_CRASH_FOLDER") else {
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    let mut options = options(&folder);
    options.segment_bytes = 16 * 1024;
    options.checkpoint_every = Duration::from_millis(5);
    if std::env::var_os("JOURNAL_CRASH_THREAD").is_some() {
        options.commit = CommitChoice::Fixed(CommitMode::Thread);
    }
    let (journal, recovery) = open_with(&folder.join("log"), options).expect("opens");
    let mut out = std::io::stdout().lock();
    wait(async {
        let mut first = recovery.size;
        loop {
            let tickets: Vec<_> = (first..first + 7)
                .map(|n| {
                    journal
                        .append(|out| out.extend_from_slice(&entry(n)))
                        .expect("appends")
                })
                .collect();
            let last = *tickets.last().expect("seven");
            journal.durable(last).await.expect("durable");
            writeln!(out, "acknowledged {}", last.index()).expect("the parent reads");
            out.flush().expect("the parent reads");
            first += 7;
        }
    });
}

#[test]
fn acknowledged_entries_survive_a_kill_at_any_moment() {
    let place = Place::new();
    let mut seed = 0x9E37_79B9_u32;
    let mut acknowledged = 0;
    for kill in 0..60 {
        // xorshift: where to kill has no pattern, but is the same in each run.
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command
            .args([
                "--exact",
                "crash::child_appends_until_it_is_killed",
                "--nocapture",
            ])
            .env("JOURNAL_CRASH_FOLDER", place.path())
            .stdout(Stdio::piped());
        if kill % 2 == 1 {
            command.env("JOURNAL_CRASH_THREAD", "1");
        }
        let mut child = command.spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said = |line: String| {
            line.split_once("acknowledged ")
                .and_then(|(_, n)| n.parse::<u64>().ok())
        };
        let mut left = seed % 150;
        for line in &mut lines {
            if let Some(index) = said(line.expect("reads")) {
                acknowledged = index;
                left = left.saturating_sub(1);
                if left == 0 {
                    child.kill().expect("kills");
                    break;
                }
            }
        }
        // What it said before it died counts too.
        for line in lines {
            acknowledged = said(line.unwrap_or_default()).unwrap_or(acknowledged);
        }
        child.wait().expect("ends");
        if kill % 5 == 4 {
            let (journal, recovery) = place.open();
            assert!(
                recovery.size > acknowledged,
                "kill {kill}: {acknowledged} was acknowledged"
            );
            for (n, found) in (0..).zip(journal.reader().entries(0)) {
                assert_eq!(found.expect("reads").bytes, entry(n));
            }
        }
    }
    let report = journal::verify(&place.log(), &journal::VerifyOptions::default(), &mut |_, _| {});
    assert!(report.expect("holds").size > acknowledged);
}

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
    open_with(&place.log(), options.clone()).expect("the anchor holds");
    fs::remove_dir_all(place.log()).expect("removes");
    copy(&old, &place.log());
    let opened = open_with(&place.log(), options.clone());
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
    let opened = open_with(&place.log(), options);
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
