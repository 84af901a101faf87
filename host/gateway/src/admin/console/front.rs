//! What every page goes through, before and after it is made.

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, StatusCode};

use super::Console;
use super::cookie::Cookie;
use super::form::is_ours;
use super::settings::Settings;
use super::shell::{Person, Shell};
use super::text::Text;
use super::visitor::Visitor;
use crate::admin::caller::shut_out;
use crate::admin::problem::Problem;
use crate::clock;

/// How long a page may take, less than its connection may live.
const ANSWER_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(20);

/// What pages may load and do: the console's own files, and forms to itself. Nothing inline.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers of every page.
pub(crate) const HEADERS: [(HeaderName, &str); 8] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-frame-options"), "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Handles one request for a page.
pub(super) async fn pass(State(console): State<Console>, mut request: Request, next: Next) -> Response {
    let settings = Cookie::Settings
        .read(request.headers(), &console.config)
        .map(Settings::parse)
        .unwrap_or_default();
    let (visitor, refused) = match visitor(&console, request.headers()).await {
        Ok(visitor) => (visitor, None),
        Err(problem) => (None, Some(problem)),
    };
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let foreign = changes && !is_ours(request.headers(), &console.config.url);
    request.extensions_mut().insert(settings);
    if let Some(visitor) = &visitor {
        request.extensions_mut().insert(visitor.clone());
    }
    let answered = match refused {
        Some(problem) => problem.into_response(),
        None if foreign => Problem::new(
            StatusCode::FORBIDDEN,
            "cross-site",
            "This did not come from a page of the console. Nothing was done.",
        )
        .into_response(),
        None => match tokio::time::timeout(ANSWER_TIME_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "timed-out",
                "It took too long; what was begun ends by itself.",
            )
            .into_response(),
        },
    };
    let mut response = explained(answered, visitor.as_ref(), settings);
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Returns who is logged in, if anybody, and not shut out.
async fn visitor(console: &Console, headers: &HeaderMap) -> Result<Option<Visitor>, Problem> {
    let visitor = Visitor::of(console, headers, clock::unix_us()).await?;
    if let Some(visitor) = &visitor {
        shut_out(&console.site.services, &visitor.principal)?;
    }
    Ok(visitor)
}

/// Makes a page of the problem that a response carries.
fn explained(mut response: Response, visitor: Option<&Visitor>, settings: Settings) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let shell = Shell {
        person: visitor.map(|visitor| Person {
            name: Text::line(&visitor.principal.subject),
        }),
        token: visitor.map(|visitor| visitor.token.clone()).unwrap_or_default(),
        path: "/console".to_owned(),
        ..Shell::of(heading(problem.status), settings)
    };
    let page = ErrorPage {
        shell,
        heading: heading(problem.status),
        detail: sentence(&problem.detail),
        hint: problem.hint.as_deref().map(sentence),
        policies: problem.policies.iter().map(|policy| Text::line(policy)).collect(),
        back: match visitor {
            Some(_) => ("/console", "To the inbox"),
            None => ("/console/signin", "Sign in"),
        },
        code: problem.code,
    };
    (problem.status, *problem.headers, html(&page)).into_response()
}

/// A problem.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    pub(crate) shell: Shell,
    pub(crate) heading: &'static str,
    pub(crate) detail: Text,
    pub(crate) hint: Option<Text>,
    pub(crate) policies: Vec<Text>,
    pub(crate) back: (&'static str, &'static str),
    pub(crate) code: &'static str,
}

fn heading(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::CONFLICT => "Too late",
        StatusCode::TOO_MANY_REQUESTS => "Too often",
        status if status.is_client_error() => "That could not be understood",
        _ => "That did not work",
    }
}

/// Writes a problem's words, made for programs, as a sentence.
fn sentence(words: &str) -> Text {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let mut text = first.unwrap_or_default() + letters.as_str();
    if !text.ends_with(['.', '?', '!']) {
        text.push('.');
    }
    Text::line(&text)
}

/// Returns a page.
pub(crate) fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            response
        }
        Err(error) => Problem::broken("the page could not be made", &error).into_response(),
    }
}

/// There is no such page.
pub(super) async fn unknown() -> Problem {
    Problem::not_found("page")
}
