//! Routes out of an OpenAPI document.

use ::http::Method;
use serde_json::Value;

use super::{RouteError, Routes};

/// The keys of a path item that are methods.
const METHODS: [(&str, Method); 8] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("head", Method::HEAD),
    ("patch", Method::PATCH),
    ("trace", Method::TRACE),
];

impl Routes {
    /// Reads `paths` of an OpenAPI document (any 3.x, or Swagger 2) with the methods of each. The
    /// paths are taken as they stand: below the resource's address, whatever `servers` says.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_openapi(document: &Value) -> Result<Self, Vec<RouteError>> {
        let Some(paths) = document.get("paths").and_then(Value::as_object) else {
            return Err(vec![RouteError::Document {
                place: "paths".to_owned(),
            }]);
        };
        let mut routes = Self::default();
        let mut errors = Vec::new();
        for (template, item) in paths.iter().filter(|(key, _)| !key.starts_with("x-")) {
            if let Err(error) = methods(template, item).and_then(|methods| match methods.as_slice() {
                [] => Ok(()),
                methods => routes.add(template, methods),
            }) {
                errors.push(error);
            }
        }
        if errors.is_empty() {
            Ok(routes)
        } else {
            Err(errors)
        }
    }
}

fn methods(template: &str, item: &Value) -> Result<Vec<Method>, RouteError> {
    let item = item.as_object().ok_or_else(|| RouteError::Document {
        place: format!("paths.{template}"),
    })?;
    if item.contains_key("$ref") {
        return Err(RouteError::Reference {
            template: template.to_owned(),
        });
    }
    let methods = METHODS.iter().filter(|(key, _)| item.contains_key(*key));
    Ok(methods.map(|(_, method)| method.clone()).collect())
}
