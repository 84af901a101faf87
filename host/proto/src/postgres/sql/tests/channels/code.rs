//! Code that cannot be seen, and what lies outside of tables: files, roles, other servers.

/// Statements that are refused, with a part of the reason.
pub(super) const REFUSED: &[(&str, &str)] = &[
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
    ("SELECT * FROM customers TABLESAMPLE system_rows(1)", "sampling"),
];
