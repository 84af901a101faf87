//! What the server says of its account and address reaches nobody.

use super::super::{Disguise, UpstreamNames};
use super::stage::{Stage, play, show};
use super::wire::*;
use crate::postgres::frame::HEADER_BYTES;

/// Plays with an upstream whose account, host and database are known.
fn play_known(masking: bool, script: impl Fn(&mut Stage)) {
    play(masking, |stage| {
        stage.know(Disguise::new(&UpstreamNames {
            account: "app_readonly",
            template: "",
            client: "agent",
            host: "db.internal",
            address: "10.1.2.3",
            port: 6543,
            database: "crm",
            resource: "customers",
        }));
        script(stage);
    });
}

/// Everything that went to the client or onto the tape holds none of the names.
#[track_caller]
fn assert_tells_nothing(stage: &mut Stage, wanted: &[Vec<u8>]) {
    stage.client_gets(wanted);
    let tape = String::from_utf8_lossy(&stage.tape.to_client).to_lowercase();
    for name in ["app_readonly", "db.internal", "10.1.2.3", "6543", "crm"] {
        assert!(!tape.contains(name), "{name}: {:?}", show(&stage.tape.to_client));
    }
}

#[test]
fn errors_and_notices_name_the_client_instead_of_the_account() {
    for masking in [false, true] {
        play_known(masking, |stage| {
            stage.client(&[query("select current_user::int")]);
            stage.server(&[
                notice("I am app_readonly"),
                error("22P02", "invalid input syntax for type integer: \"app_readonly\""),
                ready(b'I'),
            ]);
            assert_tells_nothing(
                stage,
                &[
                    notice("I am agent"),
                    error("22P02", "invalid input syntax for type integer: \"agent\""),
                    ready(b'I'),
                ],
            );
            stage.rests_after(&["error"]);
        });
    }
}

#[test]
fn errors_of_pipelines_are_disguised_in_their_place() {
    play_known(false, |stage| {
        stage.client(&[extended("select session_user::int"), extended("select 2"), sync()]);
        stage.server(&[
            parsed(),
            bound(),
            error("42501", "must be owner of schema app_readonly"),
            ready(b'I'),
        ]);
        assert_tells_nothing(
            stage,
            &[
                parsed(),
                bound(),
                error("42501", "must be owner of schema agent"),
                ready(b'I'),
            ],
        );
        stage.rests_after(&["error", "skipped"]);
    });
}

#[test]
fn what_an_idle_server_says_is_disguised() {
    play_known(false, |stage| {
        stage.server(&[
            notice("connection to server at \"db.internal\" (10.1.2.3), port 6543 failed"),
            fatal("57P01", "terminating connection of app_readonly to crm"),
        ]);
        assert_tells_nothing(
            stage,
            &[
                notice("connection to server at \"customers\" (customers), port withheld failed"),
                fatal("57P01", "terminating connection of agent to customers"),
            ],
        );
        assert!(stage.relay.has_upstream_ended());
    });
}

#[test]
fn errors_of_copies_are_disguised() {
    play_known(false, |stage| {
        stage.client(&[query("copy t from stdin")]);
        stage.server(&[copy_in()]);
        stage.client(&[copy_data("x\n"), copy_done()]);
        let body = b"SERROR\0VERROR\0C22P02\0Mno\0WCOPY app_readonly, line 1: \"app_readonly\"\0\0";
        stage.server(&[frame(b'E', body), ready(b'I')]);
        let covered = b"SERROR\0VERROR\0C22P02\0Mno\0WCOPY agent, line 1: \"agent\"\0\0";
        assert_tells_nothing(stage, &[copy_in(), frame(b'E', covered), ready(b'I')]);
        stage.rests_after(&["error"]);
    });
}

#[test]
fn a_code_that_is_the_account_is_hidden_from_scrubbed_errors_too() {
    play(true, |stage| {
        stage.know(Disguise::new(&UpstreamNames {
            account: "app01",
            client: "agent",
            ..UpstreamNames::default()
        }));
        stage.client(&[query("select secret")]);
        stage.server(&[error("APP01", "123-45"), ready(b'I')]);
        let got = stage.client_out();
        let lines = show(&got);
        assert!(lines[0].contains("CXX000"), "{lines:?}");
        assert!(!lines[0].to_lowercase().contains("app01"), "{lines:?}");
        assert!(!lines[0].contains("123-45"), "{lines:?}");
    });
}

#[test]
fn malformed_reports_are_passed_on_without_their_remains() {
    for (body, left) in [
        (&b"Mno\0\0app_readonly"[..], &b"Mno\0\0"[..]),
        (b"Mno\0Mapp_readonly", b"Mno\0\0"),
        (b"Mapp_readonly\0Mapp_readonly\0", b"Magent\0Magent\0\0"),
        (b"", b"\0"),
    ] {
        play_known(true, |stage| {
            stage.client(&[query("select 1")]);
            stage.server(&[frame(b'N', body), complete("SELECT 0"), ready(b'I')]);
            stage.client_gets(&[frame(b'N', left), complete("SELECT 0"), ready(b'I')]);
            stage.rests_after(&["ok"]);
        });
    }
}

#[test]
fn parameters_of_free_text_are_disguised() {
    play_known(false, |stage| {
        stage.server(&[
            status("search_path", "app_readonly, public"),
            status("TimeZone", "UTC"),
            status("application_name", "app_readonly"),
        ]);
        assert_tells_nothing(
            stage,
            &[
                status("search_path", "agent, public"),
                status("TimeZone", "UTC"),
                status("application_name", "agent"),
            ],
        );
    });
    play_known(false, |stage| {
        stage.server(&[status("session_authorization", "app_readonly")]);
        stage.ended_with("0A000");
        stage.client_gets(&[]);
    });
}

#[test]
fn rows_are_data_and_stay() {
    play_known(false, |stage| {
        stage.client(&[query("select current_user")]);
        let answer = [
            columns(&[0]),
            row(&["app_readonly"]),
            complete("SELECT 1"),
            ready(b'I'),
        ];
        stage.server(&answer);
        stage.client_gets(&answer);
    });
}

#[test]
fn a_flood_of_notices_is_disguised_one_by_one() {
    let mut stage = Stage::new(false, super::stage::Feed::Whole);
    stage.know(Disguise::new(&UpstreamNames {
        account: "app",
        client: "agent",
        ..UpstreamNames::default()
    }));
    stage.client(&[query("do")]);
    let flood: Vec<_> = (0..1_000).map(|_| notice("app was here")).collect();
    stage.server(&flood);
    let got = stage.client_out();
    assert_eq!(got.len(), 1_000 * notice("agent was here").len());
    assert!(got.len() > 1_000 * HEADER_BYTES && !got.windows(4).any(|bytes| bytes == b"Mapp"));
}
