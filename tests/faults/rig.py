# SPDX-License-Identifier: Apache-2.0
"""A server or three, two mounts, and programs that use them all the time."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from kazoo.client import KazooClient

from faults.judge import INITIAL, Judgement, Line
from faults.load import APPENDED, COUNTER, DIRECTORIES, REGISTERS
from faults.values import value_of
from harness import model, procs, tree
from harness.ensemble import Ensemble
from harness.model import Watcher
from harness.mount import Mount
from harness.server import Server
from harness.tamper import TamperProxy
from harness.wait import SLOW, wait_for

MOUNTS = 2
# Method of load.Load -> how many.
ROLES = {"writer": 4, "reader": 4, "holder": 2}
FEW = {"writer": 2, "reader": 2, "holder": 2}
SETTLE = 40             # seconds until everybody knows what is so


class Program:
    """A process of load.py."""

    def __init__(self, role, name, top, directory, limit, pace):
        self.role = role
        self.name = name
        self.history = f"{directory}/{name}"
        self.read = 0
        self.lines = []
        self.proc = subprocess.Popen(
            procs.tied([sys.executable, "-B", "-m", "faults.load", role, name,
                        top, self.history, limit, pace]),
            cwd=pathlib.Path(__file__).resolve().parents[1],
            stdin=subprocess.PIPE)

    def poll(self):
        """Read what it has written since."""
        with contextlib.suppress(FileNotFoundError), \
                open(self.history, encoding="utf-8") as f:
            f.seek(self.read)
            text, newline, _ = f.read().rpartition("\n")
            self.read += len(text) + len(newline)
            self.lines += [Line(*json.loads(x)) for x in text.splitlines()]
        return self.lines

    def succeeded_since(self, moment):
        return any(x.start > moment and x.errno == 0 for x in self.poll())

    def ended(self, timeout):
        """Wait for its end; False if it had to be killed."""
        try:
            status = self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            return False
        assert status == 0, f"{self.name} ended with {status}"
        return True


class Rig:
    """All of it, from start() to stop()."""

    def __init__(self, place, fault, session, timeout, pace, roles):
        self.place = place
        self.session = session * SLOW
        self.timeout = timeout * SLOW
        self.pace = pace
        self.roles = roles
        # A write in the middle is a read and a write, each with its patience.
        self.limit = (2 * self.timeout + 5 * SLOW +
                      fault.standstill * self.session)
        self.stack = contextlib.ExitStack()
        self.ensemble = self.server = None
        self.proxies = []
        self.mounts = []
        self.watchers = []
        self.programs = []
        self.problems = []

    # -- the parts --

    def start(self, ensemble):
        if ensemble:
            self._start_ensemble()
        else:
            self._start_server()
        self._make_tree()
        self._start_mounts()
        self.watchers = [self._watch(i) for i in range(MOUNTS)]
        self._start_programs()
        self.wait_progress()

    def _start_ensemble(self):
        self.ensemble = Ensemble(self.place.mkdir).start()
        self.stack.callback(self.ensemble.kill)
        self.hosts = [self.ensemble.hosts] * MOUNTS
        self.truth_hosts = self.ensemble.hosts

    def _start_server(self):
        self.server = Server(self.place.mkdir("zookeeper"),
                             jvm=["-Xmx256m"]).start()
        self.stack.callback(self._end_server)
        self.proxies = [
            self.stack.enter_context(TamperProxy(self.server.hostport))
            for _ in range(MOUNTS)]
        self.hosts = [p.hostport for p in self.proxies]
        self.truth_hosts = self.server.hostport

    def _end_server(self):
        if self.server.proc.poll() is None:
            self.server.kill()

    def _make_tree(self):
        # A server that starts may accept a client and never answer it, which
        # the client notices when its timeout is over.
        self.zk = KazooClient(self.truth_hosts, timeout=5 * SLOW,
                              connection_retry={"max_tries": -1,
                                                "max_delay": 0.5})
        self.zk.start(timeout=20 * SLOW)
        self.stack.callback(self._end_client)
        self.zk.create("/t", None)
        for d in DIRECTORIES:
            self.zk.create(f"/t/{d}", None)
        for name in REGISTERS:
            self.zk.create(f"/t/{name}", value_of(INITIAL))
        for name in APPENDED:
            self.zk.create(f"/t/{name}", b"")
        self.zk.create(f"/t/{COUNTER}", b"0")

    def _end_client(self):
        self.zk.stop()
        self.zk.close()

    def _start_mounts(self):
        for hosts in self.hosts:
            m = Mount(hosts, self.place.mkdir("mount"),
                      f"session_timeout={self.session:g}",
                      f"timeout={self.timeout:g}", allow=".")
            self.stack.callback(m.destroy)
            self.mounts.append(m.start())

    def _watch(self, i):
        watcher = Watcher(self.mounts[i] / "t", f"mount {i}")
        self.stack.callback(watcher.proc.kill)
        return watcher

    def _start_programs(self):
        directory = self.place.mkdir("history")
        for role, count in self.roles.items():
            for n in range(count):
                program = Program(role, f"{role[0]}{n}",
                                  self.mounts[n % MOUNTS] / "t", directory,
                                  self.limit, self.pace)
                self.stack.callback(program.proc.kill)
                self.programs.append(program)

    # -- for faults --

    def run(self, seconds):
        """Let the load go on."""
        time.sleep(seconds)

    def pause_daemon(self, i, seconds):
        m = self.mounts[i]
        m.proc.send_signal(signal.SIGSTOP)
        wait_for(lambda: set(procs.task_states(m.pid)) == {"T"}, 10,
                 "the daemon stands still")
        time.sleep(seconds)
        m.proc.send_signal(signal.SIGCONT)

    def remount(self, i):
        """kill -9 of the daemon, and a new one at the same place."""
        m = self.mounts[i]
        self.watchers[i].close()
        m.kill()
        m.proc.wait(10 * SLOW)
        self.run(1)
        m.destroy()
        m.start()
        self.watchers[i] = self._watch(i)

    # -- how they are --

    def resources(self):
        """(pid, descriptors, resident MB) of each daemon."""
        return [(m.pid, len(os.listdir(f"/proc/{m.pid}/fd")),
                 resident(m.pid)) for m in self.mounts]

    def wait_progress(self):
        """Until each of the programs has succeeded once more."""
        moment = time.monotonic()
        behind = list(self.programs)

        def all_have():
            behind[:] = [p for p in behind if not p.succeeded_since(moment)]
            return not behind

        try:
            wait_for(all_have, SETTLE + 2 * self.limit, interval=0.1)
        except AssertionError:
            self.problems.append("nothing works any more for " +
                                 ", ".join(p.name for p in behind))
            self.problems += self._states()

    def _states(self):
        """Who is in line for the lock, and what the daemons know."""
        top = f"/t/{COUNTER}"
        for name in self.zk.retry(self.zk.get_children, top):
            stat = self.zk.exists(f"{top}/{name}")
            if stat:
                yield f"in line: {name}, session {stat.ephemeralOwner:#x}"
        for m in self.mounts:
            yield (m / ".znodefs/status").read_text()

    def stop_load(self):
        """End the programs, and see what they have seen."""
        for p in self.programs:
            p.proc.stdin.close()
        stuck = [p.name for p in self.programs
                 if not p.ended(self.limit + 10 * SLOW)]
        wait_for(lambda: self.zk.connected, 60, "the truth can be asked")
        lines = [x for p in self.programs for x in p.poll()]
        judgement = Judgement(lines, self._truth())
        judgement.hung += [f"{name} does not end" for name in stuck]
        waiting = procs.uninterruptible(
            [p.proc.pid for p in self.programs] + [m.pid for m in self.mounts])
        judgement.hung += [f"{name} ({pid}) in D state"
                           for pid, name in waiting]
        return judgement

    def _truth(self):
        self.zk.sync("/t")
        return tree.snapshot(self.zk, "/t")

    def settle(self):
        """Until mounts and watchers know what is so; who does not, if any."""
        stale = []

        def settled():
            truth = self._truth()
            try:
                stale[:] = [x for i in range(MOUNTS)
                            for x in self._stale(i, truth)]
            except OSError as e:
                stale[:] = [f"a walk: {e}"]
            return not stale

        try:
            wait_for(settled, SETTLE, interval=0.2)
        except AssertionError:
            pass
        return stale

    def _stale(self, i, truth):
        walked = model.walk(self.mounts[i] / "t")
        watched = self.watchers[i].tree()
        diff = model.differences(watched, model.as_tree(truth, watched))
        yield from (f"mount {i}: {path}: is {got!r}, not {want!r}"
                    for path, (got, want) in model.differences(
                        walked, model.as_tree(truth, walked)).items())
        if diff:
            yield model.describe(self.watchers[i], diff)

    def stop(self):
        """Unmount in an orderly way; what goes wrong is a problem."""
        for w in self.watchers:
            w.close()
        for m in self.mounts:
            try:
                m.stop()
            except AssertionError as e:
                self.problems.append(f"unmount: {e}")

    def close(self):
        self.stack.close()


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
