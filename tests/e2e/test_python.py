"""CPython: a script's own lines, exact to the byte, of scripts that nobody changed.

HEAPLINE_PYTHONS names further interpreters, separated by colons."""

import glob
import os
import re

import harness

PYTHON = "/usr/bin/python3"
PYTHONS = [PYTHON, *filter(None, os.environ.get("HEAPLINE_PYTHONS", "").split(":"))]
VERSION = harness.python_version(PYTHON)
LIBPYTHON = sorted(glob.glob("/usr/lib/*/libpython3.*.so.1.0"))[0]

BUFFERS = "--no-objects"

EXAMPLE = """\
def my_func():
    a = [1] * (10 ** 6)
    b = [2] * (2 * 10 ** 7)
    del b
    return a

if __name__ == '__main__':
    my_func()
"""

# A bytearray of n bytes asks malloc for n + 1, as n is above 512: without objects, what
# lines allocate is known.
FRAMES = """\
import asyncio, ctypes, threading

def produce(n):
    for i in range(n):
        yield bytearray(1000)

def consume():
    return [block for block in produce(100)]

def order(blocks):
    return sorted(blocks, key=lambda b: bytes(2000) and len(b))

class Node:
    def __init__(self):
        self.data = bytearray(10000)

    def __lt__(self, other):
        self.seen = bytearray(3000)
        return id(self) < id(other)

def recurse(n):
    if n:
        return recurse(n - 1) + [bytearray(5000)]
    return [bytearray(6000)]

def body():
    mine = bytearray(123456)
    return recurse(20)

async def coroutine():
    one = bytearray(100000)
    await asyncio.sleep(0)
    other = bytearray(200000)
    return one, other

def call_back():
    kept = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int),
                            ctypes.POINTER(ctypes.c_int))
    def compare(a, b):
        kept.append(bytearray(7000))
        return a[0] - b[0]
    numbers = (ctypes.c_int * 2)(2, 1)
    ctypes.CDLL(None).qsort(numbers, 2, 4, kind(compare))
    return kept

def fail():
    held = bytearray(55555)
    raise ValueError(held)

def catch():
    try:
        fail()
    except ValueError as error:
        return error.args

def run_all():
    blocks = consume()
    order(blocks)
    nodes = sorted([Node(), Node()])
    threads = [threading.Thread(target=body) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pair = asyncio.run(coroutine())
    kept = call_back()
    for n in range(50):
        exec(compile("\\n" * (n % 7) + "block = bytearray(9000)", "cell", "exec"), {})
    return blocks, nodes, pair, kept, catch(), recurse(1500 if deep else 20)

import sys
deep = len(sys.argv) > 1
sys.setrecursionlimit(10000)
run_all()
"""


def line_of(text, source=FRAMES):
    lines = source.split("\n")
    return 1 + next(i for i, line in enumerate(lines) if text in line)


class Case(harness.Case):
    def run_script(self, text, *options, python=PYTHON, args=(), name="script.py",
                   **how):
        script = self.write(name, text)
        result = self.record([python, "-B", script, *args], options, **how)
        self.assertEqual(result.status, 0, result)
        report = self.report_json(result)
        self.assert_lossless(report)
        self.assertEqual((report["unknown_frees"], report["unseen_frees"]), (0, 0))
        return result

    def lines(self, result, name):
        """{line: (allocated blocks, allocated bytes)} of a function of the script's."""
        return {
            number: (line["occurrences"], line["allocated"])
            for number, line in self.function_lines(result, name).items()
            if line["occurrences"] is not None
        }


class Example(Case):
    def test_its_layout_is_memory_profilers_to_the_letter(self):
        result = self.run_script(EXAMPLE)
        shown = self.heapline("lines", "--function", "^my_func$", result.profile)
        text = shown.stdout.decode()
        row = "%6s %12s %12s  %10s   %s"
        head = "Line #    Mem usage    Increment  Occurrences   Line Contents"
        source = EXAMPLE.split("\n")
        fields = [line.split() for line in text.split("\n") if "MiB    " in line]
        usage = [field[1] + " MiB" for field in fields]
        blocks = [field[5] for field in fields]
        self.assertIn("\n".join([
            "Filename: " + self.path("script.py"),
            "",
            head,
            "=" * len(head),
            row % (1, "", "", "", source[0]),
            row % (2, usage[0], "7.6 MiB", blocks[0], source[1]),
            row % (3, usage[1], "152.6 MiB", blocks[1], source[2]),
            row % (4, usage[2], "-152.6 MiB", 0, source[3]),
            row % (5, "", "", "", source[4]),
            ""]), text)

    def test_its_buffers_are_exact_on_every_interpreter(self):
        for python in PYTHONS:
            with self.subTest(python=python):
                result = self.run_script(EXAMPLE, BUFFERS, python=python)
                lines = self.function_lines(result, "my_func")
                self.assertEqual(lines[2]["increment"], 8000000)
                self.assertEqual(lines[3]["increment"], 160000000)
                self.assertEqual(lines[4]["increment"], -160000000)
                self.assertEqual(lines[3]["mem_usage"] - lines[4]["mem_usage"], 160000000)
                self.assertIsNone(lines[5]["increment"])


class Frames(Case):
    def assert_frames(self, result, rounds=20, cells=50):
        def has(name, text, blocks, bytes_, at_least=False):
            got = self.lines(result, name)[line_of(text)]
            if at_least: # what the interpreter allocates there, too
                self.assertGreaterEqual(got, (blocks, bytes_), (name, text))
            else:
                self.assertEqual(got, (blocks, bytes_), (name, text))

        has("produce", "yield bytearray", 100, 100 * 1001)
        has("consume", "for block in produce", 100, 100 * 1001, True)
        has("order", "key=lambda", 100, 100 * 2033, True)
        has("Node.__init__", "bytearray(10000)", 2, 2 * 10001)
        has("Node.__lt__", "bytearray(3000)", 1, 3001)
        has("body", "bytearray(123456)", 3, 3 * 123457)
        has("coroutine", "bytearray(100000)", 1, 100001)
        has("coroutine", "bytearray(200000)", 1, 200001)
        has("call_back.<locals>.compare", "bytearray(7000)", 1, 7001)
        has("call_back", "qsort(numbers", 1, 7001, True)
        has("fail", "held = bytearray", 1, 55556)
        has("run_all", "catch(), rec", 1 + rounds, 55556 + rounds * 5001, True)
        has("recurse", "bytearray(6000)", 4, 4 * 6001)
        deep = self.lines(result, "recurse")[line_of("bytearray(5000)")]
        self.assertGreaterEqual(deep[0], 60 + rounds)
        self.assertGreaterEqual(deep[1], (60 + rounds) * 5001)
        cell = [f for f in self.lines_json(result)["functions"]
                if f["file"].endswith("cell")]
        blocks = {}
        for line in (line for f in cell for line in f["lines"]):
            blocks[line["line"]] = (blocks.get(line["line"], 0)
                                    + (line["allocated"] or 0) // 9001)
        blocks = {line: count for line, count in blocks.items() if count}
        self.assertEqual(blocks, {1 + n: len(range(n, cells, 7)) for n in range(7)})

    def test_every_line_has_its_own_blocks(self):
        self.assert_frames(self.run_script(FRAMES, BUFFERS))

    def test_python_alone_has_the_same_lines(self):
        result = self.run_script(FRAMES, BUFFERS, "--python=only")
        self.assert_frames(result)
        shown = self.heapline("tree", "--all", result.profile).stdout
        self.assertNotIn(b"_PyEval", shown)

    def test_native_is_without_python(self):
        result = self.run_script(FRAMES, BUFFERS, "--python=native")
        self.assertEqual([f["name"] for f in self.lines_json(result)["functions"]
                          if f["file"].endswith(".py")], [])

    def test_an_unknown_choice_is_told(self):
        result = self.heapline("run", "--python=both", "--", "/bin/true")
        self.assert_error(result, 125, "merged")

    def test_very_deep_stacks_keep_both_ends(self):
        result = self.run_script(FRAMES, BUFFERS, args=["deep"])
        self.assert_frames(result, rounds=1500)
        result = self.run_script(FRAMES.replace("1500", "4000"), BUFFERS, args=["deep"])
        main = self.lines(result, "run_all")[line_of("catch(), rec")]
        self.assertGreaterEqual(main[1], 4000 * 5001)

    def test_every_interpreter_has_them(self):
        for python in PYTHONS[1:]:
            with self.subTest(python=python):
                result = self.run_script(FRAMES, BUFFERS, python=python)
                names = {"produce", "body", "fail", "order", "coroutine"}
                found = {f["name"]: f for f in self.lines_json(result)["functions"]}
                self.assertLessEqual(names, set(found))
                self.assertEqual(
                    self.lines(result, "produce")[line_of("yield bytearray")],
                    (100, 100 * 1001))
                self.assertEqual(self.lines(result, "body")
                                 [line_of("bytearray(123456)")], (3, 3 * 123457))


class Order(Case):
    """What the interpreter's threads do is in order with what needs no lock."""

    SCRIPT = """\
import ctypes, sys, threading
loop = ctypes.CDLL(sys.argv[1]).loop
threads = [threading.Thread(target=loop, args=(500000,)) for _ in range(2)]
for thread in threads:
    thread.start()
while threads[0].is_alive():
    blocks = [bytes(700 + i * 8 % 2000) for i in range(100)]
for thread in threads:
    thread.join()
"""

    def test_what_is_freed_on_both_sides_of_a_fork(self):
        self.run_script("""\
import os
for i in range(40):
    keep = [object() for _ in range(3000)]
    both = [[1, i] for _ in range(20)]
    pid = os.fork()
    del both
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
""")

    def test_no_address_is_given_out_twice(self):
        # One arena, no caches: what a thread frees is what another is given.
        tunables = "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0"
        for allocator in ("pymalloc", "malloc"):
            with self.subTest(allocator):
                self.run_script(self.SCRIPT, args=[harness.target("unlocked.so")],
                                env={"GLIBC_TUNABLES": tunables,
                                     "PYTHONMALLOC": allocator})


class Ways(Case):
    """Ways in which an interpreter comes into a process."""

    SCRIPT = "held = []\ndef keep():\n    held.append(bytearray(33333))\nkeep()\n"

    def test_in_a_program_that_loads_it_late_for_itself(self):
        script = self.write("inner.py", self.SCRIPT)
        result = self.record([harness.target("embed"), LIBPYTHON, script], [BUFFERS])
        self.assertEqual(result.status, 0, result)
        self.assertEqual(self.lines(result, "keep"), {3: (1, 33334)})

    def test_in_threads_of_that_program(self):
        script = self.write("inner.py", self.SCRIPT.replace("held = []\n", "")
                            .replace("held.append", "len"))
        result = self.record([harness.target("embed"), LIBPYTHON, script, "8"], [BUFFERS])
        self.assertEqual(result.status, 0, result)
        lines = {2: 0}
        for function in self.lines_json(result)["functions"]:
            if function["name"] == "keep":
                for line in function["lines"]:
                    if line["line"] in lines:
                        lines[line["line"]] += line["allocated"]
        self.assertEqual(lines, {2: 8 * 33334})

    def test_by_a_bare_preload_and_in_what_it_starts(self):
        script = self.write("inner.py", self.SCRIPT)
        outer = "import subprocess, sys\nsubprocess.run([sys.executable, %r])\n" % script
        result = self.preload([PYTHON, "-B", self.write("outer.py", outer)])
        self.assertEqual(result.status, 0, result)
        self.assertEqual(self.lines(result, "keep")[3][0], 3) # object, buffer, list's

    def test_in_fork_children(self):
        script = "import os\n" + self.SCRIPT.replace(
            "\nkeep()", "\nfor n in range(3):\n    if not os.fork():\n"
            "        keep()\n        os._exit(0)\nfor n in range(3):\n    os.wait()")
        result = self.run_script(script, BUFFERS)
        self.assertEqual(self.lines(result, "keep"), {4: (3, 3 * 33334)})
        processes = self.read_json("info", result.profile)["processes"]
        self.assertEqual(len(processes), 4)
        self.assertEqual([p["python"] for p in processes],
                         4 * [{"version": "%d.%d" % VERSION, "frames": True, "why": "",
                               "objects": False}])

    def test_isolated_and_in_development_mode(self):
        for options in ["-I"], ["-E"], ["-X", "dev"], ["-S"]:
            with self.subTest(options=options):
                script = self.write("inner.py", self.SCRIPT)
                result = self.record([PYTHON, *options, script], [BUFFERS])
                self.assertEqual(result.status, 0, result)
                blocks, size = self.lines(result, "keep")[3]
                self.assertEqual(blocks, 1)
                # (Development mode puts guards around each block.)
                self.assertLessEqual(33334, size)

    def test_code_that_is_remade_at_the_same_address_keeps_its_lines(self):
        script = """\
import gc
def once(n):
    names = {}
    exec(compile("def made(): \\n" + "\\n" * n + " return bytearray(4000)", "made",
                 "exec"), names)
    return names["made"]()
for i in range(600):
    once(i % 100)
    gc.collect()
"""
        result = self.run_script(script, BUFFERS)
        lines = {}
        for f in self.lines_json(result)["functions"]:
            if f["name"] == "made":
                for line in f["lines"]:
                    lines[line["line"]] = (lines.get(line["line"], 0)
                                           + (line["allocated"] or 0) // 4001)
        lines = {line: count for line, count in lines.items() if count}
        self.assertEqual(lines, {2 + n: 6 for n in range(100)})


class Marks(Case):
    SCRIPT = """\
def profile(function):
    return function

def large():
    return bytearray(10 ** 7)

@profile
def marked():
    return bytearray(10 ** 3)

@staticmethod
@profile
def second():
    return bytearray(10 ** 4)

@profile_of_others if False else profile
def unmarked():
    return bytearray(10 ** 5)

large(); marked(); second(); unmarked()
"""

    def test_a_script_with_the_decorator_needs_nobody_to_bring_it(self):
        text = """\
%s
@profile
def marked():
    return bytearray(44444)

@profile(precision=2)
def other():
    return bytearray(5555)

print(len(marked()), len(other()))
"""
        for python in PYTHONS:
            for imports in "", "from memory_profiler import profile":
                with self.subTest(python=python, imports=imports):
                    result = self.run_script(text % imports, BUFFERS, python=python)
                    self.assertEqual(result.stdout, b"44444 5555\n")
                    self.assertEqual(self.lines(result, "marked")[4], (1, 44445))

    def test_a_memory_profiler_that_is_there_is_the_one(self):
        self.write("memory_profiler.py", "def profile(f):\n    return lambda: 'its'\n")
        result = self.run_script(
            "from memory_profiler import profile\n@profile\ndef f():\n    return 1\n"
            "print(f())\n")
        self.assertEqual(result.stdout, b"its\n")

    def test_without_it_in_the_script_nothing_is_there(self):
        script = self.write("plain.py", "print('profile' in dir(__builtins__))\n")
        self.assertEqual(self.record([PYTHON, script]).stdout, b"False\n")

    def test_decorated_functions_come_first(self):
        result = self.run_script(self.SCRIPT)
        shown = self.heapline("lines", result.profile).stdout.decode()
        places = [shown.index("def %s(" % name) for name in ("second", "marked")]
        places += [shown.index("bytearray(10 ** %d)" % n) for n in (7, 5)]
        self.assertEqual(places, sorted(places))


TEXTS = """\
import collections, dataclasses
def make():
    @dataclasses.dataclass
    class Point:
        x: int
    Pair = collections.namedtuple("Pair", "one other")
    return [Point(i) for i in range(999)] + [Pair(i, i) for i in range(999)]
kept = make()
names = {}
exec("def own(n):\\n    return [bytes(1000) for _ in range(n)]", names)
more = names["own"](100)
exec(compile("cell = [bytes(500) for _ in range(100)]", "<template>", "exec"), names)
"""


class Texts(Case):
    """Code that was made of a text belongs to whoever executed that."""

    def files(self, result, *options):
        said = self.heapline("lines", "-n", "9999", *options, result.profile)
        return set(re.findall(r"(?m)^Filename: (.*)$", said.stdout.decode()))

    def test_a_librarys_is_the_librarys_and_the_scripts_is_the_scripts(self):
        for python in PYTHONS:
            with self.subTest(python=python):
                result = self.run_script(TEXTS, python=python)
                script = self.path("script.py")
                self.assertEqual(self.files(result), {
                    script, script + " <string>", script + " <template>"})
                library = " ".join(self.files(result, "--all"))
                self.assertRegex(library, r"/dataclasses\.py <string>")

    def test_what_was_typed_in_is_nobody_elses(self):
        result = self.record([PYTHON, "-c", "kept = [bytes(99) for _ in range(99)]"])
        self.assertEqual(self.files(result), {"<string>"})
        result = self.record([PYTHON, "-"], stdin=TEXTS.encode())
        self.assertEqual(self.files(result), {"<stdin>", "<string>", "<template>"})


class Unknown(Case):
    """What is not known, or not so, is switched off and told; the program goes on."""

    def test_frames_are_off_and_the_reason_is_told(self):
        for name, word in (("new", "lays out"), ("build", "usual build"),
                           ("state", "not where"), ("frames", "not where")):
            with self.subTest(name=name):
                result = self.record([harness.target("fake_python_" + name)])
                self.assertEqual(result.status, 0, result)
                self.assertEqual(
                    self.lines(result, "fake_run")[line_of(
                        "printf", open(os.path.join(
                            harness.SOURCE, "tests", "targets", "fake_python.c"),
                            encoding="utf-8").read())][0], 2)
                shown = self.heapline("report", result.profile).stdout.decode()
                self.assertRegex(shown, "WARNING: Python 3.1[16]: native stacks only.*"
                                 + word)
                info = self.read_json("info", result.profile)
                python = info["processes"][0]["python"]
                self.assertFalse(python["frames"])

    def test_programs_without_python_say_nothing_of_it(self):
        result = self.record([harness.target("example")])
        self.assertNotIn(b"Python", self.heapline("report", result.profile).stdout)
        info = self.read_json("info", result.profile)
        self.assertIsNone(info["processes"][0]["python"])


if __name__ == "__main__":
    harness.main()
