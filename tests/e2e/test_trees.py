"""Trees of real programs: their results are the same as without heapline, and the
process table is the kernel's own, as strace saw it in the very same run: every process,
its programs one after the other, its parent, its end."""

import glob
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess

import harness
from harness import needs

harness.open_build()
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
END = re.compile(r"^(\d+) +\+\+\+ (exited with|killed by) (\w+).*\+\+\+$")
SUPERSEDED = re.compile(r"^(\d+) +\+\+\+ superseded by execve in pid (\d+) \+\+\+$")


class Process:
    """One pid as strace saw it."""

    def __init__(self, parent=None, parent_program=None):
        self.parent = parent
        self.parent_program = parent_program  # what the parent was at that moment
        self.programs = []  # executed, one after the other
        self.end = None

    def program(self):
        return self.programs[-1] if self.programs else self.parent_program


def whole_calls(lines):
    """(pid, call, arguments and result) of each call that returned, or the pid's end;
    what was said in two parts is put together, at its second."""
    begun = {}
    for line in lines:
        call, resumed = CALL.match(line), RESUMED.match(line)
        if call and call[3].endswith("<unfinished ...>"):
            begun[call[1]] = call[3][: -len("<unfinished ...>")]
        elif call:
            yield int(call[1]), call[2], call[3]
        elif resumed:
            yield int(resumed[1]), resumed[2], begun.pop(resumed[1], "") + resumed[3]
        elif SUPERSEDED.match(line):
            yield int(line.split()[0]), "superseded", ""
        elif END.match(line):
            end = END.match(line)
            yield int(end[1]), "end", end[3]


def result_of(text):
    found = re.search(r"= (-?\d+)[^=]*$", text)
    return int(found[1]) if found else -1


def end_of(word):
    if word.startswith("SIG"):
        return "signaled", 128 + getattr(signal, word)
    return "exited", int(word)


def read_tree(path):
    """{pid: Process} of all that strace saw, and the first pid."""
    found, threads, first, early = {}, {}, None, {}
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.rstrip("\n") for line in file]
    for pid, call, rest in whole_calls(lines):
        if first is None:
            first = pid
            found[pid] = Process()
        owner = threads.get(pid, pid)
        if call in ("fork", "vfork", "clone", "clone3") and result_of(rest) > 0:
            child = result_of(rest)
            if "CLONE_THREAD" in rest:
                threads[child] = owner
                # (A short one's end may be told before the call that began it.)
                if child in found and not found[child].programs:
                    del found[child]
                continue
            parent = found.setdefault(owner, Process())
            process = found.setdefault(child, Process())
            process.parent, process.parent_program = owner, early.pop(
                child, parent.program())
        elif call.startswith("execve") and result_of(rest) == 0:
            threads.pop(pid, None)
            process = found.setdefault(pid, Process())
            name = re.search(r'"((?:[^"\\]|\\.)*)"', rest)
            process.programs.append(name[1] if name else "")
        elif call == "end" and pid not in threads:
            found.setdefault(pid, Process()).end = end_of(rest)
    return found, first


class Trees(harness.Case):
    def setUp(self):
        super().setUp()
        self.log = self.path("strace.log")

    def can_trace(self):
        if not shutil.which("strace"):
            return False
        return self.run_native(["strace", "-o", "/dev/null", "true"]).status == 0

    def traced(self, *args):
        """The command under strace, if there can be one."""
        if not self.can_trace():
            return list(args)
        return ["strace", "-f", "-q", "-s", "1024", "-o", self.log, "-e",
                "trace=fork,vfork,clone,clone3,execve,execveat", *args]

    def record_traced(self, args, options=(), **how):
        profile = self.new_profile()
        result = self.run_native(
            self.traced(harness.HEAPLINE, "run", "-q", "-o", profile, *options, "--",
                        *args), **how)
        result.profile = profile
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
        return result

    def same(self, native, args, **how):
        """Records ARGS; what it says is what `native` said; its processes are right."""
        result = self.record_traced(args, **how)
        self.assert_same_behaviour(native, result)
        return self.check_table(result)

    # ---- the table ---------------------------------------------------------------

    def oracle(self):
        """Of the program's processes only, not of heapline's own."""
        found, first = read_tree(self.log)
        ours = {first}
        for pid, process in found.items():
            if process.parent in ours and (
                    process.programs[:1] in ([], ["/proc/self/exe"])):
                ours.add(pid)
        return {pid: p for pid, p in found.items() if pid not in ours}

    def check_table(self, result_or_profile):
        report = self.report_json(result_or_profile)
        self.assert_lossless(report)
        self.assertEqual(report["unfollowed"], [])
        for process in report["processes"]:
            self.assertEqual(process["unknown_frees"], 0, process)
        if os.path.exists(self.log):
            self.compare(report["processes"], self.oracle())
        return report["processes"]

    def compare(self, processes, expected):
        by_serial = {p["serial"]: p for p in processes}
        images = {}
        for process in sorted(processes, key=lambda p: p["serial"]):
            images.setdefault(process["pid"], []).append(process)
        self.assertEqual(sorted(images), sorted(expected), "every process, no other")
        for pid, truth in expected.items():
            mine = images[pid]
            told = (pid, truth.__dict__, mine)
            # A fork child is an entry of its own before its first program, unless it
            # was nothing but the way there.
            self.assertIn(len(mine), {len(truth.programs) or 1, len(truth.programs) + 1},
                          told)
            for image, program in zip(mine[len(mine) - len(truth.programs):],
                                      truth.programs):
                self.assert_runs(image, program, told)
            self.assertEqual([p["end"] for p in mine[:-1]], ["execed"] * (len(mine) - 1),
                             told)
            self.assertEqual((mine[-1]["end"], mine[-1]["exit"]), truth.end, told)
            for image in mine:
                if truth.parent not in expected:
                    self.assertEqual(image["parent_serial"], 0, told)
                    continue
                parent = by_serial[image["parent_serial"]]
                self.assertEqual(parent["pid"], truth.parent, told)
                if truth.parent_program:
                    self.assert_runs(parent, truth.parent_program, told)

    def assert_runs(self, image, program, told):
        """By its file; a script's is its interpreter's."""
        real = os.path.realpath(program)
        if image["exe"] == real or not program.startswith("/"):
            return
        with open(real, "rb") as file:
            head = file.read(256)
        self.assertTrue(head.startswith(b"#!"), told)
        interpreter = head[2:].split()[0].decode()
        self.assertEqual(image["exe"], os.path.realpath(interpreter), told)

    def names(self, processes):
        return sorted(os.path.basename(p["exe"]) for p in processes)

    # ---- builds --------------------------------------------------------------------

    @needs("make")
    @needs("gcc")
    def test_make_with_four_jobs(self):
        for n in range(8):
            self.write("part%d.c" % n, "#include <stdlib.h>\nint part%d(void)\n"
                       "{ void *p = malloc(%d); free(p); return p ? %d : 0; }\n"
                       % (n, 100 + n, n))
        self.write("main.c", "#include <stdio.h>\n"
                   + "".join("int part%d(void);\n" % n for n in range(8))
                   + "int main(void) { printf(\"%d\\n\", "
                   + " + ".join("part%d()" % n for n in range(8)) + "); return 0; }\n")
        self.write("Makefile", "objects = main.o $(patsubst %,part%.o,0 1 2 3 4 5 6 7)\n"
                   "all: program\n\t./program > out && cat out\n"
                   "program: $(objects)\n\tgcc -o $@ $^\n"
                   "%.o: %.c\n\t@gcc -O1 -c -o $@ $<\n"
                   "clean:\n\t@rm -f *.o program out\n")
        native = self.run_native(["make", "-j4", "all"])
        self.assertEqual(native.status, 0, native)
        before = self.contents("*.o", "program", "out")
        self.run_native(["make", "clean"])
        processes = self.same(native, ["make", "-j4", "all"])
        self.assertEqual(self.contents("*.o", "program", "out"), before)
        names = self.names(processes)
        self.assertEqual(names.count("cc1"), 9)
        self.assertEqual(names.count("program"), 1)

    def contents(self, *patterns):
        found = self.run_native(["sh", "-c", "sha256sum " + " ".join(patterns)])
        self.assertEqual(found.status, 0, found)
        return found.stdout

    # ---- pipelines -----------------------------------------------------------------

    def test_a_pipeline_of_coreutils(self):
        self.write("words", "".join("word%d\n" % (i * i % 97) for i in range(20000)))
        for shell in ("/bin/sh", "/bin/bash"):
            with self.subTest(shell=shell):
                args = [shell, "-c", "sort words | uniq -c | sort -k1,1rn -k2 | tee all |"
                        " head -n 5 | cat; (exit 3) || wc -l < all; cat all | (read a;"
                        " cat >/dev/null; echo $a; exit 4)"]
                native = self.run_native(args)
                self.assertEqual(native.status, 4, native)
                self.same(native, args)

    # ---- git -----------------------------------------------------------------------

    @needs("git")
    def test_a_clone_of_a_repository(self):
        config = self.write("config", "[user]\nname = a\nemail = a@b\n")
        env = {"GIT_CONFIG_GLOBAL": config, "GIT_CONFIG_NOSYSTEM": "1",
               "GIT_AUTHOR_DATE": "@1 +0000", "GIT_COMMITTER_DATE": "@1 +0000"}
        script = "git init -q one; cd one; for n in 1 2 3 4; do seq $n 2000 >f$n;" \
                 " git add .; git commit -qm $n; done"
        made = self.run_native(["sh", "-c", script], env=env)
        self.assertEqual(made.status, 0, made)
        for way in ("file://" + self.path("one"), self.path("one")):
            with self.subTest(way=way):
                shutil.rmtree(self.path("two"), ignore_errors=True)
                args = ["git", "clone", "-q", way, "two"]
                native = self.run_native(args, env=env)
                self.assertEqual(native.status, 0, native)
                before = self.state_of("two", env)
                processes = self.same(native, args, env=env)
                self.assertEqual(self.state_of("two", env), before)
                self.assertIn("git", self.names(processes))

    def state_of(self, name, env):
        state = self.run_native(["sh", "-c", "cd %s && git fsck --strict && git log "
                                 "--format=%%H && sha256sum f*" % name], env=env)
        self.assertEqual(state.status, 0, state)
        shutil.rmtree(self.path(name))
        return state.stdout

    # ---- python --------------------------------------------------------------------

    def test_python_s_multiprocessing(self):
        script = self.write(
            "pool.py", "import multiprocessing, sys\n"
            "def square(n):\n    return sum([n] * n)\n"
            "def start(b):\n    b.wait()\n"
            "if __name__ == '__main__':\n"
            "    context = multiprocessing.get_context(sys.argv[1])\n"
            "    b = context.Barrier(4)  # lest one be killed on its way here\n"
            "    with context.Pool(3, start, (b,)) as pool:\n        b.wait()\n"
            "        print(pool.map(square, range(50)))\n"
            "    q = context.Queue()\n"
            "    p = context.Process(target=q.put, args=(square(7),))\n"
            "    p.start(); print(q.get()); p.join(); print(p.exitcode)\n")
        for way in ("fork", "spawn", "forkserver"):
            with self.subTest(way=way):
                args = ["/usr/bin/python3", script, way]
                native = self.run_native(args)
                self.assertEqual(native.status, 0, native)
                processes = self.same(native, args)
                self.assertGreaterEqual(len(processes), 5)

    # ---- nginx ---------------------------------------------------------------------

    def ask(self, path):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path("socket"))
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def nginx(self, daemon):
        os.makedirs(self.path("www"), exist_ok=True)
        os.chmod(self.dir, 0o755)
        self.write("www/page", "a page\n" * 5000)
        return ["nginx", "-e", self.path("error.log"), "-p", self.dir, "-c", self.write(
            "nginx.conf", "daemon %s; worker_processes 2; pid nginx.pid;\n"
            "events { worker_connections 64; }\nhttp { access_log off; gzip on;\n"
            "client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t;\n"
            "uwsgi_temp_path t; scgi_temp_path t;\n"
            "server { listen unix:socket; root www; location /sub { return 418; } } }\n"
            % daemon)]

    def nginx_pid(self):
        try:
            with open(self.path("nginx.pid"), encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def serve(self, daemon):
        """nginx under heapline (and strace, which stays as long as it does)."""
        profile = self.new_profile()
        run = subprocess.Popen(
            self.traced(harness.HEAPLINE, "run", "-q", "-o", profile, "--",
                        *self.nginx(daemon)),
            env=self.environment(), cwd=self.dir, stdin=subprocess.DEVNULL)
        self.addCleanup(run.kill)
        self.wait_for(lambda: self.nginx_pid() and self.answers(), 60, "nginx to start")
        return run, profile

    def answers(self):
        try:
            return self.ask("/page") == (200, b"a page\n" * 5000)
        except OSError:
            return False

    def stop(self, run, number):
        os.kill(self.nginx_pid(), number)
        self.assertEqual(run.wait(60), 0)
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")

    @needs("nginx")
    def test_nginx_with_workers(self):
        for number in (signal.SIGQUIT, signal.SIGTERM):
            with self.subTest(signal=number):
                run, profile = self.serve("off")
                for _ in range(20):
                    self.assertTrue(self.answers())
                    self.assertEqual(self.ask("/sub")[0], 418)
                os.kill(self.nginx_pid(), signal.SIGHUP)  # new workers
                self.assertEqual(self.ask("/none")[0], 404)
                self.stop(run, number)
                self.assertGreaterEqual(len(self.check_table(profile)), 3)

    @needs("nginx")
    def test_nginx_as_a_daemon(self):
        run, profile = self.serve("on")
        self.assertTrue(self.collectors())
        self.stop(run, signal.SIGQUIT)
        processes = self.check_table(profile)
        self.assertGreaterEqual(len(processes), 4)

    # ---- postgres ------------------------------------------------------------------

    def as_nobody(self):
        """postgres is not to be run by root, nor in a folder of root's."""
        if os.geteuid():
            return []
        os.chmod(self.dir, 0o777)
        return harness.NOBODY

    def test_postgres_with_initdb_and_queries(self):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found:
            self.skipTest("postgres is missing")
        script = self.write(
            "session", "set -e\nPATH=%s:$PATH\n"
            "initdb -D data -A trust -U me --no-sync >/dev/null\n"
            "pg_ctl -s -w -D data -l log -o \"-F -k $PWD -h ''\" start\n"
            "psql -h $PWD -U me -d postgres -qAt <<X\n"
            "create table t as select n, repeat('x', n %% 100) s\n"
            " from generate_series(1, 20000) n;\n"
            "create index on t (s, n); analyze t;\n"
            "select count(*), sum(length(s)) from t where s > 'xxx';\n"
            "set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0;\n"
            "set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;\n"
            "select sum(n * length(s)) from t;\nselect 1 / 0;\nX\n"
            "pg_ctl -s -w -D data -m fast stop\n" % found[-1])
        args = [*self.as_nobody(), "/bin/sh", script]
        native = self.run_native(args)
        self.assertEqual(native.status, 0, native)
        shutil.rmtree(self.path("data"))
        names = self.names(self.same(native, args))
        self.assertGreater(names.count("postgres"), 6)
        self.assertIn("initdb", names)


if __name__ == "__main__":
    harness.main()
