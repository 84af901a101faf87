//! Passes a request on, and its answer back.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use journal::recording::Direction;
use model::Facts;
use proto::http::content::{BodyClass, MediaType};
use proto::http::headers::{
    Cookies, Cors, Downstream, Origin, Redirects, Upstream as Towards, client_headers, upstream_headers,
};
use proto::http::mcp::List;
use proto::http::path::CanonicalPath;
use proto::http::problem::{Problem, UpstreamFault};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until};

use super::answer::Told;
use super::body::{Passed, RequestBody, ResponseBody};
use super::connection::Running;
use super::decode::Decoder;
use super::dial::{DialError, Sender};
use super::exchange::{Arrived, Released};
use super::forward::{Answered, ForwardError, Spent};
use super::masks::{Masking, Masks};
use super::mcp::{self, Cut};
use super::record::Exchange;
use super::visit::Visit;
use crate::config::UnknownContent;

/// Sends a request that may run, and answers with what came of it.
pub(super) async fn answer(released: Released, told: Told, running: Running) -> Response<ResponseBody> {
    let visit = Arc::clone(&released.arrived.visit);
    let spent = Spent::begin(&visit, released.operation);
    match send(released, spent).await {
        Ok(sent) => sent.respond(&told, running),
        Err(Failed::Rejected(rejection)) => {
            told.answer(Some(running), |around| Problem::rejected(&rejection, around))
        }
        Err(Failed::Ended) => told.refuse(Some(running), &visit.ending()),
        Err(Failed::Upstream(fault)) => told.answer(Some(running), |around| Problem::upstream(fault, around)),
    }
}

/// Why there is nothing to answer with.
enum Failed {
    Rejected(proto::http::rejection::Rejection),
    Ended,
    Upstream(UpstreamFault),
}

/// A request that has an answer.
struct Sent {
    arrived: Arrived,
    masks: Option<Arc<Masks>>,
    exchange: Exchange,
    spent: Spent,
    response: Response<hyper::body::Incoming>,
    list: Option<(List, Facts)>,
}

async fn send(released: Released, mut spent: Spent) -> Result<Sent, Failed> {
    let Released {
        arrived,
        masks,
        exchange,
        body,
        list,
        ..
    } = released;
    // What is rewritten must come uncompressed, and have no length yet.
    let rewritten = masks.is_some() || list.is_some();
    let visit = Arc::clone(&arrived.visit);
    let upstream = &visit.upstream;
    let ended = visit.ended();
    let sending = async {
        let lent = upstream
            .pool
            .lend(&upstream.target)
            .await
            .map_err(ForwardError::from)?;
        let http2 = matches!(lent.sender, Sender::Http2(_));
        let request = match request(&arrived, rewritten, http2, body) {
            Ok(request) => request,
            Err(rejection) => return Ok(Err(rejection)),
        };
        upstream.send(lent, request).await.map(Ok)
    };
    let sent = tokio::select! {
        sent = sending => sent,
        () = ended.cancelled() => {
            spent.failed();
            return Err(Failed::Ended);
        }
    };
    match sent {
        Ok(Ok(Answered { response, sender })) => {
            spent.answered(response.status().as_u16(), sender);
            Ok(Sent {
                arrived,
                masks,
                exchange,
                spent,
                response,
                list,
            })
        }
        Ok(Err(rejection)) => {
            spent.failed();
            Err(Failed::Rejected(rejection))
        }
        Err(error) => {
            spent.failed();
            tracing::error!(resource = %upstream.name, fault = error.fault().label(), error = &error as &dyn std::error::Error, "the upstream gave no answer");
            Err(Failed::Upstream(match error {
                ForwardError::Dial(DialError::TimedOut | DialError::Connect(_) | DialError::Tls(_)) => {
                    UpstreamFault::Unreachable
                }
                ForwardError::Dial(DialError::Handshake(_)) | ForwardError::Broken(_) => {
                    UpstreamFault::Broken
                }
                ForwardError::TimedOut(_) => UpstreamFault::TimedOut,
            }))
        }
    }
}

/// Builds what goes upstream.
fn request(
    arrived: &Arrived,
    masked: bool,
    http2: bool,
    body: RequestBody,
) -> Result<Request<RequestBody>, proto::http::rejection::Rejection> {
    let (admitted, upstream) = (&arrived.admitted, &arrived.visit.upstream);
    let towards = Towards {
        host: &upstream.authority,
        http2,
        injected: &upstream.credential,
        client: arrived.connection.client_ip,
        scheme: arrived.scheme(),
        masked,
        cookies: &upstream.config.cookies,
        upgrade: admitted.upgrade.is_some() && !http2,
    };
    let mut headers = upstream_headers(admitted, &towards)?;
    if upstream.config.mcp {
        mcp::unseal(&arrived.visit, &mut headers)?;
    }
    if let Some(length) = body.size_hint().exact()
        && (length > 0
            || !matches!(
                admitted.method,
                Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS
            ))
    {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    let mut target = admitted.path.below(&upstream.base).to_string();
    if let Some(query) = admitted.query.raw() {
        target.push('?');
        target.push_str(query);
    }
    let mut request = Request::new(body);
    *request.method_mut() = admitted.method.clone();
    *request.uri_mut() = uri(
        &target,
        http2.then(|| upstream.authority.to_string()),
        upstream.config.tls,
    )
    .map_err(|_| proto::http::rejection::Rejection::malformed("path", "the path is no path"))?;
    if http2 {
        *request.version_mut() = Version::HTTP_2;
        headers.remove(HOST);
    }
    *request.headers_mut() = headers;
    Ok(request)
}

fn uri(target: &str, authority: Option<String>, tls: bool) -> Result<Uri, http::Error> {
    let target: PathAndQuery = target.parse()?;
    let Some(authority) = authority else {
        return Ok(Uri::from(target));
    };
    let scheme = if tls { "https" } else { "http" };
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(target)
        .build()
}

impl Sent {
    /// Builds the answer to the client.
    fn respond(self, told: &Told, running: Running) -> Response<ResponseBody> {
        match self.passed(running) {
            Ok(response) => response,
            Err((fault, running)) => told.answer(Some(running), |around| Problem::upstream(fault, around)),
        }
    }

    fn passed(self, running: Running) -> Result<Response<ResponseBody>, (UpstreamFault, Running)> {
        let Self {
            mut arrived,
            masks,
            exchange,
            spent,
            mut response,
            list,
        } = self;
        let visit = Arc::clone(&arrived.visit);
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let on_upgrade = switching.then(|| hyper::upgrade::on(&mut response));
        let (head, incoming) = response.into_parts();
        let unmaskable = |spent: Spent, reason: &str| {
            tracing::warn!(resource = %visit.upstream.name, reason, "an answer does not pass");
            spent.failed();
            UpstreamFault::Unmaskable
        };
        let rewritten = masks.is_some() || list.is_some();
        let mut headers = match arrived.client_headers(head.status, &head.headers, rewritten) {
            Ok(headers) => headers,
            Err(error) => return Err((unmaskable(spent, &error.to_string()), running)),
        };
        if let Some(masks) = &masks
            && let Err(error) = masks.headers(&mut headers)
        {
            return Err((unmaskable(spent, &error), running));
        }
        if visit.upstream.config.mcp {
            mcp::seal(&visit, &mut headers);
        }
        exchange.response(head.status.as_u16(), &headers);
        if let Some(upstream_side) = on_upgrade {
            let Some(client_side) = arrived.on_upgrade.take() else {
                return Err((unmaskable(spent, "it switches unasked"), running));
            };
            arrived.connection.watch.settle(true);
            tokio::spawn(tunnel(visit, (spent, running), client_side, upstream_side));
            return Ok(answer_of(head.status, headers, ResponseBody::own("", None)));
        }
        let empty = incoming.is_end_stream()
            || arrived.admitted.method == Method::HEAD
            || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if empty {
            spent.complete(0, 0);
            return Ok(answer_of(
                head.status,
                headers,
                ResponseBody::own("", Some(running)),
            ));
        }
        let of_body = match &masks {
            None if list.is_some() && head.headers.contains_key(CONTENT_ENCODING) => {
                Err("a list that is compressed cannot be cut")
            }
            None => Ok((None, None)),
            Some(masks) => {
                let unknown = visit.upstream.config.unknown_content;
                masking_of(masks, &head.headers, &mut headers, unknown)
            }
        };
        let (decoder, masking) = match of_body {
            Ok(both) => both,
            Err(reason) => return Err((unmaskable(spent, reason), running)),
        };
        let content = MediaType::of(&head.headers).ok().flatten();
        let is_stream = content.is_some_and(|content| content.class() == BodyClass::EventStream);
        let cut = list.map(|(list, facts)| {
            Box::new(Cut {
                list,
                facts,
                is_stream,
                max: usize::try_from(visit.upstream.config.body_max).unwrap_or(usize::MAX),
                visit: Arc::clone(&visit),
                kept: Vec::new(),
            })
        });
        let patience = visit.upstream.config.timeout;
        let passed = Passed {
            incoming,
            decoder,
            masking,
            cut,
            tape: Some(exchange.body(Direction::ToClient)),
            spent: Some(spent),
            ended: Box::pin(visit.ended().cancelled_owned()),
            patience,
            silence: Box::pin(sleep_until(Instant::now() + patience)),
            running: Some(running),
            trailers: None,
            passes_trailers: arrived.admitted.is_grpc() && masks.is_none(),
            done: false,
        };
        Ok(answer_of(
            head.status,
            headers,
            ResponseBody::Passed(Box::new(passed)),
        ))
    }
}

/// What decodes and masks a body with these headers, or why it may not pass. A body that passes as
/// it is gets its coding and its length back in `to_client`.
fn masking_of(
    masks: &Arc<Masks>,
    original: &http::HeaderMap,
    to_client: &mut http::HeaderMap,
    unknown: UnknownContent,
) -> Result<(Option<Decoder>, Option<Masking>), &'static str> {
    let decoder = original
        .get(CONTENT_ENCODING)
        .map(|coding| Decoder::of(coding.as_bytes()));
    let content = MediaType::of(original).ok();
    let masking = content.and_then(|content| masks.body(content.as_ref()));
    match (decoder, masking, unknown) {
        (None, masking @ Some(_), _) => Ok((None, masking)),
        (Some(Some(decoder)), masking @ Some(_), _) => Ok((Some(decoder), masking)),
        (decoder, None, UnknownContent::Pass) => {
            restore(to_client, original, decoder.is_some());
            Ok((None, None))
        }
        (_, _, UnknownContent::Refuse) | (Some(None), Some(_), UnknownContent::Pass) => {
            Err("a body of this type or coding cannot be masked")
        }
    }
}

/// A body that passes as it is keeps its coding and its length.
fn restore(headers: &mut http::HeaderMap, original: &http::HeaderMap, coded: bool) {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING] {
        if let Some(value) = original.get(&name).filter(|_| coded || name == CONTENT_LENGTH) {
            headers.insert(name, value.clone());
        }
    }
}

fn answer_of(status: StatusCode, headers: http::HeaderMap, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

impl Arrived {
    fn scheme(&self) -> &'static str {
        if self.connection.is_tls { "https" } else { "http" }
    }

    fn client_headers(
        &self,
        status: StatusCode,
        headers: &http::HeaderMap,
        masked: bool,
    ) -> Result<http::HeaderMap, proto::http::headers::ResponseFault> {
        let upstream = &self.visit.upstream;
        let public = CanonicalPath::parse(&format!("{}/", self.prefix), Default::default());
        let public = public.unwrap_or_else(|_| CanonicalPath::root());
        let to = Downstream {
            upstream: Origin {
                scheme: if upstream.config.tls { "https" } else { "http" },
                authority: &upstream.authority,
                base: &upstream.base,
            },
            public: Origin {
                scheme: self.scheme(),
                authority: &self.admitted.authority,
                base: &public,
            },
            masked,
            cookies: if upstream.config.cookies.is_empty() {
                Cookies::Strip
            } else {
                Cookies::Localise
            },
            redirects: Redirects::Refuse,
            cors: Cors::Pass,
            upgrade: self.admitted.upgrade.as_deref(),
        };
        client_headers(status, headers, &to)
    }
}

/// Passes bytes both ways once both sides have switched, until one ends or the session does.
async fn tunnel(
    visit: Arc<Visit>,
    (spent, _running): (Spent, Running),
    client_side: OnUpgrade,
    upstream_side: OnUpgrade,
) {
    let (client, upstream) = match tokio::try_join!(client_side, upstream_side) {
        Ok(sides) => sides,
        Err(error) => {
            tracing::debug!(%error, "a switch of protocols failed");
            return spent.failed();
        }
    };
    let ended = visit.ended();
    tokio::select! {
        copied = both_ways(TokioIo::new(client), TokioIo::new(upstream)) => match copied {
            Ok(to_client) => spent.complete(to_client, 0),
            Err(error) => {
                tracing::debug!(%error, "a switched connection broke");
                spent.cut_off(0);
            }
        },
        () = ended.cancelled() => spent.cut_off(0),
    }
}

/// How long one side may go on when the other has ended: long enough for a goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(5);

/// Copies bytes both ways; returns how many went to the client.
async fn both_ways<C, U>(client: C, upstream: U) -> std::io::Result<u64>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
    let mut up = std::pin::pin!(async {
        tokio::io::copy(&mut from_client, &mut to_upstream).await?;
        to_upstream.shutdown().await
    });
    let mut down = std::pin::pin!(async {
        let count = tokio::io::copy(&mut from_upstream, &mut to_client).await?;
        to_client.shutdown().await.map(|()| count)
    });
    tokio::select! {
        done = up.as_mut() => {
            done?;
            // Whoever does not answer a goodbye is left.
            tokio::time::timeout(GOODBYE_MAX, down).await.unwrap_or(Ok(0))
        }
        count = down.as_mut() => {
            let count = count?;
            let _ = tokio::time::timeout(GOODBYE_MAX, up).await;
            Ok(count)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_stays_what_it_is_with_and_without_an_authority() {
        let plain = uri("/a?b=c", None, true).expect("a path");
        assert_eq!(plain.to_string(), "/a?b=c");
        let whole = uri("/a?b=c", Some("api:8443".into()), true).expect("a path");
        assert_eq!(whole.to_string(), "https://api:8443/a?b=c");
    }
}
