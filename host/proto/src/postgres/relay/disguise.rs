//! What would tell a client the upstream's account or address, taken out of what the server says.
//!
//! The server knows its own names and puts them into its words: `permission denied`, a failed
//! cast of `current_user`, a NOTICE raised by a function. In every error and notice, and in the
//! parameters that hold free text, the client reads its own name for itself and for the resource
//! instead.
//!
//! A name counts where it stands as a word of its own, in any case, as it is or cut to what
//! PostgreSQL keeps of a name, bare or with its quotes doubled or escaped. What a statement makes
//! of the name is beyond this: in hexadecimal, in pieces, backwards or glued to other letters it
//! gets through, as it does in the rows of `select current_user`. That is the policy's to permit.
//! Nor is it a secret which word is replaced: whoever guesses the name sees the guess replaced.

mod spelling;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use self::spelling::{Name, spellings};
use crate::postgres::frame::{self, HEADER_BYTES};
use crate::postgres::mask::{Fields, is_severity};

/// How many bytes PostgreSQL keeps of a name.
const NAME_BYTES_MAX: usize = 63;

/// By how much all stand-ins together may lengthen one report: far more than honest words need,
/// and a report full of one-letter names does not grow to a multiple of itself.
const GROWTH_BYTES_MAX: usize = 64 << 10;

/// Stands for a name once a report has grown enough; no longer than any name.
const BRIEF: &[u8] = b"?";

/// Stands for the upstream's port.
const PORT: &str = "withheld";

/// Stands for a SQLSTATE that is a name: internal error.
const UNKNOWN_STATE: &[u8] = b"XX000";

/// What comes before a host or an address where a plain word is one.
const BEFORE_HOST: &[&[u8]] = &[
    b"server at \"",
    b"server at ",
    b"host name \"",
    b"host \"",
    b"host=",
    b"host='",
    b"hostaddr=",
    b"hostaddr='",
    b"\" (",
];

/// What comes before a port.
const BEFORE_PORT: &[&[u8]] = &[b"port ", b"port \"", b"port=", b"port='", b".s.pgsql."];

/// Parameters whose values are the server's own words, which drivers read: none of them can
/// name an account, and an account may be called like one of them (`postgres`).
const FIXED_PARAMETERS: &[&[u8]] = &[
    b"client_encoding",
    b"DateStyle",
    b"default_transaction_read_only",
    b"in_hot_standby",
    b"integer_datetimes",
    b"IntervalStyle",
    b"is_superuser",
    b"scram_iterations",
    b"server_encoding",
    b"server_version",
    b"standard_conforming_strings",
    b"TimeZone",
];

/// The names of an upstream, and what a client calls the same things.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamNames<'a> {
    /// The stored account, or the role of the session.
    pub account: &'a str,
    /// The role that the account acts as; empty where it acts as itself.
    pub template: &'a str,
    /// What the client called itself in its startup: stands for the account and the template.
    pub client: &'a str,
    /// The configured host.
    pub host: &'a str,
    /// The address the host turned out to have; empty where nobody knows.
    pub address: &'a str,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: &'a str,
    /// The resource: stands for host, address and database.
    pub resource: &'a str,
}

/// Finds the names of an upstream and puts the client's words in their place. The default knows
/// no names and changes nothing.
#[derive(Clone)]
pub struct Disguise {
    /// The longest first: of two that begin at the same place the longer one counts.
    names: Vec<Name>,
    /// Whether a name begins with this byte.
    begins: [bool; 256],
}

impl Default for Disguise {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            begins: [false; 256],
        }
    }
}

impl fmt::Debug for Disguise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the names.
        f.debug_struct("Disguise").finish_non_exhaustive()
    }
}

impl Disguise {
    /// Makes the disguise of an upstream for one client. Empty names are none, and what the
    /// client calls the same stays.
    #[must_use]
    pub fn new(names: &UpstreamNames<'_>) -> Self {
        let mut disguise = Self::default();
        let client = stand_in(names.client, "client");
        let resource = stand_in(names.resource, "resource");
        for role in [names.account, names.template] {
            if role != names.client {
                disguise.add_spellings(role, &client);
            }
        }
        if names.database != names.resource {
            disguise.add_spellings(names.database, &resource);
        }
        for host in [names.host, names.address] {
            disguise.add_host(host, names.port, &resource);
        }
        if names.port != 0 {
            let port = names.port.to_string();
            disguise.add(port.as_bytes(), &Arc::from(PORT.as_bytes()), BEFORE_PORT);
        }
        disguise
            .names
            .sort_by_key(|name| std::cmp::Reverse(name.bytes.len()));
        disguise
    }

    fn add_spellings(&mut self, name: &str, stand_in: &Arc<[u8]>) {
        for name in [name, &name.to_lowercase(), &name.to_uppercase()] {
            let kept = name.len().min(NAME_BYTES_MAX);
            // A server cuts where its encoding lets it, or where the bytes end.
            for length in [name.len(), name.floor_char_boundary(kept), kept] {
                for spelling in spellings(&name.as_bytes()[..length]) {
                    self.add(&spelling, stand_in, &[]);
                }
            }
        }
    }

    /// Adds a host or an address. A name without dots may be any word, and the machine's own
    /// address tells nothing: those count only where a host is spoken of.
    fn add_host(&mut self, host: &str, port: u16, stand_in: &Arc<[u8]>) {
        if host.is_empty() {
            return;
        }
        let loopback = host.starts_with("127.") || host == "::1";
        let behind = if host.contains(['.', ':']) && !loopback {
            &[]
        } else {
            BEFORE_HOST
        };
        self.add(host.as_bytes(), stand_in, behind);
        for place in [format!("{host}:{port}"), format!("[{host}]:{port}")] {
            self.add(place.as_bytes(), stand_in, &[]);
        }
    }

    fn add(&mut self, bytes: &[u8], stand_in: &Arc<[u8]>, behind: &'static [&'static [u8]]) {
        let Some(first) = bytes.first() else { return };
        let covers = |name: &Name| {
            name.bytes.eq_ignore_ascii_case(bytes) && (name.behind.is_empty() || name.behind == behind)
        };
        if self.names.iter().any(covers) {
            return;
        }
        self.begins[usize::from(first.to_ascii_lowercase())] = true;
        self.begins[usize::from(first.to_ascii_uppercase())] = true;
        self.names.push(Name {
            bytes: bytes.into(),
            stand_in: Arc::clone(stand_in),
            behind,
        });
    }

    /// Disguises the value of a parameter that the server reports.
    #[must_use]
    pub fn parameter<'a>(&self, name: &[u8], value: &'a [u8]) -> Cow<'a, [u8]> {
        if FIXED_PARAMETERS.contains(&name) || self.find(value, 0).is_none() {
            return Cow::Borrowed(value);
        }
        let (mut out, mut room) = (Vec::with_capacity(value.len()), GROWTH_BYTES_MAX);
        self.put(value, &mut room, &mut out);
        Cow::Owned(out)
    }

    /// Disguises the whole `ErrorResponse` or `NoticeResponse` that begins at `start` and ends
    /// `out`. Nothing is moved or allocated where it names nothing.
    ///
    /// What follows the last whole field is no part of a report, and goes.
    pub(super) fn cover_report(&self, out: &mut Vec<u8>, start: usize) {
        let body = &out[start + HEADER_BYTES..];
        let mut fields = Fields::of(body);
        let clean = fields.all(|(kind, value)| self.treatment(kind, value) == Treatment::Keep);
        if clean && fields.is_at_end() {
            return;
        }
        let report = out[start..].to_vec();
        out.truncate(start);
        let mut room = GROWTH_BYTES_MAX;
        frame::put(out, report[0], |out| {
            for (kind, value) in Fields::of(&report[HEADER_BYTES..]) {
                out.push(kind);
                match self.treatment(kind, value) {
                    Treatment::Keep => out.extend_from_slice(value),
                    Treatment::Replace => out.extend_from_slice(UNKNOWN_STATE),
                    Treatment::Disguise => self.put(value, &mut room, out),
                }
                out.push(0);
            }
            out.push(0);
        });
    }

    /// Decides what becomes of a report's field. Clients read some of them by rule, and as long
    /// as they follow it they are the server's own words.
    fn treatment(&self, kind: u8, value: &[u8]) -> Treatment {
        let own = match kind {
            b'S' | b'V' => is_severity(value),
            b'P' | b'p' | b'L' => value.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if own || self.find(value, 0).is_none() {
            Treatment::Keep
        } else if kind == b'C' {
            Treatment::Replace
        } else {
            Treatment::Disguise
        }
    }

    /// Appends `text` with every name replaced; `room` is how much it may still grow.
    fn put(&self, text: &[u8], room: &mut usize, out: &mut Vec<u8>) {
        let mut at = 0;
        while let Some((start, name)) = self.find(text, at) {
            out.extend_from_slice(&text[at..start]);
            let growth = name.stand_in.len().saturating_sub(name.bytes.len());
            if growth <= *room {
                *room -= growth;
                out.extend_from_slice(&name.stand_in);
            } else {
                out.extend_from_slice(BRIEF);
            }
            at = start + name.bytes.len();
        }
        out.extend_from_slice(&text[at..]);
    }

    /// Finds the first name in `text` from `at` on.
    fn find(&self, text: &[u8], at: usize) -> Option<(usize, &Name)> {
        // Most bytes are inside a word, where no name begins.
        let inside = |start: usize| {
            start > 0 && text[start - 1].is_ascii_alphanumeric() && text[start].is_ascii_alphanumeric()
        };
        (at..text.len())
            .filter(|&start| self.begins[usize::from(text[start])] && !inside(start))
            .find_map(|start| {
                let name = self.names.iter().find(|name| name.is_at(text, start))?;
                Some((start, name))
            })
    }
}

/// What becomes of a report's field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Treatment {
    Keep,
    Disguise,
    Replace,
}

/// Cuts a stand-in as PostgreSQL would cut a name, so that a client cannot make it long.
fn stand_in(name: &str, otherwise: &str) -> Arc<[u8]> {
    let name = if name.is_empty() { otherwise } else { name };
    let kept = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
    // A NUL would end a field early.
    kept.bytes()
        .map(|byte| if byte == 0 { b' ' } else { byte })
        .collect()
}

#[cfg(test)]
mod tests;
