//! From what the HTTP library parsed to a request with one meaning.
//!
//! The library is a parser and takes much that a gateway must not: any method, two tokens, paths
//! that each server reads in its own way. What [`admit`] returns is all that later code uses;
//! nobody looks at the library's request again.

mod checks;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};

use super::authority::Authority;
use super::content::MediaType;
use super::headers::hop;
use super::path::{CanonicalPath, PathRules};
use super::query::{Query, QueryError};
use super::rejection::Rejection;
use super::token::{Token, TokenSource};

/// What a listener takes.
#[derive(Clone, Debug)]
pub struct AdmitOptions {
    /// The methods that may be used at all.
    pub methods: Vec<Method>,
    /// What paths may hold beyond the plain form.
    pub path: PathRules,
    /// Where the token stands.
    pub token: TokenSource,
    /// Whether GET, HEAD and DELETE may have a body.
    pub body_everywhere: bool,
    /// Whether clients come by TLS: the scheme they use, and with it the default port.
    pub tls: bool,
}

impl Default for AdmitOptions {
    fn default() -> Self {
        Self {
            methods: vec![
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
                Method::OPTIONS,
            ],
            path: PathRules::default(),
            token: TokenSource::default(),
            body_everywhere: false,
            tls: true,
        }
    }
}

/// What is known of a body before its first byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyLength {
    /// There is none, or an empty one.
    Empty,
    /// So many bytes.
    Exact(u64),
    /// It ends when it ends.
    Unknown,
}

/// A request with one meaning.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The method, one of those allowed.
    pub method: Method,
    /// Whom the client asked; without the scheme's default port.
    pub authority: Authority,
    /// The path in its one form.
    pub path: CanonicalPath,
    /// The query, as sent and as read.
    pub query: Query,
    /// The client's token; without one, nothing but a challenge or a preflight's answer may come of it.
    pub token: Option<Token>,
    /// The one protocol it asks to switch to, in lower case.
    pub upgrade: Option<String>,
    /// Whether the client waits for `100 Continue` before it sends its body.
    pub expects_continue: bool,
    /// Whether the client takes trailers.
    pub accepts_trailers: bool,
    /// The media type of the body.
    pub content_type: Option<MediaType>,
    /// How long the body is. On HTTP/2 only the body itself can tell that it is [`BodyLength::Empty`]; where
    /// [`Admitted::refuses_body`] says so, the driver refuses one that is not.
    pub body: BodyLength,
    /// Whether the method goes without a body here.
    pub refuses_body: bool,
    /// The headers that are not for this hop alone, in the order sent; none of framing, none of the
    /// token, no `Host`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Takes a request, or says what is wrong with it.
///
/// # Errors
/// [`Rejection`] for what has two meanings, or what is not allowed on this listener.
pub fn admit(
    method: &Method,
    uri: &Uri,
    version: Version,
    headers: &HeaderMap,
    options: &AdmitOptions,
) -> Result<Admitted, Rejection> {
    checks::method(method, options)?;
    checks::target(uri)?;
    checks::size(headers)?;
    checks::names(headers)?;
    checks::singletons(headers, version)?;
    let authority = checks::authority(uri, headers, options)?;
    let path = path(method, uri, options)?;
    let query = Query::parse(uri.query()).map_err(query_rejection)?;
    let token = options.token.find(headers)?;
    if token.is_none() {
        checks::no_token_in_cookies(headers)?;
    }
    let upgrade = checks::upgrade(method, version, headers)?;
    let expects_continue = checks::expectation(headers)?;
    let content_type =
        MediaType::of(headers).map_err(|error| Rejection::malformed("content-type", error.to_string()))?;
    let body = checks::body_length(version, headers)?;
    let refuses_body = !options.body_everywhere
        && matches!(*method, Method::GET | Method::HEAD | Method::DELETE)
        || upgrade.is_some();
    if refuses_body
        && !matches!(
            (body, version),
            (BodyLength::Empty, _) | (BodyLength::Unknown, Version::HTTP_2)
        )
    {
        return Err(Rejection::malformed(
            "body",
            "a request with this method has no body here",
        ));
    }
    Ok(Admitted {
        method: method.clone(),
        authority,
        path,
        query,
        token,
        upgrade,
        expects_continue,
        accepts_trailers: checks::accepts_trailers(headers),
        content_type,
        body,
        refuses_body,
        headers: hop::end_to_end(headers, &options.token)?,
    })
}

impl Admitted {
    /// Returns the first header of that name, if it is one that goes on.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    /// Returns whether it is a CORS preflight, which carries no token and is answered here.
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        self.method == Method::OPTIONS
            && self.header(&header::ORIGIN).is_some()
            && self.header(&header::ACCESS_CONTROL_REQUEST_METHOD).is_some()
    }

    /// Returns whether it speaks gRPC, the one protocol on HTTP that needs trailers.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.content_type.as_ref().is_some_and(|content| {
            let essence = content.essence();
            essence == "application/grpc" || essence.starts_with("application/grpc+")
        })
    }
}

fn path(method: &Method, uri: &Uri, options: &AdmitOptions) -> Result<CanonicalPath, Rejection> {
    if uri.path() == "*" {
        let message = format!("{method} for the whole server is not answered");
        return Err(Rejection::malformed("path", message).hint("name a path"));
    }
    CanonicalPath::parse(uri.path(), options.path).map_err(|error| {
        Rejection::malformed("path", error.to_string())
            .hint("send the path as the upstream would spell it: no dot segments, no needless escapes")
    })
}

fn query_rejection(error: QueryError) -> Rejection {
    let rejection = Rejection::malformed("query", error.to_string());
    match error {
        QueryError::Token => rejection.hint("send the token as `Authorization: Bearer <token>`"),
        QueryError::Method => rejection.hint("send the method that is meant"),
        QueryError::Character | QueryError::Escape | QueryError::Pairs => rejection,
    }
}

/// Makes a rejection with status 405.
fn not_allowed(message: String) -> Rejection {
    Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method", message)
}

#[cfg(test)]
mod tests;
