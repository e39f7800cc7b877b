# SPDX-License-Identifier: Apache-2.0
"""What the histories of a run say, against what is at the server in the end."""

import collections
import time
from errno import EEXIST
from typing import NamedTuple

from faults.load import APPENDED, COUNTER, REGISTERS
from faults.register import NEVER, Read, Write, violations
from faults.values import Torn, name_of, names_of_lines


class Line(NamedTuple):
    what: str
    name: str
    value: object
    start: float
    end: float
    errno: int


INITIAL = "initial-0"
WRITES = ("set", "append", "own", "temp", "claim", "count")


class Judgement:
    """lost, torn and hung are lists of lines to read."""

    def __init__(self, lines, truth):
        """@truth: path -> data at the server, when nobody writes any more."""
        self.lines = lines
        self.truth = truth
        self.torn = [f"{x.name}: {x.value}" for x in lines
                     if x.what == "torn"]
        self.hung = [f"{x.name}: {x.value:.1f} s" for x in lines
                     if x.what == "slow"]
        self.acknowledged = sum(x.what in WRITES and x.errno == 0
                                for x in lines)
        self.refused = sum(x.what in WRITES and x.errno not in (0, EEXIST)
                           for x in lines)
        self.lost = []
        for name in REGISTERS:
            self._register(name)
        for name in APPENDED:
            self._appended(name)
        self._counted()
        self._own()
        self._claims()

    def _of(self, what, name):
        return [x for x in self.lines if x.what == what and x.name == name]

    def _register(self, name):
        """Who writes and who reads with O_DIRECT agree on an order."""
        writes = [Write(x.start, NEVER if x.errno else x.end, x.value)
                  for x in self._of("set", name)]
        reads = [Read(x.start, x.end, x.value)
                 for x in self._of("direct", name) if x.errno == 0]
        try:
            now = time.monotonic()
            last = name_of(self.truth[f"/{name}"])
            reads.append(Read(now, now, last))
        except (KeyError, Torn) as e:
            self.torn.append(f"{name}: at the server: {e!r}")
        self.lost += [f"{name}: {v}"
                      for v in violations(INITIAL, writes, reads)]
        self._reads(name, writes)

    def _reads(self, name, writes):
        """From a cache, and so not the newest: but something was written."""
        began = {w.value: w.start for w in writes} | {INITIAL: 0}
        for x in self._of("get", name):
            if x.errno == 0 and began.get(x.value, NEVER) > x.end:
                self.torn.append(f"{name}: {x.value!r} was read too early")

    def _appended(self, name):
        """Each line that was acknowledged is there, once."""
        try:
            there = collections.Counter(
                names_of_lines(self.truth[f"/{name}"]))
        except (KeyError, Torn) as e:
            self.torn.append(f"{name}: at the server: {e!r}")
            return
        for x in self._of("append", name):
            n = there.pop(x.value, 0)
            if n > 1 or (n == 0 and x.errno == 0):
                self.lost.append(f"{name}: line {x.value} is there {n} times")
        self.torn += [f"{name}: line {line!r}" for line in there]

    def _counted(self):
        """Who has the lock sees what was counted, and counts on."""
        last = int(self.truth[f"/{COUNTER}"])
        done = collections.Counter(x.value for x in self._of("count", COUNTER)
                                   if x.errno == 0)
        self.lost += [f"{COUNTER}: {value} by {n}, and it is {last}"
                      for value, n in done.items() if n > 1 or value > last]

    def _own(self):
        for x in self.lines:
            if x.what != "has":
                continue
            data = self.truth.get(f"/{x.name}")
            got = None if data is None else name_of(data)
            if got != x.value:
                self.lost.append(f"{x.name} is {got}, not {x.value}")

    def _claims(self):
        makers = collections.defaultdict(list)
        for x in self.lines:
            if x.what == "claim" and x.errno == 0:
                makers[x.name].append(x.value)
        for name, found in makers.items():
            if len(found) > 1 or f"/{name}" not in self.truth:
                self.lost.append(f"{name} is made by {found}")
