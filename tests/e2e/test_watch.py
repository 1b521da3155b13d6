"""Growth without an end: which sites of a server are named, of one whose growth is known."""

import json
import os
import re
import signal
import subprocess
import time

import harness

LEAKED = {400, 600}  # bytes an operation, as serving.c has them
TABLE = 64 * 1024


class Watch(harness.Case):
    def serve(self, options=()):
        """serving.c under way: its pid."""
        profile, ready, go = self.new_profile(), self.path("ready"), self.path("go")
        self.server = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, *options, "--",
             harness.target("serving"), ready, go], env=self.environment(), cwd=self.dir)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.write, "go", "")
        self.wait_for(lambda: os.path.exists(ready), harness.PATIENCE, "the server")
        self.profile = profile
        return str(self.recordings()[0]["program"])

    def end(self):
        self.write("go", "")
        self.assertEqual(self.server.wait(harness.PATIENCE), 0)

    def watch(self, *args):
        return self.heapline("watch", *args)

    def test_what_grows_in_every_window_is_named_and_nothing_else(self):
        pid = self.serve()
        result = self.watch(pid, "--every", "1s", "--mark", "request", "--json")
        self.assertEqual(result.status, 23, result)
        data = json.loads(result.stdout)
        self.assertEqual([s["function"] for s in data["sites"]], ["leak", "leak"])
        self.assertEqual(data["growing"], 2)
        self.assertEqual([w["warm_up"] for w in data["windows"]], [True] + 5 * [False])
        operations = sum(w["operations"] for w in data["windows"][1:])
        for site, size in zip(data["sites"], sorted(LEAKED, reverse=True)):
            # A moment may lie between an operation's mark and its blocks.
            self.assertAlmostEqual(site["gained_bytes"], size * operations, delta=size)
            self.assertAlmostEqual(site["bytes_per_1000_operations"], size * 1000,
                                   delta=size * 20)
            self.assertEqual(site["gained_bytes"] % size, 0)
            self.assertLessEqual(site["least_bytes"] * 5, site["gained_bytes"])
            self.assertEqual(site["stack"][1]["function"], "main")
        # All operations of the recording, and all that they left.
        self.end()
        leaked, = (r for r in self.read_json("top", self.profile, "--by=function")["rows"]
                   if r["name"].startswith("leak"))
        marks, = self.read_json("timeline", self.profile)["marks"]
        self.assertEqual(leaked["leaked"]["bytes"],
                         sum(LEAKED) * sum(m["marks"] for m in marks["moments"]))

    def test_text_says_how_much_a_second_and_an_operation(self):
        # (A cache that holds 0 to 3 blocks can't grow in four windows.)
        result = self.watch(self.serve(), "--every", "1000ms", "--windows", "5",
                            "--mark=request", "--bytes")
        self.assertEqual(result.status, 23, result)
        text = result.stdout.decode()
        self.assertRegex(text, r"(?m)^2 sites grew in each of 4 windows, .* of warm-up$")
        operations = re.search(r"(?m)^Operations in them: ([\d,]+) of request$", text)
        operations = int(operations.group(1).replace(",", ""))
        found = re.findall(r"(?m)^\+([\d,]+) B  [\d,]+ B/s  ([\d.]+) B an operation  "
                           r"[\d,]+ blocks live  leak \(serving\.c:\d+\)$", text)
        self.assertEqual(len(found), len(LEAKED), text)
        # To the byte: one operation more or less, where a window begins or ends in one.
        for size, (gained, each) in zip(sorted(LEAKED, reverse=True), found):
            gained = int(gained.replace(",", ""))
            self.assertIn(gained, [size * (operations + k) for k in (-1, 0, 1)], text)
            self.assertEqual(each, "%.1f" % (gained / operations))
        self.assertIn(b"window 5 of 5", result.stderr)

    def test_an_operation_may_be_a_signal(self):
        """Queued ones all count; a number that comes along, as so many."""
        pid = self.serve()
        watching = subprocess.Popen(
            [harness.HEAPLINE, "watch", pid, "--every=2", "--windows=4", "--json",
             "--operation=SIGRTMIN+2"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())
        self.assertIn(b"kill -RTMIN+2 %d" % watching.pid, watching.stderr.readline())
        self.assertIn(b"window 1 of 4", watching.stderr.readline())
        for _ in range(100):
            os.kill(watching.pid, signal.SIGRTMIN + 2)
        done = self.run_native(["/bin/kill", "-RTMIN+2", "-q", "1000", str(watching.pid)])
        self.assertEqual(done.status, 0, done)
        out, _ = watching.communicate(timeout=harness.PATIENCE)
        self.assertEqual(watching.returncode, 23)
        data = json.loads(out)
        self.assertEqual(sum(w["operations"] for w in data["windows"][1:]), 1100)
        self.assertEqual(data["mark"], "RTMIN+2")
        self.assertTrue(all(s["bytes_per_1000_operations"] for s in data["sites"]))
        result = self.watch(pid, "--every=0.1", "--windows=2", "--warm-up=0",
                            "--operation=USR1")
        self.assert_error(result, 70, "no such signal")

    def test_a_late_look_makes_no_window_shorter(self):
        pid = self.serve()
        watching = subprocess.Popen(
            [harness.HEAPLINE, "watch", pid, "--every=1", "--windows=4", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())
        self.assertIn(b"window 1 of 4", watching.stderr.readline())
        os.kill(watching.pid, signal.SIGSTOP)
        time.sleep(3.2)  # three windows would have begun
        os.kill(watching.pid, signal.SIGCONT)
        out, _ = watching.communicate(timeout=harness.PATIENCE)
        self.assertEqual(watching.returncode, 23)
        lengths = [w["to_ns"] - w["from_ns"] for w in json.loads(out)["windows"]]
        self.assertEqual(len(lengths), 4)
        self.assertGreater(min(lengths), 0.4e9, lengths)

    def test_what_may_grow_passes(self):
        pid = self.serve()
        result = self.watch(pid, "--every=0.2", "--windows=3", "--max-growth=1G", "-q")
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        self.assertIn(b"No site grew", result.stdout)

    def test_what_could_not_be_watched_does_not_pass(self):
        pid = self.serve()
        result = self.watch(pid, "--every=0.1", "--windows=2", "--warm-up=0",
                            "--mark=nothing")
        self.assert_error(result, 70, "no mark of that name")
        watching = subprocess.Popen(
            [harness.HEAPLINE, "watch", pid, "--every=0.2", "--windows=1000"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())
        self.assertIn(b"window 1 of", watching.stderr.readline())
        self.end()
        _, err = watching.communicate(timeout=harness.PATIENCE)
        self.assertEqual(watching.returncode, 70)
        self.assertIn(b"the recording has ended", err)
        self.assert_error(self.watch(pid), 70, "nothing of pid " + pid)

    def test_estimates_are_shown_and_do_not_pass(self):
        pid = self.serve(["--sample=4K"])
        result = self.watch(pid, "--every=1", "--windows=3", "-q")
        self.assert_error(result, 70, "estimates")
        self.assertRegex(result.stdout.decode(), r"(?i)grew in each of 2 windows")

    def test_a_recording_that_has_ended_is_cut_into_windows(self):
        run = self.record([harness.target("serving"), self.path("ready"),
                           self.path("go"), "600"])
        self.assertEqual(run.status, 0, run)
        result = self.watch(run.profile, "--mark=request", "--json")
        self.assertEqual(result.status, 23, result)
        data = json.loads(result.stdout)
        self.assertEqual([s["function"] for s in data["sites"]], ["leak", "leak"])
        self.assertLessEqual(sum(w["operations"] for w in data["windows"]), 600)
        for site, size in zip(data["sites"], sorted(LEAKED, reverse=True)):
            # Nothing of it is ever freed: what each window added is what is kept of it.
            self.assertEqual(sum(site["never_freed_bytes"][1:]), site["gained_bytes"])
            self.assertEqual(min(site["never_freed_bytes"][1:]), site["least_bytes"])
            self.assertEqual(site["gained_bytes"] % size, 0)
        self.assert_error(self.watch(run.profile, "--windows=1000"), 70, "too short")
        self.assert_error(self.watch(run.profile, "--every=1"), 2, "--every")
        self.assert_error(self.watch(self.path("none")), 70)

    def test_a_wrong_command_line_is_told(self):
        for args, word in (([], "name a pid"), (["1", "2"], "one at a time"),
                           (["1", "--windows=2"], "warm-up"), (["all"], "one at a time"),
                           (["1", "--every=0"], "a time"), (["1", "--windows=1"], "from 2"),
                           (["1", "--operation=HUP"], "USR1"),
                           (["1", "--operation=RTMIN+31"], "RTMIN"),
                           (["1", "--operation=USR1", "--mark=x"], "not both"),
                           (["x.heapline", "--operation=USR1"], "of a PID"),
                           (["1", "--max-growth=x"], "bytes"), (["1", "-n0"], "from 1")):
            self.assert_error(self.watch(*args), 2, word)


if __name__ == "__main__":
    harness.main()
