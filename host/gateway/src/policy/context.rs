//! Puts what is known of an operation into the words of the schema.
//!
//! Values are built directly, never through JSON: this runs for every decision.

mod plain;

use std::collections::BTreeSet;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use model::{Access, Assessment, Facts, Grant, Principal};

/// The attributes of a context or record.
pub(super) type Pairs = Vec<(String, RestrictedExpression)>;

/// The names of the schema, parsed once.
pub(super) struct Types {
    person: EntityTypeName,
    agent: EntityTypeName,
    group: EntityTypeName,
    resource: EntityTypeName,
    tag: EntityTypeName,
    pub(super) connect: EntityUid,
    pub(super) execute: EntityUid,
    pub(super) request: EntityUid,
    pub(super) reveal: EntityUid,
    pub(super) approve: EntityUid,
}

impl Types {
    pub(super) fn new() -> Self {
        let entity = |name: &str| name.parse::<EntityTypeName>().expect("a type name");
        let action = |name| EntityUid::from_type_name_and_id(entity("Action"), EntityId::new(name));
        Self {
            person: entity("Person"),
            agent: entity("Agent"),
            group: entity("Group"),
            resource: entity("Resource"),
            tag: entity("Tag"),
            connect: action("connect"),
            execute: action("execute"),
            request: action("request"),
            reveal: action("reveal"),
            approve: action("approve"),
        }
    }

    pub(super) fn person(&self, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.person.clone(), EntityId::new(id))
    }

    pub(super) fn agent(&self, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.agent.clone(), EntityId::new(id))
    }

    pub(super) fn group(&self, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.group.clone(), EntityId::new(id))
    }

    pub(super) fn resource(&self, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.resource.clone(), EntityId::new(id))
    }

    pub(super) fn tag(&self, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.tag.clone(), EntityId::new(id))
    }
}

/// Builds `context.session`.
pub(super) fn session(principal: &Principal, protocol: &str) -> Result<RestrictedExpression, ()> {
    let actors = principal.delegation.iter().map(|actor| actor.subject.as_str());
    let mut pairs = vec![
        pair("protocol", text(protocol)),
        pair("identity", text(&principal.identity)),
        pair("delegated", flag(!principal.delegation.is_empty())),
        pair("actors", set(actors)),
    ];
    if let Some(client) = &principal.client {
        pairs.push(pair("client", text(client)));
    }
    RestrictedExpression::new_record(pairs).map_err(drop)
}

/// Builds `context.operation`.
pub(super) fn operation(facts: &Facts) -> Result<RestrictedExpression, ()> {
    let statements = &facts.statements;
    let relations = || statements.iter().flat_map(|s| &s.relations);
    let qualified = |schema: &Option<String>, name: &str| match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_owned(),
    };
    let functions = statements.iter().flat_map(|s| &s.functions);
    let mut pairs = vec![
        pair("kind", text(facts.kind().label())),
        pair(
            "verbs",
            set(statements
                .iter()
                .flat_map(|s| s.nested.iter().chain([&s.verb]).map(String::as_str))),
        ),
        pair("statements", long(statements.len())),
        pair("writes", flag(statements.iter().any(|s| s.writes))),
        pair("utility", flag(statements.iter().any(|s| s.utility))),
        pair("bounded", flag(statements.iter().all(|s| s.has_where))),
        pair(
            "relations",
            owned_set(relations().map(|r| qualified(&r.schema, &r.name))),
        ),
        pair(
            "changes",
            owned_set(
                relations()
                    .filter(|r| r.access != Access::Read)
                    .map(|r| qualified(&r.schema, &r.name)),
            ),
        ),
        pair(
            "functions",
            owned_set(functions.map(|f| qualified(&f.schema, &f.name))),
        ),
        pair(
            "tags",
            set(relations().flat_map(|r| &r.tags).map(model::Tag::as_str)),
        ),
    ];
    // A limit that any statement lacks is no limit.
    let limits: Option<Vec<u64>> = statements.iter().map(|s| s.limit).collect();
    if let Some(limit) = limits.and_then(|limits| limits.into_iter().max()) {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        pairs.push(pair("limit", RestrictedExpression::new_long(limit)));
    }
    if let Some(request) = &facts.request {
        pairs.push(pair("request", plain::request(request)?));
    }
    if let Some(command) = &facts.command {
        pairs.push(pair("command", plain::command(command)?));
    }
    RestrictedExpression::new_record(pairs).map_err(drop)
}

/// Builds `context.grant`.
pub(super) fn grant(grant: &Grant) -> Result<RestrictedExpression, ()> {
    let pairs = vec![
        pair("id", text(&grant.id.to_string())),
        pair("kinds", set(grant.terms.kinds.iter().map(|kind| kind.label()))),
        pair("relations", set(grant.terms.relations.iter().map(String::as_str))),
        pair("reason", text(&grant.reason)),
        pair("ends", datetime(grant.ends_us / 1_000_000)),
    ];
    RestrictedExpression::new_record(pairs).map_err(drop)
}

/// Builds what the classifiers said.
pub(super) fn assessment(assessment: &Assessment) -> [(String, RestrictedExpression); 3] {
    let findings = assessment.findings.iter().map(|finding| finding.id.as_str());
    [
        pair(
            "risk",
            RestrictedExpression::new_long(i64::from(assessment.score)),
        ),
        pair("labels", set(assessment.labels.iter().map(String::as_str))),
        pair("findings", set(findings)),
    ]
}

/// Builds a moment from seconds of Unix time; past the year 9999 it stays there.
pub(super) fn datetime(unix: u64) -> RestrictedExpression {
    // The last second Cedar's four-digit years can write.
    const LAST: u64 = 253_402_300_799;
    let unix = unix.min(LAST);
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    RestrictedExpression::new_datetime(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

/// Turns days since 1970-01-01 into a Gregorian date, by eras of 400 years that begin in
/// March, so that the leap day comes last.
pub(crate) const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

fn pair(name: &str, value: RestrictedExpression) -> (String, RestrictedExpression) {
    (name.to_owned(), value)
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn flag(value: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(value)
}

fn long(value: usize) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}

fn set<'a>(values: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    let distinct: BTreeSet<&str> = values.collect();
    RestrictedExpression::new_set(distinct.into_iter().map(text))
}

fn owned_set(values: impl Iterator<Item = String>) -> RestrictedExpression {
    let distinct: BTreeSet<String> = values.collect();
    RestrictedExpression::new_set(distinct.into_iter().map(RestrictedExpression::new_string))
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(19_783), (2024, 3, 1));
        assert_eq!(civil(47_540), (2100, 2, 28));
        assert_eq!(civil(47_541), (2100, 3, 1));
        assert_eq!(civil(2_932_896), (9999, 12, 31));
    }
}
