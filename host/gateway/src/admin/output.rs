//! What the API answers with when all is well.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::problem::Problem;
use super::repeat::Answer;

/// A value as JSON, with status 200.
pub(crate) struct Reply<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        json(self.status, &self.body)
    }
}

impl Answer {
    /// Makes an answer that can be given again.
    pub(crate) fn new(status: StatusCode, value: &impl Serialize) -> Result<Self, Problem> {
        match serde_json::to_value(value) {
            Ok(body) => Ok(Self { status, body }),
            Err(error) => Err(Problem::broken("the answer could not be written", &error)),
        }
    }
}

/// Returns `value` as a response.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => Problem::broken("the answer could not be written", &error).into_response(),
    }
}
