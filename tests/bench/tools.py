"""The tools that the bench compares: how each is run, and what it says of its totals.

A Tool's command(work, out) gives the environment and the words before the work's own
command. `out` is a path that all of its files begin with.
"""

import glob
import json
import os
import re
import shutil
import subprocess

LIBRARIES = "/usr/lib/x86_64-linux-gnu/"


class Tool:
    packages = ()
    slowness = 1  # about how many times slower than native a slow one is
    note = ""
    forgiven = 20  # allocations that may differ: its own at the start, or missed then
    counter = None  # the counting shim can stand before it (its allocator) or behind it

    def __init__(self, name, what):
        self.name, self.what = name, what

    def missing(self):
        return None

    def command(self, work, out):
        return {}, []

    def files(self, out):
        return [p for p in glob.glob(glob.escape(out) + "*")
                if not p.endswith((".json", ".err", ".out", ".counts"))]

    def report(self, work, out):
        """The command of its first textual report, or None."""
        return None

    def totals(self, work, out):
        """{"allocations": n, "bytes": n} as far as it tells them; "lost" events."""
        return {}


class Preload(Tool):
    def __init__(self, name, what, library, packages, **how):
        super().__init__(name, what)
        self.library, self.packages, self.env = library, packages, how

    def missing(self):
        if not os.path.exists(self.library):
            return "not installed (Debian: %s)" % " ".join(self.packages)
        return None

    def variables(self, out):
        return {k: v.replace("OUT", out) for k, v in self.env.items()}

    def command(self, work, out):
        return dict(self.variables(out), LD_PRELOAD=self.library), []


class Heapline(Tool):
    counter = "behind"
    forgiven = 0

    def __init__(self, name, what, build, *options, exact=True):
        super().__init__(name, what)
        self.binary = os.path.join(build, "cli", "heapline")
        self.options, self.exact = options, exact

    def missing(self):
        help_text = subprocess.run([self.binary, "run", "--help"], check=False,
                                   capture_output=True, text=True).stdout
        for option in self.options:
            if option.startswith("--") and option.split("=")[0] not in help_text:
                return "this heapline has no " + option.split("=")[0]
        return None

    def command(self, work, out):
        # (The counting shim behind it knows of malloc alone.)
        objects = ["--no-objects"] if work.name == "python3" else []
        return {}, [self.binary, "run", "-q", "-f", "-o", out + ".heapline",
                    *self.options, *objects, "--"]

    def report(self, work, out):
        return [self.binary, "report", out + ".heapline"]

    def totals(self, work, out):
        done = subprocess.run([self.binary, "report", "--json", out + ".heapline"],
                              check=True, capture_output=True)
        report = json.loads(done.stdout)
        found = {"lost": report["losses"]["events"] + report["losses"]["cut_stacks"]}
        if self.exact:
            found["allocations"] = report["totals"]["allocations"]
            found["bytes"] = report["totals"]["allocated_bytes"]
        else:
            found["estimate"] = report["totals"]["allocated_bytes"]
        return found


class Heaptrack(Tool):
    packages = ("heaptrack",)
    # No shim can stand before it, and behind it one sees what heaptrack itself allocates.
    note = "stacks cut at 64 frames; no total of bytes"

    def missing(self):
        return None if shutil.which("heaptrack") else "not installed (Debian: heaptrack)"

    def command(self, work, out):
        return {}, ["heaptrack", "-o", out]

    def report(self, work, out):
        return ["heaptrack_print", "-f", out + ".zst"]

    def totals(self, work, out):
        # Its recorder prints the sums of the trace on standard error.
        text = read(out + ".err")
        found = re.search(r"^\s*allocations:\s+(\d+)", text, re.M)
        return {"allocations": int(found.group(1))} if found else {}


class Gperftools(Preload):
    counter = "before"
    slowness = 30
    note = "tcmalloc in place of libc's malloc; stacks cut at 32 frames"

    def report(self, work, out):
        dumps = sorted(glob.glob(glob.escape(out) + ".*.heap"))
        return dumps and ["google-pprof", "--text", work.program, dumps[-1]]

    def totals(self, work, out):
        dumps = sorted(glob.glob(glob.escape(out) + ".*.heap"))
        if not dumps:
            return {}
        head = read(dumps[-1]).split("\n", 1)[0]
        found = re.search(r"\[\s*(\d+):\s*(\d+)\]", head)
        return found and {"allocations": int(found[1]), "bytes": int(found[2])}


class Jemalloc(Preload):
    counter = "before"
    slowness = 20
    note = "its own malloc; bytes are rounded up to its size classes"

    def report(self, work, out):
        dumps = glob.glob(glob.escape(out) + ".*.heap")
        return dumps and ["jeprof", "--text", work.program, dumps[-1]]

    def totals(self, work, out):
        dumps = glob.glob(glob.escape(out) + ".*.heap")
        found = dumps and re.search(r"t\*: \d+: \d+ \[(\d+): \d+\]", read(dumps[-1]))
        return {"allocations": int(found.group(1))} if found else {}


class Valgrind(Tool):
    packages = ("valgrind",)

    def __init__(self, name, what, slowness):
        super().__init__(name, what)
        self.slowness = slowness

    def missing(self):
        return None if shutil.which("valgrind") else "not installed (Debian: valgrind)"

    def command(self, work, out):
        return {}, ["valgrind", "--tool=" + self.name, "--%s-out-file=%s.%s"
                    % (self.name, out, self.name)]


class Massif(Valgrind):
    note = "says no totals; the program runs inside the tool: its memory is in tool M"

    def report(self, work, out):
        return ["ms_print", out + ".massif"]


class Dhat(Valgrind):
    note = "no textual report; a realloc is no new block to it; memory as massif"

    def totals(self, work, out):
        found = re.search(r"Total:\s+([\d,]+) bytes in ([\d,]+) blocks", read(out + ".err"))
        if not found:
            return {}
        size, blocks = (int(g.replace(",", "")) for g in found.groups())
        return {"allocations": blocks, "bytes": size}


class Lsan(Preload):
    note = "its own malloc; says no totals; its report is part of the run"


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def all_tools(build):
    shims = os.path.join(build, "tests", "bench")
    tcmalloc = LIBRARIES + "libtcmalloc.so.4"
    lsan = LIBRARIES + "liblsan.so.0"
    found = [
        Tool("native", "no tool"),
        Preload("counting", "malloc interposed, counting only",
                os.path.join(shims, "libcounting.so"), ()),
        Heapline("heapline", "heapline run", build),
        Heapline("heapline-nofree", "heapline run --no-free-stacks", build,
                 "--no-free-stacks"),
        Heapline("heapline-sampled", "heapline run --sample=512KiB", build,
                 "--sample=512KiB", exact=False),
        Heapline("heapline-off", "heapline run --delay=24h: preloaded, not recording",
                 build, "--delay=24h", exact=False),
        Heaptrack("heaptrack", "heaptrack"),
        Gperftools("gperftools", "gperftools' heap profiler (HEAPPROFILE)", tcmalloc,
                   ("libgoogle-perftools4", "google-perftools"), HEAPPROFILE="OUT"),
        Jemalloc("jemalloc", "jemalloc's profiler, lg_prof_sample:0 (every allocation)",
                 LIBRARIES + "libjemalloc.so.2", ("libjemalloc2", "libjemalloc-dev"),
                 MALLOC_CONF="prof:true,prof_final:true,prof_accum:true,"
                 "lg_prof_sample:0,prof_prefix:OUT"),
        Massif("massif", "Valgrind massif", 40),
        Dhat("dhat", "Valgrind DHAT", 60),
        Lsan("lsan", "liblsan preloaded, unwinding by frame pointers", lsan,
             ("liblsan0",), LSAN_OPTIONS="exitcode=0"),
        Lsan("lsan-full", "liblsan preloaded, fast_unwind_on_malloc=0", lsan,
             ("liblsan0",), LSAN_OPTIONS="exitcode=0:fast_unwind_on_malloc=0"),
    ]
    found[-1].slowness = 60
    return found
