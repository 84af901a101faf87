//! The agent's other door: an HTTP service, asked with curl.

use std::thread;

use anyhow::{Context as _, Result};
use e2e::receiver::{Post, Receiver};
use e2e::web::Answer;

use crate::setting::Setting;
use crate::story::Story;

/// Starts a small service with made-up customers.
pub(crate) fn service() -> Result<Receiver> {
    Receiver::answering(answer)
}

fn answer(request: &Post) -> String {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/customers/3") => {
            r#"{"id":3,"name":"Dan Sample 3","ssn":"103-04-0022","notes":"Called, SSN 103-04-0022"}"#
                .to_owned()
        }
        (method, path) => format!(r#"{{"done":"{method} {path}"}}"#),
    }
}

/// Reads: what is tagged by its place is masked, and so is what a plugin finds in free text.
pub(crate) fn agent_asks(story: &mut Story, setting: &Setting) -> Result<()> {
    story.step("The agent asks an HTTP service about the same customer, with curl and the same token");
    let answer = setting.request(story, &["-X", "GET"], "/customers/3")?;
    story.claim(
        "the answer came through",
        answer.status == 200 && answer.body.contains("Dan Sample 3"),
    )?;
    story.claim(
        "the SSN keeps its last four digits, and is gone from the notes",
        answer.body.contains("***-**-0022") && !answer.body.contains("103-04-0022"),
    )?;
    let asked = setting.service.posts();
    let credential = asked.last().map(|post| post.authorization.clone());
    story.claim(
        "the service was shown the gateway's credential and never saw the agent's token",
        credential.as_deref() == Some(&*format!("Bearer {}", e2e::gateway::WEB_TOKEN)),
    )
}

/// Refused: by the method, the path and what the classifier says.
pub(crate) fn agent_is_refused(story: &mut Story, setting: &Setting) -> Result<()> {
    story.step("The agent tries to delete all customers: the classifier finds that risky");
    let before = setting.service.posts().len();
    let answer = setting.request(story, &["-X", "DELETE"], "/customers")?;
    story.claim(
        "refused, with a problem document that names the rule",
        answer.status == 403 && answer.body.contains("policy-denied"),
    )?;
    story.claim(
        "the service heard nothing of it",
        setting.service.posts().len() == before,
    )
}

/// Held: curl waits for a human, too.
pub(crate) fn agent_waits(story: &mut Story, setting: &Setting) -> Result<()> {
    story.step("Placing an order needs a human's word: curl waits as psql did");
    let order = r#"{"customer":3,"amount":100}"#;
    let arguments = ["-X", "POST", "-H", "Content-Type: application/json", "-d", order];
    let told: &Story = story;
    let answer: Result<Answer> = thread::scope(|scope| {
        let asking = scope.spawn(|| setting.request(told, &arguments, "/orders"));
        let approval = crate::work::waiting(setting)?;
        let agreed = setting.administer(&["approve", &approval])?;
        told.ran("tidegate approve ID", &String::from_utf8_lossy(&agreed.stdout));
        asking.join().ok().context("curl's thread ended")?
    });
    let answer = answer?;
    story.claim(
        "the order was placed once people agreed",
        answer.status == 200 && answer.body.contains("POST /orders"),
    )
}
