//! What would happen to a statement, and why. Nothing runs.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use model::OperationKind;

use super::Console;
use super::form::Form;
use super::front::html;
use super::shell::Shell;
use super::text::{Found, Risk, Text, findings, who};
use super::visitor::Here;
use crate::admin::api::explain::explained;
use crate::admin::operation::{Deed, Door, perform};
use crate::admin::problem::Problem;
use crate::cli::explain::Explanation;

/// The page.
#[derive(Template)]
#[template(path = "explain.html")]
pub(crate) struct ExplainPage {
    pub(crate) shell: Shell,
    pub(crate) resources: Vec<String>,
    pub(crate) asked_resource: String,
    /// As they were typed: they go back into their fields, not onto the page.
    pub(crate) claims: String,
    pub(crate) sql: String,
    pub(crate) wrong: Option<Text>,
    pub(crate) answer: Option<Answer>,
}

/// What would happen.
pub(crate) struct Answer {
    state: &'static str,
    verdict: &'static str,
    meaning: &'static str,
    who: Text,
    kind: &'static str,
    relations: Vec<Text>,
    tags: Vec<Text>,
    risk: Option<Risk>,
    policies: Vec<Text>,
    reason: Option<Text>,
    hint: Option<Text>,
    notes: Vec<Text>,
    findings: Vec<Found>,
}

impl Answer {
    pub(crate) fn of(explanation: &Explanation) -> Self {
        let (name, issuer) = who(&explanation.principal.key());
        let refusal = explanation.refusal.as_ref();
        let relations = explanation
            .facts
            .statements
            .iter()
            .flat_map(|statement| &statement.relations);
        Self {
            state: explanation.verdict,
            verdict: explanation.verdict,
            meaning: match explanation.verdict {
                "run" => "It would run now.",
                "hold" => "It would wait until people agree.",
                _ => "It would be refused.",
            },
            who: Text::line(&format!("{name} ({issuer})")),
            kind: explanation.facts.kind().label(),
            relations: relations
                .map(|relation| match &relation.schema {
                    Some(schema) => Text::line(&format!("{schema}.{}", relation.name)),
                    None => Text::line(&relation.name),
                })
                .collect(),
            tags: explanation
                .facts
                .tags()
                .iter()
                .map(|tag| Text::line(tag.as_str()))
                .collect(),
            risk: explanation.assessment.as_ref().map(|assessment| Risk {
                score: assessment.score,
            }),
            policies: explanation
                .policies
                .iter()
                .map(|policy| Text::line(policy))
                .collect(),
            reason: refusal.map(|refusal| Text::line(&refusal.message)),
            hint: refusal
                .and_then(|refusal| refusal.hint.as_deref())
                .map(Text::line),
            notes: explanation.notes.iter().map(|note| Text::line(note)).collect(),
            findings: explanation.assessment.as_ref().map(findings).unwrap_or_default(),
        }
    }
}

/// Returns the resources by name, in order.
pub(super) fn resources(console: &Console) -> Vec<String> {
    // A request needs more than a text to be explained.
    let mut names: Vec<String> = console.site.services.upstreams.keys().cloned().collect();
    names.sort_unstable();
    names
}

/// `GET /console/explain`: asks nothing yet.
pub(super) async fn ask(State(console): State<Console>, here: Here) -> Response {
    html(&ExplainPage {
        shell: here.shell(&console, "Explain").await,
        resources: resources(&console),
        asked_resource: here.parameters.get("resource").unwrap_or_default().to_owned(),
        claims: String::new(),
        sql: String::new(),
        wrong: None,
        answer: None,
    })
}

/// `POST /console/explain`. A form and no address: a statement may hold what no log should.
pub(super) async fn answer(State(console): State<Console>, form: Form) -> Result<Response, Problem> {
    let (resource, claims) = (
        form.filled("resource")?.to_owned(),
        form.one("claims")?.to_owned(),
    );
    let sql = form.filled("sql")?.to_owned();
    let (answer, wrong) = match judged(&console, &form, &resource, &claims, &sql).await {
        Ok(explanation) => (Some(Answer::of(&explanation)), None),
        Err(problem) if problem.code == "invalid-claims" => (None, Some(Text::line(&problem.detail))),
        Err(problem) => return Err(problem),
    };
    Ok(html(&ExplainPage {
        shell: form.here.shell(&console, "Explain").await,
        resources: resources(&console),
        asked_resource: resource,
        claims,
        sql,
        wrong,
        answer,
    }))
}

async fn judged(
    console: &Console,
    form: &Form,
    resource: &str,
    claims: &str,
    sql: &str,
) -> Result<Explanation, Problem> {
    let (site, visitor) = (&console.site, &form.here.visitor);
    let principal = match claims {
        "" => Arc::clone(&visitor.principal),
        claims => {
            let imagined = site.services.identity.imagine(claims);
            Arc::new(imagined.map_err(|error| Problem::bad_request("invalid-claims", error.to_string()))?)
        }
    };
    // The statement may hold secrets, and nothing of it runs: it stays out of the journal.
    let deed = Deed {
        verb: "explain",
        kind: OperationKind::Read,
        object: format!("resource/{resource}"),
        text: format!("explain a statement of {} on {resource}", principal.key()),
    };
    let explaining = async {
        let upstream = site.services.upstream(resource);
        let upstream = upstream.ok_or_else(|| Problem::not_found("resource"))?;
        Ok(explained(site, &principal, &upstream, sql).await)
    };
    perform(
        &site.services,
        &visitor.principal,
        Door::Console,
        deed,
        explaining,
    )
    .await
}
