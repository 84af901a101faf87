mod asks;
mod ends;

use std::collections::BTreeSet;

use model::grant::Terms;
use model::{ApprovalId, OperationKind};

use super::*;
use crate::approvals::Approvals;
use crate::ground::{Ground, customers, person};
use crate::locks::Locks;
use crate::policy::{Names, Policy};
use crate::postgres::{EndingCell, Notice, Sessions};
use crate::services::random;

/// Grants with everything they stand on.
pub(crate) struct Stage {
    pub(crate) ground: Ground,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) locks: Locks,
    pub(crate) grants: Grants,
    asking: Asking,
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
        let locks = Locks::open(ground.state.clone(), ground.journal.clone())
            .await
            .expect("read");
        let times = Times {
            decide_within: Duration::from_secs(60),
            use_within: Duration::from_secs(60),
            grant_for: Duration::from_secs(3_600),
        };
        let asking = Asking {
            policy: Arc::new(policy),
            approvals: Approvals::skeleton(),
            locks: locks.clone(),
            resources: HashMap::from([(customers(), times)]),
        };
        let sessions = Arc::new(Sessions::default());
        let grants = open(&ground, &sessions, &asking).await;
        Self {
            ground,
            sessions,
            locks,
            grants,
            asking,
        }
    }

    /// Takes everything up again, as a new start does.
    async fn restarted(&self) -> Grants {
        open(&self.ground, &self.sessions, &self.asking).await
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

async fn open(ground: &Ground, sessions: &Arc<Sessions>, asking: &Asking) -> Grants {
    let ends: Arc<dyn Ends> = Arc::clone(sessions) as _;
    Grants::open(ground.state.clone(), ground.journal.clone(), ends, asking.clone())
        .await
        .expect("read")
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
