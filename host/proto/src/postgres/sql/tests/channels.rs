//! The ways by which a masked value could leave otherwise than as a masked output, one by one.

mod catalogs;
mod code;
mod copies;
mod uses;

use super::{refusal, with_tags, without_tags};
use model::Rule;

/// Statements that run, with the tagged columns that leave bare.
const PASS: &[(&str, &[&str])] = &[
    (
        "SELECT name, ssn FROM customers WHERE id = $1",
        &["public.customers.ssn"],
    ),
    (
        "SELECT * FROM customers",
        &["public.customers.ssn", "public.customers.ssn_length"],
    ),
    (
        "TABLE customers",
        &["public.customers.ssn", "public.customers.ssn_length"],
    ),
    (
        "SELECT c.* FROM public.customers AS c",
        &["public.customers.ssn", "public.customers.ssn_length"],
    ),
    ("SELECT ssn AS x FROM customers", &["public.customers.ssn"]),
    (
        "SELECT public.customers.ssn FROM public.customers",
        &["public.customers.ssn"],
    ),
    ("SELECT d FROM customers x(a, b, c, d)", &["public.customers.ssn"]),
    (
        "SELECT s.y FROM (SELECT ssn AS y FROM customers) s",
        &["public.customers.ssn"],
    ),
    (
        "WITH c AS (SELECT id, ssn FROM customers) SELECT ssn FROM c",
        &["public.customers.ssn"],
    ),
    (
        "WITH c(a, b) AS MATERIALIZED (SELECT id, ssn FROM customers) SELECT b FROM c WHERE a = 1",
        &["public.customers.ssn"],
    ),
    (
        "SELECT l.ssn FROM orders o, LATERAL (SELECT c.ssn FROM customers c WHERE c.id = o.customer_id) l",
        &["public.customers.ssn"],
    ),
    (
        "SELECT j.ssn FROM (customers c JOIN orders o ON c.id = o.customer_id) j",
        &["public.customers.ssn"],
    ),
    (
        "SELECT ssn FROM customers JOIN orders USING (id)",
        &["public.customers.ssn"],
    ),
    (
        "SELECT ssn FROM customers ORDER BY name LIMIT 10 OFFSET 5",
        &["public.customers.ssn"],
    ),
    (
        "SELECT id, ssn FROM customers GROUP BY id",
        &["public.customers.ssn"],
    ),
    ("SELECT count(*) FROM customers", &[]),
    ("SELECT upper(name) FROM customers WHERE email LIKE 'a%'", &[]),
    ("SELECT id FROM customers UNION SELECT id FROM orders", &[]),
    (
        "SELECT secret_number FROM plain_view",
        &["public.plain_view.secret_number"],
    ),
    (
        "SELECT secret_number FROM second_view",
        &["public.second_view.secret_number"],
    ),
    ("SELECT count FROM count_view", &[]),
    ("SELECT ssn FROM ONLY events_2026", &["public.events_2026.ssn"]),
    ("SELECT id FROM archive WHERE ssn = '1'", &[]),
    (
        "WITH customers AS (SELECT 1 AS ssn) SELECT ssn + 1 FROM customers",
        &[],
    ),
    (
        "SELECT 1 FROM orders WHERE EXISTS (SELECT ssn FROM customers c WHERE c.id = customer_id)",
        &[],
    ),
    (
        "DECLARE c CURSOR FOR SELECT ssn FROM customers",
        &["public.customers.ssn"],
    ),
    (
        "PREPARE p AS SELECT ssn FROM customers",
        &["public.customers.ssn"],
    ),
    (
        "EXPLAIN SELECT ssn FROM customers WHERE id = 1",
        &["public.customers.ssn"],
    ),
    (
        "INSERT INTO customers (name) VALUES ('x') RETURNING id, ssn",
        &["public.customers.ssn"],
    ),
    (
        "UPDATE customers SET name = upper(name) WHERE id = 1 RETURNING ssn",
        &["public.customers.ssn"],
    ),
    (
        "DELETE FROM customers WHERE id = 1 RETURNING old.ssn",
        &["public.customers.ssn"],
    ),
    (
        "WITH d AS (DELETE FROM customers WHERE id = 1 RETURNING ssn) SELECT ssn FROM d",
        &["public.customers.ssn"],
    ),
    ("INSERT INTO orders SELECT id, id FROM customers", &[]),
    ("CREATE VIEW v AS SELECT id, name FROM customers", &[]),
    ("CREATE TABLE t AS SELECT id, name FROM customers", &[]),
    (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
        &[],
    ),
    (
        "SELECT ctid, tableoid, ssn FROM customers",
        &["public.customers.ssn"],
    ),
    (
        "SELECT ssn FROM customers c FOR UPDATE OF c",
        &["public.customers.ssn"],
    ),
    ("SELECT salary FROM staff", &["hr.staff.salary"]),
    ("SELECT note FROM trg", &[]),
    ("INSERT INTO stamped (id) VALUES (1)", &[]),
    (
        "MERGE INTO customers c USING orders o ON c.id = o.id WHEN MATCHED THEN UPDATE SET name = o.note",
        &[],
    ),
];

/// Returns the statements that are refused, with a part of the reason.
fn refused() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    [uses::REFUSED, code::REFUSED, copies::REFUSED, catalogs::REFUSED]
        .into_iter()
        .flatten()
}

#[test]
fn bare_outputs_pass_and_are_named() {
    for (sql, outputs) in PASS {
        let analysis = with_tags(sql);
        assert_eq!(analysis.refusal, None, "{sql}");
        assert_eq!(&analysis.tagged_outputs, outputs, "{sql}");
    }
}

#[test]
fn every_other_use_is_refused_with_its_reason() {
    let mut wrong = Vec::new();
    for (sql, reason) in refused() {
        let refusal = with_tags(sql).refusal;
        let said = refusal.as_ref().map_or("it passes", |refusal| &refusal.message);
        let ruled = refusal
            .as_ref()
            .is_some_and(|r| matches!(r.rule, Rule::TaggedUse | Rule::ProtocolRefused));
        if !ruled || !said.contains(reason) {
            wrong.push(format!("{sql}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_refusal_names_column_and_use_and_says_what_is_allowed() {
    let refusal = refusal("SELECT id FROM customers WHERE ssn = '1'");
    assert_eq!(
        refusal.message,
        "customers.ssn is masked and cannot be used in a WHERE clause"
    );
    assert!(refusal.hint.is_some_and(|hint| hint.contains("selected plainly")));
}

#[test]
fn without_tags_nothing_of_this_is_refused() {
    for (sql, _) in refused() {
        let refusal = without_tags(sql).refusal;
        assert!(
            refusal.is_none_or(|refusal| refusal.rule == Rule::ProtocolRefused),
            "{sql}"
        );
    }
}

#[test]
fn only_statements_with_a_tagged_relation_touch_tags() {
    for sql in [
        "SELECT 1",
        "SELECT * FROM orders",
        "SELECT attname FROM pg_attribute",
        "INSERT INTO orders VALUES (1)",
    ] {
        assert!(!with_tags(sql).touches_tagged, "{sql}");
    }
    for sql in [
        "SELECT id FROM customers",
        "INSERT INTO customers (name) VALUES ('a')",
        "SELECT id FROM plain_view",
        "update count_view set count=null where count=3",
        "SELECT count FROM over_count",
    ] {
        assert!(with_tags(sql).touches_tagged, "{sql}");
    }
}

#[test]
fn a_backslash_that_changes_structure_is_refused() {
    for sql in [r"SELECT 'a\', ssn FROM customers -- '", r"SELECT 'a\'' , 1 --'"] {
        assert!(
            without_tags(sql).refusal.is_some() || with_tags(sql).refusal.is_some(),
            "{sql}"
        );
    }
}

#[test]
fn a_backslash_that_stays_inside_its_string_passes() {
    for sql in [
        r"SELECT regexp_replace(note, '\s+', ' ') FROM orders",
        r"SELECT E'a\nb'",
        r"SELECT 'C:\dir'",
    ] {
        assert_eq!(with_tags(sql).refusal, None, "{sql}");
    }
}
