//! Time-boxed permissions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::facts::{Facts, OperationKind};
use crate::id::{ApprovalId, GrantId};
use crate::name::ResourceName;

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

impl Terms {
    /// Whether an operation with these facts is within them.
    ///
    /// A relation whose schema the statement leaves open is only within a grant that leaves it
    /// open too, or names all: nobody can tell here which one it will be.
    #[must_use]
    pub fn cover(&self, facts: &Facts) -> bool {
        facts.statements.iter().all(|statement| {
            let harmless = statement.kind <= OperationKind::Session;
            let kind = harmless || self.kinds.contains(&statement.kind);
            let relations = self.relations.is_empty()
                || statement.relations.iter().all(|used| {
                    self.relations
                        .iter()
                        .any(|granted| match granted.split_once('.') {
                            Some((schema, name)) => {
                                used.schema.as_deref() == Some(schema) && used.name == name
                            }
                            None => used.name == *granted,
                        })
                });
            kind && relations
        })
    }
}

/// One permission, given by people for a time.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Grant {
    /// Its name everywhere.
    pub id: GrantId,
    /// Who has it: `issuer|subject`.
    pub principal: String,
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
    /// Whether it holds at `now_us`.
    #[must_use]
    pub fn holds_at(&self, now_us: u64) -> bool {
        self.revoked.is_none() && (self.begins_us..self.ends_us).contains(&now_us)
    }
}
