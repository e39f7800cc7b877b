# SPDX-License-Identifier: Apache-2.0
"""Ensembles: an observer, a partition, and members that come and go."""

import fcntl
import subprocess

import pytest

from harness import procs
from harness.ensemble import Ensemble
from harness.files import get, ok, put
from harness.inotify import Inotify
from harness.locker import Locker
from harness.partition import Partitioned
from harness.proxy import Proxy
from harness.status import status
from harness.wait import SLOW, wait_for

pytestmark = pytest.mark.deadline(180)

EX = fcntl.LOCK_EX

# Writes a file after the other until $2 is gone, each with its number; those
# that succeeded are in $3.
WRITER = r"""
i=0
while [ -e "$2" ]; do
	i=$((i + 1))
	if echo "$i" > "$1/n$i"; then echo "$i" >> "$3"; fi
done
"""


def follows(m, *servers):
    """Wait until session and feed are at one of these members."""
    hostports = [s.hostport for s in servers]

    def there():
        s = status(m)
        return (s["state"] == "connected" and s["feed"] == "up" and
                s["server"] == s["feed_server"] and s["server"] in hostports)

    wait_for(there, 60, f"both are at one of {hostports}")


def works(m, zk, name):
    """Reads, writes and events, against a client at another server."""
    (m / "d").mkdir(exist_ok=True)
    put(m / "d" / name, b"ours")
    zk.retry(zk.sync, "/")      # its own server may have been killed
    assert zk.get(f"/d/{name}")[0] == b"ours"
    with Inotify() as inotify:
        inotify.add_watch(m / "d")
        zk.set(f"/d/{name}", b"theirs")
        zk.create(f"/d/{name}-new", b"")
        wanted = {f"CREATE {name}-new", f"MODIFY {name}"}
        seen = inotify.until(lambda seen: wanted <= set(map(str, seen)), 30)
        assert wanted <= set(map(str, seen)), list(map(str, seen))
    assert get(m / "d" / name) == b"theirs"


# -- observers --------------------------------------------------------------

def test_an_observer(mount, ensemble, client):
    """It is as good as any, and when it goes, so is another."""
    servers = ensemble(voters=1, observers=1, extra="standaloneEnabled=false")
    voter, observer = servers.members
    assert observer.mode() == "observer"
    zk = client(voter.hostport)
    with Proxy(voter.hostport) as way:
        way.block()
        m = mount(f"{way.hostport},{observer.hostport}", allow=".")
        assert status(m)["server"] == observer.hostport
        first = status(m)["session"]
        way.unblock()
        works(m, zk, "f")
        put(m / ".ephemeral/e", b"v")
        with Locker() as a:
            a.open(m / "d/f")
            assert a.flock(EX) == "ok"
            assert len(zk.get_children("/d/f")) == 1
            observer.kill()
            wait_for(lambda: status(m)["server"] == way.hostport, 60)
            wait_for(lambda: status(m)["feed"] == "up", 60)
            assert status(m)["session"] == first
            assert zk.exists("/e")
            assert len(zk.get_children("/d/f")) == 1
            assert a.flock(fcntl.LOCK_UN) == "ok"
        works(m, zk, "g")
        m.stop()


# -- partitions -------------------------------------------------------------

@pytest.fixture
def partitioned(workplace):
    servers = Partitioned(workplace.mkdir)
    try:
        yield servers.start()
    finally:
        servers.kill()


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_the_minority(mount, partitioned, client, tmp, role):
    """The one we are with is cut off: what was acknowledged is there."""
    servers = partitioned
    first = getattr(servers, role)()
    others = [s for s in servers.members if s is not first]
    with Proxy(others[0].hostport) as way:
        way.block()
        m = mount(f"{first.hostport},{way.hostport}", "timeout=60",
                  allow=".")
        way.unblock()
        assert status(m)["server"] == first.hostport
        put(m / ".ephemeral/e", b"v")
        session = status(m)["session"]
        go, acked = tmp / "go", tmp / "acked"
        go.touch()
        writer = subprocess.Popen(procs.tied(
            ["bash", "-c", WRITER, "writer", m.path, go, acked]))

        def written():
            return len(acked.read_text().split()) if acked.exists() else 0

        wait_for(lambda: written() >= 20, 30)
        servers.cut(first)
        wait_for(lambda: status(m)["server"] == way.hostport, 60,
                 "the mount has gone to the majority")
        before = written()
        wait_for(lambda: written() >= before + 20, 60)
        servers.heal(first)
        servers.wait_serving()
        before = written()
        wait_for(lambda: written() >= before + 20, 60)
        go.unlink()
        assert writer.wait(60 * SLOW) == 0
        zk = client(first.hostport)
        zk.sync("/")
        for n in acked.read_text().split():
            assert zk.get(f"/n{n}")[0] == n.encode() + b"\n"
        assert status(m)["session"] == session
        assert zk.exists("/e")
        m.stop()


# -- members that come and go ------------------------------------------------

RECONFIG = "reconfigEnabled=true\nstandaloneEnabled=false\nskipACL=yes"


class Growing(Ensemble):
    """Members that are configured, but not started yet, can join later."""

    def start(self, n=3):
        for s in self.members[:n]:
            s.start(wait=False)
        self.wait_serving()
        return self


@pytest.fixture
def growing(workplace):
    servers = Growing(workplace.mkdir, voters=4, extra=RECONFIG)
    old = "\n".join(s.line() for s in servers.members[:3])
    for s in servers.members[:3]:
        s.configure(old, RECONFIG)
    try:
        yield servers.start()
    finally:
        servers.kill()


def test_members_come_and_go(mount, growing, client):
    """The mount goes on while one of those that it was told of lives."""
    servers = growing
    a, b, c, new = servers.members
    m = mount(",".join(s.hostport for s in (a, b, c)), allow=".")
    put(m / ".ephemeral/e", b"v")
    session = status(m)["session"]
    new.start(wait=False)
    zk = client(",".join(s.hostport for s in servers.members))
    zk.retry(zk.reconfig, joining=new.line(), leaving=None, new_members=None)
    wait_for(lambda: new.mode() == "follower", 60, "it has joined")
    works(m, zk, "f")
    first = servers.serving(status(m)["server"])
    zk.retry(zk.reconfig, joining=None, leaving=str(first.number),
             new_members=None)
    first.kill()
    rest = [s for s in (a, b, c) if s is not first]
    follows(m, *rest)
    servers.wait_serving()
    works(m, zk, "g")
    second = servers.serving(status(m)["server"])
    second.kill()
    follows(m, *[s for s in rest if s is not second])
    servers.wait_serving()
    works(m, zk, "h")
    assert status(m)["session"] == session
    assert zk.exists("/e")
    assert ok("ls", m.path).split().count("e") == 1
