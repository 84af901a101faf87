"""Remarks the use of watched tables."""

from tidegate_sdk import Invalid
from tidegate_sdk.classifier import Assessment, serve

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"watched": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
    "required": ["watched"],
    "additionalProperties": False,
}


class Watch:
    def __init__(self, config):
        self.watched = config.get("watched", [])
        if not self.watched:
            raise Invalid(("/watched", "name at least one table"))

    def classify(self, request):
        assessment = Assessment()
        for relation in request.relations():
            if relation["name"] in self.watched:
                assessment.find("{{name}}.watched", 60, f"It uses the watched table {relation['name']}.")
                assessment.label("watched")
        return assessment


exported = serve(Watch, name="{{name}}", version="0.1.0", summary="{{summary}}", schema=SCHEMA)
Plugin, Classifier = exported
