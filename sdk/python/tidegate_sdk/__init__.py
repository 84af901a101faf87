"""The SDK for plugins of Tidegate in Python: one module per kind.

A plugin is a class that takes its configuration, and one line that exports it:

    from tidegate_sdk.classifier import Assessment, serve

    class Watch:
        def __init__(self, config):
            self.tables = config.get("tables", [])

        def classify(self, request):
            assessment = Assessment()
            for relation in request.relations():
                if relation["name"] in self.tables:
                    assessment.find("watch.table", 60, f"It uses the table {relation['name']}.")
            return assessment

    Plugin, Classifier = serve(Watch, name="watch", version="0.1.0", summary="Remarks watched tables.")

Outside a component nothing of the host is there: `tidegate_sdk.testing` plays it.
"""

from ._plugin import Failure, Invalid, Want

__all__ = ["Failure", "Invalid", "Want"]
