//! Files by scp, sftp, rsync and git.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::journal;
use e2e::ssh::BOX;
use e2e::tools;

use super::SshStage;

fn run(command: &mut Command) -> Result<()> {
    let done = command.output()?;
    ensure!(done.status.success(), "{command:?}: {done:?}");
    Ok(())
}

#[test]
fn scp_and_sftp_carry_files_both_ways() -> Result<()> {
    let stage = SshStage::new("")?;
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let local = stage.client.folder().join("file");
    std::fs::write(&local, &content)?;
    for (number, mode) in ["-O", "-s"].into_iter().enumerate() {
        let there = stage.host.file(&format!("up{number}"));
        let back = stage.client.folder().join(format!("back{number}"));
        let remote = format!("{BOX}@gw:{}", there.display());
        run(stage
            .client
            .command("scp", &stage.token)?
            .arg(mode)
            .arg(&local)
            .arg(&remote))?;
        assert!(std::fs::read(&there)? == content, "{mode} up");
        run(stage
            .client
            .command("scp", &stage.token)?
            .arg(mode)
            .arg(&remote)
            .arg(&back))?;
        assert!(std::fs::read(&back)? == content, "{mode} down");
    }
    let batch = stage.client.folder().join("batch");
    let there = stage.host.file("by-sftp");
    std::fs::write(
        &batch,
        format!(
            "put file {0}\nrename {0} {0}.moved\nls -l {0}.moved\nget {0}.moved got\nrm {0}.moved\n",
            there.display()
        ),
    )?;
    let mut sftp = stage.client.command("sftp", &stage.token)?;
    // Not `-b`: with it nobody is asked for a password.
    run(sftp.arg(format!("{BOX}@gw")).stdin(std::fs::File::open(&batch)?))?;
    assert!(std::fs::read(stage.client.folder().join("got"))? == content);
    Ok(())
}

#[test]
fn rsync_and_git_work_as_they_do_without_a_gateway() -> Result<()> {
    let stage = SshStage::new("")?;
    let shell = format!("ssh -F {}", stage.client.config().display());
    let tree = stage.client.folder().join("tree");
    std::fs::create_dir(&tree)?;
    for n in 0..50 {
        std::fs::write(tree.join(format!("{n}")), vec![b'x'; 10_000 * n])?;
    }
    let there = stage.host.file("tree");
    let mut rsync = Command::new(tools::on_path("rsync")?);
    stage.client.environment(&mut rsync, &stage.token);
    let remote = format!("{BOX}@gw:{}/", there.display());
    run(rsync
        .args(["-a", "-e", &shell])
        .arg(format!("{}/", tree.display()))
        .arg(&remote))?;
    run(Command::new("diff").arg("-r").arg(&tree).arg(&there))?;

    let bare = stage.host.file("repository.git");
    run(Command::new("git").args(["init", "-q", "--bare"]).arg(&bare))?;
    let work = stage.client.folder().join("work");
    let git = |arguments: &[&str]| -> Result<()> {
        let mut command = Command::new(tools::on_path("git")?);
        stage.client.environment(&mut command, &stage.token);
        run(command
            .env("GIT_SSH_COMMAND", &shell)
            .args(["-c", "user.name=stage", "-c", "user.email=stage@example.com"])
            .args(["-c", "protocol.version=2"])
            .args(arguments))
    };
    let url = format!("{BOX}@gw:{}", bare.display());
    git(&["clone", "-q", &url, "work"])?;
    std::fs::write(work.join("file"), "content")?;
    git(&["-C", "work", "add", "file"])?;
    git(&["-C", "work", "commit", "-q", "-m", "one"])?;
    git(&["-C", "work", "push", "-q", "origin", "HEAD:main"])?;
    git(&["clone", "-q", "-b", "main", &url, "again"])?;
    assert_eq!(
        std::fs::read_to_string(stage.client.folder().join("again/file"))?,
        "content"
    );
    Ok(())
}

#[test]
fn each_file_is_an_operation_that_policy_knows_by_its_path() -> Result<()> {
    let stage = SshStage::with("", |configuration| {
        configuration.policy(
            r#"permit (principal in Group::"agents", action == Action::"connect", resource == Resource::"box");
permit (principal in Group::"agents", action == Action::"execute", resource == Resource::"box")
when { context.operation has command && context.operation.command.channel == "sftp" && context.operation.kind == "session" };
permit (principal in Group::"agents", action == Action::"execute", resource == Resource::"box")
when { context.operation.kind == "read" }
unless { context.operation has command && context.operation.command.paths.contains("/etc/hostname") };
"#,
        )
    })?;
    let kept = stage.host.file("kept");
    std::fs::write(&kept, "content")?;
    let batch = stage.client.folder().join("batch");
    std::fs::write(
        &batch,
        format!(
            "get {0} got\nget /etc/hostname never\nrm {0}\nput batch {0}.new\n",
            kept.display()
        ),
    )?;
    let mut sftp = stage.client.command("sftp", &stage.token)?;
    let done = sftp
        .arg(format!("{BOX}@gw"))
        .stdin(std::fs::File::open(&batch)?)
        .output()?;
    let told = super::err(&done);
    assert_eq!(
        std::fs::read_to_string(stage.client.folder().join("got"))?,
        "content"
    );
    assert!(
        !stage.client.folder().join("never").exists() && kept.exists(),
        "{told}"
    );
    assert!(told.contains("ermission denied"), "{told}");
    let entries = journal::entries(stage.gateway.home())?;
    let intents = journal::of_kind(&entries, "op.intent");
    let of = |statement: &str, verdict: &str| {
        let named = |entry: &&&serde_json::Value| {
            entry["statement"]
                .as_str()
                .is_some_and(|text| text.starts_with(statement))
                && entry["verdict"] == verdict
        };
        intents.iter().filter(named).count()
    };
    assert!(
        of("sftp read", "run") > 0 && of("sftp remove", "refuse") > 0,
        "{intents:?}"
    );
    assert!(
        of("sftp write", "refuse") > 0 && of("sftp stat /etc/hostname", "refuse") > 0,
        "{intents:?}"
    );
    Ok(())
}
