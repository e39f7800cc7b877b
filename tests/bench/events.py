# SPDX-License-Identifier: Apache-2.0
"""Rows about what others do, and about many: events, memory, mounts."""

import os
import pathlib
import time

from bench.measure import Figure, Row, in_turns
from bench.place import cpu_of, memory_of
from bench.rows import SIZE
from harness.status import status
from harness.wait import wait_for

IDLE_SECONDS = 5
PER_DIRECTORY = 1000


def event(place, scale, progress):
    row = Row("event", "from a set elsewhere to the event here; for the "
              "client, to the answer of its get", ["client"], 1.5)
    d = place.make(1, SIZE)
    path, znode, n = place.at(d), f"{d}/n000000", scale.few
    os.listdir(path)
    os.stat(f"{path}/n000000")
    place.watcher.run("watch", path)
    place.raw.run("watch", d, 1)

    def one(listener):
        listener.send("event")
        sent = place.other.run("change", znode)[0]
        seen = listener.receive()[0] - sent
        # The other one hears of it too, and neither is to disturb.
        (place.raw if listener is place.watcher else place.watcher).run(
            "event")
        return seen

    def many(listener):
        def run(_):
            times = []
            for _ in range(n):
                times.append(one(listener))
                place.settle()
            return times

        return run

    in_turns(place, row, scale.rounds, progress,
             mount=many(place.watcher), client=many(place.raw))
    row.counted = []            # they are of settle()
    return row


def burst(place, scale, progress):
    n, total = scale.burst
    row = Row("burst", f"{total} sets elsewhere over {n} files, until all "
              "have been read in their last state, each set", ["client"], 2,
              ops=total)
    dirs = [place.make(n, SIZE) for _ in range(scale.trees)]

    def run(listener, d):
        listener.send("drain", n)
        sent = place.other.run("pipeset", d, n, total)[0]
        return [listener.receive()[0] - sent]

    def on_mount(i):
        path = place.at(dirs[i])
        place.watcher.run("watch", path)
        for name in os.listdir(path):
            pathlib.Path(path, name).read_bytes()
        place.settle()
        return run(place.watcher, dirs[i])

    def by_client(i):
        d = place.make(n, SIZE)
        place.raw.run("watch", d, n)
        return run(place.raw, d)

    in_turns(place, row, scale.trees, progress, mount=on_mount,
             client=by_client)
    row.counted = []
    return row


# -- memory --


def known_tree(place, n, progress):
    """@n znodes in directories of a thousand."""
    top = place.make(0, 0, "known")
    for i in range(n // PER_DIRECTORY):
        progress(f"memory: {i * PER_DIRECTORY} znodes made")
        place.raw.run("pipecreate", f"{top}/{i}", PER_DIRECTORY, 10)
    return top


def forget():
    """Have the kernel drop what it has cached of all filesystems."""
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("2", encoding="ascii")


def memory(place, scale, progress):
    """Bytes for each znode that has been listed and looked at."""
    top = known_tree(place, scale.known, progress)
    mnt = place.mount("cache_size=0")
    os.listdir(mnt.path)
    before = memory_of(mnt.pid)
    progress("memory: a walk")
    for directory, _, names in os.walk(place.at(top, mnt)):
        for name in names:
            os.stat(os.path.join(directory, name))
    nodes = status(mnt)["nodes"]
    used = memory_of(mnt.pid) - before
    figures = [Figure("memory", f"of the daemon for each of {nodes} znodes "
                      "known, without values", used / nodes, "bytes", 400)]
    if os.access("/proc/sys/vm/drop_caches", os.W_OK) and os.geteuid() == 0:
        forget()
        wait_for(lambda: forget() or status(mnt)["nodes"] < nodes / 100, 60,
                 "the kernel forgets")
        left = memory_of(mnt.pid) - before
        figures.append(Figure("memory given back", "left of that once the "
                              "kernel has forgotten them", 100 * left / used,
                              "%", 10))
    mnt.stop()
    return figures


# -- many mounts --


def mounts(place, scale, progress):
    """CPU of many mounts when nothing happens, and one change told by all."""
    d = place.make(1, SIZE)
    progress(f"mounts: {scale.mounts}")
    many = [place.mount() for _ in range(scale.mounts)]
    for m in many:
        os.stat(place.at(f"{d}/n000000", m))
    before = [cpu_of(m.pid) for m in many]
    time.sleep(IDLE_SECONDS)    # what is measured is that nothing happens
    used = sum(cpu_of(m.pid) for m in many) - sum(before)
    start = time.monotonic_ns()
    place.zk.set(f"{d}/n000000", b"last")
    for m in many:
        path = pathlib.Path(place.at(f"{d}/n000000", m))
        wait_for(lambda path=path: path.read_bytes() == b"last", 10,
                 "the change at every mount", interval=0.001)
    reached = (time.monotonic_ns() - start) / 1e6
    for m in many:
        m.stop()
    return [
        Figure("idle", f"CPU of {len(many)} mounts of one tree together",
               100 * used / IDLE_SECONDS, "% of a CPU", 1),
        Figure("spread", f"from a set until {len(many)} mounts have it",
               reached, "ms", None)]
