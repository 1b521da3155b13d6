"""count_tests.py BROKEN LOG... - sums up meson's logs (LOG.json, LOG.junit.xml).
count_tests.py --again LOG... - names the tests to be run again: those that failed, if
they are so few that the machine may be the cause.

Every test method of a program that speaks TAP is one result, any other program is
one. BROKEN builds, which left no log, are failures too. Where a test was run again
(again*.json beside testlog*.json), that run counts, and the first is told as what it
is. What failed is told once more, with what it said: whoever has only a log's last
lines needs no other. The last line printed is `N passed, N failed`; the exit status is
0 if nothing failed.
"""

import json
import os
import re
import sys
import xml.etree.ElementTree

GOOD = {"OK", "EXPECTEDFAIL", "SKIP"}
AGAIN = 2  # programs at most
TOLD = 3000  # characters of what a failed test said


def cases_of(log):
    """{suite: [passed, failed, skipped]} from the JUnit file, where a program with
    results of its own is a suite named PROJECT.TEST."""
    cases = {}
    root = xml.etree.ElementTree.parse(log + ".junit.xml").getroot()
    for suite in root.iter("testsuite"):
        for case in suite.iter("testcase"):
            counts = cases.setdefault(suite.get("name", ""), [0, 0, 0])
            kinds = {child.tag for child in case}
            if kinds & {"failure", "error"}:
                counts[1] += 1
            elif "skipped" in kinds:
                counts[2] += 1
            else:
                counts[0] += 1
    return cases


class Test:
    """A program's run: its line in the log, and the results it told."""

    def __init__(self, log, line, cases):
        self.name = line["name"]
        self.build = os.path.dirname(os.path.dirname(log))
        self.outcome = line["result"]
        self.good = self.outcome in GOOD
        self.said = [line.get("stdout") or "", line.get("stderr") or ""]
        self.cases = cases.get(self.name.split(":")[0] + "." + self.name)

    def counts(self):
        """(passed, failed, skipped)"""
        if not self.cases:
            skipped = self.outcome == "SKIP"
            return self.good and not skipped, not self.good, skipped
        passed, failed, skipped = self.cases
        # A program that broke off failed, whatever its results until then say.
        return passed, failed if self.good else max(failed, 1), skipped

    def tell(self, what):
        print("== %s: %s %s" % (self.build, self.name, what))
        for text in self.said:
            text = told(text).rstrip()
            if text:
                print(text)


def told(output):
    """The part of a test's output that tells why it failed: of TAP the cases that did,
    of anything else its end."""
    failed = re.findall(r"^(not ok.*)\n((?:#.*\n)*)", output, re.MULTILINE)
    if failed:
        return "".join("%s\n%s" % (name, why[-TOLD:]) for name, why in failed)
    return output[-TOLD:]


def tests_of(log):
    """{name: Test}, or None without a log."""
    if not (os.path.exists(log + ".json") and os.path.exists(log + ".junit.xml")):
        return None
    cases = cases_of(log)
    with open(log + ".json", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    return {line["name"]: Test(log, line, cases) for line in lines}


def name_failed(logs):
    for log in logs:
        failed = [t.name for t in (tests_of(log) or {}).values() if not t.good]
        for name in failed if len(failed) <= AGAIN else []:
            print(name.split(" / ")[-1])


def results_of(log):
    """The tests of a log, those that were run again as they ended then."""
    tests = tests_of(log)
    again = tests_of(os.path.join(os.path.dirname(log), os.path.basename(log).replace(
        "testlog", "again", 1))) or {}
    for name, second in again.items() if tests else []:
        if second.good and not tests[name].good:
            tests[name].tell("FAILED, and passed when it was run again alone. "
                             "It said at first:")
        tests[name] = second
    return tests


def main():
    if sys.argv[1] == "--again":
        name_failed(sys.argv[2:])
        return
    broken, logs = int(sys.argv[1]), sys.argv[2:]
    totals = [0, broken, 0]
    for log in logs:
        tests = results_of(log)
        if tests is None:
            totals[1] += 1
            continue
        for test in tests.values():
            totals = [a + b for a, b in zip(totals, test.counts())]
            if not test.good:
                test.tell(test.outcome)
    if broken:
        print("%d builds failed" % broken)
    if totals[2]:
        print("%d skipped" % totals[2])
    print("%d passed, %d failed" % (totals[0], totals[1]))
    sys.exit(1 if totals[1] or not totals[0] else 0)


if __name__ == "__main__":
    main()
