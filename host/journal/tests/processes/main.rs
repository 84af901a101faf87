//! Several processes and one log: a killed writer, and a second one.
//!
//! A program of its own: a process that is being started holds for a moment a copy of every
//! lock of its parent, which tests that close and open logs would meet.

#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests within one process"
)]
#[path = "../it/support.rs"]
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use journal::{CommitChoice, CommitMode, Journal, OpenError};
use support::{Place, entry, options, wait};

/// Held by a test that starts processes: no other one has a lock then.
static ALONE: Mutex<()> = Mutex::new(());

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
    let (journal, recovery) = Journal::open(&folder.join("log"), options).expect("opens");
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
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
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
            .args(["--exact", "child_appends_until_it_is_killed", "--nocapture"])
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
        // After each kill, before anyone appends again: the next child would write the same
        // bytes at the same index and hide a loss.
        let (journal, recovery) = place.open();
        assert!(
            recovery.size > acknowledged,
            "kill {kill}: {acknowledged} was acknowledged"
        );
        let mut size = 0;
        for (n, found) in (0..).zip(journal.reader().entries(0)) {
            assert_eq!(found.expect("reads").bytes, entry(n));
            size = n + 1;
        }
        assert_eq!(size, recovery.size);
    }
    let report = journal::verify(&place.log(), &journal::VerifyOptions::default(), &mut |_, _| {});
    assert!(report.expect("holds").size > acknowledged);
}

#[test]
fn two_writers_on_one_directory_are_refused() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new();
    let (journal, _) = place.open();
    assert!(matches!(place.try_open(), Err(OpenError::InUse { .. })));

    // The same from another process: this test binary, told to open it too.
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", "second_process", "--nocapture"])
        .env("JOURNAL_FOLDER", place.path())
        .stderr(Stdio::piped());
    let output = command.spawn().expect("starts").wait_with_output().expect("runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use by another process"));
    drop(journal);
    place.open();
}

#[test]
fn second_process() {
    if let Some(folder) = std::env::var_os("JOURNAL_FOLDER") {
        let folder = std::path::PathBuf::from(folder);
        let opened = Journal::open(&folder.join("log"), options(&folder));
        eprintln!("{}", opened.map(|_| ()).expect_err("is locked"));
    }
}
