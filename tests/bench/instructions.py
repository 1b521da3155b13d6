#!/usr/bin/python3
"""Instructions in the program itself, counted by callgrind: what other programs on the
machine do does not change them, so small differences can be seen. (The collector's are
not among them, nor the kernel's; nor do they tell of caches and clocks.)

    HEAPLINE_BUILD=build tests/bench/instructions.py [DEPTH ...]

of a malloc and its free: the difference of two runs of micro.c, over that of their pairs.
What a start takes is not in it.

    HEAPLINE_BUILD=build tests/bench/instructions.py [--part N] [--modes GLOB,...] WORK ...

of whole programs that run/--list names, or of all real ones: "programs". What a start
takes is in it. A row counts only if nothing was lost, and: of what was not recorded
nothing was; of what was sampled, the estimate is as near the counting shim's bytes as such
estimates are; of all else, the totals are the counting shim's, but for what the other
environment makes. That the hooks were there callgrind tells: whose instructions they are."""

import argparse
import collections
import concurrent.futures
import fnmatch
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import figures
import works as works_module

BUILD = os.path.abspath(os.environ.get("HEAPLINE_BUILD", "build"))
HEAPLINE = os.path.join(BUILD, "cli", "heapline")
BENCH = os.path.join(BUILD, "tests", "bench")
MICRO = os.path.join(BENCH, "work_micro")
COUNTING = os.path.join(BENCH, "libcounting.so")
COUNT = os.path.join(BUILD, "tests", "targets", "libcount.so")
FEW, MANY = 20000, 60000
REQUESTS = 15000  # of each kind, to a server, by one client: the same each time
INTERVAL = 512 << 10
MODES = {"native": None, "counting": None, "heapline": (),
         "no free stacks": ("--no-free-stacks",), "sampled": ("--sample=512K",),
         "not recording": ("--delay=10000s",)}

Found = collections.namedtuple("Found", "instructions own profile status errors")


# ---- one run --------------------------------------------------------------------


def words_of(mode, profile, options=()):
    """The words before the program's own, and what is preloaded."""
    if mode == "counting":
        return [], {"LD_PRELOAD": COUNTING}
    if MODES[mode] is None:
        return [], {}
    return [HEAPLINE, "run", "-q", "-f", "-o", profile, "--no-source", *MODES[mode],
            *options, "--"], {}


def callgrind(before, command, env, out, stdin=None, drive=None):
    """Runs it: a process, and instructions and whose they are, by object."""
    words = [*before, "valgrind", "--tool=callgrind", "--callgrind-out-file=" + out,
             *command]
    with open(stdin or os.devnull, "rb") as given, open(out + ".err", "wb") as errors:
        with subprocess.Popen(words, env=env, stdin=given, stdout=subprocess.DEVNULL,
                              stderr=errors, cwd=os.path.dirname(out)) as process:
            try:
                if drive:
                    drive()
                process.wait(900)
            except (RuntimeError, subprocess.SubprocessError):
                process.terminate()
    with open(out + ".err", encoding="utf-8", errors="replace") as file:
        text = file.read()
    total = re.search(r"refs:\s+([\d,]+)", text)
    return Found(int(total.group(1).replace(",", "")) if total else None,
                 by_object(out) if total and out != os.devnull else {}, None,
                 process.returncode, text[-300:])


def by_object(path):
    """Instructions of each object's own, by callgrind's file."""
    names, own, at, skip = {}, collections.Counter(), None, False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("ob="):
                number, _, name = line[3:].strip().partition(" ")
                at = names.setdefault(number, os.path.basename(name))
            elif line.startswith("cob="):
                number, _, name = line[4:].strip().partition(" ")
                names.setdefault(number, os.path.basename(name))
            elif line.startswith("calls="):
                skip = True  # the next line says what the call took
            elif line[:1] in "0123456789+-*":
                if not skip:
                    own[at] += int(line.split()[1])
                skip = False
    return own


# ---- a malloc and its free ------------------------------------------------------


def pairs(mode, depth, count, folder):
    before, env = words_of(mode, os.path.join(folder, "profile"))
    found = callgrind(before, [MICRO, str(depth), "1", str(count)],
                      dict(os.environ, **env), os.path.join(folder, "callgrind"))
    if found.status or not found.instructions:
        sys.exit("%s: status %d, %s" % (mode, found.status, found.errors))
    return found.instructions


def of_pairs(depths):
    print("%-16s" % "depth" + "".join("%9d" % d for d in depths))
    with tempfile.TemporaryDirectory() as folder:
        for mode in MODES:
            print("%-16s" % mode, end="")
            for depth in depths:
                few, many = (pairs(mode, depth, n, folder) for n in (FEW, MANY))
                print("%9.1f" % ((many - few) / (MANY - FEW)), end="", flush=True)
            print()


# ---- programs -------------------------------------------------------------------


def environment(work, folder, extra):
    env = {"PATH": works_module.PATH, "LANG": "C.UTF-8", "HOME": folder,
           "TMPDIR": folder}
    env.update(work.env)
    env.update(extra)
    return env


def command_of(work, folder):
    """The work's words, and what loads it if it is a server."""
    if not work.drive:
        return work.command(), None
    port = works_module.free_port()
    return [*work.command(), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
            "--dir", folder], lambda: work.drive(port, REQUESTS, 1)


def counted(work):
    """What the counting shim counts, without callgrind; None: the program failed."""
    with tempfile.TemporaryDirectory() as folder:
        words, drive = command_of(work, folder)
        env = environment(work, folder, {"LD_PRELOAD": COUNT, "COUNT_OUT": folder})
        with open(work.stdin or os.devnull, "rb") as given, subprocess.Popen(
                words, env=env, stdin=given, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, cwd=folder) as process:
            if drive:
                drive()
        allocations = size = 0
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if not re.fullmatch(r"\d+(\.\d+)?", name) or not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                data = file.read()
            if data[80:].split(b"\0", 1)[0].decode() == work.program:
                numbers = struct.unpack("10Q", data[:80])
                allocations, size = allocations + numbers[0], size + numbers[2]
    return None if process.returncode else (allocations, size)


def once(work, mode):
    with tempfile.TemporaryDirectory() as folder:
        profile = os.path.join(folder, "profile")
        # (The counting shim knows of malloc alone.)
        before, extra = words_of(mode, profile,
                                 ("--no-objects",) if work.name == "python3" else ())
        words, drive = command_of(work, folder)
        found = callgrind(before, words, environment(work, folder, extra),
                          os.path.join(folder, "callgrind"), work.stdin, drive)
        if before and not found.status:
            done = subprocess.run([HEAPLINE, "report", "--json", profile], check=True,
                                  capture_output=True)
            found = found._replace(profile=json.loads(done.stdout))
        return found


def totals_of(report):
    """Of the program; the shell that starts valgrind, and valgrind, became it."""
    own = [p["totals"] for p in report["processes"] if p["end"] != "execed"]
    return {key: sum(t[key] for t in own) for key in ("allocations", "allocated_bytes")}


def wrong(mode, found, reference):
    """What is wrong with a run; "" if nothing."""
    if found.status or not found.instructions:
        return "status %s: %s" % (found.status, found.errors)
    if mode == "native":
        return ""
    shim = "libcounting.so" if mode == "counting" else "libheapline"
    if not any(name.startswith(shim) for name in found.own):
        return "the hooks were not there"
    if mode == "counting":
        return ""
    totals = totals_of(found.profile)
    lost = found.profile["losses"]["events"] + found.profile["losses"]["cut_stacks"]
    if lost:
        return "LOST %d" % lost
    if mode == "not recording":
        return "recorded %d" % totals["allocations"] if totals["allocations"] else ""
    if mode == "sampled":
        off = totals["allocated_bytes"] - reference[1]
        # Seven deviations, as in test_sample.py.
        return "estimate off by %d" % off if abs(off) > (
            7 * (INTERVAL * reference[1]) ** 0.5 + 25 * INTERVAL) else ""
    # (What a program allocates may depend on its environment, a variable or two.)
    said = {"allocations": totals["allocations"], "bytes": totals["allocated_bytes"]}
    counts = {"allocations": reference[0], "bytes": reference[1]}
    return figures.difference(said, counts, figures.FORGIVEN)


def row(work, modes, jobs):
    """Starts what is needed for it: a function that waits and prints."""
    natives = [jobs.submit(once, work, "native") for _ in range(2)]
    runs = {mode: jobs.submit(once, work, mode) for mode in modes if mode != "native"}
    reference = jobs.submit(counted, work)

    def print_it():
        native, again = (n.result() for n in natives)
        why = wrong("native", native, None)
        found = {mode: run.result() for mode, run in runs.items()}
        if why or not reference.result():
            print("%-9s left out: %s" % (work.name, why or "fails when counted"))
            return
        least = found["counting"].instructions
        cells = ["%8.3f" % (least / native.instructions)]
        complaints = []
        for mode, run in found.items():
            why = wrong(mode, run, reference.result())
            if why:
                complaints.append("%s: %s" % (mode, why))
            if mode != "counting":
                cells.append("%15s" % ("-" if not run.instructions else "%.4f%s" % (
                    run.instructions / least, "!" if why else " ")))
        print("%-9s %9.1f %8.4f %10s %s" % (
            work.name, native.instructions / 1e6, 100 * abs(
                native.instructions - again.instructions) / native.instructions,
            format(reference.result()[0], ","), " ".join(cells)))
        for complaint in complaints:
            print("  ! " + complaint)
        for mode, run in found.items():
            print("  %-15s %9.1f, of which %s" % (mode, run.instructions / 1e6, ", ".join(
                "%s %.1f" % (name, n / 1e6) for name, n in run.own.most_common(4))))
        sys.stdout.flush()

    return print_it


def of_programs(works, modes, count):
    print("Millions of instructions; % by which the same differs in two native runs;\n"
          "allocations; counting over native; all else over counting. ! does not count.")
    print("%-9s %9s %8s %10s %8s %s" % (
        "", "native", "differs", "allocs", "counting",
        " ".join("%14s " % m for m in modes if m not in ("native", "counting"))))
    with concurrent.futures.ThreadPoolExecutor(count) as jobs:
        for print_it in [row(work, modes, jobs) for work in works]:
            print_it()


def works_named(names, part):
    works = works_module.programs(
        works_module.Inputs(os.path.join(BENCH, "inputs")), part)
    if names != ["programs"]:
        for name in names:
            if not any(w.name == name for w in works):
                sys.exit("error: there is no '%s'\nhelp: %s" % (
                    name, ", ".join(w.name for w in works)))
        works = [w for w in works if w.name in names]
    for work in works:
        if work.missing():
            print("%-9s left out: %s" % (work.name, work.missing()))
    return [w for w in works if not w.missing()]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("what", nargs="*", help="depths, or names of programs")
    p.add_argument("--jobs", type=int, default=2, metavar="N", help="runs at a time")
    p.add_argument("--part", type=int, default=4, metavar="N",
                   help="do an Nth of run's works (4; callgrind takes fifty times as long)")
    p.add_argument("--modes", metavar="GLOB,...", default="not recording,sampled")
    opts = p.parse_args()
    if all(word.isdigit() for word in opts.what):
        of_pairs([int(word) for word in opts.what] or [1, 10, 30])
        return
    globs = opts.modes.split(",")
    modes = [m for m in MODES if m == "counting"
             or any(fnmatch.fnmatchcase(m, g) for g in globs)]
    of_programs(works_named(opts.what, opts.part), modes, opts.jobs)


if __name__ == "__main__":
    main()
