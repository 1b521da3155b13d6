"""The program can't tell: descriptors, environment, signals, threads, children and
limits are as without heapline."""

import contextlib
import os
import re
import signal

import harness

target = harness.target
OURS = re.compile(rb"^env (LD_PRELOAD|HEAPLINE_[A-Z_]+)=")


def facts(output):
    """The lines of facts.c, order of the environment apart."""
    lines = [line for line in output.splitlines() if not OURS.match(line)]
    lines = [line for line in lines if not line.startswith(b"group ")]
    return sorted(lines)


class Pristine(harness.Case):
    def compare(self, env=None, **how):
        native = self.run_native([target("facts")], env=env, **how)
        self.assertEqual(native.status, 0, native)
        for name, run in (("run", self.record), ("bare preload", self.preload)):
            with self.subTest(name):
                profiled = run([target("facts")], env=env, **how)
                self.assertEqual(profiled.status, 0, profiled)
                self.assertEqual(facts(profiled.stdout), facts(native.stdout))
                self.assertEqual(profiled.stderr, b"")

    def test_facts_are_the_same(self):
        self.compare()

    def test_facts_are_the_same_with_descriptors_open_and_signals_changed(self):
        fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]

        def change():
            os.dup2(fds[0], 9)
            os.dup2(fds[1], 200)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])
            os.umask(0o077)

        self.compare(preexec_fn=change, close_fds=False)
        for fd in fds:
            os.close(fd)

    def test_facts_are_the_same_without_standard_descriptors(self):
        # stdout goes to a file that is opened again by the shell; 0 and 2 are closed.
        script = 'exec <&- 2>&-; exec "$@"'
        native = self.run_native(["/bin/sh", "-c", script, "sh", target("facts")])
        profile = self.new_profile()
        args = [harness.HEAPLINE, "run", "-q", "-o", profile, "--", target("facts")]
        profiled = self.run_native(["/bin/sh", "-c", script, "sh", *args])
        self.assertEqual(native.status, profiled.status, profiled)
        self.assertEqual(facts(profiled.stdout), facts(native.stdout))

    def test_facts_are_the_same_with_few_descriptors_allowed(self):
        import resource

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))

        self.compare(preexec_fn=limit)

    def test_most_of_a_limited_address_space_is_the_programs(self):
        """With fewer rings where there is no room for all; under 1 GiB, a half."""
        for kib, least in (32000000, 24000000), (4000000, 3000000), (1200000, 600000):
            profile = self.new_profile()
            room = self.run_native(["/bin/sh", "-c", "ulimit -v %d; exec \"$@\"" % kib, "sh",
                                    harness.HEAPLINE, "run", "-q", "-o", profile, "--",
                                    target("facts"), "room"])
            self.assert_lossless(self.report_json(profile))
            self.assertEqual((room.status, room.stderr), (0, b""), room)
            self.assertGreater(int(room.stdout) // 1024, least, kib)

    def test_environment_has_nothing_but_our_names(self):
        for run in (self.record, self.preload):
            lines = run([target("facts")]).stdout.splitlines()
            ours = [line for line in lines if OURS.match(line)]
            self.assertTrue(any(line.startswith(b"env LD_PRELOAD=") for line in ours))
            self.assertEqual(len(ours), len({line.split(b"=")[0] for line in ours}))

    def test_a_preload_of_the_users_own_stays(self):
        counted, counts = self.record_counted([target("facts")])
        line = [x for x in counted.stdout.splitlines() if x.startswith(b"env LD_PRELOAD=")]
        self.assertTrue(line[0].endswith(harness.COUNT.encode()), line)
        self.assertEqual(len(counts), 1)

    def test_files_of_a_program_that_closes_everything_stay_its_own(self):
        for name, run in (("run", self.record), ("bare", self.preload)):
            result = run([target("closer"), self.path(name)])
            self.assertEqual(result.status, 0, result)
            with open(self.path(name), "rb") as file:
                self.assertEqual(file.read(), b"mine\n")
            report = self.report_json(result)
            self.assert_lossless(report)
            self.assertEqual(report["totals"]["allocations"], 200000)

    def test_q_says_nothing_and_plain_run_says_where(self):
        self.assertEqual(self.record(["/bin/true"]).stderr, b"")
        profile = self.new_profile()
        result = self.heapline("run", "-o", profile, "--", "/bin/true")
        self.assertEqual(result.stdout, b"")
        self.assertIn(os.path.basename(profile).encode(), result.stderr)

    def test_standard_input_is_the_programs(self):
        data = b"line\n" * 100000
        result = self.record(["/usr/bin/wc", "-c"], stdin=data)
        self.assertEqual(result.stdout.split(), [b"500000"])

    def test_arguments_pass_through(self):
        tricky = ["-o", "--", "-f", "", "a b", "*", "\n"]
        args = ["/usr/bin/printf", "[%s]"] + tricky
        self.assert_same_behaviour(self.run_native(args), self.record(args))

    def test_statuses_and_signals_pass_through(self):
        for script in ("exit 0", "exit 1", "exit 125", "exit 126", "exit 127", "exit 255",
                       "kill -TERM $$", "kill -INT $$", "kill -QUIT $$", "kill -KILL $$",
                       "kill -USR1 $$"):
            args = ["/bin/sh", "-c", "ulimit -c 0; " + script]
            self.assertEqual(self.run_native(args).status, self.record(args).status, script)

    def test_no_process_stays_behind(self):
        before = self.tagged()
        self.record(["/bin/true"])
        self.wait_for(lambda: self.tagged() == before, 60, "all processes to end")

    def tagged(self):
        return {p for p in filter(str.isdigit, os.listdir("/proc"))
                if self.tag.encode() in harness.read_proc(p, "environ")}

    def test_a_stopped_program_goes_on(self):
        run, _ = self.start_steady(1_000_000, ["-q"])
        for amid in (False, True):  # if it has not ended by then
            for pid in [run.pid] + harness.descendants(run.pid):
                if harness.exe_of(pid) == target("steady"):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)
                        os.kill(pid, signal.SIGCONT)
            if not amid:
                self.let_go()
        self.assertIn(b"sum ", run.communicate(timeout=harness.PATIENCE)[0])
        self.assertEqual(run.returncode, 42)
        self.assert_lossless(self.report_json(run.profile))


if __name__ == "__main__":
    harness.main()
