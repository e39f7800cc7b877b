# SPDX-License-Identifier: Apache-2.0
"""What a znode looks like: kinds, `.data`, attributes, times, options."""

import os
import stat
import time

import pytest

from harness.files import fails, get, ok, opened, put, shell
from harness.tree import wait_data
from harness.wait import wait_equal, wait_for


def is_dir(path):
    return stat.S_ISDIR(os.lstat(path).st_mode)


def is_file(path):
    return stat.S_ISREG(os.lstat(path).st_mode)


# -- kinds ------------------------------------------------------------------

@pytest.mark.parametrize("data", [b"", b"v", b"x" * 5000])
def test_leaf_with_data_is_a_file(m, zk, data):
    zk.create("/n", data)
    assert is_file(m / "n")
    assert get(m / "n") == data
    assert os.stat(m / "n").st_size == len(data)


def test_leaf_with_null_data_is_a_directory(m, zk):
    zk.create("/n", None)
    assert is_dir(m / "n")
    assert os.listdir(m / "n") == []


@pytest.mark.parametrize("data", [None, b"", b"v"])
def test_inner_znode_is_a_directory(m, zk, data):
    zk.create("/n", data)
    zk.create("/n/child", b"c")
    assert is_dir(m / "n")
    want = ["child"] if data is None else [".data", "child"]
    assert sorted(os.listdir(m / "n")) == want
    if data is None:
        with fails("ENOENT"):
            os.stat(m / "n/.data")
    else:
        assert get(m / "n/.data") == data
        assert os.stat(m / "n/.data").st_size == len(data)


@pytest.mark.parametrize("data", [None, b"", b"v"])
def test_ephemeral_is_a_file(m, zk, data):
    zk.create("/n", data, ephemeral=True)
    assert is_file(m / "n")
    assert get(m / "n") == (data or b"")


def test_types_in_the_list_are_those_of_stat(mount, source, zk):
    zk.create("/dir", None)
    zk.create("/inner", b"v")
    zk.create("/inner/x", b"")
    zk.create("/file", b"v")
    zk.create("/empty", b"")
    zk.create("/eph", None, ephemeral=True)
    m = mount(source)
    for e in os.scandir(m):
        st = os.lstat(m / e.name)
        assert e.is_dir(follow_symlinks=False) == stat.S_ISDIR(st.st_mode)
        assert e.is_file(follow_symlinks=False) == stat.S_ISREG(st.st_mode)
        assert e.inode() == st.st_ino


def test_mkdir_creates_null(m, zk):
    os.mkdir(m / "d")
    assert zk.get("/d")[0] is None
    assert zk.get_children("/d") == []


def test_empty_file_creates_zero_length(m, zk):
    shell(': > "$1"', m / "f")
    wait_data(zk, "/f", b"")
    assert is_file(m / "f")


def test_file_with_data(m, zk):
    shell('echo v > "$1"', m / "f")
    assert zk.get("/f")[0] == b"v\n"


def test_no_helper_znodes(m, zk):
    """What the mount creates is what the user created."""
    os.makedirs(m / "a/b")
    put(m / "a/b/f", b"1")
    put(m / "a/.data", b"2")
    with opened(m / "a/b/f", os.O_WRONLY | os.O_APPEND) as fd:
        assert zk.get_children("/a/b") == ["f"]
        os.write(fd, b"2")
    assert sorted(zk.get_children("/")) == ["a"]
    assert zk.get_children("/a") == ["b"]
    assert zk.get_children("/a/b") == ["f"]


# -- .data ------------------------------------------------------------------

def test_data_file_is_the_directorys_own_data(m, zk):
    os.mkdir(m / "d")
    put(m / "d/f", b"")
    assert os.listdir(m / "d") == ["f"]
    shell('echo inner > "$1"', m / "d/.data")
    assert zk.get("/d")[0] == b"inner\n"
    assert sorted(os.listdir(m / "d")) == [".data", "f"]
    assert get(m / "d/.data") == b"inner\n"
    shell('echo more >> "$1"', m / "d/.data")
    assert zk.get("/d")[0] == b"inner\nmore\n"


def test_data_of_a_childless_directory(m, zk):
    os.mkdir(m / "d")
    put(m / "d/.data", b"v")
    assert zk.get("/d")[0] == b"v"
    assert is_dir(m / "d"), "a known directory never turns into a file"
    assert os.listdir(m / "d") == [".data"]


def test_data_of_the_root(m, zk):
    put(m / ".data", b"root's")
    assert zk.get("/")[0] == b"root's"
    assert os.listdir(m) == [".data"]
    os.unlink(m / ".data")
    assert zk.get("/")[0] is None
    assert os.listdir(m) == []


def test_rm_of_data_makes_it_null(m, zk, server):
    zk.create("/d", b"v")
    zk.create("/d/f", b"")
    assert get(m / "d/.data") == b"v"
    with server.transactions(1):
        os.unlink(m / "d/.data")
    assert zk.get("/d")[0] is None
    assert os.listdir(m / "d") == ["f"]
    with fails("ENOENT"):
        os.stat(m / "d/.data")


def test_data_and_directory_are_different_inodes(m, zk):
    zk.create("/d", b"v")
    zk.create("/d/f", b"")
    assert os.stat(m / "d").st_ino != os.stat(m / "d/.data").st_ino


# -- layouts ----------------------------------------------------------------

def test_layout_dir(mount, source, zk):
    zk.create("/leaf", b"v")
    zk.create("/null", None)
    zk.create("/zero", b"")
    zk.create("/leaf/child", b"c")
    m = mount(source, "layout=dir")
    for name in ("leaf", "null", "zero", "leaf/child"):
        assert is_dir(m / name), name
    assert get(m / "leaf/.data") == b"v"
    assert get(m / "leaf/child/.data") == b"c"
    assert get(m / "zero/.data") == b""
    assert os.listdir(m / "null") == []
    assert os.listdir(m / "zero") == [".data"]
    os.mkdir(m / "new")
    put(m / "new/.data", b"data")
    assert zk.get("/new")[0] == b"data"
    os.mkdir(m / "leaf/child/below")
    assert zk.get("/leaf/child/below")[0] is None
    with fails("EPERM"):
        put(m / "file", b"v")
    assert not zk.exists("/file")


def test_empty_dir(mount, source, zk):
    zk.ensure_path("/a/b/c")        # kazoo's parents have zero length
    zk.create("/file", b"v")
    m = mount(source, "empty=dir")
    assert is_dir(m / "a/b/c")
    assert is_file(m / "file")
    put(m / "a/b/c/f", b"v")
    assert zk.get("/a/b/c/f")[0] == b"v"


# -- stable kinds -----------------------------------------------------------

def test_file_becomes_directory_with_its_first_child(m, zk):
    zk.create("/n", b"v")
    assert is_file(m / "n")
    zk.create("/n/child", b"c")
    wait_for(lambda: is_dir(m / "n"), what="the file is a directory")
    assert sorted(os.listdir(m / "n")) == [".data", "child"]
    assert get(m / "n/.data") == b"v"
    assert get(m / "n/child") == b"c"


def test_directory_never_turns_back(m, zk):
    zk.create("/n", b"v")
    zk.create("/n/child", b"c")
    assert is_dir(m / "n")
    os.listdir(m / "n")
    zk.delete("/n/child")
    wait_equal(lambda: os.listdir(m / "n"), [".data"])
    assert is_dir(m / "n")
    assert [e.is_dir() for e in os.scandir(m)] == [True]


def test_directory_stays_when_data_is_set_elsewhere(m, zk):
    os.mkdir(m / "d")
    zk.set("/d", b"v")
    wait_equal(lambda: get(m / "d/.data"), b"v")
    assert is_dir(m / "d")


def test_new_znode_of_the_same_name_may_have_another_kind(m, zk):
    os.mkdir(m / "n")
    os.rmdir(m / "n")
    put(m / "n", b"v")
    assert is_file(m / "n")
    os.unlink(m / "n")
    os.mkdir(m / "n")
    assert is_dir(m / "n")


# -- attributes -------------------------------------------------------------

def test_times_and_size_are_the_znodes(m, zk):
    zk.create("/f", b"12345")
    zk.set("/f", b"1234567")
    want = zk.exists("/f")
    st = os.stat(m / "f")
    assert st.st_size == 7
    assert st.st_mtime_ns == want.mtime * 1_000_000
    assert st.st_ctime_ns == want.mtime * 1_000_000


def test_time_follows_own_writes(m, zk):
    put(m / "f", b"1")
    first = os.stat(m / "f").st_mtime_ns
    assert first == zk.exists("/f").mtime * 1_000_000
    wait_for(lambda: time.time_ns() > first + 20_000_000)
    put(m / "f", b"22")
    st = os.stat(m / "f")
    assert st.st_mtime_ns == zk.exists("/f").mtime * 1_000_000 > first
    assert st.st_size == 2


def test_stat_follows_remote_writes(m, zk):
    zk.create("/f", b"1")
    assert os.stat(m / "f").st_size == 1
    zk.set("/f", b"22")
    wait_equal(lambda: os.stat(m / "f").st_size, 2)
    assert os.stat(m / "f").st_mtime_ns == zk.exists("/f").mtime * 1_000_000


def test_inode_numbers_are_stable(m, zk):
    zk.create("/a", None)
    zk.create("/a/b", b"1")
    before = {p: os.stat(m / p).st_ino for p in ("", "a", "a/b")}
    assert len(set(before.values())) == 3
    zk.set("/a/b", b"2")
    put(m / "a/c", b"")
    put(m / "a/b", b"3")
    os.listdir(m / "a")
    after = {p: os.stat(m / p).st_ino for p in before}
    assert before == after
    assert {e.name: e.inode() for e in os.scandir(m / "a")}["b"] == \
        before["a/b"]


def test_blksize_is_large(m, zk):
    zk.create("/f", b"1")
    assert os.stat(m / "f").st_blksize >= 1 << 20


def test_statfs(m):
    vfs = os.statvfs(m.path)
    assert vfs.f_namemax == 255
    ok("df", m.path)
    ok("stat", "-f", m.path)


def test_dot_entries_and_link_counts_suit_find(m, zk):
    for i in range(3):
        zk.create(f"/d{i}", None)
        zk.create(f"/d{i}/sub", None)
    found = ok("find", m.path, "-type", "d").splitlines()
    assert len(found) == 7


# -- ownership, modes, times set by hand ------------------------------------

def test_owner_is_the_mounting_user_by_default(m, zk):
    zk.create("/f", b"")
    st = os.stat(m / "f")
    assert (st.st_uid, st.st_gid) == (os.getuid(), os.getgid())


def test_umask_uid_gid(mount, source, zk):
    zk.create("/f", b"")
    zk.create("/d", None)
    m = mount(source, "umask=027", "uid=1234", "gid=5678")
    for name, mode in (("f", 0o640), ("d", 0o750), ("", 0o750)):
        st = os.stat(m / name)
        assert stat.S_IMODE(st.st_mode) & 0o777 == mode, name
        assert (st.st_uid, st.st_gid) == (1234, 5678)


@pytest.mark.parametrize("kind", ["file", "dir"])
def test_chmod_and_chown_are_refused(m, zk, kind):
    zk.create("/n", b"" if kind == "file" else None)
    st = os.stat(m / "n")
    mode = stat.S_IMODE(st.st_mode)
    with fails("EPERM"):
        os.chmod(m / "n", mode ^ 0o011)
    os.chmod(m / "n", mode)
    if os.getuid() == 0:
        with fails("EPERM"):
            os.chown(m / "n", 4711, -1)
        with fails("EPERM"):
            os.chown(m / "n", -1, 4711)
    os.chown(m / "n", st.st_uid, st.st_gid)
    os.chown(m / "n", -1, -1)
    after = os.stat(m / "n")
    assert (after.st_mode, after.st_uid) == (st.st_mode, st.st_uid)


def test_quiet(mount, source, zk, server):
    zk.create("/f", b"")
    m = mount(source, "quiet")
    before = os.stat(m / "f")
    with server.transactions(0):
        os.chmod(m / "f", 0o111)
        if os.getuid() == 0:
            os.chown(m / "f", 4711, 4711)
    after = os.stat(m / "f")
    assert (after.st_mode, after.st_uid, after.st_gid) == \
        (before.st_mode, before.st_uid, before.st_gid)


@pytest.mark.parametrize("name", ["f", "d"])
def test_setting_times_has_no_effect(m, zk, server, name):
    zk.create("/f", b"v")
    zk.create("/d", None)
    before = os.stat(m / name)
    with server.transactions(0):
        os.utime(m / name, (1e9, 1e9))
        ok("touch", "-d", "2001-02-03", m / name)
    assert os.stat(m / name).st_mtime_ns == before.st_mtime_ns


def test_touch_rewrites_the_same_data(m, zk, server):
    zk.create("/f", b"the data")
    with server.transactions(1):
        ok("touch", m / "f")
    data, st = zk.get("/f")
    assert (data, st.version) == (b"the data", 1)
    assert os.stat(m / "f").st_mtime_ns == st.mtime * 1_000_000
    assert get(m / "f") == b"the data"


def test_touch_of_a_new_name_creates_an_empty_file(m, zk):
    ok("touch", m / "new")
    wait_data(zk, "/new", b"")


# -- removing ---------------------------------------------------------------

def test_rmdir_is_never_recursive(m, zk, server):
    zk.create("/d", None)
    zk.create("/d/f", b"v")
    with fails("ENOTEMPTY"):
        os.rmdir(m / "d")
    assert zk.exists("/d/f")
    os.unlink(m / "d/f")
    with server.transactions(1):
        os.rmdir(m / "d")
    assert not zk.exists("/d")


def test_rmdir_of_children_made_elsewhere(m, zk):
    os.mkdir(m / "d")
    assert os.listdir(m / "d") == []
    zk.create("/d/hidden", b"v")
    with fails("ENOTEMPTY"):
        os.rmdir(m / "d")
    assert zk.get("/d/hidden")[0] == b"v"


def test_rm_r(m, zk):
    zk.create("/d", b"inner")
    zk.create("/d/e", b"")
    zk.create("/d/e/f", b"v")
    zk.create("/d/null", None)
    ok("rm", "-r", m / "d")
    assert zk.get_children("/") == []
    assert os.listdir(m) == []


def test_unlink_of_a_directory_and_rmdir_of_a_file(m, zk):
    zk.create("/d", None)
    zk.create("/f", b"")
    with fails("EISDIR", "EPERM"):
        os.unlink(m / "d")
    with fails("ENOTDIR"):
        os.rmdir(m / "f")


def test_no_links_no_devices(m, zk):
    put(m / "f", b"v")
    with fails("EPERM", "EOPNOTSUPP", "ENOSYS"):
        os.link(m / "f", m / "hard")
    with fails("EPERM", "EOPNOTSUPP", "ENOSYS"):
        os.symlink("f", m / "soft")
    with fails("EPERM", "EOPNOTSUPP", "ENOSYS"):
        os.mkfifo(m / "fifo")
    assert zk.get_children("/") == ["f"]
