# SPDX-License-Identifier: Apache-2.0
"""Rename: everything or nothing, in one transaction."""

import os

import pytest
from kazoo.security import ACL, Id, Permissions, make_digest_acl

from harness import tree
from harness.files import (RENAME_EXCHANGE, RENAME_NOREPLACE, fails, get, ok,
                           opened, put, renameat2, run, shell)
from harness.threads import repeating
from harness.wait import wait_equal, wait_for

ANYONE = Id("world", "anyone")


@pytest.fixture
def small(zk):
    """A subtree of all kinds; returns what a snapshot of it has to be."""
    nodes = [("/s", b"inner"), ("/s/null", None), ("/s/zero", b""),
             ("/s/one", b"1"), ("/s/sub", None), ("/s/sub/f", b"f" * 5000),
             ("/s/sub/deep", b""), ("/s/sub/deep/x", b"x"),
             ("/s/.data", b"called so"), ("/s/ü%41", b"odd"),
             ("/s/" + "n" * 300, b"long")]
    tree.create_all(zk, nodes)
    return tree.snapshot(zk, "/s")


# -- leaves -----------------------------------------------------------------

def test_leaf(m, zk, server):
    zk.create("/a", b"v")
    with server.transactions(1):
        os.rename(m / "a", m / "b")
    assert zk.get_children("/") == ["b"]
    assert zk.get("/b")[0] == b"v"
    assert os.listdir(m) == ["b"]
    assert get(m / "b") == b"v"
    with fails("ENOENT"):
        os.stat(m / "a")


def test_leaf_to_another_directory(m, zk, server):
    zk.create("/d", None)
    zk.create("/e", None)
    zk.create("/d/a", b"v")
    assert os.listdir(m / "d") == ["a"]
    assert os.listdir(m / "e") == []
    with server.transactions(1):
        os.rename(m / "d/a", m / "e/b")
    assert zk.get("/e/b")[0] == b"v"
    assert os.listdir(m / "d") == []
    assert os.listdir(m / "e") == ["b"]


@pytest.mark.parametrize("known", [False, True])
def test_over_an_existing_file(m, zk, server, known):
    zk.create("/a", b"new")
    zk.create("/b", b"old and longer")
    if known:
        assert get(m / "b") == b"old and longer"
        assert get(m / "a") == b"new"
    with server.transactions(1):
        os.rename(m / "a", m / "b")
    assert zk.get_children("/") == ["b"]
    assert zk.get("/b")[0] == b"new"
    assert get(m / "b") == b"new"
    assert os.stat(m / "b").st_size == 3
    assert os.listdir(m) == ["b"]


def test_over_a_file_that_is_open(m, zk):
    zk.create("/a", b"n" * 300_000)
    zk.create("/b", b"o" * 300_000)
    with opened(m / "b", os.O_RDONLY) as fd:
        assert os.read(fd, 10) == b"o" * 10
        os.rename(m / "a", m / "b")
        assert os.read(fd, 400_000) == b"o" * 299_990
    assert get(m / "b") == b"n" * 300_000


def test_open_file_goes_with_its_name(m, zk):
    zk.create("/a", b"v")
    zk.create("/d", None)
    with opened(m / "a", os.O_RDWR | os.O_APPEND) as fd:
        os.rename(m / "a", m / "d/b")
        os.write(fd, b"w")
        assert os.pread(fd, 10, 0) == b"vw"
    assert zk.get("/d/b")[0] == b"vw"
    assert zk.get_children("/") == ["d"]


def test_null_zero_and_large_leaves(m, zk, server):
    for data in (None, b"", b"x" * 1_000_000):
        zk.create("/a", data)
        with server.transactions(1):
            os.rename(m / "a", m / "b")
        assert zk.get("/b")[0] == data
        zk.delete("/b")
        wait_for(lambda: not os.path.exists(m / "b"))


def test_to_itself(m, zk, server):
    zk.create("/a", b"v")
    with server.transactions(0):
        os.rename(m / "a", m / "a")
    assert zk.get("/a")[0] == b"v"


def test_there_and_back(m, zk):
    zk.create("/a", b"v")
    for _ in range(5):
        os.rename(m / "a", m / "b")
        os.rename(m / "b", m / "a")
        assert get(m / "a") == b"v"
    assert zk.get_children("/") == ["a"]


def test_other_mount_follows(m, m2, zk):
    zk.create("/a", b"v")
    assert get(m2 / "a") == b"v"
    os.rename(m / "a", m / "b")
    wait_equal(lambda: get(m2 / "b"), b"v")
    wait_for(lambda: not os.path.exists(m2 / "a"))


def test_odd_names(m, zk):
    zk.create("/a", b"v")
    os.rename(m / "a", m / "%2Edata")
    assert zk.get_children("/") == [".data"]
    os.rename(m / "%2Edata", m / "100%")
    assert zk.get_children("/") == ["100%"]


def test_long_name_by_its_alias(m, zk):
    zk.create("/" + "n" * 300, b"v")
    alias, = os.listdir(m)
    os.rename(m / alias, m / "short")
    assert zk.get_children("/") == ["short"]
    assert get(m / "short") == b"v"


def test_over_the_data_file(m, zk):
    """sed -i and vim save `.data` as any other file."""
    zk.create("/d", b"old")
    zk.create("/d/f", b"")
    put(m / "d/tmp", b"new")
    os.rename(m / "d/tmp", m / "d/.data")
    assert zk.get("/d")[0] == b"new"
    assert sorted(zk.get_children("/d")) == ["f"]
    assert get(m / "d/.data") == b"new"


# -- subtrees ---------------------------------------------------------------

def test_subtree(m, zk, server, small):
    zk.create("/d", None)
    with server.transactions(1):
        os.rename(m / "s", m / "d/t")
    assert zk.get_children("/") == ["d"]
    assert tree.snapshot(zk, "/d/t") == small
    assert get(m / "d/t/sub/deep/x") == b"x"
    assert get(m / "d/t/.data") == b"inner"
    with fails("ENOENT"):
        os.stat(m / "s")


def test_subtree_that_the_mount_knows(m, zk, server, small):
    before = ok("find", m / "s", "-printf", "%P %y %s\n")
    run("grep", "-r", "nothing", m / "s")
    with server.transactions(1):
        shell('mv "$1" "$2"', m / "s", m / "t")
    assert tree.snapshot(zk, "/t") == small
    after = ok("find", m / "t", "-printf", "%P %y %s\n")
    assert sorted(before.splitlines()) == sorted(after.splitlines())
    assert os.listdir(m) == ["t"]


def test_acls_are_kept(m, zk):
    acls = {"/s": [ACL(Permissions.ALL, ANYONE),
                   make_digest_acl("joe", "pw", all=True)],
            "/s/f": [ACL(Permissions.READ | Permissions.ADMIN, ANYONE),
                     make_digest_acl("joe", "pw", all=True)],
            "/plain": [ACL(Permissions.READ | Permissions.ADMIN, ANYONE)]}
    for path, acl in acls.items():
        zk.create(path, b"v", acl=acl)
    os.rename(m / "s", m / "t")
    os.rename(m / "plain", m / "moved")
    for path, acl in zip(("/t", "/t/f", "/moved"), acls.values()):
        assert sorted(zk.get_acls(path)[0]) == sorted(acl)


def test_acls_that_are_hidden_are_not_lost(m, zk):
    """The server shows the digests of an ACL to its administrators only.

    What is copied from what others see would lock joe out for ever.
    """
    joe = make_digest_acl("joe", "pw", all=True)
    acl = [joe, ACL(Permissions.READ, ANYONE)]
    zk.create("/f", b"v", acl=acl)
    try:
        os.rename(m / "f", m / "g")
    except OSError as e:
        assert e.strerror in ("Permission denied", "Operation not permitted",
                              "Invalid cross-device link")
        assert zk.get_children("/") == ["f"]
        return
    zk.add_auth("digest", "joe:pw")
    assert joe in zk.get_acls("/g")[0]


def test_subtree_with_children_made_elsewhere(m, zk):
    """What the mount did not know of is moved too."""
    os.mkdir(m / "d")
    assert os.listdir(m / "d") == []
    zk.create("/d/new", b"v")
    zk.create("/d/new/below", b"w")
    os.rename(m / "d", m / "e")
    assert tree.snapshot(zk, "/e") == {"/": None, "/new": b"v",
                                       "/new/below": b"w"}
    assert get(m / "e/new/below") == b"w"


def test_open_files_below_go_along(m, zk, small):
    with opened(m / "s/sub/f", os.O_RDWR) as fd:
        os.rename(m / "s", m / "t")
        os.pwrite(fd, b"F", 0)
    assert zk.get("/t/sub/f")[0] == b"F" + b"f" * 4999
    assert get(m / "t/sub/f")[:2] == b"Ff"


def test_working_directory_goes_along(m, zk, small):
    out = shell('cd "$1/s/sub" && mv "$1/s" "$1/t" && cat f && ls deep',
                m.path)
    assert out == "f" * 5000 + "x\n"


def test_directory_over_directory(m, zk, server, small):
    zk.create("/empty", None)
    zk.create("/full", None)
    zk.create("/full/x", b"")
    with fails("ENOTEMPTY"):
        os.rename(m / "s", m / "full")
    assert tree.snapshot(zk, "/s") == small
    with server.transactions(1):
        os.rename(m / "s", m / "empty")
    assert tree.snapshot(zk, "/empty") == small
    assert zk.get_children("/full") == ["x"]


def test_kinds_that_do_not_fit(m, zk, server):
    zk.create("/f", b"v")
    zk.create("/d", None)
    zk.create("/d/sub", None)
    with server.transactions(0):
        with fails("EISDIR"):
            os.rename(m / "f", m / "d")
        with fails("ENOTDIR"):
            os.rename(m / "d", m / "f")
        with fails("EINVAL"):
            os.rename(m / "d", m / "d/sub/below")
        with fails("ENOENT"):
            os.rename(m / "absent", m / "x")
    assert sorted(zk.get_children("/")) == ["d", "f"]


# -- too large --------------------------------------------------------------

def test_too_large_is_exdev_and_mv_copies(m, zk, server):
    nodes = [("/s", b"inner"), ("/s/null", None)] + \
        [(f"/s/f{i}", bytes([i]) * 500_000) for i in range(4)]
    tree.create_all(zk, nodes)
    want = tree.snapshot(zk, "/s")
    with server.transactions(0), fails("EXDEV"):
        os.rename(m / "s", m / "t")
    assert zk.get_children("/") == ["s"]
    shell('mv "$1" "$2"', m / "s", m / "t")
    assert zk.get_children("/") == ["t"]
    assert tree.snapshot(zk, "/t") == want


def test_too_many_is_exdev(m, zk):
    """Many znodes without data: too large for one request as well."""
    tree.create_all(zk, [("/s", None)] +
                    [(f"/s/{'n' * 40}{i:06}", None) for i in range(12000)])
    with fails("EXDEV"):
        os.rename(m / "s", m / "t")
    assert zk.get_children("/") == ["s"]
    assert len(zk.get_children("/s")) == 12000


# -- ephemerals -------------------------------------------------------------

def test_own_ephemeral_stays_ephemeral(m, zk, server):
    put(m / ".ephemeral/e", b"v")
    zk.create("/d", None)
    session = zk.exists("/e").ephemeralOwner
    with server.transactions(1):
        os.rename(m / "e", m / "d/e2")
    assert zk.exists("/d/e2").ephemeralOwner == session
    os.rename(m / ".ephemeral/d/e2", m / ".ephemeral/e3")
    assert zk.exists("/e3").ephemeralOwner == session
    assert zk.get("/e3")[0] == b"v"
    m.stop()
    assert zk.get_children("/") == ["d"]


def test_subtree_with_own_ephemerals(m, zk):
    zk.create("/s", b"inner")
    zk.create("/s/p", b"v")
    put(m / ".ephemeral/s/e", b"v")
    os.rename(m / "s", m / "t")
    assert zk.exists("/t/e").ephemeralOwner != 0
    assert zk.exists("/t/p").ephemeralOwner == 0
    assert not zk.exists("/s")


@pytest.mark.parametrize("inside", [False, True])
def test_somebody_elses_ephemeral_is_refused(m, zk, server, inside):
    zk.create("/s", None)
    zk.create("/s/f", b"v")
    path = "/s/e" if inside else "/e"
    zk.create(path, b"theirs", ephemeral=True)
    name = path.split("/")[1]
    with server.transactions(0), fails("EPERM"):
        os.rename(m / name, m / "moved")
    assert zk.exists("/s/f") and zk.exists(path)
    assert not zk.exists("/moved")


def test_over_somebody_elses_ephemeral(m, zk):
    """Deleting it is allowed, as rm is; the new znode is persistent."""
    zk.create("/e", b"theirs", ephemeral=True)
    put(m / "a", b"v")
    try:
        os.rename(m / "a", m / "e")
    except PermissionError:
        assert zk.get("/e")[0] == b"theirs"
    else:
        assert zk.exists("/e").ephemeralOwner == 0


# -- flags ------------------------------------------------------------------

def test_noreplace(m, zk, server):
    zk.create("/a", b"a")
    zk.create("/b", b"b")
    with server.transactions(0), fails("EEXIST"):
        renameat2(m / "a", m / "b", RENAME_NOREPLACE)
    with server.transactions(1):
        renameat2(m / "a", m / "c", RENAME_NOREPLACE)
    assert sorted(zk.get_children("/")) == ["b", "c"]
    assert (zk.get("/b")[0], zk.get("/c")[0]) == (b"b", b"a")


def test_noreplace_of_a_name_believed_absent(m, zk):
    zk.create("/a", b"a")
    assert os.listdir(m) == ["a"]
    zk.create("/b", b"b")
    with fails("EEXIST"):
        renameat2(m / "a", m / "b", RENAME_NOREPLACE)
    assert (zk.get("/a")[0], zk.get("/b")[0]) == (b"a", b"b")


def test_exchange_of_files(m, zk, server):
    zk.create("/a", b"aaa")
    zk.create("/b", b"b")
    assert get(m / "a") == b"aaa"
    with server.transactions(1):
        renameat2(m / "a", m / "b", RENAME_EXCHANGE)
    assert (zk.get("/a")[0], zk.get("/b")[0]) == (b"b", b"aaa")
    assert (get(m / "a"), get(m / "b")) == (b"b", b"aaa")
    assert os.stat(m / "a").st_size == 1
    with fails("ENOENT"):
        renameat2(m / "a", m / "absent", RENAME_EXCHANGE)


def test_exchange_of_file_and_directory(m, zk, server, small):
    zk.create("/f", b"v")
    with server.transactions(1):
        renameat2(m / "f", m / "s", RENAME_EXCHANGE)
    assert zk.get("/s")[0] == b"v"
    assert tree.snapshot(zk, "/f") == small
    assert get(m / "s") == b"v"
    assert get(m / "f/sub/deep/x") == b"x"


# -- rights and races -------------------------------------------------------

def test_no_right_to_delete_or_create(m, zk, server):
    read_only = [ACL(Permissions.READ, ANYONE)]
    zk.create("/open", None)
    zk.create("/shut", None)
    zk.create("/shut/a", b"v")
    zk.create("/open/b", b"w")
    zk.set_acls("/shut", read_only)
    with fails("EACCES"):
        os.rename(m / "shut/a", m / "open/a")
    with fails("EACCES"):
        os.rename(m / "open/b", m / "shut/b")
    assert zk.get_children("/shut") == ["a"]
    assert zk.get_children("/open") == ["b"]


def test_unreadable_source(m, zk):
    zk.create("/s", None)
    zk.create("/s/secret", b"v", acl=[make_digest_acl("joe", "pw", all=True)])
    with fails("EACCES"):
        os.rename(m / "s", m / "t")
    assert zk.exists("/s/secret") and not zk.exists("/t")


def test_readers_see_one_or_the_other(m, m2, zk):
    """The name is there at any time while files are moved over it."""
    put(m / "f", b"0")

    def check(data):
        assert data, "empty"

    with repeating(lambda: check(zk.get("/f")[0]),
                   lambda: check(get(m / "f"))):
        for i in range(200):
            put(m / "tmp", b"%d" % i)
            os.rename(m / "tmp", m / "f")
    wait_equal(lambda: get(m2 / "f"), b"199")
