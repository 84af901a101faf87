//! A request that people must agree to.

use anyhow::Result;
use e2e::journal;

use super::WebStage;
use crate::holds::{approvals, id, json, tidegate};

/// Agents read; what they write waits for a DBA.
const HOLDING: &str = r#"
permit (principal in Group::"agents", action in [Action::"connect", Action::"request"], resource == Resource::"web");
permit (principal in Group::"agents", action == Action::"execute", resource == Resource::"web")
when { context.operation.kind == "read" };
permit (principal in Group::"dba", action == Action::"approve", resource == Resource::"web");
permit (principal in Group::"dba", action == Action::"execute", resource == Resource::"tidegate");
"#;

fn post<'a>(body: &'a str, further: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["-H", "Content-Type: application/json", "-d", body];
    arguments.extend(further);
    arguments
}

#[test]
fn a_request_waits_and_runs_once_people_agree() -> Result<()> {
    let stage = WebStage::with("hold_for = \"30s\"", |configuration| {
        configuration.policy(HOLDING)
    })?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stage.ask("/echo", &post(r#"{"amount":100}"#, &[])));
        let approval = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
        let shown = json(&tidegate(&stage.gateway, &dba, &["approvals", &approval])?)?;
        assert!(
            shown.to_string().contains("amount"),
            "people see the body: {shown}"
        );
        json(&tidegate(&stage.gateway, &dba, &["approve", &approval])?)?;
        waiting.join().map_err(|_| anyhow::anyhow!("it panicked"))?
    })?;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()?["body"], r#"{"amount":100}"#);
    Ok(())
}

#[test]
fn a_request_that_waits_no_longer_runs_once_when_it_is_sent_again() -> Result<()> {
    let stage = WebStage::with("hold_for = \"1s\"", |configuration| configuration.policy(HOLDING))?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let body = r#"{"amount":100}"#;
    let pending = stage.ask("/echo", &post(body, &[]))?;
    assert_eq!(pending.status, 403, "{pending:?}");
    assert!(pending.header("retry-after").is_some(), "{pending:?}");
    let problem = pending.json()?;
    assert_eq!(problem["rule"], "approval-pending", "{problem}");
    let approval = problem["approval_id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(problem["retry"]["value"], approval.as_str(), "{problem}");
    json(&tidegate(&stage.gateway, &dba, &["approve", &approval])?)?;
    let retry = format!("Approval-Id: {approval}");
    let other = stage.ask("/echo", &post(r#"{"amount":101}"#, &["-H", &retry]))?;
    assert_eq!(other.status, 403, "another body is another request: {other:?}");
    let elsewhere = stage.ask("/other", &post(body, &["-H", &retry]))?;
    assert_eq!(
        elsewhere.status, 403,
        "another path is another request: {elsewhere:?}"
    );
    let again = stage.ask("/echo", &post(body, &["-H", &retry]))?;
    assert_eq!(again.status, 200, "{again:?}");
    let twice = stage.ask("/echo", &post(body, &["-H", &retry]))?;
    assert_eq!(twice.status, 403, "once is once: {twice:?}");
    let entries = journal::entries(stage.gateway.home())?;
    assert_eq!(journal::of_kind(&entries, "approval.used").len(), 1);
    let outcomes = journal::of_kind(&entries, "op.outcome");
    let over_http = outcomes.iter().filter(|outcome| outcome["status"].is_u64());
    assert_eq!(over_http.count(), 1, "{outcomes:?}");
    Ok(())
}

#[test]
fn a_request_that_people_deny_does_not_run() -> Result<()> {
    let stage = WebStage::with("hold_for = \"30s\"", |configuration| {
        configuration.policy(HOLDING)
    })?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stage.ask("/echo", &post("{}", &[])));
        let approval = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
        let arguments = ["deny", &approval, "--reason", "not today"];
        json(&tidegate(&stage.gateway, &dba, &arguments)?)?;
        waiting.join().map_err(|_| anyhow::anyhow!("it panicked"))?
    })?;
    assert_eq!(answer.status, 403, "{answer:?}");
    let problem = answer.json()?;
    assert_eq!(problem["rule"], "approval-denied", "{problem}");
    assert!(problem["detail"].to_string().contains("not today"), "{problem}");
    Ok(())
}

#[test]
fn a_request_whose_client_has_gone_is_withdrawn() -> Result<()> {
    let stage = WebStage::with("hold_for = \"60s\"", |configuration| {
        configuration.policy(HOLDING)
    })?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let gone = stage.ask("/echo", &post("{}", &["--max-time", "2"]))?;
    assert_eq!(gone.status, 0, "{gone:?}");
    approvals(&stage.gateway, &dba, "withdrawn", 1)?;
    Ok(())
}
