"""What recording costs Python programs, beside tracemalloc: `python.py [PYTHON]`.

HEAPLINE_BUILD names the build tree. Each work runs by itself and allocates much; times
are of its own loop (its processor time, as the machine may be busy, and by the clock), the
least of three runs, as multiples of the plain interpreter's."""

import os
import subprocess
import sys
import tempfile

ROUNDS = 3
WORKS = {
    "json": "import json as j\ndef work():\n    data = {str(i): [i, str(i), {'k': i * 1.5}]"
            " for i in range(2000)}\n    for _ in range(12):\n"
            "        data = j.loads(j.dumps(data))\n",
    "objects": "class P:\n    def __init__(self, a, b):\n        self.a = a\n"
               "        self.b = b\ndef work():\n    for _ in range(12):\n"
               "        x = [P(i, str(i)) for i in range(20000)]\n"
               "        x.sort(key=lambda p: p.b)\n",
    "text": "import re\ndef work():\n    t = 'the quick brown fox jumps ' * 2000\n"
            "    for _ in range(8):\n        w = re.findall(r'\\w+', t)\n"
            "        u = ' '.join(s.upper().replace('O', '0') for s in w)\n"
            "        c = {}\n        for s in u.split():\n            c[s] = c.get(s, 0) + 1\n",
    "recursion": "def tree(d):\n    return (tree(d - 1), tree(d - 1), [d]) if d else [d]\n"
                 "def work():\n    for _ in range(4):\n        tree(14)\n",
    "decimals": "from decimal import Decimal as D\ndef work():\n    t = D(0)\n"
                "    for i in range(1, 120000):\n        t += D(i) / D(7)\n",
    "compile": "import ast, inspect, textwrap\ns = inspect.getsource(textwrap)\n"
               "def work():\n    for _ in range(12):\n"
               "        exec(compile(ast.parse(s), 'x', 'exec'), {'__name__': 'x'})\n",
    "arithmetic": "def work():\n    a = 0.5\n    n = 1 << 40\n    for i in range(600000):\n"
                  "        a = a * 1.0000001 + i\n        n += i\n",
}
TIMED = """
import os, time
work()
wall, own = time.perf_counter(), time.process_time()
work()
print(time.process_time() - own, time.perf_counter() - wall)
import sys; sys.stdout.flush(); os._exit(0)
"""


def run(command, env):
    out = subprocess.run(command, env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=True).stdout.split()
    return float(out[-2]), float(out[-1])


def main():
    python = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/python3"
    heapline = os.path.join(os.environ["HEAPLINE_BUILD"], "cli", "heapline")
    env = dict(os.environ, PYTHONHASHSEED="0")
    with tempfile.TemporaryDirectory() as folder:
        record = [heapline, "run", "-q", "-f", "-o", os.path.join(folder, "p"), "--no-source"]
        ways = {
            "plain": [python],
            "tracemalloc": [python, "-X", "tracemalloc=1"],
            "-> 25 frames": [python, "-X", "tracemalloc=25"],
            "heapline": [*record, "--", python],
            "only": [*record, "--python=only", "--", python],
            "no free": [*record, "--python=only", "--no-free-stacks", "--", python],
            "no objects": [*record, "--no-objects", "--", python],
        }
        print("%-12s %9s" % ("", "plain, s"), *("%13s" % w for w in list(ways)[1:]))
        sums = {way: [0.0, 0.0] for way in ways}
        for name, text in WORKS.items():
            script = os.path.join(folder, "work_" + name + ".py")
            with open(script, "w", encoding="utf-8") as file:
                file.write(text + TIMED)
            best = {}
            for _ in range(ROUNDS):
                for way, command in ways.items():
                    own, wall = run([*command, script], env)
                    was = best.get(way, (own, wall))
                    best[way] = (min(own, was[0]), min(wall, was[1]))
            plain = best["plain"]
            print("%-12s %9.3f" % (name, plain[0]), *("%5.2f (%5.2f)" % tuple(
                t / p for t, p in zip(best[w], plain)) for w in list(ways)[1:]), flush=True)
            for way, times in best.items():
                sums[way] = [s + t / p for s, t, p in zip(sums[way], times, plain)]
        print("%-12s %9s" % ("mean", ""), *("%5.2f (%5.2f)" % tuple(
            t / len(WORKS) for t in sums[w]) for w in list(ways)[1:]))


if __name__ == "__main__":
    main()
