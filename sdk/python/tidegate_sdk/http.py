"""Outgoing HTTP, for approvers and exporters: one request, one answer, blocking.

The host connects to granted origins only, follows no redirect, and puts secrets in the place of
`secret://name` in header values. Retries are the host's: let a failure pass.
"""

from urllib.parse import urlsplit

from . import _world
from ._plugin import Failure
from ._world import Err

# The build gives WASI's packages another name while Python's own needs are stubbed.
_types = _world.module("imports.w4si_http_types")
_handler = _world.module("imports.outgoing_handler")

# Answers of APIs are small, and the guest's memory is not.
ANSWER_BYTES_MAX = 1 << 20

# What the contract of streams lets go out at once.
WRITE_BYTES_MAX = 4096


class Answer:
    """An answer, whatever its status."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def check(self):
        """Raises what the host does about a bad status; returns the answer if it is good."""
        if 200 <= self.status < 300:
            return self
        message = f"it answered {self.status}"
        if self.status in (401, 403):
            raise Failure("unauthorized", message)
        if self.status == 429:
            seconds = self.headers.get("retry-after", "")
            raise Failure("rate-limited", message, int(seconds) * 1000 if seconds.isdigit() else None)
        if self.status >= 500:
            raise Failure("unavailable", message)
        raise Failure("invalid-input", message)


def request(method, url, headers=(), body=b""):
    """Sends a request; returns the answer. `headers` are pairs, or a dict."""
    if not _types:
        from .testing import answered

        return answered(method, url, dict(headers), body)
    try:
        return _sent(method, url, dict(headers), body)
    except Err as refused:
        raise _failure(refused.value) from None


def _failure(value):
    name = type(value).__name__.removeprefix("ErrorCode_")
    if name in ("HttpRequestDenied", "DestinationIpProhibited"):
        return Failure("invalid-config", "the address is not granted")
    return Failure("unavailable", f"no answer: {name}")


def _sent(method, url, headers, body):
    address = urlsplit(url)
    entries = [(name.lower(), value.encode()) for name, value in headers.items()]
    outgoing = _types.OutgoingRequest(_types.Fields.from_list(entries))
    outgoing.set_method(_method(method))
    outgoing.set_scheme(_types.Scheme_Https() if address.scheme == "https" else _types.Scheme_Http())
    outgoing.set_authority(address.netloc)
    outgoing.set_path_with_query((address.path or "/") + (f"?{address.query}" if address.query else ""))
    sending = outgoing.body()
    future = _handler.handle(outgoing, None)
    with sending.write() as stream:
        for start in range(0, len(body), WRITE_BYTES_MAX):
            stream.blocking_write_and_flush(body[start : start + WRITE_BYTES_MAX])
    _types.OutgoingBody.finish(sending, None)
    with future.subscribe() as ready:
        ready.block()
    # Once for the future, once for its being taken, once for the answer.
    outcome = future.get()
    for _ in range(2):
        if isinstance(outcome, Err):
            raise outcome
        outcome = getattr(outcome, "value", outcome)
    return _answer(outcome)


def _method(method):
    known = getattr(_types, f"Method_{method.capitalize()}", None)
    return known() if known else _types.Method_Other(method)


def _answer(response):
    with response.headers() as fields:
        headers = {name.lower(): value.decode(errors="replace") for name, value in fields.entries()}
    body = bytearray()
    with response.consume() as incoming, incoming.stream() as stream:
        while len(body) < ANSWER_BYTES_MAX:
            try:
                body += stream.blocking_read(65536)
            except Err:
                break
    return Answer(response.status(), headers, bytes(body))
