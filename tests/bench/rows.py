# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: single operations, and many at once.

Every row is a function of a place, a scale and a progress to report, and is
found by its name in ROWS.  The limits are what the project wants to reach.
"""

import os
import shutil
import subprocess

from bench.measure import Row, in_turns, timed
from bench.place import has_zkcli

SIZE = 100              # bytes of a value where nothing else is said
CLI_RUNS = 3            # a Java machine each
HUGE_ROUNDS = 4         # of a long list, which is a tree of its own each


class Scale:
    """How much is done."""

    def __init__(self, quick, known=None):
        self.rounds = 4 if quick else 12
        self.few = 25 if quick else 50      # operations in a round
        self.many = 250 if quick else 1000  # of those that are cheap
        self.tree = 2000 if quick else 10000
        self.trees = 2 if quick else 4      # rounds that use up a tree each
        self.crowd = 64
        self.burst = (200, 2000) if quick else (1000, 10000)
        self.huge = 10000 if quick else 100000
        self.known = known or (20000 if quick else 100000)
        self.heap = 1024 + self.known // 400     # MiB, of the server
        self.mounts = 5 if quick else 20


def put(path, size=SIZE):
    with open(path, "wb") as f:
        f.write(b"v" * size)


def local_tree(place, n):
    """The name of a directory of n files, in the tmpfs and so behind FUSE."""
    name = place.name("tree")
    (place.tmpfs / name).mkdir()
    for i in range(n):
        put(place.tmpfs / name / f"n{i:06}")
    return name


def by_passthrough(place, name, f):
    """A contender: f(i, path) for what is called so in the tmpfs."""
    return place.passthrough and (lambda i: f(i, place.passthrough / name))


def cli(place, command):
    """Times of whole runs in the first rounds, nothing in the others."""
    if not has_zkcli():
        return None
    return lambda i: timed(place.zkcli, *command(i)) if i < CLI_RUNS else []


def kazoo(n, f):
    """A contender: n times f(j), each timed."""
    return lambda i: [t for j in range(n) for t in timed(f, i * n + j)]


# -- again, unchanged --


def stat_warm(place, scale, progress):
    row = Row("stat warm", "stat(2) of a file that has been looked at",
              ["tmpfs"], 1.5)
    d = place.make(1, SIZE)
    put(place.tmpfs / "warm")
    files, n = place.files, scale.many
    paths = {"mount": place.at(f"{d}/n000000"), "tmpfs": place.tmpfs / "warm",
             "passthrough_ll": place.passthrough and place.passthrough / "warm"}
    for path in filter(None, paths.values()):
        files.run("stat", path, 10)
    place.settle()
    return in_turns(place, row, scale.rounds, progress, **{
        name: path and (lambda i, path=path: files.run("stat", path, n))
        for name, path in paths.items()},
        client=lambda i: place.raw.run("get", f"{d}/n000000", scale.few))


def read_warm(place, scale, progress, size=SIZE, name="read warm"):
    row = Row(name, f"open, read, close of a file of {size} bytes that has "
              "been read", ["passthrough_ll"], 0.7)
    d = place.make(1, size)
    put(place.tmpfs / "warm", size)
    files, n = place.files, scale.many
    paths = {"mount": place.at(f"{d}/n000000"),
             "passthrough_ll": place.passthrough and place.passthrough / "warm",
             "tmpfs": place.tmpfs / "warm"}
    for path in filter(None, paths.values()):
        files.run("read", path, 10)
    place.settle()
    znode = f"{d}/n000000"
    return in_turns(place, row, scale.rounds, progress, **{
        name: path and (lambda i, path=path: files.run("read", path, n))
        for name, path in paths.items()},
        client=lambda i: place.raw.run("get", znode, scale.few),
        kazoo=kazoo(scale.few, lambda j: place.zk.get(znode)),
        zkCli=cli(place, lambda i: ("get", znode)))


def read_warm_4k(place, scale, progress):
    return read_warm(place, scale, progress, 4096, "read warm 4K")


# -- cold --


def cat_cold(place, scale, progress):
    row = Row("cat cold", "open, read, close of a file never seen before",
              ["client"], 2)
    n = scale.few
    d = place.make(n * scale.rounds, SIZE)
    os.stat(place.at(d))
    local = local_tree(place, n * scale.rounds)
    return in_turns(
        place, row, scale.rounds, progress,
        mount=lambda i: place.files.run("cat", place.at(d), i * n, n),
        client=lambda i: place.raw.run("getall", d, i * n, n),
        passthrough_ll=by_passthrough(
            place, local, lambda i, d: place.files.run("cat", d, i * n, n)),
        kazoo=kazoo(n, lambda j: place.zk.get(f"{d}/n{j:06}")),
        zkCli=cli(place, lambda i: ("get", f"{d}/n000000")))


def each_tree(place, scale, row, progress, tool, raw):
    """Each round uses up a tree: @tool on the mount, @raw by the client."""
    trees = [place.make(scale.tree, SIZE) for _ in range(scale.trees)]
    local = place.tmpfs / local_tree(place, scale.tree)
    for tree in trees:
        os.stat(place.at(tree))
    place.settle()
    in_turns(
        place, row, scale.trees, progress,
        mount=lambda i: timed(tool, place.at(trees[i])),
        client=lambda i: raw(trees[i]),
        tmpfs=lambda i: timed(tool, local))
    in_turns(place, row, scale.trees, progress,
             **{"mount again": lambda i: timed(tool, place.at(trees[i]))})
    shutil.rmtree(local)
    return row


def pipelined(place, scale):
    """getChildren, and then a get of each, as find and grep need."""
    def read(tree):
        return [sum(place.raw.run("children", tree) +
                    place.raw.run("pipeget", tree, scale.tree))]

    return read


def run_quietly(*command):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    assert done.returncode < 2, command


def find_cold(place, scale, progress):
    row = Row("find cold", f"find -size of {scale.tree} znodes, each",
              ["client"], 1.5, ops=scale.tree)
    return each_tree(place, scale, row, progress,
                     lambda d: run_quietly("find", d, "-size", "+1M"),
                     pipelined(place, scale))


def grep_cold(place, scale, progress):
    row = Row("grep cold", f"grep -r of {scale.tree} znodes, each",
              ["client"], 1.5, ops=scale.tree)
    return each_tree(place, scale, row, progress,
                     lambda d: run_quietly("grep", "-r", "absent", d),
                     pipelined(place, scale))


def readers(place, scale, progress):
    n = scale.tree // 2
    row = Row("readers", f"{scale.crowd} threads read {n} files, each",
              ["client"], 0.7, ops=n, faster=True)
    dirs = [place.make(n, SIZE) for _ in range(scale.trees)]
    for d in dirs:
        os.stat(place.at(d))
    return in_turns(
        place, row, scale.trees, progress,
        mount=lambda i: place.files.run("parallel", place.at(dirs[i]), n,
                                        scale.crowd),
        client=lambda i: place.raw.run("pipeget", dirs[i], n))


def list_huge(place, scale, progress):
    row = Row("list cold", f"list {scale.huge} names, each",
              ["client", "tmpfs"], 1.5, ops=scale.huge, counted=1)
    dirs = [place.make(scale.huge, 0) for _ in range(HUGE_ROUNDS)]
    for d in dirs:
        os.stat(place.at(d))
    local = place.tmpfs / place.name("huge")
    local.mkdir()
    for i in range(scale.huge):
        put(local / f"n{i:06}", 0)
    in_turns(
        place, row, HUGE_ROUNDS, progress,
        mount=lambda i: place.files.run("list", place.at(dirs[i])),
        client=lambda i: place.raw.run("children", dirs[i]),
        tmpfs=lambda i: place.files.run("list", local))
    in_turns(
        place, row, HUGE_ROUNDS, progress,
        **{"mount again": lambda i: place.files.run("list",
                                                    place.at(dirs[i]))})
    shutil.rmtree(local)
    return row


# -- changes --


def echo_new(place, scale, progress):
    row = Row("echo > new", "open with O_CREAT, write, close", ["client"], 1.5)
    n = scale.few
    d, raw, kz = (place.make(0, 0) for _ in range(3))
    os.listdir(place.at(d))
    local, fuse = local_tree(place, 0), local_tree(place, 0)
    return in_turns(
        place, row, scale.rounds, progress,
        mount=lambda i: place.files.run("create", place.at(d), i * n, n, SIZE),
        client=lambda i: place.raw.run("create", raw, i * n, n, SIZE),
        kazoo=kazoo(n, lambda j: place.zk.create(f"{kz}/{j}", b"v" * SIZE)),
        zkCli=cli(place, lambda i: ("create", f"{kz}/cli{i}", "value")),
        passthrough_ll=by_passthrough(
            place, fuse,
            lambda i, d: place.files.run("create", d, i * n, n, SIZE)),
        tmpfs=lambda i: place.files.run("create", place.tmpfs / local, i * n,
                                        n, SIZE))


def echo_old(place, scale, progress):
    row = Row("echo > existing", "open with O_TRUNC, write, close",
              ["client"], 1.5)
    d, raw = place.make(1, SIZE), place.make(1, SIZE)
    put(place.tmpfs / "old")
    path, n = place.at(f"{d}/n000000"), scale.few
    place.files.run("write", path, 1, SIZE)
    znode = f"{raw}/n000000"
    return in_turns(
        place, row, scale.rounds, progress,
        mount=lambda i: place.files.run("write", path, n, SIZE),
        client=lambda i: place.raw.run("set", znode, n, SIZE),
        kazoo=kazoo(n, lambda j: place.zk.set(znode, b"v" * SIZE)),
        zkCli=cli(place, lambda i: ("set", znode, "value")),
        passthrough_ll=by_passthrough(
            place, "old",
            lambda i, path: place.files.run("write", path, n, SIZE)),
        tmpfs=lambda i: place.files.run("write", place.tmpfs / "old", n,
                                        SIZE))
