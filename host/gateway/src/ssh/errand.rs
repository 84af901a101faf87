//! An operation on the road: judged, maybe held, written down. What a channel begins with and
//! what is done with files over it go the same way.

use std::sync::Arc;
use std::time::Duration;

use model::event::Outcome;
use model::{ApprovalId, Facts, OperationId, Refusal};
use proto::session::{Operation, Road, Waiting};
use russh::server;
use tokio_util::sync::CancellationToken;

use super::connection::Entered;
use super::output::ERRORS;
use super::pump::Sender;
use crate::asking::Asking;
use crate::clock;
use crate::gate::{Plain, Reading};

/// How often a client is told again that it waits.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// One operation, before it runs.
pub(super) struct Errand {
    /// What people and the journal are shown.
    pub(super) shown: String,
    pub(super) facts: Facts,
    /// What exactly an approval of it is for.
    pub(super) bound: Vec<u8>,
    /// Why it cannot be done here, whoever asks.
    pub(super) impossible: Option<Refusal>,
}

impl Errand {
    /// Has it judged, asks people where they are to agree, and makes the intent durable. Whoever
    /// waits is told so on `near`.
    pub(super) async fn travel(
        self,
        entered: &Entered,
        near: &Arc<Sender<server::Msg>>,
    ) -> Result<OperationId, Refusal> {
        let (stay, upstream) = (&entered.stay, &entered.upstream);
        let _busy = entered.busy();
        if stay.is_over() {
            return Err(stay.ending());
        }
        let operation = stay.operation();
        let judge = || {
            let reading = Reading {
                text: &self.shown,
                facts: &self.facts,
                refusal: self.impossible.clone(),
                key: None,
            };
            stay.services
                .gate
                .judge_plain(&stay.asker, &upstream.aim(), reading)
        };
        let judged = judge();
        stay.services.meters.judged(&judged.verdict);
        let mut road: Road<Plain> = Road::new(upstream.hold_for);
        road.enter(&mut vec![Operation::new(operation, None, None)]);
        road.judge(Arc::clone(&judged), clock::unix_us());
        if matches!(road.waiting(), Waiting::Approval { .. }) {
            let asking = Asking {
                stay,
                operation,
                shown: self.shown.clone(),
                head: self.bound.clone(),
                body: None,
                claimed: None,
            };
            let answered = CancellationToken::new();
            let _until_answered = answered.clone().drop_guard();
            let tell = |approval| tell_that_it_waits(near, approval, answered);
            asking.settle(&mut road, &judged, judge, tell).await;
        }
        stay.write_down(&mut road).await?;
        Ok(operation)
    }
}

fn tell_that_it_waits(near: &Arc<Sender<server::Msg>>, approval: ApprovalId, answered: CancellationToken) {
    let near = Arc::clone(near);
    let line = format!("tidegate: waiting for somebody to agree: approval {approval}\n");
    tokio::spawn(answered.run_until_cancelled_owned(async move {
        loop {
            if near.send(ERRORS, line.clone().into()).await.is_err() {
                return;
            }
            tokio::time::sleep(TOLD_EVERY).await;
        }
    }));
}

/// What came of an operation.
#[derive(Debug)]
pub(super) struct Spent {
    pub(super) result: &'static str,
    pub(super) status: Option<u32>,
    pub(super) sent: u64,
    pub(super) masked: u64,
}

impl Spent {
    /// It went well or not, and there is no more to say.
    pub(super) const fn of(result: &'static str) -> Self {
        Self {
            result,
            status: None,
            sent: 0,
            masked: 0,
        }
    }

    /// Writes down how an operation ended that began at `began_us`.
    pub(super) fn write_down(&self, entered: &Entered, operation: OperationId, began_us: u64) {
        let stay = &entered.stay;
        stay.outcome(&Outcome {
            operation,
            session: stay.asker.session,
            result: self.result,
            sqlstate: None,
            status: self.status,
            rows: 0,
            bytes: self.sent,
            masked: self.masked,
            took_us: clock::unix_us().saturating_sub(began_us),
        });
    }
}

/// Writes parts so that no two sequences of parts are the same.
pub(super) fn bind(bound: &mut Vec<u8>, part: &[u8]) {
    bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bound.extend_from_slice(part);
}
