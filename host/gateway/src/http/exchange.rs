//! The way of one request: received, known, judged, written down, let through, answered.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use model::{ApprovalId, Facts, Fault, OperationId, Refusal, Rule, Verdict};
use proto::http::admit::{Admitted, BodyLength, admit};
use proto::http::mcp::List;
use proto::http::problem::{APPROVAL_HEADER, Problem, TokenFault};
use proto::http::rejection::Rejection;
use proto::http::route::Found as Route;
use proto::session::{Operation, Road, Waiting};
use serde_json::Value;

use super::answer::Told;
use super::body::{RequestBody, ResponseBody, Streamed};
use super::connection::{Connection, Running};
use super::masks::{Masking, Masks};
use super::mcp;
use super::metadata;
use super::pass;
use super::reading::{self, Read};
use super::record::Exchange;
use super::upstream::Found;
use super::visit::{Visit, digest};
use crate::asking::Asking;
use crate::clock;
use crate::config::UnknownContent;
use crate::door::{Door, Shut};
use crate::gate::{JudgedPlain, Plain};

/// Answers one request.
pub(super) async fn answer(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let running = connection.running();
    let number = connection.requests.fetch_add(1, Ordering::Relaxed);
    let told = Told {
        console_url: connection.services.console_url.clone(),
        ..Told::default()
    };
    if let Some(violation) = connection.watch.violation(number) {
        let rejection = violation.rejection();
        return told.answer(Some(running), |around| Problem::rejected(&rejection, around));
    }
    let _offer = Offer(&connection);
    match arrive(&connection, request).await {
        Ok(arrived) => arrived.go(told, running).await,
        Err(Outside::Turned(turned)) => turned.answer(&told, running),
        Err(Outside::Unknown(fault, metadata)) => {
            let told = Told {
                metadata: Some(metadata),
                ..told
            };
            told.answer(Some(running), |around| Problem::unauthorized(fault, around))
        }
        Err(Outside::Asks(document)) => metadata::answer(document, running),
    }
}

/// Tells the guard that the connection goes on as it was, unless it was switched meanwhile.
struct Offer<'a>(&'a Connection);

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        self.0.watch.settle(false);
    }
}

/// Why a request has no session.
enum Outside {
    Turned(Turned),
    /// Nobody knows whose it is; at this address it is said how to get a token.
    Unknown(TokenFault, String),
    /// It asks for what everybody may know.
    Asks(Vec<u8>),
}

impl<T: Into<Turned>> From<T> for Outside {
    fn from(turned: T) -> Self {
        Self::Turned(turned.into())
    }
}

/// Why a request does not go on.
enum Turned {
    /// It has no single meaning, or is for nobody.
    Rejected(Rejection),
    Refused(Refusal),
}

impl From<Rejection> for Turned {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Turned {
    fn answer(&self, told: &Told, running: Running) -> Response<ResponseBody> {
        match self {
            Self::Rejected(rejection) => {
                told.answer(Some(running), |around| Problem::rejected(rejection, around))
            }
            Self::Refused(refusal) => told.refuse(Some(running), refusal),
        }
    }
}

/// A request of somebody who may have a session on its resource.
pub(super) struct Arrived {
    pub(super) connection: Arc<Connection>,
    pub(super) visit: Arc<Visit>,
    /// With the path within the resource.
    pub(super) admitted: Admitted,
    /// What stands before the path in the client's view.
    pub(super) prefix: String,
    /// Until it is read or sent on.
    incoming: Option<Incoming>,
    pub(super) on_upgrade: Option<OnUpgrade>,
}

async fn arrive(connection: &Arc<Connection>, mut request: Request<Incoming>) -> Result<Arrived, Outside> {
    let upstreams = &connection.services.http;
    let on_upgrade = request
        .headers()
        .contains_key(http::header::UPGRADE)
        .then(|| hyper::upgrade::on(&mut request));
    let (head, incoming) = request.into_parts();
    let options = upstreams.options(&head.uri, &head.headers, connection.is_tls);
    let mut admitted = admit(&head.method, &head.uri, head.version, &head.headers, &options)?;
    if admitted.refuses_body && !incoming.is_end_stream() {
        return Err(Rejection::malformed("body", "a request with this method has no body here").into());
    }
    if let Some(document) = metadata::document(connection, &admitted) {
        return Err(Outside::Asks(document));
    }
    let token = admitted
        .token
        .take()
        .ok_or_else(|| Outside::Unknown(TokenFault::Missing, metadata::address(connection, &admitted)))?;
    let found = upstreams.find(admitted.authority.host(), &admitted.path);
    let visit = match found.as_ref().and_then(|found| {
        let digest = digest(token.secret());
        connection.visit(digest, &found.upstream.name)
    }) {
        Some(visit) => visit,
        None => enter(connection, token.secret(), &admitted, found.as_ref()).await?,
    };
    let Some(Found { path, prefix, .. }) = found else {
        return Err(no_resource().into());
    };
    admitted.path = path;
    Ok(Arrived {
        connection: Arc::clone(connection),
        visit,
        admitted,
        prefix,
        incoming: Some(incoming),
        on_upgrade,
    })
}

/// Finds out who it is, and begins a session if there may be one.
async fn enter(
    connection: &Arc<Connection>,
    token: &str,
    admitted: &Admitted,
    found: Option<&Found>,
) -> Result<Arc<Visit>, Outside> {
    let services = &connection.services;
    let resource = found.map(|found| &found.upstream.name);
    let verified = services.identity.verify(token, clock::unix_seconds()).await;
    let verified = verified.map_err(|error| {
        services.login_refused(&connection.client, resource, &error.to_string());
        Outside::Unknown(TokenFault::Invalid, metadata::address(connection, admitted))
    })?;
    // Known from here on; but not told whether a resource exists that may not be used.
    let principal = Arc::new(verified.principal.clone());
    let turned = |refusal: Refusal| {
        let reason = format!("{}: {}", refusal.rule.label(), refusal.message);
        services.login_refused(&connection.client, resource, &reason);
        Outside::from(refusal)
    };
    services.locks.check_principal(&principal).map_err(turned)?;
    let Some(found) = found else {
        services.login_refused(&connection.client, None, "no such resource");
        return Err(no_resource().into());
    };
    let name = &found.upstream.name;
    let let_in = Door::of(services).let_in(&principal, name, "http").await;
    let grant = let_in.map_err(|shut| match shut {
        Shut::Told(refusal) => turned(refusal),
        Shut::Hidden(reason) => {
            services.login_refused(&connection.client, resource, &reason);
            no_resource().into()
        }
    })?;
    let begin = || Visit::begin(connection, &found.upstream, (principal, verified), grant);
    let visit = connection
        .keep(digest(token), name, crowded, begin)
        .map_err(turned)?;
    // What was revoked before the session was listed did not reach it.
    if let Err(refusal) = visit.still_let_in() {
        visit.end("revoked").await;
        return Err(refusal.into());
    }
    Ok(visit)
}

/// The same for what is not there and for what may not be used.
fn no_resource() -> Rejection {
    let message = "there is no such resource, or you may not use it";
    Rejection::new(StatusCode::NOT_FOUND, "resource", message)
        .hint("name the resource by its host, or as the first segment of the path")
}

fn crowded() -> Refusal {
    let message = "too many tokens and resources came over this connection";
    Refusal::new(Rule::ProtocolRefused, Fault::Client, message).hint("open another connection")
}

/// A request that came off the road with leave to run.
pub(super) struct Released {
    pub(super) arrived: Arrived,
    pub(super) masks: Option<Arc<Masks>>,
    pub(super) exchange: Exchange,
    pub(super) operation: OperationId,
    pub(super) body: RequestBody,
    /// What of the answer is cut to what the caller may call.
    pub(super) list: Option<(List, Facts)>,
}

impl Arrived {
    /// Takes the request along the road, and answers it.
    async fn go(self, mut told: Told, running: Running) -> Response<ResponseBody> {
        let operation = self.visit.operation();
        told.operation = Some(operation);
        let message = OnceLock::new();
        match self.travel(operation, &message).await {
            Ok(released) => pass::answer(released, told, running).await,
            Err(turned) => {
                told.message = message.into_inner();
                turned.answer(&told, running)
            }
        }
    }

    /// Takes the request along the road; the id of its message is put into `message`.
    async fn travel(mut self, operation: OperationId, message: &OnceLock<Value>) -> Result<Released, Turned> {
        let visit = Arc::clone(&self.visit);
        let masks = visit.masks().map_err(Turned::Refused)?;
        let exchange = Exchange::of(&visit);
        exchange.request(
            self.admitted.method.as_str(),
            &reading::target(&self.admitted),
            &self.admitted.headers,
        );
        if visit.upstream.config.mcp {
            mcp::check(&self.admitted)?;
        }
        let mut read = reading::head(&self.admitted, &visit.upstream).map_err(Turned::Rejected)?;
        read.refusal = self.impossible(masks.as_deref());
        let mut body = None;
        if read.refusal.is_none() && reading::needs_body(&self.admitted, &visit.upstream) {
            body = Some(self.read_body(masks.as_ref(), &exchange).await?);
            let whole = body.as_deref().unwrap_or_default();
            reading::body(&mut read, whole, &self.admitted, &visit.upstream);
            if let Some(id) = read.call.as_ref().and_then(|call| call.id.clone()) {
                let _ = message.set(id);
            }
        }
        let judge = || {
            visit
                .services
                .gate
                .judge_plain(&visit.asker, &visit.upstream.aim(), read.as_reading())
        };
        let judged = judge();
        visit.services.meters.judged(&judged.verdict);
        if matches!(judged.verdict, Verdict::Hold { .. }) && body.is_none() {
            body = Some(self.read_body(masks.as_ref(), &exchange).await?);
        }
        let mut road: Road<Plain> = Road::new(reading::patience(&self.admitted, visit.upstream.hold_for));
        let commitment = body.as_deref().map(|body| reading::commitment(&visit.salt, body));
        road.enter(&mut vec![Operation::new(operation, None, commitment)]);
        road.judge(Arc::clone(&judged), clock::unix_us());
        if matches!(road.waiting(), Waiting::Approval { .. }) {
            let whole = body.clone().unwrap_or_default();
            self.ask(&mut road, &judged, operation, &whole, &read, judge)
                .await;
        }
        visit.write_down(&mut road).await.map_err(Turned::Refused)?;
        let body = match body {
            Some(body) => RequestBody::whole(body),
            None => self.stream_body(masks.as_ref(), &exchange)?,
        };
        Ok(Released {
            arrived: self,
            masks: masks.filter(|masks| !masks.is_identity()),
            exchange,
            operation,
            body,
            list: read.list(),
        })
    }

    /// Whether the request asks for what this resource cannot do, whoever asks.
    fn impossible(&self, masks: Option<&Masks>) -> Option<Refusal> {
        let upstream = &self.visit.upstream;
        let refuse = |rule, message: &'static str, hint: &'static str| {
            Some(Refusal::new(rule, Fault::Client, message).hint(hint))
        };
        if let Some(Route::Ambiguous) = upstream.route(&self.admitted) {
            let message = "the path fits two routes, and nobody knows which the upstream takes";
            return refuse(Rule::Unparsable, message, "ask the operator for a clearer route");
        }
        match self.admitted.upgrade.as_deref() {
            None => None,
            Some("websocket") if !upstream.config.websocket => refuse(
                Rule::ProtocolRefused,
                "this resource does not take WebSocket",
                "the operator can set websocket = true",
            ),
            Some("websocket") if masks.is_some_and(|masks| !masks.is_identity()) => refuse(
                Rule::TaggedUse,
                "WebSocket cannot be masked, and this resource has data to be masked",
                "use plain requests",
            ),
            Some("websocket") => None,
            Some(_) => refuse(
                Rule::ProtocolRefused,
                "no protocol but WebSocket can be switched to",
                "leave the Upgrade header out",
            ),
        }
    }

    /// Reads the whole body, as it goes upstream.
    async fn read_body(&mut self, masks: Option<&Arc<Masks>>, exchange: &Exchange) -> Result<Bytes, Turned> {
        let max = usize::try_from(self.visit.upstream.config.body_max).unwrap_or(usize::MAX);
        let too_large = || {
            let message = format!("the body is longer than {max} bytes, which is all that can be judged");
            Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "body", message)
        };
        if let BodyLength::Exact(length) = self.admitted.body
            && length > max as u64
        {
            return Err(too_large().into());
        }
        let Some(incoming) = self.incoming.take() else {
            return Ok(Bytes::new());
        };
        let ended = self.visit.ended();
        let masking = self.request_masking(&incoming, masks)?;
        let collected = tokio::select! {
            collected = Limited::new(incoming, max).collect() => collected,
            () = ended.cancelled() => return Err(Turned::Refused(self.visit.ending())),
            () = tokio::time::sleep(self.visit.upstream.config.timeout) => {
                let message = "the body did not come in time";
                return Err(Rejection::new(StatusCode::REQUEST_TIMEOUT, "body", message).into());
            }
        };
        let body = match collected {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_large().into()),
            Err(_) => return Err(Rejection::malformed("body", "the body broke off").into()),
        };
        let body = match masking {
            Some(masking) => self.mask_request(&body, masking)?,
            None => body,
        };
        let mut tape = exchange.body(journal::recording::Direction::FromClient);
        tape.feed(&body);
        tape.end();
        Ok(body)
    }

    fn mask_request(&self, body: &[u8], mut masking: Masking) -> Result<Bytes, Turned> {
        let mut out = Vec::with_capacity(body.len());
        let masked = masking
            .feed(body, &mut out)
            .and_then(|()| masking.finish(&mut out));
        masked.map_err(|error| {
            tracing::info!(resource = %self.visit.upstream.name, error, "a request's body could not be masked");
            let message = "the body could not be masked, so it is not sent";
            Turned::Refused(Refusal::new(Rule::MaskerFailed, Fault::Client, message))
        })?;
        Ok(out.into())
    }

    /// Returns what masks the request's body, where the resource asks for that.
    fn request_masking(
        &self,
        incoming: &Incoming,
        masks: Option<&Arc<Masks>>,
    ) -> Result<Option<Masking>, Turned> {
        let config = &self.visit.upstream.config;
        let empty = incoming.is_end_stream();
        let masks = masks.filter(|masks| config.mask_requests && !empty && !masks.is_identity());
        let Some(masks) = masks else { return Ok(None) };
        let coded = self.admitted.header(&http::header::CONTENT_ENCODING).is_some();
        let masking = (!coded)
            .then(|| masks.body(self.admitted.content_type.as_ref()))
            .flatten();
        match (masking, config.unknown_content) {
            (Some(masking), _) => Ok(Some(masking)),
            (None, UnknownContent::Pass) => Ok(None),
            (None, UnknownContent::Refuse) => {
                let message = "a body of this type or coding cannot be masked, so it is not sent";
                let refusal = Refusal::new(Rule::TaggedUse, Fault::Client, message);
                Err(Turned::Refused(
                    refusal.hint("send JSON, NDJSON, a form or text, uncompressed"),
                ))
            }
        }
    }

    fn stream_body(
        &mut self,
        masks: Option<&Arc<Masks>>,
        exchange: &Exchange,
    ) -> Result<RequestBody, Turned> {
        let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) else {
            return Ok(RequestBody::Empty);
        };
        let masking = self.request_masking(&incoming, masks)?;
        Ok(RequestBody::Streamed(Box::new(Streamed {
            incoming,
            masking,
            tape: Some(exchange.body(journal::recording::Direction::FromClient)),
            ended: Box::pin(self.visit.ended().cancelled_owned()),
            done: false,
        })))
    }

    /// Takes a request through that people must agree to.
    async fn ask(
        &self,
        road: &mut Road<Plain>,
        judged: &Arc<JudgedPlain>,
        operation: OperationId,
        body: &Bytes,
        read: &Read,
        again: impl Fn() -> Arc<JudgedPlain>,
    ) {
        let claimed = self.admitted.header(&APPROVAL_HEADER);
        let claimed = claimed.and_then(|value| ApprovalId::parse(value.to_str().ok()?));
        let asking = Asking {
            stay: &self.visit.stay,
            operation,
            shown: reading::shown(&self.admitted, read, body),
            head: reading::bound(&self.admitted, read),
            body: Some(body),
            claimed,
        };
        asking.settle(road, judged, again, |_| {}).await;
    }
}
