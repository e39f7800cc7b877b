# SPDX-License-Identifier: Apache-2.0
"""Servers by name: one that moves, one that is unknown, and no answers.

The daemon runs with hostslib.c, whose names are in a file of the test.
ZNODEFS_HOSTSLIB in the environment is the module; else it is looked for beside
the program.
"""

import os
import pathlib
import shlex
import signal
import threading
import time

import pytest

from harness import mount as mounts
from harness.files import get, put
from harness.proxy import Proxy
from harness.server import free_port
from harness.status import status, wait_status
from harness.wait import SLOW, wait_for

pytestmark = pytest.mark.deadline(120)


class Hosts:
    """Names and addresses; the daemon looks at them each time it asks."""

    def __init__(self, path):
        self.path = path
        self.set()

    def set(self, **names):
        """zk1="127.0.0.2" or "127.0.0.2 127.0.0.3"; "": no answer at all."""
        new = self.path.with_suffix(".new")
        new.write_text("".join(f"{k} {v}\n" for k, v in names.items()))
        new.rename(self.path)


@pytest.fixture
def hosts(monkeypatch, tmp):
    build = pathlib.Path(mounts.binary()).parent.parent
    module = pathlib.Path(os.environ.get("ZNODEFS_HOSTSLIB") or
                          build / "tests/integration/libhostslib.so")
    if not module.exists():
        pytest.skip(f"no module at {module}: set ZNODEFS_HOSTSLIB")
    hosts = Hosts(tmp / "hosts")
    wrap = shlex.join(["env", f"LD_PRELOAD={mounts.preload(module)}",
                       f"ZNODEFS_HOSTS={hosts.path}"])
    monkeypatch.setenv(
        "ZNODEFS_WRAP", f"{wrap} {os.environ.get('ZNODEFS_WRAP', '')}")
    return hosts


@pytest.fixture
def port():
    return free_port()


def cpu_seconds(pid):
    """What a process has used so far."""
    with open(f"/proc/{pid}/stat", "rb") as f:
        fields = f.read().rpartition(b")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def back(m):
    return wait_status(m, 60, state="connected", feed="up")


def test_a_name_that_moves(mount, hosts, server, chroot, zk, port):
    """All servers have new addresses, as pods that are replaced one by one."""
    hosts.set(zk1="127.0.0.2")
    with Proxy(server.hostport, ("127.0.0.2", port)):
        m = mount(f"zk1:{port}{chroot}", allow=".")
        put(m / "f", b"v")
        put(m / ".ephemeral/e", b"v")
        first = status(m)
        assert first["server"] == f"127.0.0.2:{port}"
    wait_status(m, state="lost")
    with Proxy(server.hostport, ("127.0.0.3", port)):
        hosts.set(zk1="127.0.0.3")
        now = back(m)
        assert now["server"] == now["feed_server"] == f"127.0.0.3:{port}"
        assert now["session"] == first["session"]
        zk.set("/f", b"w")
        wait_for(lambda: get(m / "f") == b"w")
        assert zk.exists("/e")
        m.stop()


def test_one_name_of_several_is_unknown(mount, hosts, server, chroot, port):
    hosts.set(zk2="127.0.0.2")
    with Proxy(server.hostport, ("127.0.0.2", port)):
        m = mount(f"zk1:{port},zk2:{port},zk3:{port}{chroot}", allow=".")
        put(m / "f", b"v")
        m.stop()


def test_no_answers_during_an_outage(mount, hosts, server, chroot, port):
    """The address that was known is tried all the same."""
    hosts.set(zk1="127.0.0.2")
    with Proxy(server.hostport, ("127.0.0.2", port)) as proxy:
        m = mount(f"zk1:{port}{chroot}", allow=".")
        put(m / "f", b"v")
        hosts.set()
        proxy.block()
        wait_status(m, state="lost")
        before = cpu_seconds(m.pid)
        time.sleep(1)           # the length over which is measured
        assert cpu_seconds(m.pid) - before < 0.3 * SLOW
        proxy.unblock()
        back(m)
        put(m / "f", b"w")
        m.stop()


def test_a_resolver_that_hangs(mount, hosts, server, chroot, port):
    """It holds up nobody: not who waits, nor the end."""
    hosts.set(zk1="127.0.0.2")
    with Proxy(server.hostport, ("127.0.0.2", port)) as proxy:
        m = mount(f"zk1:{port}{chroot}", "timeout=60", allow=".")
        put(m / "f", b"v")
        hosts.set(zk1="")
        proxy.block()
        wait_status(m, state="lost")
        proxy.unblock()
        back(m)
        proxy.block()
        wait_status(m, state="lost")
        start = time.monotonic()
        m.kill(signal.SIGTERM)
        assert m.wait(30) == 0
        assert time.monotonic() - start < 10 * SLOW


def test_says_that_it_waits_for_addresses(mount, hosts, server, chroot,
                                          request):
    """Once mounting takes long; hostslib gives an answer when there is one."""
    port = server.hostport.rsplit(":")[1]
    hosts.set(zk1="")

    def answer():
        wait_for(lambda: any("waiting for the addresses of zk1:" in m.log()
                             for m in request.node.mounts), 20)
        hosts.set(zk1="127.0.0.1")

    answering = threading.Thread(target=answer)
    answering.start()
    m = mount(f"zk1:{port}{chroot}")
    answering.join()
    assert len(m.log().splitlines()) == 2, "it mounts, and has said it once"
