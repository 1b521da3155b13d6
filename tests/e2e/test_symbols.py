"""Names, lines and sources: a profile that lacks them gets them afterwards, keeps what
it has, and says what could not be found and why."""

import json
import os
import shutil
import signal
import stat
import subprocess

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
	fclose(fopen(argv[1], "w"));
	/* Until its collector is gone, or for ever in vain. */
	for (int i = 0; i < 600 && !access(argv[1], F_OK); i++)
		usleep(100000);
	return kept[argc] == NULL;
}
"""
FILL_LINE = 10


@harness.needs("gcc")
class Symbolize(harness.Case):
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
        self.assertRegex(done.stdout.decode(), r"(?m)^ .*/app: another build")
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


if __name__ == "__main__":
    harness.main()
