//! Where in a document a value stands, and which field covers it.

use super::automaton::{NOWHERE, ROOT, State};
use super::lexer::DEPTH_MAX;
use crate::http::body::{BodyMasks, Cover};

/// The way from the document's root to the value at hand.
#[derive(Debug)]
pub(super) struct Walk {
    /// The open arrays and objects, the innermost last.
    open: Vec<Open>,
    /// Where the next value stands, unless in an array.
    next: Place,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    state: State,
    /// What covers the value and everything in it.
    cover: Cover,
}

#[derive(Debug)]
struct Open {
    place: Place,
    array: bool,
    /// The next element of an array.
    index: u64,
}

impl Walk {
    /// Stands before a document.
    pub(super) fn new(masks: &BodyMasks) -> Self {
        Self {
            open: Vec::with_capacity(DEPTH_MAX as usize),
            next: root(masks),
        }
    }

    /// Stands before the next document.
    pub(super) fn restart(&mut self, masks: &BodyMasks) {
        self.open.clear();
        self.next = root(masks);
    }

    /// Returns whether paths depend on the next key of the innermost object.
    pub(super) fn heeds_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.place.state != NOWHERE)
    }

    /// Goes to a member of the innermost object.
    pub(super) fn member(&mut self, key: &[u8], masks: &BodyMasks) {
        if let Some(open) = self.open.last() {
            self.next = open.place.child(masks, |state| masks.paths().member(state, key));
        }
    }

    /// Goes to a member of the innermost object whose key doesn't matter.
    pub(super) fn some_member(&mut self) {
        if let Some(open) = self.open.last() {
            self.next = open.place;
        }
    }

    /// Enters the value at hand and returns what covers it.
    #[inline]
    pub(super) fn value(&mut self, masks: &BodyMasks) -> Cover {
        if let Some(open) = self.open.last_mut().filter(|open| open.array) {
            let index = open.index;
            open.index += 1;
            self.next = open
                .place
                .child(masks, |state| masks.paths().element(state, index));
        }
        self.next.cover
    }

    /// Opens the value that was entered.
    pub(super) fn open(&mut self, array: bool) {
        self.open.push(Open {
            place: self.next,
            array,
            index: 0,
        });
    }

    /// Leaves the innermost array or object.
    pub(super) fn close(&mut self) {
        self.open.pop();
    }
}

impl Place {
    #[inline]
    fn child(self, masks: &BodyMasks, step: impl FnOnce(State) -> State) -> Self {
        if self.state == NOWHERE {
            return self;
        }
        let state = step(self.state);
        Self {
            state,
            cover: self.cover.max(masks.cover(state)),
        }
    }
}

fn root(masks: &BodyMasks) -> Place {
    Place {
        state: ROOT,
        cover: masks.cover(ROOT),
    }
}
