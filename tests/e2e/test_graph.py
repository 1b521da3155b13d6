"""Heap graphs of programs whose graph is known: every edge, every kind of root, what
nobody holds; and that a scan changes nothing that the program or its parent can see."""

import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import harness
from harness import needs

target = harness.target


class Scans(harness.Case):
    def scan(self, args, options=(), **how):
        result = self.record(args, ("--snapshot-at-exit", *options), **how)
        self.assertTrue(os.path.exists(result.profile), result)
        return result

    def scan_graph(self):
        result = self.scan([target("graph")])
        self.assertEqual(result.status, 0, result)
        named = dict(line.split() for line in result.stdout.decode().splitlines())
        return result.profile, named

    def path_of(self, profile, what, *options):
        block = self.read_json("path", profile, what, *options)["blocks"][0]
        steps = block["paths"][0]["steps"] if block["paths"] else []
        root = block["paths"][0]["root"] if block["paths"] else None
        return root, [s["offset"] for s in steps if "offset" in s], block

    def edges_below(self, profile, what):
        refs = self.read_json("refs", profile, what, "--depth=60", "--too-many=1000")
        return [(r["offset"], r["how"], r["into"])
                for r in refs["blocks"][0]["references"]]


class Graph(Scans):
    """One process, at its end."""

    def test_every_kind_of_root_and_edge(self):
        profile, named = self.scan_graph()
        want = {  # root's kind, name, how it points, offsets on the way, how sure
            "table": ("global", "g_table", "start", [0, 40, 8, 8, 16], "sure"),
            "list": ("global", "list_head", "start", [8] * 49, "sure"),
            "tree": ("global", "tree_root", "start", [8, 0, 8], "sure"),
            "intrusive": ("global", "intrusive_head", "interior", [24] * 3, "inside"),
            "low": ("global", "low_tag", "tag-low", [], "inside"),
            "high": ("global", "high_tag", "tag-high", [], "weak"),
            "past": ("global", "past_end", "past-end", [], "weak"),
            "inside": ("global", "inside", "interior", [], "inside"),
            "deep": ("global", "deep", "interior", [], "weak"),
            "stack": ("stack", "local", "start", [], "sure"),
            "tls": ("tls", "tls_block", "start", [], "sure"),
            "key": ("tls", "pthread key 0", "start", [], "sure"),
            "register": ("register", "p", "start", [], "sure"),
        }
        for name, (kind, called, how, offsets, held) in want.items():
            with self.subTest(name):
                root, got, block = self.path_of(profile, named[name])
                self.assertEqual(block["address"], named[name])
                self.assertEqual((root["kind"], root["name"], root["how"], got,
                                  block["held"]), (kind, called, how, offsets, held))
                if name == "table":
                    self.assertEqual(root["offset"], 128)
                if kind in ("stack", "tls"):
                    self.assertEqual(root["thread"], "sleeper")
                if name == "register":
                    self.assertIn("register rbx", root["text"])

    def test_what_nobody_holds(self):
        profile, named = self.scan_graph()
        for name in ("ring", "tail", "single"):
            with self.subTest(name):
                _, _, block = self.path_of(profile, named[name])
                self.assertEqual((block["held"], block["paths"]), ("no", []))
        rings = self.read_json("cycles", profile)
        self.assertEqual([(c["count"], c["bytes"]) for c in rings["cycles"]], [(3, 144)])
        lost = self.read_json("blocks", profile, "--held=no")["blocks"]
        self.assertEqual(sorted(b["bytes"] for b in lost), [48] * 4 + [777])
        text = self.heapline("path", named["single"], profile).stdout.decode()
        self.assertIn("nobody holds it: no pointer to it was found", text)

    def test_edges_are_exact(self):
        profile, _ = self.scan_graph()
        for site, blocks, edges in (("list_node", 50, [8] * 49),
                                    ("tree_node", 63, [0] * 31 + [8] * 31),
                                    ("make_table", 8, [0, 8, 8, 16, 16, 16, 40])):
            with self.subTest(site):
                self.assertEqual(
                    self.read_json("at", profile, site, "-n1000")["found"], blocks)
                got = self.edges_below(profile, site if site != "list_node"
                                       and site != "tree_node" else self.first(
                                           profile, site))
                self.assertEqual(sorted(e[0] for e in got), edges)
                self.assertEqual({e[1] for e in got}, {"start"})

    def first(self, profile, site):
        """The block of a site that a root points at."""
        blocks = self.read_json("at", profile, site, "-n1000")["blocks"]
        return [b["address"] for b in blocks if b["roots"]][0]

    def test_both_ways_round_a_diamond(self):
        profile, named = self.scan_graph()
        paths = self.read_json("path", profile, named["dag"], "--paths=9")
        ways = paths["blocks"][0]["paths"]
        # One root, so one way; but both referrers are there.
        self.assertEqual(len(ways), 1)
        back = self.read_json("backrefs", profile, named["dag"])["blocks"][0]
        near = [r for r in back["references"] if r["depth"] == 1]
        self.assertEqual(sorted(r["offset"] for r in near), [0, 8])
        roots = [r["root"]["name"] for r in back["references"] if "root" in r]
        self.assertEqual(roots, ["dag_top"])

    def test_words_for_people(self):
        profile, named = self.scan_graph()
        text = self.heapline("path", named["table"], profile).stdout.decode()
        self.assertIn("g_table+0x80 in graph -> block +0 -> block +40 -> block +8 -> "
                      "block +8 -> block +16 -> block", text)
        self.assertIn("make_table (graph.c:", text)
        text = self.heapline("path", named["list"], profile).stdout.decode()
        self.assertIn("more like this", text)
        text = self.heapline("backrefs", named["tls"], profile).stdout.decode()
        self.assertRegex(text, r"<- tls_block of thread \d+ \(sleeper\)")
        text = self.heapline("roots", profile).stdout.decode()
        self.assertIn("held by nobody", text)
        self.assertIn("g_table in graph  (static variable)", text)

    @needs("dot")
    def test_graphviz_takes_the_graph(self):
        profile, _ = self.scan_graph()
        for verb in ("refs", "backrefs"):
            done = self.heapline(verb, "--dot", "tree_node", profile)
            self.assertEqual(done.status, 0, done)
            svg = self.run_native([shutil.which("dot"), "-Tsvg"], stdin=done.stdout)
            self.assertEqual((svg.status, svg.stderr), (0, b""), svg)
            self.assertIn(b"tree_node", svg.stdout)

    @needs("dot")
    def test_a_picture_is_drawn(self):
        profile, _ = self.scan_graph()
        path = self.path("refs.svg")
        done = self.heapline("backrefs", "--svg", path, "tree_node", profile)
        self.assertEqual((done.status, done.stdout, done.stderr), (0, b"", b""), done)
        with open(path, "rb") as file:
            drawn = file.read()
        self.assertIn(b"<svg", drawn)
        self.assertIn(b"tree_node", drawn)
        done = self.heapline("backrefs", "--svg=-", "tree_node", profile)
        self.assertEqual((done.status, done.stdout), (0, drawn), done)
        nowhere = self.path("none/refs.svg")
        self.assert_error(self.heapline("refs", "--svg", nowhere, "tree_node", profile),
                          1, "none/refs.svg", "name a file")
        self.assert_error(self.heapline("refs", "--svg", path, "no_such", profile), 2,
                          "no live block")

    def test_no_picture_without_graphviz(self):
        profile, _ = self.scan_graph()
        path = self.path("refs.svg")
        done = self.heapline("refs", "--svg", path, "tree_node", profile,
                             env={"PATH": self.dir})
        self.assert_error(done, 1, "Graphviz", "--dot")
        self.assertFalse(os.path.exists(path))

    def test_a_profile_without_a_snapshot_says_so(self):
        profile = self.record([target("example")]).profile
        for verb in (["path", "main"], ["refs", "main"], ["at", "main"], ["roots"]):
            done = self.heapline(*verb, profile)
            self.assert_error(done, 3, "no snapshot", "--snapshot-at-exit")
        self.assert_error(self.heapline("path", "0x10", self.scan_graph()[0]), 2,
                          "no live block")


class Around(Scans):
    """What is shown of a block's neighbourhood, and of the ways to it."""

    def setUp(self):
        super().setUp()
        result = self.scan([target("fan")])
        self.named = dict(line.split() for line in result.stdout.decode().splitlines())
        self.profile = result.profile

    def text_of(self, verb, what, *options):
        done = self.heapline(verb, self.named[what], self.profile, *options)
        self.assertEqual((done.status, done.stderr), (0, b""), done)
        return done.stdout.decode()

    def references(self, verb, what, *options):
        return self.read_json(verb, self.profile, self.named[what],
                              *options)["blocks"][0]["references"]

    def test_too_many_are_cut(self):
        text = self.text_of("refs", "hub")
        self.assertEqual(text.count("leaf (fan.c:"), 10)
        self.assertIn("  ... 291 more references\n", text)

    def test_what_is_cut_is_told_by_kind(self):
        whole = [r for r in self.references("refs", "hub", "--depth=1", "--too-many=1000")]
        for many, hide in ((1, ()), (10, ()), (299, ()), (10, ("--hide=make_pair",))):
            with self.subTest(many, hide=hide):
                few = self.references("refs", "hub", "--depth=1", "--too-many=%d" % many,
                                      *hide)
                rest = [r for r in few if "more" in r][0]
                left = [r for r in whole[many:]
                        if not hide or r["block"]["address"] != self.named["pair"]]
                kinds = rest["kinds"]
                self.assertEqual(
                    {k["block"]["site"]: k["references"] for k in kinds},
                    collections.Counter(r["block"]["site"] for r in left))
                for kind in kinds:
                    alike = [r for r in left if r["block"]["site"] == kind["block"]["site"]]
                    self.assertEqual(
                        [alike[0][key] for key in ("offset", "how", "into", "block")],
                        [kind[key] for key in ("offset", "how", "into", "block")])
                self.assertEqual([k["references"] for k in kinds],
                                 sorted((k["references"] for k in kinds), reverse=True))

    def test_some_alone_or_none_of_them(self):
        for options in (("--hide=leaf",), ("--only=make_pair", "--only=nowhere"),
                        ("--min=64", "--depth=2")):
            with self.subTest(options):
                found = self.references("refs", "hub", *options)
                self.assertEqual([r["block"]["address"] for r in found if "block" in r
                                  and r["depth"] == 1], [self.named["pair"]])
                self.assertEqual([r["left_out"] for r in found if "left_out" in r
                                  and r["depth"] == 1], [300])
        self.assertIn("  ... 301 references left out\n",
                      self.text_of("refs", "hub", "--hide", self.named["pair"],
                                   "--hide=leaf"))
        # What is left out is not gone through.
        self.assertEqual(len(self.references("refs", "hub", "--hide=make_pair",
                                             "--too-many=1000")), 301)

    def test_some_are_pointed_out(self):
        text = self.text_of("refs", "pair", "--highlight", self.named["large"])
        self.assertEqual(text.count("  <==\n"), 3)
        marked = [r for r in self.references("refs", "pair", "--highlight",
                                               self.named["large"])
                  if r.get("highlighted")]
        self.assertEqual({r["block"]["address"] for r in marked}, {self.named["large"]})
        dot = self.text_of("refs", "pair", "--highlight", self.named["large"], "--dot")
        self.assertRegex(dot, r"97.7 KiB at .*, penwidth=4, color=red\]")

    def test_a_picture_folds_what_is_alike(self):
        dot = self.text_of("refs", "hub", "--dot", "--depth=2")
        self.assertEqual(dot.count("leaf (fan.c:"), 4)
        self.assertIn('[label="297 more: leaf (fan.c:', dot)
        self.assertEqual(re.findall(r"b(\d+) -> b\1 .*", dot), re.findall(
            r'b(\d+) -> b\1 \[label="\+56"\]', dot))
        self.assertEqual(len(re.findall(r'label="\+8, and 2 more"', dot)), 1)

    def test_ways_that_have_nothing_in_common(self):
        def ways(*options):
            return [(way["root"]["name"], way["root"]["how"],
                     [step["address"] for step in way["steps"][:-1]])
                    for way in self.read_json("path", self.profile, self.named["large"],
                                              *options)["blocks"][0]["paths"]]

        through = [self.named["hub"], self.named["pair"]]
        # The better ones first, and then by whatever else there is.
        self.assertEqual(ways("--paths=9"), [
            ("large", "start", []), ("hub", "start", through),
            ("middle", "interior", [])])
        self.assertEqual(ways(), [("large", "start", [])])
        self.assertEqual(ways("--paths=9", "--avoid", self.named["pair"]),
                         [("large", "start", []), ("middle", "interior", [])])
        text = self.text_of("path", "pair", "--avoid", self.named["hub"])
        self.assertIn("  no way leads around what is to be avoided\n", text)

    def test_words_that_are_too_many(self):
        options = ["--hide=leaf"] * 17
        self.assert_error(self.heapline("refs", *options, "leaf", self.profile), 2,
                          "it can be given 16 times")


class Children(Scans):
    """A fork child's graph has what it was born with."""

    def test_a_child_has_its_parents_blocks(self):
        result = self.scan([target("graph"), "fork"])
        self.assertEqual(result.status, 0, result)
        named = dict(line.split() for line in result.stdout.decode().splitlines())
        child = "--process=" + named["pid"]
        blocks = self.read_json("blocks", result.profile, child)["blocks"]
        # The map, its buckets, three entries, two of the three values, its own; where
        # the one that the parent has freed since was allocated is not known any more.
        self.assertEqual(sorted(b["bytes"] for b in blocks),
                         [16, 24, 24, 24, 64, 100, 101, 321])
        self.assertEqual([b["site"] for b in blocks if b["bytes"] == 101],
                         ["(no stack)"])
        for name, offsets in (("child", [0, 40, 16]), ("table", [0, 40, 8, 8, 16])):
            root, got, block = self.path_of(result.profile, named[name], child)
            self.assertEqual((root["name"], got, block["held"]),
                             ("g_table", offsets, "sure"))
        lost = self.read_json("blocks", result.profile, "--held=no", child)["blocks"]
        self.assertEqual(lost, [])
        # The parent's own has lost the one, and has the other.
        mine = self.read_json("at", result.profile, "make_table", "-n99")
        self.assertEqual(sorted(b["bytes"] for b in mine["blocks"]),
                         [16, 24, 24, 24, 64, 100, 102])


class Living(harness.Case):
    """A program that goes on, scanned several times."""

    def begin(self, args, options=()):
        self.live_profile = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", self.live_profile, *options, "--",
             *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        self.addCleanup(harness.kill_below, program.pid)
        return program

    def test_a_program_that_waits(self):
        program = self.begin([target("graph"), "wait"])
        lines = iter(program.stdout.readline, b"")
        named = {}
        for line in lines:
            name, where = line.decode().split()
            if name == "pid":
                pid = where
                break
            named[name] = where
        for number, name in ((1, "first"), (2, "second")):
            done = self.heapline("snapshot", pid, "--name", name)
            self.assertEqual(done.status, 0, done)
            self.assertIn(b"snapshot %d: " % number, done.stderr)
        self.assert_error(self.heapline("snapshot", "1"), 1, "no process 1")
        for snapshot in ("first", "2"):
            for name, kind in (("table", "global"), ("stack", "stack"), ("tls", "tls"),
                               ("register", "register"), ("main", "stack")):
                with self.subTest(snapshot=snapshot, name=name):
                    block = self.read_json("path", self.live_profile, named[name],
                                           "--snapshot", snapshot)["blocks"][0]
                    self.assertEqual(block["paths"][0]["root"]["kind"], kind)
            single = self.read_json("path", self.live_profile, named["single"],
                                    "--snapshot", snapshot)["blocks"][0]
            self.assertEqual(single["held"], "no")
        os.kill(int(pid), signal.SIGUSR1)  # its own way out
        out, err = program.communicate(timeout=harness.PATIENCE)
        self.assertEqual((program.returncode, out, err), (3, b"", b""))

    def pid_of(self, program):
        for line in iter(program.stdout.readline, b""):
            if line.startswith(b"pid "):
                return int(line.split()[1])
        self.fail("it did not say its pid")

    def snapshots(self):
        done = self.heapline("info", "--json", self.live_profile)
        return json.loads(done.stdout)["snapshots"] if not done.status else []

    def test_snapshots_by_the_clock(self):
        program = self.begin([target("graph"), "wait"],
                             ("--snapshot-every=100ms", "--snapshot-at=250ms"))
        pid = self.pid_of(program)
        self.wait_for(lambda: len(self.snapshots()) > 3 and "at 0.250 s" in
                      [s["name"] for s in self.snapshots()], harness.PATIENCE, "snapshots")
        os.kill(pid, signal.SIGUSR1)  # its own way out
        program.communicate(timeout=harness.PATIENCE)
        names = [s["name"] for s in self.snapshots()]
        self.assertIn("at 0.250 s", names)
        rest = [n for n in names if n != "at 0.250 s"]
        self.assertEqual(len(rest), len(set(rest)))
        for name in rest:
            self.assertRegex(name, r"^at \d+\.\d+ s$")
        # (The last one may have come as the program ended.)
        self.assertEqual({s["cause"] for s in self.snapshots()[:-1]}, {None})
        done = self.heapline("roots", "--snapshot=at 0.250 s", self.live_profile)
        self.assertEqual(done.status, 0, done)

    def test_a_moment_comes_while_an_interval_s_snapshot_is_made(self):
        program = self.begin([target("graph"), "wait"],
                             ("--snapshot-every=100ms", "--snapshot-at=301ms"))
        pid = self.pid_of(program)
        self.wait_for(lambda: any(s["at_ns"] > 5e8 for s in self.snapshots()),
                      harness.PATIENCE, "snapshots behind it")
        os.kill(pid, signal.SIGUSR1)
        program.communicate(timeout=harness.PATIENCE)
        self.assertIn("at 0.301 s", [s["name"] for s in self.snapshots()])

    def test_a_moment_before_there_is_a_heap_waits_for_one(self):
        program = self.begin([target("graph"), "wait"], ("--snapshot-at=1us",))
        pid = self.pid_of(program)
        self.wait_for(self.snapshots, harness.PATIENCE, "a snapshot")
        os.kill(pid, signal.SIGUSR1)
        program.communicate(timeout=harness.PATIENCE)
        self.assertEqual([(s["name"], s["cause"]) for s in self.snapshots()],
                         [("at 1.0 us", None)])

    def test_snapshots_of_a_heap_that_grows(self):
        self.write("grow.py", """if True:
            import time
            keep = []
            for i in range(64):
                keep.append(bytearray(1 << 20))
                time.sleep(0.05)""")
        program = self.begin([sys.executable, self.path("grow.py")], ("--snapshot-at=peak>10M",))
        program.communicate(timeout=harness.PATIENCE)
        found = self.snapshots()
        self.assertIn(len(found), (2, 3), found)  # 10, 20, 40
        self.assertGreater(found[0]["bytes"], 10 << 20)
        # The names have what was seen, the graphs what was there a moment later.
        seen = [float(re.fullmatch(r"peak (\d+\.\d) MiB", s["name"])[1]) for s in found]
        for one, next_one in zip(seen, seen[1:]):
            self.assertGreaterEqual(next_one + 0.1, 2 * one)

    def test_a_program_at_work_is_not_changed(self):
        args = [target("steady"), "4000000", self.path("ready"), self.path("go")]
        self.write("go", "")
        native = self.run_native(args)
        program = self.begin(args)
        self.wait_for(self.collectors, harness.PATIENCE, "a collector")
        self.wait_for(lambda: not self.heapline(
            "snapshot", "-q", str(self.collectors()[0])).status, harness.PATIENCE,
                      "a snapshot at rest")
        self.let_go()
        while program.poll() is None:
            for collector in self.collectors() or [1]:
                self.heapline("snapshot", "-q", str(collector))
        out, err = program.communicate(timeout=harness.PATIENCE)
        self.assertEqual((program.returncode, out, err),
                         (native.status, native.stdout, b""))
        self.wait_for(lambda: not self.collectors(), harness.PATIENCE, "the collector to end")
        self.assertEqual(self.heapline("roots", self.live_profile).status, 0)


class Manners(harness.Case):
    """However a program ends, it ends so with a scan too."""

    def test_ends_are_the_same(self):
        for how in ("exit", "_exit", "quick_exit", "abort", "segv", "kill"):
            with self.subTest(how):
                native = self.run_native([target("phases"), how])
                scanned = self.record([target("phases"), how], ("--snapshot-at-exit",))
                self.assert_same_behaviour(native, scanned)
                done = self.heapline("roots", scanned.profile)
                if how in ("exit", "_exit", "quick_exit"):
                    self.assertEqual(done.status, 0, done)
                else:
                    self.assert_error(done, 3, "not scanned: a signal ended it")

    def test_trees_of_processes_are_scanned_each(self):
        native = self.run_native([target("forks")])
        scanned = self.record([target("forks")], ("--snapshot-at-exit",))
        self.assertEqual(scanned.status, native.status, scanned)
        info = self.heapline("info", scanned.profile)
        self.assertEqual(info.status, 0, info)

    def test_a_collector_that_is_killed_leaves_nobody_standing(self):
        for nap in (0, 5, 20, 50):
            with self.subTest(nap):
                self.record_and_kill(nap)

    def record_and_kill(self, nap):
        profile = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--snapshot-at-exit", "--",
             target("graph")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=self.environment())
        self.wait_for(lambda: self.collectors() or program.poll() is not None,
                      harness.PATIENCE, "a collector, or the end")
        time.sleep(0.02 + nap / 1000)
        for pid in self.collectors():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        out, _ = program.communicate(timeout=harness.PATIENCE)
        # 125: the collector died, if the program itself ended well, or before it began.
        self.assertIn(program.returncode, (0, 125))
        if program.returncode == 0 or out:
            self.assertIn(b"key", out)


class Programs(harness.Case):
    """Real ones: nearly all that they keep is held."""

    def held(self, args, **how):
        native = self.run_native(args, **how)
        result = self.record(args, ("--snapshot-at-exit",), **how)
        self.assert_same_behaviour(native, result)
        roots = self.heapline("roots", result.profile)
        self.assertEqual(roots.status, 0, roots)
        return roots.stdout.decode()

    @needs("sqlite3")
    def test_sqlite(self):
        self.held(["sqlite3", ":memory:", "create table t(a);"
                   "insert into t values (1);select * from t;"])

    @needs("git")
    def test_git(self):
        self.held(["git", "--version"])

    @needs("xmllint")
    def test_xmllint(self):
        self.write("a.xml", "<a><b c='d'/></a>")
        self.held(["xmllint", "a.xml"])


if __name__ == "__main__":
    harness.main()
