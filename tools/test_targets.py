"""test_targets.py DIR SUITE... - what ninja has to build for the tests of these suites,
a line each: a build under a sanitizer needs no more than that."""

import json
import os
import subprocess
import sys


def introspect(folder, what):
    said = subprocess.run(["meson", "introspect", folder, what], check=True,
                          stdout=subprocess.PIPE)
    return json.loads(said.stdout)


def main():
    folder, suites = sys.argv[1], set(sys.argv[2:])
    files = {t["id"]: t["filename"] for t in introspect(folder, "--targets")}
    wanted = set()
    for test in introspect(folder, "--tests"):
        if suites & {s.split(":")[-1] for s in test["suite"]}:
            for target in test["depends"]:
                wanted.update(files[target])
    for path in sorted(wanted):
        print(os.path.relpath(path, os.path.abspath(folder)))


main()
