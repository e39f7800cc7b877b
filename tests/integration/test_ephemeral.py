# SPDX-License-Identifier: Apache-2.0
"""The view `.ephemeral`: files that live as long as the session."""

import os
import signal
import stat

import pytest

from harness.files import append, fails, get, ok, opened, put, shell
from harness.tree import wait_data
from harness.wait import wait_equal, wait_for


def owner(zk, path):
    st = zk.exists(path)
    return st.ephemeralOwner if st else None


def find(mnt, *args):
    out = ok("find", ".ephemeral", *args, cwd=mnt.path)
    return sorted(out.splitlines())


@pytest.fixture
def web(zk):
    zk.create("/services", None)
    zk.create("/services/web", None)


def test_one_transaction_with_its_data(m, zk, web, server):
    with server.transactions(1):
        shell('echo 10.0.0.7:80 > "$1"', m / ".ephemeral/services/web/h1")
    data, st = zk.get("/services/web/h1")
    assert (data, st.version) == (b"10.0.0.7:80\n", 0)
    assert st.ephemeralOwner != 0


def test_one_session_owns_them_all(m, zk, web):
    for i in range(3):
        put(m / f".ephemeral/services/web/h{i}", b"v")
    owners = {owner(zk, f"/services/web/h{i}") for i in range(3)}
    assert len(owners) == 1 and 0 not in owners


def test_files_made_elsewhere_are_persistent(m, zk, web):
    put(m / "services/web/h1", b"v")
    assert owner(zk, "/services/web/h1") == 0
    os.mkdir(m / "services/db")
    assert owner(zk, "/services/db") == 0


def test_o_excl(m, zk, web):
    path = m / ".ephemeral/services/web/h1"
    put(path, b"v", os.O_CREAT | os.O_EXCL)
    assert owner(zk, "/services/web/h1")
    with fails("EEXIST"):
        put(path, b"w", os.O_CREAT | os.O_EXCL)
    assert zk.get("/services/web/h1")[0] == b"v"


def test_both_views_show_one_file(m, zk, web):
    put(m / ".ephemeral/services/web/h1", b"v")
    for path in (m / "services/web/h1", m / ".ephemeral/services/web/h1"):
        assert stat.S_ISREG(os.stat(path).st_mode)
        assert get(path) == b"v"
    assert os.listdir(m / "services/web") == ["h1"]


def test_writes_keep_it_ephemeral(m, zk, web):
    put(m / ".ephemeral/services/web/h1", b"v")
    session = owner(zk, "/services/web/h1")
    put(m / ".ephemeral/services/web/h1", b"over")
    put(m / "services/web/h1", b"over and over")
    append(m / ".ephemeral/services/web/h1", b"!")
    data, st = zk.get("/services/web/h1")
    assert (data, st.version) == (b"over and over!", 3)
    assert st.ephemeralOwner == session


def test_not_listed_at_the_root(m, zk):
    zk.create("/f", b"v")
    assert os.listdir(m) == ["f"]
    assert stat.S_ISDIR(os.stat(m / ".ephemeral").st_mode)
    assert ok("find", m.path).count("\n") == 2
    assert ok("grep", "-r", "v", m.path).count("\n") == 1


def test_only_at_the_root(m, zk):
    zk.create("/d", None)
    with fails("ENOENT"):
        os.stat(m / "d/.ephemeral")
    with fails("ENOENT"):
        os.stat(m / ".ephemeral/.ephemeral")


def test_list_is_what_goes_with_the_session(m, m2, zk, web, client, server,
                                            chroot):
    zk.create("/services/db", None)
    zk.create("/services/web/persistent", b"v")
    other = client(server.hostport, chroot)
    other.create("/services/web/others", b"v", ephemeral=True)
    put(m / ".ephemeral/services/web/h1", b"v")
    put(m / ".ephemeral/top", b"v")
    put(m2 / ".ephemeral/services/db/h2", b"v")
    assert find(m, "-type", "f") == [".ephemeral/services/web/h1",
                                     ".ephemeral/top"]
    assert find(m, "-mindepth", "1", "-type", "d") == [
        ".ephemeral/services", ".ephemeral/services/web"]
    assert find(m2, "-type", "f") == [".ephemeral/services/db/h2"]
    os.unlink(m / ".ephemeral/services/web/h1")
    assert find(m, "-mindepth", "1") == [".ephemeral/top"]
    os.unlink(m / "top")
    assert find(m, "-mindepth", "1") == []


def test_list_without_ephemerals_is_empty(m, zk, web):
    assert os.listdir(m / ".ephemeral") == []
    assert os.listdir(m / ".ephemeral/services") == []


def test_list_loses_what_others_delete(m, zk, web):
    put(m / ".ephemeral/services/web/h1", b"v")
    assert find(m, "-type", "f") == [".ephemeral/services/web/h1"]
    zk.delete("/services/web/h1")
    wait_equal(lambda: find(m, "-mindepth", "1"), [])


def test_every_persistent_znode_is_a_directory_here(m, zk):
    zk.create("/file", b"v")
    zk.create("/zero", b"")
    zk.create("/null", None)
    for name in ("file", "zero", "null"):
        assert stat.S_ISDIR(os.stat(m / ".ephemeral" / name).st_mode)
        assert os.listdir(m / ".ephemeral" / name) == []
    assert stat.S_ISREG(os.stat(m / "file").st_mode)


def test_child_below_a_file(m, zk, server):
    zk.create("/leader", b"config")
    assert get(m / "leader") == b"config"
    with server.transactions(1):
        put(m / ".ephemeral/leader/me", b"v")
    assert zk.get("/leader/me")[0] == b"v"
    assert zk.get("/leader")[0] == b"config"
    wait_equal(lambda: sorted(os.listdir(m / "leader")), [".data", "me"])
    assert get(m / "leader/.data") == b"config"
    assert get(m / "leader/me") == b"v"


def test_nothing_below_an_ephemeral(m, zk):
    put(m / ".ephemeral/e", b"v")
    for path in (m / "e/child", m / ".ephemeral/e/child"):
        with fails("ENOTDIR"):
            put(path, b"v")
        with fails("ENOTDIR"):
            os.mkdir(path)


def test_absent_parent(m, zk):
    with fails("ENOENT"):
        put(m / ".ephemeral/no/such", b"v")
    assert zk.get_children("/") == []


def test_removed_in_either_view(m, zk, server):
    for path in (m / "e", m / ".ephemeral/e"):
        put(m / ".ephemeral/e", b"v")
        assert get(m / "e") == b"v"
        with server.transactions(1):
            os.unlink(path)
        assert not zk.exists("/e")
        for gone in (m / "e", m / ".ephemeral/e"):
            with fails("ENOENT"):
                get(gone)


def test_seen_on_another_mount_as_a_plain_file(m, m2, zk, web):
    put(m / ".ephemeral/services/web/h1", b"v")
    wait_equal(lambda: get(m2 / "services/web/h1"), b"v")
    assert os.listdir(m2 / ".ephemeral") == []
    put(m2 / "services/web/h1", b"changed there")
    wait_equal(lambda: get(m / "services/web/h1"), b"changed there")
    os.unlink(m2 / "services/web/h1")
    wait_for(lambda: not os.path.exists(m / "services/web/h1"))


def test_somebody_elses_is_not_taken_over(m, m2, zk, server):
    put(m2 / ".ephemeral/e", b"theirs")
    with fails("EEXIST"):
        put(m / ".ephemeral/e", b"mine")
    assert zk.get("/e")[0] == b"theirs"


def test_rename_between_the_views_is_exdev_and_mv_copies(m, zk, web):
    put(m / "a", b"v")
    with fails("EXDEV"):
        os.rename(m / "a", m / ".ephemeral/services/web/a")
    ok("mv", m / "a", m / ".ephemeral/services/web/a")
    assert zk.get("/services/web/a")[0] == b"v"
    assert owner(zk, "/services/web/a")
    assert not zk.exists("/a")
    ok("mv", m / ".ephemeral/services/web/a", m / "b")
    assert owner(zk, "/b") == 0
    assert not zk.exists("/services/web/a")


def test_gone_at_once_after_unmount(m, zk, web):
    put(m / ".ephemeral/services/web/h1", b"v")
    put(m / "services/web/stays", b"v")
    m.stop()
    assert zk.get_children("/services/web") == ["stays"]


def test_gone_with_an_expired_session(mount, source, zk, web):
    """The daemon stands still for longer than its session lives."""
    m = mount(source, "session_timeout=1", allow=".")
    put(m / ".ephemeral/services/web/h1", b"v")
    m.kill(signal.SIGSTOP)
    wait_for(lambda: not zk.exists("/services/web/h1"), 30)
    m.kill(signal.SIGCONT)
    wait_for(lambda: not os.path.exists(m / "services/web/h1"), 30)
    assert find(m, "-type", "f") == []
    put(m / ".ephemeral/services/web/h2", b"v")
    assert owner(zk, "/services/web/h2")
    assert find(m, "-type", "f") == [".ephemeral/services/web/h2"]


def test_new_file_is_ephemeral_when_others_see_it(m, zk):
    with opened(m / ".ephemeral/e", os.O_WRONLY | os.O_CREAT) as fd:
        assert os.stat(m / ".ephemeral/e").st_size == 0
        assert not zk.exists("/e")
        os.write(fd, b"v")
        assert owner(zk, "/e")
    with opened(m / ".ephemeral/empty", os.O_WRONLY | os.O_CREAT):
        pass
    wait_data(zk, "/empty", b"")
    assert owner(zk, "/empty")


def test_odd_names(m, zk):
    put(m / ".ephemeral/%2Edata", b"v")
    assert zk.get("/.data")[0] == b"v" and owner(zk, "/.data")
    assert os.listdir(m / ".ephemeral") == ["%2Edata"]
    assert get(m / "%2Edata") == b"v"
