"""A running `heapline view`, to be asked by HTTP, or by bytes that are none."""

import http.client
import os
import signal
import socket
import subprocess
import urllib.parse

import harness


class Server:
    """`heapline view ARGS` for a test case, which ends it."""

    def __init__(self, case, *args, env=None, binary=None):
        self.case = case
        self.run = subprocess.Popen(
            [binary or harness.HEAPLINE, "view", *args], env=case.environment(**(env or {})),
            cwd=case.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        case.addCleanup(self.kill)
        self.address = self.run.stdout.readline().decode().rstrip("\n")
        if not self.address:
            self.run.wait(harness.PATIENCE)
            return
        parts = urllib.parse.urlsplit(self.address)
        self.port, self.token = parts.port, parts.path.strip("/")

    def kill(self):
        self.run.kill()
        self.run.communicate()

    def end(self, number=signal.SIGTERM):
        """Its status, once its processes are gone, and what it said."""
        below = harness.descendants(self.run.pid)
        self.run.send_signal(number)
        said = self.run.communicate(timeout=harness.PATIENCE)[1]

        def gone():
            return not any(b") Z" not in harness.read_proc(pid, "stat")
                           and harness.read_proc(pid, "stat") for pid in below)

        self.case.wait_for(gone, harness.PATIENCE, "its processes to end")
        return self.run.returncode, said.decode()

    def request(self, target, method="GET", headers=None, body=None):
        """Status, headers, body of any target."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        try:
            link.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in (headers or {"Host": "127.0.0.1:%d" % self.port}).items():
                link.putheader(name, value)
            link.endheaders(body)
            reply = link.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            link.close()

    def get(self, path, **how):
        return self.request("/%s/%s" % (self.token, path), **how)

    def ask(self, verb, *options, operand=None, second=False):
        """Status and text for options as on a command line."""
        pairs = [] if operand is None else [("operand", operand)]
        for option in options:
            if option.startswith("--"):
                name, _, value = option[2:].partition("=")
            else:
                name, value = option[1], option[2:]
            pairs.append((name, value))
        status, _, text = self.get("api/%s%s?%s" % ("b." if second else "", verb,
                                                    urllib.parse.urlencode(pairs)))
        return status, text

    def connect(self):
        link = socket.create_connection(("127.0.0.1", self.port), timeout=harness.PATIENCE)
        self.case.addCleanup(link.close)
        return link

    def raw(self, data):
        """What comes back for these bytes, up to the end of the connection."""
        link = self.connect()
        found = b""
        try:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
            while chunk := link.recv(65536):
                found += chunk
        except OSError:
            pass
        return found

    def memory(self):
        """Bytes that it and all below it have for themselves, shared ones in parts."""
        total = 0
        for pid in [self.run.pid, *harness.descendants(self.run.pid)]:
            for line in harness.read_proc(pid, "smaps_rollup").splitlines():
                if line.startswith(b"Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.run.pid))
