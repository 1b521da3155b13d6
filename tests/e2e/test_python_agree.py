"""Line by line, the live bytes of tracemalloc, which counts from inside.

Of blocks that free lists hand out again tracemalloc tells who got them last, heapline who
asked for the memory; so the lines that are compared make what no free list has: text,
bytes, sets, numbers, instances with slots."""

import os

import harness
import test_format

PYTHON = "/usr/bin/python3"

SCRIPT = r'''
import array, asyncio, collections, contextlib, ctypes, dataclasses, decimal, functools
import fractions, io, itertools, json, os, re, sqlite3, sys, threading
kept = [None] * 100000
places = iter(range(100000)).__next__
tuple((i,) for i in range(100)) # whose memory is kept for tuples of arguments
Buffer = ctypes.c_char * 3333

class Slots:
    __slots__ = ("a", "b")
    def __init__(self, a):
        self.a = a * 3
        self.b = bytes(a) # line

@dataclasses.dataclass
class Data:
    __slots__ = ("text", "more")
    text: str
    more: object
    def __post_init__(self):
        self.more = self.text + "!" # line

class Lazy:
    @property
    def value(self):
        return bytearray(700) # line
    @functools.cached_property
    def once(self):
        return "once" * places() # line
    def __enter__(self):
        kept[places()] = "entered %d" % places() # line
        return self
    def __exit__(self, *why):
        kept[places()] = b"left" * places() # line
    def __getattr__(self, name):
        return name * 20 # line
    def __add__(self, other):
        return str(other) * 40 # line

def numbers():
    for i in range(400):
        kept[places()] = 7 ** (i + 40) # line
        kept[places()] = decimal.Decimal(i) / 7 # line
        kept[places()] = complex(i, i) # line

def texts():
    for i in range(300):
        kept[places()] = "text %d" % i # line
        kept[places()] = f"{i:>40}" # line
        kept[places()] = "-".join(("a" * i, "b")) # line
        kept[places()] = ("%d" % i).encode("utf-16") # line
        kept[places()] = re.sub("[0-4]", "xyz", str(i) * 9) # line

def blocks():
    kept[places()] = array.array("d", bytes(8000)) # line
    kept[places()] = Buffer() # line
    kept[places()] = io.BytesIO(bytes(5000)).getvalue() # line
    kept[places()] = set("%d" % i for i in range(500)) # line
    kept[places()] = frozenset(b"0123456789" * 50) # line

def generator(n):
    for i in range(n):
        kept[places()] = b"g" * (50 + i) # line
        got = yield
        kept[places()] = "got %s" % got # line

def send():
    g = generator(30)
    next(g)
    with contextlib.suppress(StopIteration):
        for i in itertools.count():
            g.send(i)

def delegate():
    return (yield from generator(20))

def recurse(n):
    kept[places()] = "r" * (100 + n) # line
    if n:
        recurse(n - 1)
        kept[places()] = b"back" * (10 + n) # line

def worker(n):
    for i in range(n):
        kept[places()] = "worker %d" % i # line
        kept[places()] = Slots(i)

async def step(i):
    kept[places()] = b"before" * (20 + i) # line
    await asyncio.sleep(0)
    kept[places()] = "after %d" % i # line

async def steps():
    await asyncio.gather(*(step(i) for i in range(20)))

def failing(i):
    try:
        kept[places()] = "try %d" % i # line
        raise KeyError(i)
    except KeyError:
        kept[places()] = b"except" * (30 + i) # line
    finally:
        kept[places()] = "finally %d" % i # line

def callbacks():
    sorted(range(50), key=lambda i: kept.__setitem__(places(), "key %d" % i) or i) # line
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
    def call(i):
        kept[places()] = "called %d" % i # line
    for i in range(20):
        kind(call)(i)
    db = sqlite3.connect(":memory:")
    def function(x):
        kept[places()] = "sql %d" % x # line
        return x
    db.create_function("f", 1, function)
    for i in range(20):
        db.execute("select f(%d)" % i).fetchall()
    json.dumps([object()] * 30, default=lambda o: kept.__setitem__(places(), b"js" * places()) or 1) # line

def executed():
    space = {"kept": kept, "places": places}
    for i in range(40):
        exec(compile("\n" * (i % 5) + "kept[places()] = 'exec %d' % places()", "cell", "exec"), space)

def lazy():
    with Lazy() as one:
        kept[places()] = one.value
        kept[places()] = one.once
        kept[places()] = one.nothing
        kept[places()] = one + 7

def main():
    numbers(); texts(); blocks(); send(); list(delegate()); recurse(60)
    threads = [threading.Thread(target=worker, args=(40 + n,)) for n in range(4)]
    for thread in threads:
        thread.start()
        thread.join()
    asyncio.run(steps())
    for i in range(30):
        failing(i)
        kept[places()] = Data("data %d" % i, None)
    callbacks(); executed(); lazy()

main()
if len(sys.argv) > 1:
    import tracemalloc
    lines = {}
    for trace in tracemalloc.take_snapshot().traces:
        at = (trace.traceback[0].filename, trace.traceback[0].lineno)
        blocks, size = lines.get(at, (0, 0))
        lines[at] = (blocks + 1, size + trace.size)
    with open(sys.argv[1], "w") as file:
        file.write(repr(lines))
os._exit(0)
'''


class Agree(harness.Case):
    def recorded(self, script):
        """{(file, line): (blocks, bytes)} live at the end, by the innermost Python
        frame of a stack that native frames are part of."""
        result = self.record([PYTHON, "-B", script], env={"PYTHONHASHSEED": "0"})
        self.assertEqual(result.status, 0, result)
        with open(result.profile, "rb") as file:
            reader = test_format.Reader(file.read())
        rows = reader.rows
        code = {row["stack"]: row["code"] for row in rows["STACK_CODES"]}
        python = 1 + [m["path"] for m in rows["MODULES"]].index(b"python")
        lines = {}
        for site in reader.sites.values():
            number = site["stack"]
            while number and rows["STACKS"][number - 1]["module"] != python:
                number -= rows["STACKS"][number - 1]["parent"]
            if not number or site["domain"] or not code.get(number):
                continue
            frame = rows["FRAMES"][rows["CODES"][code[number] - 1]["first_frame"]]
            at = (frame["file"].decode(), frame["line"])
            blocks, size = lines.get(at, (0, 0))
            lines[at] = (blocks + site["allocs"] - site["frees"],
                         size + site["allocated_bytes"] - site["freed_bytes"])
        return lines

    def test_every_line_has_the_bytes_that_tracemalloc_has(self):
        script = self.write("script.py", SCRIPT)
        out = self.path("lines")
        native = self.run_native([PYTHON, "-B", "-X", "tracemalloc=1", script, out],
                                 env={"PYTHONHASHSEED": "0"})
        self.assertEqual(native.status, 0, native)
        with open(out, encoding="utf-8") as file:
            theirs = eval(file.read()) # pylint: disable=eval-used
        ours = self.recorded(script)
        wanted = [(script, n) for n, text in enumerate(SCRIPT.split("\n"), 1)
                  if text.endswith("# line")]
        cells = [at for at in theirs if at[0] == "cell"]
        self.assertEqual((len(wanted), len(cells)), (35, 5))
        for at in wanted + cells:
            with self.subTest(line=SCRIPT.split("\n")[at[1] - 1] if at[0] == script else at):
                self.assertEqual(ours.get(self.absolute(at)), theirs.get(at))

    def absolute(self, at):
        return at if at[0] != "cell" or not os.path.exists(self.path("cell")) else (
            self.path("cell"), at[1])


if __name__ == "__main__":
    harness.main()
