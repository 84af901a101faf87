//! A tagged value that would be put somewhere else, or take part in what is written.

/// Statements that are refused, with a part of the reason.
pub(super) const REFUSED: &[(&str, &str)] = &[
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
];
