# SPDX-License-Identifier: Apache-2.0
"""The life of the session: lost, expired, read-only, and what is left of it."""

import os
import re
import signal
import subprocess
import threading
import time

import pytest

from harness import procs
from harness.files import fails, get, ok, put
from harness.inotify import Inotify
from harness.proxy import Proxy
from harness.status import metrics, status, wait_status
from harness.wait import SLOW, wait_equal, wait_for

pytestmark = pytest.mark.deadline(120)

LOCAL = "localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true"
STATE = re.compile(r"session 0x[0-9a-f]+ ([a-z-]+)")


def states(m):
    """What the log says of the session, state by state."""
    return STATE.findall(m.log())


@pytest.fixture
def proxy(server):
    with Proxy(server.hostport) as p:
        yield p


@pytest.fixture
def behind(mount, proxy, chroot):
    """A function that mounts through the proxy."""
    def mount_at(*options):
        return mount(proxy.hostport + chroot, *options, allow=".")

    return mount_at


def out(m):
    """Wait until there is no server, and the mount knows."""
    return wait_status(m, state="lost", feed="down")


def back(m):
    return wait_status(m, 60, state="connected", feed="up")


# -- lost -------------------------------------------------------------------

def test_a_line_for_each_change(behind, proxy):
    m = behind()
    first = status(m)
    proxy.block()
    lost = out(m)
    assert lost["server"] == "-" and lost["session"] == first["session"]
    proxy.unblock()
    again = back(m)
    assert again["session"] == first["session"]
    assert (again["connections"], again["sessions"]) == (2, 1)
    assert states(m) == ["lost", "connected"]
    line = [x for x in m.log().splitlines() if " connected, " in x][0]
    assert proxy.hostport in line and again["session"] in line


def test_flapping_does_not_fill_the_log(behind, proxy):
    m = behind()
    for i in range(15):
        wait_for(proxy.sessions, 30)
        for c in proxy.sessions():
            c.close()
        wait_status(m, 30, state="connected", connections=i + 2)
    assert 15 <= len(states(m)) <= 20


@pytest.fixture
def known(zk):
    """A small tree, and a function that makes a mount know it."""
    zk.create("/app", None)
    zk.create("/app/conf", b"the configuration")
    zk.create("/app/other", b"nobody reads it")
    zk.create("/app/sub", b"own")
    zk.create("/app/sub/f", b"v")

    def learn(m):
        assert sorted(os.listdir(m / "app")) == ["conf", "other", "sub"]
        assert sorted(os.listdir(m / "app/sub")) == [".data", "f"]
        assert get(m / "app/conf") == b"the configuration"
        assert get(m / "app/sub/.data") == b"own"
        with fails("ENOENT"):
            os.stat(m / "app/absent")
        return m

    return learn


@pytest.mark.parametrize("view", [False, True], ids=["kernel", "daemon"])
def test_what_is_known_is_served(behind, proxy, known, view):
    """Listings come from the kernel, or once a view is in use, from us."""
    m = behind("timeout=1")
    if view:
        os.stat(m / ".ephemeral")
    known(m)
    proxy.block()
    out(m)
    start = time.monotonic()
    for _ in range(3):
        known(m)
        assert ok("cat", m / "app/conf") == "the configuration"
        assert os.stat(m / "app/conf").st_size == 17
        assert ok("grep", "-c", "conf", m / "app/conf") == "1\n"
    assert time.monotonic() - start < 1 * SLOW, "something waited"
    with fails("EIO"):
        get(m / "app/other")
    with fails("EIO"):
        put(m / "app/conf", b"new")
    with fails("EIO"):
        os.mkdir(m / "app/new")
    known(m)
    proxy.unblock()
    back(m)
    assert get(m / "app/other") == b"nobody reads it"


def test_a_server_that_falls_silent(mount, own_server, client):
    """Session and feed notice it one after the other; no reader does."""
    zk = client(own_server.hostport)
    zk.create("/conf", b"v")
    zk.stop()
    m = mount(own_server.hostport, "session_timeout=3", "timeout=2",
              allow=".")
    assert get(m / "conf") == b"v"
    own_server.pause()
    end = time.monotonic() + 60 * SLOW
    while time.monotonic() < end:
        assert get(m / "conf") == b"v"
        assert os.stat(m / "conf").st_size == 1
        s = status(m)
        if (s["state"], s["feed"]) == ("lost", "down"):
            break
    assert s["state"] == "lost"
    assert get(m / "conf") == b"v"
    own_server.resume()
    back(m)


def test_what_needs_the_server_waits_for_it(behind, proxy, known):
    m = behind("timeout=60")
    known(m)
    proxy.block()
    out(m)
    got = []
    reader = threading.Thread(
        target=lambda: got.append(get(m / "app/other")))
    reader.start()
    wait_for(lambda: status(m)["requests_held"] > 0)
    proxy.unblock()
    reader.join(30 * SLOW)
    assert got == [b"nobody reads it"]


def test_a_signal_ends_the_wait(behind, proxy, known):
    m = behind("timeout=60")
    known(m)
    proxy.block()
    out(m)
    proc = subprocess.Popen(procs.tied(["cat", m / "app/other"]))
    wait_for(lambda: procs.waits_for_fuse(proc.pid))
    proc.send_signal(signal.SIGINT)
    assert proc.wait(5 * SLOW) == -signal.SIGINT


def test_the_difference_is_seen_after_an_outage(behind, proxy, known, zk):
    m = known(behind())
    with Inotify() as inotify:
        inotify.add_watch(m / "app")
        proxy.block()
        out(m)
        zk.set("/app/conf", b"changed")
        zk.delete("/app/other")
        assert get(m / "app/conf") == b"the configuration"
        proxy.unblock()
        wanted = {"MODIFY conf", "CLOSE_WRITE conf", "DELETE other"}
        seen = inotify.until(lambda e: wanted <= {str(x) for x in e}, 30)
    assert wanted <= {str(e) for e in seen}
    assert get(m / "app/conf") == b"changed"


def test_no_storm_of_connects(behind, proxy, known):
    """However many knock at the mount, the servers do not feel it."""
    m = known(behind("timeout=60", "session_timeout=30"))
    proxy.block()
    out(m)
    script = ('while :; do timeout -s INT 0.1 cat "$1/app/other"; '
              'cat "$1/app/conf"; echo x > "$1/app/conf" & sleep 0.1; '
              'kill -INT $!; done >/dev/null 2>&1')
    load = [subprocess.Popen(procs.tied(["sh", "-c", script, "sh", m.path]),
                             start_new_session=True) for _ in range(10)]
    try:
        wait_for(lambda: status(m)["requests_held"] > 5, 30)
        before, start = proxy.accepted, time.monotonic()
        wait_for(lambda: time.monotonic() - start > 4, 10)
        rate = (proxy.accepted - before) / (time.monotonic() - start)
    finally:
        for p in load:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
    # The library tries each server 60 times per session timeout, and the
    # feed a few times a second.
    assert rate < 10
    proxy.unblock()
    back(m)
    # What they were killed in the middle of may be there or not.
    assert get(m / "app/conf") in (b"the configuration", b"x\n", b"")
    assert get(m / "app/sub/.data") == b"own"


# -- strict -----------------------------------------------------------------

def test_strict(behind, proxy, known):
    m = known(behind("strict", "timeout=1"))
    fd = os.open(m / "app/conf", os.O_RDONLY)
    assert os.pread(fd, 3, 0) == b"the"
    assert status(m)["strict"] == "yes"
    proxy.block()
    out(m)
    for act in (lambda: get(m / "app/conf"), lambda: os.stat(m / "app/conf"),
                lambda: os.listdir(m / "app"), lambda: os.stat(m / "app"),
                lambda: os.stat(m / "app/absent"), lambda: os.listdir(m),
                lambda: os.pread(fd, 3, 0)):
        start = time.monotonic()
        with fails("EIO"):
            act()
        assert time.monotonic() - start > 0.8, "it did not wait"
    assert os.pread(fd, 5, 3) == b" conf"
    os.close(fd)
    status(m)
    proxy.unblock()
    back(m)
    known(m)


def test_strict_costs_nothing_while_it_is_guarded(mount, source, known, zk,
                                                  server):
    m = known(mount(source, "strict"))
    known(m)
    with server.requests(zk) as count:
        for _ in range(20):
            get(m / "app/conf")
            os.stat(m / "app/sub/f")
    assert count.n < 10


def test_strict_has_events(mount, source, known, zk):
    m = known(mount(source, "strict"))
    with Inotify() as inotify:
        inotify.add_watch(m / "app")
        zk.set("/app/conf", b"changed")
        zk.create("/app/new", b"v")
        zk.delete("/app/other")
        wanted = {"MODIFY conf", "CREATE new", "DELETE other"}
        seen = inotify.until(lambda e: wanted <= {str(x) for x in e})
    assert wanted <= {str(e) for e in seen}


# -- expired ----------------------------------------------------------------

def owner(zk, path):
    st = zk.exists(path)
    return st.ephemeralOwner if st else None


def expire(m, zk, *paths):
    """Let the daemon sleep until the server has ended its session."""
    m.kill(signal.SIGSTOP)
    wait_for(lambda: not any(zk.exists(p) for p in paths), 30)
    m.kill(signal.SIGCONT)


def in_view(m):
    return sorted(ok("find", ".ephemeral", "-type", "f",
                     cwd=m.path).splitlines())


def test_a_new_session_without_a_remount(mount, source, zk):
    m = mount(source, "session_timeout=1", allow=".")
    put(m / "f", b"v")
    put(m / ".ephemeral/e", b"v")
    first = status(m)
    expire(m, zk, "/e")
    s = wait_status(m, 60, state="connected", feed="up", sessions=2,
                    ephemerals=0)
    assert s["session"] != first["session"]
    assert get(m / "f") == b"v"
    put(m / ".ephemeral/e", b"again")
    assert f"{owner(zk, '/e'):#x}" == s["session"]
    assert f"/e is gone with session {first['session']}" in m.log()
    assert metrics(m)["znodefs_sessions_total"] == 2


def test_many_ephemerals_make_few_lines(mount, source, zk):
    m = mount(source, "session_timeout=1", allow=".")
    for i in range(25):
        put(m / f".ephemeral/e{i}", b"v")
    expire(m, zk, "/e24")
    wait_status(m, 60, state="connected", sessions=2)
    wait_for(lambda: "15 more ephemerals are gone" in m.log())
    assert len(re.findall(r"ephemeral /\S+ is gone", m.log())) == 10


def test_one_that_others_deleted_is_not_reported(mount, source, zk):
    m = mount(source, "session_timeout=1", allow=".")
    for name in "ab":
        put(m / f".ephemeral/{name}", b"v")
    zk.delete("/a")
    wait_for(lambda: not os.path.exists(m / "a"))
    expire(m, zk, "/b")
    wait_status(m, 60, state="connected", sessions=2)
    wait_for(lambda: "/b is gone" in m.log())
    assert "/a is gone" not in m.log()


@pytest.mark.parametrize("renew", [False, True])
def test_a_writer_at_the_moment_of_expiry(mount, source, zk, renew):
    """Each write has a clear end, and the mount goes on."""
    m = mount(source, "session_timeout=1", "timeout=5",
              *["renew"] * renew, allow=".")
    stop, errors, written = threading.Event(), set(), []

    def write():
        while not stop.is_set():
            try:
                put(m / ".ephemeral/e", b"line\n", os.O_CREAT | os.O_APPEND)
                written.append(1)
            except OSError as e:
                errors.add(e.errno)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in (2, 3):
            count = len(written)
            wait_for(lambda: len(written) > count + 10, 30)
            session = owner(zk, "/e")
            m.kill(signal.SIGSTOP)
            wait_for(lambda: owner(zk, "/e") != session, 30)
            m.kill(signal.SIGCONT)
            wait_status(m, 60, state="connected", sessions=n)
    finally:
        stop.set()
        m.kill(signal.SIGCONT)
        writer.join(30 * SLOW)
    assert not writer.is_alive()
    put(m / ".ephemeral/e", b"the last")
    data, st = zk.get("/e")
    assert data == b"the last"
    assert f"{st.ephemeralOwner:#x}" == status(m)["session"]
    print(f"{len(written)} writes, errors {errors}")


# -- renewed ----------------------------------------------------------------

@pytest.fixture
def renewing(mount, source):
    def mount_at(*options):
        return mount(source, "session_timeout=1", "renew", *options,
                     allow=".")

    return mount_at


def renewed(m, sessions=2):
    """The status, once what the old session had is there again."""
    def there():
        s = status(m)
        return s if s["sessions"] == sessions and s["feed"] == "up" and \
            s["ephemerals_to_renew"] == 0 and s["ephemerals"] else None

    return wait_for(there, 60, "ephemerals have been made again")


def test_renew(renewing, zk):
    zk.create("/d", None)
    m = renewing()
    for name, value in (("a", b"1"), ("b", b"2"), ("c", b"3"), ("z", b"")):
        put(m / f".ephemeral/d/{name}", value)
    put(m / "d/b", b"written in the main view")
    zk.set("/d/c", b"set by another client")
    wait_equal(lambda: get(m / "d/c"), b"set by another client")
    os.rename(m / ".ephemeral/d/a", m / ".ephemeral/d/moved")
    assert get(m / "d/moved") == b"1"   # it is read again after a rename
    first = status(m)
    with Inotify() as inotify:
        inotify.add_watch(m / "d")
        expire(m, zk, "/d/b", "/d/c", "/d/moved", "/d/z")
        s = renewed(m)
        names = {"b", "c", "moved", "z"}
        seen = inotify.until(lambda e: {x.name for x in e} == names, 30)
    assert {e.name for e in seen} == names
    assert s["session"] != first["session"] and s["ephemerals"] == 4
    want = {"b": b"written in the main view", "z": b"",
            "c": b"set by another client", "moved": b"1"}
    assert set(zk.get_children("/d")) == set(want)
    for name, value in want.items():
        data, st = zk.get(f"/d/{name}")
        assert data == value
        assert f"{st.ephemeralOwner:#x}" == s["session"]
        wait_equal(lambda: get(m / "d" / name), value)
        assert f"/d/{name} made again" in m.log()
    assert in_view(m) == [f".ephemeral/d/{n}" for n in sorted(names)]
    put(m / "d/b", b"usable")
    assert zk.get("/d/b")[0] == b"usable"


def test_renew_leaves_alone_what_is_there(renewing, zk):
    m = renewing()
    put(m / ".ephemeral/e", b"ours")
    put(m / ".ephemeral/f", b"ours")
    m.kill(signal.SIGSTOP)
    wait_for(lambda: not zk.exists("/f"), 30)
    zk.create("/e", b"theirs")
    m.kill(signal.SIGCONT)
    s = renewed(m)
    assert zk.get("/e")[0] == b"theirs"
    assert owner(zk, "/e") == 0
    assert f"{owner(zk, '/f'):#x}" == s["session"]
    assert "/e is not made again: there is another one" in m.log()
    wait_equal(lambda: get(m / "e"), b"theirs")
    assert in_view(m) == [".ephemeral/f"]


def test_not_renewed(renewing, zk):
    zk.create("/d", None)
    zk.create("/gone", None)
    m = renewing("cache_size=100")
    put(m / ".ephemeral/large", b"x" * 200)
    put(m / ".ephemeral/deleted", b"x")
    put(m / ".ephemeral/removed", b"x")
    put(m / ".ephemeral/gone/orphan", b"x")
    put(m / ".ephemeral/d/stays", b"x")
    zk.delete("/deleted")
    os.unlink(m / "removed")
    wait_for(lambda: not os.path.exists(m / "deleted"))
    m.kill(signal.SIGSTOP)
    wait_for(lambda: not zk.exists("/d/stays"), 30)
    zk.delete("/gone")
    m.kill(signal.SIGCONT)
    s = renewed(m)
    assert s["ephemerals"] == 1
    assert sorted(zk.get_children("/")) == ["d"]
    assert zk.get_children("/d") == ["stays"]
    log = m.log()
    assert "/large is gone" in log and "its value is not known" in log
    assert "/gone/orphan is not made again" in log
    assert "/deleted" not in log and "/removed" not in log


def test_renew_twice_in_a_row(renewing, zk):
    m = renewing()
    put(m / ".ephemeral/e", b"v")
    for n in (2, 3, 4):
        expire(m, zk, "/e")
        s = renewed(m, n)
        assert zk.get("/e")[0] == b"v"
        assert f"{owner(zk, '/e'):#x}" == s["session"]
    assert in_view(m) == [".ephemeral/e"]


def test_expired_while_renewing(renewing, zk):
    """The second session ends when some are there and others are not."""
    zk.create("/d", None)
    m = renewing()
    names = [f"e{i}" for i in range(300)]
    for name in names:
        put(m / f".ephemeral/d/{name}", name.encode())
    m.kill(signal.SIGSTOP)
    for _ in range(3):
        wait_for(lambda: not zk.get_children("/d"), 30)
        m.kill(signal.SIGCONT)
        wait_for(lambda: zk.get_children("/d"), 30, interval=0.001)
        m.kill(signal.SIGSTOP)
    wait_for(lambda: not zk.get_children("/d"), 30)
    m.kill(signal.SIGCONT)
    wait_for(lambda: len(zk.get_children("/d")) == len(names), 60)
    s = wait_status(m, 60, state="connected", feed="up",
                    ephemerals_to_renew=0)
    assert s["ephemerals"] == len(names)
    for name in names:
        data, st = zk.get(f"/d/{name}")
        assert data == name.encode()
        assert f"{st.ephemeralOwner:#x}" == s["session"]
    assert len(in_view(m)) == len(names)


def test_without_renew_they_stay_away(mount, source, zk):
    m = mount(source, "session_timeout=1", allow=".")
    put(m / ".ephemeral/e", b"v")
    expire(m, zk, "/e")
    wait_status(m, 60, state="connected", feed="up", sessions=2)
    put(m / "later", b"v")
    assert not zk.exists("/e")
    assert status(m)["ephemerals_to_renew"] == 0


# -- ensembles --------------------------------------------------------------

def follows(m, *other_than):
    """Wait until session and feed are at one server, which is returned."""
    def there():
        s = status(m)
        return (s["state"] == "connected" and s["feed"] == "up" and
                s["server"] == s["feed_server"] and
                s["server"] not in other_than and s["server"])

    return wait_for(there, 60, "both are at one server")


def test_another_server_takes_over(mount, ensemble, client):
    servers = ensemble()
    zk = client(servers.hosts)
    zk.create("/f", b"v")
    m = mount(servers.hosts, allow=".")
    assert get(m / "f") == b"v"
    put(m / ".ephemeral/e", b"v")
    first = status(m)
    servers.serving(first["server"]).kill()
    follows(m, first["server"])
    assert status(m)["session"] == first["session"]
    assert zk.exists("/e")
    put(m / "f", b"w")
    wait_equal(lambda: zk.get("/f")[0], b"w", 30)


def without_quorum(servers, keep):
    for member in servers.members:
        if member is not keep:
            member.kill()
    wait_for(lambda: keep.mode() == "read-only", 60)


def test_mounted_from_a_read_only_server(mount, ensemble, client):
    servers = ensemble(read_only=True, extra=LOCAL)
    zk = client(servers.hosts)
    zk.create("/f", b"v")
    zk.stop()
    keep = servers.follower()
    without_quorum(servers, keep)
    m = mount(servers.hosts, "timeout=5", allow=".")
    s = wait_status(m, state="read-only", feed="up")
    assert s["server"] == s["feed_server"] == keep.hostport
    assert get(m / "f") == b"v"
    for act in (lambda: put(m / "f", b"w"), lambda: put(m / "new", b"w"),
                lambda: os.mkdir(m / "d"), lambda: os.unlink(m / "f"),
                lambda: put(m / ".ephemeral/e", b"w")):
        with fails("EROFS"):
            act()
    assert get(m / "f") == b"v"
    servers.start()
    follows(m)
    put(m / "f", b"w")
    put(m / ".ephemeral/e", b"w")
    assert get(m / "f") == b"w"
    assert "read-only" not in states(m)[-1:]


def test_read_only_while_mounted(mount, ensemble, client):
    servers = ensemble(read_only=True, extra=LOCAL)
    zk = client(servers.hosts)
    zk.create("/f", b"v")
    zk.stop()
    m = mount(servers.hosts, "timeout=5", allow=".")
    assert get(m / "f") == b"v"
    without_quorum(servers, servers.serving(status(m)["server"]))
    wait_status(m, 60, state="read-only", feed="up")
    assert get(m / "f") == b"v"
    with fails("EROFS"):
        put(m / "f", b"w")
    servers.start()
    follows(m)
    put(m / "f", b"w")
    assert get(m / "f") == b"w"
    assert "read-only" in states(m)


def test_a_session_that_loses_its_quorum(mount, ensemble, client):
    """An ordinary one cannot go on read-only: what is known is served."""
    servers = ensemble(read_only=True)
    zk = client(servers.hosts)
    zk.create("/f", b"v")
    zk.create("/g", b"v")
    zk.stop()
    m = mount(servers.hosts, "timeout=1", allow=".")
    assert get(m / "f") == b"v"
    put(m / ".ephemeral/e", b"v")
    first = status(m)
    without_quorum(servers, servers.serving(first["server"]))
    wait_status(m, state="lost")
    assert get(m / "f") == b"v"
    with fails("EIO"):
        get(m / "g")
    assert get(m / "f") == b"v"
    servers.start()
    follows(m)
    assert status(m)["session"] == first["session"]
    assert get(m / "g") == b"v"
    assert get(m / "e") == b"v"
