//! What a relay asks of the gateway: judgements, plans for masks, the journal, the recording.

use std::collections::HashSet;
use std::sync::Arc;

use journal::Durable;
use model::event::Outcome;
use model::mask::{Field, Shape};
use model::{Fault, Refusal, Rule, Tag};
use proto::postgres::mask::{FieldDescription, ResultMask};
use proto::postgres::relay::{Host, JudgedStatement, Relay, RowMask};

use super::Upstream;
use crate::clock;
use crate::gate::{Asker, Judging, Unknown};
use crate::recording::Tape;
use crate::services::Services;

/// The tag of what nobody can say where it comes from: never revealed, so always hidden.
const UNKNOWN_ORIGIN: &str = "tidegate.unknown-origin";

/// One session's view of the gateway.
pub(crate) struct Surroundings<'a> {
    services: &'a Arc<Services>,
    upstream: &'a Arc<Upstream>,
    asker: Asker,
    tape: Tape,
}

/// What asking for a judgement came to, for the driver.
pub(crate) enum Next {
    Judged(Arc<JudgedStatement>),
    RefreshCatalog,
    Wait,
}

impl<'a> Surroundings<'a> {
    pub(crate) fn new(
        services: &'a Arc<Services>,
        upstream: &'a Arc<Upstream>,
        asker: Asker,
        tape: Tape,
    ) -> Self {
        Self {
            services,
            upstream,
            asker,
            tape,
        }
    }

    pub(crate) fn services(&self) -> Arc<Services> {
        Arc::clone(self.services)
    }

    /// Judges the statement that waits. `fresh`: whether the catalog could be read since it
    /// came, if anybody has tried.
    pub(crate) fn judge(&self, relay: &Relay, fresh: Option<bool>) -> Next {
        let unknown = unknown(relay, fresh);
        let Some((sql, last)) = relay.question() else {
            return Next::Wait;
        };
        let gate = &self.services.gate;
        let version = gate.version(self.upstream.epoch());
        if let Some(last) = last.filter(|judged| judged.version == version) {
            self.services.meters.judged(&last.verdict);
            return Next::Judged(last);
        }
        match gate.judge(&self.asker, self.upstream, sql, unknown, |name| {
            relay.prepared(name)
        }) {
            Judging::Judged(judged) => {
                self.services.meters.judged(&judged.verdict);
                Next::Judged(judged)
            }
            Judging::Unknown => Next::RefreshCatalog,
            Judging::Wait => Next::Wait,
        }
    }

    /// Judges the held statement once more, now that people have agreed to it.
    pub(crate) fn judge_held(&self, relay: &Relay, input: &[u8], fresh: Option<bool>) -> Next {
        let Some(held) = relay.held(input) else {
            return Next::Wait;
        };
        let unknown = unknown(relay, fresh);
        let gate = &self.services.gate;
        match gate.judge(&self.asker, self.upstream, held.sql, unknown, |name| {
            relay.prepared(name)
        }) {
            Judging::Judged(judged) => Next::Judged(judged),
            Judging::Unknown => Next::RefreshCatalog,
            Judging::Wait => Next::Wait,
        }
    }

    /// Who asks.
    pub(crate) fn asker(&self) -> &Asker {
        &self.asker
    }

    /// What all sessions share.
    pub(crate) fn shared(&self) -> &'a Services {
        self.services
    }

    /// Returns the SHA-256 of the policies in force, in hex.
    pub(crate) fn policy_hash(&self) -> &'a str {
        self.services.gate.policy.hash()
    }

    /// Appends the intents of the batch; the future says when they are durable. `None` where
    /// the journal takes nothing any more.
    pub(crate) fn write_intents(&self, relay: &Relay) -> Option<Durable<'a>> {
        let now_us = clock::unix_us();
        let mut last = None;
        for intent in relay.intents() {
            match self.services.journal.append(|out| intent.encode(now_us, out)) {
                Ok(ticket) => last = Some(ticket),
                Err(error) => {
                    tracing::error!(%error, "an intent could not be written; nothing runs");
                    return None;
                }
            }
        }
        Some(self.services.journal.durable(last?))
    }

    /// Appends the outcomes that have come in. Nobody waits for them.
    pub(crate) fn write_outcomes(&self, relay: &mut Relay) {
        let now_us = clock::unix_us();
        for outcome in relay.take_outcomes() {
            let sqlstate = outcome
                .sqlstate
                .as_ref()
                .and_then(|code| std::str::from_utf8(code).ok());
            let record = Outcome {
                operation: outcome.operation,
                session: self.asker.session,
                result: outcome.result,
                sqlstate,
                status: None,
                rows: outcome.rows,
                bytes: outcome.bytes,
                masked: outcome.masked,
                took_us: outcome.took_us,
            };
            if let Err(error) = self.services.journal.append(|out| record.encode(now_us, out)) {
                tracing::error!(%error, operation = %outcome.operation, "an outcome could not be written");
            }
        }
    }

    /// Gives the recording its time; see [`Tape`].
    pub(crate) fn tape(&mut self) -> &mut Tape {
        &mut self.tape
    }

    /// Ends the recording.
    pub(crate) async fn finish(self) {
        if let Err(error) = self.tape.finish().await {
            tracing::error!(session = %self.asker.session, %error, "a recording could not be finished");
        }
    }

    fn shape(&self, fields: &[FieldDescription]) -> Result<Shape, Refusal> {
        let catalogs = self
            .upstream
            .catalogs(&self.asker.principal, &self.services.gate.policy);
        let catalog = &catalogs.own;
        let fields = fields.iter().map(|field| {
            let column = catalog.column(field.table_oid, field.attnum);
            let tags = match column {
                Some(column) => column.tags.clone(),
                // Computed values and system columns; what they were computed from was checked.
                None if field.table_oid == 0 || field.attnum < 0 || !catalog.has_tags() => Vec::new(),
                // A whole row, or a relation that nobody knows.
                None => vec![Tag::new(UNKNOWN_ORIGIN)],
            };
            Field {
                name: String::from_utf8_lossy(&field.name).into_owned(),
                origin: column.map(|column| column.origin()).unwrap_or_default(),
                native_type: match column {
                    Some(column) => column.type_name.clone(),
                    None => field.known_type_name().unwrap_or_default().to_owned(),
                },
                format: field.cell_format(),
                tags,
            }
        });
        Ok(Shape {
            fields: fields.collect(),
        })
    }
}

/// What becomes of relations that the catalog does not know; `fresh`: whether it could be read
/// since the statement came, if anybody has tried.
fn unknown(relay: &Relay, fresh: Option<bool>) -> Unknown {
    match fresh {
        None => Unknown::Ask,
        Some(true) if relay.has_changed_catalog() => Unknown::Run,
        Some(_) => Unknown::Refuse,
    }
}

impl Host for Surroundings<'_> {
    fn plan(&mut self, fields: &[FieldDescription]) -> Result<Option<RowMask>, Refusal> {
        let shape = self.shape(fields)?;
        let tagged: HashSet<usize> = shape
            .fields
            .iter()
            .enumerate()
            .filter(|(_, f)| !f.tags.is_empty())
            .map(|(index, _)| index)
            .collect();
        if tagged.is_empty() && !self.upstream.scan_untagged {
            return Ok(None);
        }
        let failed = |what: String| {
            tracing::error!(error = what, "a result could not be masked and was withheld");
            Refusal::new(Rule::MaskerFailed, Fault::Plugin, what)
        };
        let plan = self
            .services
            .gate
            .plugins
            .current()
            .plan(&self.upstream.name, &shape)
            .map_err(|fault| failed(fault.to_string()))?;
        let rows = ResultMask::compile(&plan.plan, fields, &self.services.pseudonym_key)
            .map_err(|fault| failed(fault.to_string()))?;
        if rows.is_identity() {
            return Ok(None);
        }
        let cells = rows.needs_masker().then(|| plan.cells());
        Ok(Some(RowMask { rows, cells }))
    }

    fn from_client(&mut self, bytes: &[u8]) {
        self.tape.from_client(bytes);
    }

    fn copy_from_client(&mut self, bytes: &[u8]) {
        self.tape.copy_from_client(bytes);
    }

    fn to_client(&mut self, bytes: &[u8]) {
        self.tape.to_client(bytes);
    }

    fn rows_to_client(&mut self, bytes: &[u8]) {
        self.tape.rows_to_client(bytes);
    }
}
