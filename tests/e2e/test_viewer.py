"""The web viewer: `report --html` in Chromium, by mouse and keyboard, against what the
verbs print for the same question; its bundle against its sources."""

import fcntl
import filecmp
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import unittest

import harness
import holding
import serving

VIEWER = os.path.join(harness.SOURCE, "viewer")
WORKSHOP = os.path.join(harness.BUILD, "viewer")  # where npm may write
METRICS = ("peak", "leaked", "allocated", "temporary", "allocations")
HOSTILE = "<img src=x onerror=alert(1)>"
FOCUS = "forget|make_block"
NEEDED = ("node", "npm", "chromium", "g++")


def tool(name):
    return shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")


def missing():
    return [name for name in NEEDED if not tool(name)]


def sources():
    """{path in viewer/: its bytes}, without what npm and the build make."""
    found = {}
    for folder, folders, names in os.walk(VIEWER):
        folders[:] = [f for f in folders if f not in ("node_modules", "bundle")]
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, VIEWER)] = file.read()
    return found


def npm_ci():
    """A copy of viewer/ in the build tree, with the packages that its lock names: made
    by one test, of which others wait for the end. Returns what went wrong, or None."""
    found = sources()
    digest = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
    stamp = os.path.join(WORKSHOP, "made-of")
    os.makedirs(WORKSHOP, exist_ok=True)
    with open(WORKSHOP + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(stamp):
            with open(stamp, encoding="utf-8") as file:
                if file.read() == digest:
                    return None
        failed = make_workshop(found)
        if not failed:
            with open(stamp, "w", encoding="utf-8") as file:
                file.write(digest)
        return failed


def make_workshop(found):
    shutil.rmtree(WORKSHOP)
    for name, content in found.items():
        path = os.path.join(WORKSHOP, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    env = {k: v for k, v in os.environ.items() if k != "NODE_ENV"}
    done = subprocess.run(
        [tool("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=WORKSHOP,
        env=env, capture_output=True, timeout=300, check=False)
    return done.stderr.decode(errors="replace")[-2000:] if done.returncode else None


class Viewer(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.lacking = missing()
        if cls.lacking:
            return
        cls.npm_failed = npm_ci()

    def setUp(self):
        super().setUp()
        if self.lacking:
            self.skipTest(", ".join(self.lacking) + " missing")
        self.assertIsNone(self.npm_failed)

    # ---- the bundle ---------------------------------------------------------------

    def test_the_bundle_is_made_of_its_sources(self):
        done = subprocess.run([tool("node"), "build.mjs"], cwd=WORKSHOP,
                              capture_output=True, timeout=600, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("viewer.js", "viewer.css"):
            same = filecmp.cmp(os.path.join(WORKSHOP, "bundle", name),
                               os.path.join(VIEWER, "bundle", name), shallow=False)
            self.assertTrue(same, name + " is not what its sources make: run npm run "
                            "build in viewer/")

    def test_its_sources_have_no_type_errors(self):
        done = subprocess.run([tool("node"), "node_modules/typescript/bin/tsc", "--noEmit"],
                              cwd=WORKSHOP, capture_output=True, timeout=600, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode())

    # ---- the browser --------------------------------------------------------------

    def compile(self, name, source, *options):
        program = self.path(name)
        done = subprocess.run([tool("g++"), "-g", "-O2", "-pthread", *options, source, "-o",
                               program], cwd=self.dir, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return program

    def page(self, profile, *options):
        page = profile[: -len(".heapline")] + ".html"
        result = self.heapline("report", "--html", page, *options, profile)
        self.assertEqual(result.status, 0, result)
        return page

    def ask(self, profile, questions, *options):
        answers = {name: self.read_json(words[0], profile, *words[1:])
                   for name, words in questions.items()}
        return {"file": self.page(profile, *options), "profile": profile, "cli": answers}

    def of_times(self, profile):
        """The same questions of two ranges of time."""
        wall = self.report_json(profile)["wall_ns"]
        times = []
        for first, last in ((0, wall // 2), (wall // 3, wall * 4 // 5), (wall // 2, 0)):
            cut = "--time=%dns..%s" % (first, "%dns" % last if last else "")
            questions = {
                "lines": ["lines", cut], "top": ["top", cut],
                "tree_callers": ["tree", "--sort=allocated", "--bottom-up", "--min=0.025", cut],
            }
            for metric in ("peak", "leaked", "allocated"):
                questions["tree_" + metric] = ["tree", "--sort=" + metric, "--min=0", cut]
            answers = {name: self.read_json(words[0], profile, *words[1:])
                       for name, words in questions.items()}
            times.append(dict(answers, **{"from": first, "to": last}))
        return times

    def record_spread(self, program):
        """A run of which a good part lies behind its first fifth: it takes some hundredth
        seconds, and where the machine is busy, its end alone may take ten times that."""
        for _ in range(50):
            result = self.record([program])
            self.assertEqual(result.status, 0, result)
            t = self.read_json("timeline", result.profile)
            early = sum(b["allocations"] for b in t["bins"]
                        if b["at_ns"] < t["wall_ns"] * 0.2)
            if early < 0.8 * sum(b["allocations"] for b in t["bins"]):
                return result
        self.fail("it never was at work until its end")
        return None

    def of_one(self, program):
        result = self.record_spread(program)
        questions = {
            "report": ["report"], "lines": ["lines", "--all"], "timeline": ["timeline"],
            "top_size": ["top", "--by=size"], "top_lifetime": ["top", "--by=lifetime"],
            "top_function": ["top", "--by=function"],
            "top_mmap": ["top", "--domain=mmap"],
            "tree_lines": ["tree", "--lines", "--min=0"],
            "tree_lines_callers": ["tree", "--lines", "--bottom-up", "--min=0.025"],
        }
        for metric in METRICS:
            questions["tree_%s_down" % metric] = ["tree", "--sort=" + metric, "--min=0"]
            questions["tree_%s_callers" % metric] = [
                "tree", "--sort=" + metric, "--bottom-up", "--min=0.025"]
            if metric != "allocations":
                questions["lines_" + metric] = ["lines", "--sort=" + metric]
        page = self.ask(result.profile, questions)
        page["cli"]["times"] = self.of_times(result.profile)
        return page

    def of_tree(self, program):
        quoted = shlex.quote(program)
        result = self.record(["/bin/sh", "-c", "%s & %s; wait" % (quoted, quoted)])
        self.assertEqual(result.status, 0, result)
        report = self.report_json(result)
        pid = [p["pid"] for p in report["processes"] if program in p["command"]][0]
        one, focus, ignore = "--process=%d" % pid, "--focus=" + FOCUS, "--ignore=" + FOCUS
        questions = {
            "report": ["report"], "lines": ["lines"], "lines_process": ["lines", one],
            "lines_focus": ["lines", focus], "lines_ignore": ["lines", ignore],
            "threads": ["top", "--by=thread"], "tree": ["tree", "--min=0"],
            "tree_process": ["tree", "--min=0", one],
            "tree_process_callers": ["tree", "--bottom-up", "--min=0.025", one],
            "tree_focus": ["tree", "--min=0", focus],
            "tree_ignore": ["tree", "--min=0", ignore],
        }
        for by in ("site", "function", "file", "module", "process"):
            questions["top_" + by] = ["top", "--by=" + by]
        page = self.ask(result.profile, questions)
        page["cli"].update(pid=pid, focus=FOCUS, times=self.of_times(result.profile))
        return page

    def of_hostile(self, source):
        odd = self.path('<b>&"odd\u202e.cc')
        shutil.copy(source, odd)
        result = self.record([self.compile(HOSTILE, odd)])
        self.assertEqual(result.status, 0, result)
        return self.ask(result.profile, {})

    def of_cut(self, program):
        """Two parts of one recording."""
        for _ in range(50):
            profile = self.record([program]).profile
            report = self.report_json(profile)
            # The first part, with something in it: on a busy machine a start takes long,
            # and the recording may go on for as long when the program is over.
            first = max(report["processes"][0]["end_ns"] // 2, report["peak"]["at_ns"] + 1)
            cuts = {"moment": "--at=end", "range": "--time=0s..%dns" % first}
            if self.read_json("tree", profile, cuts["range"])["total"]:
                break
        pages = {}
        for name, cut in cuts.items():
            questions = {"tree": ["tree", "--min=0", cut],
                         "allocated": ["tree", "--min=0", "--sort=allocated", cut],
                         "lines": ["lines", cut]}
            page = self.ask(profile, questions, cut)
            pages[name] = dict(page, file=shutil.move(page["file"], self.path(name + ".html")))
        return pages

    def of_folded(self):
        result = self.record(["/usr/bin/python3", "-c", "import json, re, decimal"])
        self.assertEqual(result.status, 0, result)
        own = sum(os.path.getsize(os.path.join(VIEWER, "bundle", name))
                  for name in ("viewer.js", "viewer.css"))
        return self.ask(result.profile, {"tree": ["tree", "--sort=allocated", "--min=0"]},
                        "--html-limit=%d" % (own + 8192))

    def browse(self, program, pages, served=None):
        """Runs a file of the browser's tests; one result each, and the commands that
        they saw are ones that heapline takes. Some of them a second time where pages
        are served."""
        config = {"pages": pages, "chromium": tool("chromium"), "served": served,
                  "only": os.environ.get("VIEWER_ONLY", "")}
        if os.environ.get("VIEWER_SCREENSHOTS"):
            config["screenshots"] = os.environ["VIEWER_SCREENSHOTS"]
        path = self.write("config.json", json.dumps(config))
        done = subprocess.run([tool("node"), "tests/" + program, path], cwd=WORKSHOP,
                              env=self.environment(), capture_output=True, timeout=900,
                              check=False)
        results = [json.loads(l) for l in done.stdout.decode().splitlines() if l[:1] == "{"]
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace")[-3000:])
        tests = [r for r in results if "name" in r]
        with open(os.path.join(VIEWER, "tests", program), encoding="utf-8") as file:
            named = set(re.findall(r"(?m)^tests\.(\w+) =", file.read()))
        for test in tests:
            with self.subTest(test["name"]):
                self.assertNotIn("detail", test, test.get("detail"))
        self.assertEqual({t["name"] for t in tests if ": " not in t["name"]}, named)
        self.assertGreater(len(tests), len(named) + (4 if served else -1))
        commands = [r["commands"] for r in results if "commands" in r]
        self.assertEqual(len(commands), 1)
        for command in commands[0]:
            words = shlex.split(command)
            self.assertEqual(words[0], "heapline")
            done = self.heapline(*words[1:])
            self.assertEqual(done.status, 0, command + "\n" + str(done))

    def test_in_a_browser(self):
        source = os.path.join(harness.SOURCE, "tests", "targets", "viewer.cc")
        program = self.compile("viewer", source)
        bare = self.record([self.compile("bare", source, "-g0")])
        pages = {
            "one": self.of_one(program),
            "tree": self.of_tree(program),
            "bare": self.ask(bare.profile, {"lines": ["lines"]}),
            "hostile": self.of_hostile(source),
            "folded": self.of_folded(),
            **self.of_cut(program),
        }
        served = {name: serving.Server(self, pages[name]["profile"])
                  for name in ("one", "tree", "bare")}
        self.browse("browser.mjs", pages, {name: s.address for name, s in served.items()})
        for name, server in served.items():
            self.assertEqual(server.end()[0], 0, name)

    # ---- leaks and references -----------------------------------------------------

    def of_heap(self, run, *options):
        questions = {
            "leaks": ["leaks"], "leaks_all": ["leaks", "--kind=all"],
            "leaks_two": ["leaks", "--kind=reachable,cycle"],
            "leaks_min": ["leaks", "--kind=all", "--min=1K"],
            "leaks_focus": ["leaks", "--kind=all", "--focus=lose_"],
            "leaks_ignore": ["leaks", "--kind=all", "--ignore=lose_"],
            "blocks": ["blocks"],
        }
        page = self.ask(run.profile, questions, *options)
        answers = page["cli"]
        shelf = self.first_of(answers, "fill_shelf")
        item = self.first_of(answers, "make_item")
        links = self.read_json("at", run.profile, "-n", "500", "make_links")["blocks"]
        about = lambda verb, address: json.loads(self.heapline(
            verb, "--json", address, run.profile).stdout)
        answers.update(
            growing=json.loads(self.heapline("watch", "--json", run.profile).stdout),
            shelf=about("at", shelf), backrefs=about("backrefs", item),
            paths={address: about("path", address) for address in
                   (links[0]["address"], links[-1]["address"], shelf, item)})
        return page

    def first_of(self, answers, function):
        return [g["first"]["address"] for g in answers["blocks"]["groups"]
                if g["first"]["site"].startswith(function)][0]

    def of_odd_names(self, source):
        odd = self.path('<b>&"odd\u202e.c')
        shutil.copy(source, odd)
        run = self.record([self.compile(HOSTILE, odd, "-x", "c", "-O1", "-fno-builtin")],
                          ["--snapshot-at-exit"])
        self.assertEqual(run.status, 0, run)
        return self.ask(run.profile, {})

    def of_pools(self):
        run = self.record([harness.target("pools"), "arena"], ["--snapshot-at-exit"])
        self.assertEqual(run.status, 0, run)
        return self.ask(run.profile, {
            "leaks": ["leaks", "--kind=all", "--domain=pool"],
            "top": ["top", "--by=site", "--domain=pool"]})

    def test_leaks_and_references_in_a_browser(self):
        run = holding.record(self)
        heap = self.of_heap(run)
        bare = self.record([harness.target("holding")])
        pages = {"heap": heap, "hostile": self.of_odd_names(
                     os.path.join(harness.SOURCE, "tests", "targets", "holding.c")),
                 "bare": self.ask(bare.profile, {"leaks": ["leaks"]}),
                 "pools": self.of_pools()}
        for name, option in (("small", "--html-limit=60K"), ("cut", "--at=end")):
            page = self.path(name + ".html")
            done = self.heapline("report", "--html", page, option, run.profile)
            self.assertEqual(done.status, 0, done)
            pages[name] = dict(heap, file=page)
        server = serving.Server(self, run.profile)
        self.browse("heap.mjs", pages, {"heap": server.address})
        self.assertEqual(server.end()[0], 0)


class Page(harness.Case):
    """What there is without a browser."""

    def setUp(self):
        super().setUp()
        self.profile = self.record([harness.target("demo")]).profile

    def test_it_replaces_pages_and_nothing_else(self):
        page = self.path("page.html")
        for _ in range(2):
            result = self.heapline("report", "--html", page, self.profile)
            self.assertEqual(result.status, 0, result)
            self.assertIn(b"page.html", result.stderr)
            self.assertEqual(result.stdout, b"")
        other = self.write("precious", "mine")
        self.assert_error(self.heapline("report", "--html", other, self.profile), 2,
                          "is there already")
        with open(other, encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")
        before = os.path.getsize(self.profile)
        self.assert_error(self.heapline("report", "--html", self.profile), 2, "already")
        self.assertEqual(os.path.getsize(self.profile), before)
        self.assertEqual(sorted(n for n in os.listdir(self.dir) if n.endswith(".part")), [])

    def test_a_place_that_cannot_be_written_is_an_error(self):
        for name in ("missing/page.html", "."):
            self.assert_error(self.heapline("report", "--html", name, self.profile), 1)
        self.assert_error(self.heapline("report", "--html", "/dev/full", self.profile), 1)

    def test_it_names_no_other_place(self):
        page = self.path("page.html")
        self.heapline("report", "--html", page, self.profile)
        with open(page, encoding="ascii") as file:
            text = file.read()
        self.assertIn("default-src 'none'", text)
        self.assertNotRegex(text, r"(?i)(src|href)=[\"']?(https?:)?//")
        self.assertLess(os.path.getsize(os.path.join(VIEWER, "bundle", "viewer.js"))
                        + os.path.getsize(os.path.join(VIEWER, "bundle", "viewer.css")),
                        300000)


if __name__ == "__main__":
    harness.main()
