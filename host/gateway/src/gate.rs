//! The one place where an operation is judged.
//!
//! Facts from the parser, findings from the classifiers, a verdict from the policies, and the
//! journal's rendering of all that; kept for as long as nothing it was made from has changed.

mod plain;

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use model::event::{Judged as Rendered, Judgement};
use model::{Assessment, Facts, Fault, Grant, Principal, Refusal, ResourceName, Rule, SessionId, Verdict};
use plugin::{ClassifyRequest, SessionInfo};
use proto::postgres::catalog::Catalog;
use proto::postgres::relay::{Conduct, JudgedStatement, Lookup, NameChange};
use proto::postgres::sql::{Analysis, Discard, Effect, Limits, analyse, inner};
use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::config::StatementDetail;
use crate::grants::Grants;
use crate::plugins::ActivePlugins;
use crate::policy::{Operation, Policy};
use crate::postgres::{CatalogPair, Upstream};
pub use plain::{JudgedPlain, Plain, Reading};

/// How many judgements are kept over all sessions. One takes a few kilobytes.
const JUDGEMENTS_KEPT: usize = 16_384;

/// Statements longer than this are judged anew each time: they hardly ever come twice, and
/// they would push out what does.
const KEPT_STATEMENT_BYTES_MAX: usize = 16 << 10;

/// The version of a judgement that holds for one execution only; no catalog gets there.
const ONCE: u128 = u128::MAX;

/// Everything judgement depends on, for the life of the process.
pub struct Gate {
    /// The policies.
    pub policy: Arc<Policy>,
    /// The classifiers and maskers.
    pub plugins: Arc<ActivePlugins>,
    /// How much is read of one statement.
    pub limits: Limits,
    /// How much of a statement the journal shows.
    pub detail: StatementDetail,
    /// The time-boxed permissions.
    pub grants: Grants,
    judgements: Cache<Key, Arc<JudgedStatement>>,
    plain: Cache<Key, Arc<JudgedPlain>>,
}

/// Who asks, as far as a judgement depends on it.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The session.
    pub session: SessionId,
    /// Who it is.
    pub principal: Arc<Principal>,
    /// A number that is the same for the same principal on the same resource, and for nobody
    /// else: part of every cache key.
    pub scope: u64,
}

/// What a judgement is about, whatever the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Aim<'a> {
    /// The resource.
    pub resource: &'a ResourceName,
    /// The name of the protocol in policies and for classifiers.
    pub protocol: &'static str,
}

/// What becomes of a statement that names relations which the catalog does not know, while
/// columns are masked: such a relation could be a new way to them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unknown {
    /// The catalog is to be read again first.
    Ask,
    /// It was read after the statement came: there is no such relation.
    Refuse,
    /// Likewise, but the session's own transaction has made changes that nobody else sees.
    Run,
}

/// What asking for a judgement came to.
pub enum Judging {
    /// Decided.
    Judged(Arc<JudgedStatement>),
    /// The statement names relations that the catalog does not know: read it again first.
    Unknown,
    /// The server must answer something else first.
    Wait,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Key {
    scope: u64,
    version: u128,
    sql: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct KeyRef<'a> {
    scope: u64,
    version: u128,
    sql: &'a [u8],
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef {
            scope: self.scope,
            version: self.version,
            sql: &self.sql,
        }
        .hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scope.hash(state);
        self.version.hash(state);
        self.sql.hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        (self.scope, self.version, self.sql) == (key.scope, key.version, &key.sql)
    }
}

impl Gate {
    /// Makes the gate.
    #[must_use]
    pub fn new(
        policy: Arc<Policy>,
        plugins: Arc<ActivePlugins>,
        grants: Grants,
        limits: Limits,
        detail: StatementDetail,
    ) -> Self {
        Self {
            policy,
            plugins,
            limits,
            detail,
            grants,
            judgements: Cache::new(JUDGEMENTS_KEPT),
            plain: Cache::new(JUDGEMENTS_KEPT),
        }
    }

    /// Returns the version under which judgements of this moment hold: it changes with the
    /// upstream's catalog, with the plugins in use, each second where a policy looks at the clock,
    /// and with every grant where one looks at grants.
    #[must_use]
    pub fn version(&self, epoch: u64) -> u128 {
        let second = if self.policy.uses_clock() {
            clock::unix_seconds()
        } else {
            0
        };
        let grants = if self.policy.uses_grants() {
            self.grants.generation()
        } else {
            0
        };
        // 36 bits of seconds last for 2,000 years, 34 of grants or catalogs are 17 billion; after
        // 16 million reloads nothing is kept that came before the first.
        let low = |number: u64, bits: u32| u128::from(number & ((1 << bits) - 1));
        let plugins = low(self.plugins.generation(), 24);
        low(epoch, 34) << 94 | plugins << 70 | low(grants, 34) << 36 | low(second, 36)
    }

    /// Forgets all judgements: after other plugins came into use, none of them is asked for again.
    pub(crate) fn forget(&self) {
        self.judgements.clear();
        self.plain.clear();
    }

    /// Judges one operation. `prepared` finds what the session knows of a prepared statement.
    ///
    /// `unknown` says what becomes of relations that the catalog does not know.
    pub fn judge(
        &self,
        asker: &Asker,
        upstream: &Upstream,
        sql: &[u8],
        unknown: Unknown,
        prepared: impl Fn(&str) -> Lookup<Arc<[u8]>>,
    ) -> Judging {
        let kept = KeyRef {
            scope: asker.scope,
            version: self.version(upstream.epoch()),
            sql,
        };
        if let Some(judged) = self.judgements.get(&kept) {
            return Judging::Judged(judged);
        }
        // Asks the policies what is revealed, so only for what must be judged anew.
        let catalogs = upstream.catalogs(&asker.principal, &self.policy);
        let version = self.version(catalogs.epoch);
        let mut analysis = analyse(sql, &catalogs.own, &self.limits);
        if let Some(full) = &catalogs.full {
            // Policies and classifiers are told of tags that this principal may see, too.
            let mut told = analyse(sql, full, &self.limits);
            resolve(&mut told, full, &self.limits, &prepared);
            analysis.facts = told.facts;
        }
        let Some(runs) = resolve_own(&mut analysis, &catalogs, &self.limits, &prepared) else {
            return Judging::Wait;
        };
        let own_tags = catalogs.own.has_tags();
        if let Some(name) = analysis.unknown_relations.first().filter(|_| own_tags) {
            match unknown {
                Unknown::Ask => return Judging::Unknown,
                Unknown::Refuse => {
                    let refusal = no_relation(name);
                    analysis.refusal.get_or_insert(refusal);
                }
                Unknown::Run => {}
            }
        }
        // What a cursor reads was settled when it was declared, maybe under another name.
        let reads_cursor = |effect: &Effect| matches!(effect, Effect::Fetch { .. } | Effect::Move { .. });
        analysis.touches_tagged |=
            own_tags && analysis.statements.iter().any(|note| reads_cursor(&note.effect));
        // What is unknown now may be known, or another's, the next time.
        let lone = runs.is_empty() && analysis.unknown_relations.is_empty();
        let (verdict, assessment) = self.decide(asker, upstream, sql, &analysis);
        let judged = Arc::new(self.render(
            sql,
            analysis,
            verdict,
            assessment,
            if lone { version } else { ONCE },
            runs,
        ));
        if lone && sql.len() <= KEPT_STATEMENT_BYTES_MAX {
            let key = Key {
                scope: asker.scope,
                version,
                sql: sql.into(),
            };
            self.judgements.insert(key, Arc::clone(&judged));
        }
        Judging::Judged(judged)
    }

    fn decide(
        &self,
        asker: &Asker,
        upstream: &Upstream,
        sql: &[u8],
        analysis: &Analysis,
    ) -> (Verdict, Assessment) {
        if let Some(refusal) = analysis
            .refusal
            .clone()
            .or_else(|| unscanned_copy(analysis, upstream))
        {
            return (Verdict::Refuse(refusal), Assessment::default());
        }
        self.weigh(
            asker,
            &upstream.aim(),
            &String::from_utf8_lossy(sql),
            &analysis.facts,
        )
    }

    /// Asks the classifiers, and then the policies.
    fn weigh(&self, asker: &Asker, aim: &Aim<'_>, text: &str, facts: &Facts) -> (Verdict, Assessment) {
        let assessment = match self.assess(asker, aim, text, facts) {
            Ok(assessment) => assessment,
            Err(refusal) => return (Verdict::Refuse(refusal), Assessment::default()),
        };
        let now = clock::unix_seconds();
        let grant = self.covering(asker, aim.resource, facts);
        let operation = Operation {
            resource: aim.resource,
            facts,
            assessment: &assessment,
            protocol: aim.protocol,
            grant: grant.as_deref(),
        };
        let verdict = self.policy.execute(&asker.principal, &operation, now);
        if let (Some(grant), Verdict::Run { .. }) = (&grant, &verdict) {
            self.grants.used(grant.id, clock::unix_us());
        }
        (verdict, assessment)
    }

    /// Returns the grant that covers an operation, if policies look at grants at all.
    fn covering(&self, asker: &Asker, resource: &ResourceName, facts: &Facts) -> Option<Arc<Grant>> {
        if !self.policy.uses_grants() {
            return None;
        }
        let holding = self.grants.holding(&asker.principal, resource, clock::unix_us());
        holding.into_iter().find(|grant| grant.terms.cover(facts))
    }

    /// Asks the resource's classifiers.
    ///
    /// # Errors
    /// The refusal for an operation that could not be classified.
    pub fn assess(
        &self,
        asker: &Asker,
        aim: &Aim<'_>,
        text: &str,
        facts: &Facts,
    ) -> Result<Assessment, Refusal> {
        let plugins = self.plugins.current();
        if !plugins.has_classifiers(aim.resource) {
            return Ok(Assessment::default());
        }
        let failed = |what: String| {
            Refusal::new(Rule::ClassifierFailed, Fault::Plugin, what)
                .hint("the operator finds the reason in the gateway's log")
        };
        let facts_json = serde_json::to_string(facts).map_err(|_| failed("the facts are not JSON".into()))?;
        let session = SessionInfo::new(&asker.principal, aim.resource.clone(), aim.protocol);
        let request = ClassifyRequest {
            session: &session,
            statement: text,
            facts: &facts_json,
        };
        plugins.classify(aim.resource, &request).map_err(|fault| {
            tracing::error!(plugin = %fault.plugin, error = %fault, "a classifier failed");
            failed(format!("classifier {} failed, so nothing may run", fault.plugin))
        })
    }

    fn render(
        &self,
        sql: &[u8],
        analysis: Analysis,
        verdict: Verdict,
        assessment: Assessment,
        version: u128,
        runs: Vec<Run>,
    ) -> JudgedStatement {
        let text = match (self.detail, &analysis.loggable) {
            (StatementDetail::None, _) => Cow::Borrowed(""),
            (StatementDetail::Full, Some(loggable)) => Cow::Borrowed(loggable.as_str()),
            (StatementDetail::Full, None) => String::from_utf8_lossy(sql),
        };
        let judgement = Judgement::render(Rendered {
            statement: &text,
            statement_sha256: &hex::encode(Sha256::digest(sql)),
            facts: &analysis.facts,
            assessment: &assessment,
            verdict: &verdict,
            policy: self.policy.hash(),
        });
        JudgedStatement {
            verdict,
            judgement,
            analysis: conduct(analysis, assessment, sql, runs),
            version,
        }
    }
}

/// Takes in what SQL's EXECUTE runs, judged by today's catalog as if it stood there itself, and
/// returns the texts. If there are any, the judgement holds for this one execution. `None`: the
/// server must answer first.
fn resolve(
    analysis: &mut Analysis,
    catalog: &Catalog,
    limits: &Limits,
    prepared: impl Fn(&str) -> Lookup<Arc<[u8]>>,
) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    let names: Vec<String> = analysis
        .statements
        .iter()
        .filter_map(|note| match &note.effect {
            Effect::Execute {
                name,
                resolved: false,
            } => Some(name.clone()),
            _ => None,
        })
        .collect();
    for name in &names {
        let (text, inner) = match prepared(name) {
            Lookup::Wait => return None,
            Lookup::Found(query) => {
                let inner = analyse(&query, catalog, limits);
                (Some(query), inner)
            }
            Lookup::Missing => {
                let refusal = Some(not_prepared(name));
                let inner = Analysis {
                    refusal,
                    ..Analysis::default()
                };
                (None, inner)
            }
        };
        // What changes names or the catalog must be seen to do so.
        let plain = inner
            .statements
            .iter()
            .all(|note| note.effect == Effect::None && !note.changes_catalog);
        let refusal = inner.refusal.or_else(|| (!plain).then(|| not_prepared(name)));
        analysis.refusal = analysis.refusal.take().or(refusal);
        if inner.statements.iter().any(|note| note.changes_settings) {
            let runs_it = |effect: &Effect| matches!(effect, Effect::Execute { name: n, .. } if n == name);
            let outer = analysis.statements.iter_mut();
            outer
                .filter(|note| runs_it(&note.effect))
                .for_each(|note| note.changes_settings = true);
        }
        runs.push(Run {
            text,
            loggable: inner.loggable,
        });
        analysis.touches_tagged |= inner.touches_tagged;
        analysis.unknown_relations.extend(inner.unknown_relations);
        analysis.facts.statements.extend(inner.facts.statements);
    }
    Some(runs)
}

/// What one EXECUTE stands for.
struct Run {
    /// The text; `None` where nothing has the name.
    text: Option<Arc<[u8]>>,
    /// What may be shown instead, if it holds a secret.
    loggable: Option<String>,
}

/// The same for the principal's own view; where policies were told of more, the facts stay.
fn resolve_own(
    analysis: &mut Analysis,
    catalogs: &CatalogPair,
    limits: &Limits,
    prepared: impl Fn(&str) -> Lookup<Arc<[u8]>>,
) -> Option<Vec<Run>> {
    let told = catalogs.full.is_some().then(|| analysis.facts.clone());
    let runs = resolve(analysis, &catalogs.own, limits, prepared);
    if let Some(told) = told {
        analysis.facts = told;
    }
    runs
}

fn not_prepared(name: &str) -> Refusal {
    Refusal::new(
        Rule::Unparsable,
        Fault::Client,
        format!("prepared statement \"{name}\" is none that EXECUTE may run in this session"),
    )
}

/// The refusal for a relation that is not there.
fn no_relation(name: &str) -> Refusal {
    Refusal::new(
        Rule::TaggedUse,
        Fault::Client,
        format!("relation \"{name}\" does not exist, as far as the gateway knows"),
    )
    .hint("check the name; a relation made a moment ago is known a moment later")
}

/// COPY sends no rows that a content masker could read.
fn unscanned_copy(analysis: &Analysis, upstream: &Upstream) -> Option<Refusal> {
    let copies = analysis
        .statements
        .iter()
        .any(|note| note.effect == Effect::CopyOut);
    (copies && upstream.scan_untagged).then(|| {
        Refusal::new(
            Rule::TaggedUse,
            Fault::Client,
            "COPY TO cannot be scanned for personal data on this resource",
        )
        .hint("use SELECT")
    })
}

/// What the relay has to know of the statement.
fn conduct(analysis: Analysis, assessment: Assessment, sql: &[u8], runs: Vec<Run>) -> Conduct {
    let runs = runs.into_iter().filter_map(|run| Some((run.text?, run.loggable)));
    let (runs, loggable_runs) = runs.unzip();
    let changes_catalog = analysis.statements.iter().any(|note| note.changes_catalog);
    let changes_settings = analysis.statements.iter().any(|note| note.changes_settings);
    let names = analysis.statements.into_iter().map(|note| {
        let text = sql
            .get(note.range)
            .and_then(|text| std::str::from_utf8(text).ok())
            .unwrap_or_default();
        name_change(note.effect, text)
    });
    Conduct {
        touches_tagged: analysis.touches_tagged,
        changes_catalog,
        changes_settings,
        names: names.collect(),
        runs,
        loggable_runs,
        facts: analysis.facts,
        assessment,
        loggable: analysis.loggable,
    }
}

/// What a statement with this text does to the session's names. Where the query inside cannot
/// be told, the name stays unknown, and nothing runs under it.
fn name_change(effect: Effect, text: &str) -> NameChange {
    let query = || inner::query(text).map(|range| Arc::from(text[range].as_bytes()));
    match effect {
        Effect::Prepare { name, .. } => match query() {
            Some(query) => NameChange::Prepare { name, query },
            None => NameChange::Deallocate(name),
        },
        Effect::Deallocate { name } => NameChange::Deallocate(name),
        Effect::DeallocateAll | Effect::Discard(Discard::All) => NameChange::DeallocateAll,
        Effect::Declare { cursor, .. } => match query() {
            Some(query) => NameChange::Declare { name: cursor, query },
            None => NameChange::Close(cursor),
        },
        Effect::Close { cursor } => NameChange::Close(cursor),
        Effect::CloseAll => NameChange::CloseAll,
        _ => NameChange::None,
    }
}
