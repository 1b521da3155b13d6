"""What compares, joins and describes recordings: diff, merge, timeline, info, doctor."""

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as xml

import harness

target = harness.target
METRICS = ("peak", "leaked", "allocated", "allocations", "temporary")
BY = ("line", "function", "site", "module")

PROGRAM = """#include <stdlib.h>
static char *volatile kept[100];
%(before)s
__attribute__((noinline)) static char *load(int size)
{
	return malloc(size);
}
__attribute__((noinline)) static void parse(int count)
{
	for (int i = 0; i < count; i++)
		kept[i] = load(%(size)d);
}
%(more)s
int main(void)
{
	parse(10);
	%(call)s
	return 0;
}
"""


def sums_of(rows, key, bytes_of, blocks_of):
    """[bytes, blocks] of rows by what they are."""
    sums = {}
    for row in rows:
        amount = sums.setdefault(key(row), [0, 0])
        amount[0] += bytes_of(row)
        amount[1] += blocks_of(row)
    return sums


class Compare(harness.Case):
    def profile(self, *args, status=0, **how):
        result = self.record(args, **how)
        self.assertEqual(result.status, status, result)
        return result.profile

    def diff(self, a, b, *options):
        result = self.heapline("diff", "--json", *options, a, b)
        self.assertEqual(result.status, 0, result)
        return json.loads(result.stdout)

    def build(self, name, **parts):
        source = dict(before="", size=100, more="", call="")
        source.update(parts)
        self.write("program.c", PROGRAM % source)
        subprocess.run(["gcc", "-g", "-O1", "-fno-builtin", "-o", self.path(name),
                        self.path("program.c")], check=True)
        return self.path(name)

    def bad_files(self, good):
        """[path, words] of what is no profile to be read."""
        with open(good, "rb") as file:
            data = file.read()
        damaged = bytearray(data)
        damaged[30] ^= 1
        return [
            (self.path("missing.heapline"), "no such file"),
            (self.write("damaged.heapline", bytes(damaged)), "damaged"),
            (self.write("text.heapline", "heaptrack v1.4\n"), "not a heapline profile"),
            (self.write("empty.heapline", ""), "empty"),
            (self.dir, "director"),
        ]


class Diff(Compare):
    def test_a_profile_and_itself_have_no_difference(self):
        profile = self.profile(target("demo"))
        for by in BY:
            for metric in METRICS:
                found = self.diff(profile, profile, "--by", by, "--sort", metric)
                self.assertEqual(found["rows"], [])
                self.assertEqual(found["rows_by_status"]["unchanged"],
                                 sum(found["rows_by_status"].values()))

    def test_rows_add_up_and_totals_are_the_report_s(self):
        a = self.profile(target("demo"))
        b = self.profile(target("phases"), "return", status=6)
        for by in BY:
            for metric in METRICS:
                found = self.diff(a, b, "--by", by, "--sort", metric)
                for unit in ("bytes", "blocks"):
                    self.assertEqual(
                        sum(r["difference"][unit] for r in found["rows"]),
                        found["totals"][metric]["difference"][unit], (by, metric))
        for side, profile in (("a", a), ("b", b)):
            report = self.report_json(profile)
            totals = {m: found["totals"][m][side] for m in METRICS}
            self.assertEqual(totals["peak"]["bytes"], report["peak"]["bytes"])
            self.assertEqual(totals["leaked"], report["leaked"])
            self.assertEqual(totals["allocated"]["bytes"],
                             report["totals"]["allocated_bytes"])
            self.assertEqual(totals["allocations"]["blocks"],
                             report["totals"]["allocations"])
            self.assertEqual(totals["temporary"]["blocks"],
                             report["totals"]["temporary"])

    @harness.needs("gcc")
    def test_a_rebuilt_program_aligns_with_its_former_self(self):
        old = self.build("old")
        new = self.build("new", before="\n\n/* lines */\nint unused;\n", size=150,
                         more="static void fresh(void) { kept[50] = malloc(7777); }",
                         call="fresh();")
        a, b = self.profile(old), self.profile(new)
        found = self.diff(a, b, "--sort", "leaked")
        rows = {r["function"]: r for r in found["rows"]}
        self.assertEqual(rows["load"]["status"], "grown")
        self.assertEqual(rows["load"]["difference"], {"bytes": 500, "blocks": 0})
        self.assertEqual(rows["load"]["line_b"] - rows["load"]["line_a"], 4)
        self.assertEqual([r["status"] for n, r in rows.items() if n != "load"], ["new"])
        back = self.diff(b, a, "--sort", "leaked", "--by", "function")
        self.assertEqual({r["function"]: r["status"] for r in back["rows"]}["load"],
                         "shrunk")
        self.assertEqual(back["rows_by_status"]["gone"], 1)

    def held(self, name, lost):
        """A recording of tests/targets/holding.c that loses so many."""
        with open(os.path.join(harness.SOURCE, "tests", "targets", "holding.c"),
                  encoding="utf-8") as file:
            text = file.read().replace("LOST = 40", "LOST = %d" % lost)
        self.write(name + ".c", text.replace("lose_words", "lose_" + name))
        subprocess.run(["gcc", "-g", "-O1", "-fno-builtin", "-o", self.path(name),
                        self.path(name + ".c")], check=True)
        return self.profile(self.path(name), options=["--snapshot-at-exit"])

    def check_changes(self, of, theirs):
        """Rows against what the verbs say of each profile: [bytes, blocks] by what."""
        rows = {}
        for row in of["rows"]:
            key = (row.get("kind") or row.get("held"),
                   tuple(f["function"] for f in row["stack"]))
            self.assertNotIn(key, rows)
            rows[key] = [[row[k]["bytes"], row[k]["blocks"]] for k in "ab"]
            self.assertEqual(row["difference"]["bytes"],
                             row["b"]["bytes"] - row["a"]["bytes"])
            self.assertEqual([row["site_a"] is None, row["site_b"] is None],
                             [row["status"] == "new", row["status"] == "gone"])
        keys = {k for side in theirs for k in side}
        both = {k: [side.get(k, [0, 0]) for side in theirs] for k in keys}
        self.assertEqual(rows, {k: v for k, v in both.items() if v[0] != v[1]})
        self.assertEqual(of["rows_by_status"]["unchanged"],
                         sum(v[0] == v[1] for v in both.values()))
        for i, k in enumerate("ab"):
            self.assertEqual(of["total"][k]["bytes"],
                             sum(v[i][0] for v in both.values()))
            self.assertEqual(of["total"][k]["bytes"],
                             sum(v[k]["bytes"] for v in of["kinds"].values()))
        changes = [abs(r["difference"]["bytes"]) for r in of["rows"]]
        self.assertEqual(changes, sorted(changes, reverse=True))

    def test_leaks_and_blocks_that_changed(self):
        a, b = self.held("words", 40), self.held("texts", 55)
        functions = lambda row: tuple(f["function"] for f in row["stack"])
        for options in ((), ("--kind=all",), ("--kind=definite,reachable",),
                        ("--focus=lose_links",)):
            with self.subTest(options):
                theirs = [sums_of(self.read_json("leaks", p, *options)["leaks"],
                                  lambda r: (r["kind"], functions(r)),
                                  lambda r: r["bytes"], lambda r: r["blocks"])
                          for p in (a, b)]
                self.check_changes(self.diff(a, b, "--by=leak", *options), theirs)
        found = self.diff(a, b, "--by=leak", "--kind=definite")
        self.assertEqual(
            [[r["status"], r["site_a"] or r["site_b"], r["difference"]["bytes"]]
             for r in found["rows"] if r["stack"][0]["function"] != "make_link"],
            [["new", "lose_texts (texts.c:86)", 55 * 16],
             ["gone", "lose_words (words.c:86)", -40 * 16]])
        text = self.heapline("diff", "--by=leak", "--kind=definite", a, b).stdout.decode()
        self.assertRegex(text, r"\+880 B +0 B +880 B  new +definite +lose_texts \(texts")
        blocks = self.diff(a, b, "--by=block", "-n1000")
        self.assertEqual([blocks["total"][k]["bytes"] for k in "ab"],
                         [sum(g["sum_bytes"] for g in
                              self.read_json("blocks", p, "-n1000")["groups"])
                          for p in (a, b)])
        self.assertEqual({r["held"] for r in blocks["rows"]}, {"no"})
        self.assertEqual(sum(r["difference"]["blocks"] for r in blocks["rows"]),
                         blocks["total"]["difference"]["blocks"])
        self.assertEqual(self.diff(a, a, "--by=leak", "--kind=all")["rows"], [])
        self.assertEqual(self.diff(a, a, "--by=block")["rows"], [])

    def test_leaks_and_blocks_are_of_whole_recordings(self):
        a = self.held("words", 40)
        bare = self.profile(target("demo"))
        for options, why in ((("--by=leak", "--at=end"), "judged of all"),
                             (("--by=block", "--at=end"), "moment of their snapshot"),
                             (("--kind=all", "--by=site"), "of --by leak"),
                             (("--by=leak", "--kind=odd"), "definite, cycle"),
                             (("--by=block", "--focus=x"), "are shown whole"),
                             (("--by=type", "--ignore=x"), "are shown whole")):
            with self.subTest(options):
                self.assert_error(self.heapline("diff", *options, a, a), 2, why)
        self.assert_error(self.heapline("diff", "--by=block", a, bare), 3,
                          "no snapshot")
        self.assertEqual(self.diff(bare, a, "--kind=all"),
                         self.diff(bare, a, "--by=leak", "--kind=all"))
        found = self.diff(bare, a, "--by=leak")
        self.assertEqual([found[k]["unscanned"] for k in "ab"], [1, 0])
        self.assertGreater(found["kinds"]["unscanned"]["a"]["bytes"], 0)
        text = self.heapline("diff", "--by=leak", bare, a).stdout.decode()
        self.assertIn("  A: 1 process was not looked at: ", text)

    def test_names_two_readable_profiles_or_says_so(self):
        good = self.profile(target("example"))
        for path, words in self.bad_files(good):
            for pair in ((good, path), (path, good)):
                self.assert_error(self.heapline("diff", *pair), 3, words)
        self.assert_error(self.heapline("diff", good), 2, "two profiles")
        self.assert_error(self.heapline("diff", good, good, good), 2, "not also")
        self.assert_error(self.heapline("diff", "--by", "x", good, good), 2, "--by")
        self.assert_error(self.heapline("diff", "--process", "1", good, good), 2)


class Merge(Compare):
    def merge(self, *args):
        return self.heapline("merge", *args, "-f", "-o", self.path("merged.heapline"))

    def reports(self, path):
        """All that readers say of a profile, but its name."""
        said = []
        for verb in ("report", "lines", "timeline"):
            result = self.heapline(verb, "--json", path)
            self.assertEqual(result.status, 0, result)
            said.append(result.stdout.replace(path.encode(), b""))
        return said

    def test_of_one_says_the_same(self):
        profile = self.profile(target("demo"))
        self.assertEqual(self.merge(profile).status, 0)
        self.assertEqual(self.reports(self.path("merged.heapline")),
                         self.reports(profile))

    def test_sums_are_sums_and_the_peak_is_the_highest(self):
        parts = [self.profile(target("demo")), self.profile(target("demo")),
                 self.profile(target("forks"))]
        self.assertEqual(self.merge(*parts).status, 0)
        merged = self.report_json(self.path("merged.heapline"))
        reports = [self.report_json(p) for p in parts]
        for key in merged["totals"]:
            self.assertEqual(merged["totals"][key],
                             sum(r["totals"][key] for r in reports), key)
        for key in ("bytes", "blocks"):
            self.assertEqual(merged["leaked"][key],
                             sum(r["leaked"][key] for r in reports))
        self.assertEqual(len(merged["processes"]),
                         sum(len(r["processes"]) for r in reports))
        infos = [self.read_json("info", p)["contents"]["stack_nodes"] for p in parts]
        whole = self.read_json("info", self.path("merged.heapline"))
        self.assertLess(whole["contents"]["stack_nodes"], sum(infos))

    def test_two_runs_of_one_build_share_their_code(self):
        parts = [self.profile(target("example")) for _ in range(2)]
        self.assertEqual(self.merge(*parts).status, 0)
        one = self.read_json("info", parts[0])["contents"]
        both = self.read_json("info", self.path("merged.heapline"))["contents"]
        self.assertEqual(both["stack_nodes"], one["stack_nodes"])
        self.assertEqual(both["sites"], 2 * one["sites"])

    def test_refuses_what_it_cannot_do(self):
        good = self.profile(target("example"))
        other = self.path("other.heapline")
        for path, words in self.bad_files(good):
            self.assert_error(self.heapline("merge", good, path, "-o", other), 3, words)
        os.link(good, self.path("alias.heapline"))
        for again in (good, self.path("alias.heapline")):
            self.assert_error(self.heapline("merge", good, again, "-o", other), 2,
                              "twice")
        self.assert_error(self.heapline("merge", "-o", other), 2, "name the profiles")
        self.assert_error(self.heapline("merge", good), 2, "-o")
        self.assertFalse(os.path.exists(other))
        self.assert_error(self.heapline("merge", good, "-o", good), 1, "exists")
        self.assert_error(self.heapline("merge", good, "-o", self.path("no/p")), 1)
        self.assert_error(self.heapline("merge", good, "-o", "/dev/full"), 1, "space")

    def test_a_disk_that_fills_leaves_all_as_it_was(self):
        good = self.profile(target("example"))
        other = self.write("other.heapline", "what was there")
        before = sorted(os.listdir(self.dir))
        for args in (["merge", "-o", other], ["merge", "-o", self.path("new")],
                     ["symbolize", "-o", other], ["symbolize", "-o", self.path("new")]):
            result = self.run_native(["/bin/sh", "-c", "ulimit -f 1; exec \"$@\"", "sh",
                                      harness.HEAPLINE, *args, "-f", good])
            self.assert_error(result, 1, "too large")
            self.assertEqual(sorted(os.listdir(self.dir)), before)
            with open(other) as file:
                self.assertEqual(file.read(), "what was there")

    def test_may_replace_one_of_its_parts(self):
        parts = [self.profile(target("example")) for _ in range(2)]
        result = self.heapline("merge", *parts, "-f", "-o", parts[0])
        self.assertEqual(result.status, 0, result)
        self.assertEqual(len(self.report_json(parts[0])["processes"]), 2)
        self.assertEqual(sorted(n for n in os.listdir(self.dir) if "profile" in n),
                         sorted(map(os.path.basename, parts)))


class Timeline(Compare):
    def test_bins_have_every_allocation_and_the_peak(self):
        profile = self.profile(target("demo"))
        report = self.report_json(profile)
        for options in ((), ("-n", "1"), ("-n", "7"), ("-n", "5000")):
            found = self.read_json("timeline", profile, *options)
            self.assertEqual(sum(b["allocations"] for b in found["bins"]),
                             report["totals"]["allocations"], options)
            self.assertEqual(max(b["max_bytes"] for b in found["bins"]),
                             report["peak"]["bytes"], options)
            self.assertEqual(found["peak"]["bytes"], report["peak"]["bytes"])

    def test_characters_are_the_locale_s_and_fit_the_width(self):
        profile = self.profile(target("demo"))
        blocks = self.heapline("timeline", profile, env={"COLUMNS": "60"})
        plain = self.heapline("timeline", profile, env={"LANG": "C", "COLUMNS": "60"})
        self.assertIn("█", blocks.stdout.decode())
        self.assertTrue(plain.stdout.isascii())
        for text in (blocks.stdout.decode(), plain.stdout.decode()):
            chart = text[text.index("\nHeap (malloc)"):]
            self.assertLessEqual(max(map(len, chart.splitlines())), 60, chart)
            self.assertIn("peak ", chart)

    def test_the_picture_is_one_file_by_itself(self):
        profile = self.profile(target("demo"))
        picture = self.path("heap.svg")
        result = self.heapline("timeline", "--svg", picture, profile)
        self.assertEqual((result.status, result.stdout), (0, b""), result)
        root = xml.parse(picture).getroot()
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        text = " ".join(root.itertext())
        for word in ("Heap of", "peak ", "Resident", "Allocations per second"):
            self.assertIn(word, text)
        with open(picture, encoding="utf-8") as file:
            self.assertNotRegex(file.read(), r"<script|href|url\(")
        same = self.heapline("timeline", "--svg", "-", profile)
        with open(picture, "rb") as file:
            self.assertEqual(same.stdout, file.read())

    def test_a_picture_that_cannot_be_written_is_an_error(self):
        profile = self.profile(target("example"))
        for path in ("/dev/full", self.path("none/p.svg")):
            self.assert_error(self.heapline("timeline", "--svg", path, profile), 1)


class Info(Compare):
    def test_tells_what_was_recorded_and_what_the_file_holds(self):
        profile = self.profile(target("phases"), "return", status=6,
                               options=["--no-free-stacks"])
        found = self.read_json("info", profile)
        self.assertIn("--no-free-stacks", found["options"])
        self.assertFalse(found["free_stacks"])
        self.assertTrue(found["complete"] and found["symbolised"])
        self.assertEqual([p["end"] for p in found["processes"]], ["exited"])
        self.assertEqual(sum(t["events"] for t in found["threads"]),
                         self.report_json(profile)["events"])
        module = [m for m in found["modules"] if m["path"] == target("phases")][0]
        self.assertEqual(module["symbols"], "debug information")
        self.assertRegex(module["build_id"], "^[0-9a-f]{40}$")
        self.assertTrue([s for s in found["sources"]["embedded"]
                         if s.endswith("phases.c")])
        self.assertEqual(found["file"]["bytes"], os.path.getsize(profile))
        self.assertEqual(16 + sum(p["stored_bytes"] for p in found["file"]["parts"]),
                         found["file"]["bytes"])

    def test_tells_how_a_process_ended(self):
        result = self.record(["/bin/sh", "-c", "kill -9 $$"])
        found = self.read_json("info", result.profile)
        self.assertEqual((found["processes"][0]["end"],
                          found["processes"][0]["end_status"]), ("signaled", 9))
        text = self.heapline("info", result.profile).stdout.decode()
        self.assertIn("SIGKILL", text)

    def test_tells_what_was_cut_off(self):
        profile = self.profile(target("demo"))
        with open(profile, "ab") as file:
            file.write(b"an update that was")
        found = self.read_json("info", profile)
        self.assertEqual(found["file"]["rest_bytes"], 18)
        self.assertFalse(found["complete"])
        self.assertNotEqual(found["left_out"], "")

    def test_says_what_cannot_be_read(self):
        good = self.profile(target("example"))
        for verb in ("info", "timeline"):
            for path, words in self.bad_files(good):
                self.assert_error(self.heapline(verb, path), 3, words)


class Doctor(Compare):
    def findings(self, *args, status=0, **how):
        result = self.heapline("doctor", "--json", *args, **how)
        self.assertEqual(result.status, status, result)
        found = json.loads(result.stdout)
        self.assertEqual(found["works"], status == 0)
        for finding in found["findings"]:
            if finding["level"] != "ok":
                self.assertGreater(len(finding["remedy"]), 10, finding)
        self.assertEqual([n for n in os.listdir(self.dir) if "doctor" in n], [])
        return found["findings"]

    def problem(self, program, words, **how):
        found = [f for f in self.findings(program, status=1, **how)
                 if f["level"] == "problem"]
        self.assertEqual(len(found), 1, found)
        self.assertRegex(found[0]["text"], words)

    def test_a_recording_works_here(self):
        found = self.findings(target("example"))
        self.assertEqual([f["level"] for f in found if f["topic"] == "trial"], ["ok"])
        text = self.heapline("doctor").stdout.decode()
        self.assertIn("Recording works", text)

    def test_says_why_a_program_cannot_be_recorded(self):
        self.problem(target("static_example"), "statically linked")
        self.problem(target("own_malloc"), "defines malloc")
        self.problem("no-such-program", "No such file")
        self.problem(self.write("data", "text", 0o755), "no program")

    @harness.needs("gcc")
    def test_sees_sanitizers_and_missing_debug_information(self):
        self.write("small.c", "int main(void) { return 0; }")
        for name, options in (("asan", ["-fsanitize=address"]), ("bare", ["-s"])):
            subprocess.run(["gcc", *options, "-o", self.path(name),
                            self.path("small.c")], check=True)
        self.problem(self.path("asan"), "AddressSanitizer")
        found = self.findings(self.path("bare"))
        self.assertEqual([f["level"] for f in found if f["topic"] == "debuginfo"],
                         ["warning"])

    def test_sees_limits_that_stop_a_recording(self):
        for kib, status, memory, trial in ((300000, 1, "problem", "problem"),
                                           (3000000, 0, "warning", "ok")):
            result = self.run_native(["/bin/sh", "-c", "ulimit -v %d; exec \"$@\"" % kib,
                                      "sh", harness.HEAPLINE, "doctor", "--json"])
            self.assertEqual(result.status, status, result)
            found = {f["topic"]: f for f in json.loads(result.stdout)["findings"]}
            self.assertEqual((found["memory"]["level"], found["trial"]["level"]),
                             (memory, trial))

    def test_a_shim_that_is_not_there_is_a_problem(self):
        # Two folders down: what lies beside the first is anybody's.
        binary = self.path("bin/heapline")
        os.makedirs(os.path.dirname(binary))
        shutil.copy(harness.HEAPLINE, binary)
        result = self.run_native([binary, "doctor", "--json"])
        self.assertEqual(result.status, 1, result)
        found = {f["topic"]: f for f in json.loads(result.stdout)["findings"]}
        self.assertEqual(found["shim"]["level"], "problem")

    def test_takes_one_program(self):
        self.assert_error(self.heapline("doctor", "a", "b"), 2, "not also")
        self.assert_error(self.heapline("doctor", "--what"), 2, "--what")


if __name__ == "__main__":
    harness.main()
