import unittest

from tidegate_sdk.testing import issues, mask

from app import exported


class Test(unittest.TestCase):
    def test_the_end_stays(self):
        self.assertEqual(mask(exported, {}, ["badge B-123456.", "none", None]), ["badge ******56.", "none", None])

    def test_two_in_one_cell(self):
        self.assertEqual(mask(exported, {"keep": 0}, ["B-111111 B-222222"]), ["******** ********"])

    def test_a_misspelt_key_is_refused(self):
        self.assertEqual(issues(exported, {"keeep": 2})[0][0], "/keeep")
