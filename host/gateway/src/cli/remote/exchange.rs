//! One request to the API and its answer, within bounds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, IF_MATCH, USER_AGENT,
};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::super::terminal::Failure;
use super::super::{EXIT_FAILED, EXIT_USAGE};
use super::token::Token;
use crate::config::SslMode;
use crate::services::random;
use crate::tls;

/// How long the gateway may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The largest answer, in bytes: a page of two hundred approvals with all they show.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// A gateway's address and what is needed to ask it.
pub(super) struct Connection {
    base: Url,
    token: Token,
    tls: Option<Arc<ClientConfig>>,
}

/// What the gateway answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Connection {
    pub(super) fn new(base: Url, token: Token, authorities: Option<&Path>) -> Result<Self, Failure> {
        let tls = match base.scheme() {
            "https" => tls::client(SslMode::VerifyFull, authorities)
                .map_err(|error| Failure::of(EXIT_USAGE, &error))?,
            _ => None,
        };
        Ok(Self { base, token, tls })
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        revision: Option<u64>,
    ) -> Result<Answer, Failure> {
        let request = self.request(method, path, body, revision)?;
        match tokio::time::timeout(ANSWER_MAX, self.send(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::new(
                EXIT_FAILED,
                format!("the gateway at {} did not answer in time", self.base),
            )),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        revision: Option<u64>,
    ) -> Result<hyper::Request<Full<Bytes>>, Failure> {
        let broken = |error: &dyn std::fmt::Display| {
            Failure::new(EXIT_USAGE, format!("the request could not be made: {error}"))
        };
        let host = self.base.host_str().unwrap_or_default();
        let authority = match self.base.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {}", self.token.as_str())).map_err(|e| broken(&e))?;
        bearer.set_sensitive(true);
        let creates = method == Method::POST && revision.is_none();
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base.path().trim_end_matches('/')))
            .header(HOST, authority)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .header(AUTHORIZATION, bearer);
        if let Some(revision) = revision {
            request = request.header(IF_MATCH, format!("\"{revision}\""));
        }
        if creates {
            let key = hex::encode(random::<16>());
            request = request.header(HeaderName::from_static("idempotency-key"), key);
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                serde_json::to_vec(body).map_err(|error| broken(&error))?
            }
            None => Vec::new(),
        };
        request
            .body(Full::new(bytes.into()))
            .map_err(|error| broken(&error))
    }

    async fn send(&self, request: hyper::Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let host = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.base.port_or_known_default().unwrap_or(443);
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|error| self.unreachable(&error))?;
        let Some(tls) = &self.tls else {
            return self.exchange(stream, request).await;
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| self.unreachable(&error))?;
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, stream)
            .await
            .map_err(|error| self.unreachable(&error))?;
        self.exchange(stream, request).await
    }

    async fn exchange<S>(&self, stream: S, request: hyper::Request<Full<Bytes>>) -> Result<Answer, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(&error))?;
        let answer = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.unreachable(&error))?;
            self.read(response).await
        };
        // The connection is driven right here and ends with the answer: no task outlives it.
        tokio::pin!(answer, connection);
        let mut closed = false;
        loop {
            tokio::select! {
                biased;
                answered = &mut answer => return answered,
                _ = &mut connection, if !closed => closed = true,
            }
        }
    }

    async fn read(&self, mut response: hyper::Response<hyper::body::Incoming>) -> Result<Answer, Failure> {
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(frame) = response.body_mut().frame().await {
            let frame = frame.map_err(|error| self.unreachable(&error))?;
            if let Some(data) = frame.data_ref() {
                if body.len() + data.len() > ANSWER_BYTES_MAX {
                    return Err(Failure::new(EXIT_FAILED, "the gateway's answer is too large"));
                }
                body.extend_from_slice(data);
            }
        }
        Ok(Answer { status, body })
    }

    fn unreachable(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(
            EXIT_FAILED,
            format!("the gateway at {} could not be asked: {error}", self.base),
        )
    }
}
