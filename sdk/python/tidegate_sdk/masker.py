"""Maskers: which fields to mask, and what becomes of their cells.

Python is slow inside the sandbox: what the host can do (`native`) never enters the plugin, and
`tidegate_sdk.host.Patterns` finds patterns in a whole column at native speed.
"""

from . import _world
from ._plugin import Served, half
from ._world import case, record

_masker = _world.module("exports.masker")

KEEP = "keep"
CALL = "call"
SUPPRESS = "suppress"


def native(name, **arguments):
    """An action that the host carries out, e.g. `native("keep-last", n=4)`."""
    return ("native", name, {key: str(value) for key, value in arguments.items()})


def deny(reason):
    """Refuses the whole result; the reason is shown to the client."""
    return ("deny", reason)


class Field:
    """One field of a result."""

    def __init__(self, wire):
        self.name = wire.name
        self.origin = wire.origin
        self.native_type = wire.native_type
        self.tags = wire.tags

    def has_tag(self, tag):
        """Whether it has this tag, or one that begins so where `tag` ends in `*`."""
        if tag.endswith("*"):
            return any(own.startswith(tag[:-1]) for own in self.tags)
        return tag in self.tags


class Column:
    """The cells of one field. `wire` is the contract's own form, as `Patterns.find` takes it."""

    def __init__(self, wire):
        self.wire = wire

    def __len__(self):
        return len(self.wire.ends)

    def is_null(self, row):
        nulls = self.wire.nulls
        return bool(nulls) and bool(nulls[row // 8] & (1 << (row % 8)))

    def cell(self, row):
        """One cell as bytes; None is NULL."""
        if self.is_null(row):
            return None
        start = self.wire.ends[row - 1] if row else 0
        return self.wire.data[start : self.wire.ends[row]]

    def __iter__(self):
        return (self.cell(row) for row in range(len(self)))


def column(cells):
    """Makes the contract's column of cells."""
    data, ends, nulls = bytearray(), [], bytearray((len(cells) + 7) // 8)
    for row, cell in enumerate(cells):
        if cell is None:
            nulls[row // 8] |= 1 << (row % 8)
        else:
            data += cell
        ends.append(len(data))
    packed = bytes(nulls) if any(nulls) else b""
    return record(_world.types, "Column", data=bytes(data), ends=ends, nulls=packed)


def _action(action):
    if action == KEEP:
        return case(_masker, "Action_Keep")
    if action == CALL:
        return case(_masker, "Action_Call")
    if action == SUPPRESS:
        return case(_masker, "Action_Suppress")
    if action[0] == "deny":
        return case(_masker, "Action_Deny", action[1])
    _, name, arguments = action
    return case(_masker, "Action_Native", record(_masker, "NativeMask", name=name, args=list(arguments.items())))


def _change(changed):
    """`changed` maps rows to their new cells: nothing for none."""
    if not changed:
        return case(_masker, "Change_None_")
    rows = sorted(changed)
    patch = record(_masker, "Patch", rows=rows, values=column([changed[row] for row in rows]))
    return case(_masker, "Change_Sparse", patch)


def serve(plugin_class, **description):
    """Exports a class with `field(field)`, which returns an action, and `column(column)`, which
    returns a dict of the rows that change and their new cells (bytes, or None for NULL).

    Returns the two classes that the module must have as `Plugin` and `Masker`.
    """
    served = Served(plugin_class)

    class Masker(_world.protocol("Masker")):
        def make_plan(self, shape):
            act = lambda plugin: [_action(plugin.field(Field(field))) for field in shape.fields]
            return record(_masker, "Plan", actions=served.call(act), state=b"")

        def load_plan(self, plan_id, state):
            pass

        def drop_plan(self, plan_id):
            pass

        def mask(self, plan_id, rows, columns):
            return served.call(lambda plugin: [_change(plugin.column(Column(column))) for column in columns])

    return half(served, **description), Masker
