"""Plays the host in a plugin's native tests: no toolchain, no gateway, no component."""

import json
import re
from types import SimpleNamespace

from . import masker as _masker
from ._world import Err

_answers = []
sent = []


def configured(exports, config):
    """Configures what `serve` returned; returns the export of the kind.

    Raises AssertionError with all issues where the configuration is refused.
    """
    assert exports[0]().describe().name, "the description has a name"
    issues_found = issues(exports, config)
    assert not issues_found, f"the configuration is refused: {issues_found}"
    return exports[1]()


def issues(exports, config):
    """Returns what is wrong with a configuration, as pairs of pointer and message."""
    try:
        exports[0]().configure(json.dumps(config))
    except Err as refused:
        return [(issue.pointer, issue.message) for issue in refused.value]
    return []


def assess(exports, config, statement, facts=None, protocol="postgres"):
    """Has a classifier judge a statement; returns its assessment."""
    wire = SimpleNamespace(
        principal=SimpleNamespace(id="https://issuer.example|agent", kind="agent", groups=[], delegation=[]),
        target="test",
        protocol=protocol,
        statement=statement,
        statement_cut=False,
        facts=json.dumps(facts or {"statements": []}),
    )
    return configured(exports, config).classify(wire)


def mask(exports, config, cells, tags=(), name="field"):
    """Has a masker plan one field and mask its cells (text or None); returns them."""
    export = configured(exports, config)
    field = SimpleNamespace(name=name, origin="", native_type="text", tags=list(tags))
    action = export.make_plan(SimpleNamespace(fields=[field])).actions[0]
    if action.case == "Action_Keep":
        return list(cells)
    assert action.case == "Action_Call", f"the host masks it: {action}"
    column = _masker.column([None if cell is None else cell.encode() for cell in cells])
    (change,) = export.mask(1, len(cells), [column])
    masked = list(cells)
    if change.case == "Change_Sparse":
        values = _masker.Column(change.value.values)
        for at, row in enumerate(change.value.rows):
            cell = values.cell(at)
            masked[row] = None if cell is None else cell.decode()
    return masked


def batch(*entries, first_seq=1):
    """Makes a batch for an exporter of these entries, each a dict."""
    data, ends = bytearray(), []
    for entry in entries:
        data += json.dumps(entry).encode() + b"\n"
        ends.append(len(data))
    encoding = "tidegate+ndjson/1"
    return SimpleNamespace(
        log="test", first_seq=first_seq, encoding=encoding, data=bytes(data), ends=ends, attempt=0
    )


def answer(status, body=b"", headers=()):
    """Sets the answer to the next request; `sent` has the requests."""
    _answers.append((status, dict(headers), body))


def answered(method, url, headers, body):
    from .http import Answer

    sent.append((method, url, headers, body))
    assert _answers, f"no answer is set for {method} {url}"
    return Answer(*_answers.pop(0))


def found(patterns, column):
    """As the host's scan does it, with Python's own expressions."""
    hits = []
    for row, cell in enumerate(column):
        for number, pattern in enumerate(patterns):
            for match in re.finditer(pattern.encode(), cell or b""):
                if match.end() > match.start():
                    hits.append((row, number, match.start(), match.end()))
    return sorted(hits, key=lambda hit: (hit[0], hit[2], hit[1]))
