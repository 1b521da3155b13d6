#!/usr/bin/python3
"""The same verdict every time: all leak cases, and ten programs without a leak under
`heapline check`, over and over, two at a time on a machine that is busy otherwise.

    HEAPLINE_BUILD=build tests/bench/leaks_soak.py [ROUNDS]

Prints how many runs there were and which differed; the exit status is 1 if any did."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import harness  # noqa: E402
import leak_cases  # noqa: E402

PROGRAMS = (
    ["xmllint", "--format", "{dir}/a.xml"], ["jq", ".", "{dir}/a.json"],
    ["git", "-C", "{dir}", "init", "-q", "repo"], ["curl", "--version"],
    ["sqlite3", ":memory:", "create table t(a); insert into t values (1); select * from t;"],
    ["gawk", "BEGIN { for (i = 0; i < 1000; i++) a[i] = i; print length(a) }"],
    ["ls", "-l", "/"], ["wc", "{dir}/a.json"], ["find", "{dir}"],
    ["sh", "-c", "ls / | wc -l"])
BUSY = 2  # processes that do nothing but that
WORKERS = 2


def prepare(folder):
    with open(os.path.join(folder, "a.xml"), "w", encoding="ascii") as file:
        file.write("<a>" + "<b c='1'>text</b>" * 1000 + "</a>")
    with open(os.path.join(folder, "a.json"), "w", encoding="ascii") as file:
        file.write('[%s]\n' % ", ".join('{"a": %d}' % i for i in range(1000)))


def run_case(case, env, folder, number):
    profile = os.path.join(folder, "case-%d" % number)
    found, status = leak_cases.by_heapline(case, profile, env)
    os.unlink(profile)
    told = leak_cases.agrees(found, case.expected)
    return None if told != bool(case.lacks) and status == case.status else (
        "%s: %s, status %s" % (case, found, status))


def run_program(args, env, folder):
    args = [arg.format(dir=folder) if "{dir}" in arg else arg for arg in args]
    done = subprocess.run([harness.HEAPLINE, "check", "-q", "--", *args], env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=120, check=False)
    return None if not done.returncode else "%s: status %d: %s" % (
        args[0], done.returncode, done.stderr.decode(errors="replace")[-300:])


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    folder = tempfile.mkdtemp(prefix="heapline-soak-")
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder}
    prepare(folder)
    jobs = [(run_case, case) for case in leak_cases.CASES] + [
        (run_program, args) for args in PROGRAMS]
    jobs = [job for job in jobs for _ in range(rounds)]
    random.shuffle(jobs)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY)]

    def run(numbered):
        number, (how, what) = numbered
        return how(what, env, folder, number) if how is run_case else how(what, env, folder)

    try:
        with ThreadPoolExecutor(WORKERS) as pool:
            wrong = [w for w in pool.map(run, enumerate(jobs)) if w]
    finally:
        for process in busy:
            process.kill()
        shutil.rmtree(folder)
    for line in wrong:
        print(line)
    print("%d runs, %d differ" % (len(jobs), len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
