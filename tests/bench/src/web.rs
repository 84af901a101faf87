//! HTTP: the gateway beside nginx as a reverse proxy, and the service directly. All speak HTTP/1.1
//! in plaintext, and files lie in memory.

use std::process::Command;

use anyhow::{Context as _, Result};
use e2e::gateway::{Configuration, Gateway, Plugin};
use e2e::issuer::Issuer;
use e2e::nginx::Nginx;
use e2e::tools;

use crate::Effort;
use crate::flow::{Flow, Way, carry, measure, write_text};

/// Clients that ask at once.
const CLIENTS: &str = "16";

/// A service, and the ways to it.
struct Web {
    service: Nginx,
    proxy: Nginx,
    gateway: Gateway,
    masking: Gateway,
    token: String,
    _journals: [tempfile::TempDir; 2],
}

impl Web {
    fn start() -> Result<Self> {
        let memory = std::path::Path::new("/dev/shm");
        let service = Nginx::with_files_in(memory)?;
        let proxy = Nginx::before(service.port())?;
        let issuer = Issuer::new()?;
        let journals = [tempfile::tempdir_in(memory)?, tempfile::tempdir_in(memory)?];
        let gateway = |journal: &tempfile::TempDir, lines: &str| {
            let mut configuration = Configuration::web(service.port(), &issuer, lines);
            configuration.plaintext = true;
            configuration.journal = Some(journal.path().join("journal"));
            configuration.plugins = vec![
                Plugin::new("pii-scan", "masker", "{}"),
                Plugin::new("http-risk", "classifier", "{}"),
            ];
            Gateway::start(&configuration)
        };
        Ok(Self {
            gateway: gateway(&journals[0], "")?,
            masking: gateway(&journals[1], "scan_untagged = true")?,
            token: issuer.token("bench", &["agents"])?,
            proxy,
            service,
            _journals: journals,
        })
    }

    /// Returns the ways to a path: the address of each, and the gateway's process.
    fn ways(&self, path: &str) -> [(&'static str, String, Option<u32>); 4] {
        let at = |nginx: &Nginx| format!("http://127.0.0.1:{}{path}", nginx.port());
        let (plain, masking) = (&self.gateway, &self.masking);
        [
            ("direct", at(&self.service), None),
            ("nginx", at(&self.proxy), None),
            ("gateway", plain.web(path), Some(plain.pid())),
            ("gateway, masked", masking.web(path), Some(masking.pid())),
        ]
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    fn transfer(&self, what: &str, path: &str, curl: &[&str], effort: Effort) -> Result<Vec<Flow>> {
        let program = tools::on_path("curl")?;
        let ways = self.ways(path).map(|(name, url, pid)| {
            let program = &program;
            let run = move || {
                let mut command = Command::new(program);
                command.args(["-sSf", "-H", &self.bearer()]).args(curl).arg(&url);
                carry(&mut command, effort.mib)
            };
            let way = Way::new(name, run);
            match pid {
                Some(pid) => way.of(pid),
                None => way,
            }
        });
        measure(what, "MiB", &ways, effort.transfers)
    }

    fn requests(&self, effort: Effort) -> Result<Vec<Flow>> {
        let program = tools::on_path("wrk")?;
        let ways = self.ways("/small.txt").map(|(name, url, _)| {
            let program = &program;
            Way::new(name, move || {
                let mut command = Command::new(program);
                command.args(["-t", "1", "-c", CLIENTS, "-H", &self.bearer()]);
                command.arg(format!("-d{}s", effort.seconds)).arg(&url);
                let said = tools::output(&mut command)?;
                let bad = said.lines().find(|line| line.contains("Non-2xx"));
                anyhow::ensure!(bad.is_none(), "{url}: {said}");
                let rate = said
                    .lines()
                    .find_map(|line| line.trim().strip_prefix("Requests/sec:"));
                Ok(rate.context("wrk says no rate")?.trim().parse()?)
            })
        });
        measure("small requests, 16 clients", "requests", &ways, effort.transfers)
    }
}

/// Measures downloads, uploads and small requests.
pub(crate) fn measure_all(effort: Effort) -> Result<Vec<Flow>> {
    let web = Web::start()?;
    let text = web.service.file("text.txt");
    write_text(&text, effort.mib)?;
    std::fs::write(web.service.file("small.txt"), "x".repeat(1_024))?;
    let source = text.to_string_lossy().into_owned();
    let mut flows = web.transfer("HTTP download", "/text.txt", &["-o", "/dev/null"], effort)?;
    flows.extend(web.transfer("HTTP upload", "/up/text.txt", &["-T", &source], effort)?);
    flows.extend(web.requests(effort)?);
    Ok(flows)
}
