//! The session's names: prepared statements and portals, as the *server* knows them.
//!
//! A name counts once the server has confirmed it. Until then it may be used only by frames
//! that the server would skip if the confirmation failed, i.e. before the next Sync; anyone
//! later waits. Otherwise a Parse that fails could lend its harmless text to an old statement
//! of the same name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::ApprovalId;
use smallvec::SmallVec;

use super::batch::{Action, Step};
use super::expected::{Expected, Owed};
use super::masks::SharedMask;
use super::{JudgedStatement, NameChange};
use crate::postgres::mask::FieldDescription;

/// How many statements and portals a session may have at once, each; a leak of names in the
/// client must not become one in the gateway.
const NAMES_MAX: usize = 16_384;

/// The same for the bytes that the names keep alive, texts of statements above all: as much as
/// one frame may have that is kept whole.
const NAMES_BYTES_MAX: usize = 64 << 20;

/// A statement as the client sent it.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sql: Arc<[u8]>,
    /// The OIDs of its parameters' types, four bytes each, as far as the client has said.
    pub(super) declared_types: Box<[u8]>,
    /// The same as the server has told, if it was asked.
    types: OnceLock<Box<[u8]>>,
    state: Mutex<StatementState>,
}

#[derive(Debug, Default)]
struct StatementState {
    judged: Option<Arc<JudgedStatement>>,
    description: Description,
    fields: Option<Arc<[FieldDescription]>>,
}

/// What is known of the columns that a statement or a portal returns.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Description {
    #[default]
    Unknown,
    /// Asked for in this stretch between two Syncs: whoever fails before the answer comes also
    /// keeps the rest of the stretch from running.
    Asked(u64),
    Known,
}

impl Description {
    fn holds_in(self, stretch: u64) -> bool {
        self == Self::Known || self == Self::Asked(stretch)
    }
}

impl Statement {
    pub(super) fn new(sql: &[u8], declared_types: &[u8]) -> Arc<Self> {
        Arc::new(Self {
            sql: sql.into(),
            declared_types: declared_types.into(),
            types: OnceLock::new(),
            state: Mutex::default(),
        })
    }

    /// What SQL's PREPARE or DECLARE holds inside: judged by itself when it runs.
    fn inside(query: &Arc<[u8]>) -> Arc<Self> {
        Arc::new(Self {
            sql: Arc::clone(query),
            declared_types: Box::default(),
            types: OnceLock::new(),
            state: Mutex::default(),
        })
    }

    /// Returns the types that the server has told of its parameters.
    pub(super) fn types(&self) -> &[u8] {
        self.types.get().map_or(&[], |types| types)
    }

    /// Takes in the types of the parameters; those of one statement never change.
    pub(super) fn set_types(&self, types: &[u8]) {
        let _ = self.types.set(types.into());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, StatementState> {
        // Only the session's own task ever locks this; the lock is there for `Send`.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all that the statement does is to query or change rows.
    pub(super) fn is_query(&self, judged: &JudgedStatement) -> bool {
        let conduct = &judged.analysis;
        let names = &conduct.names;
        !conduct.changes_catalog
            && names.iter().all(|change| *change == NameChange::None)
            && conduct
                .facts
                .statements
                .iter()
                .all(|statement| !statement.utility)
    }

    pub(super) fn judged(&self) -> Option<Arc<JudgedStatement>> {
        self.state().judged.clone()
    }

    pub(super) fn set_judged(&self, judged: Arc<JudgedStatement>) {
        self.state().judged = Some(judged);
    }

    /// Whether the description will be known when rows come of an Execute in this stretch.
    pub(super) fn is_described(&self, stretch: u64) -> bool {
        self.state().description.holds_in(stretch)
    }

    pub(super) fn ask_description(&self, stretch: u64) {
        let mut state = self.state();
        if state.description != Description::Known {
            state.description = Description::Asked(stretch);
        }
    }

    pub(super) fn fields(&self) -> Option<Arc<[FieldDescription]>> {
        self.state().fields.clone()
    }

    /// Takes in the description; `None` where the statement returns no rows.
    pub(super) fn describe(&self, fields: Option<Vec<FieldDescription>>) {
        let mut state = self.state();
        state.description = Description::Known;
        state.fields = fields.map(Into::into);
    }

    /// Has the description asked for again. Executes on their way still go by the old one.
    fn forget_shape(&self) {
        self.state().description = Description::Unknown;
    }
}

/// A portal: a statement with its values bound.
#[derive(Debug)]
pub(super) struct Portal {
    pub(super) statement: Arc<Statement>,
    pub(super) formats: SmallVec<[u16; 4]>,
    pub(super) binds: u16,
    pub(super) bind_commitment: [u8; 32],
    state: Mutex<PortalState>,
}

#[derive(Debug, Default)]
struct PortalState {
    description: Description,
    /// The result's mask once its shape is known: `Some(None)` says that nothing is masked.
    mask: Option<Option<SharedMask>>,
    /// The approval under which it runs: its further rows are part of the same execution.
    approval: Option<ApprovalId>,
}

impl Portal {
    pub(super) fn new(
        statement: Arc<Statement>,
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

    /// Whether the description will be known when rows come of an Execute in this stretch.
    pub(super) fn is_described(&self, stretch: u64) -> bool {
        self.state().description.holds_in(stretch)
    }

    pub(super) fn ask_description(&self, stretch: u64) {
        let mut state = self.state();
        if state.description != Description::Known {
            state.description = Description::Asked(stretch);
        }
    }

    pub(super) fn approval(&self) -> Option<ApprovalId> {
        self.state().approval
    }

    pub(super) fn set_approval(&self, approval: ApprovalId) {
        self.state().approval = Some(approval);
    }

    pub(super) fn mask(&self) -> Option<Option<SharedMask>> {
        self.state().mask.clone()
    }

    pub(super) fn set_mask(&self, mask: Option<SharedMask>) {
        self.state().mask = Some(mask);
    }

    /// Takes in the description; `None` where the portal returns no rows.
    pub(super) fn describe(&self, mask: Option<Option<SharedMask>>) {
        let mut state = self.state();
        state.description = Description::Known;
        state.mask = mask;
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
    /// Roughly the bytes that all of them keep alive.
    bytes: usize,
}

impl Names {
    /// Looks up a statement as a frame after `steps` and after everything in `expected` would.
    pub(super) fn statement(&self, name: &[u8], steps: &[Step], expected: &Owed) -> Lookup<Arc<Statement>> {
        let in_batch = |action: &Action| match action {
            Action::Parse {
                name: parsed,
                statement,
            } if **parsed == *name => Some(Named::Made(Arc::clone(statement))),
            Action::Close {
                kind: b'S',
                name: closed,
            } if **closed == *name => Some(Named::Gone),
            _ => None,
        };
        let in_flight = |entry: &Expected| match entry {
            Expected::Parse {
                name: parsed,
                statement,
            } if **parsed == *name => Some(Named::Made(Arc::clone(statement))),
            Expected::Close {
                kind: b'S',
                name: closed,
            } if **closed == *name => Some(Named::Gone),
            // A simple query drops the unnamed statement. If the server skips the query,
            // it skips everything up to the next Sync.
            Expected::Query { .. } | Expected::Denied { query: true, .. } if name.is_empty() => {
                Some(Named::Gone)
            }
            _ => None,
        };
        let found = steps.iter().rev().find_map(|step| in_batch(&step.action));
        look_up(found, expected, in_flight, || self.statements.get(name).cloned())
    }

    /// Looks up a portal, like [`Names::statement`].
    pub(super) fn portal(&self, name: &[u8], steps: &[Step], expected: &Owed) -> Lookup<Arc<Portal>> {
        let in_batch = |action: &Action| match action {
            Action::Bind {
                name: bound, portal, ..
            } if **bound == *name => Some(Named::Made(Arc::clone(portal))),
            Action::Close {
                kind: b'P',
                name: closed,
            } if **closed == *name => Some(Named::Gone),
            _ => None,
        };
        let in_flight = |entry: &Expected| match entry {
            Expected::Bind {
                name: bound, portal, ..
            } if **bound == *name => Some(Named::Made(Arc::clone(portal))),
            Expected::Close {
                kind: b'P',
                name: closed,
            } if **closed == *name => Some(Named::Gone),
            _ => None,
        };
        let found = steps.iter().rev().find_map(|step| in_batch(&step.action));
        look_up(found, expected, in_flight, || self.portals.get(name).cloned())
    }

    /// Whether a statement of this name would be one too many.
    pub(super) fn has_no_room_for_statement(&self, name: &[u8]) -> bool {
        !self.statements.contains_key(name) && self.is_full()
    }

    /// Whether a portal of this name would be one too many.
    pub(super) fn has_no_room_for_portal(&self, name: &[u8]) -> bool {
        !self.portals.contains_key(name) && self.is_full()
    }

    fn is_full(&self) -> bool {
        self.statements.len() >= NAMES_MAX || self.portals.len() >= NAMES_MAX || self.bytes >= NAMES_BYTES_MAX
    }

    pub(super) fn confirm_statement(&mut self, name: Box<[u8]>, statement: Arc<Statement>) {
        self.close(b'S', &name);
        self.bytes += statement_bytes(&name, &statement);
        self.statements.insert(name, statement);
    }

    pub(super) fn confirm_portal(&mut self, name: Box<[u8]>, portal: Arc<Portal>) {
        self.close(b'P', &name);
        self.bytes += portal_bytes(&name, &portal);
        self.portals.insert(name, portal);
    }

    pub(super) fn close(&mut self, kind: u8, name: &[u8]) {
        if kind == b'S' {
            if let Some((name, statement)) = self.statements.remove_entry(name) {
                self.bytes -= statement_bytes(&name, &statement);
            }
        } else if let Some((name, portal)) = self.portals.remove_entry(name) {
            self.bytes -= portal_bytes(&name, &portal);
        }
    }

    /// A failed Parse of the unnamed statement leaves none behind, nor does a simple query.
    pub(super) fn drop_unnamed_statement(&mut self) {
        self.close(b'S', b"");
    }

    /// Outside a transaction, portals die with the ReadyForQuery.
    pub(super) fn close_all_portals(&mut self) {
        for (name, portal) in self.portals.drain() {
            self.bytes -= portal_bytes(&name, &portal);
        }
    }

    fn close_all_statements(&mut self) {
        for (name, statement) in self.statements.drain() {
            self.bytes -= statement_bytes(&name, &statement);
        }
    }

    pub(super) fn forget_shapes(&mut self) {
        for statement in self.statements.values() {
            statement.forget_shape();
        }
    }

    /// Applies what a statement of SQL did to the names, now that the server has done it.
    ///
    /// A name for which there is no room stays unknown, so that nothing runs under it.
    pub(super) fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::None => {}
            NameChange::Prepare { name, query } => {
                let name = name.as_bytes();
                self.close(b'S', name);
                if !self.is_full() {
                    self.confirm_statement(name.into(), Statement::inside(query));
                }
            }
            NameChange::Deallocate(name) => self.close(b'S', name.as_bytes()),
            NameChange::DeallocateAll => self.close_all_statements(),
            NameChange::Declare { name, query } => {
                let name = name.as_bytes();
                self.close(b'P', name);
                if !self.is_full() {
                    let statement = Statement::inside(query);
                    let portal = Portal::new(statement, SmallVec::new(), 0, [0; 32]);
                    self.confirm_portal(name.into(), portal);
                }
            }
            NameChange::Close(name) => self.close(b'P', name.as_bytes()),
            NameChange::CloseAll => self.close_all_portals(),
        }
    }
}

/// What a frame that was not confirmed yet does to a name.
enum Named<T> {
    Made(T),
    Gone,
}

/// Settles a name: by the batch it is used in, else by the newest frame in flight that speaks
/// of it, else by what the server has confirmed.
fn look_up<T>(
    in_batch: Option<Named<T>>,
    expected: &Owed,
    in_flight: impl Fn(&Expected) -> Option<Named<T>>,
    confirmed: impl FnOnce() -> Option<T>,
) -> Lookup<T> {
    let settle = |named| match named {
        Named::Made(found) => Lookup::Found(found),
        Named::Gone => Lookup::Missing,
    };
    if let Some(named) = in_batch {
        return settle(named);
    }
    let mut crossed = false;
    for entry in expected.iter().rev() {
        if let Expected::Execute { run, .. } | Expected::Query { run } = entry
            && run.changes_names()
        {
            return Lookup::Wait;
        }
        if let Some(named) = in_flight(entry) {
            // Whoever is behind a boundary runs even if that frame fails.
            return if crossed { Lookup::Wait } else { settle(named) };
        }
        crossed |= entry.is_boundary();
    }
    confirmed().map_or(Lookup::Missing, Lookup::Found)
}

fn statement_bytes(name: &[u8], statement: &Statement) -> usize {
    name.len() + statement.sql.len() + statement.declared_types.len()
}

fn portal_bytes(name: &[u8], portal: &Portal) -> usize {
    // A portal keeps its statement alive after the statement's own name is gone.
    name.len() + 2 * portal.formats.len() + statement_bytes(b"", &portal.statement)
}
