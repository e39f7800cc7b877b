# SPDX-License-Identifier: Apache-2.0
"""Locks among many: counters, other recipes, herds, and what they cost."""

import fcntl
import os
import re
import stat
import subprocess
import sys
import threading

import pytest
from kazoo.recipe.lock import ReadLock, WriteLock

from harness import locker, procs, sizes
from harness.files import get, put
from harness.locker import Locker
from harness.threads import run_threads
from harness.wait import SLOW, wait_equal, wait_for

EX, SH, UN, NB = (fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB)
# What a kazoo lock has to be told to respect, as the manual page says.
EXCLUSIVE = ("lock-", "__WRIT__")
SHARED = ("__READ__",)


def spawn_counter(number, lock, times):
    return subprocess.Popen(procs.tied(
        [sys.executable, "-B", locker.__file__.replace("locker.py",
                                                       "counter.py"),
         os.fspath(number), os.fspath(lock), str(times)]))


# -- counting ----------------------------------------------------------------

@pytest.mark.deadline(sizes.stress(120, 900))
def test_a_counter(mount, source, zk):
    """Read, add one, write, by processes on several mounts: none is lost."""
    mounts = [mount(source) for _ in range(sizes.stress(3, 4))]
    workers = sizes.stress(8, 16)
    total = sizes.stress(240, 5000)
    zk.create("/n", b"0")
    zk.create("/lock", b"")
    running = []
    for i in range(workers):
        m = mounts[i % len(mounts)]
        times = total // workers + (i < total % workers)
        running.append(spawn_counter(m / "n", m / "lock", times))
    for proc in running:
        assert proc.wait(sizes.stress(100, 800) * SLOW) == 0
    assert zk.get("/n")[0] == b"%d" % total
    wait_equal(lambda: zk.get_children("/lock"), [])


@pytest.mark.deadline(180)
def test_what_was_done_under_a_lock_is_seen(m, m2, zk):
    """By the next to have it: values, names that came and went, sizes."""
    zk.create("/lock", b"")
    zk.create("/t", None)
    zk.create("/t/old0", b"")
    with Locker() as a, Locker() as b:
        a.open(m / "lock")
        b.open(m2 / "lock")
        for i in range(sizes.stress(60, 1000)):
            new, old = f"t/new{i}", f"t/old{i}"
            assert a.flock(EX) == "ok"
            b.names(m2 / "t")           # so that the kernel has it
            assert b.size(m2 / new) == "ENOENT"
            assert b.size(m2 / old) == i
            b.start("flock", EX)
            put(m / new, b"v" * i)
            os.rename(m / old, m / f"t/old{i + 1}")
            put(m / f"t/old{i + 1}", b"v" * (i + 1))
            assert a.flock(UN) == "ok"
            assert b.result() == "ok"
            assert b.size(m2 / new) == i
            assert b.size(m2 / old) == "ENOENT"
            assert b.size(m2 / f"t/old{i + 1}") == i + 1
            assert b.names(m2 / "t") == sorted(os.listdir(m / "t"))
            assert b.flock(UN) == "ok"
            os.unlink(m / new)


# -- other recipes -----------------------------------------------------------

@pytest.mark.deadline(300)
def test_kazoo_takes_turns(m, zk):
    """Each finds the other's count and adds its own."""
    rounds = sizes.stress(50, 500)
    zk.create("/n", b"0")
    zk.create("/lock", b"")

    def add(read, write):
        number = int(read())
        write(b"%d" % (number + 1))

    def by_kazoo():
        lock = zk.Lock("/lock", "kazoo", extra_lock_patterns=EXCLUSIVE)
        for _ in range(rounds):
            with lock:
                add(lambda: zk.get("/n")[0], lambda v: zk.set("/n", v))

    def by_flock():
        for _ in range(rounds):
            with open(m / "lock", "rb") as lock:
                fcntl.flock(lock, EX)
                add(lambda: get(m / "n"), lambda v: put(m / "n", v))

    run_threads((by_kazoo,), (by_flock,))
    assert zk.get("/n")[0] == b"%d" % (2 * rounds)
    wait_equal(lambda: zk.get_children("/lock"), [])
    assert stat.S_ISREG(os.stat(m / "lock").st_mode)


@pytest.mark.parametrize("ours,theirs,together", [
    (EX, WriteLock, False), (EX, ReadLock, False), (SH, WriteLock, False),
    (SH, ReadLock, True)])
def test_kazoo_readers_and_writers(m, zk, ours, theirs, together):
    zk.create("/f", b"v")
    patterns = EXCLUSIVE + (SHARED if theirs is WriteLock else ())
    lock = theirs(zk, "/f", "kazoo", extra_lock_patterns=patterns)
    with Locker() as a:
        a.open(m / "f")
        assert a.flock(ours) == "ok"
        assert lock.acquire(blocking=False) is together
        if together:
            lock.release()
        assert a.flock(UN) == "ok"
        assert lock.acquire(timeout=10)
        assert a.flock(ours | NB) == ("ok" if together else "EAGAIN")
        a.flock(UN)
        a.start("flock", ours)
        if not together:
            a.blocked()
        lock.release()
        assert a.result() == "ok"
    wait_equal(lambda: zk.get_children("/f"), [])


def test_names(m, zk):
    """As Curator has them: found again by their UUID, sorted by their end."""
    zk.create("/f", b"v")
    uuid = r"_c_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}" \
        r"-[0-9a-f]{12}-"
    with Locker() as a:
        a.open(m / "f")
        for how, word in ((EX, "lock-"), (SH, "__READ__")):
            assert a.flock(how) == "ok"
            name, = zk.get_children("/f")
            assert re.fullmatch(uuid + word + r"\d{10}", name), name
            data, st = zk.get(f"/f/{name}")
            assert data.decode() == os.uname().nodename
            assert st.ephemeralOwner
            a.flock(UN)


@pytest.mark.parametrize("name", [
    "_c_3f6ef26a-4d0b-4bd1-93b5-dd0ad3b9a3b2-lock-",
    "_c_3f6ef26a-4d0b-4bd1-93b5-dd0ad3b9a3b2-__WRIT__", "abc__lock__"])
def test_others_are_respected(m, zk, name):
    zk.create("/f", b"v")
    made = zk.create(f"/f/{name}", b"", ephemeral=True, sequence=True)
    with Locker() as a:
        a.open(m / "f")
        assert a.flock(SH | NB) == "EAGAIN"
        a.start("flock", EX)
        a.blocked()
        zk.set(made, b"a change is not an end")
        a.blocked()
        zk.delete(made)
        assert a.result() == "ok"


def test_a_queue_of_other_things(m, zk):
    """Children that are in no queue are in nobody's way."""
    zk.create("/q", b"v")
    for _ in range(3):
        zk.create("/q/task-", b"", sequence=True)
    with Locker() as a:
        wait_for(lambda: os.path.isdir(m / "q"), what="the directory")
        a.open(m / "q/.data")
        assert a.flock(EX | NB) == "ok"


# -- herds -------------------------------------------------------------------

def herd(path, n, granted):
    """@n threads that wait for the lock, hold it till told, and let go."""
    def wait(i):
        fd = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(fd, EX)
            granted(i)
        finally:
            os.close(fd)

    threads = [threading.Thread(target=wait, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    return threads


@pytest.mark.deadline(sizes.stress(120, 900))
def test_one_wakes_per_release(server, m, m2, zk, zkroot):
    """And it costs the same however many wait."""
    n = sizes.stress(100, 1000)
    zk.create("/f", b"v")
    holder = os.open(m / "f", os.O_RDONLY)
    fcntl.flock(holder, EX)
    inside, most, order = [0], [0], []
    guard = threading.Lock()

    def granted(i):
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        with guard:
            inside[0] -= 1
            order.append(i)

    threads = herd(m / "f", n // 2, granted) + herd(m2 / "f", n - n // 2,
                                                    granted)
    wait_for(lambda: len(zk.get_children("/f")) == n + 1, 120,
             "all of them are in line")
    wait_settled(server)
    with server.requests(zk, zkroot) as count:
        os.close(holder)
        for t in threads:
            t.join(300 * SLOW)
            assert not t.is_alive()
    assert most[0] == 1
    assert len(order) == n
    # A delete, a list and a ping each, and the pings of sessions and feeds.
    assert count.n <= 3.2 * n + 50, f"{count.n} requests for {n} releases"
    wait_equal(lambda: zk.get_children("/f"), [])


def wait_settled(server):
    """Nothing but pings comes any more: ten times in a row."""
    seen = [0, 0]       # requests so far, and how often no more than that

    def settled():
        now = sum(server.sessions().values())
        seen[:] = [now, seen[1] + 1 if now - seen[0] <= 1 else 0]
        return seen[1] >= 10

    wait_for(settled, 60, "nothing is under way", interval=0.05)


# -- costs -------------------------------------------------------------------

def test_what_a_lock_costs(m, m2, zk, fewest):
    """Create, list, a ping of the feed, delete; a refusal has no ping."""
    zk.create("/f", b"v")
    assert get(m2 / "f") == get(m / "f") == b"v"
    with Locker() as a, Locker() as b:
        a.open(m / "f")
        b.open(m2 / "f")
        assert fewest(lambda: (a.flock(EX), a.flock(UN))) <= 4
        assert fewest(lambda: (a.setlk(fcntl.F_SETLK, fcntl.F_WRLCK),
                               a.setlk(fcntl.F_SETLK, fcntl.F_UNLCK))) <= 4
        a.flock(EX)
        assert fewest(lambda: a.flock(EX)) == 0
        assert fewest(lambda: b.flock(EX | NB)) <= 3
        # Who only reads pays nothing for the queue of a file.
        assert fewest(lambda: (get(m2 / "f"), os.stat(m2 / "f"))) == 0
        zk.set("/f", b"w")
        wait_equal(lambda: get(m2 / "f"), b"w")
        assert fewest(lambda: (get(m2 / "f"), os.stat(m2 / "f"))) == 0


def test_what_has_data_and_children_costs_a_list_once(m, zk, fewest):
    """When it is first met: whether the children are lock znodes."""
    zk.create("/t", None)
    os.stat(m / "t")
    for i in range(3):
        zk.create(f"/t/d{i}", b"own data")
        zk.create(f"/t/d{i}/c", b"v")
        zk.create(f"/t/f{i}", b"v")
        zk.create(f"/t/f{i}/lock-", b"", ephemeral=True, sequence=True)

    def each(name):
        number = iter(range(3))
        return lambda: os.stat(m / f"t/{name}{next(number)}")

    for name in ("d", "f"):
        assert fewest(each(name)) <= 2
        assert fewest(each(name)) == 0
    assert os.path.isdir(m / "t/d0") and os.path.isfile(m / "t/f0")


def test_a_remote_change_of_a_locked_file_costs_one_read(m, m2, zk, fewest):
    zk.create("/f", b"0")
    assert get(m2 / "f") == b"0"
    value = [0]

    def change():
        value[0] += 1
        zk.set("/f", b"%d" % value[0])
        while get(m2 / "f") != b"%d" % value[0]:
            pass

    with Locker() as a:
        a.open(m / "f")
        assert a.flock(EX) == "ok"
        change()
        assert fewest(change, 5) <= 2     # the other mount reads it as well
        a.flock(UN)
