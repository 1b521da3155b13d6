"""The documents' example, to the byte: what the line report says of it."""

import harness

SOURCE = harness.os.path.join(harness.SOURCE, "tests", "targets", "example.c")


def line_of(text):
    with open(SOURCE, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if text in line and "static" not in line:
                return number
    raise LookupError(text)


A, B = line_of("malloc(8000000)"), line_of("malloc(160000000)")
FREE, RETURN = line_of("free(b)"), line_of("return a")
CALL = line_of("my_func()")


class Example(harness.Case):
    def setUp(self):
        super().setUp()
        self.result = self.record([harness.target("example")])
        self.assertEqual(self.result.status, 0, self.result)

    def test_report_has_the_exact_sums(self):
        report = self.report_json(self.result)
        self.assertEqual(
            report["totals"],
            dict(
                report["totals"],
                allocations=2,
                frees=1,
                allocated_bytes=168000000,
                freed_bytes=160000000,
            ),
        )
        self.assertEqual(report["peak"]["bytes"], 168000000)
        self.assertEqual(report["peak"]["blocks"], 2)
        self.assertEqual(report["live_at_end"], {"bytes": 8000000, "blocks": 1})
        self.assertEqual(report["runtime"], {"bytes": 0, "blocks": 0})
        self.assert_lossless(report)

    def test_report_has_what_scripts_rely_on(self):
        report = self.report_json(self.result)
        self.assertLessEqual(
            {
                "schema",
                "command",
                "exit",
                "totals",
                "peak",
                "live_at_end",
                "runtime",
                "domains",
                "losses",
                "held_back_ns",
                "wall_ns",
            },
            set(report),
        )
        self.assertIn("temporary", report["totals"])
        self.assertIn("example", str(report["command"]))
        self.assertGreater(report["wall_ns"], 0)
        self.assertLessEqual(report["peak"]["at_ns"], report["wall_ns"])

    def test_lines_are_exact(self):
        lines = self.function_lines(self.result, "my_func")
        expected = {
            A: dict(mem_usage=8000000, increment=8000000, occurrences=1),
            B: dict(mem_usage=168000000, increment=160000000, occurrences=1),
            FREE: dict(mem_usage=8000000, increment=-160000000, occurrences=0),
        }
        for number, columns in expected.items():
            self.assertEqual({k: lines[number][k] for k in columns}, columns, number)
        self.assertEqual(lines[A]["allocated"], 8000000)
        self.assertEqual(lines[A]["freed"], 0)
        self.assertEqual(lines[A]["leaked"], 8000000)
        self.assertEqual(lines[A]["peak"], 8000000)
        self.assertEqual(lines[B]["allocated"], 160000000)
        self.assertEqual(lines[B]["leaked"], 0)
        self.assertEqual(lines[B]["peak"], 160000000)
        self.assertEqual(lines[FREE]["freed"], 160000000)

    def test_a_line_without_event_is_null(self):
        lines = self.function_lines(self.result, "my_func")
        if RETURN in lines:
            self.assertIsNone(lines[RETURN]["increment"])
            self.assertIsNone(lines[RETURN]["mem_usage"])

    def test_the_callers_line_is_inclusive(self):
        line = self.function_lines(self.result, "main")[CALL]
        self.assertEqual(line["increment"], 8000000)
        self.assertEqual(line["mem_usage"], 8000000)
        self.assertEqual(line["occurrences"], 2)

    def test_text_reads_as_the_documents_say(self):
        result = self.heapline("lines", self.result.profile)
        self.assertEqual(result.status, 0, result)
        text = result.stdout.decode()
        row = "{:>6} {:>12} {:>12}  {:>10}   {}"
        rows = [
            row.format(A, "7.6 MiB", "7.6 MiB", 1, "        void *a = malloc(8000000);"),
            row.format(B, "160.2 MiB", "152.6 MiB", 1, "        void *b = malloc(160000000);"),
        ]
        for number, usage, increment in ((A, "7.6", "7.6"), (B, "160.2", "152.6"),
                                         (FREE, "7.6", "-152.6")):
            pattern = r"(?m)^ *%d +%s MiB +%s MiB +\d* +\S" % (number, usage, increment)
            self.assertRegex(text, pattern, rows)
        self.assertRegex(
            text, r"(?m)^Line # +Mem usage +Increment +Occurrences +Line Contents$"
        )
        self.assertRegex(text, r"(?m)^=+$")
        self.assertRegex(text, r"(?m)^ *%d +return a;$" % RETURN)

    def test_function_and_file_select(self):
        data = self.lines_json(self.result, "--function", "^my_func$")
        self.assertEqual([f["name"] for f in data["functions"]], ["my_func"])
        self.assertTrue(data["functions"][0]["file"].endswith("example.c"))
        data = self.lines_json(self.result, "--file", "example.c")
        self.assertEqual({f["name"] for f in data["functions"]}, {"my_func", "main"})
        data = self.lines_json(self.result, "--function", "^no_such_function$")
        self.assertEqual(data["functions"], [])

    def test_bare_preload_gives_the_same(self):
        result = self.preload([harness.target("example")])
        self.assertEqual(result.status, 0, result)
        self.assertEqual(result.stdout + result.stderr, b"")
        mine, other = self.report_json(result), self.report_json(self.result)
        for key in ("totals", "live_at_end", "losses"):
            self.assertEqual(mine[key], other[key])
        self.assertEqual(
            self.function_lines(result, "my_func"),
            self.function_lines(self.result, "my_func"),
        )

    def test_without_free_stacks_sums_stay_exact(self):
        result = self.record([harness.target("example")], ["--no-free-stacks"])
        self.assertEqual(result.status, 0, result)
        totals = self.report_json(result)["totals"]
        self.assertEqual(totals["freed_bytes"], 160000000)
        line = self.function_lines(result, "my_func")[B]
        self.assertEqual(line["allocated"], 160000000)

    def test_default_name_is_program_and_pid(self):
        result = self.heapline("run", harness.target("leak"), "10", "5")
        self.assertEqual(result.status, 5, result)
        found = [f for f in harness.os.listdir(self.dir) if f.startswith("leak.")]
        self.assertEqual(len(found), 1)
        self.assertRegex(found[0], r"^leak\.\d+\.heapline$")
        newest = self.heapline("report")
        self.assertEqual(newest.status, 0, newest)
        self.assertIn(found[0].encode(), newest.stdout + newest.stderr)


if __name__ == "__main__":
    harness.main()
