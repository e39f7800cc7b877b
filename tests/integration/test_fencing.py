# SPDX-License-Identifier: Apache-2.0
"""Counting under a lock while daemons, servers and sessions come to an end.

A lock is lost with its session, whatever its holder is doing, so what guards
the rest of the world is the fencing token: harness/fenced.py is such a world.
"""

import os
import re
import signal
import subprocess
import sys

import pytest

from harness import fenced, procs, sizes
from harness.status import status
from harness.wait import SLOW, wait_equal, wait_for

MOUNTS = sizes.stress(3, 4)
WORKERS = sizes.stress(6, 16)
TOTAL = sizes.stress(240, 5000)
KILLS, RESTARTS, EXPIRIES = (sizes.stress(1, n) for n in (10, 5, 5))
SECONDS = sizes.stress(150, 900)

pytestmark = pytest.mark.deadline(SECONDS + 60)


class Counting:
    """Workers on several mounts of one server, and what becomes of those."""

    def __init__(self, server, client, mount, tmp):
        self.server, self.client = server, client
        self.journal = tmp / "journal"
        self.journal.touch()
        self.connect()
        self.zk.create("/t", None)
        self.zk.create("/t/n", b"0")
        self.mounts = [mount(server.hostport + "/t", "session_timeout=2",
                             allow=".") for _ in range(MOUNTS)]
        self.workers = [self.worker(self.mounts[i % MOUNTS])
                        for i in range(WORKERS)]

    def connect(self):
        """Kazoo is slow to come back by itself."""
        self.zk = self.client(self.server.hostport)

    def worker(self, m):
        return subprocess.Popen(
            procs.tied([sys.executable, "-B", fenced.__file__, m / "n",
                        self.journal, TOTAL]), stdout=subprocess.PIPE,
            text=True)

    def count(self):
        return len(fenced.counts(self.journal))

    def until(self, wanted):
        wait_for(lambda: self.count() >= wanted, SECONDS,
                 f"they have counted to {wanted}")

    def holder(self):
        """The mount that has the lock, and its lock's znode."""
        found = []

        def look():
            found[:] = self._holder()
            return found

        wait_for(look, 30, "somebody has the lock")
        return found

    def _holder(self):
        queue = self.zk.get_children("/t/n")
        if not queue:
            return []
        first = "/t/n/" + min(queue, key=lambda name: name[-10:])
        st = self.zk.exists(first)
        return [(m, first) for m in self.mounts
                if st and session(m) == st.ephemeralOwner]

    def kill(self):
        """Kill the daemon of who has the lock, and mount again."""
        (m, _), = self.holder()
        m.destroy()
        m.start()

    def expire(self):
        """Let the daemon of who has the lock stand still until it has not."""
        (m, lock), = self.holder()
        m.kill(signal.SIGSTOP)
        try:
            wait_for(lambda: not self.zk.exists(lock), 30,
                     "the session ends at the server")
        finally:
            m.kill(signal.SIGCONT)

    def restart(self):
        self.server.kill()
        self.server.start()
        self.connect()

    def finish(self):
        """What the workers wrote for sure, and what they may have written."""
        outs = [proc.communicate(timeout=SECONDS * SLOW)[0]
                for proc in self.workers]
        assert [proc.returncode for proc in self.workers] == [0] * WORKERS
        lines = "".join(outs)
        unsure = re.findall(r"^\? (\d+)$", lines, re.M)
        sure = re.findall(r"^(\d+)$", lines, re.M)
        return [int(n) for n in sure], [int(n) for n in unsure]


def session(m):
    try:
        return int(status(m)["session"], 16)
    except (OSError, KeyError, ValueError):
        return None


def plan():
    """What is done, in turn, each kind spread over the whole time."""
    faults = [((i + 0.5) / n, what) for what, n in
              (("kill", KILLS), ("restart", RESTARTS), ("expire", EXPIRIES))
              for i in range(n)]
    return [what for _, what in sorted(faults)]


def test_never_two_holders(own_server, client, mount, tmp):
    counting = Counting(own_server, client, mount, tmp)
    faults = plan()
    for i, fault in enumerate(faults):
        counting.until(TOTAL * (i + 1) // (len(faults) + 2))
        getattr(counting, fault)()
    sure, unsure = counting.finish()

    given = fenced.counts(counting.journal)
    tokens = [token for token, _ in given]
    assert [count for _, count in given] == list(range(1, len(given) + 1))
    assert tokens == sorted(set(tokens)), "a holder of the past passed"
    assert len(given) >= TOTAL

    value = int(counting.zk.get("/t/n")[0])
    assert len(set(sure)) == len(sure), "two wrote under the lock at once"
    assert max(sure) <= value
    assert len(sure) <= value <= len(sure) + len(unsure)
    wait_equal(lambda: counting.zk.get_children("/t/n"), [], 30)
