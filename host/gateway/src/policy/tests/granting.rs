//! What grants change: connecting under one, running what one covers, asking for one.

use std::collections::BTreeSet;

use model::grant::Terms;
use model::{ApprovalId, Grant, GrantId};

use super::*;

fn customers() -> ResourceName {
    ResourceName::new("customers")
}

fn granted(kinds: &[OperationKind], ends_us: u64) -> Arc<Grant> {
    Arc::new(Grant {
        id: GrantId::new(ends_us, [0; 10]),
        principal: principal(&[]).key(),
        delegation: Vec::new(),
        resource: customers(),
        terms: Terms {
            kinds: kinds.iter().copied().collect::<BTreeSet<_>>(),
            relations: vec!["public.customers".into()],
            seconds: 60,
        },
        reason: "an incident".into(),
        approval: ApprovalId::new(1, [0; 10]),
        begins_us: 0,
        ends_us,
        revoked: None,
        used_us: None,
    })
}

fn connect(policy: &Policy, groups: &[&str], grants: &[Arc<Grant>]) -> Connect {
    policy.connect(&principal(groups), &customers(), "postgres", 0, grants)
}

fn execute_under(policy: &Policy, grant: Option<&Grant>) -> Verdict {
    let operation = Operation {
        resource: &customers(),
        facts: &facts(OperationKind::Read),
        assessment: &Assessment::default(),
        protocol: "postgres",
        grant,
    };
    policy.execute(&principal(&[]), &operation, 0)
}

#[test]
fn a_session_depends_on_a_grant_only_where_it_could_not_be_without_one() {
    let policy = load(
        r#"permit (principal in Group::"analysts", action == Action::"connect", resource);
           permit (principal, action == Action::"connect", resource) when { context has grant };"#,
    );
    let grant = granted(&[OperationKind::Read], 5);
    let free = connect(&policy, &["analysts"], &[Arc::clone(&grant)]);
    assert_eq!((free.verdict.label(), free.grant), ("run", None));
    let bound = connect(&policy, &[], &[Arc::clone(&grant)]);
    assert_eq!((bound.verdict.label(), bound.grant), ("run", Some(grant)));
    let none = connect(&policy, &[], &[]);
    assert_eq!((none.verdict.label(), none.grant), ("refuse", None));
}

#[test]
fn the_first_grant_that_helps_is_the_one_that_counts() {
    let policy = load(
        r#"permit (principal, action == Action::"connect", resource)
           when { context has grant && context.grant.kinds.contains("write") };"#,
    );
    let (read, write) = (
        granted(&[OperationKind::Read], 9),
        granted(&[OperationKind::Write], 5),
    );
    let bound = connect(&policy, &[], &[Arc::clone(&read), Arc::clone(&write)]);
    assert_eq!(bound.grant, Some(write));
    assert_eq!(connect(&policy, &[], &[read]).verdict.label(), "refuse");
}

#[test]
fn a_grant_does_not_help_against_a_policy_that_forbids_or_fails() {
    let grant = [granted(&[OperationKind::Read], 5)];
    let forbids = load(
        r#"permit (principal, action == Action::"connect", resource) when { context has grant };
           @id("never") forbid (principal, action == Action::"connect", resource);"#,
    );
    let refused = refusal(connect(&forbids, &[], &grant).verdict);
    assert_eq!(refused.policies, ["never"]);
    let fails = load(
        r#"permit (principal, action == Action::"connect", resource) when { context has grant };
           @id("broken") forbid (principal, action == Action::"connect", resource)
           unless { context has grant || 9223372036854775807 + 1 > 0 };"#,
    );
    let refused = refusal(connect(&fails, &[], &grant).verdict);
    assert_eq!(refused.rule, Rule::PolicyError);
}

#[test]
fn operations_see_the_grant_that_covers_them_and_nothing_runs_by_none() {
    let policy = load(
        r#"permit (principal, action == Action::"execute", resource)
           when { context has grant && context.grant.kinds.contains(context.operation.kind) &&
                  context.grant.relations.containsAll(context.operation.relations) &&
                  context.grant.reason like "*incident*" && context.grant.id != "" &&
                  context.grant.ends > datetime("1970-01-01T00:00:04Z") };"#,
    );
    let grant = granted(&[OperationKind::Read], 5_000_000);
    assert_eq!(execute_under(&policy, Some(&grant)).label(), "run");
    assert_eq!(execute_under(&policy, None).label(), "refuse");
    assert_eq!(
        execute_under(&policy, Some(&granted(&[OperationKind::Write], 5_000_000))).label(),
        "refuse"
    );
    assert_eq!(
        execute_under(&policy, Some(&granted(&[OperationKind::Read], 4_000_000))).label(),
        "refuse"
    );
}

#[test]
fn asking_needs_a_permit_for_all_that_is_asked_and_takes_in_all_their_conditions() {
    let policy = load(
        r#"@id("reads") permit (principal, action == Action::"request", resource)
           when { context.operation.verbs.contains("grant") && context.operation.kind == "read" };
           @id("writes") @quorum("2 of dba") @reason("required")
           permit (principal, action == Action::"request", resource)
           when { context.operation.verbs.contains("grant") && context.operation.kind == "write" };"#,
    );
    let terms = |kind| {
        let terms = Terms {
            kinds: BTreeSet::from([kind]),
            relations: Vec::new(),
            seconds: 60,
        };
        terms.facts()
    };
    let (read, write, schema) = (
        terms(OperationKind::Read),
        terms(OperationKind::Write),
        terms(OperationKind::Schema),
    );
    let ask = |wanted: &[&Facts]| policy.request(&principal(&[]), &customers(), wanted, "postgres", 0);
    let Verdict::Hold {
        policies,
        quorum,
        reason_required,
    } = ask(&[&read, &write])
    else {
        panic!("it may be asked for");
    };
    assert_eq!(policies, ["reads", "writes"]);
    assert_eq!((quorum.to_string().as_str(), reason_required), ("2 of dba", true));
    let Verdict::Hold { quorum, .. } = ask(&[&read]) else {
        panic!("it may be asked for");
    };
    assert_eq!(quorum, Quorum::default());
    let refused = refusal(ask(&[&read, &schema]));
    assert_eq!(
        refused.message,
        "no policy permits: ask for grant on \"customers\" (kind schema)"
    );
    assert_eq!(ask(&[]).label(), "refuse");
}

#[test]
fn what_is_told_of_a_grant_fits_the_schema() {
    let policy = load("");
    let schema = load::schema();
    let grant = granted(&[OperationKind::Read, OperationKind::Write], u64::MAX);
    let subject = principal(&[]);
    let session = context::session(&subject, "postgres").expect("built");
    let base = vec![
        ("now".to_owned(), context::datetime(1)),
        ("session".to_owned(), session),
        ("grant".to_owned(), context::grant(&grant).expect("built")),
    ];
    let mut full = base.clone();
    let facts = grant.terms.facts();
    full.push(("operation".to_owned(), context::operation(&facts).expect("built")));
    full.extend(context::assessment(&Assessment::default()));
    let uid = policy.types.agent(&subject.key());
    for (action, pairs) in [
        (&policy.types.connect, base),
        (&policy.types.execute, full.clone()),
        (&policy.types.request, full),
    ] {
        Request::new(
            uid.clone(),
            action.clone(),
            policy.types.resource("customers"),
            Context::from_pairs(pairs).expect("built"),
            Some(&schema),
        )
        .expect("fits the schema");
    }
}
