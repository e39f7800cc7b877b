# SPDX-License-Identifier: Apache-2.0
"""Locks and what goes wrong: outages, expired sessions, dead daemons."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from harness import procs, sizes
from harness.files import get, put
from harness.locker import Locker
from harness.wait import SLOW, wait_equal, wait_for
from test_faultlib import FAULTS, faulty  # noqa: F401 (a fixture)

pytestmark = pytest.mark.deadline(180)
EX, SH, UN, NB = (fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB)
WR = fcntl.F_WRLCK
LOST = "is lost with its session"


@pytest.fixture
def f(zk):
    zk.create("/f", b"v")
    yield "f"
    wait_equal(lambda: zk.get_children("/f"), [], 30)


def queued(zk, n, path="/f"):
    wait_for(lambda: len(zk.get_children(path)) == n, 30,
             f"{n} in the queue of {path}")


def expire(m, zk, left, path="/f"):
    """Let the daemon stand still until only @left are in the queue."""
    m.kill(signal.SIGSTOP)
    queued(zk, left, path)
    m.kill(signal.SIGCONT)


# -- expired sessions --------------------------------------------------------

@pytest.mark.parametrize("how", [("flock", EX), ("flock", SH),
                                 ("setlk", fcntl.F_SETLK, WR)])
def test_a_lost_lock_is_not_silent(mount, source, m, f, zk, how):
    """Everything on its descriptor is EIO from then on; nothing else is."""
    short = mount(source, "session_timeout=1", allow=".")
    with Locker() as a, Locker() as other, Locker() as b:
        a.open(short / f)
        other.open(short / f)
        b.open(m / f)
        a.start(*how)
        assert a.result() == "ok"
        assert other.read() == "v"
        expire(short, zk, 0)
        wait_for(lambda: LOST in short.log(), 30, "the daemon says so")
        assert b.flock(EX) == "ok"
        assert a.read() == "EIO"
        assert a.write("stale") == "EIO"
        assert a.fsync() == "EIO"
        assert a.flock(SH | NB) == "EIO"
        assert a.flock(UN) == "EIO"
        assert a.setlk(fcntl.F_SETLK, WR) == "EIO"
        assert a.getlk(WR) == "EIO"
        assert other.read() == "v"
        assert zk.get("/f")[0] == b"v"
        a.close()
        assert b.flock(UN) == "ok"
        assert other.flock(EX) == "ok"
    assert short.log().count(LOST) == 1


def test_a_waiter_of_a_lost_session(mount, source, m, f, zk):
    short = mount(source, "session_timeout=1", allow=".")
    with Locker() as a, Locker() as b:
        a.open(m / f)
        b.open(short / f)
        assert a.flock(EX) == "ok"
        b.start("flock", EX)
        queued(zk, 2)
        # A daemon that has not heard yet that it is in line tries once more.
        # This is answered after that, for an ACL is always asked for.
        os.getxattr(short / f, "user.zk.acl")
        expire(short, zk, 1)
        assert b.result() == "EIO"
        b.start("flock", EX)
        queued(zk, 2)
        assert a.flock(UN) == "ok"
        assert b.result() == "ok"


def test_a_write_under_a_lost_lock_is_not_sent(own_server, client, mount):
    """It waits for the server, which comes back without the session."""
    zk = client(own_server.hostport)
    zk.create("/t", None)
    zk.create("/t/f", b"v")
    m = mount(own_server.hostport + "/t", "session_timeout=1", "timeout=60",
              allow=".")
    with Locker() as a:
        a.open(m / "f")
        assert a.flock(EX) == "ok"
        own_server.kill()
        a.start("write", "stale")
        a.blocked()
        # A restarted server knows the session, so the daemon stands still.
        m.kill(signal.SIGSTOP)
        own_server.start()
        zk = client(own_server.hostport)
        queued(zk, 0, "/t/f")
        m.kill(signal.SIGCONT)
        assert a.result() == "EIO"
        assert a.write("stale") == "EIO"
    assert zk.get("/t/f")[0] == b"v"
    put(m / "f", b"new")
    assert zk.get("/t/f")[0] == b"new"


# -- outages -----------------------------------------------------------------

@pytest.fixture
def outage(own_server, client, mount):
    """Functions that connect kazoo, which is slow to come back, and mount.

    A server that starts may accept a client and never answer it, which the
    client notices after two thirds of its session timeout.
    """
    def connect():
        return client(own_server.hostport)

    def mounted(*options):
        return mount(own_server.hostport + "/t",
                     f"session_timeout={9 * SLOW:g}", *options, allow=".")

    zk = connect()
    zk.create("/t", None)
    zk.create("/t/f", b"v")
    yield connect, mounted
    queued(connect(), 0, "/t/f")


def test_a_queue_outlives_the_server(outage, own_server):
    connect, mounted = outage
    m, m2, zk = mounted(), mounted(), connect()
    with Locker() as a, Locker() as b, Locker() as c:
        for locker, mnt, n in ((a, m, 1), (b, m2, 2), (c, m, 3)):
            locker.open(mnt / "f")
            locker.start("flock", EX)
            queued(zk, n, "/t/f")
        assert a.result() == "ok"
        own_server.kill()
        own_server.start()
        queued(connect(), 3, "/t/f")
        assert not b.answered() and not c.answered()
        assert a.flock(UN) == "ok"
        assert b.result() == "ok"
        assert not c.answered()
        b.kill()
        assert c.result() == "ok"


@pytest.mark.parametrize("fault", ["pause", "kill"])
def test_what_is_asked_for_in_an_outage(outage, own_server, fault):
    """It waits, it ends by a signal, and an unlock is not forgotten."""
    connect, mounted = outage
    m, zk = mounted("timeout=60"), connect()
    with Locker() as a, Locker() as b, Locker() as c, Locker() as d:
        for locker in (a, b, c, d):
            locker.open(m / "f")
        assert a.flock(EX) == "ok"
        d.start("flock", EX)
        queued(zk, 2, "/t/f")
        getattr(own_server, fault)()
        b.start("flock", EX)
        b.blocked()
        c.start("flock", EX | NB)
        c.blocked()
        for locker in (b, c, d):        # two that came late, one in line
            locker.kill(signal.SIGTERM)
        a.start("flock", UN)
        a.blocked()
        a.kill(signal.SIGTERM)
        own_server.start() if fault == "kill" else own_server.resume()
        queued(connect(), 0, "/t/f")


def test_a_lock_in_doubt(own_server, client, mount):
    """Nobody reads in the belief of a lock that may be another's by now."""
    zk = client(own_server.hostport)
    zk.create("/t", None)
    zk.create("/t/f", b"value")
    m = mount(own_server.hostport + "/t", "session_timeout=6", allow=".")
    with Locker() as a, Locker() as other:
        a.open(m / "f")
        other.open(m / "f")
        assert a.flock(EX) == "ok"
        assert a.read() == other.read() == "value"
        own_server.kill()
        wait_equal(a.read_on, "EIO", 30)
        assert other.read_on() == "alue"
        own_server.start()
        wait_equal(a.read_on, "alue", 30)   # the session is still there
        assert client(own_server.hostport).get_children("/t/f")
        assert a.flock(UN) == "ok"


def test_an_unlock_that_takes_too_long(outage, own_server):
    connect, mounted = outage
    m = mounted("timeout=1")
    with Locker() as a:
        a.open(m / "f")
        assert a.flock(EX) == "ok"
        own_server.pause()
        assert a.flock(UN) == "EIO"
        own_server.resume()
        queued(connect(), 0, "/t/f")
        wait_equal(lambda: a.flock(EX | NB), "ok", 30)


def test_a_killed_daemon_holds_it_until_its_session_ends(mount, source, m, f,
                                                         zk):
    short = mount(source, "session_timeout=1", allow=".")
    with Locker() as a, Locker() as b:
        a.open(short / f)
        b.open(m / f)
        assert a.flock(EX) == "ok"
        b.start("flock", EX)
        b.blocked()
        short.kill()
        assert b.result() == "ok"
        assert a.read() in ("ENOTCONN", "ECONNABORTED")
    short.destroy()


# -- counting while all that happens ----------------------------------------

# The number is in the locked file and is written through the descriptor that
# has the lock, so that who has lost it cannot write.  Each line says what was
# written, "?" in front if the answer was an error.
COUNT = r"""
import fcntl, os, signal, sys
signal.alarm(int(sys.argv[3]))
for _ in range(int(sys.argv[2])):
    try:
        fd = os.open(sys.argv[1], os.O_RDWR)
    except OSError:
        continue
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        n = int(os.pread(fd, 100, 0)) + 1
        try:
            os.pwrite(fd, b"%09d" % n, 0)
            print(n, flush=True)
        except OSError:
            print("?", n, flush=True)
    except OSError:
        pass
    finally:
        try:
            os.close(fd)
        except OSError:
            pass
"""


# With these, a create that took place may be reported as refused.
LYING = ("wrong", "all")


def counters(path, n, times, seconds=sizes.stress(80, 150)):
    return [subprocess.Popen(
        procs.tied([sys.executable, "-c", COUNT, path, times,
                    int(seconds * SLOW)]), stdout=subprocess.PIPE, text=True)
        for _ in range(n)]


def finish(running):
    """What was surely written, and what may have been."""
    sure, unsure = [], []
    for proc in running:
        out = proc.communicate(timeout=160 * SLOW)[0]
        assert proc.returncode in (0, -signal.SIGKILL), "it was stuck"
        for line in out.splitlines():
            (unsure if line[0] == "?" else sure).append(int(line.split()[-1]))
    return sure, unsure


def check_count(value, sure, unsure):
    assert len(set(sure)) == len(sure), "two had the lock at once"
    assert max(sure, default=0) <= value
    assert len(sure) <= value <= len(sure) + len(unsure)


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - set(LYING)))
def test_counting_with_a_faulty_library(faulty, mount, source, zk,  # noqa
                                        kind):
    zk.create("/n", b"0")
    faults = faulty({**FAULTS[kind]})
    m = mount(source, "timeout=5", allow=".")
    faults.on()
    running = counters(m / "n", 4, sizes.stress(25, 1000))
    sure, unsure = finish(running)
    faults.off()
    assert m.proc.poll() is None, m.log()
    check_count(int(zk.get("/n")[0]), sure, unsure)
    assert kind in ("lost", "refused") or not unsure
    wait_equal(lambda: zk.get_children("/n"), [], 30)
    fd = os.open(m / "n", os.O_RDWR)
    fcntl.flock(fd, EX | NB)
    os.close(fd)
    wait_equal(lambda: zk.get_children("/n"), [], 30)


@pytest.mark.parametrize("kind", FAULTS)
def test_interrupted_waiters_with_a_faulty_library(faulty, mount,  # noqa
                                                   source, zk, kind):
    """Whatever becomes of their creates, none leaves a znode."""
    zk.create("/f", b"v")
    faults = faulty({**FAULTS[kind], "LATE_MS": 400})
    m = mount(source, "timeout=5", allow=".")
    faults.on()
    for _ in range(sizes.stress(8, 100)):
        running = [subprocess.Popen(procs.tied(["flock", *flags, m / "f",
                                                "true"]),
                                    stderr=subprocess.DEVNULL)
                   for flags in ([], ["-n"], ["-s"], ["-w", "0.05"]) * 2]
        for proc in running:
            proc.terminate()
        for proc in running:
            proc.wait(30 * SLOW)
    faults.off()
    assert m.proc.poll() is None, m.log()
    if kind not in LYING:
        wait_equal(lambda: zk.get_children("/f"), [], 30)
        assert get(m / "f") == b"v"
