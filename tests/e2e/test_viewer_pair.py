"""The page of two profiles: `report --html FILE A B` in Chromium, against what `diff` and
the other verbs print for the same question."""

import json
import os
import re
import shlex
import subprocess

import harness
import serving
import test_viewer

METRICS = test_viewer.METRICS
UNITS = ("line", "function", "site", "module")
FOCUS = "make_block"

PROGRAM = r"""#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>
%(before)s
static std::vector<char *> kept;

struct table {
	std::unordered_map<int, std::string> rows;
	void load(int count)
	{
		for (int i = 0; i < count; i++)
			rows[i] = std::string(%(row)d, 'x');
	}
};

__attribute__((noinline)) static char *make_block(size_t size)
{
	return static_cast<char *>(malloc(size));
}

__attribute__((noinline)) static void parse(int count)
{
	std::vector<int> scratch;

	for (int i = 0; i < count; i++)
		scratch.push_back(i);
	kept.push_back(make_block(%(size)d));
%(in_parse)s	free(make_block(100));
}
%(function)s
__attribute__((noinline)) static void same(void)
{
	kept.push_back(make_block(4096));
}

int main()
{
	table t;

	t.load(%(count)d);
	for (int i = 0; i < 20; i++)
		parse(100 * i);
	same();
%(call)s	return kept.empty();
}
"""

OLD = {
    "before": "", "row": 40, "size": 1000, "count": 500, "call": "\tretired();\n",
    "in_parse": '\tkept.push_back(strdup("a text that the next version has no use of"));\n',
    "function": """
__attribute__((noinline)) static void retired(void)
{
	kept.push_back(make_block(50000));
}
""",
}
NEW = {
    "before": "\n#include <memory>\n\n", "row": 60, "size": 1500, "count": 300,
    "call": "\tfresh(3);\n", "in_parse": "",
    "function": """
__attribute__((noinline)) static void fresh(int n)
{
	if (n)
		fresh(n - 1);
	else
		kept.push_back(make_block(70000));
}
""",
}


class Pair(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.lacking = test_viewer.missing()
        cls.npm_failed = None if cls.lacking else test_viewer.npm_ci()

    def setUp(self):
        super().setUp()
        if self.lacking:
            self.skipTest(", ".join(self.lacking) + " missing")
        self.assertIsNone(self.npm_failed)

    def build(self, folder, parts, name="program"):
        os.makedirs(self.path(folder), exist_ok=True)
        self.write(folder + "/program.cc", PROGRAM % parts)
        done = subprocess.run(
            [test_viewer.tool("g++"), "-g", "-O1", "program.cc", "-o", name],
            cwd=self.path(folder), capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return os.path.join(self.path(folder), name)

    def profile(self, *command):
        result = self.record(list(command))
        self.assertEqual(result.status, 0, result)
        return result.profile

    def ask(self, name, a, b, *options, sides=False, units=UNITS, metrics=METRICS):
        """A page, and what the verbs answer; options cut the recordings."""
        page = self.path(name + ".html")
        limit = [o for o in options if o.startswith("--html-limit")]
        cut = [o for o in options if o not in limit]
        result = self.heapline("report", "--html", page, *options, a, b)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(result.stdout, b"")

        def diff(*words):
            done = self.heapline("diff", "--json", "-n", "100000", *words, *cut, a, b)
            self.assertEqual(done.status, 0, done)
            return json.loads(done.stdout)

        cli = {"focus": FOCUS, "diff": {
            "%s %s" % (unit, metric): diff("--by=" + unit, "--sort=" + metric)
            for unit in units for metric in metrics}}
        for word in ("focus", "ignore"):
            cli["diff"]["line peak " + word] = diff("--%s=%s" % (word, FOCUS))
        for side, profile in (("a", a), ("b", b)) if sides else ():
            cli[side] = {"timeline": self.read_json("timeline", profile)}
            for metric in METRICS:
                cli[side]["tree_" + metric] = self.read_json(
                    "tree", profile, "--sort=" + metric, "--min=0")
                cli[side]["callers_" + metric] = self.read_json(
                    "tree", profile, "--sort=" + metric, "--min=0", "--bottom-up")
            for by in ("size", "lifetime", "function"):
                cli[side]["top_" + by] = self.read_json("top", profile, "--by=" + by)
        return {"file": page, "cli": cli, "profiles": [a, b]}

    def held(self, name, lost):
        """A recording of tests/targets/holding.c that loses so many, by such a name."""
        with open(os.path.join(harness.SOURCE, "tests", "targets", "holding.c"),
                  encoding="utf-8") as file:
            text = file.read().replace("LOST = 40", "LOST = %d" % lost)
        self.write(name + ".c", text.replace("lose_words", "lose_" + name))
        done = subprocess.run(
            [test_viewer.tool("g++"), "-x", "c", "-g", "-O1", "-fno-builtin", name + ".c",
             "-o", name], cwd=self.dir, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        result = self.record([self.path(name)], ["--snapshot-at-exit"])
        self.assertEqual(result.status, 0, result)
        return result.profile

    def of_held(self):
        a, b = self.held("words", 40), self.held("texts", 55)
        page = self.ask("held", a, b, units=("site",), metrics=("allocated",))
        for name, options in (
                ("leak", ["--by=leak"]), ("leak_all", ["--by=leak", "--kind=all"]),
                ("leak_two", ["--by=leak", "--kind=definite,reachable"]),
                ("leak_focus", ["--by=leak", "--kind=all", "--focus=lose_links"]),
                ("leak_ignore", ["--by=leak", "--kind=all", "--ignore=lose_links"]),
                ("block", ["--by=block", "-n1000"])):
            done = self.heapline("diff", "--json", *options, a, b)
            self.assertEqual(done.status, 0, done)
            page["cli"][name] = json.loads(done.stdout)
        return page

    def of_types(self):
        script = ("class Kept:\n    pass\n"
                  "kept = [Kept() for i in range(%d)]\n"
                  "more = [{i: str(i)} for i in range(%d)]\n")
        profiles = []
        for i, counts in enumerate(((100, 300), (600, 50))):
            path = self.write("types%d.py" % i, script % counts)
            result = self.record(["/usr/bin/python3", "-B", path], ["--snapshot-at-exit"])
            self.assertEqual(result.status, 0, result)
            profiles.append(result.profile)
        page = self.ask("types", *profiles, units=("line",), metrics=("peak",))
        done = self.heapline("diff", "--json", "--by=type", *profiles)
        self.assertEqual(done.status, 0, done)
        page["cli"]["type"] = json.loads(done.stdout)
        done = self.heapline("diff", "--json", "--by=block", "-n1000", *profiles)
        page["cli"]["block"] = json.loads(done.stdout)
        return page

    def test_in_a_browser(self):
        old, new = self.build("old", OLD), self.build("new", NEW)
        a, b = self.profile(old), self.profile(new)
        both = self.profile("/bin/sh", "-c", "%s & %s; wait" % tuple(
            shlex.quote(p) for p in (old, new)))
        odd = self.build("odd", NEW, test_viewer.HOSTILE)
        python = [self.profile("/usr/bin/python3", "-c", "import " + modules)
                  for modules in ("json, re, decimal", "json, argparse")]
        pages = {
            "rebuilt": self.ask("rebuilt", a, b, sides=True),
            "processes": self.ask("processes", a, both),
            "moments": self.ask("moments", b, b, "--at=10us", "--at=peak"),
            "other": self.ask("other", b, self.profile("/usr/bin/env", "true")),
            "hostile": self.ask("hostile", a, self.profile(odd), units=(), metrics=()),
            "folded": self.ask("folded", *python, "--html-limit=160K", units=("line",),
                               metrics=("allocated",)),
            "held": self.of_held(), "types": self.of_types(),
        }
        servers = {name: serving.Server(self, *pages[name]["profiles"])
                   for name in ("rebuilt", "held", "types")}
        config = self.write("config.json", json.dumps(
            {"pages": pages, "chromium": test_viewer.tool("chromium"),
             "served": {name: s.address for name, s in servers.items()},
             "only": os.environ.get("VIEWER_ONLY", "")}))
        done = subprocess.run(
            [test_viewer.tool("node"), "tests/pair.mjs", config],
            cwd=test_viewer.WORKSHOP, env=self.environment(), capture_output=True,
            timeout=900, check=False)
        results = [json.loads(l) for l in done.stdout.decode().splitlines() if l[:1] == "{"]
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace")[-3000:])
        tests = [r for r in results if "name" in r]
        for test in tests:
            with self.subTest(test["name"]):
                self.assertNotIn("detail", test, test.get("detail"))
        script = os.path.join(test_viewer.VIEWER, "tests", "pair.mjs")
        with open(script, encoding="utf-8") as file:
            self.assertEqual({t["name"] for t in tests if ": " not in t["name"]},
                             set(re.findall(r"(?m)^tests\.(\w+) =", file.read())))
        self.assertGreater(len([t for t in tests if ": " in t["name"]]), 6)
        commands = [c for r in results for c in r.get("commands", ())]
        self.assertGreater(len(commands), 7)
        for command in "; ".join(commands).split("; "):
            words = shlex.split(command)
            self.assertEqual(words[0], "heapline")
            done = self.heapline(*words[1:])
            self.assertEqual(done.status, 0, command + "\n" + str(done))


class Refused(harness.Case):
    def test_two_profiles_are_for_a_page_or_for_diff(self):
        profile = self.record([harness.target("demo")]).profile
        self.assert_error(self.heapline("report", profile, profile), 2, "heapline diff A B")
        self.assert_error(self.heapline("report", "--html=x", profile, profile, profile), 2,
                          "two profiles, not also")

    def test_an_option_for_a_second_profile_takes_one(self):
        profile = self.record([harness.target("demo")]).profile
        self.assert_error(self.heapline("report", "--html=x", "--at=peak", "--at=end",
                                        profile), 2, "second profile")
        self.assertFalse(os.path.exists(self.path("x")))


if __name__ == "__main__":
    harness.main()
