"""Programs that are hard to read: full of pointers, changing all the time, dying in the
middle, with registers that make no sense. Neither they nor the collector come to harm."""

import os
import random
import subprocess
import time

import harness

target = harness.target


class Wild(harness.Case):
    def begin(self, what):
        self.profile = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", self.profile, "--", target("wild"), what],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(),
            cwd=self.dir)
        pid = int(program.stdout.readline())
        self.addCleanup(self.put_down, program, pid)
        (collector,) = self.collectors()
        return program, pid, collector

    def put_down(self, program, pid):
        if program.poll() is None:  # else the pid may be another's
            os.kill(pid, 9)
        program.communicate(timeout=harness.PATIENCE)

    def test_blocks_full_of_pointers(self):
        result = self.record([target("wild"), "random"], ("--snapshot-at-exit",))
        self.assertEqual(result.status, 0, result)
        snapshot = self.read_json("roots", result.profile, "-n1")["snapshot"]
        # 2000 blocks of 256 words, of which one in sixteen is no pointer.
        self.assertGreater(snapshot["edges"], 2000 * 256 * 0.92)
        self.assertLess(snapshot["edges"], 2000 * 256 * 0.96)
        roots = self.read_json("blocks", result.profile, "--held=no")["blocks"]
        self.assertEqual(roots, [])

    def test_registers_that_make_no_sense(self):
        result = self.record([target("wild"), "registers"], ("--snapshot-at-exit",))
        self.assertEqual(result.status, 0, result)
        snapshot = self.read_json("roots", result.profile, "-n1")["snapshot"]
        self.assertEqual((snapshot["threads"], snapshot["running_threads"]), (5, 0))

    def test_a_heap_that_changes_all_the_time(self):
        program, pid, _ = self.begin("changing")
        for _ in range(5):
            done = self.heapline("snapshot", "-q", str(pid))
            self.assertEqual(done.status, 0, done)
        self.write("stop", "")
        out, err = program.communicate(timeout=harness.PATIENCE)
        self.assertEqual((program.returncode, out, err), (0, b"sound\n", b""))
        snapshot = self.read_json("roots", self.profile, "-n1")["snapshot"]
        self.assertEqual((snapshot["number"], snapshot["threads"]), (5, 4))

    def test_a_process_that_dies_while_it_is_read(self):
        for nap in range(4):
            with self.subTest(nap):
                program, pid, collector = self.begin("large")
                snapshot = subprocess.Popen([harness.HEAPLINE, "snapshot", str(pid)],
                                            stdout=subprocess.DEVNULL,
                                            stderr=subprocess.PIPE,
                                            env=self.environment())
                time.sleep(0.01 + nap * 0.02 + random.random() / 100)
                os.kill(pid, 9)
                _, err = snapshot.communicate(timeout=harness.PATIENCE)
                program.communicate(timeout=harness.PATIENCE)
                self.assertEqual(program.returncode, -9)
                self.wait_for(lambda c=collector: c not in self.collectors(),
                              harness.PATIENCE, "the collector to end")
                # It was there, or not any more.
                self.assertIn(snapshot.returncode, (0, 1), err)
                report = self.report_json(self.profile)
                self.assertGreaterEqual(report["totals"]["allocations"], 500000)


if __name__ == "__main__":
    harness.main()
