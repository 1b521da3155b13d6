"""The collector dies or stops in the middle: the program goes on to its own end in
bounded time, and the profile so far says what was lost."""

import os
import signal
import subprocess
import time

import harness

# More by far than a ring has room for, so that the program runs into the death.
BLOCKS = 1_000_000
CALM = 5  # looks in a row, 10 ms apart, at a program that sleeps: it waits for us
SAFE_SECONDS = 2  # a collector that is stopped no longer is not given up


class CollectorDeath(harness.Case):
    def hurt(self, number, bare=False, amid=False):
        """Sends the collector the signal a tenth into steady, at rest or amid its work;
        the program then goes on to its own end, without waiting for good."""
        run, collector = self.start_steady(BLOCKS * (10 if amid else 1), bare=bare)
        if amid:
            self.let_go()
        os.kill(collector, number)
        if not amid:
            self.let_go()
        stdout, stderr = run.communicate(timeout=harness.PATIENCE)
        if number == signal.SIGSTOP:
            self.resume(collector)
        self.assertEqual(run.returncode, 42, stderr)
        self.assertRegex(stdout, rb"^sum \d+\n$")
        return harness.Result(run.returncode, stdout, stderr, 0, run.profile)

    def resume(self, pid):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return
        self.wait_for(lambda: pid not in self.collectors(), harness.PATIENCE,
                      "the collector to end")

    def check(self, result):
        report = self.heapline("report", result.profile)
        self.assertEqual(report.status, 0, report)
        said = (report.stdout + report.stderr).decode()
        self.assertRegex(said, r"(?i)lost|incomplete|collector", said)
        return self.report_json(result)

    def test_sigkill(self):
        result = self.hurt(signal.SIGKILL)
        self.check(result)
        self.assertRegex(result.stderr.decode(), r"(?i)collector", result)

    def test_sigkill_amid_work(self):
        """Where the work was over by then, the collector still has its names to find."""
        for _ in range(8):
            result = self.hurt(signal.SIGKILL, amid=True)
            if b"ended before the program" in result.stderr:
                self.assertIn(b"before the program, killed by signal 9 (SIGKILL):", result.stderr)
                self.assertFalse(self.check(result)["complete"])
                return
        self.fail("never amid it")

    def test_sigkill_before_it_is_ready(self):
        """The program, which waits for its word, is not started then. (strace kills it
        as it makes the memory that the program would share.)"""
        profile = self.new_profile()
        result = self.run_native(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=memfd_create",
             "-e", "inject=memfd_create:signal=SIGKILL",
             harness.HEAPLINE, "run", "-o", profile, "--", "echo", "started"])
        self.assertEqual(result.status, 125, result)
        self.assertEqual(result.stdout, b"")
        self.assertIn(b"cannot start the collector", result.stderr)
        self.assertFalse(os.path.exists(profile))

    def test_sigstop(self):
        report = self.check(self.hurt(signal.SIGSTOP))
        self.assertGreater(report["losses"]["events"], 0)

    def test_sigkill_under_a_bare_preload(self):
        self.check(self.hurt(signal.SIGKILL, bare=True))

    def steady_of(self, run):
        return [p for p in [run.pid] + harness.descendants(run.pid)
                if harness.exe_of(p) == harness.target("steady")][0]

    def is_asleep(self, pid):
        return harness.read_proc(pid, "stat").rpartition(b") ")[2][:1] == b"S"

    def hold_back(self, run):
        """Until the program sleeps for want of room."""
        pid, calm, end = self.steady_of(run), 0, time.monotonic() + SAFE_SECONDS
        while calm < CALM and time.monotonic() < end:
            time.sleep(0.01)
            calm = calm + 1 if self.is_asleep(pid) else 0
        return calm == CALM

    def stop_for_a_while(self):
        """None where it took so long that giving the collector up was right, or the
        program did not get so far as to have no room."""
        run, collector = self.start_steady(BLOCKS, options=["-q"])
        began = time.monotonic()
        os.kill(collector, signal.SIGSTOP)
        self.let_go()
        held = self.hold_back(run)
        os.kill(collector, signal.SIGCONT)
        short = time.monotonic() - began < SAFE_SECONDS
        stdout, stderr = run.communicate(timeout=harness.PATIENCE)
        self.assertEqual(run.returncode, 42, stderr)
        self.assertRegex(stdout, rb"^sum \d+\n$")
        return self.report_json(run.profile) if held and short else None

    def test_a_short_stop_loses_nothing(self):
        for _ in range(8):
            report = self.stop_for_a_while()
            if report:
                break
        self.assertTrue(report, "never short enough")
        self.assert_lossless(report)
        self.assertGreaterEqual(report["totals"]["allocations"], BLOCKS)
        self.assertGreater(report["held_back_ns"], 0)

    def test_check_fails_closed(self):
        run, collector = self.start_steady(
            BLOCKS, options=["--max-leaked", "1000000000"], verb="check")
        os.kill(collector, signal.SIGKILL)
        self.let_go()
        _, stderr = run.communicate(timeout=harness.PATIENCE)
        self.assertEqual(run.returncode, 70, stderr)


if __name__ == "__main__":
    harness.main()
