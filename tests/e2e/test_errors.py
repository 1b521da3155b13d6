"""What can't work says so: a cause, a remedy, and the right exit code."""

import os
import random
import shutil
import stat
import struct
import subprocess

import harness

harness.open_build()
target = harness.target


def elf32():
    """A 32-bit x86 program that exits with status 7."""
    code = b"\xb8\x01\x00\x00\x00\xbb\x07\x00\x00\x00\xcd\x80"
    base, head = 0x8048000, 52 + 32
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    size = head + len(code)
    header = struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + head, 52, 0, 0, 52, 32, 1, 0,
                         0, 0)
    segment = struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 4096)
    return ident + header + segment + code


class CannotRun(harness.Case):
    def refused(self, args, status, *words, **how):
        profile = self.path("refused.heapline")
        result = self.heapline("run", "-o", profile, "--", *args, **how)
        self.assert_error(result, status, *words)
        return result

    def test_missing_program(self):
        self.refused(["no-such-program-anywhere"], 127, "no-such-program-anywhere")
        self.refused(["./no-such-file"], 127, "no-such-file")

    def test_file_that_is_not_executable(self):
        self.write("data.txt", "text\n")
        self.refused(["./data.txt"], 126, "data.txt")

    def test_directory(self):
        os.mkdir(self.path("folder"))
        self.refused(["./folder"], 126, "folder")

    def test_file_that_is_no_program(self):
        self.write("garbage", b"\x7fELF" + bytes(100), 0o755)
        self.refused(["./garbage"], (125, 126), "garbage")

    def test_static_program(self):
        self.refused([target("static_example")], 125, "static")

    @harness.needs("gcc")
    def test_program_with_addresssanitizer(self):
        self.write("small.c", "int main(void) { return 0; }")
        built = self.run_native(["gcc", "-fsanitize=address", "-o", "small", "small.c"])
        self.assertEqual(built.status, 0, built)
        self.refused(["./small"], 125, "AddressSanitizer", "verify_asan_link_order=0")
        self.refused([target("phases"), "exit"], 125, "AddressSanitizer",
                     env={"LD_PRELOAD": "/none/libasan.so.8"})

    def test_32_bit_program(self):
        self.write("small", elf32(), 0o755)
        self.refused(["./small"], 125, "32-bit")

    def test_setuid_program(self):
        self.need_root()
        # (One of the system's: Debian 13 mounts /tmp so that no file there can be one.)
        programs = [p for p in ("/usr/bin/mount", "/usr/bin/su", "/usr/bin/passwd")
                    if os.path.exists(p) and os.stat(p).st_mode & stat.S_ISUID]
        self.assertTrue(programs)
        os.chmod(self.dir, 0o777)
        result = self.as_nobody([harness.HEAPLINE, "run", "-o", self.path("p.heapline"),
                                 "--", programs[0]])
        self.assert_error(result, 125, "set-?u(ser-?)?id")

    def test_unwritable_directory(self):
        self.need_root()
        os.chmod(self.dir, 0o755)
        result = self.as_nobody([harness.HEAPLINE, "run", "--", "/bin/echo", "hello"])
        self.assert_error(result, 125, "permission")

    def test_output_in_a_missing_directory(self):
        result = self.heapline("run", "-o", self.path("none/p.heapline"), "--", "/bin/true")
        self.assert_error(result, 125, "no such file|does not exist")

    def test_output_that_is_a_directory(self):
        result = self.heapline("run", "-f", "-o", self.dir, "--", "/bin/true")
        self.assert_error(result, 125, "director")

    def test_existing_output_needs_force(self):
        kept = self.write("old.heapline", "precious")
        result = self.heapline("run", "-o", kept, "--", "/bin/echo", "ran")
        self.assert_error(result, 125, "exists", "-f")
        self.assertNotIn(b"ran", result.stdout)
        with open(kept, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        result = self.heapline("run", "-q", "-f", "-o", kept, "--", "/bin/echo", "ran")
        self.assertEqual((result.status, result.stdout), (0, b"ran\n"), result)
        self.assertEqual(self.heapline("report", kept).status, 0)

    def test_usage(self):
        self.assert_error(self.heapline("run"), 125)
        self.assert_error(self.heapline("run", "--no-such-option", "--", "/bin/true"), 125,
                          "no-such-option")
        self.assert_error(self.heapline("run", "--delay", "soon", "--", "/bin/true"), 125,
                          "soon")
        self.assert_error(self.heapline("report", "--no-such-option"), 2, "no-such-option")
        self.assert_error(self.heapline("frobnicate"), 2, "frobnicate")
        self.assertEqual(self.heapline("help").status, 0)
        self.assertIn(b"run", self.heapline("help").stdout)
        self.assertEqual(self.heapline("help", "run").status, 0)

    def test_wrong_options_of_a_bare_preload_do_not_hurt_the_program(self):
        for options in ("output=/nonexistent/x", "nonsense", "output", "=", "output=" + self.dir):
            result = self.run_native(["/bin/sh", "-c", "echo fine; exit 3"],
                                     env={"LD_PRELOAD": harness.SHIM,
                                          "HEAPLINE_OPTIONS": options})
            self.assertEqual((result.status, result.stdout), (3, b"fine\n"), result)

    # ---- full disk ------------------------------------------------------------

    def tiny_disk(self, size):
        self.need_root()
        folder = self.path("tiny")
        os.mkdir(folder)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", folder],
            capture_output=True, check=False)
        if mounted.returncode:
            self.skipTest("can't mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=False)
        return folder

    def test_full_disk(self):
        folder = self.tiny_disk("32k")
        args = ["/usr/bin/python3", "-c", "import json, unittest, http.client; print('done')"]
        profile = os.path.join(folder, "p.heapline")
        result = self.heapline("run", "-o", profile, "--", *args)
        self.assertEqual(result.stdout, b"done\n", result)
        self.assert_error(result, (0, 125), "space|full")
        report = self.heapline("report", profile)
        self.assertIn(report.status, (0, 3), report)
        said = (report.stdout + report.stderr).decode()
        self.assertRegex(said, r"(?i)error:|warning:|space|truncated|incomplete")

    def test_full_device(self):
        result = self.heapline("run", "-f", "-o", "/dev/full", "--", "/bin/echo", "done")
        self.assertIn(result.status, (0, 125), result)
        self.assertRegex(result.stderr.decode(), "error: ")

    # ---- as another user ------------------------------------------------------

    def need_root(self):
        if os.geteuid() or not shutil.which("setpriv", path="/usr/bin:/bin"):
            self.skipTest("needs root and setpriv")

    def as_nobody(self, args):
        return self.run_native([*harness.NOBODY, *args])



class Readers(harness.Case):
    """Profiles that are not whole."""

    @classmethod
    def setUpClass(cls):
        case = cls("test_missing")
        case.setUp()
        result = case.record([target("demo")])
        assert result.status == 0, result
        with open(result.profile, "rb") as file:
            cls.good = file.read()
        cls.whole = case.heapline("report", result.profile).stdout
        case.doCleanups()

    def read_all(self, data):
        """Every reader on these bytes: 0, or 3 with a clear error; no crash."""
        path = self.write("bad.heapline", data)
        results = [self.heapline(*verb, path) for verb in
                   (["report"], ["report", "--json"], ["lines", "--json", "--all"])]
        for result in results:
            if result.status == 3:
                self.assert_error(result, 3)
                self.assertEqual(result.stdout, b"")
            else:
                self.assertEqual(result.status, 0, result)
        return results

    def test_missing(self):
        self.assert_error(self.heapline("report", "none.heapline"), 3, "none.heapline")
        self.assert_error(self.heapline("lines", "none.heapline"), 3, "none.heapline")
        self.assert_error(self.heapline("report"), 3)

    def test_not_a_profile(self):
        for data in (b"", b"x", b"just a text file\n" * 1000, bytes(100000),
                     random.Random(1).randbytes(50000)):
            for result in self.read_all(data):
                self.assertEqual(result.status, 3, result)
        self.assert_error(self.heapline("report", self.dir), 3)
        self.assert_error(self.heapline("report", "/dev/null"), 3)

    def test_truncated_anywhere_opens_or_says_why(self):
        size = len(self.good)
        cuts = {1, 7, 8, 16, 64, size - 1, size - 2, size - 8}
        cuts |= {size * k // 40 for k in range(1, 40)}
        for cut in sorted(c for c in cuts if 0 < c < size):
            results = self.read_all(self.good[:cut])
            self.must_be_told(results[0], "cut at %d of %d" % (cut, size))

    def test_corrupted_anywhere_opens_or_says_why(self):
        choose = random.Random(2)
        for _ in range(60):
            data = bytearray(self.good)
            at = choose.randrange(len(data))
            data[at] ^= 1 << choose.randrange(8)
            self.must_be_told(self.read_all(bytes(data))[0], "a bit of byte %d" % at)

    def test_bytes_behind_the_end_or_pieces_swapped(self):
        size = len(self.good)
        middle = size // 2
        for data in (self.good + b"\0" * 1000, self.good + self.good,
                     self.good[:middle] + self.good[middle + 1 :],
                     self.good[:middle] + b"\0" + self.good[middle:],
                     self.good[middle:] + self.good[:middle],
                     self.good[:100] + b"\xff" * 200 + self.good[300:]):
            self.read_all(data)

    def must_be_told(self, result, what):
        if result.status == 3:
            return
        said = (result.stdout + result.stderr).decode()
        self.assertRegex(said, r"(?i)truncated|incomplete|corrupt|damaged|warning:|note:",
                         what)

    def test_a_profile_that_cannot_be_read_by_its_mode(self):
        path = self.write("closed.heapline", self.good, 0)
        os.chmod(self.dir, 0o755)
        other = [] if os.geteuid() else harness.NOBODY # root reads everything
        result = self.run_native([*other, harness.HEAPLINE, "report", path])
        self.assert_error(result, 3, "permission")

    def test_a_pipe_that_closes_early_is_no_crash(self):
        path = self.write("good.heapline", self.good)
        run = subprocess.Popen([harness.HEAPLINE, "lines", "--all", path],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=self.environment())
        run.stdout.close()
        stderr = run.stderr.read()
        run.stderr.close()
        self.assertNotIn(run.wait(60), (-6, -11), stderr)

    def test_output_to_a_full_device_is_an_error(self):
        path = self.write("good.heapline", self.good)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([harness.HEAPLINE, "report", path], stdout=full,
                                  stderr=subprocess.PIPE, env=self.environment(),
                                  check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"error: ", done.stderr)


class Gate(harness.Case):
    """check: it fails closed."""

    def gate(self, limit, *args):
        return self.heapline("check", "--max-leaked", str(limit), "--", *args)

    def test_the_programs_own_status_below_the_limit(self):
        for leaked, limit, status in ((0, 0, 0), (0, 0, 9), (500, 500, 3), (500, 10000, 0)):
            result = self.gate(limit, target("leak"), str(leaked), str(status))
            self.assertEqual(result.status, status, result)

    def test_leaks_above_the_limit(self):
        for leaked, limit in ((1, 0), (500, 499), (100000, 0)):
            result = self.gate(limit, target("leak"), str(leaked), "0")
            self.assertEqual(result.status, 23, result)
            self.assertRegex(result.stderr.decode() + result.stdout.decode(), str(leaked))

    def test_what_cannot_be_checked(self):
        self.write("data.txt", "text\n")
        for args in ([target("static_example")], ["no-such-program"], ["./data.txt"],
                     [target("own_malloc")]):
            self.assert_error(self.gate(1000000, *args), 70)

    def test_a_program_that_crashes_is_no_success(self):
        result = self.gate(10**9, target("phases"), "segv")
        self.assertIn(result.status, (-11, 139, 70), result)

    def check(self, *args):
        return self.heapline("check", *args)

    def test_what_is_still_held_is_no_leak(self):
        self.assertEqual(self.check(target("leak"), "held", "700").status, 0)
        result = self.check("--fail-on=reachable", target("leak"), "held", "700")
        self.assertEqual(result.status, 23, result)
        self.assertRegex(result.stderr.decode(), r"still held: kept in leak -> block")

    def test_budgets(self):
        leak = target("leak")
        for options, args, status in (
                (["--max-live-at-exit=700"], ["held", "700"], 0),
                (["--max-live-at-exit=699"], ["held", "700"], 24),
                (["--max-live-at-exit=keep=699"], ["held", "700"], 24),
                (["--max-live-at-exit=repeat=699"], ["held", "700"], 0),
                (["--max-peak=100"], ["often", "9"], 0),
                (["--max-peak=99"], ["often", "9"], 24),
                (["--max-peak=leak.c=99"], ["often", "9"], 24),
                (["--max-allocations=9"], ["often", "9"], 0),
                (["--max-allocations=8"], ["often", "9"], 24),
                (["--max-temporary=rep*=8"], ["often", "9"], 24),
                (["--max-leaked=lose=500"], ["500", "3"], 3),
                (["--max-leaked=lose=499", "--max-leaked=1M"], ["500", "3"], 23),
                (["--max-leaked=repeat=1M"], ["500", "3"], 23),
                (["--max-peak=1", "--max-leaked=499"], ["500", "3"], 23),
                (["--max-peak=1", "--max-leaked=500"], ["500", "3"], 24),
                (["--fail-on=none", "--max-peak=1M"], ["500", "3"], 3)):
            with self.subTest(options=options, args=args):
                result = self.check(*options, "--", leak, *args)
                self.assertEqual(result.status, status, result)

    def test_a_profile_is_judged_as_the_run_was(self):
        for args, status in ((["500", "3"], 23), (["held", "500"], 0)):
            run = self.record([target("leak"), *args], ["--snapshot-at-exit"])
            self.assertEqual(self.check(run.profile).status, status)
        blind = self.record([target("leak"), "500", "0"])
        result = self.check(blind.profile)
        self.assert_error(result, 70, "without --snapshot-at-exit")
        self.assertEqual(self.check("--fail-on=none", "--max-peak=1M", blind.profile).status,
                         0)

    def test_nobody_looked_at_who_was_killed(self):
        result = self.check("sh", "-c", "x=$(echo a); kill -9 $$")
        self.assert_error(result, 70, "signal")

    def test_what_cannot_be_checked_is_tried_again_but_a_leak_is_not(self):
        log = self.path("log")
        for args, status, runs in (("exec %s 500 0" % target("leak"), 23, 1),
                                   ("exec %s often 9" % target("leak"), 24, 3),
                                   ("test $(wc -l < %s) -gt 1 || kill -9 $$" % log, 0, 2)):
            with self.subTest(args=args):
                open(log, "w").close()
                limit = "--max-allocations=leak.c=8"
                result = self.check("--tries=3", limit, "sh", "-c",
                                    "echo >> %s; x=$(echo a); %s" % (log, args))
                self.assertEqual(result.status, status, result)
                with open(log, encoding="utf-8") as file:
                    self.assertEqual(len(file.read()), runs)

    def test_usage(self):
        for args in (["check", "--tries=0", "true"], ["check", "--fail-on=lost", "true"],
                     ["check", "--max-peak==1", "true"], ["check", "--max-peak=*=1", "true"],
                     ["check", "--max-peak=1", "--max-peak=2", "true"],
                     ["check", "--fail-on=none", "true"],
                     ["check", "--fail-on=none", "--max-leaked=1", "true"],
                     ["check"], ["check", "--max-leaked"],
                     ["check", "--max-leaked", "many", "--", "/bin/true"],
                     ["check", "--max-leaked", "-1", "--", "/bin/true"]):
            self.assert_error(self.heapline(*args), (2, 70))


if __name__ == "__main__":
    harness.main()
