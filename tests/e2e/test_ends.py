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

    # What phases is told, and how it ends then.
    WAYS = (
        ("return", 6), ("exit", 4), ("_exit", 3), ("_Exit", 13), ("quick_exit", 5),
        ("exit_group", 9), ("exit_thread", 11),  # by bare system calls
        ("abort", -signal.SIGABRT), ("segv", -signal.SIGSEGV), ("fpe", -signal.SIGFPE),
        ("kill", -signal.SIGKILL), ("term", -signal.SIGTERM),
        *(("signal%d" % n, -n) for n in (
            signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGTRAP,
            signal.SIGBUS, signal.SIGUSR1, signal.SIGPIPE, signal.SIGALRM,
            signal.SIGXCPU, signal.SIGSYS, signal.SIGRTMAX)),
        ("stopped", -signal.SIGKILL),
    )

    def check_end(self, how, status, *more):
        with self.subTest(how=" ".join((how, *more))):
            report, counts = self.check(how, status, *more)
            first = report["processes"][0]["pid"]
            last = [p for p in report["processes"] if p["pid"] == first][-1]
            truth = ("exited", status) if status >= 0 else ("signaled", 128 - status)
            self.assertEqual((last["end"], last["exit"]), truth)
            self.assertEqual(report["exit"], truth[1])
            return report, counts

    def test_every_end_is_told(self):
        for how, status in self.WAYS:
            self.check_end(how, status)

    def test_a_thread_ends_the_process_while_main_waits(self):
        for how, status in (("exit", 4), ("_exit", 3), ("quick_exit", 5),
                            ("abort", -signal.SIGABRT), ("kill", -signal.SIGKILL),
                            ("stopped", -signal.SIGKILL), ("exit_group", 9)):
            self.check_end("beside", status, how)

    def test_main_s_thread_is_gone_and_others_go_on(self):
        for how, status in (("exit", 4), ("_exit", 3), ("thread", 0), ("exit_thread", 11),
                            ("segv", -signal.SIGSEGV), ("kill", -signal.SIGKILL),
                            ("stopped", -signal.SIGKILL)):
            self.check_end("gone", status, how)

    def test_the_last_thread_ends(self):
        self.check_end("thread", 0)

    def test_children_with_blank_memory_for_a_threads_locals(self):
        """They may do little; what they may goes well."""
        args = [harness.target("blank")]
        native = self.run_native(args)
        self.assertEqual(native.status, 7, native)
        for options in ((), ("--no-follow",), ("--snapshot-at-exit",), ("--delay=1h",)):
            with self.subTest(options):
                result = self.record(args, options)
                self.assert_same_behaviour(native, result)
                report = self.report_json(result)
                self.assert_lossless(report)
                if "--delay=1h" not in options:
                    self.assertGreaterEqual(report["totals"]["allocations"], 11)

    def test_exec_as_the_last_act(self):
        for before in ((), ("beside",), ("gone",)):
            report, counts = self.check(*(*before, "exec")[:1], 4, *(*before, "exec")[1:],
                                        target("phases"), "exit")
            self.assertEqual(len(counts), 2, "two images of one pid")
            self.assertEqual([p["end"] for p in report["processes"]], ["execed", "exited"])
            self.assertEqual(len({p["pid"] for p in report["processes"]}), 1)

    def test_exec_of_another_program(self):
        self.check("exec", 0, "/bin/echo", "after exec")

    def test_a_daemon_that_outlives_the_launcher(self):
        file = self.path("go")
        result = self.record([target("phases"), "daemon", file], timeout=60)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(len(self.collectors()), 1, "it stays")
        before = self.report_json(result)
        self.assertEqual(before["processes"][0]["exit"], 0)
        self.write("go", "")
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
        after = self.report_json(result)
        self.assertTrue(after["complete"])
        self.assertEqual([(p["end"], p["exit"]) for p in after["processes"]],
                         [("exited", 0), ("exited", 0), ("exited", 8)])
        first, between, daemon = after["processes"]
        self.assertEqual(between["parent_serial"], first["serial"])
        self.assertEqual(daemon["parent_serial"], between["serial"])
        self.assertEqual(daemon["totals"]["allocated_bytes"], 3 * 1010)
        self.assertEqual(first["totals"], before["processes"][0]["totals"])

    def test_children_that_allocate_nothing_are_there_too(self):
        result = self.record([target("forks"), "silent"])
        self.assertEqual(result.status, 0, result)
        report = self.report_json(result)
        self.assertEqual(report["unfollowed"], [])
        root, *rest = report["processes"]
        ends = {p["exit"]: p for p in rest}
        self.assertEqual(sorted(ends), [21, 22, 23, 137], rest)
        self.assertEqual(ends[22]["parent_serial"], ends[21]["serial"])
        for status in (21, 23, 137):
            self.assertEqual(ends[status]["parent_serial"], root["serial"])
            self.assertEqual(ends[status]["totals"]["allocations"], 0)
            self.assertEqual(ends[status]["inherited"]["blocks"],
                             root["live_at_end"]["blocks"])
        self.assertEqual(ends[22]["inherited"]["freed_blocks"], 4)
        self.assertEqual(ends[22]["unknown_frees"], 0)

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
                      60, "the churn to begin")
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
                          and all(self.own_sums(sums)), 60, "the churn to begin")
            os.killpg(run.pid, number)
            self.assertEqual(run.wait(60), -number)
            report = self.report_json(profile)
            self.assert_lossless(report)
            self.assertGreaterEqual(report["totals"]["allocations"], self.own_sums(sums)[0])
            os.unlink(sums)

    def test_an_interrupt_behind_the_program_s_end_ends_nothing(self):
        """It comes while heapline says what it has, which takes as long as its reader
        does."""
        for verb in ("run", "check"):
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
                with self.subTest(verb=verb, number=number):
                    self.interrupt_amid_words(verb, number)

    def interrupt_amid_words(self, verb, number):
        profile, (words, full) = self.new_profile(), os.pipe()
        with open(words, "rb") as words, open(full, "wb", 0) as full:
            os.set_blocking(full.fileno(), False)
            while full.write(b"." * 4096):
                pass
            os.set_blocking(full.fileno(), True)
            run = subprocess.Popen(
                [harness.HEAPLINE, verb, "-o", profile, "--", "/bin/true"], stderr=full,
                env=self.environment(), cwd=self.dir, start_new_session=True)
            self.wait_for(
                lambda: harness.read_proc(run.pid, "syscall").split()[1:2] == [b"0x2"],
                60, "its words")
            os.killpg(run.pid, number)
            full.close()
            said = words.read().lstrip(b".")
            self.assertEqual(run.wait(60), 0, said)
            self.assertEqual(self.collectors(), [])
        self.assertIn(b"profile: " if verb == "run" else b"checked: ", said)
        self.assertTrue(self.report_json(profile)["complete"])


if __name__ == "__main__":
    harness.main()
