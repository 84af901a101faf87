//! Answers of the gateway's own: problem documents (RFC 9457) that say which rule and what to do.

mod challenge;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use model::{Fault, Refusal, Rule};
use serde_json::{Map, Value};

use super::rejection::Rejection;

pub use challenge::{Challenge, TokenFault};

/// The header with which a client sends an operation again once it was approved.
pub static APPROVAL_HEADER: HeaderName = HeaderName::from_static("approval-id");

/// An answer that is complete: the driver adds nothing but framing.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// The headers, without `Content-Length`.
    pub headers: HeaderMap,
    /// The document, `application/problem+json`.
    pub body: Vec<u8>,
}

/// What only the driver knows of the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The operation's id, by which the journal knows it.
    pub operation: Option<&'a str>,
    /// Until when the approval can be had or used, as RFC 3339 has it.
    pub expires_at: Option<&'a str>,
    /// Where people answer.
    pub approval_url: Option<&'a str>,
    /// After how many seconds it is worth to ask again.
    pub retry_after: Option<u64>,
    /// Where a client without a valid token gets one.
    pub challenge: Challenge<'a>,
}

/// Why there is no answer of the upstream's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum UpstreamFault {
    /// It could not be reached; the request was not sent.
    Unreachable,
    /// It did not answer in time; what became of the request is not known.
    TimedOut,
    /// It broke off, or what it said is not HTTP.
    Broken,
    /// It refused the gateway's credential.
    Credential,
    /// It answered with what must not pass: a part of a masked whole, an unknown coding, a foreign redirect.
    Unmaskable,
}

impl Problem {
    /// Tells a refusal.
    #[must_use]
    pub fn refused(refusal: &Refusal, circumstances: &Circumstances<'_>) -> Self {
        let status = status_of(refusal);
        let mut document = Document::new(refusal.rule.label(), status, &refusal.message);
        document.text("hint", refusal.hint.as_deref());
        if !refusal.policies.is_empty() {
            document
                .0
                .insert("policies".to_owned(), refusal.policies.clone().into());
        }
        if let Some(approval) = &refusal.approval {
            let id = approval.to_string();
            if refusal.rule == Rule::ApprovalPending {
                let retry = [("header", APPROVAL_HEADER.as_str()), ("value", id.as_str())];
                let retry: Map<String, Value> = retry
                    .into_iter()
                    .map(|(key, text)| (key.to_owned(), text.into()))
                    .collect();
                document.0.insert("retry".to_owned(), retry.into());
            }
            document.text("approval_id", Some(&id));
        }
        let error = match refusal.fault {
            Fault::Client => "http_request_denied",
            Fault::Upstream => "http_protocol_error",
            Fault::Gateway | Fault::Operator | Fault::Plugin => "proxy_internal_error",
        };
        // Clients send again by themselves what they take for a passing trouble; most of these are none.
        let again = matches!(refusal.rule, Rule::ClassifierFailed | Rule::JournalUnavailable);
        let mut problem = document.answer(status, error, again, circumstances);
        if status == StatusCode::UNAUTHORIZED {
            problem.challenge(TokenFault::Invalid, circumstances);
        }
        problem
    }

    /// Tells that the request itself was not taken.
    #[must_use]
    pub fn rejected(rejection: &Rejection, circumstances: &Circumstances<'_>) -> Self {
        let rule = Rule::ProtocolRefused.label();
        let mut document = Document::new(rule, rejection.status, &rejection.message);
        document.text("check", Some(rejection.label));
        document.text("hint", rejection.hint.as_deref());
        let mut problem = document.answer(rejection.status, "http_request_error", false, circumstances);
        if rejection.status == StatusCode::UNAUTHORIZED {
            problem.challenge(TokenFault::Missing, circumstances);
        }
        problem
    }

    /// Tells what is wrong with the token, and how to get one that does.
    #[must_use]
    pub fn unauthorized(fault: TokenFault, circumstances: &Circumstances<'_>) -> Self {
        let status = fault.status();
        let mut document = Document::new(fault.rule(), status, fault.detail());
        document.text("hint", Some(fault.hint()));
        let mut problem = document.answer(status, "http_request_denied", false, circumstances);
        problem.challenge(fault, circumstances);
        problem
    }

    /// Tells that the upstream gave no answer that may pass.
    #[must_use]
    pub fn upstream(fault: UpstreamFault, circumstances: &Circumstances<'_>) -> Self {
        let status = fault.status();
        let document = Document::new(fault.rule(), status, fault.detail());
        // Only what was never sent can be sent again without asking.
        let again = fault == UpstreamFault::Unreachable;
        document.answer(status, fault.proxy_status(), again, circumstances)
    }

    fn challenge(&mut self, fault: TokenFault, circumstances: &Circumstances<'_>) {
        let challenge = circumstances.challenge.header(fault);
        self.headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
}

impl UpstreamFault {
    /// Returns the answer's status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Unreachable | Self::Broken | Self::Credential | Self::Unmaskable => StatusCode::BAD_GATEWAY,
        }
    }

    const fn rule(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream-unreachable",
            Self::TimedOut => "upstream-timeout",
            Self::Broken => "upstream-broken",
            Self::Credential => "upstream-credential",
            Self::Unmaskable => "upstream-unmaskable",
        }
    }

    const fn detail(self) -> &'static str {
        match self {
            Self::Unreachable => "the upstream cannot be reached; the request was not sent",
            Self::TimedOut => "the upstream did not answer in time; the request may have been carried out",
            Self::Broken => "the upstream's answer broke off; the request may have been carried out",
            Self::Credential => "the upstream does not take the gateway's credential",
            Self::Unmaskable => {
                "the upstream's answer cannot be masked and stays here; the request was carried out"
            }
        }
    }

    /// The error types of RFC 9209 that say no more than the document does.
    const fn proxy_status(self) -> &'static str {
        match self {
            Self::Unreachable => "destination_unavailable",
            Self::TimedOut => "http_response_timeout",
            Self::Broken => "http_response_incomplete",
            Self::Credential | Self::Unmaskable => "http_protocol_error",
        }
    }
}

/// A problem document while it is written.
struct Document(Map<String, Value>);

impl Document {
    fn new(rule: &str, status: StatusCode, detail: &str) -> Self {
        let mut document = Self(Map::new());
        document.text("type", Some(&format!("urn:tidegate:problem:{rule}")));
        document.text("title", Some(&rule.replace('-', " ")));
        document.text("rule", Some(rule));
        document.text("detail", Some(detail));
        document.0.insert("status".to_owned(), status.as_u16().into());
        document
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }

    fn answer(
        mut self,
        status: StatusCode,
        error: &str,
        again: bool,
        circumstances: &Circumstances<'_>,
    ) -> Problem {
        self.text("operation", circumstances.operation);
        self.text("expires_at", circumstances.expires_at);
        self.text("approval_url", circumstances.approval_url);
        let mut headers = HeaderMap::new();
        let content = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, content);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if let Ok(value) = HeaderValue::from_str(&format!("{}; error={error}", super::headers::PSEUDONYM)) {
            headers.insert(HeaderName::from_static("proxy-status"), value);
        }
        if !again {
            let name = HeaderName::from_static("x-should-retry");
            headers.insert(name, HeaderValue::from_static("false"));
        }
        if let Some(seconds) = circumstances.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        Problem {
            status,
            headers,
            body: Value::Object(self.0).to_string().into_bytes(),
        }
    }
}

/// Statuses that clients' libraries send again by themselves (408, 409, 429) tell no refusal.
const fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal.rule {
        Rule::ApprovalDenied
        | Rule::ApprovalPending
        | Rule::ApprovalUnavailable
        | Rule::Cancelled
        | Rule::Locked
        | Rule::PolicyDenied
        | Rule::TaggedUse
        | Rule::TransactionFailed => StatusCode::FORBIDDEN,
        Rule::SessionEnded => StatusCode::UNAUTHORIZED,
        Rule::Unparsable => StatusCode::BAD_REQUEST,
        Rule::UpstreamUnavailable => StatusCode::BAD_GATEWAY,
        Rule::ClassifierFailed | Rule::JournalUnavailable | Rule::RecordingFailed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Rule::MaskerFailed | Rule::PolicyError => StatusCode::INTERNAL_SERVER_ERROR,
        Rule::ProtocolRefused => match refusal.fault {
            Fault::Client => StatusCode::BAD_REQUEST,
            Fault::Upstream => StatusCode::BAD_GATEWAY,
            Fault::Gateway | Fault::Operator | Fault::Plugin => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

#[cfg(test)]
mod tests;
