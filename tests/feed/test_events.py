# SPDX-License-Identifier: Apache-2.0
"""Which events a real server sends: the list in src/feed.h, repeated.

That there is no event is seen from the next one: all come on one connection,
in the order of the changes.
"""

import subprocess
import sys

import pytest
from kazoo.exceptions import KazooException
from kazoo.security import make_digest_acl

from harness.wait import wait_for

CHILD = """
import sys, time
from kazoo.client import KazooClient
zk = KazooClient(sys.argv[1], timeout=0.5)
zk.start()
zk.create(sys.argv[2], ephemeral=True)
print("there", flush=True)
time.sleep(1000)
"""


def test_subtree(feed, zk, root):
    zk.create(root + "/a", b"1")
    zk.create(root + "/a/b", b"")
    zk.set(root + "/a/b", b"2")
    zk.set(root + "/a/b", b"2")
    zk.sync(root)
    zk.delete(root + "/a/b")
    zk.delete(root + "/a")
    zk.set(root, b"x")
    feed.expect_events(
        f"CREATED {root}/a", f"CREATED {root}/a/b", f"CHANGED {root}/a/b",
        f"CHANGED {root}/a/b", f"DELETED {root}/a/b", f"DELETED {root}/a",
        f"CHANGED {root}")


def test_siblings_with_the_same_beginning(feed, zk, root):
    zk.create(root + "2", b"")
    zk.create(root + "2/a", b"")
    zk.create(root + "/a", b"")
    feed.expect_events(f"CREATED {root}/a")


def test_names(feed, zk, root):
    names = ["\u00e4\u00f6", "a b", "\u4e16\u754c", "...", "x" * 4000]
    for name in names:
        zk.create(f"{root}/{name}", b"")
    feed.expect_events(*(f"CREATED {root}/{name}" for name in names))


def test_multi(feed, zk, root):
    t = zk.transaction()
    t.create(root + "/m")
    t.set_data(root, b"1")
    t.create(root + "/m/n")
    t.delete(root + "/m/n")
    t.set_data(root, b"2")
    t.commit()
    t = zk.transaction()
    t.create(root + "/rolled-back")
    t.delete(root + "/is-not-there")
    assert isinstance(t.commit()[1], KazooException)
    zk.create(root + "/end")
    feed.expect_events(
        f"CREATED {root}/m", f"CHANGED {root}", f"CREATED {root}/m/n",
        f"DELETED {root}/m/n", f"CHANGED {root}", f"CREATED {root}/end")


def test_ephemeral_of_a_closed_session(feed, client, server, root):
    other = client(server.hostport)
    other.create(root + "/e", ephemeral=True)
    path = other.create(root + "/s-", ephemeral=True, sequence=True)
    feed.expect_events(f"CREATED {root}/e", f"CREATED {path}")
    other.stop()
    assert {feed.next(), feed.next()} == {
        f"event DELETED {root}/e", f"event DELETED {path}"}


def test_ephemeral_of_an_expired_session(feed, server, root):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, server.hostport, root + "/e"],
        stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"there\n"
    feed.expect_events(f"CREATED {root}/e")
    child.kill()
    child.wait()
    feed.expect_events(f"DELETED {root}/e")


def test_root_deleted_and_created(feed, zk, root):
    zk.create(root + "/a")
    zk.delete(root, recursive=True)
    zk.create(root)
    zk.create(root + "/b")
    feed.expect_events(
        f"CREATED {root}/a", f"DELETED {root}/a", f"DELETED {root}",
        f"CREATED {root}", f"CREATED {root}/b")


@pytest.mark.parametrize("verb", ["watch", "watch1"])
def test_path_that_is_not_there(feed, zk, root, verb):
    feed.watch(root + "2/deep/down", verb)
    zk.create(root + "2/deep/down", makepath=True)
    feed.expect_events(f"CREATED {root}2/deep/down")


def test_not_recursive(feed, zk, root):
    feed.watch(root, "watch1")
    zk.create(root + "/a")
    zk.create(root + "/a/b")
    zk.set(root + "/a", b"1")
    zk.set(root, b"1")
    zk.delete(root + "/a/b")
    zk.delete(root + "/a")
    zk.delete(root)
    zk.create(root)
    feed.expect_events(f"CHILD {root}", f"CHANGED {root}", f"CHILD {root}",
                       f"DELETED {root}", f"CREATED {root}")


def test_the_servers_root(start, server, zk, root):
    feed = start(server.hostport)
    feed.expect("up 1")
    feed.watch("/", "watch1")
    zk.create(root + "-top")
    zk.create(root + "-top/a")
    feed.expect_events("CHILD /")
    feed.watch("/")
    zk.create(root + "-top/b")
    feed.expect_events(f"CREATED {root}-top/b")


def test_overlapping_watches(feed, zk, root):
    """A recursive one below a plain one below a recursive one."""
    feed.watch(root + "/a", "watch1")
    feed.watch(root + "/a/b")
    zk.create(root + "/a")
    zk.create(root + "/a/b")
    zk.create(root + "/a/b/c")
    zk.set(root + "/a/b/c", b"1")
    feed.expect_events(
        f"CREATED {root}/a", f"CREATED {root}/a/b", f"CHILD {root}/a",
        f"CREATED {root}/a/b/c", f"CHANGED {root}/a/b/c")


def test_unwatch(feed, zk, root):
    feed.watch(root + "/b")
    feed.order("unwatch", root)
    # Answered in order, so the removal is done.
    feed.watch(root + "/b", "watch1")
    feed.watch(root + "/b")
    zk.create(root + "/a")
    zk.set(root, b"1")
    zk.create(root + "/b")
    feed.expect_events(f"CREATED {root}/b")


def test_unreadable(feed, start, server, client, root):
    """The server keeps from a client what that may not read."""
    zk = client(server.hostport)
    zk.add_auth("digest", "u:p")
    mine = [make_digest_acl("u", "p", all=True)]
    knowing = start(server.hostport, auth=["digest", "u:p"])
    knowing.expect("up 1")
    knowing.watch(root)
    zk.create(root + "/open")
    zk.set_acls(root + "/open", mine)
    zk.set(root + "/open", b"1")
    zk.create(root + "/open/child")
    zk.create(root + "/mine", b"", acl=mine)
    zk.set(root + "/mine", b"1")
    zk.delete(root + "/mine")
    feed.expect_events(f"CREATED {root}/open", f"CREATED {root}/open/child")
    knowing.expect_events(
        f"CREATED {root}/open", f"CHANGED {root}/open",
        f"CREATED {root}/open/child", f"CREATED {root}/mine",
        f"CHANGED {root}/mine", f"DELETED {root}/mine")


def test_credential_refused(start, server):
    feed = start(server.hostport, auth=["bogus", "x"])
    feed.order("watch", "/")
    wait_for(lambda: feed.status()["reason"] == "EACCES")
    assert feed.status()["up"] == "0"


def test_flood(feed, zk, root):
    """100,000 changes, each one event; the rate is in the output of -s."""
    feed.order("quiet")
    feed.status()
    for _ in range(100):
        t = zk.transaction()
        for _ in range(1000):
            t.set_data(root, b"")
        t.commit()
    wait_for(lambda: int(feed.status()["events"]) >= 100000, 60)
    status = feed.status()
    assert status["events"] == "100000"
    print(f"100,000 events in {status['ms']} ms")
