"""What run's options do to a recording, names that are resolved only when a profile is
read, and the manners of everything that reads one."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import harness

MOMENTS = harness.target("moments")
PAIR, EARLY, LATE = 2002, 1001, 3003  # bytes, as moments.c has them
COLOUR = b"\033["


class Recording(harness.Case):
    """Which moments of moments.c a recording holds."""

    def moments(self, *turns, options=(), bare=None, tries=6):
        """moments.c through these turns of a recording. Where it came too late for what
        it is to show, the machine being busy, all times are doubled."""
        for factor in (2 ** n for n in range(tries)):
            longer = [re.sub(r"([\d.]+)(m?s?)$",
                             lambda m: "%g%s" % (float(m[1]) * factor, m[2]), o)
                      for o in (options if bare is None else bare)]
            if bare is None:
                result = self.record([MOMENTS, *turns], longer)
            else:
                result = self.preload([MOMENTS, *turns], more=",".join(longer))
            self.assertEqual((result.stdout, result.stderr), (b"", b""))
            if result.status != 8:
                break
        self.assertEqual(result.status, 7, result)
        return result

    def preload(self, args, env=None, more="", **how):
        """As harness.Case.preload(), with more in HEAPLINE_OPTIONS."""
        profile = self.new_profile()
        env = dict(env or {}, LD_PRELOAD=harness.SHIM,
                   HEAPLINE_OPTIONS="output=%s,%s" % (profile, more))
        result = self.run_native(args, env=env, **how)
        result.profile = profile
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
        return result

    def functions(self, result):
        """{name: (allocated, freed)} of the functions with events."""
        found = {}
        for function in self.lines_json(result)["functions"]:
            events = [l for l in function["lines"] if l["increment"] is not None]
            found[function["name"]] = tuple(
                sum(l[key] or 0 for l in events) for key in ("allocated", "freed"))
        return {k: v for k, v in found.items() if k in ("early", "steady", "late")}

    def check_delayed(self, result):
        functions, report = self.functions(result), self.report_json(result)
        self.assertNotIn("early", functions)
        self.assertGreater(functions["steady"][0], 0)
        self.assertEqual(functions["late"], (LATE, 0))
        # The free of early()'s block is one of a block that nobody saw allocated.
        self.assertIn(report["unknown_frees"], (1, 2))
        self.assertIn(report["live_at_end"]["bytes"], (LATE, LATE + PAIR))
        self.assert_lossless(report)
        self.assertEqual(report["losses"]["stopped"], "")

    def check_ended(self, result):
        functions, report = self.functions(result), self.report_json(result)
        self.assertEqual(functions["early"], (EARLY, 0))
        self.assertGreater(functions["steady"][0], 0)
        self.assertNotIn("late", functions)
        self.assertIn("--duration", report["losses"]["stopped"])
        self.assertIn(report["live_at_end"]["bytes"], (EARLY, EARLY + PAIR))
        self.assertEqual(report["exit"], 7)
        self.assert_lossless(report)

    def test_delay_records_what_comes_after_it(self):
        self.check_delayed(self.moments("on", options=["--delay", "0.3s"]))
        self.check_delayed(self.moments("on", bare=["delay=300ms"]))

    def test_duration_records_what_comes_before_its_end(self):
        self.check_ended(self.moments("off", options=["--duration", "300ms"]))
        self.check_ended(self.moments("off", bare=["duration=0.3"]))

    def test_duration_begins_when_the_delay_is_over(self):
        result = self.moments("on", "off", options=["--delay", "300ms", "--duration",
                                                    "300ms"])
        functions = self.functions(result)
        self.assertEqual(list(functions), ["steady"])
        self.assertIn("--duration", self.report_json(result)["losses"]["stopped"])

    def test_a_program_that_ends_before_the_delay_leaves_an_empty_profile(self):
        result = self.moments(options=["--delay", "1h"])
        report = self.report_json(result)
        self.assertEqual((report["events"], report["exit"]), (0, 7))
        self.assertEqual(self.heapline("report", result.profile).status, 0)
        self.assertEqual(self.heapline("lines", result.profile).status, 0)

    def test_a_duration_that_is_not_reached_changes_nothing(self):
        report = self.report_json(self.moments(options=["--duration", "1h"]))
        self.assertEqual(report["losses"]["stopped"], "")
        self.assertEqual(report["live_at_end"], {"bytes": LATE, "blocks": 1})

    def test_nothing_is_called_never_freed_after_an_early_end(self):
        result = self.moments("off", options=["--duration", "500ms"])
        text = self.heapline("report", result.profile).stdout.decode()
        self.assertNotRegex(text, r"(?i)never freed")
        self.assertRegex(text, r"(?m)^  not freed +\S+ \S+  in \d+ blocks? until "
                               r"recording ended$")
        profile = self.new_profile()
        result = self.heapline("run", "-o", profile, "--duration", "200ms", "--",
                               MOMENTS, "off")
        self.assertIn(b"not freed until recording ended", result.stderr)
        self.assertNotIn(b"never freed", result.stderr)

    def test_without_free_stacks_the_totals_are_the_same(self):
        def totals(*options):
            report = self.report_json(self.record([harness.target("demo")], options))
            return {k: report[k] for k in ("totals", "live_at_end", "runtime")}

        self.assertEqual(totals("--no-free-stacks"), totals())

    def test_without_free_stacks_no_line_frees_and_the_report_says_so(self):
        result = self.record([harness.target("demo")], ["--no-free-stacks"])
        for function in self.lines_json(result, "--all")["functions"]:
            for line in function["lines"]:
                self.assertIsNone(line["freed"])
                self.assertGreaterEqual(line["increment"] or 0, 0)
        text = self.heapline("lines", result.profile).stdout.decode()
        self.assertIn("--no-free-stacks", text)

    # ---- lossy ------------------------------------------------------------------

    def test_lossy_drops_and_counts_what_finds_no_room(self):
        blocks = 1_000_000
        run, collector = self.start_steady(blocks, ["--lossy"])
        os.kill(collector, signal.SIGSTOP)
        self.let_go()
        said = run.stdout.readline()  # all work is done: nothing more to lose
        os.kill(collector, signal.SIGCONT)
        _, stderr = run.communicate(timeout=harness.PATIENCE)
        self.assertEqual((run.returncode, said[:4]), (42, b"sum "), stderr)
        report = self.report_json(run.profile)
        self.assertGreater(report["losses"]["events"], 0)
        self.assertEqual(report["held_back_ns"], 0)
        # Every event was recorded or counted as lost: one a malloc, one a free.
        known = report["events"] + report["losses"]["events"]
        self.assertGreaterEqual(known, 2 * blocks)
        self.assertIn(b"EVENTS WERE LOST", stderr)
        text = self.heapline("report", run.profile).stdout.decode()
        self.assertRegex(text, r"WARNING: [\d,]+ events were lost")

    def test_lossy_loses_nothing_where_there_is_room(self):
        args = [harness.target("example")]
        report = self.report_json(self.record(args, ["--lossy"]))
        self.assert_lossless(report)
        self.assertEqual(report["totals"],
                         self.report_json(self.record(args))["totals"])

    def test_a_gate_cannot_be_lossy(self):
        result = self.heapline("check", "--lossy", "--max-leaked", "0", "--", "/bin/true")
        self.assert_error(result, (2, 70), "lossy")


class LateNames(harness.Case):
    """The collector dies before it has resolved names: a reader does it."""

    def unresolved(self, program):
        run, collector = self.start_steady(10_000, ["-q"], program=program)
        self.wait_for(lambda: b"steady" in self.read(run.profile), harness.PATIENCE,
                      "an update")
        os.kill(collector, signal.SIGKILL)
        self.let_go()
        run.communicate(timeout=harness.PATIENCE)
        return run.profile

    def read(self, profile):
        """The report so far, if the file has one."""
        return self.heapline("report", profile).stdout

    def test_a_reader_resolves_them_from_the_files_of_this_machine(self):
        profile = self.unresolved(harness.target("steady"))
        lines = self.heapline("lines", "--function", "main", profile)
        self.assertEqual(lines.status, 0, lines)
        self.assertIn(b"names were not resolved when it was recorded", lines.stderr)
        text = lines.stdout.decode()
        self.assertRegex(text, r"Filename: \S*steady\.c")
        row = re.search(r"(?m)^ +(\d+) .*live\[k\] = malloc", text)
        self.assertIsNotNone(row, text)
        main = self.function_lines(harness.Result(0, b"", b"", 0, profile), "main")
        self.assertGreater(main[int(row[1])]["allocated"], 0)

    def test_a_program_that_is_another_by_then_gives_no_names(self):
        program = self.path("steady")
        shutil.copy(harness.target("steady"), program)
        profile = self.unresolved(program)
        self.assertIn(b"main (steady.c:", self.read(profile))
        os.unlink(program)
        shutil.copy(harness.target("hammer"), program)
        text = self.read(profile).decode()
        self.assertNotRegex(text, r"\bmain \(|hammer|steady\.c")
        os.unlink(program)
        self.assertEqual(self.heapline("report", profile).status, 0)


class Manners(harness.Case):
    """Of report, lines and whatever else reads a profile."""

    def setUp(self):
        super().setUp()
        result = self.record([harness.target("example")])
        self.profile = result.profile
        self.assertEqual(result.status, 0, result)

    def test_without_a_name_the_newest_profile_here_is_read(self):
        for name, age in (("old", 300), ("new", 100), (".hidden", 10), ("newest.txt", 0)):
            path = self.path(name if "." in name else name + ".heapline")
            shutil.copy(self.profile, path)
            os.utime(path, times=(time.time() - age,) * 2)
        os.mkdir(self.path("folder.heapline"))
        os.unlink(self.profile)
        for verb in ("report", "lines"):
            result = self.heapline(verb)
            self.assertEqual(result.status, 0, result)
            self.assertIn(b"note: reading new.heapline, the newest profile here",
                          result.stderr)
            self.assertNotIn(b"newest profile", result.stdout)
            self.assertEqual(result.stdout, self.heapline(verb, "new.heapline").stdout)

    def test_a_named_profile_is_not_announced(self):
        self.assertEqual(self.heapline("report", self.profile).stderr, b"")

    def test_a_profile_through_a_pipe(self):
        with open(self.profile, "rb") as file:
            piped = self.heapline("report", "/dev/stdin", stdin=file.read())
        named = self.heapline("report", self.profile)
        self.assertEqual((piped.status, piped.stderr), (0, b""))
        self.assertEqual(piped.stdout.replace(b"/dev/stdin", self.profile.encode()),
                         named.stdout)

    # ---- colour ---------------------------------------------------------------

    def test_colour_only_when_it_is_wanted(self):
        for verb in ("report", "lines"):
            plain = self.heapline(verb, self.profile).stdout
            self.assertNotIn(COLOUR, plain)
            always = self.heapline(verb, "--color=always", self.profile).stdout
            self.assertIn(COLOUR, always)
            self.assertEqual(re.sub(rb"\033\[[\d;]*m", b"", always), plain)
            asked = self.heapline(verb, "--color=always", self.profile,
                                  env={"NO_COLOR": "1"}).stdout
            self.assertEqual(asked, always)
            self.assertNotIn(COLOUR, self.heapline(verb, "--json", "--color=always",
                                                   self.profile).stdout)
            self.assert_error(self.heapline(verb, "--color=blue", self.profile), 2,
                              "auto, always or never")

    def test_colour_on_a_terminal(self):
        for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False),
                              ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)):
            text = self.on_terminal(["report", self.profile], PAGER="cat", **env)
            self.assertEqual(COLOUR in text, coloured, (env, text))
        text = self.on_terminal(["report", "--color=never", self.profile], PAGER="cat")
        self.assertNotIn(COLOUR, text)

    # ---- pager ----------------------------------------------------------------

    def on_terminal(self, args, **env):
        """What a terminal shows: stdout is a pseudo-terminal, stderr is not."""
        ours, theirs = pty.openpty()
        env = self.environment(**dict({"TERM": "xterm"}, **env))
        run = subprocess.Popen([harness.HEAPLINE, *args], stdin=theirs, stdout=theirs,
                               stderr=subprocess.PIPE, env=env, cwd=self.dir)
        os.close(theirs)
        shown = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            shown += piece
        os.close(ours)
        stderr = run.stderr.read()
        run.stderr.close()
        self.assertEqual(run.wait(60), 0, stderr)
        return shown.replace(b"\r\n", b"\n")

    def pager(self, script="sed 's/^/paged: /'"):
        return self.write("pager", "#!/bin/sh\n%s\n" % script, 0o755)

    def test_a_pager_on_a_terminal_alone(self):
        pager = self.pager()
        shown = self.on_terminal(["report", self.profile], PAGER=pager)
        for line in shown.splitlines():
            self.assertTrue(line.startswith(b"paged: "), shown)
        piped = self.heapline("report", self.profile, env={"PAGER": pager}).stdout
        self.assertNotIn(b"paged", piped)
        text = re.sub(rb"\033\[[\d;]*m", b"", shown).replace(b"paged: ", b"")
        self.assertEqual(text, piped)

    def test_what_goes_past_the_pager(self):
        pager = self.pager()
        for args in (["report", "--no-pager"], ["report", "--json"], ["lines", "--json"]):
            shown = self.on_terminal([*args, self.profile], PAGER=pager)
            self.assertNotIn(b"paged", shown)
        self.assertNotIn(b"paged", self.on_terminal(["help"], PAGER=pager))
        self.assertNotIn(b"paged", self.on_terminal(["report", self.profile], PAGER=""))

    def test_our_own_pager_variable_comes_first(self):
        shown = self.on_terminal(["report", self.profile], HEAPLINE_PAGER="cat",
                                 PAGER=self.pager())
        self.assertNotIn(b"paged", shown)
        shown = self.on_terminal(["report", self.profile], PAGER="cat",
                                 HEAPLINE_PAGER=self.pager())
        self.assertIn(b"paged", shown)

    def test_a_pager_that_leaves_early_is_no_error(self):
        shown = self.on_terminal(["lines", "--all", self.profile],
                                 PAGER=self.pager("head -n 1"))
        self.assertEqual(len(shown.splitlines()), 1, shown)


@harness.needs("meson")
@harness.needs("pkg-config")
class Configuring(harness.Case):
    """-Dtests, on a machine where cmocka is missing."""

    def setUp(self):
        super().setUp()
        folders = self.run_native(["pkg-config", "--variable", "pc_path", "pkg-config"])
        os.mkdir(self.path("pc"))
        for folder in folders.stdout.decode().strip().split(":"):
            for name in os.listdir(folder) if os.path.isdir(folder) else ():
                if name != "cmocka.pc" and not os.path.lexists(self.path("pc/" + name)):
                    os.symlink(os.path.join(folder, name), self.path("pc/" + name))

    def configure(self, tests):
        """The names of the tests that a tree configured so has, and what was said."""
        result = self.run_native(
            ["meson", "setup", "-Dtests=" + tests, self.path("tree"), harness.SOURCE],
            env={"PKG_CONFIG_LIBDIR": self.path("pc")})
        if result.status:
            return None, result
        listed = self.run_native(["meson", "introspect", "--tests", self.path("tree")])
        return [test["name"] for test in json.loads(listed.stdout)], result

    def test_enabled_tests_fail_the_configuration(self):
        names, result = self.configure("enabled")
        self.assertIsNone(names)
        self.assertRegex(result.stdout + result.stderr, rb'ERROR: .*"cmocka" not found')

    def test_auto_leaves_out_what_needs_it(self):
        names, result = self.configure("auto")
        self.assertIsNotNone(names, result)
        self.assertNotIn("base_hash", names)
        self.assertIn("layout", names)

    def test_disabled_tests_need_nothing(self):
        names, result = self.configure("disabled")
        self.assertEqual(names, [], result)


if __name__ == "__main__":
    harness.main()
