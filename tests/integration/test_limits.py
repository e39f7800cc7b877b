# SPDX-License-Identifier: Apache-2.0
"""What is large, and what is kept: memory, time, and who waits meanwhile.

With ZNODEFS_FULL=1 the list has a million names.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

from harness import procs, sizes
from harness.announcer import helpers
from harness.files import get, ok, opened, put
from harness.inotify import Inotify
from harness.server import Server
from harness.status import status
from harness.threads import repeating
from harness.wait import SLOW, wait_equal, wait_for

COUNT = sizes.stress(20_000, 1_000_000)
MIB = 1 << 20

pytestmark = pytest.mark.deadline(1800 if sizes.FULL else 180)

# A sanitizer keeps what is freed, and valgrind counts as a whole.
plain = pytest.mark.skipif(SLOW > 1, reason="no measure of memory")


def memory(pid):
    """Bytes of RAM that a process has."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(text.split("VmRSS:")[1].split()[0]) * 1024


def make(zk, top, count):
    """/top/n0 and so on, a thousand with each transaction."""
    zk.create(top, None)
    running = []
    for begin in range(0, count, 1000):
        t = zk.transaction()
        for i in range(begin, min(begin + 1000, count)):
            t.create(f"{top}/n{i}", b"")
        running.append(t.commit_async())
        if len(running) == 8:
            assert not isinstance(running.pop(0).get(60 * SLOW)[0], Exception)
    for r in running:
        assert not isinstance(r.get(60 * SLOW)[0], Exception)


@contextlib.contextmanager
def others_go_on(path, most):
    """Somebody reads and writes @path all the while, and never for long."""
    slowest = [0]

    def work():
        start = time.monotonic()
        put(path, b"v")
        assert get(path) == b"v"
        slowest[0] = max(slowest[0], time.monotonic() - start)

    with repeating(work):
        yield
    print(f"the slowest waited {slowest[0]:.2f} s")
    assert slowest[0] < most * SLOW, f"one has waited {slowest[0]:.1f} s"


# -- a list of many names -----------------------------------------------------

@pytest.fixture
def crowd(workplace, client):
    """A server of its own, with memory for so many, and a mount's tree."""
    heap = ["-Xmx4g"] if sizes.FULL else []
    server = Server(workplace.mkdir("zookeeper"), jvm=heap).start()
    try:
        zk = client(server.hostport)
        make(zk, "/big", COUNT)
        yield server
    finally:
        server.kill()


def lines(*argv):
    """How many lines a program prints."""
    done = subprocess.run([*map(str, argv)], stdout=subprocess.PIPE,
                          check=True, timeout=900)
    return done.stdout.count(b"\n")


def test_a_list_of_many_names(crowd, mount, client):
    m = mount(crowd.hostport)
    zk = client(crowd.hostport)
    before = memory(m.pid)
    begin = time.monotonic()
    with others_go_on(m / "other", 10 if sizes.FULL else 5):
        assert lines("ls", "-U", m / "big") == COUNT
        listed = time.monotonic()
        assert os.stat(m / f"big/n{COUNT - 1}").st_size == 0
        with Inotify() as inotify:
            inotify.add_watch(m / "big")
            zk.create("/big/one-more", b"v")
            seen = inotify.until(
                lambda seen: "CREATE one-more" in map(str, seen), 60)
            assert "CREATE one-more" in map(str, seen)
        assert lines("find", m / "big", "-type", "f") == COUNT + 1
    print(f"{COUNT} names: ls {listed - begin:.1f} s, "
          f"find {time.monotonic() - listed:.1f} s, "
          f"{(memory(m.pid) - before) / COUNT:.0f} bytes a name")
    if SLOW == 1:
        assert memory(m.pid) - before < 64 * MIB + 1500 * COUNT


@plain
@pytest.mark.skipif(os.geteuid(), reason="drops the kernel's caches: root")
def test_what_the_kernel_forgets_is_given_back(crowd, mount):
    m = mount(crowd.hostport)
    few = status(m)["nodes"]
    assert lines("find", m / "big", "-type", "f") == COUNT
    assert status(m)["inodes"] > COUNT
    full = memory(m.pid)

    def forgotten():
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("2")
        return status(m)["inodes"] < COUNT / 10

    wait_for(forgotten, 60, interval=0.5)
    wait_for(lambda: status(m)["nodes"] < few + COUNT / 10, 30)
    wait_for(lambda: memory(m.pid) < full, 30)


# -- values in memory ----------------------------------------------------------

@plain
def test_cache_size(mount, source, zk):
    """It bounds what is kept of values, and everything is readable."""
    m = mount(source, f"cache_size={MIB}")
    values = {f"f{i}": os.urandom(200_000) for i in range(40)}
    for name, value in values.items():
        zk.create(f"/{name}", value)
    before = memory(m.pid)
    for _ in range(3):
        for name, value in values.items():
            assert get(m / name) == value
            s = status(m)
            assert s["cached_bytes"] <= s["cache_limit_bytes"] == MIB
    assert memory(m.pid) - before < 6 * MIB


@plain
def test_open_files_are_not_bounded_by_it(mount, source, zk):
    """Who has one open keeps its version; it goes with the close."""
    m = mount(source, f"cache_size={MIB}")
    zk.create("/f", b"x" * 500_000)
    with contextlib.ExitStack() as stack:
        for i in range(20):
            zk.set("/f", b"%d" % (i % 10) * 500_000)
            wait_equal(lambda: get(m / "f")[:1], b"%d" % (i % 10))
            fd = stack.enter_context(opened(m / "f", os.O_RDONLY))
            assert os.pread(fd, 1, 0) == b"%d" % (i % 10)
    wait_for(lambda: status(m)["open_files"] == 0, 10)
    assert status(m)["cached_bytes"] <= MIB


# -- those who do not keep up --------------------------------------------------

@plain
def test_a_stuck_helper(m, zk):
    """What it has not announced is a name each, however often it changes."""
    zk.create("/d", None)
    for i in range(20):
        zk.create(f"/d/f{i}", b"v")
    assert len(os.listdir(m / "d")) == 20
    with Inotify() as inotify:
        inotify.add_watch(m / "d")
        zk.set("/d/f0", b"w")
        wait_for(lambda: any(e.name == "f0" for e in inotify.read(1)), 10)
        stuck = helpers(m.pid)
        assert stuck
        for pid in stuck:
            os.kill(pid, signal.SIGSTOP)
        before = memory(m.pid)
        for n in range(sizes.stress(200, 5000)):
            running = [zk.set_async(f"/d/f{i}", b"%d" % n * 1000)
                       for i in range(20)]
            for r in running:
                r.get(30 * SLOW)
        assert memory(m.pid) - before < 8 * MIB
        assert status(m)["names_to_announce"] <= 30
        for pid in stuck:
            procs.kill_quietly(pid, signal.SIGCONT)
        wait_equal(lambda: status(m)["names_to_announce"], 0, 30)
        wait_equal(lambda: get(m / "d/f7"), b"%d" % n * 1000, 30)
        assert "f7" in [e.name for e in inotify.read(1)]


@plain
def test_a_reader_that_stops_in_a_list(m, zk):
    """It has the list as it was when it began; all others have the new one."""
    make(zk, "/d", 5000)
    before = memory(m.pid)
    with contextlib.ExitStack() as stack:
        for n in range(20):
            entries = stack.enter_context(os.scandir(m / "d"))
            next(entries)
            zk.create(f"/d/new{n}", b"")
            wait_equal(lambda: os.path.exists(m / f"d/new{n}"), True)
        assert memory(m.pid) - before < 32 * MIB
    assert ok("ls", "-U", m / "d").count("\n") == 5020
