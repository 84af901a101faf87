//! Long bodies and switched protocols.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::WebStage;

/// Enough that a gateway that keeps it whole is found out.
const BYTES: u64 = 256 << 20;

/// By how much memory may grow: windows, buffers and what the allocator keeps.
const GROWTH_MAX: u64 = 48 << 20;

#[test]
fn downloads_and_uploads_take_no_memory() -> Result<()> {
    let stage = WebStage::new("")?;
    assert_eq!(stage.ask("/customers", &[])?.status, 200);
    let before = peak(&stage)?;
    let path = format!("/big?bytes={BYTES}");
    let answer = stage.ask(&path, &["-o", "/dev/null", "-w", "%{size_download}"])?;
    assert_eq!(answer.body, BYTES.to_string(), "{answer:?}");
    let file = tempfile::NamedTempFile::new()?;
    file.as_file().set_len(BYTES)?;
    let data = file.path().to_string_lossy().into_owned();
    let answer = stage.ask("/upload", &["-T", &data, "-X", "POST"])?;
    assert_eq!(answer.json()?["bytes"], BYTES, "{answer:?}");
    let grown = peak(&stage)?.saturating_sub(before);
    assert!(grown < GROWTH_MAX, "grew by {grown} bytes");
    Ok(())
}

/// The most memory the gateway has had, in bytes.
fn peak(stage: &WebStage) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stage.gateway.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: u64 = line
        .context("VmHWM")?
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()?;
    Ok(kibibytes << 10)
}

#[test]
fn a_websocket_passes_both_ways_where_the_resource_takes_it() -> Result<()> {
    for (lines, status) in [("websocket = true", "101"), ("", "400")] {
        let stage = WebStage::with(lines, |mut configuration| {
            configuration.plaintext = true;
            configuration
        })?;
        let token = stage.issuer.token("agent-7", &["agents"])?;
        let mut stream = TcpStream::connect(stage.gateway.http().context("a listener")?)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "GET /web/socket HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let read = stream.read_exact(&mut byte);
            read.with_context(|| stage.gateway.home().log().unwrap_or_default())?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        if status != "101" {
            continue;
        }
        // A masked text frame, "hello"; the service sends it back without a mask.
        let mask = [1, 2, 3, 4];
        let text: Vec<u8> = b"hello"
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ mask[at % 4])
            .collect();
        stream.write_all(&[&[0x81, 0x85], &mask[..], &text].concat())?;
        let mut frame = [0; 7];
        let read = stream.read_exact(&mut frame);
        read.with_context(|| stage.gateway.home().log().unwrap_or_default())?;
        assert_eq!(&frame, b"\x81\x05hello");
    }
    Ok(())
}
