# SPDX-License-Identifier: Apache-2.0
"""Everything that is compared: a server, its clients, and filesystems."""

import contextlib
import os
import pathlib
import re
import select
import shutil
import subprocess

from kazoo.client import KazooClient

from harness import procs
from harness.mount import Mount
from harness.server import Endpoint
from harness.status import status
from harness.wait import wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
ZK_SERVER = str(TOP / "scripts/zk-server")
ZK_CLI = "/usr/share/zookeeper/bin/zkCli.sh"
# Of Debian's libfuse3-dev.
PASSTHROUGH = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"
PATIENCE = 300          # seconds; no command takes so long


class Tool:
    """One of the two C programs; see tool.h."""

    def __init__(self, program, *args):
        self.proc = subprocess.Popen(
            procs.tied([program, *args]), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, *words):
        print(*words, file=self.proc.stdin, flush=True)

    def receive(self):
        ready, _, _ = select.select([self.proc.stdout], [], [], PATIENCE)
        if not ready:
            raise AssertionError(f"no answer within {PATIENCE} s")
        line = self.proc.stdout.readline()
        if not line:
            raise AssertionError(
                f"{self.proc.args[-1]} ended with {self.proc.wait()}")
        return [int(word) for word in line.split()]

    def run(self, *words):
        self.send(*words)
        return self.receive()

    def close(self):
        """What waits for an event does not see the end of its commands."""
        self.proc.stdin.close()
        try:
            self.proc.wait(2)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()


class Counts:
    """What has been asked, of the server and of the daemon, in all."""

    def __init__(self, requests, transactions, messages):
        self.all = (requests, transactions, messages)

    def since(self, before, ops, own=0):
        """The same for each of @ops; @own messages were the looking's."""
        requests, transactions, messages = (
            max(a - b, 0) for a, b in zip(self.all, before.all))
        return (requests / ops, transactions / ops,
                max(messages - own, 0) / ops)


class Place:
    """From enter to exit: a server, a mount, tools, and other filesystems."""

    def __init__(self, files, client, heap):
        self.programs = (files, client)
        self.heap = heap        # of the server, in MiB
        self.stack = contextlib.ExitStack()
        self.names = 0

    def __enter__(self):
        with self.stack:
            self.work = procs.Workplace()
            self.stack.callback(self.work.close)
            self._start_server()
            self._start_clients()
            self._start_filesystems()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)

    # -- the parts --

    def _start_server(self):
        directory = self.work.mkdir("zookeeper")
        self.stack.callback(subprocess.run, [ZK_SERVER, "stop", directory])
        port = subprocess.run(
            [ZK_SERVER, "start", directory], check=True, text=True,
            env={**os.environ, "ZK_SERVER_JVM": f"-Xmx{self.heap}m"},
            stdout=subprocess.PIPE).stdout.strip()
        self.server = Endpoint(f"127.0.0.1:{port}")

    def _tool(self, i, *args):
        tool = Tool(self.programs[i], *args)
        self.stack.callback(tool.close)
        return tool

    def _start_clients(self):
        self.raw = self._tool(1, self.server.hostport)
        self.other = self._tool(1, self.server.hostport)
        self.zk = KazooClient(self.server.hostport, timeout=60)
        self.zk.start()
        self.stack.callback(self.zk.close)
        self.stack.callback(self.zk.stop)

    def _start_filesystems(self):
        self.mnt = self.mount()
        self.files = self._tool(0)
        self.watcher = self._tool(0)
        self.tmpfs = pathlib.Path("/dev/shm") / f"znodefs-bench-{os.getpid()}"
        self.tmpfs.mkdir()
        self.stack.callback(shutil.rmtree, self.tmpfs)
        self.passthrough = self._mount_passthrough()

    def mount(self, *options):
        """One more mount of the whole tree; what it asks is counted."""
        self.before = self.server.sessions()
        mnt = Mount(self.server.hostport, self.work.mkdir("mount"), *options)
        self.stack.callback(mnt.stop)
        return mnt.start()

    def _mount_passthrough(self):
        """libfuse's example on the tmpfs; None if it is not to be had."""
        if not os.path.exists(PASSTHROUGH):
            return None
        program = f"{self.work.path}/passthrough_ll"
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"],
                               check=True, capture_output=True, text=True)
        subprocess.run(["cc", "-O2", "-o", program, PASSTHROUGH,
                        *flags.stdout.split()], check=True)
        path = pathlib.Path(self.work.mkdir("passthrough"))
        proc = subprocess.Popen(procs.tied(
            [program, "-f", "-o", f"source={self.tmpfs},cache=always", path]))
        self.stack.callback(proc.wait)
        self.stack.callback(subprocess.run, ["fusermount3", "-uz", path])
        wait_for(lambda: procs.mount_type(path), 10, "passthrough_ll mounts")
        return path

    # -- what is counted --

    def counts(self):
        """As of now.  Only the mount has sessions that are new."""
        requests = sum(n for sid, n in self.server.sessions().items()
                       if sid not in self.before)
        return Counts(requests, self.server.zxid(),
                      status(self.mnt)["messages"])

    def own_messages(self):
        """How many messages one look at the status is."""
        first = status(self.mnt)["messages"]
        return status(self.mnt)["messages"] - first

    def is_idle(self):
        s = status(self.mnt)
        return not (s["requests_in_flight"] or s["names_to_read"] or
                    s["names_to_announce"])

    def settle(self):
        wait_for(self.is_idle, 60, "nothing more is to be announced")

    # -- trees --

    def name(self, stem):
        self.names += 1
        return f"{stem}{self.names}"

    def make(self, n, size, stem="d"):
        """A top-level directory of @n files, of which the mount knows nothing.

        What is in it is not watched until somebody looks.
        """
        name = f"/{self.name(stem)}"
        self.raw.run("pipecreate", name, n, size)
        self.settle()
        return name

    def at(self, znode, mnt=None):
        return f"{(mnt or self.mnt).path}{znode}"

    def zkcli(self, *command):
        """A whole run of it, as a script has to."""
        subprocess.run([ZK_CLI, "-server", self.server.hostport, *command],
                       check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


def has_zkcli():
    return os.path.exists(ZK_CLI)


def memory_of(pid):
    """Bytes of anonymous memory that a process has in use."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s+(\d+)", text).group(1)) * 1024


def cpu_of(pid):
    """Seconds that a process has run, with the children it has now."""
    total = 0
    for p in [pid, *children_of(pid)]:
        fields = pathlib.Path(f"/proc/{p}/stat").read_text(
            encoding="utf-8").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def children_of(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(p) for p in path.read_text(encoding="ascii").split()]
