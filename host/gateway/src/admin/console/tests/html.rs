//! Reads a page as strictly as its own templates are written, and says what is unsound in it.

use std::collections::{BTreeMap, BTreeSet};

/// Elements that have no end.
const VOID: &[&str] = &["meta", "link", "input", "br", "path", "hr", "img"];

/// One tag of a page, in its order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) end: bool,
    pub(super) attributes: BTreeMap<String, String>,
    /// The text between this tag and the next.
    pub(super) text: String,
}

impl Tag {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// Returns the tags of a page.
pub(super) fn tags(page: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    for piece in page.split('<').skip(1) {
        let (inside, text) = piece.split_once('>').expect("a tag ends");
        if inside.starts_with('!') {
            continue;
        }
        let inside = inside.trim_end_matches('/');
        let end = inside.starts_with('/');
        let inside = inside.trim_start_matches('/');
        let (name, rest) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
        tags.push(Tag {
            name: name.to_owned(),
            end,
            attributes: attributes(rest),
            text: text.trim().to_owned(),
        });
    }
    tags
}

fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut rest = text.trim_start();
    let mut found = BTreeMap::new();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let quoted = after.strip_prefix('"').expect("values are in quotes");
            let (own, left) = quoted.split_once('"').expect("a quote ends");
            value = own.to_owned();
            rest = left;
        }
        let twice = found.insert(name.clone(), value);
        assert!(twice.is_none(), "{name} stands twice in {text}");
        rest = rest.trim_start();
    }
    found
}

/// Returns what a page is made of, without its texts and values.
pub(super) fn shape(page: &str) -> Vec<String> {
    let shape = |tag: &Tag| {
        let names: Vec<&str> = tag.attributes.keys().map(String::as_str).collect();
        format!(
            "{}{} {}",
            if tag.end { "/" } else { "" },
            tag.name,
            names.join(" ")
        )
    };
    tags(page).iter().map(shape).collect()
}

/// Checks everything that a page must be.
pub(super) fn check(page: &str) {
    assert!(page.starts_with("<!doctype html>"), "{page}");
    let tags = tags(page);
    balanced(&tags);
    nothing_inline(&tags);
    let ids = ids(&tags);
    labelled(&tags, &ids);
    forms(&tags);
    tables(&tags);
    for tag in tags.iter().filter(|tag| tag.name == "a" && !tag.end) {
        let to = tag.get("href").expect("a link leads somewhere");
        let known =
            to.starts_with('/') && !to.starts_with("//") || to.starts_with('#') || to.starts_with("http");
        assert!(known, "{to}");
    }
    let title = tags.iter().find(|tag| tag.name == "title").expect("a title");
    assert!(title.text.len() > " · Tidegate".len(), "{}", title.text);
    assert_eq!(tags[0].get("lang"), Some("en"));
    assert_eq!(
        tags.iter().filter(|tag| tag.name == "h1" && !tag.end).count(),
        1,
        "one h1"
    );
    assert!(
        tags.iter().any(|tag| tag.get("href") == Some("#main")),
        "a way to skip the bar"
    );
}

fn balanced(tags: &[Tag]) {
    let mut open = Vec::new();
    for tag in tags {
        if VOID.contains(&tag.name.as_str()) {
            continue;
        }
        if tag.end {
            assert_eq!(open.pop(), Some(tag.name.as_str()), "ends as it began");
        } else {
            open.push(&tag.name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

fn nothing_inline(tags: &[Tag]) {
    for tag in tags {
        assert_ne!(tag.name, "style", "no inline styles");
        for name in tag.attributes.keys() {
            assert!(name != "style" && !name.starts_with("on"), "{tag:?}");
        }
        if tag.name == "script" && !tag.end {
            let source = tag.get("src").expect("no inline script");
            assert!(
                source.starts_with("/console/assets/") && tag.text.is_empty(),
                "{tag:?}"
            );
        }
        for name in ["src", "href", "action"] {
            let value = tag.get(name).unwrap_or_default().trim().to_ascii_lowercase();
            assert!(
                !value.starts_with("javascript:") && !value.starts_with("data:"),
                "{tag:?}"
            );
        }
    }
}

fn ids(tags: &[Tag]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for id in tags.iter().filter_map(|tag| tag.get("id")) {
        assert!(ids.insert(id.to_owned()), "the id {id} stands twice");
    }
    for tag in tags {
        for name in ["for", "aria-labelledby", "aria-describedby"] {
            if let Some(id) = tag.get(name) {
                assert!(ids.contains(id), "{tag:?} names {id}");
            }
        }
    }
    ids
}

fn labelled(tags: &[Tag], ids: &BTreeSet<String>) {
    let labels: BTreeSet<&str> = tags.iter().filter_map(|tag| tag.get("for")).collect();
    let mut within = 0;
    for tag in tags {
        match (tag.name.as_str(), tag.end) {
            ("label", false) => within += 1,
            ("label", true) => within -= 1,
            ("input" | "select" | "textarea", false) if tag.get("type") != Some("hidden") => {
                let own = tag
                    .get("id")
                    .is_some_and(|id| labels.contains(id) && ids.contains(id));
                assert!(own || within > 0, "{tag:?} has no label");
            }
            _ => {}
        }
    }
}

fn forms(tags: &[Tag]) {
    let mut at = 0;
    while let Some(begin) = tags[at..].iter().position(|tag| tag.name == "form" && !tag.end) {
        let begin = at + begin;
        let end = tags[begin..].iter().position(|tag| tag.name == "form" && tag.end);
        let end = begin + end.expect("a form ends");
        let form = &tags[begin];
        let inside = &tags[begin..end];
        assert!(
            form.get("action").is_some_and(|to| to.starts_with('/')),
            "{form:?}"
        );
        let token = inside.iter().find(|tag| tag.get("name") == Some("token"));
        match form.get("method") {
            Some("post") => {
                let token = token.and_then(|tag| tag.get("value")).unwrap_or_default();
                assert!(!token.is_empty(), "{form:?} has no token");
            }
            Some("get") => assert!(token.is_none(), "{form:?} would show its token"),
            other => panic!("{form:?} has the method {other:?}"),
        }
        let sends = inside.iter().any(|tag| tag.name == "button" && !tag.end);
        assert!(sends, "{form:?} has no button");
        at = end;
    }
}

fn tables(tags: &[Tag]) {
    for (at, tag) in tags.iter().enumerate() {
        if tag.name == "table" && !tag.end {
            assert_eq!(tags[at + 1].name, "caption", "a table says what it is");
        }
        if tag.name == "th" && !tag.end {
            assert!(matches!(tag.get("scope"), Some("col" | "row")), "{tag:?}");
        }
    }
}
