//! What ordinary clients send without being asked: it must pass while columns are tagged.

use super::with_tags;

const SETUP: &[&str] = &[
    "SET extra_float_digits = 3",
    "SET application_name = 'PostgreSQL JDBC Driver'",
    "SET TimeZone TO 'Europe/Berlin'",
    "SET DateStyle = 'ISO, MDY'",
    "SET client_encoding TO 'UTF8'",
    "SET client_encoding = 'utf-8'",
    "SET NAMES 'UTF8'",
    "SET standard_conforming_strings = on",
    "SET client_min_messages TO WARNING",
    "SET statement_timeout = 0",
    "SET jit = off",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET LOCAL lock_timeout = '1s'",
    "SHOW TRANSACTION ISOLATION LEVEL",
    "SHOW standard_conforming_strings",
    "SELECT pg_catalog.set_config('jit', 'off', false)",
    "SELECT current_setting('jit') AS cur, set_config('jit', $1, false) AS new",
    "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SAVEPOINT a; RELEASE a; COMMIT",
    "DISCARD ALL",
    "SELECT pg_terminate_backend(12), pg_cancel_backend($1), pg_sleep(1)",
    "SELECT nextval('orders_id_seq'), currval('orders_id_seq'::regclass)",
    "LISTEN c; NOTIFY c, 'x'; UNLISTEN c",
];

/// In the manner of psql's backslash commands and of drivers' metadata calls.
const METADATA: &[&str] = &[
    "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c \
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relname OPERATOR(pg_catalog.~) '^(customers)$' COLLATE pg_catalog.default \
     AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3",
    "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
     (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d \
     WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull \
     FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16400' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    "SELECT n.nspname AS \"Schema\", c.relname AS \"Name\", \
     CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END AS \"Type\", \
     pg_catalog.pg_get_userbyid(c.relowner) AS \"Owner\" FROM pg_catalog.pg_class c \
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', '') \
     AND n.nspname !~ '^pg_toast' ORDER BY 1, 2",
    "SELECT p.proname, pg_catalog.pg_get_function_result(p.oid), pg_catalog.pg_get_function_arguments(p.oid) \
     FROM pg_catalog.pg_proc p WHERE pg_catalog.pg_function_is_visible(p.oid) ORDER BY 1",
    "SELECT d.datname, pg_catalog.array_to_string(d.datacl, E'\\n') FROM pg_catalog.pg_database d ORDER BY 1",
    "SELECT * FROM (SELECT n.nspname, c.relname, a.attname, \
     row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS attnum, t.typbasetype, \
     nullif(a.attidentity, '') AS attidentity FROM pg_catalog.pg_namespace n \
     JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid) JOIN pg_catalog.pg_attribute a ON (a.attrelid = c.oid) \
     JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid) WHERE a.attnum > 0) c \
     WHERE true AND attname LIKE E'%' ORDER BY nspname, c.relname, attnum",
    "SELECT result.table_name, result.key_seq FROM (SELECT ct.relname AS table_name, \
     (information_schema._pg_expandarray(i.indkey)).n AS key_seq, \
     information_schema._pg_expandarray(i.indkey) AS keys, a.attnum AS a_attnum \
     FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid) \
     JOIN pg_catalog.pg_index i ON (a.attrelid = i.indrelid)) result WHERE result.a_attnum = (result.keys).x",
    "WITH RECURSIVE typeinfo_tree(oid, ns, name, kind, depth) AS (SELECT ti.oid, ti.ns, ti.name, ti.kind, 0 \
     FROM (SELECT t.oid, ns.nspname AS ns, t.typname AS name, t.typtype AS kind FROM pg_catalog.pg_type AS t \
     INNER JOIN pg_catalog.pg_namespace ns ON (ns.oid = t.typnamespace)) AS ti WHERE ti.oid = any($1::oid[]) \
     UNION ALL SELECT ti.oid, ti.ns, ti.name, ti.kind, tt.depth + 1 FROM pg_catalog.pg_type ti, typeinfo_tree tt \
     WHERE tt.oid = ti.typelem) SELECT DISTINCT *, basetype::regtype::text FROM typeinfo_tree ORDER BY depth DESC",
    "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_name = 'customers'",
    "SELECT relname, reltuples::bigint FROM pg_class WHERE relkind = 'r' AND oid = 'customers'::regclass",
    "SELECT pg_size_pretty(pg_total_relation_size('customers'))",
    "SELECT version(), current_database(), current_user, current_schema(), pg_backend_pid(), pg_is_in_recovery()",
];

#[test]
fn what_drivers_send_at_the_start_passes() {
    for sql in SETUP {
        assert_eq!(with_tags(sql).refusal, None, "{sql}");
    }
}

#[test]
fn metadata_queries_pass_and_touch_nothing() {
    for sql in METADATA {
        let analysis = with_tags(sql);
        assert_eq!(analysis.refusal, None, "{sql}");
        assert!(!analysis.touches_tagged, "{sql}");
    }
}
