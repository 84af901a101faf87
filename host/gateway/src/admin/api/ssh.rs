//! `/api/v1/ssh`: what somebody with a token logs in with over SSH.

use axum::extract::State;
use http::StatusCode;
use model::OperationKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::Site;
use crate::admin::caller::Caller;
use crate::admin::input::Content;
use crate::admin::operation::{Deed, Door, perform_own};
use crate::admin::output::Reply;
use crate::admin::problem::{Problem, ProblemBody};
use crate::cli::terminal::moment;
use crate::clock;
use crate::identity::Verified;
use crate::ssh::credentials::{Credentials, Uncertifiable, fingerprint, public_key};

/// A key that somebody wants a certificate for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCertificate {
    /// The public key, as it stands in a `.pub` file.
    #[schema(max_length = 16384)]
    public_key: String,
}

/// A certificate for a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CertificateBody {
    /// As it stands in a `-cert.pub` file.
    certificate: String,
    /// When it ends: in an hour, or with the token.
    expires: String,
    /// The same in seconds of Unix time.
    expires_unix: u64,
    /// The gateway's host key, to be kept in `known_hosts` behind its address.
    host_key: String,
    /// The port that the gateway listens on for SSH.
    port: u16,
    /// The resources that can be reached, by the names that stand before `@` in `ssh NAME@GATEWAY`,
    /// as far as the caller may connect.
    resources: Vec<String>,
}

/// What somebody wants a ticket for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTicket {
    /// The resource.
    resource: String,
}

/// A password for one login.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TicketBody {
    /// The password.
    ticket: String,
    /// When it ends unused.
    expires: String,
}

/// Gives the caller a certificate for a key, to log in over SSH with until the token ends.
#[utoipa::path(
    post,
    path = "/api/v1/ssh/certificates",
    operation_id = "ssh_certify",
    tag = "ssh",
    request_body = NewCertificate,
    responses(
        (status = 200, description = "The certificate.", body = CertificateBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn certify(
    State(site): State<Site>,
    caller: Caller,
    Content { value: wanted, .. }: Content<NewCertificate>,
) -> Result<Reply<CertificateBody>, Problem> {
    let services = &site.services;
    let (credentials, host_key) = door(&site)?;
    let key = public_key(&wanted.public_key).map_err(uncertified)?;
    let fingerprint = fingerprint(key.key_data());
    let deed = own("ssh certificate", format!("ssh-key/{fingerprint}"));
    let certified = async {
        let now = clock::unix_seconds();
        credentials
            .certify(&key, &verified(&caller), now)
            .map_err(uncertified)
    };
    let certified = perform_own(services, &caller.principal, Door::Api, deed, certified).await?;
    let resources = services.ssh.names().filter(|name| {
        let grants = services.grants.holding(&caller.principal, name, clock::unix_us());
        let policy = &services.gate.policy;
        let connect = policy.connect(&caller.principal, name, "ssh", clock::unix_seconds(), &grants);
        matches!(connect.verdict, model::Verdict::Run { .. })
    });
    let mut resources: Vec<String> = resources.map(ToString::to_string).collect();
    resources.sort_unstable();
    Ok(Reply(CertificateBody {
        certificate: certified.text,
        expires: moment(certified.until.saturating_mul(1_000_000)),
        expires_unix: certified.until,
        host_key,
        port: services.ssh.port.get().copied().unwrap_or_default(),
        resources,
    }))
}

/// Gives the caller a password for one login to a resource, for clients without certificates.
#[utoipa::path(
    post,
    path = "/api/v1/ssh/tickets",
    operation_id = "ssh_ticket",
    tag = "ssh",
    request_body = NewTicket,
    responses(
        (status = 200, description = "The ticket.", body = TicketBody),
        (status = "default", description = "Why not.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn ticket(
    State(site): State<Site>,
    caller: Caller,
    Content { value: wanted, .. }: Content<NewTicket>,
) -> Result<Reply<TicketBody>, Problem> {
    let (credentials, _) = door(&site)?;
    let deed = own("ssh ticket", format!("resource/{}", wanted.resource));
    let given = async {
        // Whether the resource is there is told at the login, to whoever may know.
        Ok(credentials.ticket(&wanted.resource, &verified(&caller), clock::unix_seconds()))
    };
    let services = &site.services;
    let (ticket, until) = perform_own(services, &caller.principal, Door::Api, deed, given).await?;
    Ok(Reply(TicketBody {
        ticket,
        expires: moment(until.saturating_mul(1_000_000)),
    }))
}

fn own(verb: &'static str, object: String) -> Deed {
    Deed {
        kind: OperationKind::Session,
        ..Deed::read(verb, object)
    }
}

fn verified(caller: &Caller) -> Verified {
    Verified {
        principal: (*caller.principal).clone(),
        expires: caller.expires,
        login: caller.login.clone(),
    }
}

fn door(site: &Site) -> Result<(&Credentials, String), Problem> {
    let ssh = &site.services.ssh;
    let host_key = ssh.host_key.as_ref().and_then(|key| key.to_openssh().ok());
    ssh.credentials
        .as_ref()
        .zip(host_key)
        .ok_or_else(|| Problem::not_found("SSH listener").hint("the operator can set ssh under [listen]"))
}

fn uncertified(error: Uncertifiable) -> Problem {
    match error {
        Uncertifiable::Failed => Problem::broken("a certificate could not be made", &error),
        Uncertifiable::NoKey | Uncertifiable::Weak | Uncertifiable::Expired => {
            Problem::new(StatusCode::BAD_REQUEST, "uncertifiable", error.to_string())
        }
    }
}
