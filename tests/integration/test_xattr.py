# SPDX-License-Identifier: Apache-2.0
"""Extended attributes: what getfattr(1) shows, ACLs, and what copies do."""

import errno
import os
import shutil
import subprocess

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import make_acl, make_digest_acl_credential

from harness.files import fails, get, ok, opened, put, run
from harness.wait import SLOW, wait_equal, wait_for

LISTED = ["czxid", "mzxid", "pzxid", "version", "cversion", "aversion",
          "ephemeral_owner", "num_children", "path"]
OF_ROOT = ["session", "state", "server", "timeout"]


def zk_attr(path, name):
    return os.getxattr(path, "user.zk." + name).decode()


def attrs(path):
    return {name: zk_attr(path, name) for name in LISTED}


def names(path):
    return {n.removeprefix("user.zk.") for n in os.listxattr(path)}


def expected(stat, path):
    return {
        "czxid": hex(stat.czxid), "mzxid": hex(stat.mzxid),
        "pzxid": hex(stat.pzxid), "version": str(stat.version),
        "cversion": str(stat.cversion), "aversion": str(stat.aversion),
        "ephemeral_owner": hex(stat.ephemeralOwner),
        "num_children": str(stat.numChildren), "path": path}


def settled(path):
    """Wait until the mount has told of what another client has made."""
    wait_for(lambda: os.path.exists(path), what=f"{path}")
    return path


# -- what is shown -----------------------------------------------------------

def test_a_file_shows_its_stat(m, zk, chroot):
    zk.create("/f", b"one")
    zk.set("/f", b"two")
    path = settled(m / "f")
    assert names(path) == set(LISTED)
    wait_equal(lambda: attrs(path), expected(zk.exists("/f"), chroot + "/f"))


def test_a_directory_shows_its_stat(m, zk, chroot):
    zk.create("/d", None)
    zk.create("/d/a", b"")
    zk.create("/d/b", b"")
    zk.delete("/d/a")
    path = settled(m / "d")
    assert names(path) == set(LISTED)
    wait_equal(lambda: attrs(path), expected(zk.exists("/d"), chroot + "/d"))


def test_getfattr_shows_them_all(m, zk):
    zk.create("/f", b"one")
    out = ok("getfattr", "--absolute-names", "-d", settled(m / "f"))
    for name in LISTED:
        assert f"user.zk.{name}=" in out
    assert "acl" not in out


def test_data_of_a_directory_has_those_of_the_znode(m, zk):
    zk.create("/d", b"own")
    zk.create("/d/c", b"")
    assert attrs(settled(m / "d/.data")) == attrs(m / "d")


def test_an_ephemeral_has_its_owner(m):
    put(m / ".ephemeral/e", b"v")
    session = zk_attr(m, "session")
    assert zk_attr(m / "e", "ephemeral_owner") == session
    assert zk_attr(m / ".ephemeral/e", "ephemeral_owner") == session


def test_the_root_tells_of_the_session(m, server, chroot):
    assert names(m) == set(LISTED) | set(OF_ROOT)
    assert zk_attr(m, "path") == chroot
    assert zk_attr(m, "state") == "connected"
    assert zk_attr(m, "server") == server.hostport
    assert int(zk_attr(m, "session"), 16) in server.sessions()
    assert zk_attr(m, "timeout") == "30000"


def test_the_timeout_is_the_one_that_was_agreed(mount, source):
    m = mount(source, "session_timeout=7000")
    assert zk_attr(m, "timeout") == "600000"


def test_only_the_root_tells_of_the_session(m, zk):
    zk.create("/f", b"")
    for name in OF_ROOT:
        with fails("ENODATA"):
            zk_attr(settled(m / "f"), name)


def test_own_changes_show_at_once(m, zk):
    put(m / "f", b"one")
    assert zk_attr(m / "f", "version") == "0"
    put(m / "f", b"two")
    assert zk_attr(m / "f", "version") == "1"
    os.mkdir(m / "d")
    for n in range(20):
        put(m / f"d/{n}", b"v")
        assert zk_attr(m / "d", "num_children") == str(n + 1)
    os.unlink(m / "d/0")
    assert zk_attr(m / "d", "num_children") == "19"
    os.rename(m / "f", m / "d/f")
    assert zk_attr(m / "d", "num_children") == "20"
    assert zk_attr(m / "d", "pzxid") == hex(zk.exists("/d").pzxid)


def test_changes_of_others_show(m, zk):
    zk.create("/d", None)
    zk.create("/d/f", b"v")
    assert zk_attr(settled(m / "d/f"), "version") == "0"
    for n in range(1, 5):
        zk.set("/d/f", b"v")
        zk.create(f"/d/{n}", b"v")
        wait_equal(lambda: zk_attr(m / "d/f", "version"), str(n))
        wait_equal(lambda: zk_attr(m / "d", "num_children"), str(n + 1))


def test_what_was_removed_can_be_asked_by_who_has_it_open(m):
    put(m / "f", b"v")
    with opened(m / "f", os.O_RDONLY) as fd:
        czxid = zk_attr(fd, "czxid")
        os.unlink(m / "f")
        assert zk_attr(fd, "czxid") == czxid
        with fails("ENOENT"):
            zk_attr(fd, "acl")


def test_what_is_not_at_the_server_has_no_stat(m, chroot):
    with opened(m / "f", os.O_WRONLY | os.O_CREAT) as fd:
        assert names(fd) == {"path"}
        assert zk_attr(fd, "path") == chroot + "/f"
        with fails("ENODATA"):
            zk_attr(fd, "version")
        os.write(fd, b"v")
        assert names(fd) == set(LISTED)


# -- sizes, names, flags -----------------------------------------------------

def getxattr(path, name, size):
    """getxattr(2) itself: the length, or what errno says."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    room = ctypes.create_string_buffer(max(size, 1))
    n = libc.getxattr(os.fsencode(path), os.fsencode(name), room, size)
    return n if n >= 0 else errno.errorcode[ctypes.get_errno()]


def test_sizes(m, zk, chroot):
    zk.create("/f", b"v")
    path = settled(m / "f")
    for name, value in [("path", chroot + "/f"),
                        ("acl", "world:anyone:cdrwa"), ("version", "0")]:
        name = "user.zk." + name
        assert getxattr(path, name, 0) == len(value)
        assert getxattr(path, name, len(value)) == len(value)
        assert getxattr(path, name, len(value) - 1 or -1) in (
            "ERANGE", len(value))


@pytest.mark.parametrize("name, get_error, set_error, remove_error", [
    ("user.zk.nothing", "ENODATA", "ENOTSUP", "ENODATA"),
    ("user.zk.lock", "ENODATA", "ENOTSUP", "ENOTSUP"),
    ("user.other", "ENODATA", "ENOTSUP", "ENODATA"),
    ("user.zk.czxid", None, "ENOTSUP", "ENOTSUP"),
    ("user.zk.path", None, "ENOTSUP", "ENOTSUP"),
    ("user.zk.acl", None, None, "ENOTSUP"),
    ("trusted.x", "ENOTSUP", "ENOTSUP", "ENOTSUP"),
    ("security.capability", "ENOTSUP", None, None),
])
def test_names(m, name, get_error, set_error, remove_error):
    put(m / "f", b"v")
    path = m / "f"
    for error, call in [(get_error, lambda: os.getxattr(path, name)),
                        (set_error, lambda: os.setxattr(path, name, b"1")),
                        (remove_error, lambda: os.removexattr(path, name))]:
        if error:
            with fails(error):
                call()


def test_create_and_replace(m):
    put(m / "f", b"v")
    acl = os.getxattr(m / "f", "user.zk.acl")
    with fails("EEXIST"):
        os.setxattr(m / "f", "user.zk.acl", acl, os.XATTR_CREATE)
    os.setxattr(m / "f", "user.zk.acl", acl, os.XATTR_REPLACE)
    with fails("ENODATA"):
        os.setxattr(m / "f", "user.other", b"", os.XATTR_REPLACE)
    with fails("ENOTSUP"):
        os.setxattr(m / "f", "user.other", b"", os.XATTR_CREATE)


def test_read_only(mount, source, zk):
    zk.create("/f", b"v")
    m = mount(source, "ro")
    assert zk_attr(settled(m / "f"), "version") == "0"
    for name in ("acl", "version", "czxid"):
        with fails("EROFS"):
            os.setxattr(m / "f", "user.zk." + name, b"0")
        with fails("EROFS"):
            os.removexattr(m / "f", "user.zk." + name)


# -- what it costs -----------------------------------------------------------

def test_getfattr_of_what_is_warm_is_no_request(m, zk, fewest):
    zk.create("/d", None)
    zk.create("/d/f", b"v")
    settled(m / "d/f")

    def dump():
        ok("getfattr", "-d", m / "d", m / "d/f", m)

    dump()
    wait_for(lambda: fewest(dump) == 0, what="attributes for nothing")


def test_after_a_change_it_is_one_request(m, zk, fewest):
    zk.create("/d", None)
    settled(m / "d")
    numbers = iter(range(1000))

    def change_and_dump():
        n = next(numbers)
        zk.create(f"/d/{n}", b"v")
        wait_equal(lambda: zk_attr(m / "d", "num_children"), str(n + 1))

    # The create, the look at what was created, and one for the attributes.
    assert fewest(change_and_dump, 10) <= 3


def test_an_acl_is_one_request(m, zk, fewest):
    zk.create("/f", b"v")
    settled(m / "f")
    assert fewest(lambda: zk_attr(m / "f", "version")) == 0
    # Its size and its value.
    assert fewest(lambda: ok("getfattr", "-n", "user.zk.acl", m / "f")) == 2


def test_ls_does_not_ask_for_each_name(mount, source, zk, fewest):
    m = mount(source)
    zk.create("/d", None)
    for n in range(50):
        zk.create(f"/d/{n}", b"v")
    ok("ls", "-l", m / "d")
    wait_for(lambda: fewest(lambda: ok("ls", "-l", m / "d")) == 0,
             what="a listing for nothing")


# -- ACLs --------------------------------------------------------------------

@pytest.fixture
def anybody(server, chroot):
    """A client without credentials."""
    zk = KazooClient(hosts=server.hostport + chroot)
    zk.start(timeout=10 * SLOW)
    yield zk
    zk.stop()
    zk.close()


@pytest.fixture
def joe(server, chroot):
    """A client with the credentials of joe."""
    zk = KazooClient(hosts=server.hostport + chroot,
                     auth_data=[("digest", "joe:secret")])
    zk.start(timeout=10 * SLOW)
    yield zk
    zk.stop()
    zk.close()


@pytest.fixture
def joes(mount, source, tmp):
    """A mount with the credentials of joe."""
    auth = tmp / "auth"
    auth.write_text("digest:joe:secret\n")
    auth.chmod(0o600)
    return mount(source, f"auth_file={auth}")


JOE = "digest:" + make_digest_acl_credential("joe", "secret")


def test_an_acl_is_what_another_client_has_set(m, zk):
    zk.create("/f", b"v", acl=[
        make_acl("world", "anyone", read=True, write=True),
        make_acl("ip", "127.0.0.1", all=True),
        make_acl("digest", JOE.split(":", 1)[1], all=True)])
    # Whoever has ADMIN sees the digests.
    assert zk_attr(settled(m / "f"), "acl") == \
        f"world:anyone:rw,ip:127.0.0.1:cdrwa,{JOE}:cdrwa"


def test_an_acl_set_here_binds_others(joes, zk, anybody, joe):
    put(joes / "f", b"v")
    ok("setfattr", "-n", "user.zk.acl", "-v", f"world:anyone:r,{JOE}:cdrwa",
       joes / "f")
    assert anybody.get("/f")[0] == b"v"
    with pytest.raises(NoAuthError):
        anybody.set("/f", b"x")
    joe.set("/f", b"joe's")
    wait_equal(lambda: get(joes / "f"), b"joe's")
    os.setxattr(joes / "f", "user.zk.acl", f"{JOE}:cdrwa".encode())
    with pytest.raises(NoAuthError):
        anybody.get("/f")
    assert get(joes / "f") == b"joe's"
    assert zk_attr(joes / "f", "aversion") == "2"


def test_auth_is_whoever_sets_it(joes, anybody):
    put(joes / "f", b"v")
    os.setxattr(joes / "f", "user.zk.acl", b"auth::cdrwa")
    assert zk_attr(joes / "f", "acl") == f"{JOE}:cdrwa"
    with pytest.raises(NoAuthError):
        anybody.get("/f")


def test_digests_are_hidden_from_who_may_not_set_them(m, zk):
    zk.create("/f", b"v", acl=[
        make_acl("world", "anyone", read=True),
        make_acl("digest", JOE.split(":", 1)[1], all=True)])
    assert zk_attr(settled(m / "f"), "acl") == \
        "world:anyone:r,digest:joe:x:cdrwa"


@pytest.mark.parametrize("text", [
    "", "world:anyone", "world:anyone:cdrwax", "world:anyone:rr",
    "world:anyone:r,", ",world:anyone:r", "world:anyone:r\n", ":x:r"])
def test_a_bad_acl_is_not_sent(m, server, text):
    put(m / "f", b"v")
    before = zk_attr(m / "f", "acl")
    with server.transactions(0), fails("EINVAL"):
        os.setxattr(m / "f", "user.zk.acl", text.encode())
    assert zk_attr(m / "f", "acl") == before


def test_an_acl_that_the_server_refuses(m):
    put(m / "f", b"v")
    for text in (b"nobody:knows:r", b"digest:nocolon:r", b"auth::r"):
        with fails("EINVAL"):
            os.setxattr(m / "f", "user.zk.acl", text)
    assert zk_attr(m / "f", "acl") == "world:anyone:cdrwa"


def test_an_acl_that_may_not_be_read_or_set(m, zk):
    zk.create("/f", b"v", acl=[
        make_acl("digest", JOE.split(":", 1)[1], all=True)])
    with fails("EACCES"):
        zk_attr(settled(m / "f"), "acl")
    with fails("EACCES"):
        os.setxattr(m / "f", "user.zk.acl", b"world:anyone:cdrwa")
    # What is listed can be read all the same.
    out = run("getfattr", "-d", m / "f")
    assert out.returncode == 0 and not out.stderr.replace(
        "getfattr: Removing leading '/' from absolute path names\n", "")


def test_what_one_has_denied_oneself_is_not_given_from_the_cache(m, zk, joe):
    """Nor is anything of it kept of which no event would come."""
    put(m / "f", b"v")
    assert get(m / "f") == b"v"
    os.setxattr(m / "f", "user.zk.acl",
                f"world:anyone:wa,{JOE}:cdrwa".encode())
    for _ in range(3):
        with fails("EACCES"):
            get(m / "f")
        assert os.stat(m / "f").st_size == 1
    with opened(m / "f", os.O_WRONLY) as fd:
        assert os.fstat(fd).st_size == 1
        joe.set("/f", b"longer")
        wait_equal(lambda: os.fstat(fd).st_size, 6)
        wait_equal(lambda: os.stat(m / "f").st_size, 6)
    os.setxattr(m / "f", "user.zk.acl", b"world:anyone:cdrwa")
    assert get(m / "f") == b"longer"


# -- copies ------------------------------------------------------------------

def needs_xattrs_on_disk(tmp):
    (tmp / "probe").write_bytes(b"")
    try:
        os.setxattr(tmp / "probe", "user.x", b"1")
    except OSError:
        pytest.skip("no extended attributes on disk")


SIZES = {"empty": 0, "short": 5, "block": 4096, "blocks": 8 * 4096,
         "odd": 70_000}


@pytest.fixture
def disk(tmp):
    """A directory of files that were copied out of another tree."""
    needs_xattrs_on_disk(tmp)
    tree = tmp / "tree"
    tree.mkdir()
    for name, size in SIZES.items():
        (tree / name).write_bytes(b"x" * size)
        for attr in LISTED:
            os.setxattr(tree / name, "user.zk." + attr, b"7")
    os.setxattr(tree, "user.zk.czxid", b"0x7")
    return tree


def check_copy(zk, path="/tree"):
    for name, size in SIZES.items():
        assert zk.get(f"{path}/{name}")[0] == b"x" * size
        assert zk.get_acls(f"{path}/{name}")[0][0].perms == 31


def test_cp_into_the_mount(m, zk, disk):
    for _ in range(2):  # new names, and names that are there
        out = run("cp", "-a", disk, m)
        assert (out.returncode, out.stderr) == (0, "")
        check_copy(zk)


def test_cp_that_insists_on_attributes_fails(m, zk, disk):
    out = run("cp", "--preserve=xattr", disk / "blocks", m / "f")
    assert out.returncode == 1 and "setting attributes" in out.stderr
    assert zk.get("/f")[0] == b"x" * SIZES["blocks"]


def test_mv_into_the_mount(m, zk, disk):
    out = run("mv", disk, m)
    assert (out.returncode, out.stderr) == (0, "")
    check_copy(zk)


def test_python_copies_into_the_mount(m, zk, disk):
    shutil.copytree(disk, m / "tree", copy_function=shutil.copy2)
    check_copy(zk)


def test_tar_into_the_mount(m, zk, disk):
    archive = disk.parent / "a.tar"
    ok("tar", "-C", disk.parent, "--xattrs", "-cf", archive, "tree")
    for _ in range(2):
        out = run("tar", "-C", m, "--xattrs", "-xf", archive)
        assert out.returncode == 0, out.stderr
        check_copy(zk)


def test_rsync_into_the_mount(mount, source, zk, disk):
    """It removes what the source has not, and sets what it has."""
    m = mount(source, "quiet")
    out = run("rsync", "-aX", "--filter=-x user.zk.*", disk, m)
    assert out.returncode == 0, out.stderr
    check_copy(zk)


def test_rsync_without_a_filter_copies_the_data(mount, source, zk, disk):
    m = mount(source, "quiet")
    assert run("rsync", "-aX", disk, m).returncode in (0, 23)
    check_copy(zk)


def test_rsync_of_files_without_attributes(mount, source, zk, tmp):
    """It removes what the source has not, which -o quiet accepts."""
    (tmp / "plain").write_bytes(b"v")
    m = mount(source, "quiet")
    for _ in range(2):
        out = run("rsync", "-aX", tmp / "plain", m)
        assert out.returncode == 0, out.stderr
    assert zk.get("/plain")[0] == b"v"


@pytest.mark.parametrize("tool", ["cp", "mv", "tar", "rsync"])
def test_out_of_the_mount(m, zk, tmp, tool):
    needs_xattrs_on_disk(tmp)
    zk.create("/tree", None)
    for name, size in SIZES.items():
        zk.create(f"/tree/{name}", b"x" * size)
    zk.create("/tree/hidden", b"", acl=[
        make_acl("world", "anyone", read=True)])
    tree = settled(m / "tree")
    czxid = zk_attr(tree / "odd", "czxid")
    if tool == "tar":
        out = subprocess.run(
            ["bash", "-c", 'tar -C "$1" --xattrs -c tree | '
             'tar -C "$2" --xattrs --xattrs-include="*" -x', "bash", m, tmp],
            capture_output=True, text=True)
    else:
        argv = {"cp": ["cp", "-a"], "mv": ["mv"], "rsync": ["rsync", "-aX"]}
        out = run(*argv[tool], tree, tmp)
    assert (out.returncode, out.stderr) == (0, "")
    for name, size in SIZES.items():
        assert (tmp / "tree" / name).read_bytes() == b"x" * size
    assert zk_attr(tmp / "tree/odd", "czxid") == czxid


def test_within_the_mount(m, zk):
    os.mkdir(m / "tree")
    for name, size in SIZES.items():
        put(m / "tree" / name, b"x" * size)
    out = run("cp", "-a", m / "tree", m / "copy")
    assert (out.returncode, out.stderr) == (0, "")
    check_copy(zk, "/copy")
