//! The console in a real browser, with a login at a provider that nobody here wrote.

use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result};
use e2e::browser::Browser;
use e2e::gateway::{Configuration, ConsoleOf, Gateway};
use e2e::issuer::Issuer;
use e2e::postgres::Postgres;
use e2e::provider::Provider;
use e2e::service::free_port;
use e2e::tools::{self, Version, is_left_out};

/// Agents read; whatever they change, a person of `dba` agrees to first.
const POLICY: &str = r#"
@id("agents-read")
permit (principal in Group::"corp/agents", action in [Action::"connect", Action::"execute"],
  resource == Resource::"customers")
unless { action == Action::"execute" && context.operation.kind == "write" };
@id("agents-ask")
permit (principal in Group::"corp/agents", action == Action::"request", resource == Resource::"customers");
@id("dba-approve")
permit (principal in Group::"people/dba", action == Action::"approve", resource == Resource::"customers");
@id("dba-operate")
permit (principal in Group::"people/dba", action == Action::"execute", resource == Resource::"tidegate");
"#;

fn pictures() -> Result<PathBuf> {
    Ok(tools::target()?.join("console"))
}

#[test]
fn people_answer_held_statements_in_a_browser() -> Result<()> {
    if is_left_out("browser") {
        eprintln!("Chromium is not on this machine, as set-up said: no page was looked at");
        return Ok(());
    }
    let port = free_port()?;
    let url = format!("http://127.0.0.1:{port}");
    let provider = Provider::start(&url)?;
    let (server, issuer) = (Postgres::start(Version::Packaged)?, Issuer::new()?);
    let mut configuration = Configuration::new(&server, &issuer).policy(POLICY);
    configuration.console = Some(ConsoleOf {
        port,
        issuer: provider.issuer().to_owned(),
        identity: String::new(),
    });
    let gateway = Gateway::start(&configuration)?;
    let agent = gateway.target(&issuer.token("agent-7", &["agents"])?);
    let browser = Browser::start()?;

    browser.go(&format!("{url}/console"))?;
    examine(&browser, "sign-in")?;
    browser.click("main a.go")?;
    browser.wait_for("#inbox .empty")?;

    // The statement shows by itself while the page is open, and runs once it is approved.
    let asking = agent.clone();
    let held = thread::spawn(move || asking.psql("update customers set name = 'Ada' where id = 3"));
    browser.wait_for("#inbox tr[data-row]")?;
    examine(&browser, "inbox")?;
    browser.click("#inbox tr[data-row] a")?;
    browser.wait_for("form.answer button.approve:not([disabled])")?;
    examine(&browser, "question")?;
    browser.type_into("#comment", "go ahead")?;
    if browser.run("return !!document.querySelector('#resource')")? == true {
        browser.type_into("#resource", "customers")?;
    }
    browser.click("button.approve")?;
    browser.wait_for(".state.used, .state.approved")?;
    examine(&browser, "question-answered")?;
    let answer = held.join().expect("psql was run")?;
    assert!(answer.ok, "{}", answer.errors);
    let changed = server.direct().psql("select name from customers where id = 3")?;
    assert_eq!(changed.rows.trim(), "Ada");

    // Another is denied, and whoever asked reads why.
    browser.go(&format!("{url}/console"))?;
    let held = thread::spawn(move || agent.psql("delete from customers where id = 4"));
    browser.click("#inbox tr[data-row] a")?;
    browser.type_into("#comment", "ask the owner first")?;
    browser.click("button.deny")?;
    browser.wait_for(".state.denied")?;
    let answer = held.join().expect("psql was run")?;
    assert!(
        !answer.ok && answer.errors.contains("ask the owner first"),
        "{}",
        answer.errors
    );
    let kept = server
        .direct()
        .psql("select count(*) from customers where id = 4")?;
    assert_eq!(kept.rows.trim(), "1");

    replays(&browser, &url)?;
    everything_else(&browser, &url)?;
    let complaints = browser.complaints()?;
    assert!(complaints.is_empty(), "{complaints:#?}");
    // Last, because the browser complains of it.
    browser.go(&format!("{url}/console/nothing"))?;
    examine(&browser, "not-found")
}

/// Follows a session that has ended to its recording.
fn replays(browser: &Browser, url: &str) -> Result<()> {
    browser.go(&format!("{url}/console/sessions?view=past"))?;
    browser.click("tr[data-row] a")?;
    browser.wait_for("ol.timeline li")?;
    examine(browser, "session")?;
    browser.click(".actions a.go")?;
    browser.wait_for("pre.replay")?;
    let text = browser.text()?;
    assert!(text.contains("delete from customers where id = 4"), "{text}");
    examine(browser, "recording")?;
    // Whoever read it is named.
    browser.go(&format!("{url}/console/journal?kind=op"))?;
    let text = browser.text()?;
    assert!(
        text.contains("read recording") && text.contains("alice"),
        "{text}"
    );
    examine(browser, "journal")
}

/// Looks at the pages that nobody came by so far, filled where a form fills them.
fn everything_else(browser: &Browser, url: &str) -> Result<()> {
    browser.go(&format!("{url}/console/locks"))?;
    browser.type_into("form [name=value]", "https://idp.example.com|mallory")?;
    browser.type_into("form [name=reason]", "lost laptop")?;
    browser.run("document.querySelector('main form:has([name=value])').requestSubmit()")?;
    browser.wait_for("tr[data-row]")?;
    examine(browser, "locks")?;
    browser.go(&format!("{url}/console/explain"))?;
    browser.type_into("#sql", "select ssn from customers where id = 3")?;
    browser.run("document.querySelector('main form:has(#sql)').requestSubmit()")?;
    browser.wait_for(".outcome")?;
    examine(browser, "explain")?;
    for (name, path) in [
        ("inbox-all", "/console?view=all"),
        ("sessions", "/console/sessions"),
        ("sessions-past", "/console/sessions?view=past"),
        ("grants", "/console/grants"),
        ("plugins", "/console/plugins"),
    ] {
        browser.go(&format!("{url}{path}"))?;
        examine(browser, name)?;
    }
    Ok(())
}

/// Takes a page's picture in both themes, and has it judged in both: everybody can use it.
fn examine(browser: &Browser, name: &str) -> Result<()> {
    for theme in ["light", "dark"] {
        let set = format!("document.documentElement.dataset.theme = '{theme}'");
        browser.run(&set)?;
        let file = pictures()?.join(format!("{name}-{theme}.png"));
        browser
            .picture(&file)
            .with_context(|| file.display().to_string())?;
        let barriers = browser.barriers()?;
        assert!(barriers.is_empty(), "{name}, {theme}: {barriers:#?}");
    }
    Ok(())
}
