"""Objects of CPython in heap graphs: what the program itself says of them at the moment
of the snapshot is the oracle.

HEAPLINE_PYTHONS names further interpreters, separated by colons."""

import json
import os
import re

import harness

PYTHON = "/usr/bin/python3"
VERSION = harness.python_version(PYTHON)
PYTHONS = [PYTHON, *filter(None, os.environ.get("HEAPLINE_PYTHONS", "").split(":"))]

# What is said of all objects that the collector of garbage tracks, then the snapshot;
# in between nothing is made that it would track, but for the call's own arguments.
TELL = """
import ctypes, gc, json, sys
take = ctypes.CDLL(None).heapline_snapshot
take.argtypes = [ctypes.c_char_p]
take.restype = None

def snapshot(**more):
    counts = {}
    out = open(sys.argv[1], "w")
    argument = (b"now",)
    gc.collect()
    for kind in map(type, gc.get_objects()):
        name = kind.__qualname__ if kind.__module__ == "builtins" else (
            kind.__module__ + "." + kind.__qualname__)
        counts[name] = counts.get(name, 0) + 1
    kind = name = None
    take(*argument)
    json.dump({"tracked": counts, **more}, out)
    out.close()
"""

OBJECTS = TELL + """
import collections, enum, functools, re

class Node:
    def __init__(self, n):
        self.n = n
        self.items = [n, str(n), {}, (n, self)]

class Slim:
    __slots__ = ("left", "right")
    def __init__(self):
        self.left = [1]
        self.right = ("x", self)

class Ordered(collections.OrderedDict):
    pass

class Meta(type):
    pass

class Made(metaclass=Meta):
    class Inner:
        pass

nodes = [Node(i) for i in range(1000)]
slims = [Slim() for _ in range(500)]
ordered = [Ordered(a=[i]) for i in range(50)]
made = [Made() for _ in range(30)] + [Made.Inner() for _ in range(20)]
closures = [(lambda n: lambda: n)([i]) for i in range(70)]
partials = [functools.partial(print, [i]) for i in range(40)]
points = [collections.namedtuple("Point", "x y")([i], 2) for i in range(3)]
generators = [(i for i in [n]) for n in range(25)]
big = {i: [i] for i in range(3000)}
"""


NAMES = TELL + """
import asyncio, collections, functools, types

app = types.ModuleType("app")
sys.modules["app"] = app

class Target:
    pass

class Holder:
    def __init__(self):
        self.items = [1, "two", (3,), Target()]
        self.name = "x"

class Slot:
    __slots__ = ("deep",)

app.cache = {"k": Holder(), 5: Slot()}
app.cache[5].deep = {"it's": (0, [Target()])}

def keep(x):
    return lambda: x

app.function = keep(Target())
app.Class = type("Class", (), {"attribute": Target()})
app.ordered = collections.OrderedDict(a=Target())
app.default = collections.defaultdict(list, q=[Target()])
app.partial = functools.partial(print, Target())
app.set = {Target()}
app.method = Target().__init__
app.getter = property(lambda self, x=Target(): x)
app.error = KeyError(Target())
many = Holder()
for i in range(100):
    setattr(many, "a%d" % i, i)
many.last = Target()
app.many = many
del many, i

def generate():
    inner = Target()
    yield inner

app.generator = generate()
next(app.generator)

def deep(given):
    made = Target()
    snapshot()

async def coroutine():
    own = Target()
    await asyncio.sleep(0)
    deep(Target())

asyncio.run(coroutine())
"""

NAMED = {
    "app.cache['k'].items[3]", "app.cache[5].deep['it\\'s'][1][0]", "app.many.last",
    "app.function.__closure__[0].cell_contents", "app.Class.attribute",
    "app.ordered['a']", "app.default['q'][0]", "app.partial.args[0]", "app.set{member}",
    "app.method.__self__", "app.getter.fget.__defaults__[0]", "app.error.args[0]",
}


GARBAGE = """\
import ctypes, functools, gc, json, os, sqlite3, sys
take = ctypes.CDLL(None).heapline_snapshot
take.argtypes = [ctypes.c_char_p]
take.restype = None

class Own:
    pass

def lose():
    @functools.lru_cache(8)
    def cached(key):
        return [key, cached]
    own = Own()
    own.cached = cached
    for i in range(12):
        cached((i, own))

@functools.lru_cache(3)
def kept(key):
    return [key, kept]

class Method:
    @functools.lru_cache(maxsize=50)
    def of_objects(self, key):
        return [self, key]

for i in range(5):
    kept(i)
    Method().of_objects(i)
connection = sqlite3.connect(":memory:", cached_statements=5)
connection.execute("create table t (a)")
for i in range(30):
    connection.execute("insert into t values (?)", (i,))
cursors = [connection.execute("select a from t where a > %d" % i) for i in range(20)]
first = [cursor.fetchone() for cursor in cursors[:10]]
rest = [cursor.fetchall() for cursor in cursors[10:]]
gc.disable()
lose()
take(b"garbage")
gc.set_debug(gc.DEBUG_SAVEALL)
gc.collect()
counts = {}
for kind in map(type, gc.garbage):
    name = kind.__qualname__ if kind.__module__ == "builtins" else (
        kind.__module__ + "." + kind.__qualname__)
    counts[name] = counts.get(name, 0) + 1
with open(sys.argv[1], "w") as out:
    json.dump(counts, out)
os._exit(0)
"""

# Nobody waits for those that make() makes, nor for what they wait for.
TASKS = GARBAGE[:GARBAGE.index("class Own")].replace("json", "asyncio, json") + """
async def wait():
    await asyncio.get_running_loop().create_future()

def make(n):
    for _ in range(n):
        loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))

loop = asyncio.new_event_loop()
kept = loop.create_task(wait())
gc.collect()
gc.disable()
make(70)
""" + GARBAGE[GARBAGE.index("take(b"):]


class Case(harness.Case):
    def snapshot(self, text, python=PYTHON, options=()):
        """The profile of a script, and what it said."""
        script, said = self.write("objects.py", text), self.path("said.json")
        result = self.record([python, "-B", script, said], options)
        self.assertEqual(result.status, 0, result)
        with open(said, encoding="utf-8") as file:
            return result.profile, json.load(file)

    def types(self, profile):
        """{type: row} of what the program still uses."""
        return {row["type"]: row for row in self.read_json(
            "top", profile, "--by=type")["rows"] if not row["unused"]}

    def blocks(self, profile, kind, **has):
        return [b for b in self.read_json("blocks", profile, "--type=" + kind)["blocks"]
                if "part" not in b and all(b[k] == v for k, v in has.items())]


class Types(Case):
    def test_every_tracked_object_is_found_and_none_else(self):
        for python in PYTHONS:
            with self.subTest(python):
                profile, said = self.snapshot(OBJECTS + "snapshot()\n", python)
                found = {}
                for block in self.read_json("blocks", profile)["blocks"]:
                    # Those that are never counted are left out of what it says (3.12).
                    if block.get("tracked") and block["refcount"]:
                        found[block["type"]] = found.get(block["type"], 0) + 1
                # ctypes makes one of the call's arguments, while that lasts (3.12).
                found.pop("_ctypes.CArgObject", 0)
                self.assertEqual(found, said["tracked"])

    def test_names_and_numbers_of_classes(self):
        profile, _ = self.snapshot(OBJECTS + "snapshot()\n")
        rows = self.types(profile)
        for name, count in (("__main__.Node", 1000), ("__main__.Slim", 500),
                            ("__main__.Ordered", 50), ("__main__.Made", 30),
                            ("__main__.Made.Inner", 20), ("functools.partial", 40),
                            ("__main__.Point", 3), ("generator", 25)):
            self.assertEqual(rows[name]["objects"], count, name)
        self.assertEqual(rows["__main__.Meta"]["objects"], 1)

    def test_sizes_are_those_that_the_program_gives(self):
        profile, said = self.snapshot(OBJECTS + """
# (From 3.14 on they would have room for attributes, which Python does not tell of.)
class Own(list): __slots__ = ()
class Map(dict): __slots__ = ()
class Set(set): __slots__ = ()
class Bytes(bytearray): __slots__ = ()
class Ends(collections.deque): __slots__ = ()
# Memory of what were tuples, as far as can be seen, for deques that have nothing in it.
ctypes.pythonapi.PyMem_Malloc.restype = ctypes.c_void_p
old = [ctypes.c_void_p(ctypes.pythonapi.PyMem_Malloc(528)) for _ in range(30)]
for at in old:
    ctypes.memset(at, 0, 528)
    ctypes.memmove(at.value + 16, (ctypes.c_void_p * 2)(0, id(tuple)), 16)
for at in old:
    ctypes.pythonapi.PyMem_Free(at)
empty = [Ends() for _ in range(30)]
kinds = [Own, Map, Set, Bytes, Ends]
if sys.version_info >= (3, 15):
    class Frozen(frozendict): __slots__ = ()
    kinds.append(Frozen)
def made(kind, n):
    pairs = kind is Map or kind.__name__ == "Frozen"
    return kind(zip(range(n), range(n)) if pairs else [i % 256 for i in range(n)])
kept = [[made(kind, n) for n in range(0, 300, 7)] for kind in kinds]
kept[4] += empty
snapshot(sizes={kind.__name__: [len(all), sum(map(sys.getsizeof, all))] for kind, all in
                zip(kinds, kept)})
""")
        rows = self.types(profile)
        for name, (count, size) in said["sizes"].items():
            row = rows["__main__." + name]
            self.assertEqual((row["objects"], row["bytes"] + row["part_bytes"]),
                             (count, size), name)

    def test_slots_are_advised_where_attributes_lie_apart(self):
        """In a block of their own, that is: of 3.11 and 3.12, and nowhere else."""
        apart = VERSION in ((3, 11), (3, 12))
        profile, _ = self.snapshot(TELL + """
class Plain:
    def __init__(self):
        self.x = self.y = None
class Slotted:
    __slots__ = ("x", "y")
    def __init__(self):
        self.x = self.y = None
class Few(Plain):
    pass
class Dict(Plain):
    pass
class Listed(list):
    pass
for _ in range(99):
    Plain(), Dict() # the first ones have room for more
kept = [[Plain() for _ in range(10000)], [Slotted() for _ in range(10000)],
        [Few() for _ in range(999)], [Dict() for _ in range(2000)],
        [Listed() for _ in range(2000)]]
for each in kept[3][:1000]:
    each.__dict__
for each in kept[4]:
    each.x = None
snapshot()
""")
        rows = {name: row["slots_bytes"] for name, row in self.types(profile).items()
                if name and row["slots_bytes"]}
        self.assertEqual(rows, {"__main__.Plain": 480000} if apart else {})
        text = self.heapline("top", "--by=type", profile).stdout.decode()
        self.assertEqual(
            [line for line in text.split("\n") if line.startswith("slots:")],
            ["slots: the 10,000 objects of __main__.Plain have 88 B in 2 blocks each; "
             "__slots__ would make that 48 B in 1, 390.6 KiB less."] if apart else [])

    def test_reference_counts(self):
        profile, said = self.snapshot(OBJECTS + """
class Counted:
    pass
counted = [Counted() for _ in range(8)]
more = [[counted[i]] * i for i in range(8)]
i = None
# The generator's variable is one, and so may be the call's argument be (up to 3.13).
own, = (sys.getrefcount(each) - 1 for each in [object()])
snapshot(counts=sorted(sys.getrefcount(each) - own for each in counted))
""")
        counts = [b["refcount"] for b in self.blocks(profile, "Counted")]
        self.assertEqual(sorted(counts), said["counts"])
        self.assertEqual(said["counts"], list(range(1, 9)))

    def test_links_of_the_collector_hold_nothing(self):
        """A million of them would chain every object to every other."""
        profile, _ = self.snapshot(TELL + """
class Alone:
    def __init__(self):
        self.own = self
gc.disable()
for _ in range(100):
    Alone()
take(b"before")
""".replace("take(", "open(sys.argv[1], 'w').write('{}'); take("))
        blocks = self.blocks(profile, "Alone")
        self.assertEqual(len(blocks), 100)
        lost = [b for b in blocks if b["held"] in ("no", "weak")]
        self.assertGreaterEqual(len(lost), 98, blocks[:3])  # stale words on the stack

    def test_chains_read_as_the_program_would_write_them(self):
        for python in PYTHONS:
            with self.subTest(python):
                profile, _ = self.snapshot(NAMES, python)
                words = []
                for block in self.blocks(profile, "Target"):
                    (path,) = self.read_json("path", profile, block["address"])["blocks"]
                    words.append(path["paths"][0]["words"])
                # (What deep() was given, its caller's frame may hold as well.)
                self.assertEqual(words.count("app.many.items[3]"), 1, words)
                self.assertLessEqual(NAMED, set(words))
                variables = sorted(set(words) - NAMED - {"app.many.items[3]"})
                for name in ("inner", "made", "own"):
                    self.assertEqual(len([w for w in variables if re.search(
                        r"\{local %s( of deep\(\))?\}$" % name, w)]), 1, words)
                self.assertEqual(len(words), len(NAMED) + 5)

    def test_what_the_collector_of_garbage_would_free(self):
        """It says itself how many; and everything here is in places that are known."""
        for python in PYTHONS:
            with self.subTest(python):
                profile, said = self.snapshot(TELL + """
class Node:
    def __init__(self):
        self.me = self
class Pair:
    pass
gc.collect()
gc.disable()
for _ in range(10000):
    Node()
a, b = Pair(), Pair()
a.other, b.other = b, a
a.held = [bytearray(1000)]
kept = Pair()
kept.me = kept
del a, b
class Gone:
    pass
del Gone
take(b"garbage")
json.dump(gc.collect(), open(sys.argv[1], "w"))
""", python)
                found = self.read_json("cycles", profile)
                self.assertEqual(found["garbage"]["objects"], said)
                types = {t["type"]: t["objects"] for t in found["garbage"]["types"]}
                self.assertEqual((types["__main__.Node"], types["__main__.Pair"],
                                  types["type"]), (10000, 2, 1))
                # Of each node, its attributes where they have a block of their own; and
                # what a.held holds.
                self.assertGreater(found["garbage"]["blocks"], said)
                rings = [c for c in found["cycles"] if c["blocks"][0].get("type") in (
                    "__main__.Node", "__main__.Pair")]
                self.assertEqual({c["collector"] for c in rings}, {"found"})
                held = self.read_json("cycles", profile, "--all", "-n100000")["cycles"]
                self.assertIn("held", {c["collector"] for c in held})
                text = self.heapline("cycles", profile).stdout.decode()
                self.assertIn("Python's garbage collector would free", text)
                self.assertIn("      10,000  __main__.Node\n", text)

    def test_garbage_is_told_of_types_in_c_as_by_the_collector(self):
        """Connections hold their statements by a cache of results; datetime.py's classes
        are garbage once those of C have taken their place (up to 3.10)."""
        for python in PYTHONS:
            with self.subTest(python):
                profile, said = self.snapshot(GARBAGE, python)
                found = {t["type"]: t["objects"] for t in self.read_json(
                    "cycles", profile)["garbage"]["types"]}
                self.assertEqual(found, said)
                self.assertEqual(found["__main__.Own"], 1)
                self.assertNotIn("sqlite3.Statement", found)

    def test_tasks_that_nobody_waits_for_are_garbage(self):
        """A list of all tasks has no part in that, of whatever kind it is. (Where a type
        in C has its references is not known: a stale word may seem to hold some.)"""
        for python in PYTHONS:
            with self.subTest(python):
                profile, said = self.snapshot(TASKS, python)
                found = {t["type"]: t["objects"] for t in self.read_json(
                    "cycles", profile)["garbage"]["types"]}
                for kind in "_asyncio.Task", "_asyncio.Future", "coroutine":
                    self.assertEqual(said[kind], 70)
                    self.assertIn(found.get(kind, 0), range(36, 71), kind)

    def test_growth_between_snapshots(self):
        profile, _ = self.snapshot(TELL + """
class Node:
    __slots__ = ("value",)
class Other:
    __slots__ = ("value",)
nodes = [Node() for _ in range(50)]
others = [Other() for _ in range(70)]
take(b"first")
nodes += [Node() for _ in range(100)]
del others[:30]
take(b"second")
open(sys.argv[1], "w").write("{}")
""")
        rows = {row["type"]: row for row in self.read_json(
            "top", profile, "--by=type", "--since=first", "--snapshot=second")["rows"]}
        for name, before, after in (("Node", 50, 150), ("Other", 70, 40)):
            row = rows["__main__." + name]
            self.assertEqual((row["objects_before"], row["objects"]), (before, after))
            # A count, a type, the slot, and two words of the collector of garbage.
            self.assertEqual((row["bytes_before"], row["bytes"]),
                             (40 * before, 40 * after))
        text = self.heapline("top", "--by=type", "--since=1", profile).stdout.decode()
        self.assertRegex(text, r"(?m)^ +150 +\+100 +5\.9 KiB +\+3\.9 KiB  __main__\.Node$")
        same = self.read_json("diff", profile, profile, "--by=type")["rows"]
        self.assertEqual(same, [])
        self.assertNotEqual(self.heapline("top", "--since=1", profile).status, 0)

    def test_a_partition_by_who_refers_has_the_same_totals(self):
        for python in PYTHONS:
            with self.subTest(python):
                profile, _ = self.snapshot(OBJECTS + "snapshot()\n", python)
                sums = {}
                for by in "type", "referrer":
                    for row in self.read_json("top", profile, "--by=" + by)["rows"]:
                        key = by, row["type"], row["unused"]
                        old = sums.get(key, (0, 0, 0, 0))
                        sums[key] = tuple(a + row[name] for a, name in zip(old, (
                            "objects", "bytes", "parts", "part_bytes")))
                of = {by: {k[1:]: v for k, v in sums.items() if k[0] == by}
                      for by in ("type", "referrer")}
                self.assertEqual(of["referrer"], of["type"])
                self.assertGreater(len(of["type"]), 50)

    def test_a_partition_by_who_refers(self):
        for python in PYTHONS:
            with self.subTest(python):
                profile, said = self.snapshot(TELL + """
class Node:
    __slots__ = ("one", "other")
class Alone(list):
    __slots__ = ()
def keep():
    held = Node()
    yield held
listed = [Node() for _ in range(100)]
both = [Node() for _ in range(70)]
index = {n: (node,) for n, node in enumerate(both)}
for node in both[:30]:
    node.one = Alone(range(7))
for node in both[30:50]:
    node.one = node.other = node
generator = keep()
next(generator)
node = None
snapshot(size=sys.getsizeof(both[0].one), holder="generator" if
        sys.version_info >= (3, 11) else "frame")
""", python)
                rows = {}
                for row in self.read_json("top", profile, "--by=referrer")["rows"]:
                    if row["type"] in ("__main__.Node", "__main__.Alone"):
                        rows[row["type"], frozenset(row["referrers"] + row["others"])] = (
                            row["objects"], row["bytes"] + row["part_bytes"])
                node, alone = "__main__.Node", "__main__.Alone"
                self.assertEqual(rows, {
                    (node, frozenset({"list"})): (100, 4800),
                    (node, frozenset({"list", "tuple"})): (50, 2400),
                    (node, frozenset({"list", "tuple", node})): (20, 960),
                    (node, frozenset({said["holder"]})): (1, 48),
                    (alone, frozenset({node})): (30, 30 * said["size"])})
        text = self.heapline("top", "--by=referrer", "-n99", profile).stdout.decode()
        self.assertRegex(text, r"(?m)^ +100 +4\.7 KiB +\d+\.\d +\d+\.\d  "
                         r"__main__\.Node  <- list$")
        self.assertRegex(text, r"(?m)^ +[\d,]+ +\S+ MiB  100\.0 +total$")
        self.assertEqual(self.heapline("top", "--by=referrer", "--since=1",
                                       profile).status, 2)

    def test_verbs_take_a_type_for_an_address(self):
        profile, _ = self.snapshot(OBJECTS + "snapshot()\n")
        for verb in ("path", "at", "refs", "backrefs"):
            found = self.read_json(verb, profile, "--type=Slim", "-n2")
            self.assertEqual([b["type"] for b in found["blocks"]], ["__main__.Slim"] * 2)
        missing = self.heapline("path", "--type=Nobody", profile)
        self.assertIn(b"no live object is of that type", missing.stderr)
        self.assertEqual(missing.status, 2)
        dot = self.heapline("backrefs", "--type=Made", "--dot", profile).stdout.decode()
        self.assertIn("__main__.Made", dot)
        self.assertRegex(dot, r'label="\[\d+\]"')

    def test_a_program_without_python_has_no_types(self):
        result = self.record([harness.target("demo")], ["--snapshot-at-exit"])
        rows = self.read_json("top", result.profile, "--by=type")["rows"]
        self.assertEqual([r["type"] for r in rows], [None])
        text = self.heapline("top", "--by=type", result.profile).stdout.decode()
        self.assertIn("Types are known of the objects of CPython alone", text)

    def test_the_end_of_the_interpreter_is_looked_behind(self):
        script = self.write("ends.py", TELL + """
class Node:
    pass
nodes = [Node() for _ in range(123)]
""")
        result = self.record([PYTHON, "-B", script], ["--snapshot-at-exit"])
        profile = result.profile
        self.assertEqual(self.types(profile)["__main__.Node"]["objects"], 123)
        self.assertEqual(len(self.blocks(profile, "Node")), 123)
        self.assertEqual(self.read_json("path", profile, "--type=Node")["snapshot"]["name"],
                         "finalisation")
        # By name and without types it is the last one, as ever.
        self.assertEqual(self.read_json("blocks", profile)["snapshot"]["name"], "")
        text = self.heapline("top", "--by=type", "--snapshot=2", profile).stdout.decode()
        self.assertIn("Python had taken most of its objects down by then", text)

    def test_words_for_people(self):
        profile, _ = self.snapshot(OBJECTS + "snapshot()\n")
        text = self.heapline("top", "--by=type", "-n99", profile).stdout.decode()
        self.assertRegex(text, r"(?m)^ +1,000 +\S+ KiB +\d+\.\d  __main__\.Node$")
        text = self.heapline("blocks", "--type=N?de", profile).stdout.decode()
        self.assertRegex(text, r"__main__\.Node  Node\.|__main__\.Node  .*objects\.py")
        node = self.blocks(profile, "Node")[0]["address"]
        text = self.heapline("at", node, profile).stdout.decode()
        self.assertIn("__main__.Node, reference count 2, tracked by", text)


if __name__ == "__main__":
    harness.main()
