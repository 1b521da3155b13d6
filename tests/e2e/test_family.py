"""Process trees: whatever a process forks, spawns and executes is in the profile, with
its parent and its end; what could not be followed is listed, with the reason."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import harness

target = harness.target
EXECS = target("execs")
EXECS_OF_ITSELF = ("execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle",
                   "execveat", "fexecve")
CHILDREN = ("fork", "clone", "vfork", "spawn", "spawnp")
LEAKS = """#include <stdlib.h>
__attribute__((noinline)) static void *leak(void) { return malloc(1000); }
int main(void)
{
	for (int i = 0; i < 3; i++)
		*(volatile char *)leak() = 1;
	return 0;
}
"""
TAKE_AN_ENVIRONMENT = ("execve", "execvpe", "execle", "execveat", "fexecve", "fork",
                       "clone", "vfork", "spawn", "spawnp")


class Family(harness.Case):
    def processes(self, result):
        report = self.report_json(result)
        self.assert_lossless(report)
        return report["processes"], report["unfollowed"]

    def images_of(self, processes, name):
        return [p for p in processes if os.path.basename(p["exe"]) == name]

    def tree(self, args, **how):
        native = self.run_native(args)
        result = self.record(args, **how)
        self.assert_same_behaviour(native, result)
        return self.processes(result)

    # ---- programs that are executed --------------------------------------------

    def test_every_exec_is_followed(self):
        for how in EXECS_OF_ITSELF:
            with self.subTest(how=how):
                processes, unfollowed = self.tree([EXECS, how, target("phases"), "exit"])
                self.assertEqual([p["end"] for p in processes], ["execed", "exited"])
                self.assertEqual(processes[1]["exit"], 4)
                self.assertEqual(processes[0]["pid"], processes[1]["pid"])
                self.assertEqual(unfollowed, [])

    def test_every_child_is_followed(self):
        for how in CHILDREN:
            with self.subTest(how=how):
                processes, unfollowed = self.tree([EXECS, how, target("phases"), "exit"])
                root, = self.images_of(processes, "execs")[:1]
                child, = self.images_of(processes, "phases")
                self.assertEqual(root["exit"], 4)
                self.assertEqual((child["end"], child["exit"]), ("exited", 4))
                self.assertEqual(child["parent_serial"], root["serial"])
                self.assertEqual(unfollowed, [])

    def test_a_cleared_environment_is_no_way_out(self):
        for how in TAKE_AN_ENVIRONMENT:
            with self.subTest(how=how):
                args = [EXECS, how, "-i", target("phases"), "exit"]
                processes, unfollowed = self.tree(args)
                self.assertEqual(len(self.images_of(processes, "phases")), 1)
                self.assertEqual(unfollowed, [])

    def test_an_environment_is_what_was_given_otherwise(self):
        env = {"LD_PRELOAD": harness.COUNT, "A": "b c", "COUNT_OUT": self.dir}
        result = self.record([EXECS, "execve", "/usr/bin/env"], env=env)
        lines = result.stdout.decode().splitlines()
        self.assertIn("A=b c", lines)
        preload, = [line for line in lines if line.startswith("LD_PRELOAD=")]
        self.assertEqual(preload, "LD_PRELOAD=%s:%s" % (harness.SHIM, harness.COUNT))
        result = self.record([EXECS, "execve", "-i", "/usr/bin/env"], env=env)
        names = sorted(l.split("=")[0] for l in result.stdout.decode().splitlines())
        self.assertEqual(names, ["HEAPLINE_SESSION", "LD_PRELOAD"])

    def test_an_exec_that_fails_changes_nothing(self):
        self.write("text", "no program\n", 0o644)
        for how in EXECS_OF_ITSELF:
            for program in ("/no/such/program", self.dir, self.path("text")):
                if (how, program) == ("fexecve", "/no/such/program"):
                    continue  # open() fails, which is another matter
                with self.subTest(how=how, program=program):
                    processes, unfollowed = self.tree([EXECS, how, program])
                    self.assertEqual(len(processes), 1)
                    self.assertEqual(processes[0]["exit"], 9)
                    self.assertEqual(unfollowed, [])

    def test_three_images_of_one_pid(self):
        args = [EXECS, "execv", EXECS, "execve", "-i", target("phases"), "_exit"]
        processes, _ = self.tree(args)
        self.assertEqual([os.path.basename(p["exe"]) for p in processes],
                         ["execs", "execs", "phases"])
        self.assertEqual({p["pid"] for p in processes}, {processes[0]["pid"]})

    def test_scripts(self):
        script = self.write("script", "#!/bin/sh -e\nexec %s exit\n" % target("phases"),
                            0o755)
        processes, unfollowed = self.tree([EXECS, "fork", script])
        self.assertEqual(len(self.images_of(processes, "phases")), 1)
        self.assertEqual(unfollowed, [])

    def test_a_bare_preload_follows_what_is_executed(self):
        for how in ("vfork", "spawn", "execve"):
            with self.subTest(how=how):
                result = self.preload([EXECS, how, "-i", target("phases"), "exit"])
                self.assertEqual(result.status, 4, result)
                processes, unfollowed = self.processes(result)
                self.assertEqual(len(self.images_of(processes, "phases")), 1)
                self.assertEqual(unfollowed, [])

    # ---- programs that can't be followed ---------------------------------------

    def not_followed(self, args, program, why):
        processes, unfollowed = self.tree(args)
        self.assertEqual([(u["program"], u["why"]) for u in unfollowed],
                         [(program, why)], processes)
        self.assertIn(unfollowed[0]["parent_serial"], [p["serial"] for p in processes])
        checked = self.heapline("check", "--max-leaked", "1G", "--", *args)
        self.assertEqual(checked.status, 70, checked)
        self.assertIn(program.encode(), checked.stderr)

    def test_static_programs_are_listed(self):
        program = target("static_example")
        for how in ("execve", "vfork", "fork", "clone", "spawn"):
            with self.subTest(how=how):
                self.not_followed([EXECS, how, program], program, "static")

    def test_a_static_program_s_children_are_followed(self):
        if not shutil.which("gcc"):
            self.skipTest("gcc is not installed")
        source = self.write("run.c", "#include <unistd.h>\n#include <sys/wait.h>\n"
                            "int main(int c, char **v) { if (!fork()) execv(v[1], v+1);"
                            "wait(0); return c > 9; }")
        static = self.path("run")
        built = self.run_native(["gcc", "-static", "-o", static, source])
        self.assertEqual(built.status, 0, built)
        processes, unfollowed = self.tree([EXECS, "fork", static, target("phases"), "exit"])
        self.assertEqual(len(self.images_of(processes, "phases")), 1)
        self.assertEqual([u["why"] for u in unfollowed], ["static"])

    def test_musl_programs_run_and_are_listed(self):
        if not shutil.which("musl-gcc"):
            self.skipTest("musl-gcc is not installed")
        source = self.write("hello.c", "#include <stdio.h>\nint main(void)"
                            "{ return puts(\"hello\") < 0; }\n")
        program = self.path("hello")
        built = self.run_native(["musl-gcc", "-o", program, source])
        self.assertEqual(built.status, 0, built)
        for how in ("execve", "spawn"):
            with self.subTest(how=how):
                self.not_followed([EXECS, how, program], program, "other-libc")

    @harness.needs("gcc")
    def test_programs_with_addresssanitizer_run_and_are_listed(self):
        """Its runtime ends a program in which it does not come first."""
        source = self.write("exits.c", "#include <stdio.h>\n#include <stdlib.h>\n"
                            "int main(void) { free(malloc(9)); puts(\"hello\");"
                            "return 3; }\n")
        sanitized, plain = self.path("sanitized"), self.path("plain")
        for program, options in ((sanitized, ["-fsanitize=address"]), (plain, [])):
            built = self.run_native(["gcc", "-O0", *options, "-o", program, source])
            self.assertEqual(built.status, 0, built)
        runtime = self.run_native(["gcc", "-print-file-name=libasan.so"]).stdout
        preload = "LD_PRELOAD=" + os.path.realpath(runtime.decode().strip())
        lenient = "ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0"
        for args in ([EXECS, "execve", sanitized], [EXECS, "vfork", sanitized],
                     [EXECS, "spawn", sanitized], ["/usr/bin/env", preload, plain]):
            with self.subTest(args=args):
                self.not_followed(args, args[-1], "sanitized")
                native, result = self.run_native(args), self.record(args)
                self.assertEqual((result.status, result.stdout, result.stderr),
                                 (native.status, native.stdout, native.stderr))
                self.assertIn(b"hello", result.stdout)
        for args in (["/usr/bin/env", lenient, sanitized],
                     ["/usr/bin/env", lenient, preload, plain]):
            with self.subTest(args=args):
                result = self.record(args, ("--own-new",))
                self.assertEqual((result.status, result.stdout, result.stderr),
                                 (3, b"hello\n", b""))
                processes, unfollowed = self.processes(result)
                self.assertEqual(unfollowed, [])
                self.assertEqual(processes[-1]["end"], "exited")
                self.assertGreater(processes[-1]["events"], 0)

    def test_a_system_call_past_us_is_noticed_in_time(self):
        """If the program lives for as long as it takes to look again."""
        profile = self.new_profile()
        run = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--", EXECS, "syscall", "-i",
             "/usr/bin/sleep", "100"], env=self.environment(), cwd=self.dir)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)

        def sleeper():
            return [p for p in harness.descendants(run.pid)
                    if harness.exe_of(p) == os.path.realpath("/usr/bin/sleep")]

        self.wait_for(sleeper, harness.PATIENCE, "the program to begin")
        # It looks ten times a second; an answer is proof that it went round.
        time.sleep(0.2)
        for _ in range(3):
            self.assertEqual(len(self.recordings()), 1)
        os.kill(sleeper()[0], signal.SIGTERM)
        self.assertEqual(run.wait(harness.PATIENCE), -signal.SIGTERM)
        processes, unfollowed = self.processes(
            harness.Result(0, b"", b"", 0, profile))
        self.assertEqual([p["end"] for p in processes], ["execed"])
        self.assertEqual([os.path.basename(u["program"]) for u in unfollowed], ["sleep"])

    def test_a_system_call_with_our_environment_is_followed(self):
        processes, unfollowed = self.tree([EXECS, "syscall", target("phases"), "exit"])
        self.assertEqual([p["end"] for p in processes], ["execed", "exited"])
        self.assertEqual(unfollowed, [])

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_root_without_the_shim(self):
        root = self.path("root")
        os.makedirs(root + "/tmp")
        for folder in ("bin", "lib", "lib64", "usr"):
            if os.path.islink("/" + folder):
                os.symlink(os.readlink("/" + folder), root + "/" + folder)
        # A handful of files: what echo needs, and nothing of ours.
        for path in self.libraries("/usr/bin/env") | {"/usr/bin/env"}:
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            shutil.copy(path, root + path)
        args = ["/usr/sbin/chroot", root, "/usr/bin/env", "-i", "/usr/bin/env"]
        native = self.run_native(args)
        self.assertEqual(native.status, 0, native)
        result = self.record(args)
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        _, unfollowed = self.processes(result)
        self.assertEqual([u["why"] for u in unfollowed], ["no-shim"])

    def libraries(self, program):
        lines = self.run_native(["ldd", program]).stdout.decode().splitlines()
        words = [w for line in lines for w in line.split() if w.startswith("/")]
        return {os.path.join(os.path.realpath(os.path.dirname(w)), os.path.basename(w))
                for w in words}

    # ---- choosing --------------------------------------------------------------

    def test_no_follow(self):
        result = self.record([EXECS, "fork", target("phases"), "exit"], ["--no-follow"])
        processes, unfollowed = self.processes(result)
        self.assertEqual(len(processes), 1)
        self.assertEqual(unfollowed, [])
        result = self.record([EXECS, "execve", target("phases"), "exit"], ["--no-follow"])
        self.assertEqual(len(self.processes(result)[0]), 2, "the same process")

    def test_only(self):
        args = ["/bin/sh", "-c", "%s exit; ls; true" % target("phases")]
        result = self.record(args, ["--only", "phases"])
        processes, unfollowed = self.processes(result)
        self.assertEqual([os.path.basename(p["exe"]) for p in processes], ["phases"])
        self.assertEqual(unfollowed, [])

    # ---- ends -------------------------------------------------------------------

    def test_children_s_ends_are_told(self):
        script = "%s exit; %s _exit; %s quick_exit; %s segv; %s kill; true" % (
            (target("phases"),) * 5)
        # (bash names the dead by their pids on standard error.)
        processes, _ = self.processes(self.record(["/bin/bash", "-c", script]))
        ends = [(p["end"], p["exit"]) for p in self.images_of(processes, "phases")]
        self.assertEqual(ends, [("exited", 4), ("exited", 3), ("exited", 5),
                                ("signaled", 128 + signal.SIGSEGV),
                                ("signaled", 128 + signal.SIGKILL)])

    # ---- storms -------------------------------------------------------------------

    def test_a_storm_of_forks(self):
        """Each child reports its own truth; the profile must say the same."""
        children = int(os.environ.get("HEAPLINE_STORM", "300"))
        result = self.record([target("fork_storm"), str(children), "4", target("phases")])
        self.assertEqual(result.status, 0, result)
        processes, unfollowed = self.processes(result)
        self.assertEqual(unfollowed, [])
        images = {}
        for process in processes:
            images.setdefault(process["pid"], []).append(process)
        lines = result.stdout.decode().splitlines()
        self.assertEqual(len(lines), children)
        for line in lines:
            pid, allocations, size, frees, inherited, end = map(int, line.split())
            child = images[pid][0]
            totals = child["totals"]
            self.assertEqual(
                (totals["allocations"], totals["allocated_bytes"], totals["frees"]),
                (allocations, size, frees), child)
            self.assertEqual(child["inherited"]["freed_blocks"], inherited, child)
            self.assertEqual(child["unknown_frees"], 0, child)
            self.assertEqual(
                (child["end"], child["exit"]),
                [("exited", 5), ("exited", 6), ("signaled", 137), ("execed", None)][end])
            self.assertEqual(len(images[pid]), 2 if end == 3 else 1)
            if end == 3:
                self.assertEqual(images[pid][1]["exit"], 4)

    # ---- programs that run many times ----------------------------------------------

    def leak_again(self, times, *options):
        """A program that is mapped somewhere else each time: what is said of it."""
        self.write("leaks.c", LEAKS)
        built = self.run_native(["gcc", "-g", "-O1", "-fno-builtin", "-fPIE", "-pie",
                                 *options, self.path("leaks.c"), "-o", self.path("leaks")])
        self.assertEqual(built.status, 0, built)
        result = self.record(["sh", "-c", "i=0; while [ $i -lt %d ]; do %s || exit; "
                              "i=$((i + 1)); done" % (times, self.path("leaks"))])
        self.assertEqual(result.status, 0, result)
        self.assert_lossless(self.report_json(result))
        rows = self.read_json("top", result.profile)["rows"]
        named = [row for row in rows if row["function"] == "leak"]
        self.assertEqual([row["leaked"] for row in named],
                         [{"bytes": 3000 * times, "blocks": 3 * times}])
        info = self.read_json("info", result.profile)
        files = [m for m in info["modules"] if m["path"] == self.path("leaks")]
        return info["contents"]["stack_nodes"], len(files)

    @harness.needs("gcc")
    def test_a_program_that_runs_again_has_the_same_stacks(self):
        once, again = self.leak_again(1), self.leak_again(40)
        self.assertEqual(again, once)
        self.assertEqual(once[1], 1)

    @harness.needs("gcc")
    def test_without_a_build_id_a_file_is_known_by_its_place_and_time(self):
        self.assertEqual(self.leak_again(10, "-Wl,--build-id=none")[1], 1)

    @harness.needs("gcc")
    def test_without_a_build_id_another_file_of_that_name_is_another(self):
        """As configure's: each has the place of the last one, and is as large."""
        names = ["leak_%d" % i for i in range(5)]
        for name in names:
            self.write(name + ".c", LEAKS.replace("leak", name))
            built = self.run_native(
                ["gcc", "-g", "-O1", "-fno-builtin", "-Wl,--build-id=none",
                 self.path(name + ".c"), "-o", self.path(name)])
            self.assertEqual(built.status, 0, built)
        script = "; ".join("cp -f %s %s && %s" % (
            self.path(name), self.path("app"), self.path("app")) for name in names)
        result = self.record(["sh", "-c", script])
        self.assertEqual(result.status, 0, result)
        info = self.read_json("info", result.profile)
        self.assertEqual(
            len([m for m in info["modules"] if m["path"] == self.path("app")]), 5)

    @harness.needs("gcc")
    def test_more_processes_than_there_is_room_for_files(self):
        """Each of them met four: names of the last are there, too."""
        nodes, files = self.leak_again(1500)
        self.assertEqual(files, 1)
        self.assertLess(nodes, 200)

    # ---- ps and stop -------------------------------------------------------------

    def test_what_is_recorded_is_listed_and_can_be_stopped(self):
        profile = self.new_profile()
        run = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--", target("execs"), "system",
             "until [ -e go ]; do sleep 0.1; done; exit 6"], env=self.environment(),
            cwd=self.dir)
        self.addCleanup(run.wait)
        self.addCleanup(self.write, "go", "")
        self.wait_for(lambda: self.recordings() and self.recordings()[0]["alive"] > 1,
                      harness.PATIENCE, "the recording to be listed")
        listed, = self.recordings()
        self.assertEqual(listed["profile"], profile)
        self.assertIn("sleep 0.1", listed["command"])
        table = self.heapline("ps").stdout.decode()
        self.assertIn(profile, table)
        stopped = self.heapline("stop", str(listed["program"]))
        self.assertEqual(stopped.status, 0, stopped)
        self.assertEqual(self.recordings(), [])
        report = self.report_json(profile)
        self.assertFalse(report["losses"]["events"])
        self.assertIn("stop", report["losses"]["stopped"])
        self.assertEqual(report["processes"][0]["end"], "running")
        self.write("go", "")
        self.assertEqual(run.wait(harness.PATIENCE), 6, "the program goes on")

    def test_stop_says_what_it_cannot(self):
        for args, status, word in (
            (["stop"], 2, b"name a pid, or all"), (["stop", "x"], 2, b"no pid"),
            (["stop", "1", "2"], 2, b"one pid"), (["stop", "--no"], 2, b"option"),
            (["stop", "1"], 1, b"nothing of pid 1"), (["ps", "x"], 2, b"option"),
        ):
            result = self.heapline(*args)
            self.assertEqual(result.status, status, result)
            self.assertIn(word, result.stderr)
            self.assertIn(b"help: ", result.stderr)

    # ---- daemons -------------------------------------------------------------------

    def test_a_daemon_outlives_the_run_and_is_recorded_to_its_end(self):
        # Several times: it may be executing setsid when the run ends.
        for nap in 0.4, 0.1, 0.1, 0.05, 0.05:
            script = "(setsid sh -c 'sleep %s; %s exit' >/dev/null 2>&1 &) ; exit 3" % (
                nap, target("phases"))
            result = self.record(["/bin/sh", "-c", script])
            self.assertEqual(result.status, 3, result)
            self.wait_for(lambda: not self.collectors(), harness.PATIENCE,
                          "the collector to end")
            processes, unfollowed = self.processes(result)
            daemon, = self.images_of(processes, "phases")
            self.assertEqual((daemon["end"], daemon["exit"]), ("exited", 4))
            self.assertEqual(unfollowed, [])


if __name__ == "__main__":
    harness.main()
