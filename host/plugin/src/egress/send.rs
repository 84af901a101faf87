//! Sends one request of a plugin, or says why not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use model::PluginName;
use tokio::time::{Sleep, timeout};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::connect::{self, Wire};
use super::origin::Origin;
use super::{Policy, address};

/// The longest response a plugin may read. Collectors and chat systems answer with a few
/// kilobytes.
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// How a secret is written in a header.
const PLACEHOLDER: &str = "secret://";

type Processing = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Processing), Error>;

/// The host's side of `wasi:http` for one instance.
pub(crate) struct Hooks {
    plugin: PluginName,
    policy: Arc<Policy>,
    deadline: Instant,
}

impl Hooks {
    pub(crate) fn new(plugin: PluginName, policy: Arc<Policy>) -> Self {
        Self {
            plugin,
            policy,
            deadline: Instant::now(),
        }
    }

    /// Sets when the current call ends; no request outlives it.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _body_error: Processing,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let plugin = self.plugin.clone();
        let policy = Arc::clone(&self.policy);
        let left = self.deadline.saturating_duration_since(Instant::now());
        let started = Instant::now();
        Box::new(async move {
            let origin = Origin::of_request(request.uri());
            let sent = match timeout(left, send(request, origin.as_ref(), options, &policy, left)).await {
                Ok(sent) => sent,
                Err(_) => Err(Error::ConnectionTimeout),
            };
            count(&plugin, origin.as_ref(), &policy, &sent);
            // Guests rarely learn why a request was refused: a body already being written
            // breaks off first. So it is told here.
            let to = origin.map_or_else(|| "?".to_owned(), |origin| origin.to_string());
            match &sent {
                Ok((response, _)) => {
                    let status = response.status().as_u16();
                    tracing::debug!(%plugin, %to, status, took = ?started.elapsed(), "plugin sent a request");
                }
                Err(error) => tracing::warn!(%plugin, %to, %error, "plugin's request failed"),
            }
            sent
        })
    }
}

/// Counts a request by where it went and what came of it. An address that is not granted is of the
/// guest's choosing: it is no label.
fn count(plugin: &PluginName, origin: Option<&Origin>, policy: &Policy, sent: &Sent) {
    let granted = origin.filter(|origin| policy.origins.contains(origin));
    let host = granted.map_or_else(|| "not granted".to_owned(), |origin| origin.host_name());
    let status = match sent {
        Ok((response, _)) => response.status().as_u16().to_string(),
        Err(Error::HttpRequestDenied | Error::DestinationIpProhibited) => "denied".to_owned(),
        Err(_) => "failed".to_owned(),
    };
    let plugin = plugin.as_str().to_owned();
    metrics::counter!("tidegate_plugin_egress_total", "plugin" => plugin, "host" => host, "status" => status)
        .increment(1);
}

async fn send(
    mut request: Request<WasiBody>,
    origin: Option<&Origin>,
    options: Option<RequestOptions>,
    policy: &Policy,
    left: Duration,
) -> Sent {
    let origin = origin.ok_or(Error::HttpRequestUriInvalid)?;
    if !policy.origins.contains(origin) {
        return Err(Error::HttpRequestDenied);
    }
    put_secrets(request.headers_mut(), policy)?;
    strip_uri(&mut request)?;
    let options = options.unwrap_or_default();
    let clip = |wish: Option<Duration>| wish.unwrap_or(left).min(left);

    let connecting = timeout(clip(options.connect_timeout), open(origin, policy)).await;
    let wire = connecting.map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(wire)).await?;
    // A task of its own, so that a response's body flows while the guest reads it. It ends
    // when both sides of it are dropped.
    let driver = wasmtime_wasi::runtime::spawn(connection);
    let answering = timeout(clip(options.first_byte_timeout), sender.send_request(request)).await;
    let response = answering.map_err(|_| Error::HttpResponseTimeout)??;
    if let Some(length) = response
        .body()
        .size_hint()
        .exact()
        .filter(|length| *length > RESPONSE_BYTES_MAX as u64)
    {
        return Err(Error::HttpResponseBodySize(Some(length)));
    }
    let response =
        response.map(|body| Watched::new(body, clip(options.between_bytes_timeout)).boxed_unsync());
    let processing: Processing = Box::new(async move {
        driver.await?;
        Ok(())
    });
    Ok((response, processing))
}

/// Opens a connection to an address of the origin that the policy permits.
async fn open(origin: &Origin, policy: &Policy) -> Result<Box<dyn Wire>, Error> {
    let addresses = address::resolve(&origin.host_name(), origin.port, |address| {
        policy.permits(origin, address)
    })
    .await
    .map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => Error::DestinationIpProhibited,
        _ => Error::DnsError {
            rcode: None,
            info_code: None,
        },
    })?;
    let stream = connect::tcp(&addresses).await.map_err(Error::Connect)?;
    if !origin.tls {
        return Ok(Box::new(stream));
    }
    let stream = connect::tls(stream, origin, Arc::clone(&policy.tls)).await;
    Ok(Box::new(stream.map_err(Error::Tls)?))
}

/// Leaves path and query only, which is what goes on the wire to an origin server.
fn strip_uri(request: &mut Request<WasiBody>) -> Result<(), Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    *request.uri_mut() = path.parse::<Uri>().map_err(|_| Error::HttpRequestUriInvalid)?;
    Ok(())
}

/// Puts secrets in the place of their names. Called for granted origins only.
fn put_secrets(headers: &mut HeaderMap, policy: &Policy) -> Result<(), Error> {
    for value in headers.values_mut() {
        let Ok(text) = value.to_str() else { continue };
        if !text.contains(PLACEHOLDER) {
            continue;
        }
        let filled = fill(text, policy).ok_or(Error::ConfigurationError)?;
        let mut filled = HeaderValue::from_bytes(&filled).map_err(|_| Error::ConfigurationError)?;
        filled.set_sensitive(true);
        *value = filled;
    }
    Ok(())
}

/// Returns `text` with each `secret://name` replaced; `None` if a name is not granted.
fn fill(text: &str, policy: &Policy) -> Option<Vec<u8>> {
    let mut pieces = text.split(PLACEHOLDER);
    let mut filled = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let end = piece
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
            .unwrap_or(piece.len());
        filled.extend_from_slice(policy.secrets.get(&piece[..end])?.expose());
        filled.extend_from_slice(&piece.as_bytes()[end..]);
    }
    Some(filled)
}

/// A response's body, held to its length and to a pause between its pieces.
struct Watched {
    body: Limited<Incoming>,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Watched {
    fn new(body: Incoming, pause: Duration) -> Self {
        Self {
            body: Limited::new(body, RESPONSE_BYTES_MAX),
            pause,
            sleep: Box::pin(tokio::time::sleep(pause)),
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.sleep
                    .as_mut()
                    .reset(tokio::time::Instant::now() + this.pause);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(body_error(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => this
                .sleep
                .as_mut()
                .poll(cx)
                .map(|()| Some(Err(Error::ConnectionReadTimeout))),
        }
    }
}

fn body_error(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.downcast::<hyper::Error>() {
        Ok(error) => Error::Hyper(*error),
        Err(_) => Error::HttpResponseBodySize(Some(RESPONSE_BYTES_MAX as u64)),
    }
}
