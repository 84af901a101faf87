//! What comes out is masked, wherever it is cut.

use std::process::Output;

use anyhow::Result;
use e2e::gateway::Plugin;
use e2e::ssh::BOX;

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
fn colours_within_a_secret_hide_nothing() -> Result<()> {
    let stage = masking("")?;
    let done = stage.ssh(&["echo 'ssn 536-90-4399 end' | grep --color=always -E '90|$'"])?;
    let seen = out(&done);
    assert!(seen.contains("end") && !seen.contains("4399"), "{done:?}");
    Ok(())
}

#[test]
fn files_that_are_read_are_masked_by_sftp_and_scp() -> Result<()> {
    let stage = masking("")?;
    let line = "a line before; ssn 536-90-4399; and one behind\n";
    // More than one read of the client's, and a value across each of their ends.
    let text = line.repeat(20_000);
    let there = stage.host.file("people.txt");
    std::fs::write(&there, &text)?;
    let remote = format!("{BOX}@gw:{}", there.display());
    let got = stage.client.folder().join("got");
    let scp = |arguments: [&str; 3]| -> Result<Output> {
        let mut command = stage.client.command("scp", &stage.token)?;
        Ok(command.args(arguments).output()?)
    };
    let done = scp(["-s", &remote, "got"])?;
    assert!(done.status.success(), "{done:?}");
    let text = std::fs::read_to_string(got)?;
    assert!(!text.contains("4399"), "{}", &text[..200]);
    let mut lines = text.lines();
    assert!(lines.all(|line| line.starts_with("a line before; ssn ") && line.ends_with("; and one behind")));
    assert_eq!(text.lines().count(), 20_000);
    // In the old protocol a length comes before the text, which a mask would change.
    let done = scp(["-O", &remote, "old"])?;
    assert!(!done.status.success() && err(&done).contains("sftp"), "{done:?}");
    // What is written stays as it is.
    std::fs::write(stage.client.folder().join("sent"), "ssn 536-90-4399\n")?;
    let done = scp(["-s", "sent", &format!("{remote}.sent")])?;
    assert!(done.status.success(), "{done:?}");
    assert_eq!(
        std::fs::read_to_string(stage.host.file("people.txt.sent"))?,
        "ssn 536-90-4399\n"
    );
    Ok(())
}

#[test]
fn a_file_that_is_no_text_is_refused_or_passes_as_the_operator_chose() -> Result<()> {
    for (lines, passes) in [("", false), ("unknown_content = \"pass\"\n", true)] {
        let stage = masking(lines)?;
        let bytes = [&b"\0\x01"[..], &[b'x'; 100_000]].concat();
        let there = stage.host.file("image");
        std::fs::write(&there, &bytes)?;
        let remote = format!("{BOX}@gw:{}", there.display());
        let mut command = stage.client.command("scp", &stage.token)?;
        let done = command.args(["-s", &remote, "got"]).output()?;
        assert_eq!(done.status.success(), passes, "{done:?}");
        match passes {
            true => assert!(std::fs::read(stage.client.folder().join("got"))? == bytes),
            // scp does not show what a server says besides the code.
            false => assert!(err(&done).contains("Permission denied"), "{done:?}"),
        }
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
