//! What only requests and commands have.

use cedar_policy::RestrictedExpression;
use model::{CallFacts, CommandFacts, RequestFacts};
use serde_json::Value;

use super::{flag, owned_set, pair, set, text};

/// Builds `context.operation.request`.
pub(super) fn request(request: &RequestFacts) -> Result<RestrictedExpression, ()> {
    let query = request.query.iter();
    let query = query.flat_map(|(key, values)| values.iter().map(move |value| format!("{key}={value}")));
    let mut pairs = vec![
        pair("method", text(&request.method)),
        pair("path", text(&request.path)),
        pair("parameters", owned_set(pairs_of(&request.parameters))),
        pair("query", owned_set(query)),
        pair("body", owned_set(values_of(&request.body))),
    ];
    let optional = [
        ("route", &request.route),
        ("content_type", &request.content_type),
        ("upgrade", &request.upgrade),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            pairs.push(pair(name, text(value)));
        }
    }
    if let Some(made) = &request.call {
        pairs.push(pair("call", call(made)?));
    }
    RestrictedExpression::new_record(pairs).map_err(drop)
}

fn call(call: &CallFacts) -> Result<RestrictedExpression, ()> {
    let arguments: Vec<String> = match &call.arguments {
        Some(Value::Object(members)) => values_of(members).collect(),
        _ => Vec::new(),
    };
    let mut pairs = vec![
        pair("method", text(&call.method)),
        pair("arguments", owned_set(arguments.into_iter())),
    ];
    if let Some(name) = &call.name {
        pairs.push(pair("name", text(name)));
    }
    RestrictedExpression::new_record(pairs).map_err(drop)
}

/// Builds `context.operation.command`.
pub(super) fn command(command: &CommandFacts) -> Result<RestrictedExpression, ()> {
    let mut pairs = vec![
        pair("account", text(&command.account)),
        pair("channel", text(&command.channel)),
        pair("terminal", flag(command.terminal)),
        pair("environment", owned_set(pairs_of(&command.environment))),
        pair("paths", set(command.paths.iter().map(String::as_str))),
    ];
    for (name, value) in [("text", &command.text), ("target", &command.target)] {
        if let Some(value) = value {
            pairs.push(pair(name, text(value)));
        }
    }
    RestrictedExpression::new_record(pairs).map_err(drop)
}

fn pairs_of<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> impl Iterator<Item = String> {
    pairs.into_iter().map(|(name, value)| format!("{name}={value}"))
}

/// A text stands as it is, anything else as JSON.
fn values_of<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a Value)>) -> impl Iterator<Item = String> {
    pairs.into_iter().map(|(name, value)| match value {
        Value::String(value) => format!("{name}={value}"),
        value => format!("{name}={value}"),
    })
}
