use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use plugin::{Batch, Kind, PluginConfig, Plugins};
use serde_json::json;

use crate::components::{broken, config, lines, load, name, try_load};
use crate::receiver::{Receiver, json};

/// An exporter that sends a GET to `address`, granted nothing yet.
fn caller(address: &str) -> PluginConfig {
    let json = json!({"behaviour": "calls_out", "address": address});
    config("caller", Kind::Exporter, broken("exporter"), json)
}

async fn deliver(plugins: &Plugins) -> Result<(), String> {
    let batch = Batch {
        log: "log".to_owned(),
        first_seq: 1,
        data: b"{}\n".to_vec(),
        ends: vec![3],
        attempt: 0,
    };
    let exporter = plugins.exporter(&name("caller")).unwrap();
    exporter
        .deliver(&batch)
        .await
        .map(|_| ())
        .map_err(|fault| fault.to_string())
}

/// Calls `address` with these origins and address ranges granted.
async fn call(address: &str, egress: &[&str], private: &[&str]) -> Result<(), String> {
    let mut config = caller(address);
    config.grants.egress = egress.iter().map(|origin| (*origin).to_owned()).collect();
    config.grants.allow_private = private.iter().map(|range| range.parse().unwrap()).collect();
    deliver(&load(vec![config]).await).await
}

#[tokio::test]
async fn an_address_written_in_the_grant_is_reached_and_nothing_beside_it() {
    let granted = Receiver::start(|_| json(200, "{}")).await;
    let other = Receiver::start(|_| json(200, "{}")).await;
    let origin = format!("http://{}", granted.address);
    assert_eq!(call(&format!("{origin}/path?q=1"), &[&origin], &[]).await, Ok(()));
    assert_eq!(granted.seen().len(), 1);
    assert_eq!(granted.seen()[0].path, "/path?q=1");
    assert_eq!(granted.seen()[0].header("host"), granted.address.to_string());

    let port = granted.address.port();
    for address in [
        format!("http://{}/", other.address),
        format!("https://{}/", granted.address),
        format!("http://localhost:{port}/"),
        format!("http://{}@{}/", granted.address, other.address),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let refused = call(&address, &[&origin], &[]).await;
        assert!(refused.is_err(), "{address}");
    }
    assert_eq!(other.seen().len(), 0);
    assert_eq!(granted.seen().len(), 1);
}

#[tokio::test]
async fn a_granted_name_reaches_special_addresses_only_where_those_are_granted() {
    let receiver = Receiver::start(|_| json(200, "{}")).await;
    let origin = format!("http://localhost:{}", receiver.address.port());
    assert!(call(&origin, &[&origin], &[]).await.is_err());
    assert!(call(&origin, &[&origin], &["10.0.0.0/8"]).await.is_err());
    assert_eq!(receiver.seen().len(), 0);
    assert_eq!(call(&origin, &[&origin], &["127.0.0.0/8"]).await, Ok(()));
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Receiver::start(|_| json(200, "{}")).await;
    let location = format!("http://{}/", target.address);
    let redirecting = Receiver::start(move |_| {
        let response = Response::builder().status(302).header("location", &location);
        Some(response.body(Full::<Bytes>::default()).unwrap())
    })
    .await;
    let origins = [
        format!("http://{}", redirecting.address),
        format!("http://{}", target.address),
    ];
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    let _ = call(origins[0], &origins, &[]).await;
    assert_eq!(redirecting.seen().len(), 1);
    assert_eq!(target.seen().len(), 0);
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_budget_and_no_more() {
    let silent = Receiver::start(|_| None).await;
    let origin = format!("http://{}", silent.address);
    let mut config = caller(&origin);
    config.grants.egress = vec![origin];
    config.limits.deadline = Duration::from_millis(300);
    let plugins = load(vec![config]).await;
    let began = Instant::now();
    let fault = deliver(&plugins).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(fault.contains("deadline") || fault.contains("error"), "{fault}");
}

#[tokio::test]
async fn a_response_without_end_is_cut_off() {
    let bomb = Receiver::start(|_| json(200, &"x".repeat(8 << 20))).await;
    let origin = format!("http://{}", bomb.address);
    assert!(call(&origin, &[&origin], &[]).await.is_err());
}

#[tokio::test]
async fn tls_is_checked_against_the_authorities_that_are_trusted() {
    let (receiver, certificate) = Receiver::start_tls(|_| json(200, "{}")).await;
    let origin = format!("https://localhost:{}", receiver.address.port());
    let by_address = format!("https://127.0.0.1:{}", receiver.address.port());
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, certificate).unwrap();
    let with = |address: &str, ca: bool| {
        let mut config = caller(address);
        config.grants.egress = vec![address.to_owned()];
        config.grants.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
        config.grants.ca_file = ca.then(|| authority.clone());
        config
    };
    assert!(deliver(&load(vec![with(&origin, false)]).await).await.is_err());
    assert_eq!(deliver(&load(vec![with(&origin, true)]).await).await, Ok(()));
    assert!(
        deliver(&load(vec![with(&by_address, true)]).await).await.is_err(),
        "another name"
    );
    assert_eq!(receiver.seen().len(), 1);

    let mut empty = with(&origin, true);
    std::fs::write(&authority, "nothing").unwrap();
    empty.grants.ca_file = Some(authority);
    let Err(errors) = try_load(vec![empty]).await else {
        panic!("loaded")
    };
    assert!(lines(&errors).contains("grant.ca_file"), "{}", lines(&errors));
}
