"""Every event's stack, looked at twice: a shim that unwinds each stack again by full
register CFI alone, and compares (stacks_check.c). Real programs and hard cases."""

import os
import shutil
import struct

from harness import BUILD, BUMP, HEAPLINE, Case, main, needs, target

CHECK = os.path.join(BUILD, "tests", "e2e", "libheapline_check.so")
TEXT_AT = 4096


class Stacks(Case):
    def setUp(self):
        super().setUp()
        # heapline takes the shim that lies beside it.
        self.heapline_twice = shutil.copy(HEAPLINE, self.path("heapline"))
        shutil.copy(CHECK, self.path("libheapline.so"))

    def check(self, args, stacks, joined=0.5, status=0, env=None, stdin=None):
        """Runs it: no difference in at least `stacks` stacks, of which that share
        was joined with the one before."""
        tally = self.write("tally", b"\0" * TEXT_AT)
        result = self.run_native(
            [self.heapline_twice, "run", "-q", "-f", "-o", self.path("x.heapline"), "--"]
            + args,
            env=dict(env or {}, CHECK_STACKS=tally),
            stdin=stdin,
        )
        self.assertEqual(result.status, status, result)
        with open(tally, "rb") as file:
            data = file.read()
        seen, frames, differences, joins = struct.unpack("4Q", data[:32])
        self.assertEqual(differences, 0, data[TEXT_AT:].decode(errors="replace"))
        self.assertGreaterEqual(seen, stacks)
        self.assertGreater(frames, seen)
        self.assertGreaterEqual(joins, seen * joined)

    @needs("xmllint")
    def test_xmllint(self):
        rows = "".join('<a id="%d"><b>%d</b></a>\n' % (i, i) for i in range(500))
        self.check(
            ["xmllint", "--noout", self.write("x.xml", "<r>" + rows + "</r>")], 2000, 0.9
        )

    @needs("python3")
    def test_python(self):
        self.check(
            ["python3", "-c", "import json, re; json.dumps(list(range(9)))"], 2000, 0.9
        )

    @needs("python3")
    def test_python_that_recurses_through_c(self):
        # Deeper than stacks are told whole (unwind.h).
        text = """if True:
            import pickle, sys, threading
            sys.setrecursionlimit(100000)
            threading.stack_size(64 << 20)
            class Inner:
                def __init__(self, inner): self.inner = inner
                def __reduce__(self): return Inner, (self.inner,)
            def body():
                values = None
                for i in range(600):
                    values = Inner(values)
                pickle.dumps(values)
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()
            """
        self.check(["python3", "-c", text], 5000, 0.9)

    @needs("sqlite3")
    def test_sqlite(self):
        query = (
            b"create table t(a, b); with recursive c(x) as (select 1 union all select"
            b" x + 1 from c where x < 500) insert into t select x, hex(x) from c;"
            b"create index i on t(b); select count(*), max(b) from t group by a % 7;"
        )
        self.check(["sqlite3", ":memory:"], 1000, 0.9, stdin=query)

    @needs("g++")
    def test_a_compiler_and_its_children(self):
        text = "#include <vector>\nint f() { return std::vector<int>(3).size(); }\n"
        self.check(
            ["g++", "-c", "-o", self.path("x.o"), self.write("x.cc", text)], 50000, 0.9
        )

    @needs("node")
    def test_generated_code(self):
        text = """
            function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2); }
            for (let i = 0; i < 300; i++) { f(15); JSON.parse('{"x":' + i + '}');
                Buffer.alloc(1000 + i); }
            """
        self.check(["node", self.write("x.js", text)], 20000, 0.9)

    @needs("perl")
    def test_perl(self):
        text = "my %h; for (1..2000) { $h{$_} = [$_, 'x' x $_]; delete $h{$_ - 9}; }"
        self.check(["perl", "-e", text], 2000, 0.9)

    def test_exceptions_and_containers(self):
        self.check([target("plusplus")], 1000, 0.9)

    def test_coroutines(self):
        self.check([target("coroutines")], 1000)

    def test_threads(self):
        self.check([target("threads"), "many", "300"], 600, 0)

    def test_plugins_whose_addresses_are_used_again(self):
        plugins = [target("plugin_one.so"), target("plugin_two.so")]
        self.check([target("loader"), "60"] + plugins, 100, 0)

    def test_forks(self):
        self.check([target("forks"), "family"], 20, 0)

    def test_handlers_between_any_two_instructions(self):
        for how in ("handlers", "inside"):
            self.check([target("storm"), how, "100"], 100, 0, env={"LD_PRELOAD": BUMP})

    def test_jumps_out_of_any_instruction(self):
        # A jump out of the second look ends it for its thread.
        for how in ("jumps", "outside"):
            self.check([target("storm"), how, "100"], 20, 0, env={"LD_PRELOAD": BUMP})


if __name__ == "__main__":
    main()
