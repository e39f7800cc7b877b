# SPDX-License-Identifier: Apache-2.0
"""Times, taken in turns, and what is made of them."""

import statistics
import time

MOUNT = "mount"


class Row:
    """One operation by all who can do it.

    @base: the contenders whose medians, added up, the mount is measured by;
    @limit: how many times that it may take, or with @faster the least part
    of their throughput that it must reach.  A sample is of @ops operations;
    requests and messages are counted for each of @counted.
    """

    def __init__(self, name, what, base, limit, ops=1, counted=None,
                 faster=False):
        self.name = name
        self.what = what
        self.base = base
        self.limit = limit
        self.ops = ops
        self.counted_ops = counted or ops
        self.faster = faster
        self.samples = {}       # contender -> nanoseconds
        self.counted = []       # of the mount, a sample of counts

    def add(self, contender, nanoseconds):
        self.samples.setdefault(contender, []).extend(nanoseconds)

    def median(self, contender):
        return statistics.median(self.samples[contender]) / self.ops

    def p99(self, contender):
        samples = sorted(self.samples[contender])
        return samples[min(len(samples) - 1, len(samples) * 99 // 100)] / \
            self.ops

    def ratio(self):
        """Of the medians; None where there is nothing to compare with."""
        if any(b not in self.samples for b in (MOUNT, *self.base)):
            return None
        base = sum(self.median(b) for b in self.base)
        return base / self.median(MOUNT) if self.faster else \
            self.median(MOUNT) / base

    def reached(self):
        ratio = self.ratio()
        if ratio is None or self.limit is None:
            return None
        return ratio >= self.limit if self.faster else ratio <= self.limit

    def counts(self):
        """Requests, transactions and messages for each operation.

        The middle one of what was counted: a ping may be in some.
        """
        if not self.counted:
            return None
        return tuple(statistics.median(c) for c in zip(*self.counted))


class Figure:
    """A row that is a number and not a time: bytes, CPU."""

    def __init__(self, name, what, value, unit, limit):
        self.name = name
        self.what = what
        self.value = value
        self.unit = unit
        self.limit = limit

    def reached(self):
        return None if self.limit is None else self.value <= self.limit


def timed(f, *args):
    """[nanoseconds] that f(*args) takes."""
    start = time.monotonic_ns()
    f(*args)
    return [time.monotonic_ns() - start]


def in_turns(place, row, rounds, progress, **contenders):
    """A round of each after the other: what disturbs one, disturbs all.

    Each contender is called with the number of the round, and returns its
    times; "mount" is counted as well.
    """
    for i in range(rounds):
        progress(f"{row.name}: {i + 1} of {rounds}")
        for name, run in contenders.items():
            if run is None:
                continue
            if name == MOUNT:
                own = place.own_messages()
                before = place.counts()
                samples = run(i)
                after = place.counts()
                row.counted.append(
                    after.since(before, len(samples) * row.counted_ops, own))
            else:
                samples = run(i)
            row.add(name, samples)
    return row
