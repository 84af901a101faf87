//! The ways by which a masked value could leave otherwise than as a masked output, one by one.

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

/// Statements that are refused, with a part of the reason.
const REFUSED: &[(&str, &str)] = &[
    // Expressions.
    (
        "SELECT ssn || '' FROM customers",
        "customers.ssn is masked and cannot be used in an expression",
    ),
    ("SELECT concat(ssn) FROM customers", "an argument of a function"),
    ("SELECT ssn::varchar FROM customers", "cast"),
    ("SELECT ssn::text FROM customers", "cast"),
    ("SELECT coalesce(ssn, '') FROM customers", "expression"),
    ("SELECT nullif(ssn, '') FROM customers", "expression"),
    ("SELECT greatest(ssn) FROM customers", "expression"),
    (
        "SELECT CASE WHEN id = 1 THEN ssn END FROM customers",
        "expression",
    ),
    ("SELECT ssn IS NULL FROM customers", "expression"),
    ("SELECT ssn COLLATE \"C\" FROM customers", "expression"),
    ("SELECT ARRAY[ssn] FROM customers", "expression"),
    ("SELECT ROW(ssn) FROM customers", "expression"),
    ("SELECT ROW(c.*) FROM customers c", "whole row"),
    ("SELECT xmlforest(ssn) FROM customers", "expression"),
    ("SELECT json_object('a': ssn) FROM customers", "expression"),
    ("SELECT (VALUES (ssn)) FROM customers", "VALUES"),
    ("SELECT * FROM customers c, LATERAL (VALUES (c.ssn)) v", "VALUES"),
    ("SELECT ssn FROM customers UNION SELECT note FROM orders", "UNION"),
    (
        "SELECT note FROM orders EXCEPT SELECT ssn FROM customers",
        "UNION",
    ),
    (
        "SELECT x FROM (SELECT ssn AS x FROM customers UNION ALL SELECT 'a') s",
        "UNION",
    ),
    (
        "SELECT ssn FROM customers a FULL JOIN customers b USING (ssn)",
        "USING",
    ),
    ("SELECT name FROM customers NATURAL JOIN archive", "NATURAL"),
    ("SELECT (SELECT ssn FROM customers LIMIT 1)", "subquery"),
    ("SELECT ARRAY(SELECT ssn FROM customers)", "subquery"),
    ("SELECT 1 WHERE '1' IN (SELECT ssn FROM customers)", "subquery"),
    ("SELECT 1 WHERE '1' = ANY (SELECT ssn FROM customers)", "subquery"),
    ("SELECT (SELECT c.ssn) FROM customers c", "subquery"),
    // Aggregates.
    ("SELECT max(ssn) FROM customers", "function"),
    ("SELECT string_agg(ssn, ',') FROM customers", "function"),
    ("SELECT array_agg(DISTINCT ssn) FROM customers", "function"),
    (
        "SELECT count(id) FILTER (WHERE ssn > '5') FROM customers",
        "function",
    ),
    (
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn) FROM customers",
        "function",
    ),
    ("SELECT json_agg(ssn) FROM customers", "function"),
    // Whole rows.
    ("SELECT c FROM customers c", "whole row"),
    ("SELECT customers FROM customers", "whole row"),
    ("SELECT c::text FROM customers c", "whole row"),
    ("SELECT row_to_json(c) FROM customers c", "whole row"),
    ("SELECT to_jsonb(c.*) FROM customers c", "whole row"),
    ("SELECT count(c) FROM customers c", "whole row"),
    ("SELECT (c).ssn FROM customers c", "whole row"),
    ("SELECT (c).* FROM customers c", "whole row"),
    ("SELECT c.row_to_json FROM customers c", "whole row"),
    ("SELECT 1 FROM customers c WHERE c IS NOT NULL", "whole row"),
    ("SELECT s FROM (SELECT * FROM customers) s", "whole row"),
    ("SELECT array_agg(c) FROM customers c", "whole row"),
    // Predicates, joins, order, groups, windows.
    ("SELECT id FROM customers WHERE ssn = '1'", "WHERE"),
    ("SELECT id FROM customers c WHERE c.ssn LIKE '1%'", "WHERE"),
    (
        "SELECT id FROM customers WHERE EXISTS (SELECT 1 FROM orders WHERE note = ssn)",
        "WHERE",
    ),
    (
        "SELECT d.x FROM customers t JOIN (VALUES('0'), ('1')) d(x) ON d.x = left(t.ssn, 1)",
        "JOIN condition",
    ),
    ("SELECT id FROM customers ORDER BY ssn", "ORDER BY"),
    ("SELECT id, ssn FROM customers ORDER BY 2", "ORDER BY"),
    ("SELECT id, ssn AS x FROM customers ORDER BY x", "ORDER BY"),
    ("SELECT ssn FROM customers GROUP BY ssn", "GROUP BY"),
    ("SELECT ssn FROM customers GROUP BY 1", "GROUP BY"),
    ("SELECT ssn AS x FROM customers GROUP BY x", "GROUP BY"),
    ("SELECT ssn FROM customers GROUP BY ROLLUP (1)", "GROUP BY"),
    ("SELECT id FROM customers GROUP BY id HAVING ssn > '1'", "HAVING"),
    ("SELECT DISTINCT ssn FROM customers", "DISTINCT"),
    ("SELECT DISTINCT * FROM customers", "DISTINCT"),
    ("SELECT DISTINCT ON (ssn) id FROM customers", "DISTINCT"),
    ("SELECT DISTINCT ON (2) id, ssn FROM customers", "DISTINCT"),
    ("SELECT ntile(4) OVER (ORDER BY ssn) FROM customers", "window"),
    (
        "SELECT rank() OVER w FROM customers WINDOW w AS (PARTITION BY ssn)",
        "WINDOW",
    ),
    (
        "SELECT id FROM customers LIMIT (SELECT length(ssn) FROM customers LIMIT 1)",
        "function",
    ),
    (
        "SELECT 1 FROM customers t, generate_series(1, length(t.ssn))",
        "function",
    ),
    ("SELECT 1 FROM staff t, generate_series(1, t.salary)", "function"),
    ("SELECT repeat('x', salary) FROM hr.staff", "function"),
    ("SELECT pg_sleep(salary) FROM staff", "constants only"),
    (
        "SELECT CASE WHEN ssn > '5' THEN 1 / 0 END FROM customers",
        "expression",
    ),
    (
        "WITH RECURSIVE r AS (SELECT ssn FROM customers UNION ALL SELECT ssn FROM r) SELECT 1 FROM r",
        "recursive",
    ),
    (
        "WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT ssn FROM customers) SELECT upper(ssn) FROM a",
        "before its definition",
    ),
    // The same through layers.
    (
        "SELECT upper(y) FROM (SELECT ssn AS y FROM customers) s",
        "function",
    ),
    (
        "WITH c AS (SELECT ssn AS z FROM customers) SELECT z || '' FROM c",
        "expression",
    ),
    ("SELECT d || '' FROM customers x(a, b, c, d)", "expression"),
    (
        "SELECT j.ssn || '' FROM (customers c JOIN orders o ON c.id = o.customer_id) j",
        "expression",
    ),
    ("SELECT upper(secret_number) FROM plain_view", "function"),
    ("SELECT upper(ssn) FROM events_2026", "function"),
    ("SELECT upper(ssn) FROM other.customers, customers", "function"),
    ("SELECT ssn_length + 1 FROM customers", "expression"),
    ("SELECT id FROM prefix_view", "the view prefix_view"),
    ("SELECT query FROM activity_view", "the view activity_view"),
    ("SELECT id FROM calling_view", "the view calling_view"),
    // Code that cannot be seen.
    ("SELECT lookup(1)", "function lookup is not reviewed"),
    ("SELECT * FROM public.lookup(1)", "function public.lookup"),
    ("SELECT initcap(note) FROM orders", "function initcap"),
    ("SELECT similarity(note, 'x') FROM orders", "function similarity"),
    ("SELECT never_heard_of(1)", "not reviewed"),
    ("SELECT 1 === 2", "operator ==="),
    ("SELECT 1 OPERATOR(public.===) 2", "operator public.==="),
    ("SELECT 'x'::fancy", "cast to fancy"),
    (
        "SELECT query_to_xml('select ssn from customers', true, true, '')",
        "query_to_xml",
    ),
    ("SELECT table_to_xml('customers', true, true, '')", "table_to_xml"),
    ("SELECT cursor_to_xml('c', 1, true, true, '')", "cursor_to_xml"),
    ("SELECT database_to_xml(true, true, '')", "database_to_xml"),
    (
        "SELECT * FROM ts_stat('select to_tsvector(ssn) from customers')",
        "ts_stat",
    ),
    (
        "SELECT ts_rewrite('a'::tsquery, 'select ssn, ssn from customers')",
        "ts_rewrite",
    ),
    (
        "SELECT * FROM dblink('', 'select ssn from customers') t(a text)",
        "dblink",
    ),
    ("DO 'begin end'", "do is not possible"),
    ("CALL p()", "function p is not reviewed"),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'",
        "create function",
    ),
    (
        "CREATE TRIGGER t BEFORE INSERT ON orders EXECUTE FUNCTION f()",
        "create trigger",
    ),
    (
        "CREATE RULE r AS ON SELECT TO orders DO INSTEAD SELECT * FROM customers",
        "create rule",
    ),
    (
        "CREATE OPERATOR + (FUNCTION = f, LEFTARG = int)",
        "create operator",
    ),
    ("CREATE CAST (text AS int) WITH FUNCTION f(text)", "create cast"),
    (
        "CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)",
        "create aggregate",
    ),
    ("CREATE TYPE t (INPUT = f, OUTPUT = g)", "create type"),
    ("CREATE POLICY p ON orders USING (true)", "create policy"),
    (
        "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f()",
        "create event trigger",
    ),
    ("CREATE EXTENSION pageinspect", "create extension"),
    ("LOAD 'x'", "load"),
    ("INSERT INTO ruled VALUES (1)", "ruled"),
    // Cursors and copies.
    ("COPY customers TO STDOUT", "copied"),
    ("COPY customers (id, ssn) TO STDOUT (FORMAT binary)", "copied"),
    ("COPY (SELECT ssn FROM customers) TO STDOUT", "copied"),
    ("COPY customers FROM STDIN", "copied"),
    ("COPY plain_view TO STDOUT", "copied"),
    (
        "DECLARE c CURSOR FOR SELECT upper(ssn) FROM customers",
        "function",
    ),
    ("PREPARE p AS SELECT upper(ssn) FROM customers", "function"),
    ("CREATE TABLE t AS EXECUTE p", "EXECUTE"),
    // Files.
    ("COPY orders TO PROGRAM 'curl x'", "files or programs"),
    ("COPY orders TO '/tmp/x'", "files or programs"),
    ("COPY orders FROM '/etc/passwd'", "files or programs"),
    ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
    ("SELECT pg_read_binary_file('/etc/passwd')", "pg_read_binary_file"),
    ("SELECT pg_ls_dir('.')", "pg_ls_dir"),
    ("SELECT lo_import('/etc/passwd')", "lo_import"),
    ("SELECT lo_get(1)", "lo_get"),
    ("SELECT lo_from_bytea(0, 'x')", "lo_from_bytea"),
    // Writing it elsewhere.
    ("CREATE TABLE t AS SELECT ssn FROM customers", "stored"),
    ("SELECT ssn INTO t FROM customers", "stored"),
    ("CREATE TEMP TABLE t AS SELECT * FROM customers", "stored"),
    ("CREATE VIEW v AS SELECT ssn FROM customers", "stored"),
    ("CREATE MATERIALIZED VIEW v AS SELECT * FROM customers", "stored"),
    ("INSERT INTO orders (note) SELECT ssn FROM customers", "source"),
    (
        "INSERT INTO orders (note) VALUES ((SELECT ssn FROM customers))",
        "subquery",
    ),
    ("UPDATE customers SET name = ssn RETURNING name", "source"),
    (
        "UPDATE customers SET (name, email) = (SELECT ssn, ssn FROM customers LIMIT 1)",
        "subquery",
    ),
    (
        "UPDATE orders SET note = c.ssn FROM customers c WHERE c.id = customer_id",
        "source",
    ),
    (
        "MERGE INTO orders o USING customers c ON c.id = o.id WHEN MATCHED THEN UPDATE SET note = c.ssn",
        "source",
    ),
    (
        "MERGE INTO orders o USING customers c ON c.ssn = o.note WHEN MATCHED THEN DELETE",
        "MERGE",
    ),
    (
        "WITH u AS (UPDATE customers SET name = 'x' RETURNING ssn) SELECT upper(ssn) FROM u",
        "function",
    ),
    ("UPDATE customers SET name = 'x' RETURNING upper(ssn)", "function"),
    ("DELETE FROM customers WHERE ssn = '1'", "WHERE"),
    ("DELETE FROM orders USING customers c WHERE c.ssn = note", "WHERE"),
    // Writing into it.
    ("UPDATE customers SET ssn = 'x'", "written"),
    ("UPDATE customers SET (name, ssn) = ('x', 'y')", "written"),
    ("INSERT INTO customers (ssn) VALUES ('x')", "written"),
    (
        "INSERT INTO customers VALUES (1, 'a', 'b', 'c')",
        "without a list of columns",
    ),
    (
        "INSERT INTO customers (name) VALUES ('x') ON CONFLICT DO NOTHING",
        "ON CONFLICT",
    ),
    (
        "INSERT INTO customers (name) VALUES ('x') ON CONFLICT (id) DO UPDATE SET name = excluded.ssn",
        "ON CONFLICT",
    ),
    (
        "MERGE INTO customers c USING orders o ON c.id = o.id WHEN NOT MATCHED THEN INSERT (ssn) VALUES ('1')",
        "written",
    ),
    (
        "MERGE INTO customers c USING orders o ON c.id = o.id WHEN NOT MATCHED THEN INSERT VALUES (1, '', '', '')",
        "without a list",
    ),
    // State beside results.
    (
        "SELECT set_config('application_name', ssn, false) FROM customers",
        "constants only",
    ),
    ("SELECT pg_notify('c', ssn) FROM customers", "pg_notify"),
    ("SELECT pg_advisory_lock(salary) FROM staff", "pg_advisory_lock"),
    ("SELECT setval('s', salary) FROM staff", "constants only"),
    ("SELECT nextval(ssn) FROM customers", "constants only"),
    ("SELECT lo_create(salary) FROM staff", "lo_create"),
    ("SELECT pg_cancel_backend(salary) FROM staff", "constants only"),
    (
        "SELECT pg_logical_emit_message(true, 'a', ssn) FROM customers",
        "pg_logical_emit_message",
    ),
    (
        "SELECT pg_create_logical_replication_slot('a', 'b')",
        "pg_create_logical_replication_slot",
    ),
    (
        "SELECT * FROM pg_logical_slot_peek_changes('a', null, null)",
        "pg_logical_slot_peek_changes",
    ),
    ("CREATE PUBLICATION p FOR ALL TABLES", "create publication"),
    (
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
        "create subscription",
    ),
    // Casts that fail aloud.
    ("SELECT ssn::int FROM customers", "cast"),
    ("SELECT ssn::regclass FROM customers", "cast"),
    ("SELECT CAST(ssn AS date) FROM customers", "cast"),
    // Statistics, other people's statements, catalogs, storage.
    ("SELECT most_common_vals FROM pg_stats", "pg_stats cannot be read"),
    (
        "SELECT query FROM pg_stat_activity",
        "pg_stat_activity cannot be read",
    ),
    ("SELECT * FROM pg_catalog.pg_authid", "pg_authid cannot be read"),
    (
        "SELECT attmissingval FROM pg_attribute",
        "attmissingval cannot be read",
    ),
    ("SELECT * FROM pg_attribute", "attmissingval cannot be read"),
    ("SELECT a FROM pg_attribute a", "whole row"),
    ("SELECT chunk_data FROM pg_toast.pg_toast_16400", "cannot be read"),
    ("SELECT * FROM pg_stat_get_activity(null)", "pg_stat_get_activity"),
    ("SELECT get_raw_page('customers', 0)", "get_raw_page"),
    // Definitions.
    (
        "ALTER TABLE customers ADD COLUMN x text",
        "alter table of customers",
    ),
    (
        "ALTER TABLE customers ALTER COLUMN ssn TYPE int USING 1",
        "alter table of customers",
    ),
    (
        "ALTER TABLE orders ATTACH PARTITION customers DEFAULT",
        "customers",
    ),
    ("ALTER TABLE orders RENAME TO customers", "customers"),
    (
        "CREATE INDEX ON customers (left(ssn, 1))",
        "create index of customers",
    ),
    ("CREATE TABLE t (LIKE customers)", "customers"),
    ("CREATE TABLE t () INHERITS (customers)", "customers"),
    ("CREATE TABLE t (a text REFERENCES customers (ssn))", "customers"),
    ("CREATE TEMP TABLE customers (id int)", "may be named customers"),
    ("CREATE TEMP VIEW customers AS SELECT 1", "may be named customers"),
    ("CREATE STATISTICS s ON ssn, name FROM customers", "customers"),
    ("DROP TABLE customers", "drop table of customers"),
    ("DROP SCHEMA hr CASCADE", "drop schema of hr"),
    ("ALTER SCHEMA hr RENAME TO x", "hr"),
    ("GRANT SELECT ON customers TO public", "grant of customers"),
    ("GRANT SELECT ON ALL TABLES IN SCHEMA hr TO public", "grant of hr"),
    ("COMMENT ON COLUMN customers.ssn IS 'x'", "customers"),
    ("REINDEX TABLE customers", "customers"),
    // An existing column is checked: by failing, this tells about its values.
    (
        "alter domain ssn_t add constraint kk check (value like '201%')",
        "alter domain",
    ),
    ("ALTER TYPE t RENAME ATTRIBUTE ssn TO x CASCADE", "alter type"),
    ("ALTER TYPE t DROP ATTRIBUTE a CASCADE", "alter type"),
    // The bounds of partitions are values.
    (
        "select pg_get_expr(relpartbound,oid) from pg_class where relname='plist_a'",
        "relpartbound",
    ),
    ("SELECT relpartbound FROM pg_class", "relpartbound cannot be read"),
    (
        "SELECT pg_get_partition_constraintdef('events_2026'::regclass)",
        "function pg_get_partition_constraintdef",
    ),
    // Code that a write runs.
    ("insert into trg(id) values (1) returning note", "function trgfn"),
    ("insert into deflt(id) values (1) returning *", "function dfn"),
    ("INSERT INTO deflt_view (id) VALUES (1)", "function dfn"),
    (
        "WITH d AS (DELETE FROM trg RETURNING note) SELECT 1",
        "function trgfn",
    ),
    ("COPY deflt FROM STDIN", "function dfn"),
    ("UPDATE sealed SET id = 1", "function seal"),
    // Roles and other servers.
    ("ALTER ROLE app PASSWORD 'x'", "alter role"),
    ("CREATE ROLE x", "create role"),
    ("GRANT a TO b", "grant role"),
    (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO public",
        "alter default privileges",
    ),
    ("ALTER ROLE app SET work_mem = '1MB'", "alter role"),
    (
        "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw",
        "create foreign server",
    ),
    (
        "IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b",
        "import foreign schema",
    ),
    ("ALTER SYSTEM SET log_statement = 'all'", "log_statement"),
    ("CREATE DATABASE d TEMPLATE app", "create database"),
    (
        "EXPLAIN ANALYZE SELECT id FROM customers WHERE ssn > '5'",
        "WHERE",
    ),
    ("EXPLAIN SELECT id FROM customers WHERE ssn > '5'", "WHERE"),
    ("SELECT * FROM customers TABLESAMPLE system_rows(1)", "sampling"),
];

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
    for (sql, reason) in REFUSED {
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
    for (sql, _) in REFUSED {
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
