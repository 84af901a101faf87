//! What comes out is masked, wherever it is cut.

use anyhow::Result;
use e2e::gateway::Plugin;

use super::{SshStage, err, out};

fn masking(lines: &str) -> Result<SshStage> {
    SshStage::with(&format!("scan_untagged = true\n{lines}"), |mut configuration| {
        configuration.plugins = vec![Plugin::new("pii-scan", "masker", "{}")];
        configuration
    })
}

#[test]
fn a_secret_that_comes_in_pieces_is_masked_in_both_streams() -> Result<()> {
    let stage = masking("")?;
    let ssn = "536-90-4399";
    for at in [1, 3, 6, 10] {
        let (first, rest) = ssn.split_at(at);
        let line = format!("printf 'ssn {first}'; sleep 0.1; echo '{rest} end'");
        let done = stage.ssh(&[&line])?;
        assert!(
            !out(&done).contains(ssn) && out(&done).contains(" end"),
            "{at}: {done:?}"
        );
        let done = stage.ssh(&[&format!("({line}) >&2")])?;
        assert!(
            !err(&done).contains(ssn) && err(&done).contains(" end"),
            "{at}: {done:?}"
        );
    }
    Ok(())
}

#[test]
fn what_is_no_text_is_refused_or_passes_as_the_operator_chose() -> Result<()> {
    let stage = masking("")?;
    let done = stage.ssh(&["printf 'a\\0b'"])?;
    assert_eq!(done.status.code(), Some(255), "{done:?}");
    assert!(err(&done).contains("tagged-use"), "{done:?}");
    let stage = masking("unknown_content = \"pass\"\n")?;
    let done = stage.ssh(&["printf 'a\\0b'"])?;
    assert_eq!(done.stdout, b"a\0b");
    Ok(())
}

#[test]
fn a_command_that_the_grammar_cannot_follow_is_refused_and_the_gateway_lives() -> Result<()> {
    let stage = SshStage::with("", |mut configuration| {
        configuration.plugins = vec![Plugin::new("shell-risk", "classifier", "{}")];
        configuration.policy(
            r#"permit (principal in Group::"agents", action == Action::"connect", resource == Resource::"box");
permit (principal in Group::"agents", action == Action::"execute", resource == Resource::"box")
when { context.risk < 50 };
"#,
        )
    })?;
    assert!(stage.ssh(&["echo fine"])?.status.success());
    let nested = "if true; then ".repeat(5_000);
    for line in ["<<E$[\t\t", nested.as_str(), "echo x | sh", "r''m x"] {
        let done = stage.ssh(&[line])?;
        assert_eq!(done.status.code(), Some(126), "{line:.20}: {done:?}");
    }
    assert!(stage.ssh(&["echo fine"])?.status.success());
    Ok(())
}
