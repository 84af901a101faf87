use super::*;

fn find(source: &TokenSource, values: &[&'static str]) -> Result<Option<String>, StatusCode> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(source.name(), HeaderValue::from_static(value));
    }
    match source.find(&headers) {
        Ok(token) => Ok(token.map(|token| token.secret().to_owned())),
        Err(rejection) => Err(rejection.status),
    }
}

#[test]
fn one_bearer_token_is_found() {
    let (bad, unauthorized) = (Err(StatusCode::BAD_REQUEST), Err(StatusCode::UNAUTHORIZED));
    for (values, expected) in [
        (&["Bearer a.b-c_d~e+f/g=="][..], Ok(Some("a.b-c_d~e+f/g=="))),
        (&["bEARER abc"], Ok(Some("abc"))),
        (&[], Ok(None)),
        (&["Bearer  abc"], bad),
        (&["Bearer abc def"], bad),
        (&["Bearer a=b"], bad),
        (&["Bearer ==="], bad),
        (&["Bearer "], bad),
        (&["Bearer a,b"], bad),
        (&["Bearer a", "Bearer a"], bad),
        (&["Bearer"], unauthorized),
        (&["Basic abc"], unauthorized),
        (&["DPoP abc"], unauthorized),
        (&["abc"], unauthorized),
    ] {
        let expected = expected.map(|token| token.map(str::to_owned));
        assert_eq!(find(&TokenSource::Authorization, values), expected, "{values:?}");
    }
}

#[test]
fn a_header_of_the_operators_choice_may_go_without_the_scheme() {
    let source = TokenSource::Header(HeaderName::from_static("x-agent-token"));
    for value in ["abc", "Bearer abc"] {
        assert_eq!(find(&source, &[value]), Ok(Some("abc".to_owned())));
    }
    assert_eq!(find(&source, &["Basic abc"]), Err(StatusCode::BAD_REQUEST));
}

#[test]
fn a_token_has_a_length() {
    let mut headers = HeaderMap::new();
    for (length, is_taken) in [(TOKEN_BYTES_MAX, true), (TOKEN_BYTES_MAX + 1, false)] {
        let value = format!("Bearer {}", "a".repeat(length));
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::try_from(value).expect("ASCII"),
        );
        assert_eq!(TokenSource::Authorization.find(&headers).is_ok(), is_taken);
    }
}

#[test]
fn nobody_prints_a_token() {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
    let token = TokenSource::Authorization.find(&headers).expect("a token");
    assert!(!format!("{token:?} {token:#?}").contains("s3cret"));
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret,"));
    let rejection = TokenSource::Authorization.find(&headers).expect_err("no token");
    assert!(!format!("{rejection:?}").contains("s3cret"));
}
