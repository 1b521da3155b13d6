"""What `at` says of a block beside who holds it: the thread that allocated it, and its
first bytes, where that was asked for."""

import subprocess

import harness

target = harness.target

TEXT = b"pass\x1b[31mword\0\xff\n{}~!\0"


class Told(harness.Case):
    def scan(self, *args, keep=None):
        options = ["--snapshot-at-exit"] + (["--keep=" + keep] if keep else [])
        result = self.record([target("contents"), *args], options)
        self.assertEqual(result.status, 0, result)
        return result.profile, dict(
            line.split() for line in result.stdout.decode().splitlines())

    def at(self, profile, what, *options):
        return self.read_json("at", profile, what, *options)["blocks"][0]

    def text_at(self, profile, what):
        done = self.heapline("at", what, profile)
        self.assertEqual((done.status, done.stderr), (0, b""), done)
        return done.stdout.decode()


class Contents(Told):
    def test_first_bytes_are_kept_on_request(self):
        profile, named = self.scan(keep="contents")
        self.assertEqual(self.at(profile, named["text"])["contents"], TEXT.hex())
        self.assertEqual(self.at(profile, named["large"])["contents"],
                         bytes(range(256)).hex())
        self.assertEqual(self.at(profile, named["a-first"])["contents"],
                         (b"a" * 40).hex())
        self.assertEqual(self.at(profile, named["nothing"])["contents"], "")

    def test_words_for_people(self):
        profile, named = self.scan(keep="contents")
        text = self.text_at(profile, named["text"])
        start = "    %012x" % int(named["text"], 16)
        self.assertIn("  contents, 21 bytes\n" + start + "  70 61 73 73 1b 5b 33 31  6d 77"
                      " 6f 72 64 00 ff 0a  |pass.[31mword...|\n", text)
        self.assertIn("  7b 7d 7e 21 00" + 34 * " " + "  |{}~!.|\n", text)
        text = self.text_at(profile, named["a-first"])
        self.assertRegex(text, r"\|a{16}\|\n    \*\n    \w+ ( 61){8} .*\|a{8}\|\n")
        self.assertIn("  contents, the first 256 bytes\n",
                      self.text_at(profile, named["large"]))
        self.assertNotIn("\n  contents", self.text_at(profile, named["nothing"]))

    def test_nothing_is_kept_unasked(self):
        profile, named = self.scan()
        self.assertNotIn("contents", self.at(profile, named["text"]))
        self.assertNotIn("\n  contents", self.text_at(profile, named["text"]))
        with open(profile, "rb") as file:
            plain = len(file.read())
        kept, _ = self.scan(keep="contents")
        with open(kept, "rb") as file:
            self.assertGreater(len(file.read()), plain)

    def test_they_stay_when_names_are_looked_up_and_go_when_merged(self):
        profile, named = self.scan(keep="contents")
        copy = self.path("copy")
        self.assertEqual(self.heapline("symbolize", "-o", copy, profile).status, 0)
        self.assertEqual(self.at(copy, named["text"])["contents"], TEXT.hex())
        done = self.heapline("merge", "-o", self.path("sum"), profile, copy)
        self.assertEqual(done.status, 0, done)
        self.assertIn(b"its snapshots are left out", done.stderr)
        self.assert_error(self.heapline("at", named["text"], self.path("sum")), 3,
                          "no snapshot")

    def test_of_a_program_that_goes_on(self):
        profile = self.new_profile()
        program = subprocess.Popen(
            [harness.HEAPLINE, "run", "-q", "-o", profile, "--", target("contents"),
             "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=self.environment())
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        self.addCleanup(harness.kill_below, program.pid)
        named = {}
        while "pid" not in named:
            name, where = program.stdout.readline().decode().split()
            named[name] = where
        for options in ((), ("--keep-contents",)):
            done = self.heapline("snapshot", *options, named["pid"])
            self.assertEqual(done.status, 0, done)
        first, second = [self.at(profile, named["text"], "--snapshot", number)
                         for number in "12"]
        self.assertNotIn("contents", first)
        self.assertEqual(second["contents"], TEXT.hex())
        program.stdin.close()
        self.assertEqual(program.wait(harness.PATIENCE), 0)


class Threads(Told):
    def thread_of(self, keep, *args):
        profile, named = self.scan(*args, keep=keep)
        return profile, named, {
            name: self.at(profile, address).get("thread")
            for name, address in named.items()}

    def test_they_are_known_if_kept(self):
        profile, named, threads = self.thread_of("thread")
        self.assertEqual(threads, {
            "text": "contents", "large": "contents", "untouched": "contents",
            "nothing": "contents", "a-first": "a-first", "b-second": "b-second"})
        block = self.at(profile, named["b-second"])
        self.assertIn("  allocated by thread %d (b-second)\n" % block["tid"],
                      self.text_at(profile, named["b-second"]))

    def test_else_the_option_is_named(self):
        profile, named, threads = self.thread_of(None)
        self.assertEqual(set(threads.values()), {None})
        self.assertIn("  allocated by a thread that was not noted (record with "
                      "--keep=thread)\n", self.text_at(profile, named["text"]))

    def test_the_only_thread_is_known_anyway(self):
        profile, named, threads = self.thread_of(None, "alone")
        self.assertEqual(set(threads.values()), {"contents"})
        self.assertRegex(self.text_at(profile, named["text"]),
                         r"  allocated by thread \d+ \(contents\)\n")


if __name__ == "__main__":
    harness.main()
