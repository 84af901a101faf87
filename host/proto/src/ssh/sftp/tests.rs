use super::*;

mod masked;

/// A packet of `kind` with these fields, numbers as they are and texts with their length.
fn packet(kind: u8, id: Option<u32>, fields: &[Field<'_>]) -> Vec<u8> {
    let mut body = vec![kind];
    if let Some(id) = id {
        body.extend_from_slice(&id.to_be_bytes());
    }
    for field in fields {
        match field {
            Field::Number(number) => body.extend_from_slice(&number.to_be_bytes()),
            Field::Text(text) => {
                body.extend_from_slice(&u32::try_from(text.len()).expect("short").to_be_bytes());
                body.extend_from_slice(text);
            }
        }
    }
    let mut out = u32::try_from(body.len()).expect("short").to_be_bytes().to_vec();
    out.extend_from_slice(&body);
    out
}

enum Field<'a> {
    Number(u32),
    Text(&'a [u8]),
}
use Field::{Number, Text};

fn init() -> Vec<u8> {
    packet(1, None, &[Number(3)])
}

fn home_is(home: &[u8]) -> Vec<u8> {
    packet(104, Some(OWN), &[Number(1), Text(home), Text(home), Number(0)])
}

/// A session in which the host has said hello and where home is.
fn begun() -> Sftp {
    let mut sftp = Sftp::default();
    sftp.feed_client(&init()).expect("read");
    assert_eq!(sftp.take_to_server(), init());
    let version = [
        Number(3),
        Text(b"posix-rename@openssh.com"),
        Text(b"1"),
        Text(b"copy-data"),
        Text(b"1"),
    ];
    sftp.feed_server(&packet(2, None, &version)).expect("read");
    let told = packet(
        2,
        None,
        &[Number(3), Text(b"posix-rename@openssh.com"), Text(b"1")],
    );
    assert_eq!(sftp.take_to_client(), told, "only what is known is offered");
    assert_eq!(sftp.take_to_server(), packet(16, Some(OWN), &[Text(b".")]));
    sftp.feed_server(&home_is(b"/users/me")).expect("read");
    assert!(sftp.take_to_client().is_empty(), "the client asked for no home");
    sftp
}

fn open(id: u32, path: &[u8], flags: u32) -> Vec<u8> {
    packet(3, Some(id), &[Text(path), Number(flags), Number(0)])
}

fn refusal(id: u32, code: u32, why: &str) -> Vec<u8> {
    packet(101, Some(id), &[Number(code), Text(why.as_bytes()), Text(b"en")])
}

#[test]
fn what_names_a_path_waits_and_goes_on_as_it_was_sent() {
    let mut sftp = begun();
    let sent = open(1, b"notes", 1);
    for byte in &sent {
        assert!(sftp.asks().is_none());
        sftp.feed_client(&[*byte]).expect("read");
    }
    let asked = sftp.asks().expect("asked").clone();
    assert_eq!((asked.verb, asked.kind), ("read", OperationKind::Read));
    assert_eq!(asked.paths, [("/users/me/notes".to_owned(), Access::Read)]);
    assert!(
        sftp.take_to_server().is_empty(),
        "nothing goes before it is let through"
    );
    sftp.allow(7).expect("goes on");
    assert_eq!(sftp.take_to_server(), sent);
    let handle = packet(102, Some(1), &[Text(b"h")]);
    sftp.feed_server(&handle).expect("read");
    assert_eq!(sftp.take_to_client(), handle);
    assert_eq!(sftp.take_answered(), [(7, true)]);
    // What is open is read without asking again.
    let read = packet(5, Some(2), &[Text(b"h"), Number(0), Number(0), Number(9)]);
    sftp.feed_client(&read).expect("read");
    assert_eq!(sftp.take_to_server(), read);
    // But its mode is not changed without.
    sftp.feed_client(&packet(10, Some(3), &[Text(b"h"), Number(4), Number(0o777)]))
        .expect("read");
    let asked = sftp.asks().expect("asked");
    assert_eq!(
        (asked.verb, asked.paths[0].0.as_str()),
        ("setstat", "/users/me/notes")
    );
}

#[test]
fn each_request_is_known_by_what_it_does() {
    use Access::{Define, Read, Write};

    let rename = [Text(b"/a"), Text(b"/b")];
    for (sent, verb, paths) in [
        (open(1, b"/a", 1), "read", vec![("/a", Read)]),
        (open(1, b"/a", 2), "write", vec![("/a", Write)]),
        (open(1, b"/a", 0x1a), "write", vec![("/a", Write)]),
        (open(1, b"/a", 0x19), "write", vec![("/a", Write)]),
        (packet(7, Some(1), &[Text(b"/a")]), "stat", vec![("/a", Read)]),
        (packet(17, Some(1), &[Text(b"/a")]), "stat", vec![("/a", Read)]),
        (
            packet(9, Some(1), &[Text(b"/a"), Number(0)]),
            "setstat",
            vec![("/a", Define)],
        ),
        (packet(11, Some(1), &[Text(b"/a")]), "list", vec![("/a", Read)]),
        (
            packet(13, Some(1), &[Text(b"/a")]),
            "remove",
            vec![("/a", Define)],
        ),
        (
            packet(14, Some(1), &[Text(b"/a"), Number(0)]),
            "mkdir",
            vec![("/a", Define)],
        ),
        (packet(15, Some(1), &[Text(b"/a")]), "rmdir", vec![("/a", Define)]),
        (
            packet(18, Some(1), &rename),
            "rename",
            vec![("/a", Define), ("/b", Define)],
        ),
        (packet(19, Some(1), &[Text(b"/a")]), "stat", vec![("/a", Read)]),
        (
            packet(20, Some(1), &rename),
            "symlink",
            vec![("/a", Read), ("/b", Define)],
        ),
        (
            packet(
                200,
                Some(1),
                &[Text(b"posix-rename@openssh.com"), Text(b"/a"), Text(b"/b")],
            ),
            "rename",
            vec![("/a", Define), ("/b", Define)],
        ),
        (
            packet(
                200,
                Some(1),
                &[Text(b"hardlink@openssh.com"), Text(b"/a"), Text(b"/b")],
            ),
            "link",
            vec![("/a", Read), ("/b", Define)],
        ),
    ] {
        let mut sftp = begun();
        sftp.feed_client(&sent).expect("read");
        let asked = sftp.asks().expect("asked");
        let found: Vec<_> = asked
            .paths
            .iter()
            .map(|(path, access)| (path.as_str(), *access))
            .collect();
        assert_eq!((asked.verb, found), (verb, paths));
        sftp.refuse("not on a Friday").expect("goes on");
        assert_eq!(
            sftp.take_to_client(),
            refusal(1, PERMISSION_DENIED, "not on a Friday")
        );
        assert!(sftp.take_to_server().is_empty());
    }
}

#[test]
fn what_is_not_known_or_means_nothing_never_reaches_the_host() {
    for sent in [
        packet(21, Some(1), &[Text(b"/a")]),
        packet(200, Some(1), &[Text(b"copy-data"), Text(b"h")]),
        packet(200, Some(1), &[Text(b"unknown@example.com")]),
        packet(10, Some(1), &[Text(b"no handle"), Number(0)]),
        open(1, b"/a/../b", 1),
        open(1, b"\xff", 1),
        packet(18, Some(1), &[Text(b"/a"), Text(b"../b")]),
        packet(17, Some(OWN), &[Text(b"/a")]),
    ] {
        let mut sftp = begun();
        sftp.feed_client(&sent).expect("read");
        assert!(
            sftp.asks().is_none() && sftp.take_to_server().is_empty(),
            "{sent:?}"
        );
        assert!(!sftp.take_to_client().is_empty(), "{sent:?}");
    }
}

#[test]
fn malformed_packets_end_the_session() {
    for (bytes, error) in [
        (vec![0, 0, 0, 0], SftpError::Length { length: 0 }),
        (vec![0xff; 4], SftpError::Length { length: 0xffff_ffff }),
        (packet(3, Some(1), &[Number(9)]), SftpError::Short),
        (packet(3, None, &[]), SftpError::Short),
    ] {
        assert_eq!(begun().feed_client(&bytes), Err(error));
    }
    for bytes in [
        packet(101, Some(9), &[Number(0)]),
        packet(2, None, &[Number(3)]),
        home_is(b"/elsewhere"),
    ] {
        assert_eq!(begun().feed_server(&bytes), Err(SftpError::Answer), "{bytes:?}");
    }
}

#[test]
fn nothing_is_read_before_it_is_known_where_relative_paths_lead() {
    let mut sftp = Sftp::default();
    let ahead = [init(), open(1, b"x", 1)].concat();
    sftp.feed_client(&ahead).expect("read");
    assert_eq!(sftp.take_to_server(), init());
    sftp.feed_server(&packet(2, None, &[Number(3)])).expect("read");
    assert!(sftp.asks().is_none());
    sftp.feed_server(&packet(101, Some(OWN), &[Number(4)]))
        .expect("read");
    assert!(
        sftp.asks().is_none(),
        "a host without a home takes absolute paths alone"
    );
    sftp.take_to_client();
    sftp.feed_client(&open(2, b"/x", 1)).expect("read");
    assert!(sftp.asks().is_some());
}

#[test]
fn what_ends_without_an_answer_is_told() {
    let mut sftp = begun();
    sftp.feed_client(&open(1, b"/a", 1)).expect("read");
    sftp.allow(5).expect("goes on");
    assert_eq!(sftp.take_unanswered(), [5]);
}
