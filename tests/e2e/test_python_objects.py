"""CPython's objects, by the block and the byte, as the layouts of Debian's interpreter
have them (of 3.11 and later), but where several are told of.

HEAPLINE_PYTHONS names further interpreters, separated by colons."""

import test_python
from test_python import PYTHON, PYTHONS, VERSION, harness, line_of

# From 3.13 on attributes are in their object's own block; from 3.14 on up to 100 ints
# that were freed are kept for the next ones.
INSIDE = VERSION >= (3, 13)
KEPT_INTS = 100 if VERSION >= (3, 14) else 0


OBJECTS = """\
import array, gc, itertools

class Plain:
    def __init__(self):
        self.x = self.y = None

class Slotted:
    __slots__ = ("x", "y")
    def __init__(self):
        self.x = self.y = None

# The first ones have room for attributes that might yet come.
for _ in range(99):
    Plain()

def ranges():
    return range(10 ** 6)

def comprehension():
    return [i for i in range(10 ** 6)]

def plain():
    places = [None] * 100000
    for i in range(100000):
        places[i] = Plain()
    return places

def slotted():
    places = [None] * 100000
    for i in range(100000):
        places[i] = Slotted()
    return places

def ints():
    return list(numbers)

def arrays():
    array.array('i', ()) # whose tuple of arguments is kept for the next one
    return array.array('i', iter(numbers))

def sets():
    return set(numbers)

class Node:
    def __init__(self):
        self.me = self

def cycles():
    gc.disable()
    for _ in itertools.repeat(None, 10000):
        Node()
    freed = gc.collect()
    gc.enable()

def pool(fresh):
    kept = Slotted()
    for _ in itertools.repeat(None, 10000):
        object = Slotted() if fresh else kept

numbers = [n for n in range(10000)]
ranges(); comprehension(); plain(); slotted(); ints(); arrays(); sets(); cycles()
pool(False)
pool(True)
"""


CYCLES = """\
import gc

class Node:
    def __init__(self):
        self.me = self

for _ in range(99):
    Node()
gc.disable()
gc.collect()
for _ in range(10000):
    Node() # kept by itself
gc.collect() # at last
"""


CHURN = """\
import array, itertools

class Slotted:
    __slots__ = ("x", "y")

def fresh():
    for _ in itertools.repeat(None, 20000):
        one = Slotted() # pool

def pooled():
    free = [Slotted()]
    for _ in itertools.repeat(None, 20000):
        one = free.pop() # reused
        free.append(one)

def numbers():
    x = 1000
    for _ in itertools.repeat(None, 20000):
        x = x + 1 # numbers

def whole(n):
    return sum([x * x for x in range(n)]) # whole

def one_by_one(n):
    return sum(x * x for x in range(n)) # one by one

def kept(n):
    squares = [x * x for x in range(n)] # kept
    return sum(squares) + len(squares)

def replaced(n):
    for _ in itertools.repeat(None, 30):
        squares = [x * x for x in range(n)] # replaced
    return squares

def listed(n):
    return [x * x for x in range(n)] # listed

def arranged(n):
    return array.array("q", (x * x for x in range(n))) # arranged

def mapped(n):
    return {x: x * x for x in range(n)} # mapped

def again():
    for n in itertools.repeat((1, 2, 3, 4), 10000):
        for x in n:
            text = "text " * x # again

def never_again():
    for n in range(40000):
        text = "text %d" % n # never again

again(); never_again()
fresh(); pooled(); numbers(); whole(20000); one_by_one(20000); kept(20000)
replaced(1000)
at_the_peak = listed(30000), arranged(30000), mapped(30000)
"""


class Churn(test_python.Case):
    def advice(self, result):
        lines = CHURN.split("\n")
        return {lines[site["line"] - 1].split("# ")[-1]: site["advice"]
                for site in self.read_json("churn", result.profile)["sites"]
                if site["file"].endswith("script.py") and site["advice"]}

    def test_advice_is_given_where_numbers_tell_it_and_nowhere_else(self):
        for python in PYTHONS:
            with self.subTest(python=python):
                result = self.run_script(CHURN, python=python)
                want = {"pool": "pool", "listed": "array", "again": "cache"}
                (version,) = {p["python"]["version"] for p in self.read_json(
                    "info", result.profile)["processes"]}
                # From 3.12 on a comprehension has no frame of its own.
                own = int(version.split(".")[1]) < 12
                self.assertEqual(self.advice(result),
                                 {**want, "whole": "generator"} if own else want)

    def test_words_for_people(self):
        result = self.run_script(CHURN)
        text = self.heapline("churn", "-n99", result.profile).stdout.decode()
        text = " ".join(text.split())
        numbers = r"29,\d+" if KEPT_INTS else "29,983"
        self.assertRegex(text, "array: %s numbers and the lists that they are in had"
                         % numbers)
        said = ["pool: 20,000 objects were made by calling a class, 100.0 % freed"]
        if VERSION < (3, 12): # from then on a comprehension has no frame of its own
            said += ["generator: the 39,", "its own line: if the list is gone through"]
        for words in said:
            self.assertIn(words, text)

    def test_values_are_those_of_the_objects(self):
        result = self.run_script(CHURN)
        lines = CHURN.split("\n")
        sites = {lines[site["line"] - 1].split("# ")[-1]: site
                 for site in self.read_json("churn", result.profile)["sites"]
                 if site["file"].endswith("script.py")}
        again, never = sites["again"], sites["never again"]
        # From 97 to 160 frees lie between two that are looked at; whose they are is by
        # chance, as other objects come and go in the same loops.
        for site in (again, never):
            self.assertIn(site["values"], range(site["frees"] // 400, site["frees"] // 50))
        self.assertGreaterEqual(again["repeated"], again["values"] - 8)
        self.assertEqual(never["repeated"], 0)
        self.assertIn("of %s texts and numbers that were looked at, %s had one of 8" % (
            format(again["values"], ","), format(again["repeated"], ",")), again["reason"])

    def test_without_native_frames_no_class_is_known(self):
        result = self.run_script(CHURN, "--python=only")
        self.assertNotIn("pool", self.advice(result))


class Objects(test_python.Case):
    """Small objects, by the byte."""

    def setUp(self):
        super().setUp()
        self.result = self.run_script(OBJECTS)

    def line(self, function, text, script=OBJECTS, result=None):
        lines = next(f["lines"] for f in self.lines_json(result or self.result)[
            "functions"] if f["file"].endswith("script.py") and f["name"] == function)
        number = line_of(text, script)
        return next(line for line in lines if line["line"] == number)

    def test_a_range_is_next_to_nothing_where_a_list_is_a_million_objects(self):
        self.assertLess(self.line("ranges", "return range")["allocated"], 300)
        line = self.line("comprehension", "for i in range")
        self.assert_ints(line["increment"] - 8448672, 10 ** 6)
        self.assertGreater(line["occurrences"], 990000)

    def assert_ints(self, size, count):
        """Those of range(count): 257 small ones are there already."""
        self.assertEqual(size % 32, 0)
        self.assertIn(count - 257 - size // 32, range(KEPT_INTS + 1))

    def test_slots_save_a_block_and_forty_bytes(self):
        for name, text, blocks, size in (("plain", "= Plain()", 1 if INSIDE else 2, 88),
                                         ("slotted", "= Slotted()", 1, 48)):
            line = self.line(name, "places[i] " + text)
            # The first calls of a function may take other ways.
            first = 200 if INSIDE else 0
            self.assertIn(line["occurrences"] - 100000 * blocks, range(first + 1), name)
            self.assertIn(line["allocated"] - 100000 * size, range(100 * first + 1), name)

    def test_an_array_is_half_a_list_and_a_set_much_more(self):
        # Its buffer grows by a part of itself: of 10,000 places, as CPython does it.
        ints = self.line("ints", "list(numbers)")["allocated"]
        self.assertEqual(ints, 80000 + 56)
        grown = self.line("<module>", "numbers = [n for n in")["increment"]
        self.assert_ints(grown - 85120, 10 ** 4)
        arrays = self.line("arrays", "array.array('i', iter")["increment"]
        self.assertEqual(arrays, 40340 + 80)
        sets = self.line("sets", "set(numbers)")["increment"]
        self.assertEqual(sets, 524288 + 216)

    def test_cycles_wait_for_the_collector_of_garbage(self):
        """Each is an object and its attributes; the last block is the number that
        gc.collect() gives, which nobody takes. (From 3.13 on that may be a kept one, and
        what else was kept goes.)"""
        blocks = 10000 if INSIDE else 20000
        result = self.run_script(CYCLES)
        made, collected = (self.line("<module>", text, CYCLES, result)
                           for text in ("# kept", "# at last"))
        self.assertEqual((made["occurrences"], made["freed"]), (blocks, 0))
        self.assertIn(collected["freed"] - made["allocated"],
                      range(1000) if INSIDE else {28})
        sites = {site["line"]: site for site in self.read_json(
            "churn", result.profile)["sites"] if site["file"].endswith("script.py")}
        self.assertIn(sites[collected["line"]]["freed_here"] - blocks,
                      range(10) if INSIDE else {1})

    def test_fresh_objects_are_churn_and_pooled_ones_are_not(self):
        made = self.line("pool", "Slotted() if fresh")
        self.assertEqual((made["occurrences"], made["allocated"]), (10000, 480000))
        sites = [site for site in self.read_json("churn", self.result.profile)["sites"]
                 if site["file"].endswith("script.py") and site["advice"] == "pool"]
        self.assertEqual([site["line"] for site in sites], [made["line"]])

    def test_modes_of_the_allocator_change_no_number(self):
        def counts(result):
            return {f["name"]: f["lines"] for f in self.lines_json(result)["functions"]
                    if f["name"] in ("comprehension", "sets", "cycles")}
        # (Lines free what the cache of methods held, which is by addresses.)
        def figures(lines):
            return {name: [(line["line"], line["allocated"], line["occurrences"])
                           for line in of] for name, of in lines.items()}
        usual = figures(counts(self.result))
        for env in ({"PYTHONMALLOC": "debug"}, {"PYTHONMALLOC": "malloc"},
                    {"PYTHONMALLOC": "pymalloc_debug"}, {"PYTHONDEVMODE": "1"}):
            with self.subTest(**env):
                self.assertEqual(figures(counts(self.run_script(OBJECTS, env=env))),
                                 usual)

    def test_what_was_alive_at_the_end_is_not_hidden_by_the_interpreters_end(self):
        result = self.run_script("kept = [bytes(100) for _ in range(1000)]\n")
        text = self.heapline("lines", "--columns=leaked", "--json", result.profile)
        line = next(line for f in harness.json.loads(text.stdout)["functions"]
                    if f["name"] == "<module>" and f["file"].endswith("script.py")
                    for line in f["lines"] if line["line"] == 1)
        self.assertGreaterEqual(line["leaked"], 1000 * 133)

    def test_what_the_interpreter_takes_down_is_told_apart(self):
        kept = "kept = [bytes(1000) for _ in range(1000)]\n"
        report = self.report_json(self.run_script(kept))
        self.assertIn(report["finalised"]["bytes"] - 1000 * 1033, range(5 << 20))
        self.assertLess(report["leaked"]["bytes"] - report["finalised"]["bytes"], 200000)
        result = self.run_script(kept + "import os; os._exit(0)\n")
        self.assertEqual(self.report_json(result)["finalised"]["blocks"], 0)
        self.assertNotIn(b"taken down", self.heapline("report", result.profile).stdout)

    def test_the_heap_is_read_before_the_interpreter_is_taken_down(self):
        script = "kept = [[n] for n in range(1000)]\n"
        for python in PYTHONS:
            with self.subTest(python=python):
                result = self.run_script(script, "--snapshot-at-exit", python=python)
                first, last = self.read_json("info", result.profile)["snapshots"]
                self.assertEqual((first["name"], first["cause"]), ("finalisation", None))
                self.assertEqual((last["name"], last["kind"]), ("", "at-exit"))
                # A list, its buffer and its head, but for the smallest integers.
                self.assertGreater(first["blocks"], last["blocks"] + 2000 + 700)

    def test_a_gate_reads_it_at_the_exit_alone(self):
        profile = self.path("gate.heapline")
        result = self.heapline("check", "-o", profile, "--", PYTHON, "-c", "a = [[1]]")
        self.assertEqual(result.status, 0, result)
        self.assertEqual([s["kind"] for s in self.read_json("info", profile)["snapshots"]],
                         ["at-exit"])

    def test_a_limit_of_what_lives_at_the_end_leaves_it_out(self):
        for text, status in (("", 0), ("import os; os._exit(0)\n", 24)):
            script = self.write("limit.py", "kept = [bytes(1000)] + "
                                "[bytes(1000) for _ in range(1000)]\n" + text)
            result = self.heapline("check", "--max-live-at-exit=500K", "--",
                                   PYTHON, script)
            self.assertEqual(result.status, status, result)

    def test_arenas_are_a_domain_of_their_own(self):
        text = "kept = [(n, str(n)) for n in range(100000)]\n%simport os; os._exit(0)\n"
        direct = """if True:
            import ctypes, mmap
            class Arenas(ctypes.Structure):
                _fields_ = [("context", ctypes.c_void_p),
                            ("alloc", ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p,
                                                       ctypes.c_size_t)),
                            ("free", ctypes.PYFUNCTYPE(None, ctypes.c_void_p,
                                                      ctypes.c_void_p, ctypes.c_size_t))]
            arenas = Arenas()
            ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(arenas))
            made = [arenas.alloc(None, 3 << 20) for n in range(5)]
            for p in made[:2]:
                arenas.free(None, p, 3 << 20)
            # As a sub-interpreter of 3.14 that ends does with those that it never had.
            arenas.free(None, None, 1 << 20)
            # As a program may that knows nothing of arenas; the rest is still one.
            ctypes.CDLL(None).munmap(ctypes.c_void_p(made[2]), 1 << 20)
            other = mmap.mmap(-1, 5 << 20)
            """
        env = {"PYTHONHASHSEED": "0"}
        for python in PYTHONS:
            with self.subTest(python=python):
                def domains(text, *options):
                    result = self.run_script(text, *options, python=python, env=env)
                    return self.report_json(result)["domains"]
                before, after = domains(text % ""), domains(text % direct)
                # Importing ctypes may take an arena more; none has this size.
                def of_size(which):
                    arena, mapped = after[which], before[which]
                    return [arena["totals"][k] - mapped["totals"][k] for k in (
                        "allocated_bytes", "freed_bytes")]
                allocated, freed = of_size("arena")
                self.assertIn(allocated - (15 << 20), range(4 << 20))
                self.assertEqual(freed, 7 << 20)
                self.assertGreaterEqual(of_size("mmap")[0], 5 << 20)
                self.assertLess(of_size("mmap")[0], 8 << 20)
                for option in ("--no-objects", "--sample=64K"):
                    some = domains(text % "", option)["arena"]
                    # (How much else is in them differs by what the options say.)
                    self.assertLessEqual(abs(some["totals"]["allocations"] -
                                             before["arena"]["totals"]["allocations"]), 1)
                    self.assertIsNone(some["use"])

    def test_what_does_not_lie_in_arenas_is_what_libc_was_asked_for(self):
        """To the last block, the allocator's own tables of its arenas included, which it
        makes larger when there are sixteen; and to the last mapped byte."""
        text = ("import os\nkept = [(n, str(n)) for n in range(%d)]\n"
                "big = [bytes(600 + n) for n in range(2000)]\ndel kept[::2], big[::3]\n"
                "os._exit(0)\n")
        for python in PYTHONS:
            # 256 KiB each up to 3.9, then 1 MiB.
            size = 1 << 18 if harness.python_version(python) < (3, 10) else 1 << 20
            for objects in (300000, 1000):
                with self.subTest(python=python, objects=objects):
                    script = self.write("libc.py", text % objects)
                    result, counts = self.record_counted([python, "-B", script])
                    (count,) = [c for c in counts if c.allocations > 1000]
                    report = self.report_json(result)
                    self.assert_lossless(report)
                    self.assertEqual(
                        [report["unknown_frees"], report["unseen_frees"]], [0, 0])
                    self.check_libc(report["domains"], count, size)

    def check_libc(self, domains, count, size):
        heap, arena, mapped = (domains[name] for name in ("malloc", "arena", "mmap"))
        inside, there = arena["use"]["used"], heap["live_at_end"]
        self.assertEqual(there["blocks"] - inside["blocks"], count.allocations - count.frees)
        # (What Python asks no bytes for is one of malloc's.)
        self.assertIn(count.allocated_bytes - count.freed_bytes -
                      (there["bytes"] - inside["bytes"]), range(20))
        totals = arena["totals"]
        for key, there in (("allocated_bytes", count.mapped_bytes),
                           ("freed_bytes", count.unmapped_bytes)):
            self.assertEqual(totals[key] + mapped["totals"][key], there)
        self.assertGreater(totals["allocations"], 1)
        self.assertEqual(totals["allocated_bytes"], size * totals["allocations"])

    def test_what_objects_use_of_arenas_is_told(self):
        text = "kept = [(n, str(n)) for n in range(100000)]\n%s"
        for how in ("", "import os; os._exit(0)"):
            runs = [self.run_script(text % part + how) for part in ("", "del kept[::2]\n")]
            arenas = [self.report_json(run)["domains"]["arena"] for run in runs]
            full, thin = use = [each["use"] for each in arenas]
            self.assertEqual(full["bytes"], thin["bytes"])
            for each in use:
                self.assertLess(each["used"]["bytes"], each["bytes"])
            # A tuple, its number and its text, but for the smallest numbers and 2,000
            # tuples that are kept for later.
            blocks = full["used"]["blocks"] - thin["used"]["blocks"]
            self.assertIn(blocks, range(150000 - 2500, 150000 + 500))
            self.assertGreater(full["used"]["bytes"], 0.75 * full["bytes"])
            self.assertLess(thin["used"]["bytes"], 0.6 * thin["bytes"])
            # What is missing at the end was there at the peak, before `del`.
            thin = arenas[1]["use_at_peak"]
            self.assertLess(abs(full["used"]["blocks"] - thin["used"]["blocks"]), 500)
            self.assertLess(abs(full["used"]["bytes"] - thin["used"]["bytes"]), 50000)
            self.assertEqual(thin["bytes"], full["bytes"])
        text = self.heapline("report", runs[1].profile).stdout.decode()
        for when in ("the heap's peak", "the end"):
            self.assertRegex(text, r"(?m)^  used +[0-9.]+ MiB  in [0-9,]+ blocks: [0-9.]+ % "
                                   r"of the [0-9.]+ MiB there were at " + when + "$")


if __name__ == "__main__":
    harness.main()
