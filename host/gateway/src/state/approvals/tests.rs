//! What every store of approvals keeps to.

use std::sync::Arc;

use model::approval::Quorum;
use model::{Principal, PrincipalKind, ResourceName};

use super::*;

pub(crate) fn person(subject: &str) -> Principal {
    Principal {
        identity: "corp".to_owned(),
        issuer: "https://idp.example.com".to_owned(),
        subject: subject.to_owned(),
        groups: Vec::new(),
        kind: PrincipalKind::Person,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    }
}

/// An agent that asks.
pub(crate) fn requester() -> Principal {
    Principal {
        kind: PrincipalKind::Agent,
        ..person("agent-7")
    }
}

pub(crate) fn case() -> Case {
    Case {
        protocol: "postgres".to_owned(),
        title: "agent-7 wants to delete on customers".to_owned(),
        operation: "DELETE FROM customers".to_owned(),
        reason: Some("cleaning up".to_owned()),
        ..Case::default()
    }
}

impl State {
    /// Deletes an approval, as somebody with an editor would.
    pub(crate) async fn delete_approval(&self, id: ApprovalId) {
        sqlx::query("DELETE FROM approval WHERE id = $1")
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .expect("written");
    }
}

fn kept(number: u8) -> Kept {
    let approval = Approval {
        id: ApprovalId::new(u64::from(number), [number; 10]),
        subject: Subject::Operation,
        content: ContentHash([number; 32]),
        requester: Arc::new(requester()),
        resource: ResourceName::new("customers"),
        quorum: Quorum::parse("1 of dba, 1 of security").expect("a quorum"),
        waiting: Some(SessionId::new(1, [1; 10])),
        asked_us: 10,
        decide_by_us: 100,
        use_within_us: 50,
        approved_us: None,
        standing: Standing::Pending,
        revision: 0,
        votes: Vec::new(),
        used_by: None,
    };
    Kept {
        approval,
        case: case(),
    }
}

fn vote(by: &str, groups: &[&str], agrees: bool) -> Vote {
    Vote {
        by: by.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        agrees,
        comment: "fine".to_owned(),
        at_us: 20,
        channel: "api".to_owned(),
    }
}

async fn open(folder: &tempfile::TempDir) -> State {
    State::open(&folder.path().join("state.db"))
        .await
        .expect("a state database")
}

async fn read(state: &State, id: ApprovalId) -> Kept {
    state.approval(id).await.expect("read").expect("kept")
}

/// Applies a vote to a copy, and returns it with what the store said to keeping it.
async fn voted(state: &State, kept: &Kept, vote: Vote) -> (Kept, bool) {
    let mut kept = kept.clone();
    let revision = kept.approval.revision;
    kept.approval.vote(vote.clone(), 20).expect("counts");
    let done = state
        .update_approval(&kept.approval, revision, Some(&vote), 20)
        .await
        .expect("written");
    (kept, done)
}

#[tokio::test]
async fn an_approval_reads_back_as_it_was_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = open(&folder).await;
    let asked = kept(1);
    assert!(state.insert_approval(&asked).await.expect("written"));
    assert_eq!(read(&state, asked.approval.id).await, asked);
    let (first, done) = voted(&state, &asked, vote("i|bob", &["dba"], true)).await;
    assert!(done);
    let (second, done) = voted(&state, &first, vote("i|carol", &["security"], true)).await;
    assert!(done);
    assert_eq!(second.approval.standing, Standing::Approved);
    assert_eq!(read(&state, asked.approval.id).await, second);
    drop(state);

    let state = open(&folder).await;
    assert_eq!(read(&state, asked.approval.id).await, second);
    assert_eq!(
        state.approval(ApprovalId::new(9, [9; 10])).await.expect("read"),
        None
    );
}

#[tokio::test]
async fn of_two_that_decide_on_the_same_revision_one_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = open(&folder).await;
    let other = state.clone();
    let asked = kept(1);
    assert!(state.insert_approval(&asked).await.expect("written"));
    let (yes, no) = tokio::join!(
        voted(&state, &asked, vote("i|bob", &["dba"], true)),
        voted(&other, &asked, vote("i|carol", &[], false)),
    );
    assert!(yes.1 != no.1, "exactly one: {} {}", yes.1, no.1);
    let winner = if yes.1 { yes.0 } else { no.0 };
    assert_eq!(read(&state, asked.approval.id).await, winner);
}

#[tokio::test]
async fn a_person_answers_once_even_if_the_revision_fits() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = open(&folder).await;
    let asked = kept(1);
    assert!(state.insert_approval(&asked).await.expect("written"));
    let (first, _) = voted(&state, &asked, vote("i|bob", &["dba"], true)).await;
    let mut twice = first.clone();
    twice.approval.standing = Standing::Denied;
    twice.approval.revision += 1;
    let done = state
        .update_approval(&twice.approval, 1, Some(&vote("i|bob", &[], false)), 20)
        .await
        .expect("tried");
    assert!(!done);
    assert_eq!(read(&state, asked.approval.id).await, first);
}

#[tokio::test]
async fn what_is_over_never_changes_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = open(&folder).await;
    let asked = kept(1);
    assert!(state.insert_approval(&asked).await.expect("written"));
    let mut approval = asked.approval.clone();
    assert!(approval.withdraw());
    assert!(
        state
            .update_approval(&approval, 0, None, 30)
            .await
            .expect("written")
    );
    let mut revived = approval.clone();
    revived.standing = Standing::Pending;
    revived.revision = 2;
    assert!(!state.update_approval(&revived, 1, None, 31).await.expect("tried"));
    let session = Some(SessionId::new(2, [2; 10]));
    state.set_waiting(approval.id, session).await.expect("tried");
    assert_eq!(read(&state, approval.id).await.approval, approval);
}

#[tokio::test]
async fn a_requester_has_one_open_approval_for_one_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = open(&folder).await;
    let first = kept(1);
    assert!(state.insert_approval(&first).await.expect("written"));
    let mut second = kept(2);
    second.approval.content = first.approval.content;
    assert!(!state.insert_approval(&second).await.expect("tried"));
    let key = requester().key();
    let found = |content| {
        let (state, key) = (state.clone(), key.clone());
        async move {
            let found = state.open_approval(&key, &content).await.expect("read");
            found.map(|kept| kept.approval.id)
        }
    };
    assert_eq!(found(first.approval.content).await, Some(first.approval.id));
    assert_eq!(found(ContentHash([9; 32])).await, None);

    let mut ended = first.approval.clone();
    assert!(ended.withdraw());
    assert!(state.update_approval(&ended, 0, None, 30).await.expect("written"));
    assert_eq!(found(first.approval.content).await, None);
    assert!(state.insert_approval(&second).await.expect("written"));
    assert_eq!(found(first.approval.content).await, Some(second.approval.id));
}

#[tokio::test]
async fn open_ones_are_known_with_what_they_wait_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = open(&folder).await;
    for number in 1..=3 {
        assert!(state.insert_approval(&kept(number)).await.expect("written"));
    }
    let (mut ended, approved) = (kept(1).approval, kept(2));
    assert!(ended.withdraw());
    assert!(state.update_approval(&ended, 0, None, 30).await.expect("written"));
    let (approved, _) = voted(&state, &approved, vote("i|bob", &["dba"], true)).await;
    let (approved, _) = voted(&state, &approved, vote("i|carol", &["security"], true)).await;
    state
        .set_waiting(kept(3).approval.id, None)
        .await
        .expect("written");
    let open = state.open_approvals().await.expect("read");
    let brief: Vec<_> = open
        .iter()
        .map(|open| (open.id, open.due_us, open.waiting))
        .collect();
    assert_eq!(
        brief,
        [
            (approved.approval.id, 70, approved.approval.waiting),
            (kept(3).approval.id, 100, None)
        ]
    );
    assert_eq!(open[0], OpenApproval::of(&approved.approval));
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = open(&folder).await;
    for number in 1..=5 {
        let mut kept = kept(number);
        if number == 4 {
            kept.approval.requester = Arc::new(person("carol"));
        }
        assert!(state.insert_approval(&kept).await.expect("written"));
    }
    let mut ended = kept(2).approval;
    assert!(ended.withdraw());
    assert!(state.update_approval(&ended, 0, None, 30).await.expect("written"));
    let listed = |filter: Filter| {
        let state = state.clone();
        async move {
            let page = state.approvals(&filter).await.expect("read");
            page.iter()
                .map(|kept| kept.approval.content.0[0])
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(Filter::default()).await, [5, 4, 3, 2, 1]);
    let two = Filter {
        limit: Some(2),
        before: Some(kept(4).approval.id),
        ..Filter::default()
    };
    assert_eq!(listed(two).await, [3, 2]);
    let own = Filter {
        standing: vec![Standing::Pending, Standing::Approved],
        requester: Some(requester().key()),
        resource: Some(ResourceName::new("customers")),
        ..Filter::default()
    };
    assert_eq!(listed(own).await, [5, 3, 1]);
    let elsewhere = Filter {
        resource: Some(ResourceName::new("orders")),
        ..Filter::default()
    };
    assert!(listed(elsewhere).await.is_empty());
}

#[tokio::test]
async fn old_and_surplus_ones_are_swept_and_open_ones_never() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = open(&folder).await;
    for number in 1..=6 {
        assert!(state.insert_approval(&kept(number)).await.expect("written"));
    }
    for number in 1..=5_u8 {
        let (answered, _) = voted(&state, &kept(number), vote("i|bob", &["dba"], true)).await;
        let mut approval = answered.approval;
        assert!(approval.withdraw());
        let at = u64::from(number) * 1_000;
        assert!(
            state
                .update_approval(&approval, 1, None, at)
                .await
                .expect("written")
        );
    }
    // 1 is old; of the others the newest three stay.
    assert_eq!(state.sweep_approvals(1_500, 10, 10).await.expect("swept"), 1);
    assert_eq!(state.sweep_approvals(0, 3, 10).await.expect("swept"), 1);
    assert_eq!(state.sweep_approvals(u64::MAX, 10, 2).await.expect("swept"), 2);
    let left = state.approvals(&Filter::default()).await.expect("read");
    let left: Vec<_> = left.iter().map(|kept| kept.approval.content.0[0]).collect();
    assert_eq!(left, [6, 5]);
    let votes: i64 = sqlx::query_scalar("SELECT count(*) FROM approval_vote")
        .fetch_one(&state.pool)
        .await
        .expect("read");
    assert_eq!(votes, 1);
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_an_error_and_not_an_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = open(&folder).await;
    let broken = [
        ("quorum", r#"{"shares":[]}"#),
        ("principal", "{}"),
        ("used_by", "x"),
    ];
    for (number, (column, value)) in (1..).zip(broken) {
        let asked = kept(number);
        assert!(state.insert_approval(&asked).await.expect("written"));
        let update = format!("UPDATE approval SET {column} = $1 WHERE id = $2");
        sqlx::query(sqlx::AssertSqlSafe(update))
            .bind(value)
            .bind(asked.approval.id.to_string())
            .execute(&state.pool)
            .await
            .expect("written");
        let read = state.approval(asked.approval.id).await;
        assert!(
            matches!(read, Err(StateError::Unreadable { .. })),
            "{column}: {read:?}"
        );
    }
}
