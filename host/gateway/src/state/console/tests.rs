use model::{Principal, PrincipalKind};
use tempfile::TempDir;

use super::*;

const NOW: u64 = 1_800_000_000_000_000;
const ISSUER: &str = "https://idp.example.com";

async fn open() -> (TempDir, State) {
    let folder = tempfile::tempdir().expect("a folder");
    let state = State::open(&folder.path().join("state.db"))
        .await
        .expect("a database");
    (folder, state)
}

fn attempt() -> Attempt {
    Attempt::new(&[7; 96], "/console/sessions".to_owned())
}

fn who(subject: &str, provider_session: &str) -> LoggedIn {
    LoggedIn {
        principal: Principal {
            identity: "corp".to_owned(),
            issuer: ISSUER.to_owned(),
            subject: subject.to_owned(),
            groups: vec!["dba".to_owned()],
            kind: PrincipalKind::Person,
            delegation: Vec::new(),
            client: Some("console".to_owned()),
            token_id: None,
        },
        provider_session: Some(provider_session.to_owned()),
        issued: NOW / 1_000_000,
    }
}

async fn log_in(state: &State, cookie: &str, subject: &str, provider_session: &str, now_us: u64) {
    let id = CookieHash::of(cookie);
    state
        .begin_console_session(id, None, &who(subject, provider_session), now_us)
        .await
        .expect("written");
}

/// Uses a session; returns whether it lived.
async fn used(state: &State, cookie: &str, now_us: u64) -> bool {
    let alive = lives(state, cookie, now_us).await;
    let noted = state.note_console_use(CookieHash::of(cookie), now_us).await;
    noted.expect("written");
    alive
}

async fn lives(state: &State, cookie: &str, now_us: u64) -> bool {
    let session = state.console_session(CookieHash::of(cookie), now_us).await;
    session.expect("read").is_some()
}

#[tokio::test]
async fn a_login_is_taken_once_within_ten_minutes() {
    let (_folder, state) = open().await;
    for (cookie, taken_at, there) in [("a", NOW + LOGIN_US - 1, true), ("b", NOW + LOGIN_US, false)] {
        let id = CookieHash::of(cookie);
        state.begin_login(id, &attempt(), NOW).await.expect("written");
        let taken = state.take_login(id, taken_at).await.expect("read");
        assert_eq!(taken, there.then(attempt));
        assert_eq!(state.take_login(id, NOW).await.expect("read").is_some(), !there);
    }
    let other = state.take_login(CookieHash::of("c"), NOW).await.expect("read");
    assert_eq!(other, None);
}

#[tokio::test]
async fn a_session_is_over_when_unused_for_half_an_hour_or_an_hour_old() {
    let (_folder, state) = open().await;
    log_in(&state, "idle", "alice", "s1", NOW).await;
    assert!(lives(&state, "idle", NOW + IDLE_US - 1).await);
    assert!(!lives(&state, "idle", NOW + IDLE_US).await, "looking is no use");
    assert!(used(&state, "idle", NOW + IDLE_US - 1).await);
    assert!(
        lives(&state, "idle", NOW + 2 * IDLE_US - 2).await,
        "use keeps it alive"
    );
    assert!(!lives(&state, "idle", NOW + 2 * IDLE_US - 1).await);

    log_in(&state, "busy", "alice", "s1", NOW).await;
    let mut now = NOW;
    while now + IDLE_US / 2 < NOW + SESSION_US {
        now += IDLE_US / 2;
        assert!(used(&state, "busy", now).await);
    }
    assert!(!lives(&state, "busy", NOW + SESSION_US).await, "whatever its use");
}

#[tokio::test]
async fn a_session_tells_who_logged_in_and_no_other_cookie_does() {
    let (_folder, state) = open().await;
    log_in(&state, "cookie", "alice", "s1", NOW).await;
    let session = state.console_session(CookieHash::of("cookie"), NOW).await;
    let session = session.expect("read").expect("alive");
    assert_eq!(session.principal, who("alice", "s1").principal);
    assert_eq!(session.ends_us, NOW + SESSION_US);
    assert!(!lives(&state, "Cookie", NOW).await);
    assert!(!lives(&state, "", NOW).await);
}

#[tokio::test]
async fn what_is_stored_is_no_cookie() {
    let (_folder, state) = open().await;
    log_in(&state, "cookie", "alice", "s1", NOW).await;
    let stored: Vec<u8> = sqlx::query_scalar("SELECT id FROM console_session")
        .fetch_one(&state.pool)
        .await
        .expect("read");
    assert_eq!(stored.len(), 32);
    assert!(!lives(&state, &hex::encode(stored), NOW).await);
}

#[tokio::test]
async fn logging_in_again_ends_the_browsers_former_session() {
    let (_folder, state) = open().await;
    log_in(&state, "first", "mallory", "s1", NOW).await;
    let (first, second) = (CookieHash::of("first"), CookieHash::of("second"));
    state
        .begin_console_session(second, Some(first), &who("alice", "s2"), NOW)
        .await
        .expect("written");
    assert!(!lives(&state, "first", NOW).await);
    assert!(lives(&state, "second", NOW).await);
}

#[tokio::test]
async fn logging_out_ends_one_session_for_good() {
    let (_folder, state) = open().await;
    log_in(&state, "here", "alice", "s1", NOW).await;
    log_in(&state, "there", "alice", "s2", NOW).await;
    assert!(
        state
            .end_console_session(CookieHash::of("here"))
            .await
            .expect("written")
    );
    assert!(
        !state
            .end_console_session(CookieHash::of("here"))
            .await
            .expect("written")
    );
    assert!(!lives(&state, "here", NOW).await);
    assert!(lives(&state, "there", NOW).await);
}

#[tokio::test]
async fn a_provider_ends_the_sessions_it_names_and_no_others() {
    for (issuer, subject, provider_session, left) in [
        (ISSUER, Some("alice"), None, "bob-3"),
        (ISSUER, None, Some("s1"), "alice-2 bob-3"),
        (ISSUER, Some("alice"), Some("s2"), "alice-1 bob-3"),
        (ISSUER, Some("bob"), Some("s1"), "alice-1 alice-2 bob-3"),
        (ISSUER, None, None, "alice-1 alice-2 bob-3"),
        (
            "https://other.example.com",
            Some("alice"),
            None,
            "alice-1 alice-2 bob-3",
        ),
    ] {
        let (_folder, state) = open().await;
        log_in(&state, "alice-1", "alice", "s1", NOW).await;
        log_in(&state, "alice-2", "alice", "s2", NOW).await;
        log_in(&state, "bob-3", "bob", "s3", NOW).await;
        let ended = state
            .end_console_sessions_of(issuer, subject, provider_session)
            .await
            .expect("written");
        let mut alive = Vec::new();
        for cookie in ["alice-1", "alice-2", "bob-3"] {
            if lives(&state, cookie, NOW).await {
                alive.push(cookie);
            }
        }
        assert_eq!(alive.join(" "), left);
        assert_eq!(ended, 3 - alive.len() as u64);
    }
}

#[tokio::test]
async fn one_person_has_a_bounded_number_of_sessions() {
    let (_folder, state) = open().await;
    for number in 0..=SESSIONS_OF_ONE_MAX {
        log_in(
            &state,
            &number.to_string(),
            "alice",
            "s1",
            NOW + number.unsigned_abs(),
        )
        .await;
    }
    let now = NOW + 100;
    assert!(!lives(&state, "0", now).await, "the oldest has ended");
    assert!(lives(&state, "1", now).await);
    assert!(lives(&state, &SESSIONS_OF_ONE_MAX.to_string(), now).await);
}
