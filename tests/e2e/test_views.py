"""lines, top, tree and churn: the exact text for small programs whose numbers are known
in advance, and totals that agree, however they are cut, for real programs.

HEAPLINE_GOLDEN=write writes the texts anew, to be read before they are committed."""

import json
import os
import re
import shutil
import subprocess
import unittest

import harness

SOURCES = os.path.join(harness.SOURCE, "tests", "targets", "views")
TEXTS = os.path.join(harness.SOURCE, "tests", "e2e", "views")
KEEP = ["-g", "-O1", "-fno-builtin", "-fno-optimize-sibling-calls"]


class Golden(harness.Case):
    maxDiff = None

    def build(self, program, *sources, flags=KEEP):
        """Compiles sources, copied here, into a program of that name."""
        for name in sources:
            shutil.copy(os.path.join(SOURCES, name), self.dir)
        driver = "g++" if sources[0].endswith(".cc") else "gcc"
        if sources[0].endswith(".rs"):
            driver = "/usr/bin/rustc"  # Debian's: the texts are by its release
            flags = ["-g", "-C", "opt-level=0", *harness.LEGACY_RUST]
        names = [n for n in sources if not n.endswith(".h")]
        subprocess.run([driver, *flags, *names, "-o", program], cwd=self.dir, check=True,
                       env={**os.environ, **harness.UNSTABLE_RUST})
        return self.path(program)

    def pool(self):
        """Bytes that libstdc++ sets aside at its start, for exceptions."""
        if not hasattr(Golden, "pool_bytes"):
            self.write("empty.cc", "int main() {}\n")
            driver = ["g++", "empty.cc", "-o", "empty", "-Wl,--no-as-needed"]
            subprocess.run(driver, cwd=self.dir, check=True)
            report = self.report_json(self.run_program(self.path("empty")))
            Golden.pool_bytes = report["totals"]["allocated_bytes"]
            self.assertGreater(Golden.pool_bytes, 70000)
        return Golden.pool_bytes

    def without_pool(self, text):
        def less(row):
            return "%s%*d" % (row[1], len(row[2]), int(row[2]) - self.pool())
        return re.sub(r"(?m)^( +\d+)( +\d+)(?= +-?\d+ +\d+ )", less, text)

    def run_program(self, program):
        result = self.record([program])
        self.assertEqual(result.status, 0, result)
        return result.profile

    def text_of(self, profile, verb, *options):
        result = self.heapline(verb, "--bytes", *options, profile)
        self.assertEqual(result.status, 0, result)
        text = result.stdout.decode().replace(self.dir, "DIR")
        text = re.sub(r"\+0x[0-9a-f]+", "+0xPLACE", text)
        # The C runtime's own frames differ from release to release.
        text = re.sub(r"(?m)^.* (\S*libc_start\S*|_start|\S*libc\.so\S*)( .*)?\n", "", text)
        text = re.sub(r"recording, .*?\. Ordered", "recording, TIME. Ordered", text)
        return re.sub(r"(?m) +$", "", text)

    def check_rust(self, name, *options):
        """As check_lines(), but for what Rust's runtime itself keeps, which changes."""
        profile = self.run_program(self.build(name, name + ".rs"))
        text = self.text_of(profile, "lines", "--nonzero", "--function", name + "::",
                            *options)
        text = re.sub(r"(?m)^( +\d+) {2,}\d+ ", r"\1      (any) ", text)
        # Of 1.63 the end gives something back; of 1.85 nothing.
        text = re.sub(r"(?m)^.* std::process::exit\(.*\n", "", text)
        parts = re.sub(r"(/rustc)-[\d.]+/", r"\1-RELEASE/", text).split("\nFilename: ")
        self.check(name, "\nFilename: ".join(
            re.sub(r"(?m)^ *\d+(?= +\(any\))", " (any)", part)
            if part.startswith("/usr/src/rustc-") else part for part in parts))

    def check(self, name, text):
        path = os.path.join(TEXTS, name + ".txt")
        if os.environ.get("HEAPLINE_GOLDEN") == "write":
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(text, file.read())

    def check_lines(self, program, *options, name=None):
        profile = self.run_program(program)
        text = self.text_of(profile, "lines", *options)
        if os.path.exists(program + ".cc"):
            text = self.without_pool(text)
        self.check(name or os.path.basename(program), text)
        return profile

    def test_inlined_functions_have_their_own_lines(self):
        program = self.build("inlined", "inlined.c", flags=["-g", "-O2", "-fno-builtin"])
        profile = self.check_lines(program, "--columns", "all")
        self.check("inlined_tree", self.text_of(profile, "tree"))

    def test_instantiations_and_overloads_are_apart(self):
        program = self.build("templates", "templates.cc")
        options = ["--columns", "allocated,freed", "--function", "make|drop|copy"]
        profile = self.check_lines(program, *options)
        text = self.text_of(profile, "lines", "--fold", *options)
        self.check("templates_folded", self.without_pool(text))

    def test_containers_count_at_the_lines_that_use_them(self):
        self.check_lines(self.build("containers", "containers.cc"), "--nonzero")

    def test_closures(self):
        self.check_lines(self.build("closures", "closures.cc"), "--function", "^main$")

    def test_smart_pointers(self):
        self.check_lines(self.build("pointers", "pointers.cc"), "--nonzero", "--function",
                         "^(main|chain|numbers)")

    def test_strings(self):
        self.check_lines(self.build("strings", "strings.cc"), "--nonzero", "--function",
                         "^(main|repeat)")

    def test_virtual_methods_and_a_class_s_own_new(self):
        profile = self.check_lines(self.build("virtual", "virtual.cc"), "--nonzero")
        self.check("virtual_tree", self.text_of(profile, "tree", "--min", "0", "--focus",
                                                "^main$"))

    def test_a_vector_that_doubles_and_one_that_does_not(self):
        profile = self.check_lines(self.build("growth", "growth.c"), "--columns",
                                   "allocated,freed,temporary")
        self.check("growth_sizes", self.text_of(profile, "top", "--by", "size"))

    def test_callbacks_from_a_library(self):
        profile = self.check_lines(self.build("callbacks", "callbacks.c"))
        self.check("callbacks_top", self.text_of(profile, "top", "--sort", "allocations"))

    def test_static_functions_of_one_name_are_two(self):
        self.check_lines(self.build("twins", "twins_one.c", "twins_two.c"))

    @harness.needs("/usr/bin/rustc")
    def test_rust_vectors(self):
        self.check_rust("vectors")

    @harness.needs("/usr/bin/rustc")
    def test_rust_boxes_and_cycles(self):
        self.check_rust("boxes", "--columns", "leaked")

    @harness.needs("/usr/bin/rustc")
    def test_rust_closures(self):
        self.check_rust("iterators")

    def test_recursion_counts_once(self):
        profile = self.check_lines(self.build("recursion", "recursion.c"))
        options = ["--sort", "allocations", "--min", "0"]
        self.check("recursion_tree", self.text_of(profile, "tree", *options))
        options.append("--bottom-up")
        self.check("recursion_bottom_up", self.text_of(profile, "tree", *options))
        text = self.text_of(profile, "top", "--by", "function", "--sort", "allocated")
        self.check("recursion_top", text)

    def test_macros_count_at_the_lines_that_use_them(self):
        self.check_lines(self.build("macros", "macros.c"))

    def build_several(self):
        flags = [*KEEP, "-fPIC", "-shared"]
        self.build("libseveral.so", "several_library.c", "several.h", flags=flags)
        flags = [*KEEP, "./libseveral.so", "-Wl,-rpath,$ORIGIN"]
        for name in ("several_part.c", "several.h"):
            shutil.copy(os.path.join(SOURCES, name), self.dir)
        shutil.copy(os.path.join(SOURCES, "several.c"), self.dir)
        subprocess.run(["gcc", *KEEP, "several.c", "several_part.c", "./libseveral.so",
                        "-Wl,-rpath,$ORIGIN", "-o", "several"], cwd=self.dir, check=True)
        return self.path("several")

    def test_several_files_and_a_library_with_one_header(self):
        profile = self.check_lines(self.build_several())
        for by in ("site", "file", "module"):
            text = self.text_of(profile, "top", "--by", by, "--sort", "allocated")
            self.check("several_by_" + by, text)

    def test_one_file_of_several(self):
        self.check_lines(self.build_several(), "--file", "several.h", name="several_file")

    def test_a_stripped_program_has_its_places(self):
        program = self.build("stripped", "macros.c", flags=[*KEEP, "-s"])
        self.check_lines(program)

    def test_symbols_alone_give_functions(self):
        program = self.build("symbols", "recursion.c", flags=[*KEEP, "-g0"])
        self.check_lines(program, "--columns", "all")

    def test_debug_information_in_a_file_apart(self):
        program = self.build("apart", "macros.c")
        for command in (["objcopy", "--only-keep-debug", "apart", "apart.debug"],
                        ["strip", "apart"],
                        ["objcopy", "--add-gnu-debuglink=apart.debug", "apart"]):
            subprocess.run(command, cwd=self.dir, check=True)
        self.check_lines(program)

    def test_without_source_there_are_numbers(self):
        program = self.build("lost", "macros.c")
        os.remove(self.path("macros.c"))
        self.check_lines(program)

    def test_advice_where_the_numbers_say_so(self):
        profile = self.run_program(self.build("growing", "growing.c"))
        data = self.read_json("churn", profile)
        found = {(s["line"], s["advice"], s["allocations"], s["temporary"])
                 for s in data["sites"]}
        self.assertIn((16, "reuse", 2000, 2000), found)
        self.assertIn((27, "pool", 20000, 0), found)
        # The last block of each series is freed at once.
        self.assertIn((10, "reserve", 1800, 200), found)
        text = self.text_of(profile, "churn")
        self.assertIn("reserve: its sizes double from 16 B to 8.0 KiB, 200 of the", text)

    def test_width_cuts_names_in_the_middle(self):
        profile = self.run_program(self.build("containers", "containers.cc"))
        for locale, dots in (("C.UTF-8", "…"), ("C", "...")):
            env = {"COLUMNS": "80", "LANG": locale}
            text = self.heapline("tree", "--bottom-up", profile, env=env).stdout.decode()
            table = text.split("===\n")[1]
            self.assertIn(dots, table)
            self.assertLessEqual(max(map(len, table.splitlines())), 80, table)
            self.assertEqual(locale == "C", text.isascii())


class Totals(harness.Case):
    """Sums are equal across report, lines, top and tree."""

    part = ()  # options that cut what is read

    def read_json(self, verb, profile, *options):
        return super().read_json(verb, profile, *options, *self.part)

    def setUp(self):
        super().setUp()
        self.empty = self.record_real("/bin/true")
        self.assertEqual(self.report_json(self.empty)["totals"]["allocations"], 0)

    def record_real(self, *args):
        result = self.record(list(args), ["--keep=size,thread"])
        self.assertEqual(result.status, 0, result)
        return result.profile

    def sums(self, row):
        return [row["peak"]["bytes"], row["leaked"]["bytes"], row["runtime"]["bytes"],
                row["allocated_bytes"], row["allocations"], row["temporary_bytes"]]

    def check(self, profile):
        report = self.check_sums(profile)
        self.check_timeline(profile, report)
        self.check_diff(profile, report)
        self.check_stacks(profile, report)
        self.check_parts(profile, report)

    def check_sums(self, profile):
        report = self.report_json(profile)
        totals = report["totals"]
        expected = [report["peak"]["bytes"], report["leaked"]["bytes"],
                    report["runtime"]["bytes"], totals["allocated_bytes"],
                    totals["allocations"], totals["temporary_bytes"]]
        self.check_top(profile, expected)
        self.check_trees(profile, expected)
        self.check_churn(profile, totals)
        self.check_lines(profile, totals, report)
        return report

    def parts(self, profile, report):
        """Ways to cut all of a recording into parts, each as lists of options."""
        threads = self.read_json("info", profile)["threads"]
        yield [["--thread", str(tid)] for tid in sorted({t["tid"] for t in threads})]
        yield [["--size", size] for size in ("..2", "2..32", "32..512", "512..1M", "1M..")]
        times, begin, bound = [], "0", 0
        end = max(p["end_ns"] for p in report["processes"])
        for at in (end // 4, end // 2):
            if at <= bound:
                continue  # too short a run to be cut so often
            # Where it was rounded to, so that the next part begins there.
            option = "--time=%s..%.9f" % (begin, at / 1e9)
            bound = self.read_json("report", profile, option)["filter"]["time"]["to_ns"]
            times.append([option])
            begin = "%.9f" % (bound / 1e9)
        yield times + [["--time=%s.." % begin]]

    def check_parts(self, profile, report):
        """Each part's totals agree over all reports; and parts add up to the whole."""
        for parts in self.parts(profile, report):
            sums = dict.fromkeys(("allocations", "allocated_bytes", "temporary"), 0)
            live, peak = 0, 0
            for self.part in parts:
                part = self.check_sums(profile)
                for key in sums:
                    sums[key] += part["totals"][key]
                live += part["leaked"]["bytes"] + part["runtime"]["bytes"]
                peak += part["peak"]["bytes"]
            option, self.part = self.part[0].split("=")[0], ()
            self.assertEqual(sums, {key: report["totals"][key] for key in sums}, option)
            self.assertEqual(live, report["live_at_end"]["bytes"], option)
            if option != "--time":
                self.assertEqual(peak, report["peak"]["bytes"], option)
        middle = max(p["end_ns"] for p in report["processes"]) / 2e9
        for self.part in (["--at", "end"], ["--at", "%.9f" % middle]):
            self.check_sums(profile)
        self.part = ()

    def check_timeline(self, profile, report):
        data = self.read_json("timeline", profile)
        self.assertEqual(sum(b["allocations"] for b in data["bins"]),
                         report["totals"]["allocations"])
        self.assertEqual(max(b["max_bytes"] for b in data["bins"]),
                         report["peak"]["bytes"])
        self.assertEqual(data["peak"]["bytes"], report["peak"]["bytes"])

    def diff(self, a, b, *options):
        result = self.heapline("diff", "--json", "-n", "1000000000", *options, a, b)
        self.assertEqual(result.status, 0, result)
        return json.loads(result.stdout)

    def check_diff(self, profile, report):
        """From nothing, all is new; to nothing, all is gone; to itself, nothing is."""
        totals = report["totals"]
        amounts = {
            "peak": report["peak"],
            "leaked": report["leaked"],
            "allocated": {"bytes": totals["allocated_bytes"],
                          "blocks": totals["allocations"]},
            "temporary": {"bytes": totals["temporary_bytes"],
                          "blocks": totals["temporary"]},
        }
        amounts["allocations"] = amounts["allocated"]
        for by in ("line", "function", "site", "module"):
            for metric, amount in amounts.items():
                options = ("--by", by, "--sort", metric)
                self.check_rows(self.diff(self.empty, profile, *options), metric,
                                amount, "new", 1)
                self.check_rows(self.diff(profile, self.empty, *options), metric,
                                amount, "gone", -1)
                same = self.diff(profile, profile, *options)
                self.assertEqual(same["rows"], [], options)
                self.assertEqual(same["totals"][metric]["difference"],
                                 {"bytes": 0, "blocks": 0}, options)

    def check_rows(self, found, metric, amount, status, sign):
        self.assertEqual({r["status"] for r in found["rows"]} - {status}, set(), metric)
        for unit in ("bytes", "blocks"):
            self.assertEqual(sum(r["difference"][unit] for r in found["rows"]),
                             sign * amount[unit], (metric, unit))
            self.assertEqual(found["totals"][metric]["difference"][unit],
                             sign * amount[unit], (metric, unit))

    def check_stacks(self, profile, report):
        """No stack has more live than it allocated; of all, live = allocated - freed."""
        sums = {}
        for metric in ("allocated", "leaked"):
            for row in self.diff(self.empty, profile, "--by", "site", "--sort",
                                 metric)["rows"]:
                key = json.dumps([row["stack"], row["module"]])
                for unit in ("bytes", "blocks"):  # what reads the same may be two
                    at = sums.setdefault(key, {}).setdefault(unit, {})
                    at[metric] = at.get(metric, 0) + row["b"][unit]
        for key, stack in sums.items():
            for amounts in stack.values():
                self.assertLessEqual(amounts.get("leaked", 0),
                                     amounts["allocated"], key)
        totals, live = report["totals"], report["live_at_end"]
        self.assertEqual(live["bytes"], totals["allocated_bytes"] - totals["freed_bytes"])
        self.assertEqual(live["blocks"], totals["allocations"] - totals["frees"])

    def check_top(self, profile, expected):
        for by in ("site", "stack", "function", "file", "module", "process", "domain"):
            data = self.read_json("top", profile, "--by", by)
            for row in data["rows"] + [data["total"]]:
                live = (row["allocations"] - row["frees"],
                        row["allocated_bytes"] - row["freed_bytes"])
                self.assertEqual(live, tuple(row["leaked"][unit] + row["runtime"][unit]
                                             for unit in ("blocks", "bytes")), row)
            rows = [r for r in data["rows"] if r.get("name") not in ("mmap", "arena")]
            columns = [sum(column) for column in zip([0] * 6, *map(self.sums, rows))]
            self.assertEqual(columns, expected, by)
            self.assertEqual(self.sums(data["total"]), expected, by)
        if not self.part or self.part[0] == "--size":
            self.check_sizes(profile, expected)
        if not self.part:
            self.check_lifetimes(profile, expected)

    def check_sizes(self, profile, expected):
        data = self.read_json("top", profile, "--by", "size")
        self.assertEqual(sum(r["allocations"] for r in data["rows"]), expected[4])
        self.assertLessEqual(sum(r["allocated_bytes_at_least"] for r in data["rows"]),
                             expected[3])
        self.assertGreaterEqual(sum(r["allocated_bytes_at_most"] for r in data["rows"]),
                                expected[3])

    def check_lifetimes(self, profile, expected):
        data = self.read_json("top", profile, "--by", "lifetime")
        self.assertEqual(sum(r["allocations"] for r in data["rows"])
                         + data["never_freed"], expected[4])

    def check_trees(self, profile, expected):
        metrics = {"peak": 0, "leaked": 1, "allocated": 3, "allocations": 4,
                   "temporary": 5}
        foldings = (["--min", "0"], ["--min", "5"], ["--depth", "3"], ["-n", "1"],
                    ["--lines"])
        if self.part:
            foldings = foldings[:2]
        for metric, at in metrics.items():
            for folding in foldings[metric != "allocated":]:
                for way in ([], ["--bottom-up"]):
                    data = self.read_json("tree", profile, "--sort", metric, *folding,
                                          *way)
                    self.check_tree(data, expected[at], (metric, folding, way))

    def check_tree(self, data, total, what):
        self.assertEqual(data["total"], total, what)
        open_rows = [[total, True]]  # what is not accounted for yet, by depth
        for node in data["nodes"]:
            for rest, complete in open_rows[node["depth"] + 1:]:
                self.assertTrue(rest == 0 or not complete, what)
            del open_rows[node["depth"] + 1:]
            open_rows[-1][0] -= node["value"]
            self.assertGreaterEqual(open_rows[-1][0], 0, what)
            if "folded" not in node:
                open_rows.append([node["value"] - node.get("self", 0), "self" in node])
        self.assertEqual(open_rows[0][0], 0, what)

    def check_churn(self, profile, totals):
        data = self.read_json("churn", profile)
        for name in ("allocations", "allocated_bytes", "temporary"):
            self.assertEqual(data["total"][name], totals[name])
            self.assertEqual(sum(s[name] for s in data["sites"]), totals[name])

    def check_lines(self, profile, totals, report):
        """No line has more than there is; a function has in all what top says."""
        inclusive = {}
        for row in self.read_json("top", profile, "--by", "function")["rows"]:
            key = (row.get("function"), row.get("file"), row.get("module"))
            inclusive.setdefault(key, []).append(row["inclusive"])
        functions = {}
        for function in self.lines_json(profile, "--nonzero")["functions"]:
            for line in function["lines"]:
                self.assertLessEqual(line["allocated"], totals["allocated_bytes"])
                self.assertLessEqual(line["leaked"], report["leaked"]["bytes"])
                self.assertLessEqual(line["peak"], report["peak"]["bytes"])
                self.assertLessEqual(line["allocated"], function["total"]["allocated"])
            key = (function["name"], function["file"], function["module"])
            functions.setdefault(key, []).append(function["total"])
        for key, found in functions.items():
            rows = inclusive.get(key, [])
            if len(found) != 1 or len(rows) != 1:
                continue  # only top takes functions of one name and file as one
            self.assertEqual(
                [found[0]["peak"], found[0]["leaked"], found[0]["allocated"],
                 found[0]["occurrences"], found[0]["temporary"]],
                [rows[0]["peak"]["bytes"], rows[0]["leaked"]["bytes"],
                 rows[0]["allocated_bytes"], rows[0]["allocations"],
                 rows[0]["temporary_bytes"]], key)

    @harness.needs("xmllint")
    def test_xmllint(self):
        items = "".join("<item n='%d'>text %d</item>" % (i, i) for i in range(500))
        path = self.write("a.xml", "<all>" + items + "</all>")
        self.check(self.record_real("/usr/bin/xmllint", "--format", path))

    @harness.needs("python3")
    def test_python(self):
        self.check(self.record_real("/usr/bin/python3", "-c",
                                    "import json; json.dumps([{i: [i]} for i in range(999)])"))

    @harness.needs("git")
    def test_git(self):
        self.record_real("/usr/bin/git", "init", "-q", self.dir)
        self.write("a.txt", "text\n" * 1000)
        self.check(self.record_real("/usr/bin/git", "-C", self.dir, "add", "a.txt"))

    @unittest.skipUnless(os.path.exists(harness.target("plusplus")), "no C++ compiler")
    def test_a_program_in_cpp_with_threads(self):
        self.check(self.record_real(harness.target("plusplus")))

    def test_forks(self):
        self.check(self.record_real(harness.target("forks")))


if __name__ == "__main__":
    harness.main()
