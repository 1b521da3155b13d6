"""CPython's own tests, of Debian's interpreter and the tests that it packs: what passes
without heapline passes under it.

The fast ones are part of the tests here. HEAPLINE_SUITE names others, by which a change
to the shim is tested by hand, in some minutes: HEAPLINE_SUITE="threading subprocess
asyncio". HEAPLINE_PYTHONS names further interpreters, separated by colons; the system's
own comes first, whatever it is."""

import json
import os

import harness

PYTHONS = ["/usr/bin/python3",
           *filter(None, os.environ.get("HEAPLINE_PYTHONS", "").split(":"))]
FAST = "gc generators sys_settrace exceptions memoryview json"

RUN = """\
import json, sys, unittest

class Result(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        started.add(test.id())

started, name = set(), "test.test_" + sys.argv[1]
tests = unittest.defaultTestLoader.loadTestsFromName(name)
result = unittest.TextTestRunner(resultclass=Result, verbosity=0).run(tests)
# (Subtests are of their test; whole modules and classes may fail before any.)
failed = {getattr(test, "test_case", test).id(): text
          for test, text in result.failures + result.errors}
skipped = {test.id(): text for test, text in result.skipped}
with open(sys.argv[2], "w") as out:
    json.dump([sorted(started - set(failed) - set(skipped)), failed, skipped], out)
"""


class Suite(harness.Case):
    def outcome(self, python, name, prefix=()):
        """The tests that passed, {test that did not: why}, {test that was skipped: why}.
        """
        script, said = self.write("run.py", RUN), self.path("said.json")
        os.makedirs(self.path("work"), exist_ok=True)
        result = self.run_native([*prefix, python, "-B", script, name, said],
                                 cwd=self.path("work"), timeout=600)
        self.assertEqual(result.status, 0, result)
        with open(said, encoding="utf-8") as file:
            passed, failed, skipped = json.load(file)
        return set(passed), failed, skipped

    def check(self, python, name):
        passed, _, _ = self.outcome(python, name)
        self.assertGreater(len(passed), 20, "Python's own tests are not there")
        profile = self.new_profile()
        under, failed, skipped = self.outcome(
            python, name, [harness.HEAPLINE, "run", "-q", "-o", profile, "--"])
        # (One of test_subprocess looks away by itself: from 3.14 on.)
        lost = {test for test in passed - under
                if "LD_PRELOAD" not in skipped.get(test, "")}
        self.assertEqual(lost, set(), [failed.get(test) for test in lost])
        self.assert_lossless(self.report_json(profile))

    def test_what_passes_without_passes_under_it(self):
        for name in os.environ.get("HEAPLINE_SUITE", FAST).split():
            for python in PYTHONS:
                with self.subTest(name, python=python):
                    self.check(python, name)


if __name__ == "__main__":
    harness.main()
