use model::{Access, Facts, FunctionUse, OperationKind, RelationUse, StatementFacts, Tag};
use plugin::{ClassifyRequest, FaultKind, Kind};
use serde_json::json;

use crate::components::{config, first_party, load, name, session};

pub(crate) fn facts(verb: &str, kind: OperationKind, has_where: bool) -> String {
    let statement = StatementFacts {
        verb: verb.to_owned(),
        nested: Vec::new(),
        kind,
        writes: kind >= OperationKind::Write,
        utility: false,
        relations: vec![RelationUse {
            schema: None,
            name: "customers".to_owned(),
            access: Access::Read,
            tags: vec![Tag::new("pii.ssn")],
        }],
        columns: vec!["name".to_owned(), "ssn".to_owned()],
        functions: Vec::<FunctionUse>::new(),
        predicates: vec!["id".to_owned()],
        has_where,
        limit: None,
    };
    serde_json::to_string(&Facts {
        statements: vec![statement],
        ..Facts::default()
    })
    .unwrap()
}

#[tokio::test]
async fn sql_risk_judges_by_the_facts() {
    let plugins = load(vec![config(
        "risk",
        Kind::Classifier,
        first_party("sql-risk"),
        json!({}),
    )])
    .await;
    let session = session();
    let ask = |statement: &str, facts: &str| {
        let request = ClassifyRequest {
            session: &session,
            statement,
            facts,
        };
        plugins.classifiers().classify(&[name("risk")], &request)
    };
    let point = ask(
        "select name, ssn from customers where id = $1",
        &facts("select", OperationKind::Read, true),
    )
    .unwrap();
    assert!(point.score <= 10 && point.findings.is_empty(), "{point:?}");
    let wipe = ask(
        "delete from customers",
        &facts("delete", OperationKind::Write, false),
    )
    .unwrap();
    assert_eq!(wipe.score, 90);
    assert_eq!(
        (wipe.findings[0].id.as_str(), wipe.findings[0].plugin.as_str()),
        ("sql.delete-without-where", "risk")
    );

    let long = "ä".repeat(300 << 10);
    assert!(
        ask(&long, &facts("select", OperationKind::Read, true)).is_ok(),
        "a long statement is cut"
    );
    assert!(ask("x", "not json").is_err());
    assert!(ask("x", &" ".repeat((1 << 20) + 1)).is_err());
    let missing = plugins.classifiers().classify(
        &[name("gone")],
        &ClassifyRequest {
            session: &session,
            statement: "",
            facts: "{}",
        },
    );
    assert_eq!(missing.unwrap_err().kind, FaultKind::Missing);
}
