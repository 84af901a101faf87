//! Route templates: what a path means, e.g. `/customers/{id}/orders`.

mod openapi;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use ::http::Method;

use super::path::{CanonicalPath, decode_escapes};
use template::Template;

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

impl Routes {
    /// Adds a route for `methods`; for all methods if there are none. GET answers HEAD as well.
    ///
    /// # Errors
    /// [`RouteError`] for a malformed template, and for one that fits what another fits.
    pub fn add(&mut self, template: &str, methods: &[Method]) -> Result<(), RouteError> {
        if self.count == ROUTES_MAX {
            return Err(RouteError::TooMany);
        }
        let route = Route {
            template: Template::parse(template)?,
            methods: methods.to_vec(),
        };
        let others = self.by_length.entry(route.template.length()).or_default();
        if let Some(other) = others
            .iter()
            .find(|other| other.template.is_like(&route.template) && other.shares_method(&route))
        {
            return Err(RouteError::Twice {
                template: template.to_owned(),
                other: other.template.text.to_string(),
            });
        }
        others.push(route);
        self.count += 1;
        Ok(())
    }

    /// Returns how many routes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Returns whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Finds the route of a request. The path decides first and the method then: what is more
    /// specific but for other methods is not passed over, since the upstream may not do so either.
    #[must_use]
    pub fn find(&self, method: &Method, path: &CanonicalPath) -> Found {
        let Some(segments) = path.segments().map(decode_escapes).collect::<Option<Vec<_>>>() else {
            return Found::Unknown;
        };
        let routes = self.by_length.get(&segments.len()).map_or(&[][..], Vec::as_slice);
        let fitting: Vec<_> = routes
            .iter()
            .filter_map(|route| Some((route, route.template.fit(&segments)?)))
            .collect();
        if fitting.is_empty() {
            return Found::Unknown;
        }
        let best: Vec<_> = fitting
            .iter()
            .filter(|(route, _)| {
                fitting
                    .iter()
                    .all(|(other, _)| route.template.is_as_specific_as(&other.template))
            })
            .collect();
        if best.is_empty() {
            return Found::Ambiguous;
        }
        match best.iter().find(|(route, _)| route.is_for(method)) {
            Some((route, parameters)) => Found::Route(RouteMatch {
                template: Arc::clone(&route.template.text),
                parameters: parameters.clone(),
            }),
            None => Found::Method(best.iter().flat_map(|(route, _)| route.methods.clone()).collect()),
        }
    }
}

impl Route {
    fn is_for(&self, method: &Method) -> bool {
        let answers = |known: &Method| known == method || (*known == Method::GET && *method == Method::HEAD);
        self.methods.is_empty() || self.methods.iter().any(answers)
    }

    fn shares_method(&self, other: &Self) -> bool {
        self.methods.is_empty()
            || other.methods.is_empty()
            || self.methods.iter().any(|method| other.methods.contains(method))
    }
}

#[cfg(test)]
mod tests;
