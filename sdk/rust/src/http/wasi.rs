//! The request over `wasi:http`.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme,
};
use wasip2::io::streams::StreamError;

use super::{ANSWER_BYTES_MAX, Answer, Failure, Request, Target};

/// What `blocking-write-and-flush` takes at once, by the text of `wasi:io`.
const WRITE_BYTES_MAX: usize = 4096;

/// How much of a body is read at once.
const READ_BYTES_MAX: u64 = 64 << 10;

pub(super) fn send(request: &Request) -> Result<Answer, Failure> {
    let (outgoing, body) = prepare(request)?;
    let options = RequestOptions::new();
    let nanoseconds = u64::try_from(request.timeout.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1);
    for set in [
        RequestOptions::set_connect_timeout,
        RequestOptions::set_first_byte_timeout,
        RequestOptions::set_between_bytes_timeout,
    ] {
        // A host that does not do time-outs has its own.
        let _ = set(&options, Some(nanoseconds));
    }
    let future = outgoing_handler::handle(outgoing, Some(options)).map_err(failed)?;
    // A refusal shows first as a body that nobody takes; the future then tells why.
    let written = write(&body, &request.body);
    let finished = match written {
        Ok(()) => OutgoingBody::finish(body, None).map_err(failed),
        Err(failure) => Err(failure),
    };
    let incoming = loop {
        match future.get() {
            Some(Ok(answer)) => break answer.map_err(failed)?,
            Some(Err(())) => return Err(Failure::Broken("the answer was taken already".to_owned())),
            None if finished.is_err() && !future.subscribe().ready() => finished.clone()?,
            None => future.subscribe().block(),
        }
    };
    read(&incoming)
}

fn prepare(request: &Request) -> Result<(OutgoingRequest, OutgoingBody), Failure> {
    let target = Target::parse(&request.url).ok_or(Failure::Malformed("address"))?;
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
        .collect();
    let fields = Fields::from_list(&headers).map_err(|_| Failure::Malformed("header"))?;
    let outgoing = OutgoingRequest::new(fields);
    let method = match request.method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if target.https { Scheme::Https } else { Scheme::Http };
    outgoing
        .set_method(&method)
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(target.authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&target.path_with_query())))
        .map_err(|()| Failure::Malformed("address"))?;
    let body = outgoing.body().map_err(|()| Failure::Malformed("body"))?;
    Ok((outgoing, body))
}

fn write(body: &OutgoingBody, bytes: &[u8]) -> Result<(), Failure> {
    let stream = body.write().map_err(|()| Failure::Malformed("body"))?;
    for piece in bytes.chunks(WRITE_BYTES_MAX) {
        stream
            .blocking_write_and_flush(piece)
            .map_err(|_| Failure::Broken("the connection broke while sending".to_owned()))?;
    }
    Ok(())
}

fn read(incoming: &IncomingResponse) -> Result<Answer, Failure> {
    let mut answer = Answer::new(incoming.status(), Vec::new());
    for (name, value) in incoming.headers().entries() {
        if let Ok(value) = String::from_utf8(value) {
            answer.headers.push((name.to_ascii_lowercase(), value));
        }
    }
    let broken = || Failure::Broken("the connection broke while receiving".to_owned());
    let body: IncomingBody = incoming.consume().map_err(|()| broken())?;
    let stream = body.stream().map_err(|()| broken())?;
    while answer.body.len() < ANSWER_BYTES_MAX {
        match stream.blocking_read(READ_BYTES_MAX) {
            Ok(bytes) => answer.body.extend_from_slice(&bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err(broken()),
        }
    }
    answer.body.truncate(ANSWER_BYTES_MAX);
    Ok(answer)
}

fn failed(code: ErrorCode) -> Failure {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Failure::Denied,
        ErrorCode::HttpRequestUriInvalid => Failure::Malformed("address"),
        other => Failure::Broken(format!("no answer: {other}")),
    }
}
