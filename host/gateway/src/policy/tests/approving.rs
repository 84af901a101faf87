use super::*;

fn person(subject: &str, groups: &[&str]) -> Principal {
    Principal {
        subject: subject.into(),
        kind: PrincipalKind::Person,
        ..principal(groups)
    }
}

/// Whether `voter` may answer what `requester` asks, on a write of some risk.
fn approve(policy: &Policy, voter: &Principal, requester: &Principal, score: u8) -> Verdict {
    let assessment = Assessment {
        score,
        ..Assessment::default()
    };
    policy.approve(
        voter,
        requester,
        &ResourceName::new("customers"),
        &facts(OperationKind::Write),
        &assessment,
        0,
    )
}

#[test]
fn whom_a_policy_permits_may_answer_and_nobody_else() {
    let policy = load(EXAMPLE);
    let asker = principal(&["analysts"]);
    let verdict = approve(&policy, &person("bob", &["dba"]), &asker, 0);
    assert_eq!(
        verdict,
        Verdict::Run {
            policies: vec!["main:6".into()]
        }
    );
    let other = refusal(approve(&policy, &person("eve", &["analysts"]), &asker, 0));
    assert_eq!(other.rule, Rule::PolicyDenied);
    assert_eq!(other.message, "no policy permits: approve on \"customers\"");
}

#[test]
fn policies_see_what_is_asked_and_by_whom() {
    let policy = load(
        r#"permit (principal in Group::"dba", action == Action::"approve", resource)
           when { context.risk < 50 && context.operation.verbs.contains("delete")
               && context.requester in Group::"analysts" && context.requester.subject == "agent-7" };"#,
    );
    let bob = person("bob", &["dba"]);
    assert_eq!(
        approve(&policy, &bob, &principal(&["analysts"]), 10).label(),
        "run"
    );
    assert_eq!(
        approve(&policy, &bob, &principal(&["analysts"]), 50).label(),
        "refuse"
    );
    assert_eq!(
        approve(&policy, &bob, &principal(&["sales"]), 10).label(),
        "refuse"
    );
}

#[test]
fn a_forbid_about_the_requester_holds() {
    let policy = load(
        r#"permit (principal, action == Action::"approve", resource);
           @id("no-contractors") forbid (principal, action == Action::"approve", resource)
           when { context.requester in Group::"contractors" };"#,
    );
    let refusal = refusal(approve(
        &policy,
        &person("bob", &[]),
        &principal(&["contractors"]),
        0,
    ));
    assert_eq!(refusal.policies, ["no-contractors"]);
}

#[test]
fn nobody_answers_for_themselves_whatever_policies_say() {
    let open = load(r#"permit (principal, action == Action::"approve", resource);"#);
    let by_text = load(
        r#"permit (principal, action == Action::"approve", resource)
           unless { principal == context.requester };"#,
    );
    let alice = person("alice", &[]);
    let through_agent = Principal {
        kind: PrincipalKind::Agent,
        delegation: vec![Actor {
            issuer: None,
            subject: "agent-9".into(),
        }],
        ..alice.clone()
    };
    for policy in [&open, &by_text] {
        for requester in [&alice, &through_agent] {
            assert_eq!(approve(policy, &alice, requester, 0).label(), "refuse");
            assert_eq!(approve(policy, &person("bob", &[]), requester, 0).label(), "run");
        }
        // Nor does whoever acts for the requester.
        let acting = person("agent-9", &[]);
        assert_eq!(approve(policy, &acting, &through_agent, 0).label(), "refuse");
    }
}

#[test]
fn the_text_of_a_policy_alone_keeps_people_from_answering_for_themselves() {
    let policy = load(EXAMPLE);
    let bob = person("bob", &["dba"]);
    let (subject, target) = (
        policy.subject(&bob).expect("prepared"),
        policy.types.resource("customers"),
    );
    let ask = |requester: &Principal| {
        let pairs = policy
            .question(requester, &Facts::default(), &Assessment::default(), 0)
            .expect("built");
        let context = policy.context(Ok(pairs)).expect("built");
        policy.decide(
            &subject.uid,
            &policy.types.approve,
            &target,
            context,
            &subject.entities,
        )
    };
    assert!(matches!(ask(&bob), Answer::Denied(_)));
    assert!(matches!(ask(&person("alice", &[])), Answer::Permitted(_)));
}

#[test]
fn an_agent_answers_only_where_a_policy_names_exactly_it() {
    let asker = person("alice", &[]);
    let named = load(
        r#"@id("reviewer")
           permit (principal == Agent::"https://idp.example.com|agent-7", action == Action::"approve", resource);"#,
    );
    let agent = principal(&["bots"]);
    assert_eq!(approve(&named, &agent, &asker, 0).label(), "run");
    let other = Principal {
        subject: "agent-8".into(),
        ..agent.clone()
    };
    assert_eq!(approve(&named, &other, &asker, 0).label(), "refuse");

    for text in [
        r#"permit (principal, action == Action::"approve", resource);"#,
        r#"permit (principal in Group::"bots", action, resource);"#,
        r#"permit (principal, action == Action::"approve", resource) when
           { principal == Agent::"https://idp.example.com|agent-7" };"#,
    ] {
        let refusal = refusal(approve(&load(text), &agent, &asker, 0));
        assert!(refusal.message.contains("names exactly that agent"), "{text}");
    }
}

#[test]
fn an_agent_that_acts_for_somebody_answers_for_nobody() {
    let policy = load(
        r#"permit (principal == Agent::"https://idp.example.com|agent-7", action == Action::"approve", resource);"#,
    );
    let mut agent = principal(&[]);
    agent.delegation.push(Actor {
        issuer: None,
        subject: "agent-9".into(),
    });
    assert_eq!(
        approve(&policy, &agent, &person("alice", &[]), 0).label(),
        "refuse"
    );
}

#[test]
fn letting_agents_approve_without_naming_one_is_a_fault() {
    for scope in ["principal is Agent", r#"principal is Agent in Group::"bots""#] {
        let text = refused(&format!(
            r#"permit ({scope}, action == Action::"approve", resource);"#
        ));
        assert!(
            text.starts_with("main.cedar:1: main:1: lets agents approve without naming one"),
            "{text}"
        );
    }
}

#[test]
fn a_policy_that_fails_lets_nobody_answer() {
    let policy = load(
        r#"permit (principal, action == Action::"approve", resource);
           @id("broken") forbid (principal, action == Action::"approve", resource)
           when { context.risk * 9223372036854775807 < 0 };"#,
    );
    let refusal = refusal(approve(&policy, &person("bob", &[]), &principal(&[]), 60));
    assert_eq!(refusal.rule, Rule::PolicyError);
    assert_eq!(refusal.policies, ["broken"]);
}

#[test]
fn the_clock_counts_for_answers_too() {
    let policy = load(
        r#"permit (principal, action == Action::"approve", resource)
           when { context.now < datetime("2020-01-01") };"#,
    );
    let at = |now| {
        let (facts, assessment) = (Facts::default(), Assessment::default());
        let resource = ResourceName::new("customers");
        policy
            .approve(
                &person("bob", &[]),
                &principal(&[]),
                &resource,
                &facts,
                &assessment,
                now,
            )
            .label()
    };
    assert_eq!((at(1_577_836_799), at(1_577_836_800)), ("run", "refuse"));
}
