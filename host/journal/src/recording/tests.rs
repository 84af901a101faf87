use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::journal::Journal;
use crate::{Options, VerifyError, VerifyOptions, verify};

struct Place {
    folder: tempfile::TempDir,
    journal: Journal,
    place: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let options = Options::new("origin", folder.path().join("key"));
        let (journal, _) = Journal::open(&folder.path().join("log"), options).expect("opens");
        let place = format!("file:{}", folder.path().join("recordings").display());
        Self {
            folder,
            journal,
            place,
        }
    }

    fn recordings(&self, options: RecordingsOptions) -> Recordings {
        Recordings::open(&self.place, self.journal.clone(), options).expect("opens")
    }

    fn path(&self, session: SessionId, segment: u32) -> std::path::PathBuf {
        let path = segment_path(session, segment);
        self.folder.path().join("recordings").join(Path::new(&path))
    }

    fn settle(&self) {
        self.journal.close().expect("closes");
    }

    fn reader(&self, session: SessionId) -> Result<RecordingReader, ReplayError> {
        RecordingReader::open(&self.place, &self.journal.reader(), session, 0)
    }
}

fn session(n: u8) -> SessionId {
    SessionId::new(u64::from(n), [n; 10])
}

fn recorded(n: u8) -> Recorded {
    Recorded {
        session: session(n),
        resource: ResourceName::new("customers"),
        protocol: "postgres",
        salt: [n; 32],
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime");
    runtime.block_on(future)
}

/// Everything in a recording, with neighbouring bytes of one direction joined.
fn replay(mut reader: RecordingReader) -> Result<Vec<(u64, Direction, Vec<u8>)>, ReplayError> {
    let mut all: Vec<(u64, Direction, Vec<u8>)> = Vec::new();
    while let Some(segment) = wait(reader.next_segment())? {
        for event in segment.events() {
            match event.expect("reads") {
                Event::Bytes {
                    t_us,
                    direction,
                    bytes,
                } => match all.last_mut() {
                    Some(last) if (last.0, last.1) == (t_us, direction) => last.2.extend_from_slice(bytes),
                    _ => all.push((t_us, direction, bytes.to_vec())),
                },
                Event::Truncated { bytes, .. } => panic!("{bytes} bytes were dropped"),
            }
        }
    }
    Ok(all)
}

#[test]
fn a_session_replays_as_it_was() {
    let place = Place::new();
    let recordings = place.recordings(RecordingsOptions::default());
    let mut recorder = Recorder::new(&recordings, recorded(1));
    let mut expected = Vec::new();
    for n in 0..300_u64 {
        let t_us = 1_000_000_000 + n * 100_000;
        let query = format!("select {n}").into_bytes();
        let answer = vec![b'a' + (n % 26) as u8; 3 * usize::try_from(n * n % 2000).expect("small") + 1];
        recorder
            .record(t_us, Direction::FromClient, &query)
            .expect("records");
        recorder
            .record(t_us + 7, Direction::ToClient, &answer)
            .expect("records");
        expected.push((t_us, Direction::FromClient, query));
        expected.push((t_us + 7, Direction::ToClient, answer));
    }
    // Larger than a segment.
    recorder
        .record(2_000_000_000, Direction::ToClient, &vec![b'z'; 700_000])
        .expect("records");
    expected.push((2_000_000_000, Direction::ToClient, vec![b'z'; 700_000]));
    wait(recorder.finish()).expect("stored");
    place.settle();
    assert_eq!(
        replay(place.reader(session(1)).expect("is there")).expect("replays"),
        expected
    );

    let mut reader = place.reader(session(1)).expect("is there");
    let first = wait(reader.next_segment()).expect("reads").expect("one");
    assert_eq!((first.number, first.start_us), (0, 1_000_000_000));
    assert_eq!(
        (first.resource.as_str(), first.protocol.as_str()),
        ("customers", "postgres")
    );
    assert_eq!(first.salt, "01".repeat(32));
    let unknown = place.reader(session(9));
    assert!(matches!(unknown, Err(ReplayError::Unknown { .. })));
}

/// The events of the only segment of session 1, with the bytes of each.
/// Bytes that were kept, or how many were not and their SHA-256.
type Kept = Result<Vec<u8>, (u64, [u8; 32])>;

fn events(place: &Place) -> Vec<(u64, Direction, Kept)> {
    let mut reader = place.reader(session(1)).expect("is there");
    let segment = wait(reader.next_segment()).expect("reads").expect("one");
    assert!(wait(reader.next_segment()).expect("reads").is_none());
    let event = |event| match event {
        Event::Bytes {
            t_us,
            direction,
            bytes,
        } => (t_us, direction, Ok(bytes.to_vec())),
        Event::Truncated {
            t_us,
            direction,
            bytes,
            sha256,
        } => (t_us, direction, Err((bytes, sha256))),
    };
    segment.events().map(|read| event(read.expect("reads"))).collect()
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[test]
fn bulk_beyond_the_limit_leaves_a_marker() {
    for direction in [Direction::FromClient, Direction::ToClient] {
        let place = Place::new();
        let recordings = place.recordings(RecordingsOptions {
            bulk_bytes_max: 100,
            ..RecordingsOptions::default()
        });
        let mut recorder = Recorder::new(&recordings, recorded(1));
        let row = |n: u8| vec![n; 40];
        for n in 0..5 {
            recorder.record_bulk(10, direction, &row(n)).expect("records");
        }
        recorder.end_bulk(11, direction).expect("records");
        recorder.record_bulk(12, direction, &row(9)).expect("records");
        recorder.end_bulk(13, direction).expect("records");
        wait(recorder.finish()).expect("stored");
        place.settle();
        let all: Vec<u8> = (0..5).flat_map(row).collect();
        let expected = [
            (10, direction, Ok(row(0))),
            (10, direction, Ok(row(1))),
            (10, direction, Ok(row(2)[..20].to_vec())),
            (11, direction, Err((100, digest(&all[100..])))),
            (12, direction, Ok(row(9))),
        ];
        assert_eq!(events(&place), expected);
    }
}

#[test]
fn the_two_sides_have_limits_of_their_own() {
    let place = Place::new();
    let recordings = place.recordings(RecordingsOptions {
        bulk_bytes_max: 10,
        ..RecordingsOptions::default()
    });
    let mut recorder = Recorder::new(&recordings, recorded(1));
    let sides = [(Direction::FromClient, [1; 15]), (Direction::ToClient, [2; 15])];
    for (direction, bytes) in sides {
        recorder.record_bulk(10, direction, &bytes).expect("records");
    }
    // Neither is ended: the end of the session does that.
    wait(recorder.finish()).expect("stored");
    place.settle();
    let expected = [
        (10, Direction::FromClient, Ok(vec![1; 10])),
        (10, Direction::ToClient, Ok(vec![2; 10])),
        (10, Direction::FromClient, Err((5, digest(&[1; 5])))),
        (10, Direction::ToClient, Err((5, digest(&[2; 5])))),
    ];
    assert_eq!(events(&place), expected);
}

#[test]
fn a_flood_of_bulk_takes_no_room_in_the_backlog() {
    let place = Place::new();
    let recordings = place.recordings(RecordingsOptions {
        backlog_bytes_max: 100_000,
        bulk_bytes_max: 50_000,
    });
    let mut recorder = Recorder::new(&recordings, recorded(1));
    let piece = vec![7; 10_000];
    for t_us in 0..1_000 {
        recorder
            .record_bulk(t_us, Direction::FromClient, &piece)
            .expect("records");
        assert!(recorder.buffer.len() < 60_000);
    }
    wait(recorder.finish()).expect("stored");
    place.settle();
    assert!(
        matches!(events(&place).last(), Some((_, _, Err((9_950_000, _))))),
        "the marker is the last event"
    );
}

#[test]
fn nothing_is_recorded_behind_a_lost_segment() {
    let place = Place::new();
    let recordings = place.recordings(RecordingsOptions {
        backlog_bytes_max: 1000,
        ..RecordingsOptions::default()
    });
    let mut recorder = Recorder::new(&recordings, recorded(1));
    recorder
        .record(1, Direction::FromClient, &[0; 2000])
        .expect("gathers");
    let lost = Err(RecordError::Backlog { limit: 1000 });
    assert_eq!(recorder.tick(u64::MAX), lost);
    assert_eq!(recorder.record(2, Direction::FromClient, b"x"), lost);
    assert_eq!(recorder.record_bulk(2, Direction::ToClient, b"x"), lost);
    assert_eq!(wait(recorder.finish()), lost);
    drop(recordings);
    place.settle();
    let reader = place.reader(session(1));
    assert!(matches!(reader, Err(ReplayError::Unknown { .. })));
}

#[test]
fn a_segment_is_handed_over_after_five_seconds() {
    let place = Place::new();
    let recordings = place.recordings(RecordingsOptions::default());
    let mut recorder = Recorder::new(&recordings, recorded(1));
    recorder
        .record(1_000_000, Direction::FromClient, b"x")
        .expect("records");
    recorder.tick(5_999_999).expect("nothing to do");
    wait(recordings.drained()).expect("stored");
    assert!(!place.path(session(1), 0).exists());
    recorder.tick(6_000_000).expect("hands over");
    wait(recordings.drained()).expect("stored");
    assert!(place.path(session(1), 0).exists());
}

#[test]
fn a_changed_swapped_or_missing_segment_is_named() {
    let place = Place::new();
    let recordings = place.recordings(RecordingsOptions::default());
    for n in 1..=2 {
        let mut recorder = Recorder::new(&recordings, recorded(n));
        recorder
            .record(1, Direction::FromClient, &[n; 100])
            .expect("records");
        wait(recorder.finish()).expect("stored");
    }
    place.settle();
    let options = VerifyOptions {
        recordings: Some(place.folder.path().join("recordings")),
        ..VerifyOptions::default()
    };
    let check = || verify(place.journal.dir(), &options, &mut |_, _| {});
    assert_eq!(check().expect("holds").recordings, 2);

    let (path, other) = (place.path(session(1), 0), place.path(session(2), 0));
    let bytes = fs::read(&path).expect("reads");
    fs::write(&path, fs::read(&other).expect("reads")).expect("writes");
    assert!(matches!(check(), Err(VerifyError::RecordingChanged { .. })));
    let replayed = replay(place.reader(session(1)).expect("is named"));
    assert!(
        matches!(replayed, Err(ReplayError::Changed { .. })),
        "{replayed:?}"
    );
    fs::remove_file(&path).expect("removes");
    assert!(matches!(check(), Err(VerifyError::RecordingMissing { .. })));
    let replayed = replay(place.reader(session(1)).expect("is named"));
    assert!(
        matches!(replayed, Err(ReplayError::Missing { .. })),
        "{replayed:?}"
    );
    fs::write(&path, bytes).expect("writes");
    check().expect("holds again");
}

#[test]
fn a_session_ends_when_storing_fails_or_does_not_keep_up() {
    let place = Place::new();
    let recordings = place.recordings(RecordingsOptions {
        backlog_bytes_max: 1000,
        ..RecordingsOptions::default()
    });
    let mut recorder = Recorder::new(&recordings, recorded(1));
    recorder
        .record(1, Direction::FromClient, &[0; 2000])
        .expect("gathers");
    let late = recorder.tick(u64::MAX);
    assert_eq!(late, Err(RecordError::Backlog { limit: 1000 }));

    let recordings = place.recordings(RecordingsOptions::default());
    // A file where the session's folder should be.
    fs::write(
        place
            .folder
            .path()
            .join("recordings")
            .join(session(2).to_string()),
        b"",
    )
    .expect("writes");
    let mut recorder = Recorder::new(&recordings, recorded(2));
    recorder.record(1, Direction::FromClient, b"x").expect("gathers");
    recorder.tick(u64::MAX).expect("hands over");
    let stored = wait(recordings.drained());
    assert!(matches!(stored, Err(RecordError::Unstored { .. })), "{stored:?}");
    let mut other = Recorder::new(&recordings, recorded(3));
    let refused = other.record(1, Direction::FromClient, b"x");
    assert!(
        matches!(refused, Err(RecordError::Unstored { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_damaged_segment_is_an_error_and_no_panic() {
    let mut plain = Vec::new();
    Header {
        v: format::VERSION,
        session: "s".into(),
        segment: 0,
        resource: "r".into(),
        protocol: "p".into(),
        start_us: 5,
        salt: "".into(),
    }
    .encode(&mut plain);
    let header = plain.len();
    format::push_event(&mut plain, 300, Direction::ToClient, &[7; 200]);
    format::push_truncated(&mut plain, u64::MAX, Direction::FromClient, 9, &[1; 32]);
    for cut in 0..plain.len() {
        match format::parse(&plain[..cut]) {
            Ok((_, events)) => assert!(cut >= header && events.clone().count() <= 2),
            Err(error) => assert!(cut < header && error == FormatError::Header),
        }
    }
    let (_, events) = format::parse(&plain).expect("header");
    // The second event's time does not fit into 64 bits.
    assert_eq!(
        events.map(|event| event.is_ok()).collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn only_folders_are_known_places() {
    let place = Place::new();
    for unknown in ["s3://bucket", "recordings", "file:"] {
        let opened = Recordings::open(unknown, place.journal.clone(), RecordingsOptions::default());
        assert!(
            matches!(opened, Err(OpenRecordingsError::Place { .. })),
            "{unknown}"
        );
    }
}
