use super::*;

fn hold(policy: &Policy) -> (String, bool) {
    match execute(policy, &["analysts"], OperationKind::Write, 0) {
        Verdict::Hold {
            quorum,
            reason_required,
            ..
        } => (quorum.to_string(), reason_required),
        other => panic!("not held: {other:?}"),
    }
}

fn permit(annotations: &str) -> String {
    format!(r#"{annotations} permit (principal, action == Action::"request", resource);"#)
}

#[test]
fn one_person_is_enough_where_no_policy_says_more() {
    assert_eq!(hold(&load(&permit(""))), ("1".to_owned(), false));
}

#[test]
fn a_policy_says_how_many_of_whom_and_whether_a_reason_is_needed() {
    let policy = load(&permit(r#"@quorum("2 of dba") @reason("required")"#));
    assert_eq!(hold(&policy), ("2 of dba".to_owned(), true));
}

#[test]
fn all_that_several_policies_say_is_needed() {
    let text = [
        permit(r#"@id("a") @quorum("1 of dba")"#),
        permit(r#"@id("b") @quorum("2 of dba, 1 of security")"#),
        permit(r#"@id("c")"#),
        permit(r#"@id("d") @reason("required")"#),
    ];
    let policy = load(&text.join("\n"));
    assert_eq!(hold(&policy), ("2 of dba, 1 of security".to_owned(), true));
}

#[test]
fn a_policy_that_does_not_apply_asks_for_nothing() {
    let other = r#"@quorum("9") permit (principal, action == Action::"request", resource)
        when { context.operation.kind == "read" };"#;
    let policy = load(&format!("{}\n{other}", permit("")));
    assert_eq!(hold(&policy), ("1".to_owned(), false));
}

#[test]
fn policies_that_ask_for_a_crowd_together_refuse() {
    let text = [
        permit(r#"@id("a") @quorum("9 of dba")"#),
        permit(r#"@id("b") @quorum("9 of security")"#),
    ];
    let refusal = refusal(execute(&load(&text.join("\n")), &[], OperationKind::Write, 0));
    assert_eq!(refusal.rule, Rule::PolicyError);
    assert_eq!(refusal.policies, ["a", "b"]);
}

#[test]
fn bad_annotations_are_faults_with_their_line() {
    let cases = [
        (
            permit(r#"@quorum("two")"#),
            "@quorum(\"two\") does not begin with a number",
        ),
        (permit(r#"@quorum("0 of dba")"#), "asks for nobody"),
        (permit(r#"@quorum("17")"#), "asks for more than 16 people"),
        (permit(r#"@reason("please")"#), "@reason is not \"required\""),
        (permit("@reason"), "@reason is not \"required\""),
        (permit(r#"@quorom("2")"#), "@quorom means nothing"),
        (
            r#"@quorum("2") permit (principal, action == Action::"execute", resource);"#.to_owned(),
            "this policy permits no asking",
        ),
        (
            r#"@quorum("2") forbid (principal, action == Action::"request", resource);"#.to_owned(),
            "this policy permits no asking",
        ),
    ];
    for (text, expected) in cases {
        let told = refused(&format!("\n{text}"));
        assert!(told.starts_with("main.cedar:2: main:2: "), "{told}");
        assert!(told.contains(expected), "{expected}\n--\n{told}");
    }
}

#[test]
fn with_several_providers_a_quorum_says_whose_group_it_is() {
    let mut names = names();
    names.identities.push("partner".into());
    let text = load_named(&permit(r#"@quorum("2 of dba")"#), &names).expect_err("a fault");
    assert!(text.contains("does not say which identity provider"), "{text}");
    let policy = load_named(&permit(r#"@quorum("2 of corp/dba")"#), &names).expect("valid");
    assert_eq!(policy.groups(&principal(&["dba"])), ["corp/dba"]);
}
