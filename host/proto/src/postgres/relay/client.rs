//! From the client: frames into the batch, the batch onto the road, what may run upstream.

use std::sync::Arc;

use bytes::BytesMut;

use super::batch::{Accepted, Action, Batch, Step};
use super::expected::{Denial, Expected, Running};
use super::masks::Host;
use super::names::Portal;
use super::refusal::{self, put_denial, put_poison};
use super::{Conduct, Fatal, Relay};
use crate::postgres::frame::{self, Header};
use crate::session::Operation;

/// The largest frame kept whole to be judged: a statement, or a bind with its values. Larger
/// ones are read and dropped. COPY data of any size is streamed.
pub(super) const JUDGED_FRAME_BYTES_MAX: usize = 64 << 20;

impl Relay {
    /// Takes what it can from the front of the client's buffer.
    ///
    /// Call it again after more bytes, after a judgement, after durability and after the
    /// upstream has answered. While a batch is on the road its bytes stay in `input`.
    ///
    /// # Errors
    /// [`Fatal`] ends the session; call [`Relay::end`] with it.
    pub fn on_client(&mut self, input: &mut BytesMut, host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        loop {
            if let Some(operations) = self.road.leave() {
                self.release(input, operations, host, now_us);
                continue;
            }
            if !self.wants_client() {
                return Ok(());
            }
            if self.batch.complete {
                if !self.enter_road() {
                    return Ok(());
                }
                continue;
            }
            if self.client_drop > 0 || self.client_pass > 0 {
                self.stream(input, host);
                if input.is_empty() {
                    return Ok(());
                }
                continue;
            }
            let Some(header) =
                frame::frontend_header(&input[self.batch.length..]).map_err(Fatal::client_frame)?
            else {
                return Ok(());
            };
            if header.kind == b'd' {
                if self.batch.is_empty() {
                    self.begin_copy_data(header);
                } else {
                    self.batch.complete = true;
                }
                continue;
            }
            if header.total > JUDGED_FRAME_BYTES_MAX {
                self.deny_oversized(header)?;
                continue;
            }
            let start = self.batch.length;
            let Some(frame) = input.get(start..start + header.total) else {
                input.reserve(start + header.total - input.len());
                return Ok(());
            };
            match self.accept(frame, start, now_us)? {
                Accepted::Open => {}
                Accepted::Wait => return Ok(()),
                Accepted::Complete => self.batch.complete = true,
            }
        }
    }

    /// Puts the batch on the road, unless a change of the catalog is in flight: what it did
    /// must be known before anything else is judged.
    fn enter_road(&mut self) -> bool {
        let changing = self.options.masking && !self.batch.operations.is_empty();
        if changing && self.expected.iter().any(Expected::changes_catalog) {
            return false;
        }
        self.batch.complete = false;
        self.road.enter(&mut self.batch.operations);
        true
    }

    /// Streams copy data, or drops the rest of a frame that was too large.
    fn stream(&mut self, input: &mut BytesMut, host: &mut dyn Host) {
        let dropped = self.client_drop.min(input.len());
        self.client_drop -= dropped;
        frame::discard(input, dropped);
        let passed = self.client_pass.min(input.len());
        if passed > 0 {
            self.client_pass -= passed;
            self.to_upstream.push(&input[..passed]);
            host.from_client(&input[..passed]);
            frame::discard(input, passed);
        }
    }

    /// Copy data goes through untouched. The server ignores it outside a COPY, and skips it
    /// after an error.
    fn begin_copy_data(&mut self, header: Header) {
        if self.skipping {
            self.client_drop = header.total;
        } else {
            self.client_pass = header.total;
        }
    }

    /// Refuses a frame that is too large to be kept, and drops its bytes as they come.
    fn deny_oversized(&mut self, header: Header) -> Result<(), Fatal> {
        if !matches!(header.kind, b'Q' | b'P' | b'B' | b'F') {
            return Err(Fatal::client_frame(frame::FrameError::UnknownType(header.kind)));
        }
        let at = self.batch.length;
        let action = Action::Deny {
            denial: Denial::Refused(refusal::too_large()),
            query: matches!(header.kind, b'Q' | b'F'),
        };
        // The frame's own bytes are dropped after the batch that it ends has left the road.
        self.batch.steps.push(Step {
            start: at,
            end: at,
            action,
        });
        self.client_drop = header.total;
        self.batch.complete = true;
        Ok(())
    }

    /// Forwards the batch that has come off the road.
    fn release(
        &mut self,
        input: &mut BytesMut,
        operations: Vec<Operation<Conduct>>,
        host: &mut dyn Host,
        now_us: u64,
    ) {
        let batch = std::mem::take(&mut self.batch);
        host.from_client(&input[..batch.length]);
        if self.answer_alone(&batch, &operations) {
            frame::discard(input, batch.length);
            return;
        }
        let mut operations: Vec<Option<Operation<Conduct>>> = operations.into_iter().map(Some).collect();
        let mut statements = batch.statements.into_iter().map(Some).collect::<Vec<_>>();
        for step in batch.steps {
            let bytes = &input[step.start..step.end];
            let mut take = |index: usize| {
                let operation = operations.get_mut(index)?.take()?;
                let statement = statements.get_mut(index)?.take()?;
                Some((operation, statement))
            };
            match step.action {
                Action::Sync => {
                    self.skipping = false;
                    self.forward(bytes, (!self.copying_in).then_some(Expected::Sync));
                }
                Action::Terminate => {
                    self.leaving = true;
                    self.forward(bytes, None);
                }
                // The server skips everything up to the next Sync; so does the relay.
                Action::Execute { operation, .. } | Action::Query { operation } if self.skipping => {
                    if let Some((operation, _)) = take(operation) {
                        self.skip(&operation);
                    }
                }
                _ if self.skipping => {}
                Action::Execute { operation, portal } => match take(operation) {
                    Some((operation, statement)) => match operation.refusal() {
                        Some(refusal) => self.poison(Denial::Refused(refusal), false),
                        None => self.execute(bytes, portal, &operation, statement, now_us),
                    },
                    None => self.poison(Denial::NoPortal(Box::default()), false),
                },
                Action::Query { operation } => {
                    if let Some((operation, statement)) = take(operation) {
                        self.query(bytes, &operation, statement, now_us);
                    }
                }
                Action::Deny { denial, query } => self.poison(denial, query),
                action => self.forward_plain(bytes, action),
            }
        }
        frame::discard(input, batch.length);
    }

    fn forward_plain(&mut self, bytes: &[u8], action: Action) {
        let expected = match action {
            Action::Parse { name, statement } => Some(Expected::Parse { name, statement }),
            Action::Bind { name, portal } => Some(Expected::Bind { name, portal }),
            Action::Close { kind, name } => Some(Expected::Close { kind, name }),
            Action::DescribeStatement { statement } => {
                if let Some(statement) = &statement {
                    statement.set_described(true);
                }
                Some(Expected::DescribeStatement { statement })
            }
            Action::DescribePortal { portal } => {
                if let Some(portal) = &portal {
                    portal.set_described(true);
                }
                Some(Expected::DescribePortal { portal, ours: false })
            }
            Action::CopyEnd if self.copying_in => {
                self.copying_in = false;
                None
            }
            Action::CopyEnd => Some(Expected::CopyEnd),
            _ => None,
        };
        self.forward(bytes, expected);
    }

    /// A single refused query on an idle session is answered without troubling the server.
    fn answer_alone(&mut self, batch: &Batch, operations: &[Operation<Conduct>]) -> bool {
        let idle = self.expected.is_empty() && self.status == b'I' && !self.skipping && !self.copying_in;
        let denial = match &batch.steps[..] {
            [
                Step {
                    action: Action::Query { .. },
                    ..
                },
            ] if idle => match operations {
                [operation] => operation.refusal().map(Denial::Refused),
                _ => None,
            },
            _ => None,
        };
        let Some(denial) = denial else { return false };
        put_denial(self.to_client.buffer(), &denial);
        self.to_client.push(b"Z\0\0\0\x05I");
        true
    }

    fn forward(&mut self, bytes: &[u8], expected: Option<Expected>) {
        self.to_upstream.push(bytes);
        self.expected.extend(expected);
    }

    fn execute(
        &mut self,
        bytes: &[u8],
        portal: Arc<Portal>,
        operation: &Operation<Conduct>,
        statement: Arc<super::names::Statement>,
        now_us: u64,
    ) {
        let Some(judged) = operation.judged().cloned() else {
            return;
        };
        let described = portal.is_described() || statement.is_described();
        if self.options.masking && !described {
            portal.set_described(true);
            let name = frame::Body::of(bytes).string().unwrap_or_default();
            frame::put(self.to_upstream.buffer(), b'D', |body| {
                body.push(b'P');
                frame::put_string(body, name);
            });
            self.expected.push_back(Expected::DescribePortal {
                portal: Some(Arc::clone(&portal)),
                ours: true,
            });
        }
        let run = Running::new(operation.id, statement, judged, now_us);
        self.forward(bytes, Some(Expected::Execute { run, portal }));
    }

    fn query(
        &mut self,
        bytes: &[u8],
        operation: &Operation<Conduct>,
        statement: Arc<super::names::Statement>,
        now_us: u64,
    ) {
        match (operation.refusal(), operation.judged().cloned()) {
            (None, Some(judged)) => {
                let run = Running::new(operation.id, statement, judged, now_us);
                self.forward(bytes, Some(Expected::Query { run }));
            }
            (Some(refusal), _) => self.poison(Denial::Refused(refusal), true),
            (None, None) => {}
        }
    }

    fn poison(&mut self, denial: Denial, query: bool) {
        put_poison(self.to_upstream.buffer(), &self.options, query);
        self.expected.push_back(Expected::Denied { denial, query });
    }

    /// Accounts for an operation that the server would skip.
    fn skip(&mut self, operation: &Operation<Conduct>) {
        self.outcomes.push(super::OutcomeRecord {
            operation: operation.id,
            result: "skipped",
            sqlstate: None,
            rows: 0,
            bytes: 0,
            masked: 0,
            took_us: 0,
        });
    }
}
