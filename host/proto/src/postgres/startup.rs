//! What a client may say before it has a session: encryption requests, cancels, its startup
//! parameters and its password. Everything here is bounded and comes from nobody we know.

use std::collections::BTreeMap;

use bytes::{BufMut as _, BytesMut};

use super::frame::{self, Body};

/// The longest first packet, in bytes (`MAX_STARTUP_PACKET_LENGTH`).
pub const STARTUP_BYTES_MAX: usize = 10_000;

/// The longest password message, in bytes: PostgreSQL's own limit (`PG_MAX_AUTH_TOKEN_LENGTH`).
/// Longer than any token we accept, so that a long token meets the verifier's clear reason.
pub const PASSWORD_BYTES_MAX: usize = 65_535;

const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;

/// What a client's first packet asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FirstPacket {
    /// To cancel another session's statement.
    Cancel {
        /// The process id of that session.
        pid: i32,
        /// Its secret: 4 bytes in protocol 3.0, up to 256 in 3.2.
        secret: Vec<u8>,
    },
    /// To encrypt by GSSAPI, which is always declined.
    Gss,
    /// To begin TLS.
    Ssl,
    /// To begin a session.
    Startup(Startup),
}

/// A client's startup message, as sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Startup {
    /// The minor version asked for; the major is 3.
    pub minor: u16,
    /// The parameters; of duplicates the last, as PostgreSQL does it.
    pub parameters: BTreeMap<String, String>,
    /// Protocol options (`_pq_.…`), none of which we know.
    pub protocol_options: Vec<String>,
}

/// Why a client got no further than its first packets.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StartupError {
    /// The bytes are no PostgreSQL packet.
    #[error("invalid startup packet")]
    Malformed,
    /// The major version is not 3.
    #[error("unsupported frontend protocol {major}.{minor}: the gateway speaks 3.0 and 3.2")]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// No user name was given.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// A parameter may not be set through the gateway.
    #[error("startup parameter \"{0}\" may not be set through the gateway")]
    Parameter(String),
    /// A parameter has a value that may not be set through the gateway.
    #[error("startup parameter \"{name}\" may not have this value through the gateway: {allowed}")]
    Value {
        /// The parameter.
        name: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Replication would go round every mask.
    #[error("replication connections are not allowed through the gateway")]
    Replication,
}

impl StartupError {
    /// Returns the SQLSTATE that PostgreSQL uses for the like.
    #[must_use]
    pub const fn sqlstate(&self) -> &'static str {
        match self {
            Self::Malformed => "08P01",
            Self::Version { .. } | Self::Replication => "0A000",
            Self::NoUser => "28000",
            Self::Parameter(_) | Self::Value { .. } => "22023",
        }
    }
}

/// Takes a client's first packet off `input`; `None` while it is incomplete.
///
/// # Errors
/// [`StartupError::Malformed`] or [`StartupError::Version`]; the connection is then closed.
pub fn first_packet(input: &mut BytesMut) -> Result<Option<FirstPacket>, StartupError> {
    let Some(&[a, b, c, d]) = input.first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if !(8..=STARTUP_BYTES_MAX).contains(&length) {
        return Err(StartupError::Malformed);
    }
    if input.len() < length {
        return Ok(None);
    }
    let packet = input.split_to(length);
    let (code, rest) = packet[4..]
        .split_first_chunk::<4>()
        .ok_or(StartupError::Malformed)?;
    match i32::from_be_bytes(*code) {
        SSL_REQUEST if rest.is_empty() => Ok(Some(FirstPacket::Ssl)),
        GSS_REQUEST if rest.is_empty() => Ok(Some(FirstPacket::Gss)),
        SSL_REQUEST | GSS_REQUEST => Err(StartupError::Malformed),
        CANCEL_REQUEST => cancel(rest).map(Some),
        code => startup(code, rest).map(FirstPacket::Startup).map(Some),
    }
}

fn cancel(rest: &[u8]) -> Result<FirstPacket, StartupError> {
    let (pid, secret) = rest.split_first_chunk::<4>().ok_or(StartupError::Malformed)?;
    if !(4..=256).contains(&secret.len()) {
        return Err(StartupError::Malformed);
    }
    Ok(FirstPacket::Cancel {
        pid: i32::from_be_bytes(*pid),
        secret: secret.to_vec(),
    })
}

fn startup(code: i32, rest: &[u8]) -> Result<Startup, StartupError> {
    let [a, b, c, d] = code.to_be_bytes();
    let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    if major != 3 {
        return Err(StartupError::Version { major, minor });
    }
    let mut parameters = BTreeMap::new();
    let mut protocol_options = Vec::new();
    let mut strings = rest.split(|&byte| byte == 0);
    loop {
        let name = strings.next().ok_or(StartupError::Malformed)?;
        if name.is_empty() {
            break;
        }
        let value = strings.next().ok_or(StartupError::Malformed)?;
        let name = std::str::from_utf8(name).map_err(|_| StartupError::Malformed)?;
        if name.starts_with("_pq_.") {
            protocol_options.push(name.to_owned());
        } else {
            // PostgreSQL replaces what is not ASCII in an application name; nothing else that
            // we let through may hold any.
            parameters.insert(name.to_owned(), String::from_utf8_lossy(value).into_owned());
        }
    }
    // The terminator is the last byte: what `split` yields after it is one empty piece.
    if strings.next() != Some(&[]) || strings.next().is_some() {
        return Err(StartupError::Malformed);
    }
    Ok(Startup {
        minor,
        parameters,
        protocol_options,
    })
}

/// The settings a client may choose at startup, in lower case. Anything else could change how
/// statements are read, who runs them or what is logged.
const SETTINGS_ALLOWED: &[&str] = &[
    "application_name",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "statement_timeout",
    "timezone",
    "transaction_timeout",
];

impl Startup {
    /// Returns the user name.
    ///
    /// # Errors
    /// [`StartupError::NoUser`] where it is missing or empty.
    pub fn user(&self) -> Result<&str, StartupError> {
        self.parameters
            .get("user")
            .map(String::as_str)
            .filter(|u| !u.is_empty())
            .ok_or(StartupError::NoUser)
    }

    /// Returns the database asked for: by default the user's name, as PostgreSQL does it.
    ///
    /// # Errors
    /// [`StartupError::NoUser`].
    pub fn database(&self) -> Result<&str, StartupError> {
        match self.parameters.get("database").map(String::as_str) {
            Some(database) if !database.is_empty() => Ok(database),
            _ => self.user(),
        }
    }

    /// Returns the settings that may go upstream.
    ///
    /// # Errors
    /// Names the first parameter that may not be set through the gateway.
    pub fn settings(&self) -> Result<Vec<(String, String)>, StartupError> {
        let mut settings = Vec::new();
        for (name, value) in &self.parameters {
            match name.as_str() {
                "user" | "database" => {}
                "replication" => {
                    if !matches!(value.as_str(), "" | "0" | "false" | "off" | "no") {
                        return Err(StartupError::Replication);
                    }
                }
                "options" => {
                    for (name, value) in split_options(value)? {
                        settings.extend(vet(&name, &value)?);
                    }
                }
                name => settings.extend(vet(name, value)?),
            }
        }
        Ok(settings)
    }

    /// Returns the minor version that both sides speak.
    ///
    /// 3.1 was never released; a client that asks for it gets 3.0.
    #[must_use]
    pub const fn negotiated_minor(&self) -> u16 {
        if self.minor >= 2 { 2 } else { 0 }
    }

    /// Appends a `NegotiateProtocolVersion` message if the client asked for more than we have.
    pub fn negotiate(&self, out: &mut Vec<u8>) {
        if self.minor == self.negotiated_minor() && self.protocol_options.is_empty() {
            return;
        }
        frame::put(out, b'v', |body| {
            body.put_i32(0x0003_0000 | i32::from(self.negotiated_minor()));
            // Bounded by the packet's own limit of 10,000 bytes.
            body.put_i32(i32::try_from(self.protocol_options.len()).unwrap_or(0));
            for option in &self.protocol_options {
                frame::put_string(body, option.as_bytes());
            }
        });
    }
}

/// Checks one setting; `None` where our own pin already says the same.
fn vet(name: &str, value: &str) -> Result<Option<(String, String)>, StartupError> {
    let lower = name.to_ascii_lowercase();
    if lower == "client_encoding" {
        return if is_utf8(value) {
            Ok(None)
        } else {
            Err(StartupError::Value {
                name: lower,
                allowed: "only UTF8",
            })
        };
    }
    if !SETTINGS_ALLOWED.contains(&lower.as_str()) {
        return Err(StartupError::Parameter(name.chars().take(64).collect()));
    }
    Ok(Some((lower, value.to_owned())))
}

/// Compares an encoding name as PostgreSQL does: only letters and digits count.
fn is_utf8(value: &str) -> bool {
    let letters: String = value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    matches!(letters.as_str(), "utf8" | "unicode")
}

/// Splits the `options` parameter by PostgreSQL's own rules (`pg_split_opts`) into settings.
fn split_options(options: &str) -> Result<Vec<(String, String)>, StartupError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            // `isspace` of C counts the vertical tab, Rust's function does not.
            c if c.is_ascii_whitespace() || c == '\x0b' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);

    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let assignment = match word.as_str() {
            "-c" => words
                .next()
                .ok_or_else(|| StartupError::Parameter("options".into()))?,
            other => match other.strip_prefix("--").or_else(|| other.strip_prefix("-c")) {
                Some(assignment) => assignment.to_owned(),
                None => return Err(StartupError::Parameter("options".into())),
            },
        };
        let (name, value) = assignment
            .split_once('=')
            .ok_or_else(|| StartupError::Parameter("options".into()))?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// Reads a password message; the caller has split it off and wipes it afterwards.
///
/// # Errors
/// [`StartupError::Malformed`] for anything but one NUL-terminated UTF-8 string.
pub fn password(message: &[u8]) -> Result<&str, StartupError> {
    let mut body = Body::of(message);
    let password = body.string().map_err(|_| StartupError::Malformed)?;
    body.end().map_err(|_| StartupError::Malformed)?;
    std::str::from_utf8(password).map_err(|_| StartupError::Malformed)
}

#[cfg(test)]
mod tests;
