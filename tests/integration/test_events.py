# SPDX-License-Identifier: Apache-2.0
"""Which inotify events a change raises: by others, and by the mount's users.

CASES is the table; ZNODEFS_TABLE=1 prints what was seen, row by row:

    ZNODEFS_TABLE=1 /usr/bin/python3 -m pytest -q test_events.py
"""

import collections
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
from typing import Callable, NamedTuple, Optional

import pytest
from kazoo.protocol.serialization import Create
from kazoo.security import OPEN_ACL_UNSAFE

from harness import announcer, model, procs, sizes, status, tree
from harness.files import get, ok, put, shell
from harness.inotify import CLOSE_WRITE, CREATE, IGNORED, MODIFY, Inotify
from harness.model import Watcher
from harness.proxy import ADD_WATCH, Proxy
from harness.tamper import TamperProxy
from harness.threads import repeating
from harness.wait import SLOW, wait_for

W = "t/w"                       # the directory that is watched
BARRIER = "t/barrier"           # a file whose change is the last of all
SET = ("MODIFY", "CLOSE_WRITE")


# -- the table --------------------------------------------------------------

class Case(NamedTuple):
    """One operation in a directory, and what others are told of it.

    @before: what is in the directory: path -> data, None for null.
    @remote: the operation by kazoo, given the client and the path.
    @script: the same by a shell in that directory; $MNT is the mount.
    @expect: watched path -> events there, in order for each name.
    @local: whether the script means anything on another filesystem.
    """
    before: dict
    remote: Optional[Callable]
    script: Optional[str]
    expect: dict
    local: bool = True


def changed(name):
    return [f"{what} {name}" for what in SET]


def multi(zk, *steps):
    t = zk.transaction()
    for name, path, *data in steps:
        if data == [None]:      # which kazoo's create() refuses in a multi
            t.operations.append(
                Create(zk.chroot + path, None, OPEN_ACL_UNSAFE, 0))
        else:
            getattr(t, name)(path, *data)
    for result in t.commit():
        assert not isinstance(result, Exception), result


FILE = {"f": b"value\n"}
TREE = {"d": None, "d/x": b"1", "d/s": None, "d/s/y": b"2"}
INNER = {"d": b"own", "d/x": b"1"}

CASES = {
    "create": Case(
        {}, lambda zk, w: zk.create(f"{w}/f", b"v"), "echo v >f",
        {".": ["CREATE f"]}),
    "create-empty": Case(
        {}, lambda zk, w: zk.create(f"{w}/f", b""), ": >f",
        {".": ["CREATE f"]}),
    "write": Case(
        FILE, lambda zk, w: zk.set(f"{w}/f", b"new"), "echo new >f",
        {".": changed("f"), "f": [*SET]}),
    "write-nothing": Case(
        FILE, lambda zk, w: zk.set(f"{w}/f", b""), ": >f",
        {".": changed("f"), "f": [*SET]}),
    "write-the-same": Case(
        FILE, lambda zk, w: zk.set(f"{w}/f", b"value\n"), "touch f",
        {".": changed("f"), "f": [*SET]}),
    "write-pages": Case(
        FILE, lambda zk, w: zk.set(f"{w}/f", b"x" * 50000),
        "head -c 50000 /dev/zero >f",
        {".": changed("f"), "f": [*SET]}),
    "append": Case(
        FILE, lambda zk, w: zk.set(f"{w}/f", b"value\nmore\n"),
        "echo more >>f", {".": changed("f"), "f": [*SET]}),
    "overwrite-in-the-middle": Case(
        FILE, lambda zk, w: zk.set(f"{w}/f", b"vAlue\n"),
        "printf A | dd of=f bs=1 seek=1 conv=notrunc status=none",
        {".": changed("f"), "f": [*SET]}),
    "truncate": Case(
        FILE, lambda zk, w: zk.set(f"{w}/f", b"v"), "truncate -s 1 f",
        {".": changed("f"), "f": [*SET]}),
    "delete": Case(
        FILE, lambda zk, w: zk.delete(f"{w}/f"), "rm f",
        {".": ["DELETE f"], "f": ["DELETE_SELF"]}),
    "mkdir": Case(
        {}, lambda zk, w: zk.create(f"{w}/d", None), "mkdir d",
        {".": ["CREATE,ISDIR d"]}),
    "rmdir": Case(
        {"d": None}, lambda zk, w: zk.delete(f"{w}/d"), "rmdir d",
        {".": ["DELETE,ISDIR d"], "d": ["DELETE_SELF"]}),
    "rename": Case(
        FILE, lambda zk, w: multi(zk, ("create", f"{w}/g", b"value\n"),
                                  ("delete", f"{w}/f")), "mv f g",
        {".": ["CREATE g", "DELETE f"], "f": ["DELETE_SELF"]}),
    "rename-over": Case(
        {"f": b"1", "g": b"2"},
        lambda zk, w: multi(zk, ("set_data", f"{w}/g", b"1"),
                            ("delete", f"{w}/f")), "mv f g",
        {".": [*changed("g"), "DELETE f"], "f": ["DELETE_SELF"],
         "g": [*SET]}),
    "rename-tree": Case(
        TREE, lambda zk, w: multi(
            zk, ("create", f"{w}/e", None), ("create", f"{w}/e/x", b"1"),
            ("create", f"{w}/e/s", None), ("create", f"{w}/e/s/y", b"2"),
            ("delete", f"{w}/d/s/y"), ("delete", f"{w}/d/s"),
            ("delete", f"{w}/d/x"), ("delete", f"{w}/d")), "mv d e",
        {".": ["CREATE,ISDIR e", "DELETE,ISDIR d"],
         "d": ["DELETE x", "DELETE,ISDIR s", "DELETE_SELF"],
         "d/s": ["DELETE y", "DELETE_SELF"], "d/s/y": ["DELETE_SELF"]}),
    "remove-tree": Case(
        TREE, lambda zk, w: zk.delete(f"{w}/d", recursive=True), "rm -r d",
        {".": ["DELETE,ISDIR d"],
         "d": ["DELETE x", "DELETE,ISDIR s", "DELETE_SELF"],
         "d/s": ["DELETE y", "DELETE_SELF"], "d/s/y": ["DELETE_SELF"]}),
    "multi": Case(
        {"f": b"1", "g": b"2", "d": None},
        lambda zk, w: multi(
            zk, ("create", f"{w}/new", b"v"), ("set_data", f"{w}/f", b"3"),
            ("create", f"{w}/d/x", b"v"), ("delete", f"{w}/g"),
            ("create", f"{w}/e", None)), None,
        {".": ["CREATE new", *changed("f"), "DELETE g", "CREATE,ISDIR e"],
         "f": [*SET], "g": ["DELETE_SELF"], "d": ["CREATE x"]}),
    "ephemeral": Case(
        {}, lambda zk, w: zk.create(f"{w}/e", b"v", ephemeral=True),
        'echo v >"$MNT/.ephemeral/t/w/e"', {".": ["CREATE e"]}, False),
    "directory-data": Case(
        INNER, lambda zk, w: zk.set(f"{w}/d", b"new"), "echo new >d/.data",
        {".": [], "d": changed(".data"), "d/.data": [*SET]}),
    "directory-data-comes": Case(
        {"d": None, "d/x": b"1"}, lambda zk, w: zk.set(f"{w}/d", b"new"),
        "echo new >d/.data", {".": [], "d": ["CREATE .data"]}),
    "directory-data-goes": Case(
        INNER, lambda zk, w: zk.set(f"{w}/d", None), "rm d/.data",
        {".": [], "d": ["DELETE .data"], "d/.data": ["DELETE_SELF"]}),
    "empty-directory-data-comes": Case(
        {"d": None}, lambda zk, w: zk.set(f"{w}/d", b"new"),
        "echo new >d/.data", {".": [], "d": ["CREATE .data"]}),
    "file-becomes-directory": Case(
        FILE, lambda zk, w: zk.create(f"{w}/f/c", b"v"),
        'echo v >"$MNT/.ephemeral/t/w/f/c"',
        {".": ["DELETE f", "CREATE,ISDIR f"], "f": ["DELETE_SELF"]}, False),
}

LOCAL = {name: case for name, case in CASES.items()
         if case.script and case.local} | {
    "create-and-write-twice": Case(
        {}, None, "(echo a; echo b) >f", {".": []}),
    "copy": Case(FILE, None, "cp f g", {".": [], "f": []}),
    "move-into": Case(
        {**FILE, "d": None}, None, "mv f d/g", {".": [], "d": [], "f": []}),
    "move-over-directory": Case(
        {"d": None, "d/x": b"1", "e": None}, None, "mv -T d e",
        {".": [], "d": [], "e": []}),
}


# -- listening --------------------------------------------------------------

class Ears:
    """Watches on several paths below a directory, and on the barrier."""

    def __init__(self, top, paths, directory=W):
        self.inotify = Inotify()
        self.watches = {self.inotify.add_watch(top / directory / p): p
                        for p in paths}
        self.barrier = self.inotify.add_watch(top / BARRIER, MODIFY)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.inotify.__exit__(*exc)

    def collect(self, expect, last):
        """What came, by path: all that @expect names, and what else came.

        last() changes the barrier; when that has been seen twice, all has
        come.
        """
        want = {p: by_name(events) for p, events in expect.items()}
        seen = self.inotify.until(
            lambda seen: not want or self.told(seen) == want, 5)
        for _ in range(2):
            last()
            rest = self.inotify.until(self.reached)
            seen += rest
            if not self.reached(rest):
                pytest.fail("the barrier raised no event; seen before: " +
                            row(self.told(seen)))
        return self.told(seen)

    def reached(self, events):
        return any(e.wd == self.barrier for e in events)

    def told(self, events):
        """Watched path -> name -> events."""
        lines = {p: [] for p in self.watches.values()}
        for e in events:
            if e.wd in self.watches and e.mask != IGNORED:
                lines[self.watches[e.wd]].append(str(e))
        return {p: by_name(events) for p, events in lines.items()}


def by_name(lines):
    """Name -> its events in order; MODIFY after MODIFY counts as one.

    The kernel itself merges these where the reader is slow.  Order between
    different names is nobody's promise.
    """
    found = collections.defaultdict(list)
    for line in lines:
        what, _, name = line.partition(" ")
        if what != "MODIFY" or found[name][-1:] != [what]:
            found[name].append(what)
    return dict(found)


@pytest.fixture
def check(capsys, request):
    """Compare what was told with what was expected; print it as a row."""
    def compare(seen, expect):
        if os.environ.get("ZNODEFS_TABLE"):
            with capsys.disabled():
                print(f"\n{request.node.callspec.id:36}{row(seen)}", end="")
        want = {p: by_name(events) for p, events in expect.items()}
        assert seen == want, f"\n  seen:     {row(seen)}" \
                             f"\n  expected: {row(want)}"
    return compare


def row(told):
    return " | ".join(
        f"{path}: " + (", ".join(f"{' '.join(whats)} {name}".rstrip()
                                 for name, whats in names.items()) or "-")
        for path, names in told.items())


def plant(zk, before):
    """Make the directory, the barrier, and what is there @before."""
    zk.create("/t", None)
    zk.create(f"/{BARRIER}", b"0")
    zk.create(f"/{W}", None)
    for path, data in before.items():
        zk.create(f"/{W}/{path}", data)


def plant_in_memory(top, before):
    os.makedirs(top / W)
    put(top / BARRIER, b"0")
    for path, data in before.items():
        if data is None or any(p.startswith(path + "/") for p in before):
            os.mkdir(top / W / path)
            path += "/.data"
        if data is not None:
            put(top / W / path, data)


def touch_barrier(zk):
    return lambda: zk.set(f"/{BARRIER}", b"1")


@pytest.fixture
def memory():
    """A directory of a filesystem in memory, to compare with."""
    path = tempfile.mkdtemp(prefix="znodefs-test-", dir="/dev/shm")
    yield pathlib.Path(path)
    shutil.rmtree(path)


def play(case, top):
    shell(f"set -e; {case.script}", cwd=top / W, env={"MNT": os.fspath(top)})


def in_memory(case, memory):
    """What a filesystem in memory tells of a case."""
    plant_in_memory(memory, case.before)
    with Ears(memory, case.expect) as ears:
        play(case, memory)
        return ears.collect({}, lambda: put(memory / BARRIER, b"1"))


# -- the tests of the table -------------------------------------------------

@pytest.mark.parametrize("name", [n for n in CASES if CASES[n].remote])
def test_by_another_client(name, mount, source, zk, check):
    case = CASES[name]
    plant(zk, case.before)
    with Ears(mount(source), case.expect) as ears:
        case.remote(zk, f"/{W}")
        check(ears.collect(case.expect, touch_barrier(zk)), case.expect)


@pytest.mark.parametrize("name", [n for n in CASES if CASES[n].script])
def test_on_another_mount(name, mount, source, zk, check):
    case = CASES[name]
    plant(zk, case.before)
    m2 = mount(source)
    with Ears(mount(source), case.expect) as ears:
        play(case, m2)
        check(ears.collect(case.expect, touch_barrier(zk)), case.expect)


@pytest.mark.parametrize("name", LOCAL)
def test_own_is_as_in_memory(name, mount, source, zk, memory, check):
    """The kernel reports it; the daemon does not repeat it."""
    case = LOCAL[name]
    told = in_memory(case, memory)
    expect = {p: [f"{what} {n}" for n, whats in names.items()
                  for what in whats] for p, names in told.items()}
    plant(zk, case.before)
    m = mount(source)
    with Ears(m, case.expect) as ears:
        play(case, m)
        wait_for(lambda: same_as_server(m, zk))
        check(ears.collect({}, touch_barrier(zk)), expect)


@pytest.mark.parametrize("then", ["write-only", "read-at-once"])
def test_own_are_told_once(mount, source, zk, then):
    """Whichever comes first: the server's answer, its event, or a reader."""
    plant(zk, FILE)
    m = mount(source)
    count = sizes.stress(100, 2000)
    with Ears(m, ["."]) as ears:
        for i in range(count):
            put(m / W / "f", b"%d" % i)
            put(m / W / f"f{i}", b"v")
            if then == "read-at-once":
                assert get(m / W / "f") == b"%d" % i
                assert get(m / W / f"f{i}") == b"v"
            os.mkdir(m / W / f"d{i}")
            os.rmdir(m / W / f"d{i}")
            os.unlink(m / W / f"f{i}")
        told = ears.collect({}, touch_barrier(zk))["."]
    want = {"f": [*SET] * count}
    for i in range(count):
        want[f"f{i}"] = ["CREATE", *SET, "DELETE"]
        want[f"d{i}"] = ["CREATE,ISDIR", "DELETE,ISDIR"]
    assert not {n: whats for n, whats in told.items() if whats != want[n]}
    assert told == want


def same_as_server(m, zk):
    shown = model.walk(m / "t")
    return shown == model.as_tree(tree.snapshot(zk, "/t"), shown)


# -- ephemerals and their view ----------------------------------------------

EXPIRES = """
import os, signal, sys
from kazoo.client import KazooClient
zk = KazooClient(sys.argv[1], timeout=1)
zk.start()
zk.create(sys.argv[2], b"v", ephemeral=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_expiry_of_somebody_elses(mount, source, zk, tmp):
    plant(zk, {})
    script = tmp / "expires.py"
    script.write_text(EXPIRES)
    with Ears(mount(source), ["."]) as ears:
        done = subprocess.run(
            ["/usr/bin/python3", str(script), source, f"/{W}/e"])
        assert done.returncode == -signal.SIGKILL
        expect = {".": ["CREATE e", "DELETE e"]}
        seen = ears.collect(expect, touch_barrier(zk))
        assert seen == {".": {"e": ["CREATE", "DELETE"]}}


def test_unmount_elsewhere(mount, source, zk):
    """Its ephemerals go, and are reported."""
    plant(zk, {})
    m2 = mount(source)
    put(m2 / f".ephemeral/{W}/e", b"v")
    m = mount(source)
    assert get(m / W / "e") == b"v"
    expect = {".": ["DELETE e"], "e": ["DELETE_SELF"]}
    with Ears(m, [".", "e"]) as ears:
        m2.stop()
        seen = ears.collect(expect, touch_barrier(zk))
        assert seen == {".": {"e": ["DELETE"]}, "e": {"": ["DELETE_SELF"]}}


def both_views(m, zk, action, expect_main, expect_view):
    """Watch a directory in both views, act, and compare."""
    paths = {f"../../{W}": expect_main, f"../../.ephemeral/{W}": expect_view}
    with Ears(m, paths) as ears:
        action()
        seen = ears.collect(paths, touch_barrier(zk))
    assert list(seen.values()) == [by_name(expect_main), by_name(expect_view)]


def test_ephemeral_made_in_the_view(mount, source, zk):
    """The kernel tells in the view; the main view is told as by another."""
    plant(zk, {})
    m = mount(source)
    both_views(m, zk, lambda: put(m / f".ephemeral/{W}/e", b"v"),
               ["CREATE e"], ["CREATE e", *changed("e")])


def make_ephemeral(m, zk):
    """Make one in the view, and wait until the main view knows of it."""
    with Ears(m, ["."]) as ears:
        put(m / f".ephemeral/{W}/e", b"v")
        ears.collect({".": ["CREATE e"]}, touch_barrier(zk))


@pytest.mark.parametrize("where", ["main", "view", "elsewhere"])
def test_own_ephemeral_removed(mount, source, zk, where):
    plant(zk, {})
    m = mount(source)
    make_ephemeral(m, zk)
    action = {"main": lambda: os.unlink(m / W / "e"),
              "view": lambda: os.unlink(m / f".ephemeral/{W}/e"),
              "elsewhere": lambda: zk.delete(f"/{W}/e")}[where]
    both_views(m, zk, action, ["DELETE e"], ["DELETE e"])


@pytest.mark.parametrize("where", ["main", "view", "elsewhere"])
def test_own_ephemeral_set(mount, source, zk, where):
    plant(zk, {})
    m = mount(source)
    make_ephemeral(m, zk)
    action = {"main": lambda: put(m / W / "e", b"w"),
              "view": lambda: put(m / f".ephemeral/{W}/e", b"w"),
              "elsewhere": lambda: zk.set(f"/{W}/e", b"w")}[where]
    both_views(m, zk, action, changed("e"), changed("e"))


def test_own_child_makes_a_directory(mount, source, zk):
    """A child made in the view turns the file of the main view."""
    plant(zk, {"f": b"v"})
    m = mount(source)
    both_views(m, zk, lambda: put(m / f".ephemeral/{W}/f/e", b"v"),
               ["DELETE f", "CREATE,ISDIR f"], [])


def test_own_ephemerals_expire(mount, source, zk):
    """The daemon stands still for longer than its session lives."""
    plant(zk, {})
    m = mount(source, "session_timeout=1", allow=".")
    make_ephemeral(m, zk)

    def expire():
        m.kill(signal.SIGSTOP)
        wait_for(lambda: not zk.exists(f"/{W}/e"), 30)
        m.kill(signal.SIGCONT)

    both_views(m, zk, expire, ["DELETE e"], ["DELETE e"])


@contextlib.contextmanager
def stopped_helper(m, zk, notify, where):
    """Nothing is announced in @where, which is watched, meanwhile."""
    zk.create(f"/{where}/first", b"")  # has a helper started
    notify.until(lambda evs: any(e.name == "first" for e in evs))
    helper, = announcer.helpers(m.pid)
    os.kill(helper, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(helper, signal.SIGCONT)


@contextlib.contextmanager
def held(path):
    """What the kernel may not forget, so that its number is not free again."""
    fd = os.open(path, os.O_PATH)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.mark.parametrize("target", [None, b"there"], ids=["new", "over"])
def test_rename_of_what_others_have_replaced(mount, source, zk, target):
    """
    The kernel moves the file that it knows, before it has heard that this is
    another one.  It must not go on showing that one at the new name.
    """
    plant(zk, {"f": b"v"})
    if target:
        zk.create(f"/{W}/g", target)
    m = mount(source)
    with held(m / W / "f") as f, Inotify() as notify:
        before = os.fstat(f).st_ino
        notify.add_watch(m / W)
        os.listdir(m / W)
        with stopped_helper(m, zk, notify, W):
            zk.delete(f"/{W}/f")
            zk.create(f"/{W}/f", b"another")
            status.wait_status(m, names_to_announce=1)
            os.rename(m / W / "f", m / W / "g")
        wait_for(lambda: os.stat(m / W / "g").st_size == len("another"))
        assert os.stat(m / W / "g").st_ino != before
        notify.read()
        zk.set(f"/{W}/g", b"after")
        seen = notify.until(lambda evs: any(
            e.mask & CLOSE_WRITE and e.name == "g" for e in evs))
        assert {e.name for e in seen} == {"g"}
        assert get(m / W / "g") == b"after"


def await_guarded(m, path):
    """All that has been looked at is kept by the kernel: no message for it."""
    def is_kept():
        marks = []
        for _ in range(3):
            marks.append(status.status(m)["messages"])
            os.stat(path)
        return marks[2] - marks[1] == marks[1] - marks[0]

    wait_for(is_kept)


def test_rename_of_what_is_heard_of_late(mount, server, chroot, zk):
    """It has found another one, of which no event tells at the new name."""
    plant(zk, {"f": b"v"})
    with Proxy(server.hostport) as proxy, Inotify() as notify:
        m = mount(proxy.hostport + chroot)
        notify.add_watch(m / W)
        with held(m / W / "f"):
            await_guarded(m, m / W / "f")
            with proxy.late_feeds():
                zk.delete(f"/{W}/f")
                zk.create(f"/{W}/f", b"another")
                os.rename(m / W / "f", m / W / "g")
            seen = notify.until(lambda evs: "CREATE g" in map(str, evs))
            assert by_name(map(str, seen)) == {
                "f": ["MOVED_FROM"], "g": ["MOVED_TO", "DELETE", "CREATE"]}
            assert get(m / W / "g") == b"another"
        m.stop()


def are_set_twice(events):
    """Both; a step that the rename disturbs closes the file once more."""
    told = by_name(events).get("set", [])
    return told.count("MODIFY") == 2 and told[-1] == "CLOSE_WRITE"


def test_rename_of_a_directory_that_is_heard_of_late(mount, server, chroot,
                                                     zk):
    plant(zk, {"d": None, "d/set": b"1", "d/replaced": b"2", "d/gone": b"3",
               "d/same": b"4", "d/sub": None, "d/sub/set": b"5"})
    with Proxy(server.hostport) as proxy, Inotify() as notify:
        m = mount(proxy.hostport + chroot)
        notify.add_watch(m / W / "d")
        notify.add_watch(m / W / "d/sub")
        model.walk(m / W)
        await_guarded(m, m / W / "d/sub/set")
        with proxy.late_feeds():
            zk.set(f"/{W}/d/set", b"new")
            zk.set(f"/{W}/d/sub/set", b"newer")
            zk.delete(f"/{W}/d/replaced")
            zk.create(f"/{W}/d/replaced", b"another")
            zk.delete(f"/{W}/d/gone")
            zk.create(f"/{W}/d/new", b"6")
            mv = subprocess.Popen(["mv", m / W / "d", m / W / "e"])
            wait_for(lambda: procs.waits_for_fuse(mv.pid) or
                     mv.poll() is not None)
        assert mv.wait(20 * SLOW) == 0
        seen = by_name(map(str, notify.until(lambda evs: {
            "DELETE gone", "CREATE replaced", "CREATE new"} <=
            set(map(str, evs)) and are_set_twice(map(str, evs)))))
        del seen["set"]
        assert seen == {
            "": ["MOVE_SELF"], "gone": ["DELETE"],
            "replaced": ["DELETE", "CREATE"], "new": ["CREATE"]}
        assert model.walk(m / W / "e") == {
            "": None, "set": "new", "replaced": "another", "same": "4",
            "new": "6", "sub": None, "sub/set": "newer"}
        m.stop()


def test_rename_of_a_directory_with_news(mount, source, zk):
    """What has not been told of its children is told at the new name."""
    plant(zk, {"d": None, "d/set": b"1", "d/replaced": b"2", "d/same": b"3"})
    m = mount(source)
    with Inotify() as notify:
        notify.add_watch(m / W / "d")
        model.walk(m / W)
        with stopped_helper(m, zk, notify, f"{W}/d"):
            zk.set(f"/{W}/d/set", b"new")
            zk.delete(f"/{W}/d/replaced")
            zk.create(f"/{W}/d/replaced", b"another")
            status.wait_status(m, names_to_announce=2)
            os.rename(m / W / "d", m / W / "e")
        seen = notify.until(lambda evs: {"CLOSE_WRITE set", "CREATE replaced"}
                            <= set(map(str, evs)))
        assert by_name(map(str, seen)) == {
            "": ["MOVE_SELF"], "set": [*SET],
            "replaced": ["DELETE", "CREATE"]}
        assert get(m / W / "e/set") == b"new"
        assert get(m / W / "e/replaced") == b"another"


def test_replaced_right_after_a_rename(mount, source, zk):
    """Nothing has been read of what was renamed: it is not that."""
    plant(zk, {"f": b"v"})
    m = mount(source)
    get(m / W / "f")
    with Inotify() as notify:
        notify.add_watch(m / W)
        os.rename(m / W / "f", m / W / "g")
        multi(zk, ("delete", f"/{W}/g"), ("create", f"/{W}/g", None))
        seen = notify.until(lambda evs: "CREATE,ISDIR g" in map(str, evs))
        assert [str(e) for e in seen] == [
            "MOVED_FROM f", "MOVED_TO g", "DELETE g", "CREATE,ISDIR g"]
        assert os.listdir(m / W / "g") == []


# -- a watch is enough ------------------------------------------------------

@pytest.mark.parametrize("count", [3, 1000, *([100_000] * sizes.FULL)])
@pytest.mark.deadline(300)
def test_directory_that_nobody_has_listed(mount, source, zk, count):
    """From inotify_add_watch() on, which knows the path alone."""
    plant(zk, {})
    tree.create_all(zk, [(f"/{W}/f{i}", b"v") for i in range(count)])
    expect = {".": [*changed("f1"), "CREATE new", "DELETE f2",
                    "CREATE,ISDIR newdir"]}
    with Ears(mount(source), ["."]) as ears:
        zk.set(f"/{W}/f1", b"new")
        zk.create(f"/{W}/new", b"v")
        zk.delete(f"/{W}/f2")
        zk.create(f"/{W}/newdir", None)
        seen = ears.collect(expect, touch_barrier(zk))
    assert seen == {p: by_name(e) for p, e in expect.items()}


def test_file_that_nobody_has_looked_at(mount, source, zk):
    plant(zk, {"d": None, "d/f": b"v"})
    with Ears(mount(source), ["d/f"]) as ears:
        zk.set(f"/{W}/d/f", b"new")
        seen = ears.collect({"d/f": [*SET]}, touch_barrier(zk))
        assert seen == {"d/f": {"": [*SET]}}


@pytest.mark.deadline(300)
@pytest.mark.parametrize("how", ["opened", "held"])
def test_content_is_new_when_the_event_is_seen(mount, source, zk, how):
    """Neither read(2) nor stat(2) gives the old one, not once."""
    plant(zk, {"f": b"0"})
    path = mount(source) / W / "f"
    fd = os.open(path, os.O_RDONLY)
    assert os.pread(fd, 100, 0) == b"0"
    read = {"opened": lambda: get(path),
            "held": lambda: os.pread(fd, 100, 0)}[how]
    stale = []
    with contextlib.closing(os.fdopen(fd)), Inotify() as inotify:
        inotify.add_watch(path, MODIFY | CLOSE_WRITE)
        for i in range(1, sizes.stress(300, 10_000) + 1):
            want = b"%d" % i + b"." * (i % 40)
            zk.set_async(f"/{W}/f", want)
            told = 0
            while not told & CLOSE_WRITE:
                events = inotify.read(10 * SLOW)
                got = os.stat(path).st_size, read()
                assert events, f"no events of {i}"
                told = events[-1].mask
                if got != (len(want), want):
                    stale.append((i, str(events[-1]), got))
    assert not stale


def test_a_truncation_that_somebody_has_read_across(mount, source, zk):
    """The kernel tells of it at once, and the close commits it."""
    plant(zk, {"f": b"old"})
    m = mount(source)
    path = m / W / "f"
    with Inotify() as inotify:
        inotify.add_watch(path, MODIFY | CLOSE_WRITE)
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
        assert get(path) == b"old"
        os.close(fd)
        inotify.until(lambda events: events and get(path) == b"")
        assert get(path) == b""


# -- after a gap ------------------------------------------------------------

def gap_before(zk):
    plant(zk, {"changed": b"1", "same": b"1", "deleted": b"1", "turns": b"1",
               "d": None, "d/x": b"1", "gone": None, "gone/x": b"1",
               "sub": b"own", "sub/x": b"1", "sub/same": b"1"})


def gap_change(zk):
    for i in range(3):
        zk.set(f"/{W}/changed", b"%d" % i)
    zk.delete(f"/{W}/deleted")
    zk.create(f"/{W}/new", b"v")
    zk.create(f"/{W}/came", b"v")
    zk.delete(f"/{W}/came")
    zk.create(f"/{W}/turns/c", b"v")
    zk.set(f"/{W}/d", b"own")
    zk.delete(f"/{W}/gone", recursive=True)
    zk.set(f"/{W}/sub", None)
    zk.delete(f"/{W}/sub/x")
    zk.create(f"/{W}/sub/new", None)


GAP = {
    ".": [*changed("changed"), "DELETE deleted", "CREATE new",
          "DELETE turns", "CREATE,ISDIR turns", "DELETE,ISDIR gone"],
    "same": [],
    "d": ["CREATE .data"],
    "gone": ["DELETE x", "DELETE_SELF"],
    "sub": ["DELETE .data", "DELETE x", "CREATE,ISDIR new"],
}


def gap(mount, hostport, chroot, zk, meanwhile, *options, own=()):
    """Cut a mount off, change the tree, let it return, and compare."""
    expect = {**GAP, ".": [*GAP["."], *own]}
    with Proxy(hostport) as proxy:
        m = mount(proxy.hostport + chroot, *options, allow=".")
        make_ephemeral(m, zk)
        model.walk(m / "t")             # all of it is known
        with Ears(m, expect) as ears:
            proxy.block()
            gap_change(zk)
            meanwhile()
            proxy.unblock()
            seen = ears.collect(expect, touch_barrier(zk))
        m.stop()
    assert seen == {p: by_name(events) for p, events in expect.items()}


def test_cut_off(mount, server, chroot, zk):
    gap_before(zk)
    gap(mount, server.hostport, chroot, zk, lambda: None)


def test_cut_off_for_longer_than_the_session(mount, server, chroot, zk):
    gap_before(zk)
    gap(mount, server.hostport, chroot, zk,
        lambda: wait_for(lambda: not zk.exists(f"/{W}/e"), 30),
        "session_timeout=1", own=["DELETE e"])


def test_cut_off_while_the_server_restarts(mount, own_server, client):
    # A server that starts may accept a client and never answer it: kazoo
    # tries again when its timeout is over.
    zk = client(own_server.hostport, timeout=6)
    gap_before(zk)

    def restart():
        own_server.kill()
        own_server.start()
        wait_for(lambda: zk.connected, 30)

    gap(mount, own_server.hostport, "", zk, restart)


# -- kill -9 ----------------------------------------------------------------

@pytest.mark.deadline(300)
def test_kill_9_while_announcing(mount, source, zk):
    """Nobody hangs, the helper goes too, and the mount can be removed."""
    plant(zk, {f"f{i}": b"v" for i in range(20)})

    def change():
        for i in range(20):
            zk.set(f"/{W}/f{i}", os.urandom(4))
            zk.create(f"/{W}/n{i}", b"v")
            zk.delete(f"/{W}/n{i}")

    with repeating(change):
        for _ in range(sizes.stress(5, 50)):
            killed_in_the_middle(mount(source, allow="."))


def killed_in_the_middle(m):
    with Watcher(m / "t") as watcher:
        wait_for(lambda: watcher.seen() > 20, 10, "events are announced")
        pids = announcer.helpers(m.pid)
        assert pids, "no helper"
        m.kill()
        assert m.wait() == -signal.SIGKILL
        wait_for(lambda: all(set(procs.task_states(p)) <= {"Z"}
                             for p in pids), 10, "the helper has ended")
        wait_for(lambda: not procs.uninterruptible([watcher.pid]), 10)
    ok("fusermount3", "-u", m.path)
    m.destroy()
    m.check_gone()


def test_name_that_came_while_there_was_no_feed(mount, server, chroot, zk):
    """That it was not there is not kept for ever, listed or not."""
    with Proxy(server.hostport) as proxy:
        m = mount(proxy.hostport + chroot)
        for d in ("listed", "walked"):
            zk.create(f"/{d}/e", b"", makepath=True)
        os.listdir(m / "listed")
        for d in ("listed", "walked") * 2:
            assert not (m / d / "x").exists()
        proxy.block()
        for d in ("listed", "walked"):
            zk.create(f"/{d}/x", b"v")
        proxy.unblock()
        for d in ("listed", "walked"):
            wait_for(lambda: (m / d / "x").exists(), 20)


def test_name_that_was_listed_while_there_was_no_feed(mount, server, chroot,
                                                      zk):
    """Who listed has seen it; who watches hears of it all the same."""
    zk.create("/d", None)
    zk.create("/d/e", b"v")
    with TamperProxy(server.hostport) as proxy, Inotify() as notify:
        m = mount(proxy.hostport + chroot, f"session_timeout={3 * SLOW:g}")
        notify.add_watch(m / "d")
        os.listdir(m / "d")
        rule = proxy.on("dark-before", ADD_WATCH)
        proxy.cut_feeds()
        assert rule.hit.wait(20 * SLOW)
        zk.create("/d/x", b"v")
        assert sorted(os.listdir(m / "d")) == ["e", "x"]
        seen = notify.until(lambda evs: any(
            e.mask & CREATE and e.name == "x" for e in evs), 20)
        assert [e.name for e in seen if e.mask & CREATE] == ["x"]
