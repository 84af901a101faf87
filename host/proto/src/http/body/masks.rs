//! The masks of a resource's bodies, as one plan has them.

use std::fmt;
use std::sync::Arc;

use model::mask::Plan;

use crate::http::json::{Paths, ROOT, State};
use crate::mask::{FieldMask, PlanFault, PseudonymKey, Work};

/// What covers a value: 0 is nothing, and of two the higher is the stricter mask.
pub(in crate::http) type Cover = u16;

/// The masks of bodies, made ready from a plan: one field per place of [`Paths::fields`], and
/// the last for all content that no masked path covers.
///
/// Where paths of several fields cover a value, the strictest of their masks stands, in the
/// order in which plans are combined, and among equals the first field's. What a path leads to
/// is covered with everything in it, leaf by leaf; keys stay. A field that is kept covers
/// nothing, so that its values are looked through as all other content is. The path `$` covers
/// bodies that are texts, too.
pub struct BodyMasks {
    fields: Arc<[FieldMask]>,
    paths: Arc<Paths>,
    /// Fields by strictness, the strictest last: what cover 1 stands for, and so on.
    ranks: Vec<u16>,
    /// Per state of the paths: what covers the values there.
    covers: Vec<Cover>,
}

impl BodyMasks {
    /// Makes a plan ready for bodies whose tagged places are `paths`.
    ///
    /// # Errors
    /// [`PlanFault`]. A field that is to be denied ends a body once it has such a cell.
    pub fn compile(paths: Arc<Paths>, plan: &Plan, key: &PseudonymKey) -> Result<Self, PlanFault> {
        if plan.actions.len() != paths.fields() + 1 {
            return Err(PlanFault::Count {
                actions: plan.actions.len(),
                fields: paths.fields() + 1,
            });
        }
        let fields = FieldMask::compile_all(plan, key)?;
        let mut ranks: Vec<u16> = (0..paths.fields())
            .filter(|field| !fields[*field].keeps())
            .filter_map(|field| u16::try_from(field).ok())
            .collect();
        // The first of equals ranks highest.
        ranks.sort_by_key(|field| (fields[usize::from(*field)].strictness(), u16::MAX - field));
        let mut rank_of = vec![0; paths.fields()];
        for (rank, field) in (1..).zip(&ranks) {
            rank_of[usize::from(*field)] = rank;
        }
        let cover = |state| {
            let ends = paths.ends(state).iter();
            ends.map(|field| rank_of[usize::from(*field)]).max().unwrap_or(0)
        };
        let covers = (0..paths.states())
            .filter_map(|state| State::try_from(state).ok())
            .map(cover)
            .collect();
        Ok(Self {
            fields: fields.into(),
            paths,
            ranks,
            covers,
        })
    }

    /// Returns whether every body passes unchanged; then none need be fed at all.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.ranks.is_empty() && !self.scans()
    }

    /// Returns whether any path has a mask.
    #[must_use]
    pub fn masks_paths(&self) -> bool {
        !self.ranks.is_empty()
    }

    /// Returns whether all other content is masked.
    #[must_use]
    pub fn scans(&self) -> bool {
        !self.fields[self.content()].keeps()
    }

    /// Returns whether bodies need [`crate::mask::FieldCells`].
    #[must_use]
    pub fn calls(&self) -> bool {
        self.fields.iter().any(FieldMask::calls)
    }

    /// Returns the field of all other content: the last.
    #[must_use]
    pub fn content(&self) -> usize {
        self.paths.fields()
    }

    /// Returns the field of what is no JSON but a text as a whole: what covers a document itself
    /// covers that, too.
    pub(in crate::http) fn whole(&self) -> usize {
        self.field(self.cover(ROOT)).unwrap_or(self.content())
    }

    pub(in crate::http) fn fields(&self) -> Arc<[FieldMask]> {
        Arc::clone(&self.fields)
    }

    pub(in crate::http) fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(in crate::http) fn work(&self, field: usize) -> &Work {
        self.fields[field].work()
    }

    /// Returns what covers values in `state`.
    #[inline]
    pub(in crate::http) fn cover(&self, state: State) -> Cover {
        self.covers[usize::from(state)]
    }

    /// Returns the field that a cover stands for.
    #[inline]
    pub(in crate::http) fn field(&self, cover: Cover) -> Option<usize> {
        let rank = usize::from(cover).checked_sub(1)?;
        self.ranks.get(rank).map(|field| usize::from(*field))
    }
}

impl fmt::Debug for BodyMasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyMasks")
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}
