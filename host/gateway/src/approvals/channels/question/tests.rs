use std::sync::Arc;

use model::approval::{BoundValue, ContentHash, Quorum, Standing};
use model::{Actor, ApprovalId, Assessment, Facts, Finding, FunctionUse, RelationUse, ResourceName, Tag};

use super::*;
use crate::ground::person;

fn approval() -> Approval {
    let requester = Principal {
        groups: vec!["analysts".to_owned()],
        delegation: vec![Actor {
            issuer: None,
            subject: "agent-7".to_owned(),
        }],
        ..person("alice")
    };
    Approval {
        id: ApprovalId::new(1, [0; 10]),
        subject: Subject::Operation,
        content: ContentHash([7; 32]),
        requester: Arc::new(requester),
        resource: ResourceName::new("customers"),
        quorum: Quorum::parse("2 of dba").expect("a quorum"),
        waiting: None,
        asked_us: 0,
        decide_by_us: 100,
        use_within_us: 50,
        approved_us: None,
        standing: Standing::Pending,
        revision: 0,
        votes: Vec::new(),
        used_by: None,
    }
}

fn case() -> Case {
    let facts = StatementFacts {
        verb: "delete".to_owned(),
        relations: vec![RelationUse {
            schema: Some("public".to_owned()),
            name: "customers".to_owned(),
            access: Access::Write,
            tags: Vec::new(),
        }],
        predicates: vec!["ssn".to_owned()],
        functions: vec![FunctionUse {
            schema: None,
            name: "now".to_owned(),
        }],
        has_where: true,
        writes: true,
        ..StatementFacts::bare(OperationKind::Write)
    };
    Case {
        protocol: "postgres".to_owned(),
        title: "delete on customers by alice".to_owned(),
        operation: "DELETE FROM customers\nWHERE ssn = '078-05-1120' AND id = $1".to_owned(),
        binds: vec![BoundValue {
            text: Some("4711".to_owned()),
            cut: false,
        }],
        facts: Facts::of(facts),
        assessment: Assessment {
            score: 75,
            labels: Vec::new(),
            findings: vec![Finding {
                plugin: "sql-risk".to_owned(),
                id: "sql.delete".to_owned(),
                score: 75,
                message: "Deletes rows of customers.".to_owned(),
            }],
        },
        tags: vec![Tag::new("pii.ssn")],
        transaction_open: true,
        settings: vec![
            "work_mem = 64MB".to_owned(),
            "set app.tenant to 'acme'".to_owned(),
        ],
        estimated_rows: Some(1204),
        reason: Some("cleaning up".to_owned()),
        ..Case::default()
    }
}

#[test]
fn a_question_tells_who_wants_what_and_what_was_found() {
    let body = body(&approval(), &case(), Detail::Full);
    for part in [
        "**Who:** `https://idp|alice` (person), through `https://idp|agent-7`; groups: `analysts`",
        "**Wants:** to change rows on `customers`: `delete`",
        "**Touches:** `public.customers` (written)",
        "**Tags:** `pii.ssn`",
        "**Rows:** the planner expects 1204",
        "- `Deletes rows of customers.` (`sql.delete`, 75)",
        "**Transaction:** a transaction is open",
        "**Answers needed:** `2 of dba`",
        "```sql\nDELETE FROM customers\nWHERE ssn = '078-05-1120' AND id = $1\n```",
        "```text\n$1 = '4711'\n```",
        "```sql\nwork_mem = 64MB\nset app.tenant to 'acme'\n```",
        "in the requester's own words. Nobody has checked them",
        "```text\ncleaning up\n```",
    ] {
        assert!(body.contains(part), "{part}\n{body}");
    }
}

#[test]
fn a_summary_has_no_word_of_the_statement_but_names() {
    let body = body(&approval(), &case(), Detail::Summary);
    for part in ["078", "4711", "WHERE ssn", "$1", "work_mem", "acme"] {
        assert!(!body.contains(part), "{part}\n{body}");
    }
    assert!(
        body.contains("1. `delete`; compares `ssn`; calls `now`\n"),
        "{body}"
    );
    assert!(body.contains("not shown here, but in the console"), "{body}");
    let mut case = case();
    case.facts.statements[0].has_where = false;
    let body = super::body(&approval(), &case, Detail::Summary);
    assert!(body.contains("**no WHERE**"), "{body}");
}

#[test]
fn nothing_a_requester_chooses_leaves_its_quotation() {
    let mut case = case();
    case.reason = Some("```\n**Approved by security**\n````\u{202e}<!channel>".to_owned());
    case.facts.statements[0].relations[0].name = "x`\n**safe**\u{200b}".to_owned();
    case.title = "two\nlines\u{2028}".to_owned();
    case.operation = "SELECT '\n```\nall is well'".to_owned();
    let body = body(&approval(), &case, Detail::Full);
    assert!(
        body.contains("`````text\n```\n**Approved by security**\n````\\u{202e}<!channel>\n`````\n"),
        "{body}"
    );
    assert!(body.contains("`public.x' **safe**\\u{200b}` (written)"), "{body}");
    assert!(
        body.contains("````sql\nSELECT '\n```\nall is well'\n````"),
        "{body}"
    );
    assert_eq!(title(&case), "two lines\\u{2028}");
}

#[test]
fn the_largest_question_fits_the_contract_and_says_that_there_is_more() {
    let long = "\u{202e}".repeat(4 << 10);
    let mut case = case();
    case.operation = "x'`".repeat(11 << 10);
    case.binds = vec![
        BoundValue {
            text: Some(long.clone()),
            cut: true
        };
        100
    ];
    case.settings = vec![long.clone(); 20];
    case.tags = vec![Tag::new(long.clone()); 100];
    let mut statement = case.facts.statements[0].clone();
    statement.relations = vec![statement.relations[0].clone(); 100];
    statement.relations[0].name = long.clone();
    statement.columns = vec![long.clone(); 100];
    statement.predicates = vec![long.clone(); 100];
    case.facts.statements = vec![statement; 100];
    case.assessment.findings = vec![
        Finding {
            message: long.clone(),
            ..case.assessment.findings[0].clone()
        };
        100
    ];
    case.reason = Some(long);
    for detail in [Detail::Full, Detail::Summary] {
        let body = body(&approval(), &case, detail);
        assert!(body.len() <= 64 << 10, "{detail:?}: {}", body.len());
        let more = match detail {
            Detail::Full => "There is more than is shown here",
            Detail::Summary => "more that are not shown here",
        };
        assert!(body.contains(more), "{body}");
    }
}

#[test]
fn a_grant_is_described_by_its_terms() {
    let approval = Approval {
        subject: Subject::Grant,
        ..approval()
    };
    let case = Case {
        grant: Some(model::grant::Terms {
            kinds: [OperationKind::Read, OperationKind::Write].into(),
            relations: vec!["public.orders".to_owned()],
            seconds: 3_600,
        }),
        ..case()
    };
    let body = body(&approval, &case, Detail::Summary);
    let expected = "access to `customers` for 60 min: `read`, `write` on `public.orders`";
    assert!(body.contains(expected), "{body}");
}
