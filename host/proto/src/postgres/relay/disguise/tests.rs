use proptest::prelude::*;

use super::*;

const NAMES: UpstreamNames<'static> = UpstreamNames {
    account: "app",
    template: "",
    client: "agent",
    host: "db.internal",
    address: "10.1.2.3",
    port: 6543,
    database: "crm",
    resource: "customers",
};

fn called(account: &str) -> Disguise {
    Disguise::new(&UpstreamNames {
        account,
        client: "agent",
        ..UpstreamNames::default()
    })
}

fn report(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, kind, |out| out.extend_from_slice(body));
    out
}

/// What becomes of the body of an error behind other bytes.
fn covered(disguise: &Disguise, body: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    out.extend_from_slice(&report(b'E', body));
    disguise.cover_report(&mut out, 6);
    let frame = out.strip_prefix(b"before").expect("what was there before");
    let length = u32::try_from(frame.len() - 1).expect("short").to_be_bytes();
    assert_eq!(frame[..HEADER_BYTES], [b"E", &length[..]].concat());
    frame[HEADER_BYTES..].to_vec()
}

/// What becomes of a message.
fn told(disguise: &Disguise, message: &[u8]) -> Vec<u8> {
    let body = covered(disguise, &[b"M", message, b"\0\0"].concat());
    body.strip_prefix(b"M")
        .and_then(|body| body.strip_suffix(b"\0\0"))
        .expect("one field")
        .to_vec()
}

#[track_caller]
fn tells(disguise: &Disguise, cases: &[(&str, &str)]) {
    for (message, expected) in cases {
        let got = told(disguise, message.as_bytes());
        assert_eq!(String::from_utf8_lossy(&got), *expected, "{message}");
    }
}

#[test]
fn a_sessions_own_role_and_the_one_it_acts_as_both_read_as_the_client() {
    let disguise = Disguise::new(&UpstreamNames {
        account: "gwe_0193",
        template: "app_ro",
        ..NAMES
    });
    assert_eq!(
        covered(&disguise, b"Mgwe_0193 acts as \"app_ro\"\0\0"),
        b"Magent acts as \"agent\"\0\0"
    );
    let same = Disguise::new(&UpstreamNames {
        template: "agent",
        ..NAMES
    });
    assert_eq!(
        covered(&same, b"Mapp acts as agent\0\0"),
        b"Magent acts as agent\0\0"
    );
}

#[test]
fn an_account_is_replaced_where_it_is_a_word() {
    tells(
        &called("app"),
        &[
            ("app", "agent"),
            ("app app,app", "agent agent,agent"),
            ("role \"app\" does not exist", "role \"agent\" does not exist"),
            ("type integer: 'APP'", "type integer: 'agent'"),
            (
                "must be owner of table app.app",
                "must be owner of table agent.agent",
            ),
            ("user=app\nApp-1", "user=agent\nagent-1"),
            ("ist »app« nicht", "ist »agent« nicht"),
            (
                "application of apparel snapp my_app app_2 app2 äapp appä",
                "application of apparel snapp my_app app_2 app2 äapp appä",
            ),
            ("ap", "ap"),
            ("", ""),
        ],
    );
}

#[test]
fn an_account_is_known_in_every_way_of_quoting_it() {
    tells(
        &called("o\"b'r\\ie n"),
        &[
            ("role \"o\"b'r\\ie n\"", "role \"agent\""),
            ("\"o\"\"b'r\\ie n\"", "\"agent\""),
            ("'o\"b''r\\ie n'", "'agent'"),
            ("E'o\"b''r\\\\ie n'", "E'agent'"),
            ("{\"o\\\"b'r\\\\ie n\"}", "{\"agent\"}"),
            ("o\"b'r ie n", "o\"b'r ie n"),
        ],
    );
    tells(&called("-app-"), &[("x-app-y", "xagenty"), ("-app", "-app")]);
    tells(&called("Müller"), &[("müller MÜLLER", "agent agent")]);
}

#[test]
fn a_long_account_is_known_as_the_server_cuts_it() {
    let account = "x".repeat(80);
    tells(
        &called(&account),
        &[
            (&account, "agent"),
            (&account[..63], "agent"),
            (&account[..62], &account[..62]),
        ],
    );
    let account = format!("{}äää", "x".repeat(62));
    let disguise = called(&account);
    tells(&disguise, &[(&account[..62], "agent")]);
    assert_eq!(told(&disguise, &account.as_bytes()[..63]), b"agent");
}

#[test]
fn an_account_without_a_name_or_with_the_clients_changes_nothing() {
    tells(
        &called(""),
        &[("", ""), ("role \"\" does not exist", "role \"\" does not exist")],
    );
    tells(&called("agent"), &[("role \"agent\"", "role \"agent\"")]);
    tells(
        &Disguise::default(),
        &[("host 127.0.0.1 port 0", "host 127.0.0.1 port 0")],
    );
}

#[test]
fn an_address_is_replaced_where_it_cannot_be_something_else() {
    tells(
        &Disguise::new(&NAMES),
        &[
            (
                "connection to server at \"db.internal\" (10.1.2.3), port 6543 failed",
                "connection to server at \"customers\" (customers), port withheld failed",
            ),
            (
                "DB.INTERNAL:6543 10.1.2.3:6543 10.1.2.30",
                "customers customers 10.1.2.30",
            ),
            (
                "socket \"/run/.s.PGSQL.6543\"",
                "socket \"/run/.s.PGSQL.withheld\"",
            ),
            (
                "a report 6543, 6543 rows, import=6543",
                "a report 6543, 6543 rows, import=6543",
            ),
            (
                "permission denied for database crm",
                "permission denied for database customers",
            ),
            ("mydb.internal", "mydb.internal"),
        ],
    );
    let plain = UpstreamNames {
        host: "orders",
        address: "::1",
        database: "customers",
        ..NAMES
    };
    tells(
        &Disguise::new(&plain),
        &[
            (
                "relation \"orders\" does not exist",
                "relation \"orders\" does not exist",
            ),
            ("integer: \"::1\"", "integer: \"::1\""),
            (
                "server at \"orders\" (::1), port 6543",
                "server at \"customers\" (customers), port withheld",
            ),
            ("host=orders port=6543", "host=customers port=withheld"),
            (
                "could not translate host name \"orders\"",
                "could not translate host name \"customers\"",
            ),
            (
                "orders:6543 [::1]:6543 orders:65432",
                "customers customers orders:65432",
            ),
            ("customers", "customers"),
        ],
    );
}

#[test]
fn every_field_is_looked_at_and_those_clients_read_by_rule_stay() {
    let disguise = called("app");
    let got = covered(
        &disguise,
        b"Sapp\0Vapp\0Capp\0Mapp\0Dapp\0Happ\0Papp\0papp\0qapp\0Wapp\0sapp\0tapp\0capp\0dapp\0napp\0\
          Fapp\0Lapp\0Rapp\0Mapp\0!app\0\xffapp\0M\0\0",
    );
    let expected = b"Sagent\0Vagent\0CXX000\0Magent\0Dagent\0Hagent\0Pagent\0pagent\0qagent\0Wagent\0\
          sagent\0tagent\0cagent\0dagent\0nagent\0Fagent\0Lagent\0Ragent\0Magent\0!agent\0\xffagent\0M\0\0";
    assert_eq!(
        got.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );

    let body = b"SERROR\0VERROR\0C42501\0P15\0p15\0L15\0\0";
    for account in ["error", "15"] {
        assert_eq!(covered(&called(account), body), body, "{account}");
    }
    assert_eq!(covered(&called("app01"), b"CAPP01\0\0"), b"CXX000\0\0");
    assert_eq!(covered(&called("M"), b"Mm\0\0"), b"Magent\0\0");
}

#[test]
fn a_name_next_to_bytes_that_are_no_text_is_found() {
    let disguise = called("app");
    assert_eq!(told(&disguise, b"\xffapp\xfe"), b"\xffagent\xfe");
    assert_eq!(told(&disguise, b"\xc3app\xe2\x82"), b"\xc3agent\xe2\x82");
    // The last byte of a letter is not a letter by itself.
    assert_eq!(told(&disguise, "äapp".as_bytes()), "äapp".as_bytes());
    assert_eq!(told(&disguise, b"\xa4app"), b"\xa4agent");
    assert_eq!(
        told(&disguise, "🦀app🦀 𝒜app".as_bytes()),
        "🦀agent🦀 𝒜app".as_bytes()
    );
}

#[test]
fn what_follows_the_last_whole_field_goes() {
    let disguise = called("app");
    for body in [
        &b"Mno\0\0Mapp\0\0"[..],
        b"Mno\0\0app",
        b"Mno\0Mapp",
        b"Mno\0app\0",
        b"Mno\0\0\0",
    ] {
        let got = covered(&disguise, body);
        let expected: &[u8] = if body == b"Mno\0app\0" {
            b"Mno\0app\0\0"
        } else {
            b"Mno\0\0"
        };
        assert_eq!(got, expected, "{}", body.escape_ascii());
    }
    assert_eq!(covered(&disguise, b""), b"\0");
    assert_eq!(covered(&disguise, b"app"), b"\0");
}

#[test]
fn a_report_that_names_nothing_is_not_moved() {
    let disguise = Disguise::new(&NAMES);
    let mut out = report(
        b'N',
        b"SNOTICE\0VNOTICE\0C00000\0Mapplied 65430 rows to crm_2\0\0",
    );
    let before = (out.clone(), out.as_ptr(), out.capacity());
    disguise.cover_report(&mut out, 0);
    assert_eq!((out.clone(), out.as_ptr(), out.capacity()), before);
}

#[test]
fn a_report_full_of_names_does_not_grow_beyond_measure() {
    let disguise = Disguise::new(&UpstreamNames {
        account: "a",
        client: &"é".repeat(5_000),
        ..UpstreamNames::default()
    });
    let message = b"a ".repeat(100_000);
    let got = told(&disguise, &message);
    assert!(got.len() <= message.len() + GROWTH_BYTES_MAX);
    assert!(got.ends_with(b"? ? ? "));
    assert_eq!(
        got.iter().position(|&byte| byte == b' '),
        Some(62),
        "cut between letters"
    );
}

#[test]
fn parameters_of_free_text_are_disguised_and_no_others() {
    let disguise = called("postgres");
    assert_eq!(
        &*disguise.parameter(b"search_path", b"\"postgres\", public"),
        b"\"agent\", public"
    );
    assert_eq!(&*disguise.parameter(b"application_name", b"Postgres"), b"agent");
    for name in [&b"IntervalStyle"[..], b"DateStyle", b"server_version"] {
        assert!(matches!(disguise.parameter(name, b"postgres"), Cow::Borrowed(_)));
    }
    assert!(matches!(
        disguise.parameter(b"search_path", b"public"),
        Cow::Borrowed(b"public")
    ));
}

#[test]
fn a_disguise_does_not_print_what_it_hides() {
    let text = format!("{:?}", Disguise::new(&NAMES));
    assert!(!text.contains("app") && !text.contains("internal"), "{text}");
}

proptest! {
    #[test]
    fn arbitrary_bodies_come_out_whole_and_hold_no_account(
        body in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(0), Just(b'M'), Just(b' '), Just(b'"'), Just(b'a'), Just(b'p')],
            0..60,
        ),
    ) {
        let disguise = called("ap");
        let got = covered(&disguise, &body);
        let mut fields = Fields::of(&got);
        for (kind, value) in &mut fields {
            prop_assert!(disguise.find(value, 0).is_none(), "{} {}", kind, value.escape_ascii());
        }
        prop_assert!(fields.is_at_end());
    }

    #[test]
    fn a_name_between_any_bytes_that_are_no_letters_does_not_get_through(
        account in "[a-zA-Z_äö\"'\\\\-]{1,70}",
        before in "[ \"'(=.,:\n-]{1,3}",
        after in "[ \"').,:\n-]{1,3}",
    ) {
        let message = format!("x{before}{account}{after}x");
        let got = told(&called(&account), message.as_bytes());
        prop_assert_ne!(got, message.as_bytes());
    }
}
