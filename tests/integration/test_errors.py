# SPDX-License-Identifier: Apache-2.0
"""Which errno a program gets for what the server says."""

import os
import time

import pytest
from kazoo.security import ACL, Id, Permissions, make_digest_acl

from harness.files import fails, get, opened, put, run
from harness.wait import SLOW, wait_equal

ANYONE = Id("world", "anyone")
READ_ONLY = [ACL(Permissions.READ, ANYONE)]
SECRET = [make_digest_acl("joe", "pw", all=True)]


def test_nonode(m):
    with fails("ENOENT"):
        os.stat(m / "x")
    with fails("ENOENT"):
        os.open(m / "x", os.O_RDONLY)
    with fails("ENOENT"):
        os.listdir(m / "x")
    with fails("ENOENT"):
        os.unlink(m / "x")
    with fails("ENOENT"):
        os.rmdir(m / "x")
    with fails("ENOENT"):
        os.mkdir(m / "x/y")
    with fails("ENOENT"):
        put(m / "x/y", b"v")


def test_nonode_behind_the_mounts_back(m, zk):
    """Known here, just deleted elsewhere: the server's word counts."""
    for name in ("f", "g", "d"):
        zk.create(f"/{name}", None if name == "d" else b"v")
        os.stat(m / name)
    assert os.listdir(m / "d") == []
    for name in ("f", "g", "d"):
        zk.delete(f"/{name}")
    with fails("ENOENT"):
        os.unlink(m / "f")
    with fails("ENOENT"):
        os.rename(m / "g", m / "h")
    with fails("ENOENT"):
        os.rmdir(m / "d")
    with fails("ENOENT"):
        put(m / "d/f", b"v")


def test_nodeexists(m, zk):
    zk.create("/d", None)
    zk.create("/f", b"v")
    for name in ("d", "f"):
        with fails("EEXIST"):
            os.mkdir(m / name)


def test_nodeexists_behind_the_mounts_back(m, zk):
    assert os.listdir(m) == []
    zk.create("/d", None)
    with fails("EEXIST"):
        os.mkdir(m / "d")


def test_notempty(m, zk):
    zk.create("/d", None)
    zk.create("/d/x", None)
    with fails("ENOTEMPTY"):
        os.rmdir(m / "d")


def test_noauth_to_read(m, zk):
    zk.create("/f", b"v", acl=SECRET)
    with fails("EACCES"):
        get(m / "f")
    assert "Permission denied" in run("cat", m / "f").stderr


def test_noauth_to_list(m, zk):
    zk.create("/d", None, acl=SECRET)
    with fails("EACCES"):
        os.listdir(m / "d")
    zk.create("/other", b"v")
    wait_equal(lambda: get(m / "other"), b"v")


def test_noauth_to_walk_but_below_is_open(m, zk):
    """ZooKeeper has no right to search: a path below can be reached."""
    zk.create("/d", None)
    zk.create("/d/f", b"v")
    zk.set_acls("/d", SECRET)
    assert get(m / "d/f") == b"v"


def test_noauth_to_create_and_delete(m, zk):
    zk.create("/d", None)
    zk.create("/d/f", b"v")
    zk.create("/d/e", None)
    zk.set_acls("/d", READ_ONLY)
    with fails("EACCES"):
        put(m / "d/new", b"v")
    with fails("EACCES"):
        os.open(m / "d/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with fails("EACCES"):
        os.mkdir(m / "d/new")
    with fails("EACCES"):
        os.unlink(m / "d/f")
    with fails("EACCES"):
        os.rmdir(m / "d/e")
    assert sorted(zk.get_children("/d")) == ["e", "f"]
    put(m / "d/f", b"w")
    assert zk.get("/d/f")[0] == b"w"


def test_noauth_to_write(m, zk):
    zk.create("/f", b"v", acl=READ_ONLY)
    with fails("EACCES"):
        put(m / "f", b"w")
    with fails("EACCES"):
        put(m / "f", b"w", os.O_APPEND)
    with fails("EACCES"):
        os.truncate(m / "f", 0)
    with fails("EACCES"):
        os.utime(m / "f")
    assert zk.get("/f")[0] == b"v"


def test_nochildrenforephemerals(m, zk):
    zk.create("/e", b"v", ephemeral=True)
    with fails("ENOTDIR"):
        put(m / "e/f", b"v")
    with fails("ENOTDIR"):
        os.mkdir(m / "e/d")


def test_nochildrenforephemerals_behind_the_mounts_back(m, zk):
    """A directory that was replaced by an ephemeral since it was listed."""
    os.mkdir(m / "d")
    with opened(m / "d", os.O_RDONLY | os.O_DIRECTORY) as fd:
        os.listdir(fd)
        zk.delete("/d")
        zk.create("/d", b"", ephemeral=True)
        with fails("ENOTDIR", "ENOENT", "ESTALE"):
            os.mkdir("x", dir_fd=fd)


def test_quotaexceeded(m, zk, zkroot, server, chroot):
    """A hard limit on the number of znodes and on the bytes."""
    quota = f"/zookeeper/quota{chroot}"
    zkroot.ensure_path(quota)
    limits = (b"count=3,bytes=100;byteHardLimit=100;countHardLimit=3")
    zkroot.create(f"{quota}/zookeeper_limits", limits)
    zkroot.create(f"{quota}/zookeeper_stats", b"count=1,bytes=0")
    try:
        put(m / "a", b"v")
        with fails("EDQUOT"):
            for i in range(5):
                put(m / f"n{i}", b"v")
        with fails("EDQUOT"):
            for i in range(5):
                os.mkdir(m / f"d{i}")
        with fails("EDQUOT"):
            put(m / "a", b"v" * 200)
        assert zk.get("/a")[0] == b"v"
        assert "quota" in run("cp", "/bin/sh", m / "a").stderr.lower()
    finally:
        zkroot.delete(f"/zookeeper/quota{chroot}", recursive=True)


def test_too_large(m, zk):
    with fails("EFBIG"):
        put(m / "f", b"x" * 1_100_000)
    assert zk.get_children("/") == []


@pytest.mark.deadline(90)
def test_connection_loss(own_server, client, mount):
    """What needs the server waits for `timeout`, then it is EIO."""
    zk = client(own_server.hostport)
    zk.create("/t", None)
    zk.create("/t/unknown", b"v")
    zk.create("/t/known", b"v")
    m = mount(f"{own_server.hostport}/t", "timeout=1", allow=".")
    assert get(m / "known") == b"v"
    own_server.kill()
    with fails("EIO"):
        get(m / "unknown")
    with fails("EIO"):
        put(m / "known", b"w")
    with fails("EIO"):
        os.mkdir(m / "d")
    with fails("EIO"):
        os.unlink(m / "known")
    done = run("bash", "-c", 'echo w > "$1"', "bash", m / "known")
    assert done.returncode and "Input/output error" in done.stderr
    own_server.start()
    wait_equal(lambda: get(m / "unknown"), b"v", 30)
    wait_equal(lambda: get(m / "known"), b"v")
    put(m / "known", b"w")
    assert client(own_server.hostport).get("/t/known")[0] == b"w"


@pytest.mark.deadline(90)
def test_hung_server(own_server, client, mount):
    """A server that does not answer is no different."""
    zk = client(own_server.hostport)
    zk.create("/t", None)
    zk.create("/t/f", b"v")
    m = mount(f"{own_server.hostport}/t", "timeout=1", allow=".")
    own_server.pause()
    start = time.monotonic()
    with fails("EIO"):
        get(m / "f")
    assert time.monotonic() - start < 10 * SLOW
    own_server.resume()
    wait_equal(lambda: get(m / "f"), b"v", 30)


@pytest.mark.deadline(90)
def test_short_outage_is_only_a_delay(own_server, client, mount):
    zk = client(own_server.hostport)
    zk.create("/t", None)
    zk.create("/t/f", b"v")
    m = mount(f"{own_server.hostport}/t", allow=".")
    own_server.kill()
    own_server.start(wait=False)
    assert get(m / "f") == b"v"
    put(m / "f", b"w")
    assert client(own_server.hostport).get("/t/f")[0] == b"w"


def test_punching_a_hole_is_not_supported(m, zk):
    zk.create("/f", b"v")
    done = run("fallocate", "-p", "-o", "0", "-l", "1", m / "f")
    assert done.returncode
    assert zk.get("/f")[0] == b"v"
