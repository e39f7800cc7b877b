# SPDX-License-Identifier: Apache-2.0
"""What happens to the feed's connection and session at a real server."""

import os
import re

import pytest

from harness.server import Server, free_port
from harness.wait import SLOW, wait_for


def watches(server):
    """How many paths the server watches."""
    return int(re.search(r"Total watches:(\d+)", server.four("wchs")).group(1))


def session(feed):
    return int(feed.status()["session"], 16)


def started(start, server, root="/", **kwargs):
    feed = start(server.hostport, **kwargs)
    feed.expect("up 1")
    feed.watch(root)
    return feed


def test_server_restarted(start, own_server, client):
    feed = started(start, own_server)
    before = session(feed)
    own_server.kill()
    feed.expect("down 1 ECONNRESET")
    own_server.start()
    feed.wait_up()
    assert session(feed) == before
    client(own_server.hostport).create("/a")
    feed.expect_events("CREATED /a")


def test_server_hung(start, own_server, client):
    feed = started(start, own_server, timeout_ms=2000)
    own_server.pause()
    feed.expect("down 1 ETIMEDOUT")
    own_server.resume()
    feed.wait_up()
    client(own_server.hostport).create("/a")
    feed.expect_events("CREATED /a")


def test_session_expired(start, own_server, client):
    feed = started(start, own_server, timeout_ms=int(2000 * SLOW))
    before = session(feed)
    feed.pause()
    wait_for(lambda: before not in own_server.sessions())
    client(own_server.hostport).create("/missed")
    feed.resume()
    assert feed.next().startswith("down 1 ")
    feed.wait_up()
    assert session(feed) != before
    client(own_server.hostport).create("/a")
    feed.expect_events("CREATED /a")


def test_stays_up_when_idle(start, own_server):
    """For several timeouts, by pings alone."""
    feed = started(start, own_server, timeout_ms=int(3000 * SLOW))
    sid = session(feed)
    packets = own_server.sessions()[sid]
    wait_for(lambda: own_server.sessions().get(sid, 0) > packets + 6, 30)
    assert feed.status()["epoch"] == "1"


def test_close_ends_the_session(start, own_server):
    feed = started(start, own_server)
    sid = session(feed)
    assert sid in own_server.sessions()
    assert feed.close() == ["down 1 ESHUTDOWN", "closed"]
    wait_for(lambda: f"{sid:x}" not in own_server.four("dump"))


def test_killed(start, own_server):
    """Without leave the session ends by its timeout, the watches at once."""
    feed = started(start, own_server, timeout_ms=400)
    assert watches(own_server) > 0
    feed.kill()
    wait_for(lambda: watches(own_server) == 0)


def test_many_watches(start, own_server, client):
    feed = start(own_server.hostport)
    feed.expect("up 1")
    for i in range(5000):
        feed.order("watch", f"/path/{i}")
    for i in range(5000):
        feed.expect(f"watching 1 /path/{i} 0")
    assert watches(own_server) == 5000
    own_server.kill()
    feed.expect("down 1 ECONNRESET")
    own_server.start()
    feed.wait_up()
    assert watches(own_server) == 5000
    for i in range(5000):
        feed.order("unwatch", f"/path/{i}")
    wait_for(lambda: watches(own_server) == 0)
    assert feed.status()["watches"] == "0"


@pytest.fixture
def ensemble(workplace):
    """A function that configures three members and starts none of them."""
    members = []

    def configure(*extra):
        ports = [(free_port(), free_port()) for _ in range(3)]
        lines = [f"server.{n}=127.0.0.1:{q}:{e}"
                 for n, (q, e) in enumerate(ports, 1)]
        for n in range(1, 4):
            directory = workplace.mkdir("member")
            os.mkdir(f"{directory}/data")
            with open(f"{directory}/data/myid", "w", encoding="ascii") as f:
                f.write(str(n))
            members.append(Server(
                directory, jvm=["-Dreadonlymode.enabled=true"],
                extra="\n".join(["initLimit=50", "syncLimit=20", *extra,
                                 *lines])))
        return members

    yield configure
    for member in members:
        if member.proc and member.proc.poll() is None:
            member.kill()


def mode(member):
    try:
        return re.search(r"Mode: (\S+)", member.four("srvr")).group(1)
    except (OSError, AttributeError):
        return None


def wait_serving(members):
    for member in members:
        wait_for(lambda m=member: mode(m) in ("leader", "follower"), 60,
                 "the ensemble serves")


def test_moved_between_members(start, ensemble, client):
    members = ensemble()
    for member in members:
        member.start(wait=False)
    wait_serving(members)
    one, two, three = members
    feed = started(start, one)
    sid = session(feed)

    feed.order("move", two.hostport)
    feed.expect("down 1 ESTALE", "watching 2 / 0", "up 2")
    assert session(feed) == sid
    assert sid in two.sessions() and sid not in one.sessions()
    client(three.hostport).create("/a")
    feed.expect_events("CREATED /a")


def test_read_only(start, ensemble, client):
    """At a member without a quorum, and when it has one again."""
    # Without local sessions such a member refuses every new one.
    members = ensemble("localSessionsEnabled=true")
    one = members[0].start()
    wait_for(lambda: mode(one) == "read-only", 60)
    feed = start(one.hostport)
    feed.order("watch", "/")
    feed.wait("up")
    status = feed.status()
    assert status["ro"] == "1"

    for member in members[1:]:
        member.start(wait=False)
    wait_serving(members)
    wait_for(lambda: feed.status()["ro"] == "0" and
             feed.status()["up"] == "1", 60, "the feed is up")
    assert feed.status()["session"] != status["session"]
    client(members[2].hostport).create("/a")
    feed.wait("event CREATED /a")


def test_read_only_refused(start, ensemble):
    members = ensemble()
    one = members[0].start()
    wait_for(lambda: mode(one) == "read-only", 60)
    feed = start(one.hostport)
    feed.order("watch", "/")
    wait_for(lambda: feed.status()["reason"] == "EROFS")
    for member in members[1:]:
        member.start(wait=False)
    wait_serving(members)
    feed.wait("up")
