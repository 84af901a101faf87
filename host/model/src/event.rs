//! What the journal holds: one JSON object per entry, hashed as the bytes stand.
//!
//! Here stands what happens apart from operations; the two entries of each of those are in
//! `operation`, and those of operations on the gateway itself in `door`.

mod approval;
mod door;
mod grant;
mod lock;
mod operation;

use serde::Serialize;

pub use approval::{ApprovalEvent, Carried};
pub use door::{DoorIntent, DoorOutcome};
pub use grant::GrantEvent;
pub use lock::LockEvent;
pub use operation::{Intent, Judged, Judgement, Outcome, STATEMENT_BYTES_MAX};

use crate::digits::push_decimal;
use crate::fault::Fault;
use crate::id::SessionId;
use crate::name::ResourceName;
use crate::principal::Principal;

/// The version of the entry format, the `v` of every entry.
pub const VERSION: u8 = 1;

/// Something that happened, apart from operations.
#[derive(Debug, Serialize)]
#[serde(tag = "kind")]
pub enum Event<'a> {
    /// The gateway started; what it runs with.
    #[serde(rename = "gateway.start")]
    GatewayStart {
        /// The program's version.
        version: &'a str,
        /// SHA-256 of the policy set.
        policy: &'a str,
        /// Name and SHA-256 of each plugin.
        plugins: Vec<(&'a str, &'a str)>,
    },
    /// Other plugins are in use from now on.
    #[serde(rename = "plugins.reload")]
    PluginsReload {
        /// Name and SHA-256 of each plugin.
        plugins: Vec<(&'a str, &'a str)>,
    },
    /// The gateway stopped in order.
    #[serde(rename = "gateway.stop")]
    GatewayStop,
    /// A client was let in.
    #[serde(rename = "session.start")]
    SessionStart {
        /// The new session.
        session: SessionId,
        /// Who it is.
        principal: &'a Principal,
        /// What it is connected to.
        resource: &'a ResourceName,
        /// `postgres`, `http` or `ssh`.
        protocol: &'a str,
        /// The client's address.
        client: &'a str,
        /// When the token ends, in seconds of Unix time.
        expires: u64,
    },
    /// A session ended.
    #[serde(rename = "session.end")]
    SessionEnd {
        /// The session.
        session: SessionId,
        /// Why, in a few fixed words.
        reason: &'a str,
        /// How many operations it ran or tried.
        operations: u64,
    },
    /// A client was turned away before it had a session.
    #[serde(rename = "login.refused")]
    LoginRefused {
        /// The client's address.
        client: &'a str,
        /// The resource it asked for, if it exists.
        resource: Option<&'a ResourceName>,
        /// Why, precisely; the client is told less.
        reason: &'a str,
    },
    /// More clients of one network were turned away, within a minute, than are written down
    /// one by one.
    #[serde(rename = "login.refused-many")]
    LoginsRefused {
        /// The network: an address, or the first half of an IPv6 address.
        client: &'a str,
        /// How many more.
        count: u64,
    },
    /// An operation whose outcome was lost when the gateway died.
    #[serde(rename = "op.outcome-unknown")]
    OutcomeUnknown {
        /// The operation.
        operation: &'a str,
    },
    /// A stretch of a session's recording is stored.
    #[serde(rename = "recording.segment")]
    RecordingSegment {
        /// The session.
        session: SessionId,
        /// Counts from 0 within the session.
        segment: u32,
        /// Where it is stored, below the recordings folder.
        path: &'a str,
        /// SHA-256 of the stored bytes, in hex.
        sha256: &'a str,
        /// Length of the stored bytes.
        bytes: u64,
    },
    /// An exporter gave up on entries for good.
    #[serde(rename = "export.rejected")]
    ExportRejected {
        /// The exporter.
        plugin: &'a str,
        /// The entry's index.
        index: u64,
        /// The exporter's reason.
        reason: &'a str,
    },
    /// A live session is being ended by somebody.
    #[serde(rename = "session.revoked")]
    SessionRevoked {
        /// The session.
        session: SessionId,
        /// Who ends it: `issuer|subject`.
        by: &'a str,
        /// Their words.
        reason: &'a str,
    },
    /// An identity provider says that somebody has logged out; what that ends is being ended.
    #[serde(rename = "identity.logout")]
    IdentityLogout {
        /// The configured name of the provider.
        identity: &'a str,
        /// Its issuer.
        issuer: &'a str,
        /// Who.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<&'a str>,
        /// The provider's own session (`sid`), if only that has ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_session: Option<&'a str>,
        /// The `jti` of the logout token.
        token: &'a str,
    },
    /// A token of live sessions does not hold any more; the sessions are being ended.
    #[serde(rename = "identity.token-ended")]
    IdentityTokenEnded {
        /// The configured name of the provider.
        identity: &'a str,
        /// Whose it is: `issuer|subject`.
        principal: &'a str,
        /// `inactive`, as the provider says; `groups`, where it says that they are others now; or
        /// `unheard`, where it has not answered for long.
        why: &'a str,
    },
    /// A part of the gateway failed; what it refused because of that says so by itself.
    #[serde(rename = "fault")]
    Failed {
        /// Who must act.
        fault: Fault,
        /// What failed, e.g. `plugin redact`.
        what: &'a str,
        /// How, without content.
        reason: &'a str,
    },
    /// Something became of a question to people.
    #[serde(untagged)]
    Approval(ApprovalEvent<'a>),
    /// Something became of a time-boxed permission.
    #[serde(untagged)]
    Grant(GrantEvent<'a>),
    /// Somebody or something was shut out, or is no more.
    #[serde(untagged)]
    Lock(LockEvent<'a>),
}

impl Event<'_> {
    /// Appends the entry for this event at `unix_us` (microseconds) to `out`.
    pub fn encode(&self, unix_us: u64, out: &mut Vec<u8>) {
        let body = begin(unix_us, out);
        // Serialising these types into memory has no way to fail: string keys, no IO.
        let _ = serde_json::to_writer(&mut *out, self);
        out[body] = b',';
    }
}

/// Writes the opening shared by all entries; returns where the event's own members begin.
fn begin(unix_us: u64, out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(br#"{"v":"#);
    push_decimal(VERSION.into(), out);
    out.extend_from_slice(br#","t_us":"#);
    push_decimal(unix_us, out);
    out.len()
}

/// The longest free text in an entry, in bytes, apart from statements.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// Cuts somebody's own words so that they fit an entry.
#[must_use]
pub fn short(text: &str) -> &str {
    cut(text, TEXT_BYTES_MAX)
}

/// Continues an entry with the members of a rendered object, and closes it.
fn push_members(object: &[u8], out: &mut Vec<u8>) {
    let body = out.len();
    out.extend_from_slice(object);
    match out.get_mut(body) {
        Some(brace) => *brace = b',',
        None => out.push(b'}'),
    }
}

/// Cuts `text` to at most `max` bytes, on a character boundary.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests;
