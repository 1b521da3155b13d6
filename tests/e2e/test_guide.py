"""docs/guide.md and README.md: whoever types their commands sees what they show.

Blocks of C are files, named in the line before. Blocks of `console` are typed, all in
one directory. What differs from run to run (times, pids, dates, hosts) may differ, and
`...` stands for any lines."""

import os
import re
import shutil

import harness

VARIES = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE"),
    (r"[\d.,]+ (?:ns|us|ms|s|min|h)\b", "TIME"),
    (r" on \S+$", " on HOST"),
    (r"^ +\d+(?= +(?:[\d.,]+ \w+ +[\d.,]+ \w+ +)?(?:\./|sh -c))", "PID"),
    (r"\d+ warnings", "warnings"),
)


def text_of(*name):
    with open(os.path.join(harness.SOURCE, *name), encoding="utf-8") as file:
        return file.read()


def blocks(kind, *name):
    return re.findall(r"(?ms)^```%s\n(.*?)^```$" % kind, text_of(*name))


class Guide(harness.Case):
    def plain(self, text):
        lines = []
        text = text.replace(self.dir, "/tmp/guide").replace(harness.SOURCE + "/", "")
        for line in text.splitlines():
            for pattern, word in VARIES:
                line = re.sub(pattern, word, line)
            lines.append(line.rstrip() + "\n")
        return "".join(lines).rstrip("\n") + "\n" if lines else ""

    def type(self, command):
        path = os.path.dirname(harness.HEAPLINE) + ":" + self.environment()["PATH"]
        env = {"PATH": path, "LD_LIBRARY_PATH": os.path.dirname(harness.SHIM)}
        result = self.run_native(["/bin/bash", "-c", "exec 2>&1; " + command], env=env)
        self.wait_for(lambda: not self.collectors(), 60, "the collector to end")
        return result.stdout.decode()

    def check(self, command, shown):
        said = self.plain(self.type(command))
        pattern = "".join(r"(?:.*\n)*?" if line == "...\n" else re.escape(line)
                          for line in self.plain(shown).splitlines(True))
        if not re.fullmatch(pattern, said):
            self.assertEqual(self.plain(shown), said, command)
            self.fail(command)

    @harness.needs("gcc")
    @harness.needs("jq")
    def test_what_it_shows_is_what_comes(self):
        for name, text in re.findall(r"(?ms)`(\S+)`:\n\n^```c\n(.*?)^```$",
                                     text_of("docs", "guide.md")):
            self.write(name, text)
        self.assertGreater(self.check_blocks("docs", "guide.md"), 15)

    def test_the_screenful_of_the_readme(self):
        shutil.copy(harness.target("demo"), self.path("demo"))
        self.assertEqual(self.check_blocks("README.md"), 2)

    def check_blocks(self, *name):
        typed = 0
        for block in blocks("console", *name):
            for part in re.split(r"(?m)^\$ ", block)[1:]:
                command, _, shown = part.partition("\n")
                self.check(command, shown)
                typed += 1
        return typed


class Words(harness.Case):
    """Whatever else the guide names is there."""

    def test_its_links_lead_somewhere(self):
        text = text_of("docs", "guide.md")
        anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-")
                   for h in re.findall(r"(?m)^## (.*)$", text)}
        for link in re.findall(r"\]\(([^)]+)\)", text):
            if link.startswith("#"):
                self.assertIn(link[1:], anchors)
            else:
                self.assertTrue(os.path.exists(os.path.join(harness.SOURCE, "docs", link)))

    def test_its_verbs_and_options_exist(self):
        text = text_of("docs", "guide.md")
        listed = self.heapline("help").stdout.decode()
        known = set(re.findall(r"(?m)^  (\w+) ", listed))
        helps = "".join(self.heapline("help", verb).stdout.decode() for verb in known)
        for verb in re.findall(r"(?:\$ |`)heapline\s(\w+)", text):
            self.assertIn(verb, known)
        for option in set(re.findall(r"(?<=[ `])--[a-z][\w-]+", text)):
            self.assertIn(option, helps)


if __name__ == "__main__":
    harness.main()
