"""The collector dies or stops in the middle: the program goes on to its own end in
bounded time, and the profile so far says what was lost."""

import os
import signal
import subprocess
import time

import harness

BLOCKS = 20_000_000
MOST_SECONDS = 15  # above what the program takes with a live collector


class CollectorDeath(harness.Case):
    def hurt(self, number, bare=False):
        """Runs steady, sends the collector the signal a tenth into it."""
        ready, profile = self.path("ready"), self.new_profile()
        args = [harness.target("steady"), str(BLOCKS), ready]
        env = self.environment()
        if bare:
            env.update(LD_PRELOAD=harness.SHIM, HEAPLINE_OPTIONS="output=" + profile)
        else:
            args = [harness.HEAPLINE, "run", "-o", profile, "--", *args]
        began = time.monotonic()
        run = subprocess.Popen(args, env=env, cwd=self.dir, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        self.wait_for(lambda: os.path.exists(ready), 60, "the program to begin")
        found = self.collectors()
        self.assertEqual(len(found), 1, "collectors of this run")
        os.kill(found[0], number)
        stdout, stderr = run.communicate(timeout=120)
        seconds = time.monotonic() - began
        if number == signal.SIGSTOP:
            self.resume(found[0])
        self.assertEqual(run.returncode, 42, stderr)
        self.assertEqual(stdout, self.native.stdout)
        return harness.Result(run.returncode, stdout, stderr, seconds, profile)

    def resume(self, pid):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return
        self.wait_for(lambda: pid not in self.collectors(), 30, "the collector to end")

    def setUp(self):
        super().setUp()
        args = [harness.target("steady"), str(BLOCKS), self.path("unused")]
        self.native = self.run_native(args)
        whole = self.record(args)
        self.assertEqual(whole.status, 42, whole)
        self.whole = whole.seconds

    def check(self, result):
        self.assertLess(result.seconds, self.whole + MOST_SECONDS, result)
        report = self.heapline("report", result.profile)
        self.assertEqual(report.status, 0, report)
        said = (report.stdout + report.stderr).decode()
        self.assertRegex(said, r"(?i)lost|incomplete|collector", said)
        return self.report_json(result)

    def test_sigkill(self):
        result = self.hurt(signal.SIGKILL)
        self.check(result)
        self.assertRegex(result.stderr.decode(), r"(?i)collector", result)

    def test_sigstop(self):
        result = self.hurt(signal.SIGSTOP)
        report = self.check(result)
        self.assertGreater(report["losses"]["events"], 0)

    def test_sigkill_under_a_bare_preload(self):
        self.check(self.hurt(signal.SIGKILL, bare=True))

    def test_a_short_stop_loses_nothing(self):
        ready, profile = self.path("ready"), self.new_profile()
        run = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--", harness.target("steady"),
             str(BLOCKS), ready], env=self.environment(), cwd=self.dir,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_for(lambda: os.path.exists(ready), 60, "the program to begin")
        pid = self.collectors()[0]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(run.communicate(timeout=120)[0], self.native.stdout)
        report = self.report_json(profile)
        self.assert_lossless(report)
        self.assertGreaterEqual(report["totals"]["allocations"], BLOCKS)
        self.assertGreater(report["held_back_ns"], 0)

    def test_check_fails_closed(self):
        ready = self.path("ready")
        run = subprocess.Popen(
            [harness.HEAPLINE, "check", "--max-leaked", "1000000000", "--",
             harness.target("steady"), str(BLOCKS), ready], env=self.environment(),
            cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_for(lambda: os.path.exists(ready), 60, "the program to begin")
        os.kill(self.collectors()[0], signal.SIGKILL)
        _, stderr = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 70, stderr)


if __name__ == "__main__":
    harness.main()
