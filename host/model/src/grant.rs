//! Time-boxed permissions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::facts::{Access, Facts, OperationKind, RelationUse, StatementFacts};
use crate::id::{ApprovalId, GrantId};
use crate::name::ResourceName;
use crate::principal::Principal;

/// What a grant permits, and for how long.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The kinds of operation, e.g. `read`. What is harmless (transactions, settings) is always
    /// among them.
    pub kinds: BTreeSet<OperationKind>,
    /// The relations (`schema.name`, or `name` for one of any schema) or paths; empty for all.
    #[serde(default)]
    pub relations: Vec<String>,
    /// How long it lasts from when it is given, in seconds.
    pub seconds: u64,
}

/// The longest grant, in seconds: a working day and a night. Whoever needs more asks again.
pub const GRANT_SECONDS_MAX: u64 = 24 * 3_600;

/// How many relations one grant may name.
pub const GRANT_RELATIONS_MAX: usize = 64;

/// The longest name of a relation or path, in bytes: two names of PostgreSQL and a dot are 127.
/// With [`GRANT_RELATIONS_MAX`] it keeps a grant within one entry of the journal.
pub const GRANT_RELATION_BYTES_MAX: usize = 256;

/// The longest reason a grant is asked for with, in bytes: approvers read it, and policies see it.
pub const GRANT_REASON_BYTES_MAX: usize = 1 << 10;

/// The command by which policies know that a grant is asked for.
pub const GRANT_VERB: &str = "grant";

/// What is wrong with terms that somebody asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TermsError {
    /// No kind of operation is named, or one that needs no grant.
    Kinds,
    /// They name too many relations.
    ManyRelations,
    /// A relation's name is empty, too long, or holds control characters.
    Relation,
    /// They would last no time, or too long.
    Seconds,
}

impl std::fmt::Display for TermsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kinds => f.write_str("a grant is for some of read, write, schema and privilege"),
            Self::ManyRelations => write!(f, "a grant names at most {GRANT_RELATIONS_MAX} relations"),
            Self::Relation => write!(
                f,
                "a relation is 1 to {GRANT_RELATION_BYTES_MAX} bytes without control characters"
            ),
            Self::Seconds => write!(f, "a grant lasts 1 second to {} hours", GRANT_SECONDS_MAX / 3_600),
        }
    }
}

impl std::error::Error for TermsError {}

impl Terms {
    /// Returns the terms with their relations in order and each named once, if a grant can have
    /// them at all. Whether anybody may ask for them, policy says.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn checked(mut self) -> Result<Self, TermsError> {
        let serious = |kind: &OperationKind| *kind > OperationKind::Session;
        if self.kinds.is_empty() || !self.kinds.iter().all(serious) {
            return Err(TermsError::Kinds);
        }
        if self.relations.len() > GRANT_RELATIONS_MAX {
            return Err(TermsError::ManyRelations);
        }
        let bad = |name: &String| {
            name.is_empty() || name.len() > GRANT_RELATION_BYTES_MAX || name.chars().any(char::is_control)
        };
        if self.relations.iter().any(bad) {
            return Err(TermsError::Relation);
        }
        if !(1..=GRANT_SECONDS_MAX).contains(&self.seconds) {
            return Err(TermsError::Seconds);
        }
        self.relations.sort_unstable();
        self.relations.dedup();
        Ok(self)
    }

    /// Returns the asking itself as an operation, for policies and approvers: the verb `grant`,
    /// of the gravest kind that is asked for, on the relations that are.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let kind = self.kinds.last().copied().unwrap_or(OperationKind::Empty);
        let access = match kind {
            OperationKind::Write => Access::Write,
            OperationKind::Schema | OperationKind::Privilege => Access::Define,
            _ => Access::Read,
        };
        let relations = self.relations.iter().map(|granted| {
            let (schema, name) = match granted.split_once('.') {
                Some((schema, name)) => (Some(schema.to_owned()), name),
                None => (None, granted.as_str()),
            };
            RelationUse {
                schema,
                name: name.to_owned(),
                access,
                tags: Vec::new(),
            }
        });
        Facts::of(StatementFacts {
            verb: GRANT_VERB.to_owned(),
            writes: kind > OperationKind::Read,
            relations: relations.collect(),
            ..StatementFacts::bare(kind)
        })
    }

    /// Whether an operation with these facts is within them.
    ///
    /// A relation whose schema the statement leaves open is only within a grant that leaves it
    /// open too, or names all: nobody can tell here which one it will be. What changes something
    /// and names no relation at all, e.g. a role, is only within a grant for all. Functions are
    /// not looked into; policies see them.
    #[must_use]
    pub fn cover(&self, facts: &Facts) -> bool {
        facts.statements.iter().all(|statement| {
            let harmless = statement.kind <= OperationKind::Session;
            harmless || (self.kinds.contains(&statement.kind) && self.cover_relations(statement))
        })
    }

    fn cover_relations(&self, statement: &StatementFacts) -> bool {
        if self.relations.is_empty() {
            return true;
        }
        let covers = |used: &RelationUse| {
            self.relations
                .iter()
                .any(|granted| match granted.split_once('.') {
                    Some((schema, name)) => used.schema.as_deref() == Some(schema) && used.name == name,
                    None => used.name == *granted,
                })
        };
        let elsewhere = statement.relations.is_empty() && statement.kind > OperationKind::Read;
        !elsewhere && statement.relations.iter().all(covers)
    }
}

/// One permission, given by people for a time.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Grant {
    /// Its name everywhere.
    pub id: GrantId,
    /// Who has it: `issuer|subject`.
    pub principal: String,
    /// Who acts for them, each `issuer|subject`, the current actor first: what was granted to
    /// an agent that acts for a person is neither that person's nor another agent's.
    pub delegation: Vec<String>,
    /// For what.
    pub resource: ResourceName,
    /// What it permits.
    pub terms: Terms,
    /// Why it was asked for, in the requester's words.
    pub reason: String,
    /// The approval that gave it.
    pub approval: ApprovalId,
    /// From when it holds, in microseconds of Unix time.
    pub begins_us: u64,
    /// Until when, likewise; at that moment it holds no more.
    pub ends_us: u64,
    /// When and by whom (`issuer|subject`) it was taken back.
    pub revoked: Option<(u64, String)>,
    /// When it was used last, in microseconds of Unix time.
    pub used_us: Option<u64>,
}

impl Grant {
    /// Whether it is `principal`'s own: the same person or agent, with the same ones acting.
    #[must_use]
    pub fn is_of(&self, principal: &Principal) -> bool {
        self.principal == principal.key() && self.delegation == principal.delegation_keys()
    }

    /// Whether it holds at `now_us`.
    #[must_use]
    pub fn holds_at(&self, now_us: u64) -> bool {
        self.revoked.is_none() && (self.begins_us..self.ends_us).contains(&now_us)
    }
}

#[cfg(test)]
mod tests;
