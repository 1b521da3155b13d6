"""Names, lines and sources: a profile that lacks them gets them afterwards, keeps what
it has, and says what could not be found and why."""

import http.server
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
import unittest

import harness

SOURCE = """\
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *kept[64];

static __attribute__((noinline)) void fill(int n)
{
	for (int i = 0; i < n; i++)
		kept[i] = malloc(%d);
}

int main(int argc, char **argv)
{
	fill(64);
	FILE *ready = fopen(argv[1], "w");
	if (ready)
		fclose(ready);
	/* Until somebody takes the file away. */
	for (int i = 0; i < 600 && !access(argv[1], F_OK); i++)
		usleep(100000);
	return kept[argc] == NULL;
}
"""
FILL_LINE = 10


class SymbolCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.build(100)

    def build(self, size, *options):
        self.write("app.c", SOURCE % size)
        done = self.run_native(
            ["gcc", "-g", "-O1", "-fno-builtin", "-Wl,--build-id", *options,
             self.path("app.c"), "-o", self.path("app")])
        self.assertEqual(done.status, 0, done)

    def start(self):
        """The program, recorded, at work: its process, its collector, its profile."""
        ready, profile = self.path("ready"), self.new_profile()
        run = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--", self.path("app"), ready],
            env=self.environment(), cwd=self.dir, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.addCleanup(run.wait)
        self.addCleanup(lambda: os.path.exists(ready) and os.unlink(ready))
        self.wait_for(lambda: os.path.exists(ready), 60, "the program to begin")
        # An update with all of it is what a collector that dies leaves.
        self.wait_for(lambda: self.recorded(profile) >= 64, 60, "the update")
        return run, self.collectors()[0], profile

    def recorded(self, profile):
        report = self.heapline("report", "--json", profile)
        return json.loads(report.stdout)["totals"]["allocations"] if report.stdout else 0

    def unnamed(self):
        """A profile whose collector was killed before it looked for names."""
        run, collector, profile = self.start()
        os.kill(collector, signal.SIGKILL)
        self.wait_for(lambda: not self.collectors(), 30, "the collector to end")
        os.unlink(self.path("ready"))
        run.wait(60)
        return profile

    def symbolize(self, *args):
        done = self.heapline("symbolize", "--json", *args)
        self.assertEqual(done.status, 0, done)
        return json.loads(done.stdout)

    def module(self, outcome, name):
        found = [m for m in outcome["modules"] if os.path.basename(m["path"]) == name]
        self.assertEqual(len(found), 1, outcome)
        return found[0]

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def fill_line(self, profile):
        return self.function_lines(profile, "fill")[FILL_LINE]


@harness.needs("gcc")
class Symbolize(SymbolCase):
    def test_a_dead_collectors_profile_gets_names_and_sources(self):
        profile = self.unnamed()
        os.chmod(profile, 0o640)
        before = self.report_json(profile)
        outcome = self.symbolize(profile)
        self.assertTrue(outcome["changed"])
        self.assertEqual(self.module(outcome, "app")["with_line"],
                         self.module(outcome, "app")["places"] - 1, "all but _start")
        self.assertEqual(outcome["source_files"], 1)
        # What it says now it says without the program, and without a word of its own.
        for name in ("app", "app.c"):
            os.unlink(self.path(name))
        lines = self.heapline("lines", "--color=never", profile)
        self.assertIn("kept[i] = malloc(100);", lines.stdout.decode(), lines)
        self.assertNotIn("not resolved", lines.stderr.decode(), lines)
        self.assertEqual(self.fill_line(profile)["occurrences"], 64)
        after = self.report_json(profile)
        for part in ("totals", "losses", "processes"):
            self.assertEqual(before[part], after[part])
        self.assertEqual(stat.S_IMODE(os.stat(profile).st_mode), 0o640)

    def test_a_second_time_changes_nothing(self):
        profile = self.unnamed()
        self.symbolize(profile)
        first, inode = self.read(profile), os.stat(profile).st_ino
        outcome = self.symbolize(profile)
        self.assertFalse(outcome["changed"])
        self.assertEqual(outcome["new"], 0)
        self.assertEqual(self.read(profile), first)
        self.assertEqual(os.stat(profile).st_ino, inode)
        self.assertEqual([n for n in os.listdir(self.dir) if ".heapline." in n], [])

    def test_what_a_reader_finds_for_itself_is_the_same(self):
        profile = self.unnamed()
        before = self.lines_json(profile)
        self.symbolize(profile)
        after = self.lines_json(profile)
        self.assertEqual(before["functions"], after["functions"])

    def test_output_leaves_the_profile_alone(self):
        profile = self.unnamed()
        before = self.read(profile)
        self.symbolize("-o", self.path("named"), profile)
        self.assertEqual(self.read(profile), before)
        self.assertEqual(self.fill_line(self.path("named"))["occurrences"], 64)
        again = self.heapline("symbolize", "-o", self.path("named"), profile)
        self.assert_error(again, 1, "exists")
        self.symbolize("-f", "-o", self.path("named"), profile)

    def test_another_build_is_told_from_the_recorded_one(self):
        profile = self.unnamed()
        self.build(200)
        outcome = self.symbolize(profile)
        app = self.module(outcome, "app")
        self.assertEqual((app["with_line"], app["with_function_only"]), (0, 0))
        self.assertIn("another build", app["why"])
        done = self.heapline("symbolize", profile)
        self.assertRegex(done.stdout.decode(),
                         r"(?m)^ .*/app: another build: .*build-id " + app["build_id"])
        self.assertRegex(done.stderr.decode(), r"(?m)^help: put the files back")
        # The right one comes back, and is what counts.
        self.build(100)
        outcome = self.symbolize(profile)
        self.assertTrue(outcome["changed"])
        self.assertEqual(self.fill_line(profile)["occurrences"], 64)
        # From then on it may go again: what is known stays.
        os.unlink(self.path("app"))
        self.assertFalse(self.symbolize(profile)["changed"])
        self.assertEqual(self.fill_line(profile)["occurrences"], 64)

    def test_a_missing_file_is_said_to_be_missing(self):
        profile = self.unnamed()
        os.unlink(self.path("app"))
        app = self.module(self.symbolize(profile), "app")
        self.assertEqual((app["with_line"], app["with_function_only"]), (0, 0))
        self.assertIn("not on this machine", app["why"])

    @harness.needs("strip")
    def test_a_stripped_program_gets_its_lines_when_they_come(self):
        shutil.copy(self.path("app"), self.path("whole"))
        self.assertEqual(self.run_native(["strip", self.path("app")]).status, 0)
        profile = self.unnamed()
        app = self.module(self.symbolize(profile), "app")
        self.assertEqual(app["with_line"], 0)
        self.assertRegex(app["why"], "debug information")
        shutil.copy(self.path("whole"), self.path("app"))
        outcome = self.symbolize(profile)
        self.assertGreater(outcome["new"], 0)
        self.assertEqual(self.fill_line(profile)["occurrences"], 64)

    def test_missing_split_debug_information_is_said(self):
        self.build(100, "-gsplit-dwarf")
        profile = self.unnamed()
        dwos = [n for n in os.listdir(self.dir) if n.endswith(".dwo")]
        self.assertEqual(len(dwos), 1)
        shutil.move(self.path(dwos[0]), self.path("hidden"))
        before = self.symbolize("-o", self.path("without"), profile)
        self.assertIn(".dwo", self.module(before, "app")["why"])
        self.assertIn("app: its .dwo files", self.heapline(
            "symbolize", "-f", "-o", self.path("without"), profile).stdout.decode())
        os.mkfifo(self.path(dwos[0]))
        self.assertIn(".dwo", self.module(self.symbolize(
            "-f", "-o", self.path("without"), profile), "app")["why"])
        os.unlink(self.path(dwos[0]))
        shutil.move(self.path("hidden"), self.path(dwos[0]))
        self.assertNotIn(".dwo", self.module(self.symbolize(profile), "app")["why"] or "")

    def test_a_recording_under_way_is_left_alone(self):
        run, collector, profile = self.start()
        before = self.read(profile)
        done = self.heapline("symbolize", profile)
        self.assert_error(done, 3, "still being recorded")
        self.assertTrue(self.read(profile).startswith(before))
        self.symbolize("-o", self.path("so-far"), profile)
        self.assertEqual(self.fill_line(self.path("so-far"))["occurrences"], 64)
        os.unlink(self.path("ready"))
        run.wait(60)
        self.wait_for(lambda: collector not in self.collectors(), 30, "the collector")
        self.assertEqual(self.fill_line(profile)["occurrences"], 64)

    def test_a_file_without_a_build_id_is_used_and_said(self):
        self.build(100, "-Wl,--build-id=none")
        profile = self.unnamed()
        done = self.heapline("symbolize", profile)
        self.assertEqual(done.status, 0, done)
        self.assertRegex(done.stderr.decode(), "(?m)^note: 1 files? ha.* no build-id")
        self.assertEqual(self.fill_line(profile)["occurrences"], 64)

    def test_no_source_embeds_none(self):
        profile = self.unnamed()
        outcome = self.symbolize("--no-source", profile)
        self.assertEqual(outcome["source_files"], 0)
        self.assertNotIn("malloc(100)",
                         self.heapline("lines", profile).stdout.decode())
        self.assertEqual(self.symbolize(profile)["source_files"], 1)
        self.assertIn("malloc(100)", self.heapline("lines", profile).stdout.decode())

    def test_mistakes_are_explained(self):
        self.assert_error(self.heapline("symbolize", "--frobnicate"), 2, "frobnicate")
        self.assert_error(self.heapline("symbolize", "a", "b"), 2, "one profile")
        self.assert_error(self.heapline("symbolize", self.path("none")), 3, "No such")
        self.assert_error(self.heapline("symbolize"), 3, "no profile")
        self.assert_error(self.heapline("symbolize", "/etc/passwd"), 3, "not a heapline")


@harness.needs("gcc")
class SourcePaths(SymbolCase):
    """A program compiled elsewhere: its sources are not where it says."""

    def setUp(self):
        super().setUp()
        self.remember = ["-fdebug-prefix-map=%s=/nowhere/ci" % self.dir]
        self.build(100, *self.remember)
        os.mkdir(self.path("src"))
        shutil.copy(self.path("app.c"), self.path("src/app.c"))
        os.unlink(self.path("app.c"))
        self.here = "--source-path=/nowhere/ci=" + self.path("src")

    def run_app(self, *options):
        result = self.record([self.path("app"), "/dev/null/x"], options)
        return result.profile

    def text(self, profile, *options):
        return self.heapline("lines", *options, profile).stdout.decode()

    def test_run_reads_them_there(self):
        self.assertNotIn("malloc(100)", self.text(self.run_app()))
        text = self.text(self.run_app(self.here))
        self.assertIn("malloc(100)", text)
        # The code is still what it was compiled as.
        self.assertIn("/nowhere/ci/app.c", text)
        self.assertNotIn("malloc(100)", self.text(self.run_app(self.here, "--no-source")))

    def test_a_reader_reads_them_there_and_keeps_nothing(self):
        profile = self.run_app()
        before = self.read(profile)
        self.assertIn("malloc(100)", self.text(profile, self.here))
        self.assertNotIn("malloc(100)", self.text(profile))
        self.assertEqual(self.read(profile), before)

    def test_symbolize_embeds_them(self):
        profile = self.run_app()
        outcome = self.symbolize(profile)
        self.assertEqual((outcome["changed"], outcome["source_files_missing"]), (False, 1))
        outcome = self.symbolize(self.here, profile)
        self.assertTrue(outcome["changed"])
        self.assertEqual(outcome["source_files"], 1)
        shutil.rmtree(self.path("src"))
        self.assertIn("malloc(100)", self.text(profile))

    def test_the_first_that_has_the_file_counts(self):
        profile = self.run_app(
            "--source-path", "/nowhere=" + self.path("void"),
            "--source-path", "/nowhere/c=" + self.path("src"), self.here)
        self.assertIn("malloc(100)", self.text(profile))

    def test_relative_paths_are_found_by_a_dot(self):
        shutil.copy(self.path("src/app.c"), self.path("app.c"))
        self.build(100, "-ffile-prefix-map=%s=." % self.dir)
        os.unlink(self.path("app.c"))
        self.assertNotIn("malloc(100)", self.text(self.run_app()))
        self.assertIn("malloc(100)",
                      self.text(self.run_app("--source-path=.=" + self.path("src"))))

    def test_a_bare_preload_takes_them_too(self):
        for options, found in ((",source-path=/nowhere/ci=" + self.path("src"), True),
                               (",no-source,source-path=/nowhere/ci=" + self.path("src"),
                                False)):
            profile = self.new_profile()
            self.run_native([self.path("app"), "/dev/null/x"], env={
                "LD_PRELOAD": harness.SHIM,
                "HEAPLINE_OPTIONS": "output=" + profile + options})
            self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
            self.assertEqual("malloc(100)" in self.text(profile), found, options)

    def test_mistakes_are_explained(self):
        for verb in (["lines"], ["symbolize"]):
            for rule in ("x", "=x", "x="):
                done = self.heapline(*verb, "--source-path", rule, "none")
                self.assert_error(done, 2, "FROM=TO")
        done = self.heapline("run", "--source-path", "x", "--", "true")
        self.assert_error(done, 125, "FROM=TO")


class DebugServer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        data = self.server.files.get(self.path)
        self.send_response(200 if data else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *args):
        pass


def have_client():
    return any(os.path.exists(os.path.join(folder, "libdebuginfod.so.1"))
               for folder in ("/lib64", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"))


@harness.needs("gcc")
@harness.needs("objcopy")
@unittest.skipUnless(have_client(), "libdebuginfod is missing")
class Debuginfod(SymbolCase):
    """Debug information that only a server has."""

    url = ""

    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), DebugServer)
        self.server.asked, self.server.files = [], {}
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.offer()

    def offer(self):
        app, debug = self.path("app"), self.path("kept")
        for command in (["objcopy", "--only-keep-debug", app, debug], ["strip", app]):
            self.assertEqual(self.run_native(command).status, 0)
        notes = self.run_native(["readelf", "-n", app]).stdout.decode()
        build_id = re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)
        self.name = "/buildid/%s/debuginfo" % build_id
        self.server.files[self.name] = self.read(debug)
        os.unlink(debug)

    def environment(self, **more):
        return super().environment(**dict({"DEBUGINFOD_URLS": self.url}, **more))

    def test_nobody_is_asked_unasked(self):
        profile = self.unnamed()
        self.symbolize(profile)
        self.heapline("lines", profile)
        self.record([self.path("app"), "/dev/null/x"])
        self.assertEqual(self.server.asked, [])

    def test_symbolize_asks_if_told_to(self):
        profile = self.unnamed()
        outcome = self.symbolize("--debuginfod", profile)
        self.assertIn(self.name, self.server.asked)
        self.assertGreater(self.module(outcome, "app")["with_line"], 0)
        self.assertEqual(self.fill_line(profile)["occurrences"], 64)

    def test_symbolize_asks_for_a_program_that_is_gone(self):
        profile = self.unnamed()
        os.unlink(self.path("app"))
        self.symbolize("--debuginfod", profile)
        self.assertEqual(self.fill_line(profile)["occurrences"], 64)

    def test_run_asks_if_told_to(self):
        result = self.record([self.path("app"), "/dev/null/x"], ["--debuginfod"])
        self.assertIn(self.name, self.server.asked)
        self.assertEqual(self.fill_line(result.profile)["occurrences"], 64)

    def test_a_server_that_does_not_answer_is_named(self):
        profile = self.unnamed()
        env = {"DEBUGINFOD_URLS": "http://127.0.0.1:1"}
        done = self.heapline("symbolize", "--debuginfod", profile, env=env)
        self.assertEqual(done.status, 0, done)
        self.assertRegex(done.stderr.decode(), "(?m)^error: no debuginfod server")

    def test_without_a_server_it_is_a_mistake(self):
        profile = self.unnamed()
        env = {"DEBUGINFOD_URLS": ""}
        done = self.heapline("symbolize", "--debuginfod", profile, env=env)
        self.assert_error(done, 2, "DEBUGINFOD_URLS")
        done = self.heapline("run", "--debuginfod", "--", "true", env=env)
        self.assert_error(done, 125, "DEBUGINFOD_URLS")


@harness.needs("rustc")
class Rust(harness.Case):
    """Both manglings, as they are written."""

    def functions(self, mangling):
        app = self.path("names")
        done = self.run_native(
            ["rustc", "-g", "-C", "opt-level=1", *mangling, "-o", app,
             os.path.join(harness.SOURCE, "tests", "targets", "symbol_names.rs")],
            env=harness.UNSTABLE_RUST)
        self.assertEqual(done.status, 0, done)
        result = self.record([app])
        self.assertEqual(result.status, 0, result)
        return {f["name"] for f in self.lines_json(result)["functions"]}

    def check(self, mangling, *expected):
        found = self.functions(mangling)
        for name in expected:
            self.assertIn(name, found)
        for name in found:
            self.assertNotRegex(name, r"^_R|^_ZN|17h[0-9a-f]{16}")

    def test_legacy_names(self):
        self.check(harness.LEGACY_RUST, "symbol_names::main", "symbol_names::closure_user",
                   "<[u32] as symbol_names::Fill>::fill",
                   "symbol_names::main::{{closure}}")

    def test_v0_names(self):
        self.check(["-C", "symbol-mangling-version=v0"], "symbol_names::main",
                   "<[u32] as symbol_names::Fill>::fill",
                   "<symbol_names::shapes::Grid<u16, 3>>::new",
                   "symbol_names::closure_user::<symbol_names::main::{closure#0}>",
                   "symbol_names::main::{closure#0}")


if __name__ == "__main__":
    harness.main()
