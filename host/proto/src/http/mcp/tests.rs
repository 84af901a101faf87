use model::Fault;

use super::*;

fn call(text: &str) -> Result<Call, CallError> {
    Call::of(&serde_json::from_str(text).expect("JSON"))
}

#[test]
fn a_message_is_known_by_its_method_and_what_it_names() {
    for (text, name, kind) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"amount":9}}}"#,
            Some("pay"),
            OperationKind::Write,
        ),
        (
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#,
            None,
            OperationKind::Read,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#,
            Some("file:///a"),
            OperationKind::Read,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            None,
            OperationKind::Session,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tasks/cancel","params":{"taskId":"t"}}"#,
            Some("t"),
            OperationKind::Write,
        ),
    ] {
        let call = call(text).expect("a call");
        assert_eq!((call.facts.name.as_deref(), call.kind), (name, kind), "{text}");
        let mut facts = Facts::default();
        call.describe(&mut facts);
        assert_eq!(
            (facts.statements[0].verb.as_str(), facts.kind()),
            (call.facts.method.as_str(), kind)
        );
    }
}

#[test]
fn what_has_two_meanings_or_none_is_refused() {
    for (text, error) in [
        ("[]", CallError::Batch),
        ("1", CallError::Form),
        (r#"{"id":1,"method":"ping"}"#, CallError::Form),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, CallError::Form),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
            CallError::Form,
        ),
        (r#"{"jsonrpc":"2.0","method":"ping"}"#, CallError::Form),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"notifications/progress"}"#,
            CallError::Form,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, CallError::Answer),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            CallError::Member,
        ),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, CallError::Member),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            CallError::Member,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
            CallError::Member,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\u0000"}}"#,
            CallError::Member,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/Call","params":{"name":"a"}}"#,
            CallError::Method,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}"#,
            CallError::Method,
        ),
    ] {
        assert_eq!(call(text), Err(error), "{text}");
    }
}

#[test]
fn headers_say_what_the_body_says() {
    let call =
        call(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay"}}"#).expect("a call");
    assert_eq!(call.agrees(None, None), Ok(()));
    assert_eq!(call.agrees(Some("tools/call"), Some("pay")), Ok(()));
    assert_eq!(call.agrees(Some("tools/list"), None), Err(CallError::Header));
    assert_eq!(
        call.agrees(Some("tools/call"), Some("look")),
        Err(CallError::Header)
    );
}

const LISTED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"look"},{"name":"pay"},{"title":"none"}],"cacheScope":"public"}}"#;

#[test]
fn a_list_shows_what_may_be_called() {
    let mut asked = Vec::new();
    let mut permitted = |text: &str, facts: &Facts| {
        asked.push((text.to_owned(), facts.kind()));
        text == "tools/call look"
    };
    let cut = List::Tools.cut(LISTED.as_bytes(), false, &Facts::default(), &mut permitted);
    let cut: Value = serde_json::from_slice(&cut.expect("cut")).expect("JSON");
    assert_eq!(
        cut["result"],
        json!({ "tools": [{ "name": "look" }], "cacheScope": "private" })
    );
    let events = format!("event: message\ndata: {LISTED}\n\n: nothing\n\n");
    let cut = List::Tools.cut(events.as_bytes(), true, &Facts::default(), &mut permitted);
    let cut = String::from_utf8(cut.expect("cut")).expect("UTF-8");
    assert!(
        cut.starts_with("event: message\ndata: {") && cut.contains("look") && !cut.contains("pay"),
        "{cut}"
    );
    assert_eq!(asked[1], ("tools/call pay".to_owned(), OperationKind::Write));
    for bad in ["", "[]", "nothing", r#"{"result":{"tools":{}}}"#] {
        assert_eq!(
            List::Tools.cut(bad.as_bytes(), false, &Facts::default(), |_, _| true),
            None,
            "{bad}"
        );
    }
}

#[test]
fn a_refusal_is_an_error_of_json_rpc_that_teaches() {
    let refusal = Refusal::new(Rule::PolicyDenied, Fault::Client, "no policy permits it").hint("ask");
    let answer: Value = serde_json::from_slice(&refused(&json!(7), &refusal, None)).expect("JSON");
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(7), &json!(DENIED))
    );
    assert_eq!(
        answer["error"]["data"],
        json!({ "rule": "policy-denied", "fault": "client", "hint": "ask" })
    );
}
