"""Programs whose leaks are known: what is true of each, what heapline is to say, and how
to ask heapline and others. tests/targets/cases_*.c are the programs.

A case's blocks are those that a function case_...() allocated. Its truth is told by
class: (blocks, bytes) that are lost, alone, in rings or below others; and what is held.
"""

import json
import os
import re
import subprocess
import xml.etree.ElementTree

import harness

KINDS = ("definite", "cycle", "indirect", "possible", "exited", "reachable", "unscanned")
LOST = ("definite", "cycle", "indirect")


class Case:
    """told: what heapline says where that is not the truth, and why it cannot be had.
    lacks: what heapline does not do yet; the case is known to fail. mapped: it is about
    mappings, which others do not look for. any_exit: a signal ends it."""

    def __init__(self, program, name, told=None, why="", status=0, lacks="", mapped=False,
                 any_exit=False, **truth):
        self.mapped, self.any_exit = mapped, any_exit
        self.program, self.name, self.status = program, name, status
        self.truth, self.told, self.why, self.lacks = truth, told, why, lacks

    @property
    def expected(self):
        return self.truth if self.told is None else self.told

    def command(self):
        return [harness.target("cases_" + self.program), self.name]

    def __str__(self):
        return "%s %s" % (self.program, self.name)


def lost(name, **truth):
    return Case("lost", name, **truth)


def held(name, blocks=1, size=100, **more):
    more.setdefault("reachable", (blocks, size))
    return Case("held", name, **more)


def ends(name, **truth):
    return Case("ends", name, **truth)


def cxx(name, **truth):
    return Case("cxx", name, **truth)


ONE = (1, 100)
UNSEEN = "no tool can see a pointer that is not in memory as one"

CASES = [
    lost("one", definite=ONE),
    lost("ten", definite=(10, 1000)),
    lost("zero_bytes", definite=(1, 0)),
    lost("overwritten", definite=ONE, reachable=(1, 200)),
    lost("realloc", definite=(1, 5000)),
    lost("aligned", definite=(2, 428)),
    lost("large", definite=(1, 1 << 20)),
    lost("indirect", definite=(1, 48), indirect=ONE),
    lost("list", definite=(1, 48), indirect=(49, 49 * 48)),
    lost("tree", definite=(1, 48), indirect=(62, 62 * 48)),
    lost("ring", cycle=(3, 144)),
    lost("ring_and_tail", cycle=(2, 96), indirect=ONE),
    lost("itself", cycle=(1, 48)),
    lost("doubly_linked", cycle=(10, 480)),
    lost("two_hold_one", definite=(2, 96), indirect=ONE),
    lost("ring_below_one", definite=(1, 48), indirect=(2, 96)),
    lost("interior_from_lost", definite=(1, 48), indirect=ONE),
    lost("stale_stack", definite=ONE),
    lost("stale_heap", definite=ONE),
    lost("stale_signal_stack", definite=ONE),
    lost("signal_stack_disabled", definite=(1, 65536)),
    lost("strdup", definite=(1, 21)),
    lost("getline", definite=(1, 120)),
    lost("opendir", definite=(1, 32816)),
    lost("asprintf", definite=(1, 91)),
    lost("freed"),
    lost("freed_at_exit"),
    lost("lost_at_exit", definite=ONE),

    held("global"),
    held("initialised"),
    held("static_local"),
    held("growth", 1000, 104000),
    held("tls", 2, 300),
    held("key_few"),
    held("keys_many", 2, 612),
    # The value, those that setenv() made, its array: and from 2.41 the list of arrays.
    held("environ", 4 if harness.GLIBC >= (2, 41) else 3, None),
    held("stream", 1, 472),
    held("tls_of_plugin"),
    held("tls_of_a_mebibyte"),
    held("global_of_plugin"),
    held("thread_stack"),
    held("thread_tls"),
    held("thread_register"),
    held("thread_vector", possible=ONE, reachable=(0, 0)),
    held("thread_argument"),
    held("epoll"),
    held("timer"),
    held("signal_stack", 1, 65536),
    held("pipe", told={"definite": ONE}, why=UNSEEN),
    held("mapping"),
    held("shared_mapping"),
    held("file_mapping"),
    held("closed_page"),
    held("sealed_page"),
    held("write_only_page"),
    held("closed_block", 2, 12388),
    held("coroutine", 2, 65636),
    held("coroutine_mapped"),
    held("low_tag"),
    held("high_tag", possible=ONE, reachable=(0, 0)),
    held("one_past_end", possible=(1, 128), reachable=(0, 0)),
    held("behind_a_header"),
    held("member", 1, 400),
    held("far_inside", possible=(1, 4000), reachable=(0, 0)),
    held("page_aligned", 1, 3 * 4096),
    held("aligned_with_header", 1, 1520),
    held("xor", told={"definite": ONE}, why=UNSEEN),
    held("local_at_exit", exited=ONE, reachable=(0, 0)),
    held("local_of_caller", exited=ONE, reachable=(0, 0)),

    ends("exit", definite=ONE),
    ends("underscore_exit", definite=ONE),
    ends("quick_exit", definite=ONE),
    ends("sigterm", definite=ONE, any_exit=True, status=-15),
    ends("sigkill", definite=ONE, status=-9, told={"unscanned": ONE},
         why="a process that is killed cannot be looked at"),
    ends("abort", definite=ONE, any_exit=True, status=-6),
    ends("exec", definite=ONE, told={"unscanned": ONE},
         why="another program took its place; no failure of a check"),
    ends("exit_in_handler", definite=ONE),
    ends("exit_in_thread", definite=ONE),
    ends("pthread_exit_of_main", definite=ONE),
    ends("child", definite=ONE),
    ends("child_inherits", definite=ONE),
    ends("child_frees", reachable=(2, 150)),
    ends("child_and_parent", definite=(2, 200)),
    ends("thread", definite=ONE),
    ends("thread_local", definite=ONE),
    ends("thread_tls", definite=ONE),
    ends("thread_key_freed"),
    ends("thread_result", definite=ONE),
    ends("stale_thread", definite=ONE),
    ends("closed_module_site", definite=ONE),
    ends("closed_module_global", definite=ONE),
    ends("unmapped_holder", definite=ONE),
    ends("held_by_lost_mapping", indirect=ONE),
    ends("lost_mapping", mapped=True, definite=(1, 8192)),

    cxx("new", reachable=(1, 4)),
    cxx("new_lost", definite=(1, 4)),
    cxx("array", reachable=(1, 168)),
    cxx("array_lost", definite=(1, 168)),
    cxx("empty_array", reachable=(1, 8)),
    cxx("empty_array_lost", definite=(1, 8)),
    cxx("second_base", reachable=(1, 112)),
    cxx("virtual_base", reachable=(1, 144)),
    cxx("overaligned", reachable=(1, 256)),
    cxx("string"),
    cxx("string_lost", definite=(1, 32), indirect=(1, 101)),
    cxx("containers"),
    cxx("containers_kept", reachable=(21, 48 + 10 * 72 + 10 * 51)),
    cxx("list_lost", cycle=(4, 96)),
    cxx("vector_lost", definite=(1, 24), indirect=(4, 96 + 3 * 51)),
    cxx("shared_ring", cycle=(2, 144)),
    cxx("function", reachable=(2, 104)),
    cxx("exception_kept"),
    cxx("owners"),
    cxx("released", definite=(1, 112)),
]


def agrees(found, expected):
    """By class; a size of None is any."""
    wanted = {kind: amount for kind, amount in expected.items() if amount != (0, 0)}
    return set(found) == set(wanted) and all(
        found[kind][0] == blocks and size in (None, found[kind][1])
        for kind, (blocks, size) in wanted.items())


def is_own(functions):
    return any(re.match(r"(\w+ )?case_", f) for f in functions)


def add(found, kind, blocks, size):
    was = found.get(kind, (0, 0))
    found[kind] = (was[0] + blocks, was[1] + size)


def of_report(report):
    """What `heapline leaks --json` says of the case's blocks, by class."""
    found = {}
    for leak in report["leaks"]:
        if leak["kind"] in KINDS and is_own(f["function"] for f in leak["stack"]):
            add(found, leak["kind"], leak["blocks"], leak["bytes"])
    return found


def by_heapline(case, profile, environment, timeout=60):
    """By class, and the program's exit status."""
    run = subprocess.run([harness.HEAPLINE, "run", "-qf", "--snapshot-at-any-exit"
                          if case.any_exit else "--snapshot-at-exit",
                          "--no-source", "-o", profile, "--", *case.command()],
                         env=environment, timeout=timeout, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    told = subprocess.run([harness.HEAPLINE, "leaks", "--json", "--kind=all",
                           "--domain=mmap" if case.mapped else "--domain=malloc", profile],
                          env=environment, timeout=timeout, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if told.returncode:
        raise RuntimeError("%s: %s" % (case, (run.stderr + told.stderr).decode()))
    return of_report(json.loads(told.stdout)), run.returncode


def by_lsan(case, environment, library="liblsan.so.0"):
    """Of LeakSanitizer, preloaded: a ring is all indirect. None: it said nothing at all,
    or broke off."""
    env = dict(environment, LD_PRELOAD=library,
               LSAN_OPTIONS="exitcode=23:fast_unwind_on_malloc=0:report_objects=0")
    try:
        run = subprocess.run(case.command(), env=env, timeout=60,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, check=False)
    except subprocess.TimeoutExpired:
        return None
    text = run.stderr.decode(errors="replace")
    if "fatal error" in text or run.returncode == -11:
        return None
    found = {}
    for kind, size, blocks, stack in re.findall(
            r"(Direct|Indirect) leak of (\d+) byte\(s\) in (\d+) object\(s\) allocated "
            r"from:\n((?:    #.*\n)+)", text):
        if is_own(re.findall(r" in (.*?)(?: |\()", stack)):
            add(found, "definite" if kind == "Direct" else "indirect", int(blocks),
                int(size))
    return found


VALGRIND_KINDS = {"Leak_DefinitelyLost": "definite", "Leak_IndirectlyLost": "indirect",
                  "Leak_PossiblyLost": "possible", "Leak_StillReachable": "reachable"}


def of_valgrind_xml(text):
    """A document of Valgrind's, or of `heapline leaks --format=valgrind-xml`."""
    found = {}
    root = xml.etree.ElementTree.fromstring(text)
    for error in root.iter("error"):
        kind = VALGRIND_KINDS.get(error.findtext("kind"))
        functions = [f.findtext("fn") or "" for f in error.iter("frame")]
        if kind and is_own(functions):
            direct = re.match(r"[\d,]+ \(([\d,]+) direct", error.findtext("xwhat/text"))
            size = direct[1].replace(",", "") if direct else (
                error.findtext("xwhat/leakedbytes"))
            add(found, kind, int(error.findtext("xwhat/leakedblocks")), int(size))
    return found


def by_valgrind(case, environment, folder):
    """Of Valgrind's memcheck, its children included. None: it said nothing."""
    pattern = os.path.join(folder, "valgrind-%s-%s-%%p.xml" % (case.program, case.name))
    try:
        subprocess.run(["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=all",
                        "--xml=yes", "--xml-file=" + pattern, "--trace-children=no",
                        "--num-callers=60", *case.command()],
                       env=environment, timeout=120, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    except subprocess.TimeoutExpired:
        return None
    found, any_whole = {}, False
    prefix = os.path.basename(pattern).split("%p", 1)[0]
    for name in os.listdir(folder):
        if not name.startswith(prefix):
            continue
        with open(os.path.join(folder, name), "rb") as file:
            text = file.read()
        try:
            told = of_valgrind_xml(text)
        except xml.etree.ElementTree.ParseError:
            continue
        any_whole = any_whole or b"<state>FINISHED" in text
        for kind, (blocks, size) in told.items():
            add(found, kind, blocks, size)
    return found if any_whole else None
