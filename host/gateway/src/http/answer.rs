//! The gateway's own answers.

use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use model::{OperationId, Refusal, Rule};
use proto::http::mcp;
use proto::http::problem::{Challenge, Circumstances, Problem};
use serde_json::Value;

use super::body::ResponseBody;
use super::connection::Running;

/// What an answer tells besides its problem.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) operation: Option<OperationId>,
    /// Where the console is, as people reach it.
    pub(super) console_url: Option<String>,
    /// Where it is said how to get a token.
    pub(super) metadata: Option<String>,
    /// The id of the message that is answered, where the Model Context Protocol is spoken.
    pub(super) message: Option<Value>,
}

/// After how many seconds it is worth to ask again whether people have answered.
const ASK_AGAIN_SECONDS: u64 = 5;

impl Told {
    /// Answers with what `problem` makes of the circumstances.
    pub(super) fn answer(
        &self,
        running: Option<Running>,
        problem: impl FnOnce(&Circumstances<'_>) -> Problem,
    ) -> Response<ResponseBody> {
        let operation = self.operation.map(|operation| operation.to_string());
        let circumstances = Circumstances {
            operation: operation.as_deref(),
            challenge: Challenge {
                resource_metadata: self.metadata.as_deref(),
                scope: None,
            },
            ..Circumstances::default()
        };
        respond(problem(&circumstances), running)
    }

    /// Answers that it does not run.
    pub(super) fn refuse(&self, running: Option<Running>, refusal: &Refusal) -> Response<ResponseBody> {
        let operation = self.operation.map(|operation| operation.to_string());
        let pending = refusal.rule == Rule::ApprovalPending;
        let approval = refusal.approval.filter(|_| pending);
        let url = approval
            .zip(self.console_url.as_deref())
            .map(|(approval, console)| format!("{console}/approvals/{approval}"));
        if let Some(id) = &self.message {
            let body = mcp::refused(id, refusal, url.as_deref());
            let mut response = Response::new(ResponseBody::own(body, running));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            return response;
        }
        let circumstances = Circumstances {
            operation: operation.as_deref(),
            approval_url: url.as_deref(),
            retry_after: pending.then_some(ASK_AGAIN_SECONDS),
            ..Circumstances::default()
        };
        respond(Problem::refused(refusal, &circumstances), running)
    }
}

fn respond(problem: Problem, running: Option<Running>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::own(problem.body, running));
    *response.status_mut() = problem.status;
    *response.headers_mut() = problem.headers;
    response
}
