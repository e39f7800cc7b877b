# SPDX-License-Identifier: Apache-2.0
"""A server that does not answer holds nobody who wants to leave."""

import os
import signal
import subprocess
import threading
import time

import pytest

from harness import procs, sizes
from harness.files import fails, get, put
from harness.status import status
from harness.tree import create_all
from harness.wait import SLOW, wait_equal, wait_for

pytestmark = pytest.mark.deadline(90)
PROMPT = 3          # seconds that count as at once, on a busy machine


@pytest.fixture
def hung(own_server, client, mount):
    """A mount with a known and many unknown znodes; stop it as you like."""
    zk = client(own_server.hostport)
    zk.create("/t", None)
    for i in range(30):
        zk.create(f"/t/n{i}", b"v")
    zk.create("/t/known", b"v")
    create_all(zk, [("/t/d", None),
                    *((f"/t/d/n{i}", b"v") for i in range(20))])
    zk.stop()
    m = mount(f"{own_server.hostport}/t", "timeout=60", allow=".")
    assert get(m / "known") == b"v"
    return m


def background(*argv):
    return subprocess.Popen(
        procs.tied([os.fspath(a) for a in argv]), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def blocked(proc):
    """Wait until @proc sleeps in a FUSE request."""
    def asleep():
        assert proc.poll() is None, "it ended instead of waiting"
        return procs.waits_for_fuse(proc.pid)

    wait_for(asleep, what="the program waits for the mount")


@pytest.mark.parametrize("fault", ["pause", "kill"])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_reader_ends_by_a_signal(hung, own_server, fault, signum):
    getattr(own_server, fault)()
    proc = background("cat", hung / "n0")
    blocked(proc)
    start = time.monotonic()
    proc.send_signal(signum)
    assert proc.wait(PROMPT * SLOW) == -signum
    assert time.monotonic() - start < PROMPT * SLOW


@pytest.mark.parametrize("script", [
    'echo v > "$1/new"', 'echo v > "$1/known"', 'exec mkdir "$1/d"',
    'exec rm "$1/known"', 'exec mv "$1/known" "$1/x"', 'exec ls "$1"'])
def test_others_end_by_a_signal(hung, own_server, script):
    own_server.pause()
    proc = background("bash", "-c", script, "bash", hung.path)
    blocked(proc)
    proc.send_signal(signal.SIGTERM)
    assert proc.wait(PROMPT * SLOW) == -signal.SIGTERM
    assert not procs.uninterruptible([proc.pid])


def test_reader_ends_by_sigkill(hung, own_server):
    own_server.pause()
    proc = background("cat", hung / "n0")
    blocked(proc)
    proc.kill()
    assert proc.wait(PROMPT * SLOW) == -signal.SIGKILL


@pytest.mark.parametrize("fault", ["pause", "kill"])
def test_a_slow_request_blocks_nobody_else(hung, own_server, fault):
    """What is cached is served while others wait for the server."""
    getattr(own_server, fault)()
    waiting = [background("cat", hung / f"n{i}") for i in range(20)]
    for proc in waiting:
        blocked(proc)
    start = time.monotonic()
    assert os.stat(hung.path)
    assert os.statvfs(hung.path)
    assert status(hung)
    assert time.monotonic() - start < PROMPT * SLOW
    for proc in waiting:
        proc.send_signal(signal.SIGINT)
    for proc in waiting:
        assert proc.wait(PROMPT * SLOW) == -signal.SIGINT


def test_lookups_in_one_directory_do_not_wait_for_each_other(hung, own_server):
    os.stat(hung / "d")
    own_server.pause()
    waiting = [background("cat", hung / f"d/n{i}") for i in range(20)]
    wait_for(lambda: status(hung)["requests_in_flight"] >= len(waiting),
             what="each is on its way to the server")
    own_server.resume()
    for proc in waiting:
        assert proc.communicate(timeout=PROMPT * SLOW)[0] == b"v"
        assert proc.returncode == 0


@pytest.mark.parametrize("fault", ["pause", "kill"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_daemon_ends_during_an_outage(hung, own_server, fault, signum):
    getattr(own_server, fault)()
    proc = background("cat", hung / "n0")
    blocked(proc)
    hung.kill(signum)
    assert hung.wait(PROMPT * SLOW) == 0
    assert proc.wait(PROMPT * SLOW) != 0
    assert not hung.mounted()
    hung.stop()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_daemon_ends_with_many_requests_in_flight(hung, own_server, signum):
    own_server.pause()
    errors = []

    def read(i):
        try:
            if i % 3 == 0:
                put(hung / f"new{i}", b"v")
            elif i % 3 == 1:
                get(hung / f"n{i % 30}")
            else:
                os.mkdir(hung / f"d{i}")
        except OSError as e:
            errors.append(e.errno)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(120)]
    for t in threads:
        t.start()
    waiting = background("cat", hung / "n1")
    blocked(waiting)
    hung.kill(signum)
    code = hung.wait(PROMPT * SLOW)
    for t in threads:
        t.join(PROMPT * SLOW)
        assert not t.is_alive()
    assert waiting.wait(PROMPT * SLOW) != 0
    assert len(errors) == len(threads)
    if signum == signal.SIGKILL:
        with fails("ENOTCONN"):
            os.listdir(hung.path)
        hung.destroy()
        hung.check_gone()
    else:
        assert code == 0
        hung.stop()


def test_daemon_ends_under_load(m, zk):
    """SIGTERM while eight threads read, write and list as fast as they can."""
    for i in range(50):
        zk.create(f"/n{i}", b"v" * 1000)
    stop = threading.Event()
    count = [0]

    def work(k):
        i = k
        while not stop.is_set():
            i += 1
            try:
                if i % 3 == 0:
                    put(m / f"n{i % 50}", b"w" * i)
                elif i % 3 == 1:
                    get(m / f"n{i % 50}")
                else:
                    os.listdir(m)
                count[0] += 1
            except OSError:
                return

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    try:
        wait_for(lambda: count[0] > sizes.stress(2000, 50_000), 60)
        m.kill(signal.SIGTERM)
        assert m.wait(PROMPT * SLOW) == 0
    finally:
        stop.set()
        for t in threads:
            t.join(PROMPT * SLOW)
    # The directory below the mount may have taken what came late.
    assert not any(t.is_alive() for t in threads)
    m.stop()


def test_many_interrupted_requests_leave_the_mount_usable(hung, own_server):
    for _ in range(5):
        own_server.pause()
        waiting = [background("cat", hung / f"n{i}") for i in range(10)]
        for proc in waiting:
            blocked(proc)
        for proc in waiting:
            proc.send_signal(signal.SIGINT)
        for proc in waiting:
            assert proc.wait(PROMPT * SLOW) == -signal.SIGINT
        own_server.resume()
        wait_equal(lambda: get(hung / "known"), b"v", 30)
    for i in range(30):
        wait_equal(lambda i=i: get(hung / f"n{i}"), b"v", 30)
