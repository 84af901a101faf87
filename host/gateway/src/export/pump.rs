//! One exporter's loop: gather, deliver, remember.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use journal::{AppendError, Journal, ReadError, Unwritable};
use model::event::Event;
use model::{Fault, PluginName};
use plugin::{Ack, Batch, Code, FaultKind, PluginFault, Reject};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Export;
use super::lag::Lag;
use super::read::{BatchReader, ENTRIES_MAX, entry, last_seq};
use crate::backoff::Backoff;
use crate::clock;
use crate::state::StateError;

/// How long a batch that is not full waits for more entries: outside systems charge by the
/// request, and a second does not matter to who reads there.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// How long an exporter may go on after it was told to stop. What it does not get done is
/// delivered after the next start.
pub(super) const STOP_MAX: Duration = Duration::from_secs(5);

/// Takes batches: a plugin, or a script in tests.
pub(super) trait Deliver: Send + 'static {
    /// Delivers a batch, once.
    fn deliver(&mut self, batch: &Batch) -> impl Future<Output = Result<Ack, PluginFault>> + Send;
}

/// Remembers how far an exporter got.
pub(super) trait Cursor: Send + 'static {
    /// Returns the first entry that is not acknowledged.
    fn load(&mut self) -> impl Future<Output = Result<u64, StateError>> + Send;

    /// Remembers it; durable when it returns.
    fn save(&mut self, next: u64) -> impl Future<Output = Result<(), StateError>> + Send;
}

/// Carries one journal to one exporter.
pub(super) struct Pump<D, C> {
    plugin: PluginName,
    exporter: D,
    cursor: C,
    journal: Journal,
    log: String,
    stop: CancellationToken,
    lag: Arc<Lag>,
    /// Random bits, for the back-off.
    pub(super) random: fn() -> u32,
    reader: Option<BatchReader>,
    /// The first entry that is not acknowledged; `None` until it was read back.
    next: Option<u64>,
    /// `next` has moved and is not remembered yet.
    unsaved: bool,
    /// What was offered and not acknowledged.
    batch: Option<Batch>,
    /// How often the entry at `next` was offered.
    attempt: u32,
    /// How many entries a batch may have.
    entries_max: usize,
}

impl<D: Deliver, C: Cursor> Pump<D, C> {
    pub(super) fn new(export: &Export, plugin: PluginName, exporter: D, cursor: C, lag: Arc<Lag>) -> Self {
        let (journal, log, stop) = (export.journal.clone(), export.origin.clone(), export.stop.clone());
        Self::beside(plugin, exporter, cursor, lag, (journal, log, stop))
    }

    /// A pump over any journal.
    pub(super) fn beside(
        plugin: PluginName,
        exporter: D,
        cursor: C,
        lag: Arc<Lag>,
        (journal, log, stop): (Journal, String, CancellationToken),
    ) -> Self {
        Self {
            plugin,
            exporter,
            cursor,
            reader: Some(BatchReader::new(journal.reader())),
            journal,
            log,
            stop,
            lag,
            random: || getrandom::u32().unwrap_or(0),
            next: None,
            unsaved: false,
            batch: None,
            attempt: 0,
            entries_max: ENTRIES_MAX,
        }
    }

    /// Runs until told to stop, then as long as it takes to deliver what is there, but at most
    /// five seconds and not beyond the first failure.
    pub(super) async fn run(mut self) {
        let (stop, plugin) = (self.stop.clone(), self.plugin.clone());
        let mut work = pin!(self.work());
        tokio::select! {
            () = &mut work => return,
            () = stop.cancelled() => {}
        }
        if tokio::time::timeout(STOP_MAX, work).await.is_err() {
            tracing::info!(
                plugin = plugin.as_str(),
                "the last entries are exported after the next start"
            );
        }
    }

    async fn work(&mut self) {
        let mut sizes = self.journal.subscribe();
        let mut backoff = Backoff::default();
        while self.gather(&mut sizes).await {
            let trouble = match self.step().await {
                Ok(()) => {
                    backoff.reset();
                    continue;
                }
                Err(trouble) => trouble,
            };
            let wait = match trouble.is_for_an_operator() {
                true => backoff.longest((self.random)(), trouble.retry_after()),
                false => backoff.next((self.random)(), trouble.retry_after()),
            };
            self.lag.failed(trouble.fault());
            self.log_trouble(&trouble, wait);
            if self.stop.is_cancelled() {
                return;
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Waits until there is something to do: at once for what was begun or makes a full batch,
    /// else for the first entry and a moment longer. False when told to stop and all is done.
    async fn gather(&self, sizes: &mut watch::Receiver<u64>) -> bool {
        let Some(next) = self.next else { return true };
        if self.unsaved || self.batch.is_some() {
            return true;
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return self.journal.size() > next,
            // Without a sender the journal has ended, and with it everything else.
            grown = sizes.wait_for(|size| *size > next) => if grown.is_err() { return false },
        }
        // What a plugin left over is offered again at once.
        if self.attempt == 0 {
            let full = next.saturating_add(ENTRIES_MAX as u64);
            tokio::select! {
                () = self.stop.cancelled() => {}
                _ = sizes.wait_for(|size| *size >= full) => {}
                () = tokio::time::sleep(LINGER) => {}
            }
        }
        true
    }

    /// Does one thing: reads the cursor, remembers it, or delivers a batch.
    async fn step(&mut self) -> Result<(), Trouble> {
        let Some(next) = self.next else {
            return self.begin().await;
        };
        if self.unsaved {
            return self.save(next).await;
        }
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => self.read(next).await?,
        };
        match self.exporter.deliver(&batch).await {
            Ok(ack) => self.acknowledge(batch, &ack).await,
            Err(fault) => self.refused(batch, fault).await,
        }
    }

    async fn begin(&mut self) -> Result<(), Trouble> {
        let mut next = self.cursor.load().await?;
        let size = self.journal.size();
        if next > size {
            let reason =
                format!("it was given {next} entries, the journal has {size}: the journal was rolled back");
            tracing::error!(
                plugin = self.plugin.as_str(),
                reason,
                "an exporter has seen more than the journal holds"
            );
            let what = format!("exporter {}", self.plugin);
            let event = Event::Failed {
                fault: Fault::Operator,
                what: &what,
                reason: &reason,
            };
            let ticket = self.journal.append(|out| event.encode(clock::unix_us(), out))?;
            self.journal.durable(ticket).await?;
            next = size;
        }
        self.lag.starts_at(next);
        self.next = Some(next);
        Ok(())
    }

    async fn save(&mut self, next: u64) -> Result<(), Trouble> {
        self.cursor.save(next).await?;
        self.unsaved = false;
        Ok(())
    }

    /// Makes the batch that begins with `next`.
    async fn read(&mut self, next: u64) -> Result<Batch, Trouble> {
        let mut reader = self
            .reader
            .take()
            .unwrap_or_else(|| BatchReader::new(self.journal.reader()));
        let (log, entries_max) = (self.log.clone(), self.entries_max);
        let reading = tokio::task::spawn_blocking(move || {
            let batch = reader.read(&log, next, entries_max);
            (reader, batch)
        });
        let (reader, batch) = reading.await.map_err(|_| Trouble::Missing(next))?;
        self.reader = Some(reader);
        let batch = batch?.ok_or(Trouble::Missing(next))?;
        Ok(Batch {
            attempt: self.attempt,
            ..batch
        })
    }

    async fn acknowledge(&mut self, batch: Batch, ack: &Ack) -> Result<(), Trouble> {
        if let Err(trouble) = self.record_rejects(&batch, &ack.rejects).await {
            // Without the record they must not be passed over: all of it is offered again.
            self.offer_again(batch);
            return Err(trouble);
        }
        let next = ack.through_seq.min(last_seq(&batch)) + 1;
        self.attempt = if next > last_seq(&batch) {
            0
        } else {
            batch.attempt.saturating_add(1)
        };
        self.entries_max = ENTRIES_MAX;
        self.next = Some(next);
        self.unsaved = true;
        self.lag.acknowledged(next, ack.rejects.len() as u64);
        self.save(next).await
    }

    /// Writes down what an exporter gave up on. A record of that which it gives up on too makes
    /// no new one, or there would be no end to it; the counter has it.
    async fn record_rejects(&self, batch: &Batch, rejects: &[Reject]) -> Result<(), Trouble> {
        let mut last = None;
        for reject in rejects {
            let (index, reason) = (reject.seq, reject.reason.as_str());
            tracing::warn!(
                plugin = self.plugin.as_str(),
                index,
                reason,
                "an exporter gave up on an entry for good"
            );
            if entry(batch, index).is_some_and(is_record_of_reject) {
                continue;
            }
            let event = Event::ExportRejected {
                plugin: self.plugin.as_str(),
                index,
                reason,
            };
            last = Some(self.journal.append(|out| event.encode(clock::unix_us(), out))?);
        }
        if let Some(ticket) = last {
            self.journal.durable(ticket).await?;
        }
        Ok(())
    }

    /// Handles a failed delivery. Input that can never be taken is narrowed down to the one
    /// entry; everything else is offered again later.
    async fn refused(&mut self, batch: Batch, fault: PluginFault) -> Result<(), Trouble> {
        let FaultKind::Refused(error) = &fault.kind else {
            self.offer_again(batch);
            return Err(Trouble::Plugin(fault));
        };
        if error.code != Code::InvalidInput {
            self.offer_again(batch);
            return Err(Trouble::Plugin(fault));
        }
        if batch.ends.len() > 1 {
            self.entries_max = batch.ends.len() / 2;
            self.attempt = batch.attempt.saturating_add(1);
            return Ok(());
        }
        let reject = Reject {
            seq: batch.first_seq,
            reason: error.message.clone(),
        };
        let ack = Ack {
            through_seq: batch.first_seq,
            rejects: vec![reject],
        };
        self.acknowledge(batch, &ack).await
    }

    fn offer_again(&mut self, mut batch: Batch) {
        batch.attempt = batch.attempt.saturating_add(1);
        self.attempt = batch.attempt;
        self.batch = Some(batch);
    }

    fn log_trouble(&self, trouble: &Trouble, wait: Duration) {
        let (plugin, attempt) = (self.plugin.as_str(), self.attempt);
        let words = trouble.words();
        let error: &dyn std::error::Error = trouble;
        if trouble.is_for_an_operator() {
            tracing::error!(
                plugin,
                attempt,
                ?wait,
                error,
                words,
                "exporting failed; an operator must act"
            );
        } else {
            tracing::warn!(
                plugin,
                attempt,
                ?wait,
                error,
                words,
                "exporting failed; it is tried again"
            );
        }
    }
}

/// Returns whether an entry says that an exporter gave up on another one.
fn is_record_of_reject(entry: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        kind: std::borrow::Cow<'a, str>,
    }
    serde_json::from_slice(entry).is_ok_and(|Kind { kind }| kind == "export.rejected")
}

/// Why a step did not get done. All of it is tried again.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The plugin failed or reported an error.
    #[error(transparent)]
    Plugin(PluginFault),
    /// The journal could not be read.
    #[error("the journal could not be read")]
    Read(#[from] ReadError),
    /// An entry is counted but not there.
    #[error("entry {0} of the journal is not there; run `journal verify`")]
    Missing(u64),
    /// The cursor could not be read or remembered.
    #[error("the cursor could not be kept")]
    State(#[from] StateError),
    /// The journal takes no entries.
    #[error("that entries were given up could not be recorded")]
    Append(#[from] AppendError),
    /// The journal has ended.
    #[error("that entries were given up could not be recorded")]
    Unwritable(#[from] Unwritable),
}

impl Trouble {
    fn fault(&self) -> Fault {
        match self {
            Self::Plugin(fault) => fault.fault(),
            Self::Read(error) => error.fault(),
            Self::Missing(_) => Fault::Operator,
            Self::State(error) => error.fault(),
            Self::Append(error) => error.fault(),
            Self::Unwritable(error) => error.fault(),
        }
    }

    /// Nothing will change by itself; the contract says to ask at the longest interval.
    fn is_for_an_operator(&self) -> bool {
        let Self::Plugin(PluginFault {
            kind: FaultKind::Refused(error),
            ..
        }) = self
        else {
            return false;
        };
        matches!(
            error.code,
            Code::InvalidConfig | Code::Unauthorized | Code::Unsupported
        )
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Plugin(PluginFault {
                kind: FaultKind::Refused(error),
                ..
            }) => error.retry_after,
            _ => None,
        }
    }

    /// The plugin's own words, made safe where it was called.
    fn words(&self) -> &str {
        match self {
            Self::Plugin(PluginFault {
                kind: FaultKind::Refused(error),
                ..
            }) => &error.message,
            _ => "",
        }
    }
}
