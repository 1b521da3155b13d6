"""heapline works installed under any root, from its build tree, by a link, by PATH."""

import os
import re
import shutil
import subprocess

import harness
from serving import Server

LEAK = harness.target("leak")


class Install(harness.Case):
    def works(self, *command, env=None, cwd=None):
        profile = self.new_profile()
        result = self.run_native([*command, "run", "-q", "-o", profile, "--", LEAK, "40", "6"],
                                 env=env, cwd=cwd)
        self.assertEqual((result.status, result.stderr), (6, b""), result)
        self.assertEqual(self.report_json(profile)["live_at_end"], {"bytes": 40, "blocks": 1})
        return profile

    def installed(self):
        """Where `meson install` put things, below a root of its own."""
        root = self.path("root")
        done = subprocess.run(
            ["meson", "install", "-C", harness.BUILD, "--no-rebuild", "--destdir", root],
            capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return [os.path.join(folder, name) for folder, _, names in os.walk(root)
                for name in names]

    def one(self, files, ending):
        found = [f for f in files if f.endswith(ending)]
        self.assertEqual(len(found), 1, ending)
        return found[0]

    def test_from_the_build_tree(self):
        self.works(harness.HEAPLINE)

    def test_by_a_link(self):
        os.mkdir(self.path("elsewhere"))
        os.symlink(harness.HEAPLINE, self.path("elsewhere/heapline"))
        os.symlink("elsewhere/heapline", self.path("hl"))
        self.works(self.path("elsewhere/heapline"))
        self.works(self.path("hl"))

    def test_by_path(self):
        folder = os.path.dirname(harness.HEAPLINE)
        self.works("heapline", env={"PATH": folder + ":/usr/bin:/bin"})

    def test_by_a_relative_name(self):
        self.works("./heapline", cwd=os.path.dirname(harness.HEAPLINE))

    @harness.needs("meson")
    def test_installed(self):
        files = self.installed()
        binary = self.one(files, "/bin/heapline")
        self.assertRegex(self.one(files, "/libheapline.so"), r"/lib(exec)?(64)?/")
        pages = {n for n in os.listdir(os.path.join(harness.SOURCE, "docs")) if n[-2:] == ".1"}
        self.assertEqual({os.path.basename(f).removesuffix(".gz") for f in files
                          if "/man/man1/" in f}, pages)
        profile = self.works(binary)
        for verb in ("view", "tui"):
            self.one(files, "/heapline/heapline-%s.so" % verb)
        self.assertIn(b"no terminal", self.run_native([binary, "tui", profile]).stderr)
        server = Server(self, profile, binary=binary)
        self.assertEqual(server.get("")[0], 200)
        self.assertEqual(server.end()[0], 0)

    @harness.needs("readelf")
    def test_a_recording_loads_no_web_server_and_no_terminal_s_library(self):
        """Nor what one brings along: each start would pay for it twice."""
        done = subprocess.run(["readelf", "-W", "-d", harness.HEAPLINE],
                              capture_output=True, check=True)
        needed = set(re.findall(r"NEEDED.*\[lib([a-z]+)", done.stdout.decode()))
        self.assertIn("c", needed)
        self.assertLessEqual(needed, {"c", "m", "z", "dl", "pthread", "dw", "elf", "asan",
                                      "ubsan", "tsan"})

    def test_without_its_module_a_verb_says_so_and_the_rest_works(self):
        os.mkdir(self.path("preload"))
        os.mkdir(self.path("cli"))
        binary = shutil.copy(harness.HEAPLINE, self.path("cli"))
        shutil.copy(harness.SHIM, self.path("preload"))
        profile = self.works(binary)
        for verb, needs, name in (("view", b"libmicrohttpd.", b"heapline_web"),
                                  ("tui", b"libncursesw.", b"heapline_screen")):
            with self.subTest(verb=verb):
                self.check_module(binary, profile, verb, needs, name)

    def check_module(self, binary, profile, verb, needs, name):
        file = "heapline-%s.so" % verb
        with open(os.path.join(os.path.dirname(harness.HEAPLINE), file), "rb") as module:
            data = module.read()
        version = self.run_native([binary, "--version"]).stdout.split()[-1] + b"\0"
        other_library = needs[:-2] + b"q."
        for there, why in ((None, b"%s is not where it belongs" % file.encode()),
                           (data.replace(needs, other_library), other_library + b"so"),
                           (data.replace(name + b"\0", name[::-1] + b"\0"), name),
                           (data.replace(version, b"9" * (len(version) - 1) + b"\0"),
                            b"it is of heapline 9"),
                           (data[:100], file.encode())):
            if there:
                self.write("cli/" + file, there)
            done = self.run_native([binary, verb, profile])
            self.assert_error(done, 1)
            self.assertIn(why, done.stderr)
            self.assertEqual(done.stderr.count(b"error:"), 1, done)
            self.assertEqual(done.stderr.count(b"\n"), 2, done)

    @harness.needs("meson")
    def test_installed_shim_alone(self):
        shim = self.one(self.installed(), "/libheapline.so")
        profile = self.new_profile()
        result = self.run_native([LEAK, "40", "6"], env={
            "LD_PRELOAD": shim, "HEAPLINE_OPTIONS": "output=" + profile})
        self.assertEqual((result.status, result.stderr), (6, b""), result)
        self.wait_for(lambda: not self.collectors(), 30, "the collector to end")
        self.assertEqual(self.report_json(profile)["live_at_end"]["bytes"], 40)

    @harness.needs("meson")
    def test_installed_completions_and_pages(self):
        files = self.installed()
        for name in ("/bash-completion/completions/heapline.bash",
                     "/zsh/site-functions/_heapline",
                     "/fish/vendor_completions.d/heapline.fish",
                     "/man/man1/heapline-completion.1"):
            with open(self.one(files, name)) as file:
                self.assertIn("heapline", file.read())

    @harness.needs("meson")
    def test_installed_moves(self):
        self.installed()
        os.rename(self.path("root"), self.path("a root with spaces, moved"))
        files = [os.path.join(f, n) for f, _, names in os.walk(self.path(""))
                 for n in names]
        binary = self.one(files, "/bin/heapline")
        shutil.copytree(os.path.dirname(binary), self.path("only-bin"))
        profile = self.new_profile()
        result = self.run_native([binary, "run", "-o", profile, "--", LEAK, "40", "6"])
        if result.status != 6:  # the loader splits LD_PRELOAD at spaces
            self.assert_error(result, 125)
        alone = self.run_native([self.path("only-bin/heapline"), "run", "-o",
                                 self.new_profile(), "--", LEAK, "40", "6"])
        if alone.status != 6:  # a shim of the configured prefix may be there
            self.assert_error(alone, 125, "libheapline.so")


if __name__ == "__main__":
    harness.main()
