use ::journal::recording::{Direction, Recorded, Recorder, Recordings, RecordingsOptions};
use ::journal::{Journal, Options};
use model::event::Event as Entry;
use model::{Principal, PrincipalKind, ResourceName};
use proto::postgres::frame::{put, put_string};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

const BEGAN_US: u64 = 1_700_000_000_000_000;

/// A journal, recordings, and one session being recorded.
struct Stage {
    folder: TempDir,
    journal: Journal,
    recordings: Recordings,
    bulk_bytes_max: u64,
}

impl Stage {
    fn new(bulk_bytes_max: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::new("log", folder.path().join("key"));
        let (journal, _) = Journal::open(&folder.path().join("log"), options).expect("a journal");
        let place = format!("file:{}", folder.path().join("recordings").display());
        let options = RecordingsOptions {
            bulk_bytes_max,
            ..RecordingsOptions::default()
        };
        let recordings = Recordings::open(&place, journal.clone(), options).expect("recordings");
        Self {
            folder,
            journal,
            recordings,
            bulk_bytes_max,
        }
    }

    fn recorder(&self, session: SessionId) -> Recorder {
        let resource = ResourceName::new("customers");
        let principal = Principal {
            identity: "corp".to_owned(),
            issuer: "https://idp.example.com".to_owned(),
            subject: "agent-7".to_owned(),
            groups: Vec::new(),
            kind: PrincipalKind::Agent,
            delegation: Vec::new(),
            client: None,
            token_id: None,
        };
        let event = Entry::SessionStart {
            session,
            principal: &principal,
            resource: &resource,
            protocol: "postgres",
            client: "192.0.2.1:5",
            expires: 0,
        };
        self.journal
            .append(|out| event.encode(BEGAN_US, out))
            .expect("appended");
        let recorded = Recorded {
            session,
            resource,
            protocol: "postgres",
            salt: [1; 32],
        };
        Recorder::new(&self.recordings, recorded)
    }

    fn end(&self, session: SessionId) {
        let event = Entry::SessionEnd {
            session,
            reason: "closed by the client",
            operations: 2,
        };
        let ticket = self
            .journal
            .append(|out| event.encode(BEGAN_US + 9_000_000, out))
            .expect("appended");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(self.journal.durable(ticket)).expect("durable");
    }

    fn place(&self) -> Place {
        let recordings = format!("file:{}", self.folder.path().join("recordings").display());
        Place {
            reader: self.journal.reader(),
            recordings,
        }
    }

    fn replay(&self, args: &ReplayArgs) -> Result<String, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let mut out = Vec::new();
        runtime.block_on(replay(&self.place(), args, &mut out))?;
        Ok(String::from_utf8(out).expect("text"))
    }

    /// Records one session with these turns, one millisecond apart.
    fn recorded(&self, turns: &[(Side, Vec<u8>)]) -> Result<String, Failure> {
        let session = session(1);
        let mut recorder = self.recorder(session);
        for (t_us, (side, bytes)) in (BEGAN_US..).step_by(1_000).zip(turns) {
            match side {
                Side::Client => recorder
                    .end_bulk(t_us, Direction::FromClient)
                    .and_then(|()| recorder.record_bulk(t_us, Direction::FromClient, bytes))
                    .and_then(|()| recorder.end_bulk(t_us, Direction::FromClient)),
                Side::Copied => recorder.record_bulk(t_us, Direction::FromClient, bytes),
                Side::Rows => recorder.record_bulk(t_us, Direction::ToClient, bytes),
                Side::Server => recorder
                    .end_bulk(t_us, Direction::ToClient)
                    .and_then(|()| recorder.record(t_us, Direction::ToClient, bytes)),
            }
            .expect("recorded");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(recorder.finish()).expect("stored");
        self.end(session);
        assert!(self.bulk_bytes_max > 0);
        self.replay(&args("00000000"))
    }
}

#[derive(Clone, Copy)]
enum Side {
    Client,
    /// Copy data of the client's.
    Copied,
    Server,
    /// Rows or copy data.
    Rows,
}
use Side::{Client, Copied, Rows, Server};

fn session(n: u8) -> SessionId {
    SessionId::new(u64::from(n), [n; 10])
}

fn args(session: &str) -> ReplayArgs {
    ReplayArgs {
        session: session.to_owned(),
        config: PathBuf::new(),
        json: false,
        speed: None,
        instant: false,
        rows: 3,
    }
}

fn message(kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, kind, write);
    out
}

fn query(statement: &str) -> Vec<u8> {
    message(b'Q', |out| put_string(out, statement.as_bytes()))
}

fn columns(columns: &[(&str, u32)]) -> Vec<u8> {
    message(b'T', |out| {
        out.extend_from_slice(&(columns.len() as u16).to_be_bytes());
        for (name, oid) in columns {
            put_string(out, name.as_bytes());
            out.extend_from_slice(&[0; 6]);
            out.extend_from_slice(&oid.to_be_bytes());
            out.extend_from_slice(&[0; 8]);
        }
    })
}

fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    message(b'D', |out| {
        out.extend_from_slice(&(values.len() as u16).to_be_bytes());
        for value in values {
            match value {
                None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
                Some(value) => {
                    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
                    out.extend_from_slice(value);
                }
            }
        }
    })
}

fn done(tag: &str) -> Vec<u8> {
    let mut out = message(b'C', |out| put_string(out, tag.as_bytes()));
    out.extend_from_slice(b"Z\0\0\0\x05I");
    out
}

fn error(message_text: &str) -> Vec<u8> {
    message(b'E', |out| {
        for (field, text) in [
            (b'S', "ERROR"),
            (b'C', "42501"),
            (b'M', message_text),
            (b'H', "ask for it"),
        ] {
            out.push(field);
            put_string(out, text.as_bytes());
        }
        out.push(0);
    })
}

fn parse(name: &str, statement: &str) -> Vec<u8> {
    message(b'P', |out| {
        put_string(out, name.as_bytes());
        put_string(out, statement.as_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 23]);
    })
}

/// Binds one binary value and asks for binary results.
fn bind(name: &str, value: &[u8]) -> Vec<u8> {
    message(b'B', |out| {
        put_string(out, b"");
        put_string(out, name.as_bytes());
        out.extend_from_slice(&[0, 1, 0, 1, 0, 1]);
        out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        out.extend_from_slice(value);
        out.extend_from_slice(&[0, 1, 0, 1]);
    })
}

#[test]
fn a_query_and_its_rows_are_shown_as_a_table() {
    let stage = Stage::new(1 << 20);
    let rows = [
        row(&[Some(b"Ann"), Some(b"***-**-0022")]),
        row(&[Some(b"Bob"), None]),
    ]
    .concat();
    let text = stage.recorded(&[
        (Client, query("select name, ssn\nfrom customers")),
        (Server, columns(&[("name", 25), ("ssn", 25)])),
        (Rows, rows),
        (Server, done("SELECT 2")),
        (Client, b"X\0\0\0\x04".to_vec()),
    ]);
    let text = text.expect("replayed");
    let body = "   +0.000s > select name, ssn\n             from customers\n   +0.003s < name | ssn\n             -----+------------\n             \
                Ann  | ***-**-0022\n             Bob  | NULL\n             (2 rows) SELECT 2\n   +0.004s > the client said good-bye\n";
    assert!(text.contains(body), "{text}");
    for part in [
        "who       agent-7",
        "checked   1 segment, unchanged",
        "closed by the client, after 2 operations",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn errors_are_shown_with_their_hints() {
    let stage = Stage::new(1 << 20);
    let text = stage.recorded(&[
        (Client, query("drop table customers")),
        (Server, [error("not\nallowed"), b"Z\0\0\0\x05I".to_vec()].concat()),
    ]);
    let text = text.expect("replayed");
    assert!(
        text.contains("< ERROR 42501: not\n             allowed\n             hint: ask for it\n"),
        "{text}"
    );
}

#[test]
fn a_prepared_statement_keeps_its_columns_between_executions() {
    let stage = Stage::new(1 << 20);
    let describe = message(b'D', |out| out.extend_from_slice(b"Ss1\0"));
    let execute = message(b'E', |out| out.extend_from_slice(b"\0\0\0\0\0"));
    let sync = b"S\0\0\0\x04".to_vec();
    let ready = b"Z\0\0\0\x05I".to_vec();
    let mut turns = vec![
        (
            Client,
            [
                parse("s1", "select id from t where id = $1"),
                describe,
                sync.clone(),
            ]
            .concat(),
        ),
        (
            Server,
            [
                b"1\0\0\0\x04t\0\0\0\x0a\0\x01\0\0\0\x17".to_vec(),
                columns(&[("id", 23)]),
                ready,
            ]
            .concat(),
        ),
    ];
    for n in [7_i32, 8] {
        turns.push((
            Client,
            [bind("s1", &n.to_be_bytes()), execute.clone(), sync.clone()].concat(),
        ));
        turns.push((Server, b"2\0\0\0\x04".to_vec()));
        turns.push((Rows, row(&[Some(&n.to_be_bytes())])));
        turns.push((Server, done("SELECT 1")));
    }
    let text = stage.recorded(&turns).expect("replayed");
    assert!(
        text.contains("> prepare s1: select id from t where id = $1\n"),
        "{text}"
    );
    for n in [7, 8] {
        assert!(
            text.contains(&format!("> execute s1 with $1 = '{n}'\n")),
            "{text}"
        );
        let table = format!("< id\n             --\n             {n}\n             (1 row) SELECT 1\n");
        assert!(text.contains(&table), "{text}");
    }
}

#[test]
fn rows_that_were_not_kept_are_said_to_be_missing() {
    let stage = Stage::new(30);
    let rows: Vec<u8> = (0..10).flat_map(|_| row(&[Some(b"0123456789")])).collect();
    let kept_not = rows.len() as u64 - 30;
    let text = stage.recorded(&[
        (Client, query("select x from t")),
        (Server, columns(&[("x", 25)])),
        (Rows, rows),
        (Server, done("SELECT 10")),
        (Client, query("select 2")),
    ]);
    let text = text.expect("replayed");
    assert!(text.contains("(1 row) SELECT 10\n"), "{text}");
    assert!(
        text.contains(&format!(
            "[{kept_not} more bytes of rows went to the client and were not kept]"
        )),
        "{text}"
    );
    assert!(
        text.contains("> select 2\n"),
        "what follows is understood: {text}"
    );
}

fn copy_data(bytes: &[u8]) -> Vec<u8> {
    message(b'd', |out| out.extend_from_slice(bytes))
}

#[test]
fn copy_data_that_was_not_kept_is_said_to_be_missing() {
    let stage = Stage::new(30);
    let data: Vec<u8> = (0..10).flat_map(|_| copy_data(b"0123456789")).collect();
    let copy_done = b"c\0\0\0\x04".to_vec();
    let text = stage.recorded(&[
        (Client, query("copy t from stdin")),
        (Server, b"G\0\0\0\x07\0\0\0".to_vec()),
        (Copied, data.clone()),
        (Copied, data.clone()),
        (Client, copy_done.clone()),
        (Server, done("COPY 20")),
        (Client, query("copy t to stdout")),
        (Server, b"H\0\0\0\x07\0\0\0".to_vec()),
        (Rows, data),
        (Server, [copy_done, done("COPY 10")].concat()),
        (Client, query("select 2")),
    ]);
    let text = text.expect("replayed");
    for part in [
        "> 20 bytes of copy data, and 270 more that were not kept\n",
        "< COPY 20\n",
        "< 20 bytes of copy data, and 120 more that were not kept\n",
        "< COPY 10\n",
        "> select 2\n",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn a_statement_that_was_cut_is_shown_up_to_there() {
    let stage = Stage::new(40);
    let text = stage.recorded(&[
        (
            Client,
            query(&format!("select 'the beginning', '{}'", "x".repeat(100))),
        ),
        (Server, columns(&[("one", 25)])),
        (Rows, row(&[Some(b"1")])),
        (Server, done("SELECT 1")),
        (Client, query("select 2")),
        (Server, columns(&[("two", 25)])),
        (Rows, row(&[Some(b"2")])),
        (Server, done("SELECT 1")),
    ]);
    let text = text.expect("replayed");
    for part in [
        "> select 'the beginning', 'xxxxxxxxx",
        "> [92 more bytes of what the client sent were not kept; their SHA-256 is ",
        "< one\n",
        "> select 2\n",
        "< two\n",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn what_follows_a_cut_bind_keeps_its_columns() {
    let stage = Stage::new(60);
    let describe = message(b'D', |out| out.extend_from_slice(b"Ss1\0"));
    let execute = message(b'E', |out| out.extend_from_slice(b"\0\0\0\0\0"));
    let sync = b"S\0\0\0\x04".to_vec();
    let ready = b"Z\0\0\0\x05I".to_vec();
    let executed = [execute, sync.clone()].concat();
    let text = stage.recorded(&[
        (Client, parse("s1", "select id from t where id = $1")),
        (Client, [describe, sync].concat()),
        (
            Server,
            [b"1\0\0\0\x04".to_vec(), columns(&[("id", 23)]), ready].concat(),
        ),
        (Client, [bind("s1", &[7; 200]), executed.clone()].concat()),
        // Asked for before the first is answered.
        (Client, [bind("s1", &8_i32.to_be_bytes()), executed].concat()),
        (Server, b"2\0\0\0\x04".to_vec()),
        (Rows, row(&[Some(b"7")])),
        (Server, done("SELECT 1")),
        (Server, b"2\0\0\0\x04".to_vec()),
        (Rows, row(&[Some(&8_i32.to_be_bytes())])),
        (Server, done("SELECT 1")),
    ]);
    let text = text.expect("replayed");
    for part in [
        "more bytes of what the client sent were not kept",
        "< id\n             --\n             8\n             (1 row) SELECT 1\n",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn only_the_first_rows_are_shown_and_all_are_counted() {
    let stage = Stage::new(1 << 20);
    let rows: Vec<u8> = (0..10).flat_map(|_| row(&[Some(b"x")])).collect();
    let text = stage.recorded(&[
        (Server, columns(&[("x", 25)])),
        (Rows, rows),
        (Server, done("SELECT 10")),
    ]);
    let text = text.expect("replayed");
    assert!(
        text.contains("(10 rows, 7 of them not shown) SELECT 10"),
        "{text}"
    );
}

#[test]
fn nothing_recorded_drives_the_terminal() {
    let evil = "\u{1b}[2J\u{9b}31m\r\u{202e}\u{7}";
    let stage = Stage::new(1 << 20);
    let text = stage.recorded(&[
        (Client, query(&format!("select '{evil}'"))),
        (Server, columns(&[(evil, 25)])),
        (Rows, row(&[Some(evil.as_bytes())])),
        (Server, [done(evil), error(evil)].concat()),
        (Client, [parse(evil, evil), bind(evil, evil.as_bytes())].concat()),
    ]);
    let text = text.expect("replayed");
    assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
    assert!(
        !text.contains('\u{202e}') && text.contains(r"\u{1b}[2J"),
        "{text:?}"
    );
}

#[test]
fn a_stream_that_makes_no_sense_is_said_to() {
    let stage = Stage::new(1 << 20);
    let text = stage.recorded(&[
        (Client, query("select 1")),
        (Client, b"!!!!!!!!".to_vec()),
        (Server, done("SELECT 1")),
        (Server, b"C\0\0\0\x20half".to_vec()),
    ]);
    let text = text.expect("replayed");
    assert!(
        text.contains("> [from here on nothing can be made of what the client sent: unknown message"),
        "{text}"
    );
    assert!(
        text.contains("< SELECT 1"),
        "the other side is still shown: {text}"
    );
    assert!(
        text.contains("the server sent: the recording ends within a message"),
        "{text}"
    );
}

#[test]
fn json_has_the_same_events() {
    let stage = Stage::new(1 << 20);
    let turns = [
        (Client, query("select name from t")),
        (Server, columns(&[("name", 25)])),
        (Rows, row(&[Some("Zoë\u{1b}".as_bytes())])),
        (Server, done("SELECT 1")),
    ];
    stage.recorded(&turns).expect("replayed");
    let text = stage
        .replay(&ReplayArgs {
            json: true,
            ..args("00000000-0001")
        })
        .expect("replayed");
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let events: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().expect("an event"))
        .collect();
    assert_eq!(events, ["session", "query", "rows", "end"]);
    assert_eq!(lines[1]["t_us"], BEGAN_US);
    assert_eq!(lines[2]["rows"][0][0], "Zoë\u{1b}");
    assert_eq!(
        (&lines[0]["segments_checked"], &lines[3]["reason"]),
        (&1.into(), &"closed by the client".into())
    );
}

#[test]
fn a_changed_recording_is_not_shown() {
    let stage = Stage::new(1 << 20);
    stage.recorded(&[(Client, query("select 1"))]).expect("replayed");
    let path = stage
        .folder
        .path()
        .join(format!("recordings/{}/00000000.zst", session(1)));
    let mut bytes = std::fs::read(&path).expect("a segment");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).expect("changed");
    let failure = stage.replay(&args("00000000")).expect_err("it was changed");
    assert_eq!(failure.status, EXIT_FAILED);
    assert!(failure.reason.contains("was changed"), "{failure:?}");
}

#[test]
fn who_has_to_choose_is_shown_what_there_is() {
    let stage = Stage::new(1 << 20);
    for n in [1, 2] {
        drop(stage.recorder(session(n)));
        stage.end(session(n));
    }
    let ambiguous = stage.replay(&args("0000")).expect_err("two sessions");
    assert_eq!(ambiguous.status, EXIT_FAILED);
    for part in [
        "2 sessions' ids begin with 0000",
        &session(1).to_string(),
        &session(2).to_string(),
        "agent-7 on customers",
    ] {
        assert!(
            ambiguous.reason.contains(part),
            "{part} is missing: {ambiguous:?}"
        );
    }
    let unknown = stage.replay(&args("ffff")).expect_err("no session");
    assert!(
        unknown.reason.contains("no session's id begins with ffff"),
        "{unknown:?}"
    );
    assert!(unknown.reason.contains(&session(2).to_string()), "{unknown:?}");
}

#[test]
fn a_session_without_an_end_is_said_to_have_none() {
    let stage = Stage::new(1 << 20);
    let mut recorder = stage.recorder(session(1));
    recorder
        .record(BEGAN_US, Direction::FromClient, &query("select 1"))
        .expect("recorded");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(recorder.finish()).expect("stored");
    stage.end(session(2));
    let text = stage.replay(&args("00000000-0001")).expect("replayed");
    assert!(text.contains("The journal has no end of this session"), "{text}");
}

#[test]
fn it_can_be_played_at_its_own_speed() {
    let stage = Stage::new(1 << 20);
    let mut recorder = stage.recorder(session(1));
    for seconds in [0, 2, 100] {
        recorder
            .record(
                BEGAN_US + seconds * 1_000_000,
                Direction::FromClient,
                &query("select 1"),
            )
            .expect("recorded");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(recorder.finish()).expect("stored");
    stage.end(session(1));
    runtime.block_on(async {
        let began = tokio::time::Instant::now();
        let args = ReplayArgs {
            speed: Some(2.0),
            ..args("00000000")
        };
        replay(&stage.place(), &args, &mut Vec::new())
            .await
            .expect("replayed");
        assert_eq!(
            began.elapsed().as_millis(),
            3_500,
            "two seconds, and a pause cut at five, at double speed"
        );
    });
}

#[test]
fn only_sensible_speeds_are_taken() {
    assert_eq!(speed("4"), Ok(4.0));
    for bad in ["0", "-1", "nan", "inf", "x"] {
        assert!(speed(bad).is_err(), "{bad}");
    }
}
