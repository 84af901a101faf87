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
        (resource, protocol): (&ResourceName, &'static str),
        salt: &[u8; 32],
    ) -> Self {
        let recorded = Recorded {
            session,
            resource: resource.clone(),
            protocol,
            salt: *salt,
        };
        Self::of(Recorder::new(&services.recordings, recorded))
    }

    fn of(recorder: Recorder) -> Self {
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

    /// Records a batch of the client's; what exceeds the limit of bulk is only accounted for.
    #[expect(
        clippy::wrong_self_convention,
        reason = "the word the relay and the recorder use"
    )]
    pub(crate) fn from_client(&mut self, bytes: &[u8]) {
        let (now_us, side) = (self.now_us, Direction::FromClient);
        self.note(|recorder| {
            // Copy data that went before it.
            recorder.end_bulk(now_us, side)?;
            recorder.record_bulk(now_us, side, bytes)?;
            recorder.end_bulk(now_us, side)
        });
    }

    /// Records copy data of the client's: what goes on until its next batch is one stretch.
    pub(crate) fn copy_from_client(&mut self, bytes: &[u8]) {
        let now_us = self.now_us;
        self.note(|recorder| recorder.record_bulk(now_us, Direction::FromClient, bytes));
    }

    /// Records one part of an exchange, whole.
    pub(crate) fn part(&mut self, side: Direction, bytes: &[u8]) {
        let now_us = self.now_us;
        self.note(|recorder| recorder.record(now_us, side, bytes));
    }

    #[expect(
        clippy::wrong_self_convention,
        reason = "the word the relay and the recorder use"
    )]
    pub(crate) fn to_client(&mut self, bytes: &[u8]) {
        let (now_us, side) = (self.now_us, Direction::ToClient);
        self.note(|recorder| {
            recorder.end_bulk(now_us, side)?;
            recorder.record(now_us, side, bytes)
        });
    }

    pub(crate) fn rows_to_client(&mut self, bytes: &[u8]) {
        let now_us = self.now_us;
        self.note(|recorder| recorder.record_bulk(now_us, Direction::ToClient, bytes));
    }

    /// Hands over what a quiet session has recorded so far.
    pub(crate) fn tick(&mut self) {
        let now_us = self.now_us;
        self.note(|recorder| recorder.tick(now_us));
    }

    /// Ends the recording; resolves when all of it is stored and named in the journal.
    pub(crate) async fn finish(self) -> Result<(), RecordError> {
        match self.failure {
            Some(failure) => Err(failure),
            None => self.recorder.finish().await,
        }
    }

    fn note(&mut self, record: impl FnOnce(&mut Recorder) -> Result<(), RecordError>) {
        if self.failure.is_none() {
            self.failure = record(&mut self.recorder).err();
        }
    }
}

#[cfg(test)]
mod tests;
