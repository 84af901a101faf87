//! How the API says no: RFC 9457 problem details, one shape for everything that can be wrong.
//!
//! What a problem carries is for whoever asked, and for nobody's curiosity: no address, no path
//! of this machine, no error of a library. The log has those.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use model::{Refusal, Rule};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of problems.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// Why a request is not answered as it was meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// A stable word, e.g. `policy-denied`.
    pub(crate) code: &'static str,
    /// One sentence.
    pub(crate) detail: String,
    /// What can be done instead.
    pub(crate) hint: Option<String>,
    /// The policies that forbade it.
    pub(crate) policies: Vec<String>,
    /// Hardly ever any, and large: a problem is the error of every handler.
    pub(crate) headers: Box<HeaderMap>,
}

/// A problem as it is sent.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The status in words.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// One sentence for whoever asked.
    pub(crate) detail: String,
    /// The path that was asked for.
    pub(crate) instance: String,
    /// A stable word for programs, e.g. `policy-denied`.
    pub(crate) code: String,
    /// What can be done instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// The policies that forbade it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<String>,
    /// What the operator finds this request by in the log.
    pub(crate) request_id: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            hint: None,
            policies: Vec::new(),
            headers: Box::default(),
        }
    }

    /// There is no such thing, or whoever asks may not know of it: the answer is the same.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            format!("there is no such {what}, or you may not see it"),
        )
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// It was asked too often, and may be again in `wait` seconds.
    pub(crate) fn too_often(detail: impl Into<String>, wait: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail)
            .hint(format!("try again in {wait} s"))
            .header(RETRY_AFTER, HeaderValue::from(wait))
    }

    /// The gateway failed; `error` goes to the log only.
    pub(crate) fn broken(what: &'static str, error: &dyn std::error::Error) -> Self {
        let mut causes = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push_str(": ");
            causes.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(error = causes, "{what}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", what)
            .hint("the operator finds the reason in the gateway's log")
    }

    /// Adds what can be done instead.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a header to the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Returns the problem as it is sent to whoever asked for `instance`.
    pub(crate) fn body(&self, instance: &str, request_id: &str) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:tidegate:problem:{}", self.code),
            title: self
                .status
                .canonical_reason()
                .unwrap_or("Unknown status")
                .to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
            code: self.code.to_owned(),
            hint: self.hint.clone(),
            policies: self.policies.clone(),
            request_id: request_id.to_owned(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.rule {
            Rule::JournalUnavailable | Rule::PolicyError | Rule::ClassifierFailed | Rule::MaskerFailed => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::FORBIDDEN,
        };
        Self {
            hint: refusal.hint.map(std::borrow::Cow::into_owned),
            policies: refusal.policies,
            ..Self::new(status, refusal.rule.label(), refusal.message)
        }
    }
}

/// Without its path and its number; [`complete`] adds both.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem that a response carries into its body.
pub(crate) fn complete(mut response: Response, instance: &str, request_id: &str) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    // Texts and a number always serialise.
    let body = serde_json::to_vec(&problem.body(instance, request_id)).unwrap_or_default();
    response.headers_mut().extend(*problem.headers);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
    *response.body_mut() = Body::from(body);
    response
}
