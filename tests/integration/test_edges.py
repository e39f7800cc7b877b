# SPDX-License-Identifier: Apache-2.0
"""Mounts that are not like most: other layouts, other users, namespaces.

What is said of every mount has to hold for them, events above all.
"""

import os
import shutil
import stat

import pytest

from harness.cell import NOBODY, Cell, as_user
from harness.files import fails, get, ok, put, run, shell
from harness.inotify import Inotify
from harness.mount import Mount
from harness.program import Program
from harness.wait import wait_equal, wait_for

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("inotifywait", "unshare", "nsenter"))),
    reason="no inotifywait, unshare or nsenter in PATH")

OTHER = 1       # Debian's "daemon"


@pytest.fixture
def w(zk):
    """A directory at the server."""
    for name, data in (("", None), ("/f", b"one\n"), ("/gone", b""),
                       ("/d", None)):
        zk.create(f"/w{name}", data)
    return zk


def plain(*argv):
    return argv


def hears(zk, directory, argv=plain):
    """What is done elsewhere is told to who watches @directory, which is w."""
    with Program(*argv("inotifywait", "-m", "-q", "--format", "%e %f", "-e",
                       "create,delete,close_write", directory)) as p:
        p.watching(1)
        zk.set("/w/f", b"second\n")
        zk.create("/w/new", b"v")
        zk.create("/w/newdir", None)
        zk.delete("/w/gone")
        p.prints("CLOSE_WRITE,CLOSE f", "CREATE new", "CREATE,ISDIR newdir",
                 "DELETE gone")


def know_kinds(directory):
    """Of what nobody has looked at, a DELETE cannot say what it was."""
    ok("ls", "-l", directory)


def listens(top, expected, change):
    """After @change, the events of directory @top include @expected."""
    with Inotify() as inotify:
        inotify.add_watch(top)
        change()
        seen = inotify.until(lambda e: set(expected) <= {str(x) for x in e})
    assert set(expected) <= {str(e) for e in seen}


# -- layouts ----------------------------------------------------------------

def test_events_where_all_are_directories(mount, source, w):
    m = mount(source, "layout=dir")
    know_kinds(m / "w")
    listens(m / "w", ["CREATE,ISDIR new", "DELETE,ISDIR gone"],
            lambda: (w.create("/w/new", b"v"), w.delete("/w/gone")))
    listens(m / "w/f", ["CLOSE_WRITE .data", "CREATE,ISDIR child"],
            lambda: (w.set("/w/f", b"two"), w.create("/w/f/child", b"v")))
    listens(m / "w/d", ["CREATE .data"], lambda: w.set("/w/d", b"v"))
    assert get(m / "w/f/.data") == b"two"
    assert get(m / "w/f/child/.data") == b"v"


def test_tools_where_all_are_directories(mount, source, w, tmp):
    """Changed, moved, copied to a disk and back, removed."""
    m = mount(source, "layout=dir")
    with fails("EPERM"):
        put(m / "w/file", b"v")
    os.mkdir(m / "w/new")
    shell('echo v > "$1/.data"; echo w >> "$1/.data"', m / "w/new")
    assert w.get("/w/new")[0] == b"v\nw\n"
    ok("mv", m / "w/new", m / "w/f/moved")
    assert w.get("/w/f/moved")[0] == b"v\nw\n"
    ok("cp", "-a", m / "w", tmp / "w")
    ok("rm", "-r", m / "w")
    assert not w.exists("/w")
    ok("cp", "-a", tmp / "w", m / "w")
    assert w.get("/w")[0] is None
    assert w.get("/w/f")[0] == b"one\n"
    assert w.get("/w/gone")[0] == b""
    assert w.get("/w/f/moved")[0] == b"v\nw\n"


def test_events_where_empty_ones_are_directories(mount, source, w):
    m = mount(source, "empty=dir")
    know_kinds(m / "w")
    listens(m / "w", ["CREATE,ISDIR new", "DELETE,ISDIR gone",
                      "CLOSE_WRITE f"],
            lambda: (w.create("/w/new", b""), w.delete("/w/gone"),
                     w.set("/w/f", b"two")))
    listens(m / "w/new", ["CREATE .data", "CREATE child"],
            lambda: (w.set("/w/new", b"v"), w.create("/w/new/child", b"v")))
    assert get(m / "w/new/.data") == b"v"


def test_a_file_is_made_where_empty_ones_are_directories(mount, source, w):
    """What is created by a write has data at once, so it is a file."""
    m = mount(source, "empty=dir")
    put(m / "w/file", b"v")
    assert stat.S_ISREG(os.stat(m / "w/file").st_mode)
    ok("sed", "-i", "s/one/two/", m / "w/f")
    assert w.get("/w/f")[0] == b"two\n"
    ok("mkdir", m / "w/dir")
    assert w.get("/w/dir")[0] is None
    ok("rm", "-r", m / "w")
    assert not w.exists("/w")


# -- who may do what --------------------------------------------------------

def test_read_only_hears(mount, source, w):
    hears(w, mount(source, "ro") / "w")


def test_read_only_changes_nothing(mount, source, w):
    def stats():
        return [w.exists(path) for path in ("/w", "/w/f", "/w/d")]

    m = mount(source, "ro")
    before = stats()
    for change in (lambda: put(m / "w/f", b"v"),
                   lambda: put(m / ".ephemeral/w/e", b"v"),
                   lambda: put(m / "w/d/.data", b"v"),
                   lambda: os.rename(m / "w/f", m / "w/g"),
                   lambda: os.rmdir(m / "w/d"),
                   lambda: os.setxattr(m / "w/f", "user.zk.acl",
                                       b"world:anyone:r")):
        with fails("EROFS"):
            change()
    assert stats() == before


@needs_root
def test_made_read_only_later(mount, source, w):
    """By the kernel alone: events cannot be raised, but nothing old is shown."""
    def stat_and_list():
        return os.stat(m / "w/f").st_size, sorted(os.listdir(m / "w"))

    m = mount(source)
    with Inotify() as inotify:          # there is a helper that may write
        inotify.add_watch(m / "w")
        w.set("/w/f", b"two\n")
        assert inotify.until(lambda seen: seen, 30)
    assert stat_and_list() == (4, ["d", "f", "gone"])
    ok("mount", "-i", "-o", "remount,ro", m.path)
    with fails("EROFS"):
        put(m / "w/f", b"v")
    w.set("/w/f", b"longer than before\n")
    w.create("/w/more", b"v")
    wait_equal(stat_and_list, (19, ["d", "f", "gone", "more"]))
    ok("mount", "-i", "-o", "remount,rw", m.path)
    w.set("/w/f", b"one\n")
    w.delete("/w/more")
    wait_equal(stat_and_list, (4, ["d", "f", "gone"]))
    hears(w, m / "w")


@needs_root
@pytest.mark.parametrize("mask", ["077", "222", "777"])
def test_umask_hears(mount, source, w, mask):
    """Root's helper may do what the modes deny."""
    m = mount(source, f"umask={mask}")
    assert stat.S_IMODE(os.stat(m / "w").st_mode) == 0o777 & ~int(mask, 8)
    hears(w, m / "w")


@needs_root
@needs_tools
def test_allow_other(mount, source, w):
    """The owner writes, the group reads, others get nothing."""
    m = mount(source, "allow_other", f"uid={NOBODY}", f"gid={NOBODY}",
              "umask=027")
    script = 'cat "$1/w/f"; ls "$1/w" >/dev/null && echo v > "$1/w/new"'

    def tried_by(*who):
        done = run(*as_user(*who), "sh", "-c", script, "sh", m.path)
        return done.returncode == 0, done.stdout, \
            done.stderr.count("Permission denied")

    assert tried_by(OTHER, OTHER) == (False, "", 2)
    assert tried_by(OTHER, NOBODY) == (False, "one\n", 1)
    assert not w.exists("/w/new")
    assert tried_by(NOBODY) == (True, "one\n", 0)
    assert w.get("/w/new")[0] == b"v\n"
    w.delete("/w/new")
    hears(w, m / "w", lambda *argv: [*as_user(OTHER, NOBODY), *argv])


# -- by whom it is mounted --------------------------------------------------

@pytest.fixture
def cell(source, workplace, request):
    """A function that makes a mount in namespaces of its own."""
    made = request.node.mounts = []

    def start(*options, **kwargs):
        own = Cell(source, workplace.mkdir("cell"), *options, **kwargs)
        own.start()
        made.append(own)
        return own

    yield start
    for own in made:
        own.stop()


@needs_root
@needs_tools
def test_without_root(cell, w):
    """By fusermount3, for one user: it has all that root's has."""
    own = cell(user=NOBODY)
    assert own.ok("cat", own / "w/f") == "one\n"
    own.ok("sh", "-c", 'echo v > "$0"', own / "w/written")
    assert w.get("/w/written")[0] == b"v\n"
    assert own.ok("stat", "-c", "%u", own / "w").strip() == str(NOBODY)
    for user in (as_user(OTHER), as_user(0)):
        denied = own.run("cat", own / "w/f", user=user)
        assert "Permission denied" in denied.stderr
    hears(w, own / "w", own.argv)
    own.ok("sh", "-c", 'echo v > "$0"', own / ".ephemeral/w/e")
    # Without CAP_SYS_ADMIN the helper keeps the mount busy for a moment.
    wait_equal(lambda: own.run("fusermount3", "-u", own).returncode, 0)
    assert own.wait() == 0
    assert not w.exists("/w/e")


@needs_root
@needs_tools
def test_allow_other_without_root(cell):
    """The administrator has not permitted it: /etc/fuse.conf."""
    with open("/etc/fuse.conf", encoding="utf-8") as f:
        if any(line.strip() == "user_allow_other" for line in f):
            pytest.skip("/etc/fuse.conf has user_allow_other")
    with pytest.raises(AssertionError, match="user_allow_other"):
        cell("allow_other", user=NOBODY)


@needs_root
@needs_tools
@pytest.mark.parametrize("options", [["umask=222"], ["uid=4711", "umask=022"]],
                         ids=["umask", "uid"])
def test_what_cannot_be_told_is_not_kept(cell, w, options):
    """The helper may do nothing: no events, but nothing old is shown."""
    own = cell(*options, user=NOBODY, allow="no remote events")
    wait_for(lambda: "no remote events" in own.log(), what="it says so")
    script = 'cd "$0" && ls && stat -c %s f'

    def shown():
        return own.ok("sh", "-c", script, own / "w").split()

    assert shown() == ["d", "f", "gone", "4"]
    assert own.run("cat", own / "w/new").returncode
    w.set("/w/f", b"longer than before\n")
    w.delete("/w/gone")
    w.create("/w/new", b"v")
    wait_equal(shown, ["d", "f", "new", "19"])
    assert own.ok("cat", own / "w/new") == "v"


@needs_root
@needs_tools
@pytest.mark.parametrize("user", [None, NOBODY], ids=["root", "nobody"])
def test_user_namespace(cell, w, user):
    """As in a container without privileges, where one is root."""
    if run(*as_user(user), "unshare", "-Urm", "true").returncode:
        pytest.skip("no user namespaces here")
    own = cell(user=user, userns=True)
    assert own.ok("stat", "-c", "%u", own / "w").strip() == "0"
    own.ok("sh", "-c", 'echo v > "$0"', own / "w/written")
    assert w.get("/w/written")[0] == b"v\n"
    hears(w, own / "w", own.argv)
    own.ok("umount", own)
    assert own.wait() == 0


# -- several mounts ---------------------------------------------------------

def test_two_mounts_of_one_tree(m, m2, w):
    """What is done through one is told on both, on each once."""
    with Inotify() as first, Inotify() as second:
        first.add_watch(m / "w")
        second.add_watch(m2 / "w")
        os.mkdir(m / "w/a")
        os.mkdir(m2 / "w/b")
        for mount in (m, m2):
            wait_for(lambda top=mount: {"a", "b"} <=
                     set(os.listdir(top / "w")))
        w.create("/w/last", None)
        for inotify in (first, second):
            seen = [str(e) for e in inotify.until(
                lambda e: any(x.name == "last" for x in e))]
            for name in "ab":
                assert seen.count(f"CREATE,ISDIR {name}") == 1, seen


class Inner(Mount):
    """A mount whose mount point is a directory of another."""

    def __init__(self, source, directory, path):
        super().__init__(source, directory)
        self.path.rmdir()
        self.path = path


@pytest.fixture
def inner(source, m, w, workplace):
    """/w/f/... of the tree, mounted on /w/d of the mount of all of it."""
    w.create("/sub", None)
    w.create("/sub/f", b"one\n")
    own = Inner(f"{source}/sub", workplace.mkdir("inner"), m / "w/d")
    yield own.start()
    own.stop()


def test_mount_in_a_mount(m, inner, w):
    assert get(m / "w/d/f") == b"one\n"
    put(m / "w/d/new", b"v")
    assert w.get("/sub/new")[0] == b"v"
    wait_equal(lambda: get(m / "sub/new"), b"v")
    for top in (inner.path, m / "sub"):
        listens(top, ["CLOSE_WRITE f"], lambda: w.set("/sub/f", b"two\n"))
    hears(w, m / "w")
    w.create("/w/d/hidden", b"v")
    assert sorted(os.listdir(m / "w/d")) == ["f", "new"]
    inner.stop()
    wait_equal(lambda: os.listdir(m / "w/d"), ["hidden"])


def test_the_outer_mount_is_busy(m, inner):
    """It cannot go before the inner one, and goes on."""
    done = run("fusermount3", "-u", m)
    assert done.returncode and "busy" in done.stderr
    assert get(inner / "f") == get(m / "sub/f") == b"one\n"


def test_a_mount_point_is_deleted_elsewhere(m, inner, w):
    """Whatever becomes of the inner mount, both go on to answer."""
    w.delete("/w/d")
    hears(w, m / "w")
    wait_for(lambda: "d" not in os.listdir(m / "w"))
    assert get(m / "sub/f") == b"one\n"
    inner.stop()
    with fails("ENOENT"):
        os.stat(m / "w/d")
    w.create("/w/d", b"a file")
    wait_equal(lambda: get(m / "w/d"), b"a file")
