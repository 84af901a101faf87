mod asks;
mod ends;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use model::grant::Terms;
use model::{ApprovalId, OperationKind};

use super::*;
use crate::approvals::Approvals;
use crate::clock;
use crate::ground::{Ground, customers, person};
use crate::locks::Locks;
use crate::policy::{Names, Policy};
use crate::services::random;
use crate::sessions::{EndingCell, Notice, Sessions};

/// Grants with everything they stand on.
pub(crate) struct Stage {
    pub(crate) ground: Ground,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) locks: Locks,
    pub(crate) grants: Grants,
    asking: Asking,
    /// How far the stage's clock is ahead, in microseconds.
    ahead_us: Arc<AtomicU64>,
}

impl Stage {
    /// Makes a stage on which `policy` decides.
    pub(crate) async fn new(policy: &str) -> Self {
        let ground = Ground::new().await;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("main.cedar");
        std::fs::write(&file, policy).expect("written");
        let names = Names {
            identities: vec!["corp".into()],
            resources: vec![customers(), ResourceName::new("other")],
            tags: Vec::new(),
        };
        let policy = Policy::load(&[file], &names).unwrap_or_else(|faults| panic!("{faults}"));
        let policy = Arc::new(policy);
        let ahead_us = Arc::new(AtomicU64::new(0));
        let approvals = Approvals::start(
            ground.state.clone(),
            ground.journal.clone(),
            Arc::clone(&policy),
            ahead(&ahead_us),
        )
        .await
        .expect("started");
        let locks = Locks::open(ground.state.clone(), ground.journal.clone())
            .await
            .expect("read");
        let times = Times {
            decide_within: Duration::from_secs(60),
            use_within: Duration::from_secs(60),
            grant_for: Duration::from_secs(3_600),
        };
        let asking = Asking {
            policy,
            approvals,
            locks: locks.clone(),
            resources: HashMap::from([(customers(), times)]),
        };
        let sessions = Arc::new(Sessions::default());
        let grants = open(&ground, &sessions, &asking, ahead(&ahead_us)).await;
        asking.approvals.on_grant(Arc::new(grants.clone()));
        Self {
            ground,
            sessions,
            locks,
            grants,
            asking,
            ahead_us,
        }
    }

    /// Takes everything up again, as a new start does.
    async fn restarted(&self) -> Grants {
        let clock = ahead(&self.ahead_us);
        open(&self.ground, &self.sessions, &self.asking, clock).await
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.asking.policy
    }

    pub(crate) fn approvals(&self) -> &Approvals {
        &self.asking.approvals
    }

    pub(crate) fn now_us(&self) -> u64 {
        ahead(&self.ahead_us).now_us()
    }

    /// Lets so many seconds pass for grants and approvals.
    pub(crate) fn pass(&self, seconds: u64) {
        self.ahead_us.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// Gives somebody all of `customers` for so many seconds from `begins_us`.
    pub(crate) async fn hold(&self, subject: &str, begins_us: u64, seconds: u64) -> Arc<Grant> {
        let grant = Arc::new(grant(subject, begins_us, seconds));
        self.grants.put_in_force(&grant).await.expect("given");
        grant
    }

    fn holding(&self, subject: &str, now_us: u64) -> usize {
        self.grants.holding(&person(subject), &customers(), now_us).len()
    }
}

async fn open(ground: &Ground, sessions: &Arc<Sessions>, asking: &Asking, clock: Clock) -> Grants {
    let ends: Arc<dyn Ends> = Arc::clone(sessions) as _;
    let (state, journal) = (ground.state.clone(), ground.journal.clone());
    Grants::open(state, journal, ends, asking.clone(), clock)
        .await
        .expect("read")
}

fn ahead(us: &Arc<AtomicU64>) -> Clock {
    let us = Arc::clone(us);
    Clock::of(move || clock::unix_us() + us.load(Ordering::Relaxed))
}

fn grant(subject: &str, begins_us: u64, seconds: u64) -> Grant {
    Grant {
        id: GrantId::new(begins_us / 1_000, random()),
        principal: person(subject).key(),
        delegation: Vec::new(),
        resource: customers(),
        terms: Terms {
            kinds: BTreeSet::from([OperationKind::Read]),
            relations: Vec::new(),
            seconds,
        },
        reason: "an incident".to_owned(),
        approval: ApprovalId::new(1, random()),
        begins_us,
        ends_us: begins_us + seconds * 1_000_000,
        revoked: None,
        used_us: None,
    }
}
