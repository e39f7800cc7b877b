# SPDX-License-Identifier: Apache-2.0
"""Watchers that keep a model from events have the true tree after a storm.

A storm changes about 500 names in 50 directories at full speed, while three
watchers on two mounts rebuild the tree from inotify events alone.  Meanwhile
connections are cut, servers and helpers killed.  In the end no model differs
from the tree at the server, nor from a fresh walk of its mount.
"""

import contextlib
import mmap
import os
import shutil
import tempfile

import pytest

from harness import announcer, model, sizes, tree
from harness.files import put
from harness.model import Watcher
from harness.proxy import Proxy
from harness.storm import Storm, make_directories
from harness.wait import wait_for

pytestmark = pytest.mark.deadline(240)
COUNT = sizes.stress(2000, 20_000)
SETTLE = 120 if sizes.FULL else 20
seeds = pytest.mark.parametrize("seed", range(sizes.stress(2, 20)))
one_seed = pytest.mark.parametrize("seed", range(sizes.stress(1, 20)))


# -- the instruments themselves ---------------------------------------------

@pytest.fixture
def memory():
    """A directory in memory, for what needs no mount."""
    path = tempfile.mkdtemp(prefix="znodefs-test-", dir="/dev/shm")
    yield path
    shutil.rmtree(path)


@seeds
def test_watcher_follows_a_filesystem_in_memory(memory, seed):
    """Where the kernel alone makes the events, no watcher misses one."""
    with watching(memory, memory) as watchers:
        with Storm.local([memory], seed, COUNT) as storm:
            storm.finish()
        for w in watchers:
            wait_for(lambda w=w: w.tree() == model.walk(memory), SETTLE)


def test_watcher_is_not_fooled(memory):
    """A change without an event (as by mmap) stays a difference."""
    with watching(memory) as (watcher,):
        with open(f"{memory}/f", "wb") as f:
            f.write(b"before")
        wait_for(lambda: watcher.tree() == {"": None, "f": "before"})
        with open(f"{memory}/f", "r+b") as f:
            with mmap.mmap(f.fileno(), 0) as mapped:
                mapped[:6] = b"silent"
            diff = model.differences(watcher.tree(), model.walk(memory))
        assert diff == {"f": ("before", "silent")}
        assert "read 'before'" in model.describe(watcher, diff)


def test_watcher_tells_directories_apart(memory, monkeypatch):
    """Which have been at the same path, and one is heard of late."""
    watcher = model.Model(memory)
    listdir = os.listdir

    def make():
        os.mkdir(f"{memory}/a/x")
        put(f"{memory}/a/x/n", b"v")

    def list_late(path):
        """What is made between the watch and the list comes twice."""
        make()
        monkeypatch.setattr(os, "listdir", listdir)
        return listdir(path)

    os.mkdir(f"{memory}/a")
    monkeypatch.setattr(os, "listdir", list_late)
    watcher.handle(watcher.inotify.read())
    os.rename(f"{memory}/a/x", f"{memory}/a/y")
    make()
    os.unlink(f"{memory}/a/y/n")
    os.rename(f"{memory}/a/y", f"{memory}/a/z")
    watcher.handle(watcher.inotify.read())
    assert watcher.tree == model.walk(memory)


def test_watcher_follows_a_mount_of_its_own(m, zk):
    """Where nobody else changes anything, the kernel tells all."""
    make_directories(zk, "/t")
    with watching(m / "t", m / "t") as watchers:
        with Storm.local([m / "t"], 0, COUNT / 4) as storm:
            storm.finish()
        compare(zk, watchers)


# -- storms -----------------------------------------------------------------

@contextlib.contextmanager
def watching(*tops):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Watcher(top, f"#{i} {top}"))
               for i, top in enumerate(tops)]


@contextlib.contextmanager
def storming(hostport, root, zk, mounts, seed):
    """Three watchers of /t on @mounts and a storm, compared in the end."""
    with watched(zk, mounts):
        with Storm.remote(hostport, f"{root}/t", seed, COUNT) as storm:
            storm.wait(COUNT / 10)
            yield storm
            storm.finish()


@contextlib.contextmanager
def watched(zk, mounts):
    first, second = mounts
    make_directories(zk, "/t")
    with watching(first / "t", second / "t", first / "t") as watchers:
        yield
        wait_for(lambda: zk.connected, 30)
        compare(zk, watchers)
        zk.create("/t/last", b"one")
        wait_for(lambda: all(w.tree().get("last") == "one" for w in watchers),
                 SETTLE, "the last change is seen")
        compare(zk, watchers)
        for w, mnt in zip(watchers, mounts):
            diff = model.differences(w.tree(), model.walk(mnt / "t"))
            assert not diff, "a fresh walk: " + model.describe(w, diff)


def compare(zk, watchers):
    """Wait until each model is the tree at the server; else say why not."""
    differing = list(watchers)

    def settled():
        truth = tree.snapshot(zk, "/t")
        differing[:] = [w for w in watchers if difference(w, truth)]
        return not differing

    try:
        wait_for(settled, SETTLE, interval=0.1)
    except AssertionError:
        truth = tree.snapshot(zk, "/t")
        pytest.fail("\n".join(model.describe(w, difference(w, truth))
                              for w in differing), pytrace=False)


def difference(watcher, truth):
    got = watcher.tree()
    return model.differences(got, model.as_tree(truth, got))


def repeat(storm, times, fault):
    """Let @fault happen @times, some changes apart."""
    for _ in range(times):
        wait_for(fault, 30, "there is something to break")
        storm.wait(COUNT / 10)


@seeds
def test_plain(server, chroot, zk, m, m2, seed):
    with storming(server.hostport, chroot, zk, (m, m2), seed):
        pass


@one_seed
def test_feed_cut(server, chroot, zk, mount, seed):
    with Proxy(server.hostport) as proxy:
        m = mount(proxy.hostport + chroot, allow=".")
        m2 = mount(server.hostport + chroot)
        with storming(server.hostport, chroot, zk, (m, m2), seed) as storm:
            repeat(storm, 5, proxy.cut_feeds)
        m.stop()


@one_seed
def test_all_connections_cut(server, chroot, zk, mount, seed):
    with Proxy(server.hostport) as proxy:
        m = mount(proxy.hostport + chroot, allow=".")
        m2 = mount(proxy.hostport + chroot, allow=".")
        with storming(server.hostport, chroot, zk, (m, m2), seed) as storm:
            def cut():
                proxy.block()
                proxy.unblock()
                return True
            repeat(storm, 3, cut)
        m.stop()
        m2.stop()


@one_seed
def test_server_killed(own_server, client, mount, seed):
    # A server that starts may accept a client and never answer it.  The
    # client notices when its timeout is over, so that is not the usual one.
    zk = client(own_server.hostport, timeout=10)
    mounts = [mount(own_server.hostport, "session_timeout=10", allow=".")
              for _ in range(2)]
    with storming(own_server.hostport, "", zk, mounts, seed) as storm:
        own_server.kill()
        own_server.start()
        storm.wait(COUNT / 10)


@one_seed
def test_helper_killed(server, chroot, zk, mount, source, seed):
    mounts = [mount(source, allow=".") for _ in range(2)]
    with storming(server.hostport, chroot, zk, mounts, seed) as storm:
        repeat(storm, 5, lambda: announcer.kill_helpers(mounts[0].pid))


@one_seed
def test_own_writes(server, chroot, zk, m, m2, seed):
    with storming(server.hostport, chroot, zk, (m, m2), seed):
        with Storm.local([m / "t", m2 / "t"], seed, COUNT / 10) as writer:
            writer.finish()


@pytest.mark.parametrize("helpers", ["live", "die"])
@one_seed
def test_own_changes_of_the_same(zk, m, m2, seed, helpers):
    """Two mounts and a handful of names: renames of what others replace."""
    with watched(zk, (m, m2)), \
            Storm.dense([m / "t"], seed, COUNT) as one, \
            Storm.dense([m2 / "t"], seed + 1000, COUNT) as other:
        while helpers == "die" and one.done < COUNT:
            announcer.kill_helpers(m.pid)
            one.wait(COUNT / 20)
        one.finish()
        other.finish()
