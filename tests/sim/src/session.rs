//! A gateway's session around a relay: judges, writes down, and moves bytes in any pieces.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use model::event::{Judged as Rendered, Judgement};
use model::{Assessment, Facts, Fault, Refusal, Rule, SessionId, Verdict};
use proto::postgres::mask::{FieldDescription, build_error};
use proto::postgres::relay::{
    Conduct, Disguise, Fatal, Host, JudgedStatement, Lookup, NameChange, Relay, RelayOptions, RowMask,
    sqlstate,
};
use proto::session::Waiting;

use crate::server::Server;

/// A host that masks nothing and records nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blank;

impl Host for Blank {
    fn plan(&mut self, _: &[FieldDescription]) -> Result<Option<RowMask>, Refusal> {
        Ok(None)
    }

    fn from_client(&mut self, _: &[u8]) {}

    fn copy_from_client(&mut self, _: &[u8]) {}

    fn to_client(&mut self, _: &[u8]) {}

    fn rows_to_client(&mut self, _: &[u8]) {}
}

/// One client's session through a relay to a model server.
#[derive(Debug)]
pub struct Session {
    /// The relay.
    pub relay: Relay,
    /// The server behind it.
    pub server: Server,
    /// What the client has got so far.
    pub received: Vec<u8>,
    /// How often the intent of a statement was durable, by its text.
    pub durable: BTreeMap<String, usize>,
    client: BytesMut,
    upstream: BytesMut,
    answered: Vec<u8>,
    asked: Vec<String>,
    refused: Option<&'static str>,
    checked: usize,
}

/// How far one turn goes, in bytes per direction.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From the relay to the server.
    pub to_server: usize,
    /// From the server to the relay.
    pub to_relay: usize,
    /// Whether the journal answers.
    pub journal: bool,
}

impl Pace {
    /// Everything at once.
    pub const ALL: Self = Self {
        to_server: usize::MAX,
        to_relay: usize::MAX,
        journal: true,
    };
}

impl Session {
    /// Starts a session in which statements that contain `refused` are refused.
    #[must_use]
    pub fn new(masking: bool, refused: Option<&'static str>) -> Self {
        Self {
            relay: Relay::new(options(masking)),
            server: Server::default(),
            received: Vec::new(),
            durable: BTreeMap::new(),
            client: BytesMut::new(),
            upstream: BytesMut::new(),
            answered: Vec::new(),
            asked: Vec::new(),
            refused,
            checked: 0,
        }
    }

    /// The client sends bytes, if the relay would read them; returns how many it took.
    ///
    /// # Errors
    /// The end of the session.
    pub fn send(&mut self, bytes: &[u8]) -> Result<usize, Fatal> {
        if !self.relay.wants_client() {
            return Ok(0);
        }
        self.client.extend_from_slice(bytes);
        self.advance(false)?;
        Ok(bytes.len())
    }

    /// Moves bytes between relay and server; returns whether anything happened.
    ///
    /// # Errors
    /// The end of the session.
    ///
    /// # Panics
    /// If the server runs what no durable intent stands for.
    pub fn turn(&mut self, pace: Pace) -> Result<bool, Fatal> {
        let before = self.fingerprint();
        self.advance(pace.journal)?;
        let pending = self.relay.to_upstream.pending();
        let count = pending.len().min(pace.to_server);
        self.server.feed(&pending[..count]);
        self.relay.to_upstream.advance(count);
        self.check_executed();
        self.answered.extend(self.server.output());
        if self.relay.wants_upstream() {
            let count = self.answered.len().min(pace.to_relay);
            self.upstream.extend_from_slice(&self.answered[..count]);
            self.answered.drain(..count);
            self.relay.on_upstream(&mut self.upstream, &mut Blank, 0)?;
        }
        self.advance(pace.journal)?;
        let got = self.relay.to_client.pending();
        self.received.extend_from_slice(got);
        let count = got.len();
        self.relay.to_client.advance(count);
        Ok(before != self.fingerprint())
    }

    /// Whether no byte is on its way anywhere.
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

    fn fingerprint(&self) -> (usize, usize, usize, usize, usize, Waiting) {
        (
            self.client.len(),
            self.upstream.len() + self.answered.len(),
            self.relay.to_upstream.pending().len(),
            self.received.len(),
            self.server.executed.len(),
            self.relay.waiting(),
        )
    }

    fn advance(&mut self, journal: bool) -> Result<(), Fatal> {
        loop {
            self.relay.on_client(&mut self.client, &mut Blank, 0)?;
            match self.relay.waiting() {
                Waiting::Judgement { index } => {
                    if self.relay.catalog_stale() {
                        self.relay.catalog_refreshed();
                    }
                    let Some((sql, judged)) = self.judge() else {
                        return Ok(());
                    };
                    self.asked.truncate(index);
                    self.asked.push(sql);
                    self.relay.judge(judged, 0);
                }
                Waiting::Durability if journal => {
                    for sql in self.asked.drain(..) {
                        *self.durable.entry(sql).or_default() += 1;
                    }
                    self.relay.durable(true);
                }
                Waiting::Done => {}
                Waiting::Approval { .. } | Waiting::Durability | Waiting::Free => return Ok(()),
            }
        }
    }

    fn judge(&self) -> Option<(String, Arc<JudgedStatement>)> {
        let (sql, _) = self.relay.question()?;
        let sql = String::from_utf8_lossy(sql).into_owned();
        for statement in sql.split(';') {
            if let Some(name) = statement.trim().strip_prefix("execute ")
                && matches!(self.relay.prepared(name), Lookup::Wait)
            {
                return None;
            }
        }
        let refuse = self.refused.is_some_and(|word| sql.contains(word));
        let judged = judged(&sql, refuse);
        Some((sql, judged))
    }

    /// Every statement the server has run was written down before.
    fn check_executed(&mut self) {
        while let Some(sql) = self.server.executed.get(self.checked) {
            let left = self.durable.get_mut(sql).filter(|left| **left > 0);
            let left = left.unwrap_or_else(|| panic!("{sql:?} ran without a durable intent"));
            *left -= 1;
            self.checked += 1;
        }
    }
}

/// A relay's options, the same in all runs.
#[must_use]
pub fn options(masking: bool) -> RelayOptions {
    RelayOptions {
        session: SessionId::new(0, [1; 10]),
        seed: [2; 6],
        nonce: [3; 16],
        salt: [4; 32],
        masking,
        hold_for: Duration::from_secs(5),
        disguise: Disguise::default(),
    }
}

fn refusal() -> Refusal {
    Refusal::new(Rule::PolicyDenied, Fault::Client, "not here")
}

/// The error that a client gets for a refused statement.
#[must_use]
pub fn refused() -> Vec<u8> {
    let refusal = refusal();
    let mut out = Vec::new();
    let message = format!("refused: {}", refusal.message);
    let detail = "rule=policy-denied fault=client";
    build_error(
        "ERROR",
        sqlstate(refusal.rule),
        &message,
        Some(detail),
        None,
        &mut out,
    );
    out
}

/// A judgement of `sql` by words: what it prepares and forgets, and whether it is refused.
#[must_use]
pub fn judged(sql: &str, refuse: bool) -> Arc<JudgedStatement> {
    let verdict = if refuse {
        Verdict::Refuse(refusal())
    } else {
        Verdict::Run { policies: Vec::new() }
    };
    judged_with(sql, verdict, Facts::default(), Vec::new())
}

/// A judgement of `sql` that comes to this verdict; `runs` is what it executes by name.
#[must_use]
pub fn judged_with(sql: &str, verdict: Verdict, facts: Facts, runs: Vec<Arc<[u8]>>) -> Arc<JudgedStatement> {
    let judgement = Judgement::render(Rendered {
        statement: sql,
        statement_sha256: "",
        facts: &facts,
        assessment: &Assessment::default(),
        verdict: &verdict,
        policy: "",
    });
    let analysis = Conduct {
        changes_catalog: sql.contains("create"),
        changes_settings: sql.split(';').any(|part| part.trim().starts_with("set ")),
        names: sql.split(';').map(name_change).collect(),
        facts,
        runs,
        ..Conduct::default()
    };
    Arc::new(JudgedStatement {
        verdict,
        judgement,
        analysis,
        version: 1,
    })
}

fn name_change(statement: &str) -> NameChange {
    let words: Vec<_> = statement.split_whitespace().collect();
    match words[..] {
        ["prepare", name, "as", ..] => NameChange::Prepare {
            name: name.into(),
            query: statement
                .split_once(" as ")
                .map_or("", |(_, inner)| inner)
                .as_bytes()
                .into(),
        },
        ["deallocate", name] => NameChange::Deallocate(name.into()),
        _ => NameChange::None,
    }
}
