# SPDX-License-Identifier: Apache-2.0
"""Random changes of a tree at full speed, in a process of its own.

Two kinds of storm go over the same names: remote ones by kazoo, many requests
in flight, and local ones by system calls in one or more directories.  A storm
makes at least as many changes as it is told to, and goes on until finish().

    with Storm.remote(hostport, "/t", seed, 2000) as storm:
        storm.wait(500)
        storm.finish()
"""

import collections
import contextlib
import errno
import json
import os
import random
import select
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import (ConnectionClosedError, ConnectionLoss,
                              NoChildrenForEphemeralsError, NodeExistsError,
                              NoNodeError, NotEmptyError)

from .files import append, get, put
from .model import spawn_module
from .wait import SLOW, wait_for

INNER = [f"d{i}/s{j}" for i in range(10) for j in range(4)]
DIRECTORIES = [f"d{i}" for i in range(10)] + INNER
LEAVES = [f"{d}/n{i}" for d in DIRECTORIES for i in range(10)]
WINDOW = 300
REPORT = 20             # changes between two reports

USUAL = (NoNodeError, NodeExistsError, NotEmptyError, ConnectionLoss,
         NoChildrenForEphemeralsError, ConnectionClosedError)
USUAL_ERRNO = {errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR,
               errno.ENOTEMPTY, errno.ESTALE, errno.EINVAL, errno.EXDEV,
               errno.EPERM, errno.EBUSY}


def content(rng, i):
    """Never the same twice; sometimes empty, sometimes of two pages."""
    if rng.random() < 0.05:
        return b""
    return b"%d " % i + b"x" * rng.choice((0, 0, 0, 20, 5000))


# -- by kazoo ---------------------------------------------------------------

class Remote:
    """One random change after the other; errors that must come are usual."""

    ACTIONS = {"create": 30, "set": 25, "delete": 18, "child": 5,
               "ephemeral": 6, "multi": 8, "dirdata": 5, "again": 3}

    def __init__(self, args, rng):
        hostport, self.top = args
        self.rng = rng
        self.pending = collections.deque()
        self.zk = KazooClient(
            hostport, timeout=15,
            connection_retry={"max_tries": -1, "max_delay": 0.2})
        self.zk.start(timeout=20 * SLOW)

    def change(self, i):
        if not self.zk.connected:
            wait_for(lambda: self.zk.connected, 60, "the server is back")
        action = self.rng.choices(list(self.ACTIONS),
                                  list(self.ACTIONS.values()))[0]
        getattr(self, action)(self.rng.choice(LEAVES), content(self.rng, i))
        while len(self.pending) > WINDOW:
            self._finish_one()

    def close(self):
        while self.pending:
            self._finish_one()
        self.zk.stop()          # its ephemerals go, all at once
        self.zk.close()

    def _finish_one(self):
        with contextlib.suppress(*USUAL):
            self.pending.popleft().get(timeout=60 * SLOW)

    def _send(self, name, path, *args, **kwargs):
        call = getattr(self.zk, f"{name}_async")
        self.pending.append(call(f"{self.top}/{path}", *args, **kwargs))

    def _null_or(self, data):
        return None if self.rng.random() < 0.3 else data

    def create(self, leaf, data):
        self._send("create", leaf, self._null_or(data))

    def set(self, leaf, data):
        self._send("set", leaf, data)

    def delete(self, leaf, data):
        self._send("delete", f"{leaf}/c")
        self._send("delete", leaf)

    def child(self, leaf, data):
        """Of a file this makes a directory."""
        self._send("create", f"{leaf}/c", data)

    def ephemeral(self, leaf, data):
        self._send("create", leaf, data, ephemeral=True)

    def dirdata(self, leaf, data):
        self._send("set", leaf.rpartition("/")[0], self._null_or(data))

    def multi(self, leaf, data):
        t = self.zk.transaction()
        t.set_data(f"{self.top}/{leaf.rpartition('/')[0]}", data)
        other = f"{self.top}/{self.rng.choice(LEAVES)}"
        getattr(t, self.rng.choice(("delete", "create")))(other)
        self.pending.append(t.commit_async())

    def again(self, leaf, data):
        """Delete a directory with all that may be in it; make it again."""
        top = self.rng.choice(DIRECTORIES)
        inside = [d for d in INNER if d.startswith(top + "/")]
        for d in [*inside, top]:
            for i in range(10):
                self.delete(f"{d}/n{i}", None)
            self._send("delete", d)
        for d in [top, *inside]:
            self._send("create", d, self._null_or(data))


# -- by system calls --------------------------------------------------------

class Local:
    """The same by system calls, in one of several directories each time."""

    ACTIONS = {"put": 30, "append": 10, "unlink": 15, "mkdir": 10,
               "rmdir": 5, "rename": 15, "read": 10, "again": 3}

    directories, inner, leaves = DIRECTORIES, INNER, LEAVES

    def __init__(self, args, rng):
        self.tops = args
        self.rng = rng

    def change(self, i):
        action = self.rng.choices(list(self.ACTIONS),
                                  list(self.ACTIONS.values()))[0]
        self.top = self.rng.choice(self.tops)
        path = f"{self.top}/{self.rng.choice(self.leaves)}"
        usual(getattr(self, action), path, content(self.rng, i))

    def close(self):
        pass

    def put(self, path, data):
        put(path, data)

    def append(self, path, data):
        append(path, data)

    def unlink(self, path, data):
        os.unlink(path)

    def mkdir(self, path, data):
        os.mkdir(path)

    def rmdir(self, path, data):
        os.rmdir(path)

    def read(self, path, data):
        get(path)

    def rename(self, path, data):
        """Of a leaf, or of a whole directory into another one."""
        if self.rng.random() < 0.1:
            path = f"{self.top}/{self.rng.choice(self.inner)}"
        os.rename(path, f"{self.top}/{self.rng.choice(self.leaves)}")

    def again(self, path, data):
        top = f"{self.top}/{self.rng.choice(self.directories)}"
        for directory, directories, files in os.walk(top, topdown=False):
            for name in files:
                usual(os.unlink, f"{directory}/{name}")
            for name in directories:
                usual(os.rmdir, f"{directory}/{name}")
        usual(os.rmdir, top)
        for d in self.directories:
            usual(os.mkdir, f"{self.top}/{d}")


def few(names):
    """Of two directories, one in each of these, and three names in each."""
    limits = {"d": 2, "s": 1, "n": 3}
    return [name for name in names
            if all(int(part[1:]) < limits[part[0]]
                   for part in name.split("/"))]


class Dense(Local):
    """So few names that nearly every change meets another one."""

    directories, inner, leaves = map(few, (DIRECTORIES, INNER, LEAVES))


def usual(call, *args):
    """Call it; what others do to the same names at once is no error."""
    try:
        call(*args)
    except OSError as e:
        if e.errno not in USUAL_ERRNO:
            raise


def main():
    kind, seed, count, *args = json.loads(sys.argv[1])
    kinds = {"remote": Remote, "local": Local, "dense": Dense}
    storm = kinds[kind](args, random.Random(seed))
    done = 0
    while done < count or not select.select([sys.stdin], [], [], 0)[0]:
        storm.change(done)
        done += 1
        if done % REPORT == 0:
            print(done, flush=True)
    storm.close()


# -- in the process of the test ---------------------------------------------

class Storm:
    """A storm that blows when this returns."""

    def __init__(self, *args):
        self.proc = spawn_module("harness.storm", json.dumps(args))
        self.done = 0
        self._pending = b""

    @classmethod
    def remote(cls, hostport, top, seed, count):
        return cls("remote", seed, count, hostport, top)

    @classmethod
    def local(cls, tops, seed, count):
        return cls("local", seed, count, *map(os.fspath, tops))

    @classmethod
    def dense(cls, tops, seed, count):
        return cls("dense", seed, count, *map(os.fspath, tops))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()

    def wait(self, count):
        """Wait until @count more changes have been made."""
        goal = self.done + count

        def reached():
            assert not self._ended(), "the storm has ended"
            return self.done >= goal

        wait_for(reached, 60, f"the storm makes {count} more changes")

    def finish(self, timeout=120):
        """Let it make what is left, and wait for its end."""
        self.proc.stdin.close()
        wait_for(self._ended, timeout, "the storm ends")
        status = self.proc.wait(10 * SLOW)
        assert status == 0, f"the storm ended with {status}"

    def _ended(self):
        """Read what it reports; true at the end of that."""
        while select.select([self.proc.stdout], [], [], 0)[0]:
            data = os.read(self.proc.stdout.fileno(), 1 << 16)
            if not data:
                return True
            lines = (self._pending + data).split(b"\n")
            self._pending = lines.pop()
            self.done = int(lines[-1]) if lines else self.done
        return False


def make_directories(zk, top):
    for d in ["", *DIRECTORIES]:
        zk.create(f"{top}/{d}".rstrip("/"), None)


if __name__ == "__main__":
    main()
