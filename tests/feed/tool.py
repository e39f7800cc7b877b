# SPDX-License-Identifier: Apache-2.0
"""A feedtool process: orders in, lines out."""

import os
import queue
import signal
import subprocess
import threading

from harness.procs import tied
from harness.wait import SLOW

DEADLINE = 30


class Feed:
    def __init__(self, server, timeout_ms=10000, auth=()):
        binary = os.path.abspath(
            os.environ.get("FEEDTOOL") or "build/tests/feed/feedtool")
        self.proc = subprocess.Popen(
            tied([binary, server, timeout_ms, *auth]), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.proc.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def order(self, *words):
        print(*words, file=self.proc.stdin, flush=True)

    def next(self):
        return self._lines.get(timeout=DEADLINE * SLOW)

    def expect(self, *lines):
        """These are the next lines."""
        seen = [self.next() for _ in lines]
        assert seen == list(lines)

    def expect_events(self, *events):
        self.expect(*("event " + e for e in events))

    def wait(self, start):
        """Read up to a line that begins so; return it."""
        while True:
            line = self.next()
            assert line is not None, f"the end came before {start}"
            if line.startswith(start):
                return line

    def wait_up(self):
        """Read up to the next up, which a watching of its epoch precedes."""
        watching = None
        while True:
            words = self.next().split()
            if words[0] == "watching":
                watching = words[1]
            elif words[0] == "up":
                assert words[1] == watching
                return

    def watch(self, path, verb="watch"):
        self.order(verb, path)
        line = self.wait("watching")
        assert line.split()[2:] == [path, "0"], line

    def status(self):
        self.order("status")
        words = self.wait("status").split()[1:]
        return dict(w.split("=") for w in words)

    def pause(self):
        self.proc.send_signal(signal.SIGSTOP)

    def resume(self):
        self.proc.send_signal(signal.SIGCONT)

    def close(self):
        """End it politely; the lines that were left."""
        self.proc.stdin.close()
        rest = list(iter(self.next, None))
        assert self.proc.wait(timeout=DEADLINE * SLOW) == 0
        return rest

    def kill(self):
        self.proc.kill()
        self.proc.wait()
