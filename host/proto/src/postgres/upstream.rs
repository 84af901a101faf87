//! Logs in to the upstream with the stored credential, whatever the server tries.
//!
//! The credential is given only to a method that deserves it: SCRAM always, MD5 always (it
//! is a hash), clear text only inside verified TLS. Nothing the server says during login ever
//! reaches the client but its parameters.

use bytes::{BufMut as _, Bytes};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};

use super::frame::{self, Body, FrameError};

/// The most SCRAM iterations a server may ask of us: far above PostgreSQL's 4,096, far below
/// what would keep a thread busy for long.
pub const SCRAM_ITERATIONS_MAX: u32 = 100_000;

/// How many parameters a server may report at login; PostgreSQL 18 reports 15.
const PARAMETERS_MAX: usize = 256;

/// The cancel keys a server may issue, in bytes (protocol 3.2).
const KEY_BYTES: std::ops::RangeInclusive<usize> = 4..=256;

/// What the login needs to know.
pub struct Credential {
    /// The upstream's user.
    pub user: String,
    /// Its password, if one is configured.
    pub password: Option<String>,
    /// The upstream's database.
    pub database: String,
    /// Settings to send, already vetted.
    pub settings: Vec<(String, String)>,
    /// How far the connection itself is to be trusted.
    pub channel: Channel,
}

/// The connection that the login runs over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Channel {
    /// Plain text to this very machine.
    Loopback,
    /// Plain text, or TLS to a server that was not verified.
    Untrusted,
    /// TLS to a verified server; with the hash of its certificate where one is defined
    /// (RFC 5929, `tls-server-end-point`).
    Verified {
        /// The certificate's hash, for SCRAM-SHA-256-PLUS.
        end_point: Option<Vec<u8>>,
    },
}

/// Why the login failed. For the log; the client only learns that the upstream is not there.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The server broke the protocol.
    #[error("the server sent a malformed or unexpected message: {0}")]
    Protocol(&'static str),
    /// A frame was wrong.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The server refused us.
    #[error("the server refused the login: {sqlstate} {message}")]
    Refused {
        /// The server's code.
        sqlstate: String,
        /// The server's words; for the log only.
        message: String,
    },
    /// The server wants a method we do not do, or not over this connection.
    #[error("the server asks for {method}: {remedy}")]
    Method {
        /// The method.
        method: &'static str,
        /// What to change.
        remedy: &'static str,
    },
    /// The exchange went wrong: the server does not know the password, or meddles.
    #[error("SCRAM failed: {0}")]
    Scram(String),
    /// The database is not in UTF-8.
    #[error("the database's encoding is {0}; the gateway only works with UTF8")]
    Encoding(String),
}

/// What a login yields.
#[derive(Clone, Debug, Default)]
pub struct Established {
    /// The server's parameters in the order reported.
    pub parameters: Vec<(Bytes, Bytes)>,
    /// The server process.
    pub pid: i32,
    /// The key that cancels its statements. Never given to a client.
    pub secret: Bytes,
    /// How the server was convinced: a SASL mechanism's name, `md5`, `password`, or `trust`
    /// where it asked for nothing.
    pub method: &'static str,
}

/// The login as a machine: frames in, frames out, until [`Established`].
pub struct Login {
    credential: Credential,
    scram: Option<ScramSha256>,
    authenticated: bool,
    /// Whether the server has asked for the password in any way.
    challenged: bool,
    established: Established,
}

impl Login {
    /// Begins the login: appends the startup message.
    #[must_use]
    pub fn start(credential: Credential, out: &mut Vec<u8>) -> Self {
        let start = out.len();
        out.put_u32(0);
        out.put_i32(0x0003_0000);
        let pins = [("standard_conforming_strings", "on"), ("client_encoding", "UTF8")];
        let own = [
            ("user", credential.user.as_str()),
            ("database", credential.database.as_str()),
        ];
        let chosen = credential
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(chosen).chain(pins) {
            frame::put_string(out, name.as_bytes());
            frame::put_string(out, value.as_bytes());
        }
        out.put_u8(0);
        let length = u32::try_from(out.len() - start).expect("settings are bounded by the startup packet");
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        Self {
            credential,
            scram: None,
            authenticated: false,
            challenged: false,
            established: Established::default(),
        }
    }

    /// Takes in one whole frame; appends the answer, if any. `Some` ends the login.
    ///
    /// # Errors
    /// [`LoginError`]; the connection is then closed.
    pub fn handle(&mut self, frame: &[u8], out: &mut Vec<u8>) -> Result<Option<Established>, LoginError> {
        let mut body = Body::of(frame);
        match frame.first() {
            Some(b'R') => self.authentication(body, out).map(|()| None),
            Some(b'E') => Err(refused(body)),
            Some(b'N') => Ok(None),
            Some(b'S') if self.authenticated => self.parameter(body).map(|()| None),
            Some(b'K') if self.authenticated => {
                self.established.pid = body.i32()?;
                let secret = frame.get(frame::HEADER_BYTES + 4..).unwrap_or(&[]);
                if !KEY_BYTES.contains(&secret.len()) {
                    return Err(LoginError::Protocol("cancel key of impossible length"));
                }
                self.established.secret = Bytes::copy_from_slice(secret);
                Ok(None)
            }
            Some(b'Z') if self.authenticated => {
                let status = body.byte()?;
                body.end()?;
                if status != b'I' {
                    return Err(LoginError::Protocol("a new session that is not idle"));
                }
                self.check_complete()?;
                Ok(Some(std::mem::take(&mut self.established)))
            }
            Some(b'v') => Err(LoginError::Protocol("version negotiation for 3.0")),
            _ => Err(LoginError::Protocol("unexpected message during login")),
        }
    }

    /// What a server does not report cannot be known to be as we need it.
    fn check_complete(&self) -> Result<(), LoginError> {
        let needed = [
            "server_encoding",
            "client_encoding",
            "standard_conforming_strings",
        ];
        let reported = |needed: &&str| {
            let mut names = self.established.parameters.iter().map(|(name, _)| name);
            names.any(|name| name == needed.as_bytes())
        };
        if needed.iter().all(reported) {
            Ok(())
        } else {
            Err(LoginError::Protocol(
                "its encoding or the way it reads strings is not reported",
            ))
        }
    }

    fn authentication(&mut self, mut body: Body<'_>, out: &mut Vec<u8>) -> Result<(), LoginError> {
        if self.authenticated {
            return Err(LoginError::Protocol("authentication twice"));
        }
        let method = body.i32()?;
        // One method, once: no server asks again, and each answer costs something.
        if matches!(method, 3 | 5 | 10) && self.challenged {
            return Err(LoginError::Protocol("authentication asked for twice"));
        }
        self.challenged |= method != 0;
        match method {
            0 => self.accept(body),
            3 => self.clear_text(out),
            5 => {
                let salt: [u8; 4] = body.bytes(4)?.try_into().expect("four bytes were asked for");
                let hash = md5_hash(self.credential.user.as_bytes(), self.password()?.as_bytes(), salt);
                put_password(out, hash.as_bytes());
                self.established.method = "md5";
                Ok(())
            }
            10 => self.sasl(body, out),
            11 => self.sasl_continue(body, out),
            12 => self.sasl_final(body),
            7..=9 => Err(LoginError::Method {
                method: "GSSAPI or SSPI",
                remedy: "configure the server to ask the gateway's user for scram-sha-256",
            }),
            _ => Err(LoginError::Method {
                method: "an unknown authentication method",
                remedy: "configure the server to ask the gateway's user for scram-sha-256",
            }),
        }
    }

    fn accept(&mut self, body: Body<'_>) -> Result<(), LoginError> {
        body.end()?;
        if self.scram.is_some() {
            return Err(LoginError::Scram(
                "the server broke the exchange off without its proof".into(),
            ));
        }
        // Over a connection that anyone could have taken over, a server that does not even ask
        // for the password need not be the one we mean.
        if !self.challenged
            && self.credential.password.is_some()
            && self.credential.channel == Channel::Untrusted
        {
            return Err(LoginError::Method {
                method: "nothing at all",
                remedy: "configure the server to ask for scram-sha-256, or use sslmode=verify-full",
            });
        }
        if !self.challenged {
            self.established.method = "trust";
        }
        self.authenticated = true;
        Ok(())
    }

    fn clear_text(&mut self, out: &mut Vec<u8>) -> Result<(), LoginError> {
        if !matches!(self.credential.channel, Channel::Verified { .. }) {
            return Err(LoginError::Method {
                method: "the password in clear text",
                remedy: "use scram-sha-256 on the server, or sslmode=verify-full",
            });
        }
        put_password(out, self.password()?.as_bytes());
        self.established.method = "password";
        Ok(())
    }

    fn sasl(&mut self, mut body: Body<'_>, out: &mut Vec<u8>) -> Result<(), LoginError> {
        let (mut plain, mut plus) = (false, false);
        loop {
            match body.string()? {
                b"" => break,
                mechanism if mechanism == SCRAM_SHA_256.as_bytes() => plain = true,
                mechanism if mechanism == SCRAM_SHA_256_PLUS.as_bytes() => plus = true,
                _ => {}
            }
        }
        body.end()?;
        let (mechanism, binding) = match &self.credential.channel {
            Channel::Verified {
                end_point: Some(hash),
            } if plus => (
                SCRAM_SHA_256_PLUS,
                ChannelBinding::tls_server_end_point(hash.clone()),
            ),
            // The server did not offer binding although we could: says so, so that an attacker
            // who took the offer away is found out.
            Channel::Verified { end_point: Some(_) } if plain => {
                (SCRAM_SHA_256, ChannelBinding::unrequested())
            }
            _ if plain => (SCRAM_SHA_256, ChannelBinding::unsupported()),
            _ => {
                return Err(LoginError::Method {
                    method: "a SASL mechanism other than SCRAM-SHA-256",
                    remedy: "configure the server to ask the gateway's user for scram-sha-256",
                });
            }
        };
        let scram = ScramSha256::new(self.password()?.as_bytes(), binding);
        frame::put(out, b'p', |body| {
            frame::put_string(body, mechanism.as_bytes());
            let message = scram.message();
            body.put_i32(i32::try_from(message.len()).expect("a SCRAM message is short"));
            body.extend_from_slice(message);
        });
        self.scram = Some(scram);
        self.established.method = mechanism;
        Ok(())
    }

    fn sasl_continue(&mut self, body: Body<'_>, out: &mut Vec<u8>) -> Result<(), LoginError> {
        let challenge = body.remaining();
        if iterations(challenge).is_none_or(|count| !(1..=SCRAM_ITERATIONS_MAX).contains(&count)) {
            return Err(LoginError::Scram(format!(
                "the server asks for an iteration count outside 1 to {SCRAM_ITERATIONS_MAX}"
            )));
        }
        let scram = self
            .scram
            .as_mut()
            .ok_or(LoginError::Protocol("SASL out of turn"))?;
        scram
            .update(challenge)
            .map_err(|e| LoginError::Scram(e.to_string()))?;
        frame::put(out, b'p', |body| body.extend_from_slice(scram.message()));
        Ok(())
    }

    fn sasl_final(&mut self, body: Body<'_>) -> Result<(), LoginError> {
        let proof = body.remaining();
        let mut scram = self
            .scram
            .take()
            .ok_or(LoginError::Protocol("SASL out of turn"))?;
        scram.finish(proof).map_err(|e| LoginError::Scram(e.to_string()))
    }

    fn parameter(&mut self, mut body: Body<'_>) -> Result<(), LoginError> {
        let (name, value) = (body.string()?, body.string()?);
        body.end()?;
        if self.established.parameters.len() >= PARAMETERS_MAX {
            return Err(LoginError::Protocol("too many parameters"));
        }
        let utf8 = value.eq_ignore_ascii_case(b"UTF8");
        if (name == b"server_encoding" || name == b"client_encoding") && !utf8 {
            return Err(LoginError::Encoding(String::from_utf8_lossy(value).into_owned()));
        }
        if name == b"standard_conforming_strings" && value != b"on" {
            return Err(LoginError::Protocol(
                "standard_conforming_strings cannot be turned on",
            ));
        }
        self.established
            .parameters
            .push((Bytes::copy_from_slice(name), Bytes::copy_from_slice(value)));
        Ok(())
    }

    fn password(&self) -> Result<&str, LoginError> {
        self.credential.password.as_deref().ok_or(LoginError::Method {
            method: "a password",
            remedy: "set login.password of the resource",
        })
    }
}

fn put_password(out: &mut Vec<u8>, password: &[u8]) {
    frame::put(out, b'p', |body| {
        body.extend_from_slice(password);
        body.put_u8(0);
    });
}

/// Reads the iteration count of a SCRAM server-first message.
fn iterations(challenge: &[u8]) -> Option<u32> {
    let count = challenge
        .split(|&b| b == b',')
        .find_map(|part| part.strip_prefix(b"i="))?;
    std::str::from_utf8(count).ok()?.parse().ok()
}

fn refused(mut body: Body<'_>) -> LoginError {
    let (mut sqlstate, mut message) = (String::new(), String::new());
    while let Ok(code) = body.byte()
        && code != 0
        && let Ok(text) = body.string()
    {
        let text = || String::from_utf8_lossy(&text[..text.len().min(500)]).into_owned();
        match code {
            b'C' => sqlstate = text(),
            b'M' => message = text(),
            _ => {}
        }
    }
    LoginError::Refused { sqlstate, message }
}

#[cfg(test)]
mod tests;
