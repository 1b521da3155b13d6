#!/usr/bin/python3
"""What a leak check costs a threaded program that allocates: larson.c natively, under
`heapline check` and with LeakSanitizer preloaded, by frame pointers and with full stacks
(fast_unwind_on_malloc=0), one after the other, over and over.

    HEAPLINE_BUILD=build tests/bench/larson.py [THREADS [TIMES]]

Prints the shortest wall time of each, in seconds, and how many times the native one it
is, for several amounts of work between two allocations."""

import os
import subprocess
import sys
import time

BUILD = os.path.abspath(os.environ.get("HEAPLINE_BUILD", "build"))
HEAPLINE = os.path.join(BUILD, "cli", "heapline")
LARSON = os.path.join(BUILD, "tests", "bench", "work_larson")
LSAN = "/usr/lib/x86_64-linux-gnu/liblsan.so.0"
WORKS = ((0, 200000), (100, 150000), (300, 100000), (1000, 50000), (5000, 20000))  # bytes, rounds
NAMES = ("native", "heapline", "lsan", "lsan-full")


def command(name, args):
    env = dict(os.environ)
    if name.startswith("lsan"):
        env["LD_PRELOAD"] = LSAN
        env["LSAN_OPTIONS"] = ("fast_unwind_on_malloc=0:" if name == "lsan-full" else "")
        env["LSAN_OPTIONS"] += "malloc_context_size=30"
    before = [HEAPLINE, "check", "-q", "--"] if name == "heapline" else []
    return [*before, LARSON, *args], env


def seconds(name, args, expected):
    line, env = command(name, args)
    began = time.monotonic()
    done = subprocess.run(line, env=env, capture_output=True, check=False, timeout=900)
    took = time.monotonic() - began
    if done.returncode or (expected and done.stdout != expected):
        sys.exit("%s: status %d, %r" % (name, done.returncode, done.stderr[-300:]))
    return took, done.stdout


def main():
    threads = sys.argv[1] if len(sys.argv) > 1 else "3"
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print("%-10s" % "work" + "".join("%22s" % n for n in NAMES) + "   ns a pair")
    for work, rounds in WORKS:
        args, best, said = [threads, str(rounds), str(work)], {}, b""
        for _ in range(times):
            for name in NAMES:
                if name == "lsan-full" and name in best:
                    continue  # it takes long enough once
                took, said = seconds(name, args, said)
                best[name] = min(took, best.get(name, took))
        print("%-10d" % work + "".join(
            "%13.2f s %5.1f x" % (best[n], best[n] / best["native"]) for n in NAMES) +
            "%9.0f" % (best["native"] * 1e9 / rounds), flush=True)


if __name__ == "__main__":
    main()
