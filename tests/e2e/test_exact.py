"""Every allocator entry and every place a program allocates from: what the program
sees is what it sees alone, and heapline's numbers are the known ones."""

import os

import harness

target = harness.target


class Exact(harness.Case):
    def check(self, args, **how):
        """Same behaviour without, with heapline, and with the shim behind it too;
        the report equals the shim's sums. Returns report and counts."""
        native = self.run_native(args)
        self.assert_same_behaviour(native, self.record(args))
        counted, counts = self.record_counted(args, **how)
        self.assert_same_behaviour(native, counted)
        return self.assert_counts(counted, counts), counts

    def totals(self, args):
        result = self.record(args)
        report = self.report_json(result)
        self.assert_lossless(report)
        return report

    def never_freed(self, report):
        """Blocks and bytes at the end, the runtime's own apart."""
        return (
            report["live_at_end"]["blocks"] - report["runtime"]["blocks"],
            report["live_at_end"]["bytes"] - report["runtime"]["bytes"],
        )

    # ---- entries --------------------------------------------------------------

    def test_every_entry_behaves_as_alone(self):
        report, _ = self.check([target("entries")])
        totals = report["totals"]
        self.assertEqual(totals["allocations"], 19)
        self.assertEqual(totals["frees"], 19)
        self.assertEqual(totals["allocated_bytes"], 14049462)
        self.assertEqual(totals["freed_bytes"], 14049462)
        self.assertEqual(harness.amount(report, "unknown_frees"), 0)

    def test_libc_callers_count(self):
        self.check([target("entries"), "libc"])

    def test_a_check_that_fails_in_malloc_is_the_programs_own(self):
        env = {"GLIBC_TUNABLES": "glibc.malloc.check=3", "MALLOC_PERTURB_": "85"}
        native = self.run_native([target("entries")], env=env)
        self.assert_same_behaviour(native, self.record([target("entries")], env=env))

    @harness.unittest.skipUnless(os.path.exists(target("plusplus")), "no C++ compiler")
    def test_cxx_operators_and_exceptions(self):
        report, counts = self.check([target("plusplus")])
        blocks, size = self.never_freed(report)
        self.assertEqual((blocks, size), (1, 12345), "libstdc++'s own pool is runtime")
        self.assertGreater(counts[0].allocations, 100000)

    # ---- an allocator with operators of its own --------------------------------

    def totals_of(self, args, *options, env=None):
        native = self.run_native(args, env=env)
        result = self.record(args, options, env=env)
        self.assert_same_behaviour(native, result)
        report = self.report_json(result)
        self.assert_lossless(report)
        self.assertEqual(harness.amount(report, "unknown_frees"), 0)
        return report["totals"], report

    @harness.unittest.skipUnless(os.path.exists(target("plusplus")), "no C++ compiler")
    def test_operators_of_an_allocators_own_are_recorded(self):
        args = [target("plusplus")]
        usual, _ = self.totals_of(args)
        totals, report = self.totals_of(args, "--own-new",
                                        env={"LD_PRELOAD": target("libbump_new.so")})
        self.assertEqual(totals, usual)
        self.assertEqual(self.never_freed(report), (1, 12345))
        # By the form of the shim that has operators, libstdc++'s count once as well.
        self.assertEqual(self.totals_of(args, "--own-new")[0], usual)

    @harness.unittest.skipUnless(os.path.exists(target("plusplus")), "no C++ compiler")
    def test_without_asking_what_is_unseen_is_told_and_known_allocators_are_seen(self):
        env = {"LD_PRELOAD": target("libbump_new.so")}
        profile = self.new_profile()
        result = self.heapline("run", "-o", profile, "--", target("plusplus"), env=env)
        self.assertIn(b"--own-new", result.stderr)
        self.assertIn(b"--own-new", self.heapline("info", profile).stdout)
        for args in ((target("plusplus"),), ("sh", "-c", target("plusplus"))):
            result = self.heapline("check", "--max-leaked", "1G", "--", *args, env=env)
            self.assertEqual(result.status, 70, result)
        known = os.path.join(self.dir, "libjemalloc.so.2")
        os.symlink(target("libbump_new.so"), known)
        usual, _ = self.totals_of([target("plusplus")])
        seen, _ = self.totals_of([target("plusplus")], env={"LD_PRELOAD": known})
        self.assertEqual(seen["allocations"], usual["allocations"])

    @harness.unittest.skipUnless(os.path.exists(target("plusplus")), "no C++ compiler")
    def test_operators_that_a_plugin_brought_are_its_own(self):
        args = [target("loader"), "20", target("plugin_cxx.so"), target("plugin_one.so")]
        usual, report = self.totals_of(args)
        self.assertGreater(usual["allocations"], 100)
        kept = self.never_freed(report)
        self.assertGreater(kept[0], 0)
        # (The loader itself allocates a bit more where it is asked for operators.)
        _, report = self.totals_of(args, "--own-new")
        self.assertEqual(self.never_freed(report), kept)

    # ---- phases of a life -----------------------------------------------------

    PHASES = {"preinit": 1001, "constructor": 1002, "main": 1003, "thread": 1004,
              "thread destructor": 1005, "atexit": 1006, "destructor": 1007, "quick": 1008}
    ALWAYS = ["preinit", "constructor", "main", "thread", "thread destructor"]

    def phases(self, how, more):
        report, _ = self.check([target("phases"), how])
        kept = [self.PHASES[p] for p in self.ALWAYS + more]
        self.assertEqual(self.never_freed(report), (len(kept), sum(kept)), how)
        totals = report["totals"]
        self.assertEqual(
            totals["allocated_bytes"] - report["runtime"]["bytes"], 3 * sum(kept) + 500)

    def test_constructors_to_destructors_when_main_returns(self):
        self.phases("return", ["atexit", "destructor"])

    def test_exit_runs_handlers_that_allocate(self):
        self.phases("exit", ["atexit", "destructor"])

    def test_quick_exit_runs_its_own_handlers(self):
        self.phases("quick_exit", ["quick"])

    def test__exit_loses_nothing(self):
        self.phases("_exit", [])

    # ---- signals --------------------------------------------------------------

    SIGNAL_SAFE = {"behind": (harness.COUNT, harness.BUMP)}

    def storm(self, kind, runs):
        result, counts = self.record_counted([target("storm"), kind, str(runs)],
                                             **self.SIGNAL_SAFE)
        self.assertEqual(result.status, 0, result)
        return result, counts

    # As many runs as have room in a ring together: where the machine is busy, handlers
    # may follow each other and leave no time for what they interrupted.

    def test_handlers_that_allocate_anywhere_are_counted(self):
        result, counts = self.storm("handlers", 4000)
        report = self.assert_counts(result, counts)
        self.assertEqual(report["live_at_end"]["bytes"] - report["runtime"]["bytes"], 0)

    def test_handlers_that_leave_by_siglongjmp_cost_one_event_each_at_most(self):
        result, counts = self.storm("jumps", 4000)
        self.assertRegex(result.stderr, rb"\d+ jumps\n$", result)
        jumps = int(result.stderr.split()[-2])
        self.assertGreater(jumps, 800)
        # A jump may leave two handlers, each in the middle of an event. Handlers within
        # handlers beyond what a thread has room for are counted as lost.
        lost = self.report_json(result)["losses"]["events"]
        self.assertLessEqual(lost, 7 * 4000, "all that handlers do")
        self.assert_counts(result, counts, slack=2 * jumps + lost, lost=lost)

    def test_a_handler_inside_malloc_is_counted(self):
        result, counts = self.storm("inside", 1000)
        totals = self.assert_counts(result, counts)["totals"]
        self.assertEqual((totals["allocations"], totals["frees"]), (4000, 4000))

    def test_recording_goes_on_after_a_jump_out_of_malloc(self):
        result, counts = self.storm("outside", 1000)
        totals = self.assert_counts(result, counts)["totals"]
        self.assertEqual((totals["allocations"], totals["frees"]), (4000, 3000))

    def first_allocations(self, kind):
        result, counts = self.storm(kind, 200)
        # A jump may leave what it interrupted uncounted: one event each. A thread that
        # records no more is a thousand.
        self.assert_counts(result, counts, slack=2 * 200)

    def test_a_handler_may_jump_out_of_a_threads_first_allocation(self):
        self.first_allocations("first")

    def test_a_handler_may_jump_out_of_a_childs_first_allocation(self):
        self.first_allocations("children")

    def inside(self, *args):
        result, counts = self.record_counted([target("interrupts"), *args],
                                             **self.SIGNAL_SAFE)
        self.assertEqual(result.status, 0, result)
        return result, counts

    def test_a_handler_may_put_more_than_a_ring_holds_and_jump(self):
        result, counts = self.inside("long")
        totals = self.assert_counts(result, counts, slack=1)["totals"]
        self.assertEqual(totals["allocations"], 51001)
        self.assertLess(result.seconds, 8, "nobody waits for what was read long ago")

    def test_a_handler_may_exit_or_wait_in_the_middle_of_what_is_not_recorded(self):
        # The allocator is at work, and has no hook: nobody asks it then.
        for what, status in (("exit", 3), ("wait", 0)):
            result = self.record([target("interrupts"), what], ("--sample", "1M"),
                                 env={"LD_PRELOAD": target("libbump_tells.so")})
            self.assertEqual(result.status, status, (what, result))

    def test_a_fork_in_the_middle_of_an_allocation_is_one_of_each_process(self):
        result, _ = self.inside("fork", "50")
        report = self.report_json(result)
        self.assert_lossless(report)
        self.assertEqual(harness.amount(report, "unknown_frees"), 0)
        # (The counting shim goes on in its parent's name.)
        each = sorted(map(harness.process_sums, harness.processes(report)))
        inside = 7907
        self.assertEqual(each, 50 * [(11, 11, 110 + inside, 110 + inside)] +
                         [(550, 550, 50 * (110 + inside), 50 * (110 + inside))])

    def test_a_vfork_child_may_make_a_threads_first_allocation(self):
        result, counts = self.inside("vfork", "8")
        totals = self.assert_counts(result, counts)["totals"]
        self.assertGreaterEqual(totals["allocations"], 8 * 100001)

    @harness.unittest.skipUnless(os.path.exists(target("stepper")), "x86-64 alone")
    def test_handlers_come_in_at_any_instruction(self):
        # Without jumps, exactly; aligned memory is counted twice behind bump_shim.c.
        for what, seed, threads in (("as", 1, 1), ("aslv", 2, 2), ("aajsF", 3, 2),
                                    ("aajse", 4, 1), ("aaf", 5, 1)):
            result, counts = self.record_counted(
                [target("stepper"), what, str(seed), "100", str(threads)],
                **self.SIGNAL_SAFE)
            self.assertEqual(result.status, 0, (what, result))
            aligned, cut = (int(n) for n in result.stderr.split()[:3:2])
            self.assert_counts(result, counts, slack=aligned + cut)

    # ---- threads --------------------------------------------------------------

    def leak_free(self, args):
        report, _ = self.check(args)
        self.assertEqual(self.never_freed(report), (0, 0))
        return report

    def test_thousands_of_short_threads(self):
        self.leak_free([target("threads"), "many", "3000"])

    def test_a_thousand_threads_at_once(self):
        self.leak_free([target("threads"), "idle", "1000"])

    def test_cancelled_threads(self):
        report, _ = self.check([target("threads"), "cancel", "200"])
        # Cancelling loads libgcc_s, which the loader keeps: ten blocks at most.
        self.assertLessEqual(self.never_freed(report)[0], 10)

    # ---- processes ------------------------------------------------------------

    def sums_of(self, counts):
        return sorted((c.allocations, c.frees) for c in counts if c.allocations)

    def test_a_family_of_forks(self):
        _, counts = self.check([target("forks"), "family"])
        expected = [(10, 0)] + [(k + 1, 1) for k in range(4)] + 4 * [(1, 0)]
        self.assertEqual(self.sums_of(counts), sorted(expected))

    def test_a_vfork_child_counts_as_its_parent(self):
        report, counts = self.check([target("forks"), "vfork"])
        self.assertEqual(self.sums_of(counts), [(4, 1)])
        self.assertEqual(report["totals"]["allocated_bytes"], 300)

    def test_children_that_do_nothing_cost_nothing(self):
        self.check([target("forks"), "quiet", "50"])

    def test_forks_of_a_threaded_program(self):
        native = self.run_native([target("forks"), "threads"])
        counted, counts = self.record_counted([target("forks"), "threads"])
        self.assert_same_behaviour(native, counted)
        self.assert_counts(counted, counts)

    def test_a_child_that_outlives_its_parent_is_recorded(self):
        result, counts = self.record_counted([target("forks"), "orphan"])
        self.assertEqual(result.status, 0, result)
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
        self.assertEqual(self.report_json(result)["totals"]["allocated_bytes"], 777)
        del counts

    # ---- code that comes and goes, stacks that are not the thread's -----------

    def test_plugins_that_come_and_go(self):
        plugins = [target("plugin_one.so"), target("plugin_two.so")]
        report, _ = self.check([target("loader"), "50", *plugins])
        functions = {f["name"] for f in self.lines_json(self.last_profile())["functions"]}
        self.assertLessEqual({"plugin_block", "come", "go"}, functions)
        self.assertGreaterEqual(self.never_freed(report)[1], 10 * 60)

    def last_profile(self):
        return self.path("profile-%d.heapline" % self.serial)

    def test_coroutines_on_small_stacks(self):
        report, _ = self.check([target("coroutines"), "500"])
        self.assertEqual(self.never_freed(report), (500, 20000))
        lines = self.function_lines(self.last_profile(), "body")
        self.assertEqual(sum(line["occurrences"] or 0 for line in lines.values()), 5000)

    # ---- a program with its own malloc ----------------------------------------

    def test_a_program_with_its_own_malloc_runs_and_is_told(self):
        args = [target("own_malloc")]
        native = self.run_native(args)
        profile = self.new_profile()
        result = self.heapline("run", "-o", profile, "--", *args)
        self.assertEqual((result.status, result.stdout), (native.status, native.stdout))
        text = result.stderr + self.heapline("report", profile).stdout
        self.assertRegex(text.decode(), r"(?i)\bown\b.*malloc|malloc.*\bown\b|defines malloc")
        self.assert_error(result, native.status, "nothing was recorded: it defines malloc")
        self.assertNotIn(b"allocations", result.stderr)

    def test_what_a_program_with_its_own_malloc_starts_is_told(self):
        leak = [target("leak"), "40", "6"]
        for args, own in (([target("own_malloc"), *leak], True),
                          (["/bin/sh", "-c", " ".join([target("own_malloc"), *leak]) + "; true"],
                           False)):
            profile = self.new_profile()
            result = self.heapline("run", "-o", profile, "--", *args)
            text = result.stderr.decode()
            self.assertEqual("the program itself was not recorded: it defines" in text, own, text)
            self.assertEqual("1 other program was recorded" in text, own, text)
            self.assertNotIn("nothing was recorded", text)
            self.assertRegex(text, "1 allocations?," if own else "allocations")
            self.assertIn("next: heapline lines", text)
            self.assertGreaterEqual(self.report_json(profile)["live_at_end"]["bytes"], 40)


if __name__ == "__main__":
    harness.main()
