//! `tidegate approvals`, `approve` and `deny`: what waits for people, and their answers.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::remote::{Gateway, Remote, exit_status, part, print_json, table, text, when, with_parameters};
use super::terminal::{Failure, escape};

/// The arguments of `approvals`.
#[derive(Args, Clone, Debug)]
#[command(after_help = APPROVALS_HELP)]
pub struct ApprovalsArgs {
    /// One of them, with all that is known of it.
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Only those that stand like this: pending, approved, denied, expired, withdrawn or used;
    /// pending if not given.
    #[arg(long, value_name = "STANDING", conflicts_with = "all")]
    pub standing: Option<String>,
    /// However they stand.
    #[arg(long)]
    pub all: bool,
    /// Only those on this resource.
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

/// The arguments of `approve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = APPROVE_HELP)]
pub struct ApproveArgs {
    /// Which.
    #[arg(value_name = "ID")]
    pub id: String,
    /// A word to whoever asked.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub comment: String,
    /// Where the gateway is, and who answers.
    #[command(flatten)]
    pub remote: Remote,
}

/// The arguments of `deny`.
#[derive(Args, Clone, Debug)]
#[command(after_help = DENY_HELP)]
pub struct DenyArgs {
    /// Which.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why: whoever asked is told.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Where the gateway is, and who answers.
    #[command(flatten)]
    pub remote: Remote,
}

const APPROVALS_HELP: &str = exit_status!(
    "  tidegate approvals --token-file dba.token
  tidegate approvals 0192f0c1-2345-7abc-8def-0123456789ab --token-file dba.token
  tidegate approvals --all --resource customers --json --token-file dba.token"
);

const APPROVE_HELP: &str = exit_status!(
    "  tidegate approvals 0192f0c1-2345-7abc-8def-0123456789ab --token-file dba.token   # look first
  tidegate approve 0192f0c1-2345-7abc-8def-0123456789ab --comment 'ticket 4711' --token-file dba.token"
);

const DENY_HELP: &str = exit_status!(
    "  tidegate deny 0192f0c1-2345-7abc-8def-0123456789ab --reason 'not on a Friday' --token-file dba.token"
);

/// Carries out `approvals`; returns the exit status.
pub async fn list(args: ApprovalsArgs) -> u8 {
    let done = async {
        let gateway = args.remote.gateway()?;
        match &args.id {
            Some(id) => show(&gateway, &gateway.get(&of(id)).await?),
            None => show_all(&gateway, &args).await,
        }
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}

/// Carries out `approve`; returns the exit status.
pub async fn approve(args: ApproveArgs) -> u8 {
    answer(&args.remote, &args.id, true, &args.comment).await
}

/// Carries out `deny`; returns the exit status.
pub async fn deny(args: DenyArgs) -> u8 {
    answer(&args.remote, &args.id, false, &args.reason).await
}

async fn answer(remote: &Remote, id: &str, agrees: bool, comment: &str) -> u8 {
    let done = async {
        let gateway = remote.gateway()?;
        // The answer is to what stands now: if somebody changes it meanwhile, it does not count.
        let asked = gateway.get(&of(id)).await?;
        let revision = asked["revision"].as_u64().unwrap_or(0);
        let body = json!({"agrees": agrees, "comment": comment});
        let path = format!("{}/decision", of(id));
        show(&gateway, &gateway.post_at(&path, &body, revision).await?)
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}

fn of(id: &str) -> String {
    format!("/api/v1/approvals/{}", part(id))
}

async fn show_all(gateway: &Gateway, args: &ApprovalsArgs) -> Result<(), Failure> {
    let standing = match (&args.standing, args.all) {
        (_, true) => None,
        (Some(standing), _) => Some(standing.as_str()),
        (None, false) => Some("pending"),
    };
    let parameters = [("standing", standing), ("resource", args.resource.as_deref())];
    let page = gateway
        .get(&with_parameters("/api/v1/approvals", &parameters))
        .await?;
    if gateway.json {
        return print_json(&page);
    }
    let approvals = page["approvals"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<Vec<String>> = approvals
        .iter()
        .map(|approval| {
            vec![
                text(&approval["id"]),
                text(&approval["standing"]),
                when(&approval["asked"]),
                text(&approval["resource"]),
                text(&approval["requester"]["principal"]),
                text(&approval["case"]["title"]),
            ]
        })
        .collect();
    table(
        &["id", "standing", "asked", "resource", "who", "what"],
        &rows,
        "nothing waits for you",
    )?;
    if !page["next"].is_null() {
        let _ = writeln!(
            std::io::stderr().lock(),
            "there are more; --json shows how to go on"
        );
    }
    Ok(())
}

fn show(gateway: &Gateway, approval: &Value) -> Result<(), Failure> {
    if gateway.json {
        return print_json(approval);
    }
    let mut out = std::io::stdout().lock();
    let written = out.write_all(render(approval).as_bytes());
    written
        .and_then(|()| out.flush())
        .map_err(|error| Failure::of_output(&error))
}

/// Lays one approval out for reading: what the gateway knows first, the requester's own words
/// last and marked as such.
fn render(approval: &Value) -> String {
    let case = &approval["case"];
    let mut lines = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{name:<11}{}", escape(&value));
        }
    };
    line("approval", text(&approval["id"]));
    line("standing", text(&approval["standing"]));
    line("who", text(&approval["requester"]["principal"]));
    line("through", text(&approval["requester"]["delegation"]));
    line("resource", text(&approval["resource"]));
    line("what", text(&case["title"]));
    let operation = text(&case["operation"]);
    for (n, part) in operation.lines().enumerate() {
        line(if n == 0 { "operation" } else { "" }, part.to_owned());
    }
    if case["cut"] == Value::Bool(true) {
        line("", "(shown in part)".to_owned());
    }
    for (n, bind) in case["binds"].as_array().into_iter().flatten().enumerate() {
        let value = bind["text"].as_str().unwrap_or("NULL").to_owned();
        line(&format!("${}", n + 1), value);
    }
    for (n, setting) in case["settings"].as_array().into_iter().flatten().enumerate() {
        line(if n == 0 { "settings" } else { "" }, text(setting));
    }
    line("tags", text(&case["tags"]));
    line("risk", text(&case["assessment"]["score"]));
    for finding in case["assessment"]["findings"].as_array().into_iter().flatten() {
        line("", text(&finding["message"]));
    }
    line("rows", text(&case["estimated_rows"]));
    if case["transaction_open"] == Value::Bool(true) {
        line(
            "note",
            "a transaction is open: its locks are held meanwhile".to_owned(),
        );
    }
    if let Some(grant) = case["grant"].as_object() {
        line("kinds", text(&grant["kinds"]));
        line("relations", text(&grant["relations"]));
        line("for", format!("{} seconds", text(&grant["seconds"])));
    }
    line("needs", text(&approval["quorum"]));
    line("asked", when(&approval["asked"]));
    line("answer by", when(&approval["decide_by"]));
    for vote in approval["votes"].as_array().into_iter().flatten() {
        let said = if vote["agrees"] == Value::Bool(true) {
            "yes"
        } else {
            "no"
        };
        line(said, format!("{} {}", text(&vote["by"]), text(&vote["comment"])));
    }
    line("they say", text(&case["reason"]));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_laid_out_and_nothing_of_it_reaches_the_terminal_raw() {
        let shown = render(&json!({
            "id": "0192f0c1", "standing": "pending", "quorum": "2 of dba", "resource": "customers",
            "asked": "2026-01-31T08:30:00.000001Z",
            "requester": {"principal": "https://idp|agent-7", "delegation": []},
            "votes": [{"by": "https://idp|bob", "agrees": true, "comment": "fine"}],
            "case": {
                "title": "delete on customers", "operation": "delete\nfrom t\u{1b}]52;c;x\u{7}",
                "binds": [{"text": "1", "cut": false}, {"text": null, "cut": false}],
                "settings": ["work_mem = 64MB", "set search_path to evil"],
                "reason": "trust me\nrisk       0",
                "assessment": {"score": 90, "findings": [{"message": "no WHERE"}]},
            },
        }));
        assert_eq!(
            shown,
            "approval   0192f0c1\nstanding   pending\nwho        https://idp|agent-7\nresource   customers\n\
             what       delete on customers\noperation  delete\n           from t\\u{1b}]52;c;x\\u{7}\n\
             $1         1\n$2         NULL\nsettings   work_mem = 64MB\n           set search_path to evil\n\
             risk       90\n           no WHERE\nneeds      2 of dba\n\
             asked      2026-01-31T08:30:00Z\nyes        https://idp|bob fine\n\
             they say   trust me\\nrisk       0\n"
        );
    }
}
