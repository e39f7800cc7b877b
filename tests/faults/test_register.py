# SPDX-License-Identifier: Apache-2.0
"""The checker against histories that are known, and against a slow one."""

import itertools
import random

import pytest

from faults.register import NEVER, Read, Write, violations

W, R = Write, Read

GOOD = {
    "nothing": ([], []),
    "initial value": ([], [R(1, 2, 0)]),
    "one after the other": ([W(1, 2, 1), W(3, 4, 2)], [R(5, 6, 2)]),
    "concurrent writes, either order":
        ([W(1, 5, 1), W(2, 4, 2)], [R(6, 7, 1)]),
    "concurrent writes, the other": ([W(1, 5, 1), W(2, 4, 2)], [R(6, 7, 2)]),
    "read during a write, new": ([W(1, 10, 1)], [R(2, 3, 1)]),
    "read during a write, old": ([W(1, 10, 1)], [R(2, 3, 0)]),
    "unknown, and not done": ([W(1, NEVER, 1)], [R(5, 6, 0)]),
    "unknown, and done": ([W(1, NEVER, 1)], [R(5, 6, 1)]),
    "unknown, and done late":
        ([W(1, NEVER, 1), W(2, 3, 2)], [R(4, 5, 2), R(6, 7, 1)]),
    "overwritten between two reads":
        ([W(1, 2, 1), W(3, 4, 2)], [R(2.5, 3.5, 1), R(5, 6, 2)]),
}

BAD = {
    "lost at the end": ([W(1, 2, 1), W(3, 4, 2)], [R(5, 6, 1)]),
    "lost, nothing at all": ([W(1, 2, 1)], [R(3, 4, 0)]),
    "stale read": ([W(1, 2, 1), W(3, 4, 2)], [R(5, 6, 1), R(7, 8, 2)]),
    "new, then old": ([W(1, 10, 1)], [R(2, 3, 1), R(4, 5, 0)]),
    "there and back":
        ([W(1, 2, 1), W(3, 4, 2)], [R(5, 6, 2), R(7, 8, 1)]),
    "from the future": ([W(5, 6, 1)], [R(1, 2, 1)]),
    "from nowhere": ([W(1, 2, 1)], [R(3, 4, 7)]),
    "done twice":
        ([W(1, NEVER, 1), W(4, 5, 2)],
         [R(2, 3, 1), R(6, 7, 2), R(8, 9, 1)]),
    "unknown, seen and gone":
        ([W(1, NEVER, 1)], [R(2, 3, 1), R(4, 5, 0)]),
}


@pytest.mark.parametrize("name", GOOD)
def test_good(name):
    assert violations(0, *GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_bad(name):
    assert violations(0, *BAD[name])


def slow(writes, reads):
    """The definition: some order of all operations explains each read."""
    sure = [w for w in writes if w.end < NEVER]
    unsure = [w for w in writes if w.end == NEVER]
    for n in range(len(unsure) + 1):
        for some in itertools.combinations(unsure, n):
            if _search([*sure, *some, *reads], 0):
                return True
    return False


def _search(left, value):
    if not left:
        return True
    end = min(op.end for op in left)
    for op in left:
        if op.start > end:
            continue            # another one has ended before it began
        if isinstance(op, Read) and op.value != value:
            continue
        rest = [o for o in left if o is not op]
        if _search(rest, op.value):
            return True
    return False


def some_history(rng):
    times = list(range(1, 20))
    writes, reads = [], []
    for value in range(1, rng.randint(2, 4)):
        start, end = sorted(rng.sample(times, 2))
        writes.append(W(start, NEVER if rng.random() < 0.3 else end, value))
    for _ in range(rng.randint(0, 3)):
        start, end = sorted(rng.sample(times, 2))
        reads.append(R(start, end, rng.randint(0, len(writes))))
    return writes, reads


def test_against_the_definition():
    rng = random.Random(1)
    verdicts = {True: 0, False: 0}
    for _ in range(4000):
        writes, reads = some_history(rng)
        good = slow(writes, reads)
        found = violations(0, writes, reads)
        assert (not found) == good, (writes, reads, found)
        verdicts[good] += 1
    assert min(verdicts.values()) > 500
