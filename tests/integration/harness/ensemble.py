# SPDX-License-Identifier: Apache-2.0
"""Several ZooKeeper servers that are one: on 127.0.0.1, small, short-lived."""

import os
import re

from .server import Server, free_port
from .wait import wait_for

CFG = """dataDir={dir}/data
tickTime=100
initLimit=50
syncLimit=20
minSessionTimeout=200
maxSessionTimeout=600000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
{extra}
{members}
"""

# The values of these tests are small, and so may be the servers.
SMALL = "-Xmx128m"


class Member(Server):
    """One of them; server.Server has what can be done to it."""

    def __init__(self, number, directory, jvm, role="participant"):
        super().__init__(directory, jvm=[SMALL, *jvm])
        self.number = number
        self.role = role
        self.hostport = f"127.0.0.1:{free_port()}"
        self.peer_ports = free_port(), free_port()

    def line(self, peer_ports=None):
        """What a configuration says of it, with the ports it is reached by."""
        quorum, election = peer_ports or self.peer_ports
        return (f"server.{self.number}=127.0.0.1:{quorum}:{election}:"
                f"{self.role};{self.hostport}")

    def configure(self, members, extra):
        os.makedirs(f"{self.dir}/data", exist_ok=True)
        with open(f"{self.dir}/zoo.cfg", "w", encoding="utf-8") as f:
            f.write(CFG.format(dir=self.dir, extra=extra, members=members))
        with open(f"{self.dir}/data/myid", "w", encoding="ascii") as f:
            f.write(f"{self.number}\n")

    def mode(self):
        """leader, follower, observer, read-only; None: it does not say."""
        try:
            found = re.search(r"^Mode: (\S+)", self.four("srvr", 0.5), re.M)
        except OSError:
            return None
        return found and found.group(1)

    @property
    def running(self):
        return self.proc is not None and self.proc.poll() is None


class Ensemble:
    """@voters servers with a vote and @observers without, as one.

    mkdir(name) makes a directory for each.  With @read_only, a server that
    has lost its quorum goes on serving reads.
    """

    def __init__(self, mkdir, voters=3, observers=0, read_only=False,
                 extra=""):
        jvm = ["-Dreadonlymode.enabled=true"] if read_only else []
        self.members = []
        for n in range(1, voters + observers + 1):
            role = "participant" if n <= voters else "observer"
            self.members.append(
                Member(n, mkdir(f"zookeeper-{n}"), jvm, role))
        lines = "\n".join(m.line() for m in self.members)
        for m in self.members:
            m.configure(lines, extra)

    @property
    def hosts(self):
        """All of them, as a client wants them."""
        return ",".join(m.hostport for m in self.members)

    def start(self):
        """Start those that do not run, and wait until all of them serve."""
        for m in self.members:
            if not m.running:
                m.start(wait=False)
        self.wait_serving()
        return self

    def wait_serving(self, timeout=60):
        wait_for(lambda: all(m.mode() in ("leader", "follower", "observer")
                             for m in self.members if m.running),
                 timeout, "all servers of the ensemble serve", 0.1)

    def leader(self):
        """The one that leads; waits until there is one."""
        return wait_for(lambda: self._with_mode("leader"), 30,
                        "the ensemble has a leader", 0.1)

    def follower(self):
        """One that follows."""
        return wait_for(lambda: self._with_mode("follower"), 30,
                        "the ensemble has a follower", 0.1)

    def _with_mode(self, mode):
        for m in self.members:
            if m.running and m.mode() == mode:
                return m
        return None

    def serving(self, hostport):
        """The member that listens at @hostport."""
        return next(m for m in self.members if m.hostport == hostport)

    def kill(self):
        for m in self.members:
            if m.proc:
                m.kill()
