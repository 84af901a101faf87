//! An admitted request as policies and classifiers see it.

use model::{Access, Facts, OperationKind, RelationUse, RequestFacts, StatementFacts, Tag};

use ::http::Method;

use super::admit::{Admitted, BodyLength};
use super::route::RouteMatch;

/// Returns what is known of a request before its body: one statement, whose verb is the method
/// and whose relation is the route, or the path where no route fits.
#[must_use]
pub fn facts(admitted: &Admitted, route: Option<&RouteMatch>, tags: &[Tag]) -> Facts {
    let reads = matches!(admitted.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let (kind, access) = if reads {
        (OperationKind::Read, Access::Read)
    } else {
        (OperationKind::Write, Access::Write)
    };
    let name = route.map_or_else(|| admitted.path.to_string(), |route| route.template.to_string());
    let mut facts = Facts::of(StatementFacts {
        verb: admitted.method.as_str().to_ascii_lowercase(),
        writes: !reads,
        relations: vec![RelationUse {
            schema: None,
            name,
            access,
            tags: tags.to_vec(),
        }],
        ..StatementFacts::bare(kind)
    });
    facts.request = Some(RequestFacts {
        method: admitted.method.to_string(),
        path: admitted.path.to_string(),
        route: route.map(|route| route.template.to_string()),
        parameters: route.map(|route| route.parameters.clone()).unwrap_or_default(),
        query: admitted.query.by_key(),
        content_type: admitted
            .content_type
            .as_ref()
            .map(|content| content.essence().to_owned()),
        body_bytes: match admitted.body {
            BodyLength::Empty => Some(0),
            BodyLength::Exact(length) => Some(length),
            BodyLength::Unknown => None,
        },
        upgrade: admitted.upgrade.clone(),
        ..RequestFacts::default()
    });
    facts
}

#[cfg(test)]
mod tests;
