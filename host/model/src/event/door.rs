//! What the journal says of operations that have no session: those that somebody carries out on
//! the gateway itself, through its API or its console.

use std::io::Write as _;

use serde::Serialize;

use super::{Judgement, begin, push_members};
use crate::id::OperationId;
use crate::principal::Principal;

/// The entry that must be durable before an operation on the gateway itself is carried out.
///
/// There is no session whose start would tell who it is, so it names the principal.
#[derive(Debug)]
pub struct DoorIntent<'a> {
    /// The operation.
    pub operation: OperationId,
    /// `api` or `console`.
    pub door: &'static str,
    /// Who does it.
    pub principal: &'a Principal,
    /// What is done, and what was decided.
    pub judgement: &'a Judgement,
}

/// The members that only this kind of intent has.
#[derive(Serialize)]
struct Members<'a> {
    kind: &'static str,
    operation: OperationId,
    door: &'static str,
    resource: &'static str,
    principal: &'a Principal,
}

impl DoorIntent<'_> {
    /// Appends the entry at `unix_us` (microseconds) to `out`.
    pub fn encode(&self, unix_us: u64, out: &mut Vec<u8>) {
        let body = begin(unix_us, out);
        let members = Members {
            kind: "op.intent",
            operation: self.operation,
            door: self.door,
            resource: crate::name::ResourceName::GATEWAY,
            principal: self.principal,
        };
        // Serialising these types into memory has no way to fail.
        let _ = serde_json::to_writer(&mut *out, &members);
        if let Some(brace) = out.get_mut(body) {
            *brace = b',';
        }
        out.pop();
        push_members(&self.judgement.json, out);
    }
}

/// The entry that says how such an operation ended.
#[derive(Debug)]
pub struct DoorOutcome {
    /// The operation.
    pub operation: OperationId,
    /// `api` or `console`.
    pub door: &'static str,
    /// `ok`, `error`, or `lost` where whoever asked left before it was known.
    pub result: &'static str,
    /// From the intent to the end, in microseconds.
    pub took_us: u64,
}

impl DoorOutcome {
    /// Appends the entry at `unix_us` (microseconds) to `out`.
    pub fn encode(&self, unix_us: u64, out: &mut Vec<u8>) {
        begin(unix_us, out);
        // Writing to memory cannot fail.
        let _ = write!(
            out,
            r#","kind":"op.outcome","operation":"{}","door":"{}","result":"{}","took_us":{}}}"#,
            self.operation, self.door, self.result, self.took_us
        );
    }
}
