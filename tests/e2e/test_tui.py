"""heapline tui: what its screens show is what the verbs print, it bears whatever is
typed, and it gives the terminal back."""

import os
import random
import re
import signal
import time

import harness
from harness import HEAPLINE, Case
from terminal import Terminal


COLOUR = rb"\x1b\[(?:[0-9;]*;)?[34][0-7](?:;[0-9;]*)?m"


class Viewer(Case):
    def setUp(self):
        super().setUp()
        run = self.record([harness.target("demo")], ["--snapshot-at-exit"])
        self.assertEqual(run.status, 0, run)
        self.profile = run.profile
        self.name = os.path.basename(run.profile)

    def open(self, *options, columns=100, rows=24, env=None, wait="q quit"):
        terminal = Terminal([HEAPLINE, "tui", *options, self.name],
                            self.environment(**(env or {})), columns, rows, self.dir)
        self.addCleanup(terminal.close)
        if wait:
            terminal.wait_for(wait if columns >= 60 else "$ heapline")
        return terminal

    def twin(self, terminal):
        """What the command on the screen prints, in lines."""
        command = terminal.rows()[-2]
        self.assertEqual(command[:11], "$ heapline ", terminal.text())
        words = command[11:].split()
        self.assertEqual(words[-1], self.name, "the command was cut")
        done = self.heapline(*words, env={"COLUMNS": str(terminal.screen.columns)})
        self.assertEqual(done.status, 0, done)
        return [line.rstrip() for line in done.stdout.decode().split("\n")][:-1]

    def twin_of_lines(self):
        done = self.heapline("lines", "-n", "200", self.profile)
        return done.stdout.decode().split("\n")

    def body(self, terminal):
        """The lines of a view that fits the screen."""
        place = re.match(r"(\d+)/(\d+)", terminal.rows()[-1])
        self.assertTrue(place, terminal.text())
        self.assertLessEqual(int(place.group(2)), terminal.screen.lines - 3)
        return terminal.rows()[1:1 + int(place.group(2))]

    def assert_is_twin(self, terminal):
        shown, printed = self.body(terminal), self.twin(terminal)
        self.assertEqual(len(shown), len(printed), terminal.text())
        width = terminal.screen.columns
        for line, text in zip(shown, printed):
            cut = width - 1 if len(text) > width else width
            self.assertEqual(line[:cut].rstrip(), text[:cut].rstrip())


class Two(Viewer):
    def setUp(self):
        super().setUp()
        other = self.record([harness.target("phases"), "return"],
                            ["--snapshot-at-exit"])
        self.other = os.path.basename(other.profile)
        self.first, self.name = self.name, self.other  # the last on the command line

    def open(self, *options, **more):
        return super().open(*options, self.first, **more)

    def test_what_changed_is_what_diff_prints_in_every_order_and_mode(self):
        terminal = self.open(columns=140, rows=120)
        self.assertIn(" 8 diff", terminal.rows()[0])
        seen = set()
        for key in ["", *"smsmsmsmmmm"]:
            if key:
                terminal.press(key)
            with self.subTest(command=terminal.rows()[-2]):
                self.assertIn("heapline diff --by", terminal.rows()[-2])
                self.assert_is_twin(terminal)
                seen.add(terminal.rows()[-2].split("--by ")[1].split()[0])
        self.assertEqual(seen, {"line", "function", "site", "module", "type", "leak",
                                "block"})
        terminal.press("mmmms")
        self.assertIn("the greatest change comes first", terminal.rows()[-1])

    def test_what_has_no_snapshot_says_so_and_what_is_whole_is_not_chosen_from(self):
        self.name = os.path.basename(self.record([harness.target("demo")]).profile)
        terminal = self.open(columns=140, rows=60)
        terminal.press("mmmm")
        self.assertIn("There is nothing to compare: B: ", terminal.text())
        terminal.press("m")
        self.assert_is_twin(terminal)
        self.assertIn("B: 1 process was not looked at", terminal.text())
        terminal.press("q")
        focused = self.open("--focus=main", columns=140, rows=60)
        for by in ("function", "site", "module", "leak", "line"):
            focused.press("m")
            self.assertIn("--by " + by, focused.rows()[-2])
            self.assert_is_twin(focused)

    def test_options_choose_stacks_of_both_and_other_views_are_of_the_first(self):
        terminal = self.open("--focus=main", "--bytes", columns=140, rows=120)
        self.assertIn("--focus=main --bytes", terminal.rows()[-2])
        self.assert_is_twin(terminal)
        terminal.press("4")
        self.name = self.first
        self.assert_is_twin(terminal)

    def test_of_one_profile_there_is_no_such_view(self):
        self.assert_error(self.heapline("tui", "--view=diff", self.first), 2,
                          "two profiles")
        terminal = Viewer.open(self, columns=140)
        self.assertNotIn("diff", terminal.rows()[0])
        terminal.press("8")
        self.assertIn("no such key", terminal.rows()[-1])


class Views(Viewer):
    def test_every_view_shows_what_its_command_prints(self):
        for columns in (80, 200):
            terminal = self.open(columns=columns, rows=200)
            for view in "124567":
                terminal.press(view)
                with self.subTest(columns=columns, view=view):
                    self.assert_is_twin(terminal)
            terminal.press("q")
            self.assertEqual(terminal.end(), 0)
            self.assertTrue(terminal.restored())

    def test_every_order_and_mode_is_one_that_the_command_prints(self):
        terminal = self.open(columns=120, rows=400)
        turns = {"1": "s s s s s m +", "2": "s s m + + s", "4": "m s m m m m m m m",
                 "6": "m"}
        for view, keys in turns.items():
            terminal.press(view)
            for key in keys.split():
                before = terminal.rows()[-2]
                terminal.press(key)
                with self.subTest(view=view, command=terminal.rows()[-2]):
                    self.assertNotEqual(terminal.rows()[-2], before)
                    self.assert_is_twin(terminal)

    def test_options_are_those_of_the_command(self):
        terminal = self.open("--focus", "add_word", "--bytes", "--view=tree",
                             columns=120, rows=100)
        self.assertIn("--focus add_word --bytes", terminal.rows()[-2])
        self.assert_is_twin(terminal)
        terminal.press("1")
        self.assert_is_twin(terminal)
        terminal.press("5")  # a timeline is of the whole heap, and takes no --focus
        self.assertNotIn("focus", terminal.rows()[-2])
        self.assert_is_twin(terminal)

    def test_numbers_of_the_tree_are_those_of_its_json(self):
        nodes = self.read_json("tree", self.profile)
        text = self.open("--view", "tree", "--bytes", columns=120, rows=60).text()
        shown = {int(n.replace(",", "")) for n in re.findall(r"(?m)^ *([\d,]+) ", text)}
        self.assertIn(nodes["total"], shown)

    def test_a_flame_graph_has_the_trees_shares(self):
        terminal = self.open("--view", "flame", columns=100)
        total = self.read_json("tree", self.profile)["total"]
        seen = {}
        for _ in range(12):
            found = re.match(r"([\d.]+) (\w+) +([\d.]+) %  (\S+)", terminal.rows()[-1])
            seen[found.group(4)] = float(found.group(3))
            terminal.press("j")
        rows = self.read_json("top", self.profile, "--by", "function")["rows"]
        for row in rows:
            name = row["name"].split("(")[0].strip()
            if name in seen:
                share = 100.0 * row["inclusive"]["peak"]["bytes"] / total
                self.assertAlmostEqual(seen[name], share, delta=0.06)
        self.assertIn("main", seen)

    def test_a_narrow_screen_has_all_of_each_line(self):
        wide = self.open(columns=200, rows=200)
        narrow = self.open(columns=40, rows=300)
        for view in "1467":
            with self.subTest(view=view):
                whole = "".join(self.body(wide.press(view)))
                narrow.press(view)
                parts = "".join(narrow.rows()[1:-2])
                if view != "4":  # whose names are cut to the width
                    squeezed = lambda text: re.sub(r"[ =]", "", text)
                    self.assertEqual(squeezed(whole), squeezed(parts))
        narrow.press("2")
        self.assertRegex(narrow.text(), r"MiB +45.3 %|MiB +\d+\.\d %  .*add_word")
        self.assertNotIn("Self  Function", narrow.text())


class Keys(Viewer):
    def test_moving_about_a_view(self):
        terminal = self.open(columns=100, rows=24)
        lines = self.twin(terminal)
        place = lambda: terminal.rows()[-1].split()[0]
        count = "/%d" % len(lines)
        for keys, at in (("j", 2), ("jj", 4), ("k", 3), ("\x1b[B", 4), ("\x1b[A", 3),
                         ("G", len(lines)), ("j", len(lines)), ("g", 1), ("k", 1),
                         (" ", 22), ("b", 1), ("\x1b[6~", 22), ("\x1b[5~", 1)):
            terminal.press(keys)
            self.assertEqual(place(), str(at) + count, repr(keys))
        terminal.press("G")
        cut = lambda texts: [text[:99].rstrip() for text in texts]
        self.assertEqual(cut(terminal.rows()[1:22]), cut(lines[-21:]))
        terminal.press("g ")
        self.assertEqual(cut(terminal.rows()[1:22]), cut(lines[21:42]))

    def test_the_end_of_a_narrow_view_fills_the_screen(self):
        terminal = self.open(columns=40, rows=20)
        text = "".join(self.twin_of_lines()).replace(" ", "")
        terminal.press("G")
        rows = terminal.rows()[1:-2]
        self.assertGreater(sum(map(bool, rows)), 10, terminal.text())
        self.assertTrue(text.endswith("".join(rows[1:]).replace(" ", "")))

    def test_searching_finds_in_folded_rows_and_goes_round(self):
        terminal = self.open("--view", "tree", columns=100, rows=24)
        lines = self.twin(terminal)
        self.assertIn("strdup", "".join(lines))
        terminal.press("z")
        self.assertNotIn("strdup", terminal.text())
        self.assertRegex(terminal.text(), r"\[\+\d+\]")
        terminal.press("/strd.p\r")
        self.assertIn("strdup", terminal.text())
        at = int(terminal.rows()[-1].split("/")[0])
        self.assertIn("strdup", lines[at - 1])
        terminal.press("n")
        self.assertIn("other end", terminal.rows()[-1])
        terminal.press("/([\r")
        self.assertRegex(terminal.rows()[-1], "Invalid regular expression|nmatched")
        terminal.press("/nothing of that name\r")
        self.assertIn("no match", terminal.rows()[-1])

    def test_a_row_of_the_tree_folds_and_unfolds(self):
        terminal = self.open("--view", "tree", columns=100, rows=30)
        before = self.body(terminal)
        terminal.press("/add_word\r")
        terminal.press("\r")
        folded = self.body(terminal)
        self.assertEqual(len(folded), len(before) - 1)
        self.assertIn("add_word (demo.c) [inlined] [+1]", "\n".join(folded))
        terminal.press("l")
        self.assertEqual(self.body(terminal), before)

    def test_from_a_leak_to_what_points_at_it(self):
        terminal = self.open("--view", "leaks", columns=110, rows=40)
        terminal.press("]")
        leak = re.search(r"one is (0x[0-9a-f]+)", terminal.text()).group(1)
        terminal.press("\r")
        self.assertIn("heapline backrefs " + leak, terminal.rows()[-2])
        self.assertIn("held by nobody", terminal.text())
        self.assert_is_twin(terminal)
        terminal.press("m")
        self.assertIn("heapline refs " + leak, terminal.rows()[-2])
        self.assert_is_twin(terminal)
        terminal.press("\x7f")
        self.assertIn("heapline blocks", terminal.rows()[-2])
        terminal.press("\rno_such_function\r")
        self.assertIn("No live block", terminal.text())

    def test_help_names_the_command(self):
        terminal = self.open(columns=80, rows=60)
        terminal.press("4?")
        self.assertIn("heapline top --by site", terminal.text())
        terminal.press("q")
        self.assertIn("1/", terminal.rows()[-1])


class Terminals(Viewer):
    def test_resizing_draws_for_the_new_size(self):
        terminal = self.open("--view", "timeline", columns=100, rows=50)
        for columns, rows in ((60, 60), (200, 60), (80, 50)):
            terminal.resize(columns, rows)
            self.assert_is_twin(terminal)
        for columns, rows in ((40, 10), (5, 3), (1, 1), (2, 2), (80, 24)):
            terminal.resize(columns, rows)
            terminal.press("1234567?q")
        terminal.press("1q")
        self.assertEqual(terminal.end(), 0)

    def test_no_colour_is_none(self):
        terminal = self.open(env={"NO_COLOR": "1", "TERM": "xterm-256color"}, wait=None)
        terminal.read(0.5)
        terminal.press("234567")
        self.assertNotRegex(terminal.raw, COLOUR)
        terminal.press("q")
        self.assertEqual(terminal.end(), 0)
        colours = self.open(env={"TERM": "xterm-256color"}, wait=None)
        colours.wait_for("lines")
        self.assertRegex(colours.raw, COLOUR)

    def test_signals_give_the_terminal_back(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT,
                       signal.SIGSEGV):
            terminal = self.open(env={"TERM": "xterm"}, wait=None)
            terminal.read(0.5)
            self.assertFalse(terminal.restored())
            os.kill(terminal.process.pid, number)
            self.assertEqual(terminal.end(), -number)
            self.assertTrue(terminal.restored(), number)

    def test_random_keys_break_nothing(self):
        dice = random.Random(9)
        terminal = self.open(columns=80, rows=24, env={"TERM": "xterm"}, wait=None)
        terminal.read(0.5)
        ends = time.monotonic() + 4
        while time.monotonic() < ends and terminal.process.poll() is None:
            keys = bytes(dice.choice([dice.randrange(256), dice.choice(b"123456 jklmns+"),
                                      27, 13]) for _ in range(20))
            # Not those that leave, or that the terminal makes signals of.
            os.write(terminal.master, re.sub(rb"[q\x03\x1a\x1c\x11\x13]", b"", keys))
            terminal.read(0.01)
        self.assertIsNone(terminal.process.poll(), terminal.text())
        terminal.press("\x1b\x1b\x1b")
        for _ in range(3):
            if terminal.process.poll() is None:
                terminal.press("\rq")
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(terminal.restored())

    def test_without_a_terminal_it_names_the_verb_that_prints(self):
        done = self.heapline("tui", self.profile)
        self.assertEqual(done.status, 2)
        self.assertIn(b"no terminal", done.stderr)
        self.assertIn(b"`heapline lines`", done.stderr)
        self.assertEqual(done.stdout, b"")
        for kind in ("nonsense", "dumb"):
            terminal = self.open("--view", "leaks", env={"TERM": kind}, wait=None)
            self.assertEqual(terminal.end(), 2)
            self.assertIn("`heapline leaks`", terminal.text())
            self.assertTrue(terminal.restored())


class Profiles(Viewer):
    def test_without_a_snapshot_it_says_why_there_are_no_leaks(self):
        self.profile = self.record([harness.target("demo")]).profile
        self.name = os.path.basename(self.profile)
        terminal = self.open("--view", "leaks", columns=100, rows=60)
        self.assertIn("not: ", terminal.text())
        self.assert_is_twin(terminal)
        terminal.press("7")
        self.assertIn("--snapshot-at-exit", terminal.text())

    def test_a_graph_that_cannot_be_read_is_never_called_free_of_leaks(self):
        terminal = self.open(columns=100, rows=60)
        # The graph is read when it is asked for: what is damaged by then fails there.
        with open(self.profile, "r+b") as file:
            size = os.path.getsize(self.profile)
            file.seek(size // 10)
            file.write(b"\x55" * (size * 7 // 10))
        terminal.press("6")
        for key in "mmm":
            self.assertIn("damaged", terminal.text())
            self.assertNotIn("Nothing to list", terminal.text())
            terminal.press(key)

    def test_an_empty_profile_has_every_view(self):
        run = self.record(["/bin/true"])
        self.profile, self.name = run.profile, os.path.basename(run.profile)
        terminal = self.open("--focus", "nothing has this name", rows=60, columns=110)
        for view in "1234567":
            terminal.press(view)
            self.assertIn("$ heapline", terminal.rows()[-2])
            terminal.press("j\r\x1bhlzZsm+-/x\rnN")
        self.assertIsNone(terminal.process.poll())

    def test_hostile_names_reach_the_screen_as_text(self):
        source = self.write("evil.py", "def \u5b57(n):\n    return bytearray(n)\n"
                                       "\u5b57(900000)\n")
        bad = self.path("a\x1b]0;title\x07\x1b[31mb")
        os.symlink(harness.target("demo"), bad)
        run = self.record([bad])
        self.assertTrue(source)
        self.profile, self.name = run.profile, os.path.basename(run.profile)
        terminal = self.open(rows=50, columns=110)
        for view in "1234567":
            terminal.press(view)
        self.assertNotIn(b"]0;title", terminal.raw.replace(b"\\x1b]0;title", b""))
        self.assertNotIn(b"\x07", terminal.raw)


if __name__ == "__main__":
    harness.main()
