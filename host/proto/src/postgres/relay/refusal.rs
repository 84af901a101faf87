//! How a refusal reaches the client: as an error of the server's own, in the right place.
//!
//! A refused frame is replaced by one that runs a portal or a prepared statement which cannot
//! exist; its name is 128 random bits. The server fails there, skips and aborts as it would
//! for any error, and only the words of its answer are replaced by ours.

use std::fmt::Write as _;

use model::{ApprovalId, Fault, Refusal, Rule};
use sha2::{Digest as _, Sha256};

use super::expected::Denial;
use super::{Fatal, RelayOptions};
use crate::postgres::frame;
use crate::postgres::mask::build_error;

/// Returns the SQLSTATE under which clients see a rule.
#[must_use]
pub const fn sqlstate(rule: Rule) -> &'static str {
    match rule {
        Rule::ApprovalDenied
        | Rule::ApprovalPending
        | Rule::ApprovalUnavailable
        | Rule::PolicyDenied
        | Rule::TaggedUse => "42501",
        Rule::ClassifierFailed | Rule::MaskerFailed | Rule::PolicyError => "58000",
        Rule::Cancelled => "57014",
        Rule::JournalUnavailable | Rule::RecordingFailed => "58030",
        Rule::ProtocolRefused => "0A000",
        Rule::Locked | Rule::SessionEnded => "57P01",
        Rule::TransactionFailed => "25P02",
        Rule::Unparsable => "42601",
        Rule::UpstreamUnavailable => "08006",
    }
}

/// Appends the frame that makes the server fail in place of one that may not run.
///
/// `count` makes each name a new one: the server shows its statements to other sessions, and a
/// name once seen must not help anyone to prepare something under the next.
pub(super) fn put_poison(out: &mut Vec<u8>, options: &RelayOptions, count: u64, query: bool) {
    let hash = Sha256::new()
        .chain_update(options.nonce)
        .chain_update(count.to_be_bytes())
        .finalize();
    let mut name = String::from("__deny_");
    for byte in &hash[..16] {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    if query {
        frame::put(out, b'Q', |body| {
            frame::put_string(body, format!("EXECUTE \"{name}\"").as_bytes());
        });
    } else {
        frame::put(out, b'E', |body| {
            frame::put_string(body, name.as_bytes());
            body.extend_from_slice(&[0; 4]);
        });
    }
}

/// Appends the error that tells the client why.
pub(super) fn put_denial(out: &mut Vec<u8>, denial: &Denial) {
    match denial {
        Denial::Refused(refusal) => {
            let detail = detail(refusal.rule, refusal.fault, &refusal.policies, refusal.approval);
            let message = format!("refused: {}", refusal.message);
            build_error(
                "ERROR",
                sqlstate(refusal.rule),
                &message,
                Some(&detail),
                refusal.hint.as_deref(),
                out,
            );
        }
        Denial::NoPortal(name) => {
            let message = format!("portal \"{}\" does not exist", String::from_utf8_lossy(name));
            build_error("ERROR", "34000", &message, None, None, out);
        }
        Denial::NoStatement(name) if name.is_empty() => {
            let message = "unnamed prepared statement does not exist";
            build_error("ERROR", "26000", message, None, None, out);
        }
        Denial::NoStatement(name) => {
            let message = format!(
                "prepared statement \"{}\" does not exist",
                String::from_utf8_lossy(name)
            );
            build_error("ERROR", "26000", &message, None, None, out);
        }
    }
}

/// The machine-readable part of a refusal: the rule, who must act, the policies, the approval.
fn detail(rule: Rule, fault: Fault, policies: &[String], approval: Option<ApprovalId>) -> String {
    let mut detail = format!("rule={} fault={fault}", rule.label());
    if !policies.is_empty() {
        detail.push_str(" policies=");
        detail.push_str(&policies.join(","));
    }
    if let Some(approval) = approval {
        // Writing to a string cannot fail.
        let _ = write!(detail, " approval={approval}");
    }
    detail
}

/// Appends a notice to the client.
pub(super) fn put_notice(out: &mut Vec<u8>, message: &str, detail: &str) {
    frame::put(out, b'N', |body| {
        for (field, text) in [
            (b'S', "NOTICE"),
            (b'V', "NOTICE"),
            (b'C', "00000"),
            (b'M', message),
            (b'D', detail),
        ] {
            body.push(field);
            frame::put_string(body, text.as_bytes());
        }
        body.push(0);
    });
}

/// Appends the error that ends a session.
pub(super) fn put_fatal(out: &mut Vec<u8>, fatal: &Fatal) {
    let detail = fatal
        .rule
        .map(|rule| detail(rule, fatal.fault, &[], fatal.approval));
    build_error(
        "FATAL",
        fatal.sqlstate,
        &fatal.message,
        detail.as_deref(),
        fatal.hint.as_deref(),
        out,
    );
}

/// Function calls name a function by number and never pass the parser.
pub(super) fn function_call() -> Refusal {
    Refusal::new(
        Rule::ProtocolRefused,
        Fault::Client,
        "the FunctionCall message is not allowed",
    )
    .hint("call the function in a SELECT statement")
}

/// More names than a session may keep.
pub(super) fn too_many_names() -> Refusal {
    Refusal::new(
        Rule::ProtocolRefused,
        Fault::Client,
        "the session has too many prepared statements or portals",
    )
    .hint("close some of them first")
}

/// A statement or its values are larger than what is kept to judge it.
pub(super) fn too_large() -> Refusal {
    Refusal::new(
        Rule::ProtocolRefused,
        Fault::Client,
        "the message is larger than the gateway judges",
    )
    .hint("send large values with COPY, or in several statements")
}

/// The client said goodbye before a human answered.
pub(super) fn client_left() -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Client,
        "the client left before the operation was approved",
    )
}
