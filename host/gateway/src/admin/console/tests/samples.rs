//! Every page, made of one text in every place where a text from outside can stand.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template as _;
use model::approval::{Approval, BoundValue, Case, ContentHash, Quorum, Standing, Subject, Vote};
use model::grant::Terms;
use model::{
    Access, Actor, ApprovalId, Assessment, Facts, Finding, Grant, GrantId, Lock, LockId, LockTarget,
    OperationKind, Principal, PrincipalKind, Refusal, RelationUse, ResourceName, SessionId, StatementFacts,
    Tag,
};
use serde_json::json;

use crate::admin::api::plugins::PluginBody;
use crate::admin::console::approval::{ApprovalPage, ChangedPage, Reader};
use crate::admin::console::explain::{Answer, ExplainPage};
use crate::admin::console::front::ErrorPage;
use crate::admin::console::grants::{GrantsPage, views};
use crate::admin::console::inbox::{InboxPage, Row, View};
use crate::admin::console::journal::{JournalPage, Query};
use crate::admin::console::locks::LocksPage;
use crate::admin::console::login::SignInPage;
use crate::admin::console::plugins::PluginsPage;
use crate::admin::console::recording::RecordingPage;
use crate::admin::console::sessions::{End, SessionPage, SessionsPage};
use crate::admin::console::settings::Settings;
use crate::admin::console::shell::{Person, Shell};
use crate::admin::console::text::{Moment, Text};
use crate::admin::console::timeline::events;
use crate::admin::console::{grants, journal, locks, plugins, sessions};
use crate::cli::explain::Explanation;

pub(super) const NOW: u64 = 1_800_000_000_000_000;
const MINUTE: u64 = 60_000_000;

pub(super) fn shell(text: &str) -> Shell {
    Shell {
        person: Some(Person {
            name: Text::line(text),
        }),
        path: "/console".to_owned(),
        token: "0123".to_owned(),
        waiting: 3,
        ..Shell::of("A page", Settings::default())
    }
}

pub(super) fn principal(text: &str) -> Principal {
    Principal {
        identity: "corp".to_owned(),
        issuer: format!("https://{text}"),
        subject: text.to_owned(),
        groups: vec![text.to_owned(), "agents".to_owned()],
        kind: PrincipalKind::Agent,
        delegation: vec![Actor {
            issuer: Some(text.to_owned()),
            subject: text.to_owned(),
        }],
        client: None,
        token_id: None,
    }
}

fn facts(text: &str) -> Facts {
    Facts::of(StatementFacts {
        verb: "delete".to_owned(),
        nested: Vec::new(),
        kind: OperationKind::Write,
        writes: true,
        utility: false,
        relations: vec![RelationUse {
            schema: Some(text.to_owned()),
            name: text.to_owned(),
            access: Access::Write,
            tags: vec![Tag::new(text)],
        }],
        columns: Vec::new(),
        functions: Vec::new(),
        predicates: Vec::new(),
        has_where: false,
        limit: None,
    })
}

fn assessment(text: &str) -> Assessment {
    Assessment {
        score: 82,
        labels: vec![text.to_owned()],
        findings: vec![Finding {
            plugin: text.to_owned(),
            id: text.to_owned(),
            score: 82,
            message: text.to_owned(),
        }],
    }
}

pub(super) fn case(text: &str) -> Case {
    Case {
        protocol: text.to_owned(),
        title: text.to_owned(),
        operation: text.to_owned(),
        cut: true,
        binds: vec![
            BoundValue {
                text: Some(text.to_owned()),
                cut: true,
            },
            BoundValue {
                text: None,
                cut: false,
            },
        ],
        facts: facts(text),
        assessment: assessment(text),
        tags: vec![Tag::new(text)],
        policies: vec![text.to_owned()],
        transaction_open: true,
        settings: vec![text.to_owned(), text.to_owned()],
        estimated_rows: Some(1_204),
        reason: Some(text.to_owned()),
        ..Case::default()
    }
}

pub(super) fn approval(text: &str) -> Approval {
    Approval {
        id: ApprovalId::new(1, [1; 10]),
        subject: Subject::Operation,
        content: ContentHash([0; 32]),
        requester: Arc::new(principal(text)),
        resource: ResourceName::new(text),
        quorum: Quorum::parse("2 of dba").expect("a quorum"),
        waiting: Some(SessionId::new(1, [2; 10])),
        asked_us: NOW - MINUTE,
        decide_by_us: NOW + 30 * MINUTE,
        use_within_us: 15 * MINUTE,
        approved_us: None,
        standing: Standing::Pending,
        revision: 1,
        votes: vec![Vote {
            by: format!("https://{text}|{text}x"),
            groups: vec!["dba".to_owned()],
            agrees: true,
            comment: text.to_owned(),
            at_us: NOW,
            channel: text.to_owned(),
        }],
        used_by: None,
    }
}

pub(super) fn reader(may_answer: Result<(), Option<Refusal>>) -> Reader {
    Reader {
        key: "https://idp.example.com|bob".to_owned(),
        may_answer,
    }
}

fn asks_for_a_grant(text: &str) -> Case {
    Case {
        grant: Some(Terms {
            kinds: BTreeSet::from([OperationKind::Read, OperationKind::Write]),
            relations: vec![text.to_owned()],
            seconds: 1_800,
        }),
        ..case(text)
    }
}

fn grant(text: &str) -> Grant {
    Grant {
        id: GrantId::new(1, [3; 10]),
        delegation: vec![format!("https://{text}|{text}")],
        principal: format!("https://{text}|{text}"),
        resource: ResourceName::new(text),
        terms: Terms {
            kinds: BTreeSet::from([OperationKind::Read]),
            relations: vec![text.to_owned()],
            seconds: 60,
        },
        reason: text.to_owned(),
        approval: ApprovalId::new(1, [1; 10]),
        begins_us: NOW,
        ends_us: NOW + MINUTE,
        revoked: None,
        used_us: None,
    }
}

fn lock(target: LockTarget, text: &str) -> Lock {
    Lock {
        id: LockId::new(1, [4; 10]),
        target,
        reason: text.to_owned(),
        by: format!("https://{text}|{text}"),
        since_us: NOW,
        lifted: None,
    }
}

fn explanation(text: &str) -> Explanation {
    Explanation {
        principal: principal(text),
        resource: ResourceName::new(text),
        facts: facts(text),
        assessment: Some(assessment(text)),
        verdict: "refuse",
        policies: vec![text.to_owned()],
        refusal: Some(
            Refusal::new(model::Rule::PolicyDenied, model::Fault::Client, text.to_owned())
                .hint(text.to_owned()),
        ),
        composition: crate::plugins::Composition::default(),
        notes: vec![text.to_owned()],
    }
}

/// Returns every page by name, with `text` wherever the world outside has a say.
pub(super) fn all(text: &str) -> Vec<(&'static str, String)> {
    let mut pages = questions(text);
    pages.extend(lists(text));
    pages.extend(evidence(text));
    pages.extend(others(text));
    pages
}

fn questions(text: &str) -> Vec<(&'static str, String)> {
    let (approval, case) = (approval(text), case(text));
    let row = Row::of(&approval, &case, NOW);
    let next = Some("/console?before=x".to_owned());
    let inbox = InboxPage::of(shell(text), View::Decide, vec![row], next);
    let refusal = Refusal::new(model::Rule::Locked, model::Fault::Client, text.to_owned());
    let page = |case: &Case, reader: &Reader| {
        let page = ApprovalPage::of(shell(text), &approval, case, reader, NOW);
        page.render().expect("rendered")
    };
    let changed = ChangedPage::of(shell(text), &approval, &case, 0, NOW);
    let empty = InboxPage::of(shell(text), View::Asked, Vec::new(), None);
    vec![
        ("inbox", inbox.render().expect("rendered")),
        ("empty inbox", empty.render().expect("rendered")),
        ("question", page(&case, &reader(Ok(())))),
        ("question of another", page(&case, &reader(Err(Some(refusal))))),
        ("grant asked for", page(&asks_for_a_grant(text), &reader(Ok(())))),
        ("changed", changed.render().expect("rendered")),
    ]
}

fn lists(text: &str) -> Vec<(&'static str, String)> {
    let holds = grants::Row::of(&grant(text), NOW);
    let grants = GrantsPage {
        shell: shell(text),
        views: views(true),
        empty: "No grant holds.",
        rows: vec![holds],
        next: Some("/console/grants?before=x".to_owned()),
        resources: vec![text.to_owned()],
    };
    let targets = [
        LockTarget::Principal(text.to_owned()),
        LockTarget::Resource(ResourceName::new(text)),
        LockTarget::All,
    ];
    let locks = LocksPage {
        shell: shell(text),
        rows: targets
            .into_iter()
            .map(|target| locks::Row::of(&lock(target, text)))
            .collect(),
    };
    let plugin = PluginBody {
        name: text.to_owned(),
        kind: text.to_owned(),
        sha256: "0".repeat(64),
        component: text.to_owned(),
        version: text.to_owned(),
        summary: text.to_owned(),
        calls: 3,
        faults: 1,
        quarantined: false,
        memory_max_bytes: 1 << 20,
        wants: Vec::new(),
    };
    let plugins = PluginsPage {
        shell: shell(text),
        rows: vec![plugins::Row::of(&plugin)],
    };
    vec![
        ("grants", grants.render().expect("rendered")),
        ("locks", locks.render().expect("rendered")),
        ("plugins", plugins.render().expect("rendered")),
    ]
}

fn evidence(text: &str) -> Vec<(&'static str, String)> {
    let id = SessionId::new(1, [2; 10]).to_string();
    let start = json!({"principal": {"subject": text}, "resource": text});
    let end = json!({"kind": "session.end", "session": id, "t_us": NOW, "reason": text, "operations": 3});
    let past = SessionsPage {
        shell: shell(text),
        live_view: false,
        live_count: "2".to_owned(),
        filtered: true,
        principal: text.to_owned(),
        resource: text.to_owned(),
        rows: sessions::Row::of_end(&end, Some(&start)).into_iter().collect(),
        next: Some("/console/sessions?before=1".to_owned()),
    };
    let entries = [
        (9, end),
        (
            8,
            json!({"kind": "op.intent", "t_us": NOW, "operation": "o", "verdict": "refuse", "statement": text,
            "risk": 82, "refusal": {"message": text}}),
        ),
        (
            7,
            json!({"kind": "session.start", "t_us": NOW, "client": text, "session": id}),
        ),
        (
            6,
            json!({"kind": text, "t_us": NOW, "what": text, "session": text}),
        ),
    ];
    let rows = entries
        .iter()
        .map(|(index, entry)| journal::Row::of(*index, entry));
    let journal = JournalPage {
        shell: shell(text),
        query: Query {
            kind: text.to_owned(),
            session: text.to_owned(),
            principal: text.to_owned(),
            resource: text.to_owned(),
            since: text.to_owned(),
            until: text.to_owned(),
        },
        wrong: None,
        rows: rows.collect(),
        next: Some("/console/journal?before=6".to_owned()),
    };
    let session = SessionPage {
        shell: shell(text),
        short: "0192".to_owned(),
        id: id.clone(),
        live: true,
        who: Text::line(text),
        resource: Text::line(text),
        protocol: Text::line(text),
        client: Text::line(text),
        began: Moment(NOW),
        ended: Some(End {
            at: Moment(NOW),
            reason: Text::line(text),
            operations: "3".to_owned(),
        }),
        events: events(&entries),
        next: None,
    };
    let recording = RecordingPage {
        shell: shell(text),
        short: "0192".to_owned(),
        id,
        text: Text::lines(text),
        cut: true,
    };
    vec![
        ("past sessions", past.render().expect("rendered")),
        ("journal", journal.render().expect("rendered")),
        ("session", session.render().expect("rendered")),
        ("recording", recording.render().expect("rendered")),
    ]
}

fn others(text: &str) -> Vec<(&'static str, String)> {
    let explain = ExplainPage {
        shell: shell(text),
        resources: vec![text.to_owned()],
        asked_resource: "another".to_owned(),
        claims: text.to_owned(),
        sql: text.to_owned(),
        wrong: Some(Text::line(text)),
        answer: Some(Answer::of(&explanation(text))),
    };
    let error = ErrorPage {
        shell: shell(text),
        heading: "Not allowed",
        detail: Text::line(text),
        hint: Some(Text::line(text)),
        policies: vec![Text::line(text)],
        back: ("/console", "To the inbox"),
        code: "policy-denied",
    };
    let sign_in = SignInPage {
        shell: Shell::of("Sign in", Settings::default()),
        heading: "You are signed out",
        detail: "The console is for people.",
        provider: Text::line(text),
        login: "/auth/login?to=%2Fconsole".to_owned(),
        end_session: None,
    };
    vec![
        ("explain", explain.render().expect("rendered")),
        ("error", error.render().expect("rendered")),
        ("sign in", sign_in.render().expect("rendered")),
    ]
}
