# SPDX-License-Identifier: Apache-2.0
"""Writes that fail: the writer is told so, and the old value stays."""

import errno
import mmap
import os

import pytest
from kazoo.security import ACL, Id, Permissions, make_digest_acl

from harness.files import append, fails, get, opened, put, run, shell
from harness.wait import wait_equal

BLOCK = 4096
READ_ONLY = [ACL(Permissions.READ, Id("world", "anyone"))]


def value(zk, path):
    data, st = zk.get(path)
    return data, st.version


# -- no right to write -------------------------------------------------------

def test_noauth_reaches_the_shell(m, zk):
    zk.create("/f", b"theirs", acl=READ_ONLY)
    done = shell('echo v > "$1"', m / "f", check=False)
    assert done.returncode != 0
    assert "Permission denied" in done.stderr
    assert value(zk, "/f") == (b"theirs", 0)
    wait_equal(lambda: get(m / "f"), b"theirs")
    assert os.stat(m / "f").st_size == 6


def test_noauth_reaches_dash(m, zk):
    zk.create("/f", b"theirs", acl=READ_ONLY)
    assert run("dash", "-c", 'echo v > "$1"', "dash", m / "f").returncode
    assert run("dash", "-c", 'echo v >> "$1"', "dash", m / "f").returncode
    assert value(zk, "/f") == (b"theirs", 0)


def test_noauth_reaches_cp(m, zk, tmp):
    zk.create("/f", b"theirs", acl=READ_ONLY)
    for size in (10, BLOCK, 100_000):
        (tmp / "f").write_bytes(b"x" * size)
        done = run("cp", tmp / "f", m / "f")
        assert done.returncode != 0
        assert "Permission denied" in done.stderr
        assert value(zk, "/f") == (b"theirs", 0)


@pytest.mark.parametrize("commit", ["fsync", "close"])
def test_noauth_of_gathered_blocks(m, zk, commit):
    zk.create("/f", b"theirs", acl=READ_ONLY)
    with fails("EACCES"):
        fd = os.open(m / "f", os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(fd, b"x" * BLOCK)
            if commit == "fsync":
                os.fsync(fd)
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
    assert value(zk, "/f") == (b"theirs", 0)
    wait_equal(lambda: get(m / "f"), b"theirs")


def test_noauth_of_a_new_child(m, zk):
    zk.create("/d", None, acl=READ_ONLY)
    for script in ('echo v > "$1"', 'echo v >> "$1"', 'mkdir "$1"'):
        done = shell(script, m / "d/new", check=False)
        assert done.returncode != 0
        assert "Permission denied" in done.stderr
    assert zk.get_children("/d") == []
    assert os.listdir(m / "d") == []
    with fails("ENOENT"):
        os.stat(m / "d/new")


def test_write_only_znode_can_be_overwritten(m, zk):
    """CREATE|WRITE for the world, READ for a digest user."""
    acl = [ACL(Permissions.WRITE, Id("world", "anyone")),
           make_digest_acl("joe", "pw", all=True)]
    zk.create("/f", b"secret", acl=acl)
    with fails("EACCES"):
        get(m / "f")
    put(m / "f", b"dropped in")
    zk.add_auth("digest", "joe:pw")
    assert value(zk, "/f") == (b"dropped in", 1)


# -- a mount that is read-only ----------------------------------------------

def test_read_only_mount(mount, source, zk, server):
    zk.create("/f", b"v")
    zk.create("/d", None)
    m = mount(source, "ro")
    assert get(m / "f") == b"v"
    with server.transactions(0):
        done = shell('echo w > "$1"', m / "f", check=False)
        assert done.returncode != 0
        assert "Read-only file system" in done.stderr
        for call in (lambda: append(m / "f", b"w"),
                     lambda: put(m / "new", b"w"),
                     lambda: put(m / "x", b"", os.O_CREAT | os.O_EXCL),
                     lambda: os.truncate(m / "f", 0),
                     lambda: os.unlink(m / "f"),
                     lambda: os.mkdir(m / "e"),
                     lambda: os.rmdir(m / "d"),
                     lambda: os.rename(m / "f", m / "g"),
                     lambda: os.utime(m / "f")):
            with fails("EROFS"):
                call()
    assert value(zk, "/f") == (b"v", 0)
    zk.set("/f", b"news")
    wait_equal(lambda: get(m / "f"), b"news")


# -- too large ---------------------------------------------------------------

def test_too_large(m, zk, server):
    zk.create("/f", b"old")
    for data in (b"x" * (1 << 20), b"x" * 1_100_000):
        with server.transactions(0):
            with fails("EFBIG"):
                put(m / "f", data)
            with fails("EFBIG"):
                put(m / "new", data)
    assert value(zk, "/f") == (b"old", 0)
    assert zk.get_children("/") == ["f"]
    assert get(m / "f") == b"old"
    put(m / "f", b"fine")
    assert zk.get("/f")[0] == b"fine"


@pytest.mark.parametrize("name", ["f", "new"])
@pytest.mark.parametrize("begin", range(0, 64, 16))
def test_what_follows_what_was_too_large(m, zk, server, name, begin):
    """The end of a line, of who does not look; the kernel cuts by pages."""
    zk.create("/f", b"old")
    data = memoryview(mmap.mmap(-1, 1_200_000))[begin:begin + 1_100_000]
    with server.transactions(0):
        fd = os.open(m / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with fails("EFBIG"):
            while data:
                data = data[os.write(fd, data):]
        with fails("EFBIG"):
            os.write(fd, b"\n")
        with fails("EFBIG"):
            os.close(fd)
    assert value(zk, "/f") == (b"old", 0)
    assert zk.get_children("/") == ["f"]


def append_too_much(path):
    append(path, b"y" * 100_001)


def truncate_too_large(path):
    os.truncate(path, 2_000_000)


def pwrite_too_far(path):
    with opened(path, os.O_WRONLY) as fd:
        os.pwrite(fd, b"y", 5_000_000)


def dd_too_much(path):
    done = run("dd", "if=/dev/zero", f"of={path}", "bs=4096", "count=300")
    if done.returncode and "File too large" in done.stderr:
        raise OSError(errno.EFBIG, "dd")


@pytest.mark.parametrize("how", [append_too_much, truncate_too_large,
                                 pwrite_too_far, dd_too_much])
def test_too_large_by_other_ways(m, zk, server, how):
    zk.create("/f", b"x" * 1_000_000)
    with server.transactions(0), fails("EFBIG"):
        how(m / "f")
    assert value(zk, "/f") == (b"x" * 1_000_000, 0)
    assert os.stat(m / "f").st_size == 1_000_000
    assert get(m / "f") == b"x" * 1_000_000


def test_up_to_the_limit(m, zk, chroot):
    """The largest request is 1,048,575 bytes, the open ACL's included."""
    largest = 1_048_528 - len(f"{chroot}/f")
    for path in ("f", "f"):
        put(m / path, b"z" * largest)
        assert len(zk.get("/f")[0]) == largest
    assert len(get(m / "f")) == largest


def test_just_above_the_limit_does_no_harm(m, zk, chroot):
    """Around the border: an error or success, never a lost connection."""
    for size in range(1_048_515, 1_048_577, 3):
        size -= len(f"{chroot}/f")
        for name in (f"n{size}", "f"):
            try:
                put(m / name, b"z" * size)
            except OSError as e:
                assert e.strerror == "File too large"
                assert name == "f" or not zk.exists(f"/{name}")
            else:
                assert len(zk.get(f"/{name}")[0]) == size


def test_max_size(mount, source, zk, server):
    zk.create("/f", b"old")
    m = mount(source, "max_size=1000")
    put(m / "f", b"x" * 1000)
    with server.transactions(0), fails("EFBIG"):
        put(m / "f", b"x" * 1001)
    with server.transactions(0), fails("EFBIG"):
        append(m / "f", b"x")
    assert value(zk, "/f") == (b"x" * 1000, 1)


# -- files that go while they are open --------------------------------------

def test_locally_unlinked_file_takes_writes_that_go_nowhere(m, zk, server):
    zk.create("/f", b"v")
    with opened(m / "f", os.O_RDWR) as fd:
        assert os.read(fd, 10) == b"v"
        os.unlink(m / "f")
        with server.transactions(0):
            assert os.write(fd, b"more") == 4
            os.fsync(fd)
            assert os.pread(fd, 10, 0) == b"vmore"
    assert zk.get_children("/") == []


def test_locally_unlinked_and_created_anew(m, zk):
    zk.create("/f", b"v")
    with opened(m / "f", os.O_RDWR) as fd:
        os.unlink(m / "f")
        put(m / "f", b"another")
        os.write(fd, b"old one")
    assert zk.get("/f")[0] == b"another"


def test_remotely_deleted_file_refuses_writes(m, zk):
    zk.create("/f", b"v")
    fd = os.open(m / "f", os.O_WRONLY)
    try:
        zk.delete("/f")
        with fails("ENOENT"):
            os.write(fd, b"late")
    finally:
        try:
            os.close(fd)
        except OSError:
            pass
    assert zk.exists("/f") is None
