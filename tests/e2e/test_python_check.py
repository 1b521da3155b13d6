"""`heapline check` of Python programs, with nothing left out: what the interpreter keeps
past its end is no leak, and what a program loses is one.

HEAPLINE_PYTHONS names further interpreters, separated by colons."""

import os

import harness

PYTHONS = ["/usr/bin/python3",
           *filter(None, os.environ.get("HEAPLINE_PYTHONS", "").split(":"))]

BUSY = """\
import asyncio, collections, dataclasses, decimal, json, re, threading
@dataclasses.dataclass
class Point:
    x: int
    y: str = "unlikely " * 3
Pair = collections.namedtuple("Pair", "one other")
cache = {str(i): Point(i) for i in range(2000)}
thread = threading.Thread(target=lambda: cache.update(t=json.dumps([1.5] * 100)))
thread.start()
thread.join()
async def wait():
    await asyncio.sleep(0)
    return Pair(re.compile("a+|b").findall("aabb"), decimal.Decimal(1) / 7)
cache["pair"] = asyncio.run(wait())
cache["itself"] = cache
"""

# Addresses are only ever in registers and in integers, which have other digits. What the
# interpreter's variables still point at when it has ended was freed, and may be another's
# since: a block of LARGE bytes has a mapping of its own, and of many small ones only some
# can be held so.
LARGE = 5 << 20
LOST = """\
import ctypes
c, python = ctypes.CDLL(None), ctypes.pythonapi
c.malloc.restype = python.PyMem_Malloc.restype = ctypes.c_void_p
c.malloc.argtypes = python.PyMem_Malloc.argtypes = [ctypes.c_size_t]
def lose():
    for i in range(%d): %s
lose()
"""


# A struct {int fd; char *name;} with -1 in it looks much like an object whose count is the
# one that never changes (from 3.12 on), but its pointer is at no type.
ALIKE = """\
import ctypes
c = ctypes.CDLL(None)
c.calloc.restype = ctypes.c_void_p
c.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
def lose():
    lost = c.calloc(1, 5 << 20)
    ctypes.memset(lost, 255, 4)
    ctypes.memmove(lost + 8, ctypes.byref(ctypes.c_void_p(c.calloc(1, 40))), 8)
lose()
"""


# A block that has the head of an object that was freed, as a deque's has where a frame
# was, and the only pointer to it: at its start, where the collector's links would be.
LEFT = """\
import ctypes
c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
def keep():
    kept = c.malloc(5 << 20)
    head = (ctypes.c_void_p * 4)(kept + 128, kept + 128, 0, id(tuple))
    ctypes.memset(kept, 0, 5 << 20)
    ctypes.memmove(kept, head, 32)
    ctypes.c_void_p.in_dll(c, "argp_program_version_hook").value = %s
keep()
"""


class Check(harness.Case):
    def check(self, python, text, status, *options):
        script = self.write("script.py", text)
        result = self.heapline("check", *options, "--", python, script)
        self.assertEqual(result.status, status, result)
        return (result.stdout + result.stderr).decode()

    def test_a_script_that_does_nothing_leaks_nothing(self):
        for python in PYTHONS:
            with self.subTest(python=python):
                self.check(python, "pass\n", 0)

    def test_what_lives_when_the_interpreter_ends_is_no_leak(self):
        for python in PYTHONS:
            with self.subTest(python=python):
                self.check(python, BUSY, 0)

    def test_what_native_code_loses_is_one_and_told_by_the_scripts_line(self):
        for python in PYTHONS:
            for count, call, size in (
                    (1, f"c.malloc({LARGE})", r"5\.0 MiB in 1 block"),
                    (50, "python.PyMem_Malloc(123)", r"KiB in (4\d|50) blocks")):
                with self.subTest(python=python, call=call):
                    said = self.check(python, LOST % (count, call), 23)
                    self.assertRegex(said, size)
                    self.assertRegex(said, r"lose\s+script\.py:6")

    def test_what_looks_like_an_object_that_is_never_freed_is_a_leak(self):
        for python in PYTHONS:
            with self.subTest(python=python):
                said = self.check(python, ALIKE, 23)
                self.assertRegex(said, r"5\.0 MiB in 1 block")
                self.assertRegex(said, r"lose\s+script\.py:6")

    def test_what_looks_like_an_object_that_was_freed_is_held_by_its_start(self):
        for python in PYTHONS:
            with self.subTest(python=python):
                self.check(python, LEFT % "kept", 0)
                said = self.check(python, LEFT % "0", 23)
                self.assertRegex(said, r"5\.0 MiB in 1 block")


if __name__ == "__main__":
    harness.main()
