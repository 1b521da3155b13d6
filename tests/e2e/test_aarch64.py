"""The shim on aarch64: cross-built, and run under an emulator with this machine's
collector. Stacks against libgcc's unwinder, and against full register CFI alone."""

import collections
import json
import os
import shutil
import struct
import unittest

from harness import BUILD, HEAPLINE, SOURCE, Case, main

GCC, GXX = "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++"
# (Debian 14 has no static one.)
QEMU = shutil.which("qemu-aarch64-static") or "qemu-aarch64"
ROOT = "/usr/aarch64-linux-gnu"
CROSS = os.path.join(BUILD, "aarch64")  # a build tree of its own
SHIM = os.path.join(CROSS, "preload", "libheapline.so")
HAVE = all(map(shutil.which, (GCC, GXX, QEMU, "meson"))) and os.path.isdir(ROOT)
TEXT_AT = 4096

BUILDS = {
    "as compilers do": ["-O2"],
    "without optimisation": ["-O0"],
    "without frame records": ["-O2", "-fomit-frame-pointer"],
    "with signed return addresses": ["-O2", "-mbranch-protection=standard"],
}


WIRE = """
#include "preload/wire.h"
#include <stdio.h>
int main(void)
{
	uint64_t stamp = 0x123456789abcdef, more = wire_stamp(stamp + 123456789);
	uint64_t rest = wire_short(more, 4711, 815);

	printf("%llx %llx %zx %llx %llx %llx %llx %llx\\n",
	       (unsigned long long)WIRE_BYTES, (unsigned long long)WIRE_AT_DATA,
	       sizeof(struct wire_process), (unsigned long long)WIRE_TIME_RANGE,
	       (unsigned long long)wire_stamp(stamp), (unsigned long long)rest,
	       (unsigned long long)wire_short_stamp(rest, stamp),
	       (unsigned long long)wire_head(stamp, WIRE_FREE, stamp));
	return 0;
}
"""


def folded(chain):
    """A stack of functions, the outermost first, as the tree has it: recursion is one
    call."""
    return " > ".join(dict.fromkeys(chain))


@unittest.skipUnless(HAVE, "no cross compiler or emulator for aarch64")
class Aarch64(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.call(["meson", "setup", CROSS, SOURCE, "-Dcli=disabled", "-Dwerror=true",
                  "--cross-file=" + os.path.join(SOURCE, "tests", "aarch64.ini")]
                 + (["--reconfigure"] if os.path.exists(CROSS + "/build.ninja") else []))
        cls.call(["ninja", "-C", CROSS])

    @classmethod
    def call(cls, args):
        case = cls("call_nothing")
        case.setUp()
        try:
            done = case.run_native(args)
            assert done.status == 0, done
        finally:
            case.doCleanups()

    def call_nothing(self):
        pass

    def compile(self, compiler, source, *options):
        exe = self.path("program")
        done = self.run_native([compiler, "-g", *options, "-o", exe,
                                os.path.join(SOURCE, "tests", "targets", source)])
        self.assertEqual(done.status, 0, done)
        return exe

    def emulate(self, exe, shim=SHIM, **env):
        """Runs it under heapline and the emulator. The emulator is static, and started
        by another program: it is listed as not followed, and then comes."""
        profile = self.new_profile()
        done = self.run_native(
            [HEAPLINE, "run", "-q", "--kernel-clock", "-o", profile, "--", "env", QEMU,
             "-cpu", "max", "-L", ROOT, "-E", "LD_PRELOAD=" + shim, exe],
            env=dict(env))
        self.assertEqual(done.status, 0, done)
        return profile, done.stdout.decode()

    def json(self, verb, profile, *options):
        done = self.heapline(verb, "--json", *options, profile)
        self.assertEqual(done.status, 0, done)
        return json.loads(done.stdout)

    def test_a_collector_of_another_machine_reads_the_same(self):
        """Sizes, places, and what becomes of a stamp."""
        source = self.write("wire.c", WIRE)
        said = []
        for compiler, before in ((GCC, [QEMU, "-L", ROOT]), ("gcc", [])):
            exe = self.path("wire")
            done = self.run_native([compiler, "-std=gnu17", "-I", SOURCE, "-o", exe, source])
            self.assertEqual(done.status, 0, done)
            said.append(self.run_native([*before, exe]).stdout)
        self.assertEqual(said[0], said[1])
        self.assertEqual(said[0].count(b" "), 7, said)

    def test_the_numbers_are_those_of_this_machine(self):
        """demo.c, line by line."""
        profile, _ = self.emulate(self.compile(GCC, "demo.c", "-O0"))
        native = self.path("native")
        done = self.run_native([GCC.rpartition("-")[2], "-g", "-O0", "-o", native,
                                os.path.join(SOURCE, "tests", "targets", "demo.c")])
        self.assertEqual(done.status, 0, done)
        here = self.record([native]).profile
        rows = [{(r["function"], r["line"]):
                 (r["allocations"], r["allocated_bytes"], r["leaked"], r["temporary"])
                 for r in self.json("top", p, "--by", "site", "-n", "1000")["rows"]
                 if r["file"].endswith("demo.c") and r["function"] != "main"}
                for p in (profile, here)]
        self.assertEqual(rows[0], rows[1])
        self.assertGreater(len(rows[0]), 2)

    def test_stacks_are_those_of_libgcc(self):
        """Of each place, how many bytes came by way of which of the program's own
        functions: as the program says by libgcc's unwinder, and as recorded."""
        for name, options in BUILDS.items():
            with self.subTest(name):
                exe = self.compile(GXX, "unwound.cc", "-rdynamic", "-pthread", *options)
                profile, said = self.emulate(exe)
                wanted = collections.Counter()
                for line in said.splitlines():
                    size, _, chain = line.partition(" ")
                    wanted[folded(chain.split(" < ")[::-1])] += int(size)
                self.assertGreater(len(wanted), 9)
                self.assertEqual(self.recorded(profile), wanted)

    def recorded(self, profile):
        tree = self.json("tree", profile, "--min", "0", "--sort", "allocated",
                         "-n", "1000000")
        found, chain = collections.Counter(), []
        for node in tree["nodes"]:
            del chain[node["depth"]:]
            name = node["function"].partition("(")[0]
            chain.append(name)
            if name == "place":
                found[folded(n for n in chain if n.startswith("place")
                             and "::" not in n)] += node["self"]
        return found

    def test_every_stack_twice(self):
        """As stacks_check.c does on this machine: by memory and rows, and by full
        register CFI alone."""
        check = self.path("libheapline_check.so")
        objects = os.path.join(CROSS, "preload", "libheapline.so.p")
        watched = ("block.c", "hook.c")  # those that take runs
        done = self.run_native(
            [GCC, "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-fPIC", "-shared",
             "-fno-omit-frame-pointer", "-fvisibility=hidden", "-DRUNS_WATCHED",
             "-I", SOURCE, "-o", check,
             os.path.join(SOURCE, "tests", "e2e", "stacks_check.c")]
            + [os.path.join(SOURCE, "preload", c) for c in watched]
            + [os.path.join(objects, o) for o in sorted(os.listdir(objects))
               if o.endswith(".o") and o[:-2] not in watched]
            + ["-Wl,--wrap=last_take,--wrap=last_take_anew,-z,now,-z,nodelete"])
        self.assertEqual(done.status, 0, done)
        for name, options in BUILDS.items():
            with self.subTest(name):
                tally = self.write("tally", b"\0" * TEXT_AT)
                exe = self.compile(GXX, "unwound.cc", "-rdynamic", "-pthread", *options)
                self.emulate(exe, check, CHECK_STACKS=tally)
                with open(tally, "rb") as file:
                    data = file.read()
                stacks, frames, differences, joins = struct.unpack("4Q", data[:32])
                self.assertEqual(differences, 0, data[TEXT_AT:].decode(errors="replace"))
                self.assertGreater(stacks, 200)
                self.assertGreater(frames, stacks)
                if "without frame" not in name:
                    self.assertGreater(joins, stacks / 2)


if __name__ == "__main__":
    main()
