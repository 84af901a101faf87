//! What the Model Context Protocol asks of the road that every request takes.
//!
//! Servers of the revisions before 2026-07-28 name sessions. A client gets such a name sealed, and
//! for its own principal on this resource alone: what another principal, or another resource, would
//! make of it is nothing. The seal's key lives as long as the gateway; after a new start clients
//! begin a new session, as the protocol has it.

use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::{Method, StatusCode};
use model::{Facts, Fault, Refusal, Rule, Verdict};
use proto::http::admit::Admitted;
use proto::http::mcp::{Call, CallError, List, METHOD_HEADER, NAME_HEADER, SESSION_HEADER};
use proto::http::rejection::Rejection;

use super::visit::Visit;
use crate::gate::Reading;
use crate::identity::json;
use crate::services::random;

/// The bytes of a nonce, which stands before what is sealed.
const NONCE_BYTES: usize = 12;

/// The longest name of a session that a server gives, in bytes.
const SESSION_BYTES_MAX: usize = 1_024;

static SEAL: LazyLock<Option<RandomizedNonceKey>> = LazyLock::new(|| {
    let key: [u8; 32] = random();
    RandomizedNonceKey::new(&AES_256_GCM, &key).ok()
});

/// Checks what can be told without the body. Pages of other sites may reach a server on this
/// network through somebody's browser; nothing here is for them.
pub(super) fn check(admitted: &Admitted) -> Result<(), Rejection> {
    if admitted.header(&ORIGIN).is_some() {
        let message = "pages of web sites are not let through to this resource";
        return Err(Rejection::new(StatusCode::FORBIDDEN, "origin", message));
    }
    match admitted.method {
        Method::POST | Method::GET | Method::DELETE => Ok(()),
        _ => {
            let message = format!(
                "{} is not a method of the Model Context Protocol",
                admitted.method
            );
            Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method", message))
        }
    }
}

/// Reads the message of a POST.
pub(super) fn call(admitted: &Admitted, body: &[u8]) -> Result<Call, Refusal> {
    let refuse = |error: CallError| {
        let message = format!("the message cannot be judged: {error}");
        Refusal::new(Rule::Unparsable, Fault::Client, message).hint("send one message of JSON-RPC 2.0")
    };
    let document = json::document(body).ok_or_else(|| refuse(CallError::Form))?;
    let call = Call::of(&document).map_err(refuse)?;
    let header = |name: &'static str| {
        let value = admitted.header(&HeaderName::from_static(name));
        value.map(|value| value.to_str().unwrap_or("\u{fffd}").to_owned())
    };
    let (method, name) = (header(METHOD_HEADER), header(NAME_HEADER));
    call.agrees(method.as_deref(), name.as_deref()).map_err(refuse)?;
    Ok(call)
}

/// What becomes of a list on its way to a client.
pub(super) struct Cut {
    pub(super) list: List,
    /// Those of the request.
    pub(super) facts: Facts,
    pub(super) is_stream: bool,
    /// The longest answer that is kept for it, in bytes.
    pub(super) max: usize,
    pub(super) visit: std::sync::Arc<Visit>,
    pub(super) kept: Vec<u8>,
}

impl Cut {
    /// Keeps a piece; `false` if there is too much.
    pub(super) fn keep(&mut self, piece: &[u8]) -> bool {
        self.kept.extend_from_slice(piece);
        self.kept.len() <= self.max
    }

    /// Returns the answer, cut to what may be called; `None` if it cannot be read.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        let (visit, gate) = (&self.visit, &self.visit.services.gate);
        self.list
            .cut(&self.kept, self.is_stream, &self.facts, |text, facts| {
                let reading = Reading {
                    text,
                    facts,
                    refusal: None,
                    key: None,
                };
                let judged = gate.judge_plain(&visit.asker, &visit.upstream.aim(), reading);
                !matches!(judged.verdict, Verdict::Refuse(_))
            })
    }
}

/// For whom a session's name is sealed.
fn of(visit: &Visit) -> Vec<u8> {
    let (principal, resource) = (visit.asker.principal.key(), visit.upstream.name.as_str());
    format!("{}\0{principal}\0{resource}", principal.len()).into_bytes()
}

/// Puts a sealed name in the place of the server's.
pub(super) fn seal(visit: &Visit, headers: &mut HeaderMap) {
    let name = HeaderName::from_static(SESSION_HEADER);
    let Some(session) = headers.remove(&name) else {
        return;
    };
    if session.len() > SESSION_BYTES_MAX {
        return;
    }
    let mut sealed = session.as_bytes().to_vec();
    let nonce = SEAL.as_ref().and_then(|key| {
        key.seal_in_place_append_tag(Aad::from(of(visit)), &mut sealed)
            .ok()
    });
    let text = nonce.map(|nonce| URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat()));
    // Without a seal there is no session: the client begins another.
    if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(name, value);
    }
}

/// Puts the server's own name of a session in the place of the sealed one.
pub(super) fn unseal(visit: &Visit, headers: &mut HeaderMap) -> Result<(), Rejection> {
    let name = HeaderName::from_static(SESSION_HEADER);
    let Some(sealed) = headers.get(&name) else {
        return Ok(());
    };
    let unknown = || {
        let message = "there is no such session of yours here: begin another";
        Rejection::new(StatusCode::NOT_FOUND, "session", message)
    };
    let sealed = URL_SAFE_NO_PAD.decode(sealed.as_bytes()).map_err(|_| unknown())?;
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(unknown)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unknown())?;
    let mut session = sealed.to_vec();
    let opened = SEAL
        .as_ref()
        .and_then(|key| key.open_in_place(nonce, Aad::from(of(visit)), &mut session).ok());
    let value = opened.and_then(|session| HeaderValue::from_bytes(session).ok());
    headers.insert(name, value.ok_or_else(unknown)?);
    Ok(())
}
