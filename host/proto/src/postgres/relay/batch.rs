//! Reads client frames into the batch that goes on the road together.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;

use super::expected::Denial;
use super::names::{Lookup, Portal, Statement};
use super::{Conduct, Fatal, Relay};
use crate::postgres::frame::{Body, FrameError};
use crate::session::Operation;

/// Frames accepted and not yet forwarded. Their bytes stay in the driver's buffer.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// How many bytes at the front of the client's buffer belong to the batch.
    pub(super) length: usize,
    pub(super) steps: Vec<Step>,
    /// The operations until they enter the road.
    pub(super) operations: Vec<Operation<Conduct>>,
    /// The statement of each operation, in the same order.
    pub(super) statements: Vec<Arc<Statement>>,
    /// Nothing more joins it: it enters the road as soon as it may.
    pub(super) complete: bool,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the client says goodbye at the end of the batch.
    pub(super) fn says_goodbye(&self) -> bool {
        matches!(
            self.steps.last(),
            Some(Step {
                action: Action::Terminate,
                ..
            })
        )
    }

    /// Returns the operation of the portal's bind, if that is in the batch and nothing in the
    /// batch has executed it yet.
    fn unexecuted_bind(&self, wanted: &Arc<Portal>) -> Option<usize> {
        for step in self.steps.iter().rev() {
            match &step.action {
                Action::Execute { portal, .. } if Arc::ptr_eq(portal, wanted) => return None,
                Action::Bind {
                    portal, operation, ..
                } if Arc::ptr_eq(portal, wanted) => {
                    return Some(*operation);
                }
                _ => {}
            }
        }
        None
    }

    /// Returns where in the client's buffer the Bind message of `operation` lies, if it is in
    /// the batch.
    pub(super) fn binding(&self, operation: usize) -> Option<Range<usize>> {
        self.steps.iter().find_map(|step| match step.action {
            Action::Bind { operation: bound, .. } if bound == operation => Some(step.start..step.end),
            _ => None,
        })
    }

    /// Returns the other operations of the batch that execute the portal of `operation`.
    pub(super) fn executions_with(&self, operation: usize) -> Vec<usize> {
        let executed = self.steps.iter().filter_map(|step| match &step.action {
            Action::Execute { operation, portal } => Some((*operation, portal)),
            _ => None,
        });
        let own = |(of, _): &(usize, &Arc<Portal>)| *of == operation;
        let Some((_, portal)) = executed.clone().find(own) else {
            return Vec::new();
        };
        executed
            .filter(|(of, other)| *of != operation && Arc::ptr_eq(other, portal))
            .map(|(of, _)| of)
            .collect()
    }

    /// Whether a frame of the batch executes a portal as `operation`.
    pub(super) fn is_execution(&self, operation: usize) -> bool {
        let executes =
            |step: &Step| matches!(step.action, Action::Execute { operation: o, .. } if o == operation);
        self.steps.iter().any(executes)
    }

    /// Returns the frames before the last one of `operation`.
    pub(super) fn steps_before(&self, operation: usize) -> &[Step] {
        let at = self
            .steps
            .iter()
            .rposition(|step| step.operation() == Some(operation));
        &self.steps[..at.unwrap_or(self.steps.len())]
    }

    /// Cuts the batch after the frame that executes `operation`, if anything follows it whose
    /// meaning that could change. Returns how many operations are left; the frames cut off are
    /// read anew once what they depend on has happened.
    pub(super) fn cut_after(&mut self, operation: usize) -> Option<usize> {
        let executes =
            |step: &Step| matches!(step.action, Action::Execute { operation: o, .. } if o == operation);
        let last = self.steps.iter().position(executes)?;
        let harmless = |step: &Step| matches!(step.action, Action::Sync | Action::Flush | Action::Terminate);
        if self.steps[last + 1..].iter().all(harmless) {
            return None;
        }
        self.steps.truncate(last + 1);
        self.length = self.steps[last].end;
        let left = self.steps.iter().filter_map(Step::operation).max()? + 1;
        self.statements.truncate(left);
        Some(left)
    }
}

/// One frame of the batch.
#[derive(Debug)]
pub(super) struct Step {
    /// Where the frame lies in the client's buffer.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) action: Action,
}

impl Step {
    fn operation(&self) -> Option<usize> {
        match self.action {
            Action::Bind { operation, .. }
            | Action::Execute { operation, .. }
            | Action::Query { operation } => Some(operation),
            _ => None,
        }
    }
}

/// What forwarding a frame means.
#[derive(Debug)]
pub(super) enum Action {
    Parse {
        name: Box<[u8]>,
        statement: Arc<Statement>,
    },
    /// The server plans what it binds, and so runs parts of it: a bind is an operation. Its
    /// first Execute in the batch is the same one.
    Bind {
        operation: usize,
        name: Box<[u8]>,
        portal: Arc<Portal>,
    },
    Close {
        kind: u8,
        name: Box<[u8]>,
    },
    DescribeStatement {
        statement: Option<Arc<Statement>>,
    },
    DescribePortal {
        portal: Option<Arc<Portal>>,
    },
    Execute {
        operation: usize,
        portal: Arc<Portal>,
    },
    Query {
        operation: usize,
    },
    /// Never forwarded: the server is made to fail in its place. `query`: a message that is
    /// answered with ReadyForQuery by itself.
    Deny {
        denial: Denial,
        query: bool,
    },
    Flush,
    Sync,
    CopyEnd,
    Terminate,
}

/// Whether the batch goes on growing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Accepted {
    /// More frames may join it.
    Open,
    /// It is complete.
    Complete,
    /// The frame needs an answer that the server still owes; it was not taken.
    Wait,
}

/// The batch is judged as it stands at this many frames: nobody gains from more, and the
/// names looked up in it are searched one by one.
pub(super) const BATCH_FRAMES_MAX: usize = 1_000;

/// The same for its bytes.
pub(super) const BATCH_BYTES_MAX: usize = 1 << 20;

impl Relay {
    /// Takes one whole, checked frame into the batch.
    pub(super) fn accept(&mut self, frame: &[u8], start: usize, now_us: u64) -> Result<Accepted, Fatal> {
        let kind = frame[0];
        let action = match kind {
            b'P' => self.accept_parse(frame),
            b'B' => self.accept_bind(frame, now_us),
            b'C' => accept_close(frame).map(Some),
            b'D' => self.accept_describe(frame),
            b'E' => self.accept_execute(frame, now_us),
            b'Q' => self.accept_query(frame, now_us).map(Some),
            b'F' => Ok(Some(Action::Deny {
                denial: Denial::Refused(super::refusal::function_call()),
                query: true,
            })),
            b'S' => empty(frame, Action::Sync),
            b'H' => empty(frame, Action::Flush),
            b'X' => empty(frame, Action::Terminate),
            b'c' => empty(frame, Action::CopyEnd),
            b'f' => Body::of(frame).string().map(|_| Some(Action::CopyEnd)),
            _ => Err(FrameError::UnknownType(kind)),
        };
        let Some(action) = action.map_err(Fatal::client_frame)? else {
            return Ok(Accepted::Wait);
        };
        let completes = matches!(
            action,
            Action::Query { .. }
                | Action::Deny { query: true, .. }
                | Action::Sync
                | Action::Flush
                | Action::Terminate
                | Action::CopyEnd
        );
        let end = start + frame.len();
        self.batch.steps.push(Step { start, end, action });
        self.batch.length = end;
        let full = self.batch.steps.len() >= BATCH_FRAMES_MAX || end >= BATCH_BYTES_MAX;
        Ok(if completes || full {
            Accepted::Complete
        } else {
            Accepted::Open
        })
    }

    fn accept_parse(&self, frame: &[u8]) -> Result<Option<Action>, FrameError> {
        let mut body = Body::of(frame);
        let name = body.string()?;
        let sql = body.string()?;
        let types = 4 * usize::from(body.u16()?);
        let declared_types = body.bytes(types)?;
        body.end()?;
        if self.names.has_no_room_for_statement(name) {
            let denial = Denial::Refused(super::refusal::too_many_names());
            return Ok(Some(Action::Deny { denial, query: false }));
        }
        Ok(Some(Action::Parse {
            name: name.into(),
            statement: Statement::new(sql, declared_types),
        }))
    }

    fn accept_bind(&mut self, frame: &[u8], now_us: u64) -> Result<Option<Action>, FrameError> {
        let mut body = Body::of(frame);
        let (name, statement_name) = (body.string()?, body.string()?);
        for _ in 0..body.u16()? {
            format(&mut body)?;
        }
        let binds = body.u16()?;
        for _ in 0..binds {
            body.value()?;
        }
        let mut formats = SmallVec::new();
        for _ in 0..body.u16()? {
            formats.push(format(&mut body)?);
        }
        body.end()?;
        let denied = |denial| Ok(Some(Action::Deny { denial, query: false }));
        let statement = match self
            .names
            .statement(statement_name, &self.batch.steps, &self.expected)
        {
            Lookup::Found(statement) => statement,
            Lookup::Missing => return denied(Denial::NoStatement(statement_name.into())),
            Lookup::Wait => return Ok(None),
        };
        if self.names.has_no_room_for_portal(name) {
            return denied(Denial::Refused(super::refusal::too_many_names()));
        }
        let commitment = Sha256::new()
            .chain_update(self.options.salt)
            .chain_update(frame)
            .finalize();
        let portal = Portal::new(statement, formats, binds, commitment.into());
        Ok(Some(Action::Bind {
            operation: self.add_operation(&portal, now_us),
            name: name.into(),
            portal,
        }))
    }

    /// Puts an operation of this portal into the batch; returns its place.
    fn add_operation(&mut self, portal: &Arc<Portal>, now_us: u64) -> usize {
        let id = self.next_operation(now_us);
        let (binds, commitment) = (Some(portal.binds), Some(portal.bind_commitment));
        let entry = match portal.approval() {
            Some(approval) => Operation::continuing(id, binds, commitment, approval),
            None => Operation::new(id, binds, commitment),
        };
        self.batch.operations.push(entry);
        self.batch.statements.push(Arc::clone(&portal.statement));
        self.batch.operations.len() - 1
    }

    fn accept_describe(&self, frame: &[u8]) -> Result<Option<Action>, FrameError> {
        let mut body = Body::of(frame);
        let (kind, name) = (body.byte()?, body.string()?);
        body.end()?;
        let action = match kind {
            b'S' => match self.names.statement(name, &self.batch.steps, &self.expected) {
                Lookup::Found(statement) => Action::DescribeStatement {
                    statement: Some(statement),
                },
                Lookup::Missing => Action::DescribeStatement { statement: None },
                Lookup::Wait => return Ok(None),
            },
            b'P' => match self.names.portal(name, &self.batch.steps, &self.expected) {
                Lookup::Found(portal) => Action::DescribePortal { portal: Some(portal) },
                Lookup::Missing => Action::DescribePortal { portal: None },
                Lookup::Wait => return Ok(None),
            },
            _ => return Err(FrameError::Body(b'D')),
        };
        Ok(Some(action))
    }

    fn accept_execute(&mut self, frame: &[u8], now_us: u64) -> Result<Option<Action>, FrameError> {
        let mut body = Body::of(frame);
        let name = body.string()?;
        body.i32()?;
        body.end()?;
        let portal = match self.names.portal(name, &self.batch.steps, &self.expected) {
            Lookup::Found(portal) => portal,
            Lookup::Wait => return Ok(None),
            Lookup::Missing => {
                return Ok(Some(Action::Deny {
                    denial: Denial::NoPortal(name.into()),
                    query: false,
                }));
            }
        };
        let operation = match self.batch.unexecuted_bind(&portal) {
            Some(operation) => operation,
            None => self.add_operation(&portal, now_us),
        };
        Ok(Some(Action::Execute { operation, portal }))
    }

    fn accept_query(&mut self, frame: &[u8], now_us: u64) -> Result<Action, FrameError> {
        let mut body = Body::of(frame);
        let sql = body.string()?;
        body.end()?;
        let operation = self.batch.operations.len();
        let id = self.next_operation(now_us);
        self.batch.operations.push(Operation::new(id, None, None));
        self.batch.statements.push(Statement::new(sql, &[]));
        Ok(Action::Query { operation })
    }
}

fn accept_close(frame: &[u8]) -> Result<Action, FrameError> {
    let mut body = Body::of(frame);
    let (kind, name) = (body.byte()?, body.string()?);
    body.end()?;
    if !matches!(kind, b'S' | b'P') {
        return Err(FrameError::Body(b'C'));
    }
    Ok(Action::Close {
        kind,
        name: name.into(),
    })
}

fn empty(frame: &[u8], action: Action) -> Result<Option<Action>, FrameError> {
    Body::of(frame).end().map(|()| Some(action))
}

fn format(body: &mut Body<'_>) -> Result<u16, FrameError> {
    match body.u16()? {
        code @ (0 | 1) => Ok(code),
        _ => Err(FrameError::Body(b'B')),
    }
}
