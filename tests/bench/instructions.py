#!/usr/bin/python3
"""Instructions that a malloc and its free take in the program itself, counted by
callgrind: what other programs on the machine do does not change them, so small
differences can be seen. (The collector's are not among them; nor do they tell of caches
and clocks.)

    HEAPLINE_BUILD=build tests/bench/instructions.py [DEPTH ...]

Each figure is the difference of two runs of micro.c, over that of their pairs: what a
start takes is not in it."""

import os
import re
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(os.environ.get("HEAPLINE_BUILD", "build"))
HEAPLINE = os.path.join(BUILD, "cli", "heapline")
MICRO = os.path.join(BUILD, "tests", "bench", "work_micro")
COUNTING = os.path.join(BUILD, "tests", "bench", "libcounting.so")
FEW, MANY = 20000, 60000
MODES = (("native", None), ("counting", None), ("heapline", ()),
         ("no free stacks", ("--no-free-stacks",)), ("sampled", ("--sample=512K",)),
         ("not recording", ("--delay=10000s",)))


def instructions(mode, options, depth, pairs, folder):
    env, before = dict(os.environ), []
    if mode == "counting":
        env["LD_PRELOAD"] = COUNTING
    elif options is not None:
        before = [HEAPLINE, "run", "-q", "-f", "-o", os.path.join(folder, "profile"),
                  *options, "--"]
    done = subprocess.run(
        [*before, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         MICRO, str(depth), "1", str(pairs)],
        env=env, capture_output=True, text=True, check=False, timeout=600)
    found = re.search(r"refs:\s+([\d,]+)", done.stderr)
    if done.returncode or not found:
        sys.exit("%s: status %d, %s" % (mode, done.returncode, done.stderr[-300:]))
    return int(found.group(1).replace(",", ""))


def main():
    depths = [int(word) for word in sys.argv[1:]] or [1, 10, 30]
    print("%-16s" % "depth" + "".join("%9d" % d for d in depths))
    with tempfile.TemporaryDirectory() as folder:
        for mode, options in MODES:
            print("%-16s" % mode, end="")
            for depth in depths:
                few, many = (instructions(mode, options, depth, n, folder)
                             for n in (FEW, MANY))
                print("%9.1f" % ((many - few) / (MANY - FEW)), end="", flush=True)
            print()


if __name__ == "__main__":
    main()
