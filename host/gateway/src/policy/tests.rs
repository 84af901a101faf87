mod approving;
mod asking;
mod granting;

use cedar_policy::{Context, Request};
use model::{Access, Actor, Finding, FunctionUse, OperationKind, RelationUse, StatementFacts};

use super::*;

/// The policies of the manual, as they stand there.
const EXAMPLE: &str = r#"
permit (principal in Group::"analysts", action in [Action::"connect", Action::"request"], resource == Resource::"customers");
permit (principal in Group::"analysts", action == Action::"execute", resource == Resource::"customers")
when { context.operation.kind == "read" && context.risk < 50 };
permit (principal in Group::"fraud", action == Action::"reveal", resource == Tag::"pii.email");
permit (principal in Group::"dba", action == Action::"approve", resource) unless { principal == context.requester };
"#;

fn names() -> Names {
    Names {
        identities: vec!["corp".into()],
        resources: vec![ResourceName::new("customers")],
        tags: vec![Tag::new("pii.email"), Tag::new("pii.ssn")],
    }
}

fn load_named(text: &str, names: &Names) -> Result<Policy, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("main.cedar");
    std::fs::write(&file, text).expect("written");
    Policy::load(&[file], names).map_err(|faults| {
        faults
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    })
}

fn load(text: &str) -> Policy {
    load_named(text, &names()).expect("valid policies")
}

fn refused(text: &str) -> String {
    load_named(text, &names()).expect_err("faults")
}

fn principal(groups: &[&str]) -> Principal {
    Principal {
        identity: "corp".into(),
        issuer: "https://idp.example.com".into(),
        subject: "agent-7".into(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        kind: PrincipalKind::Agent,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    }
}

fn facts(kind: OperationKind) -> Facts {
    Facts::of(StatementFacts {
        verb: if kind == OperationKind::Read {
            "select"
        } else {
            "delete"
        }
        .into(),
        nested: Vec::new(),
        kind,
        writes: kind > OperationKind::Read,
        utility: false,
        relations: vec![RelationUse {
            schema: Some("public".into()),
            name: "customers".into(),
            access: Access::Read,
            tags: vec![Tag::new("pii.ssn")],
        }],
        columns: vec!["ssn".into()],
        functions: vec![FunctionUse {
            schema: None,
            name: "lower".into(),
        }],
        predicates: vec!["id".into()],
        has_where: true,
        limit: Some(10),
    })
}

fn execute(policy: &Policy, groups: &[&str], kind: OperationKind, score: u8) -> Verdict {
    let assessment = Assessment {
        score,
        ..Assessment::default()
    };
    let resource = ResourceName::new("customers");
    let operation = Operation {
        resource: &resource,
        facts: &facts(kind),
        assessment: &assessment,
        protocol: "postgres",
        grant: None,
    };
    policy.execute(&principal(groups), &operation, 0)
}

fn refusal(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Refuse(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_policies_of_the_manual_read_and_decide() {
    let policy = load(EXAMPLE);
    assert_eq!(policy.len(), 4);
    assert!(!policy.uses_clock());
    let run = execute(&policy, &["analysts"], OperationKind::Read, 10);
    assert_eq!(
        run,
        Verdict::Run {
            policies: vec!["main:3".into()]
        }
    );
    let hold = execute(&policy, &["analysts"], OperationKind::Write, 10);
    assert_eq!(
        hold,
        Verdict::Hold {
            policies: vec!["main:2".into()],
            quorum: Quorum::default(),
            reason_required: false,
        }
    );
    let hold = execute(&policy, &["analysts"], OperationKind::Read, 50);
    assert_eq!(hold.label(), "hold");

    let stranger = refusal(execute(&policy, &["strangers"], OperationKind::Read, 0));
    assert_eq!(stranger.rule, Rule::PolicyDenied);
    assert_eq!(
        stranger.message,
        "no policy permits: select on \"customers\" (kind read, risk 0)"
    );
    assert_eq!(
        stranger.hint.as_deref(),
        Some("ask the operator for a policy that permits you to execute on \"customers\"")
    );
}

#[test]
fn connecting_needs_a_policy() {
    let policy = load(EXAMPLE);
    let customers = ResourceName::new("customers");
    let connect = |groups: &[&str], resource| {
        policy
            .connect(&principal(groups), resource, "postgres", 0, &[])
            .verdict
    };
    assert_eq!(connect(&["analysts"], &customers).label(), "run");
    assert_eq!(connect(&["fraud"], &customers).label(), "refuse");
    assert_eq!(
        connect(&["analysts"], &ResourceName::new("other")).label(),
        "refuse"
    );
}

#[test]
fn tags_are_revealed_one_by_one_and_by_their_parent() {
    let tags = [
        Tag::new("pii.email"),
        Tag::new("pii.ssn"),
        Tag::new("pii.unknown"),
    ];
    let customers = ResourceName::new("customers");
    let revealed = |policy: &Policy, groups: &[&str]| {
        let mut revealed: Vec<_> = policy
            .reveals(&principal(groups), &customers, &tags, "postgres", 0)
            .expect("decided")
            .into_iter()
            .map(|tag| tag.to_string())
            .collect();
        revealed.sort();
        revealed
    };
    let policy = load(EXAMPLE);
    assert_eq!(revealed(&policy, &["fraud"]), ["pii.email"]);
    assert!(revealed(&policy, &["analysts"]).is_empty());

    let by_parent = load(
        r#"permit (principal, action == Action::"reveal", resource in Tag::"pii")
           when { context.source == Resource::"customers" };
           forbid (principal, action == Action::"reveal", resource == Tag::"pii.ssn");"#,
    );
    assert_eq!(revealed(&by_parent, &[]), ["pii.email"]);
}

#[test]
fn a_policy_that_fails_refuses_even_what_another_permits() {
    // Valid by the strictest check, and yet it overflows.
    let policy = load(
        r#"permit (principal, action, resource);
           @id("broken") forbid (principal, action == Action::"execute", resource)
           when { context.risk * 9223372036854775807 < 0 };"#,
    );
    let refusal = refusal(execute(&policy, &[], OperationKind::Read, 60));
    assert_eq!(refusal.rule, Rule::PolicyError);
    assert_eq!(refusal.policies, ["broken"]);
    assert_eq!(refusal.fault, Fault::Operator);
    assert_eq!(execute(&policy, &[], OperationKind::Read, 1).label(), "run");
}

#[test]
fn a_forbidding_policy_wins_and_is_named_with_its_advice() {
    let policy = load(
        r#"permit (principal, action, resource);
           @id("no-deletes") @advice("mark rows as gone instead")
           forbid (principal, action in [Action::"execute", Action::"request"], resource)
           when { context.operation.writes };"#,
    );
    let refusal = refusal(execute(&policy, &[], OperationKind::Write, 0));
    assert_eq!(refusal.policies, ["no-deletes"]);
    assert_eq!(refusal.hint.as_deref(), Some("mark rows as gone instead"));
    assert!(refusal.message.contains("no-deletes"), "{}", refusal.message);
}

#[test]
fn a_denial_tells_what_would_be_permitted() {
    let text = |annotation: &str| {
        format!(
            r#"{annotation} permit (principal in Group::"analysts", action == Action::"execute", resource)
               when {{ context.operation.kind == "read" }};"#
        )
    };
    let hint = |policy: &Policy| refusal(execute(policy, &["analysts"], OperationKind::Write, 0)).hint;
    assert_eq!(
        hint(&load(&text("@id(\"reads\")"))).as_deref(),
        Some(
            "you may execute on \"customers\" under the conditions of policy reads; ask the operator for more"
        )
    );
    assert_eq!(
        hint(&load(&text("@advice(\"read only\")"))).as_deref(),
        Some("read only")
    );
}

#[test]
fn every_fault_is_told_with_file_line_and_policy() {
    let text = refused(
        "// a comment; with a semicolon\n\
         permit (principal, action == Action::\"exceute\", resource);\n\
         permit (principal, action == Action::\"execute\", resource)\n\
         when { context.operation.knd == \"a;b\" };\n\
         @id(\"twice\") permit (principal, action, resource == Resource::\"custmers\");\n\
         @id(\"twice\") permit (principal, action, resource);\n\
         permit (principal, action, resource) when { ;\n\
         permit (principal, action == Action::\"execute\", resource) when { context.operation.limit > 5 };\n\
         permit (principal == ?principal, action, resource);\n\
         permit (principal in Group::\"a\", action == Action::\"reveal\", resource == Tag::\"pii.emial\");\n",
    );
    for expected in [
        "main.cedar:2: main:2: ",
        "main.cedar:4: main:3: ",
        "main.cedar:5: twice: there is no resource \"custmers\"\n  remedy: did you mean \"customers\"?",
        "main.cedar:6: twice: the id is taken by the policy at",
        "main.cedar:7: ",
        "main.cedar:8: main:8: ",
        "main.cedar:9: ",
        "main.cedar:10: main:10: there is no tag \"pii.emial\"\n  remedy: did you mean \"pii.email\"?",
    ] {
        assert!(text.contains(expected), "{expected}\n--\n{text}");
    }
}

#[test]
fn with_several_providers_a_group_says_whose_it_is() {
    let mut names = names();
    names.identities.push("partner".into());
    let plain = r#"permit (principal in Group::"dba", action, resource);"#;
    let text = load_named(plain, &names).expect_err("a fault");
    assert!(text.contains("does not say which identity provider"), "{text}");

    let prefixed = r#"permit (principal in Group::"partner/dba", action, resource);"#;
    let policy = load_named(prefixed, &names).expect("valid");
    assert_eq!(
        execute(&policy, &["dba"], OperationKind::Read, 0).label(),
        "refuse"
    );
    let partner = Principal {
        identity: "partner".into(),
        ..principal(&["dba"])
    };
    let connect = policy.connect(&partner, &ResourceName::new("customers"), "postgres", 0, &[]);
    assert_eq!(connect.verdict.label(), "run");
}

#[test]
fn the_clock_is_read_where_a_policy_asks_for_it() {
    let policy = load(
        r#"permit (principal, action, resource) when { context["\u{6e}ow"] < datetime("2020-01-01") };"#,
    );
    assert!(policy.uses_clock());
    let customers = ResourceName::new("customers");
    let connect = |now| {
        policy
            .connect(&principal(&[]), &customers, "postgres", now, &[])
            .verdict
    };
    assert_eq!(connect(1_577_836_799).label(), "run");
    assert_eq!(connect(1_577_836_800).label(), "refuse");
}

#[test]
fn the_hash_follows_the_policies() {
    assert_eq!(load(EXAMPLE).hash(), load(EXAMPLE).hash());
    assert_ne!(load(EXAMPLE).hash(), load(&EXAMPLE.replace("50", "51")).hash());
    assert_eq!(load(EXAMPLE).hash().len(), 64);
}

#[test]
fn what_the_policies_are_asked_always_fits_the_schema() {
    let policy = load(EXAMPLE);
    let schema = load::schema();
    let mut everyone = principal(&["a", "b"]);
    everyone.client = Some("cli".into());
    everyone.delegation.push(Actor {
        issuer: None,
        subject: "x".into(),
    });
    let mut person = principal(&[]);
    person.kind = PrincipalKind::Person;
    let other = Principal {
        subject: "other".into(),
        ..principal(&["b", "c"])
    };
    let findings = Assessment {
        score: 100,
        labels: vec!["export".into()],
        findings: vec![Finding {
            plugin: "p".into(),
            id: "f".into(),
            score: 1,
            message: String::new(),
        }],
    };
    for principal in [everyone, person] {
        for facts in [facts(OperationKind::Write), Facts::default()] {
            let resource = policy.types.resource("customers");
            let now = ("now".to_owned(), context::datetime(1));
            let session = (
                "session".to_owned(),
                context::session(&principal, "postgres").expect("built"),
            );
            let subject = policy.subject(&principal).expect("prepared");
            let fits = |action: &EntityUid, target: &EntityUid, pairs: context::Pairs| {
                let context = Context::from_pairs(pairs).expect("built");
                Request::new(
                    subject.uid.clone(),
                    action.clone(),
                    target.clone(),
                    context,
                    Some(&schema),
                )
                .expect("fits the schema");
            };
            let base = vec![now, session];
            fits(&policy.types.connect, &resource, base.clone());
            let mut reveal = base.clone();
            let source = RestrictedExpression::new_entity_uid(resource.clone());
            reveal.push(("source".to_owned(), source));
            fits(&policy.types.reveal, &policy.types.tag("pii.ssn"), reveal);
            let mut full = base;
            full.push(("operation".to_owned(), context::operation(&facts).expect("built")));
            full.extend(context::assessment(&findings));
            fits(&policy.types.execute, &resource, full.clone());
            fits(&policy.types.request, &resource, full);
            let question = policy.question(&principal, &facts, &findings, 1).expect("built");
            let clock = ("now".to_owned(), context::datetime(1));
            fits(
                &policy.types.approve,
                &resource,
                question.into_iter().chain([clock]).collect(),
            );
            let asked = policy.with_requester(&subject.entities, &other).expect("built");
            Entities::from_entities(asked, Some(&schema)).expect("fits the schema");
            Entities::from_entities(subject.entities.iter().cloned(), Some(&schema))
                .expect("fits the schema");
        }
    }
}

#[test]
fn only_policies_that_name_the_gateway_open_its_own_doors() {
    let policy = load(
        r#"
@id("all") permit (principal, action, resource);
@id("reads") permit (principal in Group::"auditors", action == Action::"execute", resource == Resource::"tidegate")
when { context.operation.kind == "read" };
@id("never") forbid (principal in Group::"interns", action, resource);
"#,
    );
    let own = ResourceName::new(ResourceName::GATEWAY);
    let ask = |groups: &[&str], kind| {
        let operation = Operation {
            resource: &own,
            facts: &facts(kind),
            assessment: &Assessment::default(),
            protocol: "api",
            grant: None,
        };
        policy.execute(&principal(groups), &operation, 0)
    };
    assert!(matches!(
        ask(&["auditors"], OperationKind::Read),
        Verdict::Run { .. }
    ));
    assert!(matches!(
        ask(&["auditors"], OperationKind::Write),
        Verdict::Refuse(_)
    ));
    assert!(matches!(ask(&[], OperationKind::Read), Verdict::Refuse(_)));
    let forbidden = refusal(ask(&["auditors", "interns"], OperationKind::Read));
    assert_eq!(forbidden.policies, ["never"]);
    let elsewhere = execute(&policy, &[], OperationKind::Write, 0);
    assert!(matches!(elsewhere, Verdict::Run { .. }));
}
