//! HTTP through the gateway, with curl and a service that tells what it was asked.

mod clients;
mod conformance;
mod framing;
mod holds;
mod masks;
mod mcp;
mod nginx;
mod streams;

use anyhow::Result;
use e2e::gateway::{Configuration, Gateway, Plugin, WEB_TOKEN};
use e2e::issuer::Issuer;
use e2e::journal;
use e2e::web::{Answer, Script, curl};

/// A service, an issuer and a gateway between them.
pub(super) struct WebStage {
    pub(super) gateway: Gateway,
    pub(super) issuer: Issuer,
    pub(super) service: Script,
    pub(super) token: String,
}

impl WebStage {
    pub(super) fn new(lines: &str) -> Result<Self> {
        Self::with(lines, |configuration| configuration)
    }

    pub(super) fn with(
        lines: &str,
        change: impl FnOnce(Configuration<'_>) -> Configuration<'_>,
    ) -> Result<Self> {
        let service = e2e::web::service()?;
        let issuer = Issuer::new()?;
        let configuration = change(Configuration::web(service.port(), &issuer, lines));
        let gateway = Gateway::start(&configuration)?;
        Ok(Self {
            token: issuer.token("agent-7", &["agents"])?,
            gateway,
            issuer,
            service,
        })
    }

    /// A stage that masks: SSNs and e-mail addresses by their place, everything by its content.
    pub(super) fn masking(lines: &str) -> Result<Self> {
        Self::masking_with(lines, |configuration| configuration)
    }

    pub(super) fn masking_with(
        lines: &str,
        change: impl FnOnce(Configuration<'_>) -> Configuration<'_>,
    ) -> Result<Self> {
        Self::with(lines, |configuration| {
            let mut configuration = change(configuration);
            let masks = r#"{ "pii.ssn" = "keep-last-4", "pii.email" = "null" }"#;
            configuration.plugins = vec![
                Plugin::new("redact", "masker", masks),
                Plugin::new("pii-scan", "masker", "{}"),
            ];
            configuration.further = r#"[[tag]]
name = "pii.ssn"
paths = ["web:$..ssn"]

[[tag]]
name = "pii.email"
paths = ["web:$..email"]
headers = ["web:x-customer-email"]
"#
            .to_owned();
            configuration
        })
    }

    /// Asks for a path as the agent, with further arguments of curl.
    pub(super) fn ask(&self, path: &str, further: &[&str]) -> Result<Answer> {
        self.ask_as(&self.token, path, further)
    }

    pub(super) fn ask_as(&self, token: &str, path: &str, further: &[&str]) -> Result<Answer> {
        let (bearer, url) = (format!("Authorization: Bearer {token}"), self.gateway.web(path));
        let authority = self
            .gateway
            .authority()
            .map(|path| path.to_string_lossy().into_owned());
        let mut arguments = vec!["-H", bearer.as_str()];
        if let Some(authority) = &authority {
            arguments.extend(["--cacert", authority]);
        }
        arguments.extend(further);
        arguments.push(&url);
        curl(&arguments)
    }
}

#[test]
fn a_request_goes_through_with_the_gateways_credential_and_without_the_clients() -> Result<()> {
    let stage = WebStage::new("")?;
    for version in ["--http1.1", "--http2"] {
        let answer = stage.ask(
            "/echo?a=b&a=c",
            &[
                version,
                "-X",
                "POST",
                "-H",
                "Content-Type: application/json",
                "-H",
                "X-Forwarded-For: 10.0.0.1",
                "-H",
                "X-Original-URL: /admin",
                "-H",
                "Cookie: session=mine",
                "-d",
                r#"{"x":1}"#,
            ],
        )?;
        assert_eq!(answer.status, 200, "{version}: {answer:?}");
        let echo = answer.json()?;
        assert_eq!(echo["url"], "/echo?a=b&a=c");
        assert_eq!(echo["method"], "POST");
        assert_eq!(echo["body"], r#"{"x":1}"#);
        let headers = echo["headers"].to_string().to_lowercase();
        assert!(headers.contains(&format!("bearer {WEB_TOKEN}")), "{headers}");
        for hidden in [&stage.token.to_lowercase(), "10.0.0.1", "/admin", "session=mine"] {
            assert!(!headers.contains(hidden), "{hidden} went upstream: {headers}");
        }
        assert!(headers.contains(r#""x-forwarded-for","127.0.0.1""#), "{headers}");
        assert!(!answer.head.contains("keep-alive"), "{}", answer.head);
    }
    let entries = journal::entries(stage.gateway.home())?;
    let intents = journal::of_kind(&entries, "op.intent");
    assert_eq!(intents.len(), 2, "{intents:?}");
    assert_eq!(intents[0]["statement"], "POST /echo?a=b&a=c");
    assert_eq!(intents[0]["class"], "write");
    let outcomes = journal::of_kind(&entries, "op.outcome");
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert_eq!(
        (&outcomes[0]["result"], &outcomes[0]["status"]),
        (&"ok".into(), &200.into())
    );
    Ok(())
}

#[test]
fn nobody_gets_in_without_a_token_that_holds() -> Result<()> {
    let stage = WebStage::new("")?;
    let none = curl(&["-k", &stage.gateway.web("/echo")])?;
    assert_eq!(none.status, 401, "{none:?}");
    let challenge = none.header("www-authenticate").unwrap_or_default();
    let metadata = challenge.strip_prefix("bearer resource_metadata=\"");
    let metadata = metadata
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_default();
    assert!(
        metadata.ends_with("/.well-known/oauth-protected-resource/web/echo"),
        "{challenge}"
    );
    let told = curl(&["-k", metadata])?;
    assert_eq!(told.status, 200, "{told:?}");
    let told = told.json()?;
    assert_eq!(told["resource"], stage.gateway.web("/echo"), "{told}");
    assert_eq!(
        told["authorization_servers"],
        serde_json::json!([e2e::issuer::ISSUER])
    );
    let bad = stage.ask_as("abc.def.ghi", "/echo", &[])?;
    assert_eq!(bad.status, 401, "{bad:?}");
    assert!(bad.head.contains("invalid_token"), "{bad:?}");
    let stranger = stage.issuer.token("mallory", &["nobody"])?;
    for path in ["/echo", "/../other/echo"] {
        let refused = stage.ask_as(&stranger, path, &["--path-as-is"])?;
        assert!(
            refused.status == 404 || refused.status == 400,
            "{path}: {refused:?}"
        );
        assert!(
            !refused.body.contains("\"url\""),
            "nothing of the upstream: {refused:?}"
        );
    }
    let query = format!("/echo?access_token={}", stage.token);
    let refused = curl(&["-k", &stage.gateway.web(&query)])?;
    assert_eq!(refused.status, 400, "{refused:?}");
    Ok(())
}

#[test]
fn what_policy_forbids_is_a_problem_document_that_names_the_rule() -> Result<()> {
    let policy = r#"
permit (principal in Group::"agents", action == Action::"connect", resource == Resource::"web");
permit (principal in Group::"agents", action == Action::"execute", resource == Resource::"web")
when { context.operation.kind == "read" && context.operation has request &&
       !(context.operation.request.path like "/admin/*") };
"#;
    let stage = WebStage::with("", |configuration| configuration.policy(policy))?;
    assert_eq!(stage.ask("/customers", &[])?.status, 200);
    for (path, further) in [("/customers", ["-X", "DELETE"]), ("/admin/users", ["-X", "GET"])] {
        let refused = stage.ask(path, &further)?;
        assert_eq!(refused.status, 403, "{path}: {refused:?}");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        let problem = refused.json()?;
        assert_eq!(problem["rule"], "policy-denied", "{problem}");
        assert!(problem["operation"].is_string(), "{problem}");
    }
    let entries = journal::entries(stage.gateway.home())?;
    let verdicts: Vec<_> = journal::of_kind(&entries, "op.intent")
        .iter()
        .map(|intent| intent["verdict"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(verdicts, ["run", "refuse", "refuse"]);
    Ok(())
}

#[test]
fn what_the_upstream_says_of_itself_stays_here() -> Result<()> {
    let stage = WebStage::new("")?;
    let redirect = stage.ask("/redirect", &[])?;
    assert_eq!(redirect.status, 302, "{redirect:?}");
    let location = redirect.header("location").unwrap_or_default();
    assert!(location.ends_with("/web/customers?x=1"), "{location}");
    let upstream = format!(":{}", stage.service.port());
    for path in ["/redirect", "/cookie", "/error", "/customers"] {
        let answer = stage.ask(path, &[])?;
        for hidden in [upstream.as_str(), WEB_TOKEN, "session=upstream", "secret/1.0"] {
            assert!(
                !answer.head.contains(hidden),
                "{path}: {hidden} in {}",
                answer.head
            );
        }
    }
    let away = stage.ask("/away", &[])?;
    assert_eq!(away.status, 502, "{away:?}");
    let broken = stage.ask("/broken", &[])?;
    assert_ne!(broken.exit, 0, "half an answer is no whole one: {broken:?}");
    Ok(())
}

#[test]
fn a_session_that_is_revoked_is_gone_within_a_second() -> Result<()> {
    let policy = r#"
permit (principal in Group::"agents", action in [Action::"connect", Action::"execute"], resource == Resource::"web");
permit (principal in Group::"dba", action == Action::"execute", resource == Resource::"tidegate");
"#;
    let stage = WebStage::with("", |configuration| configuration.policy(policy))?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    // An answer without an end, which nobody takes: it is cut off with the session.
    let (bearer, url) = (
        format!("Authorization: Bearer {}", stage.token),
        stage.gateway.web("/big?bytes=100000000000"),
    );
    let mut running = std::process::Command::new(e2e::tools::on_path("curl")?)
        .args(["-sk", "-o", "/dev/null", "-H", &bearer, &url])
        .spawn()?;
    let listed = e2e::service::until(e2e::service::START_WAIT_MAX, "the session", || {
        let listed = crate::holds::json(&crate::holds::tidegate(&stage.gateway, &dba, &["sessions"])?)?;
        let doing = listed["sessions"][0]["doing"].to_string();
        Ok(doing.contains("running").then_some(listed))
    })?;
    let session = listed["sessions"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let arguments = ["revoke", "--session", &session, "--reason", "gone wild"];
    let before = std::time::Instant::now();
    crate::holds::json(&crate::holds::tidegate(&stage.gateway, &dba, &arguments)?)?;
    let status = running.wait()?;
    assert!(!status.success(), "an answer that is cut off is no whole one");
    assert!(before.elapsed().as_secs_f64() < 2.0, "{:?}", before.elapsed());
    Ok(())
}
