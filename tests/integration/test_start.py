# SPDX-License-Identifier: Apache-2.0
"""What a mount says of itself: to who waits, to a manager, to its log."""

import os
import signal
import socket
import subprocess

import pytest

from harness import procs
from harness.files import get, ok, put, run
from harness.mount import command
from harness.procs import daemons_of, mount_type
from harness.server import free_port
from harness.status import wait_status
from harness.wait import SLOW, wait_for


@pytest.fixture
def start(tmp):
    """A function that starts a znodefs on tmp/mnt, with its log in tmp/log."""
    running = []
    (tmp / "mnt").mkdir()

    def start_at(source, *options, foreground=True, **env):
        with open(tmp / "log", "wb") as log:
            running.append(subprocess.Popen(
                procs.tied(command(source, tmp / "mnt", *options,
                                   foreground=foreground)),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **env}))
        return running[-1]

    yield start_at
    for pid in daemons_of(tmp / "mnt"):
        procs.kill_quietly(pid)
    for proc in running:
        proc.kill()
        proc.wait()
    while mount_type(tmp / "mnt"):
        subprocess.run(["fusermount3", "-uz", tmp / "mnt"], check=True)


def lines(tmp):
    return (tmp / "log").read_text().splitlines()


# -- patience ---------------------------------------------------------------

@pytest.mark.deadline(120)
@pytest.mark.parametrize("foreground", [False, True],
                         ids=["daemon", "foreground"])
def test_says_what_it_waits_for(own_server, start, tmp, foreground):
    own_server.pause()
    proc = start(own_server.hostport, "connect_timeout=100",
                 foreground=foreground)
    wait_for(lambda: lines(tmp), 30)
    assert lines(tmp) == [f"znodefs: waiting for a server of "
                          f"{own_server.hostport}, for up to 100 s"]
    assert proc.poll() is None
    own_server.resume()
    wait_for(lambda: mount_type(tmp / "mnt"), 60)
    assert "zookeeper" in os.listdir(tmp / "mnt")
    if not foreground:
        assert proc.wait(10 * SLOW) == 0
        assert len(lines(tmp)) == 1
    ok("fusermount3", "-u", tmp / "mnt")
    wait_for(lambda: not daemons_of(tmp / "mnt"), 20)


def test_and_then_why_it_failed(start, tmp):
    nobody = f"127.0.0.1:{free_port()}"
    proc = start(nobody, "connect_timeout=4", foreground=False)
    assert proc.wait(30 * SLOW) == 1
    waits, fails = lines(tmp)
    assert waits == f"znodefs: waiting for a server of {nobody}, for up to 4 s"
    assert fails == f"znodefs: {nobody}: no server answered within 4 s"


# -- a service manager ------------------------------------------------------

class Socket(socket.socket):
    name = None                 # by which it is told to services


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp):
    with Socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.settimeout(30 * SLOW)
        s.name = f"@znodefs{tmp}"
        if request.param == "path":
            s.name = str(tmp / "notify")
        s.bind(s.name.replace("@", "\0"))
        yield s


def test_tells_a_service_manager(start, source, tmp, manager, zk):
    zk.create("/f", b"v")
    proc = start(source, NOTIFY_SOCKET=manager.name)
    assert manager.recv(100) == b"READY=1"
    assert mount_type(tmp / "mnt") == "fuse.znodefs"
    assert get(tmp / "mnt/f") == b"v"
    proc.send_signal(signal.SIGTERM)
    assert manager.recv(100) == b"STOPPING=1"
    assert proc.wait(20 * SLOW) == 0


def test_tells_nothing_if_it_fails(start, server, manager):
    proc = start(f"{server.hostport}/no/such", NOTIFY_SOCKET=manager.name)
    assert proc.wait(20 * SLOW) == 1
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_a_daemon_leaves_that_to_who_started_it(start, source, tmp, manager):
    proc = start(source, foreground=False, NOTIFY_SOCKET=manager.name)
    assert proc.wait(20 * SLOW) == 0
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    assert lines(tmp) == []
    ok("fusermount3", "-u", tmp / "mnt")
    wait_for(lambda: not daemons_of(tmp / "mnt"), 20)


def test_mounts_without_the_manager(start, source, tmp):
    start(source, NOTIFY_SOCKET=str(tmp / "absent"))
    wait_for(lambda: any(" mounted " in x for x in lines(tmp)), 20)
    assert "was not told READY=1" in lines(tmp)[0]
    assert os.listdir(tmp / "mnt") == []


# -- the log ----------------------------------------------------------------

def ended(proc):
    proc.send_signal(signal.SIGTERM)
    assert proc.wait(20 * SLOW) == 0


def test_from_the_first_line_to_the_last(start, server, source, tmp):
    proc = start(source)
    s = wait_mounted(tmp)
    ended(proc)
    mnt = tmp / "mnt"
    assert lines(tmp) == [
        f"znodefs: mounted {source} on {mnt}: session {s['session']}, "
        f"server {server.hostport}",
        f"znodefs: {mnt}: ending: Terminated",
        f"znodefs: session {s['session']} closed"]


def wait_mounted(tmp):
    """Nothing is under way any more: a close is not waited for."""
    wait_for(lambda: mount_type(tmp / "mnt"), 20)
    s = wait_status(tmp / "mnt", state="connected", feed="up")
    assert os.listdir(tmp / "mnt/.znodefs")
    return s


@pytest.mark.parametrize("level, said", [
    ("err", []), ("warning", []), ("notice", ["session"]),
    ("info", ["ending", "mounted", "session"]), ("debug", None)])
def test_log_level(start, source, tmp, level, said):
    proc = start(source, f"log_level={level}")
    wait_mounted(tmp)
    put(tmp / "mnt/f", b"v")
    ended(proc)
    text = (tmp / "log").read_text()
    words = [w for w in ("ending", "mounted", "session") if w in text]
    if said is None:
        assert len(words) == 3 and "feed: up" in text
        assert "unique:" not in text, "the requests are for -d"
    else:
        assert words == said


@pytest.mark.parametrize("level", ["", "loud", "7", "ERR"])
def test_no_such_level(source, tmp, level):
    done = run(*command(source, tmp, f"log_level={level}"))
    assert done.returncode == 1
    assert done.stderr == (f"znodefs: log_level={level}: not one of err, "
                           "warning, notice, info, debug\n")


def test_the_journal_gets_priorities(start, source, tmp):
    """As under systemd: stderr is the stream that $JOURNAL_STREAM names."""
    (tmp / "log").touch()
    st = os.stat(tmp / "log")
    proc = start(source, JOURNAL_STREAM=f"{st.st_dev}:{st.st_ino}")
    wait_mounted(tmp)
    ended(proc)
    assert [x[:3] for x in lines(tmp)] == ["<6>", "<6>", "<5>"]


# With a /dev of its own, where the log is the socket $2.
WITH_SYSLOG = """
mount -t tmpfs none "$1"
for node in fuse null urandom; do
	touch "$1/$node"
	mount --bind "/dev/$node" "$1/$node"
done
ln -s "$2" "$1/log"
mount --rbind "$1" /dev
mnt=$3
shift 3
"$@"
fusermount3 -u "$mnt"
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_syslog(source, server, tmp):
    for name in ("mnt", "dev"):
        (tmp / name).mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.settimeout(20 * SLOW)
        s.bind(str(tmp / "log"))
        ok("unshare", "-m", "sh", "-ec", WITH_SYSLOG, "sh", tmp / "dev",
           tmp / "log", tmp / "mnt",
           *command(source, tmp / "mnt", foreground=False))
        said = [s.recv(4096).decode()]
        while "closed" not in said[-1]:
            said.append(s.recv(4096).decode())
    assert said[0].startswith("<30>") and " znodefs[" in said[0]
    assert f"mounted {source} on " in said[0]
    assert server.hostport in said[0]
    assert "ending: unmounted" in said[1]
    wait_for(lambda: not daemons_of(tmp / "mnt"), 20)
