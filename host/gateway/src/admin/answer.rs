//! What each page says. Pure but for what it asks of the gateway's health.

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use super::Health;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// The type that Prometheus expects.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

const INDEX: &str = "tidegate\n\n\
    /healthz   200 while the process does its work\n\
    /readyz    200 while clients should be sent here, else 503 with the reasons\n\
    /metrics   for Prometheus\n\
    /api/v1    for programs and the command line; /api/v1/openapi.json describes it\n";

#[derive(Serialize)]
struct Alive {
    alive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

/// Returns the page for a request. A request's body is never looked at.
pub(super) fn answer(
    method: &Method,
    path: &str,
    health: &dyn Health,
    metrics: &PrometheusHandle,
) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/" => page(StatusCode::OK, TEXT, INDEX),
        "/healthz" => {
            let reason = health.live().err();
            json(
                &Alive {
                    alive: reason.is_none(),
                    reason: reason.clone(),
                },
                reason.is_none(),
            )
        }
        "/readyz" => {
            let answered = health.ready();
            let ready = answered.is_ok();
            json(
                &Ready {
                    ready,
                    reasons: answered.err().unwrap_or_default(),
                },
                ready,
            )
        }
        "/metrics" => page(StatusCode::OK, METRICS, metrics.render()),
        _ => page(StatusCode::NOT_FOUND, TEXT, "no such page; / lists them\n"),
    }
}

fn json(body: &impl Serialize, well: bool) -> Response {
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    // Booleans and strings always serialise.
    let mut text = serde_json::to_vec(body).unwrap_or_default();
    text.push(b'\n');
    page(status, JSON, text)
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
