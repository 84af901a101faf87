use http::{Method, StatusCode};
use serde_json::json;

use super::flow::{Browser, Seen, Stage, form};
use super::html::check;
use crate::admin::console::LOGINS_MAX;
use crate::admin::console::front::HEADERS;
use crate::clock;

const SESSION: &str = "__Host-tidegate";
const LOGIN: &str = "__Host-tidegate-login";

/// Every page that a person can reach by a link.
const PAGES: [&str; 11] = [
    "/console",
    "/console?view=asked",
    "/console?view=all",
    "/console/sessions",
    "/console/sessions?view=past",
    "/console/grants",
    "/console/grants?view=all",
    "/console/locks",
    "/console/journal",
    "/console/plugins",
    "/console/explain",
];

fn refused(seen: &Seen) {
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.body);
    assert!(seen.set_cookie(SESSION).is_empty(), "{:?}", seen.headers);
}

async fn is_out(browser: &mut Browser<'_>) {
    let seen = browser.get("/console").await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    assert!(
        seen.location().starts_with("/console/signin?to="),
        "{}",
        seen.location()
    );
}

#[tokio::test]
async fn somebody_logs_in_and_lands_where_they_wanted_to_go() {
    let stage = Stage::new().await;
    let mut browser = stage.browser();
    let away = browser.get("/console/journal?kind=op").await;
    assert_eq!(
        away.location(),
        "/console/signin?to=%2Fconsole%2Fjournal%3Fkind%3Dop"
    );
    let sign_in = browser.get(away.location()).await;
    check(&sign_in.body);
    assert!(
        sign_in
            .body
            .contains("/auth/login?to=%2Fconsole%2Fjournal%3Fkind%3Dop")
    );

    let address = browser.begin("/console/journal?kind=op").await;
    let query = stage
        .provider
        .log_in(&address, "alice", &["operators"], &json!({}));
    let back = browser.come_back(&query).await;
    assert_eq!(back.location(), "/console/journal?kind=op", "{}", back.body);
    let page = browser.get("/console/journal?kind=op").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(page.body.contains("<bdi>alice</bdi>"));
    let written = stage.journalled("op.intent").await;
    assert!(
        written.iter().any(|entry| entry["statement"] == "log in console"),
        "{written:?}"
    );
}

#[tokio::test]
async fn cookies_are_for_this_host_over_tls_and_for_no_script() {
    let stage = Stage::new().await;
    let mut browser = stage.browser();
    let begun = browser.get("/auth/login").await;
    let login = begun.set_cookie(LOGIN);
    let address = begun.location().to_owned();
    let query = stage.provider.log_in(&address, "alice", &[], &json!({}));
    let back = browser.come_back(&query).await;
    let session = back.set_cookie(SESSION);
    assert_eq!((login.len(), session.len()), (1, 1));
    for cookie in [&login[0], &session[0]] {
        for flag in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(cookie.contains(flag), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    assert!(
        session[0].contains("; Max-Age=3600"),
        "groups grow old: {session:?}"
    );
    // 256 bits, in base64url.
    let value = session[0].split(['=', ';']).nth(1).expect("a value");
    assert_eq!(value.len(), 43);
    assert!(
        back.set_cookie(LOGIN)[0].contains("Max-Age=0"),
        "the login is over"
    );
}

#[tokio::test]
async fn an_answer_to_no_login_of_this_browser_logs_nobody_in() {
    let stage = Stage::new().await;
    let mut browser = stage.browser();
    refused(&browser.come_back("code=c&state=s").await);

    // Login CSRF: the attacker's own code and state, in somebody else's browser.
    let mut attacker = stage.browser();
    let address = attacker.begin("/console").await;
    let query = stage.provider.log_in(&address, "mallory", &[], &json!({}));
    refused(&browser.come_back(&query).await);
    let _ = browser.begin("/console").await;
    refused(&browser.come_back(&query).await);
    is_out(&mut browser).await;

    let address = browser.begin("/console").await;
    let query = stage.provider.log_in(&address, "alice", &[], &json!({}));
    let forged = query.replace("state=", "state=x");
    refused(&browser.come_back(&forged).await);
    // That login is over, even for the right answer.
    refused(&browser.come_back(&query).await);
    let reasons = stage.journalled("login.refused").await;
    assert_eq!(reasons.len(), 5, "each is written down");
}

#[tokio::test]
async fn an_answer_counts_once() {
    let stage = Stage::new().await;
    let mut browser = stage.browser();
    let address = browser.begin("/console").await;
    let query = stage.provider.log_in(&address, "alice", &[], &json!({}));
    let login = browser.cookies.clone();
    assert_eq!(browser.come_back(&query).await.status, StatusCode::SEE_OTHER);
    // Whoever saw the address and even the cookie comes too late.
    let mut thief = stage.browser();
    thief.cookies = login;
    refused(&thief.come_back(&query).await);
}

#[tokio::test]
async fn a_code_that_was_redeemed_elsewhere_logs_nobody_in() {
    let stage = Stage::new().await;
    let (mut first, mut second) = (stage.browser(), stage.browser());
    let address = first.begin("/console").await;
    let query = stage.provider.log_in(&address, "alice", &[], &json!({}));
    assert_eq!(first.come_back(&query).await.status, StatusCode::SEE_OTHER);
    let address = second.begin("/console").await;
    let own = stage.provider.log_in(&address, "bob", &[], &json!({}));
    let field = |query: &str, name: &str| {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        let found = pairs.into_iter().find(|(own, _)| own == name);
        found.expect("a field").1
    };
    // The used code in an answer that is otherwise this browser's own.
    let replayed = form(&[
        ("code", &field(&query, "code")),
        ("state", &field(&own, "state")),
        ("iss", &stage.provider.issuer),
    ]);
    refused(&second.come_back(&replayed).await);
}

#[tokio::test]
async fn another_provider_another_nonce_and_another_audience_log_nobody_in() {
    let stage = Stage::new().await;
    let mut browser = stage.browser();
    let address = browser.begin("/console").await;
    let query = stage.provider.log_in(&address, "alice", &[], &json!({}));
    let (own, _) = query.split_once("&iss=").expect("an issuer");
    refused(
        &browser
            .come_back(&format!("{own}&iss=https%3A%2F%2Fevil.example"))
            .await,
    );
    let address = browser.begin("/console").await;
    let query = stage.provider.log_in(&address, "alice", &[], &json!({}));
    let (own, _) = query.split_once("&iss=").expect("an issuer");
    refused(&browser.come_back(own).await);
    for changes in [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"aud": "tidegate"}),
        json!({"aud": ["tidegate", "other"]}),
        json!({"iss": "https://evil.example"}),
        json!({"exp": 1}),
        json!({"act": {"sub": "agent-7"}}),
    ] {
        refused(&browser.log_in("alice", &[], &changes).await);
    }
    is_out(&mut browser).await;
}

#[tokio::test]
async fn a_login_leads_to_no_other_site() {
    let stage = Stage::new().await;
    for evil in [
        "//evil.example",
        "https://evil.example/console",
        "/\\evil.example",
        "/auth/logout",
    ] {
        let mut browser = stage.browser();
        let address = browser.begin(evil).await;
        let query = stage.provider.log_in(&address, "alice", &[], &json!({}));
        assert_eq!(browser.come_back(&query).await.location(), "/console", "{evil}");
    }
}

#[tokio::test]
async fn nothing_that_a_browser_brings_back_is_shown_or_taken_from_a_form() {
    let stage = Stage::new().await;
    let mut browser = stage.browser();
    let evil = "\"><script>alert(1)</script>";
    for field in ["error", "error_description", "error_uri", "state", "iss", "code"] {
        let address = browser.begin("/console").await;
        let query = stage.provider.log_in(&address, "alice", &[], &json!({}));
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        let mut pairs: Vec<(String, String)> = pairs.filter(|(name, _)| name != field).collect();
        // With an error there is no code.
        pairs.retain(|(name, _)| name != "code" || !field.starts_with("error"));
        pairs.push((field.to_owned(), evil.to_owned()));
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let seen = browser.come_back(&form(&pairs)).await;
        refused(&seen);
        assert!(!seen.body.contains("alert(1)"), "{field}: {}", seen.body);
    }
    for to in [
        evil,
        "javascript:alert(1)",
        "/console/\"><script>alert(1)</script>",
    ] {
        let seen = browser
            .get(&format!("/console/signin?{}", form(&[("to", to)])))
            .await;
        check(&seen.body);
        assert!(!seen.body.contains("alert(1)"), "{to}: {}", seen.body);
    }
    // A page of another site can send a form here, with an answer of its own in it.
    let address = browser.begin("/console").await;
    let answer = stage.provider.log_in(&address, "alice", &[], &json!({}));
    let headers = [("sec-fetch-site", "cross-site")];
    let posted = browser
        .send(Method::POST, "/auth/callback", &headers, &answer)
        .await;
    assert!(posted.status.is_client_error(), "{}", posted.status);
    assert!(posted.set_cookie(SESSION).is_empty(), "{:?}", posted.headers);
    is_out(&mut browser).await;
}

#[tokio::test]
async fn a_cookie_from_before_the_login_is_nobodys_after_it() {
    let stage = Stage::new().await;
    // Somebody planted a cookie of theirs: one that never was, and one of a session of theirs.
    let mallory = stage.logged_in("mallory", &[]).await;
    let planted = mallory.cookies[SESSION].clone();
    for before in ["A".repeat(43), planted.clone()] {
        let mut browser = stage.browser();
        browser.cookies.insert(SESSION.to_owned(), before.clone());
        browser.log_in("alice", &[], &json!({})).await;
        assert_ne!(browser.cookies[SESSION], before);
        let mut old = stage.browser();
        old.cookies.insert(SESSION.to_owned(), before);
        is_out(&mut old).await;
    }
    // A cookie that stands twice is none.
    let alice = stage.logged_in("alice", &[]).await;
    let own = alice.cookies[SESSION].clone();
    let mut tossed = stage.browser();
    tossed
        .cookies
        .insert(SESSION.to_owned(), format!("{own}; {SESSION}={planted}"));
    is_out(&mut tossed).await;
}

#[tokio::test]
async fn logging_out_ends_the_session_here_and_tells_how_to_end_the_providers() {
    let stage = Stage::new().await;
    let mut browser = stage.logged_in("alice", &[]).await;
    let kept = browser.cookies.clone();
    let token = browser.get("/console").await.token();
    // A link logs nobody out.
    let link = browser.get("/auth/logout").await;
    assert_eq!(link.status, StatusCode::METHOD_NOT_ALLOWED);
    let out = browser.post("/auth/logout", &[("token", &token)]).await;
    assert_eq!(out.location(), "/console/signin?left=1");
    let page = browser.get(out.location()).await;
    check(&page.body);
    assert!(
        page.body
            .contains(&format!("{}/end?client_id=console", stage.provider.issuer)),
        "{}",
        page.body
    );
    is_out(&mut browser).await;
    browser.cookies = kept;
    is_out(&mut browser).await;
}

#[tokio::test]
async fn the_provider_can_end_a_session() {
    let stage = Stage::new().await;
    let mut alice = stage.logged_in("alice", &[]).await;
    let mut bob = stage.logged_in("bob", &[]).await;
    let ended = stage
        .gateway
        .state
        .end_console_sessions_of(&stage.provider.issuer, None, Some("sid-alice"))
        .await;
    assert_eq!(ended.expect("written"), 1);
    is_out(&mut alice).await;
    assert_eq!(bob.get("/console").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_logout_while_somebody_logs_in_ends_that_login_too() {
    let stage = Stage::new().await;
    let mut browser = stage.browser();
    let address = browser.begin("/console").await;
    let query = stage.provider.log_in(&address, "alice", &[], &json!({}));
    // It finds no session to end yet.
    let logout = stage.provider.logout_token("alice");
    let identity = &stage.gateway.services.identity;
    let heard = identity.verify_logout(&logout, clock::unix_seconds()).await;
    heard.expect("a logout token");
    refused(&browser.come_back(&query).await);
    is_out(&mut browser).await;
    let state = &stage.gateway.state;
    let left = state.end_console_sessions_of(&stage.provider.issuer, Some("alice"), None);
    assert_eq!(left.await.expect("written"), 0, "nothing is left of it");
    let later = json!({"iat": clock::unix_seconds() + 20});
    let again = browser.log_in("alice", &[], &later).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.body);
}

#[tokio::test]
async fn a_login_here_says_in_which_groups_somebody_is() {
    let stage = Stage::new().await;
    stage.logged_in("alice", &["dba"]).await;
    let key = format!("{}|alice", stage.provider.issuer);
    let seen = stage.gateway.services.access.last_seen(&key).await.expect("read");
    assert_eq!(seen.expect("noted").groups, ["dba"]);
}

#[tokio::test]
async fn logins_from_one_network_are_bounded_and_those_from_others_are_not() {
    let stage = Stage::new().await;
    let begin = async |peer: &str, most: u64| {
        let mut browser = stage.browser();
        browser.peer = Some(peer.parse().expect("an address"));
        for _ in 0..most {
            let seen = browser.get("/auth/login").await;
            if seen.status != StatusCode::SEE_OTHER {
                return Some(seen);
            }
        }
        None
    };
    assert!(begin("[2001:db8::1]:80", LOGINS_MAX).await.is_none());
    // One comes back each second.
    let refused = begin("[2001:db8::1]:80", LOGINS_MAX).await.expect("refused");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    check(&refused.body);
    let neighbour = begin("[2001:db8::2]:80", LOGINS_MAX / 2).await;
    assert!(neighbour.is_some(), "another address of the same network");
    assert!(begin("[2001:db8:0:1::1]:80", LOGINS_MAX / 2).await.is_none());
}

#[tokio::test]
async fn what_somebody_may_see_is_judged_for_this_door_and_written_down_as_judged() {
    let stage = Stage::new().await;
    let mut alice = stage.logged_in("alice", &[]).await;
    let token = alice.get("/console/grants").await.token();
    let fields = [
        ("token", token.as_str()),
        ("resource", "customers"),
        ("kind", "read"),
        ("minutes", "10"),
        ("relations", ""),
        ("reason", "ticket 4711"),
    ];
    let asked = alice.post("/console/grants", &fields).await;
    let path = asked.location().to_owned();
    let mut watcher = stage.logged_in("wanda", &["watchers"]).await;
    let seen = watcher.get(&path).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let mut bob = stage.logged_in("bob", &[]).await;
    assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND);
    let intents = stage.journalled("op.intent").await;
    let shown: Vec<_> = intents
        .iter()
        .filter(|intent| intent["verb"] == json!(["show approval"]))
        .map(|intent| {
            (
                &intent["principal"]["subject"],
                &intent["door"],
                &intent["policies"],
            )
        })
        .collect();
    let expected = (&json!("wanda"), &json!("console"), &json!(["watchers"]));
    assert_eq!(shown, [expected]);
}

#[tokio::test]
async fn whoever_is_shut_out_is_shut_out_here_too() {
    let stage = Stage::new().await;
    let mut alice = stage.logged_in("alice", &[]).await;
    let who = model::Principal {
        identity: "corp".to_owned(),
        issuer: stage.provider.issuer.clone(),
        subject: "root".to_owned(),
        groups: Vec::new(),
        kind: model::PrincipalKind::Person,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    };
    let target = model::LockTarget::Principal(format!("{}|alice", stage.provider.issuer));
    let locks = &stage.gateway.services.locks;
    locks.set(target, "laptop lost", &who).await.expect("set");
    let seen = alice.get("/console").await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{}", seen.body);
    check(&seen.body);
}

#[tokio::test]
async fn nothing_is_changed_but_by_a_form_of_this_session() {
    let stage = Stage::new().await;
    let mut alice = stage.logged_in("alice", &["operators"]).await;
    let token = alice.get("/console/locks").await.token();
    let fields = |token: &str| {
        form(&[
            ("token", token),
            ("target", "resource"),
            ("value", "customers"),
            ("reason", "x"),
        ])
    };
    let (own, none) = (fields(&token), fields(""));
    let other = fields(
        &stage
            .logged_in("bob", &["operators"])
            .await
            .get("/console")
            .await
            .token(),
    );
    for (headers, body) in [
        (&[("sec-fetch-site", "cross-site")][..], &own),
        (&[("sec-fetch-site", "same-site")], &own),
        (&[("sec-fetch-site", "none")], &own),
        (&[("origin", "https://evil.example")], &own),
        (&[], &own),
        (&[("sec-fetch-site", "same-origin")], &none),
        (&[("sec-fetch-site", "same-origin")], &other),
    ] {
        let seen = alice.send(Method::POST, "/console/locks", headers, body).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{headers:?} {}", seen.body);
        check(&seen.body);
    }
    let mut nobody = stage.browser();
    let seen = nobody.post("/console/locks", &[("token", &token)]).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(stage.gateway.services.locks.list().is_empty(), "nothing was done");

    let done = alice
        .send(
            Method::POST,
            "/console/locks",
            &[("origin", super::flow::URL)],
            &own,
        )
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert_eq!(stage.gateway.services.locks.list().len(), 1);
}

#[tokio::test]
async fn a_token_is_no_way_to_a_page() {
    let stage = Stage::new().await;
    let mut browser = stage.browser();
    let seen = browser
        .send(Method::GET, "/console", &[("authorization", "Bearer x")], "")
        .await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_page_has_every_header_and_is_sound() {
    let stage = Stage::new().await;
    let mut operator = stage.logged_in("alice", &["operators", "dba"]).await;
    let mut nobody = stage.browser();
    let unknown = "/console/sessions/0192f0c1-2345-7abc-8def-0123456789ab";
    for (path, status) in PAGES.iter().map(|path| (*path, StatusCode::OK)).chain([
        ("/console/nothing", StatusCode::NOT_FOUND),
        (unknown, StatusCode::NOT_FOUND),
    ]) {
        let seen = operator.get(path).await;
        assert_eq!(seen.status, status, "{path}: {}", seen.body);
        check(&seen.body);
        let away = nobody.get(path).await;
        if status == StatusCode::OK {
            assert_eq!(away.status, StatusCode::SEE_OTHER, "{path}");
        }
        for seen in [&seen, &away] {
            for (name, value) in &HEADERS {
                let own = seen.headers.get(name).and_then(|own| own.to_str().ok());
                assert_eq!(own, Some(*value), "{path}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn files_are_kept_for_good_and_known_by_what_they_hold() {
    let stage = Stage::new().await;
    let mut browser = stage.browser();
    let page = browser.get("/console/signin").await;
    let files = super::html::tags(&page.body);
    let files: Vec<&str> = files
        .iter()
        .filter_map(|tag| tag.get("src").or(tag.get("href")))
        .filter(|path| path.starts_with("/console/assets/"))
        .collect();
    assert_eq!(files.len(), 3, "style, script, icon");
    for path in files {
        let seen = browser.get(path).await;
        assert_eq!(seen.status, StatusCode::OK);
        assert!(
            seen.headers["cache-control"]
                .to_str()
                .expect("text")
                .contains("immutable")
        );
        assert_eq!(seen.headers["x-content-type-options"], "nosniff");
    }
    let gone = browser.get("/console/assets/0123456789abcdef.js").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_policy_does_not_permit_is_refused_and_written_down() {
    let stage = Stage::new().await;
    let mut bob = stage.logged_in("bob", &[]).await;
    for (path, verb) in [
        ("/console/locks", "list locks"),
        ("/console/journal", "search journal"),
        ("/console/plugins", "list plugins"),
    ] {
        let seen = bob.get(path).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{path}");
        check(&seen.body);
        let written = stage.journalled("op.intent").await;
        let found = written
            .iter()
            .find(|entry| entry["verb"][0] == verb)
            .expect("written down");
        assert_eq!(found["verdict"], "refuse");
        assert_eq!(found["principal"]["subject"], "bob");
    }
    let own = bob.get("/console/sessions").await;
    assert_eq!(own.status, StatusCode::OK, "everybody sees their own");
}

#[tokio::test]
async fn a_choice_of_colours_comes_back_with_every_page() {
    let stage = Stage::new().await;
    let mut alice = stage.logged_in("alice", &[]).await;
    let token = alice.get("/console").await.token();
    let fields = [
        ("token", token.as_str()),
        ("theme", "dark"),
        ("page", "/console/explain"),
    ];
    let saved = alice.post("/console/settings", &fields).await;
    assert_eq!(saved.location(), "/console/explain");
    let fields = [
        ("token", token.as_str()),
        ("keys", "off"),
        ("page", "//evil.example"),
    ];
    let saved = alice.post("/console/settings", &fields).await;
    assert_eq!(saved.location(), "/console", "and leads nowhere else");
    let page = alice.get("/console").await;
    assert!(page.body.contains("data-theme=\"dark\" data-keys=\"off\""));
}
