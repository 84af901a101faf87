//! How a person logs in with a browser: OIDC's authorization code flow with PKCE (RFC 7636).
//!
//! Pure: what a browser brings and what the provider answers come in as text, and an address,
//! a form or a reason comes out. What began a login is kept by the caller, to be used once.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use model::Fault;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::Url;
use url::form_urlencoded::{Serializer, parse};

use super::error::{KeysError, TokenError, shown};
use super::json;
use crate::secret::Secret;

/// Where people go when they logged in without asking for a page.
pub const HOME: &str = "/console";

/// The longest page address that a login returns to, in bytes; filters make them long.
const RETURN_BYTES_MAX: usize = 2_048;

/// The longest code that is handed on, in bytes; providers that encrypt theirs stay below.
const CODE_BYTES_MAX: usize = 8_192;

/// Where a provider lets people log in and out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoints {
    /// The provider's issuer.
    pub issuer: String,
    /// Where the browser is sent.
    pub authorization: Url,
    /// Where a code is redeemed.
    pub token: Url,
    /// Where a person can end the provider's own session.
    pub end_session: Option<Url>,
    /// Whether the provider always says who it is when it sends a browser back (RFC 9207).
    pub names_issuer: bool,
    /// Whether it takes the client's secret in the form only.
    pub secret_in_form: bool,
}

/// Who asks for logins.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// What the provider calls the console.
    pub id: &'a str,
    /// Where the provider sends the browser back to.
    pub redirect_uri: &'a str,
    /// What is asked for besides `openid`.
    pub scopes: &'a [String],
}

/// A login under way. The browser that began it must bring it to its end, once.
#[derive(Clone, Eq, PartialEq)]
pub struct Attempt {
    /// Comes back in the browser's address: ties the answer to this login.
    pub state: String,
    /// Comes back in the ID token: ties the token to this login.
    pub nonce: String,
    /// Shown only when the code is redeemed: a code alone is worth nothing.
    pub verifier: String,
    /// The page that was asked for.
    pub return_to: String,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("return_to", &self.return_to)
            .finish_non_exhaustive()
    }
}

impl Attempt {
    /// Begins a login from 96 random bytes.
    #[must_use]
    pub fn new(random: &[u8; 96], return_to: String) -> Self {
        Self {
            state: URL_SAFE_NO_PAD.encode(&random[..32]),
            nonce: URL_SAFE_NO_PAD.encode(&random[32..64]),
            verifier: URL_SAFE_NO_PAD.encode(&random[64..]),
            return_to,
        }
    }

    /// Returns where to send the browser.
    #[must_use]
    pub fn address(&self, endpoints: &Endpoints, client: Client<'_>) -> Url {
        let mut address = endpoints.authorization.clone();
        let mut scope = "openid".to_owned();
        for asked in client.scopes.iter().filter(|asked| *asked != "openid") {
            scope.push(' ');
            scope.push_str(asked);
        }
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()));
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client.id)
            .append_pair("redirect_uri", client.redirect_uri)
            .append_pair("scope", &scope)
            .append_pair("state", &self.state)
            .append_pair("nonce", &self.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        address
    }

    /// Returns the code that the browser brought back in `query`.
    ///
    /// # Errors
    /// It belongs to another login or another provider, or the provider refused.
    pub fn code(&self, query: &str, endpoints: &Endpoints) -> Result<String, LoginError> {
        let [state, issuer, error, code] = fields(query)?;
        let state = state.unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(self.state.as_bytes())) {
            return Err(LoginError::OtherLogin);
        }
        match issuer {
            Some(issuer) if issuer != endpoints.issuer => {
                return Err(LoginError::OtherIssuer(shown(&issuer)));
            }
            None if endpoints.names_issuer => return Err(LoginError::OtherIssuer("nobody".to_owned())),
            _ => {}
        }
        if let Some(error) = error {
            return Err(LoginError::Refused(shown(&error)));
        }
        code.filter(|code| !code.is_empty() && code.len() <= CODE_BYTES_MAX)
            .ok_or(LoginError::NoCode)
    }

    /// Returns the form that redeems `code`.
    #[must_use]
    pub fn redemption(
        &self,
        code: &str,
        client: Client<'_>,
        secret: &Secret,
        endpoints: &Endpoints,
    ) -> Redemption {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", client.redirect_uri)
            .append_pair("code_verifier", &self.verifier);
        let secret = String::from_utf8_lossy(secret.expose());
        if endpoints.secret_in_form {
            form.append_pair("client_id", client.id)
                .append_pair("client_secret", &secret);
            return Redemption {
                authorization: None,
                body: Secret::new(form.finish()),
            };
        }
        Redemption {
            authorization: Some(basic(client.id, &secret)),
            body: Secret::new(form.finish()),
        }
    }
}

/// Returns the header that names a client to its provider.
pub(super) fn basic(client: &str, secret: &str) -> Secret {
    // Each half is form-encoded first (RFC 6749, 2.3.1).
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client), encoded(secret));
    Secret::new(format!("Basic {}", STANDARD.encode(pair)))
}

/// What is sent to redeem a code.
#[derive(Debug)]
pub struct Redemption {
    /// The header that names the client, unless the form does.
    pub authorization: Option<Secret>,
    /// The form.
    pub body: Secret,
}

/// Returns the ID token in what the token endpoint answered. The other tokens are not kept.
///
/// # Errors
/// The provider refused, or the answer is not one.
pub fn id_token(status: u16, body: &[u8]) -> Result<String, LoginError> {
    let answer = json::object(body).map_err(|_| LoginError::NotAnAnswer(status))?;
    if status != 200 {
        let error = answer.get("error").and_then(Value::as_str);
        return Err(error.map_or(LoginError::NotAnAnswer(status), |error| {
            LoginError::Refused(shown(error))
        }));
    }
    match answer.get("id_token") {
        Some(Value::String(token)) => Ok(token.clone()),
        _ => Err(LoginError::NoIdToken),
    }
}

/// Returns the page of the console that `asked` names, or [`HOME`] for whatever is none: a
/// login never leads elsewhere.
#[must_use]
pub fn return_to(asked: Option<&str>) -> String {
    let page = |asked: &str| {
        let plain = asked.len() <= RETURN_BYTES_MAX && asked.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
        if !plain || asked.contains('\\') {
            return None;
        }
        // Read as a browser will, against a host that nobody has.
        let base = Url::parse("https://console.invalid/").ok()?;
        let url = base.join(asked).ok()?;
        let here =
            url.origin() == base.origin() && (url.path() == HOME || url.path().starts_with("/console/"));
        // What is read must be what was asked for, not something that was made to fit.
        let same = asked.starts_with(&url[url::Position::BeforePath..url::Position::AfterPath]);
        (here && same).then(|| url[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
    };
    asked.and_then(page).unwrap_or_else(|| HOME.to_owned())
}

/// Reads what a callback may carry; what stands twice has two meanings, so none.
fn fields(query: &str) -> Result<[Option<String>; 4], LoginError> {
    let mut found = [const { None }; 4];
    for (name, value) in parse(query.as_bytes()) {
        let Some(at) = ["state", "iss", "error", "code"]
            .iter()
            .position(|known| *known == name)
        else {
            continue;
        };
        if found[at].replace(value.into_owned()).is_some() {
            return Err(LoginError::OtherLogin);
        }
    }
    Ok(found)
}

/// Why a login came to nothing. `Display` is for the log.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No login was begun by this browser, or it is over, or the answer is to another one.
    #[error("the answer belongs to no login that this browser began")]
    OtherLogin,
    /// The answer comes from another provider.
    #[error("the answer comes from another provider: {0}")]
    OtherIssuer(String),
    /// The provider refused.
    #[error("the identity provider refused: {0}")]
    Refused(String),
    /// There is no code in the answer.
    #[error("the answer carries no code")]
    NoCode,
    /// The answer of the token endpoint is not one.
    #[error("the token endpoint answered with status {0} and nothing that can be read")]
    NotAnAnswer(u16),
    /// There is no ID token in it.
    #[error("the token endpoint answered without an ID token")]
    NoIdToken,
    /// The provider can't be asked.
    #[error("the identity provider could not be asked: {0}")]
    Provider(#[from] KeysError),
    /// The ID token is not accepted.
    #[error("the ID token was not accepted: {0}")]
    Token(#[from] TokenError),
    /// An agent tried.
    #[error("{0} is not a person")]
    NotAPerson(String),
    /// What must be remembered can't be.
    #[error(transparent)]
    State(#[from] crate::state::StateError),
    /// The session could not be begun, or not be written down.
    #[error("the session could not be begun: {0}")]
    NotBegun(String),
}

impl LoginError {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::OtherLogin
            | Self::OtherIssuer(_)
            | Self::Refused(_)
            | Self::NoCode
            | Self::NotAPerson(_) => Fault::Client,
            Self::Token(error) => error.fault(),
            Self::State(error) => error.fault(),
            Self::NotAnAnswer(_) | Self::NoIdToken | Self::Provider(_) | Self::NotBegun(_) => Fault::Operator,
        }
    }

    /// Returns all that whoever tried to log in is told.
    #[must_use]
    pub const fn for_client(&self) -> &'static str {
        match self {
            Self::OtherLogin | Self::OtherIssuer(_) | Self::NoCode => {
                "This answer belongs to no login that was begun in this browser within the last ten minutes."
            }
            Self::Refused(_) => "The identity provider did not let you in.",
            Self::Token(_) => "The identity provider's answer was not accepted.",
            Self::NotAPerson(_) => "Only people log in to the console; agents use the API.",
            Self::NotAnAnswer(_)
            | Self::NoIdToken
            | Self::Provider(_)
            | Self::NotBegun(_)
            | Self::State(_) => "Logging in does not work at the moment; the log of the gateway says why.",
        }
    }
}
