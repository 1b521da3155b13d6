#!/usr/bin/python3
"""How long the web viewer takes: to open a page, to draw, to follow a range of time.

    HEAPLINE_BUILD=build tests/bench/viewer.py [STACKS [ROUNDS [OPTION]...]]

OPTION: of `heapline report --html`, as --html-limit=1G, without which a million stacks
with their times are folded to 50 MB. A made-up profile of a million distinct stacks (views.c), in Chromium. Needs what
tests/e2e/test_viewer.py needs."""

import json
import os
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tests", "e2e"))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import harness
import test_viewer


def main():
    stacks = sys.argv[1] if len(sys.argv) > 1 else "1000000"
    rounds = sys.argv[2] if len(sys.argv) > 2 else "7"
    failed = test_viewer.missing() or test_viewer.npm_ci()
    if failed:
        sys.exit("error: missing: %s" % failed)
    with tempfile.TemporaryDirectory(prefix="heapline-bench-") as place:
        profile, page = os.path.join(place, "p.heapline"), os.path.join(place, "p.html")
        views = os.path.join(harness.BUILD, "tests", "bench", "bench_views")
        subprocess.run([views, stacks, profile, "1", "0", "100"], check=True)
        subprocess.run([harness.HEAPLINE, "report", "--html", page, *sys.argv[3:], profile],
                       check=True)
        done = subprocess.run(
            [test_viewer.tool("node"), "tests/bench.mjs", test_viewer.tool("chromium"),
             page, rounds], cwd=test_viewer.WORKSHOP, check=True, stdout=subprocess.PIPE)
        size = os.path.getsize(page)
    figures = json.loads(done.stdout)
    print("page of %s stacks: %.1f MiB" % (stacks, size / 2**20))
    print("opened and drawn: %.0f ms (median of %s)" % (figures["open_ms"], rounds))
    print("flame graph, first: %.0f ms" % figures["flame_first_ms"])
    print("flame graph, a frame: %.1f ms (median of 40)" % figures["draw_ms"])
    if figures["brush_ms"] is not None:
        print("range of time to redraw: %.0f ms (median of 15)" % figures["brush_ms"])


main()
