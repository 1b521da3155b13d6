"""Programs that are read while threads start, or while one cannot be stopped: what is
said of them is true, and they notice nothing."""

import json
import subprocess

import harness

target = harness.target


class Stopped(harness.Case):
    def begin(self, how, *options):
        self.profile = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", self.profile, *options, "--",
             target("stopped"), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=self.environment())
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        self.addCleanup(harness.kill_below, program.pid)
        self.pid = program.stdout.readline().split()[1].decode()
        return program

    def end(self, program):
        out, err = program.communicate(timeout=harness.PATIENCE)
        self.assertEqual((program.returncode, out, err), (42, b"sound\n", b""))

    def snapshot(self):
        done = self.heapline("snapshot", self.pid)
        self.assertEqual(done.status, 0, done)
        return done.stderr.decode()

    def snapshots(self):
        return json.loads(self.heapline("info", "--json", self.profile).stdout)[
            "snapshots"]

    def state(self):
        with open("/proc/%s/task/%s/stat" % (self.pid, self.pid)) as file:
            return file.read().rpartition(")")[2].split()[0]

    def test_threads_that_start_meanwhile(self):
        program = self.begin("starts", "--snapshot-at-exit")
        for _ in range(12):
            self.assertNotIn("could not be stopped", self.snapshot())
        self.end(program)
        found = self.snapshots()
        mine = [s for s in found if s["kind"] == "asked"]
        self.assertEqual((len(mine), {s["cause"] for s in mine}), (12, {None}))
        # (And the children, which have nothing to be read.)
        self.assertLessEqual({s["cause"] for s in found},
                             {None, "it allocated and freed nothing itself"})
        held, threads = 0, set()
        for number in range(1, len(found) + 1):
            if found[number - 1]["kind"] != "asked":
                continue
            blocks = self.read_json("blocks", self.profile, "--snapshot", str(number))
            # Of whatever thread: its stack, its registers or its argument has it.
            self.assertEqual([b for b in blocks["blocks"] if b["held"] == "no"], [])
            self.assertEqual(blocks["snapshot"]["running_threads"], 0)
            held += sum("live_shortly" in b["site"] for b in blocks["blocks"])
            threads.add(blocks["snapshot"]["threads"])
        self.assertGreater(held, 12)
        self.assertGreater(max(threads), 3)

    def test_a_thread_in_vfork(self):
        program = self.begin("vfork", "--snapshot-at-exit")
        self.wait_for(lambda: self.state() == "D", harness.PATIENCE,
                      "a thread that waits in vfork")
        # The child goes on when we let it: a snapshot does not wait for it.
        for _ in range(2):
            self.assertIn("1 of its threads could not be stopped in time",
                          self.snapshot())
            self.assertEqual(self.state(), "D")
        self.end(program)
        asked = [s for s in self.snapshots() if s["kind"] == "asked"]
        self.assertEqual([s["cause"] for s in asked], [None, None])
        for number in "12":
            found = self.read_json("roots", self.profile, "--snapshot", number)
            self.assertEqual((found["snapshot"]["threads"],
                              found["snapshot"]["running_threads"]), (2, 1))
            text = self.heapline("roots", self.profile, "--snapshot", number)
            self.assertIn(b"1 of its threads could not be stopped in time.\n",
                          text.stdout)
            # What such a thread holds is not known: no verdict.
            at = self.read_json("at", self.profile, "wait_in_vfork",
                                "--snapshot", number)["blocks"]
            self.assertEqual([(b["bytes"], b["held"]) for b in at], [(88, "no")])
            done = self.heapline("leaks", self.profile, "--snapshot", number)
            self.assert_error(done, 3, "snapshot %s says nothing of leaks: not all of "
                              "its threads could be stopped" % number)
            self.assertIn(b"(1 of 2)", done.stderr)
            self.assertIn(b"vfork()", done.stderr)
            self.assert_error(self.heapline("leaks", self.profile, "--snapshot", "none"),
                              3, "no snapshot that can be read")


if __name__ == "__main__":
    harness.main()
