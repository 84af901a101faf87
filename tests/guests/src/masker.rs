//! Bad maskers, one behaviour a file, in one component that is told by its configuration which
//! of them to be.

use tidegate_sdk::bindings::masker::exports::tidegate::masker::masker::Action;
use tidegate_sdk::masker::{Change, Column, NativeMask, Patch, Plan, Shape};
use tidegate_sdk::{Error, Issue};

/// What a masker does. Left as it is, it is honest and makes every cell NULL.
pub trait Behaviour: Sync {
    /// Takes the configuration.
    ///
    /// # Errors
    /// As the behaviour says.
    fn configure(&self) -> Result<(), Vec<Issue>> {
        Ok(())
    }

    /// Makes a plan.
    ///
    /// # Errors
    /// As the behaviour says.
    fn make_plan(&self, shape: &Shape) -> Result<Plan, Error> {
        Ok(call_all(shape))
    }

    /// Loads a plan.
    ///
    /// # Errors
    /// As the behaviour says.
    fn load_plan(&self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    /// Masks a batch.
    ///
    /// # Errors
    /// As the behaviour says.
    fn mask(&self, _: u32, columns: &[Column]) -> Result<Vec<Change>, Error> {
        Ok(vec![Change::AllNull; columns.len()])
    }
}

/// Plans every field as `call`.
#[must_use]
pub fn call_all(shape: &Shape) -> Plan {
    Plan {
        actions: vec![Action::Call; shape.fields.len()],
        state: Vec::new(),
    }
}

/// Plans every field with one native mask.
fn native_all(shape: &Shape, name: &str, args: &[(&str, &str)]) -> Plan {
    let args = args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let native = Action::Native(NativeMask {
        name: name.to_owned(),
        args,
    });
    Plan {
        actions: vec![native; shape.fields.len()],
        state: Vec::new(),
    }
}

/// Makes this many cells, `x` each.
fn cells(count: u32) -> Column {
    Column {
        data: vec![b'x'; count as usize],
        ends: (1..=count).collect(),
        nulls: Vec::new(),
    }
}

/// Changes these rows.
fn sparse(rows: Vec<u32>) -> Change {
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    Change::Sparse(Patch {
        rows,
        values: cells(count),
    })
}

use crate::{recurse, spin, trap};

behaviours! {
    upper,
    spins_in_configure,
    panics_in_configure,
    issues_without_end,
    spins_in_plan,
    traps_in_plan,
    fails_in_plan,
    actions_too_few,
    actions_too_many,
    state_huge,
    native_unknown,
    native_bad_argument,
    native_extra_argument,
    spins_in_load,
    spins_in_mask,
    traps_in_mask,
    fails_in_mask,
    exits_in_mask,
    recurses,
    forgets,
    grows_memory,
    keeps_memory,
    sleeps,
    changes_too_few,
    changes_too_many,
    rows_too_few,
    rows_too_many,
    ends_falling,
    ends_beyond_data,
    ends_short_of_data,
    nulls_too_short,
    utf8_invalid,
    utf8_cut,
    sparse_unsorted,
    sparse_twice,
    sparse_out_of_range,
    sparse_without_values,
    output_oversized,
    log_huge,
    log_flood,
    stderr_flood,
    metric_flood,
    whispers,
    scan_greedy,
    scan_without_end,
}
