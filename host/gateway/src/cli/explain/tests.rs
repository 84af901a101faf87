use model::{Fault, Finding, PrincipalKind, Rule};

use super::*;
use crate::policy::Names;

fn principal() -> Principal {
    Principal {
        identity: "corp".into(),
        issuer: "https://idp.example.com".into(),
        subject: "agent-7".into(),
        groups: vec!["analysts".into()],
        kind: PrincipalKind::Agent,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    }
}

fn explained(sql: &str, classified: Result<Assessment, Refusal>) -> Explanation {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("main.cedar");
    let policies = r#"
        @id("door") permit (principal, action == Action::"connect", resource);
        @id("reads") permit (principal in Group::"analysts", action == Action::"execute", resource)
        when { context.operation.kind == "read" };
    "#;
    std::fs::write(&file, policies).expect("written");
    let policy = Policy::load(&[file], &Names::default()).expect("valid");
    let principal = principal();
    let resource = ResourceName::new("customers");
    let question = Question {
        principal: &principal,
        resource: &resource,
        sql,
        now: 0,
    };
    let notes = vec!["the catalog was not read".to_owned()];
    let limits = Limits::default();
    explain(
        question,
        &policy,
        &Catalog::default(),
        &limits,
        |_| classified,
        notes,
    )
}

#[test]
fn a_read_is_explained_with_facts_findings_and_policy() {
    let assessment = Assessment {
        score: 20,
        labels: vec!["export".into()],
        findings: vec![Finding {
            plugin: "sql-risk".into(),
            id: "sql.export".into(),
            score: 20,
            message: "reads the whole table".into(),
        }],
    };
    let text = explained("select name from public.customers", Ok(assessment)).to_string();
    for line in [
        "principal  https://idp.example.com|agent-7 (Agent, groups: analysts)",
        "           select on public.customers",
        "risk       20 (labels: export)",
        "           20 sql.export by sql-risk: reads the whole table",
        "verdict    run",
        "policies   reads",
        "note       the catalog was not read",
    ] {
        assert!(text.contains(line), "{line}\n--\n{text}");
    }
}

#[test]
fn a_refusal_is_explained_with_rule_reason_and_hint() {
    let text = explained("delete from customers", Ok(Assessment::default())).to_string();
    assert!(text.contains("verdict    refuse"), "{text}");
    assert!(text.contains("rule       policy-denied"), "{text}");
    assert!(
        text.contains("hint       you may execute on \"customers\" under the conditions of policy reads"),
        "{text}"
    );
}

#[test]
fn what_does_not_parse_or_classify_is_refused_as_on_the_road() {
    let unparsable = explained("selec 1", Ok(Assessment::default()));
    assert_eq!(unparsable.verdict, "refuse");
    assert!(unparsable.assessment.is_none());

    let failed = Refusal::new(Rule::ClassifierFailed, Fault::Plugin, "a classifier failed");
    let unclassified = explained("select 1", Err(failed));
    assert_eq!(unclassified.verdict, "refuse");
    assert_eq!(
        unclassified.refusal.map(|refusal| refusal.rule),
        Some(Rule::ClassifierFailed)
    );
}
