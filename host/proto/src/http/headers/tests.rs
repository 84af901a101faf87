//! Both directions: what goes, what is ours, what is rewritten.

mod client;
mod upstream;

use ::http::HeaderMap;

use super::*;

fn path(text: &str) -> CanonicalPath {
    CanonicalPath::parse(text, super::super::path::PathRules::default()).expect(text)
}

fn authority(text: &str) -> Authority {
    Authority::parse(text.as_bytes()).expect(text)
}

fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a value");
        map.append(HeaderName::from_static(name), value);
    }
    map
}

/// Returns the headers as sorted lines.
fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
        .collect();
    lines.sort_unstable();
    lines
}
