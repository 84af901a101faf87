import unittest

from tidegate_sdk import testing

from app import exported

CONFIG = {"url": "https://siem.example.com/in", "token": "secret://token"}


class Test(unittest.TestCase):
    def test_what_was_taken_is_acknowledged(self):
        exporter = testing.configured(exported, CONFIG)
        testing.answer(200)
        acknowledged = exporter.deliver(testing.batch({"kind": "op.intent"}, {"kind": "op.end"}, first_seq=7))
        self.assertEqual(acknowledged.through_seq, 8)
        method, url, headers, body = testing.sent.pop()
        self.assertEqual((method, url, headers["Batch"]), ("POST", CONFIG["url"], "test/7"))
        self.assertEqual(body.count(b"\n"), 2)

    def test_what_is_refused_is_not(self):
        exporter = testing.configured(exported, CONFIG)
        testing.answer(503)
        with self.assertRaises(Exception) as refused:
            exporter.deliver(testing.batch({"kind": "op.intent"}))
        self.assertEqual(refused.exception.value.code, "unavailable")

    def test_a_missing_address_is_refused(self):
        self.assertEqual(testing.issues(exported, {"token": "secret://token"})[0][0], "/url")
