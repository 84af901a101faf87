//! A journal and recordings, with sessions recorded turn by turn.

use std::path::PathBuf;

use ::journal::recording::{Direction, Recorded, Recorder, Recordings, RecordingsOptions};
use ::journal::{Journal, Options};
use model::event::Event as Entry;
use model::{Principal, PrincipalKind, ResourceName};
use tempfile::TempDir;

use super::super::*;

pub(super) const BEGAN_US: u64 = 1_700_000_000_000_000;

/// A journal, recordings, and one session being recorded.
pub(super) struct Stage {
    pub(super) folder: TempDir,
    journal: Journal,
    recordings: Recordings,
    bulk_bytes_max: u64,
}

impl Stage {
    pub(super) fn new(bulk_bytes_max: u64) -> Self {
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

    pub(super) fn recorder(&self, session: SessionId) -> Recorder {
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

    pub(super) fn end(&self, session: SessionId) {
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

    pub(super) fn place(&self) -> Place {
        let recordings = format!("file:{}", self.folder.path().join("recordings").display());
        Place {
            reader: self.journal.reader(),
            recordings,
        }
    }

    pub(super) fn replay(&self, args: &ReplayArgs) -> Result<String, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let mut out = Vec::new();
        runtime.block_on(replay(&self.place(), (0, &args.session), &shape(args), &mut out))?;
        Ok(String::from_utf8(out).expect("text"))
    }

    /// Records one session with these turns, one millisecond apart.
    pub(super) fn recorded(&self, turns: &[(Side, Vec<u8>)]) -> Result<String, Failure> {
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
pub(super) enum Side {
    Client,
    /// Copy data of the client's.
    Copied,
    Server,
    /// Rows or copy data.
    Rows,
}

pub(super) fn session(n: u8) -> SessionId {
    SessionId::new(u64::from(n), [n; 10])
}

pub(super) fn args(session: &str) -> ReplayArgs {
    ReplayArgs {
        asciicast: None,
        session: session.to_owned(),
        config: PathBuf::new(),
        json: false,
        speed: None,
        instant: false,
        rows: 3,
    }
}
