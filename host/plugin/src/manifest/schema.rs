//! Holds a configuration against the JSON Schema that a plugin's manifest froze.
//!
//! The schema is the plugin's word and as little trusted as the rest of it: no reference leaves
//! it, its patterns run in linear time, and what it finds is told without the value it found.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::{ISSUES_MAX, Issue, SENTENCE_BYTES_MAX};
use crate::text::one_line;

/// What one pattern of a schema may compile to: as much as the host's own scanner gives one.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// How deep references are followed in the search for secrets: a schema may refer to itself.
const DEPTH_MAX: usize = 64;

/// How a value that is a secret must be written.
const REFERENCE: &str = "secret://";

/// Returns what is wrong with `config` by `schema`; an empty schema describes nothing.
///
/// # Errors
/// Why the schema itself can't be used.
pub(crate) fn check(schema: &str, config: &Value) -> Result<Vec<Issue>, String> {
    if schema.is_empty() {
        return Ok(Vec::new());
    }
    let schema: Value = serde_json::from_str(schema).map_err(|error| format!("it is no JSON: {error}"))?;
    let validator = compiled(&schema)?;
    let mut issues: Vec<Issue> = validator
        .iter_errors(config)
        .take(ISSUES_MAX)
        .map(|error| {
            issue(
                error.instance_path().as_str(),
                &error.masked_with("it").to_string(),
            )
        })
        .collect();
    let mut secrets = Secrets {
        root: &schema,
        issues: &mut issues,
    };
    secrets.walk(&schema, config, "", 0);
    Ok(issues)
}

fn compiled(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
        .build(schema)
        .map_err(|error| one_line(&error.to_string(), SENTENCE_BYTES_MAX))
}

fn issue(pointer: &str, message: &str) -> Issue {
    Issue {
        pointer: one_line(pointer, SENTENCE_BYTES_MAX),
        message: one_line(message, SENTENCE_BYTES_MAX),
    }
}

/// Finds values that the schema calls `writeOnly` and that are written out.
struct Secrets<'a> {
    root: &'a Value,
    issues: &'a mut Vec<Issue>,
}

impl Secrets<'_> {
    fn walk(&mut self, schema: &Value, value: &Value, pointer: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        if let Some(referred) = schema["$ref"]
            .as_str()
            .and_then(|target| target.strip_prefix('#'))
        {
            let root = self.root;
            if let Some(schema) = root.pointer(referred) {
                self.walk(schema, value, pointer, depth + 1);
            }
        }
        if schema["writeOnly"] == Value::Bool(true)
            && let Some(text) = value.as_str().filter(|text| !text.starts_with(REFERENCE))
        {
            // An empty text hides nothing, and what the schema says of it is enough.
            if !text.is_empty() && !self.issues.iter().any(|issue| issue.pointer == pointer) {
                let message = "a secret: write secret://NAME, and grant NAME in [plugin.secrets]";
                self.issues.push(issue(pointer, message));
            }
        }
        for combined in ["allOf", "anyOf", "oneOf"] {
            for schema in schema[combined].as_array().into_iter().flatten() {
                self.walk(schema, value, pointer, depth + 1);
            }
        }
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let own = &schema["properties"][name.as_str()];
                    let schema = if own.is_null() {
                        &schema["additionalProperties"]
                    } else {
                        own
                    };
                    let step = name.replace('~', "~0").replace('/', "~1");
                    self.walk(schema, value, &format!("{pointer}/{step}"), depth + 1);
                }
            }
            Value::Array(items) => {
                for (at, value) in items.iter().enumerate() {
                    self.walk(&schema["items"], value, &format!("{pointer}/{at}"), depth + 1);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(schema: &Value, config: &Value) -> Vec<String> {
        let issues = check(&schema.to_string(), config).expect("a schema");
        let line = |issue: Issue| format!("{}: {}", issue.pointer, issue.message);
        let mut lines: Vec<String> = issues.into_iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_place_and_without_its_value() {
        let schema = json!({
            "type": "object",
            "properties": {"keep": {"type": "integer", "maximum": 8}, "names": {"type": "array", "items": {"enum": ["a"]}}},
            "additionalProperties": false,
        });
        assert!(found(&schema, &json!({"keep": 4, "names": ["a"]})).is_empty());
        let wrong = found(
            &schema,
            &json!({"keep": "hunter2", "names": ["a", "hunter2"], "other": 1}),
        );
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        for start in ["/keep: ", "/names/1: ", ": "] {
            assert!(wrong.iter().any(|line| line.starts_with(start)), "{wrong:?}");
        }
        assert!(!wrong.concat().contains("hunter2"), "{wrong:?}");
    }

    #[test]
    fn a_secret_that_is_written_out_is_an_issue_wherever_it_stands() {
        let schema = json!({
            "properties": {
                "token": {"type": "string", "writeOnly": true},
                "more": {"items": {"$ref": "#/$defs/login"}},
            },
            "$defs": {"login": {"properties": {"password": {"writeOnly": true}}}},
        });
        let good = json!({"token": "secret://a", "more": [{"password": "secret://b"}]});
        assert!(found(&schema, &good).is_empty());
        let wrong = found(
            &schema,
            &json!({"token": "hunter2", "more": [{}, {"password": "hunter2"}]}),
        );
        assert!(wrong[0].starts_with("/more/1/password: a secret"), "{wrong:?}");
        assert!(wrong[1].starts_with("/token: a secret"), "{wrong:?}");
        assert!(!wrong.concat().contains("hunter2"));
    }

    #[test]
    fn a_schema_that_reaches_out_or_is_none_is_refused_and_one_that_refers_to_itself_ends() {
        for (schema, why) in [
            ("{", "no JSON"),
            (r#"{"type": 3}"#, ""),
            (r#"{"$ref": "https://example.com/schema.json"}"#, ""),
            (r#"{"$ref": "file:///etc/passwd"}"#, ""),
            (r#"{"pattern": "(?=a)"}"#, ""),
            (r#"{"pattern": "((a{1000}){1000}){1000}"}"#, ""),
        ] {
            let refused = check(schema, &json!({"a": "b"})).expect_err(schema);
            assert!(refused.contains(why), "{refused}");
        }
        let around =
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}}}});
        assert!(found(&around, &json!({"a": {"a": {"a": 1}}})).is_empty());
        let itself = json!({"allOf": [{"$ref": "#"}]});
        let _ = check(&itself.to_string(), &json!({"a": 1}));
    }
}
