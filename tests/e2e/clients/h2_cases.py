"""What RFC 9113 and RFC 7541 ask of a server, frame by frame; says of each case how it went.

    python h2_cases.py PORT PATH TOKEN [PART OF A NAME]

Speaks HTTP/2 in plaintext with prior knowledge. PATH answers a GET with 200 and a body, and takes a
POST. A case is `ok`, or `not ok` with what was seen.
"""

import socket
import struct
import sys

from hpack import Decoder, Encoder
from hpack.struct import NeverIndexedHeaderTuple as Field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION = 1, 3, 5, 6, 7, 9
PORT, PATH, TOKEN = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", *pair) for pair in pairs))


def fields(method="GET", *more, without=()):
    all_fields = [(":method", method), (":scheme", "http"), (":path", PATH), (":authority", f"127.0.0.1:{PORT}")]
    all_fields = [field for field in all_fields if field[0] not in without]
    return [*all_fields, ("authorization", f"Bearer {TOKEN}"), *more]


def block(all_fields):
    return Encoder().encode([Field(*field) for field in all_fields], huffman=False)


def request(stream=1, flags=END_STREAM | END_HEADERS, payload=None):
    return frame(HEADERS, flags, stream, payload if payload is not None else block(fields()))


def post(stream=1, *more):
    return frame(HEADERS, END_HEADERS, stream, block(fields("POST", *more)))


class Connection:
    def __init__(self, *pairs, preface=PREFACE):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=5)
        self.buffer, self.seen, self.decoder = b"", [], Decoder()
        self.decoder.max_allowed_table_size = 65536
        self.send(preface + (settings(*pairs) if preface == PREFACE else b""))

    def send(self, *frames):
        try:
            self.socket.sendall(b"".join(frames))
        except OSError:
            pass

    def next(self):
        """Returns the next frame; None once the connection has ended."""
        while True:
            if len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + length:
                    kind, flags = self.buffer[3], self.buffer[4]
                    stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
                    payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
                    self.seen.append((kind, flags, stream, payload[:8].hex()))
                    return kind, flags, stream, payload
            try:
                got = self.socket.recv(65536)
            except TimeoutError:
                raise AssertionError("nothing more came") from None
            except OSError:
                got = b""
            if not got:
                self.seen.append("closed")
                return None
            self.buffer += got

    def until(self, wanted):
        while True:
            got = self.next()
            found = wanted(got)
            if found is not None:
                return found

    def fails(self, *codes, stream=False):
        """The connection ends with one of these codes, or the stream where that is enough."""

        def wanted(got):
            if got is None:
                return True
            kind, _, _, payload = got
            if kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
                assert code in codes, f"GOAWAY with {code}"
                return True
            if kind == RST and stream:
                code = int.from_bytes(payload[:4], "big")
                assert code in codes, f"RST_STREAM with {code}"
                return True
            return None

        self.until(wanted)

    def refuses(self, *codes):
        """A request that is none: its stream or connection ends, or it is answered with 4xx."""

        def wanted(got):
            if got and got[0] == HEADERS:
                status = dict(self.decoder.decode(got[3]))[":status"]
                assert status.startswith("4"), f"answered with {status}"
                return True
            if got is None or got[0] in (RST, GOAWAY):
                code = int.from_bytes(got[3][:4] if got and got[0] == RST else got[3][4:8] if got else b"", "big")
                assert got is None or code in codes, f"code {code}"
                return True
            return None

        self.until(wanted)

    def answers(self, stream=1):
        def wanted(got):
            assert got, "the connection ended"
            assert got[0] not in (RST, GOAWAY), f"refused: {got}"
            if got[0] == HEADERS and got[2] == stream:
                return dict(self.decoder.decode(got[3]))[":status"]
            return None

        status = self.until(wanted)
        assert status == "200", status

    def lives(self):
        self.send(frame(PING, payload=b"are you?"))

        def wanted(got):
            assert got, "the connection ended"
            assert got[0] != GOAWAY, f"it goes away: {got}"
            return got[0] == PING and got[1] & ACK and got[3] == b"are you?" or None

        self.until(wanted)

    def half_closed(self):
        """A stream whose client's side has ended, and whose answer is not over."""
        self.send(settings((4, 0)), request())
        self.answers()


CASES = []


def case(name, *pairs, preface=PREFACE):
    def take(body):
        CASES.append((name, lambda: body(Connection(*pairs, preface=preface))))

    return take


def bad(name, *frames, codes, stream=False):
    """Frames that are an error."""
    CASES.append((name, lambda: _bad(frames, codes, stream)))


def _bad(frames, codes, stream):
    connection = Connection()
    connection.send(*frames)
    connection.fails(*codes, stream=stream)


def malformed(name, *frames):
    CASES.append((name, lambda: _malformed(frames)))


def _malformed(frames):
    connection = Connection()
    connection.send(*frames)
    connection.refuses(PROTOCOL, REFUSED)


def fine(name, *frames):
    CASES.append((name, lambda: _fine(frames)))


def _fine(frames):
    connection = Connection()
    connection.send(*frames)
    connection.answers()
    connection.lives()


@case("3.4 an invalid preface ends the connection", preface=b"INVALID CONNECTION PREFACE\r\n\r\n")
def _(c):
    answer = c.socket.recv(65536)
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")) or answer[3] in (GOAWAY, SETTINGS), answer


fine("3.4 a request is answered", request())
fine("4.1 frames of unknown kinds are ignored", frame(0x16, 0, 0, b"?" * 8), frame(0x17, 0xFF, 3, b""), request())
fine("4.1 flags that mean nothing are ignored", frame(PING, 0xFE & ~ACK, 0, b"12345678"), request())
fine("4.1 the reserved bit is ignored", frame(PING, 0, 0x80000000, b"12345678"), request())
bad("4.2 DATA beyond the largest frame", post(), frame(DATA, 0, 1, b"x" * 16385), codes=(SIZE,), stream=True)
bad("4.2 HEADERS beyond the largest frame", request(payload=block(fields()) + b"\0" * 16385), codes=(SIZE, COMPRESSION))
bad("4.3 a header block that is none", request(payload=b"\xff\xff\xff\xff\xff\xff"), codes=(COMPRESSION,))
bad(
    "4.3 another frame within a header block",
    frame(HEADERS, END_STREAM, 1, block(fields())),
    frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"),
    codes=(PROTOCOL,),
)
bad(
    "4.3 another stream within a header block",
    frame(HEADERS, END_STREAM, 1, block(fields())),
    request(3),
    codes=(PROTOCOL,),
)
bad("5.1 DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x"), codes=(PROTOCOL, CLOSED))
bad("5.1 RST_STREAM on an idle stream", frame(RST, 0, 1, b"\0\0\0\x08"), codes=(PROTOCOL,))
bad("5.1 WINDOW_UPDATE on an idle stream", frame(WINDOW, 0, 1, b"\0\0\0\x64"), codes=(PROTOCOL,))
bad("5.1 CONTINUATION on an idle stream", frame(CONTINUATION, END_HEADERS, 1, block(fields())), codes=(PROTOCOL,))


@case("5.1 DATA on a half-closed stream")
def _(c):
    c.half_closed()
    c.send(frame(DATA, END_STREAM, 1, b"x"))
    c.fails(CLOSED, stream=True)


@case("5.1 HEADERS on a half-closed stream")
def _(c):
    c.half_closed()
    c.send(request())
    c.fails(CLOSED, PROTOCOL, stream=True)


@case("5.1 DATA on a closed stream")
def _(c):
    c.send(post(), frame(RST, 0, 1, b"\0\0\0\x08"), frame(DATA, END_STREAM, 1, b"x"))
    # What was sent before the peer heard of the end may be ignored.
    c.lives()


bad("5.1.1 a stream with an even number", request(2), codes=(PROTOCOL,))
bad("5.1.1 a stream with a smaller number", request(5), request(3), codes=(PROTOCOL, CLOSED), stream=True)


@case("5.1.2 more streams than are allowed", (4, 0))
def _(c):
    c.send(*[request(1 + 2 * number) for number in range(400)])
    c.fails(PROTOCOL, REFUSED, 11, stream=True)


bad(
    "5.5 an unknown frame within a header block",
    frame(HEADERS, END_STREAM, 1, block(fields())),
    frame(0x16, 0, 0, b"?" * 8),
    codes=(PROTOCOL,),
)
bad("6.1 DATA on stream 0", frame(DATA, 0, 0, b"x"), codes=(PROTOCOL,))
bad("6.1 DATA with more padding than frame", post(), frame(DATA, PADDED, 1, b"\xff" + b"x" * 4), codes=(PROTOCOL,), stream=True)
fine("6.1 DATA with padding", post(), frame(DATA, PADDED | END_STREAM, 1, b"\x06" + b"x" * 4 + b"\0" * 6))
bad("6.2 HEADERS on stream 0", request(0), codes=(PROTOCOL,))
bad(
    "6.2 HEADERS with more padding than frame",
    frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + block(fields())),
    codes=(PROTOCOL,),
)
fine(
    "6.2 HEADERS with padding and priority",
    frame(HEADERS, END_HEADERS | END_STREAM | PADDED | 0x20, 1, b"\x03\0\0\0\0\x10" + block(fields()) + b"\0" * 3),
)
bad("6.3 PRIORITY on stream 0", frame(PRIORITY, 0, 0, b"\0\0\0\x01\x10"), codes=(PROTOCOL,))
bad("6.3 PRIORITY of the wrong length", request(), frame(PRIORITY, 0, 1, b"\0\0\0\x01"), codes=(SIZE,), stream=True)
fine("6.3 PRIORITY on an idle stream", frame(PRIORITY, 0, 3, b"\0\0\0\0\x10"), request())
bad("6.4 RST_STREAM on stream 0", frame(RST, 0, 0, b"\0\0\0\x08"), codes=(PROTOCOL,))
bad("6.4 RST_STREAM of the wrong length", post(), frame(RST, 0, 1, b"\0\0\x08"), codes=(SIZE,))
bad("6.5 an acknowledgement with settings", frame(SETTINGS, ACK, 0, b"\0"), codes=(SIZE,))
bad("6.5 SETTINGS on a stream", frame(SETTINGS, 0, 1, b"\0\x03\0\0\0\x64"), codes=(PROTOCOL,))
bad("6.5 SETTINGS of the wrong length", frame(SETTINGS, 0, 0, b"\0\x03\0"), codes=(SIZE,))
bad("6.5.2 ENABLE_PUSH that is no truth", settings((2, 2)), codes=(PROTOCOL,))
bad("6.5.2 a window that is too large", settings((4, 1 << 31)), codes=(FLOW,))
bad("6.5.2 a frame size that is too small", settings((5, 16383)), codes=(PROTOCOL,))
bad("6.5.2 a frame size that is too large", settings((5, 1 << 24)), codes=(PROTOCOL,))
fine("6.5.2 unknown settings are ignored", settings((0xFF, 1)), request())


@case("6.5.3 settings are acknowledged")
def _(c):
    c.until(lambda got: got[0] == SETTINGS and got[1] & ACK or None)


bad("6.6 a push by a client", frame(PUSH, END_HEADERS, 1, b"\0\0\0\x02" + block(fields())), codes=(PROTOCOL,))


@case("6.7 a ping is answered")
def _(c):
    c.lives()


fine("6.7 an answer to no ping is ignored", frame(PING, ACK, 0, b"12345678"), request())
bad("6.7 PING on a stream", frame(PING, 0, 1, b"12345678"), codes=(PROTOCOL,))
bad("6.7 PING of the wrong length", frame(PING, 0, 0, b"123456"), codes=(SIZE,))
bad("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, b"\0" * 8), codes=(PROTOCOL,))
bad("6.9 an increment of 0 for the connection", frame(WINDOW, 0, 0, b"\0" * 4), codes=(PROTOCOL,))
bad("6.9 an increment of 0 for a stream", post(), frame(WINDOW, 0, 1, b"\0" * 4), codes=(PROTOCOL,), stream=True)
bad("6.9 WINDOW_UPDATE of the wrong length", frame(WINDOW, 0, 0, b"\0" * 3), codes=(SIZE,))
bad("6.9.1 a window of the connection that overflows", frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"), codes=(FLOW,))
bad(
    "6.9.1 a window of a stream that overflows",
    post(),
    frame(WINDOW, 0, 1, b"\x7f\xff\xff\xff"),
    codes=(FLOW,),
    stream=True,
)


@case("6.9.1 no more is sent than the window takes", (4, 1))
def _(c):
    c.send(request())
    c.answers()
    assert len(c.until(lambda got: got[3] if got[0] == DATA and got[3] else None)) == 1
    c.send(settings((4, 2)))
    assert len(c.until(lambda got: got[3] if got[0] == DATA and got[3] else None)) == 1


@case("6.9.2 a window that becomes negative is kept", (4, 3))
def _(c):
    c.send(request())
    c.answers()
    assert len(c.until(lambda got: got[3] if got[0] == DATA and got[3] else None)) == 3
    c.send(settings((4, 2)), frame(WINDOW, 0, 1, b"\0\0\0\x02"))
    assert len(c.until(lambda got: got[3] if got[0] == DATA and got[3] else None)) == 1


bad("6.9.2 a window of all streams that overflows", settings((4, 0x7FFFFFFF)), post(), frame(WINDOW, 0, 1, b"\0\0\0\x01"), codes=(FLOW,), stream=True)
bad("6.10 CONTINUATION after the end of the headers", post(), frame(CONTINUATION, END_HEADERS, 1, b""), codes=(PROTOCOL,))
bad("6.10 CONTINUATION on stream 0", frame(HEADERS, END_STREAM, 1, b""), frame(CONTINUATION, END_HEADERS, 0, b""), codes=(PROTOCOL,))
HALF = len(block(fields())) // 2
fine(
    "6.10 a header block in pieces",
    frame(HEADERS, END_STREAM, 1, block(fields())[:HALF]),
    *[frame(CONTINUATION, 0, 1, bytes([byte])) for byte in block(fields())[HALF : HALF + 3]],
    frame(CONTINUATION, END_HEADERS, 1, block(fields())[HALF + 3 :]),
)
bad(
    "6.10 a header block without an end",
    frame(HEADERS, END_STREAM, 1, b""),
    *[frame(CONTINUATION, 0, 1, b"") for _ in range(20000)],
    codes=(PROTOCOL, 11),
)
malformed("8.1 headers once more, and no end", post(), frame(HEADERS, END_HEADERS, 1, block([("x-a", "b")])))
malformed("8.1.1 less than its length", post(1, ("content-length", "9")), frame(DATA, END_STREAM, 1, b"x"))
malformed("8.1.1 more than its length", post(1, ("content-length", "1")), frame(DATA, 0, 1, b"x"), frame(DATA, END_STREAM, 1, b"x"))
for name, more in {
    "8.2.1 a name in upper case": ("X-Upper", "a"),
    "8.2.1 a name with a blank": ("x upper", "a"),
    "8.2.1 a value with NUL": ("x-a", "a\0b"),
    "8.2.1 a value with a line's end": ("x-a", "a\r\nb: c"),
    "8.2.2 Connection": ("connection", "keep-alive"),
    "8.2.2 Transfer-Encoding": ("transfer-encoding", "chunked"),
    "8.2.2 TE of anything but trailers": ("te", "trailers, deflate"),
    "8.3 an unknown pseudo field": (":test", "ok"),
    "8.3 a pseudo field of answers": (":status", "200"),
    "8.3 a pseudo field after the others": (":method", "GET"),
    "8.3.1 :path twice": (":path", "/"),
}.items():
    malformed(name, request(payload=block(fields("GET", more))))
for missing in [":method", ":scheme", ":path"]:
    malformed(f"8.3.1 no {missing}", request(payload=block(fields(without=(missing,)))))
malformed("8.3.1 an empty :path", request(payload=block([(":path", ""), *fields(without=(":path",))])))
bad("RFC 7541 2.3.3 an index beyond the tables", request(payload=block(fields()) + b"\xfe"), codes=(COMPRESSION,))
bad("RFC 7541 6.1 the index 0", request(payload=block(fields()) + b"\x80"), codes=(COMPRESSION,))
bad("RFC 7541 6.3 a table larger than allowed", request(payload=b"\x3f\xe1\xff\xff\x0f" + block(fields())), codes=(COMPRESSION,))
bad("RFC 7541 5.2 an invalid padding of a text", request(payload=block(fields()) + b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"), codes=(COMPRESSION,))


def main():
    part = sys.argv[4] if len(sys.argv) > 4 else ""
    for name, run in CASES:
        if part not in name:
            continue
        try:
            run()
            print(f"ok {name}")
        except (AssertionError, TypeError, IndexError) as error:
            print(f"not ok {name}: {error or 'not as expected'}")


main()
