//! What is to be done with one question on one channel. Pure: results and the time come in.

use std::time::Duration;

use model::ApprovalId;
use plugin::{Code, Decision, FaultKind, PluginFault, Ticket, Update};

use super::super::time::micros;
use crate::backoff::Backoff;

/// How often a withdrawal is tried: the question is over whether or not it looks so outside.
const WITHDRAWALS_MAX: u32 = 5;

/// How far a question has got on a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// It is to be put, or may have been and nobody knows.
    Submit,
    /// It stands there.
    Open,
    /// It is over, which is to be said there.
    Withdraw,
    /// Nothing is left to do.
    Closed,
}

/// One question on one channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) approval: ApprovalId,
    pub(crate) stage: Stage,
    /// What the outside system calls it.
    pub(crate) ticket: Option<Ticket>,
    /// When something is to be done, in microseconds of Unix time; `None`: not by itself.
    pub(crate) next_us: Option<u64>,
    /// How often the same failed in a row.
    pub(crate) failures: u32,
}

/// What is to be done now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    Submit,
    Poll(Ticket),
    Withdraw(Ticket),
}

/// When it is, and random bits for the back-off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now_us: u64,
    pub(crate) random: u32,
}

impl Entry {
    pub(crate) const fn new(approval: ApprovalId, now_us: u64) -> Self {
        Self {
            approval,
            stage: Stage::Submit,
            ticket: None,
            next_us: Some(now_us),
            failures: 0,
        }
    }

    /// Returns what is due.
    pub(crate) fn call(&self, now_us: u64) -> Option<Call> {
        if self.next_us.is_none_or(|next| next > now_us) {
            return None;
        }
        match (self.stage, &self.ticket) {
            (Stage::Submit, _) => Some(Call::Submit),
            (Stage::Open, Some(ticket)) => Some(Call::Poll(ticket.clone())),
            (Stage::Withdraw, Some(ticket)) => Some(Call::Withdraw(ticket.clone())),
            (Stage::Open | Stage::Withdraw, None) | (Stage::Closed, _) => None,
        }
    }

    /// The question is over: said where it stands, at once. One of which no ticket came back
    /// cannot be named to the outside system, and is left; answers to it count for nothing.
    pub(crate) fn over(&mut self, now_us: u64) {
        match (self.stage, &self.ticket) {
            (Stage::Submit, None) | (Stage::Open, None) => self.close(),
            (Stage::Submit | Stage::Open, Some(_)) => {
                self.stage = Stage::Withdraw;
                self.failures = 0;
                self.next_us = Some(now_us);
            }
            (Stage::Withdraw | Stage::Closed, _) => {}
        }
    }

    /// What became of putting the question.
    pub(crate) fn submitted(&mut self, result: Result<Ticket, &PluginFault>, moment: Moment) {
        match result {
            Ok(ticket) => {
                self.stage = Stage::Open;
                self.failures = 0;
                self.next_us = poll_at(&ticket, moment.now_us);
                self.ticket = Some(ticket);
            }
            Err(fault) if is_hopeless(fault) => self.close(),
            Err(fault) => self.failed(fault, Duration::ZERO, moment),
        }
    }

    /// What became of asking how it stands.
    pub(crate) fn polled(&mut self, result: Result<&Update, &PluginFault>, moment: Moment) {
        match result {
            Ok(update) => {
                self.failures = 0;
                self.told(update, moment.now_us);
            }
            Err(fault) => {
                let often = self.ticket.as_ref().and_then(|ticket| ticket.poll_after_ms);
                let often = Duration::from_millis(often.unwrap_or(0).into());
                self.failed(fault, often, moment);
            }
        }
    }

    /// The outside system has told something by itself, or answered a poll.
    pub(crate) fn told(&mut self, update: &Update, now_us: u64) {
        if let Some(ticket) = &update.ticket {
            self.ticket = Some(ticket.clone());
        }
        if self.stage != Stage::Open {
            return;
        }
        match update.decision {
            Decision::Expired | Decision::Withdrawn => self.close(),
            Decision::Pending | Decision::Approved(_) | Decision::Denied(_) => {
                self.next_us = self.ticket.as_ref().and_then(|ticket| poll_at(ticket, now_us));
            }
        }
    }

    /// What became of saying that it is over.
    pub(crate) fn withdrawn(&mut self, result: Result<(), &PluginFault>, moment: Moment) {
        match result {
            Ok(()) => self.close(),
            Err(fault) if is_hopeless(fault) || self.failures + 1 >= WITHDRAWALS_MAX => self.close(),
            Err(fault) => self.failed(fault, Duration::ZERO, moment),
        }
    }

    fn close(&mut self) {
        self.stage = Stage::Closed;
        self.next_us = None;
        self.failures = 0;
    }

    fn failed(&mut self, fault: &PluginFault, least: Duration, moment: Moment) {
        let asked = patience(fault).map_or(least, |asked| asked.max(least));
        let mut backoff = Backoff::after(self.failures);
        let wait = match needs_operator(fault) {
            true => backoff.longest(moment.random, Some(asked)),
            false => backoff.next(moment.random, Some(asked)),
        };
        self.failures = self.failures.saturating_add(1);
        self.next_us = Some(moment.now_us.saturating_add(micros(wait)));
    }
}

fn poll_at(ticket: &Ticket, now_us: u64) -> Option<u64> {
    let after_us = u64::from(ticket.poll_after_ms?).saturating_mul(1_000);
    Some(now_us.saturating_add(after_us))
}

/// Returns how much patience the outside system asks for.
pub(crate) fn patience(fault: &PluginFault) -> Option<Duration> {
    match &fault.kind {
        FaultKind::Refused(error) => error.retry_after,
        _ => None,
    }
}

/// Whether the same can never succeed.
fn is_hopeless(fault: &PluginFault) -> bool {
    matches!(&fault.kind, FaultKind::Refused(error)
        if matches!(error.code, Code::InvalidInput | Code::Unsupported))
}

fn needs_operator(fault: &PluginFault) -> bool {
    matches!(&fault.kind, FaultKind::Refused(error)
        if matches!(error.code, Code::InvalidConfig | Code::Unauthorized))
}
