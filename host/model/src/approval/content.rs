//! What exactly an approval is for.

use std::fmt;

/// SHA-256 over everything that makes an operation that operation: an approval is bound to it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything an approval binds. A change in any of it makes another question.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// `postgres`, `http`, `ssh`, or `grant`.
    pub protocol: &'a str,
    /// The operation's exact bytes.
    pub operation: &'a [u8],
    /// Texts that the operation runs by name, e.g. what SQL's EXECUTE stands for, and then the
    /// types that were declared for the parameters of each.
    pub runs: &'a [&'a [u8]],
    /// Bound values with their types and formats, as the protocol carries them; `None` where
    /// there is no such thing.
    pub binds: Option<&'a [u8]>,
    /// Who acts: `issuer|subject`.
    pub principal: &'a str,
    /// On whose behalf or through whom: each link `issuer|subject`.
    pub delegation: &'a [String],
    /// The resource.
    pub resource: &'a str,
    /// SHA-256 of the policies in force, in hex.
    pub policy: &'a str,
    /// What the session has changed about itself since it began, e.g. settings.
    pub surroundings: &'a [u8],
}

impl Content<'_> {
    /// Feeds `hash` with everything, each part with its length before it, so that no two
    /// contents give the same bytes.
    pub fn feed(&self, mut hash: impl FnMut(&[u8])) {
        let mut part = |bytes: &[u8]| {
            hash(&(bytes.len() as u64).to_be_bytes());
            hash(bytes);
        };
        part(b"tidegate approval content v1");
        part(self.protocol.as_bytes());
        part(self.operation);
        part(&(self.runs.len() as u64).to_be_bytes());
        self.runs.iter().for_each(|text| part(text));
        part(&[u8::from(self.binds.is_some())]);
        part(self.binds.unwrap_or_default());
        part(self.principal.as_bytes());
        part(&(self.delegation.len() as u64).to_be_bytes());
        self.delegation.iter().for_each(|actor| part(actor.as_bytes()));
        part(self.resource.as_bytes());
        part(self.policy.as_bytes());
        part(self.surroundings);
    }
}
