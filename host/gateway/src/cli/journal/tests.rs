use std::fs;

use ::journal::{Journal, Options, Reader, VerifyOptions};
use indicatif::ProgressBar;
use model::SessionId;
use model::event::Event;
use serde_json::Value;
use tempfile::TempDir;

use super::tail::{Form, Wanted, show};
use super::*;
use crate::cli::{EXIT_FAILED, EXIT_USAGE};

struct Stage {
    folder: TempDir,
    journal: Journal,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::new("tidegate/test", folder.path().join("key"));
        let (journal, _) = Journal::open(&folder.path().join("log"), options).expect("a journal");
        Self { folder, journal }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn raw(&self, entry: &str) {
        self.journal
            .append(|out| out.extend_from_slice(entry.as_bytes()))
            .expect("appended");
    }

    fn session_ends(&self, n: u8) {
        let event = Event::SessionEnd {
            session: SessionId::new(n.into(), [n; 10]),
            reason: "closed",
            operations: 1,
        };
        self.journal
            .append(|out| event.encode(1_000_000 * u64::from(n), out))
            .expect("appended");
    }

    /// Everything durable, signed and in bundles.
    fn close(&self) {
        self.journal.close().expect("closed");
    }

    fn tail(&self, wanted: &Wanted) -> (String, u64) {
        let reader = Reader::open(&self.dir()).expect("a journal");
        let mut out = Vec::new();
        let bad = show(&reader, wanted, &mut out, &mut || false).expect("shown");
        (String::from_utf8(out).expect("text"), bad)
    }
}

fn wanted(lines: Option<usize>, form: Form) -> Wanted {
    Wanted {
        lines,
        session: None,
        kinds: Vec::new(),
        form,
    }
}

fn verified(dir: PathBuf, options: &VerifyOptions) -> Result<String, Failure> {
    let holds = verify::check(dir, options, &ProgressBar::hidden())?;
    let mut out = Vec::new();
    verify::print(&mut out, &holds).expect("printed");
    Ok(String::from_utf8(out).expect("text"))
}

#[test]
fn a_journal_that_holds_is_described() {
    let stage = Stage::new();
    (1..=9).for_each(|n| stage.session_ends(n));
    stage.close();
    let said = verified(stage.dir(), &VerifyOptions::default()).expect("it holds");
    for part in [
        "The journal holds",
        "tidegate/test",
        "entries      9\n",
        "1970-01-01T00:00:01",
        "1970-01-01T00:00:09",
        "openssl pkeyutl -verify",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    assert!(said.contains("anchor       none"), "{said}");
}

#[test]
fn the_first_fault_is_named() {
    let stage = Stage::new();
    (1..=9).for_each(|n| stage.session_ends(n));
    stage.close();
    let bundle = stage.dir().join("tile/entries/000.p/9");
    let mut bytes = fs::read(&bundle).expect("a bundle");
    let at = bytes
        .windows(6)
        .position(|window| window == b"closed")
        .expect("the first entry's reason");
    bytes[at] ^= 1;
    fs::write(&bundle, bytes).expect("changed");
    let failure = verified(stage.dir(), &VerifyOptions::default()).expect_err("it does not hold");
    assert_eq!(failure.status, EXIT_FAILED);
    assert!(
        failure.reason.contains("does not hold") && failure.reason.contains("entry 0"),
        "{failure:?}"
    );
}

#[test]
fn a_folder_without_a_journal_is_not_one_that_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let failure = verified(folder.path().to_owned(), &VerifyOptions::default()).expect_err("no journal");
    assert_eq!(failure.status, EXIT_FAILED);
    assert!(failure.reason.contains("holds no journal"), "{failure:?}");
}

#[test]
fn an_older_copy_is_recognised_by_a_checkpoint_kept_elsewhere() {
    let stage = Stage::new();
    stage.session_ends(1);
    let copy = tempfile::tempdir().expect("a folder");
    let anchor = |dir: &std::path::Path| fs::read(dir.join("checkpoint")).expect("a checkpoint");
    copy_all(&stage.dir(), copy.path());
    stage.session_ends(2);
    stage.close();
    let options = VerifyOptions {
        anchors: vec![anchor(&stage.dir())],
        ..VerifyOptions::default()
    };
    let said = verified(stage.dir(), &options).expect("it holds");
    assert!(
        said.contains("goes on from the checkpoint of 2 entries"),
        "{said}"
    );
    let failure = verified(copy.path().to_owned(), &options).expect_err("it is older");
    assert!(
        failure.reason.contains("an older copy was restored"),
        "{failure:?}"
    );
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("made");
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn the_last_entries_are_shown_beside_the_writer_and_after_it() {
    let stage = Stage::new();
    (1..=9).for_each(|n| stage.session_ends(n));
    stage.close();
    let (text, bad) = stage.tail(&wanted(Some(2), Form::Line));
    assert_eq!((text.lines().count(), bad), (2, 0));
    assert!(
        text.starts_with("1970-01-01T00:00:08.000000Z        7 session.end"),
        "{text}"
    );
    assert!(text.contains("reason=closed operations=1"), "{text}");
    let (all, _) = stage.tail(&wanted(None, Form::Exact));
    let first: Value = serde_json::from_str(all.lines().next().expect("a line")).expect("JSON");
    assert_eq!((all.lines().count(), &first["t_us"]), (9, &1_000_000.into()));
}

#[test]
fn sessions_and_kinds_are_picked_out() {
    let stage = Stage::new();
    (1..=9).for_each(|n| stage.session_ends(n));
    stage.raw(r#"{"v":1,"t_us":1,"kind":"sessional"}"#);
    stage.raw(r#"{"v":1,"t_us":1,"kind":"gateway.stop"}"#);
    stage.close();
    let count = |session: Option<&str>, kinds: &[&str]| {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let wanted = Wanted {
            session: session.map(str::to_owned),
            kinds,
            ..wanted(Some(100), Form::Line)
        };
        stage.tail(&wanted).0.lines().count()
    };
    assert_eq!(count(None, &["session"]), 9);
    assert_eq!(count(None, &["session.end", "gateway"]), 10);
    assert_eq!(count(Some("00000000-0003"), &[]), 1);
    assert_eq!(count(Some("00000000-0003"), &["gateway"]), 0);
}

#[test]
fn new_entries_follow() {
    let stage = Stage::new();
    stage.session_ends(1);
    let reader = stage.journal.reader();
    let mut out = Vec::new();
    let mut rounds = 0;
    let mut more = || {
        rounds += 1;
        if rounds == 1 {
            stage.session_ends(2);
            stage.close();
        }
        rounds < 3
    };
    show(&reader, &wanted(Some(20), Form::Exact), &mut out, &mut more).expect("shown");
    assert_eq!(String::from_utf8_lossy(&out).lines().count(), 2);
}

#[test]
fn an_entry_cannot_forge_another_line_or_drive_the_terminal() {
    let stage = Stage::new();
    let evil = serde_json::json!({
        "v": 1, "t_us": 5, "kind": "op.intent", "verdict": "run",
        "statement": "select 1\r\n1970-01-01T00:00:00.000000Z 9 op.intent verdict=run \u{1b}[2J\u{9b}31m\u{202e}",
    });
    stage.raw(&evil.to_string());
    stage.raw("not JSON\u{1b}[2J\nat all");
    stage.close();
    let (text, bad) = stage.tail(&wanted(Some(9), Form::Line));
    assert_eq!((text.lines().count(), bad), (2, 1), "{text}");
    assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
    assert!(
        !text.contains('\u{202e}') && text.contains("not an entry"),
        "{text:?}"
    );
    let (json, bad) = stage.tail(&wanted(None, Form::SafeJson));
    assert_eq!((json.lines().count(), bad), (1, 1));
    assert!(json.is_ascii(), "{json}");
    assert_eq!(serde_json::from_str::<Value>(&json).expect("JSON"), evil);
}

#[test]
fn long_statements_are_cut_and_marked() {
    let entry = serde_json::json!({"v": 1, "t_us": 5, "kind": "op.intent", "statement": "x".repeat(300)});
    let line = line::render(0, entry.to_string().as_bytes()).expect("an entry");
    assert!(line.ends_with("…+100"), "{line}");
}

#[tokio::test]
async fn with_the_configuration_the_anchor_of_the_state_database_is_used() {
    let stage = Stage::new();
    let at = |name: &str| stage.folder.path().join(name);
    let state = crate::state::State::open(&at("state.db"))
        .await
        .expect("a database");
    state
        .save_anchor(b"tidegate/other\n7\nAAAA\n\n")
        .await
        .expect("saved");
    fs::write(at("policy.cedar"), "").expect("written");
    fs::write(at("jwks.json"), "{}").expect("written");
    let config = "[listen]\npostgres = \"127.0.0.1:0\"\ninsecure_plaintext = true\n[state]\ndatabase = \"sqlite:state.db\"\n\
        journal = \"log\"\n[[identity]]\nname = \"corp\"\nissuer = \"https://idp.example.com\"\naudience = \"tidegate\"\n\
        jwks = \"file:jwks.json\"\n[policy]\nfiles = [\"policy.cedar\"]\n";
    fs::write(at("tidegate.toml"), config).expect("written");
    let place = Place {
        config: Some(at("tidegate.toml")),
        dir: None,
    };
    let (dir, found) = place.find().unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!((dir, found.is_some()), (stage.dir(), true));
    stage.close();
    let failure = verify::run(VerifyArgs {
        place,
        ..VerifyArgs::default()
    })
    .await
    .expect_err("another journal's anchor");
    assert_eq!(failure.status, EXIT_FAILED);
    let missing = Place {
        config: Some(at("none.toml")),
        dir: None,
    }
    .find()
    .expect_err("no file");
    assert_eq!(missing.status, EXIT_USAGE);
}
