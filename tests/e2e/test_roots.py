"""Where a process holds its blocks from: for each kind of place one that is held there
alone, which is found and named, and one that was held there, which nobody holds."""

import os
import shutil

import harness
import test_graph

target = harness.target


class Roots(test_graph.Scans):
    def scan_roots(self, *args, program="roots"):
        """What each block of the target is held by: {name: (block, root or None)}."""
        result = self.scan([target(program), *args])
        self.assertEqual(result.status, 0, result)
        lines = [line.split() for line in result.stdout.decode().splitlines()]
        found = {}
        for name, address in lines:
            block = self.read_json("path", result.profile, address)["blocks"][0]
            self.assertEqual(block["address"], address)
            found[name] = (block, block["paths"][0]["root"] if block["paths"] else None)
        return found

    def check(self, found, want):
        """want: {name: (kind, how sure, words of its root's text)}; what else there is
        is held by nobody."""
        for name, (block, root) in found.items():
            with self.subTest(name):
                if name not in want:
                    self.assertEqual((block["held"], root), ("no", None))
                    continue
                kind, held, *words = want[name]
                self.assertEqual((root and root["kind"], block["held"]), (kind, held))
                for word in words:
                    self.assertIn(word, root["text"])
        self.assertLessEqual(set(want), set(found))


class Stacks(Roots):
    THREAD = "(sleeper)"

    def check_stacks(self, program, stack, register):
        """stack, register: what they are called, by name of the block."""
        want = {name: ("stack", "sure", words, self.THREAD)
                for name, words in stack.items()}
        want.update((name, ("register", "sure", words, self.THREAD))
                    for name, words in register.items())
        found = self.scan_roots("stacks", program=program)
        self.check(found, want)
        return found

    def test_variables_of_a_sleeping_thread(self):
        for program in ("roots", "roots_fast"):
            with self.subTest(program):
                found = self.check_stacks(program, {
                    "member": "sleeper() local `pair`+0x10 of thread",
                    "local": "sleeper() local `local` of thread",
                    "inner": "sleeper() local `inner` of thread",
                    "inlined": "inlined() local `within` of thread",
                }, {
                    "kept": "outer() local `kept` in register",
                    "parameter": "outer() local `parameter` in register",
                })
                root = found["local"][1]
                self.assertEqual((root["function"], root["name"], root["thread"]),
                                 ("sleeper", "local", "sleeper"))
                self.assertEqual(found["gone"][1], None)

    def test_registers_that_a_function_saved_on_its_stack(self):
        """rbx is, with one of the two in it; rbp is not."""
        found = self.scan_roots("saved", program="roots_fast")
        kinds = set()
        for name in ("kept", "parameter"):
            block, root = found[name]
            self.assertEqual(block["held"], "sure")
            self.assertIn("outer() local `%s` " % name, root["text"])
            self.assertEqual("in register rbp" in root["text"],
                             root["kind"] == "register")
            kinds.add(root["kind"])
        self.assertEqual(kinds, {"register", "stack"})

    def test_frames_without_debug_information(self):
        self.check_stacks("roots_plain", {
            "member": "frame of sleeper()+0x", "local": "frame of sleeper()+0x",
            "inner": "frame of sleeper()+0x", "inlined": "frame of outer()+0x",
        }, {"kept": "register r", "parameter": "register r"})

    def test_frames_without_symbols(self):
        self.check_stacks("roots_bare", dict.fromkeys(
            ("member", "local", "inner", "inlined"), "frame of roots_bare+0x"),
            {"kept": "register r", "parameter": "register r"})


class Ends(Roots):
    """The frames of who ends the process: what they held is a class of its own; what
    those had that they called, or that returned, is not held at all."""

    def test_main_that_returns_holds_nothing(self):
        self.check(self.scan_roots("return"), {})

    def test_functions_that_never_return(self):
        for how in ("exit", "quick_exit", "_exit"):
            with self.subTest(how):
                self.check(self.scan_roots(how), {
                    "main": ("exited", "exited", "main() local `local` of thread"),
                    "deep": ("exited", "exited", "leave() local `deep` of thread")})

    def test_a_main_thread_that_ends_first(self):
        self.check(self.scan_roots("pthread_exit"), {})


class Mappings(Roots):
    """What a program made by mmap: a node like any block."""

    def test_what_is_referred_to_holds(self):
        found = self.scan_roots("mappings")
        want = {"block": ("global", "sure", "from_block in roots"),
                "map-block": ("global", "sure", "from_block in roots"),
                "in-block": ("global", "sure", "from_block in roots"),
                "map-variable": ("global", "inside", "from_variable in roots"),
                "in-variable": ("global", "inside", "from_variable in roots"),
                "map-map": ("global", "inside", "from_variable in roots"),
                "in-map": ("global", "inside", "from_variable in roots")}
        self.check(found, want)
        for name, (block, _) in found.items():
            is_mapping = name.startswith("map-") or name == "gone-map"
            self.assertEqual(block.get("domain"), "mmap" if is_mapping else None, name)
        steps = found["in-map"][0]["paths"][0]["steps"]
        self.assertEqual([s["offset"] for s in steps[:-1]], [40 * 4096, 16])

    def test_totals_are_of_the_heap(self):
        result = self.scan([target("roots"), "mappings"])
        roots = self.heapline("roots", result.profile).stdout.decode()
        self.assertRegex(roots, r"\n +3 +276.0 KiB  mappings, held\n"
                                r" +2 +16.0 KiB  mappings, held by nobody\n")
        live = self.report_json(result)["live_at_end"]
        snapshot = self.read_json("roots", result.profile)["snapshot"]
        self.assertEqual((snapshot["blocks"], snapshot["bytes"]),
                         (live["blocks"], live["bytes"]))
        inner = dict(line.split() for line in
                     result.stdout.decode().splitlines())["in-map"]
        text = self.heapline("path", inner, result.profile)
        self.assertEqual(text.status, 0, text)
        self.assertIn(b"from_variable in roots -> mapping +163840 -> mapping +16 -> "
                      b"block", text.stdout)


class ThreadLocal(Roots):
    THREAD = "(holder)"

    def test_variables_and_keys(self):
        # One of a library that was there from the start, one of a library loaded later:
        # each has a mebibyte of them.
        self.check(self.scan_roots("threads", target("roots_plugin.so")), {
            "own": ("tls", "sure", "own+0x10 of thread", self.THREAD),
            "linked": ("tls", "sure", "many+0xc3500 of thread", self.THREAD),
            "plugin": ("tls", "sure", "many+0xc3500 of thread", self.THREAD),
            "key-few": ("tls", "sure", "pthread key 7 of thread", self.THREAD),
            "key-many": ("tls", "sure", "pthread key 50 of thread", self.THREAD)})


class Guards(Roots):
    def test_a_mapping_ends_where_a_guard_is(self):
        found = self.scan_roots("guards")
        if not found or harness.kernel_version() < (6, 15):
            self.skipTest("Linux installs guards from 6.13 on, and tells of them from 6.15")
        self.check(found, {
            "beside": ("mapping", "sure", "mapping"),
            "on-guarded": ("stack", "sure", "guarded() local `local` of thread")})


class Coroutines(Roots):
    def test_stacks_of_those_that_wait_and_that_work(self):
        self.check(self.scan_roots("coroutines"), {
            "in-block": ("global", "sure", "in_block+0x10 in roots"),
            "in-mapping": ("global", "sure", "in_mapping+0x10 in roots"),
            "before": ("mapping", "sure", "left stack of thread", "(fiber)"),
            "on-stack": ("stack", "sure", "works() local `local` of thread", "(fiber)"),
            # Nobody can know where in its block a stack begins.
            "below": ("register", "weak", "of thread", "(fiber)")})


class Signals(Roots):
    """A handler on an alternate stack."""

    THREAD = "(signalled)"

    def test_the_handler_and_what_it_interrupted(self):
        for args, kind, words in (((), "stack", "on_signal() local `local` of thread"),
                                  (("array",), "global", "array.")):
            with self.subTest(args):
                self.check(self.scan_roots("signal", *args), {
                    "in-handler": (kind, "sure", words),
                    "interrupted": ("stack", "sure", "interrupted() local `local`",
                                    self.THREAD),
                    "before": ("stack", "sure", "signalled() local `before`",
                               self.THREAD)})


class SignalStacks(Roots):
    """Alternate stacks that the kernel alone knows of, at rest and at work."""

    def test_the_kernel_holds_them_and_those_at_rest_hold_nothing(self):
        words = "signal stack of thread "
        found = self.scan_roots("holds", program="altstacks")
        self.check(found, {
            "stack": ("kernel", "sure", words, "(idle)"),
            "stack-twice": ("kernel", "sure", words, "(twice)"),
            "stack-at-work": ("kernel", "sure", words, "(works)"),
            "in-handler": ("stack", "sure", "on_signal() local `local`", "(works)"),
            "in-handler-mapped": ("stack", "sure", "on_signal() local `local`",
                                  "(works-mapped)"),
            # Whether a handler is at work is not known of such a one.
            "stack-disarmed": ("kernel", "sure", words, "(disarms)"),
            "in-disarmed": ("kernel", "sure", words, "(disarms)")})
        root = found["stack"][1]
        self.assertEqual((root["name"], root["thread"], root["at"]),
                         ("signal stack", "idle", found["stack"][0]["address"]))

    def test_calls_are_what_they_were(self):
        native = self.run_native([target("altstacks"), "calls"])
        result = self.scan([target("altstacks"), "calls"])
        self.assertEqual((result.status, result.stdout), (0, native.stdout))
        self.assertEqual(len(native.stdout.splitlines()), 11)


class Freed(Roots):
    def test_free_lists_hold_nothing(self):
        found = self.scan_roots("freed")
        self.assertEqual(len(found), 40)
        self.check(found, {})


class Names(Roots):
    @harness.needs("objcopy")
    def test_variables_of_a_stripped_program(self):
        # Its names are in a file that it links to, as distributions have it.
        program, debug = self.path("stripped"), self.path("stripped.debug")
        shutil.copy(target("libroots_linked.so"), self.dir)  # found beside it
        for args in (["--only-keep-debug", target("roots_plain"), debug],
                     ["--strip-all", target("roots_plain"), program],
                     ["--add-gnu-debuglink=" + debug, program]):
            done = self.run_native([shutil.which("objcopy"), *args])
            self.assertEqual(done.status, 0, done)
        for there in (True, False):
            with self.subTest(there):
                self.check(self.scan_roots("mappings", program=program), dict(
                    (name, ("global", held, words if there else "data of stripped at 0x"))
                    for held, words, names in (
                        ("sure", "from_block in stripped",
                         ("block", "map-block", "in-block")),
                        ("inside", "from_variable in stripped",
                         ("map-variable", "in-variable", "map-map", "in-map")))
                    for name in names))
                if there:
                    os.unlink(debug)


class Places(Roots):
    def test_variables_and_registers(self):
        self.check(self.scan_roots("places"), {
            "in-zeroed": ("global", "sure", "zeroed in roots"),
            "in-filled": ("global", "sure", "filled in roots"),
            "in-library": ("global", "sure", "place in libroots_linked.so"),
            "in-register": ("register", "sure", "register rbx of thread", "(spinner)"),
            "in-vector": ("vector", "weak", "vector registers of thread", "(spinner)")})


class Kernel(Roots):
    """Pointers that nobody but the kernel has."""

    def test_epoll_data_and_timers(self):
        found = self.scan_roots("kernel")
        self.check(found, {
            "epoll": ("kernel", "sure", "epoll ", ", data of descriptor "),
            "timer": ("kernel", "sure", "POSIX timer 0")})
        root = found["epoll"][1]
        epoll, watched = [int(w) for w in root["text"].replace(",", "").split()
                          if w.isdigit()]
        self.assertEqual((root["at"], epoll + 1), (hex(watched), watched))


if __name__ == "__main__":
    harness.main()
