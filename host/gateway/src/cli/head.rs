//! What the commands look for in an entry before they read the rest of it.

use std::borrow::Cow;

use serde::Deserialize;

/// The members of an entry by which it is picked; empty where it has none.
#[derive(Deserialize)]
pub(crate) struct Head<'a> {
    /// What happened.
    #[serde(borrow, default)]
    pub(crate) kind: Cow<'a, str>,
    /// In which session.
    #[serde(borrow, default)]
    pub(crate) session: Cow<'a, str>,
}
