"""A program in a pseudo-terminal, and what its screen shows."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pyte


class Terminal:
    """Runs args on a screen of so many columns and rows."""

    def __init__(self, args, env, columns=80, rows=24, cwd=None):
        self.master, slave = pty.openpty()
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.set_size(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            args, stdin=slave, stdout=slave, stderr=slave, cwd=cwd,
            env=dict(env, TERM=env.get("TERM", "linux")),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.slave = slave  # held: its settings are asked for at the end

    def set_size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def is_at_work(self):
        """Whether it is on a processor, or wants one: then more may come."""
        try:
            with open("/proc/%d/stat" % self.process.pid, "rb") as file:
                return file.read().rpartition(b") ")[2][:1] in b"RD"
        except OSError:
            return False

    def read(self, quiet=0.15, most=60):
        """Takes what comes, until nothing did for a while, and it waits for keys."""
        ends = time.monotonic() + most
        while time.monotonic() < ends:
            ready, _, _ = select.select([self.master], [], [], quiet)
            if not ready and not self.is_at_work():
                return self
            if not ready:
                continue
            data = os.read(self.master, 65536)
            self.raw += data
            self.stream.feed(data)
        raise AssertionError("it never stops drawing")

    def wait_for(self, text, most=30):
        ends = time.monotonic() + most
        while text not in self.text():
            if time.monotonic() > ends or self.process.poll() is not None:
                raise AssertionError("no %r on:\n%s" % (text, self.text()))
            self.read(0.05)
        return self.read()

    def press(self, keys):
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)
        return self.read()

    def resize(self, columns, rows):
        self.screen.resize(rows, columns)
        self.set_size(columns, rows)
        os.killpg(self.process.pid, signal.SIGWINCH)
        return self.read()

    def rows(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.rows())

    def end(self, most=20):
        """Its exit status; negative for a signal."""
        ends = time.monotonic() + most
        while self.process.poll() is None:
            if time.monotonic() > ends:
                raise AssertionError("it does not end:\n" + self.text())
            self.read(0.02)
        return self.read(0.02).process.returncode

    def restored(self):
        """Whether the terminal is as it was: its settings, screen and cursor."""
        modes = (b"\033[?1049h", b"\033[?1049l"), (b"\033[?25l", b"\033[?25h")
        return (termios.tcgetattr(self.slave) == self.before and all(
            self.raw.rfind(off) >= self.raw.rfind(on) for on, off in (
                modes[0], modes[1])))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
