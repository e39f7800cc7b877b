# SPDX-License-Identifier: Apache-2.0
"""Is a history of one register linearizable?

Every value is written once, so each read names the write that it saw.  An
operation and those that saw it make a cluster, and the theorem of Gibbons and
Korach (Testing shared memories, 1997) decides from the clusters' times alone,
without a search.  In the interval from the first response to the last
invocation of a cluster

- if that runs forwards, the register has the cluster's value all the time;
- if it runs backwards, all of the cluster's operations overlap in that time,
  and one moment of it is enough.

The history is linearizable if and only if no read ends before its write
begins, no two forward intervals overlap, and no backward one lies within a
forward one.

Times are in any unit, of one clock.  A write of unknown outcome has no end: if
nobody saw it, it may not have taken place at all.
"""

import math
from typing import NamedTuple

NEVER = math.inf


class Write(NamedTuple):
    start: float
    end: float              # NEVER: it is not known whether it has been done
    value: object


class Read(NamedTuple):
    start: float
    end: float
    value: object


class Zone(NamedTuple):
    first_end: float
    last_start: float
    value: object

    @property
    def forward(self):
        return self.first_end < self.last_start

    @property
    def low(self):
        return min(self.first_end, self.last_start)

    @property
    def high(self):
        return max(self.first_end, self.last_start)


def zones(writes, reads):
    """One for each value that was there for sure."""
    seen = {}
    for r in reads:
        seen.setdefault(r.value, []).append(r)
    for w in writes:
        cluster = [w, *seen.get(w.value, [])]
        if w.end < NEVER or len(cluster) > 1:
            yield Zone(min(op.end for op in cluster),
                       max(op.start for op in cluster), w.value)


def violations(initial, writes, reads):
    """What contradicts an order of the operations, as lines; none: good."""
    writes = [Write(-NEVER, -NEVER, initial), *writes]
    return [*_of_reads(writes, reads), *_of_zones(zones(writes, reads))]


def _of_reads(writes, reads):
    by_value = {w.value: w for w in writes}
    for r in reads:
        w = by_value.get(r.value)
        if w is None:
            yield f"{r.value!r} was read and never written"
        elif r.end < w.start:
            yield f"{r.value!r} was read before it was written"


def _of_zones(all_zones):
    forward, backward = [], []
    for z in all_zones:
        (forward if z.forward else backward).append(z)
    forward.sort(key=lambda z: z.low)
    for a, b in zip(forward, forward[1:]):
        if b.low < a.high:
            yield (f"{a.value!r} was seen at {a.high:.6f}, after {b.value!r} "
                   f"at {b.low:.6f}, and before that")
    yield from _contained(forward, backward)


def _contained(forward, backward):
    """@forward is sorted; what overlaps is reported already."""
    backward.sort(key=lambda z: z.low)
    place = 0
    for z in backward:
        while place < len(forward) and forward[place].high <= z.low:
            place += 1
        if place < len(forward) and forward[place].low < z.low \
                and z.high < forward[place].high:
            yield (f"{z.value!r} was written at {z.low:.6f} to {z.high:.6f} "
                   f"and is lost: {forward[place].value!r} was there before "
                   "and after")
