//! Who may not connect, and asks by trying.

use anyhow::Result;
use e2e::journal;
use e2e::tools::Version;

use crate::Stage;

/// Agents may not connect, but may ask to, for reads.
pub(crate) const POLICY: &str = r#"
permit (principal in Group::"agents", action == Action::"request", resource)
when { context.operation.verbs.contains("connect") ||
       (context.operation.verbs.contains("grant") && context.operation.kind == "read") };
permit (principal, action == Action::"connect", resource) when { context has grant };
"#;

#[test]
fn whoever_may_only_ask_to_connect_is_told_so_and_people_are_asked_once() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| configuration.policy(POLICY))?;
    let mut told = Vec::new();
    for _ in 0..2 {
        let answer = stage.agent()?.psql("select 1")?;
        assert!(
            !answer.ok && answer.errors.contains("nobody has answered yet"),
            "{}",
            answer.errors
        );
        assert!(
            answer.errors.contains("connect again once they agreed"),
            "it is told what to do: {}",
            answer.errors
        );
        told.push(
            answer
                .errors
                .split("approval ")
                .nth(1)
                .map(|id| id[..36].to_owned()),
        );
    }
    assert_eq!(told[0], told[1], "it is one and the same question");
    let stranger = stage.issuer.token("mallory", &["nobody"])?;
    let answer = stage.gateway.target(&stranger).psql("select 1")?;
    assert!(
        answer
            .errors
            .contains("does not exist, or you may not connect to it"),
        "{}",
        answer.errors
    );
    let entries = journal::entries(stage.gateway.home())?;
    let asked = journal::of_kind(&entries, "approval.asked");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0]["approval"].as_str(), told[0].as_deref());
    let refused = journal::of_kind(&entries, "login.refused");
    let waiting = |reason: &str| reason.starts_with("approval-pending: ");
    let reasons = refused.iter().filter_map(|entry| entry["reason"].as_str());
    assert_eq!(reasons.filter(|reason| waiting(reason)).count(), 2, "{refused:?}");
    Ok(())
}
