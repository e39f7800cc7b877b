# SPDX-License-Identifier: Apache-2.0
"""poll(2): POLLPRI for a change since the descriptor last read."""

import os
import select
import subprocess
import threading

import pytest

from harness.files import get, opened, put, run
from harness.wait import SLOW, wait_equal, wait_for

ALWAYS = select.POLLIN | select.POLLOUT
NEWS = select.POLLPRI | select.POLLERR


def poll(fd, seconds, asked=select.POLLPRI):
    """What poll(2) returns for @fd within @seconds."""
    p = select.poll()
    p.register(fd, asked)
    found = p.poll(seconds * 1000)
    return found[0][1] if found else 0


def wait_news(fd):
    assert poll(fd, 10 * SLOW) == NEWS


def no_news(fd):
    """For now: what is under way may still come."""
    assert poll(fd, 0) == 0


@pytest.fixture
def f(m, zk):
    """A file, opened and read."""
    zk.create("/f", b"0")
    wait_for(lambda: os.path.exists(m / "f"))
    with opened(m / "f", os.O_RDONLY) as fd:
        assert os.pread(fd, 100, 0) == b"0"
        yield fd


class Poller(threading.Thread):
    """A thread that waits in poll(2)."""

    def __init__(self, fd, asked=select.POLLPRI):
        super().__init__()
        self.fd = fd
        self.asked = asked
        self.found = None
        self.start()
        wait_for(self.waits, what="a thread in poll")

    def waits(self):
        with open(f"/proc/self/task/{self.native_id}/wchan") as w:
            return "poll" in w.read()

    def run(self):
        self.found = poll(self.fd, 20 * SLOW, self.asked)

    def result(self):
        self.join()
        return self.found


def test_reading_and_writing_are_always_possible(m):
    put(m / "f", b"v")
    with opened(m / "f", os.O_RDWR) as fd:
        asked = ALWAYS | select.POLLRDNORM | select.POLLWRNORM
        assert poll(fd, 0, asked) == asked
        assert select.select([fd], [fd], [fd], 0) == ([fd], [fd], [])


def test_a_change_made_elsewhere(f, zk):
    no_news(f)
    for n in range(1, 20):
        value = str(n).encode()
        zk.set("/f", value)
        wait_news(f)
        # And again, until it is read.
        assert poll(f, 0) == NEWS
        assert os.pread(f, 100, 0) == value
        no_news(f)


def test_whoever_waits_is_woken(f, zk):
    for n in range(5):
        value = str(n).encode()
        poller = Poller(f)
        zk.set("/f", value)
        assert poller.result() == NEWS
        assert os.pread(f, 100, 0) == value


def test_a_read_from_the_middle_is_of_the_old_version(f, zk):
    zk.set("/f", b"1234")
    wait_news(f)
    os.pread(f, 100, 1)
    assert poll(f, 0) == NEWS
    os.pread(f, 100, 0)
    no_news(f)


def test_each_descriptor_has_its_own_news(m, f, zk):
    with opened(m / "f", os.O_RDONLY) as other:
        pollers = [Poller(fd) for fd in (f, f, other)]
        zk.set("/f", b"1")
        assert [p.result() for p in pollers] == [NEWS] * 3
        assert os.pread(f, 100, 0) == b"1"
        no_news(f)
        assert poll(other, 0) == NEWS


def test_a_change_made_on_this_mount(m, f, zk):
    poller = Poller(f)
    put(m / "f", b"1")
    assert poller.result() == NEWS
    assert os.pread(f, 100, 0) == b"1"
    no_news(f)


def test_ones_own_change_is_no_news(m, f, zk):
    with opened(m / "f", os.O_RDWR) as fd:
        os.pwrite(fd, b"1", 0)
        wait_news(f)
        no_news(fd)
        zk.set("/f", b"2")
        wait_news(fd)
        assert os.pread(fd, 100, 0) == b"2"


def test_a_rename_over_it(m, f, zk):
    put(m / "new", b"1")
    poller = Poller(f)
    os.rename(m / "new", m / "f")
    assert poller.result() == NEWS
    # As on a disk: what is open is the file that was there.
    assert os.fstat(f).st_nlink == 0 and get(m / "f") == b"1"


@pytest.mark.parametrize("how", ["elsewhere", "here", "replaced"])
def test_its_end(m, f, zk, how):
    poller = Poller(f)
    if how == "here":
        os.unlink(m / "f")
    else:
        zk.delete("/f")
    if how == "replaced":
        zk.create("/f", b"another")
    assert poller.result() == NEWS
    assert os.fstat(f).st_nlink == 0
    # That is told once.
    assert os.pread(f, 100, 0) == b"0"
    no_news(f)


def test_only_who_asks_is_told(f, zk):
    """POLLERR cannot be masked, and others would take it for an error."""
    zk.set("/f", b"1")
    wait_news(f)
    assert poll(f, 0, ALWAYS) == ALWAYS
    assert select.select([f], [], [], 0) == ([f], [], [])
    assert select.select([], [], [f], 0) == ([], [], [f])


def test_epoll(f, zk):
    """By level and by edge."""
    level, edge = select.epoll(), select.epoll()
    level.register(f, select.EPOLLPRI)
    edge.register(f, select.EPOLLPRI | select.EPOLLET)
    with level, edge:
        assert level.poll(0) == [] and edge.poll(0) == []
        for n in range(1, 5):
            value = str(n).encode()
            zk.set("/f", value)
            for e in (level, edge):
                [(fd, events)] = e.poll(10 * SLOW)
                assert fd == f and events == NEWS
            assert len(level.poll(0)) == 1
            assert os.pread(f, 100, 0) == value
            assert level.poll(0) == []


def test_one_that_is_closed_while_it_is_polled(m, zk):
    zk.create("/f", b"0")
    wait_for(lambda: os.path.exists(m / "f"))
    for n in range(20):
        fd = os.open(m / "f", os.O_RDONLY)
        with select.epoll() as e:
            e.register(fd, select.EPOLLPRI)
            e.poll(0)
            zk.set("/f", str(n).encode())
            os.close(fd)
    wait_equal(lambda: get(m / "f"), b"19")


def test_the_end_of_the_mount(m, zk):
    """Who waits keeps the mount busy; killed, it leaves nothing."""
    zk.create("/f", b"0")
    wait_for(lambda: os.path.exists(m / "f"))
    p = subprocess.Popen(["/usr/bin/python3", "-c", """
import select, sys
f = open(sys.argv[1])
p = select.poll()
p.register(f, select.POLLPRI)
print("waits", flush=True)
p.poll()
""", m / "f"], stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"waits\n"
    assert run("fusermount3", "-u", m).returncode != 0
    p.kill()
    p.wait(10 * SLOW)
    p.stdout.close()


def test_a_daemon_that_is_killed(m, f):
    """Whoever waits does not wait for ever."""
    poller = Poller(f)
    m.kill()
    assert poller.result() & select.POLLERR
    m.destroy()


def test_a_change_during_an_outage(mount, client, own_server):
    # A server that starts may accept a client and never answer it.
    zk = client(own_server.hostport, timeout=5 * SLOW)
    zk.create("/f", b"0")
    m = mount(own_server.hostport, "session_timeout=5", "timeout=60")
    with opened(m / "f", os.O_RDONLY) as fd:
        assert os.pread(fd, 100, 0) == b"0"
        poller = Poller(fd)
        own_server.kill()
        own_server.start()
        zk.retry(zk.set, "/f", b"1")
        assert poller.result() == NEWS
        assert os.pread(fd, 100, 0) == b"1"


@pytest.mark.deadline(120)
def test_a_follower_sees_the_last_state(f, zk):
    """However fast it changes."""
    last = b"500"

    def change():
        for n in range(int(last) + 1):
            zk.set("/f", str(n).encode())

    writer = threading.Thread(target=change)
    writer.start()
    value = None
    while value != last:
        wait_news(f)
        value = os.pread(f, 100, 0)
    writer.join()
