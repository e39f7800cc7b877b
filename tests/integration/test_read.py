# SPDX-License-Identifier: Apache-2.0
"""Reads: an open file is one version, never torn, and the newest next time."""

import itertools
import mmap
import os

import pytest
from kazoo.security import make_digest_acl

from harness import sizes
from harness.files import fails, get, ok, opened, put, slurp
from harness.threads import repeating
from harness.wait import wait_equal, wait_for

LARGE = 900_000


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 131072, 131073,
                                  1_000_000, 1_048_000])
def test_values_of_all_sizes(m, zk, size):
    data = os.urandom(size)
    zk.create("/f", data)
    assert get(m / "f") == data
    assert os.stat(m / "f").st_size == size
    with opened(m / "f", os.O_RDONLY) as fd:
        assert b"".join(iter(lambda: os.read(fd, 777), b"")) == data \
            if size < 10_000 else slurp(fd) == data


def test_an_open_file_is_one_version(m, zk):
    old, new = b"o" * LARGE, b"n" * LARGE
    zk.create("/f", old)
    with opened(m / "f", os.O_RDONLY) as fd:
        first = os.read(fd, 1000)
        zk.set("/f", new)
        wait_equal(lambda: get(m / "f"), new)
        assert first + slurp(fd) == old
        assert os.pread(fd, LARGE, 0) == new


def test_an_open_file_is_one_version_when_it_shrinks(m, zk):
    old = os.urandom(LARGE)
    zk.create("/f", old)
    with opened(m / "f", os.O_RDONLY) as fd:
        first = os.read(fd, 1000)
        zk.set("/f", b"new")
        wait_equal(lambda: get(m / "f"), b"new")
        assert first + slurp(fd) == old
        os.lseek(fd, 0, os.SEEK_SET)
        assert slurp(fd) == b"new"


def test_an_open_file_is_one_version_when_it_grows(m, zk):
    new = os.urandom(LARGE)
    zk.create("/f", b"o" * 5000)
    with opened(m / "f", os.O_RDONLY) as fd:
        first = os.read(fd, 1000)
        zk.set("/f", new)
        wait_equal(lambda: get(m / "f"), new)
        assert first + slurp(fd) == b"o" * 5000
        assert os.pread(fd, LARGE, 0) == new


def test_an_open_file_is_one_version_against_local_writes(m, zk):
    zk.create("/f", b"o" * LARGE)
    with opened(m / "f", os.O_RDONLY) as fd:
        first = os.read(fd, 1000)
        put(m / "f", b"n" * LARGE)
        assert first + slurp(fd) == b"o" * LARGE
        assert os.pread(fd, LARGE, 0) == b"n" * LARGE


def test_an_open_file_survives_its_deletion(m, zk):
    data = os.urandom(LARGE)
    zk.create("/f", data)
    with opened(m / "f", os.O_RDONLY) as fd:
        first = os.read(fd, 1000)
        zk.delete("/f")
        assert first + slurp(fd) == data


def test_two_open_files_at_different_versions(m, zk):
    zk.create("/f", b"o" * LARGE)
    with opened(m / "f", os.O_RDONLY) as a:
        first_a = os.read(a, 1000)
        zk.set("/f", b"n" * LARGE)
        wait_equal(lambda: get(m / "f"), b"n" * LARGE)
        with opened(m / "f", os.O_RDONLY) as b:
            first_b = os.read(b, 1000)
            assert first_a + slurp(a) == b"o" * LARGE
            assert first_b + slurp(b) == b"n" * LARGE


def test_read_again_from_the_start_sees_the_newest(m, zk):
    zk.create("/f", b"0")
    with opened(m / "f", os.O_RDONLY) as fd:
        for i in range(20):
            want = b"%d" % (10 ** i)
            zk.set("/f", want)
            wait_equal(lambda: os.pread(fd, 100, 0), want)


def test_offsets(m, zk):
    data = os.urandom(300_000)
    zk.create("/f", data)
    with opened(m / "f", os.O_RDONLY) as fd:
        for at in (299_999, 131_072, 1, 4096, 200_001):
            assert os.pread(fd, 5000, at) == data[at:at + 5000]
        assert os.pread(fd, 10, 300_000) == b""
        assert os.pread(fd, 10, 400_000) == b""


def test_mmap(m, zk):
    data = os.urandom(300_000)
    zk.create("/f", data)
    with opened(m / "f", os.O_RDONLY) as fd, \
            mmap.mmap(fd, 0, prot=mmap.PROT_READ,
                      flags=mmap.MAP_PRIVATE) as area:
        assert area[:] == data


def test_o_direct_is_linearizable(m, m2, zk):
    zk.create("/f", b"0".zfill(4096))
    buf = mmap.mmap(-1, 4096)
    with opened(m / "f", os.O_RDONLY | os.O_DIRECT) as fd:
        for i in range(50):
            want = b"%04096d" % i
            if i % 2:
                zk.set("/f", want)
            else:
                put(m2 / "f", want)
            assert os.preadv(fd, [buf], 0) == 4096
            assert buf[:] == want


def test_o_direct_while_another_takes_its_name(m, m2, zk):
    """Who opens the one that goes just now is not given an older value.

    And nobody is told that it is gone.
    """
    def number(top):
        buf = mmap.mmap(-1, 4096)
        with opened(top / "f", os.O_RDONLY | os.O_DIRECT) as fd:
            return int(buf[:os.preadv(fd, [buf], 0)])

    def read():
        least = acknowledged[0]
        assert number(m) >= least

    zk.create("/f", b"0")
    acknowledged = [0]
    with repeating(read, read, read, lambda: get(m / "f")):
        for i in range(1, sizes.stress(400, 4000), 3):
            zk.set("/f", b"%d" % i)
            acknowledged[0] = i
            put(m2 / "f", b"%d" % (i + 1))
            acknowledged[0] = i + 1
            put(m / "g", b"%d" % (i + 2))
            os.rename(m / "g", m / "f")
            acknowledged[0] = i + 2
    assert number(m2) == acknowledged[0]


def test_unreadable_znode(m, zk):
    zk.create("/f", b"secret", acl=[make_digest_acl("joe", "pw", all=True)])
    with fails("EACCES"):
        get(m / "f")
    assert os.stat(m / "f").st_size == 6
    assert os.listdir(m) == ["f"]


def test_absent(m, zk):
    with fails("ENOENT"):
        get(m / "f")
    with fails("ENOENT"):
        get(m / "a/b/c")
    zk.create("/f", b"v")
    wait_equal(lambda: get(m / "f"), b"v")
    with fails("ENOTDIR"):
        get(m / "f/below")


def test_created_elsewhere_after_a_miss(m, zk):
    for i in range(20):
        with fails("ENOENT"):
            os.stat(m / f"n{i}")
        zk.create(f"/n{i}", b"v")
        wait_equal(lambda: get(m / f"n{i}"), b"v")


def test_deleted_elsewhere(m, zk):
    zk.create("/f", b"v")
    assert get(m / "f") == b"v"
    zk.delete("/f")
    wait_for(lambda: not os.path.exists(m / "f"))
    with fails("ENOENT"):
        get(m / "f")
    assert os.listdir(m) == []


def test_list_follows_remote_changes(m, zk):
    assert os.listdir(m) == []
    for i in range(20):
        zk.create(f"/n{i}", b"")
    wait_equal(lambda: sorted(os.listdir(m)),
               sorted(f"n{i}" for i in range(20)))
    for i in range(10):
        zk.delete(f"/n{i}")
    wait_equal(lambda: sorted(os.listdir(m)),
               sorted(f"n{i}" for i in range(10, 20)))


def test_list_follows_local_changes(m):
    for i in range(20):
        put(m / f"n{i}", b"")
        assert len(os.listdir(m)) == i + 1
    for i in range(20):
        os.unlink(m / f"n{i}")
        assert len(os.listdir(m)) == 19 - i


# -- tearing ----------------------------------------------------------------

def check_whole(data):
    assert len(data) in (3, LARGE), len(data)
    assert not data.strip(data[:1]), f"torn: {set(data)}"


def alternating(i):
    return bytes([97 + i % 26]) * (LARGE if i % 2 else 3)


@pytest.mark.parametrize("how", ["overwrite", "rename"])
@pytest.mark.deadline(120)
def test_no_reader_sees_a_torn_value(m, m2, zk, how):
    """Values alternate between 3 and 900,000 equal bytes."""
    put(m / "f", b"aaa")
    with repeating(lambda: check_whole(get(m / "f")),
                   lambda: check_whole(get(m2 / "f")),
                   lambda: check_whole(small_reads(m / "f"))):
        for i in range(sizes.stress(150, 2000)):
            if how == "overwrite":
                put(m / "f", alternating(i))
            else:
                put(m / "tmp", alternating(i))
                os.rename(m / "tmp", m / "f")


def small_reads(path):
    with opened(path, os.O_RDONLY) as fd:
        return b"".join(iter(lambda: os.read(fd, 50_000), b""))


@pytest.mark.deadline(120)
def test_no_process_sees_a_torn_value(m, m2, zk, tmp):
    """The same with cp and a remote writer, processes instead of threads."""
    zk.create("/f", b"aaa")
    numbers = itertools.count()
    with repeating(lambda: zk.set("/f", alternating(next(numbers)))):
        for i in range(sizes.stress(60, 1000)):
            ok("cp", (m, m2)[i % 2] / "f", tmp / "copy")
            check_whole((tmp / "copy").read_bytes())
