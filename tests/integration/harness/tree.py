# SPDX-License-Identifier: Apache-2.0
"""Znode trees made, compared and removed over kazoo, many requests at once."""

import collections
import random

from kazoo.exceptions import NoNodeError

from .wait import wait_for

WINDOW = 500


def join(parent, name):
    return f"{parent.rstrip('/')}/{name}"


def _gather(items, submit):
    """Yield (item, result) with at most WINDOW requests in flight."""
    queue = collections.deque()
    for item in items:
        queue.append((item, submit(item)))
        if len(queue) >= WINDOW:
            item, future = queue.popleft()
            yield item, future.get()
    for item, future in queue:
        yield item, future.get()


def wait_data(zk, path, data):
    """Wait until @path has @data.

    What close(2) alone commits (an empty file) comes with the last close,
    whose end the kernel does not let a program wait for.
    """
    def there():
        try:
            return zk.get(path)[0] == data
        except NoNodeError:
            return False

    wait_for(there, 5, f"{path} has {data!r}")


def create_all(zk, nodes, acl=None):
    """Create @nodes, pairs of path and data, parents before children."""
    for _ in _gather(nodes, lambda n: zk.create_async(n[0], n[1], acl=acl)):
        pass


def walk(zk, top="/"):
    """All paths at and below @top, level by level."""
    paths, level = [], [top]
    while level:
        paths += level
        level = [join(path, name)
                 for path, names in _gather(level, zk.get_children_async)
                 for name in names]
    return paths


def snapshot(zk, top="/"):
    """Path below @top -> data (None for null) of each znode in it."""
    cut = len(top.rstrip("/"))
    found = _gather(walk(zk, top), zk.get_async)
    return {path[cut:] or "/": data for path, (data, _) in found}


def remove(zk, top):
    """Delete @top and all below, whether or not it is there."""
    try:
        paths = walk(zk, top)
    except NoNodeError:
        return
    for path in reversed(paths):
        try:
            zk.delete(path)
        except NoNodeError:
            pass


def differences(a, b):
    """What differs between two snapshots, short enough to be read."""
    lines = [f"only left: {p!r}" for p in sorted(a.keys() - b.keys())]
    lines += [f"only right: {p!r}" for p in sorted(b.keys() - a.keys())]
    lines += [f"{p!r}: {_brief(a[p])} / {_brief(b[p])}"
              for p in sorted(a.keys() & b.keys()) if a[p] != b[p]]
    return lines[:20]


def _brief(data):
    return "null" if data is None else f"{len(data)} bytes {data[:20]!r}"


NAMES = ["{}", "ünï-{}", "日本-{}", "100%-{}", "%-{}", "%41{}", "a b {}",
         "-{}", "'{}\"", "*?[{}]", "back\\slash{}", ".hidden{}", "{}~",
         "%2Edata{}", "{}%"]


def generate(count, seed=1, top="", sizes=(1, 1_000_000)):
    """About @count (path, data) of all kinds; the same for the same @seed.

    Inner znodes with null, empty and real data; leaves that are null, empty,
    one byte, small, and a few up to the largest of @sizes; names plain,
    UTF-8, with percent signs, `.data` itself, and of 250 bytes.
    """
    rng = random.Random(seed)
    nodes, inner = [], [top]
    for i in range(count):
        parent = rng.choice(inner[-20:])
        name = rng.choice(NAMES).format(i)
        if i % 97 == 0:
            name = f"{i}-".ljust(250, "n")
        path = join(parent, name)
        if rng.random() < 0.12 and path.count("/") < 8:
            inner.append(path)
        nodes.append((path, _data(rng, i, sizes)))
    parents = {path.rpartition("/")[0] for path, _ in nodes}
    nodes += [(join(p, ".data"), b"an entry that is called so")
              for p in sorted(parents - {top})[::7]]
    return nodes


def _data(rng, i, sizes):
    if i % 5 == 0:
        return None
    if i % 7 == 0:
        return b""
    if i % 101 == 0:
        return rng.randbytes(rng.randint(*sizes))
    if i % 499 == 0:
        return rng.randbytes(sizes[1])
    return rng.randbytes(rng.choice((1, 17, 100, 4095, 4096, 4097, 8192)))
