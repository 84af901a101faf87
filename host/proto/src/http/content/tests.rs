use super::*;

fn media(text: &str) -> MediaType {
    MediaType::parse(text.as_bytes()).expect(text)
}

#[test]
fn a_body_is_read_by_its_media_type() {
    for (text, class) in [
        ("application/json", BodyClass::Json),
        ("Application/JSON; charset=UTF-8", BodyClass::Json),
        ("application/problem+json", BodyClass::Json),
        ("application/vnd.api+json;version=1", BodyClass::Json),
        ("text/json", BodyClass::Json),
        ("application/x-ndjson", BodyClass::NdJson),
        ("application/jsonl", BodyClass::NdJson),
        ("text/event-stream", BodyClass::EventStream),
        ("application/x-www-form-urlencoded", BodyClass::Form),
        ("multipart/form-data; boundary=\"a b\"", BodyClass::Multipart),
        ("text/plain", BodyClass::Text),
        ("text/html;charset=utf-8", BodyClass::Text),
        ("text/csv", BodyClass::Text),
        ("application/xml", BodyClass::Text),
        ("image/svg+xml", BodyClass::Text),
        ("application/octet-stream", BodyClass::Opaque),
        ("image/png", BodyClass::Opaque),
        ("application/jsonp", BodyClass::Opaque),
        ("application/json-seq", BodyClass::Opaque),
    ] {
        assert_eq!(media(text).class(), class, "{text}");
    }
}

#[test]
fn json_in_disguise_is_json() {
    for (class, start, expected) in [
        (BodyClass::Text, &b"{\"a\":1}"[..], BodyClass::Json),
        (BodyClass::Text, b" \r\n\t[1]", BodyClass::Json),
        (BodyClass::Text, b"hello {", BodyClass::Text),
        (BodyClass::Text, b"", BodyClass::Text),
        (BodyClass::Opaque, b"{", BodyClass::Opaque),
        (BodyClass::EventStream, b"{", BodyClass::EventStream),
    ] {
        assert_eq!(class.sniffed(start), expected, "{class:?}");
    }
}

#[test]
fn media_types_are_read_strictly() {
    for text in [
        "",
        "json",
        "/",
        "a/",
        "/b",
        "a/b/c",
        "a b/c",
        "application/json, text/html",
        "a/b;",
        "a/b;;c=d",
        "a/b; c",
        "a/b; c=",
        "a/b; =d",
        "a/b; c=d e",
        "a/b; c=\"d",
        "a/b; c=\"d\"e",
        "a/b; c=d; C=e",
        "a/b\0",
        "a/b; c=\"\u{1}\"",
    ] {
        assert_eq!(MediaType::parse(text.as_bytes()), Err(MediaTypeError), "{text:?}");
    }
    let many: String = (0..=PARAMETERS_MAX).map(|at| format!(";p{at}=x")).collect();
    assert!(MediaType::parse(format!("a/b{many}").as_bytes()).is_err());
    assert!(MediaType::parse("a".repeat(MEDIA_TYPE_BYTES_MAX).as_bytes()).is_err());
}

#[test]
fn parameters_are_told_without_their_quotes() {
    let content = media("a/b ; X=y;\tz=\"a\\\"b;c\" ; w=1");
    assert_eq!(content.essence(), "a/b");
    for (name, value) in [
        ("x", Some("y")),
        ("z", Some("a\"b;c")),
        ("w", Some("1")),
        ("v", None),
    ] {
        assert_eq!(content.parameter(name), value);
    }
}

#[test]
fn only_utf8_can_be_scanned() {
    for (charset, expected) in [
        ("", true),
        ("; charset=utf-8", true),
        ("; charset=\"UTF-8\"", true),
        ("; charset=US-ASCII", true),
        ("; charset=utf-16", false),
        ("; charset=iso-8859-1", false),
        ("; charset=utf-7", false),
    ] {
        assert_eq!(
            media(&format!("text/plain{charset}")).is_utf8(),
            expected,
            "{charset}"
        );
    }
}

#[test]
fn there_is_one_content_type_and_one_coding() {
    let mut headers = HeaderMap::new();
    assert_eq!(MediaType::of(&headers), Ok(None));
    headers.append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(MediaType::of(&headers), Ok(Some(media("text/plain"))));
    headers.append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(MediaType::of(&headers), Err(MediaTypeError));

    for (values, expected) in [
        (&[][..], Ok(Coding::Identity)),
        (&["GZIP"], Ok(Coding::Gzip)),
        (&["deflate"], Ok(Coding::Deflate)),
        (&["br"], Ok(Coding::Brotli)),
        (&["zstd"], Ok(Coding::Zstd)),
        (&["gzip, gzip"], Err(CodingError)),
        (&["gzip", "br"], Err(CodingError)),
        (&["compress"], Err(CodingError)),
        (&[""], Err(CodingError)),
    ] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        assert_eq!(Coding::of(&headers), expected, "{values:?}");
    }
}
