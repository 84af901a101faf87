//! Exporters: evidence on its way out.
//!
//! The caller keeps the cursor and the retries; this module makes one delivery and checks what
//! the plugin claims to have done with it.

use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::{Instance as Linked, InstancePre};

use crate::bindings::exporter::exports::tidegate::exporter::exporter as wit;
use crate::fault::{FaultKind, GuestError, PluginFault};
use crate::pool::{Pool, World};
use crate::store::State;
use crate::text;

/// The encoding of [`Batch::data`].
pub const ENCODING: &str = "tidegate+ndjson/1";

/// The most entries of one batch. The contract says so.
pub const BATCH_ENTRIES_MAX: usize = 1_000;

/// The most bytes of one batch. The contract says so.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// How long `probe` may take. The contract says so.
const PROBE_TIME: Duration = Duration::from_secs(15);

/// What is kept of a reason for a reject. The contract says so.
const REASON_BYTES_MAX: usize = 500;

/// One loaded exporter.
pub struct Exporter {
    pool: Pool<ExporterWorld>,
}

/// Entries that follow each other without a gap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// The log they are from.
    pub log: String,
    /// The first entry's number.
    pub first_seq: u64,
    /// The entries, each one JSON object with a line feed after it.
    pub data: Vec<u8>,
    /// The exclusive end of each entry in `data`.
    pub ends: Vec<u32>,
    /// How often these entries were offered before.
    pub attempt: u32,
}

/// What is done with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ack {
    /// Everything up to here was taken or rejected for good.
    pub through_seq: u64,
    /// What was not taken, ascending.
    pub rejects: Vec<Reject>,
}

/// An entry that the outside system will never take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reject {
    /// Its number.
    pub seq: u64,
    /// Why, in the plugin's words.
    pub reason: String,
}

pub(crate) struct ExporterWorld(wit::Guest);

impl World for ExporterWorld {
    type Indices = wit::GuestIndices;

    fn find(pre: &InstancePre<State>) -> wasmtime::Result<Self::Indices> {
        wit::GuestIndices::new(pre)
    }

    fn bind(indices: &Self::Indices, store: &mut Store<State>, linked: &Linked) -> wasmtime::Result<Self> {
        Ok(Self(indices.load(store, linked)?))
    }
}

impl Exporter {
    pub(crate) const fn new(pool: Pool<ExporterWorld>) -> Self {
        Self { pool }
    }

    pub(crate) const fn pool(&self) -> &Pool<ExporterWorld> {
        &self.pool
    }

    /// Delivers a batch. Dropping the future drops the instance, and the outcome is unknown.
    ///
    /// # Errors
    /// When the plugin fails, reports an error or claims what it can't have done. The entries
    /// must then be delivered again; [`FaultKind::Refused`] says whether and when that is worth
    /// trying.
    pub async fn deliver(&self, batch: &Batch) -> Result<Ack, PluginFault> {
        if batch.ends.is_empty() || batch.ends.len() > BATCH_ENTRIES_MAX || batch.data.len() > BATCH_BYTES_MAX
        {
            return Err(self.pool.fault(FaultKind::Contract(
                "a batch of 1 to 1,000 entries and at most 4 MiB",
            )));
        }
        let wire = wit::Batch {
            log: batch.log.clone(),
            first_seq: batch.first_seq,
            encoding: ENCODING.to_owned(),
            data: batch.data.clone(),
            ends: batch.ends.clone(),
            attempt: batch.attempt,
        };
        let budget = self.pool.profile.limits.deadline;
        let mut lease = self.pool.take_async(budget).await?;
        lease.begin(budget);
        let instance = &mut *lease;
        let calling = instance.world.0.call_deliver(&mut instance.store, &wire);
        let Ok(answer) = tokio::time::timeout(budget, calling).await else {
            return Err(lease.late());
        };
        let answer = lease.end(answer)?;
        let checked = match answer {
            Ok(ack) => check(ack, batch).map_err(FaultKind::Contract),
            Err(error) => Err(FaultKind::Refused(GuestError::from(error))),
        };
        match checked {
            Ok(ack) => {
                lease.give_back();
                self.pool
                    .profile
                    .meter
                    .bytes_in
                    .increment(batch.data.len() as u64);
                Ok(ack)
            }
            Err(kind) => Err(lease.fail(kind)),
        }
    }

    /// Checks address and credential without delivering anything.
    ///
    /// # Errors
    /// As [`Self::deliver`].
    pub async fn probe(&self) -> Result<(), PluginFault> {
        let mut lease = self.pool.take_async(PROBE_TIME).await?;
        lease.begin(PROBE_TIME);
        let instance = &mut *lease;
        let calling = instance.world.0.call_probe(&mut instance.store);
        let Ok(answer) = tokio::time::timeout(PROBE_TIME, calling).await else {
            return Err(lease.late());
        };
        match lease.end(answer)? {
            Ok(()) => {
                lease.give_back();
                Ok(())
            }
            Err(error) => Err(lease.fail(FaultKind::Refused(GuestError::from(error)))),
        }
    }
}

/// Takes a guest's acknowledgement; an error names the rule it breaks.
fn check(ack: wit::Ack, batch: &Batch) -> Result<Ack, &'static str> {
    let last = batch.first_seq + (batch.ends.len() as u64 - 1);
    if !(batch.first_seq..=last).contains(&ack.through_seq) {
        return Err("an acknowledgement within the batch");
    }
    if !ack.rejects.is_sorted_by(|a, b| a.seq < b.seq) {
        return Err("rejects strictly ascending");
    }
    if ack
        .rejects
        .iter()
        .any(|reject| !(batch.first_seq..=ack.through_seq).contains(&reject.seq))
    {
        return Err("rejects within the acknowledged range");
    }
    let reject = |reject: wit::Reject| Reject {
        seq: reject.seq,
        reason: text::one_line(&reject.reason, REASON_BYTES_MAX),
    };
    Ok(Ack {
        through_seq: ack.through_seq,
        rejects: ack.rejects.into_iter().map(reject).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_outside_the_batch_is_a_fault() {
        let batch = Batch {
            log: "log".to_owned(),
            first_seq: 10,
            data: b"{}\n{}\n{}\n".to_vec(),
            ends: vec![3, 6, 9],
            attempt: 0,
        };
        let ack = |through_seq, rejects: &[u64]| {
            let rejects = rejects.iter().map(|seq| wit::Reject {
                seq: *seq,
                reason: "no".to_owned(),
            });
            check(
                wit::Ack {
                    through_seq,
                    rejects: rejects.collect(),
                },
                &batch,
            )
        };
        assert!(ack(10, &[10]).is_ok());
        assert!(ack(12, &[10, 12]).is_ok());
        for (through, rejects) in [
            (9, &[][..]),
            (13, &[]),
            (u64::MAX, &[]),
            (11, &[12]),
            (12, &[9]),
            (12, &[11, 11]),
        ] {
            assert!(ack(through, rejects).is_err(), "{through} {rejects:?}");
        }
    }
}
