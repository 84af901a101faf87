//! The journal's latest checkpoint, kept outside its folder: an older copy of the folder that
//! is put back later is then no secret.

use std::sync::Arc;
use std::time::Duration;

use journal::SignedCheckpoint;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Anchor, State, StateError, read, signed};
use crate::clock;

/// How often a growing journal's checkpoint is saved: what an older copy may be behind without
/// being noticed, against a sync of the disk each time.
const SAVE_EVERY: Duration = Duration::from_secs(5);

impl State {
    /// Returns the remembered checkpoint of the journal `log`, a signed note; `None` if this
    /// database has never seen a journal.
    ///
    /// # Errors
    /// The database cannot be read, or it belongs to another journal.
    pub async fn anchor(&self, log: &str) -> Result<Option<Vec<u8>>, StateError> {
        let mut anchors = self.anchors().await?;
        if let Some(at) = anchors.iter().position(|anchor| anchor.log == log) {
            return Ok(Some(anchors.swap_remove(at).note));
        }
        match anchors.pop() {
            None => Ok(None),
            Some(known) => Err(StateError::OtherJournal {
                found: log.to_owned(),
                known: known.log,
                size: known.size,
            }),
        }
    }

    /// Returns every remembered checkpoint; one, as long as the journal is never replaced.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn anchors(&self) -> Result<Vec<Anchor>, StateError> {
        read::anchors(&self.pool).await
    }

    /// Remembers a signed checkpoint, unless a later one of the same journal is remembered.
    /// Durable when it returns.
    ///
    /// # Errors
    /// It is not a checkpoint, or the database cannot be written.
    pub async fn save_anchor(&self, note: &[u8]) -> Result<(), StateError> {
        let (log, size) = parts(note).ok_or(StateError::Note)?;
        sqlx::query(
            "INSERT INTO journal_anchor (log, size, note, updated_us) VALUES ($1, $2, $3, $4)
             ON CONFLICT (log)
             DO UPDATE SET size = excluded.size, note = excluded.note, updated_us = excluded.updated_us
             WHERE excluded.size >= size",
        )
        .bind(log)
        .bind(signed(size))
        .bind(note)
        .bind(signed(clock::unix_us()))
        .execute(&self.pool)
        .await
        .map_err(StateError::database("written"))?;
        Ok(())
    }
}

/// Saves checkpoints as they come, at most one every five seconds, and the last one when told
/// to stop. A checkpoint that could not be saved is made up for by the next.
pub async fn keep_anchor(
    mut checkpoints: watch::Receiver<Arc<SignedCheckpoint>>,
    state: State,
    stop: CancellationToken,
) {
    let mut saved = None;
    loop {
        let checkpoint = Arc::clone(&checkpoints.borrow_and_update());
        let size = checkpoint.checkpoint.size;
        if saved != Some(size) {
            match state.save_anchor(&checkpoint.note).await {
                Ok(()) => saved = Some(size),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(
                        error,
                        size,
                        "the journal's checkpoint could not be kept outside it"
                    );
                }
            }
        }
        if stop.is_cancelled() {
            return;
        }
        let next = async {
            tokio::time::sleep(SAVE_EVERY).await;
            // Without a sender the journal is closed, and whoever closed it saves the last one.
            checkpoints.changed().await.is_ok()
        };
        tokio::select! {
            () = stop.cancelled() => {}
            more = next => if !more { return },
        }
    }
}

/// Returns the origin and the size of a checkpoint: the first two lines of the note. Whether
/// it is validly signed is checked by whoever compares the journal with it.
fn parts(note: &[u8]) -> Option<(&str, u64)> {
    let mut lines = std::str::from_utf8(note).ok()?.lines();
    let log = lines.next().filter(|log| !log.is_empty())?;
    let size = lines.next()?.parse().ok()?;
    Some((log, size))
}
