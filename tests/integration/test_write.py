# SPDX-License-Identifier: Apache-2.0
"""Writes: one transaction with the whole content, errors to the writer."""

import mmap
import os
import signal
import threading

import pytest
from kazoo.exceptions import BadVersionError

from harness.files import fails, get, opened, put, run, shell
from harness.threads import repeating, run_threads
from harness.tree import wait_data
from harness.wait import wait_equal, wait_for

BLOCK = 4096


def value(zk, path):
    data, st = zk.get(path)
    return data, st.version


# -- one operation, one transaction -----------------------------------------

def test_echo_to_a_new_file(m, zk, server):
    with server.transactions(1):
        shell('echo v > "$1"', m / "f")
    assert value(zk, "/f") == (b"v\n", 0)


def test_echo_to_an_existing_file(m, zk, server):
    zk.create("/f", b"old and longer")
    with server.transactions(1):
        shell('echo v > "$1"', m / "f")
    assert value(zk, "/f") == (b"v\n", 1)


def test_echo_to_a_file_known_and_open_before(m, zk, server):
    zk.create("/f", b"old")
    assert get(m / "f") == b"old"
    for i in range(3):
        with server.transactions(1):
            shell('echo $2 > "$1"', m / "f", str(i))
        assert value(zk, "/f") == (b"%d\n" % i, i + 1)
        assert get(m / "f") == b"%d\n" % i


def test_append_by_echo(m, zk, server):
    zk.create("/f", b"one\n")
    with server.transactions(1):
        shell('echo two >> "$1"', m / "f")
    assert value(zk, "/f") == (b"one\ntwo\n", 1)


def test_append_by_echo_to_a_new_file(m, zk, server):
    with server.transactions(1):
        shell('echo one >> "$1"', m / "f")
    assert value(zk, "/f") == (b"one\n", 0)


def test_rm_mkdir_rmdir(m, zk, server):
    zk.create("/f", b"v")
    with server.transactions(1):
        os.unlink(m / "f")
    with server.transactions(1):
        os.mkdir(m / "d")
    with server.transactions(1):
        os.rmdir(m / "d")
    assert zk.get_children("/") == []


@pytest.mark.parametrize("target", ["absent", "existing"])
def test_mv(m, zk, server, target):
    zk.create("/a", b"v")
    if target == "existing":
        zk.create("/b", b"old")
    with server.transactions(1):
        shell('mv "$1" "$2"', m / "a", m / "b")
    assert zk.get_children("/") == ["b"]
    assert zk.get("/b")[0] == b"v"


def test_empty_file(m, zk, server):
    with server.transactions(1):
        shell(': > "$1"', m / "f")
        wait_data(zk, "/f", b"")
    assert value(zk, "/f") == (b"", 0)


def test_truncate_by_redirection(m, zk, server):
    zk.create("/f", b"old")
    with server.transactions(1):
        shell(': > "$1"', m / "f")
        wait_data(zk, "/f", b"")
    assert value(zk, "/f") == (b"", 1)


def test_open_for_writing_without_a_write_changes_nothing(m, zk, server):
    zk.create("/f", b"v")
    with server.transactions(0):
        with opened(m / "f", os.O_WRONLY):
            pass
        with opened(m / "f", os.O_RDWR | os.O_APPEND) as fd:
            os.fsync(fd)
    assert value(zk, "/f") == (b"v", 0)


def test_data_file_of_a_directory(m, zk, server):
    os.mkdir(m / "d")
    with server.transactions(1):
        shell('echo v > "$1"', m / "d/.data")
    with server.transactions(1):
        shell('echo w > "$1"', m / "d/.data")
    assert value(zk, "/d") == (b"w\n", 2)


@pytest.mark.parametrize("size", [900_000, 64 * BLOCK])
def test_cp(m, zk, server, tmp, size):
    """One transaction; one more for a new file, as cp creates with O_EXCL."""
    data = os.urandom(size)
    (tmp / "f").write_bytes(data)
    for count in (2, 1):
        with server.transactions(count):
            shell('cp "$1" "$2"', tmp / "f", m / "f")
        assert zk.get("/f")[0] == data


def test_large_redirection(m, zk, server, tmp):
    """cat writes 128 KiB at a time; the last piece is short."""
    data = os.urandom(900_001)
    (tmp / "f").write_bytes(data)
    for version in (0, 1):
        with server.transactions(1):
            shell('cat "$1" > "$2"', tmp / "f", m / "f")
        assert value(zk, "/f") == (data, version)


# -- never an empty value ---------------------------------------------------

def test_nobody_sees_an_empty_value(m, m2, zk):
    zk.create("/f", b"start\n")
    seen = set()
    with repeating(lambda: seen.add(len(zk.get("/f")[0])),
                   lambda: seen.add(len(get(m2 / "f")))):
        shell('for i in {1..300}; do echo "value $i" > "$1"; done', m / "f")
    assert 0 not in seen, "somebody saw an empty value"
    assert value(zk, "/f") == (b"value 300\n", 300)


def test_truncating_open_alone_shows_nothing(m, zk):
    zk.create("/f", b"old")
    with opened(m / "f", os.O_WRONLY | os.O_TRUNC) as fd:
        assert value(zk, "/f") == (b"old", 0)
        os.write(fd, b"new")
        assert value(zk, "/f") == (b"new", 1)
    assert value(zk, "/f") == (b"new", 1)


# -- when a commit happens --------------------------------------------------

@pytest.mark.parametrize("size", [1, 10, BLOCK - 1, BLOCK + 1, 100_001])
def test_short_write_is_committed_before_it_returns(m, zk, size):
    with opened(m / "f", os.O_WRONLY | os.O_CREAT) as fd:
        assert zk.exists("/f") is None
        os.write(fd, b"x" * size)
        assert value(zk, "/f") == (b"x" * size, 0)
    assert value(zk, "/f") == (b"x" * size, 0)


@pytest.mark.parametrize("commit", ["fsync", "fdatasync", "close", "short"])
@pytest.mark.parametrize("blocks", [1, 2, 200])
def test_whole_blocks_are_gathered(m, zk, commit, blocks):
    zk.create("/f", b"old")
    fd = os.open(m / "f", os.O_WRONLY | os.O_TRUNC)
    want = os.urandom(blocks * BLOCK)
    try:
        for i in range(blocks):
            os.write(fd, want[i * BLOCK:(i + 1) * BLOCK])
        assert value(zk, "/f") == (b"old", 0)
        if commit == "short":
            os.write(fd, b"end")
            want += b"end"
        elif commit != "close":
            getattr(os, commit)(fd)
        if commit != "close":
            assert value(zk, "/f") == (want, 1)
    finally:
        os.close(fd)
    assert value(zk, "/f") == (want, 1)


def test_dd(m, zk):
    shell('dd if=/dev/zero of="$1" bs=4096 count=20 status=none', m / "f")
    assert value(zk, "/f") == (bytes(20 * BLOCK), 0)
    shell('dd if=/dev/zero of="$1" bs=1000 count=3 status=none', m / "g")
    assert zk.get("/g")[0] == bytes(3000)


def test_new_file_is_seen_here_at_once_elsewhere_with_its_content(m, m2, zk):
    with opened(m / "f", os.O_WRONLY | os.O_CREAT) as fd:
        assert os.stat(m / "f").st_size == 0
        assert os.listdir(m) == ["f"]
        assert zk.exists("/f") is None
        with fails("ENOENT"):
            os.stat(m2 / "f")
        os.write(fd, b"content")
        assert zk.get("/f")[0] == b"content"
    wait_equal(lambda: get(m2 / "f"), b"content")


def test_new_file_without_a_write_exists_after_close(m, zk):
    with opened(m / "f", os.O_WRONLY | os.O_CREAT):
        pass
    assert get(m / "f") == b""
    wait_data(zk, "/f", b"")
    assert zk.exists("/f").version == 0


def test_new_file_opened_twice_before_its_first_commit(m, zk):
    with opened(m / "f", os.O_WRONLY | os.O_CREAT) as a, \
            opened(m / "f", os.O_RDWR | os.O_CREAT) as b:
        os.write(a, b"first")
        assert zk.get("/f")[0] == b"first"
        assert os.pread(b, 100, 0) == b"first"
        os.pwrite(b, b"F", 0)
        assert zk.get("/f")[0] == b"First"


def test_new_file_unlinked_before_its_first_commit(m, zk, server):
    with server.transactions(0):
        with opened(m / "f", os.O_RDWR | os.O_CREAT) as fd:
            os.unlink(m / "f")
            os.write(fd, b"nobody's")
            assert os.pread(fd, 100, 0) == b"nobody's"
    assert zk.get_children("/") == []
    assert os.listdir(m) == []


def test_new_file_renamed_before_its_first_commit(m, zk):
    with opened(m / "f", os.O_WRONLY | os.O_CREAT) as fd:
        os.write(fd, b"b" * BLOCK)
        os.rename(m / "f", m / "g")
    assert zk.get_children("/") == ["g"]
    assert zk.get("/g")[0] == b"b" * BLOCK
    assert os.listdir(m) == ["g"]


def test_new_file_that_somebody_else_creates_first(m, zk):
    """Without O_EXCL the last writer wins, as on any filesystem."""
    with opened(m / "f", os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as fd:
        zk.create("/f", b"theirs and longer")
        os.write(fd, b"ours")
    assert zk.get("/f")[0] == b"ours"


def test_closed_by_the_death_of_the_writer(m, zk):
    done = run("bash", "-c", 'exec 3> "$1"; printf x >&3; kill -9 $$',
               "bash", m / "f")
    assert done.returncode == -signal.SIGKILL
    assert value(zk, "/f") == (b"x", 0)


@pytest.mark.parametrize("size", [900_001, 1_047_552, 1_048_001])
@pytest.mark.parametrize("offset", [0, 100, 4000])
def test_one_large_write_is_one_transaction(m, zk, server, size, offset):
    """Also from a buffer that begins in the middle of a page.

    The kernel may hand such a write over in two pieces, of which the first
    is no whole number of blocks.
    """
    buf = mmap.mmap(-1, offset + size)
    buf[offset:] = want = os.urandom(size)
    with opened(m / "f", os.O_WRONLY | os.O_CREAT) as fd, \
            server.transactions(1), memoryview(buf) as view:
        with view[offset:] as part:
            assert os.write(fd, part) == size
        os.fsync(fd)
    assert value(zk, "/f") == (want, 0)


def test_gathered_blocks_of_an_unlinked_file_go_nowhere(m, zk, server):
    zk.create("/f", b"old")
    with opened(m / "f", os.O_WRONLY | os.O_TRUNC) as fd:
        os.write(fd, b"b" * BLOCK)
        with server.transactions(1):
            os.unlink(m / "f")
    assert zk.get_children("/") == []


# -- O_EXCL -----------------------------------------------------------------

def test_o_excl_creates_at_open(m, zk):
    with opened(m / "f", os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
        assert value(zk, "/f") == (b"", 0)
        os.write(fd, b"v")
        assert value(zk, "/f") == (b"v", 1)


def test_o_excl_of_an_existing_name(m, zk):
    zk.create("/f", b"v")
    with fails("EEXIST"):
        os.open(m / "f", os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def test_o_excl_of_a_name_believed_absent(m, zk):
    assert os.listdir(m) == []
    with fails("ENOENT"):
        os.stat(m / "f")
    zk.create("/f", b"v")
    with fails("EEXIST"):
        os.open(m / "f", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    assert value(zk, "/f") == (b"v", 0)


def test_o_excl_race_of_two_mounts_has_one_winner(m, m2, zk):
    names = [f"n{i}" for i in range(200)]
    won = [[], []]
    start = threading.Barrier(2)

    def race(me, mnt):
        start.wait()
        for name in names:
            try:
                put(mnt / name, b"%d" % me, os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                continue
            won[me].append(name)

    run_threads((race, 0, m), (race, 1, m2))
    assert sorted(won[0] + won[1]) == sorted(names)
    for me in (0, 1):
        for name in won[me]:
            assert zk.get(f"/{name}")[0] == b"%d" % me


# -- O_APPEND and the middle ------------------------------------------------

def test_append_goes_behind_what_others_wrote(m, zk):
    zk.create("/f", b"one\n")
    with opened(m / "f", os.O_WRONLY | os.O_APPEND) as fd:
        os.write(fd, b"two\n")
        zk.set("/f", b"one\ntwo\nthree\n")
        os.write(fd, b"four\n")
    assert zk.get("/f")[0] == b"one\ntwo\nthree\nfour\n"


def test_pwrite_in_the_middle(m, zk, server):
    zk.create("/f", b"0123456789")
    with opened(m / "f", os.O_WRONLY) as fd, server.transactions(1):
        os.pwrite(fd, b"abc", 3)
    assert value(zk, "/f") == (b"012abc6789", 1)


def test_pwrite_keeps_what_others_wrote_meanwhile(m, zk):
    zk.create("/f", b"0123456789")
    with opened(m / "f", os.O_WRONLY) as fd:
        os.pwrite(fd, b"a", 0)
        zk.set("/f", b"a12345678Z", version=1)
        os.pwrite(fd, b"b", 1)
    assert zk.get("/f")[0] == b"ab2345678Z"


def test_pwrite_behind_the_end_fills_with_zeros(m, zk):
    zk.create("/f", b"abc")
    with opened(m / "f", os.O_WRONLY) as fd:
        os.pwrite(fd, b"xyz", 6)
    assert zk.get("/f")[0] == b"abc\0\0\0xyz"


def test_gathered_blocks_in_the_middle(m, zk):
    old = os.urandom(10 * BLOCK + 5)
    new = os.urandom(2 * BLOCK)
    zk.create("/f", old)
    with opened(m / "f", os.O_WRONLY) as fd:
        os.pwrite(fd, new, 3 * BLOCK)
    assert zk.get("/f")[0] == old[:3 * BLOCK] + new + old[5 * BLOCK:]


def test_two_descriptors(m, zk):
    zk.create("/f", b"....")
    with opened(m / "f", os.O_RDWR) as a, opened(m / "f", os.O_RDWR) as b:
        os.pwrite(a, b"A", 0)
        os.pwrite(b, b"B", 1)
        os.pwrite(a, b"C", 2)
        assert zk.get("/f")[0] == b"ABC."
        assert os.pread(a, 10, 0) == b"ABC."
        assert os.pread(b, 10, 0) == b"ABC."


def test_own_gathered_writes_are_read_back(m, zk):
    zk.create("/f", b"old")
    with opened(m / "f", os.O_RDWR | os.O_TRUNC) as fd:
        os.write(fd, b"n" * BLOCK)
        assert os.pread(fd, 2 * BLOCK, 0) == b"n" * BLOCK
        assert os.fstat(fd).st_size == BLOCK
        assert zk.get("/f")[0] == b"old"


# -- truncate ---------------------------------------------------------------

@pytest.mark.parametrize("size,want", [(0, b""), (2, b"ab"), (4, b"abcd"),
                                       (7, b"abcd\0\0\0")])
@pytest.mark.parametrize("how", ["truncate", "ftruncate"])
def test_truncate(m, zk, how, size, want):
    zk.create("/f", b"abcd")
    if how == "truncate":
        os.truncate(m / "f", size)
    else:
        with opened(m / "f", os.O_RDWR) as fd:
            os.ftruncate(fd, size)
            assert os.fstat(fd).st_size == size
            assert os.pread(fd, 100, 0) == want
    assert zk.get("/f")[0] == want
    assert os.stat(m / "f").st_size == size
    assert get(m / "f") == want


def test_truncate_by_path_is_one_transaction(m, zk, server):
    zk.create("/f", b"abcd")
    with server.transactions(1):
        os.truncate(m / "f", 2)
    assert value(zk, "/f") == (b"ab", 1)


def test_ftruncate_then_write_is_one_transaction(m, zk, server):
    """Many programs rewrite a file so; nobody is to see it empty."""
    zk.create("/f", b"long old value")
    with opened(m / "f", os.O_RDWR) as fd, server.transactions(1):
        os.ftruncate(fd, 0)
        assert value(zk, "/f") == (b"long old value", 0)
        os.write(fd, b"new")
    assert value(zk, "/f") == (b"new", 1)


def test_truncate_follows_remote_growth(m, zk):
    zk.create("/f", b"abcd")
    assert get(m / "f") == b"abcd"
    zk.set("/f", b"123456")
    os.truncate(m / "f", 5)
    assert zk.get("/f")[0] in (b"12345",)


# -- who else writes --------------------------------------------------------

def test_version_race_with_kazoo_loses_nothing(m, zk):
    """kazoo adds by compare and set while the mount appends."""
    zk.create("/f", b"")
    theirs = 0

    def add():
        nonlocal theirs
        data, st = zk.get("/f")
        try:
            zk.set("/f", data + b"k", version=st.version)
            theirs += 1
        except BadVersionError:
            pass

    with repeating(add), opened(m / "f", os.O_WRONLY | os.O_APPEND) as fd:
        for _ in range(200):
            os.write(fd, b"m")
    data, st = zk.get("/f")
    assert (data.count(b"m"), data.count(b"k")) == (200, theirs)
    assert st.version == 200 + theirs


def test_own_write_is_read_back_at_once(m, zk):
    for i in range(50):
        put(m / "f", b"%d" % i)
        assert get(m / "f") == b"%d" % i
        assert os.stat(m / "f").st_size == len(b"%d" % i)


def test_own_write_is_read_back_after_a_remote_one(m, zk):
    put(m / "f", b"first")
    for i in range(50):
        zk.set("/f", b"remote")
        put(m / "f", b"local %d" % i)
        assert get(m / "f") == b"local %d" % i


def test_a_write_is_visible_when_it_returns(m, m2, zk):
    with opened(m / "f", os.O_WRONLY | os.O_CREAT) as fd:
        for i in range(100):
            os.pwrite(fd, b"%03d" % i, 0)
            assert zk.get("/f")[0] == b"%03d" % i
    wait_for(lambda: get(m2 / "f") == b"099")
