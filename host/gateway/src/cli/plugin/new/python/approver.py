"""Posts questions to an address, and looks there for the answers."""

import json

from tidegate_sdk import Failure, Invalid, Want, http
from tidegate_sdk.approver import Ticket, Update, serve

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "url": {"type": "string", "pattern": "^https?://"},
        "token": {"type": "string", "pattern": "^secret://", "writeOnly": True},
    },
    "required": ["url", "token"],
    "additionalProperties": False,
}

WANTS = [
    Want("egress", "*", "To ask at the address that is configured."),
    Want("secret", "*", "To say who asks."),
]

POLL_MS = 1000


class Ask:
    def __init__(self, config):
        missing = [(f"/{key}", "is missing") for key in ("url", "token") if not config.get(key)]
        if missing:
            raise Invalid(*missing)
        self.url = config["url"].rstrip("/")
        # The host puts the secret there.
        self.headers = {"Authorization": f"Bearer {config['token']}", "Content-Type": "application/json"}

    def submit(self, ask):
        question = {
            "id": ask.approval_id,
            "requester": ask.requester.id,
            "target": ask.target,
            "title": ask.title,
            "text": ask.body_markdown,
            "score": ask.score,
        }
        http.request("PUT", f"{self.url}/{ask.approval_id}", self.headers, json.dumps(question).encode()).check()
        return Ticket(ask.approval_id, poll_after_ms=POLL_MS)

    def poll(self, approval_id, ticket):
        answer = http.request("GET", f"{self.url}/{approval_id}", self.headers).check()
        found = json.loads(answer.body)
        if found.get("decision") not in ("approved", "denied"):
            return Update(approval_id, "pending", ticket=Ticket(approval_id, poll_after_ms=POLL_MS))
        if not found.get("by"):
            raise Failure("invalid-input", "the answer does not say who gave it")
        return Update(
            approval_id,
            found["decision"],
            by=found["by"],
            at_ms=found.get("at_ms", 0),
            comment=found.get("comment", ""),
            evidence=answer.body,
        )

    def callback(self, message):
        raise Failure("unsupported", "answers are fetched, not sent")

    def withdraw(self, approval_id, ticket, reason):
        http.request("DELETE", f"{self.url}/{approval_id}", self.headers).check()


exported = serve(Ask, name="{{name}}", version="0.1.0", summary="{{summary}}", schema=SCHEMA, wants=WANTS)
Plugin, Approver = exported
