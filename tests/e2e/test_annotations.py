"""Programs that use heapline.h, or LeakSanitizer's interface: what they say of their heap
is believed, what they ask is answered, and without heapline nothing happens."""

import os
import subprocess

import harness
from harness import needs

target = harness.target
annotate = target("annotate")


class Annotations(harness.Case):
    def run_it(self, *args, options=()):
        result = self.record([annotate, *args], options)
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        return result, result.stdout.decode().split("\n")[:-1]

    def sizes(self, profile, snapshot, held):
        blocks = self.read_json("blocks", profile, "--held=" + held, "--snapshot",
                                str(snapshot))["blocks"]
        return sorted(b["bytes"] for b in blocks)

    def test_leak_checks_on_demand(self):
        result, said = self.run_it("leaks")
        self.assertEqual(said, ["none 0", "one 1", "pairs 3", "silent 4", "shared 5",
                                "region 4", "part 4", "end 5"])
        self.assertEqual(self.sizes(result.profile, 1, "no"), [])
        self.assertEqual(self.sizes(result.profile, 4, "no"), [100, 200, 201, 416])
        self.assertEqual(self.sizes(result.profile, 4, "ignored"),
                         [300, 301, 400, 408, 450])
        self.assertEqual(self.sizes(result.profile, 8, "no"),
                         [100, 200, 201, 416, 500])
        roots = self.read_json("roots", result.profile, "--snapshot=6")["roots"]
        held = [r for r in roots if r["root"]["kind"] == "region"]
        self.assertEqual([r["block"]["bytes"] for r in held], [500])

    def test_who_frees_a_block_that_was_called_lost_proves_the_verdict_wrong(self):
        """At the free: no later look is needed, and no other block in its place is taken
        for it."""
        result, said = self.run_it("proof")
        self.assertEqual(said, ["first 3", "second 3", "third 3"])
        leaks = self.read_json("leaks", result.profile, "-n", "100", "--snapshot", "2")
        self.assertEqual(leaks["disproved"], 2)
        leaks = self.read_json("leaks", result.profile, "-n", "100",
                               "--kind=definite,possible,young")
        self.assertEqual(leaks["disproved"], 2)
        found = {(f["kind"], f["bytes"], f["disproved"]) for f in leaks["leaks"]
                 if f["bytes"] in (1000, 2000, 3000)}
        # The first one's stack is demoted. The other's place has a block that is too
        # new for a verdict, of another stack.
        self.assertEqual(found, {("possible", 1000, 1), ("young", 2000, 0),
                                 ("definite", 3000, 0)})
        text = self.heapline("leaks", result.profile).stdout.decode()
        self.assertRegex(text, r"(?m)^False positives: 2 blocks")

    def test_the_same_in_the_words_of_leak_sanitizer(self):
        _, said = self.run_it("lsan")
        self.assertEqual(said, ["0 1 0"])

    def test_a_fork_child_has_what_its_parent_said(self):
        _, said = self.run_it("fork")
        self.assertEqual(said, ["child 2", "parent 1"])

    def test_a_fork_child_may_ask_before_it_allocates(self):
        result, said = self.run_it("first")
        self.assertEqual(said, ["recorded 1", "child 0"])
        marks = self.read_json("timeline", result.profile)["marks"]
        self.assertEqual([m["name"] for m in marks], ["child"])

    def test_snapshots_by_the_program(self):
        result, said = self.run_it("snapshots")
        self.assertEqual(said, ["first 0", "second 0", "(null) 0"])
        for name in ("first", "second", "3"):
            done = self.heapline("roots", "--snapshot", name, result.profile)
            self.assertEqual(done.status, 0, done)

    def test_marks_are_on_the_time_axis(self):
        result, _ = self.run_it("marks", "100001")
        marks = self.read_json("timeline", result.profile)["marks"]
        counts = {m["name"]: sum(x["marks"] for x in m["moments"]) for m in marks}
        self.assertEqual(counts, {"even": 50001, "odd\033[1m": 50000})
        times = [x["at_ns"] for x in marks[0]["moments"]]
        self.assertEqual(times, sorted(times))
        text = self.heapline("timeline", result.profile).stdout.decode()
        self.assertRegex(text, r"50,001 .* even\n")
        self.assertNotIn("\033", text)
        self.assertEqual(self.read_json("info", result.profile)["contents"]["marks"],
                         sum(len(m["moments"]) for m in marks))

    def test_threads_may_do_all_of_it_at_once(self):
        _, said = self.run_it("race")
        self.assertEqual(said, ["race 0"])

    def test_signal_handlers_may_too(self):
        self.run_it("late")

    def test_nothing_happens_without_heapline(self):
        self.assertEqual(self.run_native([annotate, "leaks"]).stdout.decode().split()[1::2],
                         ["-2"] * 8)
        for what in ("fork", "snapshots", "race", "late"):
            self.assertEqual(self.run_native([annotate, what]).status, 0, what)

    def test_nothing_happens_where_nothing_is_recorded(self):
        """The library is there, its session is not."""
        done = self.run_native([annotate, "leaks"], env={
            "LD_PRELOAD": harness.SHIM, "HEAPLINE_SESSION": "gone:" + 32 * "0"})
        self.assertEqual((done.status, done.stdout.decode().split()[1::2]),
                         (0, ["-1"] * 8))

    def test_no_answer_is_waited_for_when_the_collector_is_gone(self):
        profile = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--", annotate, "snapshots"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.environment())
        self.wait_for(lambda: self.collectors() or program.poll() is not None,
                      harness.PATIENCE, "a collector, or the end")
        for pid in self.collectors():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        program.communicate(timeout=harness.PATIENCE)
        self.assertIn(program.returncode, (0, 125))


class Header(harness.Case):
    """heapline.h compiles anywhere, and links with nothing."""

    def compile(self, compiler, *options):
        self.write("use.c", """
            #include "preload/heapline.h"
            int main(void)
            {
                HEAPLINE(heapline_mark, ("x"));
                HEAPLINE(heapline_disable, ());
                HEAPLINE(heapline_enable, ());
                return heapline_recording && heapline_recording();
            }""")
        done = self.run_native([compiler, "-I", harness.SOURCE, "-Wall", "-Wextra",
                                "-Werror", *options, self.path("use.c"), "-o",
                                self.path("use")])
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.run_native([self.path("use")]).status, 0)
        self.assertEqual(self.record([self.path("use")]).status, 1)

    @needs("gcc")
    def test_in_c(self):
        for options in (["-std=c99", "-pedantic"], ["-O2", "-fpie"], ["-std=gnu2x"]):
            with self.subTest(options):
                self.compile("gcc", *options)

    @needs("g++")
    def test_in_cxx(self):
        self.compile("g++", "-xc++", "-std=c++11", "-pedantic")


if __name__ == "__main__":
    harness.main()
