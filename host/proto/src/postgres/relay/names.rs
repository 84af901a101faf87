//! The session's names: prepared statements and portals, as the *server* knows them.
//!
//! A name counts once the server has confirmed it. Until then it may be used only by frames
//! that the server would skip if the confirmation failed, i.e. before the next Sync; anyone
//! later waits. Otherwise a Parse that fails could lend its harmless text to an old statement
//! of the same name.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;

use super::batch::{Action, Step};
use super::expected::Expected;
use super::masks::SharedMask;
use super::{JudgedStatement, NameChange};
use crate::postgres::mask::FieldDescription;

/// How many statements and portals a session may have at once, each; a leak of names in the
/// client must not become one in the gateway.
pub(super) const NAMES_MAX: usize = 16_384;

/// A statement as the client sent it.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sql: Box<[u8]>,
    state: Mutex<StatementState>,
}

#[derive(Debug, Default)]
struct StatementState {
    judged: Option<Arc<JudgedStatement>>,
    described: bool,
    fields: Option<Arc<[FieldDescription]>>,
}

impl Statement {
    pub(super) fn new(sql: &[u8]) -> Arc<Self> {
        Arc::new(Self {
            sql: sql.into(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, StatementState> {
        // Only the session's own task ever locks this; the lock is there for `Send`.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn judged(&self) -> Option<Arc<JudgedStatement>> {
        self.state().judged.clone()
    }

    pub(super) fn set_judged(&self, judged: Arc<JudgedStatement>) {
        self.state().judged = Some(judged);
    }

    /// Whether a description has been asked for, so that it will be known when rows come.
    pub(super) fn is_described(&self) -> bool {
        self.state().described
    }

    pub(super) fn set_described(&self, described: bool) {
        self.state().described = described;
    }

    pub(super) fn fields(&self) -> Option<Arc<[FieldDescription]>> {
        self.state().fields.clone()
    }

    pub(super) fn set_fields(&self, fields: Vec<FieldDescription>) {
        self.state().fields = Some(fields.into());
    }

    fn forget_shape(&self) {
        let mut state = self.state();
        state.described = false;
        state.fields = None;
    }
}

/// A portal: a statement with its values bound.
#[derive(Debug)]
pub(super) struct Portal {
    /// `None` where the statement is unknown to us: then nothing runs from this portal.
    pub(super) statement: Option<Arc<Statement>>,
    pub(super) formats: SmallVec<[u16; 4]>,
    pub(super) binds: u16,
    pub(super) bind_commitment: [u8; 32],
    state: Mutex<PortalState>,
}

#[derive(Debug, Default)]
struct PortalState {
    described: bool,
    /// The result's mask once its shape is known: `Some(None)` says that nothing is masked.
    mask: Option<Option<SharedMask>>,
}

impl Portal {
    pub(super) fn new(
        statement: Option<Arc<Statement>>,
        formats: SmallVec<[u16; 4]>,
        binds: u16,
        bind_commitment: [u8; 32],
    ) -> Arc<Self> {
        Arc::new(Self {
            statement,
            formats,
            binds,
            bind_commitment,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, PortalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_described(&self) -> bool {
        self.state().described
    }

    pub(super) fn set_described(&self, described: bool) {
        self.state().described = described;
    }

    pub(super) fn mask(&self) -> Option<Option<SharedMask>> {
        self.state().mask.clone()
    }

    pub(super) fn set_mask(&self, mask: Option<SharedMask>) {
        self.state().mask = Some(mask);
    }
}

/// What looking up a name gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lookup<T> {
    /// What the name stands for.
    Found(T),
    /// Nothing has this name.
    Missing,
    /// The server must answer first.
    Wait,
}

/// The confirmed names.
#[derive(Debug, Default)]
pub(super) struct Names {
    statements: HashMap<Box<[u8]>, Arc<Statement>>,
    portals: HashMap<Box<[u8]>, Arc<Portal>>,
}

impl Names {
    /// Looks up a statement as a frame after `steps` and after everything in `expected` would.
    pub(super) fn statement(
        &self,
        name: &[u8],
        steps: &[Step],
        expected: &VecDeque<Expected>,
    ) -> Lookup<Arc<Statement>> {
        for step in steps.iter().rev() {
            match &step.action {
                Action::Parse {
                    name: parsed,
                    statement,
                } if **parsed == *name => {
                    return Lookup::Found(Arc::clone(statement));
                }
                Action::Close {
                    kind: b'S',
                    name: closed,
                } if **closed == *name => return Lookup::Missing,
                _ => {}
            }
        }
        let mut crossed = false;
        for entry in expected.iter().rev() {
            match entry {
                Expected::Parse { name: parsed, .. }
                | Expected::Close {
                    kind: b'S',
                    name: parsed,
                } if crossed && **parsed == *name => {
                    return Lookup::Wait;
                }
                Expected::Parse {
                    name: parsed,
                    statement,
                } if **parsed == *name => {
                    return Lookup::Found(Arc::clone(statement));
                }
                Expected::Close {
                    kind: b'S',
                    name: closed,
                } if **closed == *name => return Lookup::Missing,
                Expected::Execute { run, .. } | Expected::Query { run } if run.changes_names() => {
                    return Lookup::Wait;
                }
                entry => crossed |= entry.is_boundary(),
            }
        }
        self.statements
            .get(name)
            .map_or(Lookup::Missing, |s| Lookup::Found(Arc::clone(s)))
    }

    /// Looks up a portal, like [`Names::statement`].
    pub(super) fn portal(
        &self,
        name: &[u8],
        steps: &[Step],
        expected: &VecDeque<Expected>,
    ) -> Lookup<Arc<Portal>> {
        for step in steps.iter().rev() {
            match &step.action {
                Action::Bind { name: bound, portal } if **bound == *name => {
                    return Lookup::Found(Arc::clone(portal));
                }
                Action::Close {
                    kind: b'P',
                    name: closed,
                } if **closed == *name => return Lookup::Missing,
                _ => {}
            }
        }
        let mut crossed = false;
        for entry in expected.iter().rev() {
            match entry {
                Expected::Bind { name: bound, .. }
                | Expected::Close {
                    kind: b'P',
                    name: bound,
                } if crossed && **bound == *name => {
                    return Lookup::Wait;
                }
                Expected::Bind { name: bound, portal } if **bound == *name => {
                    return Lookup::Found(Arc::clone(portal));
                }
                Expected::Close {
                    kind: b'P',
                    name: closed,
                } if **closed == *name => return Lookup::Missing,
                Expected::Execute { run, .. } | Expected::Query { run } if run.changes_names() => {
                    return Lookup::Wait;
                }
                entry => crossed |= entry.is_boundary(),
            }
        }
        self.portals
            .get(name)
            .map_or(Lookup::Missing, |p| Lookup::Found(Arc::clone(p)))
    }

    /// Whether another name would be one too many.
    pub(super) fn is_full(&self) -> bool {
        self.statements.len() >= NAMES_MAX || self.portals.len() >= NAMES_MAX
    }

    pub(super) fn confirm_statement(&mut self, name: Box<[u8]>, statement: Arc<Statement>) {
        self.statements.insert(name, statement);
    }

    pub(super) fn confirm_portal(&mut self, name: Box<[u8]>, portal: Arc<Portal>) {
        self.portals.insert(name, portal);
    }

    pub(super) fn close(&mut self, kind: u8, name: &[u8]) {
        if kind == b'S' {
            self.statements.remove(name);
        } else {
            self.portals.remove(name);
        }
    }

    /// A failed Parse of the unnamed statement leaves none behind.
    pub(super) fn drop_unnamed_statement(&mut self) {
        self.statements.remove(&b""[..]);
    }

    /// Outside a transaction, portals die with the ReadyForQuery.
    pub(super) fn end_transaction(&mut self) {
        self.portals.clear();
    }

    pub(super) fn forget_shapes(&mut self) {
        for statement in self.statements.values() {
            statement.forget_shape();
        }
    }

    /// Applies what a statement of SQL did to the names, now that the server has done it.
    pub(super) fn apply(&mut self, change: &NameChange, sql: &[u8], judged: &Arc<JudgedStatement>) {
        let statement = || {
            let statement = Statement::new(sql);
            statement.set_judged(Arc::clone(judged));
            statement
        };
        match change {
            NameChange::None => {}
            NameChange::Prepare(name) => self.confirm_statement(name.as_bytes().into(), statement()),
            NameChange::Deallocate(name) => self.close(b'S', name.as_bytes()),
            NameChange::DeallocateAll => self.statements.clear(),
            NameChange::Declare(name) => {
                let portal = Portal::new(Some(statement()), SmallVec::new(), 0, [0; 32]);
                self.confirm_portal(name.as_bytes().into(), portal);
            }
        }
    }
}
