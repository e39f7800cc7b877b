# SPDX-License-Identifier: Apache-2.0
"""Changes whose answer gets lost: what the mount says is what the server has.

A proxy loses the answer, or the request, of one change.  The change is looked
up once the connection is back, and sent again where it has not taken place.
"""

import concurrent.futures
import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from harness import procs
from harness.files import append, get, put
from harness.inotify import CREATE as IN_CREATE
from harness.inotify import Inotify
from harness.tamper import (CREATE, DELETE, MULTI, SET, SET_ACL, TamperProxy)
from harness.wait import SLOW, wait_equal, wait_for

# A connection on which nothing passes is given up after two thirds of it.
SESSION = 3 * SLOW
TIMEOUT = 40 * SLOW

NOT_APPLIED = ["before", "cut", "dark-before", "late"]
APPLIED = ["after", "cut-reply", "dark-after", "half-open"]

INTERRUPTED = """
import errno, os, signal, sys
class Interrupt(Exception): pass
def handler(*_): raise Interrupt
signal.signal(signal.SIGUSR1, handler)
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
try:
    os.write(fd, b"new")
    print("written")
except Interrupt:
    print("EINTR")
except OSError as e:
    print(errno.errorcode[e.errno])
os._exit(0)
"""


@pytest.fixture
def proxy(server):
    with TamperProxy(server.hostport) as p:
        yield p


@pytest.fixture
def m(mount, proxy, chroot):
    return mount(proxy.hostport + chroot, f"session_timeout={SESSION:g}",
                 f"timeout={TIMEOUT:g}", allow="not known")


def lose(proxy, action, opcode, change):
    """Make the change while the proxy does @action to its request."""
    rule = proxy.on(action, opcode)
    change()
    assert rule.hit.is_set(), "the change was made by another request"
    rule.deliver()
    return rule


def value(zk, path):
    data, stat = zk.get(path)
    return data, stat.version


def still(zk, path, expected):
    """Nothing comes late: what is there after another change is the same."""
    zk.sync(path)
    assert value(zk, path) == expected


@pytest.mark.parametrize("action", NOT_APPLIED + APPLIED)
def test_create(proxy, m, zk, action):
    lose(proxy, action, CREATE, lambda: put(m / "f", b"v"))
    still(zk, "/f", (b"v", 0))
    assert get(m / "f") == b"v"


@pytest.mark.parametrize("action", NOT_APPLIED + APPLIED)
def test_set(proxy, m, zk, action):
    zk.create("/f", b"old")
    assert get(m / "f") == b"old"
    lose(proxy, action, SET, lambda: put(m / "f", b"new"))
    still(zk, "/f", (b"new", 1))
    assert get(m / "f") == b"new"


@pytest.mark.parametrize("action", NOT_APPLIED + APPLIED)
def test_append(proxy, m, zk, action):
    zk.create("/f", b"a\n")
    lose(proxy, action, SET, lambda: append(m / "f", b"b\n"))
    still(zk, "/f", (b"a\nb\n", 1))
    assert get(m / "f") == b"a\nb\n"


@pytest.mark.parametrize("action", NOT_APPLIED + APPLIED)
def test_delete(proxy, m, zk, action):
    zk.create("/f", b"v")
    lose(proxy, action, DELETE, lambda: os.unlink(m / "f"))
    assert not zk.exists("/f")
    assert os.listdir(m) == []


@pytest.mark.parametrize("action", NOT_APPLIED + APPLIED)
def test_rmdir(proxy, m, zk, action):
    zk.create("/d", None)
    lose(proxy, action, DELETE, lambda: os.rmdir(m / "d"))
    assert not zk.exists("/d")
    assert not (m / "d").exists()


@pytest.mark.parametrize("action", NOT_APPLIED)
def test_mkdir_that_did_not_arrive(proxy, m, zk, action):
    lose(proxy, action, CREATE, lambda: os.mkdir(m / "d"))
    zk.sync("/d")
    assert zk.get("/d")[1].version == 0
    assert (m / "d").is_dir()


@pytest.mark.parametrize("action", APPLIED)
def test_mkdir_that_arrived(proxy, m, zk, action):
    """Who made it cannot be told: nobody may take it for a lock."""
    with pytest.raises(OSError) as e:
        lose(proxy, action, CREATE, lambda: os.mkdir(m / "d"))
    assert e.value.errno == errno.EIO
    wait_for(lambda: "/d: a change was sent" in m.log(), 10)
    assert zk.exists("/d")
    wait_for(lambda: (m / "d").is_dir(), 10)


@pytest.mark.parametrize("action", NOT_APPLIED + APPLIED)
def test_rename(proxy, m, zk, action):
    zk.create("/a", b"v")
    lose(proxy, action, MULTI, lambda: os.rename(m / "a", m / "b"))
    assert not zk.exists("/a")
    still(zk, "/b", (b"v", 0))
    assert os.listdir(m) == ["b"]


@pytest.mark.parametrize("action", ["before", "after"])
def test_rename_over_a_file(proxy, m, zk, action):
    zk.create("/a", b"new")
    zk.create("/b", b"old")
    lose(proxy, action, MULTI, lambda: os.rename(m / "a", m / "b"))
    assert not zk.exists("/a")
    still(zk, "/b", (b"new", 1))


@pytest.mark.parametrize("action", ["before", "after"])
def test_rename_a_subtree(proxy, m, zk, action):
    zk.create("/a/b/c", b"v", makepath=True)
    lose(proxy, action, MULTI, lambda: os.rename(m / "a", m / "z"))
    assert not zk.exists("/a")
    still(zk, "/z/b/c", (b"v", 0))


@pytest.mark.parametrize("action", ["before", "after"])
def test_ephemeral(proxy, m, zk, action):
    lose(proxy, action, CREATE, lambda: put(m / ".ephemeral/e", b"v"))
    assert zk.get("/e")[1].ephemeralOwner != 0
    still(zk, "/e", (b"v", 0))


REMOVALS = {
    "rename": (MULTI, lambda m: os.rename(m / "g", m / "f"), b"new"),
    "unlink": (DELETE, lambda m: os.unlink(m / "f"), b"made since"),
}


@pytest.fixture
def removed(proxy, m, zk):
    """Remove "f" here, which the server does, and nobody here knows yet.

    What others see in its place is there before the test begins.
    """
    rules = []

    def removed(how):
        opcode, remove, there = REMOVALS[how]
        zk.create("/f", b"old")
        zk.create("/g", b"new")
        assert get(m / "f") == b"old"
        rules.append(proxy.on("hold", opcode))
        future = pool.submit(remove, m)
        assert rules[0].hit.wait(10)
        if how == "unlink":
            zk.create("/f", there)
        assert zk.get("/f")[0] == there
        return lambda: (rules[0].deliver(), future.result())

    with concurrent.futures.ThreadPoolExecutor() as pool:
        try:
            yield removed
        finally:
            for rule in rules:
                rule.deliver()


@pytest.mark.parametrize("how", REMOVALS)
def test_write_after_a_removal_that_is_not_answered(m, zk, removed, how):
    """What is said to be written is written to what is there now."""
    answer = removed(how)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        writing = pool.submit(put, m / "f", b"mine")
        time.sleep(0.2)         # in the kernel; sooner or later is as well
        answer()
        error = writing.exception(10)
    if error:
        assert error.errno == errno.ENOENT
    else:
        assert zk.get("/f")[0] == b"mine"


@pytest.mark.parametrize("how", REMOVALS)
def test_opened_after_a_removal_that_is_not_answered(m, zk, removed, how):
    """The same of one that may have been opened before."""
    answer = removed(how)
    with open(m / "f", "r+b", buffering=0) as f:
        answer()
        try:
            f.write(b"mine ")
        except OSError as e:
            assert e.errno == errno.ENOENT
        else:
            assert zk.get("/f")[0].startswith(b"mine ")


@pytest.mark.parametrize("how", REMOVALS)
def test_truncate_after_a_removal_that_is_not_answered(m, zk, removed, how):
    answer = removed(how)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        cutting = pool.submit(os.truncate, m / "f", 2)
        time.sleep(0.2)         # in the kernel, as above
        answer()
        error = cutting.exception(10)
    if error:
        assert error.errno == errno.ENOENT
    else:
        assert len(zk.get("/f")[0]) == 2


@pytest.mark.parametrize("how", REMOVALS)
def test_opened_before_a_removal(m, zk, how):
    """What was open before is a file without a name, as on a disk."""
    _, remove, _ = REMOVALS[how]
    zk.create("/f", b"old")
    zk.create("/g", b"new")
    with open(m / "f", "r+b", buffering=0) as f:
        remove(m)
        f.write(b"lost")
        f.seek(0)
        assert f.read() == b"lost"


@pytest.mark.parametrize("action", NOT_APPLIED + APPLIED)
def test_acl(proxy, m, zk, action):
    zk.create("/f", b"v")
    lose(proxy, action, SET_ACL,
         lambda: os.setxattr(m / "f", "user.zk.acl", b"world:anyone:rwa"))
    zk.sync("/f")
    acl, stat = zk.get_acls("/f")
    assert [(a.perms, a.id.scheme) for a in acl] == [(1 | 2 | 16, "world")]
    assert stat.aversion == (1 if action in NOT_APPLIED else 2)


@pytest.mark.parametrize("action", ["before", "after"])
def test_sequential(proxy, m, zk, action):
    """Its name is not known: it is not looked for, nor made again."""
    zk.create("/q", None)
    with pytest.raises(OSError) as e:
        lose(proxy, action, CREATE,
             lambda: put(m / ".sequential/q/task-", b"job"))
    assert e.value.errno == errno.EIO
    wait_for(lambda: "/q/task-: a change was sent" in m.log(), 10)
    zk.sync("/q")
    assert len(zk.get_children("/q")) == (1 if action == "after" else 0)


def test_o_excl_that_arrived(proxy, m, zk):
    with pytest.raises(OSError) as e:
        lose(proxy, "after", CREATE, lambda: os.close(
            os.open(m / "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY)))
    assert e.value.errno == errno.EIO


def test_twice_lost(proxy, m, zk):
    """The second try gets lost as well, in another way."""
    zk.create("/f", b"old")
    proxy.on("before", SET)
    rule = proxy.on("after", SET)
    put(m / "f", b"new")
    assert rule.hit.is_set()
    still(zk, "/f", (b"new", 1))


def meanwhile(proxy, action, opcode, change, other):
    """Make the change; before it is looked up, another client acts.

    Returns the errno, 0 for none.
    """
    def errno_of():
        try:
            change()
        except OSError as e:
            return e.errno
        return 0

    rule = proxy.on(action, opcode)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        result = pool.submit(errno_of)
        assert rule.hit.wait(20 * SLOW)
        other()
        proxy.unblock()
        return result.result(60 * SLOW)


@pytest.mark.parametrize("action", ["block", "block-after"])
def test_set_by_another_meanwhile(proxy, m, zk, action):
    """What another has set since is not overwritten; who was first?"""
    zk.create("/f", b"old")
    assert get(m / "f") == b"old"
    rc = meanwhile(proxy, action, SET, lambda: put(m / "f", b"ours"),
                   lambda: zk.set("/f", b"theirs"))
    assert rc == errno.EIO
    assert zk.get("/f")[0] == b"theirs"
    assert get(m / "f") == b"theirs"


@pytest.mark.parametrize("action", ["block", "block-after"])
def test_same_set_by_another_meanwhile(proxy, m, zk, action):
    zk.create("/f", b"old")
    rc = meanwhile(proxy, action, SET, lambda: put(m / "f", b"v"),
                   lambda: zk.set("/f", b"v"))
    assert rc == 0
    assert get(m / "f") == b"v"


def test_append_by_another_meanwhile(proxy, m, zk):
    """The next version is theirs: ours has not been applied."""
    zk.create("/f", b"a\n")
    rc = meanwhile(proxy, "block", SET, lambda: append(m / "f", b"ours\n"),
                   lambda: zk.set("/f", b"a\ntheirs\n"))
    assert rc == 0
    still(zk, "/f", (b"a\ntheirs\nours\n", 2))


def test_append_on_which_another_went_on(proxy, m, zk):
    """It cannot be told, and is not done twice."""
    zk.create("/f", b"a\n")
    rc = meanwhile(proxy, "block-after", SET,
                   lambda: append(m / "f", b"ours\n"),
                   lambda: zk.set("/f", b"a\nours\ntheirs\n"))
    assert rc == errno.EIO
    still(zk, "/f", (b"a\nours\ntheirs\n", 2))


def test_mkdir_by_another_meanwhile(proxy, m, zk):
    """Two race for a name: the loser is not told that it has won."""
    rc = meanwhile(proxy, "block", CREATE, lambda: os.mkdir(m / "d"),
                   lambda: zk.create("/d", b"theirs"))
    assert rc == errno.EEXIST


def test_delete_and_made_again_meanwhile(proxy, m, zk):
    def again():
        zk.create("/f", b"new")

    zk.create("/f", b"old")
    assert get(m / "f") == b"old"
    assert meanwhile(proxy, "block-after", DELETE,
                     lambda: os.unlink(m / "f"), again) == 0
    wait_equal(lambda: get(m / "f"), b"new")


def test_rename_of_what_another_took_meanwhile(proxy, m, zk):
    zk.create("/a", b"v")
    rc = meanwhile(proxy, "block", MULTI,
                   lambda: os.rename(m / "a", m / "b"),
                   lambda: zk.delete("/a"))
    assert rc == errno.EIO
    assert not zk.exists("/b")


@pytest.mark.parametrize("action", ["block", "block-after"])
def test_no_server_comes_back(mount, proxy, chroot, zk, action):
    """With the end of `timeout` it is an error, and the log says which."""
    m = mount(proxy.hostport + chroot, "timeout=2", allow="not known")
    zk.create("/f", b"old")
    proxy.on(action, SET)
    start = time.monotonic()
    with pytest.raises(OSError) as e:
        put(m / "f", b"new")
    assert e.value.errno == errno.EIO
    assert time.monotonic() - start < 2 + 5 * SLOW
    assert "/f: a change was sent" in m.log()
    proxy.unblock()
    wait_equal(lambda: get(m / "f"), zk.get("/f")[0], 20)


@pytest.mark.parametrize("action", ["block", "block-after"])
def test_interrupted_before_it_is_known(proxy, m, zk, action):
    """A signal ends the wait for the look; no line in the log."""
    zk.create("/f", b"old")
    rule = proxy.on(action, SET)
    with subprocess.Popen(
            procs.tied([sys.executable, "-c", INTERRUPTED, m / "f"]),
            stdout=subprocess.PIPE, text=True) as proc:
        assert rule.hit.wait(20 * SLOW)
        proc.send_signal(signal.SIGUSR1)
        assert proc.communicate(timeout=20 * SLOW)[0].strip() == "EINTR"
    proxy.unblock()
    zk.sync("/f")
    wait_equal(lambda: get(m / "f"), zk.get("/f")[0], 20)


def test_watchers_hear_of_what_was_lost(proxy, m, zk):
    """A change that is reported as an error, and took place, is announced."""
    with Inotify() as notify:
        notify.add_watch(m)
        with pytest.raises(OSError):
            lose(proxy, "after", CREATE, lambda: os.mkdir(m / "d"))
        seen = notify.until(lambda evs: any(
            e.mask & IN_CREATE and e.name == "d" for e in evs))
        assert [e.name for e in seen if e.mask & IN_CREATE] == ["d"]
