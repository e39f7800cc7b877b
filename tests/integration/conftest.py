# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a server per process, a chroot and mounts per test.

Environment:
  ZNODEFS_BIN          the program; else ./build/src/znodefs
  ZNODEFS_TEST_SERVER  HOST:PORT of a server to use; else one is started
  ZNODEFS_REQUIRE, CI  without /dev/fuse or java fail instead of skipping
  ZNODEFS_WRAP         a command to run znodefs under
  ZNODEFS_SLOW         factor for every deadline
  ZNODEFS_STRESS       factor for the size of stress tests (1)
  ZNODEFS_FULL         the sizes that the project promises
"""

import itertools
import os
import re
import signal
import sys

sys.dont_write_bytecode = True

import pytest  # noqa: E402
from kazoo.client import KazooClient  # noqa: E402

from harness import mount as mounts  # noqa: E402
from harness import server as servers  # noqa: E402
from harness import ensemble as ensembles  # noqa: E402
from harness import procs, tree, watchdog  # noqa: E402
from harness.wait import SLOW  # noqa: E402

DEADLINE = 60
_numbers = itertools.count(1)


def pytest_sessionstart(session):
    watchdog.interrupt_on_sigterm()
    # Under nohup(1) it is ignored, and so it would be by the daemons.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if session.config.option.collectonly:
        return
    reason = mounts.missing()
    if not reason and not servers.given():
        reason = servers.missing()
    if reason:
        required = os.environ.get("CI") or os.environ.get("ZNODEFS_REQUIRE")
        pytest.exit(reason, returncode=1 if required else 77)
    if not os.access(mounts.binary(), os.X_OK):
        pytest.exit(f"no program at {mounts.binary()}: set ZNODEFS_BIN",
                    returncode=1)


def kill_all():
    mounts.Mount.kill_all()
    servers.Server.kill_all()


def _guarded(item):
    mark = item.get_closest_marker("deadline")
    seconds = (mark.args[0] if mark else DEADLINE) * SLOW
    return watchdog.watchdog(seconds, mounts.Mount.kill_all)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    with _guarded(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    with _guarded(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    with _guarded(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for number, mount in enumerate(getattr(item, "mounts", [])):
            report.sections.append((f"log of mount {number}", mount.log()))
        for server in list(servers.Server.live):
            if server.proc.poll() is not None:
                report.sections.append(("a server died", server.log()))


@pytest.fixture(scope="session")
def workplace():
    """A directory on disk for all tests of this process."""
    place = procs.Workplace()
    yield place
    kill_all()
    place.close()


@pytest.fixture(scope="session")
def server(workplace):
    """The ZooKeeper server that most tests share."""
    given = servers.given()
    if given:
        yield given
        return
    own = servers.Server(workplace.mkdir("zookeeper")).start()
    yield own
    own.kill()


@pytest.fixture
def own_server(workplace):
    """A server of the test alone, to be paused, killed and restarted."""
    own = servers.Server(workplace.mkdir("zookeeper")).start()
    yield own
    own.kill()


@pytest.fixture
def ensemble(workplace):
    """A function that starts an ensemble of the test alone."""
    made = []

    def start(**kwargs):
        made.append(ensembles.Ensemble(workplace.mkdir, **kwargs))
        return made[-1].start()

    yield start
    for own in made:
        own.kill()


@pytest.fixture
def client(request):
    """A function that gives kazoo clients, stopped at the end."""
    clients = []

    def connect(hostport, chroot="", timeout=60):
        zk = KazooClient(hosts=hostport + chroot, timeout=timeout)
        zk.start(timeout=10 * SLOW)
        clients.append(zk)
        return zk

    yield connect
    servers.Server.resume_all()
    for zk in clients:
        zk.stop()
        zk.close()


@pytest.fixture
def zkroot(server, client):
    """A kazoo client that sees the whole tree of the server."""
    return client(server.hostport)


@pytest.fixture
def chroot(request, zkroot):
    """The path of a znode of the test's own, removed at the end."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", request.node.name)[:60]
    path = f"/{name}-{os.getpid()}-{next(_numbers)}"
    zkroot.create(path, None)
    yield path
    if servers.given():
        tree.remove(zkroot, path)


@pytest.fixture
def zk(server, client, chroot):
    """The second client: kazoo, with the same chroot as the mounts."""
    return client(server.hostport, chroot)


@pytest.fixture
def tmp(workplace, request):
    """A directory on disk, of this test."""
    path = workplace.mkdir("tmp")
    return mounts.pathlib.Path(path)


@pytest.fixture
def mount(request, workplace):
    """A function that mounts HOST:PORT/CHROOT with options.

    Every mount is stopped at the end and then has to have left cleanly.
    """
    made = request.node.mounts = []

    def mount_at(source, *options, allow=None):
        m = mounts.Mount(source, workplace.mkdir("mount"), *options,
                         allow=allow)
        made.append(m)
        return m.start()

    yield mount_at
    problems = []
    for m in made:
        try:
            m.stop()
        except AssertionError as e:
            problems.append(str(e))
    assert not problems, "\n".join(problems)


@pytest.fixture
def source(server, chroot):
    """What to mount: HOST:PORT/CHROOT."""
    return server.hostport + chroot


@pytest.fixture
def m(mount, source):
    """The mount."""
    return mount(source)


@pytest.fixture
def m2(mount, source, m):
    """A second mount of the same tree, by another daemon."""
    return mount(source)


@pytest.fixture
def fewest(server, zk, zkroot):
    """fewest(f): the fewest requests for f(), of a few times."""
    def measure(operation, times=3):
        counts = []
        for _ in range(times):
            with server.requests(zk, zkroot) as count:
                operation()
            counts.append(count.n)
        return min(counts)

    return measure
