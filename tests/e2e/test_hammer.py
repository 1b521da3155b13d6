"""Four threads free and move each other's blocks in one arena, leak-free. Any
wrong order of events shows as bytes that leaked or frees that nobody knows.

HEAPLINE_HAMMER_RUNS sets the number of runs of each kind (20; releases use 200)."""

import os
import subprocess

import harness

RUNS = int(os.environ.get("HEAPLINE_HAMMER_RUNS", "20"))
OPERATIONS = int(os.environ.get("HEAPLINE_HAMMER_OPERATIONS", "20000"))
# No per-thread caches: an address that is freed is the next thread's at once.
ENV = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


class Hammer(harness.Case):
    def hammer(self, seed, **how):
        args = [harness.target("hammer"), str(OPERATIONS), str(seed)]
        result = self.record(args, env=ENV, **how)
        self.assertEqual(result.status, 0, result)
        report = self.report_json(result)
        os.unlink(result.profile)
        self.assert_lossless(report)
        found = {
            "leaked bytes": report["live_at_end"]["bytes"] - report["runtime"]["bytes"],
            "leaked blocks": report["live_at_end"]["blocks"] - report["runtime"]["blocks"],
            "unknown frees": harness.amount(report, "unknown_frees"),
            "unseen frees": harness.amount(report, "unseen_frees"),
        }
        self.assertEqual(set(found.values()), {0}, "seed %d: %s" % (seed, found))
        self.assertGreaterEqual(report["totals"]["allocations"], 4 * OPERATIONS)

    def test_nothing_leaks(self):
        for seed in range(RUNS):
            self.hammer(seed)

    def test_nothing_leaks_without_free_stacks(self):
        for seed in range(max(1, RUNS // 4)):
            self.hammer(seed, options=["--no-free-stacks"])

    def test_nothing_leaks_on_two_loaded_cores(self):
        cores = sorted(os.sched_getaffinity(0))[:2]

        def pin():
            os.sched_setaffinity(0, cores)

        loops = [
            subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"], preexec_fn=pin)
            for _ in cores
        ]
        try:
            for seed in range(RUNS):
                self.hammer(1000 + seed, preexec_fn=pin)
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()

    def test_the_shim_agrees(self):
        args = [harness.target("hammer"), str(OPERATIONS), "7"]
        result, counts = self.record_counted(args, env=ENV)
        self.assert_counts(result, counts)


if __name__ == "__main__":
    harness.main()
