"""Every instruction of the standard library: its line, as its own interpreter says.

HEAPLINE_PYTHONS names further interpreters, separated by colons."""

import os

import harness

TOOL = os.path.join(harness.BUILD, "tests", "e2e", "python_lines")

# Runs in the interpreter under test, 3.8 or later.
WRITER = r'''
import dis, marshal, os, struct, sys, sysconfig
new = sys.version_info >= (3, 10)
out = sys.stdout.buffer
def lines_of(code):
    count = len(code.co_code) // 2
    if new:
        runs = code.co_lines()
    else:
        starts = list(dis.findlinestarts(code))
        runs = [(at, end, line) for (at, line), (end, _) in
                zip(starts, starts[1:] + [(2 * count, 0)])]
    lines = [0] * count
    for start, end, line in runs:
        lines[start // 2:end // 2] = [line or 0] * (end // 2 - start // 2)
    return lines
def write(code):
    table = code.co_linetable if new else code.co_lnotab
    lines = lines_of(code)
    out.write(struct.pack("4I", sys.version_info[0] << 8 | sys.version_info[1],
                          code.co_firstlineno, len(table), len(lines)))
    out.write(table + struct.pack("%dI" % len(lines), *lines))
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            write(constant)
for folder, _, names in os.walk(sysconfig.get_path("stdlib")):
    if "site-packages" in folder or "dist-packages" in folder or "/test" in folder:
        continue
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(".py"):
            try:
                with open(path, "rb") as file:
                    write(compile(file.read(), path, "exec", dont_inherit=True))
            except (SyntaxError, ValueError):
                pass
'''


class PythonLines(harness.Case):
    def test_no_instruction_of_the_standard_library_has_another_line(self):
        pythons = ["/usr/bin/python3"]
        pythons += filter(None, os.environ.get("HEAPLINE_PYTHONS", "").split(":"))
        for python in pythons:
            with self.subTest(python=python):
                tables = self.run_native([python, "-W", "ignore", "-c", WRITER])
                self.assertEqual(tables.status, 0, tables)
                result = self.run_native([TOOL], stdin=tables.stdout)
                self.assertEqual(result.status, 0, result)
                count, wrong = map(int, result.stdout.split())
                self.assertGreater(count, 100000)
                self.assertEqual(wrong, 0, "of %d" % count)


if __name__ == "__main__":
    harness.main()
