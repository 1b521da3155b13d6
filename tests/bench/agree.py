#!/usr/bin/python3
"""Whether heapline and heaptrack say the same of the same programs, and why not.

    tests/bench/agree.py [BUILD]

Runs five programs under both, and under a shim of its own that counts by pointers what
is temporary (tests/bench/agree_shim.c). Where the two tools differ, the line says which
known reason makes up the whole of the difference; a difference without one is a failure.
docs/accuracy.md explains the reasons.
"""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
HEAPLINE = os.path.join(BUILD, "cli", "heapline")
POOL = 72704  # libstdc++'s emergency pool: heaptrack brings libstdc++ with it
UNITS = {"B": 1, "K": 1e3, "M": 1e6, "G": 1e9}


def inputs(folder):
    with open(os.path.join(folder, "big.xml"), "w", encoding="ascii") as file:
        file.write("<r>" + "".join('<e id="%d" v="%s"><a>text %d</a></e>'
                                   % (i, "x" * (i % 50), i) for i in range(60000)) + "</r>")
    with open(os.path.join(folder, "big.json"), "w", encoding="ascii") as file:
        json.dump([{"id": i, "v": "x" * (i % 40), "l": list(range(i % 7))}
                   for i in range(40000)], file)


PROGRAMS = {
    "xmllint": ["xmllint", "--noout", "big.xml"],
    "jq": ["jq", "-c", ".[0]", "big.json"],
    "sqlite3": ["sqlite3", ":memory:",
                "create table t(a,b); with recursive c(n) as (select 1 union all select "
                "n+1 from c where n<50000) insert into t select n, hex(n*7) from c; "
                "select count(*) from t;"],
    "perl": ["perl", "-e", "my %h; $h{$_}='x'x($_%30) for 1..50000; print scalar keys %h"],
    "gawk": ["gawk", 'BEGIN { for (i = 0; i < 100000; i++) a[i] = i "x"; print length(a) }'],
}


def run(args, folder, **env):
    env = dict(os.environ, PERL_HASH_SEED="0", **env)
    return subprocess.run(args, cwd=folder, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)


def size(text):
    number, unit = re.match(r"([\d.]+)([BKMG])", text).groups()
    return float(number) * UNITS[unit]


def heaptrack(args, folder):
    run(["heaptrack", "-o", "ht", *args], folder)
    (file,) = glob.glob(os.path.join(folder, "ht*"))
    text = run(["heaptrack_print", "-f", file], folder).stdout.decode()
    os.unlink(file)
    found = {key: re.search(label + r": ([\d.]+[BKMG]?)", text) for key, label in (
        ("calls", "calls to allocation functions"), ("peak", "peak heap memory consumption"),
        ("temporary", "temporary memory allocations"), ("leaked", "total memory leaked"),
        ("suppressed", "suppressed leaks"))}
    return {key: 0 if not m else int(m[1]) if m[1].isdigit() else size(m[1])
            for key, m in found.items()}


def heapline(args, folder):
    profile = os.path.join(folder, "hl")
    run([HEAPLINE, "run", "-qfo", profile, "--", *args], folder)
    return json.loads(run([HEAPLINE, "report", "--json", profile], folder).stdout)


def truth(args, folder):
    """(freed next, reallocated next) of the last allocated block, by pointers."""
    said = run(args, folder, LD_PRELOAD=os.path.join(folder, "agree.so")).stderr.decode()
    return tuple(map(int, re.search(r"agree: (\d+) (\d+)", said).groups()))


def close(a, b, digits):
    """Equal as far as a figure of three digits tells; digits 0: but for a realloc(p, 0),
    which the shim takes for a growing block."""
    return abs(a - b) <= (max(digits, abs(b) * 0.006) if digits else 1)


def compare(name, args, folder):
    theirs, report, (freed, grown) = heaptrack(args, folder), heapline(args, folder), truth(
        args, folder)
    ours = report["totals"]
    pool = 0 if "libstdc++" in run(["ldd", "/usr/bin/" + name], folder).stdout.decode() else POOL
    rows = [
        ("calls", theirs["calls"], ours["allocations"], bool(pool),
         "heaptrack's own libstdc++ asks once" if pool else "", 20),
        ("peak", theirs["peak"], report["peak"]["bytes"], pool,
         "heaptrack's own libstdc++ has a pool" if pool else "", 1000),
        ("at end", theirs["leaked"] + theirs["suppressed"], report["live_at_end"]["bytes"],
         0, "", POOL + 1000),
        ("temporary", freed, ours["temporary"], 0, "the truth, by pointers", 0),
    ]
    wrong = 0
    for what, their, our, known, why, digits in rows:
        good = close(their - known, our, digits)
        wrong += not good
        print("%-8s %-10s %14.0f %14d  %s%s" % (name, what, their, our,
                                               "" if good else "DIFFERENT ", why))
    extra = theirs["temporary"] - freed
    print("%-8s %-10s %14d %14d  heaptrack's: %d more; %d are blocks that realloc moved"
          % (name, "(theirs)", theirs["temporary"], ours["temporary"], extra, grown))
    return wrong


def main():
    with tempfile.TemporaryDirectory() as folder:
        inputs(folder)
        subprocess.run(["gcc", "-O1", "-fno-builtin", "-shared", "-fPIC", "-o",
                        os.path.join(folder, "agree.so"), os.path.join(HERE, "agree_shim.c")],
                       check=True)
        print("%-8s %-10s %14s %14s" % ("program", "figure", "heaptrack", "heapline"))
        wrong = sum(compare(name, args, folder) for name, args in PROGRAMS.items())
    print("%d differences without a reason" % wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
