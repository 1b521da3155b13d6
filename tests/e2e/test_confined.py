"""Workers that give up privileges, or the way to files, processes, descriptors and the
kernel: they are recorded where that is possible, listed as not followed where it is not,
and never harmed."""

import json
import os
import unittest

import harness

harness.open_build()
target = harness.target
CONFINED = target("confined")
REFUSED = 77  # the system does not let the program confine itself so
WORK = 70003  # blocks that the worker allocates
ANY = ("user-id", "dumpable", "no-new", "capabilities", "closefrom", "close_range",
       "closeall", "nofile-soft", "user", "mount", "ipc", "root")
PIDS = ("pid+fork", "clone", "pid+fork+fork", "user+pid+fork", "pid+fork+user-id+fork")


class Confined(harness.Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)

    def run_both(self, how, *program):
        """(processes, why of those not followed, losses), or None where refused."""
        args = [CONFINED, how, *program]
        native = self.run_native(args)
        if native.status == REFUSED:
            print("# %s: refused here" % how)
            return None
        result = self.record(args, timeout=60)
        self.assert_same_behaviour(native, result)
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
        report = self.report_json(result)
        self.assertTrue(report["complete"])
        self.assertEqual(report["unknown_frees"], 0)
        processes = sorted(report["processes"], key=lambda p: p["serial"])
        return processes, [u["why"] for u in report["unfollowed"]], report["losses"]

    def each(self, hows, *program):
        for how in hows:
            found = self.run_both(how, *program)
            if found:
                yield how, *found

    # ---- they work on ------------------------------------------------------------

    def test_a_worker_s_heap_is_known_to_the_last_block(self):
        for how, processes, unfollowed, losses in self.each(
                (*ANY, "nofile3", "nofile4", "as", "net")):
            worker, = processes
            self.assertEqual(worker["totals"]["allocations"], 10 + WORK, how)
            self.assertEqual(worker["live_at_end"], {"bytes": 2500, "blocks": 13}, how)
            self.assertEqual((worker["end"], worker["exit"]), ("exited", 7), how)
            self.assertEqual((unfollowed, losses["events"]), ([], 0), how)

    def test_a_filter_that_allows_next_to_nothing_does_not_kill_for_us(self):
        for how, processes, unfollowed, losses in self.each(
                ("strict", "filter", "exit+filter", "filter-syscall", "filter-number",
                 "odd", "ours")):
            worker, = processes
            self.assertEqual(worker["totals"]["allocations"], 10 + WORK, how)
            self.assertEqual((worker["end"], worker["exit"]), ("exited", 7), how)
            self.assertEqual((unfollowed, losses["events"]), ([], 0), how)

    def test_system_calls_that_come_back_to_the_thread_are_libc_s_alone(self):
        for how, processes, unfollowed, losses in self.each(
                ("dispatch", "exit+dispatch", "dispatch-number", "dispatch+thread",
                 "dispatch+dispatch-off", "dispatch+fork", "dispatch+dispatch")):
            allocations = [p["totals"]["allocations"] for p in processes]
            if "fork" in how:
                self.assertEqual(allocations, [10, WORK], how)
            elif "thread" in how:  # which libc allocates for, too
                self.assertIn(allocations[0] - 10 - WORK, range(100, 110))
            else:
                self.assertEqual(allocations, [10 + WORK], how)
            self.assertEqual({(p["end"], p["exit"]) for p in processes}, {("exited", 7)},
                             how)
            self.assertEqual((unfollowed, losses["events"]), ([], 0), how)

    def test_who_may_not_read_the_stamp_counter(self):
        for how, processes, unfollowed, losses in self.each(
                ("counter", *["counter-by-handler"] * 8)):
            worker, = processes
            self.assertGreaterEqual(worker["totals"]["allocations"], 10 + WORK, how)
            self.assertEqual(worker["live_at_end"], {"bytes": 2500, "blocks": 13}, how)
            self.assertEqual((worker["end"], worker["exit"]), ("exited", 7), how)
            self.assertEqual((unfollowed, losses["events"]), ([], 0), how)

    def test_what_begins_behind_a_filter_is_counted_as_lost(self):
        for how, processes, unfollowed, losses in self.each(("odd+thread", "ours+thread")):
            self.assertEqual(len(processes), 1, how)
            self.assertEqual(losses["events"], 200, how)
        for how, processes, unfollowed, losses in self.each(("ours+fork",)):
            self.assertEqual([p["totals"]["allocations"] for p in processes], [10], how)
            self.assertEqual(losses["events"], WORK + 70000, how)

    def test_children_in_namespaces_of_pids(self):
        for how, processes, unfollowed, losses in self.each(PIDS):
            self.assertEqual(processes[-1]["totals"]["allocations"], WORK, how)
            self.assertEqual(processes[-1]["inherited"]["blocks"], 10, how)
            pids = [p["pid"] for p in processes]
            self.assertEqual(len(set(pids)), len(pids), "as they are called out here")
            self.assertNotIn(1, pids)
            for parent, child in zip(processes, processes[1:]):
                self.assertEqual(child["parent_serial"], parent["serial"], how)
            self.assertEqual({(p["end"], p["exit"]) for p in processes}, {("exited", 7)},
                             how)
            self.assertEqual((unfollowed, losses["events"]), ([], 0), how)

    # ---- they execute programs ---------------------------------------------------

    def test_programs_are_followed_where_they_can_be(self):
        program = target("phases")
        for how, processes, unfollowed, losses in self.each(ANY[:-1], program, "exit"):
            self.assertEqual([(p["end"], p["exit"]) for p in processes],
                             [("execed", None), ("exited", 4)], how)
            self.assertGreater(processes[1]["totals"]["allocations"], 10, how)
            self.assertEqual(unfollowed, [], how)

    def test_programs_in_namespaces_of_pids(self):
        program = target("phases")
        for how, processes, unfollowed, losses in self.each(PIDS, program, "exit"):
            last = processes[-1]
            self.assertEqual((last["end"], last["exit"]), ("exited", 4), how)
            self.assertEqual(last["pid"], processes[-2]["pid"], how)
            self.assertEqual(processes[-2]["end"], "execed", how)
            self.assertEqual(unfollowed, [], how)
        for way in ("fork", "clone", "vfork", "spawn"):
            args = (target("execs"), way, program, "exit")
            for how, processes, unfollowed, losses in self.each(("pid+fork",), *args):
                last = processes[-1]
                self.assertEqual((last["end"], last["exit"]), ("exited", 4), way)
                execs, = [p for p in processes if p["exe"] == target("execs")][:1]
                self.assertEqual(last["parent_serial"], execs["serial"], way)
                self.assertNotIn(1, [p["pid"] for p in processes], way)
                self.assertEqual(unfollowed, [], way)

    def test_programs_that_cannot_be_followed_are_listed_with_the_cause(self):
        program = target("phases")
        for hows, why in ((("net", "user+net", "net+fork"), "apart"),
                          (("odd", "ours", "no-new+ours"), "confined"),
                          (("nofile4", "as"), "unmapped")):
            for how, processes, unfollowed, losses in self.each(hows, program, "exit"):
                self.assertEqual(unfollowed, [why], how)
                executed, = [p for p in processes if p["end"] == "execed"]
                self.assertEqual(executed["totals"]["allocations"] % 10, WORK % 10, how)

    def test_a_program_without_a_descriptor_fails_as_it_would(self):
        args = [CONFINED, "nofile3", target("phases"), "exit"]
        native, result = self.run_native(args), self.record(args)
        self.assertEqual((native.status, result.status), (127, 127))
        unfollowed, = self.report_json(result)["unfollowed"]
        self.assertEqual(unfollowed["why"], "did-not-come")

    def test_the_user_s_limit_is_as_it_was(self):
        script = "ulimit -Sn 5; ulimit -Sn; ulimit -Hn; exec sh -c 'ulimit -Sn; ulimit -Hn'"
        native = self.run_native(["/bin/sh", "-c", script])
        result = self.record(["/bin/sh", "-c", script])
        self.assert_same_behaviour(native, result)
        self.assertEqual(len(self.report_json(result)["processes"]), 2)

    # ---- recorded by somebody who may see little ---------------------------------

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_collector_without_privileges(self):
        os.chmod(self.dir, 0o777)
        for how in ("dumpable", "user+pid+fork", "user+pid+fork+fork", "user+mount"):
            with self.subTest(how=how):
                profile = self.new_profile()
                result = self.run_native(
                    [*harness.NOBODY, harness.HEAPLINE, "run", "-q", "-o", profile, "--",
                     CONFINED, how], timeout=60)
                if result.status == REFUSED:
                    continue
                self.assertEqual(result.status, 7, result)
                self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
                processes = self.report_json(profile)["processes"]
                self.assertEqual({p["exit"] for p in processes}, {7})
                self.assertEqual(sum(p["totals"]["allocations"] for p in processes),
                                 10 + WORK)

    def test_an_interpreter_that_confines_itself(self):
        """By libc's prctl(), as ctypes calls it, in a process with threads at work."""
        script = ("import ctypes, threading, os\n"
                  "done = threading.Event()\n"
                  "t = threading.Thread(target=done.wait); t.start()\n"
                  "libc = ctypes.CDLL(None)\n"
                  "assert libc.prctl(38, 1, 0, 0, 0) == 0\n"
                  "assert libc.prctl(39, 0, 0, 0, 0) == 1\n"
                  "done.set(); t.join()\nprint(sum(range(1000)), os.getpid() > 0)\n")
        args = ["/usr/bin/python3", "-c", script]
        native, result = self.run_native(args), self.record(args)
        self.assert_same_behaviour(native, result)
        self.assertEqual(json.loads(self.heapline(
            "report", "--json", result.profile).stdout)["losses"]["events"], 0)


if __name__ == "__main__":
    harness.main()
