"""Approvers: a question to the people who may answer it, and their answer back."""

from . import _world
from ._plugin import Served, half
from ._world import case, record

_approver = _world.module("exports.approver")


class Ticket:
    """Where a question went: the outside system's id for it, an address for people, when to ask
    again (None: an answer comes by callback), and up to 16 KiB of the plugin's own."""

    def __init__(self, external_id, url=None, poll_after_ms=None, state=b""):
        self.external_id = external_id
        self.url = url
        self.poll_after_ms = poll_after_ms
        self.state = state

    def to_wit(self):
        return record(
            _approver,
            "Ticket",
            external_id=self.external_id,
            url=self.url,
            poll_after_ms=self.poll_after_ms,
            state=self.state,
        )


class Update:
    """What is known of a question: "pending", "approved", "denied", "expired" or "withdrawn"."""

    def __init__(self, approval_id, decision, *, by="", at_ms=0, comment="", evidence=b"", ticket=None):
        self.approval_id = approval_id
        self.decision = decision
        self.vote = {"by": by, "at_ms": at_ms, "comment": comment, "evidence": evidence}
        self.ticket = ticket

    def to_wit(self):
        payload = ()
        if self.decision in ("approved", "denied"):
            payload = (record(_approver, "Vote", **self.vote),)
        return record(
            _approver,
            "Update",
            approval_id=self.approval_id,
            decision=case(_approver, f"Decision_{self.decision.capitalize()}", *payload),
            ticket=self.ticket.to_wit() if self.ticket else None,
        )


def serve(plugin_class, **description):
    """Exports a class with

    - `submit(ask) -> Ticket`: carry the question out; its id makes doubles harmless;
    - `poll(approval_id, ticket) -> Update`: look again;
    - `callback(message) -> (updates, (status, headers, body))`: a request of the outside system,
      whose signature the plugin checks;
    - `withdraw(approval_id, ticket, reason)`.

    Returns the two classes that the module must have as `Plugin` and `Approver`.
    """
    served = Served(plugin_class)

    class Approver(_world.protocol("Approver")):
        def submit(self, ask):
            return served.call(lambda plugin: plugin.submit(ask)).to_wit()

        def poll(self, approval_id, ticket):
            return served.call(lambda plugin: plugin.poll(approval_id, ticket)).to_wit()

        def callback(self, message):
            updates, (status, headers, body) = served.call(lambda plugin: plugin.callback(message))
            reply = record(_approver, "Reply", status=status, headers=list(headers), body=body)
            return [update.to_wit() for update in updates], reply

        def withdraw(self, approval_id, ticket, reason):
            served.call(lambda plugin: plugin.withdraw(approval_id, ticket, reason))

    return half(served, **description), Approver
