"""Where the memory was: what the allocator and the kernel say of a program whose
memory is known."""

import json
import os
import subprocess

import harness

BLOCKS, BYTES = 1000, 100_000
ALL = BLOCKS * BYTES


class Memory(harness.Case):
    def memory_of(self, result):
        report = self.report_json(result)
        self.assert_lossless(report)
        return report, report["processes"][0]["memory"]

    def at_peak(self, profile):
        """Whether the profile, as far as it is written, has all the blocks and what the
        allocator or the kernel said of them."""
        said = self.heapline("report", "--json", profile)
        if said.status:
            return False
        process = json.loads(said.stdout)["processes"][:1]
        peak = process[0]["memory"]["peak"] if process else {}
        return (peak or {}).get("live_bytes", 0) > 0.95 * ALL

    def record_memory(self, env=None):
        """memory.c, which stays at its peak for as long as it takes to hear of it."""
        profile, go = self.new_profile(), self.path("go-" + str(self.serial))
        run = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--",
             harness.target("memory"), str(BLOCKS), str(BYTES), go],
            env=self.environment(**(env or {})), cwd=self.dir)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        self.wait_for(lambda: self.at_peak(profile), harness.PATIENCE, "a word at its peak")
        self.write(os.path.basename(go), "")
        self.assertEqual(run.wait(harness.PATIENCE), 0)
        return harness.Result(0, b"", b"", 0, profile)

    def told_at_exit(self, record, live):
        """Report and process of a run whose allocator was asked at its end, when it had
        `live` bytes: it is not asked after an answer that took long, as one does that
        was interrupted."""
        for _ in range(8):
            report = self.report_json(record())
            self.assert_lossless(report)
            process = report["processes"][-1]
            if process["memory"]["end"]["live_bytes"] == live(process):
                return report, process
        self.fail("not asked at its end: %s" % process)

    def check_sum(self, m):
        parts = ("live", "slack", "free", "files", "stack", "shared", "heapline", "other")
        self.assertEqual(sum(m[p + "_bytes"] for p in parts), m["rss_bytes"], m)
        self.assertGreater(m["rss_at_ns"], 0)

    def test_of_a_heap_that_is_known(self):
        report, process = self.told_at_exit(
            self.record_memory, lambda p: p["live_at_end"]["bytes"])
        peak, end = process["memory"]["peak"], process["memory"]["end"]
        self.assertGreater(peak["live_bytes"], 0.95 * report["peak"]["bytes"])
        self.check_sum(peak)
        # glibc: 16 bytes of each block are its own, and less than a page is rounding.
        self.assertGreaterEqual(peak["slack_bytes"], BLOCKS * 8)
        self.assertLess(peak["slack_bytes"], BLOCKS * 64 + 100_000)
        self.assertGreater(peak["rss_bytes"], 0.95 * ALL)
        self.assertLess(abs(peak["other_bytes"]), 10_000_000)
        self.assertGreater(peak["heapline_bytes"], 0)
        # At exit one block and the list of all are live, the rest is kept.
        self.assertLess(abs(end["free_bytes"] - (ALL - BYTES)), 1_000_000)

    def test_of_a_fork_child(self):
        """What it has of its parent's is live, not slack."""
        def record():
            return self.record(["/usr/bin/python3", "-c", "import os\n"
                                "x = [bytes(100) + str(i).encode() for i in range(50000)]\n"
                                "p = os.fork()\nif p: os.waitpid(p, 0)"])

        def live(child):
            inherited = child["inherited"]
            self.assertGreater(inherited["bytes"], 1_000_000)
            return (inherited["bytes"] - inherited["freed_bytes"]
                    + child["live_at_end"]["bytes"])

        end = self.told_at_exit(record, live)[1]["memory"]["end"]
        self.assertLess(end["slack_bytes"], end["live_bytes"] + 10_000_000)

    def test_of_an_allocator_that_does_not_tell(self):
        result = self.record_memory(env={"LD_PRELOAD": harness.BUMP})
        _, memory = self.memory_of(result)
        self.assertNotIn("free_bytes", memory["peak"])
        self.assertGreater(memory["peak"]["rss_bytes"], 10_000_000)
        text = self.heapline("report", result.profile).stdout
        self.assertIn(b"does not tell", text)

    def test_the_report_shows_both_moments(self):
        result = self.record_memory()
        text = self.heapline("report", "--bytes", result.profile).stdout.decode()
        self.assertRegex(text, r"(?m)^  live +\d[\d,]+ +\d[\d,]+  blocks in use")
        self.assertRegex(text, r"(?m)^  = RSS +\d[\d,]+ +")
        self.assertRegex(text, r"near the peak: .* after the start, (9\d|100)\.\d % of the peak")

    def test_a_peak_that_nobody_asked_at_is_not_shown_as_one(self):
        result = self.record([harness.target("example")])
        report, memory = self.memory_of(result)
        if memory["peak"]:
            self.assertGreaterEqual(memory["peak"]["live_bytes"] + 131072,
                                    0.8 * report["peak"]["bytes"])


if __name__ == "__main__":
    harness.main()
