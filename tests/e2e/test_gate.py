"""Suppressions, baselines, the gate file and reports of `heapline check`."""

import json
import os
import re
import subprocess
import xml.etree.ElementTree

import harness

# Leaks of distinct sizes, so that a sum tells which are left.
PROGRAM = """
#include <stdlib.h>
#include <string.h>

static void *volatile sink;

__attribute__((noinline)) void *make(size_t size)
{
	return malloc(size);
}

__attribute__((noinline)) void load_config(void)
{
	sink = make(101);
	sink = NULL;
}

__attribute__((noinline)) void load_plugin(void)
{
	sink = calloc(1, 203);
	sink = NULL;
}

__attribute__((noinline)) void parse(int depth)
{
	if (depth)
		parse(depth - 1);
	else
		sink = make(409);
	sink = NULL;
}

int main(int argc, char **argv)
{
	(void)argv;
	load_config();
	load_plugin();
	parse(3);
	for (int i = 1; i < argc; i++)
		load_config();
	return 0;
}
"""
SIZES = {101: "config", 203: "plugin", 409: "parse"}
ALL = set(SIZES.values())


def left(total):
    """Which leaks make up a sum."""
    for mask in range(8):
        some = [size for bit, size in enumerate(SIZES) if mask >> bit & 1]
        if sum(some) == total:
            return {SIZES[size] for size in some}
    raise AssertionError("%d bytes are no sum of leaks" % total)


class GateCase(harness.Case):
    def build(self, name="app", text=PROGRAM, options=(), compiler="gcc", folder="."):
        os.makedirs(self.path(folder), exist_ok=True)
        source = self.write(os.path.join(folder, name + (".c" if compiler == "gcc"
                                                         else ".cc")), text)
        out = self.path(os.path.join(folder, name))
        subprocess.run([compiler, "-g", "-O1", "-o", out, *options, source], check=True,
                       cwd=os.path.dirname(source))
        return out

    def check(self, *args, program="./app", arguments=(), status=None):
        result = self.heapline("check", *args, "--", program, *arguments)
        if status is not None:
            self.assertEqual(result.status, status, result)
        return result

    def outcome(self, *args, **how):
        self.check("--report", "json=outcome.json", *args, **how)
        with open(self.path("outcome.json")) as file:
            return json.load(file)

    def failing(self, *args, **how):
        """Names of the leaks that fail."""
        return left(sum(l["bytes"] for l in self.outcome(*args, **how)["leaks"]
                        if l["fails"]))

    def prints(self, *args, **how):
        return {l["fingerprint"] for l in self.outcome(*args, **how)["leaks"]}


class Blind(GateCase):
    """What was not seen is not called clean."""

    @harness.needs("gcc")
    def test_allocators_under_names_of_their_own(self):
        text = """#include <stdlib.h>
            void *_rjem_malloc(size_t n);
            void *_rjem_malloc(size_t n) { static char at[4096]; return n ? at : 0; }
            int main(void) { return !_rjem_malloc(10); }"""
        self.build(text=text)
        done = self.check(status=70)
        self.assertIn(b"app' has an allocator in it under names of its own", done.stderr)
        done = self.check(program="sh", arguments=["-c", "./app"], status=70)
        self.assertIn(b"app' has an allocator", done.stderr)
        self.build(text=text.replace("_rjem_malloc", "other_malloc"))
        self.check(status=0)

    @harness.needs("gcc")
    def test_a_library_in_a_namespace_of_its_own(self):
        self.build("libapart.so", options=("-shared", "-fPIC"), text="""
            #include <stdlib.h>
            void lose(void) { void *volatile p = malloc(500); (void)p; }""")
        text = """
            #define _GNU_SOURCE
            #include <dlfcn.h>
            int main(void)
            {
                void *library = OPEN "./libapart.so", RTLD_NOW);
                void (*lose)(void);
                if (!library)
                    return 9;
                lose = (void (*)(void))dlsym(library, "lose");
                lose();
                return 0;
            }"""
        self.build(text=text.replace("OPEN", "dlmopen(LM_ID_NEWLM,"))
        done = self.check(status=70)
        self.assertIn(b"not all of its blocks were recorded", done.stderr)
        self.build(text=text.replace("OPEN", "dlopen("))
        self.check(status=23)

    def test_a_child_that_defines_malloc(self):
        done = self.check(program="sh", arguments=["-c", harness.target("own_malloc")],
                          status=70)
        self.assertIn(b"own_malloc' defines malloc itself", done.stderr)


class Suppressions(GateCase):
    LSAN = ("leak:load_config", "leak:^load_", "leak:load", "leak:parse$", "leak:^parse$",
            "leak:pars$", "leak:ma*e", "leak:app.c", "leak:nothing", "leak:l*d*g",
            "leak:^ake", "leak:/app", "leak:^app", "leak:config\nleak:plugin")

    @harness.needs("gcc")
    def test_they_hide_what_leaksanitizer_hides_with_them(self):
        self.build()
        self.build("sanitized", options=["-fsanitize=leak"])
        os.rename(self.path("app.c"), self.path("kept"))
        self.build("app")
        for rules in self.LSAN:
            with self.subTest(rules=rules):
                self.write("rules", rules.replace("app", "sanitized") + "\n")
                said = self.run_native(
                    ["./sanitized"],
                    env={"LSAN_OPTIONS": "suppressions=rules:fast_unwind_on_malloc=0"})
                sums = re.findall(rb"leak of (\d+) byte", said.stderr)
                self.assertNotIn(b"failed", said.stderr)
                self.write("rules", rules + "\n")
                self.assertEqual(self.failing("--suppressions", "rules"),
                                 left(sum(map(int, sums))))

    VALGRIND = (  # what is left, as valgrind 3.19 says too
        ("fun:malloc\nfun:make\nfun:load_config", {"parse", "plugin"}),
        ("fun:malloc\nfun:load_config", ALL),
        ("...\nfun:load_config", {"parse", "plugin"}),
        ("fun:calloc\nfun:load_*", {"config", "parse"}),
        ("...\nfun:main", set()),
        ("fun:*\nfun:make\n...\nfun:parse", {"config", "plugin"}),
        ("fun:malloc\n...\nfun:p?rse", {"config", "plugin"}),
        ("fun:malloc\nfun:make\nfun:parse\nfun:main", ALL),
        ("...\nobj:*/app", set()),
        ("fun:malloc\nfun:mak", ALL),
        ("...\nfun:parse\nfun:parse\nfun:parse\nfun:main", {"config", "plugin"}),
        ("match-leak-kinds: possible\n...\nfun:main", ALL),
        ("match-leak-kinds: definite\n...\nfun:load_*", {"parse"}),
    )

    @harness.needs("gcc")
    def test_they_hide_what_valgrind_hides_with_them(self):
        self.build()
        for frames, expected in self.VALGRIND:
            with self.subTest(frames=frames):
                self.write("rules", "{\n name\n Memcheck:Leak\n%s\n}\n"
                                    "{\n other\n Memcheck:Cond\n fun:main\n}\n" % frames)
                self.assertEqual(self.failing("--suppressions", "rules"), expected)

    @harness.needs("gcc")
    def test_what_was_written_for_what_failed_hides_it(self):
        self.build()
        self.check("--gen-suppressions", "rules", status=23)
        result = self.check("--suppressions", "rules", status=2)
        self.assertIn(b"rules:1: the reason is missing", result.stderr)
        with open(self.path("rules")) as file:
            text = file.read().replace('""', '"known"')
        self.write("rules", text)
        self.check("--suppressions", "rules", "--fail-unused-suppressions", status=0)

    @harness.needs("gcc")
    def test_unused_expired_and_exceeded_ones_are_told(self):
        self.build()
        self.write("rules", """
[[suppression]]
reason = "r"
match = "load_plugin"
[[suppression]]
reason = "r"
name = "old"
match = "load_config"
expires = 2020-01-31
[[suppression]]
reason = "r"
match = "parse"
max-bytes = 408
[[suppression]]
reason = "r"
match = "nowhere"
""")
        result = self.check("--suppressions", "rules", status=23)
        self.assertEqual(re.findall(rb"(?m)^note: (?:rules|supp).*", result.stderr), [
            b"note: rules:5: suppression 'old' expired on 2020-01-31; 101 bytes in 1 "
            b"blocks are no longer hidden",
            b"note: rules:10: suppression is for less than the 409 bytes in 1 blocks that "
            b"match, and hides nothing",
            b"note: suppressed: 203 bytes in 1 blocks, by 1 rule",
            b"note: rules:14: suppression hid nothing"])
        self.write("rules", "leak:main\nleak:nowhere\n")
        self.check("--suppressions", "rules", status=0)
        result = self.check("--suppressions", "rules", "--fail-unused-suppressions",
                            status=24)
        self.assertIn(b"error: rules:2: suppression 'leak:nowhere' hid nothing",
                      result.stderr)

    @harness.needs("gcc")
    def test_leaks_takes_them_too(self):
        self.build()
        profile = self.record(["./app"], ("--snapshot-at-exit",)).profile
        self.write("rules", "leak:load\n")
        listed = self.heapline("leaks", "--json", "--suppressions", "rules", profile)
        found = json.loads(listed.stdout)
        self.assertEqual(left(found["listed"]["bytes"]), {"parse"})
        self.assertEqual(found["sums"]["suppressed"]["bytes"], 304)

    KEEPER = """
#include <libintl.h>
#include <locale.h>
#include <pwd.h>
#include <time.h>

int main(void)
{
	setlocale(LC_ALL, "C.UTF-8");
	tzset();
	getpwnam("root");
	textdomain("domain");
	return 0;
}
"""

    @harness.needs("gcc")
    def test_what_libc_keeps_is_known(self):
        self.build("keeper", self.KEEPER)
        args = ("--fail-on", "definite,cycle,indirect,possible,reachable", "--report",
                "json", "--")
        kept = self.heapline("check", "--no-known", *args, "./keeper",
                             env={"TZ": "CET-1CEST"})
        sites = {f["function"] for l in json.loads(kept.stdout)["leaks"] if l["fails"]
                 for f in l["stack"]}
        for name in ("setlocale", "getpwnam", "textdomain", "tzset"):
            self.assertTrue(any(name in s for s in sites), (name, sites))
        known = self.heapline("check", *args, "./keeper", env={"TZ": "CET-1CEST"})
        self.assertEqual([l for l in json.loads(known.stdout)["leaks"] if l["fails"]], [])

    # A launcher like pyenv's: it asks another script, and then becomes the program.
    @harness.needs("bash")
    def test_a_shell_that_starts_the_program_fails_no_check(self):
        self.write("asked", "#!/bin/bash\nfor i in 1 2; do\n  if [ $i = 2 ]; then\n"
                   "    echo $i\n    exit 0\n  fi\ndone\n", 0o755)
        self.write("launcher", "#!/bin/bash\nfound=$(./asked)\nif [ $found = 2 ]; then\n"
                   "  exec \"$@\"\nfi\n", 0o755)
        result = self.heapline("check", "--no-known", "--", "./launcher", "true")
        self.assertEqual(result.status, 23, result)
        self.assertIn(b"read_command", result.stderr + result.stdout)
        self.assertNotIn(b"launcher", result.stderr + result.stdout)
        result = self.heapline("check", "--", "./launcher", "true")
        self.assertEqual(result.status, 0, result)
        result = self.heapline("check", "--", "./launcher", harness.target("leak"), "9", "0")
        self.assertEqual(result.status, 23, result)


class Wrappers(GateCase):
    """Leaks are named after who called a function that allocates for others."""
    PROGRAM = r"""
#include <stdlib.h>

static void *volatile sink;

__attribute__((noinline)) void *xmalloc(size_t size)
{
	return malloc(size);
}

__attribute__((noinline)) void *obtain(size_t size)
{
	void *volatile block = xmalloc(size);

	return block;
}

__attribute__((noinline)) void *node_new(void)
{
	return malloc(24);
}
#define USER(n) \
	__attribute__((noinline)) void user##n(void) \
	{ \
		sink = obtain(16 << n); \
		sink = node_new(); \
		sink = NULL; \
	}
USER(0) USER(1) USER(2) USER(3) USER(4) USER(5) USER(6) USER(7)

int main(void)
{
	user0(), user1(), user2(), user3(), user4(), user5(), user6(), user7();
	return 0;
}
"""

    def sites(self, *options):
        leaks = json.loads(self.heapline("leaks", "--json", *options,
                                         "app.heapline").stdout)
        return (sorted({leak["site"].split()[0] for leak in leaks["leaks"]}),
                {w["function"]: w["by"] for w in leaks["wrappers"]},
                sum(leak["bytes"] for leak in leaks["leaks"]))

    def test_the_callers_of_wrappers_are_named(self):
        users = ["user%d" % n for n in range(8)]
        total = sum(16 << n for n in range(8)) + 8 * 24
        self.build(text=self.PROGRAM)
        self.check("-o", "app.heapline", status=23)
        self.assertEqual(self.sites(), (["node_new"] + users,
                                        {"xmalloc": "name", "obtain": "calls"}, total))
        self.assertEqual(self.sites("--wrappers=none"),
                         (["node_new", "xmalloc"], {}, total))
        self.assertEqual(self.sites("--wrappers=-obtain"),
                         (["node_new", "obtain"], {"xmalloc": "name"}, total))
        self.assertEqual(self.sites("--wrappers=none,node_*,xmalloc"),
                         (["obtain"] + users,
                          {"xmalloc": "choice", "node_new": "choice"}, total))

    def test_a_check_names_them_and_its_baseline_does_not_depend_on_it(self):
        self.build(text=self.PROGRAM)
        self.check("--baseline=b", "--update-baseline=accept")
        said = self.check("--wrappers=none", "--report=github", status=23).stdout
        self.assertIn(b"(node_new)", said)
        self.assertNotIn(b"(user7)", said)
        said = self.check("--report=github", status=23)
        self.assertIn(b"(user7)", said.stdout)
        self.assertIn(b"Named after who called: ", said.stderr)
        self.check("--baseline=b", "--wrappers=none", status=0)
        self.check("--baseline=b", status=0)
        self.write(".heapline.toml", 'wrappers = ["none", "obtain"]\n')
        said = self.check("--report=github", status=23).stdout
        self.assertNotIn(b"(user7)", said)


class Baselines(GateCase):
    @harness.needs("gcc")
    def test_old_leaks_stay_new_and_grown_ones_fail(self):
        self.build()
        self.check("--baseline", "b", status=2)
        self.check("--baseline", "b", "--update-baseline=accept", status=0)
        self.check("--baseline", "b", status=0)
        result = self.check("--baseline", "b", arguments=["more"], status=23)
        self.assertIn(b"0 new, 1 grown, 2 unchanged, 0 fixed", result.stderr)
        self.assertEqual(self.failing("--baseline", "b"), set())

    @harness.needs("gcc")
    def test_a_ratchet_takes_out_what_is_mended_and_lets_nothing_in(self):
        self.build()
        self.check("--baseline", "b", "--update-baseline=accept", arguments=["more"])
        before = open(self.path("b")).read()
        self.assertIn(" 2 202 make < load_config < main (app)", before)
        self.build(text=PROGRAM.replace("\tload_plugin();", ""))
        self.check("--baseline", "b", "--update-baseline=shrink", status=0)
        after = open(self.path("b")).read()
        self.assertIn(" 1 101 make < load_config", after)
        self.assertNotIn("load_plugin", after)
        self.build()
        self.check("--baseline", "b", "--update-baseline=shrink", status=23)
        self.assertEqual(open(self.path("b")).read(), after)
        left_there = {n for n in os.listdir(self.dir) if not n.startswith(".")}
        self.assertEqual(left_there, {"app", "app.c", "b"})

    @harness.needs("gcc")
    def test_what_could_not_be_checked_changes_no_baseline(self):
        self.build()
        self.check("--baseline", "b", "--update-baseline=accept")
        before = open(self.path("b")).read()
        killed = PROGRAM.replace("\treturn 0;", "\tabort();")
        self.build(text=killed)
        self.check("--baseline", "b", "--update-baseline=shrink", status=70)
        self.assertEqual(open(self.path("b")).read(), before)

    @harness.needs("gcc")
    @harness.needs("g++")
    def test_fingerprints_survive_a_rebuild(self):
        lambdas = """
            #include <cstdlib>
            #include <string>
            #include <vector>
            static void *volatile sink;
            %s
            struct Tree { template <class T> __attribute__((noinline)) void grow(T n)
              { sink = new T[n]; sink = nullptr; } };
            int main() {
              %s
              auto keep = [](int n) __attribute__((noinline))
                { sink = std::malloc(n); sink = nullptr; };
              keep(7);
              Tree().grow<long>(9);
              sink = new std::string(100, 'x'); sink = nullptr;
            }"""
        other = "auto first = [](int n) { return n + 1; }; if (first(1) != 2) return 1;"
        for compiler, plain, shifted in (
                ("gcc", PROGRAM, "\n" * 40 + PROGRAM.replace(
                    "int main", "int unused(void) { return 3; }\n\n\nint main")),
                ("g++", lambdas % ("", ""), lambdas % ("\n\n\n", other))):
            with self.subTest(compiler=compiler):
                self.build("app", plain, compiler=compiler)
                first = self.prints(program="./app")
                self.build("app", shifted, compiler=compiler, folder="elsewhere/deep")
                self.assertEqual(self.prints(program="./elsewhere/deep/app"), first)
                self.assertGreater(len(first), 2)
                self.assertEqual(self.prints(program="./app"), first)

    @harness.needs("gcc")
    @harness.needs("git")
    def test_git_merges_them(self):
        git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-c",
               "init.defaultBranch=main"]

        def run(*args):
            subprocess.run([*git, *args], cwd=self.dir, check=True, capture_output=True,
                           env=self.environment())

        lines = ["%016x 1 8 f%02d (app)" % (n, n) for n in range(1, 40)]
        head = ["# heapline baseline 1"]

        def write(some):
            self.write("b", "\n".join(head + some) + "\n")

        write(lines[5:30])
        run("init", "-q")
        run("add", "b")
        run("commit", "-qm", "base")
        run("checkout", "-qb", "other")
        write(lines[:10] + lines[11:30])
        run("commit", "-qam", "other")
        run("checkout", "-q", "-")
        write(lines[5:20] + lines[21:39])
        run("commit", "-qam", "this")
        run("merge", "-q", "other")
        with open(self.path("b")) as file:
            merged = file.read().splitlines()[1:]
        self.assertEqual(merged, lines[:10] + lines[11:20] + lines[21:39])


class GateFile(GateCase):
    @harness.needs("gcc")
    def test_it_says_what_options_would(self):
        self.build()
        self.write(".heapline.toml", """
max-leaked = ["409", "load_*=304"]
report = ["json=outcome.json"]
""")
        result = self.check(status=0)
        self.assertIn(b"note: the gate file is .heapline.toml", result.stderr)
        self.assertTrue(os.path.exists(self.path("outcome.json")))
        self.check("--no-gate", status=23)
        self.check("--max-leaked", "408", status=23)
        self.check("--max-leaked", "713", status=0)
        self.write(".heapline.toml", "max-leeked = 1\n")
        result = self.check(status=2)
        self.assertIn(b"error: .heapline.toml:1: max-leeked: no such name", result.stderr)
        self.write(".heapline.toml", "\nmax-leaked = 'much'\n")
        result = self.check(status=2)
        self.assertIn(b"error: .heapline.toml:2: max-leaked: ", result.stderr)

    @harness.needs("gcc")
    def test_its_files_are_beside_it(self):
        self.build()
        os.mkdir(self.path("ci"))
        self.write("ci/rules", "leak:load\n")
        self.write("ci/gate.toml", """
suppressions = "rules"
baseline = "known"
[[suppression]]
reason = "deep"
match = "^parse$"
""")
        self.check("--gate", "ci/gate.toml", "--update-baseline=accept", status=0)
        self.assertTrue(os.path.exists(self.path("ci/known")))
        result = self.check("--gate", "ci/gate.toml", status=0)
        self.assertIn(b"suppressed: 713 bytes in 3 blocks, by 2 rules", result.stderr)
        self.check("--gate", "ci/none.toml", status=2)

    @harness.needs("gcc")
    def test_the_examples_of_its_documentation_are_taken(self):
        with open(os.path.join(harness.SOURCE, "docs", "gate.md")) as file:
            text = file.read()
        blocks = re.findall(r"(?ms)^```(toml|)\n(.*?)^```$", text)
        self.assertEqual(len(blocks), 5)
        self.build()
        os.mkdir(self.path("tests"))
        self.write("tests/known.supp", "leak:load\n")
        self.write("tests/leaks.baseline", "# heapline baseline 1\n")
        for kind, block in blocks:
            with self.subTest(block=block[:40]):
                if "heapline baseline" in block:
                    self.write("known", block)
                    self.check("--baseline", "known", status=23)
                    continue
                self.write("block", block)
                option = "--gate" if "fail-on" in block else "--suppressions"
                self.check(option, "block", status=23)


class Reports(GateCase):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path(".git"))
        self.build(folder="src")

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def test_sarif_has_what_its_schema_and_github_ask_for(self):
        self.check("--report", "sarif=out.sarif", program="src/app", status=23)
        log = json.loads(self.read("out.sarif"))
        self.assertEqual(set(log), {"$schema", "version", "runs"})
        self.assertEqual(log["version"], "2.1.0")
        (run,) = log["runs"]
        driver = run["tool"]["driver"]
        self.assertEqual(driver["name"], "heapline")
        self.assertEqual(len({r["id"] for r in driver["rules"]}), len(driver["rules"]))
        self.assertTrue(run["invocations"][0]["executionSuccessful"])
        self.assertEqual(len(run["results"]), 3)
        for result in run["results"]:
            with self.subTest(result=result["message"]):
                rule = driver["rules"][result["ruleIndex"]]
                self.assertEqual(rule["id"], result["ruleId"])
                self.assertEqual(result["level"], "error")
                self.assertTrue(result["message"]["text"])
                place = result["locations"][0]["physicalLocation"]
                self.assertEqual(place["artifactLocation"],
                                 {"uri": "src/app.c", "uriBaseId": "SRCROOT"})
                self.assertGreater(place["region"]["startLine"], 0)
                self.assertRegex(result["partialFingerprints"]["heaplineStack/v1"],
                                 "^[0-9a-f]{16}$")
                frames = result["stacks"][0]["frames"]
                self.assertGreater(len(frames), 1)
                for frame in frames:
                    uri = frame["location"]["physicalLocation"]["artifactLocation"]["uri"]
                    self.assertNotIn(" ", uri)
        root = run["originalUriBaseIds"]["SRCROOT"]["uri"]
        self.assertEqual(root, "file://" + self.dir + "/")

    def test_junit_is_xml_whose_counts_are_right(self):
        self.check("--max-peak", "1K", "--report", "junit=out.xml", program="src/app",
                   status=23)
        suite = xml.etree.ElementTree.parse(self.path("out.xml")).getroot()[0]
        cases = suite.findall("testcase")
        failed = [c for c in cases if c.find("failure") is not None]
        self.assertEqual(int(suite.get("tests")), len(cases))
        self.assertEqual(int(suite.get("failures")), len(failed))
        self.assertEqual(len(cases), 6)
        self.assertEqual(len(failed), 4)
        names = {c.get("name") for c in cases}
        self.assertEqual(len(names), len(cases))

    def test_a_program_that_is_not_checked_is_an_error_everywhere(self):
        self.check("--report", "junit=out.xml", "--report", "sarif=out.sarif", "--report",
                   "gitlab=out.json", "--report", "json=verdict.json",
                   program="./nowhere", status=70)
        suite = xml.etree.ElementTree.parse(self.path("out.xml")).getroot()[0]
        self.assertEqual(suite.get("errors"), "1")
        run = json.loads(self.read("out.sarif"))["runs"][0]
        self.assertFalse(run["invocations"][0]["executionSuccessful"])
        self.assertEqual(len(json.loads(self.read("out.json"))), 1)
        self.assertEqual(json.loads(self.read("verdict.json"))["not_checked"],
                         "the program was not started")

    def test_github_gets_annotations_and_a_summary(self):
        summary = self.write("summary.md", "before\n")
        result = self.run_native(
            [harness.HEAPLINE, "check", "--report", "github", "--report", "summary",
             "src/app"], env={"GITHUB_STEP_SUMMARY": summary})
        self.assertEqual(result.status, 23)
        lines = result.stdout.decode().splitlines()
        self.assertEqual(len(lines), 4)
        for line in lines[1:]:
            self.assertRegex(line, r"^::error file=src/app\.c,line=\d+,title=[^,:]+::\d+")
        self.assertRegex(self.read("summary.md"),
                         r"^before\n### heapline: failed\n(.*\n)+\| definite \| 409 \| 1 ")

    def test_gitlab_gets_an_issue_a_leak(self):
        self.check("--report", "gitlab", program="src/app", status=23)
        issues = json.loads(self.check("--report", "gitlab", program="src/app").stdout)
        self.assertEqual(len(issues), 4)
        self.assertEqual(len({i["fingerprint"] for i in issues}), 4)
        for issue in issues:
            self.assertIn(issue["severity"], ("info", "minor", "major", "critical",
                                              "blocker"))
            self.assertIsInstance(issue["location"]["lines"]["begin"], int)
        self.assertEqual([i["location"]["path"] for i in issues][1:], ["src/app.c"] * 3)

    def test_a_report_that_cannot_be_written_is_no_pass(self):
        result = self.check("--max-leaked", "1M", "--report", "json=/nowhere/x",
                            program="src/app", status=70)
        self.assertIn(b"/nowhere/x cannot be written", result.stderr)

    def test_what_fails_once_and_passes_then_is_no_annotation(self):
        text = PROGRAM.replace("\tload_config();", '\tif (!getenv("QUIET"))\n\t\tfree('
                               'sink = make(1 << 20));', 1)
        self.build(text=text, folder="src")
        self.write("run", "#!/bin/sh\nif [ -e tried ]; then QUIET=1; export QUIET; fi\n"
                   "touch tried\nexec src/app\n", 0o755)
        result = self.check("--tries", "2", "--max-peak", "512K", "--max-leaked", "1M",
                            "--report", "github", program="./run", status=0)
        self.assertIn(b"try 2 of 2", result.stderr)
        self.assertEqual(result.stdout, b"")


if __name__ == "__main__":
    harness.main()
