"""Processes that are counted together: the same sums as apart, in one row for each
program; what belongs to one process stays with it."""

import os
import signal
import unittest

import harness

WORK = r"""#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile sink;

__attribute__((noinline)) static void leak(void)
{
	sink = malloc(1000);
	sink = NULL;
}

__attribute__((noinline)) static void *keep(void) { return malloc(1 << 20); }
__attribute__((noinline)) static void drop(void) { free(malloc(70)); }

/* Until so many are here. */
static void meet(const char *number, int all)
{
	char path[64];

	snprintf(path, sizeof(path), "here.%s", number);
	if (symlink("x", path))
		_exit(9);
	for (int i = 0; i < all; i++)
		do
			snprintf(path, sizeof(path), "here.%d", i);
		while (readlink(path, path + 32, 16) < 0 && !usleep(1000));
}

int main(int argc, char **argv)
{
	void *kept;

	if (!strcmp(argv[1], "leak"))
		for (int i = 0; i < 3; i++)
			leak();
	for (int i = 0; i < 5; i++)
		drop();
	if (!strcmp(argv[1], "meet")) {
		kept = keep();
		meet(argv[2], 4);
		free(kept);
	}
	if (!strcmp(argv[1], "wait")) {
		sink = keep();
		usleep(600000);
	}
	if (argc > 2 && !strcmp(argv[2], "killed"))
		kill(getpid(), SIGKILL);
	_exit(argc > 2 && !strcmp(argv[2], "three") ? 3 : 0);
}
"""


@unittest.skipUnless(os.path.exists("/usr/bin/gcc"), "gcc")
class Together(harness.Case):
    def setUp(self):
        super().setUp()
        self.write("work.c", WORK)
        built = self.run_native(["gcc", "-g", "-O1", "-fno-builtin", self.path("work.c"),
                                 "-o", self.path("work")])
        self.assertEqual(built.status, 0, built)

    def run_it(self, script, *options, status=0):
        for name in os.listdir(self.dir):
            if name.startswith("here."):
                os.unlink(self.path(name))
        result = self.record(["sh", "-c", script], options)
        self.assertEqual(result.status, status, result)
        self.assert_lossless(self.report_json(result))
        return result.profile

    def both(self, script, *options, status=0):
        return (self.run_it(script, *options, status=status),
                self.run_it(script, "--by-program", *options, status=status))

    def rows_of(self, report, name="work"):
        """The row of a program, and the processes that are counted in it."""
        rows = [p for p in report["processes"]
                if p["counted"] and os.path.basename(p["exe"]) == name]
        self.assertEqual(len(rows), 1, rows)
        counted = [p for p in report["processes"] if p["counted_with"] == rows[0]["serial"]]
        self.assertEqual(rows[0]["counted"], len(counted))
        self.assertEqual(rows[0]["pid"], counted[0]["pid"])
        return rows[0], counted

    def functions(self, profile, *options):
        rows = self.read_json("top", profile, "--by", "function", *options)["rows"]
        return {r["name"].split(" ")[0]: r for r in rows}

    # ---- sums ------------------------------------------------------------------------

    def test_the_sums_are_those_of_the_processes_apart(self):
        script = "i=0; while [ $i -lt 20 ]; do ./work leak three; i=$((i + 1)); done; true"
        apart, together = map(self.report_json, self.both(script))
        for part in ("totals", "live_at_end", "leaked", "events"):
            self.assertEqual(apart[part], together[part], part)
        self.assertEqual([p["counted"] + p["counted_with"] for p in apart["processes"]],
                         [0] * len(apart["processes"]))
        row, counted = self.rows_of(together)
        self.assertEqual(len(counted), 20)
        self.assertEqual({(p["end"], p["exit"]) for p in counted}, {("exited", 3)})
        self.assertEqual(row["live_at_end"], {"blocks": 60, "bytes": 60000})
        # One after the other: no more than one's was there at a time.
        self.assertEqual(row["peak"]["bytes"], 3070)
        for process in counted:
            self.assertEqual(sum(harness.process_sums(process)), 0)
            self.assertGreaterEqual(process["events"], 3 + 5 + 5)
        works = [p for p in apart["processes"] if os.path.basename(p["exe"]) == "work"]
        self.assertEqual([sum(column) for column in zip(*map(harness.process_sums, works))],
                         list(harness.process_sums(row)))

    def test_the_peak_is_of_those_that_live_at_a_time(self):
        script = "for i in 0 1 2 3; do ./work meet $i & done; wait"
        profiles = self.both(script)
        apart, together = map(self.report_json, profiles)
        self.assertGreaterEqual(apart["peak"]["bytes"], 4 << 20)
        row, counted = self.rows_of(together)
        self.assertEqual(len(counted), 4)
        self.assertEqual(row["peak"]["bytes"] >> 20, 4)
        self.assertEqual(self.functions(profiles[1])["keep"]["peak"]["bytes"], 4 << 20)

    def test_fork_children_say_what_they_did(self):
        """Of a storm, each child's own word, added up; and what it had of its parent's."""
        storm = [harness.target("fork_storm"), "100", "4", harness.target("phases")]
        result = self.record(storm, ["--by-program"])
        self.assertEqual(result.status, 0, result)
        report = self.report_json(result)
        self.assert_lossless(report)
        row, counted = self.rows_of(report, "fork_storm")
        told = [list(map(int, line.split())) for line in result.stdout.decode().splitlines()]
        self.assertEqual(len(told), 100)
        pids = {p["pid"]: p for p in counted}
        for pid, _, _, _, inherited, _ in told:
            self.assertEqual(pids[pid]["inherited"]["freed_blocks"], inherited)
            self.assertEqual(pids[pid]["unknown_frees"], 0)
        totals = row["totals"]
        self.assertGreater(totals["allocations"], sum(t[1] for t in told))
        self.assertGreater(totals["allocated_bytes"], sum(t[2] for t in told))
        self.assertGreater(totals["frees"], sum(t[3] for t in told))
        # All events are somebody's: the parent's and the children's.
        freed = sum(p["inherited"]["freed_blocks"] for p in counted)
        self.assertGreaterEqual(sum(p["events"] for p in counted),
                                totals["allocations"] + totals["frees"] + freed)

    def test_an_exec_is_the_same_process_s(self):
        for profile in self.both("exec ./work leak three", status=3):
            report = self.report_json(profile)
            self.assertEqual(report["exit"], 3)
            text = self.heapline("report", profile).stdout.decode()
            self.assertIn("exited with status 3; 2 programs recorded, each by exec", text)

    # ---- parts -----------------------------------------------------------------------

    def test_a_moment_has_nothing_of_those_that_had_ended(self):
        script = ("i=0; while [ $i -lt 10 ]; do ./work leak; i=$((i + 1)); done; "
                  "./work wait; sleep 0.6")
        for profile in self.both(script):
            ends = [p["end_ns"] for p in self.report_json(profile)["processes"]
                    if os.path.basename(p["exe"]) == "work" and not p["counted"]]
            self.assertEqual(len(ends), 11)
            during, behind = ends[-1] / 1e9 - 0.3, ends[-1] / 1e9 + 0.3
            for at, keeps, leaks in ((during, 1 << 20, 0), (behind, 0, 0),
                                     (None, 1 << 20, 30000)):
                moment = "end" if at is None else "%.3f" % at
                found = self.functions(profile, "--at", moment)
                self.assertEqual([found[name]["peak"]["bytes"] for name in ("keep", "leak")],
                                 [keeps, leaks], moment)

    def test_what_goes_with_its_process_does_not_grow(self):
        script = "i=0; while [ $i -lt 400 ]; do ./work leak; i=$((i + 1)); done"
        for profile in self.both(script):
            watch = self.heapline("watch", profile)
            self.assertEqual(watch.status, 0, watch)

    def test_a_process_cannot_be_asked_for_alone(self):
        profile = self.run_it("./work leak; ./work leak; ./work leak", "--by-program")
        row, counted = self.rows_of(self.report_json(profile))
        one = self.heapline("report", profile, "--process", str(counted[0]["pid"]))
        self.assertEqual(one.status, 0, one)
        self.assertIn(b"counted together with 2 more of its program", one.stdout)
        self.assertEqual(
            self.read_json("report", profile, "--process", str(row["pid"]))["leaked"],
            {"blocks": 9, "bytes": 9000})
        self.assert_error(
            self.heapline("report", profile, "--process", str(counted[1]["pid"])), 2,
            "counted together")
        whole = self.heapline("report", profile).stdout.decode()
        self.assertIn("(3 processes together)", whole)
        self.assertIn("3 processes together", self.heapline("info", profile).stdout.decode())

    def test_sizes_and_threads_are_kept_of_each_alone(self):
        profile = self.run_it("./work leak; ./work leak", "--by-program", "--keep=size")
        processes = self.report_json(profile)["processes"]
        self.assertEqual({p["counted_with"] for p in processes}, {0})

    # ---- readers ---------------------------------------------------------------------

    def test_leaks_are_those_of_each(self):
        script = "./work leak; ./work leak three; ./work leak"
        apart, together = self.both(script, "--snapshot-at-exit")
        for profile in (apart, together):
            leaks = self.read_json("leaks", profile, "--kind=definite")
            named = [x for x in leaks["leaks"] if x["site"].startswith("leak ")]
            self.assertEqual(sum(x["blocks"] for x in named), 9)
            self.assertEqual(len({x["pid"] for x in named}), 3)
            self.assertEqual(leaks["unscanned"], 0)
            self.assertEqual(self.heapline("check", profile).status, 23)

    def test_a_process_that_was_not_looked_at_is_none_that_was(self):
        for ends, unscanned in (("", 0), (" killed", 1)):
            script = "./work none; ./work leak%s; true" % ends
            for profile in self.both(script, "--snapshot-at-exit"):
                leaks = self.read_json("leaks", profile)
                self.assertEqual(leaks["unscanned"], unscanned, leaks["cause"])
        # Of a recording without snapshots nobody was, and all is told.
        profile = self.run_it("./work leak; ./work leak; true", "--by-program")
        leaks = self.read_json("leaks", profile, "--kind=unscanned")["leaks"]
        named = [x for x in leaks if x["site"].startswith("leak ")]
        self.assertEqual(sum(x["blocks"] for x in named), 6)

    def test_a_merge_has_the_rows_of_both(self):
        parts = [self.run_it("./work leak; ./work leak", "--by-program") for _ in range(2)]
        merged = self.path("merged.heapline")
        result = self.heapline("merge", "-o", merged, *parts)
        self.assertEqual(result.status, 0, result)
        report = self.report_json(merged)
        rows = [p for p in report["processes"]
                if p["counted"] and os.path.basename(p["exe"]) == "work"]
        self.assertEqual([r["live_at_end"]["bytes"] for r in rows], [6000, 6000])
        for row in rows:
            self.assertEqual(len([p for p in report["processes"]
                                  if p["counted_with"] == row["serial"]]), 2)
        self.assertEqual(report["leaked"]["bytes"],
                         sum(self.report_json(p)["leaked"]["bytes"] for p in parts))

    def test_a_bare_preload_can_ask_for_it(self):
        profile = self.path("bare.heapline")
        result = self.run_native(
            ["sh", "-c", "./work leak; ./work leak; true"],
            env={"LD_PRELOAD": harness.SHIM,
                 "HEAPLINE_OPTIONS": "output=%s,by-program" % profile})
        self.assertEqual(result.status, 0, result)
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
        row, counted = self.rows_of(self.report_json(profile))
        self.assertEqual((len(counted), row["live_at_end"]["bytes"]), (2, 6000))

    def test_a_signal_is_one_process_s_end(self):
        profile = self.run_it("./work leak killed; ./work leak; true", "--by-program")
        _, counted = self.rows_of(self.report_json(profile))
        self.assertEqual([(p["end"], p["exit"]) for p in counted],
                         [("signaled", 128 + signal.SIGKILL), ("exited", 0)])


if __name__ == "__main__":
    harness.main()
