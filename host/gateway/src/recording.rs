//! A session's recording, fed by the relay.

use std::sync::Arc;

use journal::recording::{Direction, RecordError, Recorded, Recorder};
use model::{ResourceName, SessionId};

use crate::clock;
use crate::services::Services;

/// What one session records. The first failure ends the recording, and with it the session.
pub(crate) struct Tape {
    recorder: Recorder,
    /// The moment of the driver's turn: one reading of the clock for all its bytes.
    now_us: u64,
    failure: Option<RecordError>,
}

impl Tape {
    pub(crate) fn start(
        services: &Arc<Services>,
        session: SessionId,
        resource: &ResourceName,
        salt: &[u8; 32],
    ) -> Self {
        let recorded = Recorded {
            session,
            resource: resource.clone(),
            protocol: "postgres",
            salt: *salt,
        };
        let recorder = Recorder::new(&services.recordings, recorded);
        Self {
            recorder,
            now_us: clock::unix_us(),
            failure: None,
        }
    }

    /// Sets the time under which the next bytes are recorded.
    pub(crate) fn set_time(&mut self, now_us: u64) {
        self.now_us = now_us;
    }

    /// Why nothing more can be recorded, if so.
    pub(crate) fn failure(&self) -> Option<&RecordError> {
        self.failure.as_ref()
    }

    #[expect(
        clippy::wrong_self_convention,
        reason = "the word the relay and the recorder use"
    )]
    pub(crate) fn from_client(&mut self, bytes: &[u8]) {
        let result = self.recorder.record(self.now_us, Direction::FromClient, bytes);
        self.note(result);
    }

    #[expect(
        clippy::wrong_self_convention,
        reason = "the word the relay and the recorder use"
    )]
    pub(crate) fn to_client(&mut self, bytes: &[u8]) {
        let result = self
            .recorder
            .end_rows(self.now_us)
            .and_then(|()| self.recorder.record(self.now_us, Direction::ToClient, bytes));
        self.note(result);
    }

    pub(crate) fn rows_to_client(&mut self, bytes: &[u8]) {
        let result = self.recorder.record_rows(self.now_us, bytes);
        self.note(result);
    }

    /// Hands over what a quiet session has recorded so far.
    pub(crate) fn tick(&mut self) {
        let result = self.recorder.tick(self.now_us);
        self.note(result);
    }

    /// Ends the recording; resolves when all of it is stored and named in the journal.
    pub(crate) async fn finish(self) -> Result<(), RecordError> {
        match self.failure {
            Some(failure) => Err(failure),
            None => self.recorder.finish().await,
        }
    }

    fn note(&mut self, result: Result<(), RecordError>) {
        if let Err(error) = result {
            self.failure.get_or_insert(error);
        }
    }
}
