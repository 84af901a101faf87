"""What every plugin has, whatever its kind: a description, a configuration, failures."""

import json

from . import _world
from ._world import Err, record

_plugin = _world.module("exports.plugin")


class Invalid(Exception):
    """Something is wrong with the configuration.

    `issues` are pairs: a JSON pointer (RFC 6901; empty for the whole), and what is wrong and what
    would be right, in one sentence. Never the value of a secret.
    """

    def __init__(self, *issues):
        super().__init__("; ".join(f"{pointer}: {message}" for pointer, message in issues))
        self.issues = list(issues)


class Failure(Exception):
    """A failure in order: the plugin lives on.

    `code` is one of the contract's, by what the host does about it: "unavailable" and
    "rate-limited" are asked again, "invalid-config" and "unauthorized" want an operator,
    "invalid-input" and "unsupported" are given up, "internal" is the plugin's own fault.
    """

    def __init__(self, code, message, retry_after_ms=None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms

    def to_wit(self):
        code = self.code
        if _world.types:
            code = _world.types.Code[self.code.upper().replace("-", "_")]
        return Err(
            record(
                _world.types,
                "Error",
                code=code,
                message=self.message,
                retry_after_ms=self.retry_after_ms,
            )
        )


class Want:
    """Something to reach: its kind (`egress`, `secret`, `kv`, `log`), its value (`*` where the
    configuration decides) and why, in one sentence for the operator."""

    def __init__(self, kind, value, reason):
        self.kind = kind
        self.value = value
        self.reason = reason


class Served:
    """One instance's plugin: nothing until it is configured."""

    def __init__(self, plugin_class):
        self.plugin_class = plugin_class
        self.plugin = None

    def call(self, act):
        """Runs `act` on the plugin; a failure in order becomes the contract's."""
        if self.plugin is None:
            raise Failure("internal", "not configured").to_wit()
        try:
            return act(self.plugin)
        except Failure as failure:
            raise failure.to_wit() from None


def _unknown(config, schema):
    """Returns issues for keys that the schema does not know, on the first level."""
    if schema.get("additionalProperties", True) is not False:
        return []
    known = schema.get("properties", {})
    return [(f"/{key}", f"not a key; known are {', '.join(known)}") for key in config if key not in known]


def half(served, *, name, version, summary, schema=None, wants=(), metrics=()):
    """Makes the export that every plugin has."""
    schema = schema or {"type": "object", "additionalProperties": False}

    class Plugin(_world.protocol("Plugin")):
        def describe(self):
            want = [record(_plugin, "Want", kind=w.kind, value=w.value, reason=w.reason) for w in wants]
            return record(
                _plugin,
                "Manifest",
                name=name,
                version=version,
                summary=summary,
                config_schema=json.dumps(schema),
                wants=want,
                metrics=list(metrics),
                attrs=[],
            )

        def configure(self, json_text):
            try:
                config = json.loads(json_text)
                unknown = _unknown(config, schema)
                if unknown:
                    raise Invalid(*unknown)
                served.plugin = served.plugin_class(config)
            except Invalid as invalid:
                issues = [record(_plugin, "Issue", pointer=p, message=m) for p, m in invalid.issues]
                raise Err(issues) from None

    return Plugin
