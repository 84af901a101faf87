//! Files that are read masked.

use proptest::prelude::*;

use super::*;

/// Writes `[card]` for `4111`, wherever the pieces begin and end; denies what has an `!`.
#[derive(Default)]
struct Cards {
    held: Vec<u8>,
    masked: u64,
}

impl FileMask for Cards {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.held.extend_from_slice(bytes);
        if bytes.contains(&b'!') {
            return Err("no shouting".to_owned());
        }
        let text = String::from_utf8(std::mem::take(&mut self.held)).expect("text");
        self.masked += text.matches("4111").count() as u64;
        let text = text.replace("4111", "[card]");
        let keeps = ["411", "41", "4"].iter().find(|end| text.ends_with(**end));
        let whole = text.len() - keeps.map_or(0, |end| end.len());
        out.extend_from_slice(&text.as_bytes()[..whole]);
        self.held = text.as_bytes()[whole..].to_vec();
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        out.append(&mut self.held);
        Ok(())
    }

    fn masked(&self) -> u64 {
        self.masked
    }
}

/// A session in which `/f` is open by the handle `h`.
fn reading() -> Sftp {
    let mut sftp = Sftp::masking(Box::new(|| Box::<Cards>::default()));
    sftp.feed_client(&init()).expect("read");
    sftp.feed_server(&packet(2, None, &[Number(3)])).expect("read");
    sftp.feed_server(&home_is(b"/users/me")).expect("read");
    opens(&mut sftp, 1, b"h");
    sftp
}

fn opens(sftp: &mut Sftp, id: u32, handle: &[u8]) {
    sftp.feed_client(&open(id, b"/f", 1)).expect("read");
    sftp.allow(1).expect("goes on");
    sftp.feed_server(&packet(102, Some(id), &[Text(handle)]))
        .expect("read");
    sftp.take_to_client();
    sftp.take_to_server();
}

fn read(id: u32, offset: u32, length: u32) -> Vec<u8> {
    packet(
        5,
        Some(id),
        &[Text(b"h"), Number(0), Number(offset), Number(length)],
    )
}

/// The packets in `bytes`: kind, number, and what follows.
fn packets(bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut buffer = Buffer::default();
    buffer.push(bytes);
    let next = || buffer.next().expect("packets");
    std::iter::from_fn(next)
        .map(|packet| {
            let id = Fields::of(&packet).number().expect("a number");
            (packet[4], id, packet[9..].to_vec())
        })
        .collect()
}

/// Answers the gateway's reads as a host would that has `file`, at most `short` bytes at once,
/// until there are none; returns what the client gets.
fn serve(sftp: &mut Sftp, file: &[u8], short: usize) -> Vec<(u8, u32, Vec<u8>)> {
    let mut got = Vec::new();
    loop {
        got.extend(packets(&sftp.take_to_client()));
        let asked = packets(&sftp.take_to_server());
        if asked.is_empty() {
            return got;
        }
        for (kind, id, fields) in asked {
            assert_eq!((kind, &fields[..5]), (5, &b"\x00\x00\x00\x01h"[..]));
            let offset = u64::from_be_bytes(fields[5..13].try_into().expect("8"));
            let rest = file
                .get(usize::try_from(offset).expect("short")..)
                .unwrap_or_default();
            let answer = match rest {
                [] => packet(101, Some(id), &[Number(1), Text(b"end"), Text(b"")]),
                _ => packet(103, Some(id), &[Text(&rest[..rest.len().min(short)])]),
            };
            sftp.feed_server(&answer).expect("an answer");
        }
    }
}

#[test]
fn what_is_read_is_masked_and_the_host_reads_for_the_gateway() {
    let mut sftp = reading();
    sftp.feed_client(&[read(7, 0, 32), read(8, 32, 32)].concat())
        .expect("read");
    let got = serve(&mut sftp, b"a 4111 b 4111", 5);
    let text = b"a [card] b [card]";
    let data = [&[0, 0, 0, u8::try_from(text.len()).expect("short")], &text[..]].concat();
    assert_eq!(got[0], (103, 7, data));
    assert_eq!((got[1].0, got[1].1, &got[1].2[..4]), (101, 8, &[0, 0, 0, 1][..]));
    assert_eq!(sftp.masked(), 2);
    // The same place once more.
    sftp.feed_client(&read(9, 2, 6)).expect("read");
    assert_eq!(packets(&sftp.take_to_client())[0].2[4..], *b"[card]");
    assert!(sftp.take_to_server().is_empty(), "nothing is left to be read");
}

#[test]
fn what_the_mask_denies_is_not_read() {
    let mut sftp = reading();
    sftp.feed_client(&read(7, 0, 32)).expect("read");
    let got = serve(&mut sftp, b"card 4111!", 3);
    let text = String::from_utf8_lossy(&got[0].2).into_owned();
    // What came before is right as it is.
    assert!(got[0].0 == 103 && !text.contains("4111"), "{text}");
    sftp.feed_client(&read(8, 20, 32)).expect("read");
    let denied = packets(&sftp.take_to_client());
    assert!(denied[0].0 == 101 && String::from_utf8_lossy(&denied[0].2).contains("no shouting"));
}

#[test]
fn hosts_cannot_slip_bytes_past_the_mask() {
    let mut sftp = reading();
    sftp.feed_client(&packet(17, Some(3), &[Text(b"/f")]))
        .expect("read");
    sftp.allow(2).expect("goes on");
    let data = packet(103, Some(3), &[Text(b"4111")]);
    assert_eq!(sftp.feed_server(&data), Err(SftpError::Answer));
    assert!(sftp.take_to_client().is_empty());
    // Nor with the handle of another file that is open.
    let mut sftp = reading();
    sftp.feed_client(&open(2, b"/g", 2)).expect("read");
    sftp.allow(2).expect("goes on");
    let again = packet(102, Some(2), &[Text(b"h")]);
    assert_eq!(sftp.feed_server(&again), Err(SftpError::Answer));
}

#[test]
fn what_is_open_otherwise_is_not_read() {
    for (sent, code) in [
        (open(2, b"/f", 3), PERMISSION_DENIED),
        (open(2, b"/f", 9), PERMISSION_DENIED),
        (
            packet(5, Some(2), &[Text(b"w"), Number(0), Number(0), Number(9)]),
            FAILURE,
        ),
    ] {
        let mut sftp = reading();
        sftp.feed_client(&sent).expect("read");
        let answer = packets(&sftp.take_to_client());
        assert_eq!(
            (answer[0].0, &answer[0].2[..4]),
            (101, &code.to_be_bytes()[..]),
            "{sent:?}"
        );
        assert!(sftp.take_to_server().is_empty());
    }
}

#[test]
fn a_closed_file_wants_nothing_and_its_handle_may_come_again() {
    let mut sftp = reading();
    sftp.feed_client(&read(7, 0, 9)).expect("read");
    let asked = packets(&sftp.take_to_server());
    sftp.feed_client(&packet(4, Some(8), &[Text(b"h")]))
        .expect("read");
    assert_eq!(packets(&sftp.take_to_client())[0].1, 7, "what waited is answered");
    sftp.take_to_server();
    sftp.feed_server(&packet(101, Some(8), &[Number(0), Text(b""), Text(b"")]))
        .expect("closed");
    opens(&mut sftp, 9, b"h");
    for (_, id, _) in asked {
        sftp.feed_server(&packet(103, Some(id), &[Text(b"of the old file")]))
            .expect("nobody waits for it");
    }
    sftp.feed_client(&read(10, 0, 9)).expect("read");
    let got = serve(&mut sftp, b"new", 9);
    assert_eq!(got[0].2[4..], *b"new");
}

#[test]
fn files_are_few_and_far_reads_keep_little() {
    let mut sftp = reading();
    for id in 2..=16 {
        opens(&mut sftp, id, format!("h{id}").as_bytes());
    }
    sftp.feed_client(&open(20, b"/f", 1)).expect("read");
    assert!(sftp.asks().is_none(), "one more than is kept track of");
    assert_eq!(packets(&sftp.take_to_client())[0].0, 101);
    let file = vec![b'x'; 3 << 20];
    sftp.feed_client(&read(21, (3 << 20) - 1, 9)).expect("read");
    assert_eq!(serve(&mut sftp, &file, 32 << 10)[0].2[4..], *b"x");
    sftp.feed_client(&read(22, 0, 9)).expect("read");
    assert_eq!(packets(&sftp.take_to_client())[0].0, 101, "it was read before");
}

proptest! {
    #[test]
    fn what_is_read_depends_on_no_order_and_no_size(
        file in "[4 1x]{0,200}",
        short in 1..40usize,
        length in 1..40u32,
        ahead in 1..9u32,
    ) {
        let expected = {
            let (mut mask, mut out) = (Cards::default(), Vec::new());
            mask.feed(file.as_bytes(), &mut out).expect("fed");
            mask.finish(&mut out).expect("finished");
            out
        };
        let mut sftp = reading();
        let mut read_text = vec![0; expected.len()];
        for first in (0..).step_by(ahead as usize) {
            // The last of those that are asked for ahead is asked for first.
            let asked = (first..first + ahead).rev().map(|piece| read(100 + piece, piece * length, length));
            sftp.feed_client(&asked.collect::<Vec<_>>().concat()).expect("read");
            let got = serve(&mut sftp, file.as_bytes(), short);
            prop_assert_eq!(got.len(), ahead as usize);
            for (kind, id, fields) in &got {
                if *kind == 103 {
                    let at = ((id - 100) * length) as usize;
                    read_text[at..at + fields.len() - 4].copy_from_slice(&fields[4..]);
                }
            }
            if got.iter().any(|(kind, ..)| *kind == 101) {
                break;
            }
        }
        prop_assert_eq!(read_text, expected);
    }
}
