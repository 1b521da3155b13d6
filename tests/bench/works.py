"""What the bench has the tools watch. Every input is made here, the same each time."""

import os
import random
import shutil
import socket
import subprocess
import time

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


class Work:
    """A program with arguments. `program` is the file that the kernel executes, which
    is how processes of the work are told from those of a tool; `path` how it is called
    (redis-server is a link to a program of several names)."""

    def __init__(self, name, what, path, args, env=None, stdin=None, packages=()):
        self.name, self.what, self.path, self.args = name, what, path, args
        self.program = os.path.realpath(path) if path else None
        self.env, self.stdin, self.packages = env or {}, stdin, packages
        self.prints_ns = False  # ns per pair, as its only line of output
        self.drive = None  # a function that loads a server, and its seconds

    def command(self):
        return [self.path, *self.args]

    def missing(self):
        """Why it cannot be had here, or None."""
        if not self.program or not os.path.exists(self.program):
            return "its program is not there (Debian: %s)" % " ".join(self.packages)
        return None


def which(name):
    return shutil.which(name, path=PATH)


class Inputs:
    """Files in a folder, made once."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def file(self, name, write):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            write(path + ".new")
            os.rename(path + ".new", path)
        return path

    def text(self, name, lines):
        def write(path):
            with open(path, "w", encoding="utf-8") as out:
                out.writelines(lines)

        return self.file(name, write)


# ---- inputs ---------------------------------------------------------------------

WORDS = ("heap stack ring page frame block chunk arena cache node tree leaf root edge"
         " path mark sweep trace probe hook real slot lane word line byte").split()


def json_lines(count):
    dice = random.Random(1)
    yield "[\n"
    for i in range(count):
        yield '%s{"id":%d,"group":"%s","score":%d,"tags":["%s","%s"],"in":{"x":%d}}\n' % (
            "," if i else "", i, dice.choice(WORDS), dice.randrange(10**6),
            dice.choice(WORDS), dice.choice(WORDS), dice.randrange(100))
    yield "]\n"


def xml_lines(size):
    dice = random.Random(2)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<list>\n'
    done = i = 0
    while done < size:
        i += 1
        line = '<item id="%d" kind="%s"><name>%s %s</name><!-- %d --><p>%s</p></item>\n' % (
            i, dice.choice(WORDS), dice.choice(WORDS), dice.choice(WORDS),
            dice.randrange(1000), " ".join(dice.choices(WORDS, k=dice.randrange(30))))
        done += len(line)
        yield line
    yield "</list>\n"


SQL = """
create table a(id integer primary key, name text, score real, grp integer);
insert into a select value, 'name ' || (value * 7919 % 100003), value * 1.5, value % 97
  from (with recursive n(value) as (select 1 union all select value + 1 from n
        where value < 120000) select value from n);
create index by_name on a(name);
create table b as select grp, group_concat(substr(name, 6, 3), ',') names, sum(score) s
  from a where id % 3 = 0 group by grp;
select count(*), sum(length(names)) from b;
select a.grp, count(distinct lower(a.name)), max(upper(a.name)) from a join b using (grp)
  group by a.grp order by 2 desc, 1 limit 5;
update a set name = replace(name, 'name', 'title ' || grp) where id % 2 = 0;
delete from a where id % 5 = 0;
select count(*), avg(length(name)) from a where name like 'title 1%';
"""

PYTHON = """
import json, re

class Point:
    def __init__(self, x, y):
        self.x, self.y, self.note = x, y, "at %d, %d" % (x, y)

def table(n):
    rows = {}
    for i in range(n):
        rows.setdefault("key %d" % (i % 5000), []).append(Point(i, i * i % 1009))
    return rows

def words(rows):
    text = " ".join(p.note for points in rows.values() for p in points[:3])
    return sorted(set(re.findall(r"[0-9]+", text)))

total = 0
for turn in range(4):
    rows = table(60000)
    total += len(words(rows))
    text = json.dumps({k: [p.x for p in v] for k, v in rows.items()})
    total += sum(len(v) for v in json.loads(text).values())
print(total)
"""

PERL = r"""
use strict;
my (%count, @list, $seed);
$seed = 1;
for my $turn (1 .. 3) {
    for my $i (1 .. 120000) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;
        my $key = "word " . ($seed % 20011);
        push @{$count{$key}}, $i if $key =~ /^word (\d+)[02468]$/;
        push @list, join("-", split(/ /, "$key $i")) if $i % 4 == 0;
    }
    @list = sort { $a cmp $b } map { my $x = $_; $x =~ s/word/turn$turn/; $x } @list;
    splice(@list, 1000);
}
print scalar(keys %count), " ", scalar(@list), "\n";
"""

HEAVY = """
#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <sstream>
#include <unordered_map>
#include <variant>

template <int N> struct level {
	std::map<std::string, std::vector<std::variant<int, double, std::string>>> rows;
	level<N - 1> below;
	void fill(const std::string &s)
	{
		std::regex r("([a-z]+)" + std::to_string(N));
		for (std::sregex_iterator i(s.begin(), s.end(), r), e; i != e; ++i)
			rows[i->str(1)].emplace_back(i->str());
		std::for_each(rows.begin(), rows.end(), [](auto &row) {
			std::stable_sort(row.second.begin(), row.second.end());
		});
		below.fill(s);
	}
};
template <> struct level<0> {
	void fill(const std::string &) {}
};

int main()
{
	level<12> top;
	std::stringstream s;
	std::mt19937 dice(1);
	std::unordered_map<std::string, std::function<int(int)>> calls;
	calls["a"] = [&](int n) { return n + int(dice()); };
	s << std::cin.rdbuf();
	top.fill(s.str());
	std::cout << calls["a"](1) << top.rows.size();
}
"""


# What takes the compiler less time.
LIGHT = """
#include <algorithm>
#include <map>
#include <string>
#include <vector>

template <int N> struct level {
	std::map<std::string, std::vector<std::string>> rows;
	level<N - 1> below;
	void fill(const std::string &s)
	{
		rows[s].push_back(s.substr(N));
		std::stable_sort(rows[s].begin(), rows[s].end());
		below.fill(s);
	}
};
template <> struct level<0> {
	void fill(const std::string &) {}
};

int main()
{
	level<12> top;
	top.fill("a word that is long enough");
	return int(top.rows.size());
}
"""


def history(out, commits):
    """A repository, as `git fast-import` reads it."""
    dice = random.Random(3)
    files = {"src/file%d.c" % i: [b"int f%d;\n" % j for j in range(200)]
             for i in range(40)}
    for number in range(commits):
        message = b"Change number %d of the history\n" % number
        out.write(b"commit refs/heads/main\ncommitter A B <a@b> %d +0000\ndata %d\n%s"
                  % (1500000000 + number * 60, len(message), message))
        chosen = files if number == 0 else dice.sample(sorted(files), 3)
        for name in chosen:
            lines = files[name]
            for _ in range(5):
                lines[dice.randrange(len(lines))] = b"int %s%d;\n" % (
                    dice.choice(WORDS).encode(), dice.randrange(1000))
            text = b"".join(lines)
            out.write(b"M 100644 inline %s\ndata %d\n%s\n"
                      % (name.encode(), len(text), text))


def make_repository(path):
    env = {"PATH": PATH, "HOME": os.path.dirname(path), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", "-b", "main", "--bare", path], env=env, check=True)
    with subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], env=env,
                          stdin=subprocess.PIPE) as importer:
        history(importer.stdin, 1500)
        importer.stdin.close()
    if importer.returncode:
        raise RuntimeError("git fast-import failed")


# ---- a server -------------------------------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def drive_redis(port, requests=60000, clients=8):
    """Loads the server and shuts it down: the seconds under load."""
    end = time.monotonic() + 60
    while subprocess.run(["redis-cli", "-p", str(port), "ping"], check=False,
                         capture_output=True).stdout != b"PONG\n":
        if time.monotonic() > end:
            raise RuntimeError("redis-server does not answer")
        time.sleep(0.05)
    began = time.monotonic()
    subprocess.run(["redis-benchmark", "-p", str(port), "-q", "-n", str(requests),
                    "-c", str(clients), "-d", "200", "-r", "20000",
                    "-t", "set,get,lpush,rpop,sadd,hset"],
                   check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    subprocess.run(["redis-cli", "-p", str(port), "shutdown", "nosave"], check=False,
                   capture_output=True)
    return seconds


# ---- all ------------------------------------------------------------------------


def micros(build):
    program = os.path.join(build, "tests", "bench", "work_micro")
    found = []
    for depth in (1, 10, 30, 100):
        for threads in (1, 2, 4, 8, 3):
            pairs = 2000000 if threads == 1 else 1000000
            name = "micro%d" % depth + ("x%d" % threads if threads > 1 else "")
            work = Work(name, "malloc+free, depth %d, %d thread%s, %s pairs each" % (
                depth, threads, "s" * (threads > 1), format(pairs, ",")),
                program, [str(depth), str(threads), str(pairs)])
            work.prints_ns = True
            found.append(work)
    return found


def artificial(build):
    folder = os.path.join(build, "tests", "bench")
    return [
        Work("growth", "3,000,000 blocks, a third freed at random, the rest retained",
             os.path.join(folder, "work_growth"), ["3000000"]),
        Work("containers", "C++ maps and strings that come and go, varied depth",
             os.path.join(folder, "work_containers"), ["600000"], packages=("g++",)),
        Work("handover", "1 producer, 1 consumer, 3,000,000 blocks freed by the other",
             os.path.join(folder, "work_handover"), ["1", "3000000"]),
    ]


def cc1plus(inputs, part):
    gxx = which("g++")
    if not gxx:
        return Work("cc1plus", "", None, [], packages=("g++",))
    compiler = subprocess.run([gxx, "-print-prog-name=cc1plus"], check=True,
                              capture_output=True, text=True).stdout.strip()
    name, text = ("heavy", HEAVY) if part == 1 else ("light", LIGHT)
    source = inputs.text(name + ".cc", [text])
    ready = inputs.file(name + ".ii", lambda path: subprocess.run(
        [gxx, "-std=c++17", "-E", "-o", path, source], check=True))
    return Work("cc1plus", "the C++ compiler on regex, map, variant; -O0",
                os.path.realpath(compiler),
                ["-quiet", "-std=c++17", "-O0", "-fpreprocessed", ready, "-o",
                 "/dev/null"])


def programs(inputs, part=1):
    """part: of that many, for tools that take their time."""
    def text(name, make):
        stem, dot, kind = name.partition(".")
        return inputs.text("%s-%d%s%s" % (stem, part, dot, kind) if part > 1 else name, make)

    def fewer(script, number):
        assert str(number) in script
        return [script.replace(str(number), str(number // part))]

    return [
        Work("jq", "group_by over 60,000 objects", which("jq"), [
            "-c", "group_by(.group) | map({g: .[0].group, n: length,"
            " s: (map(.score) | add), t: (map(.tags[0]) | unique)})",
            text("in.json", json_lines(60000 // part))], packages=("jq",)),
        Work("sqlite3", "tables, an index, joins and text functions in memory",
             which("sqlite3"), [":memory:"],
             stdin=text("in.sql", fewer(SQL, 120000)), packages=("sqlite3",)),
        Work("python3", "objects, json, re; PYTHONMALLOC=malloc", which("python3"),
             ["-S", "-E", "-X", "utf8", text("work.py", fewer(PYTHON, 60000))],
             env={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"},
             packages=("python3",)),
        Work("perl", "hashes, lists, regular expressions", which("perl"),
             [text("work.pl", fewer(PERL, 120000))],
             env={"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"}, packages=("perl",)),
        Work("xmllint", "xmllint --noout, 40 MB", which("xmllint"),
             ["--noout", text("in.xml", xml_lines((40 << 20) // part))],
             packages=("libxml2-utils",)),
        cc1plus(inputs, part),
        Work("git", "git log -p -M, 1,500 commits", which("git"), [
            "--git-dir=" + inputs.file("repository.git", make_repository), "log", "-p",
            "-M", "--stat", "-%d" % (1500 // part)],
             env={"HOME": inputs.folder, "GIT_CONFIG_NOSYSTEM": "1"}, packages=("git",)),
        redis(),
    ]


def redis():
    work = Work("redis", "redis-server (its malloc is jemalloc), redis-benchmark on"
                " loopback; wall is the load's", which("redis-server"), [],
                packages=("redis-server", "redis-tools"))
    work.drive = drive_redis
    return work


def all_works(build, folder):
    return micros(build) + artificial(build) + programs(Inputs(folder))
