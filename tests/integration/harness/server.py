# SPDX-License-Identifier: Apache-2.0
"""A ZooKeeper server of our own on 127.0.0.1, or one that somebody gave us."""

import contextlib
import functools
import glob
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess

from .procs import task_states, tied
from .wait import SLOW, wait_for

JARS = ("/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-simple.jar")
# The server keeps the last 500 transactions in memory, whatever their size,
# and cannot be told to keep less: 256 MB are too few for large values.
JVM = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g",
       "-Dzookeeper.maxResponseCacheSize=0",
       "-Dzookeeper.forceSync=no",
       "-Dzookeeper.extendedTypesEnabled=true",
       "-Dzookeeper.enforceQuota=true",
       "-Dzookeeper.nio.numWorkerThreads=0",
       "-Dzookeeper.nio.numSelectorThreads=1",
       "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
CFG = """dataDir={dir}/data
clientPort={port}
clientPortAddress=127.0.0.1
tickTime=100
minSessionTimeout=200
maxSessionTimeout=600000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
{extra}
"""


PORTS = 100  # of a process, below those of scripts/zk-server


def missing():
    """Why no server can be started here, or None."""
    if not shutil.which("java"):
        return "no java in PATH"
    for jar in JARS:
        if not glob.glob(jar):
            return f"{jar} is missing (Debian: zookeeper)"
    return None


@functools.cache
def _ports():
    """The ports of this process: those of a range that no other test has.

    That it is taken, a socket says that has its number for a name and goes
    with the process.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range",
              encoding="ascii") as f:
        lowest = int(f.read().split()[0])
    claim = socket.socket(socket.AF_UNIX)
    while True:
        first = random.randrange(max(1024, lowest - 22000), lowest - 13000,
                                 PORTS)
        with contextlib.suppress(OSError):
            claim.bind(f"\0znodefs-test-ports-{first}")
            return claim, itertools.cycle(range(first, first + PORTS))


def free_port():
    """A port that is given to nobody else for long.

    A server that was killed wants the same one again, and a member of an
    ensemble wants one of its own only once it leads: in between it must not be
    taken, by another test or by an outgoing connection, least of all by one of
    a client to itself.
    """
    for port in _ports()[1]:
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no end of ports")


class Endpoint:
    """What can be asked of any server by its four-letter words."""

    def __init__(self, hostport):
        self.hostport = hostport

    def four(self, word, timeout=10):
        host, port = self.hostport.rsplit(":", 1)
        with socket.create_connection((host, int(port)),
                                      timeout=timeout) as s:
            s.sendall(word.encode())
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()

    def answers(self):
        try:
            return "Mode:" in self.four("srvr", 0.5)
        except OSError:
            return False

    def zxid(self):
        """The number of the last transaction, failed ones included."""
        return int(re.search(r"^Zxid: 0x([0-9a-f]+)", self.four("srvr"),
                             re.M).group(1), 16)

    def sessions(self):
        """Session id -> packets received on it, pings included."""
        found = {}
        for line in self.four("cons").splitlines():
            m = re.search(r"recved=(\d+),.*\bsid=0x([0-9a-f]+)", line)
            if m:
                sid = int(m.group(2), 16)
                found[sid] = found.get(sid, 0) + int(m.group(1))
        return found

    @contextlib.contextmanager
    def transactions(self, n):
        """Assert that the body makes exactly @n transactions."""
        before = self.zxid()
        yield
        seen = self.zxid() - before
        assert seen == n, f"{seen} transactions, expected {n}"

    @contextlib.contextmanager
    def requests(self, *clients):
        """Count the requests of all sessions but those of @clients.

        Yields a Count, valid after the body.  Pings count: compare with a
        bound, or repeat and take the smallest.
        """
        count = Count()
        before = self.sessions()
        yield count
        after = self.sessions()
        for client in clients:
            after.pop(client.client_id[0], None)
        count.n = sum(n - before.get(sid, 0) for sid, n in after.items())


class Count:
    n = None


class Server(Endpoint):
    """A server that this process starts, pauses, kills and restarts."""

    live = set()

    def __init__(self, directory, jvm=(), extra=""):
        super().__init__(None)
        self.dir = directory
        self.jvm = list(jvm)
        self.extra = extra
        self.proc = None

    def start(self, wait=True):
        """Start it, on the port it had before or on a free one."""
        for _ in range(5):
            if not self.hostport:
                self._configure(free_port())
            self._spawn()
            if not wait:
                return self
            wait_for(lambda: self.answers() or self.proc.poll() is not None,
                     30, "the ZooKeeper server answers")
            if self.proc.poll() is None:
                return self
            self.hostport = None        # somebody took the port: another
        raise AssertionError(f"ZooKeeper does not start: {self.log()}")

    def _configure(self, port):
        self.hostport = f"127.0.0.1:{port}"
        with open(f"{self.dir}/zoo.cfg", "w", encoding="utf-8") as f:
            f.write(CFG.format(dir=self.dir, port=port, extra=self.extra))

    def _spawn(self):
        with open(f"{self.dir}/log", "ab") as log:
            self.proc = subprocess.Popen(
                tied(["java", *JVM, *self.jvm, "-cp", ":".join(JARS),
                      "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                      f"{self.dir}/zoo.cfg"]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir)
        Server.live.add(self)

    def log(self):
        """The end of what the server wrote."""
        with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
            return f.read()[-4000:]

    def pause(self):
        """Let it stand still: when this returns, it answers nobody."""
        self.proc.send_signal(signal.SIGSTOP)
        wait_for(lambda: set(task_states(self.proc.pid)) == {"T"}, 5,
                 "all of the server's threads have stopped")

    def resume(self):
        self.proc.send_signal(signal.SIGCONT)

    def kill(self):
        """kill -9; start() brings it back with its sessions and data."""
        self.proc.kill()
        self.proc.wait(timeout=10 * SLOW)
        Server.live.discard(self)

    @classmethod
    def resume_all(cls):
        """None is left paused: a client that says goodbye would wait."""
        for server in list(cls.live):
            server.resume()

    @classmethod
    def kill_all(cls):
        for server in list(cls.live):
            server.proc.kill()


def given():
    """The server named by the environment, or None."""
    hostport = os.environ.get("ZNODEFS_TEST_SERVER")
    return Endpoint(hostport) if hostport else None
