# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the feed's tests; the server is the integration tests' one.

Environment: FEEDTOOL, the program (else ./build/tests/feed/feedtool), and
ZNODEFS_SLOW, a factor for every deadline.
"""

import itertools
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../integration"))

import pytest  # noqa: E402
from kazoo.client import KazooClient  # noqa: E402

from harness import procs  # noqa: E402
from harness import server as servers  # noqa: E402
from harness.wait import SLOW  # noqa: E402
from tool import Feed  # noqa: E402

_numbers = itertools.count(1)


def pytest_sessionstart(session):
    reason = servers.missing()
    if reason:
        required = os.environ.get("CI") or os.environ.get("ZNODEFS_REQUIRE")
        pytest.exit(reason, returncode=1 if required else 77)


@pytest.fixture(scope="session")
def workplace():
    place = procs.Workplace()
    yield place
    servers.Server.kill_all()
    place.close()


@pytest.fixture(scope="session")
def server(workplace):
    own = servers.Server(workplace.mkdir("zookeeper")).start()
    yield own
    own.kill()


@pytest.fixture
def own_server(workplace):
    """A server of the test alone, to be killed, paused and restarted."""
    own = servers.Server(workplace.mkdir("zookeeper")).start()
    yield own
    own.kill()


@pytest.fixture
def client():
    """A function that gives kazoo clients, stopped at the end."""
    clients = []

    def connect(hostport, timeout=60):
        zk = KazooClient(hosts=hostport, timeout=timeout)
        zk.start(timeout=10 * SLOW)
        clients.append(zk)
        return zk

    yield connect
    for zk in clients:
        zk.stop()
        zk.close()


@pytest.fixture
def zk(server, client):
    return client(server.hostport)


@pytest.fixture
def root(zk):
    """The path of a znode of the test's own."""
    path = f"/test{next(_numbers)}"
    zk.create(path, b"")
    return path


@pytest.fixture
def start():
    """A function that starts feeds, killed at the end."""
    feeds = []

    def start_feed(*args, **kwargs):
        feeds.append(Feed(*args, **kwargs))
        return feeds[-1]

    yield start_feed
    for feed in feeds:
        feed.kill()


@pytest.fixture
def feed(start, server, root):
    """A feed of everything below root."""
    f = start(server.hostport)
    f.expect("up 1")
    f.watch(root)
    return f
