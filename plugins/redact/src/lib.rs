//! Masks tagged fields by a table of rules; every mask is one the host applies itself, so no
//! cell ever enters this plugin.
//!
//! The configuration maps tags to rules. `*` at the end stands for all tags that begin so;
//! of the rules that fit a tag the most precise one counts.
//!
//! ```toml
//! [plugin.config]
//! "pii.ssn"       = "keep-last-4"
//! "pii.name"      = "pseudonym"
//! "pii.birthday"  = "generalise-date-year"
//! "finance.*"     = "generalise-number-1000"
//! "pii.note"      = { op = "constant", value = "[hidden]" }
//! "pii.email"     = { op = "pseudonym", domain = "mail" }
//! "pii.*"         = "null"
//! ```
//!
//! | short                    | long                                             | the cell becomes |
//! |--------------------------|--------------------------------------------------|------------------|
//! | `null`                   | `{ op = "null" }`                                | NULL |
//! |                          | `{ op = "constant", value = "…" }`               | this text |
//! | `keep-first-N`           | `{ op = "keep-first", n = N }`, N 0 to 64        | its first N characters, `*` for the others |
//! | `keep-last-N`            | `{ op = "keep-last", n = N }`                    | its last N characters, likewise |
//! | `pseudonym`              | `{ op = "pseudonym", domain = "…" }`             | the same made-up text for the same value; the domain is the tag unless named |
//! | `generalise-date-year`   | `{ op = "generalise-date", to = "year" }`        | the first of its year (or `month`) |
//! | `generalise-number-STEP` | `{ op = "generalise-number", step = STEP }`      | rounded down to a multiple of STEP, from 1 |
//!
//! A field without a fitting rule is left to other maskers and, if none masks it, to the host,
//! which suppresses it. A field with several hidden tags gets the strictest of their rules,
//! and is suppressed if one of them has none.

mod rule;

use std::collections::BTreeMap;

use tidegate_sdk::masker::{Action, Field, Masker};
use tidegate_sdk::plugin::push_pointer;
use tidegate_sdk::{Issue, Manifest, Plugin, export_masker};

use rule::Rule;

/// The table of rules.
#[derive(Debug)]
pub struct Redact {
    /// Tag patterns with their rules, the most precise pattern first.
    rules: Vec<(String, Rule)>,
}

impl Plugin for Redact {
    type Config = BTreeMap<String, serde_json::Value>;

    fn new(config: Self::Config) -> Result<Self, Vec<Issue>> {
        let mut rules = Vec::new();
        let mut issues = Vec::new();
        for (pattern, value) in config {
            let mut pointer = String::new();
            push_pointer(&mut pointer, &pattern);
            if pattern.is_empty() || pattern[..pattern.len() - 1].contains('*') {
                issues.push(Issue::new(
                    pointer,
                    "a tag, or the beginning of tags and `*`, as in `pii.*`",
                ));
                continue;
            }
            match Rule::parse(&value) {
                Ok(rule) => rules.push((pattern, rule)),
                Err(fault) => {
                    if let Some(member) = fault.member {
                        push_pointer(&mut pointer, member);
                    }
                    issues.push(Issue::new(pointer, fault.message));
                }
            }
        }
        // A whole tag is more precise than any beginning, a longer beginning than a shorter one.
        rules.sort_by_key(|(pattern, _)| (pattern.ends_with('*'), std::cmp::Reverse(pattern.len())));
        if issues.is_empty() {
            Ok(Self { rules })
        } else {
            Err(issues)
        }
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
    }
}

impl Redact {
    fn rule(&self, tag: &str) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|(pattern, _)| match pattern.strip_suffix('*') {
                Some(beginning) => tag.starts_with(beginning),
                None => tag == pattern,
            })
            .map(|(_, rule)| rule)
    }
}

impl Masker for Redact {
    fn field(&self, field: &Field) -> Action {
        let rules: Vec<_> = field.tags.iter().map(|tag| (tag, self.rule(tag))).collect();
        let strictest = rules
            .iter()
            .filter_map(|(tag, rule)| Some((*tag, (*rule)?)))
            .max_by_key(|(_, r)| r.strictness());
        match strictest {
            None => Action::Keep,
            Some(_) if rules.iter().any(|(_, rule)| rule.is_none()) => Action::Suppress,
            Some((tag, rule)) => Action::Native(rule.native(tag)),
        }
    }
}

export_masker!(Redact);

#[cfg(test)]
mod tests;
