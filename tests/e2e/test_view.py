"""`heapline view`: answers are the verbs', to the byte; who may ask; who asks badly."""

import json
import os
import random
import signal
import stat
import struct
import threading
import time

import harness
from serving import Server

VIEWS = ("report", "lines", "top", "tree", "churn")
PIECES = 17  # docs/format.md
METRICS = ("peak", "leaked", "allocated", "temporary", "allocations")


def words(data, *choices):
    return data.choice(choices)


def random_cut(data, wall_ns):
    """Options that cut the recording to a part, which only some go with others."""
    kind = data.randrange(6)
    low = data.randrange(max(wall_ns, 1))
    if kind == 0:
        return ["--time=%dns..%dns" % (low, low + 1 + data.randrange(wall_ns))]
    if kind == 1:
        return ["--at=" + words(data, "peak", "end", "%dns" % low)]
    if kind == 2:
        return ["--size=%d..%d" % (2 ** data.randrange(8), 2 ** data.randrange(9, 20))]
    if kind == 3:
        return ["--thread=" + words(data, "alpha", "beta", "nobody", "*a")]
    return []


def random_scope(data):
    options = []
    if data.random() < 0.3:
        options.append("--focus=" + words(data, "main", "a|b", "libc", "slices[.]c", "("))
    if data.random() < 0.2:
        options.append("--ignore=" + words(data, "main", "%2e&=+ ;", "\u00e9", "x"))
    if data.random() < 0.2:
        options.append("--domain=" + words(data, "malloc", "mmap"))
    if data.random() < 0.3:
        options.append("-n%d" % data.randrange(1, 30))
    return options


def random_question(data, wall_ns):
    """A verb and its options: most make sense."""
    verb = words(data, *VIEWS)
    options = random_cut(data, wall_ns) + random_scope(data)
    if verb == "report":
        options = [o for o in options if not o.startswith("--domain")]
    if verb != "churn" and data.random() < 0.5:
        options.append("--sort=" + words(data, *METRICS[: 4 if verb in ("report", "lines")
                                                        else 5]))
    if verb == "top":
        options.append("--by=" + words(data, "site", "stack", "function", "file", "module",
                                       "size", "thread", "lifetime", "process"))
    if verb == "tree":
        options += data.sample(["--bottom-up", "--lines", "--min=0", "--depth=3"], 2)
    if verb == "lines":
        options += data.sample(["--all", "--nonzero", "--fold", "--columns=all",
                                "--file=*.c"], 2)
    data.shuffle(options)
    return verb, options


class Answers(harness.Case):
    def same(self, server, verb, profiles, *options, operand=None, second=False):
        """The server's answer is the verb's, or its refusal is."""
        operands = ([operand] if operand is not None else []) + list(profiles)
        told = self.heapline(verb, "--json", *options, "--", *operands)
        status, text = server.ask(verb, *options, operand=operand, second=second)
        asked = "%s %s" % (verb, " ".join(options))
        if told.status in (0, 23):  # of watch: something grows
            self.assertEqual((status, text == told.stdout), (200, True), asked)
            return True
        self.assertEqual(status, {2: 400, 3: 422, 70: 422}.get(told.status, 500), (asked, text))
        self.assertEqual(text.strip()[:400], told.stderr.strip()[:400], asked)
        return False

    def wall(self, profile):
        return self.report_json(profile)["wall_ns"]

    def test_random_questions_have_the_verbs_answers(self):
        profiles = [
            self.record([harness.target("slices")], ("--keep=size,thread",)).profile,
            self.record(["/bin/sh", "-c", "/bin/true & %s; wait" % harness.target("phases")]
                        ).profile,
            self.record([harness.target("demo")], ("--no-free-stacks",)).profile,
        ]
        data = random.Random(15)
        for profile in profiles:
            server, wall, good = Server(self, profile), self.wall(profile), 0
            for _ in range(60):
                verb, options = random_question(data, wall)
                if not good:
                    self.same(server, "watch", [profile])
                good += self.same(server, verb, [profile], *options)
            self.assertGreater(good, 20, "questions that make sense")
            self.assertEqual(server.end()[0], 0)

    def test_graphs_have_the_verbs_answers(self):
        run = self.record([harness.target("graph")], ("--snapshot-at-exit",))
        names = dict(l.split() for l in run.stdout.decode().splitlines() if " 0x" in l)
        server = Server(self, run.profile)
        for _ in range(2):  # the second time of a graph that is open
            for verb in ("roots", "blocks", "cycles", "leaks", "info", "timeline"):
                self.assertTrue(self.same(server, verb, [run.profile]), verb)
            for verb in ("refs", "backrefs", "path", "at"):
                for operand in [*list(names.values())[:3], "main", "0x10", "nobody"]:
                    self.same(server, verb, [run.profile], operand=operand)
            self.same(server, "refs", [run.profile], "--depth=2", "--too-many=3", operand="main")
            self.same(server, "blocks", [run.profile], "--held=no", "--min=16")
            self.same(server, "blocks", [run.profile], "--snapshot=1")
            self.same(server, "blocks", [run.profile], "--snapshot=7")
            self.same(server, "roots", [run.profile], "--process=1")
            self.same(server, "leaks", [run.profile], "--kind=all")

    def test_of_a_large_profile_no_more_is_kept_than_the_first_screen_needs(self):
        profile = self.record([harness.target("slices")]).profile
        with open(profile, "ab") as file:  # what cannot be read makes it large, too
            file.truncate(file.tell() + (17 << 20))
        server = Server(self, profile)

        def rests():
            self.wait_for(lambda: len(harness.descendants(server.run.pid)) == 1,
                          harness.PATIENCE, "its keeper to be alone")

        self.assertEqual(server.get("columns/about")[0], 200)
        self.assertEqual(server.get("columns/epoch.at")[0], 204)
        self.assertEqual(server.get("columns/all.epoch.at")[0], 200)
        self.assertEqual(server.get("columns/all.nosuch")[0], 204)  # they are all there
        rests()
        for verb in ("watch", "leaks", "lines", "timeline"):
            self.assertTrue(self.same(server, verb, [profile]), verb)
        rests()
        # What asks for parts again and again has a keeper of them.
        for _ in range(2):
            self.assertTrue(self.same(server, "lines", [profile], "--time=0s..1s"))
        self.assertEqual(len(harness.descendants(server.run.pid)), 2)
        self.assertEqual(server.end()[0], 0)

    def test_two_profiles(self):
        first = self.record([harness.target("leak"), "4000", "1"]).profile
        second = self.record([harness.target("leak"), "5000", "2"]).profile
        server = Server(self, first, second)
        self.assertTrue(self.same(server, "diff", [first, second]))
        self.assertTrue(self.same(server, "diff", [second, first], second=True))
        self.assertTrue(self.same(server, "diff", [first, second], "--by=site", "-n3"))
        self.assertTrue(self.same(server, "report", [first]))
        self.assertTrue(self.same(server, "report", [second], second=True))
        self.assertTrue(self.same(server, "diff", [first, second], "--at=end"))
        for name in ("about", "site.allocs", "b.about", "b.texts", "all.texts", "all.b.texts",
                     "pair.up"):
            self.assertEqual(server.get("columns/" + name)[0], 200, name)
        same = Server(self, first, first)
        self.assertTrue(self.same(same, "diff", [first, first]))

    def test_one_profile_has_no_second(self):
        server = Server(self, self.record([harness.target("leak"), "8", "0"]).profile)
        for path in ("api/diff", "api/b.lines"):
            self.assertEqual(server.get(path)[0], 404, path)
        for name in ("b.texts", "pair.up", "all.b.about"):
            self.assertEqual(server.get("columns/" + name)[0], 204, name)

    def test_many_at_once(self):
        profile = self.record([harness.target("phases")], ("--snapshot-at-exit",)).profile
        questions = [("tree", "--focus=a%d" % i) for i in range(12)] + [
            ("lines",), ("roots",), ("blocks",), ("report",), ("top", "--time=0s..1s")]
        wanted = {q: self.heapline(q[0], "--json", *q[1:], profile).stdout for q in questions}
        server, wrong = Server(self, profile), []

        def client(number):
            data = random.Random(number)
            for _ in range(25):
                question = data.choice(questions)
                status, text = server.ask(*question)
                if status != 200 or text != wanted[question]:
                    wrong.append((question, status, text[:200]))

        threads = [threading.Thread(target=client, args=(i,)) for i in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_sources_are_read_where_the_user_says_alone(self):
        secret = self.write("secret.c", "int secret;\n")
        profile = self.record([harness.target("demo")]).profile
        server = Server(self, "--source-path=/nowhere=" + self.dir, profile)
        for path in ("secret.c", "../secret.c", "api/../" + secret, "columns/" + secret,
                     "api/lines?source-path=/=" + self.dir, "api/report?html=" + self.path("x"),
                     "api/timeline?svg=" + self.path("x"), "api/leaks?suppressions=" + secret,
                     "api/refs?operand=main&svg=" + self.path("x"), "api/run", "api/check",
                     "api/symbolize", "api/merge", "api/completion", "api/collect"):
            status, _, text = server.get(path)
            self.assertIn(status, (204, 400, 403, 404), path)
            self.assertNotIn(b"int secret", text)
        self.assertFalse(os.path.exists(self.path("x")))

    def test_a_profile_that_does_not_open_is_said_at_once(self):
        profile = self.record([harness.target("leak"), "8", "0"]).profile
        with open(profile, "rb") as file:
            data = file.read()
        for name, text in (("empty", b""), ("other", b"x" * 100), ("cut", data[:60])):
            broken = self.write(name + ".heapline", text)
            self.assert_error(self.heapline("view", broken), 3)
            self.assert_error(self.heapline("view", profile, broken), 3)
        self.assert_error(self.heapline("view", self.path("missing")), 3)
        self.assert_error(self.heapline("view", profile, profile, profile), 2)
        for port in ("x", "-1", "65536", "99999999999999999999", ""):
            self.assert_error(self.heapline("view", "--port", port, profile), 2)

    def test_a_damaged_profile_is_served_as_far_as_it_goes(self):
        profile = self.record([harness.target("phases")]).profile
        with open(profile, "rb") as file:
            data = file.read()
        data = self.write("cut.heapline", data + b"half an update")
        server = Server(self, data)
        self.assertTrue(self.same(server, "report", [data]))
        self.assertRegex(server.end()[1], "note: .*cut.heapline")


    def test_damage_in_a_graph_is_that_graphs_alone(self):
        profile = self.record([harness.target("graph")], ("--snapshot-at-exit",)).profile
        with open(profile, "rb") as file:
            data = bytearray(file.read())
        at, pieces = 16, []
        while at < len(data):
            kind, _, _, stored = struct.unpack_from("<HHII", data, at)
            if kind == PIECES:
                pieces.append(at + 24 + stored // 2)
            at += 24 + stored
        self.assertGreater(len(pieces), 4)
        data[pieces[4]] ^= 16
        broken = self.write("broken.heapline", bytes(data))
        server = Server(self, broken)
        for verb in ("report", "lines", "tree"):
            whole = self.heapline(verb, "--json", profile)
            self.assertEqual(server.ask(verb), (200, whole.stdout), verb)
        for verb in ("blocks", "roots", "leaks"):
            status, text = server.ask(verb)
            self.assertEqual((status, b"damaged" in text), (422, True), text)


class Manners(harness.Case):
    def profile(self):
        return self.record([harness.target("demo")], ("--snapshot-at-exit",)).profile

    def alive(self, server):
        status, text = server.ask("report")
        self.assertEqual(status, 200)
        self.assertIn("totals", json.loads(text))

    def test_only_who_knows_the_address_may_ask(self):
        server = Server(self, self.profile())
        other = Server(self, self.profile())
        self.assertRegex(server.token, r"^[0-9a-f]{32}$")
        self.assertNotEqual(server.token, other.token)
        self.assertEqual(server.get("")[0], 200)
        wrong = server.token[:-1] + ("0" if server.token[-1] != "0" else "1")
        for target in ("/", "", "*", "/" + wrong + "/", "/" + server.token[:-1],
                       "/" + other.token + "/", "/" + server.token.upper() + "x/",
                       "//" + server.token + "/", "/x/../" + server.token + "/",
                       "/%" + server.token + "/"):
            status, _, text = server.request(target)
            self.assertIn(status, (400, 403), target)
            self.assertNotIn(server.token.encode(), text)
        good = "/%s/" % server.token
        for host in ("127.0.0.1:%d" % server.port, "localhost:%d" % server.port):
            self.assertEqual(server.request(good, headers={"Host": host})[0], 200, host)
        for host in ("127.0.0.1", "localhost", "evil.example", "evil.example:%d" % server.port,
                     "127.0.0.1:%d" % (server.port - 1), "", "127.0.0.1:%d.evil" % server.port,
                     "0.0.0.0:%d" % server.port, "[::1]:%d" % server.port):
            self.assertEqual(server.request(good, headers={"Host": host})[0], 403, host)
        self.assertIn(server.request(good, headers={"X": "y"})[0], (400, 403))
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "BREW"):
            self.assertIn(server.request(good, method=method)[0], (405, 400, 501), method)
        status, headers, text = server.get("api/report", method="HEAD")
        self.assertEqual((status, text), (200, b""))
        self.assertGreater(int(headers["Content-Length"]), 100)
        self.assertEqual(server.get("", body=b"x" * 10, headers={
            "Host": "127.0.0.1:%d" % server.port, "Content-Length": "10"})[0], 413)
        self.alive(server)

    def test_a_page_sees_a_refusal_as_an_answer(self):
        server = Server(self, self.profile())
        host = {"Host": "127.0.0.1:%d" % server.port}
        for path, status in (("api/tree?min=x", 400), ("api/nothing", 404),
                             ("api/refs?operand=nobody", 400)):
            plain = server.get(path, headers=host)
            told = server.get(path, headers=dict(host, **{"X-Status": "hidden"}))
            self.assertEqual((plain[0], plain[1]["X-Status"]), (status, None), path)
            self.assertEqual((told[0], told[1]["X-Status"]), (200, str(status)), path)
            self.assertEqual(plain[2], told[2])

    def test_what_browsers_are_told(self):
        server = Server(self, self.profile())
        _, headers, page = server.get("")
        page = page.decode()
        self.assertRegex(page, r"default-src 'none'; connect-src 'self'; script-src 'sha256-")
        for path in ("", "api/report", "columns/texts", "nothing"):
            headers = server.get(path)[1]
            for name, value in (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"),
                                ("X-Content-Type-Options", "nosniff"),
                                ("X-Frame-Options", "DENY"),
                                ("Cross-Origin-Resource-Policy", "same-origin")):
                self.assertEqual(headers[name], value, path)
            self.assertEqual([h for h in headers if h.lower().startswith("access-control")], [])
            if path:
                self.assertIn("default-src 'none'", headers["Content-Security-Policy"])

    def test_it_listens_to_this_machine_alone(self):
        server = Server(self, self.profile())
        found = []
        for table in ("tcp", "tcp6"):
            path = "/proc/net/" + table
            if not os.path.exists(path):
                continue
            with open(path, encoding="ascii") as file:
                rows = [line.split() for line in file.read().splitlines()[1:]]
            found += [r[1] for r in rows if r[3] == "0A" and r[1].endswith(":%04X" % server.port)]
        self.assertEqual(found, ["0100007F:%04X" % server.port])

    def test_a_port_can_be_chosen(self):
        profile = self.profile()
        free = Server(self, profile)
        port = str(free.port)
        self.assert_error(self.heapline("view", "--port", port, profile), 1, port)
        free.end()
        again = Server(self, "--port", port, profile)
        self.assertEqual(again.port, int(port))
        self.alive(again)

    def test_it_ends_when_it_is_told_to(self):
        profile = self.profile()
        for number in (signal.SIGINT, signal.SIGTERM):
            server = Server(self, profile)
            self.alive(server)
            server.ask("blocks")
            waiting = server.connect()
            waiting.sendall(b"GET /")
            status, said = server.end(number)
            self.assertEqual(status, 0, said)
            self.assertNotIn("error", said)

    def test_nothing_is_left_when_it_is_killed(self):
        server = Server(self, self.profile())
        server.ask("blocks")  # a keeper of its graph
        self.assertGreater(len(harness.descendants(server.run.pid)), 1)
        self.assertEqual(server.end(signal.SIGKILL)[0], -signal.SIGKILL)

    def test_an_answer_that_breaks_is_an_error_of_its_own(self):
        server = Server(self, self.profile())
        server.ask("report")
        keeper = harness.descendants(server.run.pid)[0]
        os.kill(keeper, signal.SIGKILL)
        self.wait_for(lambda: not harness.descendants(server.run.pid), harness.PATIENCE,
                      "the keeper to end")
        self.assertEqual(server.ask("tree")[0], 503)
        self.assertEqual(server.ask("report")[0], 200)  # it was answered before
        self.assertEqual(server.get("")[0], 200)
        self.assertEqual(server.end()[0], 0)

    def test_the_browser_is_started_and_the_address_kept_from_others(self):
        tools = self.path("tools")
        os.mkdir(tools)
        opener = os.path.join(tools, "xdg-open")
        with open(opener, "w", encoding="ascii") as file:
            file.write('#!/bin/sh\necho "$1" >%s.new; mv %s.new %s\n' % (
                (self.path("opened"),) * 3))
        os.chmod(opener, 0o755)
        server = Server(self, "--open", self.profile(), env={"PATH": tools + ":/usr/bin:/bin"})
        self.wait_for(lambda: os.path.exists(self.path("opened")), harness.PATIENCE, "xdg-open")
        with open(self.path("opened"), encoding="utf-8") as file:
            page = file.read().strip()
        self.assertNotIn(server.token, page)
        self.assertEqual(stat.S_IMODE(os.stat(page).st_mode), 0o600)
        with open(page, encoding="utf-8") as file:
            self.assertIn(server.address, file.read())
        self.assertEqual(server.end()[0], 0)
        self.assertFalse(os.path.exists(page))

    def test_it_goes_without_a_browser(self):
        empty = self.path("empty")
        os.mkdir(empty)
        server = Server(self, "--open", self.profile(), env={"PATH": empty})
        self.alive(server)
        status, said = server.end()
        self.assertEqual(status, 0)
        self.assertIn("xdg-open", said)
        self.assertEqual([n for n in os.listdir(self.dir) if n.endswith(".html")], [])

    # ---- who asks badly -----------------------------------------------------------

    def test_bytes_that_are_no_request(self):
        server = Server(self, self.profile())
        good = "GET /%s/api/report HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % (
            server.token, server.port)
        data = random.Random(7)
        cases = [
            b"", b"\r\n" * 1000, b"\0" * 5000, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET", b"GET / HTTP/9.9\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n", b"G" * 100000,
            b"GET /" + b"a" * 200000, b"GET /\0/ HTTP/1.1\r\n\r\n",
            good.encode() + b"X: " + b"y" * 200000 + b"\r\n\r\n",
            good.encode() + b"".join(b"X%d: y\r\n" % i for i in range(20000)) + b"\r\n",
            good.encode() + b"Content-Length: -1\r\n\r\n",
            good.encode() + b"Content-Length: 99999999999999999999\r\n\r\nx",
            good.encode() + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            good.encode() + b"Host: evil\r\n\r\n",
            good.replace("/api/report", "/api/lines?focus=%00").encode() + b"\r\n",
            good.replace("/api/report", "/api/lines?" + "focus=a&" * 4000).encode() + b"\r\n",
        ]
        for _ in range(300):
            text = bytearray(good.encode() + b"\r\n")
            for _ in range(data.randrange(1, 8)):
                text[data.randrange(len(text))] = data.randrange(256)
            cases.append(bytes(text[: data.randrange(len(text)) + 1]))
        for case in cases:
            reply = server.raw(case)
            if reply:
                self.assertRegex(reply[:12], rb"^HTTP/1.[01] [2345]")
        self.alive(server)

    def test_paths_and_words_that_nobody_has(self):
        server = Server(self, self.profile())
        for path in ("api/", "api", "api//lines", "api/lines/", "api/%6cines",
                     "columns/%2e%2e", "./", "a" * 5000,
                     "api/help", "api/--version"):
            self.assertEqual(server.get(path)[0], 404, path)
        # (libmicrohttpd 1 refuses this one itself.)
        self.assertIn(server.get("api/lines%00")[0], (400, 404))
        for path in ("", "..", "x" * 63, "x" * 80, "all.b.texts", "all.all.texts", "b.b.texts"):
            self.assertEqual(server.get("columns/" + path)[0], 204, path)
        for query in ("=", "focus=%", "focus=%0", "focus=%zz", "focus=%00", "&", "nosuch=1",
                      "json", "json=1", "bytes", "color=always", "help", "n=", "n", "n=0",
                      "focus=(", "--focus=a", "-n=5", "fo=a", "process=x", "all=1", "+all",
                      "&".join("focus=%d" % i for i in range(60)), "focus=a&focus=b"):
            self.assertEqual(server.get("api/lines?" + query)[0], 400, query)
        self.assertEqual(server.get("api/lines?focus=a%2Bb&ignore=%25")[0], 200)
        self.assertEqual(server.get("api/lines?focus=" + "a" * 9000)[0], 200)
        self.assertIn(server.get("api/lines?focus=" + "a" * 17000)[0], (414, 431))
        self.assertEqual(server.get("api/refs?operand=--help")[0], 400)
        self.assertEqual(server.get("api/refs?operand=-h&operand=x")[0], 400)
        self.alive(server)

    def test_a_crowd_that_says_nothing_keeps_nobody_out(self):
        server = Server(self, self.profile())
        self.alive(server)
        before = server.descriptors()
        half = b"GET /%s/api/report HTTP/1.1\r\nHost: " % server.token.encode()
        crowd = [server.connect() for _ in range(400)]
        for link in crowd[::2]:
            link.sendall(half)
        self.alive(server)
        self.assertLess(server.descriptors(), before + 140)
        for link in crowd:
            link.close()
        self.alive(server)
        self.wait_for(lambda: server.descriptors() <= before + 8, harness.PATIENCE,
                      "its connections to be closed")

    def test_a_head_that_never_ends_is_hung_up_on(self):
        server = Server(self, self.profile())
        link = server.connect()
        link.sendall(b"GET /%s/api/report HTTP/1.1\r\nX: " % server.token.encode())
        link.settimeout(0.5)
        end = time.monotonic() + harness.PATIENCE
        while time.monotonic() < end:
            try:
                link.sendall(b"y")
                if link.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self.assertLess(time.monotonic(), end)
        self.alive(server)

    def test_who_leaves_before_the_answer_costs_nothing(self):
        server = Server(self, self.profile())
        self.alive(server)
        before = server.descriptors()
        for i in range(200):
            link = server.connect()
            link.sendall(b"GET /%s/api/tree?focus=x%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (
                server.token.encode(), i, server.port))
            link.close()
        # More than 64 do not wait, and are told to come again.
        self.wait_for(lambda: server.ask("report")[0] == 200, harness.PATIENCE, "its turn")
        # Answers stay, at most 32 of them.
        self.wait_for(lambda: server.descriptors() <= before + 40, harness.PATIENCE,
                      "its files to be closed")

    def test_random_profiles_break_no_server(self):
        with open(self.profile(), "rb") as file:
            whole = file.read()
        data = random.Random(3)
        served = 0
        for i in range(12):
            text = bytearray(whole)
            for _ in range(data.randrange(1, 4)):
                text[data.randrange(len(text) // 2, len(text))] ^= 1 << data.randrange(8)
            broken = self.write("broken-%d.heapline" % i, bytes(text))
            server = Server(self, broken)
            if not server.address:
                self.assertEqual(server.run.returncode, 3)
                continue
            served += 1
            for verb in (*VIEWS, "roots", "leaks", "info", "blocks"):
                self.assertIn(server.ask(verb)[0], (200, 422), verb)
            self.assertEqual(server.get("columns/texts")[0], 200)
            self.assertEqual(server.end()[0], 0)
        self.assertGreater(served, 0)


if __name__ == "__main__":
    harness.main()
