"""The command line: help, man pages and completions say the same, since one table is
behind them; mistyped words are understood; JSON keys are documented."""

import json
import os
import re
import shutil
import subprocess
import unittest

import harness
from harness import HEAPLINE, SOURCE, target

OPTION = re.compile(r"^  (?:-(\w)(?:, )?| {4})(?:--([\w-]+)(?:=([A-Z]+)(?:=[A-Z]+)?)?"
                    r"| ([A-Z]+))?(?:  ?|$)")

HAVE_OPERAND = ("path", "refs", "backrefs", "at")  # before the profile

class Manners(harness.Case):
    def help_of(self, verb=None):
        result = self.heapline("help", *([verb] if verb else []))
        self.assertEqual(result.status, 0, result)
        return result.stdout.decode()

    def verbs(self):
        found = re.findall(r"(?m)^  (\w+) {2,}\S", self.help_of().split("Verbs:")[1])
        self.assertIn("run", found)
        self.assertGreater(len(found), 12)
        return found

    def options(self, verb):
        """{(letter, name): value's name or None} as the help has them."""
        found = {}
        for line in self.help_of(verb).split("Options:\n")[1].split("\n\n")[0].splitlines():
            match = OPTION.match(line)
            if match and (match[1] or match[2]):
                found[match[1] or "", match[2] or ""] = match[3] or match[4]
        self.assertIn(("h", "help"), found, verb)
        return found

    @staticmethod
    def man(page):
        with open(os.path.join(SOURCE, "docs", page + ".1")) as file:
            return file.read()

    @staticmethod
    def man_options(text):
        """The options that a page's lists describe, as options() has them."""
        found = {}
        for line in re.findall(r"(?m)^\.It (.*\bFl\b.*)$", text):
            parts = re.findall(r"(?:Fl )?-?([\w-]+)((?: Ns = Ns Ar | Ar )(\w+)"
                               r"(?: Ns = Ns Ar \w+)?)?",
                               re.sub(r" , ", "\n", line).replace("Fl ", "Fl -"))
            names = [("" if len(n.lstrip("-")) > 1 else n.lstrip("-"),
                      n.lstrip("-") if len(n.lstrip("-")) > 1 else "", v)
                     for n, _, v in parts if n.strip("-") not in ("Fl", "")]
            if len(names) == 2 and names[0][0] and names[1][1]:
                names = [(names[0][0], names[1][1], names[1][2] or names[0][2])]
            for letter, name, value in names:
                found[letter, name] = value.upper() or None
        return found

    def test_every_verb_has_a_page_that_lists_its_options(self):
        common = self.man_options(self.man("heapline").split(".Sh COMMON OPTIONS")[1])
        self.assertIn(("", "focus"), common)
        for verb in self.verbs():
            with self.subTest(verb=verb):
                self.assertRegex(self.man("heapline"), r"Cm (\w+ , Cm )?%s\b" % verb)
                if verb == "help":
                    continue
                told = self.man_options(self.man("heapline-" + verb))
                has = self.options(verb)
                missing = {o: v for o, v in has.items()
                           if o != ("h", "help") and told.get(o, common.get(o, 0)) != v}
                self.assertEqual(missing, {}, "the page lacks or differs")
                self.assertEqual({o for o in told if o not in has}, set(),
                                 "the page has what the verb does not take")

    def test_what_help_lists_is_taken(self):
        """By the parser: an option without a value, one with a missing value."""
        for verb in self.verbs():
            for (letter, name), value in self.options(verb).items():
                if name == "help":
                    continue
                typed = "--" + name if name else "-" + letter
                with self.subTest(verb=verb, option=typed):
                    result = self.heapline(verb, typed, *([] if value else ["--help"]))
                    if value:
                        self.assertRegex(result.stderr, b"a value is missing after")
                    else:
                        self.assertEqual(result.status, 0, result)
                        self.assertIn(b"Usage: heapline " + verb.encode(), result.stdout)

    def test_mistyped_words_are_understood(self):
        for args, meant in ((["repotr"], "heapline report"),
                            (["top", "--yb", "site"], "--by"),
                            (["lines", "--collumns=all"], "--columns"),
                            (["run", "--outptu=x", "true"], "--output"),
                            (["check", "--max-leak", "1", "true"], None),
                            (["top", "--by=functoin"], "--by=function"),
                            (["tree", "--sort=peek"], "--sort=peak"),
                            (["help", "tre"], "heapline help tree")):
            with self.subTest(args=args):
                result = self.heapline(*args)
                if meant:
                    self.assertIn(b"did you mean", result.stderr)
                    self.assertIn(meant.encode(), result.stderr)
                    self.assertNotEqual(result.status, 0)
                else:  # an unambiguous beginning is enough
                    self.assertEqual(result.status, 0, result)

    def test_what_is_wrong_is_told_apart(self):
        for args, why in ((["lines", "--xyzzy"], "no such option"),
                          (["lines", "-x"], "no such option: -x"),
                          (["lines", "--js=1"], "no value belongs to"),
                          (["lines", "--no", "x"], "several options begin with"),
                          (["lines", "--sort"], "a value is missing"),
                          (["lines", "-n"], "a value is missing"),
                          (["lines", "--\x1b[31m"], r"no such option: --\x1b[31m")):
            with self.subTest(args=args):
                result = self.heapline(*args)
                self.assertEqual(result.status, 2, result)
                self.assertIn(why.encode(), result.stderr)
                self.assert_error(result, 2)

    def test_run_and_check_leave_the_program_s_options_alone(self):
        result = self.heapline("run", "-qo", self.path("a"), "sh", "-c", "exit 7", "--help")
        self.assertEqual((result.status, result.stdout), (7, b""), result)

    # ---- values -----------------------------------------------------------------

    def words(self, verb):
        """{option: words} that the completions offer."""
        script = self.heapline("completion", "bash").stdout.decode()
        found = dict(re.findall(r"\t%s:--([\w-]+)\) values='([^']*)'" % verb, script))
        return {option: words.split() for option, words in found.items()}

    def test_every_value_that_is_offered_is_taken(self):
        result = self.record([target("phases")], ("--snapshot-at-exit",))
        check = ["--max-peak=1G", "--baseline=" + self.write(
            "known", "# heapline baseline 1\n")]
        tried = 0
        for verb in self.verbs():
            profiles = [result.profile] * (2 if verb == "diff" else 1)
            if verb in HAVE_OPERAND:
                profiles = ["main", result.profile]
            if verb == "run":
                profiles = ["-q", "-f", "-o", self.path("again"), "true"]
            for option, words in self.words(verb).items():
                for word in words:
                    with self.subTest(verb=verb, option=option, word=word):
                        more = check if verb == "check" else []
                        both = profiles[:1] if (verb, word) == ("tui", "diff") else []
                        taken = self.heapline(verb, "--%s=%s" % (option, word), *more,
                                              *profiles, *both)
                        if verb == "tui":  # it was, but there is nothing to draw on
                            self.assertIn(b"no terminal", taken.stderr)
                        else:
                            self.assertIn(taken.status,
                                          (0, 23) if verb == "check" else (0,), taken)
                        tried += 1
        self.assertGreater(tried, 40)

    # ---- completions ------------------------------------------------------------

    def complete_in_bash(self, *words):
        script = self.path("completion.bash")
        with open(script, "wb") as file:
            file.write(self.heapline("completion", "bash").stdout)
        quoted = " ".join("'%s'" % w for w in words)
        done = subprocess.run(
            ["bash", "--norc", "-c",
             'source "$1"; COMP_WORDS=(%s); COMP_CWORD=%d; _heapline; '
             'printf "%%s\\n" "${COMPREPLY[@]}"' % (quoted, len(words) - 1),
             "-", script], cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=60)
        self.assertEqual(done.stderr, b"")
        return set(done.stdout.decode().split())

    def test_bash_completes(self):
        open(self.path("x.heapline"), "w").close()
        open(self.path("y.txt"), "w").close()
        complete = self.complete_in_bash
        self.assertEqual(complete(HEAPLINE, "rep"), {"report"})
        self.assertEqual(complete(HEAPLINE, "run", "--del"), {"--delay"})
        self.assertEqual(complete(HEAPLINE, "report", "--sort", "p"), {"peak"})
        self.assertEqual(complete(HEAPLINE, "report", "--sort", "=", "p"), {"peak"})
        self.assertEqual(complete(HEAPLINE, "report", "--sort", "="),
                         {"peak", "leaked", "allocated", "temporary"})
        self.assertEqual(complete(HEAPLINE, "report", ""), {"x.heapline"})
        self.assertEqual(complete(HEAPLINE, "run", "-o", "y"), {"y.txt"})
        self.assertEqual(complete(HEAPLINE, "run", "--delay", "2", "ls", "y"), {"y.txt"})
        self.assertIn("ls", complete(HEAPLINE, "run", "--delay", "2", "l"))
        self.assertEqual(complete(HEAPLINE, "run", "ls", "--del"), set())
        self.assertEqual(complete(HEAPLINE, "completion", "z"), {"zsh"})
        self.assertEqual(complete(HEAPLINE, "help", "ti"), {"timeline"})
        for verb in self.verbs():
            offered = complete(HEAPLINE, verb, "-")
            for letter, name in self.options(verb):
                self.assertIn("--" + name if name else "-" + letter, offered)

    def shell_environment(self):
        path = os.path.dirname(HEAPLINE) + ":" + os.environ["PATH"]
        return dict(self.environment(), HOME=self.dir, TERM="dumb", PATH=path)

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish_completes(self):
        script = self.path("heapline.fish")
        with open(script, "wb") as file:
            file.write(self.heapline("completion", "fish").stdout)

        def complete(line):
            done = subprocess.run(
                ["fish", "--no-config", "-c", "source %s; complete -C '%s'" % (script, line)],
                cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                env=self.shell_environment())
            self.assertEqual(done.stderr, b"")
            return {l.split("\t")[0] for l in done.stdout.decode().splitlines()}

        self.assertEqual(complete("heapline rep"), {"report"})
        self.assertEqual(complete("heapline top --by fu"), {"function"})
        for verb in self.verbs():
            offered = complete("heapline %s --" % verb)
            for _, name in self.options(verb):
                if name:
                    self.assertTrue({"--" + name, "--" + name + "="} & offered, (verb, name))

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh_completes(self):
        """Through a terminal of zsh's own, where a completion's list is read back."""
        script = self.path("_heapline")
        with open(script, "wb") as file:
            file.write(self.heapline("completion", "zsh").stdout)
        driver = r"""
            zmodload zsh/zpty
            zpty z zsh -f -i
            zpty -w z "PS1='' ; autoload -U compinit; compinit -u -D; source $1"
            zpty -w z 'bindkey "^I" complete-word; zstyle ":completion:*" list-prompt ""'
            zpty -w z 'LISTMAX=10000; COLUMNS=300; LINES=500; print READY'
            zpty -r z line '*READY*READY*'
            zpty -w -n z "$2"$'\t'
            zpty -w z $'\C-aprint DONE: \C-e'
            zpty -r z line '*DONE:*DONE:*'$'\n' && print -r -- $line
        """

        def complete(line):
            done = subprocess.run(["zsh", "-f", "-c", driver, "-", script, line],
                                  cwd=self.dir, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=60,
                                  env=self.shell_environment())
            return done.stdout.decode(errors="replace")

        self.assertEqual(subprocess.run(["zsh", "-n", script]).returncode, 0)
        self.assertRegex(complete("heapline rep"), r"heapline report")
        self.assertRegex(complete("heapline top --by fun"), r"--by[ =]function")

    # ---- JSON -------------------------------------------------------------------

    def keys(self, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from self.keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from self.keys(inner)

    def json_of(self, *args):
        result = self.heapline(*args)
        self.assertIn(result.status, (0, 1), result)
        return json.loads(result.stdout)

    def test_json_has_no_key_that_is_not_documented(self):
        with open(os.path.join(SOURCE, "docs", "json.md")) as file:
            sections = dict(re.findall(r"(?ms)^## (\w+)[^\n]*\n(.*?)(?=^## |\Z)", file.read()))
        one = self.record([target("phases")], ("--snapshot-at-exit",))
        tree = self.record(["sh", "-c", target("example") + "; ldd /bin/sh >/dev/null"])
        static = self.record(["sh", "-c", "ldconfig -p >/dev/null; true"])
        sampled = self.record([target("example")], ["--sample=64K"])
        script = self.write("objects.py", "import ctypes\n"
                            "ctypes.CDLL(None).heapline_snapshot(b'now')\n")
        objects = self.record(["/usr/bin/python3", script])
        runs = {"ps": [[]], "doctor": [[]], "diff": [], "top": [], "watch": []}
        for verb in self.verbs():
            if "--json" not in self.help_of(verb):
                continue
            if verb in HAVE_OPERAND:
                runs[verb] = [["main", one.profile], ["<module>", objects.profile]]
            if verb in ("roots", "blocks", "cycles"):
                runs[verb] = [[one.profile], [objects.profile]]
            runs.setdefault(verb, [[p.profile] for p in (one, tree, static, sampled)])
        for by in self.words("diff")["by"]:
            pair = {"type": (objects, objects), "block": (one, objects)}.get(by, (one, tree))
            runs["diff"].append(["--by=" + by, *(p.profile for p in pair)])
        for by in self.words("top")["by"]:
            runs["top"].append(["--by=" + by,
                                (objects if by in ("type", "referrer") else
                                 tree).profile])
        runs["top"].append(["--by=type", "--since=1", objects.profile])
        runs["tree"] += [["--bottom-up", "--lines", tree.profile]]
        self.assertGreaterEqual(set(runs), {"report", "lines", "tree", "churn", "info"})
        for verb, lines in runs.items():
            told = set(re.findall(r"[`\"](\w+)[`\"]", sections[verb] + sections["Objects"]))
            for args in lines:
                with self.subTest(verb=verb, args=args):
                    found = set(self.keys(self.json_of(verb, "--json", *args)))
                    self.assertGreater(len(found), 1)
                    self.assertEqual(found - told - {"schema"}, set())


if __name__ == "__main__":
    harness.main()
