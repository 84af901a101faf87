//! Route templates: what a path means, e.g. `/customers/{id}/orders`.

mod openapi;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use ::http::Method;
use serde_json::Value;

use super::path::CanonicalPath;
use template::{Segment, Template};

pub use template::RouteError;

/// The most routes of one resource: the largest public interfaces have about a thousand.
pub const ROUTES_MAX: usize = 10_000;

/// The routes of one resource.
///
/// Segments match decoded and in their exact case. Of several templates that fit, the one that is
/// more specific than every other wins; where there is none, the path has two meanings.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// By how many segments they have.
    by_length: BTreeMap<usize, Vec<Route>>,
    count: usize,
}

#[derive(Clone, Debug)]
struct Route {
    template: Template,
    /// The methods it is for; all if there are none.
    methods: Vec<Method>,
}

/// The route that a request fits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteMatch {
    /// The template as the operator wrote it.
    pub template: Arc<str>,
    /// What stands for the template's names, decoded.
    pub parameters: BTreeMap<String, String>,
}

/// What the routes say of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// It fits this route.
    Route(RouteMatch),
    /// No template fits.
    Unknown,
    /// Templates fit, but none of them for this method; these methods would do.
    Method(Vec<Method>),
    /// Two templates fit, and neither is more specific: the upstream may choose either.
    Ambiguous,
}
