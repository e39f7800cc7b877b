# SPDX-License-Identifier: Apache-2.0
"""`.container` and `.ttl/SECONDS`: znodes that the server removes.

A server does not tell its clients which znodes these are; what shows it is
that they go.  One that looks for them every 100 ms is started for this file.
"""

import os
import stat
import time

import pytest

from harness.files import append, fails, get, ok, opened, put, shell, slurp
from harness.inotify import Inotify
from harness.server import Server
from harness.tree import remove, snapshot, wait_data
from harness.wait import wait_equal, wait_for

SOON = ["-Dznode.container.checkIntervalMs=100"]
NEVER = ["-Dzookeeper.extendedTypesEnabled=false"]
LONG = "86400"


@pytest.fixture(scope="module")
def reaper(workplace):
    own = Server(workplace.mkdir("zookeeper"), jvm=SOON).start()
    yield own
    own.kill()


@pytest.fixture
def server(reaper, client):
    """The fixtures of conftest.py stand on this one here."""
    yield reaper
    zk = client(reaper.hostport)
    for name in zk.get_children("/"):
        if name != "zookeeper":
            remove(zk, "/" + name)


def events(ino, last, timeout=10):
    seen = ino.until(lambda seen: last in map(str, seen), timeout)
    return [str(e) for e in seen]


def gone(zk, path):
    return lambda: not zk.exists(path)


# -- containers --------------------------------------------------------------

def test_a_container_goes_with_its_last_child(m, zk):
    os.mkdir(m / ".container/c")
    os.mkdir(m / "d")
    assert os.listdir(m / "c") == []
    for top in ("c", "d"):
        put(m / top / "f", b"v")
    assert sorted(os.listdir(m)) == ["c", "d"]
    for top in ("c", "d"):
        os.unlink(m / top / "f")
    wait_for(gone(zk, "/c"))
    assert zk.exists("/d")
    wait_equal(lambda: os.listdir(m), ["d"])


def test_containers_in_containers(m, zk):
    ok("mkdir", "-p", m / ".container/a/b/c")
    put(m / "a/b/c/f", b"v")
    assert snapshot(zk) == {"/": None, "/a": None, "/a/b": None,
                            "/a/b/c": None, "/a/b/c/f": b"v"}
    os.unlink(m / "a/b/c/f")
    wait_for(gone(zk, "/a"))


def test_only_directories(m, zk):
    for flags in (os.O_CREAT, os.O_CREAT | os.O_EXCL):
        with fails("EPERM"):
            put(m / ".container/f", b"v", flags)
    with fails("EPERM"):
        os.mknod(m / ".container/f")
    assert zk.get_children("/") == []


def test_walking_and_removing_there(m, zk):
    zk.create("/file", b"v")
    os.mkdir(m / ".container/c")
    assert sorted(os.listdir(m / ".container")) == ["c", "file"]
    os.mkdir(m / ".container/file/below")
    wait_for(lambda: os.path.isdir(m / "file/below"))
    with fails("ENOTEMPTY"):
        os.rmdir(m / ".container/file")
    with fails("EEXIST"):
        os.mkdir(m / ".container/c")
    os.rmdir(m / ".container/c")
    wait_equal(lambda: os.listdir(m), ["file"])
    with fails("ENOENT"):
        os.mkdir(m / ".container/no/such")
    with fails("ENOENT"):
        os.stat(m / ".container/.container")


def test_watchers_of_a_container(m, m2, zk):
    zk.create("/w", None)
    with Inotify() as here, Inotify() as there:
        here.add_watch(m / "w")
        there.add_watch(m2 / "w")
        os.mkdir(m / ".container/w/c")
        for ino in (here, there):
            assert events(ino, "CREATE,ISDIR c") == ["CREATE,ISDIR c"]
        put(m / "w/c/f", b"v")
        os.unlink(m / "w/c/f")
        for ino in (here, there):
            assert events(ino, "DELETE,ISDIR c") == ["DELETE,ISDIR c"]


def test_moved_there_it_is_one(m, zk):
    ok("mkdir", "-p", m / "tree/a")
    ok("mv", m / "tree", m / ".container/c")
    assert sorted(snapshot(zk)) == ["/", "/c", "/c/a"]
    put(m / "c/a/f", b"v")
    os.unlink(m / "c/a/f")
    wait_for(gone(zk, "/c"))


# -- time to live ------------------------------------------------------------

def test_goes_after_its_time(m, zk):
    os.mkdir(m / ".ttl/3/d")
    put(m / ".ttl/3/f", b"v")
    put(m / ".ttl/3/x", b"v", os.O_CREAT | os.O_EXCL)
    put(m / "stays", b"v")
    put(m / f".ttl/{LONG}/stays-longer", b"v")
    for name in "dfx":
        wait_for(gone(zk, "/" + name))
    wait_equal(lambda: sorted(os.listdir(m)), ["stays", "stays-longer"])


def test_made_with_its_data(m, zk):
    os.mkdir(m / f".ttl/{LONG}/d")
    put(m / f".ttl/{LONG}/f", b"v")
    put(m / f".ttl/{LONG}/x", b"v", os.O_CREAT | os.O_EXCL)
    assert [zk.exists("/" + name).version for name in "dfx"] == [0, 0, 1]


def test_both_views_have_it(m, zk):
    put(m / f".ttl/{LONG}/f", b"v")
    assert get(m / "f") == get(m / f".ttl/{LONG}/f") == b"v"
    put(m / f".ttl/{LONG}/f", b"over")
    assert get(m / "f") == b"over"
    append(m / "f", b" and over")
    assert get(m / f".ttl/{LONG}/f") == b"over and over"
    assert zk.get("/f")[1].version == 2
    for path in (m / "f", m / f".ttl/{LONG}/f"):
        assert stat.S_ISREG(os.stat(path).st_mode)
    os.unlink(m / f".ttl/{LONG}/f")
    assert not zk.exists("/f")
    wait_for(lambda: not os.path.exists(m / "f"))


def test_a_write_keeps_it_alive(m, zk):
    """It lives through several times its time, and then it goes.

    Where the machine stood still for that long, it may have gone before.
    """
    put(m / ".ttl/2/f", b"0")
    st = first = zk.exists("/f")
    while st.mtime - first.mtime < 5000:
        time.sleep(0.1)
        last = st.mtime
        put(m / ".ttl/2/f", b"v")
        st = zk.exists("/f")
        if st.czxid != first.czxid:
            assert st.ctime - last >= 2000
            first = st
    assert st.version > 3
    wait_for(gone(zk, "/f"))


def test_what_exists_keeps_its_own_sort(m, zk):
    put(m / "f", b"v")
    put(m / ".ttl/1/f", b"w")
    put(m / ".ttl/1/other", b"v")
    wait_for(gone(zk, "/other"))
    assert zk.get("/f")[0] == b"w"


def test_renamed_it_is_a_plain_one(m, zk):
    """In the main view; in its own, mv copies and makes another."""
    put(m / ".ttl/5/f", b"v")
    put(m / ".ttl/5/g", b"v")
    os.rename(m / "f", m / "plain")
    with fails("EXDEV"):
        os.rename(m / ".ttl/5/g", m / ".ttl/5/h")
    ok("mv", m / ".ttl/5/g", m / ".ttl/5/h")
    wait_for(gone(zk, "/h"))
    assert zk.get_children("/") == ["plain"]


def test_a_tree_of_them(m, zk, tmp):
    ok("mkdir", "-p", tmp / "t/sub")
    put(tmp / "t/sub/f", b"v")
    ok("cp", "-r", tmp / "t", m / f".ttl/{LONG}/")
    assert snapshot(zk) == {"/": None, "/t": None, "/t/sub": None,
                            "/t/sub/f": b"v"}
    ok("cp", "-r", tmp / "t", m / ".ttl/3/goes")
    wait_for(gone(zk, "/goes"))


def test_kept_by_a_child(m, zk):
    os.mkdir(m / ".ttl/3/d")
    put(m / "d/child", b"v")
    put(m / ".ttl/3/witness", b"v")
    wait_for(gone(zk, "/witness"))
    assert zk.exists("/d")
    os.unlink(m / "d/child")
    wait_for(gone(zk, "/d"))


def test_touch_and_empty(m, zk):
    ok("touch", m / ".ttl/3/t")
    shell(': > "$1"', m / ".ttl/3/e")
    wait_data(zk, "/e", b"")
    for name in "te":
        wait_for(gone(zk, "/" + name))


def test_seconds_are_checked(m):
    for bad in ("abc", "0", "-1", "030", "1.5", "1099511628", "9" * 30, "+1",
                "1x", ".data", ".ttl"):
        with fails("ENOENT"):
            put(m / ".ttl" / bad / "f", b"v")
        with fails("ENOENT"):
            os.stat(m / ".ttl" / bad)
        with fails("EPERM"):
            os.mkdir(m / ".ttl" / bad)
        with fails("EPERM"):
            put(m / ".ttl" / bad, b"v")
    put(m / ".ttl/1099511627/f", b"v")
    assert get(m / "f") == b"v"


def test_the_directories(m, zk):
    numbers = {os.stat(m / p).st_ino
               for p in (".", ".ttl", ".ttl/30", ".ttl/60", ".container",
                         ".sequential")}
    assert len(numbers) == 6
    assert os.listdir(m / ".ttl") == [] == os.listdir(m)
    with fails("EEXIST"):
        os.mkdir(m / ".ttl/30")
    with fails("EPERM"):
        os.rmdir(m / ".ttl/30")
    with fails("EPERM"):
        os.rename(m / ".ttl/30", m / ".ttl/60")
    zk.create("/d", None)
    zk.create("/d/f", b"v")
    for number in ("30", "60"):
        assert os.listdir(m / ".ttl" / number) == ["d"]
        assert get(m / ".ttl" / number / "d/f") == b"v"
    assert len({os.stat(m / p / "d").st_ino
                for p in (".", ".ttl/30", ".ttl/60")}) == 3


def test_ephemerals_are_not_written_there(m, zk):
    put(m / ".ephemeral/e", b"v")
    assert get(m / ".ttl/30/e") == b"v"
    with fails("EEXIST"):
        put(m / ".ttl/30/e", b"w")
    assert zk.get("/e")[0] == b"v"


def test_watchers_of_what_has_a_time_to_live(m, m2, zk):
    zk.create("/w", None)
    with Inotify() as here, Inotify() as there:
        here.add_watch(m / "w")
        there.add_watch(m2 / "w")
        put(m / ".ttl/4/w/f", b"v")
        for ino in (here, there):
            assert events(ino, "CREATE f") == ["CREATE f"]
        put(m / ".ttl/4/w/f", b"new")
        for ino in (here, there):
            assert events(ino, "CLOSE_WRITE f") == ["MODIFY f",
                                                    "CLOSE_WRITE f"]
        assert get(m2 / "w/f") == b"new"
        assert os.stat(m / "w/f").st_size == 3
        for ino in (here, there):
            assert events(ino, "DELETE f") == ["DELETE f"]
    assert os.listdir(m / "w") == []


def test_largest(m, zk):
    """The request has eight bytes more than that of another create."""
    top = b"x" * (1 << 20)
    with fails("EFBIG"):
        put(m / f".ttl/{LONG}/f", top)
    most = 1048575 - 47 - 8 - len(zk.chroot + "/f")
    with fails("EFBIG"):
        put(m / f".ttl/{LONG}/f", top[:most + 1])
    put(m / f".ttl/{LONG}/f", top[:most])
    assert len(zk.get("/f")[0]) == most


def test_open_before_and_gone_meanwhile(m, zk):
    with opened(m / ".ttl/1/f", os.O_RDWR | os.O_CREAT) as fd:
        os.write(fd, b"v")
        wait_for(gone(zk, "/f"))
        assert slurp(fd) == b""
        assert os.pread(fd, 10, 0) == b"v"
        with fails("ENOENT"):
            os.write(fd, b"w")
    assert not zk.exists("/f")


def test_a_server_without_them(mount, workplace, client):
    own = Server(workplace.mkdir("zookeeper"), jvm=NEVER).start()
    try:
        m = mount(own.hostport)
        with fails("EOPNOTSUPP", "ENOTSUP"):
            os.mkdir(m / ".ttl/30/d")
        with fails("EOPNOTSUPP", "ENOTSUP"):
            put(m / ".ttl/30/f", b"v")
        with fails("EOPNOTSUPP", "ENOTSUP"):
            put(m / ".ttl/30/f", b"v", os.O_CREAT | os.O_EXCL)
        os.mkdir(m / ".container/c")
        zk = client(own.hostport)
        assert sorted(zk.get_children("/")) == ["c", "zookeeper"]
        m.stop()
        zk.stop()
    finally:
        own.kill()
