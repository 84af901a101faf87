import unittest

from tidegate_sdk.testing import assess, issues

from app import exported

CONFIG = {"watched": ["salaries"]}


def reading(table):
    return {"statements": [{"relations": [{"schema": None, "name": table, "access": "read", "tags": []}]}]}


class Test(unittest.TestCase):
    def test_a_watched_table_is_remarked(self):
        self.assertEqual(assess(exported, CONFIG, "select", reading("salaries")).score, 60)

    def test_any_other_is_not(self):
        self.assertEqual(assess(exported, CONFIG, "select", reading("orders")).score, 0)

    def test_a_misspelt_key_is_refused(self):
        self.assertEqual(issues(exported, {"watch": []})[0][0], "/watch")
