# SPDX-License-Identifier: Apache-2.0
"""A program that uses a mount while things break, and writes down what it saw.

    python3 -m faults.load ROLE NAME TOP HISTORY LIMIT PACE

ROLE is a method of Load that is repeated until the end of stdin.  HISTORY gets
a JSON line for each operation:

    [what, name, value, start, end, errno]

with the times of CLOCK_MONOTONIC, which all processes share, and errno 0 for
success.  A system call that takes longer than LIMIT seconds is a line "slow".
Nothing that a filesystem answers ends the program.

The tree that the roles share: registers r0... that are set as a whole, files
a0... that are appended to, a counter that is locked, claims/ with directories
of which each has one maker, and own/ with files that belong to one writer each.
"""

import fcntl
import json
import mmap
import os
import random
import select
import sys
import time

from faults.values import Torn, name_of, names_of_lines, value_of

REGISTERS = [f"r{i}" for i in range(4)]
APPENDED = [f"a{i}" for i in range(2)]
COUNTER = "counter"
DIRECTORIES = ["claims", "own"]
APPENDED_MAX = 100_000          # bytes; then it is left alone


class Load:
    def __init__(self, name, top, history, limit):
        self.name = name
        self.top = top
        self.limit = limit
        self.rng = random.Random(name)
        self.n = 0
        self.own = {}           # own file -> name of its value, None: absent
        self.out = open(history, "a", buffering=1, encoding="utf-8")

    # -- writing down --

    def say(self, *line):
        self.out.write(json.dumps(line) + "\n")

    def call(self, f, *args):
        """A system call, timed."""
        start = time.monotonic()
        try:
            return f(*args)
        finally:
            took = time.monotonic() - start
            if took > self.limit:
                self.say("slow", f.__name__, took, start, start + took, 0)

    def note(self, what, name, value, f, *args):
        """An operation, with its outcome: an errno, 0 for success."""
        start, code, result = time.monotonic(), 0, None
        try:
            result = f(*args)
        except OSError as e:
            code = e.errno
        except Torn as e:
            self.say("torn", name, str(e), start, time.monotonic(), 0)
            return -1
        value = value if result is None else result
        self.say(what, name, value, start, time.monotonic(), code)
        return code

    # -- what programs do --

    def fresh(self):
        self.n += 1
        return f"{self.name}-{self.n}"

    def path(self, name):
        return f"{self.top}/{name}"

    def put(self, name, data, flags=os.O_CREAT | os.O_TRUNC):
        fd = self.call(os.open, self.path(name), os.O_WRONLY | flags, 0o666)
        try:
            self.call(os.write, fd, data)
        finally:
            self.call(os.close, fd)

    def get(self, name, flags=0):
        fd = self.call(os.open, self.path(name), os.O_RDONLY | flags)
        try:
            return self.read_all(fd, flags)
        finally:
            self.call(os.close, fd)

    def read_all(self, fd, flags):
        """O_DIRECT wants memory that is aligned."""
        buffer = mmap.mmap(-1, 1 << 17)
        parts = []
        while n := self.call(os.readv, fd, [buffer]):
            parts.append(buffer[:n])
        return b"".join(parts)

    def get_name(self, name, flags=0):
        return name_of(self.get(name, flags))

    # -- roles --

    def writer(self):
        draw = self.rng.random()
        if draw < 0.45:
            self.set()
        elif draw < 0.6:
            self.replace()
        elif draw < 0.8:
            self.append()
        elif draw < 0.97:
            self.change_own()
        else:
            self.claim()

    def set(self):
        name, value = self.rng.choice(REGISTERS), self.fresh()
        self.note("set", name, value, self.put, name, value_of(value))

    def replace(self):
        """As editors save: the value at another name, then a rename."""
        name, value = self.rng.choice(REGISTERS), self.fresh()
        temp = f"own/{self.name}.tmp"
        if self.note("temp", temp, value, self.put, temp,
                     value_of(value)) == 0:
            self.note("set", name, value, self.call, os.rename,
                      self.path(temp), self.path(name))

    def append(self):
        name, line = self.rng.choice(APPENDED), self.fresh()
        try:
            if self.call(os.stat, self.path(name)).st_size > APPENDED_MAX:
                return
        except OSError:
            return
        self.note("append", name, line, self.put, name,
                  line.encode() + b"\n", os.O_APPEND)

    def change_own(self):
        """A file that nobody else changes, so what is known of it stays."""
        name = f"own/{self.name}.{self.rng.randrange(5)}"
        if self.own.get(name):
            value = None
            known = self.note("own", name, value, self.call, os.unlink,
                              self.path(name)) == 0
        else:
            value = self.fresh()
            known = self.note("own", name, value, self.put, name,
                              value_of(value)) == 0
        if known:
            self.own[name] = value
        else:
            self.own.pop(name, None)

    def claim(self):
        """One of all who try makes it."""
        name = f"claims/{int(time.monotonic() * 2)}"
        self.note("claim", name, self.name, self.call, os.mkdir,
                  self.path(name), 0o777)

    def reader(self):
        draw = self.rng.random()
        name = self.rng.choice(REGISTERS)
        if draw < 0.4:
            self.note("get", name, None, self.get_name, name)
        elif draw < 0.6:
            self.note("direct", name, None, self.get_name, name, os.O_DIRECT)
        elif draw < 0.8:
            self.note("list", "own", None, self.list)
        else:
            name = self.rng.choice(APPENDED)
            self.note("lines", name, None, self.lines, name)

    def list(self):
        return len(self.call(os.listdir, self.path("own")))

    def lines(self, name):
        return len(names_of_lines(self.get(name)))

    def holder(self):
        """Counts, through the descriptor that has the lock."""
        try:
            with open(self.path(COUNTER), "r+b", buffering=0) as f:
                fcntl.flock(f, fcntl.LOCK_EX)   # others may have it for long
                value = int(self.call(os.pread, f.fileno(), 30, 0)) + 1
                self.note("count", COUNTER, value, self.count, f.fileno(),
                          value)
        except OSError as e:
            self.say("lock", COUNTER, None, 0, time.monotonic(), e.errno)

    def count(self, fd, value):
        self.call(os.pwrite, fd, b"%d" % value, 0)

    # -- the end --

    def finish(self):
        for name, value in self.own.items():
            self.say("has", name, value, 0, 0, 0)


def main():
    role, name, top, history, limit, pace = sys.argv[1:]
    load = Load(name, top, history, float(limit))
    while not select.select([sys.stdin], [], [], float(pace))[0]:
        getattr(load, role)()
    load.finish()


if __name__ == "__main__":
    main()
