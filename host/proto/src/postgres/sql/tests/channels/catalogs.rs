//! What the server itself knows of tagged values, and changes of what is tagged.

/// Statements that are refused, with a part of the reason.
pub(super) const REFUSED: &[(&str, &str)] = &[
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
];
