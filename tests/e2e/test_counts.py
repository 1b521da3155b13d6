"""Debian's own programs on work of some size: heapline's counts and bytes equal the
counting shim's, process by process, and the programs can't tell the difference."""

import os
import subprocess

import harness


def xml_text(items):
    rows = (
        "<item id='%d' kind='k%d'><name>Item %d</name><text>%s</text></item>"
        % (i, i % 17, i, "lorem ipsum " * (i % 9))
        for i in range(items)
    )
    return "<?xml version='1.0'?>\n<items>\n" + "\n".join(rows) + "\n</items>\n"


PYTHON = """
import collections, json, re, threading
data = {str(i): [i, str(i) * (i % 40), {"k": i % 7}] for i in range(30000)}
text = json.dumps(data)
back = json.loads(text)
words = collections.Counter(re.findall("[0-9]{1,3}", text))
def work(n, out):
    out.append(sum(len("x" * (i % 3000)) for i in range(n)))
out = []
threads = [threading.Thread(target=work, args=(20000, out)) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(len(text), back == data, words.most_common(3), out)
"""

PERL = """
use strict; use warnings;
my %h; my @a;
for my $i (1 .. 120000) {
    my $key = sprintf("%x", $i * 2654435761 % 4294967296);
    $h{substr($key, 0, 4)} .= $key;
    push @a, [$i, $key] if $key =~ /^([0-9a-f])\\1/;
}
my $joined = join ",", map { "$_=" . length $h{$_} } (sort keys %h)[0 .. 20];
my @sorted = sort { $a->[1] cmp $b->[1] } @a;
print scalar(@a), " $sorted[0][1] $joined\\n";
warn "a warning\\n";
exit 3;
"""

SQL = """
create table t(id integer primary key, k text, v real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
  insert into t select i, 'key ' || (i % 997), i * 0.5 from n;
create index by_k on t(k, v);
select k, count(*), sum(v), group_concat(id) from t group by k order by 3 desc limit 20;
select count(*) from t a join t b on a.k = b.k where a.id < 3000;
select no_such_column from t;
"""

BASH = """
declare -A seen
for ((i = 0; i < 30000; i++)); do seen[k$((i % 1000))]+=x; done
list=(); for k in "${!seen[@]}"; do list+=("$k=${#seen[$k]}"); done
printf '%s\\n' "${list[@]}" | sort | head -3 > sorted; cat sorted
sub=$(for ((i = 0; i < 2000; i++)); do echo "line $i"; done | tail -1); echo "$sub"
while read -r a b; do last="$b-$a"; done < <(seq 1 3000 | paste - -)
wait; echo "$last"; (echo in a subshell; exit 4); echo "status $?"
echo an error >&2
exit 7
"""

C_SOURCE = """
struct s%(i)d { int a[%(i)d + 1]; struct s%(i)d *next; };
static int f%(i)d(struct s%(i)d *s, int n)
{
	int sum = 0;
	for (int i = 0; i < n; i++) {
		for (int j = 0; j <= %(i)d; j++) sum += s->a[j] * i ^ j;
		if (s->next) s = s->next;
		switch (sum & 7) { case 0: sum++; break; case 3: sum *= 3; break; default: sum ^= n; }
	}
	return sum;
}
int g%(i)d(void *p, int n) { return f%(i)d(p, n) + f%(i)d(p, n * 2); }
"""

GIT = """
set -e
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='1700000000 +0000'
export GIT_COMMITTER_DATE='1700000000 +0000' GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q repo; cd repo
git config gc.auto 0
for i in $(seq 1 60); do seq 1 $((i * 17)) > file$i; done
git add .; git commit -qm one
for i in $(seq 1 30); do echo change >> file$i; git mv file$i moved$i; done
git commit -qam two
git log -p --stat -M
git repack -adq --threads=1
git fsck --no-progress
git grep -c 99 | tail -3
git blame moved3 | tail -2
"""


class Counts(harness.Case):
    def check(self, args, stdin=None, makes=(), **how):
        """Native, under heapline, and under heapline with the shim behind it: the
        same behaviour and files, and the same numbers as the shim's."""
        runs = []
        for name in ("native", "profiled", "counted"):
            folder = self.path("in-" + name)
            os.mkdir(folder)
            self.prepare(folder)
            runs.append(self.run_one(name, args, stdin=stdin, cwd=folder, **how))
        native, profiled, (counted, counts) = runs
        self.assert_same_behaviour(native, profiled)
        self.assert_same_behaviour(native, counted)
        for made in makes:
            texts = [self.read("in-" + n, made) for n in ("native", "profiled", "counted")]
            self.assertEqual(texts[0], texts[1], made)
            self.assertEqual(texts[0], texts[2], made)
        self.assertGreater(sum(c.allocations for c in counts), 100, "a real workload")
        return self.assert_counts(counted, counts), counts

    def run_one(self, name, args, **how):
        runner = {
            "native": self.run_native,
            "profiled": self.record,
            "counted": self.record_counted,
        }[name]
        if name != "native" and os.path.basename(args[0]) == "python3":
            # The shim knows of malloc alone, and of frees at the interpreter's end.
            how["options"] = ["--no-objects"]
        return runner(args, **how)

    def prepare(self, folder):
        """Files that the next check() needs in the program's directory."""
        for name, text in getattr(self, "files", {}).items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)

    def read(self, folder, name):
        with open(os.path.join(self.path(folder), name), "rb") as file:
            return file.read()

    @harness.needs("xmllint")
    def test_xmllint(self):
        self.files = {"big.xml": xml_text(40000)}
        self.check(["/usr/bin/xmllint", "--format", "big.xml", "--output", "out.xml"],
                   makes=["out.xml"])

    @harness.needs("xmllint")
    def test_xmllint_on_bad_input(self):
        self.files = {"bad.xml": xml_text(2000) + "<unclosed>"}
        self.check(["/usr/bin/xmllint", "--xpath", "count(//item)", "bad.xml"])

    @harness.needs("sqlite3")
    def test_sqlite3(self):
        self.check(["/usr/bin/sqlite3", ":memory:"], stdin=SQL.encode())

    @harness.needs("python3")
    def test_python3(self):
        self.files = {"work.py": PYTHON}
        self.check(["/usr/bin/python3", "work.py"])

    @harness.needs("python3")
    def test_python3_with_every_object_in_malloc(self):
        self.files = {"work.py": PYTHON}
        self.check(["/usr/bin/python3", "work.py"], env={"PYTHONMALLOC": "malloc"})

    @harness.needs("perl")
    def test_perl(self):
        self.files = {"work.pl": PERL}
        self.check(["/usr/bin/perl", "work.pl"])

    @harness.needs("gcc")
    def test_gcc(self):
        self.files = {"work.c": "".join(C_SOURCE % {"i": i} for i in range(80))}
        _, counts = self.check(["/usr/bin/gcc", "-O2", "-c", "work.c"], makes=["work.o"])
        self.assertTrue(any(c.exe.endswith("/cc1") for c in counts), "cc1 was followed")

    @harness.needs("gcc")
    def test_gcc_on_bad_input(self):
        self.files = {"work.c": "int main(void) { return x; }\n"}
        self.check(["/usr/bin/gcc", "-c", "work.c"])

    @harness.needs("git")
    def test_git(self):
        self.files = {"work.sh": GIT}
        self.check(["/bin/bash", "work.sh"])

    @harness.needs("jq")
    def test_jq(self):
        import json

        rows = [{"id": i, "tags": ["t%d" % (i % k) for k in range(1, 6)], "x": i / 3}
                for i in range(20000)]
        self.files = {"in.json": json.dumps(rows)}
        self.check(["/usr/bin/jq", "-c", "group_by(.tags[2]) | map({n: length, "
                    "s: (map(.x) | add), t: (map(.tags[]) | unique)})", "in.json"])

    @harness.needs("gawk")
    def test_gawk(self):
        self.files = {"in.txt": "".join("%d word%d %s\n" % (i, i % 5003, "y" * (i % 90))
                                        for i in range(100000))}
        self.check(["/usr/bin/gawk", '{ n[$2] += length($3); s = s substr($3, 1, 1) } '
                    'END { k = asorti(n, o); for (i = 1; i < 9; i++) print o[i], n[o[i]]; '
                    'print k, length(s); exit 5 }', "in.txt"])

    @harness.needs("bash")
    def test_bash(self):
        self.files = {"work.sh": BASH}
        self.check(["/bin/bash", "work.sh"])

    @harness.needs("openssl")
    def test_openssl(self):
        self.files = {"big": "0123456789abcdef" * 100000}
        subprocess.run(
            ["/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
             "/CN=test", "-keyout", self.path("key"), "-out", self.path("cert")],
            check=True, capture_output=True)
        self.check(["/usr/bin/openssl", "x509", "-in", self.path("cert"), "-text"])
        for args in (["dgst", "-sha256", "-sign", self.path("key"), "-out", "out"],
                     ["enc", "-aes-256-cbc", "-K", "0" * 64, "-iv", "0" * 32, "-out", "out",
                      "-in"]):
            with self.subTest(args[0]):
                self.forget_folders()
                self.check(["/usr/bin/openssl", *args, "big"], makes=["out"])

    def forget_folders(self):
        for name in ("native", "profiled", "counted"):
            harness.shutil.rmtree(self.path("in-" + name))


if __name__ == "__main__":
    harness.main()
