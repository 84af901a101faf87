import json
import unittest
from types import SimpleNamespace

from tidegate_sdk import testing

from app import exported

CONFIG = {"url": "https://desk.example.com/questions/", "token": "secret://token"}

ASK = SimpleNamespace(
    approval_id="a-1",
    requester=SimpleNamespace(id="https://issuer.example|agent"),
    target="customers",
    title="DELETE FROM orders",
    body_markdown="",
    score=80,
)


class Test(unittest.TestCase):
    def test_a_question_is_posted_and_its_answer_found(self):
        approver = testing.configured(exported, CONFIG)
        testing.answer(201)
        ticket = approver.submit(ASK)
        method, url, headers, body = testing.sent.pop()
        self.assertEqual((method, url), ("PUT", "https://desk.example.com/questions/a-1"))
        self.assertEqual(json.loads(body)["score"], 80)
        self.assertEqual(ticket.poll_after_ms, 1000)
        testing.answer(200, b'{}')
        self.assertEqual(approver.poll("a-1", ticket).decision.case, "Decision_Pending")
        testing.answer(200, b'{"decision": "approved", "by": "bob"}')
        decision = approver.poll("a-1", ticket).decision
        self.assertEqual((decision.case, decision.value.by), ("Decision_Approved", "bob"))

    def test_a_missing_address_is_refused(self):
        self.assertEqual(testing.issues(exported, {"token": "secret://token"})[0][0], "/url")
