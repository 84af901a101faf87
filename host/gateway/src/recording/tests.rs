use journal::recording::{Event, RecordingReader, Recordings, RecordingsOptions};
use journal::{Journal, Options};
use tempfile::TempDir;

use super::*;

struct Stage {
    folder: TempDir,
    journal: Journal,
    recordings: Recordings,
}

impl Stage {
    /// Keeps ten bytes of a stretch of bulk.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::new("log", folder.path().join("key"));
        let (journal, _) = Journal::open(&folder.path().join("log"), options).expect("a journal");
        let options = RecordingsOptions {
            bulk_bytes_max: 10,
            ..RecordingsOptions::default()
        };
        let recordings = Recordings::open(&place(&folder), journal.clone(), options).expect("recordings");
        Self {
            folder,
            journal,
            recordings,
        }
    }

    fn tape(&self) -> Tape {
        Tape::of(Recorder::new(
            &self.recordings,
            Recorded {
                session: session(),
                resource: ResourceName::new("customers"),
                protocol: "postgres",
                salt: [1; 32],
            },
        ))
    }

    /// Ends the recording; returns its events: bytes, or how many were not kept.
    async fn events(&self, tape: Tape) -> Vec<(Direction, Result<String, u64>)> {
        tape.finish().await.expect("stored");
        self.journal.close().expect("closed");
        let reader = self.journal.reader();
        let mut reader = RecordingReader::open(&place(&self.folder), &reader, session(), 0).expect("named");
        let mut events = Vec::new();
        while let Some(segment) = reader.next_segment().await.expect("unchanged") {
            events.extend(segment.events().map(|event| match event.expect("an event") {
                Event::Bytes { direction, bytes, .. } => {
                    (direction, Ok(String::from_utf8_lossy(bytes).into_owned()))
                }
                Event::Truncated { direction, bytes, .. } => (direction, Err(bytes)),
            }));
        }
        events
    }
}

fn place(folder: &TempDir) -> String {
    format!("file:{}", folder.path().join("recordings").display())
}

fn session() -> SessionId {
    SessionId::new(1, [1; 10])
}

fn text(text: &str) -> Result<String, u64> {
    Ok(text.to_owned())
}

use Direction::{FromClient, ToClient};

#[tokio::test]
async fn a_large_batch_is_recorded_up_to_the_limit() {
    let stage = Stage::new();
    let mut tape = stage.tape();
    tape.from_client(b"0123456789abcde");
    tape.from_client(b"0123456789");
    tape.from_client(b"next");
    let expected = [
        (FromClient, text("0123456789")),
        (FromClient, Err(5)),
        (FromClient, text("0123456789")),
        (FromClient, text("next")),
    ];
    assert_eq!(stage.events(tape).await, expected);
}

#[tokio::test]
async fn copy_data_is_one_stretch_until_the_next_batch() {
    let stage = Stage::new();
    let mut tape = stage.tape();
    tape.from_client(b"copy");
    for _ in 0..4 {
        tape.copy_from_client(b"dddd");
        // What the other side says meanwhile ends nothing.
        tape.to_client(b"notice");
    }
    tape.from_client(b"done");
    let expected = [
        (FromClient, text("copy")),
        (FromClient, text("dddd")),
        (ToClient, text("notice")),
        (FromClient, text("dddd")),
        (ToClient, text("notice")),
        (FromClient, text("dd")),
        (ToClient, text("notice")),
        (ToClient, text("notice")),
        (FromClient, Err(6)),
        (FromClient, text("done")),
    ];
    assert_eq!(stage.events(tape).await, expected);
}

#[tokio::test]
async fn a_session_that_ends_amid_bulk_accounts_for_it() {
    let stage = Stage::new();
    let mut tape = stage.tape();
    tape.copy_from_client(b"0123456789abc");
    tape.rows_to_client(b"0123456789ab");
    let expected = [
        (FromClient, text("0123456789")),
        (ToClient, text("0123456789")),
        (FromClient, Err(3)),
        (ToClient, Err(2)),
    ];
    assert_eq!(stage.events(tape).await, expected);
}
