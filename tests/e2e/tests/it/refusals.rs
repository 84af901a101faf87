//! What is refused, and that refusals teach; what fails, fails closed.

use anyhow::Result;
use e2e::gateway::AGENT_POLICY;
use e2e::tools::Version;

use crate::Stage;

/// Agents read; only what is not risky.
const READERS: &str = r#"permit (
  principal in Group::"agents", action == Action::"connect", resource == Resource::"customers"
);
permit (
  principal in Group::"agents", action == Action::"execute", resource == Resource::"customers"
)
when { ["empty", "session", "transaction", "read"].contains(context.operation.kind) };
permit (
  principal in Group::"fraud", action == Action::"reveal", resource == Tag::"pii.ssn"
);
"#;

#[test]
fn an_agent_reads_masked_rows_and_is_taught_about_the_rest() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| configuration.policy(READERS))?;
    let agent = stage.agent()?;
    let rows = agent.psql("select name, ssn, card, email from customers where id = 3")?;
    assert_eq!(
        rows.rows.trim(),
        "Dan Sample 3|***-**-0022|************1117|",
        "{}",
        rows.errors
    );

    let refused = [
        ("delete from orders", "policy-denied"),
        ("drop table orders", "policy-denied"),
        ("grant all on orders to public", "policy-denied"),
        (
            "select name from customers where ssn = '103-04-0022'",
            "tagged-use",
        ),
        ("select upper(ssn) from customers", "tagged-use"),
        ("select customers from customers", "tagged-use"),
        ("copy customers to stdout", "tagged-use"),
        ("select from where", "unparsable"),
    ];
    for (sql, rule) in refused {
        let answer = agent.psql(sql)?;
        assert!(!answer.ok, "{sql} ran: {}", answer.rows);
        assert!(
            answer.errors.contains(rule),
            "{sql} names no {rule}: {}",
            answer.errors
        );
        assert!(
            answer.errors.contains("HINT"),
            "{sql} teaches nothing: {}",
            answer.errors
        );
    }
    assert_eq!(stage.server.query("select count(*) from orders")?.trim(), "5000");
    Ok(())
}

#[test]
fn who_may_see_a_tag_sees_it() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| configuration.policy(READERS))?;
    let token = stage.issuer.token("investigator", &["agents", "fraud"])?;
    let rows = stage
        .gateway
        .target(&token)
        .psql("select ssn, email from customers where id = 3")?;
    assert_eq!(rows.rows.trim(), "103-04-0022|", "{}", rows.errors);
    let found = stage
        .gateway
        .target(&token)
        .psql("select id from customers where ssn = '103-04-0022' order by ssn")?;
    assert_eq!(found.rows.trim(), "3", "{}", found.errors);
    let hidden = stage
        .gateway
        .target(&token)
        .psql("select id from customers where email = 'customer.3@example.com'")?;
    assert!(
        !hidden.ok && hidden.errors.contains("tagged-use"),
        "{}",
        hidden.all()
    );
    Ok(())
}

#[test]
fn who_may_not_connect_is_turned_away() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let token = stage.issuer.token("stranger", &["visitors"])?;
    let answer = stage.gateway.target(&token).psql("select 1")?;
    assert!(!answer.ok, "{}", answer.rows);
    Ok(())
}

#[test]
fn nobody_is_let_in_without_tls() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let mut agent = stage.agent()?;
    agent.tls = e2e::client::Tls::Off;
    let answer = agent.psql("select 1")?;
    assert!(!answer.ok && answer.errors.contains("TLS"), "{}", answer.errors);
    Ok(())
}

#[test]
fn a_policy_that_cannot_be_evaluated_refuses() -> Result<()> {
    // An overflow only shows when the policy is evaluated.
    let failing = r#"forbid (principal, action == Action::"execute", resource)
when { context.operation.statements * 9223372036854775807 * 2 > 0 };
"#;
    let policy = format!("{AGENT_POLICY}{failing}");
    let stage = Stage::with(Version::Packaged, |configuration| configuration.policy(&policy))?;
    let answer = stage.agent()?.psql("select 1")?;
    assert!(
        !answer.ok && answer.errors.contains("policy-error"),
        "{}",
        answer.all()
    );
    Ok(())
}
