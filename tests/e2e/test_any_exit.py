"""run --snapshot-at-any-exit: a process is read whatever ends it, but for SIGKILL; and
being traced for that changes nothing that it or its parent can see."""

import os
import signal
import subprocess

import harness

target = harness.target
ANY = ("--snapshot-at-any-exit",)


class AnyExit(harness.Case):
    def scan(self, args, **how):
        native = self.run_native(args, **how)
        result = self.record(args, ANY, **how)
        self.assert_same_behaviour(native, result)
        return result.profile

    def snapshots(self, profile):
        return self.read_json("info", profile)["snapshots"]

    def test_whatever_ends_it(self):
        for how in ("exit_group", "exit", "term", "thread", "crash", "leader", "signals"):
            with self.subTest(how):
                profile = self.scan([target("ends"), how])
                own = [s for s in self.snapshots(profile) if not s["cause"]]
                self.assertEqual([s["kind"] for s in own], ["at-exit"], own)
                held = {b["bytes"]: b["held"] for b in self.read_json(
                    "blocks", profile, "--snapshot", str(own[0]["number"]))["blocks"]}
                self.assertEqual((held[4321], held[1234]), ("sure", "no"), held)

    def test_the_usual_ends(self):
        for how in ("exit", "_exit", "quick_exit", "abort", "segv"):
            with self.subTest(how):
                profile = self.scan([target("phases"), how])
                self.assertEqual([s["cause"] for s in self.snapshots(profile)], [None])

    def test_who_is_killed_is_not_held_up(self):
        for args in ([target("phases"), "kill"], [target("ends"), "strict"]):
            profile = self.scan(args)
            self.assertIn("a signal ended it", self.snapshots(profile)[0]["cause"])

    def test_stops_for_job_control(self):
        """Of a child that is a fork, which is traced once it has been heard of."""
        profile = self.scan([target("ends"), "stops"])
        self.assertEqual([s["cause"] for s in self.snapshots(profile)], [None, None])

    def test_a_program_may_trace_its_child(self):
        self.scan([target("ends"), "traces"])

    def test_a_program_executed_by_a_thread(self):
        profile = self.scan([target("ends"), "execs"])
        self.assertEqual([s["cause"] for s in self.snapshots(profile)], [None])

    def test_trees_of_processes(self):
        for args in ([target("forks")], [target("threads")],
                     ["sh", "-c", target("example") + " | cat; ls / >/dev/null"]):
            self.assertEqual(self.record(args, ANY).status,
                             self.run_native(args).status, args)

    def test_it_can_be_read_while_it_lives(self):
        profile = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", *ANY, "-o", profile, "--", target("graph"),
             "wait"], stdout=subprocess.PIPE, env=self.environment())
        pid = 0
        for line in iter(program.stdout.readline, b""):
            if line.startswith(b"pid "):
                pid = int(line.split()[1])
                break
        for _ in range(3):
            done = self.heapline("snapshot", str(pid))
            self.assertEqual(done.status, 0, done)
        os.kill(pid, signal.SIGTERM)
        program.communicate(timeout=harness.PATIENCE)
        self.assertEqual(program.returncode, -signal.SIGTERM)
        kinds = [(s["kind"], s["cause"]) for s in self.snapshots(profile)]
        self.assertEqual(kinds, 3 * [("asked", None)] + [("at-exit", None)])

    def test_a_collector_that_dies_lets_it_go(self):
        profile = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", *ANY, "-o", profile, "--", target("graph"),
             "wait"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=self.environment())
        pid = 0
        for line in iter(program.stdout.readline, b""):
            if line.startswith(b"pid "):
                pid = int(line.split()[1])
                break
        for collector in self.collectors():
            os.kill(collector, signal.SIGKILL)
        with open("/proc/%d/status" % pid, encoding="utf-8") as file:
            self.wait_for(lambda: "TracerPid:\t0\n" in self.again(file), 60,
                          "nobody to trace it")
        os.kill(pid, signal.SIGUSR1)
        program.communicate(timeout=harness.PATIENCE)
        self.assertEqual(program.returncode, 3)

    def again(self, file):
        file.seek(0)
        return file.read()

    def test_check_says_how_to_look_at_what_a_signal_ends(self):
        kill = ["sh", "-c", "kill -TERM $$"]
        self.assert_error(self.heapline("check", "--", *kill), 70, "a signal ended it",
                          "--snapshot-at-any-exit")
        done = self.heapline("check", "--snapshot-at-any-exit", "--", *kill)
        self.assertEqual(done.status, -15, done)


if __name__ == "__main__":
    harness.main()
