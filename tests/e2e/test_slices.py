"""Parts of a recording: what was done when, by which thread, of which size, of a target
whose numbers are known; and that parts add up to the whole, whatever the report."""

import os
import signal
import subprocess
import time

import harness

SITE = "fill"


class Slices(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.target = harness.target("slices")

    def setUp(self):
        super().setUp()
        run = self.record([self.target], ["--keep=size,thread"])
        self.assertEqual(run.status, 0, run)
        self.profile = run.profile
        report = self.read_json("report", self.profile)
        start = report["start_unix_ns"]
        self.between = [(int(t) - start) / 1e9 for t in run.stdout.split()]
        self.assertEqual(len(self.between), 2)

    def top(self, *options):
        return self.read_json("top", self.profile, "--by", "function", *options)

    def row(self, *options):
        """Blocks and bytes of the one function that allocates."""
        rows = self.top(*options)["rows"]
        rows = [r for r in rows if r["name"].startswith(SITE)]
        self.assertEqual(len(rows), 1, rows)
        r = rows[0]
        return (r["allocations"], r["allocated_bytes"], r["leaked"]["blocks"],
                r["peak"]["blocks"])

    def test_a_range_of_time_has_what_was_done_in_it(self):
        one, two = self.between
        # Allocated in it, and of that never freed; live at its end.
        self.assertEqual(self.row("--time", "..%.3f" % one), (1000, 1000000, 600, 1000))
        self.assertEqual(self.row("--time", "%.3f..%.3f" % (one, two)),
                         (500, 1030000, 250, 1250))
        self.assertEqual(self.row("--time", "%.3f.." % two), (50, 3500000, 50, 900))

    def test_a_moment_has_what_was_live_then(self):
        one, two = self.between
        self.assertEqual(self.row("--at", "%.3f" % one)[3], 1000)
        self.assertEqual(self.row("--at", "%.3f" % two)[3], 1250)
        end = self.top("--at", "end")["total"]
        whole = self.top()["total"]
        self.assertEqual(end["peak"]["bytes"],
                         whole["leaked"]["bytes"] + whole["runtime"]["bytes"])

    def test_sizes_and_threads_have_their_blocks_alone(self):
        self.assertEqual(self.row("--size", "512..1K"), (1000, 1000000, 600, 600))
        self.assertEqual(self.row("--size", "100.."), (1550, 5530000, 900, 900))
        self.assertEqual(self.row("--thread", "alpha")[:3], (300, 30000, 150))
        self.assertEqual(self.row("--thread", "beta")[:3], (200, 1000000, 100))
        self.assertEqual(self.row("--thread", "[ab]*ta")[:3], (200, 1000000, 100))
        self.assertEqual(self.row("--thread", "slices")[:3], (1050, 4500000, 650))

    def test_parts_add_up_to_the_whole(self):
        whole = self.top()["total"]
        for option, parts in (("--size", ["..64", "64..1K", "1K..1M", "1M.."]),
                              ("--thread", ["alpha", "beta", "slices"]),
                              ("--time", ["..%.3f" % self.between[0],
                                          "%.3f.." % self.between[0]])):
            totals = [self.top(option, part)["total"] for part in parts]
            for key in ("allocations", "allocated_bytes", "temporary"):
                self.assertEqual(sum(t[key] for t in totals), whole[key], (option, key))
            keys = ["leaked"] if option == "--time" else ["peak", "leaked"]
            for key in keys:
                self.assertEqual(sum(t[key]["bytes"] for t in totals),
                                 whole[key]["bytes"], (option, key))

    def test_every_report_shows_the_part_and_names_it(self):
        options = ("--size", "4K..8K")
        allocated = 200 * 5000
        self.assertEqual(self.top(*options)["filter"],
                         {"size": {"from_bytes": 4096, "to_bytes": 8192}})
        self.assertEqual(self.top(*options)["total"]["allocated_bytes"], allocated)
        report = self.read_json("report", self.profile, *options)
        self.assertEqual(report["totals"]["allocated_bytes"], allocated)
        self.assertIn("size", report["filter"])
        churn = self.read_json("churn", self.profile, *options)
        self.assertEqual(churn["total"]["allocated_bytes"], allocated)
        tree = self.read_json("tree", self.profile, "--sort", "allocated", *options)
        self.assertEqual(tree["total"], allocated)
        lines = self.read_json("lines", self.profile, *options)
        fill = [f for f in lines["functions"] if f["name"].startswith(SITE)][0]
        self.assertEqual(fill["total"]["occurrences"], 200)
        text = self.heapline("lines", *options, self.profile).stdout.decode()
        self.assertIn("Only blocks of 4,096 to 8,191 bytes.", text)

    def test_diff_compares_two_moments_of_one_recording(self):
        one, two = self.between
        result = self.read_json("diff", self.profile, "--at", "%.3f" % one, "--at",
                                "%.3f" % two, self.profile)
        peak = result["totals"]["peak"]
        self.assertEqual(peak["b"]["blocks"] - peak["a"]["blocks"] >= 250, True)
        self.assertNotEqual(result["a"]["filter"], result["b"]["filter"])
        same = self.read_json("diff", self.profile, "--at", "%.3f" % one, self.profile)
        self.assertEqual(same["rows"], [])

    def test_what_cannot_be_had_is_refused(self):
        for options, words in (
                (["--size", "1..2", "--time", "..1"], "cannot be combined"),
                (["--thread", "alpha", "--at", "0.1"], "cannot be combined"),
                (["--thread", "nobody"], "no thread"),
                (["--time", "3600.."], "had ended"),
                (["--time", "2..1"], "before the second"),
                (["--time", "soon"], "two times"),
                (["--size", "5"], "two sizes"),
                (["--at", "noon"], "none of its 0 snapshots"),
                (["--at", ""], "peak, end"),
                (["--by", "size", "--time", "0..1"], "only --size cuts them"),
                (["--by", "size", "--at", "end"], "only --size cuts them"),
                (["--by", "lifetime", "--size", "1.."], "whole recording alone"),
                (["--by", "thread", "--thread", "beta"], "whole recording alone")):
            result = self.heapline("top", *options, self.profile)
            self.assert_error(result, 2, words)

    def test_verbs_that_show_no_parts_say_why(self):
        for verb, words in (("refs", "at the moment of its --snapshot"),
                            ("roots", "at the moment of its --snapshot"),
                            ("leaks", "judged at the moment of a snapshot"),
                            ("info", "what the whole profile is"),
                            ("merge", "cut when it is read"),
                            ("symbolize", "cut when it is read")):
            for option in "--time=0..1", "--at=end", "--size=1..", "--thread=beta":
                self.assert_error(self.heapline(verb, option, self.profile), 2, words)
        for option in "--at=end", "--size=1..", "--thread=beta":
            self.assert_error(self.heapline("timeline", option, self.profile), 2,
                              "chosen by --time")

    def test_a_timeline_shows_a_range(self):
        one, two = self.between
        whole = self.read_json("timeline", self.profile)
        part = self.read_json("timeline", self.profile, "--time", "%.9f..%.9f" % (one, two))
        self.assertEqual(whole["filter"], {})
        time = part["filter"]["time"]
        self.assertEqual((time["from_ns"], time["to_ns"], part["end_ns"]),
                         (round(one * 1e9), round(two * 1e9), round(two * 1e9)))
        self.assertEqual(sum(b["allocations"] for b in part["bins"]), 502)
        self.assertEqual(part["bins"], [b for b in whole["bins"] if b in part["bins"]])
        cells = self.read_json("timeline", self.profile, "--time",
                               "%.9f..%.9f" % (one, two), "-n", "7")["bins"]
        self.assertEqual(len(cells), 7)
        self.assertEqual(cells[0]["at_ns"], time["from_ns"])
        self.assertEqual(sum(b["allocations"] for b in cells), 502)
        text = self.heapline("timeline", "--time", "..%.3f" % one, self.profile)
        self.assertIn(b"from 0.000000 s to", text.stdout)
        self.assertNotIn(b"peak", text.stdout)
        self.assert_error(self.heapline("timeline", "--time", "3600..", self.profile), 2,
                          "had ended")

    def test_a_snapshot_is_a_moment(self):
        p = self.record([self.target], ["--snapshot-at-exit"]).profile
        for name in ("snapshot:1",):
            self.assertEqual(self.read_json("top", p, "--at", name)["total"],
                             self.read_json("top", p, "--at", "end")["total"], name)
        self.assert_error(self.heapline("top", "--at", "snapshot:2", p), 2, "none of its 1")

    def test_a_snapshot_of_a_living_process_is_a_moment(self):
        p = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", p, "--", harness.target("graph"), "wait"],
            stdout=subprocess.PIPE, env=self.environment())
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        self.addCleanup(harness.kill_below, program.pid)
        pid = next(line.split()[1].decode() for line in program.stdout
                   if line.startswith(b"pid "))
        time.sleep(0.2)  # many epochs lie between what happens and the snapshot
        done = self.heapline("snapshot", pid, "--name", "here")
        self.assertEqual(done.status, 0, done)
        time.sleep(0.2)
        os.kill(int(pid), signal.SIGUSR1)
        program.communicate(timeout=harness.PATIENCE)
        blocks = self.read_json("blocks", p, "--snapshot", "here")["snapshot"]["blocks"]
        for name in "here", "snapshot:here", "snapshot:1":
            top = self.read_json("top", p, "--at", name)
            self.assertEqual(top["total"]["peak"]["blocks"], blocks, name)
            self.assertFalse(top["filter"]["at"]["end"])

    def test_a_profile_tells_what_can_be_cut(self):
        kept = {"time": True, "size": True, "thread": True}
        self.assertEqual(self.read_json("info", self.profile)["parts"], kept)
        plain = self.record([self.target], ["--keep=thread"]).profile
        self.assertEqual(self.read_json("info", plain)["parts"], dict(kept, size=False))
        text = self.heapline("info", plain).stdout
        self.assertIn(b"can be cut by time, thread\n", text)

    def test_sizes_and_threads_are_kept_where_asked_for(self):
        for kept in (), ("size",), ("thread",):
            options = ["--keep=" + word for word in kept]
            p = self.profile = self.record([self.target], options).profile
            self.assertEqual(self.top("--time", "0..")["total"]["allocations"],
                             self.top()["total"]["allocations"])
            for word, part in ("size", "512..1K"), ("thread", "beta"):
                result = self.heapline("top", "--" + word, part, p)
                if word in kept:
                    self.assertEqual(result.status, 0, result)
                else:
                    self.assert_error(result, 2, "record with --keep=" + word)
        merged = self.path("mixed.heapline")
        both = self.record([self.target], ["--keep=size,thread"]).profile
        self.assertEqual(self.heapline("merge", "-o", merged, p, both).status, 0)
        self.assertEqual(self.heapline("top", "--thread", "beta", merged).status, 0)
        self.assert_error(self.heapline("top", "--size", "1..2", merged), 2,
                          "record with --keep=size")

    def test_a_bare_preload_keeps_them_too(self):
        for keep, asked in ("keep=size,thread", True), ("keep=thread,lossy", False):
            profile = self.new_profile()
            env = {"LD_PRELOAD": harness.SHIM,
                   "HEAPLINE_OPTIONS": keep + ",output=" + profile}
            self.assertEqual(self.run_native([self.target], env=env).status, 0)
            self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
            self.assertEqual(self.heapline("top", "--thread", "beta", profile).status, 0)
            result = self.heapline("top", "--size", "512..1K", profile)
            self.assertEqual(result.status, 0 if asked else 2, result)

    def test_keep_takes_what_there_is(self):
        for word in "", "sizes", "size,", ",thread", "time":
            result = self.heapline("run", "--keep=" + word, self.target)
            self.assert_error(result, 125, "size, thread, contents")

    def test_parts_of_a_sampled_recording_add_up_to_its_totals(self):
        self.profile = self.record([self.target], ["--sample=3000",
                                                   "--keep=size,thread"]).profile
        whole = self.top()["total"]
        self.assertNotEqual(whole["allocations"], 0)
        for option, parts in (("--size", ["..64", "64..1K", "1K..1M", "1M.."]),
                              ("--thread", ["alpha", "beta", "slices"]),
                              ("--time", ["..%.3f" % self.between[0],
                                          "%.3f.." % self.between[0]])):
            totals = [self.top(option, part)["total"] for part in parts]
            for key in ("allocations", "allocated_bytes"):
                self.assertEqual(sum(t[key] for t in totals), whole[key], (option, key))
            keys = ["leaked"] if option == "--time" else ["peak", "leaked"]
            for key in keys:
                for unit in ("blocks", "bytes"):
                    self.assertEqual(sum(t[key][unit] for t in totals),
                                     whole[key][unit], (option, key))

    def test_merged_recordings_keep_their_parts(self):
        merged = self.path("merged.heapline")
        again = self.record([self.target], ["--keep", "thread,size"]).profile
        result = self.heapline("merge", "-o", merged, self.profile, again)
        self.assertEqual(result.status, 0, result)
        both = self.read_json("top", merged, "--thread", "beta")["total"]
        self.assertEqual(both["allocations"], 400)
        both = self.read_json("top", merged, "--size", "4K..8K")["total"]
        self.assertEqual(both["leaked"]["blocks"], 200)
        first = self.read_json("top", merged, "--time", "..%.3f" % self.between[0])
        self.assertEqual(first["total"]["allocations"],
                         self.top("--time", "..%.3f" % self.between[0])["total"]
                         ["allocations"])


if __name__ == "__main__":
    harness.main()
