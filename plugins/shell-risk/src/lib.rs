//! Scores shell commands by what they could do.
//!
//! | finding                  | score | when |
//! |--------------------------|-------|------|
//! | `shell.unknown`          | 90 | there are no facts of a command |
//! | `shell.unparsed`         | 90 | the line is too long or too deep, no text, or not in the shell's grammar |
//! | `shell.hidden`           | 90 | it holds characters that cannot be seen for what they are |
//! | `shell.pipe-to-shell`    | 95 | what another command prints is run |
//! | `shell.delete-tree`      | 95 | `rm -r` of a root, a home, or of what an expansion says |
//! | `shell.persistence`      | 90 | it writes where things are run from later: profiles, keys, cron, units |
//! | `shell.dynamic-name`     | 85 | the name of a command is an expansion, a pattern, or taken to pieces |
//! | `shell.eval`             | 85 | text is run as a command: `eval`, `source`, `trap`, `alias`, `exec` |
//! | `shell.privilege`        | 85 | other rights: `sudo`, `su`, setuid bits, users, owners |
//! | `shell.system`           | 85 | the machine itself: disks, boot, firewall, services, other people's processes |
//! | `shell.environment`      | 80 | variables by which other code is run: `PATH`, `LD_PRELOAD`, `BASH_ENV` |
//! | `shell.interpreter`      | 80 | another language's code on the line: `sh -c`, `python -c`, `perl -e`, `awk system()` |
//! | `shell.secrets`          | 80 | files with credentials |
//! | `shell.wrapper`          | 70 | a wrapper (`env`, `xargs`, `timeout`) with options that nobody here knows |
//! | `shell.decode`           | 70 | hidden text is unfolded: `base64 -d`, `xxd -r` |
//! | `shell.delete`           | 60 | any other removal |
//! | `shell.function`         | 60 | a function is defined, which may stand for any command |
//! | `shell.network`          | 60 | it talks to other machines |
//! | `shell.session`          | 60 | a shell: what will be typed cannot be known |
//! | `shell.forward`          | 60 | a connection to another host |
//! | `shell.write`            | 40 | it writes a file |
//! | `shell.background`       | 30 | it goes on when the command has ended |
//! | `shell.transfer`         | 30 | files are carried |
//!
//! Any other command scores 20. This judges the text, never the effect: a script that was brought
//! here before is a harmless name, and a language has more ways to say a thing than any list. What
//! holds are policies that permit commands they know, word for word, and what the account on the
//! host may do; these scores help people to decide about the rest.
//!
//! The grammar is a library's that can be made to allocate without end. It runs here, in the
//! sandbox, so such a line costs this call, which then fails and lets nothing run.
//!
//! The score of a finding can be changed by configuration, 0 turns it off:
//!
//! ```toml
//! [plugin.config]
//! scores = { "shell.write" = 10 }
//! ```

mod command;
mod text;
mod tree;
mod wrapper;

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_sdk::classifier::{Assessment, Classifier, Facts, Request};
use tidegate_sdk::{Error, Issue, Manifest, Plugin, export_classifier};

/// What can be configured.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Scores (0 to 100) to use instead, by finding.
    pub scores: BTreeMap<String, u8>,
}

/// The classifier.
#[derive(Debug)]
pub struct ShellRisk {
    config: Config,
}

impl Plugin for ShellRisk {
    type Config = Config;

    fn new(config: Config) -> Result<Self, Vec<Issue>> {
        let issues: Vec<_> = config
            .scores
            .iter()
            .filter_map(|(id, score)| {
                let wrong = match SCORES.iter().any(|(known, _)| known == id) {
                    false => "no finding of this plugin",
                    true if *score > 100 => "a score is at most 100",
                    true => return None,
                };
                Some(Issue::new(format!("/scores/{id}"), wrong))
            })
            .collect();
        if issues.is_empty() {
            Ok(Self { config })
        } else {
            Err(issues)
        }
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
    }
}

impl Classifier for ShellRisk {
    fn classify(&self, _: &Request, facts: &Facts) -> Result<Assessment, Error> {
        Ok(self.judge(facts))
    }
}

/// Every finding's usual score.
const SCORES: &[(&str, u8)] = &[
    ("shell.unknown", 90),
    ("shell.unparsed", 90),
    ("shell.hidden", 90),
    ("shell.pipe-to-shell", 95),
    ("shell.delete-tree", 95),
    ("shell.persistence", 90),
    ("shell.dynamic-name", 85),
    ("shell.eval", 85),
    ("shell.privilege", 85),
    ("shell.system", 85),
    ("shell.environment", 80),
    ("shell.interpreter", 80),
    ("shell.secrets", 80),
    ("shell.wrapper", 70),
    ("shell.decode", 70),
    ("shell.delete", 60),
    ("shell.function", 60),
    ("shell.network", 60),
    ("shell.session", 60),
    ("shell.forward", 60),
    ("shell.write", 40),
    ("shell.background", 30),
    ("shell.transfer", 30),
];

/// What a command scores without any finding.
const BASE: u8 = 20;

/// What was found: which finding, and what to say of it.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<(&'static str, String)>);

impl Findings {
    /// Adds a finding, once of each kind.
    pub(crate) fn add(&mut self, id: &'static str, message: impl Into<String>) {
        if !self.0.iter().any(|(known, _)| *known == id) {
            self.0.push((id, message.into()));
        }
    }
}

impl ShellRisk {
    /// Judges one command.
    #[must_use]
    pub fn judge(&self, facts: &Facts) -> Assessment {
        let mut findings = Findings::default();
        let verb = facts.statements.first().map(|statement| statement.verb.as_str());
        match &facts.command {
            None => findings.add("shell.unknown", "nothing is known of this operation."),
            Some(command) => match command.channel.as_str() {
                "exec" if verb.is_some_and(|verb| verb != "exec") => findings.add(
                    "shell.transfer",
                    "a client's own program carries files or a repository.",
                ),
                "exec" => text::judge(command.text.as_deref().unwrap_or_default(), &mut findings),
                "shell" => findings.add(
                    "shell.session",
                    "it opens a shell; what will be typed there cannot be known now.",
                ),
                "sftp" => findings.add("shell.transfer", "it transfers files."),
                "forward" => findings.add("shell.forward", "it connects through the host to another one."),
                _ => findings.add("shell.unknown", "nothing is known of this kind of channel."),
            },
        }
        let mut assessment = Assessment::harmless();
        assessment.score = BASE;
        for (id, message) in findings.0 {
            let usual = SCORES.iter().find(|(known, _)| *known == id);
            let usual = usual.map_or(100, |(_, score)| *score);
            let score = self.config.scores.get(id).copied().unwrap_or(usual);
            if score > 0 {
                assessment.find(id, score, message);
            }
        }
        assessment
    }
}

export_classifier!(ShellRisk);

#[cfg(test)]
mod tests;
