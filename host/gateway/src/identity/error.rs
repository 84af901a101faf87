//! Why a token is refused: precisely for the log, in one bland sentence for the client.

use jsonwebtoken::Algorithm;
use model::Fault;

/// All that a client is told, whatever is wrong: a precise answer would help whoever forges.
pub const FOR_CLIENT: &str = "authentication failed: the token was not accepted";

/// The longest piece of a token that is repeated in a log line, in characters.
const SHOWN_CHARS_MAX: usize = 64;

/// Makes a piece of an unverified token fit for a log line: cut, and without control
/// characters.
pub(super) fn shown(text: &str) -> String {
    let mut cut: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_default)
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        cut.push_str("...");
    }
    cut
}

/// Why a token is refused. `Display` is for the log; the client gets [`FOR_CLIENT`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// The algorithm is not among the provider's.
    #[error("the algorithm {0:?} is not allowed for this identity provider")]
    AlgorithmNotAllowed(Algorithm),
    /// There is no `kid` and more than one key could be meant.
    #[error("the token names no key and more than one fits")]
    AmbiguousKey,
    /// The signature does not fit.
    #[error("the signature is wrong")]
    BadSignature,
    /// The token is bound to a key of its holder, which is not checked here.
    #[error("the token is bound to a key (cnf) and can't be taken as a bearer token")]
    Bound,
    /// The `azp` or `client_id` is not among the configured clients.
    #[error("the client {0} is not allowed for this identity provider")]
    ClientNotAllowed(String),
    /// The header names extensions that must be understood.
    #[error("the header has critical extensions (crit)")]
    Critical,
    /// Too many links of delegation.
    #[error("the chain of act claims is too long")]
    DelegationTooLong,
    /// A member stands twice.
    #[error("a member stands twice in the header or the claims")]
    DuplicateMember,
    /// The token has ended.
    #[error("the token expired {0} s ago")]
    Expired(u64),
    /// The token was issued in the future.
    #[error("the token claims to be issued {0} s in the future")]
    IssuedInFuture(u64),
    /// The provider's keys are not to be had.
    #[error("the identity provider's keys are not available")]
    KeysUnavailable,
    /// The key is for another algorithm.
    #[error("the key is not for the algorithm {0:?}")]
    KeyOfOtherAlgorithm(Algorithm),
    /// The token is valid for longer than the provider may issue.
    #[error("the token lives longer than is allowed for this identity provider")]
    LivesTooLong,
    /// Not a JWT.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// A claim is not there.
    #[error("the claim {0} is missing")]
    MissingClaim(&'static str),
    /// An ID token or a logout token.
    #[error("this is not an access token: it carries {0}")]
    NotAnAccessToken(&'static str),
    /// A logout token.
    #[error("this is not an ID token: it carries {0}")]
    NotAnIdToken(&'static str),
    /// The provider says that the token does not hold any more.
    #[error("the identity provider says that the token is not active")]
    NotActive,
    /// The provider could not be asked whether the token still holds.
    #[error("the identity provider could not be asked whether the token is active: {0}")]
    NotIntrospected(String),
    /// Whoever the token was for has logged out since.
    #[error("the token is older than a logout at the identity provider")]
    LoggedOut,
    /// A logout token that was taken in before.
    #[error("the logout token was used before")]
    Replayed,
    /// The provider's answer is about another token.
    #[error("the identity provider's answer is about another token: {0}")]
    OtherToken(&'static str),
    /// The provider has taken whoever it is out of a group, or put them into one.
    #[error("the groups are not those of the token any more")]
    OtherGroups,
    /// Not a logout token.
    #[error("this is not a logout token: {0}")]
    NotALogout(&'static str),
    /// A logout token that was made too long ago.
    #[error("the logout token was issued {0} s ago")]
    Stale(u64),
    /// The token is not valid yet.
    #[error("the token becomes valid in {0} s")]
    NotYetValid(u64),
    /// The token is signed with a secret shared with its reader.
    #[error("the token is signed with a symmetric algorithm")]
    Symmetric,
    /// The token is too long to be looked at.
    #[error("the token is {0} bytes long")]
    TooLong(usize),
    /// The algorithm has no name we know.
    #[error("the algorithm {0} is not known")]
    UnknownAlgorithm(String),
    /// No provider is configured for this issuer.
    #[error("the issuer {0} is not configured")]
    UnknownIssuer(String),
    /// The provider has no such key.
    #[error("the key {0} is not known")]
    UnknownKey(String),
    /// The token is not signed.
    #[error("the token is not signed (alg none)")]
    Unsigned,
    /// The token is for somebody else.
    #[error("the token is not meant for this gateway (aud)")]
    WrongAudience,
    /// A claim is of the wrong type, or its value makes no sense.
    #[error("the claim {0} is of the wrong type or out of range")]
    WrongClaim(&'static str),
    /// The `typ` says that the token is something else.
    #[error("the token is of another type: {0}")]
    WrongType(String),
}

impl TokenError {
    /// Whether the provider has said that the token is over, or that it says what is not so any
    /// more; not merely nothing.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::NotActive | Self::OtherGroups)
    }

    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::KeysUnavailable | Self::NotIntrospected(_) => Fault::Operator,
            _ => Fault::Client,
        }
    }

    /// Returns all that the client is told.
    #[must_use]
    pub const fn for_client(&self) -> &'static str {
        FOR_CLIENT
    }
}

/// Why a provider's keys are not to be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeysError {
    /// The certificate authorities cannot be read.
    #[error("could not read the certificate authorities: {0}")]
    Authorities(String),
    /// The provider resolves to an address it may not have.
    #[error("{0} has no address that may be asked; allow_private = true would permit a private one")]
    ForbiddenAddress(String),
    /// The connection failed.
    #[error("could not reach {host}: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// What failed.
        reason: String,
    },
    /// The answer was not 200.
    #[error("{host} answered with status {status}; redirects are not followed")]
    Status {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer took too long.
    #[error("{0} did not answer in time")]
    TimedOut(String),
    /// The answer is too large.
    #[error(
        "what the provider answered is larger than {} bytes",
        super::keys::JWKS_BYTES_MAX
    )]
    TooLarge,
    /// The discovery document is of another issuer.
    #[error("the discovery document is of another issuer: {0}")]
    OtherIssuer(String),
    /// The discovery document points elsewhere.
    #[error("the discovery document's {name} is not allowed: {address}")]
    ForbiddenEndpoint {
        /// Which address.
        name: &'static str,
        /// Where to.
        address: String,
    },
    /// The file cannot be read.
    #[error("could not read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The document is not what it should be.
    #[error("not a {0} document")]
    Malformed(&'static str),
    /// There are too many keys.
    #[error("there are more than {} keys", super::keys::KEYS_MAX)]
    TooManyKeys,
    /// No key can be used.
    #[error("no key can be used: {0}")]
    NoUsableKey(String),
    /// The last attempt is too recent and failed.
    #[error("no keys yet; the next attempt is due shortly")]
    NotYet,
}
