use askama::Template as _;
use model::approval::Standing;

use super::html::{check, shape, tags};
use super::samples::{NOW, all, approval, case, reader, shell};
use crate::admin::console::approval::ApprovalPage;

/// Everything that has ever broken out of a page, or fooled its reader.
const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>' onmouseover='x'\u{1b}]0;pwned\u{7}\
     \u{1b}[2J\u{202e}txet\u{2066}\u{200b}\u{feff}\u{85}\u{2028}</textarea></title></code></bdi>{{7*7}}&lt;&#x3c;\u{0}";

#[test]
fn every_page_is_sound() {
    for (name, page) in all("plain") {
        eprintln!("{name}");
        check(&page);
    }
}

#[test]
fn hostile_text_changes_no_page() {
    let hostile = all(HOSTILE);
    for ((name, plain), (_, hostile)) in all("plain").into_iter().zip(hostile) {
        eprintln!("{name}");
        check(&hostile);
        // The empty filter and the filled one differ in nothing but values, too.
        assert_eq!(shape(&plain), shape(&hostile), "{name}");
    }
}

#[test]
fn what_could_mislead_a_reader_is_shown_and_not_obeyed() {
    for (name, page) in all(HOSTILE) {
        // What somebody typed goes back into their field as it was.
        let fields = ["explain", "past sessions", "journal", "grants"];
        let shown = if fields.contains(&name) {
            without_fields(&page)
        } else {
            page
        };
        let found = shown.chars().find(|c| {
            c.is_control() && *c != '\n' && *c != '\t'
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        });
        assert_eq!(found, None, "{name}");
        if name != "sign in" {
            assert!(shown.contains(r"\u{202e}"), "{name} shows that it is there");
        }
    }
}

/// Returns a page without what stands in the fields of its forms.
fn without_fields(page: &str) -> String {
    let mut out = String::new();
    for tag in tags(page) {
        if !matches!(tag.name.as_str(), "input" | "textarea" | "option" | "select") {
            out.push_str(&tag.text);
            out.extend(tag.attributes.values().map(String::as_str));
        }
    }
    out
}

#[test]
fn nobody_approves_by_pressing_enter_and_denying_is_as_near_as_approving() {
    let page = ApprovalPage::of(shell("bob"), &approval("x"), &case("x"), &reader(Ok(())), NOW);
    let page = page.render().expect("rendered");
    let buttons: Vec<_> = tags(&page)
        .into_iter()
        .skip_while(|tag| tag.get("data-guard").is_none())
        .filter(|tag| tag.name == "button" && !tag.end)
        .take(3)
        .collect();
    // The first button of a form is what Enter presses: it does nothing.
    assert!(buttons[0].get("disabled").is_some() && buttons[0].get("name").is_none());
    assert_eq!(buttons[1].get("value"), Some("deny"));
    assert_eq!(buttons[2].get("value"), Some("approve"));
    assert!(!page.contains("autofocus"));
    let revision = tags(&page)
        .into_iter()
        .find(|tag| tag.get("name") == Some("revision"));
    assert_eq!(revision.expect("a revision").get("value"), Some("1"));
}

#[test]
fn only_who_may_answer_a_pending_question_gets_the_form() {
    let form = |approval: &model::approval::Approval, reader| {
        let page = ApprovalPage::of(shell("bob"), approval, &case("x"), &reader, NOW);
        page.render().expect("rendered").contains("value=\"approve\"")
    };
    let pending = approval("x");
    assert!(form(&pending, reader(Ok(()))));
    assert!(!form(&pending, reader(Err(None))));
    let mut own = pending.clone();
    own.requester = std::sync::Arc::new(model::Principal {
        issuer: "https://idp.example.com".to_owned(),
        subject: "bob".to_owned(),
        ..(*own.requester).clone()
    });
    assert!(!form(&own, reader(Ok(()))), "nobody answers for themselves");
    let mut answered = pending.clone();
    answered.votes[0].by = "https://idp.example.com|bob".to_owned();
    assert!(!form(&answered, reader(Ok(()))), "nobody answers twice");
    let mut denied = pending.clone();
    denied.standing = Standing::Denied;
    assert!(!form(&denied, reader(Ok(()))));
    let mut late = pending;
    late.decide_by_us = NOW;
    assert!(!form(&late, reader(Ok(()))), "what has expired is over");
}

#[test]
fn what_the_session_has_set_before_stands_beside_the_statement() {
    let mut case = case("x");
    case.settings = vec!["set app.tenant to '<acme>'".to_owned()];
    let page = |case: &model::approval::Case| {
        let page = ApprovalPage::of(shell("bob"), &approval("x"), case, &reader(Ok(())), NOW);
        page.render().expect("rendered")
    };
    let shown = page(&case);
    assert!(
        shown.contains("set app.tenant to &#39;&#60;acme&#62;&#39;"),
        "{shown}"
    );
    case.settings.clear();
    assert!(!page(&case).contains("Set before"), "nothing is said of nothing");
}

#[test]
fn what_was_not_understood_is_said_in_so_many_words() {
    let mut unread = case("x");
    unread.facts = model::Facts::default();
    let page = ApprovalPage::of(shell("bob"), &approval("x"), &unread, &reader(Ok(())), NOW);
    assert!(page.render().expect("rendered").contains("Could not be analysed"));
    let mut unknown = case("x");
    unknown.estimated_rows = None;
    let page = ApprovalPage::of(shell("bob"), &approval("x"), &unknown, &reader(Ok(())), NOW);
    assert!(
        page.render().expect("rendered").contains("not known"),
        "unknown is not zero"
    );
}

#[test]
fn high_risk_is_approved_by_typing_the_resources_name_and_low_risk_is_not() {
    let page = |score| {
        let mut case = case("x");
        case.assessment.score = score;
        let page = ApprovalPage::of(shell("bob"), &approval("x"), &case, &reader(Ok(())), NOW);
        page.render().expect("rendered").contains("id=\"resource\"")
    };
    assert!(page(70));
    assert!(!page(69));
}
