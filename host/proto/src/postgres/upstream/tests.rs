//! The login against scripted servers, honest and not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use super::*;

const PASSWORD: &str = "correct horse";
const SALT: &[u8] = b"0123456789abcdef";

fn credential(channel: Channel) -> Credential {
    Credential {
        user: "app".into(),
        password: Some(PASSWORD.into()),
        database: "customers".into(),
        settings: vec![("timezone".into(), "UTC".into())],
        channel,
    }
}

fn verified() -> Channel {
    Channel::Verified {
        end_point: Some(vec![9; 32]),
    }
}

/// A login that has begun; its startup message is already off.
fn begun(channel: Channel) -> Login {
    Login::start(credential(channel), &mut Vec::new())
}

fn auth(method: i32, rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, b'R', |body| {
        body.put_i32(method);
        body.extend_from_slice(rest);
    });
    out
}

fn parameter(name: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, b'S', |body| {
        frame::put_string(body, name.as_bytes());
        frame::put_string(body, value.as_bytes());
    });
    out
}

fn key(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, b'K', |body| {
        body.put_i32(4711);
        body.extend_from_slice(&vec![5; length]);
    });
    out
}

const READY: &[u8] = b"Z\0\0\0\x05I";

fn parameters() -> Vec<Vec<u8>> {
    vec![
        parameter("server_encoding", "UTF8"),
        parameter("client_encoding", "UTF8"),
        parameter("standard_conforming_strings", "on"),
        parameter("server_version", "15.18"),
    ]
}

/// Feeds whole frames; returns what the login answered to the last one.
fn answer(login: &mut Login, frames: &[Vec<u8>]) -> Result<Vec<u8>, LoginError> {
    let mut out = Vec::new();
    for frame in frames {
        out.clear();
        if login.handle(frame, &mut out)?.is_some() {
            panic!("the login ended early");
        }
    }
    Ok(out)
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn salted_password(iterations: u32) -> Vec<u8> {
    let mut salt = SALT.to_vec();
    salt.extend_from_slice(&1_u32.to_be_bytes());
    let mut block = hmac(PASSWORD.as_bytes(), &salt);
    let mut sum = block.clone();
    for _ in 1..iterations {
        block = hmac(PASSWORD.as_bytes(), &block);
        sum.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

/// What a server that knows the password has seen so far.
struct Exchange {
    mechanism: String,
    gs2: String,
    client_first: String,
    server_first: String,
}

/// Offers `mechanisms` and reads the client's first message.
fn offer(login: &mut Login, mechanisms: &[&str]) -> Exchange {
    let mut list = mechanisms.join("\0").into_bytes();
    list.extend_from_slice(b"\0\0");
    let out = answer(login, &[auth(10, &list)]).expect("an offer to take");
    let mut body = Body::of(&out);
    let mechanism = String::from_utf8_lossy(body.string().expect("a mechanism")).into_owned();
    let length = body.i32().expect("a length");
    let message = String::from_utf8_lossy(body.remaining()).into_owned();
    assert_eq!(usize::try_from(length).expect("positive"), message.len());
    let (gs2, client_first) = message.split_at(message.find(",n=").expect("a user name") + 1);
    Exchange {
        mechanism,
        gs2: gs2.to_owned(),
        client_first: client_first.to_owned(),
        server_first: String::new(),
    }
}

impl Exchange {
    fn challenge(&mut self, iterations: &str) -> Vec<u8> {
        let nonce = &self.client_first[self.client_first.find("r=").expect("a nonce") + 2..];
        self.server_first = format!("r={nonce}SERVER,s={},i={iterations}", BASE64.encode(SALT));
        auth(11, self.server_first.as_bytes())
    }

    /// Checks the client's proof; returns the server's own.
    fn conclude(&self, client_final: &[u8], binding: &[u8]) -> Vec<u8> {
        let text = std::str::from_utf8(&client_final[frame::HEADER_BYTES..]).expect("text");
        let (without_proof, proof) = text.rsplit_once(",p=").expect("a proof");
        let mut bound = self.gs2.clone().into_bytes();
        bound.extend_from_slice(binding);
        assert!(without_proof.starts_with(&format!("c={},", BASE64.encode(&bound))));
        let message = format!("{},{},{without_proof}", self.client_first, self.server_first);
        let salted = salted_password(4096);
        let client_key = hmac(&salted, b"Client Key");
        let signature = hmac(&Sha256::digest(&client_key), message.as_bytes());
        let expected: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(
            BASE64.decode(proof).expect("base64"),
            expected,
            "the client's proof"
        );
        hmac(&hmac(&salted, b"Server Key"), message.as_bytes())
    }
}

fn prove(signature: &[u8]) -> Vec<u8> {
    auth(12, format!("v={}", BASE64.encode(signature)).as_bytes())
}

fn finish(login: &mut Login) -> Result<Established, LoginError> {
    let mut frames = parameters();
    frames.push(key(32));
    answer(login, &frames)?;
    Ok(login
        .handle(READY, &mut Vec::new())?
        .expect("ready ends the login"))
}

#[test]
fn the_startup_message_pins_what_statements_are_read_by() {
    let mut out = Vec::new();
    let _ = Login::start(credential(Channel::Loopback), &mut out);
    let length = u32::from_be_bytes([out[0], out[1], out[2], out[3]]) as usize;
    assert_eq!(length, out.len());
    assert_eq!(out[4..8], [0, 3, 0, 0]);
    let text = String::from_utf8_lossy(&out[8..]).into_owned();
    assert_eq!(
        text,
        "user\0app\0database\0customers\0timezone\0UTC\0\
         standard_conforming_strings\0on\0client_encoding\0UTF8\0\0"
    );
}

#[test]
fn scram_logs_in_and_takes_what_the_server_reports() {
    for channel in [Channel::Loopback, Channel::Untrusted, verified()] {
        let mut login = begun(channel.clone());
        let mut exchange = offer(&mut login, &["SCRAM-SHA-256"]);
        assert_eq!(exchange.mechanism, SCRAM_SHA_256);
        // `y`: we could have bound the channel, and the server did not offer it.
        let gs2 = if channel == verified() { "y,," } else { "n,," };
        assert_eq!(exchange.gs2, gs2);
        let client_final = answer(&mut login, &[exchange.challenge("4096")]).expect("a challenge");
        let signature = exchange.conclude(&client_final, b"");
        answer(&mut login, &[prove(&signature), auth(0, &[])]).expect("proven");
        let established = finish(&mut login).expect("logged in");
        assert_eq!(established.pid, 4711);
        assert_eq!(established.secret, vec![5; 32]);
        assert_eq!(established.parameters.len(), 4);
        assert_eq!(established.method, "SCRAM-SHA-256");
    }
}

#[test]
fn scram_is_bound_to_the_certificate_where_the_server_offers_it() {
    let mut login = begun(verified());
    let mut exchange = offer(&mut login, &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
    assert_eq!(exchange.mechanism, SCRAM_SHA_256_PLUS);
    assert_eq!(exchange.gs2, "p=tls-server-end-point,,");
    let client_final = answer(&mut login, &[exchange.challenge("4096")]).expect("a challenge");
    let signature = exchange.conclude(&client_final, &[9; 32]);
    answer(&mut login, &[prove(&signature), auth(0, &[])]).expect("proven");
    let established = finish(&mut login).expect("logged in");
    assert_eq!(established.method, "SCRAM-SHA-256-PLUS");
}

#[test]
fn a_server_that_cannot_prove_itself_is_not_believed() {
    let mut login = begun(Channel::Loopback);
    let mut exchange = offer(&mut login, &["SCRAM-SHA-256"]);
    answer(&mut login, &[exchange.challenge("4096")]).expect("a challenge");
    assert!(matches!(
        answer(&mut login, &[prove(&[0; 32])]),
        Err(LoginError::Scram(_))
    ));

    // Nor one that leaves its proof out.
    for point in 0..2 {
        let mut login = begun(Channel::Loopback);
        let mut exchange = offer(&mut login, &["SCRAM-SHA-256"]);
        if point == 1 {
            answer(&mut login, &[exchange.challenge("4096")]).expect("a challenge");
        }
        assert!(matches!(
            answer(&mut login, &[auth(0, &[])]),
            Err(LoginError::Scram(_))
        ));
    }
}

#[test]
fn a_challenge_that_costs_too_much_or_nothing_is_refused() {
    for iterations in [
        "0",
        "1000000000",
        "100001",
        "-1",
        "+1",
        "",
        "99999999999999999999",
        "4096,i=1",
    ] {
        let mut login = begun(Channel::Loopback);
        let mut exchange = offer(&mut login, &["SCRAM-SHA-256"]);
        let refused = answer(&mut login, &[exchange.challenge(iterations)]);
        assert!(matches!(refused, Err(LoginError::Scram(_))), "{iterations}");
    }
}

#[test]
fn a_nonce_that_does_not_continue_ours_is_refused() {
    for challenge in [
        &b"r=elsewhere,s=MDEyMw==,i=4096"[..],
        b"r=,s=MDEyMw==,i=4096",
        b"s=MDEyMw==,i=4096",
        b"i=4096",
        b"",
        b"\xff\xff,i=4096",
    ] {
        let mut login = begun(Channel::Loopback);
        offer(&mut login, &["SCRAM-SHA-256"]);
        let refused = answer(&mut login, &[auth(11, challenge)]);
        assert!(matches!(refused, Err(LoginError::Scram(_))), "{challenge:?}");
    }
}

#[test]
fn sasl_out_of_turn_is_refused() {
    for frames in [
        vec![auth(11, b"r=x,s=MDEy,i=4096")],
        vec![auth(12, b"v=AAAA")],
        vec![auth(10, b"SCRAM-SHA-256\0\0"), auth(10, b"SCRAM-SHA-256\0\0")],
        vec![auth(10, b"SCRAM-SHA-256\0\0"), auth(12, b"v=AAAA")],
        vec![auth(10, b"SCRAM-SHA-256\0\0"), auth(5, b"salt")],
        vec![auth(10, b"SCRAM-SHA-256")],
        vec![auth(10, b"SCRAM-SHA-256\0")],
        vec![auth(10, b"SCRAM-SHA-256\0\0x")],
    ] {
        assert!(answer(&mut begun(verified()), &frames).is_err(), "{frames:?}");
    }
}

#[test]
fn unknown_mechanisms_and_methods_are_named() {
    let mut refused = vec![answer(&mut begun(verified()), &[auth(10, b"OAUTHBEARER\0\0")])];
    // Binding alone cannot be done over a channel that is not verified.
    refused.push(answer(
        &mut begun(Channel::Loopback),
        &[auth(10, b"SCRAM-SHA-256-PLUS\0\0")],
    ));
    for method in [1, 2, 4, 6, 7, 8, 9, 13, -1] {
        refused.push(answer(&mut begun(verified()), &[auth(method, b"")]));
    }
    for refused in refused {
        assert!(matches!(refused, Err(LoginError::Method { .. })), "{refused:?}");
    }
}

#[test]
fn the_password_goes_in_clear_to_a_verified_server_only() {
    for channel in [Channel::Loopback, Channel::Untrusted] {
        let refused = answer(&mut begun(channel), &[auth(3, &[])]);
        assert!(matches!(refused, Err(LoginError::Method { .. })));
    }
    let mut login = begun(verified());
    let out = answer(&mut login, &[auth(3, &[])]).expect("verified");
    assert_eq!(out, b"p\0\0\0\x12correct horse\0");
    assert!(matches!(
        answer(&mut login, &[auth(3, &[])]),
        Err(LoginError::Protocol(_))
    ));
}

#[test]
fn md5_hashes_with_the_salt() {
    let out = answer(&mut begun(Channel::Untrusted), &[auth(5, b"salt")]).expect("a hash");
    let hash = md5_hash(b"app", PASSWORD.as_bytes(), *b"salt");
    assert_eq!(&out[frame::HEADER_BYTES..], [hash.as_bytes(), b"\0"].concat());
    assert!(answer(&mut begun(Channel::Untrusted), &[auth(5, b"sal")]).is_err());
}

#[test]
fn a_server_that_asks_for_nothing_must_be_the_one_we_mean() {
    assert!(matches!(
        answer(&mut begun(Channel::Untrusted), &[auth(0, &[])]),
        Err(LoginError::Method { .. })
    ));
    for channel in [Channel::Loopback, verified()] {
        answer(&mut begun(channel), &[auth(0, &[])]).expect("trusted");
    }
    assert!(answer(&mut begun(verified()), &[auth(0, &[]), auth(0, &[])]).is_err());
}

#[test]
fn a_missing_password_is_the_operators_to_mend() {
    let mut credential = credential(verified());
    credential.password = None;
    let mut login = Login::start(credential, &mut Vec::new());
    assert!(matches!(
        answer(&mut login, &[auth(10, b"SCRAM-SHA-256\0\0")]),
        Err(LoginError::Method {
            method: "a password",
            ..
        })
    ));
}

#[test]
fn nothing_is_taken_before_the_login_is_accepted() {
    for early in [
        READY.to_vec(),
        key(4),
        parameter("server_encoding", "UTF8"),
        b"T\0\0\0\x04".to_vec(),
    ] {
        assert!(answer(&mut begun(verified()), &[early]).is_err());
    }
    let early = answer(
        &mut begun(verified()),
        &[b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0".to_vec()],
    );
    assert!(matches!(early, Err(LoginError::Protocol(_))));
    assert!(answer(&mut begun(verified()), &[vec![]]).is_err());
}

#[test]
fn a_cancel_key_of_impossible_length_is_refused() {
    for length in [0, 3, 257] {
        let mut login = begun(verified());
        assert!(
            answer(&mut login, &[auth(0, &[]), key(length)]).is_err(),
            "{length}"
        );
    }
    let mut login = begun(verified());
    assert!(answer(&mut login, &[auth(0, &[]), b"K\0\0\0\x06\0\0".to_vec()]).is_err());
}

#[test]
fn what_is_not_utf8_or_reads_strings_otherwise_is_refused() {
    for (name, value) in [
        ("server_encoding", "SQL_ASCII"),
        ("server_encoding", "LATIN1"),
        ("client_encoding", "SJIS"),
        ("standard_conforming_strings", "off"),
    ] {
        let mut login = begun(verified());
        assert!(
            answer(&mut login, &[auth(0, &[]), parameter(name, value)]).is_err(),
            "{name}={value}"
        );
    }
    // A server that keeps silent about one of them is not taken at its silence.
    for missing in 0..3 {
        let mut login = begun(verified());
        let mut frames = vec![auth(0, &[])];
        frames.extend(parameters());
        frames.remove(1 + missing);
        answer(&mut login, &frames).expect("well-formed");
        assert!(matches!(
            login.handle(READY, &mut Vec::new()),
            Err(LoginError::Protocol(_))
        ));
    }
}

#[test]
fn a_new_session_that_is_not_idle_is_refused() {
    for ready in [&b"Z\0\0\0\x05T"[..], b"Z\0\0\0\x04", b"Z\0\0\0\x06II"] {
        let mut login = begun(verified());
        let mut frames = vec![auth(0, &[])];
        frames.extend(parameters());
        answer(&mut login, &frames).expect("well-formed");
        assert!(login.handle(ready, &mut Vec::new()).is_err());
    }
}

#[test]
fn parameters_without_end_are_refused() {
    let mut login = begun(verified());
    answer(&mut login, &[auth(0, &[])]).expect("trusted");
    let flood = vec![parameter("x", "y"); 257];
    assert!(matches!(answer(&mut login, &flood), Err(LoginError::Protocol(_))));
}

#[test]
fn a_refusal_is_kept_for_the_log_whatever_it_looks_like() {
    let refused = answer(
        &mut begun(verified()),
        &[b"E\0\0\0\x19SFATAL\0C28P01\0Mno\0\0\0\0".to_vec()],
    );
    let Err(LoginError::Refused { sqlstate, message }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((sqlstate.as_str(), message.as_str()), ("28P01", "no"));
    for body in [
        &b"E\0\0\0\x04"[..],
        b"E\0\0\0\x05\0",
        b"E\0\0\0\x07Mno",
        b"E\0\0\0\x06C\xff",
    ] {
        assert!(matches!(
            answer(&mut begun(verified()), &[body.to_vec()]),
            Err(LoginError::Refused { .. })
        ));
    }
}
