#!/usr/bin/python3
"""The leak cases (tests/e2e/leak_cases.py) under heapline, preloaded LeakSanitizer and
Valgrind: who is right about which. Writes the table into docs/leaks.md.

    HEAPLINE_BUILD=build tests/bench/leaks.py [CASE]...

Right is who calls lost what is lost, and nothing else, counted in blocks and bytes; what
is possibly lost counts as lost of Valgrind, which fails for it unless told otherwise,
and not of heapline, which does not. With names of cases it only prints their rows."""

import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import harness  # noqa: E402
import leak_cases  # noqa: E402
from leak_cases import CASES, LOST  # noqa: E402

PAGE = os.path.join(harness.SOURCE, "docs", "leaks.md")
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"
TITLES = {"lost": "Lost", "held": "Held, each in another way",
          "ends": "Ends, children, threads, modules", "cxx": "C++"}
WORKERS = 3


def lost(found, kinds=LOST):
    amounts = [found[k] for k in kinds if k in found]
    return sum(a[0] for a in amounts), sum(a[1] or 0 for a in amounts)


def words(found, kinds):
    said = ["%s %d" % ("possible" if k == "possible" else "lost", found[k][0])
            for k in kinds if k in found and found[k][0]]
    merged = lost(found)
    if merged[0]:
        said = ["lost %d" % merged[0]] + [w for w in said if w.startswith("possible")]
    if "unscanned" in found:
        said.append("not looked at")
    return ", ".join(said)


def cell(case, found, kinds):
    """What is said of one tool's answer."""
    truth = lost(case.truth)
    if found is None:
        return "no answer" if truth[0] else "right"
    if lost(found, kinds) == truth and "unscanned" not in found:
        return "right"
    return words(found, kinds) or "misses %d" % truth[0]


def run(case, folder):
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder}
    profile = os.path.join(folder, "%s-%s" % (case.program, case.name))
    ours, _ = leak_cases.by_heapline(case, profile, env)
    return (case, cell(case, ours, LOST), cell(case, leak_cases.by_lsan(case, env), LOST),
            cell(case, leak_cases.by_valgrind(case, env, folder), LOST + ("possible",)))


def truth_words(case):
    blocks, size = lost(case.truth)
    if blocks:
        return "lost %d (%s B)" % (blocks, format(size, ","))
    amounts = [v for v in case.truth.values() if v[0]]
    return "held %d" % sum(a[0] for a in amounts) if amounts else "freed"


def rows(results):
    out = []
    for program, title in TITLES.items():
        mine = [r for r in results if r[0].program == program]
        if not mine:
            continue
        out += ["", "### " + title, "", "| case | truth | heapline | LeakSanitizer | Valgrind |",
                "| --- | --- | --- | --- | --- |"]
        out += ["| `%s` | %s | %s | %s | %s |" % (
            r[0].name, truth_words(r[0]), r[1], r[2], r[3]) for r in mine]
    right = [sum(r[i] == "right" for r in results) for i in (1, 2, 3)]
    return ["%d cases: heapline is right in %d, LeakSanitizer in %d, Valgrind in %d." % (
        len(results), *right)] + out + [""]


def main():
    chosen = [c for c in CASES if c.name in sys.argv[1:] or len(sys.argv) == 1]
    folder = tempfile.mkdtemp(prefix="heapline-cases-")
    try:
        with ThreadPoolExecutor(WORKERS) as pool:
            results = list(pool.map(lambda case: run(case, folder), chosen))
    finally:
        shutil.rmtree(folder)
    text = "\n".join(rows(results)) + "\n"
    if len(sys.argv) > 1:
        print(text)
        return
    with open(PAGE, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + text + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
