"""`run --sample`: estimates that say so, and that the counting shim's figures bear out.

Every run draws anew. The intervals asked for here are 3.5 times the reports' own, so
that one run in 10^11 fails where the estimator is right."""

import harness


class Sample(harness.Case):
    def near(self, estimate, truth, interval, what):
        slack = 7 * (interval * truth) ** 0.5 + 25 * interval
        self.assertLess(abs(estimate - truth), slack, "%s: %d for %d" % (
            what, estimate, truth))

    def test_totals_agree_with_the_shim(self):
        for interval in (64, 1024):
            result, counts = self.record_counted(
                ["/usr/bin/perl", "-e", "my %h; $h{$_ % 999} .= 'x' x ($_ % 300) for"
                 " 1..30000; print scalar %h"], options=["--sample=%d" % interval])
            self.assertEqual(result.status, 0, result)
            report = self.report_json(result)
            self.assert_lossless(report)
            self.assertEqual(report["sampled"]["interval_bytes"], interval)
            allocated = sum(c.allocated_bytes for c in counts)
            freed = sum(c.freed_bytes for c in counts)
            totals = report["totals"]
            self.near(totals["allocated_bytes"], allocated, interval, "allocated")
            self.near(totals["freed_bytes"], freed, interval, "freed")
            low, high = report["allocated_bytes_95"]
            self.assertLess(low, totals["allocated_bytes"])
            self.assertGreater(high, totals["allocated_bytes"])

    def test_big_blocks_are_exact(self):
        result = self.record([harness.target("example")], ["--sample=1M"])
        exact = self.record([harness.target("example")])
        sampled, exact = self.report_json(result), self.report_json(exact)
        self.assertIsNone(exact["sampled"])
        # Its two arrays are of 160 and 8 MB; what else there is, is small.
        self.near(sampled["peak"]["bytes"], exact["peak"]["bytes"], 1, "peak")

    def test_what_is_freed_is_not_live(self):
        # Four threads free and resize each other's blocks: a block is recorded and
        # freed, or neither.
        for seed, interval in enumerate((1, 50, 300, 2000)):
            args = [harness.target("hammer"), "20000", str(seed)]
            result = self.record(args, ["--sample=%d" % interval])
            report = self.report_json(result)
            self.assert_lossless(report)
            self.assertEqual(report["leaked"]["bytes"], 0, report["leaked"])
            self.assertEqual(report["unknown_frees"], 0)
            self.assertEqual(report["unseen_frees"], 0)

    def test_an_interval_of_a_byte_records_everything(self):
        result, counts = self.record_counted(
            [harness.target("hammer"), "5000", "1"], options=["--sample=1"])
        report = self.report_json(result)
        ours = sum(c.allocations for c in counts), sum(c.allocated_bytes for c in counts)
        totals = report["totals"]
        # The one that attached the process came before the first draw.
        self.assertLessEqual(ours[0] - totals["allocations"], 1)
        self.assertLessEqual(totals["allocations"], ours[0])

    def test_fork_children_are_sampled_too(self):
        script = "for i in 1 2 3 4 5 6; do (a=$(printf '%03000d' $i); b=$a$a$a) & done;wait"
        result, counts = self.record_counted(
            ["/bin/bash", "-c", script], options=["--sample=100"])
        self.assertEqual(result.status, 0, result)
        report = self.report_json(result)
        self.assert_lossless(report)
        self.near(report["totals"]["allocated_bytes"],
                  sum(c.allocated_bytes for c in counts), 100, "allocated")

    def test_reports_say_that_they_estimate(self):
        result = self.record([harness.target("example")], ["--sample=64K"])
        for verb in ("report", "lines"):
            text = self.heapline(verb, result.profile).stdout.decode()
            self.assertRegex(text, r"ESTIMATES: about one allocation in 64\.0 KiB")
            self.assertIn("were all recorded", text)
        text = self.heapline("report", result.profile).stdout.decode()
        self.assertRegex(text, r"peak +[\d.]+ MiB \[[\d.]+ MiB to [\d.]+ MiB\]  in ")
        self.assertNotIn("temporary", text)
        lines = self.function_lines(result, "my_func")
        spoken = [line for line in lines.values() if line["allocated"]]
        for line in spoken:
            low, high = line["allocated_95"]
            self.assertTrue(low <= line["allocated"] <= high, line)
        self.assertTrue(spoken)

    def test_without_a_launcher(self):
        profile = self.new_profile()
        env = {"LD_PRELOAD": harness.SHIM,
               "HEAPLINE_OPTIONS": "sample=4K,output=" + profile}
        self.run_native([harness.target("example")], env=env)
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
        self.assertEqual(self.report_json(profile)["sampled"]["interval_bytes"], 4096)

    def test_sizes_that_are_none_are_refused(self):
        for size in ("0", "-1", "many", "2T", ""):
            result = self.heapline("run", "--sample=" + size, "--", "true")
            self.assert_error(result, 125, "--sample")
        result = self.heapline("check", "--max-leaked=0", "--sample=1", "--", "true")
        self.assert_error(result, 2, "no such option")


if __name__ == "__main__":
    harness.main()
