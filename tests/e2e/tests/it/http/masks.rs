//! What comes back is masked: by its place in JSON, and by its content.

use anyhow::Result;

use super::WebStage;

/// What no answer may hold.
const SECRETS: [&str; 3] = ["103-04-0001", "103-04-0002", "ada@example.com"];

#[test]
fn answers_of_every_kind_are_masked() -> Result<()> {
    let stage = WebStage::masking("scan_untagged = true")?;
    for path in [
        "/customers",
        "/customers/1",
        "/lines",
        "/events",
        "/gzip",
        "/brotli",
        "/text",
        "/error",
    ] {
        for version in ["--http1.1", "--http2"] {
            let answer = stage.ask(path, &[version, "--compressed"])?;
            assert_eq!(answer.exit, 0, "{path}: {answer:?}");
            assert!(answer.status == 200 || path == "/error", "{path}: {answer:?}");
            for secret in SECRETS {
                assert!(
                    !answer.body.contains(secret),
                    "{path}: {secret} in {}",
                    answer.body
                );
                assert!(
                    !answer.head.contains(secret),
                    "{path}: {secret} in {}",
                    answer.head
                );
            }
            assert_eq!(
                answer.header("etag"),
                None,
                "{path}: versions tell of what is masked"
            );
        }
    }
    let one = stage.ask("/customers/1", &[])?.json()?;
    assert_eq!(one["ssn"], "***-**-0001");
    assert_eq!(one["email"], serde_json::Value::Null);
    assert_eq!(
        (&one["name"], &one["balance"]),
        (&"Ada Example".into(), &12.5.into())
    );
    assert!(
        one["note"]
            .as_str()
            .is_some_and(|note| note.starts_with("call ") && !note.contains("103-04"))
    );
    Ok(())
}

#[test]
fn what_cannot_be_read_does_not_pass() -> Result<()> {
    let stage = WebStage::masking("")?;
    let refused = stage.ask("/binary", &[])?;
    assert_eq!(refused.status, 502, "{refused:?}");
    let part = stage.ask("/customers", &["-H", "Range: bytes=0-10"])?;
    assert_eq!(
        (part.status, part.header("accept-ranges")),
        (200, Some("none")),
        "{part:?}"
    );
    let head = stage.ask("/customers", &["-I"])?;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, None),
        "{head:?}"
    );
    let passing = WebStage::masking("unknown_content = \"pass\"")?;
    assert_eq!(passing.ask("/binary", &[])?.status, 200);
    Ok(())
}

#[test]
fn a_tag_that_policy_reveals_is_not_masked() -> Result<()> {
    let stage = WebStage::masking("")?;
    let answer = stage.ask("/customers/1", &[])?;
    assert!(!answer.body.contains("103-04-0001\",\"email"), "{answer:?}");
    let policy = format!(
        "{}\npermit (principal in Group::\"agents\", action == Action::\"reveal\", resource == Tag::\"pii.ssn\");",
        e2e::gateway::WEB_POLICY
    );
    let revealing = WebStage::masking_with("", |configuration| configuration.policy(&policy))?;
    let one = revealing.ask("/customers/1", &[])?.json()?;
    assert_eq!(
        (&one["ssn"], &one["email"]),
        (&"103-04-0001".into(), &serde_json::Value::Null)
    );
    Ok(())
}

#[test]
fn requests_are_masked_where_the_resource_asks_for_it() -> Result<()> {
    let stage = WebStage::masking("mask_requests = true\nscan_untagged = true")?;
    let echo = stage.ask(
        "/echo",
        &[
            "-H",
            "Content-Type: application/json",
            "-d",
            r#"{"prompt":"my number is 103-04-0001","ssn":"103-04-0002"}"#,
        ],
    )?;
    assert_eq!(echo.status, 200, "{echo:?}");
    let sent = echo.json()?["body"].as_str().unwrap_or_default().to_owned();
    assert!(
        sent.contains("my number is") && !sent.contains("103-04-000"),
        "{sent}"
    );
    Ok(())
}
