//! What an approver sees of a question.

use serde::{Deserialize, Serialize};

use crate::assessment::Assessment;
use crate::facts::Facts;
use crate::grant::Terms;
use crate::name::Tag;

/// The longest operation text an approver is shown, in bytes; longer ones are cut and marked.
pub const OPERATION_BYTES_MAX: usize = 32 << 10;

/// How many bound values an approver is shown.
pub const BINDS_MAX: usize = 100;

/// The longest bound value an approver is shown, in bytes.
pub const BIND_BYTES_MAX: usize = 1 << 10;

/// Everything an approver decides by. The gateway has derived all of it but `reason`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Case {
    /// `postgres`, `http`, `ssh`, or `grant`.
    pub protocol: String,
    /// One line: who wants to do what where.
    pub title: String,
    /// What would run, laid out for reading; secrets are taken out.
    pub operation: String,
    /// Whether `operation`, `binds` or `settings` show less than there is.
    pub cut: bool,
    /// The bound values, in order.
    pub binds: Vec<BoundValue>,
    /// What the parser found.
    pub facts: Facts,
    /// What the classifiers found.
    pub assessment: Assessment,
    /// The tags of what is touched.
    pub tags: Vec<Tag>,
    /// The policies that let it be asked for.
    pub policies: Vec<String>,
    /// Whether a transaction is open, so that its locks are held while people think.
    pub transaction_open: bool,
    /// What the operation means depends on it: the settings that its session began with, and the
    /// statements by which it has changed settings, names or definitions since, or undone that,
    /// in order. The latest; if there are more, `cut` says so. Secrets are taken out.
    #[serde(default)]
    pub settings: Vec<String>,
    /// How many rows the upstream's planner expects; `None` where it was not asked or had no
    /// answer.
    pub estimated_rows: Option<u64>,
    /// The requester's own words. Not to be believed.
    pub reason: Option<String>,
    /// The permission that is asked for, if that is what is asked for.
    pub grant: Option<Terms>,
}

/// One bound value as an approver sees it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BoundValue {
    /// The value as text; `None` for NULL. Binary of an unknown type is in hex, after `\x`.
    pub text: Option<String>,
    /// Whether `text` shows less than there is.
    pub cut: bool,
}
