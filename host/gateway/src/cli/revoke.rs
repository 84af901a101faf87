//! `tidegate revoke`, `locks` and `lift`: shut somebody or something out, at once.

use clap::Args;
use serde_json::{Value, json};

use super::remote::{Remote, exit_status, part, print_json, table, text, when};
use super::terminal::Failure;

/// The arguments of `revoke`.
#[derive(Args, Clone, Debug)]
#[command(after_help = REVOKE_HELP)]
pub struct RevokeArgs {
    /// Who or what.
    #[command(flatten)]
    pub target: Target,
    /// Why: those whom it hits are told.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

/// Who or what is revoked.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Target {
    /// A principal, ISSUER|SUBJECT: shut out until the lock is lifted.
    #[arg(long, value_name = "PRINCIPAL")]
    pub principal: Option<String>,
    /// One live session: ended.
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// A grant: taken back, and the sessions that depend on it ended.
    #[arg(long, value_name = "ID")]
    pub grant: Option<String>,
    /// A resource: nobody uses it until the lock is lifted.
    #[arg(long, value_name = "NAME")]
    pub resource: Option<String>,
    /// Everything: nobody uses any resource until the lock is lifted.
    #[arg(long)]
    pub all: bool,
}

/// The arguments of `locks`.
#[derive(Args, Clone, Debug)]
#[command(after_help = LOCKS_HELP)]
pub struct LocksArgs {
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

/// The arguments of `lift`.
#[derive(Args, Clone, Debug)]
#[command(after_help = LIFT_HELP)]
pub struct LiftArgs {
    /// The lock.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Where the gateway is, and who asks.
    #[command(flatten)]
    pub remote: Remote,
}

const REVOKE_HELP: &str = exit_status!(
    "  tidegate revoke --principal 'https://idp.example.com|agent-7' --reason 'leaked token' --token-file sec.token
  tidegate revoke --session 0192f0c1-2345-7abc-8def-0123456789ab --reason 'wrong database' --token-file sec.token
  tidegate revoke --resource customers --reason 'incident 12' --token-file sec.token
  tidegate revoke --all --reason 'incident 12' --token-file sec.token"
);

const LOCKS_HELP: &str = exit_status!("  tidegate locks --token-file sec.token");

const LIFT_HELP: &str =
    exit_status!("  tidegate lift 0192f0c1-2345-7abc-8def-0123456789ab --token-file sec.token");

/// Carries out `revoke`; returns the exit status.
pub async fn revoke(args: RevokeArgs) -> u8 {
    let done = async {
        let gateway = args.remote.gateway()?;
        let (path, body) = asked(&args.target, &args.reason);
        let revoked = gateway.post(&path, &body).await?;
        if gateway.json {
            return print_json(&revoked);
        }
        let row = vec![text(&revoked["lock"]["id"]), text(&revoked["sessions_ended"])];
        table(&["lock", "sessions ended"], &[row], "")
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}

/// Returns where a revocation is asked for, and with which words.
fn asked(target: &Target, reason: &str) -> (String, Value) {
    let lock = |target: Value| {
        (
            "/api/v1/locks".to_owned(),
            json!({"target": target, "reason": reason}),
        )
    };
    match target {
        Target {
            session: Some(id), ..
        } => (
            format!("/api/v1/sessions/{}/end", part(id)),
            json!({"reason": reason}),
        ),
        Target { grant: Some(id), .. } => (
            format!("/api/v1/grants/{}/revoke", part(id)),
            json!({"reason": reason}),
        ),
        Target {
            principal: Some(principal),
            ..
        } => lock(json!({"kind": "principal", "value": principal})),
        Target {
            resource: Some(resource),
            ..
        } => lock(json!({"kind": "resource", "value": resource})),
        Target { .. } => lock(json!({"kind": "all"})),
    }
}

/// Carries out `locks`; returns the exit status.
pub async fn list(args: LocksArgs) -> u8 {
    let done = async {
        let gateway = args.remote.gateway()?;
        let page = gateway.get("/api/v1/locks").await?;
        if gateway.json {
            return print_json(&page);
        }
        let locks = page["locks"].as_array().map_or(&[][..], Vec::as_slice);
        let rows: Vec<Vec<String>> = locks
            .iter()
            .map(|lock| {
                vec![
                    text(&lock["id"]),
                    text(&lock["target"]["kind"]),
                    text(&lock["target"]["value"]),
                    when(&lock["since"]),
                    text(&lock["by"]),
                    text(&lock["reason"]),
                ]
            })
            .collect();
        table(
            &["id", "kind", "who or what", "since", "by", "reason"],
            &rows,
            "nobody is shut out",
        )
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}

/// Carries out `lift`; returns the exit status.
pub async fn lift(args: LiftArgs) -> u8 {
    let done = async {
        let gateway = args.remote.gateway()?;
        let lifted = gateway
            .delete(&format!("/api/v1/locks/{}", part(&args.id)))
            .await?;
        if gateway.json {
            return print_json(&lifted);
        }
        table(&["lifted"], &[vec![text(&lifted["id"])]], "")
    };
    done.await.map_or_else(|failure: Failure| failure.say(), |()| 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Target = Target {
        principal: None,
        session: None,
        grant: None,
        resource: None,
        all: false,
    };

    #[test]
    fn everything_that_can_be_revoked_has_its_place() {
        let of = |target: Target| asked(&target, "why");
        let (path, body) = of(Target {
            principal: Some("https://idp|a".into()),
            ..NOTHING
        });
        assert_eq!(path, "/api/v1/locks");
        assert_eq!(
            body,
            json!({"target": {"kind": "principal", "value": "https://idp|a"}, "reason": "why"})
        );
        let (path, body) = of(Target { all: true, ..NOTHING });
        assert_eq!(path, "/api/v1/locks");
        assert_eq!(body["target"], json!({"kind": "all"}));
        let (path, _) = of(Target {
            session: Some("a/b".into()),
            ..NOTHING
        });
        assert_eq!(path, "/api/v1/sessions/a%2Fb/end");
        let (path, _) = of(Target {
            grant: Some("g".into()),
            ..NOTHING
        });
        assert_eq!(path, "/api/v1/grants/g/revoke");
    }
}
