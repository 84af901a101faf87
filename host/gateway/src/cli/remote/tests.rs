use serde_json::json;

use super::table::render;
use super::*;

fn remote(url: Option<&str>) -> Remote {
    Remote {
        url: url.map(str::to_owned),
        config: PathBuf::from("nowhere.toml"),
        token_file: None,
        ca: None,
        json: false,
    }
}

#[test]
fn a_token_never_leaves_this_machine_in_clear_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "a.b.c\n").expect("written");
    let gateway = |url: &str| {
        let remote = Remote {
            token_file: Some(file.clone()),
            ..remote(Some(url))
        };
        remote.gateway().map(drop).map_err(|failure| failure.status)
    };
    assert_eq!(gateway("http://127.0.0.1:8443"), Ok(()));
    assert_eq!(gateway("http://localhost:8443"), Ok(()));
    assert_eq!(gateway("http://[::1]:8443"), Ok(()));
    for url in [
        "http://gateway.example:8443",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://user:secret@gateway.example",
        "nonsense",
    ] {
        assert_eq!(gateway(url), Err(EXIT_USAGE), "{url}");
    }
}

#[test]
fn what_is_no_token_is_not_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    for text in ["", "\n", "two words", "line\nbreak", "ключ", &"x".repeat(20_000)] {
        std::fs::write(&file, text).expect("written");
        assert!(token::read(Some(&file)).is_err(), "{text}");
    }
    std::fs::write(&file, " a.b.c \n").expect("written");
    let token = token::read(Some(&file))
        .map_err(|failure| failure.reason)
        .expect("a token");
    assert_eq!(token.as_str(), "a.b.c");
}

#[test]
fn a_problem_becomes_a_reason_and_an_exit_status() {
    let problem =
        json!({"detail": "no policy permits: revoke", "hint": "ask\nthe operator", "request_id": "req_1"});
    let failure = refused(403, &problem);
    assert_eq!(failure.status, EXIT_DENIED);
    assert_eq!(
        failure.reason,
        "no policy permits: revoke\nhint: ask the operator\nrequest: req_1"
    );
    assert_eq!(refused(401, &problem).status, EXIT_DENIED);
    assert_eq!(refused(404, &problem).status, EXIT_FAILED);
    assert_eq!(
        refused(502, &Value::Null).reason,
        "the gateway answered with status 502"
    );
}

#[test]
fn parts_and_parameters_cannot_lead_elsewhere() {
    assert_eq!(part("../locks?x=1#"), "..%2Flocks%3Fx%3D1%23");
    assert_eq!(part("a b"), "a%20b");
    assert_eq!(with_parameters("/p", &[("a", None)]), "/p");
    assert_eq!(
        with_parameters("/p", &[("a", Some("x&b=1")), ("c", Some("ü"))]),
        "/p?a=x%26b%3D1&c=%C3%BC"
    );
}

#[test]
fn a_table_shows_nothing_raw_and_lines_up() {
    let rows = vec![
        vec!["1".to_owned(), "a\u{1b}[2J\nb".to_owned()],
        vec!["22".to_owned(), "x".repeat(100)],
    ];
    let shown = render(&["id", "name"], &rows, "none");
    assert_eq!(
        shown,
        format!("ID  NAME\n1   a\\u{{1b}}[2J\\nb\n22  {}\n", "x".repeat(100))
    );
    assert_eq!(render(&["id"], &[], "nothing waits"), "nothing waits\n");
}
