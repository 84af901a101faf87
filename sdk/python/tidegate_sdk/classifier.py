"""Classifiers: what a plugin thinks of an operation before it runs."""

import json

from . import _world
from ._plugin import Served, half
from ._world import record

_classifier = _world.module("exports.classifier")


class Request:
    """One operation. `facts` is what the host's parser found, read from JSON."""

    def __init__(self, wire):
        self.principal = wire.principal
        self.target = wire.target
        self.protocol = wire.protocol
        self.statement = wire.statement
        self.statement_cut = wire.statement_cut
        self.facts = json.loads(wire.facts)

    def statements(self):
        """The statements, each a dict as wit/deps/classifier describes it."""
        return self.facts.get("statements", [])

    def relations(self):
        """Every relation that is named anywhere."""
        return [relation for statement in self.statements() for relation in statement.get("relations", [])]


class Assessment:
    """What is thought of an operation; harmless until something is found."""

    def __init__(self):
        self.score = 0
        self.labels = set()
        self.findings = []

    def find(self, finding, score, message):
        """Adds a finding: a stable id, its risk from 0 to 100, one sentence for a human."""
        self.findings.append((finding, score, message))
        self.score = max(self.score, score)

    def label(self, *labels):
        """Adds labels, short words for policies."""
        self.labels.update(labels)


def serve(plugin_class, **description):
    """Exports a class with `classify(request) -> Assessment`.

    Returns the two classes that the module must have as `Plugin` and `Classifier`. For the
    description see `name`, `version`, `summary`, `schema`, `wants`, `metrics`.
    """
    served = Served(plugin_class)

    class Classifier(_world.protocol("Classifier")):
        def classify(self, request):
            assessment = served.call(lambda plugin: plugin.classify(Request(request)))
            findings = [
                record(_classifier, "Finding", id=finding, score=score, message=message)
                for finding, score, message in assessment.findings
            ]
            return record(
                _classifier,
                "Assessment",
                score=assessment.score,
                labels=sorted(assessment.labels),
                findings=findings,
            )

    return half(served, **description), Classifier
