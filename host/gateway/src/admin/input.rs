//! What comes with a request, taken strictly: what is not understood is refused, not ignored.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::IntoResponse as _;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use model::{ApprovalId, GrantId, LockId, SessionId};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::Site;
use super::problem::Problem;

/// A JSON body.
pub(crate) struct Content<T> {
    /// What it says.
    pub(crate) value: T,
    /// SHA-256 of its bytes.
    pub(crate) digest: [u8; 32],
}

impl<T: DeserializeOwned> FromRequest<Site> for Content<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "the body is expected as application/json",
            ));
        }
        let bytes = Bytes::from_request(request, site).await.map_err(|rejection| {
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too-large",
                    "the body is larger than is taken here",
                ),
                _ => Problem::bad_request("unreadable-body", "the body could not be read"),
            }
        })?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Self {
                value,
                digest: Sha256::digest(&bytes).into(),
            }),
            Err(error) => Err(Problem::bad_request("invalid-body", error.to_string())),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The parameters after the path's `?`.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Site> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Site) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(parameters)| Self(parameters))
            .map_err(|rejection| Problem::bad_request("invalid-parameters", rejection.body_text()))
    }
}

/// The id in the path. What is no id names nothing.
pub(crate) struct Id<T>(pub(crate) T);

/// An id that can stand in a path.
pub(crate) trait PathId: Sized {
    /// What it is the id of.
    const OF: &str;

    fn read(text: &str) -> Option<Self>;
}

macro_rules! path_id {
    ($($id:ty => $of:literal),*) => {$(
        impl PathId for $id {
            const OF: &str = $of;

            fn read(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    )*};
}

path_id! {
    ApprovalId => "approval",
    GrantId => "grant",
    LockId => "lock",
    SessionId => "session"
}

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| T::read(&text));
        id.map(Self).ok_or_else(|| Problem::not_found(T::OF))
    }
}
