//! The command line's end of the API, over real connections.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;

use super::stage::Stage;
use crate::admin::serve;
use crate::cli::remote::{EXIT_DENIED, Remote};
use crate::config::TlsConfig;
use crate::tls;

/// Serves a stage's API over TLS; returns where, and the folder with certificate and tokens.
async fn served(stage: &Stage) -> (String, tempfile::TempDir) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let config = TlsConfig {
        certificate: folder.path().join("server.pem"),
        key: folder.path().join("server.key"),
    };
    std::fs::write(&config.certificate, made.cert.pem()).expect("written");
    std::fs::write(&config.key, made.signing_key.serialize_pem()).expect("written");
    let tls = tls::admin(&config).expect("a certificate that can be shown");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().expect("an address").port()
    );
    tokio::spawn(serve(
        listener,
        Some(tls),
        stage.router.clone(),
        stage.site.stop.clone(),
    ));
    (url, folder)
}

fn remote(url: &str, folder: &tempfile::TempDir, token: &str) -> Remote {
    let file = folder.path().join("token");
    std::fs::write(&file, token).expect("written");
    Remote {
        url: Some(url.to_owned()),
        config: PathBuf::from("nowhere.toml"),
        token_file: Some(file),
        ca: Some(folder.path().join("server.pem")),
        json: true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_asks_over_tls_and_hears_why_not() {
    let stage = Arc::new(Stage::new().await);
    let (url, folder) = served(&stage).await;
    let sue = remote(&url, &folder, &stage.person("sue", &["security"]));
    let gateway = sue.gateway().map_err(|failure| failure.reason).expect("ready");
    let me = gateway.get("/api/v1/me").await.map_err(|failure| failure.reason);
    assert_eq!(
        me.map(|me| me["principal"].clone()),
        Ok(json!("https://idp.example.com|sue"))
    );
    let lock = json!({"target": {"kind": "principal", "value": "https://idp|x"}, "reason": "test"});
    let set = gateway.post("/api/v1/locks", &lock).await;
    let set = set.map_err(|failure| failure.reason).expect("locked");
    let path = format!("/api/v1/locks/{}", set["lock"]["id"].as_str().expect("an id"));
    assert!(gateway.delete(&path).await.is_ok());
    let bob = remote(&url, &folder, &stage.person("bob", &[]));
    let gateway = bob.gateway().map_err(|failure| failure.reason).expect("ready");
    let denied = gateway.get("/api/v1/locks").await.expect_err("no policy");
    assert_eq!(denied.status, EXIT_DENIED);
    assert!(
        denied.reason.starts_with("no policy permits: list locks"),
        "{}",
        denied.reason
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_nobody_vouches_for_gets_no_token() {
    let stage = Stage::new().await;
    let (url, folder) = served(&stage).await;
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let ca = folder.path().join("other.pem");
    std::fs::write(&ca, other.cert.pem()).expect("written");
    let remote = Remote {
        ca: Some(ca),
        ..remote(&url, &folder, &stage.person("sue", &["security"]))
    };
    let gateway = remote.gateway().map_err(|failure| failure.reason).expect("ready");
    let refused = gateway.get("/api/v1/me").await.expect_err("another authority");
    assert!(
        refused.reason.contains("could not be asked"),
        "{}",
        refused.reason
    );
    assert!(stage.journalled("login.refused").await.is_empty());
}
