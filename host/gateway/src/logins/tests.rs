use std::time::Duration;

use model::{ResourceName, SessionId};
use tokio::sync::mpsc;

use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::ground::{Ground, customers, person};
use crate::identity::KeptToken;
use crate::policy::{Names, Policy};
use crate::sessions::{EndingCell, Live};

/// The provider that these logins name cannot be asked: nobody listens there.
const CONFIG: &str = r#"
[listen]
postgres = "127.0.0.1:0"
insecure_plaintext = true
[[identity]]
name = "corp"
issuer = "http://127.0.0.1:1"
audience = "tidegate"
introspection = { client_id = "gateway", client_secret = "file:secret" }
[policy]
files = []
"#;

struct Stage {
    ground: Ground,
    logins: Logins,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let ground = Ground::new().await;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("secret"), "s").expect("written");
        let config = Config::parse(CONFIG, &folder.path().join("tidegate.toml")).expect("valid");
        let names = Names {
            identities: vec!["corp".into()],
            resources: vec![ResourceName::new("customers")],
            tags: Vec::new(),
        };
        let policy = Arc::new(Policy::load(&[], &names).expect("no policies"));
        let approvals = Approvals::start(
            ground.state.clone(),
            ground.journal.clone(),
            policy,
            Clock::system(),
        );
        let logins = Logins {
            identity: Arc::new(Identity::new(&config.identities).expect("prepared")),
            sessions: Arc::default(),
            journal: ground.journal.clone(),
            state: ground.state.clone(),
            approvals: approvals.await.expect("started"),
        };
        Self {
            ground,
            logins,
            _folder: folder,
        }
    }

    /// Lists a session for as long as the stage lives.
    fn list(&self, number: u8, login: &Arc<Login>) -> EndingCell {
        let ending = EndingCell::default();
        let mut live = Live::idle(
            SessionId::new(1, [number; 10]),
            person("alice"),
            customers(),
            None,
        );
        live.login = Arc::clone(login);
        let (notices, _) = mpsc::channel(1);
        let listed = self
            .logins
            .sessions
            .add(live, Arc::clone(&ending), 1, Vec::new(), notices);
        std::mem::forget(listed);
        ending
    }
}

fn login(token: &str) -> Arc<Login> {
    Arc::new(Login {
        token: Some(KeptToken::new("corp", token, Duration::from_secs(60))),
        ..Login::default()
    })
}

#[tokio::test]
async fn a_token_that_ended_ends_all_its_sessions_and_no_others() {
    let stage = Stage::new().await;
    let (one, again) = (stage.list(1, &login("a")), stage.list(2, &login("a")));
    let (other, unasked) = (stage.list(3, &login("b")), stage.list(4, &Arc::default()));
    stage
        .logins
        .end_token(&login("a"), &person("alice"), Why::Inactive);
    for ended in [one, again] {
        let ending = ended.get().expect("told to end");
        assert_eq!(ending.rule, Rule::SessionEnded);
        assert_eq!(
            &*ending.reason,
            "the identity provider says that your token does not hold any more"
        );
    }
    assert!(other.get().is_none() && unasked.get().is_none());
    // What was appended before is readable once this is durable.
    let marker = write_down(&stage.ground.journal, &Event::GatewayStop).await;
    marker.expect("durable");
    let [entry] = &stage.ground.journaled("identity.token-ended")[..] else {
        panic!("one entry");
    };
    assert_eq!(
        (&entry["principal"], &entry["why"]),
        (&"https://idp|alice".into(), &"inactive".into())
    );
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_confirms_nothing_and_ends_nothing_yet() {
    let stage = Stage::new().await;
    let ending = stage.list(1, &login("a"));
    let refusal = stage
        .logins
        .still_hold(&login("a"), &person("alice"))
        .await
        .expect_err("refused");
    assert_eq!(
        (refusal.rule, refusal.fault),
        (Rule::SessionEnded, Fault::Operator)
    );
    let question = Question {
        digest: login("a").token.as_ref().expect("a token").digest(),
        login: login("a"),
        principal: Arc::new(person("alice")),
    };
    assert!(!stage.logins.ask(question).await.1);
    assert!(ending.get().is_none());
    stage
        .logins
        .still_hold(&Login::default(), &person("alice"))
        .await
        .expect("nobody is to be asked");
}

#[tokio::test]
async fn live_tokens_are_followed_and_those_unheard_of_end() {
    let stage = Stage::new().await;
    let ending = stage.list(1, &login("a"));
    let (mut watch, mut asked) = (Watch::default(), JoinSet::new());
    // As if it had been heard of for the last time four minutes ago.
    let long_ago = clock::unix_us() - 240 * 1_000_000;
    watch.follow([(login("a"), Arc::new(person("alice")))].into_iter(), long_ago);
    stage.logins.look(&mut watch, &mut asked);
    let told = ending.get().expect("told to end");
    assert_eq!(
        &*told.reason,
        "the identity provider could not be asked whether your token still holds"
    );
    assert_eq!(asked.len(), 1, "it is asked about all the same");
    let heard = asked.join_next().await.expect("asked").expect("answered");
    assert!(!heard.1);
}
