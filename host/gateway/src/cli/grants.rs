//! `tidegate request` and `grants`: ask for access for a time, and see who has it.

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::EXIT_FAILED;
use super::remote::{
    EXIT_DENIED, EXIT_PENDING, Gateway, Remote, exit_status, part, print_json, table, text, when,
    with_parameters,
};
use super::terminal::Failure;

/// How often a command that waits asks whether somebody has answered.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// The arguments of `request`.
#[derive(Args, Clone, Debug)]
#[command(after_help = REQUEST_HELP)]
pub struct RequestArgs {
    /// On what.
    #[arg(long, value_name = "NAME")]
    pub resource: String,
    /// For how long, from when it is given: 30m, 8h.
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    pub time: u64,
    /// Which kinds of operation: read, write, schema, privilege.
    #[arg(long, value_name = "KIND", value_delimiter = ',', default_value = "read")]
    pub kinds: Vec<String>,
    /// Which relations, as schema.name; all if not given.
    #[arg(long, value_name = "RELATION", value_delimiter = ',')]
    pub relations: Vec<String>,
    /// Why: whoever answers reads it.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Wait until somebody has answered.
    #[arg(long)]
    pub wait: bool,
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

/// The arguments of `grants`.
#[derive(Args, Clone, Debug)]
#[command(after_help = GRANTS_HELP)]
pub struct GrantsArgs {
    /// Only those on this resource.
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
    /// Only those of this principal, ISSUER|SUBJECT.
    #[arg(long, value_name = "PRINCIPAL")]
    pub principal: Option<String>,
    /// Those that hold no more, too.
    #[arg(long)]
    pub all: bool,
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

const REQUEST_HELP: &str = exit_status!(
    "  tidegate request --resource customers --for 30m --reason 'ticket 4711' --token-file me.token
  tidegate request --resource customers --for 1h --kinds read,write --relations public.orders \\
    --reason 'ticket 4711' --wait --token-file me.token && psql …"
);

const GRANTS_HELP: &str = exit_status!(
    "  tidegate grants --token-file me.token
  tidegate grants --resource customers --all --json --token-file me.token"
);

/// Reads `90s`, `30m`, `8h`.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "write a number and s, m or h, e.g. 30m".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number
        .checked_mul(unit)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(wrong)
}

/// Carries out `request`; returns the exit status.
pub async fn request(args: RequestArgs) -> u8 {
    let done = async {
        let gateway = args.remote.gateway()?;
        let body = json!({
            "resource": args.resource, "kinds": args.kinds, "relations": args.relations,
            "seconds": args.time, "reason": args.reason,
        });
        let asked = gateway.post("/api/v1/grants", &body).await?;
        if !args.wait {
            if gateway.json {
                return print_json(&asked);
            }
            let id = text(&asked["approval"]);
            return table(&["approval"], &[vec![id]], "");
        }
        wait(&gateway, &text(&asked["approval"])).await
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}

/// Waits for an answer.
async fn wait(gateway: &Gateway, id: &str) -> Result<(), Failure> {
    let _ = writeln!(
        std::io::stderr().lock(),
        "approval {} waits for an answer",
        super::terminal::escape(id)
    );
    let path = format!("/api/v1/approvals/{}", part(id));
    loop {
        let approval = gateway.get(&path).await?;
        let outcome = match approval["standing"].as_str() {
            Some("pending") => None,
            Some("approved" | "used") => Some(Ok(())),
            Some("denied") => Some(Err((EXIT_DENIED, denied(&approval)))),
            Some("expired") => Some(Err((EXIT_PENDING, "nobody has answered in time".to_owned()))),
            _ => Some(Err((EXIT_FAILED, "it was withdrawn".to_owned()))),
        };
        match outcome {
            None => tokio::time::sleep(ASK_EVERY).await,
            Some(outcome) => {
                if gateway.json {
                    print_json(&approval)?;
                }
                return outcome.map_err(|(status, reason)| Failure::new(status, reason));
            }
        }
    }
}

fn denied(approval: &Value) -> String {
    let votes = approval["votes"].as_array();
    let no = votes
        .into_iter()
        .flatten()
        .rev()
        .find(|vote| vote["agrees"] == Value::Bool(false));
    match no.map(|vote| (text(&vote["by"]), text(&vote["comment"]))) {
        Some((by, comment)) => format!("denied by {by}: {comment}").replace(['\n', '\r'], " "),
        None => "it was denied".to_owned(),
    }
}

/// Carries out `grants`; returns the exit status.
pub async fn list(args: GrantsArgs) -> u8 {
    let done = async {
        let gateway = args.remote.gateway()?;
        let parameters = [
            ("resource", args.resource.as_deref()),
            ("principal", args.principal.as_deref()),
            ("standing", (!args.all).then_some("holding")),
        ];
        let page = gateway
            .get(&with_parameters("/api/v1/grants", &parameters))
            .await?;
        if gateway.json {
            return print_json(&page);
        }
        table(HEADINGS, &rows(&page["grants"]), "there are no grants")
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}

pub(super) const HEADINGS: &[&str] = &[
    "id",
    "standing",
    "resource",
    "who",
    "kinds",
    "relations",
    "ends",
    "reason",
];

pub(super) fn rows(grants: &Value) -> Vec<Vec<String>> {
    let grants = grants.as_array().map_or(&[][..], Vec::as_slice);
    let row = |grant: &Value| {
        let relations = match text(&grant["relations"]) {
            relations if relations.is_empty() => "all".to_owned(),
            relations => relations,
        };
        vec![
            text(&grant["id"]),
            text(&grant["standing"]),
            text(&grant["resource"]),
            text(&grant["principal"]),
            text(&grant["kinds"]),
            relations,
            when(&grant["ends"]),
            text(&grant["reason"]),
        ]
    };
    grants.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("8h"), Ok(28_800));
        for bad in [
            "",
            "30",
            "m",
            "0m",
            "-1h",
            "1d",
            "1.5h",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_denial_names_who_said_no_and_why() {
        let approval = json!({"votes": [
            {"by": "i|bob", "agrees": true, "comment": ""},
            {"by": "i|carol", "agrees": false, "comment": "not\ntoday"},
        ]});
        assert_eq!(denied(&approval), "denied by i|carol: not today");
        assert_eq!(denied(&json!({})), "it was denied");
    }
}
