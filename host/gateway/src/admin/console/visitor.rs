//! Who looks at a page: whoever the session behind the cookie is of.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::Method;
use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use model::Principal;
use sha2::{Digest as _, Sha256};
use url::form_urlencoded::{byte_serialize, parse};

use super::Console;
use super::cookie::Cookie;
use super::settings::Settings;
use super::shell::{Person, Shell};
use super::text::Text;
use crate::admin::problem::Problem;
use crate::state::{CookieHash, StateError};

/// The header with which a browser says what an answer is for: `empty` where a script asks.
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) principal: Arc<Principal>,
    /// Until when, in microseconds of Unix time.
    pub(crate) ends_us: u64,
    /// What every form of this session carries.
    pub(crate) token: String,
}

impl Visitor {
    /// Returns whose session a cookie is. It counts as used, unless it is a page that asks by
    /// itself: an open inbox must not keep anybody logged in.
    ///
    /// # Errors
    /// What is remembered can't be read.
    pub(crate) async fn of(
        console: &Console,
        headers: &HeaderMap,
        now_us: u64,
    ) -> Result<Option<Self>, Problem> {
        let Some(cookie) = Cookie::Session.read(headers, &console.config) else {
            return Ok(None);
        };
        let (state, id) = (&console.state, CookieHash::of(cookie));
        let broken = |error: StateError| Problem::broken("the session could not be read", &error);
        let session = state.console_session(id, now_us).await.map_err(broken)?;
        let by_itself = headers
            .get(SEC_FETCH_DEST)
            .is_some_and(|kind| kind.as_bytes() == b"empty");
        if session.is_some() && !by_itself {
            state.note_console_use(id, now_us).await.map_err(broken)?;
        }
        Ok(session.map(|session| Self {
            principal: Arc::new(session.principal),
            ends_us: session.ends_us,
            token: form_token(cookie),
        }))
    }
}

/// Returns what the forms of a cookie's session carry. Whoever sees it can't tell the cookie.
pub(crate) fn form_token(cookie: &str) -> String {
    hex::encode(Sha256::digest(format!("tidegate form\0{cookie}")))
}

/// The parameters of an address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn read(text: &str) -> Self {
        let pairs = parse(text.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned()));
        Self(pairs.collect())
    }

    /// Returns a parameter's first value, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }
}

/// Everything a page knows of the one who looks at it, and of itself.
#[derive(Clone, Debug)]
pub(crate) struct Here {
    pub(crate) visitor: Visitor,
    pub(crate) settings: Settings,
    /// The page's own path and query.
    pub(crate) address: String,
    pub(crate) parameters: Parameters,
}

impl Here {
    /// Returns the surroundings of a page for this visitor.
    pub(crate) async fn shell(&self, console: &Console, title: &str) -> Shell {
        Shell {
            person: Some(Person {
                name: Text::line(&self.visitor.principal.subject),
            }),
            path: self.address.clone(),
            token: self.visitor.token.clone(),
            waiting: super::answering::waiting(console, &self.visitor).await,
            ..Shell::of(title, self.settings)
        }
    }

    /// Returns this page's address with one parameter changed.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let path = self.address.split('?').next().unwrap_or_default();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (own, given) in &self.parameters.0 {
            if own != name && !given.is_empty() {
                query.append_pair(own, given);
            }
        }
        query.append_pair(name, value);
        format!("{path}?{}", query.finish())
    }
}

impl FromRequestParts<Console> for Here {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Response> {
        let uri = parts.uri.clone();
        let address = uri
            .path_and_query()
            .map_or_else(|| "/console".to_owned(), ToString::to_string);
        let Some(visitor) = parts.extensions.get::<Visitor>().cloned() else {
            return Err(away(&parts.method, &address));
        };
        Ok(Self {
            visitor,
            settings: parts.extensions.get().copied().unwrap_or_default(),
            parameters: Parameters::read(uri.query().unwrap_or_default()),
            address,
        })
    }
}

/// Sends whoever is not logged in to where they can, to come back to the page.
fn away(method: &Method, address: &str) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let over = "You are not signed in, or not any more. Nothing was done.";
        return Problem::new(http::StatusCode::FORBIDDEN, "signed-out", over)
            .hint("Sign in again, then do it once more.")
            .into_response();
    }
    let to: String = byte_serialize(address.as_bytes()).collect();
    Redirect::to(&format!("/console/signin?to={to}")).into_response()
}
