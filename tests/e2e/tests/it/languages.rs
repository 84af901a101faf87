//! Plugins in Python and JavaScript: projects of every kind, and guests of both languages beside
//! Rust ones in one gateway.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::client::Answer;
use e2e::gateway::Plugin;
use e2e::receiver::{Post, Receiver};
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools::{self, Version};
use e2e::{http, issuer, journal, kit};

use crate::Stage;
use crate::holds::{HOLDING, begin, tidegate};

const PYTHON: &str = "python";
const JS: &str = "js";

/// How long a question may be out: the approver asks for its answer each second.
const APPROVAL_WAIT_MAX: Duration = Duration::from_secs(60);

/// A folder of projects; those in JavaScript share what they fetch.
struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
        })
    }

    /// Makes a project, runs its native tests, builds and packs it; returns the component.
    fn make(&self, lang: &str, kind: &str) -> Result<PathBuf> {
        let name = format!("{lang}-{kind}");
        let sdk = tools::repository().join("sdk");
        let sdk = sdk.to_str().context("a path in UTF-8")?;
        let mut new = self.command(tools::gateway()?)?;
        new.args([
            "plugin", "new", &name, "--kind", kind, "--lang", lang, "--sdk", sdk,
        ]);
        tools::output(&mut new)?;
        let project = self.folder.path().join(&name);
        match lang {
            PYTHON => self.test_python(&project, sdk)?,
            _ => self.test_js(&project)?,
        }
        let mut build = self.command(tools::gateway()?)?;
        let said = tools::output(build.args(["plugin", "build"]).current_dir(&project))?;
        ensure!(said.contains(&format!(": {kind} {name} 0.1.0, ")), "{said}");
        let component = project.join(format!("{name}.wasm"));
        match kind {
            "masker" => kit::BADGES.hold(&component)?,
            "classifier" => kit::WATCHED.hold(&component)?,
            _ => {}
        }
        Ok(component)
    }

    /// A command with the tools of set-up on its path.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let python = tools::python()?;
        let tools = python.parent().context("python lies in a folder")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([tools.to_owned()].into_iter().chain(std::env::split_paths(&path)))?;
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("PATH", path);
        Ok(command)
    }

    fn test_python(&self, project: &Path, sdk: &str) -> Result<()> {
        let mut tests = self.command(tools::python()?)?;
        tests
            .args(["-m", "unittest"])
            .env("PYTHONPATH", format!("{sdk}/python"));
        tools::output(tests.current_dir(project))?;
        Ok(())
    }

    fn test_js(&self, project: &Path) -> Result<()> {
        let fetched = self.folder.path().join("node_modules");
        if fetched.is_dir() {
            fs::rename(&fetched, project.join("node_modules"))?;
        } else {
            let mut install = self.command(tools::on_path("npm")?)?;
            tools::output(install.args(["install", "--silent"]).current_dir(project))?;
        }
        let mut tests = self.command(tools::on_path("npm")?)?;
        tools::output(tests.arg("test").current_dir(project))?;
        Ok(())
    }

    /// Hands on what a project in JavaScript fetched.
    fn hand_on(&self, kind: &str) -> Result<()> {
        let fetched = self.folder.path().join(format!("{JS}-{kind}/node_modules"));
        Ok(fs::rename(fetched, self.folder.path().join("node_modules"))?)
    }
}

/// A plugin as configured, with what a busy machine needs.
fn plugin(component: PathBuf, kind: &'static str, config: &str, lines: &str) -> Plugin {
    let name = component
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let limits = "limits = { memory = \"128MiB\", deadline = \"20s\" }";
    Plugin::new(&name, kind, config)
        .renamed(&name, &format!("{limits}\n{lines}"))
        .built(component)
}

#[test]
fn python_projects_pass_their_tests_and_build() -> Result<()> {
    let workshop = Workshop::new()?;
    for kind in ["classifier", "exporter"] {
        workshop.make(PYTHON, kind)?;
    }
    Ok(())
}

#[test]
fn javascript_projects_pass_their_tests_and_build() -> Result<()> {
    let workshop = Workshop::new()?;
    workshop.make(JS, "masker")?;
    workshop.hand_on("masker")?;
    workshop.make(JS, "approver")?;
    Ok(())
}

/// What the desk of the approvers says: everything is approved by U1.
fn desk(post: &Post) -> String {
    match post.method.as_str() {
        "GET" => r#"{"decision": "approved", "by": "U1", "comment": "at the desk"}"#.to_owned(),
        _ => "{}".to_owned(),
    }
}

#[test]
fn guests_of_three_languages_work_in_one_gateway() -> Result<()> {
    let workshop = Workshop::new()?;
    let receiver = Receiver::answering(desk)?;
    let there = format!("http://{}", receiver.address());
    let reaches = format!(
        "egress = [\"{there}\"]\nallow_private = true\nsecrets = {{ token = \"env:STAGE_HEC_TOKEN\" }}"
    );
    let remote = |path: &str| format!("{{ url = \"{there}/{path}\", token = \"secret://token\" }}");
    let badges = plugin(workshop.make(PYTHON, "masker")?, "masker", "{ keep = 2 }", "");
    let desk = plugin(
        workshop.make(PYTHON, "approver")?,
        "approver",
        &remote("questions"),
        &reaches,
    );
    let watched = "{ watched = [\"orders\"] }";
    let watch = plugin(workshop.make(JS, "classifier")?, "classifier", watched, "");
    workshop.hand_on("classifier")?;
    let post = plugin(
        workshop.make(JS, "exporter")?,
        "exporter",
        &remote("in"),
        &reaches,
    );
    let stage = Stage::with(Version::Packaged, |mut configuration| {
        configuration.plugins.extend([badges, desk, watch, post]);
        let token = ("STAGE_HEC_TOKEN".to_owned(), "a-made-up-token".to_owned());
        configuration.environment.push(token);
        configuration.resource = "channels = [\"python-approver\"]".to_owned();
        let dana = format!("{}|dana", issuer::ISSUER);
        configuration.further =
            format!("[[channel]]\nplugin = \"python-approver\"\nusers = {{ U1 = \"{dana}\" }}\n");
        configuration.policy(HOLDING)
    })?;
    // Whoever answers through a channel was seen before, and what groups are theirs.
    let dana = stage.issuer.person("dana", &["dba"])?;
    ensure!(tidegate(&stage.gateway, &dana, &["approvals"])?.status.success());

    let agent = stage.agent()?;
    let answer = agent.psql("select ssn, 'badge B-123456' as badge from customers where id = 3")?;
    ensure!(
        answer.rows.trim() == "***-**-0022|badge ******56",
        "{}",
        answer.all()
    );
    let mut waiting = begin(&agent, "delete from orders where id <= 3")?;
    let decided = until(APPROVAL_WAIT_MAX, "the approval by the desk", || {
        Ok(waiting.try_wait()?)
    });
    if decided.is_err() {
        waiting.kill()?;
    }
    let asked = || {
        format!(
            "{:?}\n{}",
            receiver.posts(),
            stage.gateway.home().log().unwrap_or_default()
        )
    };
    let decided = decided.with_context(asked)?;
    let answer = Answer::of(&waiting.wait_with_output()?);
    ensure!(
        decided.success() && answer.errors.contains("waiting for approval"),
        "{}",
        answer.all()
    );
    let is_delivered = || {
        let delivered = |post: &Post| post.path == "/in" && post.body.contains("delete from orders");
        Ok(receiver.posts().iter().any(delivered).then_some(()))
    };
    until(START_WAIT_MAX, "the entries at the receiver", is_delivered)?;
    let posts = receiver.posts();
    let asked = posts
        .iter()
        .find(|post| post.method == "PUT")
        .context("a question")?;
    ensure!(asked.body.contains("delete on customers by agent-7"), "{asked:?}");
    ensure!(
        posts.iter().all(|post| post.authorization.starts_with("Bearer ")),
        "{posts:?}"
    );
    ensure!(!posts.iter().any(|post| post.authorization.contains("secret://")));

    let (_, metrics) = http::get(stage.gateway.admin(), "/metrics")?;
    let parts = [
        "tidegate_plugin_egress_total{",
        "plugin=\"js-exporter\"",
        "host=\"127.0.0.1\"",
        "status=\"200\"",
    ];
    let counts = |line: &str| parts.iter().all(|part| line.contains(part));
    ensure!(metrics.lines().any(counts), "{metrics}");

    let (_, home) = stage.gateway.stop()?;
    let entries = journal::entries(&home)?;
    let intents = journal::of_kind(&entries, "op.intent");
    let judged = intents
        .iter()
        .find(|entry| entry["statement"] == "delete from orders where id <= 3");
    let judged = judged.context("an intent of the delete")?.to_string();
    ensure!(
        judged.contains("js-classifier.watched") && judged.contains("sql.write"),
        "{judged}"
    );
    Ok(())
}
