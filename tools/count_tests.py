"""count_tests.py BROKEN LOG... - sums up meson's logs (LOG.json, LOG.junit.xml).

Every test method of a program that speaks TAP is one result, any other program is
one. BROKEN builds, which left no log, are failures too. What failed is told once more,
with the end of its output: whoever has only a log's last lines needs no other. The last
line printed is `N passed, N failed`; the exit status is 0 if nothing failed.
"""

import json
import os
import re
import sys
import xml.etree.ElementTree

GOOD = {"OK", "EXPECTEDFAIL", "SKIP"}
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


def tests_of(log):
    with open(log + ".json", encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def told(output):
    """The part of a test's output that tells why it failed: of TAP the cases that did,
    of anything else its end."""
    failed = re.findall(r"^(not ok.*)\n((?:#.*\n)*)", output, re.MULTILINE)
    if failed:
        return "".join("%s\n%s" % (name, why[-TOLD:]) for name, why in failed)
    return output[-TOLD:]


def tell_failed(log):
    for test in tests_of(log):
        if test["result"] in GOOD:
            continue
        print("== %s: %s, %s" % (os.path.dirname(os.path.dirname(log)), test["name"],
                                 test["result"]))
        for stream in ("stdout", "stderr"):
            text = told(test.get(stream) or "").rstrip()
            if text:
                print(text)


def count(log):
    passed, failed, skipped = 0, 0, 0
    cases = cases_of(log)
    for test in tests_of(log):
        project = test["name"].split(":")[0]
        own = cases.get(project + "." + test["name"])
        good = test["result"] in GOOD
        if not own:
            skipped += test["result"] == "SKIP"
            passed += good and test["result"] != "SKIP"
            failed += not good
        else:
            passed += own[0]
            # A program that broke off failed, whatever its results until then say.
            failed += own[1] if good else max(own[1], 1)
            skipped += own[2]
    return passed, failed, skipped


def main():
    broken, logs = int(sys.argv[1]), sys.argv[2:]
    totals = [0, broken, 0]
    for log in logs:
        if os.path.exists(log + ".json") and os.path.exists(log + ".junit.xml"):
            totals = [a + b for a, b in zip(totals, count(log))]
            tell_failed(log)
        else:
            totals[1] += 1
    if broken:
        print("%d builds failed" % broken)
    if totals[2]:
        print("%d skipped" % totals[2])
    print("%d passed, %d failed" % (totals[0], totals[1]))
    sys.exit(1 if totals[1] or not totals[0] else 0)


if __name__ == "__main__":
    main()
