//! What passes, what is refused and why, statement by statement.

use model::{OperationKind, Refusal, Rule};

use super::{Analysis, Discard, Effect, Limits, Transaction, analyse};
use crate::postgres::catalog::tests::{tagged, untagged};

mod attributes;
mod channels;
mod clients;
mod names;
mod robustness;

fn with_tags(sql: &str) -> Analysis {
    analyse(sql.as_bytes(), &tagged(), &Limits::default())
}

fn without_tags(sql: &str) -> Analysis {
    analyse(sql.as_bytes(), &untagged(), &Limits::default())
}

fn refusal(sql: &str) -> Refusal {
    with_tags(sql)
        .refusal
        .unwrap_or_else(|| panic!("this must be refused: {sql}"))
}

#[test]
fn facts_tell_what_a_query_reads() {
    let analysis = with_tags(
        "SELECT c.name, ssn FROM public.customers c JOIN orders o ON o.customer_id = c.id WHERE total > $1 LIMIT 5",
    );
    let facts = &analysis.facts.statements[0];
    assert_eq!(facts.verb, "select");
    assert_eq!(facts.kind, OperationKind::Read);
    assert!(!facts.writes && !facts.utility && facts.has_where);
    assert_eq!(facts.limit, Some(5));
    assert_eq!(facts.columns, ["c.name", "ssn", "o.customer_id", "c.id", "total"]);
    assert_eq!(facts.predicates, ["o.customer_id", "c.id", "total"]);
    let names: Vec<_> = facts
        .relations
        .iter()
        .map(|r| (r.schema.as_deref(), r.name.as_str()))
        .collect();
    assert_eq!(names, [(Some("public"), "customers"), (None, "orders")]);
    assert_eq!(facts.relations[0].tags[0].as_str(), "pii.ssn");
    assert_eq!(analysis.tagged_outputs, ["public.customers.ssn"]);
    assert!(analysis.touches_tagged && analysis.refusal.is_none());
}

#[test]
fn the_kind_is_the_gravest_thing_in_a_statement() {
    use OperationKind::{Empty, Privilege, Read, Schema, Session, Transaction, Write};
    let cases = [
        ("", Empty),
        ("-- nothing", Empty),
        ("SELECT 1", Read),
        ("TABLE orders", Read),
        ("VALUES (1)", Read),
        (
            "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
            Write,
        ),
        ("SELECT 1 INTO t2", Schema),
        ("CREATE TABLE t2 AS SELECT 1", Schema),
        ("EXPLAIN DELETE FROM orders", Read),
        ("EXPLAIN ANALYZE DELETE FROM orders", Write),
        ("EXPLAIN (ANALYZE off) DELETE FROM orders", Read),
        ("COPY orders FROM STDIN", Write),
        ("COPY orders TO STDOUT", Read),
        ("COPY orders TO PROGRAM 'x'", Privilege),
        ("COPY orders FROM '/etc/passwd'", Privilege),
        ("DO 'begin end'", Write),
        ("CALL p()", Write),
        ("VACUUM orders", Schema),
        ("GRANT SELECT ON orders TO bob", Privilege),
        ("ALTER TABLE orders OWNER TO bob", Privilege),
        ("CREATE ROLE bob", Privilege),
        ("SET ROLE bob", Privilege),
        ("SET application_name = 'x'", Session),
        ("BEGIN", Transaction),
        ("SELECT lookup(1)", Write),
        ("SELECT approved(1)", Read),
        ("SELECT never_heard_of(1)", Write),
        ("SELECT nextval('s')", Write),
        ("SELECT pg_terminate_backend(1)", Privilege),
        ("SELECT pg_read_file('x')", Privilege),
        ("TRUNCATE orders", Write),
        (
            "MERGE INTO orders o USING orders p ON o.id = p.id WHEN MATCHED THEN DELETE",
            Write,
        ),
    ];
    for (sql, kind) in cases {
        assert_eq!(without_tags(sql).facts.kind(), kind, "{sql}");
    }
}

#[test]
fn verbs_are_commands() {
    let cases = [
        ("DROP FOREIGN TABLE x", "drop foreign table"),
        ("ALTER ROLE bob SET x = 1", "alter role"),
        (
            "CREATE MATERIALIZED VIEW v AS SELECT 1",
            "create materialized view as",
        ),
        ("CREATE UNIQUE INDEX i ON orders (id)", "create index"),
        ("ROLLBACK TO SAVEPOINT a", "rollback to"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'",
            "create function",
        ),
    ];
    for (sql, verb) in cases {
        assert_eq!(without_tags(sql).facts.statements[0].verb, verb, "{sql}");
    }
}

#[test]
fn the_session_is_told_what_to_remember() {
    let effect = |sql: &str| without_tags(sql).statements[0].effect.clone();
    assert_eq!(effect("DEALLOCATE ALL"), Effect::DeallocateAll);
    assert_eq!(effect("DEALLOCATE p"), Effect::Deallocate { name: "p".into() });
    assert_eq!(
        effect("EXECUTE p(1)"),
        Effect::Execute {
            name: "p".into(),
            resolved: false
        }
    );
    assert_eq!(
        effect("DECLARE c BINARY CURSOR FOR SELECT 1"),
        Effect::Declare {
            cursor: "c".into(),
            binary: true
        }
    );
    assert_eq!(effect("FETCH ALL FROM c"), Effect::Fetch { cursor: "c".into() });
    assert_eq!(effect("MOVE c"), Effect::Move { cursor: "c".into() });
    assert_eq!(effect("CLOSE ALL"), Effect::CloseAll);
    assert_eq!(effect("COPY orders FROM STDIN"), Effect::CopyIn);
    assert_eq!(effect("COPY (SELECT 1) TO STDOUT"), Effect::CopyOut);
    assert_eq!(effect("DISCARD ALL"), Effect::Discard(Discard::All));
    assert_eq!(effect("UNLISTEN *"), Effect::Unlisten { channel: None });
    assert_eq!(effect("COMMIT"), Effect::Transaction(Transaction::Commit));
    let create = &without_tags("CREATE TABLE x (a int)").statements[0];
    assert!(create.changes_catalog && !create.changes_settings);
    let set = &without_tags("SET x.y = 1").statements[0];
    assert!(!set.changes_catalog && set.changes_settings);
    assert!(without_tags("SELECT set_config('x.y', '1', false)").statements[0].changes_settings);
}

#[test]
fn a_statement_prepared_before_is_known_when_it_is_executed() {
    let analysis = without_tags("PREPARE p AS DELETE FROM orders; EXECUTE p");
    assert_eq!(analysis.facts.statements[0].kind, OperationKind::Session);
    assert_eq!(analysis.facts.statements[1].kind, OperationKind::Write);
    assert_eq!(analysis.facts.statements[1].relations[0].name, "orders");
    assert_eq!(
        analysis.statements[1].effect,
        Effect::Execute {
            name: "p".into(),
            resolved: true
        }
    );
    let Effect::Prepare { name, facts } = &analysis.statements[0].effect else {
        panic!("the first prepares");
    };
    assert_eq!(
        (name.as_str(), facts.verb.as_str(), facts.kind),
        ("p", "delete", OperationKind::Write)
    );
}

#[test]
fn what_wraps_an_execution_keeps_its_own_kind() {
    let analysis = without_tags(
        "PREPARE p AS SELECT id FROM orders; CREATE TABLE t AS EXECUTE p; EXPLAIN ANALYZE EXECUTE p",
    );
    let kinds: Vec<_> = analysis.facts.statements.iter().map(|s| s.kind).collect();
    assert_eq!(
        kinds,
        [OperationKind::Session, OperationKind::Schema, OperationKind::Read]
    );
    let names: Vec<_> = analysis.facts.statements[1]
        .relations
        .iter()
        .map(|r| r.name.as_str())
        .collect();
    assert_eq!(names, ["t", "orders"]);
}

#[test]
fn each_statement_knows_its_bytes() {
    let sql = "SELECT 1; SELECT 'é';\n SELECT 3";
    let analysis = without_tags(sql);
    let texts: Vec<_> = analysis
        .statements
        .iter()
        .map(|s| sql[s.range.clone()].trim())
        .collect();
    assert_eq!(texts, ["SELECT 1", "SELECT 'é'", "SELECT 3"]);
}

#[test]
fn unknown_relations_are_reported() {
    assert_eq!(
        with_tags("SELECT * FROM nowhere n, orders").unknown_relations,
        ["nowhere"]
    );
    assert!(
        with_tags("WITH n AS (SELECT 1) SELECT * FROM n")
            .unknown_relations
            .is_empty()
    );
    assert!(
        with_tags("CREATE TABLE nowhere (a int)")
            .unknown_relations
            .is_empty()
    );
}

#[test]
fn secrets_are_withheld_from_logs() {
    let secret = [
        "ALTER ROLE bob PASSWORD 'hunter2'",
        "CREATE USER bob WITH ENCRYPTED PASSWORD 'hunter2'",
        "CREATE USER MAPPING FOR bob SERVER s OPTIONS (password 'hunter2')",
        "CREATE SUBSCRIPTION s CONNECTION 'password=hunter2' PUBLICATION p",
        "ALTER SUBSCRIPTION s CONNECTION 'password=hunter2'",
        "SET app.password = 'hunter2'",
        "SELECT set_config('app.api_key', 'hunter2', false)",
        "SELECT * FROM dblink('password=hunter2', 'select 1') AS t(a int)",
        "DO $$ begin execute 'alter role bob password ''hunter2'''; end $$",
        "ALTER ROLE bob PASSWRD 'hunter2' password",
        "SELECT 1; ALTER ROLE bob PASSWORD 'hunter2'",
    ];
    for sql in secret {
        let analysis = without_tags(sql);
        let loggable = analysis.loggable.unwrap_or_else(|| panic!("{sql}"));
        assert!(!loggable.contains("hunter2"), "{loggable}");
        let said = format!("{:?}", analysis.refusal);
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert_eq!(without_tags("SELECT 'password'").loggable, None);
    assert_eq!(without_tags("ALTER ROLE bob NOLOGIN").loggable, None);
}

#[test]
fn settings_that_change_parsing_or_identity_stay() {
    let refused = [
        "SET standard_conforming_strings = off",
        "SET Standard_Conforming_Strings TO off",
        "SET client_encoding = 'SJIS'",
        "SET NAMES 'latin1'",
        "SET backslash_quote = on",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "SET session_replication_role = replica",
        "SELECT set_config('role', 'postgres', false)",
        "SELECT set_config('stan' || 'dard_conforming_strings', 'off', false)",
        "SELECT set_config(name, 'off', false) FROM pg_settings",
        "ALTER ROLE bob SET standard_conforming_strings = off",
        "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
        "WITH u AS (UPDATE pg_catalog.pg_settings s SET setting = 'off' RETURNING 1) SELECT 1",
        "ALTER DATABASE d SET client_encoding = 'SJIS'",
        "update ps set setting='SJIS' where name='client_encoding'",
        "update public.ps_of_ps p set setting = 'SJIS' where name = 'client_encoding'",
        "with u as (delete from ps_of_ps returning 1) select 1",
        "insert into ps values ('a', 'b')",
        "merge into ps using orders on true when matched then update set setting = 'x'",
        "prepare p as update ps set setting = 'x'",
        "explain analyze update ps set setting = 'x'",
        "copy ps from stdin",
        "create view v as select name from pg_settings",
        "create or replace temp view v as select p.name from pg_catalog.pg_settings p",
        "create view v as select name from (select name from ps_of_ps) k",
        "create schema s create view v as select name from ps",
        "create rule r as on insert to orders do also update pg_settings set setting = 'x'",
        "create rule r as on insert to orders do also update ps set setting = 'x'",
        "create rule r as on update to ps do instead nothing",
        "alter view ps rename to innocent",
        "alter view ps set schema other",
    ];
    for sql in refused {
        let refusal = without_tags(sql).refusal.unwrap_or_else(|| panic!("{sql}"));
        assert_eq!(refusal.rule, Rule::ProtocolRefused, "{sql}");
    }
    for sql in [
        "SELECT name FROM ps",
        "DROP VIEW ps",
        "UPDATE ps_copy SET setting = 'x'",
        "CREATE VIEW v AS SELECT id FROM orders",
    ] {
        assert_eq!(without_tags(sql).refusal, None, "{sql}");
    }
    let refused_with_tags = [
        "SET search_path = evil, public",
        "SET row_security = off",
        "SET client_min_messages = debug5",
        "SET client_min_messages = log",
        "SELECT set_config('search_path', 'evil', true)",
    ];
    for sql in refused_with_tags {
        assert_eq!(refusal(sql).rule, Rule::ProtocolRefused, "{sql}");
        assert_eq!(without_tags(sql).refusal, None, "{sql}");
    }
}

#[test]
fn nothing_tells_where_the_upstream_is() {
    let refused = [
        "SELECT inet_server_addr()",
        "SELECT 1 WHERE pg_catalog.inet_server_port() > 5000",
        "SHOW port",
        "SHOW ALL",
        "SELECT current_setting('Listen_Addresses')",
        "SELECT current_setting(name) FROM pg_settings",
        "SELECT * FROM pg_settings",
        "SELECT s.setting FROM pg_catalog.pg_settings s WHERE name = 'port'",
        "SELECT setting FROM pg_settings WHERE name = $1",
        "SELECT setting FROM pg_settings WHERE name <> 'max_index_keys'",
        "SELECT setting FROM pg_settings WHERE name = 'max_index_keys' OR true",
        "SELECT setting FROM pg_settings WHERE name = ANY ('{port}')",
        "SELECT setting FROM pg_settings WHERE setting = 'max_index_keys'",
        "SELECT a.setting FROM pg_settings a, pg_settings b WHERE b.name = 'max_index_keys'",
        "SELECT (SELECT max(setting) FROM pg_settings) FROM pg_settings WHERE name = 'max_index_keys'",
        "SELECT setting FROM pg_settings WHERE name = 'max_index_keys' UNION SELECT setting FROM pg_settings",
        "SELECT setting FROM pg_settings WHERE name OPERATOR(public.=) 'max_index_keys'",
    ];
    for sql in refused {
        let analysis = analyse(
            sql.as_bytes(),
            &crate::postgres::catalog::Catalog::default(),
            &Limits::default(),
        );
        let rule = analysis.refusal.map(|refusal| refusal.rule);
        assert_eq!(rule, Some(Rule::ProtocolRefused), "{sql}");
    }
    for sql in [
        "SHOW server_version",
        "SELECT current_setting('server_version_num')",
        "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_index_keys'",
        "SELECT s.setting, s.unit FROM pg_settings s WHERE s.name = 'work_mem'::text",
        "SELECT set_config('bytea_output', 'hex', false) FROM pg_settings WHERE name = 'bytea_output'",
    ] {
        let analysis = analyse(
            sql.as_bytes(),
            &crate::postgres::catalog::Catalog::default(),
            &Limits::default(),
        );
        assert_eq!(analysis.refusal, None, "{sql}");
    }
}

#[test]
fn the_commands_inside_a_statement_are_told() {
    for (sql, nested) in [
        ("SELECT 1", &[][..]),
        (
            "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
            &["delete"],
        ),
        ("EXPLAIN ANALYZE DELETE FROM t", &["delete"]),
        ("COPY (DELETE FROM t RETURNING id) TO STDOUT", &["delete"]),
        ("PREPARE p AS UPDATE t SET a = 1", &["update"]),
        (
            "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN DO NOTHING",
            &["delete"],
        ),
    ] {
        let catalog = crate::postgres::catalog::Catalog::default();
        let analysis = analyse(sql.as_bytes(), &catalog, &Limits::default());
        assert_eq!(analysis.facts.statements[0].nested, nested, "{sql}");
    }
}

#[test]
fn a_cursor_that_changes_settings_is_refused() {
    let refused = |sql: &str| without_tags(sql).refusal.is_some();
    assert!(refused(
        "declare c cursor for select set_config('app.tenant', '42', false)"
    ));
    assert!(!refused("declare c cursor for select 1"));
    assert!(!refused("select set_config('app.tenant', '42', false)"));
}

#[test]
fn a_statement_is_laid_out_for_reading_or_left_as_it_is() {
    let text = crate::postgres::sql::layout(
        "delete from orders where placed < '2020-01-01' and total=0 /* harmless */",
    );
    assert!(
        text.contains('\n') && text.contains("'2020-01-01'") && !text.contains("harmless"),
        "{text}"
    );
    for odd in ["delete frm x", "select 1; select", ""] {
        assert!(
            crate::postgres::sql::layout(odd).trim_end().len() <= odd.len() + 8,
            "{odd}"
        );
    }
    assert_eq!(crate::postgres::sql::layout("delete frm x"), "delete frm x");
}
