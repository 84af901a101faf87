//! Forms: only those of this console, sent in the session they were made for.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, HeaderName, ORIGIN};
use http::{HeaderMap, StatusCode};
use subtle::ConstantTimeEq as _;

use super::Console;
use super::visitor::Here;
use crate::admin::problem::Problem;

/// The header with which a browser says where a request comes from. Pages can't set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How many fields a form may have: more than any of ours.
const FIELDS_MAX: usize = 64;

/// A form that somebody sent, and who.
pub(crate) struct Form {
    pub(crate) here: Here,
    fields: Vec<(String, String)>,
}

impl Form {
    /// Returns a field that stands once, without the spaces around it.
    ///
    /// # Errors
    /// It is not there, or twice.
    pub(crate) fn one(&self, name: &'static str) -> Result<&str, Problem> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value.trim()),
            _ => Err(Problem::bad_request(
                "invalid-form",
                format!("the form must have one field “{name}”"),
            )),
        }
    }

    /// Returns a field that stands once and is not empty.
    ///
    /// # Errors
    /// It is not there, empty, or twice.
    pub(crate) fn filled(&self, name: &'static str) -> Result<&str, Problem> {
        let value = self.one(name)?;
        if value.is_empty() {
            return Err(Problem::bad_request(
                "invalid-form",
                format!("“{name}” must be filled in"),
            ));
        }
        Ok(value)
    }

    /// Returns all values of a field.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name = self.fields.iter().filter(move |(own, _)| own == name);
        of_name.map(|(_, value)| value.as_str())
    }
}

impl FromRequest<Console> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let here = Here::from_request_parts(&mut parts, console).await?;
        let headers = parts.headers.clone();
        let bytes = Bytes::from_request(Request::from_parts(parts, body), console).await;
        let bytes = bytes.map_err(|rejection| {
            let status = rejection.into_response().status();
            Problem::new(status, "invalid-form", "the form could not be read").into_response()
        })?;
        let fields = read(&headers, &bytes).map_err(Problem::into_response)?;
        let form = Self { here, fields };
        form.check_token().map_err(Problem::into_response)?;
        Ok(form)
    }
}

impl Form {
    fn check_token(&self) -> Result<(), Problem> {
        let token = self.one("token").unwrap_or_default();
        if bool::from(token.as_bytes().ct_eq(self.here.visitor.token.as_bytes())) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "stale-form",
            "This form belongs to another session. Nothing was done.",
        )
        .hint("Load the page again, then send it once more."))
    }
}

fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let essence = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next());
    if essence.map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-a-form",
            "a form is expected",
        ));
    }
    let fields: Vec<_> = url::form_urlencoded::parse(bytes)
        .take(FIELDS_MAX + 1)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    if fields.len() > FIELDS_MAX {
        return Err(Problem::bad_request(
            "invalid-form",
            "the form has too many fields",
        ));
    }
    Ok(fields)
}

/// Whether a request that changes something comes from a page of this console: as the browser
/// says, or from the origin it names. A request that says neither is no browser's, and programs
/// use the API.
pub(crate) fn is_ours(headers: &HeaderMap, url: &str) -> bool {
    let one = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        (values.next(), values.next().is_some())
    };
    match (one(&SEC_FETCH_SITE), one(&ORIGIN)) {
        ((_, true), _) | (_, (_, true)) => false,
        ((Some(site), _), _) => site.as_bytes() == b"same-origin",
        ((None, _), (Some(origin), _)) => origin.as_bytes() == url.as_bytes(),
        ((None, _), (None, _)) => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_page_of_this_console_changes_anything() {
        const URL: &str = "https://tidegate.example.com";
        let of = |pairs: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name.clone(), HeaderValue::from_static(value));
            }
            is_ours(&headers, URL)
        };
        assert!(of(&[(SEC_FETCH_SITE, "same-origin")]));
        assert!(of(&[(ORIGIN, URL)]));
        for pairs in [
            &[][..],
            &[(SEC_FETCH_SITE, "same-site")],
            &[(SEC_FETCH_SITE, "cross-site"), (ORIGIN, URL)],
            &[(SEC_FETCH_SITE, "none")],
            &[(SEC_FETCH_SITE, "same-origin"), (SEC_FETCH_SITE, "cross-site")],
            &[(ORIGIN, "null")],
            &[(ORIGIN, "https://tidegate.example.com.evil.example")],
            &[(ORIGIN, "http://tidegate.example.com")],
            &[(ORIGIN, "https://tidegate.example.com:8443")],
        ] {
            assert!(!of(pairs), "{pairs:?}");
        }
    }
}
