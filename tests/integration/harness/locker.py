# SPDX-License-Identifier: Apache-2.0
"""A process that locks files, and does one system call after the other.

    with Locker() as a:
        a.open(m / "f")
        a.flock(fcntl.LOCK_EX)              # waits for its end
        a.start("flock", fcntl.LOCK_EX)     # does not
        a.blocked()
        assert a.result() == "ok"

A call that fails returns the name of its errno.  Each has one file.
"""

import errno
import fcntl
import json
import os
import select
import signal
import struct
import sys

from . import procs
from .model import spawn_module
from .wait import SLOW, wait_for

FLOCK = struct.Struct("hhqqi4x")
TYPES = {fcntl.F_RDLCK: "read", fcntl.F_WRLCK: "write",
         fcntl.F_UNLCK: "none"}
NAMES = {errno.EDEADLK: "EDEADLK", errno.EOPNOTSUPP: "EOPNOTSUPP"}


class Calls:
    """What the process can do; runs in it."""

    fd = None

    def open(self, path, flags=os.O_RDWR):
        self.fd = os.open(path, flags)

    def close(self):
        os.close(self.fd)

    def dup(self):
        os.dup(self.fd)

    def flock(self, how):
        fcntl.flock(self.fd, how)

    def setlk(self, command, kind, start=0, length=0):
        fcntl.fcntl(self.fd, command,
                    FLOCK.pack(kind, os.SEEK_SET, start, length, 0))

    def getlk(self, kind):
        """The type and the pid of who has it."""
        reply = fcntl.fcntl(self.fd, fcntl.F_GETLK,
                            FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0))
        found = FLOCK.unpack(reply)
        return [TYPES[found[0]], found[4] if found[0] != fcntl.F_UNLCK else 0]

    def read(self):
        return os.pread(self.fd, 1 << 20, 0).decode()

    def read_on(self):
        """In the version that read() has begun: needs no server."""
        return os.pread(self.fd, 1 << 20, 1).decode()

    def write(self, text):
        os.pwrite(self.fd, text.encode(), 0)

    def size(self, path):
        return os.stat(path).st_size

    def names(self, path):
        return sorted(os.listdir(path))

    def fsync(self):
        os.fsync(self.fd)

    def alarm(self, seconds):
        """From now on a call that waits for so long is interrupted."""
        signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    @staticmethod
    def _interrupt(*_):
        raise InterruptedError(errno.EINTR, "interrupted")


def main():
    calls = Calls()
    for line in sys.stdin:
        name, *args = json.loads(line)
        try:
            value = getattr(calls, name)(*args)
            reply = "ok" if value is None else value
        except OSError as e:
            reply = NAMES.get(e.errno, errno.errorcode[e.errno])
        print(json.dumps(reply), flush=True)


class Locker:
    """The same from outside."""

    def __init__(self):
        self.proc = spawn_module("harness.locker")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def __getattr__(self, name):
        def call(*args):
            self.start(name, *args)
            return self.result()

        return call

    @property
    def pid(self):
        return self.proc.pid

    def start(self, name, *args):
        args = [os.fspath(a) if isinstance(a, os.PathLike) else a
                for a in args]
        self.proc.stdin.write(json.dumps([name, *args]).encode() + b"\n")
        self.proc.stdin.flush()

    def answered(self):
        return bool(select.select([self.proc.stdout], [], [], 0)[0])

    def result(self, timeout=30):
        if not select.select([self.proc.stdout], [], [], timeout * SLOW)[0]:
            raise AssertionError(f"no answer within {timeout} s")
        return json.loads(self.proc.stdout.readline())

    def blocked(self):
        """Wait until it waits for the mount."""
        def waits():
            assert not self.answered(), "it did not wait"
            return procs.waits_for_fuse(self.pid)

        wait_for(waits, what="the locker waits")

    def kill(self, signum=signal.SIGKILL):
        procs.kill_quietly(self.pid, signum)
        self.proc.wait(10 * SLOW)


if __name__ == "__main__":
    main()
