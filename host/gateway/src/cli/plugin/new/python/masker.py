"""Hides badge numbers, found by the host at native speed, but for their end."""

from tidegate_sdk import Invalid
from tidegate_sdk.host import Patterns
from tidegate_sdk.masker import CALL, serve

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"keep": {"type": "integer", "minimum": 0, "maximum": 4, "default": 2}},
    "additionalProperties": False,
}


class Badges:
    def __init__(self, config):
        self.keep = config.get("keep", 2)
        if not isinstance(self.keep, int) or not 0 <= self.keep <= 4:
            raise Invalid(("/keep", "a number from 0 to 4"))
        self.badges = Patterns(r"\bB-[0-9]{6}\b")

    def field(self, field):
        return CALL

    def column(self, column):
        changed = {}
        for row, _, start, end in self.badges.find(column):
            cell = changed.get(row) or column.cell(row)
            changed[row] = cell[:start] + b"*" * (end - start - self.keep) + cell[end - self.keep :]
        return changed


exported = serve(Badges, name="{{name}}", version="0.1.0", summary="{{summary}}", schema=SCHEMA)
Plugin, Masker = exported
