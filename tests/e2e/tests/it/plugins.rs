//! Plugins that misbehave hurt nobody but themselves, and those that work do.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result};
use e2e::client::{Answer, Target};
use e2e::gateway::{Configuration, Plugin};
use e2e::http;
use e2e::tools::Version;

use crate::Stage;

/// Agents may do everything on every resource of a gateway; nobody sees what is tagged.
const EVERYWHERE: &str = r#"permit (
  principal in Group::"agents", action in [Action::"connect", Action::"execute"], resource
);
"#;

/// Enough rows for every bad masker to show itself.
const SSNS: &str = "select ssn from customers where id <= 20 order by id";

/// Bad maskers, one for each way to fail; the host's own tests know them all.
const MASKERS: &[&str] = &[
    "fails_in_plan",
    "spins_in_plan",
    "traps_in_plan",
    "traps_in_mask",
    "spins_in_mask",
    "grows_memory",
    "recurses",
    "rows_too_few",
    "rows_too_many",
    "ends_falling",
    "ends_beyond_data",
    "utf8_invalid",
    "sparse_unsorted",
    "output_oversized",
    "fails_in_mask",
    "whispers",
];

#[test]
fn a_bad_masker_withholds_its_own_results_and_nobody_elses() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| {
        let bad = MASKERS.iter().map(|name| Plugin::guest("masker", name).on(name));
        with(configuration, bad)
    })?;
    let agent = stage.agent()?;
    let bystander = Bystander::start(&agent)?;
    for name in MASKERS {
        let answer = agent.resource(name).psql(SSNS)?;
        assert!(
            !answer.ok && answer.errors.contains("the result was withheld: masker"),
            "{name}: {}",
            answer.all()
        );
        assert!(
            answer.errors.contains("rule=masker-failed fault=plugin") && answer.errors.contains("HINT:"),
            "{name}: {}",
            answer.all()
        );
        assert!(answer.rows.is_empty(), "{name} let rows through: {}", answer.rows);
        assert!(!holds_ssn(&answer.all()), "{name}: {}", answer.all());
        let other = agent.resource(name).psql("select 1")?;
        assert_eq!(
            other.rows.trim(),
            "1",
            "{name} stands in the way: {}",
            other.errors
        );
    }
    let answers = bystander.end()?;
    assert!(answers > 0, "the bystander was never answered");
    assert_eq!(http::get(stage.gateway.admin(), "/readyz")?.0, 200);
    // What they saw is nowhere else either, though some of them say it wherever they can.
    let (_, metrics) = http::get(stage.gateway.admin(), "/metrics")?;
    assert!(!holds_ssn(&metrics), "{metrics}");
    let (_, home) = stage.gateway.stop()?;
    let log = home.log()?;
    assert!(
        log.contains("\"plugin\":\"whispers\"") && !holds_ssn(&log),
        "{log}"
    );
    for entry in e2e::journal::entries(&home)? {
        assert!(!holds_ssn(&entry.to_string()), "{entry}");
    }
    Ok(())
}

#[test]
fn a_bad_masker_told_to_redact_leaves_nulls() -> Result<()> {
    let redacting = |name: &str| Plugin::guest("masker", name).renamed(name, "on_failure = \"redact\"");
    let names = ["traps_in_mask", "spins_in_plan", "rows_too_few", "utf8_invalid"];
    let stage = Stage::with(Version::Packaged, |configuration| {
        with(configuration, names.map(|name| redacting(name).on(name)))
    })?;
    let agent = stage.agent()?;
    for name in names {
        let answer = agent
            .resource(name)
            .psql(&SSNS.replace("ssn from", "id, ssn is null, ssn from"))?;
        assert!(!answer.ok, "a predicate on what is masked: {}", answer.all());
        let answer = agent.resource(name).psql(SSNS)?;
        assert!(answer.ok, "{name}: {}", answer.errors);
        assert_eq!(answer.rows, "\n".repeat(20), "{name}");
    }
    Ok(())
}

#[test]
fn a_masker_that_keeps_failing_is_quarantined_and_listed_so() -> Result<()> {
    let failing = "traps_in_mask";
    let stage = Stage::with(Version::Packaged, |configuration| {
        let traps = Plugin::guest("masker", failing).renamed(failing, "limits = { faults = 3 }");
        let mut configuration = with(configuration, [traps.on(failing)]);
        configuration = configuration.policy(
            r#"permit (principal in Group::"agents", action in [Action::"connect", Action::"execute"], resource);
permit (principal in Group::"dba", action == Action::"execute", resource == Resource::"tidegate");
"#,
        );
        configuration
    })?;
    let agent = stage.agent()?;
    for expected in ["trap", "trap", "trap", "quarantined"] {
        let answer = agent.resource(failing).psql(SSNS)?;
        assert!(
            !answer.ok && answer.errors.contains(expected),
            "{expected}: {}",
            answer.all()
        );
        assert!(!holds_ssn(&answer.all()), "{}", answer.all());
    }
    let dba = stage.issuer.person("dana", &["dba"])?;
    let listed = crate::holds::json(&crate::holds::tidegate(
        &stage.gateway,
        &dba,
        &["plugin", "list"],
    )?)?;
    let plugins = listed["plugins"].as_array().context("a list of plugins")?;
    let quarantined: Vec<_> = plugins
        .iter()
        .filter(|plugin| plugin["quarantined"] == true)
        .map(|plugin| plugin["name"].to_string())
        .collect();
    assert_eq!(quarantined, [format!("\"{failing}\"")]);
    Ok(())
}

#[test]
fn a_bad_classifier_stops_what_it_was_to_judge_and_nothing_else() -> Result<()> {
    let names = ["spins", "traps", "fails", "score_beyond", "findings_flood"];
    let stage = Stage::with(Version::Packaged, |configuration| {
        with(
            configuration,
            names.map(|name| Plugin::guest("classifier", name).on(name)),
        )
    })?;
    let agent = stage.agent()?;
    for name in names {
        let answer = agent.resource(name).psql("select 'judged by nobody'")?;
        assert!(
            !answer.ok && answer.errors.contains("rule=classifier-failed"),
            "{name}: {}",
            answer.all()
        );
        assert!(agent.psql("select 1")?.ok, "{name} is in another's way");
    }
    assert!(!stage.server.log()?.contains("judged by nobody"));
    Ok(())
}

#[test]
fn free_text_is_searched_in_text_and_binary() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |mut configuration| {
        configuration
            .plugins
            .insert(1, Plugin::new("pii-scan", "masker", "{}"));
        configuration.resource = "scan_untagged = true".to_owned();
        configuration
    })?;
    let agent = stage.agent()?;
    let lines = r#"
import psycopg
with psycopg.connect(autocommit=True) as connection:
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            for row in cursor.execute("select id, notes, ssn from customers where id in (3, 4, 5) order by id"):
                print(binary, *row, sep="|")
"#;
    let answer = Answer::of(&agent.python(lines)?.output()?);
    assert!(answer.ok, "{}", answer.errors);
    for format in ["False", "True"] {
        for line in [
            "3|Called about an invoice; gave SSN [ssn] and the card [card].|***-**-0022",
            "4|Write to [email] or call [phone]; IBAN [iban].|***-**-0029",
            "5|Prefers to be called in the morning.|***-**-0036",
        ] {
            assert!(
                answer.rows.lines().any(|row| row == format!("{format}|{line}")),
                "{line}: {}",
                answer.rows
            );
        }
    }
    let copied = agent.psql("copy orders to stdout")?;
    assert!(
        !copied.ok && copied.errors.contains("tagged-use"),
        "rows of COPY are searched by nobody: {}",
        copied.errors
    );
    Ok(())
}

fn with(configuration: Configuration<'_>, plugins: impl IntoIterator<Item = Plugin>) -> Configuration<'_> {
    let mut configuration = configuration.policy(EVERYWHERE);
    configuration.plugins.extend(plugins);
    configuration
}

/// Whether a whole SSN is in a text.
fn holds_ssn(text: &str) -> bool {
    text.as_bytes().windows(11).any(|window| {
        window.iter().enumerate().all(|(at, byte)| match at {
            3 | 6 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    })
}

/// A session that reads masked rows all the while, and ends badly if one is not as it must be.
pub(crate) struct Bystander(Child);

impl Bystander {
    pub(crate) fn start(agent: &Target) -> Result<Self> {
        let lines = r#"
import sys, threading, psycopg
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
answers = 0
with psycopg.connect(autocommit=True) as connection:
    while not ended.is_set():
        rows = connection.execute("select ssn from customers where id <= 20").fetchall()
        assert len(rows) == 20 and all(row[0].startswith("***-**-") for row in rows), rows
        answers += 1
        if answers == 1:
            print("ready", flush=True)
print(answers)
"#;
        let mut child = agent
            .python(lines)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut ready = String::new();
        let output = child.stdout.as_mut().context("its output")?;
        // One byte at a time: what comes later is for whoever reads the end.
        BufReader::with_capacity(1, output).read_line(&mut ready)?;
        assert_eq!(ready.trim(), "ready");
        Ok(Self(child))
    }

    /// Returns how often it was answered.
    pub(crate) fn end(mut self) -> Result<u64> {
        drop(self.0.stdin.take());
        let mut rest = String::new();
        self.0
            .stdout
            .take()
            .context("its output")?
            .read_to_string(&mut rest)?;
        assert!(self.0.wait()?.success(), "the bystander was harmed: {rest}");
        Ok(rest.trim().parse()?)
    }
}
