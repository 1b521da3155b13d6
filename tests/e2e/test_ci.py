"""docs/ci.md: its files and commands do what it says, with a program that leaks and with
one that does not."""

import json
import os
import re
import shutil
import xml.etree.ElementTree

import yaml

import harness

LEAK = """
#include <stdlib.h>

static void *volatile sink;

int main(void)
{
	sink = malloc(100);
%s	sink = NULL;
	return 0;
}
"""

CARGO = """[package]
name = "demo"
version = "0.1.0"
edition = "2021"
"""

RUST = """
pub fn keep(n: usize) -> usize {
    let v = vec![1u8; n];
    let len = v.len();
    %s(v);
    len
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_keeps() {
        assert_eq!(super::keep(100), 100);
    }
}
"""

PYTEST = """
import ctypes

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def test_keep():
    for i in range(20):
        block = libc.malloc(123456)
        assert block
        %s
"""


BUDGETS = """
import pytest

class TestFew:
    @pytest.mark.heap(allocations=5000)
    def test_bytes(self):
        assert len([bytes(100) for _ in range(%d)]) < 10000

    @pytest.mark.heap(peak="4M", allocations=60000)
    def test_more(self):
        assert len([bytes(100) for _ in range(20000)]) == 20000
"""


def text_of(name):
    with open(os.path.join(harness.SOURCE, "docs", name), encoding="utf-8") as file:
        return file.read()


def blocks(section, kind):
    body = re.search(r"(?ms)^## %s\n(.*?)(?=^## |\Z)" % section, text_of("ci.md"))[1]
    return re.findall(r"(?ms)^```%s\n(.*?)^```$" % kind, body)


class Ci(harness.Case):
    def type(self, command, **env):
        path = os.path.dirname(harness.HEAPLINE) + ":" + self.environment()["PATH"]
        return self.run_native(["/bin/bash", "-ec", command],
                               env={"PATH": path, **env})

    def program(self, leaks):
        self.write("tests.c", LEAK % ("" if leaks else "\tfree(sink);\n"))

    def both(self, command, prepare, found):
        """A leak fails the command and is in what it says; without one it passes."""
        for leaks in (True, False):
            with self.subTest(leaks=leaks):
                for folder in ("build", "target", "__pycache__"):
                    shutil.rmtree(self.path(folder), ignore_errors=True)
                prepare(leaks)
                result = self.type(command)
                self.assertEqual(result.status == 0, not leaks, result)
                if leaks:
                    self.assertRegex(result.stdout + result.stderr, found)

    @harness.needs("cmake")
    def test_ctest(self):
        self.write("CMakeLists.txt", blocks("CTest", "cmake")[0])
        self.both(blocks("CTest", "sh")[0], self.program, rb"error: 100 bytes were lost")

    @harness.needs("meson")
    def test_meson(self):
        self.write("meson.build", blocks("meson", "meson")[0])
        self.both(blocks("meson", "sh")[0], self.program, rb"FAIL .*exit status 23")

    @harness.needs("pytest-3")
    def test_pytest(self):
        def prepare(leaks):
            self.write("test_keep.py", PYTEST % ("block = None" if leaks
                                                 else "libc.free(block)"))

        # (Of the last ones a stale word may be left somewhere.)
        self.both(blocks("pytest", "sh")[0], prepare, rb"test_keep(.*\n)+.*bytes were lost")

    @harness.needs("pytest-3")
    def test_budgets_of_single_tests(self):
        conftest = blocks("pytest", "python")[1]

        def prepare(over):
            self.write("conftest.py", conftest)
            self.write("test_few.py", BUDGETS % (9000 if over else 10))

        self.both(blocks("pytest", "sh")[1], prepare,
                  rb"error: .*test_bytes")

    @harness.needs("cargo")
    def test_cargo(self):
        def prepare(leaks):
            os.makedirs(self.path("src"), exist_ok=True)
            self.write("src/lib.rs", RUST % ("std::mem::forget" if leaks else "drop"))

        self.write("Cargo.toml", CARGO)
        self.both(blocks("cargo", "sh")[0] + "\n", prepare, rb"100 bytes were lost")

    def pipelines(self):
        """The command that checks, of each."""
        (github,) = blocks("GitHub Actions", "yaml")
        (gitlab,) = blocks("GitLab CI", "yaml")
        (jenkins,) = blocks("Jenkins", "groovy")
        steps = yaml.safe_load(github)["jobs"]["leaks"]["steps"]
        job = yaml.safe_load(gitlab)["leaks"]
        yield "github", [s["run"] for s in steps if "run" in s]
        yield "gitlab", job["script"]
        yield "jenkins", re.findall(r"sh '(.*)'", jenkins)
        self.assertEqual(steps[-1]["with"]["sarif_file"], "leaks.sarif")
        self.assertEqual(job["artifacts"]["reports"],
                         {"junit": "leaks.xml", "codequality": "quality.json"})

    @harness.needs("cmake")
    def test_pipelines(self):
        self.write("CMakeLists.txt", "project(demo C)\nadd_executable(tests tests.c)\n"
                   "cmake_minimum_required(VERSION 3.16)\n")
        for name, commands in self.pipelines():
            with self.subTest(pipeline=name):
                self.assertEqual(len(commands), 2)
                self.both("\n".join(commands), self.program, rb"100 bytes were lost")
        with open(self.path("leaks.sarif")) as file:
            self.assertEqual(json.load(file)["runs"][0]["results"], [])
        with open(self.path("quality.json")) as file:
            self.assertEqual(json.load(file), [])
        xml.etree.ElementTree.parse(self.path("leaks.xml"))

    def test_its_links_lead_somewhere(self):
        for page in ("ci.md", "gate.md"):
            for link in re.findall(r"\]\(([^)#]+)", text_of(page)):
                self.assertTrue(os.path.exists(os.path.join(harness.SOURCE, "docs", link)))


if __name__ == "__main__":
    harness.main()
