"""Helpers of the end-to-end tests: run heapline and programs, read what they say.

HEAPLINE_BUILD names the build tree. Every test works in a temporary directory of its
own, with a small fixed environment, and leaves nothing behind. Results are printed
as TAP, so that each test method counts.
"""

import atexit
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("HEAPLINE_BUILD", os.path.join(SOURCE, "build")))
PROGRAMS = (("cli", "heapline"), ("preload", "libheapline.so"))
HEAPLINE, SHIM = (os.path.join(BUILD, *path) for path in PROGRAMS)
NOBODY = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
# Of the machine, where what a libc does differs from release to release.
GLIBC = tuple(int(n) for n in os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))
PATIENCE = 120  # seconds that no single run takes


def target(name):
    return os.path.join(BUILD, "tests", "targets", name)


def open_build():
    """For tests of programs that become another user, to be called before all else: a
    build tree that such one may not read (in /root, say) is copied for him."""
    global BUILD, HEAPLINE, SHIM, COUNT, BUMP
    if os.geteuid() or not os.path.exists(NOBODY[0]):
        return
    test = subprocess.run([*NOBODY, "test", "-r", SHIM], check=False)
    if test.returncode == 0:
        return
    copy = tempfile.mkdtemp(prefix="heapline-e2e-build-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    os.chmod(copy, 0o755)
    for folder in ("cli", "preload", os.path.join("tests", "targets")):
        os.makedirs(os.path.join(copy, folder))
        for entry in os.scandir(os.path.join(BUILD, folder)):
            if entry.is_file() and entry.stat().st_mode & 0o111:
                shutil.copy(entry.path, os.path.join(copy, folder))
    BUILD = copy
    HEAPLINE, SHIM = (os.path.join(copy, *path) for path in PROGRAMS)
    COUNT, BUMP = target("libcount.so"), target("libbump.so")


COUNT = target("libcount.so")
BUMP = target("libbump.so")


class Result:
    """What a run left: status (negative: the signal), stdout, stderr, seconds, and
    the profile's path where heapline ran."""

    def __init__(self, status, stdout, stderr, seconds, profile=None):
        self.status, self.stdout, self.stderr = status, stdout, stderr
        self.seconds, self.profile = seconds, profile

    def __str__(self):
        return "status %s after %.1f s\nstdout: %s\nstderr: %s" % (
            self.status,
            self.seconds,
            self.stdout[-1500:].decode(errors="replace"),
            self.stderr[-1500:].decode(errors="replace"),
        )


class Counts:
    """One process image as count_shim.c saw it."""

    FIELDS = (
        "allocations",
        "frees",
        "allocated_bytes",
        "freed_bytes",
        "unknown_frees",
        "inherited_frees",
        "inherited_freed_bytes",
        "pid",
        "mapped_bytes",
        "unmapped_bytes",
    )

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        for name, value in zip(self.FIELDS, struct.unpack("10Q", data[:80])):
            setattr(self, name, value)
        self.exe = data[80:].split(b"\0", 1)[0].decode()

    def sums(self):
        return (self.allocations, self.frees, self.allocated_bytes, self.freed_bytes)


class Case(unittest.TestCase):
    """A test with a temporary directory, self.dir, that is also HOME and TMPDIR."""

    maxDiff = 4000

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="heapline-e2e-")
        self.tag = os.path.basename(self.dir)
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.addCleanup(self.end_collectors)
        self.serial = 0

    # ---- files ----------------------------------------------------------------

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o644):
        data = text.encode() if isinstance(text, str) else text
        with open(self.path(name), "wb") as file:
            file.write(data)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def environment(self, **more):
        env = {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "HOME": self.dir,
            "TMPDIR": self.dir,
            "TEST_TAG": self.tag,
        }
        env.update({k: v for k, v in more.items() if v is not None})
        return env

    # ---- running --------------------------------------------------------------

    def run_native(self, args, stdin=None, env=None, cwd=None, timeout=PATIENCE, **how):
        began = time.monotonic()
        done = subprocess.run(
            args,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(**(env or {})),
            cwd=cwd or self.dir,
            timeout=timeout,
            check=False,
            **how,
        )
        return Result(
            done.returncode, done.stdout, done.stderr, time.monotonic() - began
        )

    def heapline(self, *args, **how):
        return self.run_native([HEAPLINE, *args], **how)

    def new_profile(self):
        self.serial += 1
        return self.path("profile-%d.heapline" % self.serial)

    def record(self, args, options=(), **how):
        """heapline run -q -o PROFILE OPTIONS -- ARGS"""
        profile = self.new_profile()
        result = self.heapline("run", "-q", "-o", profile, *options, "--", *args, **how)
        result.profile = profile
        return result

    def preload(self, args, env=None, **how):
        """ARGS under a bare LD_PRELOAD; back when the collector is done."""
        profile = self.new_profile()
        env = dict(
            env or {}, LD_PRELOAD=SHIM, HEAPLINE_OPTIONS="output=" + profile
        )
        result = self.run_native(args, env=env, **how)
        result.profile = profile
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
        return result

    def record_counted(self, args, behind=(COUNT,), env=None, **how):
        """record() with the counting shim behind heapline: result, [Counts]."""
        out = tempfile.mkdtemp(prefix="counts-", dir=self.dir)
        env = dict(env or {}, LD_PRELOAD=":".join(behind), COUNT_OUT=out)
        result = self.record(args, env=env, **how)
        counts = [Counts(os.path.join(out, name)) for name in sorted(os.listdir(out))]
        return result, [c for c in counts if os.path.basename(c.exe) != "heapline"]

    # ---- reading --------------------------------------------------------------

    def read_json(self, verb, profile, *options):
        result = self.heapline(verb, "--json", *options, profile)
        self.assertEqual(result.status, 0, result)
        return json.loads(result.stdout)

    def report_json(self, result_or_path):
        path = getattr(result_or_path, "profile", result_or_path)
        return self.read_json("report", path)

    def lines_json(self, result_or_path, *options):
        path = getattr(result_or_path, "profile", result_or_path)
        return self.read_json("lines", path, *options)

    def function_lines(self, result, name, *options):
        """{line: {mem_usage, increment, ...}} of the one function of that name."""
        found = [
            f
            for f in self.lines_json(result, *options)["functions"]
            if f["name"].split("(")[0] == name
        ]
        self.assertEqual(len(found), 1, "functions named " + name)
        return {line["line"]: line for line in found[0]["lines"]}

    # ---- assertions -----------------------------------------------------------

    def assert_same_behaviour(self, native, profiled):
        self.assertEqual(native.status, profiled.status, profiled)
        self.assertEqual(native.stderr, profiled.stderr)
        if native.stdout != profiled.stdout:
            self.fail("other output: %s\nwas: %s" % (profiled, native))

    def assert_lossless(self, report):
        self.assertEqual(report["losses"]["events"], 0, report["losses"])

    def assert_counts(self, result, counts, slack=0, lost=0):
        """The report's sums equal the shim's, of each process and of all."""
        report = self.report_json(result)
        self.assertLessEqual(report["losses"]["events"], lost, report["losses"])
        totals = report["totals"]
        ours = [sum(column) for column in zip(*(c.sums() for c in counts))]
        theirs = [
            totals[k]
            for k in ("allocations", "frees", "allocated_bytes", "freed_bytes")
        ]
        if slack:
            for our, their in zip(ours[:2], theirs[:2]):
                self.assertLessEqual(abs(our - their), slack, (ours, theirs))
            return report
        self.assertEqual(theirs, ours, "\n".join(
            "%d %s %s" % (c.pid, c.exe, c.sums()) for c in counts))
        if processes(report):
            self.assertEqual(
                sorted(p for p in map(process_sums, processes(report)) if any(p)),
                sorted(c.sums() for c in counts if any(c.sums())),
            )
        return report

    def assert_error(self, result, status, *words):
        """A clear error: cause behind `error:`, remedy behind `help:`."""
        text = result.stderr.decode(errors="replace")
        allowed = status if isinstance(status, tuple) else (status,)
        self.assertIn(result.status, allowed, result)
        self.assertRegex(text, r"(?m)^(heapline: )?error: .{10,}", result)
        self.assertRegex(text, r"(?m)^(heapline: )?\s*help: .{10,}", result)
        for word in words:
            self.assertRegex(text, "(?i)" + word, result)

    # ---- a program that waits to be let go on -----------------------------------

    def start_steady(self, blocks, options=(), bare=False, verb="run",
                     program=target("steady")):
        """steady.c after a tenth of its work, at rest until let_go(); nothing of the
        rest can come too early. Returns it (its profile as .profile), its collector."""
        profile, ready = self.new_profile(), self.path("ready")
        if os.path.exists(ready):
            os.unlink(ready)
        args = [program, str(blocks), ready, self.path("go")]
        env = self.environment()
        if bare:
            env.update(LD_PRELOAD=SHIM, HEAPLINE_OPTIONS="output=" + profile)
        else:
            output = ["-o", profile] if verb == "run" else []
            args = [HEAPLINE, verb, *output, *options, "--", *args]
        run = subprocess.Popen(args, env=env, cwd=self.dir, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        run.profile = profile
        self.addCleanup(run.communicate)
        self.addCleanup(run.kill)
        self.wait_for(lambda: os.path.exists(ready), PATIENCE, "the program to begin")
        found = self.collectors()
        self.assertEqual(len(found), 1, "collectors of this run")
        return run, found[0]

    def let_go(self):
        """Of steady.c: it has seen it when this is back."""
        os.rename(self.write("going", ""), self.path("go"))
        self.wait_for(lambda: not os.path.exists(self.path("go")), PATIENCE,
                      "the program to go on")

    # ---- a recording under way ----------------------------------------------------

    def recordings(self):
        """What `heapline ps` says of this test's."""
        listed = self.heapline("ps", "--json")
        self.assertEqual(listed.status, 0, listed)
        return [r for r in json.loads(listed.stdout)["recordings"]
                if r["profile"].startswith(self.dir)]

    # ---- waiting, and collectors ----------------------------------------------

    def wait_for(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                self.fail("waited %s s for %s" % (seconds, what))
            time.sleep(0.02)

    def collectors(self):
        """Pids of this test's `heapline collect` processes."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            args = read_proc(pid, "cmdline").split(b"\0")
            if len(args) < 2 or os.path.basename(args[0]) != b"heapline":
                continue
            if args[1] != b"collect" or b") Z" in read_proc(pid, "stat"):
                continue
            if self.is_ours(pid):
                found.append(int(pid))
        return found

    def is_ours(self, pid):
        if self.tag.encode() in read_proc(pid, "environ") + read_proc(pid, "cmdline"):
            return True
        folder = "/proc/%s/fd" % pid
        try:
            links = [os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)]
        except OSError:
            return False
        return any(self.tag in link for link in links)

    def end_collectors(self):
        for pid in self.collectors():
            os.kill(pid, signal.SIGKILL)


def read_proc(pid, name):
    try:
        with open("/proc/%s/%s" % (pid, name), "rb") as file:
            return file.read()
    except OSError:
        return b""


def kill_below(pid):
    """Kills what a `heapline run` has started, which goes on without it."""
    for below in descendants(pid):
        try:
            os.kill(below, signal.SIGKILL)
        except ProcessLookupError:
            pass


def descendants(pid):
    """Pids of the processes below pid, nearest first."""
    children = {}
    for other in filter(str.isdigit, os.listdir("/proc")):
        stat = read_proc(other, "stat").rpartition(b")")[2].split()
        if len(stat) > 1:
            children.setdefault(int(stat[1]), []).append(int(other))
    found = list(children.get(pid, []))
    for child in found:
        found += children.get(child, [])
    return found


def exe_of(pid):
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return ""


def processes(report):
    """The report's processes, where it lists them."""
    return report.get("processes") or []


def process_sums(process):
    totals = process.get("totals", process)
    return tuple(
        totals[k] for k in ("allocations", "frees", "allocated_bytes", "freed_bytes")
    )


def amount(report, name):
    """Sum of a counter wherever the report keeps it: at its top, among the losses,
    or with each process."""
    for place in (report, report.get("totals", {}), report.get("losses", {})):
        if name in place:
            return place[name]
    return sum(p.get(name, p.get("losses", {}).get(name, 0)) for p in processes(report))


def needs(program):
    """Skips a test where a program is missing."""
    return unittest.skipUnless(
        shutil.which(program, path="/usr/bin:/bin:/usr/sbin:/sbin"), program + " is missing"
    )


# ---- TAP ----------------------------------------------------------------------


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.count = 0
        self.began = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, test, ok, remark="", detail=""):
        self.count += 1
        name = re.sub(r"\W+", "_", test.id().split(".", 1)[-1])
        print("%s %d - %s%s" % ("ok" if ok else "not ok", self.count, name, remark))
        print("# %.1f s" % (time.monotonic() - self.began))
        for line in detail.splitlines():
            print("# " + line)
        sys.stdout.flush()

    def addSuccess(self, test):
        self.say(test, True)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say(test, True, " # SKIP " + reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say(test, False, detail=self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.say(test, False, detail=self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            detail = (self.failures + self.errors)[-1][1]
            self.say(test, False, " " + subtest._subDescription(), detail)


def python_version(python):
    """(major, minor) of an interpreter."""
    said = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:2])"],
                          stdout=subprocess.PIPE, check=True)
    return tuple(map(int, said.stdout.split()))


# Names as Rust mangles them by default up to 1.9x, which later ones call unstable.
LEGACY_RUST = ["-Z", "unstable-options", "-C", "symbol-mangling-version=legacy"]
UNSTABLE_RUST = {"RUSTC_BOOTSTRAP": "1"}


def kernel_version():
    """(major, minor) of the kernel."""
    return tuple(map(int, os.uname().release.split("-")[0].split(".")[:2]))


def at_ease():
    """Signals as a program at a terminal finds them: whoever started the tests in the
    background, or under nohup, had some ignored, and what is ignored is inherited.
    (Those that python itself ignores it restores in its children.)"""
    own = {signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals() - own:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)


def main():
    """Runs the calling file's tests; their names may be given as arguments."""
    at_ease()
    loader = unittest.TestLoader()
    module = sys.modules["__main__"]
    if len(sys.argv) > 1:
        tests = loader.loadTestsFromNames(sys.argv[1:], module)
    else:
        tests = loader.loadTestsFromModule(module)
    result = TapResult()
    tests.run(result)
    print("1..%d" % result.count)
    sys.exit(0 if result.wasSuccessful() else 1)
