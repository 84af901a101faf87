use model::ApprovalId;

use super::*;

fn document(problem: &Problem) -> Value {
    assert_eq!(problem.headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(problem.headers[header::CACHE_CONTROL], "no-store");
    let document: Value = serde_json::from_slice(&problem.body).expect("JSON");
    assert_eq!(document["status"], problem.status.as_u16());
    document
}

fn retries(problem: &Problem) -> bool {
    !problem.headers.contains_key("x-should-retry")
}

#[test]
fn every_rule_has_a_status_that_no_client_misreads() {
    use Fault::{Client, Gateway, Operator, Plugin, Upstream};
    for (rule, fault, status, retried) in [
        (Rule::ApprovalDenied, Client, 403, false),
        (Rule::ApprovalPending, Client, 403, false),
        (Rule::ApprovalUnavailable, Operator, 403, false),
        (Rule::Cancelled, Client, 403, false),
        (Rule::ClassifierFailed, Plugin, 503, true),
        (Rule::JournalUnavailable, Operator, 503, true),
        (Rule::MaskerFailed, Plugin, 500, false),
        (Rule::Locked, Client, 403, false),
        (Rule::PolicyDenied, Client, 403, false),
        (Rule::PolicyError, Operator, 500, false),
        (Rule::ProtocolRefused, Client, 400, false),
        (Rule::ProtocolRefused, Upstream, 502, false),
        (Rule::ProtocolRefused, Gateway, 500, false),
        (Rule::RecordingFailed, Operator, 503, false),
        (Rule::SessionEnded, Client, 401, false),
        (Rule::TaggedUse, Client, 403, false),
        (Rule::TransactionFailed, Client, 403, false),
        (Rule::Unparsable, Client, 400, false),
    ] {
        let problem = Problem::refused(&Refusal::new(rule, fault, "no"), &Circumstances::default());
        assert_eq!(problem.status.as_u16(), status, "{rule:?}");
        assert_eq!(retries(&problem), retried, "{rule:?}");
        let document = document(&problem);
        assert_eq!(document["type"], format!("urn:tidegate:problem:{}", rule.label()));
        assert_eq!(document["rule"], rule.label());
        let challenged = problem.headers.contains_key(header::WWW_AUTHENTICATE);
        assert_eq!(challenged, status == 401, "{rule:?}");
    }
}

#[test]
fn a_refusal_says_what_to_do() {
    let mut refusal = Refusal::new(
        Rule::PolicyDenied,
        Fault::Client,
        "no policy permits DELETE /a \"b\"",
    );
    refusal.policies = vec!["no-deletes".to_owned()];
    let circumstances = Circumstances {
        operation: Some("op-1"),
        ..Circumstances::default()
    };
    let problem = Problem::refused(&refusal.hint("ask for a grant"), &circumstances);
    let document = document(&problem);
    assert_eq!(document["title"], "policy denied");
    assert_eq!(document["detail"], "no policy permits DELETE /a \"b\"");
    assert_eq!(document["hint"], "ask for a grant");
    assert_eq!(document["policies"], serde_json::json!(["no-deletes"]));
    assert_eq!(document["operation"], "op-1");
    assert_eq!(
        problem.headers["proxy-status"],
        "tidegate; error=http_request_denied"
    );
    assert!(document.get("approval_id").is_none());
}

#[test]
fn who_waits_for_an_approval_is_told_how_to_come_back() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let approval = ApprovalId::parse(id).expect("an id");
    let refusal =
        Refusal::new(Rule::ApprovalPending, Fault::Client, "nobody has answered yet").approval(approval);
    let circumstances = Circumstances {
        expires_at: Some("2026-11-26T12:00:00Z"),
        approval_url: Some("https://gate.example/approvals/1"),
        retry_after: Some(30),
        ..Circumstances::default()
    };
    let problem = Problem::refused(&refusal, &circumstances);
    let document = document(&problem);
    assert_eq!(document["approval_id"], id);
    assert_eq!(document["expires_at"], "2026-11-26T12:00:00Z");
    assert_eq!(document["approval_url"], "https://gate.example/approvals/1");
    assert_eq!(
        document["retry"],
        serde_json::json!({"header": "approval-id", "value": id})
    );
    assert_eq!(problem.headers[header::RETRY_AFTER], "30");
    assert_eq!(problem.headers["x-should-retry"], "false");
}

#[test]
fn challenges_say_no_more_than_they_may() {
    let challenge = Challenge {
        resource_metadata: Some("https://g.example/.well-known/oauth-protected-resource/crm"),
        scope: Some("read write"),
    };
    let metadata = "resource_metadata=\"https://g.example/.well-known/oauth-protected-resource/crm\"";
    for (fault, status, expected) in [
        (
            TokenFault::Missing,
            401,
            format!("Bearer {metadata}, scope=\"read write\""),
        ),
        (
            TokenFault::Invalid,
            401,
            format!("Bearer error=\"invalid_token\", {metadata}, scope=\"read write\""),
        ),
        (
            TokenFault::InsufficientScope,
            403,
            format!("Bearer error=\"insufficient_scope\", {metadata}, scope=\"read write\""),
        ),
    ] {
        let circumstances = Circumstances {
            challenge,
            ..Circumstances::default()
        };
        let problem = Problem::unauthorized(fault, &circumstances);
        assert_eq!(problem.status.as_u16(), status);
        assert_eq!(problem.headers[header::WWW_AUTHENTICATE], expected);
        document(&problem);
    }
    assert_eq!(Challenge::default().header(TokenFault::Missing), "Bearer");
    let quoted = Challenge {
        resource_metadata: None,
        scope: Some("a\", error=\"x"),
    };
    assert_eq!(quoted.header(TokenFault::Missing), "Bearer");
}

#[test]
fn a_rejection_names_its_check() {
    let rejection = Rejection::malformed("path", "the path holds a dot segment").hint("send it plain");
    let problem = Problem::rejected(&rejection, &Circumstances::default());
    let document = document(&problem);
    assert_eq!(document["check"], "path");
    assert_eq!(document["hint"], "send it plain");
    assert_eq!(document["type"], "urn:tidegate:problem:protocol-refused");
    assert!(!problem.headers.contains_key(header::WWW_AUTHENTICATE));

    let rejection = Rejection::new(
        StatusCode::UNAUTHORIZED,
        "token-scheme",
        "only bearer tokens are taken",
    );
    let problem = Problem::rejected(&rejection, &Circumstances::default());
    assert_eq!(problem.headers[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(rejection.refusal().rule, Rule::ProtocolRefused);
}

#[test]
fn an_upstream_that_fails_is_told_apart_from_the_gateway() {
    for (fault, status, error, retried) in [
        (UpstreamFault::Unreachable, 502, "destination_unavailable", true),
        (UpstreamFault::TimedOut, 504, "http_response_timeout", false),
        (UpstreamFault::Broken, 502, "http_response_incomplete", false),
        (UpstreamFault::Credential, 502, "http_protocol_error", false),
        (UpstreamFault::Unmaskable, 502, "http_protocol_error", false),
    ] {
        let problem = Problem::upstream(fault, &Circumstances::default());
        assert_eq!(problem.status.as_u16(), status, "{fault:?}");
        assert_eq!(
            problem.headers["proxy-status"],
            format!("tidegate; error={error}")
        );
        assert_eq!(retries(&problem), retried, "{fault:?}");
        document(&problem);
    }
}
