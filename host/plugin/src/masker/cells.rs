//! Sends batches of one result to the guests of its plan.

use std::sync::Arc;

use model::mask::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, CellMasker, Change, Column, MaskFault, ROW_BYTES_MAX};

use super::check::{self, ANSWER_BYTES_SPARE};
use super::{ActivePlan, Caller, FaultKind, WireColumn, mask_fault};
use crate::config::OnFailure;

/// What an answer takes beyond its bytes, per row and column: an end, a row number, a bit.
const ANSWER_BYTES_PER_CELL: usize = 9;

/// What an answer takes beyond its cells, per column: lists and tags.
const ANSWER_BYTES_PER_COLUMN: usize = 128;

impl ActivePlan {
    /// Returns what masks the cells of one result under this plan.
    #[must_use]
    pub fn cells(self: &Arc<Self>) -> Box<dyn CellMasker + Send> {
        Box::new(Cells {
            failed: vec![false; self.callers.len()],
            plan: Arc::clone(self),
        })
    }
}

/// One result on its way.
struct Cells {
    plan: Arc<ActivePlan>,
    /// Which callers failed and stay NULL for the rest of this result.
    failed: Vec<bool>,
}

impl CellMasker for Cells {
    fn mask(&mut self, rows: u32, columns: &[Column]) -> Result<Vec<Change>, MaskFault> {
        let mut changes = vec![Change::AllNull; self.plan.calls];
        for (caller, failed) in self.plan.callers.iter().zip(&mut self.failed) {
            if *failed {
                caller.masker.pool.profile.meter.redacted.increment(1);
                continue;
            }
            let masked = check_batch(&self.plan, caller, rows, columns)
                .and_then(|()| call(caller, rows, columns, &mut changes).map_err(|fault| mask_fault(&fault)));
            match (masked, caller.masker.on_failure) {
                (Ok(()), _) => {}
                (Err(fault), OnFailure::Close) => return Err(fault),
                (Err(_), OnFailure::Redact) => {
                    *failed = true;
                    let profile = &caller.masker.pool.profile;
                    profile.meter.redacted.increment(1);
                    tracing::warn!(
                        plugin = profile.name.as_str(),
                        "a failed masker's columns are NULL for this result"
                    );
                }
            }
        }
        Ok(changes)
    }
}

/// Holds a batch of ours against the contract before a guest sees it.
fn check_batch(plan: &ActivePlan, caller: &Caller, rows: u32, columns: &[Column]) -> Result<(), MaskFault> {
    let bytes: usize = columns.iter().map(|column| column.data.len()).sum();
    let bytes_max = if rows == 1 { ROW_BYTES_MAX } else { BATCH_BYTES_MAX };
    let fits = columns.len() == plan.calls
        && columns.iter().all(|column| column.len() == rows as usize)
        && rows <= BATCH_ROWS_MAX
        && bytes <= bytes_max;
    if fits {
        return Ok(());
    }
    Err(MaskFault {
        plugin: caller.masker.pool.profile.name.clone(),
        reason: "the batch does not fit the plan".to_owned(),
    })
}

/// Calls one plugin and puts what it changed in its places.
fn call(
    caller: &Caller,
    rows: u32,
    columns: &[Column],
    changes: &mut [Change],
) -> Result<(), crate::fault::PluginFault> {
    // NULLs for a field that another masker decides; rare, so made anew each time.
    let mut nothing = Column::default();
    if caller.columns.iter().any(|source| source.column.is_none()) {
        nothing.ends = vec![0; rows as usize];
        nothing.nulls = vec![0xFF; (rows as usize).div_ceil(8)];
    }
    let sent = caller
        .columns
        .iter()
        .map(|source| source.column.map_or(&nothing, |index| &columns[index]));
    let bytes_in: usize = sent.clone().map(|column| column.data.len()).sum();
    let wire: Vec<WireColumn<'_>> = sent
        .map(|column| WireColumn {
            data: &column.data,
            ends: &column.ends,
            nulls: &column.nulls,
        })
        .collect();
    let cells = rows as usize * wire.len();
    let bytes_out_max = bytes_in * 4
        + ANSWER_BYTES_SPARE
        + cells * ANSWER_BYTES_PER_CELL
        + wire.len() * ANSWER_BYTES_PER_COLUMN;

    let (lease, answer) = caller.masker.mask(caller, rows, &wire, bytes_out_max)?;
    let texts = caller.columns.iter().map(|source| source.text);
    let checked = match check::changes(answer, rows, texts, bytes_in) {
        Ok(checked) => checked,
        Err(rule) => return Err(lease.fail(FaultKind::Contract(rule))),
    };
    lease.give_back();

    let meter = &caller.masker.pool.profile.meter;
    meter.cells.increment(cells as u64);
    meter.bytes_in.increment(bytes_in as u64);
    for (source, change) in caller.columns.iter().zip(checked) {
        let Some(index) = source.column else { continue };
        meter.bytes_out.increment(size(&change));
        changes[index] = change;
    }
    Ok(())
}

fn size(change: &Change) -> u64 {
    let bytes = match change {
        Change::None | Change::AllNull => 0,
        Change::Dense(column) => column.data.len(),
        Change::Sparse { values, .. } => values.data.len(),
        Change::All(bytes) => bytes.len(),
    };
    bytes as u64
}
