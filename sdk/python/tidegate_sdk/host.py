"""What the host offers. Which kind may use what is told by its world in `wit/`."""

from . import _world
from ._world import Err

_log = _world.module("imports.log")
_metrics = _world.module("imports.metrics")
_clock = _world.module("imports.clock")
_scan = _world.module("imports.scan")
_kv = _world.module("imports.kv")
_secrets = _world.module("imports.secrets")


def log(level, message):
    """Writes to the operator's log: "debug", "info", "warn" or "error"."""
    if _log:
        _log.log(_log.Level[level.upper()], message)


def add(metric, delta=1):
    """Adds to a counter that the description names."""
    if _metrics:
        _metrics.add(metric, delta)


def left_us():
    """The microseconds that are left of this call."""
    return _clock.left_us() if _clock else 1_000_000


class Patterns:
    """Regular expressions (syntax of the Rust crate `regex`) that the host runs over a column."""

    def __init__(self, *patterns):
        self.patterns = patterns
        self.number = None

    def find(self, column):
        """Returns the matches as (row, pattern, start, end), sorted by row and start."""
        if not _scan:
            from .testing import found

            return found(self.patterns, column)
        if self.number is None:
            self.number = _scan.compile(list(self.patterns))
        return [(hit.cell, hit.pattern, hit.start, hit.end) for hit in _scan.find(self.number, column.wire)]


class Store:
    """The plugin's own storage; it lives as long as the gateway."""

    def get(self, key):
        """The bytes under a key, or None."""
        return _kv.get(key)

    def put(self, key, value):
        _kv.put(key, value)

    def delete(self, key):
        _kv.delete(key)


def hmac_sha256(secret, data):
    """The HMAC-SHA-256 of data under a granted secret, which is never seen."""
    return _secrets.hmac_sha256(secret, data)


def equals(secret, candidate):
    """Whether a candidate is the secret, in constant time."""
    return _secrets.equals(secret, candidate)


__all__ = ["Err", "Patterns", "Store", "add", "equals", "hmac_sha256", "left_us", "log"]
