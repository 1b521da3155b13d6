"""However a program ends, what it did until then is in the profile."""

import os
import signal
import struct
import subprocess
import time

import harness

target = harness.target


class Ends(harness.Case):
    def check(self, how, status, *more):
        args = [target("phases"), how, *more]
        native = self.run_native(args)
        self.assertEqual(native.status, status, native)
        counted, counts = self.record_counted(args)
        self.assert_same_behaviour(native, counted)
        return self.assert_counts(counted, counts), counts

    def test_exit(self):
        self.check("exit", 4)

    def test__exit(self):
        self.check("_exit", 3)

    def test_quick_exit(self):
        self.check("quick_exit", 5)

    def test_abort(self):
        self.check("abort", -signal.SIGABRT)

    def test_segmentation_fault(self):
        self.check("segv", -signal.SIGSEGV)

    def test_sigkill(self):
        self.check("kill", -signal.SIGKILL)

    def test_sigterm(self):
        self.check("term", -signal.SIGTERM)

    def test_the_last_thread_ends(self):
        self.check("thread", 0)

    def test_exec_as_the_last_act(self):
        _, counts = self.check("exec", 4, target("phases"), "exit")
        self.assertEqual(len(counts), 2, "two images of one pid")

    def test_exec_of_another_program(self):
        self.check("exec", 0, "/bin/echo", "after exec")

    def test_how_it_ended_is_told(self):
        for how, status in (("exit", 4), ("_exit", 3), ("kill", 128 + signal.SIGKILL),
                            ("segv", 128 + signal.SIGSEGV)):
            result = self.record([target("phases"), how])
            self.assertEqual(self.report_json(result)["exit"], status, how)

    # ---- SIGKILL in the middle ------------------------------------------------

    def own_sums(self, path):
        with open(path, "rb") as file:
            words = struct.unpack("32Q", file.read(256))
        threads = [words[8 * t : 8 * t + 4] for t in range(4)]
        return [sum(column) for column in zip(*threads)]

    def kill_in_the_middle(self, after):
        sums, profile = self.path("sums"), self.new_profile()
        run = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--", target("churn"), sums],
            env=self.environment(), cwd=self.dir, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.wait_for(lambda: self.churn_of(run.pid) and os.path.exists(sums)
                      and os.path.getsize(sums) == 4096 and all(self.own_sums(sums)),
                      20, "the churn to begin")
        time.sleep(after)
        os.kill(self.churn_of(run.pid), signal.SIGKILL)
        _, stderr = run.communicate(timeout=60)
        self.assertEqual(run.returncode, -signal.SIGKILL, stderr)
        report = self.report_json(profile)
        self.assert_lossless(report)
        own, totals = self.own_sums(sums), report["totals"]
        os.unlink(sums)
        os.unlink(profile)
        return own, totals, report["runtime"]

    def churn_of(self, pid):
        found = [p for p in [pid] + harness.descendants(pid)
                 if harness.exe_of(p) == target("churn")]
        return found[0] if found else None

    def test_sigkill_amid_four_threads_agrees_within_an_event_a_thread(self):
        for after in (0.05, 0.3, 1.0):
            own, totals, runtime = self.kill_in_the_middle(after)
            allocations = totals["allocations"] - runtime["blocks"] - own[0]
            frees = totals["frees"] - own[1]
            told = (after, own, totals, runtime)
            self.assertTrue(0 <= allocations <= 4, told)
            self.assertTrue(0 <= frees <= 4, told)
            self.assertLessEqual(allocations + frees, 4, told)
            size = totals["allocated_bytes"] - runtime["bytes"] - own[2]
            self.assertTrue(0 <= size <= 4 * 1016, told)
            self.assertTrue(0 <= totals["freed_bytes"] - own[3] <= 4 * 1016, told)

    # ---- signals at heapline itself -------------------------------------------

    def test_an_interrupt_of_the_whole_group_ends_the_program_not_the_recording(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            profile, sums = self.new_profile(), self.path("sums")
            run = subprocess.Popen(
                [harness.HEAPLINE, "run", "-q", "-o", profile, "--", target("churn"), sums],
                env=self.environment(), cwd=self.dir, start_new_session=True)
            self.wait_for(lambda: os.path.exists(sums) and os.path.getsize(sums) == 4096
                          and all(self.own_sums(sums)), 20, "the churn to begin")
            os.killpg(run.pid, number)
            self.assertEqual(run.wait(60), -number)
            report = self.report_json(profile)
            self.assert_lossless(report)
            self.assertGreaterEqual(report["totals"]["allocations"], self.own_sums(sums)[0])
            os.unlink(sums)


if __name__ == "__main__":
    harness.main()
