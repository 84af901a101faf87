//! What stops a stream, and what the client is told.

use ::http::StatusCode;

use super::super::rejection::Rejection;

/// What has no single reading, or what nobody needs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Violation {
    /// A line ends without a carriage return.
    #[error("a line ends with a bare line feed")]
    BareLineFeed,
    /// A carriage return stands where no line ends.
    #[error("there is a bare carriage return")]
    BareCarriageReturn,
    /// The request line is not `METHOD target HTTP/1.x` with single spaces.
    #[error("the request line is malformed")]
    RequestLine,
    /// The version is neither 1.0 nor 1.1.
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
    /// `CONNECT` and `TRACE` have no meaning here.
    #[error("the method is not allowed")]
    Method,
    /// The target is neither a path nor a URI of this host.
    #[error("the request target is malformed")]
    Target,
    /// The target is longer than [`super::TARGET_BYTES_MAX`].
    #[error("the request target is longer than 8 KiB")]
    TargetTooLong,
    /// The target carries a user name.
    #[error("the request target carries a user name")]
    UserInfo,
    /// A header continues on a second line.
    #[error("a header is folded")]
    FoldedField,
    /// A header's name is no token, or there is a space before its colon.
    #[error("a header's name is malformed")]
    FieldName,
    /// A header's value holds a control character.
    #[error("a header's value holds a control character")]
    FieldValue,
    /// The head is longer than [`super::HEAD_BYTES_MAX`].
    #[error("the request's head is longer than 32 KiB")]
    HeadTooLarge,
    /// There are more headers than [`super::HEADERS_MAX`].
    #[error("the request has more than 100 headers")]
    TooManyFields,
    /// `Host` is missing, there twice, or names no host.
    #[error("the request does not name exactly one host")]
    Host,
    /// The target and `Host` name two hosts.
    #[error("the request target and the Host header differ")]
    HostMismatch,
    /// `Content-Length` is there twice, or not a number.
    #[error("Content-Length is not exactly one number")]
    Length,
    /// The body's length is told in two ways.
    #[error("the request has both Content-Length and Transfer-Encoding")]
    LengthAndCoding,
    /// The transfer coding is not `chunked` alone.
    #[error("the transfer coding is not exactly one `chunked`")]
    Coding,
    /// HTTP/1.0 knows no transfer codings.
    #[error("HTTP/1.0 has no transfer codings")]
    CodingVersion,
    /// The expectation is not `100-continue`.
    #[error("the expectation is not 100-continue")]
    Expectation,
    /// What it asks to switch to is not exactly one protocol, or is HTTP/2.
    #[error("the upgrade is not one that is allowed")]
    Upgrade,
    /// A request to switch protocols has a body.
    #[error("a request to switch protocols has a body")]
    UpgradeBody,
    /// Too much came before the answer to a request to switch protocols.
    #[error("too much was sent before the protocol was switched")]
    Impatient,
    /// A chunk's size is no hexadecimal number with a line end behind it.
    #[error("a chunk's size is malformed")]
    ChunkSize,
    /// A chunk is larger than any client writes.
    #[error("a chunk is too large")]
    ChunkTooLarge,
    /// A chunk carries an extension, of which nobody has ever defined one.
    #[error("a chunk carries an extension")]
    ChunkExtension,
    /// A chunk's data does not end with a line end.
    #[error("a chunk does not end where its size says")]
    ChunkEnd,
    /// A trailer is malformed or not one of the few that may pass.
    #[error("a trailer is not one of those allowed")]
    Trailer,
    /// The trailers are larger than any that may pass.
    #[error("the trailers are too large")]
    TrailersTooLarge,
}

impl Violation {
    /// Returns whether the head itself was stopped, so that the library has not seen the request.
    /// Otherwise it is in the middle of one, and the driver ends its input there.
    #[must_use]
    pub const fn is_in_head(self) -> bool {
        !matches!(
            self,
            Self::Impatient
                | Self::ChunkSize
                | Self::ChunkTooLarge
                | Self::ChunkExtension
                | Self::ChunkEnd
                | Self::Trailer
                | Self::TrailersTooLarge
        )
    }

    /// Returns the answer's status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge | Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns a stable word for machines.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::BareLineFeed | Self::BareCarriageReturn | Self::FoldedField => "line-end",
            Self::RequestLine | Self::Version | Self::Target | Self::TargetTooLong | Self::UserInfo => {
                "request-line"
            }
            Self::Method => "method",
            Self::FieldName | Self::FieldValue | Self::HeadTooLarge | Self::TooManyFields => "header",
            Self::Host | Self::HostMismatch => "host",
            Self::Length | Self::LengthAndCoding | Self::Coding | Self::CodingVersion => "framing",
            Self::Expectation => "expectation",
            Self::Upgrade | Self::UpgradeBody | Self::Impatient => "upgrade",
            Self::ChunkSize | Self::ChunkTooLarge | Self::ChunkExtension | Self::ChunkEnd => "chunk",
            Self::Trailer | Self::TrailersTooLarge => "trailer",
        }
    }

    /// Returns what the client is told.
    #[must_use]
    pub fn rejection(self) -> Rejection {
        let rejection = Rejection::new(self.status(), self.label(), self.to_string());
        match self {
            Self::Upgrade => {
                rejection.hint("speak HTTP/2 from the first byte on, or HTTP/1.1 without `Upgrade: h2c`")
            }
            Self::Coding | Self::LengthAndCoding => {
                rejection.hint("send either Content-Length or `Transfer-Encoding: chunked`")
            }
            _ => rejection,
        }
    }
}
