//! The book of approvals: what a state database keeps of them, over restarts of the gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::approval::{Approval, ContentHash, Quorum, Standing, Subject, Vote, VoteError};
use model::{
    ApprovalId, Fault, OperationId, Principal, PrincipalKind, Refusal, ResourceName, Rule, SessionId,
};

/// How long a question can be answered, in microseconds: twice as long as a hold lasts.
pub const DECIDE_WITHIN_US: u64 = 10_000_000;

/// How long an answer can be used, in microseconds.
pub const USE_WITHIN_US: u64 = 8_000_000;

/// All approvals that were ever asked for.
#[derive(Clone, Debug)]
pub struct Book {
    kept: BTreeMap<ApprovalId, Kept>,
    quorum: Quorum,
}

#[derive(Clone, Debug)]
struct Kept {
    approval: Approval,
    /// The sessions that wait for it: in memory only, so none after a restart.
    waiting: Vec<SessionId>,
    sql: String,
    uses: usize,
}

/// What asking came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// It was agreed to before.
    Approved(ApprovalId),
    /// People have been asked.
    Waiting(ApprovalId),
}

/// How a session stopped waiting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Left {
    /// Nobody answered in its time: the question stays open.
    TimedOut,
    /// Nobody wants the answer any more.
    Gone,
}

impl Book {
    /// Makes an empty book in which so many people must agree.
    #[must_use]
    pub fn new(persons: u8) -> Self {
        let mut quorum = Quorum::default();
        quorum.shares[0].count = persons;
        Self {
            kept: BTreeMap::new(),
            quorum,
        }
    }

    /// Finds an open approval for the same content and requester, or asks anew.
    pub fn ask(
        &mut self,
        content: ContentHash,
        requester: &Arc<Principal>,
        session: SessionId,
        sql: &str,
        now_us: u64,
    ) -> Asked {
        let same = |kept: &&mut Kept| {
            let approval = &kept.approval;
            approval.content == content
                && approval.requester.key() == requester.key()
                && !approval.standing.is_final()
        };
        if let Some(kept) = self.kept.values_mut().find(same) {
            let id = kept.approval.id;
            match kept.approval.standing_at(now_us) {
                Standing::Approved => return Asked::Approved(id),
                Standing::Pending => {
                    kept.waiting.push(session);
                    kept.approval.waiting = Some(session);
                    return Asked::Waiting(id);
                }
                _ => kept.approval.expire(now_us),
            };
        }
        Asked::Waiting(self.put(content, requester, session, sql, now_us))
    }

    fn put(
        &mut self,
        content: ContentHash,
        requester: &Arc<Principal>,
        session: SessionId,
        sql: &str,
        now_us: u64,
    ) -> ApprovalId {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&(self.kept.len() as u64).to_be_bytes());
        let id = ApprovalId::new(0, random);
        let approval = Approval {
            id,
            subject: Subject::Operation,
            content,
            requester: Arc::clone(requester),
            resource: ResourceName::new("db"),
            quorum: self.quorum.clone(),
            waiting: Some(session),
            asked_us: now_us,
            decide_by_us: now_us + DECIDE_WITHIN_US,
            use_within_us: USE_WITHIN_US,
            approved_us: None,
            standing: Standing::Pending,
            revision: 0,
            votes: Vec::new(),
            used_by: None,
        };
        let kept = Kept {
            approval,
            waiting: vec![session],
            sql: sql.to_owned(),
            uses: 0,
        };
        self.kept.insert(id, kept);
        id
    }

    /// Takes in the answer of `voter`.
    ///
    /// # Errors
    /// It does not count.
    pub fn vote(
        &mut self,
        id: ApprovalId,
        voter: &str,
        agrees: bool,
        now_us: u64,
    ) -> Result<Standing, VoteError> {
        let vote = Vote {
            by: format!("https://idp|{voter}"),
            groups: Vec::new(),
            agrees,
            comment: String::new(),
            at_us: now_us,
            channel: "console".to_owned(),
        };
        match self.kept.get_mut(&id) {
            Some(kept) => kept.approval.vote(vote, now_us),
            None => Err(VoteError::NotPending(Standing::Withdrawn)),
        }
    }

    /// Uses an approval up for `operation`.
    ///
    /// # Errors
    /// It does not let that through.
    pub fn consume(
        &mut self,
        id: ApprovalId,
        content: &ContentHash,
        operation: OperationId,
        now_us: u64,
    ) -> Result<(), Refusal> {
        let kept = self.kept.get_mut(&id).ok_or_else(|| {
            Refusal::new(
                Rule::ApprovalUnavailable,
                Fault::Client,
                "there is no such approval",
            )
        })?;
        kept.approval.consume(content, operation, now_us)?;
        kept.uses += 1;
        Ok(())
    }

    /// Takes note that `session` does not wait any more.
    pub fn leave(&mut self, id: ApprovalId, session: SessionId, left: Left) {
        let Some(kept) = self.kept.get_mut(&id) else {
            return;
        };
        let Some(at) = kept.waiting.iter().position(|other| *other == session) else {
            return;
        };
        kept.waiting.remove(at);
        if kept.approval.standing.is_final() {
            return;
        }
        kept.approval.waiting = kept.waiting.last().copied();
        if left == Left::Gone && kept.waiting.is_empty() {
            kept.approval.withdraw();
        }
    }

    /// The gateway starts again: what a session waited for is withdrawn.
    pub fn restart(&mut self) {
        for kept in self.kept.values_mut() {
            kept.waiting.clear();
            if kept.approval.waiting.is_some() {
                kept.approval.withdraw();
            }
        }
    }

    /// Returns how an approval stands.
    #[must_use]
    pub fn standing(&self, id: ApprovalId, now_us: u64) -> Option<Standing> {
        Some(self.kept.get(&id)?.approval.standing_at(now_us))
    }

    /// Returns how all of them stand.
    #[must_use]
    pub fn standings(&self, now_us: u64) -> Vec<Standing> {
        let kept = self.kept.values();
        kept.map(|kept| kept.approval.standing_at(now_us)).collect()
    }

    /// Returns why an operation that waits for it does not run.
    #[must_use]
    pub fn refusal(&self, id: ApprovalId, now_us: u64) -> Option<Refusal> {
        let approval = &self.kept.get(&id)?.approval;
        Some(approval.refusal(approval.standing_at(now_us)))
    }

    /// Returns the approvals that can still be answered.
    #[must_use]
    pub fn pending(&self, now_us: u64) -> Vec<ApprovalId> {
        let kept = self.kept.values().map(|kept| &kept.approval);
        kept.filter(|approval| approval.standing_at(now_us) == Standing::Pending)
            .map(|approval| approval.id)
            .collect()
    }

    /// Returns the text that was asked about.
    #[must_use]
    pub fn text(&self, id: ApprovalId) -> Option<&str> {
        Some(&self.kept.get(&id)?.sql)
    }

    /// Returns the text that was asked about and the operation that used the approval for it.
    #[must_use]
    pub fn used(&self, id: ApprovalId) -> Option<(&str, OperationId)> {
        let kept = self.kept.get(&id)?;
        let used = kept.approval.standing == Standing::Used;
        let operation = kept.approval.used_by.filter(|_| used)?;
        Some((&kept.sql, operation))
    }

    /// Checks what holds of the book at any time.
    ///
    /// # Panics
    /// If it does not.
    pub fn check(&self) {
        let mut open = Vec::new();
        for Kept { approval, uses, .. } in self.kept.values() {
            assert!(*uses <= 1, "{approval:?} was used {uses} times");
            assert_eq!(*uses == 1, approval.standing == Standing::Used, "{approval:?}");
            if !approval.standing.is_final() {
                let key = (approval.requester.key(), approval.content);
                assert!(!open.contains(&key), "two are open for the same: {approval:?}");
                open.push(key);
            }
        }
    }

    /// Checks that nobody is asked for a session that has ended.
    ///
    /// # Panics
    /// If an approval still waits for `session`.
    pub fn check_gone(&self, session: SessionId) {
        for Kept {
            approval, waiting, ..
        } in self.kept.values()
        {
            let waits = approval.waiting == Some(session) && !approval.standing.is_final();
            assert!(!waits && !waiting.contains(&session), "{approval:?}");
        }
    }
}

/// A person of this name.
#[must_use]
pub fn person(subject: &str) -> Arc<Principal> {
    Arc::new(Principal {
        identity: "corp".to_owned(),
        issuer: "https://idp".to_owned(),
        subject: subject.to_owned(),
        groups: Vec::new(),
        kind: PrincipalKind::Person,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    })
}
