//! Whatever bytes come: an answer, never a panic, and in bounded time.

use std::collections::BTreeMap;

use model::Rule;
use proptest::prelude::*;

use super::{Limits, analyse, tagged, with_tags};
use crate::postgres::sql::tree;

fn refused(sql: &[u8]) -> Option<Rule> {
    analyse(sql, &tagged(), &Limits::default())
        .refusal
        .map(|refusal| refusal.rule)
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    assert_eq!(
        refused(b"SELECT E'\x95\x5c', ssn FROM customers --'"),
        Some(Rule::Unparsable)
    );
    assert_eq!(refused(b"SELECT 1\0; SELECT 2"), Some(Rule::Unparsable));
}

#[test]
fn a_statement_over_the_limit_is_refused() {
    let limits = Limits {
        bytes_max: 8,
        statements_max: 1,
    };
    let refused = |sql: &str| analyse(sql.as_bytes(), &tagged(), &limits).refusal;
    assert!(refused("SELECT 1").is_none());
    assert!(refused("SELECT 12").is_some());
    assert!(refused(";;").is_none());
    let limits = Limits {
        bytes_max: 100,
        statements_max: 1,
    };
    assert!(
        analyse(b"SELECT 1; SELECT 2", &tagged(), &limits)
            .refusal
            .is_some()
    );
}

#[test]
fn what_does_not_parse_is_refused() {
    assert_eq!(refused(b"SELEC 1"), Some(Rule::Unparsable));
    assert_eq!(refused(b"SELECT 'open"), Some(Rule::Unparsable));
}

#[test]
fn deep_nesting_is_refused_with_a_reason() {
    let chains = [
        format!("SELECT 1{}", " + 1".repeat(64_000)),
        format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT {}1", "- ".repeat(64_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(20_000)),
        format!("SELECT {}1{}", "(SELECT ".repeat(2_000), ")".repeat(2_000)),
    ];
    for sql in chains {
        let analysis = with_tags(&sql);
        if let Some(refusal) = analysis.refusal {
            assert_eq!(refusal.message, "the statement is nested too deeply");
            assert!(refusal.hint.is_some());
        }
    }
}

#[test]
fn forty_conditions_and_long_lists_pass() {
    let ands = format!("SELECT id FROM orders WHERE {}true", "id = 1 AND ".repeat(5_000));
    let list = format!("SELECT id FROM orders WHERE id IN (1{})", ", 1".repeat(100_000));
    let sum = format!("SELECT 1{}", " + 1".repeat(40));
    for sql in [ands, list, sum] {
        assert_eq!(with_tags(&sql).refusal, None, "{}", &sql[..60]);
    }
}

#[test]
fn work_that_multiplies_is_cut_off() {
    let mut sql = String::from("WITH c0 AS (SELECT a.*, b.* FROM customers a, customers b)");
    for level in 1..60 {
        sql.push_str(&format!(
            ", c{level} AS (SELECT a.*, b.* FROM c{0} a, c{0} b)",
            level - 1
        ));
    }
    sql.push_str(" SELECT 1 FROM c59");
    assert_eq!(refused(sql.as_bytes()), Some(Rule::TaggedUse));
    let functions = format!("SELECT * FROM customers{}", ", now()".repeat(30_000));
    assert_eq!(refused(functions.as_bytes()), Some(Rule::TaggedUse));
    let names: String = (0..50_000).map(|number| format!(", c{number}")).collect();
    assert_eq!(
        refused(format!("SELECT 1{names} FROM orders").as_bytes()),
        Some(Rule::Unparsable)
    );
}

/// Compares the nodes that the tree's printed form has with those that the walker visits.
#[test]
fn the_walker_misses_no_node() {
    let corpus = [
        "WITH RECURSIVE a(x) AS (SELECT 1 UNION SELECT x + 1 FROM a) SEARCH DEPTH FIRST BY x SET o \
         CYCLE x SET c USING p SELECT DISTINCT ON (a.x) a.x, count(*) FILTER (WHERE true) OVER w, \
         CASE WHEN x > 1 THEN 2 ELSE 3 END, (ARRAY[1, 2])[1], x::int[], ROW(1, 2), coalesce(x, 1), \
         greatest(1, 2), x COLLATE \"C\", current_date, f(a => 1), x IS NULL, x IS TRUE, NOT true \
         FROM a JOIN b USING (x) AS j NATURAL JOIN c, LATERAL (SELECT 1) d(e), ROWS FROM (f(1) AS (g int)) h, \
         t TABLESAMPLE system (1) REPEATABLE (2), XMLTABLE('a' PASSING 'b' COLUMNS c int PATH 'd' DEFAULT 1) \
         WHERE x IN (SELECT 1) AND x = ANY (ARRAY[1]) GROUP BY ROLLUP (a.x), GROUPING SETS ((1), ()) HAVING true \
         WINDOW w AS (PARTITION BY x ORDER BY y USING < ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) \
         ORDER BY 1 DESC LIMIT 1 OFFSET 2 FOR UPDATE OF a",
        "INSERT INTO t (a, b[1]) VALUES (1, DEFAULT) ON CONFLICT (a) WHERE true DO UPDATE SET a = excluded.a RETURNING WITH (OLD AS o) *",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED AND true THEN UPDATE SET a = 1 \
         WHEN NOT MATCHED THEN INSERT (a) VALUES (1) RETURNING merge_action()",
        "SELECT json_object('a': 1), json_array(1), json_array(SELECT 1), json_objectagg('a': 1), json_arrayagg(1), \
         json_query('{}', '$' PASSING 1 AS p DEFAULT 1 ON EMPTY), json_scalar(1), json('1'), json_serialize('1'), \
         '1' IS JSON, xmlelement(NAME a, xmlattributes(1 AS b)), xmlserialize(CONTENT 'a' AS text) \
         FROM JSON_TABLE('{}', '$' COLUMNS (a int PATH '$.a', NESTED PATH '$.b' COLUMNS (c int))) j",
        "CREATE TABLE t (a int DEFAULT 1 CHECK (a > 0) REFERENCES u (b), EXCLUDE USING gist (a WITH =), LIKE v) \
         INHERITS (w) PARTITION BY RANGE (a, (b + 1)) WITH (fillfactor = 10)",
        "CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (MAXVALUE)",
        "ALTER TABLE t ADD COLUMN a int, ALTER b TYPE int USING b::int; ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)",
        "CREATE FUNCTION f(a int DEFAULT 1) RETURNS int BEGIN ATOMIC SELECT 1; RETURN 2; END",
        "CREATE TRIGGER t AFTER UPDATE OF a ON b REFERENCING OLD TABLE AS c FOR EACH ROW WHEN (true) EXECUTE FUNCTION f('x')",
        "GRANT SELECT (a), UPDATE ON t TO bob, CURRENT_USER WITH GRANT OPTION GRANTED BY x",
        "CREATE PUBLICATION p FOR TABLE t (a) WHERE (a > 1), TABLES IN SCHEMA s",
        "COPY t (a) FROM STDIN (FORMAT csv) WHERE a > 1; EXPLAIN (ANALYZE) EXECUTE p (1); VACUUM (FULL) t (a)",
        "CREATE OPERATOR CLASS c FOR TYPE int USING btree AS OPERATOR 1 <, FUNCTION 1 f(int, int)",
        "CREATE POLICY p ON t USING (true) WITH CHECK (false); CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM u",
    ];
    for sql in corpus {
        let parsed = crate::postgres::sql::parse::parse(sql.as_bytes(), 10_000).expect("the corpus parses");
        let mut visited = BTreeMap::new();
        for statement in &parsed.tree.stmts {
            let node = statement
                .stmt
                .as_ref()
                .and_then(|node| node.node.as_ref())
                .expect("a statement");
            count(node.to_ref(), &mut visited);
        }
        for (name, there) in printed(&format!("{:?}", parsed.tree)) {
            assert_eq!(visited.get(&name).copied(), Some(there), "{name} in {sql}");
        }
    }
}

fn count(node: pg_query::NodeRef<'_>, visited: &mut BTreeMap<String, usize>) {
    let name = tree::name(node).expect("every node is known");
    *visited.entry(name.to_ascii_lowercase()).or_default() += 1;
    tree::children(node, &mut |_, child| count(child, visited)).expect("every node is known");
}

/// Counts the structures in the printed form of a tree, but for the values inside constants.
fn printed(tree: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (at, _) in tree.match_indices(" {") {
        let name: Vec<char> = tree[..at]
            .chars()
            .rev()
            .take_while(|c| c.is_alphanumeric())
            .collect();
        let name: String = name.into_iter().rev().collect();
        let before = &tree[..at - name.len()];
        let inside_constant = ["Ival(", "Fval(", "Sval(", "Boolval(", "Bsval("]
            .iter()
            .any(|v| before.ends_with(v));
        if !inside_constant && !["Node", "ParseResult", "RawStmt"].contains(&name.as_str()) {
            *counts.entry(name.to_ascii_lowercase()).or_default() += 1;
        }
    }
    counts
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "customers",
    "c",
    "ssn",
    "*",
    ",",
    "(",
    ")",
    ".",
    "JOIN",
    "ON",
    "USING",
    "=",
    "WITH",
    "AS",
    "UNION",
    "1",
    "'x'",
    "ORDER BY",
    "GROUP BY",
    "INSERT INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "RETURNING",
    "DELETE",
    "LATERAL",
    "orders",
    "id",
    ";",
    "::text",
    "count",
    "RECURSIVE",
    "EXPLAIN",
    "COPY",
    "TO STDOUT",
    "\\",
    "'",
    "LIMIT",
];

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = refused(&bytes);
    }

    #[test]
    fn shuffled_words_never_panic(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..25)) {
        let _ = refused(words.join(" ").as_bytes());
    }

    #[test]
    fn a_cut_statement_never_panics(cut in 0_usize..160, removed in 0_usize..20) {
        let sql = "WITH c AS (SELECT ssn, id FROM customers x(a, b, d, ssn)) SELECT (c).id, c.*, max(o.total) \
                   FROM c LEFT JOIN orders o ON o.id = c.id WHERE EXISTS (TABLE c) GROUP BY 1, 2";
        let start = cut.min(sql.len());
        let end = (start + removed).min(sql.len());
        let _ = refused(format!("{}{}", &sql[..start], &sql[end..]).as_bytes());
    }
}
