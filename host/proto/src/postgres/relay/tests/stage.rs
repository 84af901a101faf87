//! A relay with both its peers played by a script.
//!
//! The gate is a few words in the statements themselves: `refuse` and `hold` do what they say,
//! `secret` touches tagged data, `create` changes the catalog. Relation [`TAGGED`] is masked.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use model::approval::Quorum;
use model::event::{Judged as Rendered, Judgement};
use model::mask::{Action, CellMasker, Change, Column, MaskFault, NativeMask, Plan, Planned};
use model::{
    ApprovalId, Assessment, Facts, Fault, OperationKind, PluginName, Refusal, Rule, SessionId,
    StatementFacts, Verdict,
};

use super::super::expected::Denial;
use super::super::refusal::{put_denial, put_poison};
use super::super::{
    Conduct, Disguise, Fatal, Host, JudgedStatement, Lookup, NameChange, OutcomeRecord, Relay, RelayOptions,
    RowMask,
};
use crate::postgres::mask::{FieldDescription, PseudonymKey, ResultMask};
use crate::session::Waiting;

/// The relation whose columns are masked: all cells become NULL.
pub(super) const TAGGED: u32 = 77;

/// A relation whose masker fails at its rows.
pub(super) const BROKEN: u32 = 78;

/// A relation whose masker fails at its shape.
pub(super) const UNPLANNED: u32 = 79;

pub(super) const HOLD: Duration = Duration::from_secs(5);

/// Under which everything is approved.
pub(super) const APPROVAL: ApprovalId = ApprovalId::new(1, [9; 10]);

/// How bytes reach the relay.
#[derive(Clone, Copy, Debug)]
pub(super) enum Feed {
    Whole,
    Bytes,
    /// Pieces whose lengths come from this seed.
    Pieces(u64),
}

impl Feed {
    fn next(&mut self, left: usize) -> usize {
        match self {
            Self::Whole => left,
            Self::Bytes => 1,
            Self::Pieces(seed) => {
                // A linear congruential step: any spread of lengths will do.
                *seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (usize::try_from(*seed >> 59).expect("five bits") + 1).min(left)
            }
        }
    }
}

/// What the relay asked of the gateway.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Everything from the client, in order.
    pub(super) from_client: Vec<u8>,
    /// What of it came as copy data.
    pub(super) copied: Vec<u8>,
    pub(super) to_client: Vec<u8>,
}

/// A masker that never masks anything.
struct Broken;

impl CellMasker for Broken {
    fn mask(&mut self, _rows: u32, _columns: &[Column]) -> Result<Vec<Change>, MaskFault> {
        Err(MaskFault {
            plugin: PluginName::new("broken"),
            reason: "trap".to_owned(),
        })
    }
}

impl Host for Tape {
    fn plan(&mut self, fields: &[FieldDescription]) -> Result<Option<RowMask>, Refusal> {
        if fields.iter().any(|field| field.table_oid == UNPLANNED) {
            return Err(Refusal::new(Rule::MaskerFailed, Fault::Plugin, "no plan"));
        }
        if fields
            .iter()
            .all(|field| !matches!(field.table_oid, TAGGED | BROKEN))
        {
            return Ok(None);
        }
        let action = |field: &FieldDescription| match field.table_oid {
            TAGGED => Action::Native(NativeMask::Null),
            BROKEN => Action::Call,
            _ => Action::Keep,
        };
        let actions = fields
            .iter()
            .map(|field| Planned {
                plugin: Some(PluginName::new("broken")),
                action: action(field),
            })
            .collect();
        let key = PseudonymKey::new([7; 32]);
        let rows = ResultMask::compile(&Plan { actions }, fields, &key).expect("a plan of our own");
        let cells = rows.needs_masker().then(|| Box::new(Broken) as _);
        Ok(Some(RowMask { rows, cells }))
    }

    fn from_client(&mut self, bytes: &[u8]) {
        self.from_client.extend_from_slice(bytes);
    }

    fn copy_from_client(&mut self, bytes: &[u8]) {
        self.from_client.extend_from_slice(bytes);
        self.copied.extend_from_slice(bytes);
    }

    fn to_client(&mut self, bytes: &[u8]) {
        self.to_client.extend_from_slice(bytes);
    }

    fn rows_to_client(&mut self, bytes: &[u8]) {
        self.to_client.extend_from_slice(bytes);
    }
}

pub(super) struct Stage {
    pub(super) relay: Relay,
    pub(super) tape: Tape,
    pub(super) client: BytesMut,
    pub(super) upstream: BytesMut,
    pub(super) now_us: u64,
    pub(super) fatal: Option<Fatal>,
    pub(super) outcomes: Vec<OutcomeRecord>,
    /// How many intents were made durable.
    pub(super) intents: usize,
    pub(super) journal_works: bool,
    /// Whether the journal answers at once.
    pub(super) journal_answers: bool,
    feed: Feed,
}

pub(super) fn options(masking: bool) -> RelayOptions {
    RelayOptions {
        session: SessionId::new(0, [1; 10]),
        seed: [2; 6],
        nonce: [3; 16],
        salt: [4; 32],
        masking,
        hold_for: HOLD,
        disguise: Disguise::default(),
    }
}

impl Stage {
    pub(super) fn new(masking: bool, feed: Feed) -> Self {
        Self {
            relay: Relay::new(options(masking)),
            tape: Tape::default(),
            client: BytesMut::new(),
            upstream: BytesMut::new(),
            now_us: 0,
            fatal: None,
            outcomes: Vec::new(),
            intents: 0,
            journal_works: true,
            journal_answers: true,
            feed,
        }
    }

    /// The relay knows what to hide of the upstream. Before anything is said.
    pub(super) fn know(&mut self, disguise: Disguise) {
        self.relay = Relay::new(RelayOptions {
            disguise,
            ..self.relay.options.clone()
        });
    }

    /// The client sends these messages.
    pub(super) fn client(&mut self, messages: &[Vec<u8>]) {
        let bytes = messages.concat();
        let mut rest = &bytes[..];
        while !rest.is_empty() && self.fatal.is_none() {
            let (piece, after) = rest.split_at(self.feed.next(rest.len()));
            self.client.extend_from_slice(piece);
            self.turn();
            rest = after;
        }
    }

    /// The server sends these messages.
    pub(super) fn server(&mut self, messages: &[Vec<u8>]) {
        let bytes = messages.concat();
        let mut rest = &bytes[..];
        while !rest.is_empty() && self.fatal.is_none() {
            let (piece, after) = rest.split_at(self.feed.next(rest.len()));
            self.upstream.extend_from_slice(piece);
            let taken = self
                .relay
                .on_upstream(&mut self.upstream, &mut self.tape, self.now_us);
            self.note(taken);
            self.turn();
            rest = after;
        }
    }

    /// Does what a driver does until nothing more can be done.
    pub(super) fn turn(&mut self) {
        while self.fatal.is_none() {
            let taken = self
                .relay
                .on_client(&mut self.client, &mut self.tape, self.now_us);
            self.note(taken);
            match self.relay.waiting() {
                Waiting::Judgement { .. } => {
                    if self.relay.catalog_stale() {
                        self.relay.catalog_refreshed();
                    }
                    let Some(judged) = self.judge() else { return };
                    self.relay.judge(judged, self.now_us);
                }
                Waiting::Durability if !self.journal_answers => return,
                Waiting::Durability => self.journal(),
                Waiting::Done => {}
                Waiting::Approval { .. } | Waiting::Free => return,
            }
        }
    }

    /// The held operation is approved, and judged as before.
    pub(super) fn release(&mut self) {
        let held = self.relay.held(&self.client).expect("an operation is held");
        let judged = Arc::clone(held.judged);
        self.relay.release_hold(APPROVAL, judged, self.now_us);
    }

    /// The journal answers.
    pub(super) fn journal(&mut self) {
        if self.journal_works {
            self.intents += self.relay.intents().count();
        }
        self.relay.durable(self.journal_works);
    }

    /// What came out for the upstream since the last call.
    pub(super) fn upstream_out(&mut self) -> Vec<u8> {
        let bytes = self.relay.to_upstream.pending().to_vec();
        self.relay.to_upstream.advance(bytes.len());
        bytes
    }

    /// What came out for the client since the last call.
    pub(super) fn client_out(&mut self) -> Vec<u8> {
        let bytes = self.relay.to_client.pending().to_vec();
        self.relay.to_client.advance(bytes.len());
        bytes
    }

    #[track_caller]
    pub(super) fn upstream_gets(&mut self, messages: &[Vec<u8>]) {
        let (got, wanted) = (self.upstream_out(), messages.concat());
        assert_eq!(
            show(&got),
            show(&wanted),
            "what the upstream gets ({:?})",
            self.feed
        );
    }

    #[track_caller]
    pub(super) fn client_gets(&mut self, messages: &[Vec<u8>]) {
        let (got, wanted) = (self.client_out(), messages.concat());
        assert_eq!(
            show(&got),
            show(&wanted),
            "what the client gets ({:?})",
            self.feed
        );
    }

    /// Everything ended well: nothing is owed, and the outcomes are these.
    #[track_caller]
    pub(super) fn rests_after(&mut self, outcomes: &[&str]) {
        assert!(self.relay.is_idle(), "idle: {:?}", self.relay);
        assert!(!self.relay.is_running());
        self.outcomes_are(outcomes);
    }

    #[track_caller]
    pub(super) fn outcomes_are(&mut self, outcomes: &[&str]) {
        let got: Vec<_> = self.outcomes.iter().map(|outcome| outcome.result).collect();
        assert_eq!(got, outcomes, "the outcomes ({:?})", self.feed);
    }

    /// The session ended with this SQLSTATE.
    #[track_caller]
    pub(super) fn ended_with(&self, sqlstate: &str) {
        let fatal = self.fatal.as_ref().expect("the session ends");
        assert_eq!(fatal.sqlstate, sqlstate, "{fatal:?}");
    }

    fn note(&mut self, taken: Result<(), Fatal>) {
        self.outcomes.extend(self.relay.take_outcomes());
        if let Err(fatal) = taken {
            self.fatal = Some(fatal);
        }
    }

    fn judge(&self) -> Option<Arc<JudgedStatement>> {
        let (sql, _) = self.relay.question()?;
        let sql = String::from_utf8_lossy(sql).into_owned();
        let (mut text, mut runs) = (sql.clone(), Vec::new());
        for statement in sql.split(';') {
            if let Some(name) = statement.trim().strip_prefix("execute ") {
                match self.relay.prepared(name) {
                    // As the gate does it: judged anew, and nothing that changes names.
                    Lookup::Found(query) => {
                        runs.push(Arc::clone(&query));
                        let query = String::from_utf8_lossy(&query).into_owned();
                        let plain = name_change(&query) == NameChange::None && !query.contains("execute");
                        text.push_str(if plain { &query } else { " refuse" });
                    }
                    Lookup::Missing => text.push_str(" refuse"),
                    Lookup::Wait => return None,
                }
            }
        }
        Some(judged(&sql, &text, runs))
    }
}

/// The refusal of everything that says `refuse`.
pub(super) fn refusal() -> Refusal {
    Refusal::new(Rule::PolicyDenied, Fault::Client, "not allowed").hint("ask")
}

/// The error a client gets for [`refusal`].
pub(super) fn refused() -> Vec<u8> {
    denial(&Denial::Refused(refusal()))
}

pub(super) fn denial(denial: &Denial) -> Vec<u8> {
    let mut out = Vec::new();
    put_denial(&mut out, denial);
    out
}

/// The frame in place of the `count`th that may not run.
pub(super) fn poison(count: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_poison(&mut out, &options(false), count, false);
    out
}

/// The same for a simple query.
pub(super) fn poison_query(count: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_poison(&mut out, &options(false), count, true);
    out
}

fn judged(sql: &str, text: &str, runs: Vec<Arc<[u8]>>) -> Arc<JudgedStatement> {
    let verdict = if text.contains("refuse") {
        Verdict::Refuse(refusal())
    } else if text.contains("hold") {
        Verdict::Hold {
            policies: Vec::new(),
            quorum: Quorum::default(),
            reason_required: false,
        }
    } else {
        Verdict::Run { policies: Vec::new() }
    };
    let judgement = Judgement::render(Rendered {
        statement: sql,
        statement_sha256: "",
        facts: &Facts::default(),
        assessment: &Assessment::default(),
        verdict: &verdict,
        policy: "",
    });
    Arc::new(JudgedStatement {
        verdict,
        judgement,
        analysis: Conduct {
            changes_settings: text.contains("setting"),
            facts: facts(sql),
            touches_tagged: text.contains("secret"),
            changes_catalog: text.contains("create"),
            names: sql.split(';').map(name_change).collect(),
            runs,
            ..Conduct::default()
        },
        version: 1,
    })
}

/// Transactions are known by their first word.
fn facts(sql: &str) -> Facts {
    let controls = |sql: &&str| {
        let verb = sql.split_whitespace().next();
        matches!(verb, Some("begin" | "commit" | "rollback"))
    };
    let statement = |_| StatementFacts {
        utility: true,
        ..StatementFacts::bare(OperationKind::Transaction)
    };
    Facts {
        statements: sql.split(';').filter(controls).map(statement).collect(),
        ..Facts::default()
    }
}

/// The query inside a PREPARE or DECLARE, which these tests spell in two ways.
fn inside(statement: &str) -> Arc<[u8]> {
    let inner = statement
        .split_once(" as ")
        .or_else(|| statement.split_once(" cursor for "));
    inner.map_or(statement, |(_, inner)| inner).as_bytes().into()
}

fn name_change(statement: &str) -> NameChange {
    let words: Vec<_> = statement.split_whitespace().collect();
    match words[..] {
        ["prepare", name, ..] => NameChange::Prepare {
            name: name.into(),
            query: inside(statement),
        },
        ["deallocate", "all"] => NameChange::DeallocateAll,
        ["deallocate", name] => NameChange::Deallocate(name.into()),
        ["declare", name, ..] => NameChange::Declare {
            name: name.into(),
            query: inside(statement),
        },
        ["close", "all"] => NameChange::CloseAll,
        ["close", name] => NameChange::Close(name.into()),
        _ => NameChange::None,
    }
}

/// Shows a stream as one line per message.
pub(super) fn show(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some((header, _)) = bytes.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let total = (length + 1).min(bytes.len());
        lines.push(format!(
            "{} {}",
            char::from(header[0]),
            bytes[5.min(total)..total].escape_ascii()
        ));
        bytes = &bytes[total..];
    }
    if !bytes.is_empty() {
        lines.push(format!("cut: {}", bytes.escape_ascii()));
    }
    lines
}

/// Plays `script` in every way that bytes may come.
pub(super) fn play(masking: bool, script: impl Fn(&mut Stage)) {
    let pieces = (1..=8).map(Feed::Pieces);
    for feed in [Feed::Whole, Feed::Bytes].into_iter().chain(pieces) {
        script(&mut Stage::new(masking, feed));
    }
}
