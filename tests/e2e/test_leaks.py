"""Leaks: a hundred programs with known truth, the verdict of `check`, two looks at a
living process, and the formats of other tools."""

import os
import re
import signal
import socket
import subprocess
import time
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor

import harness
import leak_cases
from harness import target
from leak_cases import CASES

WORKERS = 3
AGAIN = ("one", "ring_and_tail", "stale_stack", "thread_register", "coroutine",
         "local_of_caller", "underscore_exit", "child_inherits", "stale_thread",
         "vector_lost")  # each five times


class Cases(harness.Case):
    def ask(self, case, number=0):
        profile = self.path("%s-%s-%d" % (case.program, case.name, number))
        return leak_cases.by_heapline(case, profile, self.environment())

    def ask_all(self, cases):
        with ThreadPoolExecutor(WORKERS) as pool:
            return zip(cases, pool.map(self.ask, cases, range(len(cases))))

    def test_each_is_told_as_it_is(self):
        self.assertGreater(len(CASES), 100)
        for case, (found, status) in self.ask_all(CASES):
            with self.subTest(case=str(case)):
                right = leak_cases.agrees(found, case.expected)
                if case.lacks:
                    self.assertFalse(right, "it lacks nothing any more")
                    continue
                self.assertTrue(right, "%s, not %s" % (found, case.expected))
                self.assertEqual(status, case.status)

    def test_each_is_told_alike_every_time(self):
        chosen = [case for case in CASES if case.name in AGAIN] * 5
        for case, (found, _) in self.ask_all(chosen):
            with self.subTest(case=str(case)):
                self.assertTrue(leak_cases.agrees(found, case.expected), found)


class Sums(harness.Case):
    def test_every_block_is_in_one_class(self):
        for args in (["cases_lost", "ring_and_tail"], ["cases_held", "growth"],
                     ["cases_ends", "sigkill"], ["cases_cxx", "containers_kept"],
                     ["cases_lost", "indirect"], ["graph"], ["phases"], ["forks"]):
            with self.subTest(args=args):
                run = self.record([target(args[0]), *args[1:]], ["--snapshot-at-exit"])
                leaks = self.read_json("leaks", run.profile, "--kind=all")
                report = self.report_json(run)
                for unit in ("blocks", "bytes"):
                    sums = {k: v[unit] for k, v in leaks["sums"].items()}
                    self.assertEqual(sum(sums.values()) - sums["inherited"],
                                     report["live_at_end"][unit], sums)
                    self.assertEqual(leaks["listed"][unit], sum(sums.values()))
                    self.assertEqual(sum(x[unit] for x in leaks["leaks"]),
                                     sum(sums.values()))
                for kind in ("definite", "indirect", "reachable"):
                    some = self.read_json("leaks", run.profile, "--kind=" + kind)
                    self.assertEqual(some["sums"], leaks["sums"])
                    self.assertEqual(some["leaks"],
                                     [x for x in leaks["leaks"] if x["kind"] == kind])

    def test_a_childs_share_of_its_parents_blocks_is_inherited(self):
        run = self.record([target("graph"), "fork"], ["--snapshot-at-exit"])
        child = [p for p in self.report_json(run)["processes"] if p["parent_serial"]][0]
        leaks = self.read_json("leaks", run.profile, "--kind=inherited")["leaks"]
        self.assertEqual(sum(x["blocks"] for x in leaks),
                         child["inherited"]["blocks"] - child["inherited"]["freed_blocks"])
        self.assertGreater(len(leaks), 1)
        self.assertEqual({x["pid"] for x in leaks}, {child["pid"]})


class Check(harness.Case):
    def test_verdicts(self):
        for program, name, status in (
                ("lost", "one", 23), ("lost", "ring", 23), ("lost", "freed", 0),
                ("lost", "stale_stack", 23), ("held", "global", 0),
                ("held", "far_inside", 0), ("held", "local_of_caller", 0),
                ("ends", "child", 23), ("ends", "underscore_exit", 23),
                ("ends", "quick_exit", 23), ("ends", "sigkill", 70),
                ("ends", "exec", 0), ("ends", "child_frees", 0),
                ("cxx", "empty_array", 0), ("cxx", "released", 23)):
            with self.subTest(program=program, name=name):
                result = self.heapline("check", target("cases_" + program), name)
                self.assertEqual(result.status, status, result)

    def test_the_verdict_is_of_the_whole_profile(self):
        """Also where the collector has to wait for somebody who is no process of the
        program's, and answers before it has written all."""
        check = subprocess.Popen([harness.HEAPLINE, "check", "sleep", "0.3"],
                                 env=self.environment(), cwd=self.dir,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(check.kill)
        caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(caller.close)
        program, session = self.started_by(check)
        caller.connect("\0" + session.partition(":")[0])
        while os.path.exists("/proc/%d" % program):
            time.sleep(0.01)
        time.sleep(0.5)
        caller.close()
        out, err = check.communicate(timeout=60)
        self.assertEqual((check.returncode, out), (0, b""), err)

    def started_by(self, check):
        """The program's pid, and what it finds its collector by."""
        while check.poll() is None:
            with open("/proc/%d/task/%d/children" % (check.pid, check.pid),
                      encoding="ascii") as file:
                children = file.read().split()
            for pid in children:
                try:
                    with open("/proc/%s/environ" % pid, encoding="utf-8") as file:
                        names = dict(x.partition("=")[::2] for x in file.read().split("\0"))
                except OSError:
                    continue
                if "HEAPLINE_SESSION" in names:
                    return int(pid), names["HEAPLINE_SESSION"]
        self.fail("no program was started")

    def test_who_is_ended_by_a_signal_is_looked_at_on_request(self):
        args = [target("cases_ends"), "sigterm"]
        self.assert_error(self.heapline("check", *args), 70, "a signal")
        result = self.heapline("check", "--snapshot-at-any-exit", *args)
        self.assertEqual(result.status, 23, result)

    def test_the_leak_is_shown(self):
        result = self.heapline("check", target("cases_lost"), "indirect")
        text = result.stderr.decode()
        self.assertRegex(text, r"definite  48 B in 1 block  node \(cases_lost.c:\d+\)\n"
                         r"  nothing points at it\n"
                         r"  freeing it would release 100 B more in 1 block\n")
        self.assertRegex(text, r"indirect  100 B in 1 block  take \(cases_lost.c:\d+\)|"
                         r"indirect  100 B in 1 block  take \(cases.h:\d+\)")
        self.assertTrue(text.endswith("error: 148 bytes were lost, 0 are allowed\n"), text)


MANY = 400  # programs in one recording

LOOP = 'i=0; while [ $i -lt %d ]; do "$0" one; i=$((i+1)); done' % MANY


class Many(harness.Case):
    def test_each_has_its_verdict_and_none_is_a_file_of_its_own(self):
        run = self.record(["sh", "-c", LOOP, target("cases_lost")],
                          ["--snapshot-at-exit"])
        leaks = self.read_json("leaks", run.profile, "--kind=all")
        self.assertEqual((leaks["scanned"], leaks["unscanned"]), (MANY + 1, 0))
        self.assertEqual(leaks["sums"]["definite"]["blocks"], MANY)
        # Where only the process differs, people are told once.
        text = self.heapline("leaks", "--bytes", run.profile).stdout.decode()
        self.assertEqual(re.findall(r"^definite  .*", text, re.M), [
            "definite  %s B in %d blocks  %s  (of %d processes)" % (
                format(leaks["sums"]["definite"]["bytes"], ","), MANY,
                leaks["leaks"][0]["site"], MANY)])
        pid = leaks["leaks"][0]["pid"]
        text = self.heapline("leaks", "--process=%d" % pid, run.profile).stdout.decode()
        own = re.findall(r"^definite .* B in 1 block  .*\((.*)\)$", text, re.M)
        self.assertEqual(own, ["process %d" % pid])
        # What is known of all is written now and then, not at the end of each.
        updates = self.read_json("info", run.profile)["file"]["updates"]
        self.assertLess(updates, MANY // 10)

    def test_those_that_end_at_the_same_time(self):
        """Some are looked at side by side; each has its own."""
        run = self.record(["sh", "-c", LOOP.replace("one;", "$((i+1)) &") + "; wait",
                           target("leak")], ["--snapshot-at-exit"])
        leaks = self.read_json("leaks", run.profile)
        self.assertEqual((leaks["scanned"], leaks["unscanned"]), (MANY + 1, 0))
        own = [x for x in leaks["leaks"] if x["site"].startswith("lose ")]
        self.assertEqual(sorted(x["bytes"] for x in own), list(range(1, MANY + 1)))


class Living(harness.Case):
    @staticmethod
    def end(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def test_a_verdict_takes_two_looks(self):
        profile = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--", target("graph"), "wait"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        self.addCleanup(harness.kill_below, program.pid)
        pid = None
        for line in iter(program.stdout.readline, b""):
            name, where = line.decode().split()
            if name == "pid":
                pid = where
                break
        self.assertTrue(pid)
        self.addCleanup(self.end, int(pid))
        for looks, sums in ((1, {"definite": 0, "cycle": 0, "indirect": 0}),
                            (2, {"definite": 777, "cycle": 144, "indirect": 48})):
            time.sleep(0.15)  # what is younger than that has no verdict
            self.assertEqual(self.heapline("snapshot", "-q", pid).status, 0)
            leaks = self.read_json("leaks", profile, "--kind=all")
            found = {k: leaks["sums"][k]["bytes"] for k in sums}
            self.assertEqual(found, sums, looks)
            self.assertEqual(leaks["sums"]["young"]["bytes"],
                             0 if looks == 2 else 777 + 144 + 48)
            self.assertEqual((leaks["early"], leaks["disproved"]), (1, 0))
        since = self.read_json("leaks", profile, "--kind=all", "--since=2")
        self.assertEqual(since["listed"]["blocks"], 0)
        os.kill(int(pid), signal.SIGUSR1)
        program.communicate(timeout=harness.PATIENCE)


class Formats(harness.Case):
    def record_case(self, program, name):
        return self.record([target("cases_" + program), name], ["--snapshot-at-exit"])

    def formatted(self, run, name, *options):
        result = self.heapline("leaks", "--format=" + name, *options, run.profile)
        self.assertEqual(result.status, 0, result)
        return result.stdout.decode()

    def test_of_leak_sanitizer(self):
        run = self.record_case("lost", "ring_and_tail")
        text = self.formatted(run, "lsan")
        self.assertEqual(
            [(kind, int(size), int(blocks)) for kind, size, blocks in re.findall(
                r"(\w+) leak of (\d+) byte\(s\) in (\d+) object\(s\)", text)],
            [("Direct", 48, 1), ("Indirect", 48, 1), ("Indirect", 100, 1)])
        self.assertIn("SUMMARY: LeakSanitizer: 196 byte(s) leaked in 3 allocation(s).",
                      text)
        self.assertEqual(self.formatted(self.record_case("held", "global"), "lsan"), "")

    @staticmethod
    def shape(error):
        """The elements of a leak, as their readers look for them."""
        return [(child.tag, sorted(c.tag for c in child) if child.tag == "xwhat" else [])
                for child in error]

    @harness.needs("valgrind")
    def test_of_valgrind(self):
        case = [c for c in CASES if c.name == "list"][0]
        run = self.record_case("lost", "list")
        ours = self.formatted(run, "valgrind-xml")
        self.assertEqual(leak_cases.of_valgrind_xml(ours), case.truth)
        self.assertEqual(leak_cases.by_valgrind(case, self.environment(), self.dir),
                         case.truth)
        theirs = [os.path.join(self.dir, name) for name in os.listdir(self.dir)
                  if name.startswith("valgrind-")]
        self.assertEqual(len(theirs), 1)
        theirs = xml.etree.ElementTree.parse(theirs[0]).getroot()
        ours = xml.etree.ElementTree.fromstring(ours)
        want = [self.shape(e) for e in theirs.iter("error")
                if e.findtext("kind") == "Leak_DefinitelyLost"][0]
        got = [self.shape(e) for e in ours.iter("error")][0]
        self.assertEqual(got, want)
        tags = {child.tag for child in theirs}
        self.assertEqual({child.tag for child in ours} - tags - {"suppcounts"}, set())
        self.assertEqual(tags - {child.tag for child in ours}, set())

    def test_xml_of_several_processes_is_refused(self):
        run = self.record_case("ends", "child_and_parent")
        result = self.heapline("leaks", "--format=valgrind-xml", run.profile)
        self.assert_error(result, 2, "--process")


class Options(harness.Case):
    def test_they_choose(self):
        run = self.record([target("cases_ends"), "closed_module_site"],
                          ["--snapshot-at-exit"])
        for options, blocks in ((["--kind=definite"], 1), (["--kind=cycle"], 0),
                                (["--min=100"], 1), (["--min=101", "--kind=definite"], 0),
                                (["--module=cases_plugin*", "--kind=definite"], 1),
                                (["--module=cases_ends", "--kind=definite"], 0),
                                (["--focus=case_plugin_take", "--kind=definite"], 1),
                                (["--ignore=case_plugin_take", "--kind=definite"], 0)):
            with self.subTest(options=options):
                leaks = self.read_json("leaks", run.profile, *options)
                self.assertEqual(leaks["listed"]["blocks"], blocks)
        for options in (["--kind=lost"], ["--kind="], ["--format=html"], ["--min=x"]):
            self.assert_error(self.heapline("leaks", *options, run.profile), 2)
        for options in (["--since=9"], ["--snapshot=9"]):
            self.assert_error(self.heapline("leaks", *options, run.profile), 3)

    def test_a_profile_without_a_snapshot_says_so(self):
        run = self.record([target("cases_lost"), "one"])
        text = self.heapline("leaks", run.profile).stdout.decode()
        self.assertIn("1 process was not: it was recorded without --snapshot-at-exit\n",
                      text)
        self.assertRegex(text, r"unscanned +100 B +in 1 block ")


if __name__ == "__main__":
    harness.main()
