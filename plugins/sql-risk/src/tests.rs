use tidegate_sdk::classifier::{Access, Assessment, Facts, Function, Kind, Relation, Statement};
use tidegate_sdk::testing::{assess, issues};

use super::SqlRisk;

fn statement(verb: &str, kind: Kind) -> Statement {
    Statement {
        verb: verb.to_owned(),
        kind,
        writes: kind > Kind::Read,
        columns: vec!["*".to_owned()],
        ..Statement::default()
    }
}

fn on(mut statement: Statement, name: &str, access: Access, tags: &[&str]) -> Statement {
    let tags = tags.iter().map(|t| (*t).to_owned()).collect();
    statement.relations.push(Relation {
        schema: None,
        name: name.to_owned(),
        access,
        tags,
    });
    statement
}

fn calling(name: &str) -> Statement {
    let functions = vec![Function {
        schema: None,
        name: name.to_owned(),
    }];
    Statement {
        functions,
        ..statement("select", Kind::Read)
    }
}

fn judged(config: &str, statements: Vec<Statement>) -> Assessment {
    assess::<SqlRisk>(
        config,
        "",
        &Facts {
            statements,
            ..Facts::default()
        },
    )
}

fn found(statement: Statement) -> Vec<String> {
    judged("{}", vec![statement])
        .findings
        .into_iter()
        .map(|f| f.id)
        .collect()
}

#[test]
fn plain_reads_score_low() {
    let plain = on(statement("select", Kind::Read), "orders", Access::Read, &[]);
    assert_eq!(judged("{}", vec![plain]).score, 5);
    let tagged = on(
        statement("select", Kind::Read),
        "customers",
        Access::Read,
        &["pii.ssn"],
    );
    let by_id = Statement {
        has_where: true,
        ..tagged
    };
    assert_eq!(judged("{}", vec![by_id]).score, 10);
    assert_eq!(judged("{}", vec![statement("begin", Kind::Transaction)]).score, 0);
    assert_eq!(judged("{}", Vec::new()).score, 0);
}

#[test]
fn reading_all_of_a_tagged_table_is_an_export() {
    let all = on(
        statement("select", Kind::Read),
        "customers",
        Access::Read,
        &["pii.ssn"],
    );
    assert_eq!(found(all.clone()), ["sql.unbounded-export"]);
    assert_eq!(
        found(Statement {
            limit: Some(1001),
            ..all.clone()
        }),
        ["sql.unbounded-export"]
    );
    assert!(
        found(Statement {
            limit: Some(1000),
            ..all.clone()
        })
        .is_empty()
    );
    assert!(found(on(statement("select", Kind::Read), "orders", Access::Read, &[])).is_empty());
    let assessment = judged(
        r#"{"export_rows_max":5000}"#,
        vec![Statement {
            limit: Some(1001),
            ..all
        }],
    );
    assert_eq!(assessment.score, 10);
}

#[test]
fn copying_a_tagged_table_out_is_an_export_whatever_its_where() {
    let copy = on(
        statement("copy", Kind::Read),
        "customers",
        Access::Read,
        &["pii.ssn"],
    );
    assert_eq!(
        found(Statement {
            has_where: true,
            ..copy
        }),
        ["sql.unbounded-export"]
    );
}

#[test]
fn counting_the_rows_of_a_tagged_table_is_no_export() {
    let count = on(
        statement("select", Kind::Read),
        "customers",
        Access::Read,
        &["pii.ssn"],
    );
    let none: [&str; 0] = [];
    assert_eq!(
        found(Statement {
            columns: Vec::new(),
            ..count
        }),
        none
    );
}

#[test]
fn an_insert_that_copies_a_tagged_table_is_an_export() {
    let insert = on(statement("insert", Kind::Write), "copy_of", Access::Write, &[]);
    let insert = on(insert, "customers", Access::Read, &["pii.ssn"]);
    assert_eq!(found(insert), ["sql.write", "sql.unbounded-export"]);
}

#[test]
fn changing_a_whole_table_is_grave() {
    let delete = on(statement("delete", Kind::Write), "orders", Access::Write, &[]);
    let assessment = judged("{}", vec![delete.clone()]);
    assert_eq!(assessment.score, 90);
    assert_eq!(assessment.findings[0].id, "sql.delete-without-where");
    assert_eq!(
        assessment.findings[0].message,
        "DELETE without WHERE removes every row of orders."
    );
    assert_eq!(assessment.labels, ["bulk", "write"]);
    assert_eq!(
        found(Statement {
            has_where: true,
            ..delete
        }),
        ["sql.write"]
    );
    let update = on(
        statement("update", Kind::Write),
        "customers",
        Access::Write,
        &["pii.ssn"],
    );
    assert_eq!(found(update), ["sql.update-without-where", "sql.tagged-write"]);
}

#[test]
fn definitions_and_privileges_are_grave() {
    for (verb, kind, id, score) in [
        ("drop table", Kind::Schema, "sql.drop", 95),
        ("truncate", Kind::Write, "sql.truncate", 90),
        ("create table", Kind::Schema, "sql.schema-change", 70),
        ("alter role", Kind::Privilege, "sql.privilege-change", 95),
        ("grant", Kind::Privilege, "sql.privilege-change", 95),
        ("drop role", Kind::Privilege, "sql.drop", 95),
        ("merge sideways", Kind::Unknown, "sql.unknown", 80),
        ("copy to program", Kind::Read, "sql.server-file", 95),
    ] {
        let assessment = judged("{}", vec![statement(verb, kind)]);
        assert_eq!(
            (assessment.findings[0].id.as_str(), assessment.score),
            (id, score),
            "{verb}"
        );
    }
}

#[test]
fn functions_that_reach_beyond_the_query_are_found() {
    for (name, id) in [
        ("pg_read_file", "sql.server-file"),
        ("PG_READ_BINARY_FILE", "sql.server-file"),
        ("lo_import", "sql.server-file"),
        ("pg_ls_dir", "sql.server-file"),
        ("query_to_xml", "sql.server-file"),
        ("dblink_exec", "sql.outside-connection"),
        ("pg_sleep_for", "sql.server-control"),
        ("set_config", "sql.server-control"),
        ("pg_terminate_backend", "sql.server-control"),
    ] {
        assert_eq!(found(calling(name)), [id], "{name}");
    }
    assert!(found(calling("lower")).is_empty());
}

#[test]
fn many_statements_in_one_string_are_remarkable() {
    let six = vec![statement("select", Kind::Read); 6];
    assert_eq!(judged("{}", six.clone()).findings[0].id, "sql.many-statements");
    assert!(judged("{}", six[..5].to_vec()).findings.is_empty());
}

#[test]
fn no_flood_of_statements_breaks_the_contract_or_hides_the_gravest() {
    let mut flood: Vec<_> = (0..500)
        .map(|i| {
            on(
                statement("update", Kind::Write),
                &format!("t{i}"),
                Access::Write,
                &[],
            )
        })
        .collect();
    flood.push(statement("grant", Kind::Privilege));
    let assessment = judged("{}", flood);
    assert_eq!(assessment.score, 95);
    assert_eq!(assessment.findings.len(), 64);
}

#[test]
fn scores_can_be_changed_and_turned_off() {
    let write = on(statement("insert", Kind::Write), "orders", Access::Write, &[]);
    assert_eq!(
        judged(r#"{"scores":{"sql.write":7}}"#, vec![write.clone()]).score,
        7
    );
    assert!(
        judged(r#"{"scores":{"sql.write":0}}"#, vec![write])
            .findings
            .is_empty()
    );
}

#[test]
fn a_misspelt_configuration_is_named() {
    assert_eq!(
        issues::<SqlRisk>(r#"{"scores":{"sql.wirte":7}}"#),
        ["/scores/sql.wirte: no finding of this plugin"]
    );
    assert!(issues::<SqlRisk>(r#"{"export_row_max":7}"#)[0].starts_with("/export_row_max: unknown field"));
}
