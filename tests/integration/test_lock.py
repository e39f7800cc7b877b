# SPDX-License-Identifier: Apache-2.0
"""flock(2) and fcntl(2): what they promise, on two mounts of one tree."""

import fcntl
import os
import signal
import stat
import threading
import time

import pytest

from harness.files import append, fails, get, ok, put, run, shell
from harness.inotify import Inotify
from harness.locker import Locker
from harness.tamper import DELETE, TamperProxy
from harness.wait import SLOW, wait_equal, wait_for

EX, SH, UN, NB = (fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB)
SETLK, SETLKW = fcntl.F_SETLK, fcntl.F_SETLKW
RD, WR, NONE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
PROMPT = 3


@pytest.fixture
def f(zk):
    """A file; at the end of the test nobody is in its queue any more."""
    zk.create("/f", b"v")
    yield "f"
    free(zk)


def free(zk, path="/f"):
    wait_equal(lambda: zk.get_children(path), [])


def queued(zk, n, path="/f"):
    wait_for(lambda: len(zk.get_children(path)) == n,
             what=f"{n} in the queue of {path}")


@pytest.fixture
def lockers():
    made = []

    def make(path, flags=os.O_RDWR):
        locker = Locker()
        made.append(locker)
        assert locker.open(path, flags) == "ok"
        return locker

    yield make
    for locker in made:
        locker.kill()


@pytest.fixture
def pair(m, m2, f, lockers):
    """One process on each mount, with the file open."""
    return lockers(m / f), lockers(m2 / f)


def calls(kind):
    """exclusive, shared, unlock; each for a locker, True to wait."""
    if kind == "flock":
        return [lambda a, wait=False, how=how: a.flock(how | (not wait) * NB)
                for how in (EX, SH, UN)]
    return [lambda a, wait=False, how=how: a.setlk(SETLKW if wait else SETLK,
                                                   how)
            for how in (WR, RD, NONE)]


@pytest.fixture(params=["flock", "fcntl"])
def how(request):
    return calls(request.param)


def test_exclusive(pair, how, zk):
    a, b = pair
    exclusive, shared, unlock = how
    assert exclusive(a) == "ok"
    assert exclusive(b) == "EAGAIN"
    assert shared(b) == "EAGAIN"
    assert len(zk.get_children("/f")) == 1      # what was refused is gone
    assert exclusive(a) == "ok"                 # again
    assert unlock(a) == "ok"
    assert zk.get_children("/f") == []
    assert exclusive(b) == "ok"
    assert unlock(b) == "ok"
    assert unlock(b) == "ok"                    # it has none


def test_shared(pair, how, m, lockers):
    a, b = pair
    exclusive, shared, unlock = how
    c = lockers(m / "f")
    assert [shared(x) for x in (a, b, c)] == ["ok"] * 3
    assert exclusive(b) == "EAGAIN"
    assert unlock(a) == unlock(c) == "ok"
    assert exclusive(b) == "ok"
    assert shared(a) == "EAGAIN"


@pytest.mark.parametrize("take,give", [
    (("flock", EX), ("flock", UN)),
    (("setlk", SETLKW, WR), ("setlk", SETLKW, NONE))])
def test_a_waiter_gets_it(pair, take, give):
    a, b = pair
    for _ in range(3):
        a.start(*take)
        assert a.result() == "ok"
        b.start(*take)
        b.blocked()
        a.start(*give)
        assert a.result() == b.result() == "ok"
        a, b = b, a


@pytest.mark.parametrize("command", [("flock", EX), ("setlk", SETLKW, WR)])
def test_a_waiter_ends_by_ctrl_c(pair, zk, command):
    a, b = pair
    assert a.flock(EX) == "ok"
    b.start(*command)
    b.blocked()
    queued(zk, 2)
    start = time.monotonic()
    b.kill(signal.SIGINT)
    assert time.monotonic() - start < PROMPT * SLOW
    queued(zk, 1)
    assert a.flock(UN) == "ok"


@pytest.mark.parametrize("command", [("flock", EX), ("flock", SH),
                                     ("setlk", SETLKW, WR),
                                     ("setlk", SETLKW, RD)])
def test_a_waiter_is_interrupted(pair, zk, command):
    """By a handler: EINTR, it is not in the queue, and can try again."""
    a, b = pair
    assert a.flock(EX) == "ok"
    b.alarm(0.3)
    assert b.start(*command) or b.result() == "EINTR"
    queued(zk, 1)
    b.start(*command)
    b.blocked()
    assert a.flock(UN) == "ok"
    assert b.result() == "ok"


def test_flock_w(m, m2, f, zk, lockers):
    a = lockers(m / f)
    assert a.flock(EX) == "ok"
    assert run("flock", "-w", "0.3", m2 / f, "true").returncode == 1
    assert run("flock", "-n", m2 / f, "true").returncode == 1
    queued(zk, 1)
    assert a.close() == "ok"
    ok("flock", "-w", "20", m2 / f, "true")


def test_first_come_first_served(m, m2, f, zk, lockers):
    first = lockers(m / f)
    assert first.flock(EX) == "ok"
    line = []
    for i in range(6):
        a = lockers((m, m2)[i % 2] / f)
        a.start("flock", EX)
        queued(zk, i + 2)
        line.append(a)
    assert first.flock(UN) == "ok"
    for i, a in enumerate(line):
        assert a.result() == "ok"
        assert not any(b.answered() for b in line[i + 1:])
        assert a.flock(UN) == "ok"


def test_a_shared_one_does_not_pass_a_waiting_exclusive(m, m2, f, zk,
                                                        lockers):
    a, b, c = lockers(m / f), lockers(m2 / f), lockers(m / f)
    assert a.flock(SH) == "ok"
    b.start("flock", EX)
    queued(zk, 2)
    c.start("flock", SH)
    queued(zk, 3)
    c.blocked()
    assert a.flock(UN) == "ok"
    assert b.result() == "ok"
    assert not c.answered()
    assert b.flock(UN) == "ok"
    assert c.result() == "ok"


# -- conversions -------------------------------------------------------------

def test_upgrade(pair, how, zk):
    a, _ = pair
    exclusive, shared, _ = how
    assert shared(a) == "ok"
    assert exclusive(a) == "ok"
    queued(zk, 1)
    assert zk.get_children("/f")[0].partition("-lock-")[1]


def test_a_refused_upgrade_keeps_what_there_was(pair, how, zk):
    a, b = pair
    exclusive, shared, unlock = how
    assert shared(a) == shared(b) == "ok"
    assert exclusive(a) == "EAGAIN"
    queued(zk, 2)
    assert exclusive(b) == "EAGAIN"
    assert unlock(b) == "ok"
    assert exclusive(a) == "ok"


def test_two_flock_upgrades_take_turns(pair, zk):
    """Each lets go of what it has before it waits, as on any filesystem."""
    a, b = pair
    assert a.flock(SH) == b.flock(SH) == "ok"
    a.start("flock", EX)
    a.blocked()
    assert b.flock(UN) == "ok"
    assert a.result() == "ok"
    assert a.flock(SH) == b.flock(SH) == "ok"
    a.start("flock", EX)
    b.start("flock", EX)
    wait_for(lambda: a.answered() or b.answered(), what="one of them")
    x, y = (a, b) if a.answered() else (b, a)
    assert x.result() == "ok"
    assert not y.answered()
    assert x.flock(UN) == "ok"
    assert y.result() == "ok"


def test_two_fcntl_upgrades_are_a_deadlock(pair, zk):
    a, b = pair
    assert a.setlk(SETLKW, RD) == b.setlk(SETLKW, RD) == "ok"
    a.start("setlk", SETLKW, WR)
    queued(zk, 3)       # or it is he who finds the deadlock
    assert b.setlk(SETLKW, WR) == "EDEADLK"
    assert b.setlk(SETLK, NONE) == "ok"
    assert a.result() == "ok"


def test_downgrade(pair, how):
    a, b = pair
    exclusive, shared, unlock = how
    assert exclusive(a) == "ok"
    assert shared(a) == "ok"
    assert shared(b) == "ok"
    assert exclusive(b) == "EAGAIN"


def test_downgrade_before_a_waiter_neither_waits_nor_loses(pair, zk):
    a, b = pair
    assert a.flock(EX) == "ok"
    b.start("flock", EX)
    queued(zk, 2)
    assert a.flock(SH) == "ok"
    queued(zk, 2)
    assert not b.answered()
    assert a.flock(UN) == "ok"
    assert b.result() == "ok"


# -- the ends of a lock ------------------------------------------------------

@pytest.mark.parametrize("take,give", [
    (("flock", EX), ("flock", SH)),
    (("flock", EX), ("flock", UN)),
    (("setlk", SETLK, WR), ("setlk", SETLK, RD)),
    (("setlk", SETLK, WR), ("setlk", SETLK, NONE)),
    (("setlk", SETLK, WR), ("close",))])
def test_who_gives_waits_until_others_can_take(server, mount, chroot, zk, m2,
                                               f, lockers, take, give):
    with TamperProxy(server.hostport) as proxy:
        a = lockers(mount(proxy.hostport + chroot) / f)
        b = lockers(m2 / f)
        a.start(*take)
        assert a.result() == "ok"
        rule = proxy.on("hold", DELETE)
        a.start(*give)
        assert rule.hit.wait(10 * SLOW)
        a.blocked()
        rule.deliver()
        assert a.result() == "ok"
        assert b.setlk(SETLK, RD) == "ok"
        for locker in a, b:
            locker.kill()
        free(zk)        # while the proxy is there



@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
@pytest.mark.parametrize("end", ["close", "exit", "kill", "term"])
def test_it_ends_with_the_holder(m, m2, f, zk, lockers, flags, end):
    a, b = lockers(m / f, flags), lockers(m2 / f)
    assert a.flock(SH) == "ok"
    assert a.setlk(SETLKW, RD) == "ok"
    queued(zk, 2)
    b.start("flock", EX)
    b.blocked()
    if end == "close":
        assert a.close() == "ok"
    elif end == "exit":
        a.proc.stdin.close()
    else:
        a.kill(signal.SIGKILL if end == "kill" else signal.SIGTERM)
    assert b.result() == "ok"
    queued(zk, 1)


def test_flock_lives_as_long_as_the_last_descriptor(pair):
    a, b = pair
    assert a.flock(EX) == "ok"
    assert a.dup() == "ok"
    assert a.close() == "ok"
    assert b.flock(EX | NB) == "EAGAIN"
    a.kill()
    assert b.flock(EX) == "ok"


def test_fcntl_ends_with_any_close_of_the_file(pair, m, f):
    a, b = pair
    assert a.setlk(SETLKW, WR) == "ok"
    assert a.dup() == "ok"
    assert a.close() == "ok"
    wait_equal(lambda: b.setlk(SETLK, WR), "ok")


def test_open_file_description_locks(m, m2, f, zk, lockers):
    a, b = lockers(m / f), lockers(m2 / f)
    assert a.setlk(fcntl.F_OFD_SETLK, WR) == "ok"
    assert a.dup() == "ok"
    assert a.close() == "ok"
    assert b.setlk(SETLK, WR) == "EAGAIN"
    a.kill()
    assert b.setlk(SETLKW, WR) == "ok"


def test_it_ends_with_the_mount(m, m2, f, zk, lockers):
    a, b = lockers(m / f), lockers(m2 / f)
    assert a.flock(EX) == "ok"
    b.start("flock", EX)
    b.blocked()
    m.kill(signal.SIGTERM)
    assert b.result() == "ok"
    assert m.wait() == 0
    a.kill()


def test_what_is_written_is_there_when_it_ends(m, m2, f, zk, lockers):
    """Also whole blocks, which are gathered, and before the close."""
    data = "x" * 8192
    a, b = lockers(m / f), lockers(m2 / f)
    assert a.flock(EX) == "ok"
    assert a.write(data) == "ok"
    b.start("flock", EX)
    b.blocked()
    assert a.flock(UN) == "ok"
    assert b.result() == "ok"
    assert b.read() == data
    assert b.write("y" * 8192) == "ok"
    a.start("setlk", SETLKW, WR)
    b.kill()
    assert a.result() == "ok"
    assert a.read() == "y" * 8192


# -- questions and refusals --------------------------------------------------

def test_getlk(pair, m, f, zk, lockers):
    a, b = pair
    c = lockers(m / f)
    assert a.getlk(WR) == ["none", 0]
    assert a.setlk(SETLK, RD) == "ok"
    assert a.getlk(WR) == ["none", 0]
    assert b.getlk(RD) == ["none", 0]
    assert b.getlk(WR) == ["read", 0]       # of another mount
    assert c.getlk(WR) == ["read", a.pid]
    assert a.setlk(SETLK, WR) == "ok"
    assert c.getlk(RD) == ["write", a.pid]
    lock = zk.Lock("/f", "me")
    assert a.setlk(SETLK, NONE) == "ok"
    assert lock.acquire(timeout=10)
    assert a.getlk(RD) == ["write", 0]
    lock.release()


def test_a_range_is_refused(pair):
    a, b = pair
    assert a.setlk(SETLK, WR, 1, 0) == "EOPNOTSUPP"
    assert a.setlk(SETLK, WR, 0, 10) == "EOPNOTSUPP"
    assert a.setlk(SETLKW, RD, 5, 10) == "EOPNOTSUPP"
    assert b.setlk(SETLK, WR) == "ok"


def test_an_ephemeral_is_refused(m, f, zk, lockers):
    zk.create("/e", b"v", ephemeral=True)
    a = lockers(m / "e")
    assert a.flock(EX) == "ENOLCK"
    assert a.setlk(SETLKW, WR) == "ENOLCK"
    b = lockers(m / ".ephemeral/own", os.O_RDWR | os.O_CREAT)
    assert b.flock(EX) == "ENOLCK"
    assert b.write("v") == "ok"
    assert b.flock(EX) == "ENOLCK"


def test_a_read_only_mount_is_refused(mount, source, f, lockers):
    a = lockers(mount(source, "ro") / f, os.O_RDONLY)
    assert a.flock(SH) == "EROFS"


def test_a_deleted_file_is_refused(m, zk, lockers):
    zk.create("/gone", b"v")
    a = lockers(m / "gone")
    zk.delete("/gone")
    wait_for(lambda: not os.path.exists(m / "gone"), what="its end")
    assert a.flock(EX) == "ESTALE"


# -- files and directories ---------------------------------------------------

def test_flock_of_a_new_file(m, zk):
    out = ok("flock", m / "new", "sh", "-c", f"echo v > {m / 'new'}; echo x")
    assert out == "x\n"
    assert zk.get("/new")[0] == b"v\n"
    free(zk, "/new")
    ok("flock", m / "empty", "true")
    assert zk.get("/empty")[0] == b""
    free(zk, "/empty")


def test_of_a_shell(m, m2, f, zk):
    """The usual idiom; a shell truncates what it opens for writing."""
    put(m / "n", b"0")
    script = """
        for i in 1 2 3 4 5; do
            exec 9>> "$1/f"
            flock 9
            n=$(cat "$1/n"); echo $((n + 1)) > "$1/n"
            exec 9>&-
        done"""
    shell('(%s) & (shift; %s) & wait' % (script, script), m, m2)
    assert get(m / "n") == b"10\n"


def test_a_locked_file_is_a_file(m, m2, mount, source, f, zk, lockers):
    """On every mount, and to one that meets it while it is locked."""
    put(m / "f", b"value")
    a = lockers(m / f)
    assert a.flock(EX) == "ok"
    for mnt in (m, m2, mount(source)):
        assert stat.S_ISREG(os.stat(mnt / "f").st_mode)
        assert get(mnt / "f") == b"value"
        assert os.listdir(mnt) == ["f"]
    append(m2 / "f", b"+")
    wait_equal(lambda: get(m / "f"), b"value+")
    assert a.flock(UN) == "ok"
    assert stat.S_ISREG(os.stat(m2 / "f").st_mode)


def test_a_lock_is_no_event(m, m2, f, lockers):
    """To those who watch the file or its directory."""
    with Inotify() as watcher:
        watcher.add_watch(m2)
        watcher.add_watch(m2 / f)
        a = lockers(m / f)
        for how in (EX, SH, EX, UN):
            assert a.flock(how) == "ok"
        os.mkdir(m / "end")
        seen = watcher.until(lambda events: "end" in [e.name for e in events])
        # That the file came into being may be told only now.
        assert {str(e) for e in seen} <= {"CREATE f", "CREATE,ISDIR end"}


@pytest.mark.parametrize("first", ["lock", "child"])
def test_a_real_child_makes_it_a_directory(m, m2, mount, source, f, zk,
                                           lockers, first):
    assert get(m2 / "f") == b"v"
    if first == "child":
        zk.create("/f/c", b"v")
        a = lockers(m / "f/.data")
        assert a.flock(EX) == "ok"
    else:
        a = lockers(m / "f")
        assert a.flock(EX) == "ok"
        zk.create("/f/c", b"v")
    for mnt in (m, m2, mount(source)):
        wait_for(lambda: os.path.isdir(mnt / "f"), what="the directory")
        assert get(mnt / "f/.data") == b"v"
        assert get(mnt / "f/c") == b"v"
    zk.delete("/f/c")


def test_data_of_a_directory(m, m2, zk, lockers):
    """Lock znodes are listed there as what they are."""
    zk.create("/d", None)
    zk.create("/d/c", b"v")
    a = lockers(m / "d/.data", os.O_RDWR | os.O_CREAT)
    b = lockers(m2 / "d/.data", os.O_RDWR | os.O_CREAT)
    assert a.flock(EX) == "ok"
    assert b.flock(EX | NB) == "EAGAIN"
    name = [n for n in zk.get_children("/d") if n != "c"][0]
    wait_for(lambda: name in os.listdir(m2 / "d"), what="the lock's entry")
    assert stat.S_ISREG(os.stat(m2 / "d" / name).st_mode)
    assert a.flock(UN) == "ok"
    wait_for(lambda: name not in os.listdir(m2 / "d"), what="its end")


def test_of_the_root(m, m2, zk, lockers):
    zk.set("/", b"v")
    a, b = lockers(m / ".data"), lockers(m2 / ".data")
    assert a.flock(EX) == "ok"
    assert b.flock(EX | NB) == "EAGAIN"
    assert a.flock(UN) == "ok"
    assert b.flock(EX) == "ok"
    b.kill()
    wait_equal(lambda: zk.get_children("/"), [])


def test_a_directory_itself_is_locked_on_this_mount_only(m, m2, zk, lockers):
    """The kernel does not tell the filesystem of it."""
    zk.create("/d", None)
    fds = [os.open(path, os.O_RDONLY) for path in (m / "d", m2 / "d", m / "d")]
    try:
        fcntl.flock(fds[0], EX)
        fcntl.flock(fds[1], EX | NB)
        with fails("EAGAIN"):
            fcntl.flock(fds[2], EX | NB)
        assert zk.get_children("/d") == []
    finally:
        for fd in fds:
            os.close(fd)


def test_a_locked_file_cannot_be_removed_or_renamed(m, m2, f, zk, lockers):
    a = lockers(m / f)
    assert a.flock(EX) == "ok"
    put(m / "x", b"new")
    for mnt in (m, m2):
        with fails("EBUSY"):
            os.unlink(mnt / "f")
        with fails("EBUSY"):
            os.rename(mnt / "f", mnt / "g")
    queued(zk, 1)
    os.rename(m / "x", m / "f")
    assert zk.get("/f")[0] == b"new"
    assert run("flock", "-n", m2 / "f", "true").returncode == 1
    queued(zk, 1)
    assert a.flock(UN) == "ok"
    assert get(m2 / "f") == b"new"


def token(path):
    return int(os.getxattr(path, "user.zk.lock"), 16)


def test_fencing_token(pair, how, m, m2, zk):
    """Larger with each holder, and there only while it is held."""
    exclusive, _, unlock = how
    last = 0
    for i in range(4):
        mount = (m, m2)[i % 2]
        assert exclusive(pair[i % 2]) == "ok"
        lock, = zk.get_children("/f")
        assert token(mount / "f") == zk.exists(f"/f/{lock}").czxid
        assert token(mount / "f") > last
        last = token(mount / "f")
        with fails("ENODATA"):
            token((m2, m)[i % 2] / "f")
        assert unlock(pair[i % 2]) == "ok"
        with fails("ENODATA"):
            token(mount / "f")


def test_fencing_token_of_any_thread(m, f, lockers):
    """A lock is the process's, whichever of its threads has taken it."""
    other = lockers(m / f)
    with open(m / f, "rb") as file:
        taker = threading.Thread(target=fcntl.flock, args=(file, SH))
        taker.start()
        taker.join()
        token = os.getxattr(m / f, "user.zk.lock")
        assert other.flock(SH) == "ok"
        assert os.getxattr(m / f, "user.zk.lock") == token
    assert other.flock(UN) == "ok"
