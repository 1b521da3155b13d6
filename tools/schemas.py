#!/usr/bin/python3
"""The reports of `heapline check` against the schemas that others publish for them:

    HEAPLINE_BUILD=build tools/schemas.py SARIF-SCHEMA JUNIT-XSD

SARIF-SCHEMA is OASIS's sarif-schema-2.1.0.json (github.com/oasis-tcs/sarif-spec),
JUNIT-XSD is Jenkins' junit-10.xsd (github.com/jenkinsci/xunit-plugin); neither is in
this repository. GitLab publishes no schema of its code quality reports: they are held
against the fields that its documentation lists. Needs python3-jsonschema and xmllint.
Prints a line for each report; the exit status is 1 if one is wrong."""

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import jsonschema

BUILD = os.path.abspath(os.environ.get("HEAPLINE_BUILD", "build"))
HEAPLINE = os.path.join(BUILD, "cli", "heapline")
TARGETS = os.path.join(BUILD, "tests", "targets")
SEVERITIES = {"info", "minor", "major", "critical", "blocker"}

# What is checked, with which options, and the status that it ends with.
RUNS = (
    (["cases_lost", "ring_and_tail"], [], 23),
    (["cases_lost", "list"], ["--fail-on=all"], 23),
    (["pools", "arena"], ["--max-peak=1K", "--max-allocations=1"], 23),
    (["demo"], ["--max-peak=1"], None),
    (["/bin/true"], [], 0),
    (["/bin/sh", "-c", "kill -9 $$"], [], 70),
    (["./not <there> & \"so\" \x01\xff"], [], 70),
)


def program(args):
    return [args[0] if "/" in args[0] else os.path.join(TARGETS, args[0]), *args[1:]]


def gitlab(path):
    """As docs.gitlab.com/ci/testing/code_quality lists them."""
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    assert isinstance(report, list), "no array"
    for item in report:
        assert isinstance(item["description"], str) and item["description"]
        assert isinstance(item["check_name"], str) and item["check_name"]
        assert isinstance(item["fingerprint"], str) and item["fingerprint"]
        assert item["severity"] in SEVERITIES, item["severity"]
        path = item["location"]["path"]
        assert path and not path.startswith("./"), path
        assert isinstance(item["location"]["lines"]["begin"], int)
    prints = [item["fingerprint"] for item in report]
    assert len(set(prints)) == len(prints), "a fingerprint comes twice"
    return "%d entries" % len(report)


def sarif(path, validator):
    with open(path, encoding="utf-8") as file:
        log = json.load(file)
    validator.validate(log)
    return "%d results" % len(log["runs"][0]["results"])


def junit(path, schema):
    """But for testcase's file and line, which GitLab and others read: Jenkins' schema has
    none (its `junit` step takes them all the same; the xunit plugin does not)."""
    tree = xml.etree.ElementTree.parse(path)
    for case in tree.iter("testcase"):
        case.attrib.pop("file", None)
        case.attrib.pop("line", None)
    tree.write(path)
    done = subprocess.run(["xmllint", "--noout", "--schema", schema, path],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return "valid"


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    validator = jsonschema.validators.validator_for(schema)(schema)
    xsd, bad = os.path.abspath(sys.argv[2]), 0
    for args, options, status in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [HEAPLINE, "check", "-q", *options, "--report=sarif=a.sarif",
                 "--report=junit=a.xml", "--report=gitlab=a.json", "--", *program(args)],
                cwd=folder, capture_output=True, check=False, stdin=subprocess.DEVNULL)
            for name, look in (("a.sarif", lambda p: sarif(p, validator)),
                               ("a.xml", lambda p: junit(p, xsd)), ("a.json", gitlab)):
                try:
                    assert status in (None, done.returncode), done.returncode
                    said = look(os.path.join(folder, name))
                except (AssertionError, KeyError, OSError, ValueError,
                        jsonschema.ValidationError,
                        xml.etree.ElementTree.ParseError) as why:
                    said, bad = "WRONG: %s" % str(why)[:400], bad + 1
                print("%-28.28r status %2d  %-8s %s" % (" ".join(args), done.returncode,
                                                        name, said))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
