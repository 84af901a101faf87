//! Requests that two readers could read in two ways never reach the upstream.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::journal;

use super::WebStage;

/// Sends bytes over plain TCP and returns everything that comes back.
fn raw(stage: &WebStage, request: &[u8]) -> Result<String> {
    let address = stage.gateway.http().context("a listener")?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn ambiguous_requests_are_answered_with_a_problem_and_go_nowhere() -> Result<()> {
    let stage = WebStage::with("", |mut configuration| {
        configuration.plaintext = true;
        configuration
    })?;
    let token = stage.issuer.token("agent-7", &["agents"])?;
    let head = |lines: &str, body: &str| {
        format!(
            "POST /web/echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{lines}\r\n{body}"
        )
    };
    let smuggled = "GET /web/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let requests = [
        head(
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            &format!("0\r\n\r\n{smuggled}"),
        ),
        head(
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            &format!("0\r\n\r\n{smuggled}"),
        ),
        head("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        head(
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
        ),
        head("Content-Length: 4\r\nContent-Length: 5\r\n", "abcde"),
        head("Content-Length: +4\r\n", "abcd"),
        head("Host: b\r\n", ""),
        head("X-Folded: a\r\n b\r\n", ""),
        head("X-Space : a\r\n", ""),
        head("X-Bare: a\nTransfer-Encoding: chunked\r\n", ""),
    ];
    for request in &requests {
        let answer = raw(&stage, request.as_bytes())?;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request}\n{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(!answer.contains("\"url\""), "it reached the upstream: {answer}");
    }
    // Broken off in the middle, the upstream sees no whole request.
    let broken = raw(
        &stage,
        head("Transfer-Encoding: chunked\r\n", "5\r\nabc").as_bytes(),
    )?;
    assert!(!broken.contains("200 OK"), "{broken}");
    for chunks in [
        "5;x=y\r\nabcde\r\n0\r\n\r\n",
        "5\nabcde\r\n0\r\n\r\n",
        "0x5\r\nabcde\r\n0\r\n\r\n",
    ] {
        let answer = raw(&stage, head("Transfer-Encoding: chunked\r\n", chunks).as_bytes())?;
        assert!(!answer.contains("200 OK"), "{chunks}: {answer}");
    }
    let good = raw(
        &stage,
        head("Transfer-Encoding: chunked\r\n", "5\r\nabcde\r\n0\r\n\r\n").as_bytes(),
    )?;
    assert!(
        good.starts_with("HTTP/1.1 200"),
        "{good}\n{}",
        stage.gateway.home().log()?
    );
    let entries = journal::entries(stage.gateway.home())?;
    let intents = journal::of_kind(&entries, "op.intent");
    let statements = intents.iter().filter_map(|intent| intent["statement"].as_str());
    assert!(
        !statements.clone().any(|statement| statement.contains("smuggled")),
        "{intents:?}"
    );
    Ok(())
}

#[test]
fn a_pipelined_request_behind_a_bad_one_is_not_served_and_the_one_before_is() -> Result<()> {
    let stage = WebStage::with("", |mut configuration| {
        configuration.plaintext = true;
        configuration
    })?;
    let token = stage.issuer.token("agent-7", &["agents"])?;
    let request = |path: &str, line: &str| {
        format!("GET /web{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{line}\r\n")
    };
    let all = [
        request("/first", ""),
        request("/second", "Bad : x\r\n"),
        request("/third", ""),
    ]
    .concat();
    let answer = raw(&stage, all.as_bytes())?;
    assert!(answer.contains("\"/first\""), "{answer}");
    assert!(answer.contains("HTTP/1.1 400"), "{answer}");
    assert!(
        !answer.contains("/second\"") && !answer.contains("/third\""),
        "{answer}"
    );
    Ok(())
}

#[test]
fn paths_with_two_readings_are_refused() -> Result<()> {
    let stage = WebStage::new("")?;
    for path in [
        "/a/../b",
        "/a/./b",
        "/a//b",
        "/a%2fb",
        "/a%5cb",
        "/a%00b",
        "/a%252e",
        "/..;/admin",
        "/a%zz",
    ] {
        let answer = stage.ask(path, &["--path-as-is"])?;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
    }
    let same = stage.ask("/%63ustomers", &["--path-as-is"])?;
    assert_eq!(
        same.status, 200,
        "an escape of a plain letter is that letter: {same:?}"
    );
    Ok(())
}
