//! What the agent does, and what it is not allowed to do.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::client::Answer;

use crate::setting::Setting;
use crate::story::Story;

/// Reads: the answer is right, and what is tagged is masked.
pub(crate) fn agent_reads(story: &mut Story, setting: &Setting) -> Result<()> {
    story.step(
        "The agent looks up a customer. The SSN, card and e-mail columns are tagged: a plugin masks them",
    );
    let answer = setting.ask(
        story,
        "select name, ssn, card, email, balance from customers where id = 3",
    )?;
    story.claim(
        "the row came through",
        answer.ok && answer.rows.starts_with("Dan Sample 3|"),
    )?;
    story.claim(
        "the SSN and the card keep their last four digits, the e-mail is gone",
        answer.rows.contains("|***-**-0022|************1117||"),
    )?;
    let stored = setting.server.query("select ssn from customers where id = 3")?;
    story.claim("the server has the whole SSN", stored.trim() == "103-04-0022")?;

    story.step("The same as a prepared statement, run twice");
    let answer = setting.ask_each(
        story,
        &[
            "prepare one (int) as select id, name, ssn from customers where id = $1",
            "execute one(1)",
            "execute one(2)",
        ],
    )?;
    story.claim(
        "both rows are masked",
        answer.rows.contains("***-**-0008") && answer.rows.contains("***-**-0015"),
    )?;

    story.step(
        "Free text is nobody's tagged column, so another plugin searches it, and replaces what it finds",
    );
    let answer = setting.ask(
        story,
        "select notes from customers where id in (3, 4) order by id",
    )?;
    story.claim(
        "the notes came through",
        answer.ok && answer.rows.contains("Called about an invoice"),
    )?;
    let gone = [
        "103-04-0022",
        "4111 1111 1111 1111",
        "customer.4@example.com",
        "DE89370400440532013000",
    ];
    story.claim("without the SSN, the card, the address and the IBAN in them", {
        gone.iter().all(|value| !answer.rows.contains(value))
    })
}

/// Refused: and the refusal says which rule, and what to do instead.
pub(crate) fn agent_is_refused(story: &mut Story, setting: &Setting) -> Result<()> {
    story.step(
        "The agent tries to find a customer by SSN. Asking yes-or-no questions of masked data is refused",
    );
    let answer = setting.ask(story, "select name from customers where ssn like '103-%'")?;
    story.claim(
        "refused, with the rule",
        !answer.ok && answer.errors.contains("tagged-use"),
    )?;
    story.claim("and what is allowed instead", answer.errors.contains("HINT"))?;

    story
        .step("The agent tries to delete everything. The classifier finds it risky, so no policy permits it");
    let answer = setting.ask(story, "delete from orders")?;
    story.claim(
        "refused by policy",
        !answer.ok && answer.errors.contains("policy-denied"),
    )?;
    let left = setting.server.query("select count(*) from orders")?;
    story.claim("the server still has all 5000 orders", left.trim() == "5000")?;

    story.step("A careful change of one row is not risky, and runs");
    let answer = setting.ask(
        story,
        "update orders set remark = 'called back' where id = 17 returning id, remark",
    )?;
    story.claim("it ran", answer.ok && answer.rows.trim() == "17|called back")
}

/// Held: a human is asked, and the same psql goes on once they agreed.
pub(crate) fn agent_waits(story: &mut Story, setting: &Setting) -> Result<()> {
    story.step("Deleting one order needs a human's word: psql just waits, on an ordinary connection");
    let psql = setting.begin(story, "delete from orders where id = 17 returning id")?;
    let approval = waiting(setting)?;
    let shown = setting.administer(&["approvals", &approval])?;
    story.ran(
        "tidegate approvals ID     (as Dana, a database administrator)",
        &String::from_utf8_lossy(&shown.stdout),
    );
    let order = "select count(*) from orders where id = 17";
    story.claim(
        "nothing has run so far",
        setting.server.query(order)?.trim() == "1",
    )?;
    let agreed = setting.administer(&["approve", &approval, "--comment", "ticket 4711"])?;
    story.ran(
        "tidegate approve ID --comment 'ticket 4711'",
        &String::from_utf8_lossy(&agreed.stdout),
    );
    let answer = Answer::of(&psql.wait_with_output()?);
    story.got(&answer);
    story.claim(
        "the agent's psql went on by itself",
        answer.ok && answer.rows.trim() == "17",
    )?;
    story.claim(
        "and the order is gone",
        setting.server.query(order)?.trim() == "0",
    )
}

/// Waits until one operation is held; returns its approval's id.
pub(crate) fn waiting(setting: &Setting) -> Result<String> {
    let since = Instant::now();
    loop {
        let listed = setting.administer(&["approvals", "--json"])?;
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout)
            .with_context(|| String::from_utf8_lossy(&listed.stderr).into_owned())?;
        if let Some(id) = listed["approvals"][0]["id"].as_str() {
            return Ok(id.to_owned());
        }
        ensure!(since.elapsed() < HELD_WITHIN, "nothing is held: {listed}");
    }
}

/// How long it may take until a held statement is among those that wait.
const HELD_WITHIN: Duration = Duration::from_secs(30);
