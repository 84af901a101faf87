//! nginx behind the gateway: files, parts of them, versions, and what is put there.

use anyhow::Result;
use e2e::gateway::{Configuration, Gateway};
use e2e::issuer::Issuer;
use e2e::nginx::Nginx;
use e2e::tools::is_left_out;
use e2e::web::{Answer, curl};

/// A server of files with a gateway before it.
struct Stage {
    gateway: Gateway,
    nginx: Nginx,
    token: String,
}

impl Stage {
    /// Starts them; `None` where there is no nginx.
    fn new() -> Result<Option<Self>> {
        if is_left_out("nginx") {
            eprintln!("nginx is not on this machine, as set-up said: nothing was asked of it");
            return Ok(None);
        }
        let nginx = Nginx::with_files()?;
        let issuer = Issuer::new()?;
        let gateway = Gateway::start(&Configuration::web(nginx.port(), &issuer, ""))?;
        Ok(Some(Self {
            token: issuer.token("agent-7", &["agents"])?,
            gateway,
            nginx,
        }))
    }

    fn ask(&self, path: &str, further: &[&str]) -> Result<Answer> {
        let (bearer, url) = (
            format!("Authorization: Bearer {}", self.token),
            self.gateway.web(path),
        );
        let mut arguments = vec!["-k", "-H", &bearer];
        arguments.extend(further);
        arguments.push(&url);
        curl(&arguments)
    }

    fn directly(&self, path: &str, further: &[&str]) -> Result<Answer> {
        let url = format!("http://127.0.0.1:{}{path}", self.nginx.port());
        let mut arguments = further.to_vec();
        arguments.push(&url);
        curl(&arguments)
    }
}

#[test]
fn files_parts_and_versions_come_as_the_server_sends_them() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        return Ok(());
    };
    let text = "A line of a file.\n".repeat(1_000);
    std::fs::write(stage.nginx.file("text.txt"), &text)?;
    let etag = stage.directly("/text.txt", &[])?;
    let etag = etag.header("etag").unwrap_or_default().to_owned();
    let same = format!("If-None-Match: {etag}");
    let other = "If-None-Match: \"0\"";
    let date = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT";
    for version in ["--http1.1", "--http2"] {
        for further in [
            &[][..],
            &["-I"],
            &["--compressed"],
            &["-H", "Range: bytes=5-24"],
            &["-H", "Range: bytes=-7"],
            &["-H", "Range: bytes=0-3,8-9"],
            &["-H", "Range: bytes=999999-"],
            &["-H", &same],
            &["-H", other],
            &["-H", date],
            &["-H", &same, "-H", "Range: bytes=0-4"],
        ] {
            let direct = stage.directly("/text.txt", further)?;
            let mut asked = further.to_vec();
            asked.push(version);
            let through = stage.ask("/text.txt", &asked)?;
            assert_eq!(direct.status, through.status, "{asked:?}: {through:?}");
            for name in ["etag", "last-modified", "content-length", "content-range"] {
                assert_eq!(direct.header(name), through.header(name), "{asked:?}: {name}");
            }
            // curl shows a head as if it were a body; several parts have a mark of their own.
            if !further.contains(&"-I") && !direct.body.contains("\r\n--") {
                assert_eq!(direct.body, through.body, "{asked:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_the_server_refuses_is_told_as_it_says_it() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        return Ok(());
    };
    for (path, further, status) in [
        ("/missing", &[][..], 404),
        ("/full", &[], 507),
        ("/text.txt", &["-X", "DELETE"], 405),
    ] {
        let direct = stage.directly(path, further)?;
        let through = stage.ask(path, further)?;
        assert_eq!((direct.status, through.status), (status, status), "{path}");
        assert_eq!(direct.body, through.body, "{path}");
        assert_eq!(through.header("server"), None, "{through:?}");
    }
    Ok(())
}

#[test]
fn large_files_go_both_ways_whole() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        return Ok(());
    };
    let content: Vec<u8> = (0..8_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let local = tempfile::tempdir()?;
    let (sent, got) = (local.path().join("sent"), local.path().join("got"));
    std::fs::write(&sent, &content)?;
    let (source, target) = (sent.to_string_lossy(), got.to_string_lossy());
    for version in ["--http1.1", "--http2"] {
        let put = stage.ask("/up/deep/file", &[version, "-T", &source])?;
        assert!(matches!(put.status, 201 | 204), "{put:?}");
        assert!(std::fs::read(stage.nginx.file("up/deep/file"))? == content);
        let answer = stage.ask("/up/deep/file", &[version, "-o", &target])?;
        assert_eq!((answer.status, answer.exit), (200, 0), "{answer:?}");
        assert!(std::fs::read(&got)? == content);
        let chunked = ["-H", "Transfer-Encoding: chunked"];
        let mut further = vec![version, "-T", &source];
        if version == "--http1.1" {
            further.extend(chunked);
        }
        let put = stage.ask("/up/chunked", &further)?;
        assert!(matches!(put.status, 201 | 204), "{put:?}");
        assert!(std::fs::read(stage.nginx.file("up/chunked"))? == content);
        assert_eq!(stage.ask("/up/chunked", &[version, "-X", "DELETE"])?.status, 204);
    }
    Ok(())
}
