//! A gateway's session in which operations wait for people: it asks, looks again, and lets
//! through, each of these when the schedule says so.

mod words;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::BytesMut;
use model::approval::{ContentHash, Standing};
use model::{ApprovalId, Fault, OperationId, Principal, Refusal, Rule, SessionId};
use proto::postgres::frame::frontend_header;
use proto::postgres::relay::{Fatal, JudgedStatement, Relay, RelayOptions};
use proto::session::Waiting;

use crate::approvals::{Asked, Book, Left};
use crate::server::Server;
use crate::session::{Blank, options};
use words::judge;
pub use words::{HELD, LATER, REFUSED};
use written::Intent;

/// One client's session.
#[derive(Debug)]
pub struct Held {
    /// The relay.
    pub relay: Relay,
    /// The server behind it.
    pub server: Server,
    /// What the client has got so far.
    pub received: Vec<u8>,
    /// The microsecond it is.
    pub now_us: u64,
    /// SHA-256 of the policies in force, as it were.
    pub policy: &'static str,
    /// The resource behind the relay.
    pub resource: &'static str,
    /// Whether the journal can be written.
    pub journal_works: bool,
    /// How each operation ended, with its text.
    pub outcomes: Vec<(OperationId, &'static str)>,
    session: SessionId,
    principal: Arc<Principal>,
    client: BytesMut,
    upstream: BytesMut,
    answered: Vec<u8>,
    hold: Option<Hold>,
    texts: Vec<String>,
    /// The text of every operation that was to be written down.
    named: BTreeMap<OperationId, String>,
    intents: BTreeMap<OperationId, Intent>,
    checked: usize,
}

#[derive(Debug)]
struct Hold {
    operation: OperationId,
    content: ContentHash,
    sql: String,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Asking,
    Waiting(ApprovalId),
    Agreed(ApprovalId),
    Using(ApprovalId, ContentHash, Arc<JudgedStatement>),
}

impl Held {
    /// Starts the `number`th session of `principal`.
    #[must_use]
    pub fn new(number: u8, principal: &Arc<Principal>, now_us: u64) -> Self {
        let session = SessionId::new(0, [number; 10]);
        let options = RelayOptions {
            session,
            seed: [number; 6],
            ..options(false)
        };
        Self {
            relay: Relay::new(options),
            server: Server::default(),
            received: Vec::new(),
            now_us,
            policy: "p1",
            resource: "db",
            journal_works: true,
            outcomes: Vec::new(),
            session,
            principal: Arc::clone(principal),
            client: BytesMut::new(),
            upstream: BytesMut::new(),
            answered: Vec::new(),
            hold: None,
            texts: Vec::new(),
            named: BTreeMap::new(),
            intents: BTreeMap::new(),
            checked: 0,
        }
    }

    /// The client sends bytes, if the driver would read them; returns how many it took.
    ///
    /// # Errors
    /// The end of the session.
    pub fn send(&mut self, bytes: &[u8], book: &mut Book) -> Result<usize, Fatal> {
        if !self.relay.wants_client() && self.relay.waiting() == Waiting::Free {
            return Ok(0);
        }
        self.client.extend_from_slice(bytes);
        self.advance(book)?;
        Ok(bytes.len())
    }

    /// The server gets so many bytes, and answers.
    ///
    /// # Panics
    /// If it runs what it must not.
    pub fn to_server(&mut self, count: usize, book: &Book) {
        let pending = self.relay.to_upstream.pending();
        let count = pending.len().min(count);
        self.server.feed(&pending[..count]);
        self.relay.to_upstream.advance(count);
        self.check_executed(book);
        self.answered.extend(self.server.output());
    }

    /// So many bytes of the server's answers arrive.
    ///
    /// # Errors
    /// The end of the session.
    pub fn to_relay(&mut self, count: usize, book: &mut Book) -> Result<(), Fatal> {
        if self.relay.wants_upstream() {
            let count = self.answered.len().min(count);
            self.upstream.extend_from_slice(&self.answered[..count]);
            self.answered.drain(..count);
            self.relay
                .on_upstream(&mut self.upstream, &mut Blank, self.now_us)?;
        }
        self.advance(book)
    }

    /// The journal answers.
    ///
    /// # Errors
    /// The end of the session.
    pub fn journal(&mut self, book: &mut Book) -> Result<(), Fatal> {
        if self.relay.waiting() == Waiting::Durability {
            for intent in self.relay.intents() {
                if let Some(written) = self.intents.get_mut(&intent.operation) {
                    written.durable = self.journal_works;
                }
            }
            self.relay.durable(self.journal_works);
        }
        self.advance(book)
    }

    /// The hold goes on by one step, if it can.
    ///
    /// # Errors
    /// The end of the session.
    pub fn go_on(&mut self, book: &mut Book) -> Result<(), Fatal> {
        let (now_us, session) = (self.now_us, self.session);
        let Some(hold) = &mut self.hold else {
            return Ok(());
        };
        match hold.stage.clone() {
            Stage::Asking => match book.ask(hold.content, &self.principal, session, &hold.sql, now_us) {
                Asked::Approved(id) => {
                    hold.stage = Stage::Agreed(id);
                    self.relay.asked(id);
                }
                Asked::Waiting(id) => {
                    hold.stage = Stage::Waiting(id);
                    self.relay.asked(id);
                    self.relay.notify("waiting", "for people", &mut Blank);
                }
            },
            Stage::Waiting(id) => match book.standing(id, now_us) {
                Some(Standing::Pending) => {}
                Some(Standing::Approved) => hold.stage = Stage::Agreed(id),
                _ => {
                    book.leave(id, session, Left::Gone);
                    self.hold = None;
                    let refusal = book.refusal(id, now_us).expect("it was asked");
                    self.relay.refuse_hold(refusal, now_us);
                }
            },
            Stage::Agreed(_) => {}
            Stage::Using(id, content, judged) => {
                let operation = hold.operation;
                self.hold = None;
                match book.consume(id, &content, operation, now_us) {
                    Ok(()) => self.relay.release_hold(id, judged, now_us),
                    Err(refusal) => self.relay.refuse_hold(refusal, now_us),
                }
                book.leave(id, session, Left::Gone);
            }
        }
        self.advance(book)
    }

    /// Another connection asks to cancel: what runs is out of reach here, what waits is not.
    ///
    /// # Errors
    /// The end of the session.
    pub fn cancel(&mut self, book: &mut Book) -> Result<(), Fatal> {
        if !self.relay.is_running() && matches!(self.relay.waiting(), Waiting::Approval { .. }) {
            let refusal = Refusal::new(Rule::Cancelled, Fault::Client, "cancelled");
            self.relay.refuse_hold(refusal, self.now_us);
        }
        self.advance(book)
    }

    /// Time passes.
    ///
    /// # Errors
    /// The end of the session.
    pub fn tick(&mut self, now_us: u64, book: &mut Book) -> Result<(), Fatal> {
        self.now_us = now_us;
        if let Waiting::Approval { until_us, .. } = self.relay.waiting()
            && until_us <= now_us
        {
            self.leave(Left::TimedOut, book);
        }
        self.relay.tick(now_us);
        self.advance(book)
    }

    /// The session is over, whatever ended it. `fatal`: the client is told.
    ///
    /// # Panics
    /// If an operation that was written down has not exactly one end, or people are still
    /// asked about one.
    pub fn close(&mut self, fatal: Option<&Fatal>, book: &mut Book) {
        self.leave(Left::Gone, book);
        if let Some(fatal) = fatal {
            self.relay.end(fatal, self.now_us);
        }
        self.relay.lose(self.now_us);
        self.take_out();
        book.check_gone(self.session);
        self.check_outcomes();
    }

    /// The gateway is gone at once, and nobody leaves anything.
    pub fn crash(&mut self) {
        self.hold = None;
    }

    /// Whether the client is gone by its own goodbye, and everything it sent was passed on.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.relay.is_leaving() && self.relay.to_upstream.pending().is_empty()
    }

    /// Whether no byte is on its way anywhere, and nothing waits.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.client.is_empty()
            && self.upstream.is_empty()
            && self.answered.is_empty()
            && self.relay.to_upstream.pending().is_empty()
            && self.server.is_settled()
            && !self.relay.is_running()
            && self.relay.waiting() == Waiting::Free
    }

    /// What exactly people are asked about.
    #[must_use]
    pub fn content(&self) -> Option<ContentHash> {
        Some(self.hold.as_ref()?.content)
    }

    /// The texts of the operations that were refused where they began; `None` if one was refused
    /// of which a part ran before.
    #[must_use]
    pub fn refused(&self) -> Option<BTreeSet<&str>> {
        let texts = |wanted: fn(&str) -> bool| {
            let outcomes = self.outcomes.iter().filter(move |(_, result)| wanted(result));
            outcomes.filter_map(|(id, _)| Some(self.named.get(id)?.as_str()))
        };
        let ran: BTreeSet<&str> = texts(|result| result == "ok").collect();
        let refused: BTreeSet<&str> = texts(|result| result == "refused").collect();
        ran.is_disjoint(&refused).then_some(refused)
    }

    fn leave(&mut self, left: Left, book: &mut Book) {
        let Some(hold) = self.hold.take() else {
            return;
        };
        match hold.stage {
            Stage::Asking => {}
            Stage::Waiting(id) | Stage::Agreed(id) => book.leave(id, self.session, left),
            Stage::Using(id, content, _) => {
                // It is on its way and not to be held up: what it lets through is nothing now.
                let _ = book.consume(id, &content, hold.operation, self.now_us);
                book.leave(id, self.session, Left::Gone);
            }
        }
    }

    fn take_out(&mut self) {
        let got = self.relay.to_client.pending();
        self.received.extend_from_slice(got);
        let count = got.len();
        self.relay.to_client.advance(count);
        let outcomes = self.relay.take_outcomes();
        self.outcomes
            .extend(outcomes.map(|outcome| (outcome.operation, outcome.result)));
    }

    /// Does what needs no waiting.
    fn advance(&mut self, book: &mut Book) -> Result<(), Fatal> {
        let result = self.step();
        self.settle_hold(book);
        self.take_out();
        let waits = matches!(self.relay.waiting(), Waiting::Approval { .. });
        assert!(
            !waits || !says_goodbye(&self.client),
            "people are asked for a client that has gone"
        );
        result
    }

    fn step(&mut self) -> Result<(), Fatal> {
        loop {
            self.relay.on_client(&mut self.client, &mut Blank, self.now_us)?;
            match self.relay.waiting() {
                Waiting::Judgement { index } => {
                    if self.relay.catalog_stale() {
                        self.relay.catalog_refreshed();
                    }
                    let Some((sql, _)) = self.relay.question() else {
                        return Ok(());
                    };
                    let sql = String::from_utf8_lossy(sql).into_owned();
                    let Some(judged) = judge(&self.relay, &sql, self.policy) else {
                        return Ok(());
                    };
                    self.texts.truncate(index);
                    self.texts.push(sql);
                    self.relay.judge(judged, self.now_us);
                }
                Waiting::Approval { .. } => {
                    self.advance_hold();
                    return Ok(());
                }
                Waiting::Done => {}
                Waiting::Durability => {
                    self.write_intents();
                    return Ok(());
                }
                Waiting::Free => return Ok(()),
            }
        }
    }

    fn advance_hold(&mut self) {
        let held = self.relay.held(&self.client).expect("it can be shown");
        let operation = held.operation;
        let later = held.sql.windows(LATER.len()).any(|word| word == LATER.as_bytes());
        assert!(
            !later || held.bound.is_some(),
            "people are asked about values they are not shown"
        );
        let known = self.hold.as_mut().filter(|hold| hold.operation == operation);
        if known
            .as_ref()
            .is_some_and(|hold| !matches!(hold.stage, Stage::Agreed(_)))
        {
            return;
        }
        let sql = String::from_utf8_lossy(held.sql).into_owned();
        // What was judged is looked at again when people have agreed.
        let judged = judge(&self.relay, &sql, self.policy).expect("it was judged before");
        let surroundings = self.relay.surroundings();
        let content = held.content(&judged, &self.principal, self.resource, self.policy, surroundings);
        match known {
            Some(hold) => {
                if let Stage::Agreed(id) = hold.stage {
                    hold.stage = Stage::Using(id, content, judged);
                }
            }
            // One that was given up has been left by now.
            None => {
                self.hold = Some(Hold {
                    operation,
                    content,
                    sql,
                    stage: Stage::Asking,
                });
            }
        }
    }

    fn settle_hold(&mut self, book: &mut Book) {
        let held = self.relay.held(&self.client).map(|held| held.operation);
        if self
            .hold
            .as_ref()
            .is_some_and(|hold| Some(hold.operation) != held)
        {
            self.leave(Left::Gone, book);
            // Whatever is held now is asked about at once, as the next turn would do.
            if held.is_some() {
                self.advance_hold();
            }
        }
    }
}

/// Whether a goodbye is among whole messages.
fn says_goodbye(mut bytes: &[u8]) -> bool {
    while let Ok(Some(header)) = frontend_header(bytes)
        && let Some(rest) = bytes.get(header.total..)
    {
        if header.kind == b'X' {
            return true;
        }
        bytes = rest;
    }
    false
}
