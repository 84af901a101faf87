//! From the client: frames into the batch, the batch onto the road, what may run upstream.

use std::sync::Arc;

use bytes::BytesMut;

use model::Refusal;

use super::batch::{Accepted, Action, Batch, Step};
use super::expected::{Denial, Expected, Running};
use super::masks::Host;
use super::names::{Portal, Statement};
use super::refusal::{self, put_denial, put_poison};
use super::{Conduct, Fatal, Relay};
use crate::postgres::frame::{self, Header};
use crate::session::{Operation, Waiting};

/// The largest frame kept whole to be judged: a statement, or a bind with its values. Larger
/// ones are read and dropped. COPY data of any size is streamed.
pub(super) const JUDGED_FRAME_BYTES_MAX: usize = if cfg!(test) { 64 << 10 } else { 64 << 20 };

/// How much of a client's pipeline is read ahead while the server owes an answer that the next
/// frame's meaning depends on. Enough to notice that the client goes.
const AHEAD_BYTES_MAX: usize = 1 << 20;

impl Relay {
    /// Takes what it can from the front of the client's buffer.
    ///
    /// Call it again after more bytes, after a judgement, after durability and after the
    /// upstream has answered. While a batch is on the road its bytes stay in `input`.
    ///
    /// # Errors
    /// [`Fatal`] ends the session; call [`Relay::end`] with it.
    pub fn on_client(&mut self, input: &mut BytesMut, host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        self.blocked = false;
        self.take_frames(input, host, now_us)?;
        if self.blocked || self.owes_too_much() {
            self.flush_upstream();
        }
        self.glutted = self.blocked && input.len() >= AHEAD_BYTES_MAX;
        Ok(())
    }

    fn take_frames(&mut self, input: &mut BytesMut, host: &mut dyn Host, now_us: u64) -> Result<(), Fatal> {
        loop {
            if let Some(operations) = self.road.leave() {
                self.release(input, operations, host, now_us);
                continue;
            }
            if !self.may_accept() {
                self.withdraw_for_a_goodbye(input, now_us);
                return Ok(());
            }
            if self.owes_too_much() {
                self.blocked = true;
                return Ok(());
            }
            if self.batch.complete {
                // What changes the names, the catalog or the settings must be over before
                // anything else is judged.
                if self.expected.has_barrier() && !self.batch.operations.is_empty() {
                    self.blocked = true;
                    return Ok(());
                }
                self.batch.complete = false;
                self.road.enter(&mut self.batch.operations);
                continue;
            }
            if self.client_drop > 0 || self.client_pass > 0 {
                self.stream(input, host);
                if input.is_empty() {
                    return Ok(());
                }
                continue;
            }
            let start = self.batch.length;
            let header = frame::frontend_header(&input[start..]).map_err(Fatal::client_frame)?;
            let Some(header) = header else { return Ok(()) };
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
            let Some(frame) = input.get(start..start + header.total) else {
                input.reserve(start + header.total - input.len());
                return Ok(());
            };
            match self.accept(frame, start, now_us)? {
                Accepted::Open => {}
                Accepted::Wait => {
                    self.blocked = true;
                    return Ok(());
                }
                Accepted::Complete => self.batch.complete = true,
            }
        }
    }

    /// Has the server send the answers it keeps back until it is asked for them.
    pub(super) fn flush_upstream(&mut self) {
        if std::mem::take(&mut self.unflushed) {
            self.to_upstream.push(b"H\0\0\0\x04");
        }
    }

    /// Looks for a goodbye behind a batch that a human is asked about: nobody needs the answer
    /// any more, and nothing runs for a client that has gone.
    fn withdraw_for_a_goodbye(&mut self, input: &[u8], now_us: u64) {
        if !matches!(self.road.waiting(), Waiting::Approval { .. }) {
            return;
        }
        let mut at = self.batch.length;
        let mut gone = self.batch.says_goodbye();
        while !gone
            && let Some(rest) = input.get(at..)
            && let Ok(Some(header)) = frame::frontend_header(rest)
            && rest.len() >= header.total
        {
            gone = header.kind == b'X';
            at += header.total;
        }
        while gone && matches!(self.road.waiting(), Waiting::Approval { .. }) {
            self.refuse_hold(refusal::client_left(), now_us);
        }
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
            host.copy_from_client(&input[..passed]);
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
        if self.answer_alone(&batch, &operations, host) {
            frame::discard(input, batch.length);
            return;
        }
        let executed = executed(&batch, operations.len());
        let mut entries: Vec<Option<Entry>> =
            operations.into_iter().zip(batch.statements).map(Some).collect();
        for step in batch.steps {
            let bytes = &input[step.start..step.end];
            let mut take = |index: usize| entries.get_mut(index)?.take();
            match step.action {
                Action::Sync => {
                    self.skipping = false;
                    self.forward(bytes, (!self.copying_in).then_some(Expected::Sync));
                    self.end_stretch();
                }
                Action::Terminate => {
                    self.leaving = true;
                    self.forward(bytes, None);
                }
                // The server skips everything up to the next Sync; so does the relay.
                Action::Execute { operation, .. } | Action::Query { operation } if self.skipping => {
                    if let Some((operation, _)) = take(operation) {
                        self.record(&operation, "skipped");
                    }
                }
                Action::Bind { operation, .. } if self.skipping => {
                    if !executed[operation]
                        && let Some((operation, _)) = take(operation)
                    {
                        self.record(&operation, "skipped");
                    }
                }
                _ if self.skipping => {}
                Action::Bind {
                    operation: index,
                    name,
                    portal,
                } => match entries.get_mut(index) {
                    Some(entry) => {
                        let operation = entry.as_ref().map(|(operation, _)| operation);
                        let refusal = operation.and_then(Operation::refusal);
                        // A query's plan is fixed by now. What else is bound finds its names when
                        // it is executed, and could find others then.
                        let fixed = executed[index]
                            || operation
                                .and_then(Operation::judged)
                                .is_some_and(|judged| portal.statement.is_query(judged));
                        if let Some(approval) = operation.and_then(Operation::released_by)
                            && fixed
                        {
                            portal.set_approval(approval);
                        }
                        let alone = if executed[index] { None } else { entry.take() };
                        self.bind(bytes, name, portal, refusal, alone.map(|entry| (entry, now_us)));
                    }
                    None => self.poison(Denial::NoPortal(name), false),
                },
                Action::Execute { operation, portal } => match take(operation) {
                    Some(entry) => self.execute(bytes, portal, entry, now_us),
                    None => self.poison(Denial::NoPortal(Box::default()), false),
                },
                Action::Query { operation } => {
                    if let Some(entry) = take(operation) {
                        self.query(bytes, entry, now_us);
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
            Action::Close { kind, name } => Some(Expected::Close { kind, name }),
            Action::DescribeStatement { statement } => {
                if let Some(statement) = &statement {
                    statement.ask_description(self.stretch);
                }
                Some(Expected::DescribeStatement { statement })
            }
            Action::DescribePortal { portal } => {
                if let Some(portal) = &portal {
                    portal.ask_description(self.stretch);
                }
                Some(Expected::DescribePortal { portal, ours: false })
            }
            Action::CopyEnd if self.copying_in => {
                self.copying_in = false;
                return self.forward(bytes, None);
            }
            Action::CopyEnd => return self.forward(bytes, Some(Expected::CopyEnd)),
            Action::Flush => {
                self.unflushed = false;
                return self.forward(bytes, None);
            }
            _ => None,
        };
        self.begin_work();
        self.forward(bytes, expected);
    }

    /// A single refused query on an idle session is answered without troubling the server.
    fn answer_alone(
        &mut self,
        batch: &Batch,
        operations: &[Operation<Conduct>],
        host: &mut dyn Host,
    ) -> bool {
        let idle = self.expected.is_empty() && self.status == b'I' && !self.is_unsynced();
        let ([step], [operation]) = (&batch.steps[..], operations) else {
            return false;
        };
        if !idle || !matches!(step.action, Action::Query { .. }) {
            return false;
        }
        let Some(refusal) = operation.refusal() else {
            return false;
        };
        self.record(operation, "refused");
        // The server would have dropped it.
        self.names.drop_unnamed_statement();
        let start = self.to_client.buffer().len();
        put_denial(self.to_client.buffer(), &Denial::Refused(refusal));
        self.to_client.push(b"Z\0\0\0\x05I");
        host.to_client(&self.to_client.buffer()[start..]);
        true
    }

    fn forward(&mut self, bytes: &[u8], expected: Option<Expected>) {
        self.to_upstream.push(bytes);
        if let Some(expected) = expected {
            self.expected.push(expected);
        }
    }

    /// Takes note that the server works on something whose end nobody has asked for yet.
    fn begin_work(&mut self) {
        self.unflushed = true;
        self.unsynced = true;
    }

    /// Takes note that a message went out which the server answers with ReadyForQuery.
    fn end_stretch(&mut self) {
        self.unflushed = false;
        self.unsynced = false;
        self.stretch += 1;
    }

    fn bind(
        &mut self,
        bytes: &[u8],
        name: Box<[u8]>,
        portal: Arc<Portal>,
        refusal: Option<Refusal>,
        alone: Option<(Entry, u64)>,
    ) {
        if let Some(refusal) = refusal {
            if let Some(((operation, _), _)) = &alone {
                self.record(operation, "refused");
            }
            return self.poison(Denial::Refused(refusal), false);
        }
        let run = alone.and_then(|(entry, now_us)| self.run(entry, now_us));
        self.begin_work();
        let run = run.map(Box::new);
        self.forward(bytes, Some(Expected::Bind { name, portal, run }));
    }

    fn execute(&mut self, bytes: &[u8], portal: Arc<Portal>, entry: Entry, now_us: u64) {
        if let Some(refusal) = entry.0.refusal() {
            self.record(&entry.0, "refused");
            return self.poison(Denial::Refused(refusal), false);
        }
        let Some(run) = self.run(entry, now_us) else {
            return;
        };
        let described = portal.is_described(self.stretch) || portal.statement.is_described(self.stretch);
        if self.options.masking && !described {
            portal.ask_description(self.stretch);
            let name = frame::Body::of(bytes).string().unwrap_or_default();
            frame::put(self.to_upstream.buffer(), b'D', |body| {
                body.push(b'P');
                frame::put_string(body, name);
            });
            self.expected.push(Expected::DescribePortal {
                portal: Some(Arc::clone(&portal)),
                ours: true,
            });
        }
        self.begin_work();
        self.forward(bytes, Some(Expected::Execute { run, portal }));
    }

    fn query(&mut self, bytes: &[u8], entry: Entry, now_us: u64) {
        if let Some(refusal) = entry.0.refusal() {
            self.record(&entry.0, "refused");
            return self.poison(Denial::Refused(refusal), true);
        }
        let Some(run) = self.run(entry, now_us) else {
            return;
        };
        self.forward(bytes, Some(Expected::Query { run }));
        self.end_stretch();
    }

    /// Sets an operation that may run under way.
    fn run(&mut self, (operation, statement): Entry, now_us: u64) -> Option<Running> {
        // An operation that nobody judged has a refusal, so this one was judged.
        let judged = Arc::clone(operation.judged()?);
        self.tagged |= judged.analysis.touches_tagged;
        let bound = operation.bind_commitment.filter(|_| operation.binds != Some(0));
        self.note_surroundings(&statement.sql, &judged, bound);
        Some(Running::new(operation.id, judged, now_us))
    }

    fn poison(&mut self, denial: Denial, query: bool) {
        self.poisons += 1;
        put_poison(self.to_upstream.buffer(), &self.options, self.poisons, query);
        self.expected.push(Expected::Denied { denial, query });
        if query {
            self.end_stretch();
        } else {
            self.begin_work();
        }
    }

    /// Accounts for an operation that never got to the server.
    pub(super) fn record(&mut self, operation: &Operation<Conduct>, result: &'static str) {
        self.outcomes.push(super::OutcomeRecord {
            operation: operation.id,
            result,
            sqlstate: None,
            rows: 0,
            bytes: 0,
            masked: 0,
            took_us: 0,
        });
    }
}

/// An operation off the road, with its statement.
type Entry = (Operation<Conduct>, Arc<Statement>);

/// Tells of each operation whether a frame of the batch executes it, or only binds it.
fn executed(batch: &Batch, operations: usize) -> Vec<bool> {
    let mut executed = vec![false; operations];
    for step in &batch.steps {
        if let Action::Execute { operation, .. } = step.action {
            executed[operation] = true;
        }
    }
    executed
}
