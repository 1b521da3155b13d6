"""The house's rules, read off the sources and the shim: arrows between folders, the
shim's needed libraries and exported names, and the form of every file."""

import os
import re
import shutil
import subprocess
import unittest

import harness

BELOW = {  # what each folder of cli/ may include; preload/wire.h apart
    "base": {"base"},
    "profile": {"profile", "base"},
    "symbol": {"symbol", "profile", "base"},
    "heap": {"heap", "profile", "base"},
    "collect": {"collect", "heap", "symbol", "profile", "base"},
    "report": {"report", "heap", "symbol", "profile", "base"},
    # An export has the reports' figures: it asks them, and computes none of its own.
    "export": {"export", "report", "heap", "symbol", "profile", "base"},
    "gate": {"gate", "report", "heap", "symbol", "profile", "base"},
    # The terminal viewer shows reports' text, and computes nothing.
    "tui": {"tui", "report", "heap", "profile", "base"},
    # The web server hands over what it is given, and knows of no profile.
    "serve": {"serve", "base"},
    "cmd": {"cmd", "tui", "serve", "collect", "report", "export", "gate", "heap", "symbol",
            "profile", "base"},
}
USES_WIRE = {"collect", "cmd"}
HOOKS = {"malloc", "free", "calloc", "realloc", "reallocarray", "memalign",
         "aligned_alloc", "posix_memalign", "valloc", "pvalloc", "malloc_usable_size",
         "mmap", "munmap", "mremap", "mmap64"}
EXECS = {"execve", "execv", "execvpe", "execvp", "execl", "execlp", "execle", "execveat",
         "fexecve", "posix_spawn", "posix_spawnp", "_exit", "_Exit", "quick_exit",
         "wait", "waitpid", "wait3", "wait4", "waitid", "prctl", "syscall",
         "sigaltstack"}
LSAN = {"__lsan_" + n for n in (
    "do_leak_check", "do_recoverable_leak_check", "ignore_object", "disable", "enable",
    "register_root_region", "unregister_root_region")}
API = {"heapline_" + n for n in (
    "recording", "mark", "snapshot", "leak_check", "ignore", "disable", "enable",
    "root_region", "root_region_end", "alloc", "free",
    "pool_create", "pool_destroy")}
MAY_EXPORT = HOOKS | EXECS | LSAN | API | {"free_sized", "free_aligned_sized", "dlclose", "mremap64"}
SPEAKING = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")


def tracked():
    """The repository's files, also where there is no repository."""
    git = shutil.which("git", path="/usr/bin:/bin")
    if git and os.path.exists(os.path.join(harness.SOURCE, ".git")):
        done = subprocess.run([git, "-c", "safe.directory=*", "-C", harness.SOURCE,
                               "ls-files", "-z"], capture_output=True, check=False)
        if not done.returncode:
            names = done.stdout.decode().split("\0")
            return [n for n in names if os.path.isfile(os.path.join(harness.SOURCE, n))]
    found = []
    for folder, folders, names in os.walk(harness.SOURCE):
        folders[:] = [f for f in folders if not re.match(r"build|\.git$|node_modules|__py", f)]
        found += [os.path.relpath(os.path.join(folder, n), harness.SOURCE) for n in names]
    return found


def text_of(name):
    with open(os.path.join(harness.SOURCE, name), "rb") as file:
        return file.read().decode(errors="replace")


def sources(*folders):
    return [n for n in tracked() if n.endswith((".c", ".h"))
            and n.startswith(tuple(f + "/" for f in folders))]


def includes(name, kind):
    pattern = r'(?m)^\s*#\s*include\s*"([^"]+)"' if kind == "own" else (
        r"(?m)^\s*#\s*include\s*<([^>]+)>")
    return re.findall(pattern, text_of(name))


class Layout(unittest.TestCase):
    maxDiff = None

    def none(self, found, message):
        self.assertEqual(sorted(found), [], message)

    def test_arrows_of_cli_point_one_way(self):
        wrong = []
        for name in sources("cli"):
            parts = name.split("/")
            if len(parts) < 3:
                continue
            for other in includes(name, "own"):
                ok = "/" not in other  # its own folder's
                if other == "preload/wire.h":
                    ok = parts[1] in USES_WIRE
                elif other.startswith("cli/"):
                    ok = other.split("/")[1] in BELOW.get(parts[1], set())
                if not ok:
                    wrong.append("%s includes %s" % (name, other))
        self.none(wrong, "DESIGN: arrows")

    def test_preload_includes_nothing_of_cli(self):
        wrong = ["%s includes %s" % (n, o) for n in sources("preload")
                 for o in includes(n, "own") if "/" in o and not o.startswith("preload/")]
        self.none(wrong, "preload/ stands alone")

    def test_libraries_stay_in_their_folders(self):
        wrong = []
        for name in sources("cli", "preload"):
            for header in includes(name, "system"):
                dwarf = re.match(r"elfutils/|dwarf\.h|gelf\.h|libelf\.h|demangle\.h", header)
                if dwarf and not name.startswith(("cli/symbol/", "cli/heap/")):
                    wrong.append("%s includes <%s>" % (name, header))
                if header.startswith("libunwind") and not name.startswith("cli/heap/"):
                    wrong.append("%s includes <%s>" % (name, header))
        self.none(wrong, "libdw only in symbol/")

    def test_included_files_exist(self):
        known = set(tracked())
        wrong = []
        for name in sources("cli", "preload"):
            beside = os.path.dirname(name)
            for other in includes(name, "own"):
                if other not in known and os.path.join(beside, other) not in known:
                    generated = os.path.join(harness.BUILD, other)
                    if not os.path.exists(generated):
                        wrong.append("%s includes %s" % (name, other))
        self.none(wrong, "includes resolve from the root")

    def test_a_source_includes_its_own_header_first(self):
        known, wrong = set(tracked()), []
        for name in sources("cli", "preload"):
            header = name[:-2] + ".h"
            if not name.endswith(".c") or header not in known:
                continue
            first = re.search(r'#\s*include\s*["<]([^">]+)', text_of(name))
            if not first or os.path.basename(first.group(1)) != os.path.basename(header):
                wrong.append(name)
        self.none(wrong, "STYLE: FILES")

    def test_no_source_includes_a_source(self):
        wrong = [n for n in sources("cli", "preload") for o in includes(n, "own")
                 if o.endswith(".c")]
        self.none(wrong, "no .c includes a .c")

    def test_every_module_begins_with_what_it_is(self):
        known = set(tracked())
        wrong = [n for n in sources("cli", "preload", "tests/targets")
                 if not text_of(n).startswith("/*") and n[:-2] + ".h" not in known]
        self.none(wrong, "header comment")

    def test_lines_are_short(self):
        # 88 columns, with a grace of four; a remark at the end may overhang by eight.
        wrong = []
        for name in sources("cli", "preload", "tests"):
            for number, line in enumerate(text_of(name).splitlines(), 1):
                code = re.sub(r"\s*(/\*.*|\\)$", "", line)
                if len(code.expandtabs(8)) > 92 or len(line.expandtabs(8)) > 96:
                    wrong.append("%s:%d" % (name, number))
        self.none(wrong, "88 columns")

    def test_names_of_mutable_things_stay_out(self):
        place = re.compile(r"(?<![\w.])/(work|root|home|Users|mnt|build)/\w")
        wrong = []
        for name in tracked():
            text = text_of(name)
            if "\0" in text or name.endswith("test_layout.py"):
                continue
            if place.search(text):
                wrong.append(name + ": a path of some machine")
            for word in SPEAKING:
                if re.search(r"\b%s\b" % word, text):
                    wrong.append(name + ": " + word)
        self.none(wrong, "finished and at home anywhere")

    def test_nothing_built_is_tracked(self):
        wrong = [n for n in tracked()
                 if n.endswith((".o", ".so", ".a", ".heapline", ".pyc"))]
        self.none(wrong, "sources only")

    def test_no_assert_in_the_shim(self):
        wrong = [n for n in sources("preload")
                 if re.search(r"(?m)#include <assert|[^_]\bassert\(|\babort\(", text_of(n))]
        self.none(wrong, "a target is never aborted")


class Shim(unittest.TestCase):
    def readelf(self, *options):
        return subprocess.run(["readelf", "-W", *options, harness.SHIM],
                              capture_output=True, check=True).stdout.decode()

    @harness.needs("readelf")
    def test_it_needs_libc_alone(self):
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", self.readelf("-d")))
        # The loader is libc's own; it is where _dl_find_object lives.
        self.assertLessEqual(needed, {"libc.so.6", "ld-linux-x86-64.so.2",
                                      "ld-linux-aarch64.so.1"})
        self.assertIn("libc.so.6", needed)

    def exported(self):
        rows = (r.split() for r in self.readelf("--dyn-syms").splitlines())
        return {r[7].split("@")[0] for r in rows
                if len(r) == 8 and r[4] in ("GLOBAL", "WEAK") and r[6] != "UND"}

    @harness.needs("readelf")
    def test_it_exports_the_hooks_and_nothing_else(self):
        exported = self.exported()
        self.assertLessEqual(HOOKS | LSAN | API, exported, "names that are missing")
        self.assertEqual(sorted(exported - MAY_EXPORT), [], "names beside the hooks")

    @harness.needs("objdump")
    def test_entries_jump_where_they_go(self):
        for name in ("malloc", "calloc", "realloc", "free"):
            done = subprocess.run(["objdump", "-d", "--no-show-raw-insn",
                                   "--disassemble=" + name, harness.SHIM],
                                  capture_output=True, check=True).stdout.decode()
            code = re.findall(r"(?m)^ *[0-9a-f]+:\t(\w+)", done)
            self.assertTrue(code, name)
            # Of x86-64 and aarch64: calls, and words put on the stack.
            self.assertEqual(set(code) & {"call", "push", "bl", "blr", "stp"}, set(), name)

    @harness.needs("readelf")
    def test_its_thread_locals_are_initial_exec(self):
        relocations = self.readelf("-r")
        self.assertNotRegex(relocations, r"DTPMOD|TLSDESC")
        self.assertNotIn("__tls_get_addr", self.readelf("--dyn-syms"))

    @harness.needs("readelf")
    def test_it_has_no_writable_code_and_no_text_relocations(self):
        self.assertNotIn("TEXTREL", self.readelf("-d"))
        self.assertNotRegex(self.readelf("-l"), r"(GNU_STACK|LOAD).*RWE")

    @harness.needs("readelf")
    def test_it_calls_nothing_that_would_allocate_or_print(self):
        undefined = set(re.findall(r"UND (\w+)", self.readelf("--dyn-syms")))
        forbidden = {"malloc", "calloc", "realloc", "free", "printf", "fprintf", "fopen",
                     "fwrite", "puts", "abort", "__assert_fail", "dl_iterate_phdr",
                     "pthread_getattr_np", "pthread_mutex_lock", "_Unwind_Backtrace",
                     "dlopen", "exit"}
        self.assertEqual(sorted(undefined & forbidden), [])


if __name__ == "__main__":
    harness.main()
