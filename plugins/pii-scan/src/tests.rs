use tidegate_sdk::masker::{Action, CellFormat, Field};
use tidegate_sdk::testing::{check, issues, plans};

use super::{Kinds, PiiScan, Search, bytes};

/// Masks one text with everything at its default.
fn gives(text: &str, masked: &str) {
    check::<PiiScan>("{}").column("note", [text]).gives([masked]);
}

fn stays(text: &str) {
    gives(text, text);
}

#[test]
fn each_kind_is_found_inside_a_sentence() {
    gives("call, ssn 123-45-6789.", "call, ssn [ssn].");
    gives("(123 45 6789)", "([ssn])");
    gives("paid by 4111 1111 1111 1111, thanks", "paid by [card], thanks");
    gives("4111111111111111", "[card]");
    gives("amex 3782-822463-10005!", "amex [card]!");
    gives("to DE89 3704 0044 0532 0130 00 please", "to [iban] please");
    gives("gb82west12345698765432", "[iban]");
    gives("write to ann.lee+x@mail.example.com.", "write to [email].");
    gives("<b@ex-ample.org>", "<[email]>");
    gives("+49 30 901820", "[phone]");
    gives("+1 (415) 555-2671", "[phone]");
    gives("tel (415) 555-2671 or 415.555.2671", "tel [phone] or [phone]");
    gives("1-415-555-2671", "[phone]");
}

#[test]
fn a_text_may_end_anywhere() {
    let text = "a@b.example, 8112 3704 0044 0532, DE89 3704, +1 (415) 555-2671, 123-45-6789";
    for end in 0..=text.len() {
        let text = &text.as_bytes()[..end];
        let Some(first) = bytes::trigger(text) else {
            continue;
        };
        let mut search = Search::new(text, Kinds::all(), first);
        while let Some(found) = search.find() {
            assert!(found.start < found.end && found.end <= end, "{end}");
            search.take(found.end);
        }
    }
    for digits in [
        "8", "81", "811", "+", "+8", "1", "1 ", "1-(", "DE8", "DE89", "@", "8@", "@8",
    ] {
        stays(digits);
    }
}

#[test]
fn what_cannot_be_one_stays() {
    for text in [
        "000-12-3456",
        "666-12-3456",
        "900-12-3456",
        "123-00-4567",
        "123-45-0000",
        "123-45 6789",
        "1123-45-6789",
        "123-45-67890",
        "x123-45-6789",
        "123-45-6789-1",
        "2024-123-45-6789",
        "4111 1111 1111 1112",
        "0000000000000000",
        "4444444444444444",
        "41111111111111110000",
        "DE88 3704 0044 0532 0130 00",
        "ZZ89370400440532013000",
        "XDE89370400440532013000",
        "a@b",
        "@example.com",
        "a@.com",
        "a@1.2.3.4",
        "a@b..com",
        "+1234567",
        "+0 12345678",
        "+1234567890123456",
        "115-555-2671",
        "415-155-2671",
        "415-555.2671",
        "order 20240131 of 12.5 pieces",
        "9f86d081884c7d659a2feaa0c55ad015",
        "2024-01-31 12:30:45",
    ] {
        stays(text);
    }
}

#[test]
fn several_in_one_text_are_all_replaced() {
    gives("a@b.io, 123-45-6789 and c@d.io", "[email], [ssn] and [email]");
    gives("123-45-6789 123-45-6789", "[ssn] [ssn]");
    gives("a@b.io,c@d.io", "[email],[email]");
}

#[test]
fn an_address_that_holds_a_number_is_one_finding() {
    gives("4111111111111111@example.com", "[email]");
    gives("x.123-45-6789@example.com", "[email]");
    gives("agent007@example.com", "[email]");
}

#[test]
fn a_card_is_found_beside_other_groups_of_digits() {
    gives("4111 1111 1111 1111 12/29", "[card] 12/29");
    gives("4111 1111 1111 1111 123", "[card] 123");
}

#[test]
fn letters_of_any_script_are_letters() {
    gives("née jürgen@müller.de, ü", "née [email], ü");
    gives(
        "“123-45-6789” – 「a@b.io」、“c@d.io”",
        "“[ssn]” – 「[email]」、“[email]”",
    );
    gives("号123-45-6789号", "号[ssn]号");
    gives(
        &format!("{}@b.io", "é".repeat(50)),
        &format!("{}[email]", "é".repeat(18)),
    );
    gives(&format!("a@{}.io", "é".repeat(10)), "[email]");
    stays(&format!("a@{}", "é".repeat(200)));
}

#[test]
fn bytes_that_are_no_utf8_and_cut_characters_do_no_harm() {
    let field = Field {
        format: CellFormat::Utf8,
        ..Field::text("x")
    };
    let cell: &[u8] = b"ok \xff no digits";
    let masked = check::<PiiScan>("{}").field(field, [Some(cell)]).masked();
    assert_eq!(masked, [[Some(cell.to_vec())]]);
}

#[test]
fn styles_keep_the_form() {
    let config = r#"{"replace":{"ssn":"last-4","card":"stars","email":"stars"}}"#;
    check::<PiiScan>(config)
        .column(
            "note",
            ["123-45-6789", "4111 1111 1111 1111", "a.b@c.io", "+49 30 901820"],
        )
        .gives(["***-**-6789", "**** **** **** ****", "*.*@*.**", "[phone]"]);
}

#[test]
fn only_what_is_configured_is_found() {
    check::<PiiScan>(r#"{"find":["email"]}"#)
        .column("note", ["123-45-6789 a@b.io 4111111111111111"])
        .gives(["123-45-6789 [email] 4111111111111111"]);
}

#[test]
fn a_json_document_stays_one() {
    let field = || Field {
        native_type: "jsonb".to_owned(),
        ..Field::text("doc")
    };
    for (document, masked) in [
        (
            r#"{"card": 4111111111111111, "n": 1}"#,
            r#"{"card": "[card]", "n": 1}"#,
        ),
        (
            r#"{"a": "x \" 123-45-6789", "b": [4111111111111111]}"#,
            r#"{"a": "x \" [ssn]", "b": ["[card]"]}"#,
        ),
        (r#"{"mail":"a@b.io"}"#, r#"{"mail":"[email]"}"#),
        (
            r#"{"a":"\n123-45-6789\tx@b.io\u00e9\\\"a@b.io"}"#,
            r#"{"a":"\n[ssn]\t[email]\u00e9\\\"[email]"}"#,
        ),
        (r#"{"n":-4111111111111111.5e3}"#, r#"{"n":"[card]"}"#),
    ] {
        let got = check::<PiiScan>("{}").field(field(), [Some(document)]).masked();
        let got = String::from_utf8(got[0][0].clone().expect("a cell")).expect("UTF-8");
        assert_eq!(got, masked);
        serde_json::from_str::<serde_json::Value>(&got).expect("JSON");
    }
}

#[test]
fn nulls_and_clean_cells_pass_beside_findings() {
    let got = check::<PiiScan>("{}")
        .field(
            Field::text("x"),
            [None, Some("clean"), Some("a@b.io"), None, Some("")],
        )
        .masked();
    let cell = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(got, [[None, cell("clean"), cell("[email]"), None, cell("")]]);
}

#[test]
fn only_untagged_text_is_looked_at() {
    assert_eq!(plans::<PiiScan>("{}", &Field::text("x")), Action::CallAs(0));
    let tagged = Field {
        tags: vec!["pii.ssn".to_owned()],
        ..Field::text("x")
    };
    assert_eq!(plans::<PiiScan>("{}", &tagged), Action::Keep);
    let number = Field {
        native_type: "int8".to_owned(),
        ..Field::text("x")
    };
    assert_eq!(plans::<PiiScan>("{}", &number), Action::Keep);
    let binary = Field {
        format: CellFormat::Bytes,
        ..Field::text("x")
    };
    assert_eq!(plans::<PiiScan>("{}", &binary), Action::Keep);
}

#[test]
fn long_texts_without_findings_take_time_in_proportion() {
    for piece in ["1", "@", "a@", "1-", "1 ", "+1", "a.", "1@", "DE89 ", "4111-"] {
        stays(&piece.repeat(100_000));
    }
}

#[test]
fn a_misspelt_configuration_is_named() {
    assert!(issues::<PiiScan>(r#"{"find":["ssm"]}"#)[0].starts_with("/find/0: unknown variant"));
    assert_eq!(
        issues::<PiiScan>(r#"{"find":[]}"#),
        ["/find: names nothing: leave it out to find everything"]
    );
}
