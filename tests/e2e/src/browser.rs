//! A real browser: Chromium without a window, driven over WebDriver (W3C) by its own driver.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{Account, START_WAIT_MAX, Service, until};
use crate::tools;

/// How long one command to the browser may take on a busy machine.
const COMMAND_WAIT_MAX: Duration = Duration::from_secs(60);

/// The key under which WebDriver names elements (W3C WebDriver, 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with a profile of its own, gone with this value.
#[derive(Debug)]
pub struct Browser {
    port: u16,
    session: String,
    _driver: Service,
    _folder: TempDir,
}

impl Browser {
    /// Starts a browser.
    ///
    /// # Errors
    /// When Chromium or its driver is missing or does not start.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-browser-").tempdir()?;
        let mut command = Account::Own.command(&tools::on_path("chromedriver")?)?;
        command.arg("--port=0");
        let log = folder.path().join("driver.log");
        let mut driver = Service::start("the browser's driver", &mut command, &log, Signal::TERM)?;
        let port = driver.wait_for(0, "the browser's driver", |log| {
            let (_, rest) = log.split_once("was started successfully on port ")?;
            rest.split('.').next()?.parse().ok()
        })?;
        let profile = folder.path().join("profile");
        let options = json!({
            "binary": tools::on_path("chromium")?,
            // Colours are looked at, so they must not be on their way to others.
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--force-prefers-reduced-motion", "--window-size=1280,1000", format!("--user-data-dir={}", profile.display())],
        });
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}});
        let started = send(port, "POST", "/session", &capabilities)?;
        let session = started["sessionId"].as_str().context("no session")?;
        Ok(Self {
            port,
            session: session.to_owned(),
            _driver: driver,
            _folder: folder,
        })
    }

    fn post(&self, what: &str, body: &Value) -> Result<Value> {
        send(
            self.port,
            "POST",
            &format!("/session/{}/{what}", self.session),
            body,
        )
    }

    fn read(&self, what: &str) -> Result<Value> {
        send(
            self.port,
            "GET",
            &format!("/session/{}/{what}", self.session),
            &Value::Null,
        )
    }

    /// Goes to a page.
    ///
    /// # Errors
    /// When it does not load.
    pub fn go(&self, url: &str) -> Result<()> {
        self.post("url", &json!({ "url": url })).map(drop)
    }

    /// Returns the address of the page.
    ///
    /// # Errors
    /// When there is none.
    pub fn address(&self) -> Result<String> {
        Ok(self.read("url")?.as_str().unwrap_or_default().to_owned())
    }

    /// Returns the page's text as a person sees it.
    ///
    /// # Errors
    /// When there is no page.
    pub fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText")?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Runs a few lines of JavaScript in the page, and returns what they return.
    ///
    /// # Errors
    /// When they fail.
    pub fn run(&self, lines: &str) -> Result<Value> {
        self.post("execute/sync", &json!({"script": lines, "args": []}))
    }

    /// Has axe judge the page by the Web Content Accessibility Guidelines, levels A and AA, and
    /// returns what it found wrong: each rule, and where. The page's own policy would not let
    /// it in, so the driver puts it there.
    ///
    /// # Errors
    /// When axe is missing or fails.
    pub fn barriers(&self) -> Result<Vec<String>> {
        if self.run("return typeof window.axe")? == "undefined" {
            self.run(&tools::axe()?)?;
        }
        let judge = r#"
            const done = arguments[arguments.length - 1];
            const levels = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
            const options = { runOnly: levels, resultTypes: ['violations'], preload: false };
            const shown = (rule) => rule.nodes.map(
              (node) => `${rule.id}: ${node.html} (${node.failureSummary.replace(/\s+/g, ' ')})`);
            axe.run(document, options).then(
              (found) => done({ judged: found.violations.flatMap(shown) }),
              (error) => done({ failed: String(error) }));"#;
        let told = self.post("execute/async", &json!({"script": judge, "args": []}))?;
        let judged = told["judged"].as_array().with_context(|| told.to_string())?;
        Ok(judged
            .iter()
            .map(|one| one.as_str().unwrap_or_default().to_owned())
            .collect())
    }

    /// Clicks on the first element that fits a CSS selector, once it is there and lets itself be
    /// clicked.
    ///
    /// # Errors
    /// When that does not come about.
    pub fn click(&self, selector: &str) -> Result<()> {
        let element = self.find(&format!("{selector}:not([disabled])"))?;
        self.post(&format!("element/{element}/click"), &json!({}))
            .map(drop)
    }

    /// Types into the first element that fits a CSS selector.
    ///
    /// # Errors
    /// When there is none.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("element/{element}/value"), &json!({ "text": text }))
            .map(drop)
    }

    /// Returns the first element that fits, once there is one.
    fn find(&self, selector: &str) -> Result<String> {
        until(START_WAIT_MAX, selector, || {
            let asked = json!({"using": "css selector", "value": selector});
            // What is not there yet is an error to WebDriver.
            let found = self.post("element", &asked).ok();
            Ok(found.and_then(|found| Some(found[ELEMENT].as_str()?.to_owned())))
        })
    }

    /// Waits until the page has something that fits a CSS selector.
    ///
    /// # Errors
    /// When it never does.
    pub fn wait_for(&self, selector: &str) -> Result<()> {
        let found = self.find(selector);
        found.map(drop).with_context(|| self.text().unwrap_or_default())
    }

    /// Writes a picture of the page.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub fn picture(&self, file: &Path) -> Result<()> {
        let picture = self.read("screenshot")?;
        let bytes = STANDARD.decode(picture.as_str().unwrap_or_default())?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(file, bytes)?)
    }

    /// Returns what the browser complained of since the last time: errors, and whatever the
    /// page's own policy kept it from doing.
    ///
    /// # Errors
    /// When it does not tell.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let entries = self.post("se/log", &json!({"type": "browser"}))?;
        let grave = |entry: &&Value| entry["level"] == "SEVERE";
        let entries = entries.as_array().cloned().unwrap_or_default();
        Ok(entries
            .iter()
            .filter(grave)
            .filter_map(|entry| Some(entry["message"].as_str()?.to_owned()))
            .collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser itself ends with its session; the driver is ended after it.
        let _ = send(
            self.port,
            "DELETE",
            &format!("/session/{}", self.session),
            &Value::Null,
        );
    }
}

/// Sends one command, and returns the `value` of its answer.
fn send(port: u16, method: &str, path: &str, body: &Value) -> Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(COMMAND_WAIT_MAX))?;
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    let mut piece = [0; 64 << 10];
    let (head, length) = loop {
        let read = stream.read(&mut piece)?;
        answer.extend_from_slice(&piece[..read]);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            break (end + 4, length.context("no length")?.trim().parse::<usize>()?);
        }
        if read == 0 {
            bail!("the browser's driver gave no answer to {method} {path}");
        }
    };
    while answer.len() < head + length {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            bail!("the browser's driver broke its answer to {method} {path} off");
        }
        answer.extend_from_slice(&piece[..read]);
    }
    let answer: Value = serde_json::from_slice(&answer[head..head + length])?;
    let value = &answer["value"];
    if let Some(error) = value["error"].as_str() {
        bail!(
            "{method} {path}: {error}: {}",
            value["message"].as_str().unwrap_or_default()
        );
    }
    Ok(value.clone())
}
