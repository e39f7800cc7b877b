# SPDX-License-Identifier: Apache-2.0
"""Counters under a lock, and a resource that obeys no holder of the past.

    fenced.py LOCKED JOURNAL TOTAL

Each round takes the lock of the file LOCKED, adds 1 to the number in it
through the descriptor that has the lock, and 1 to the resource's, until the
resource has counted to TOTAL.  Whatever fails, the next round begins.

The resource is a journal on disk.  Like any that is fenced it knows the
highest token that it was shown, and refuses who comes with a lower one; to
add 1 its count is first asked for, then given back, and the token is checked
both times.  Its lines are the token and the count.

A line is printed for each number written to LOCKED: "?" is in front of it if
the answer was an error.
"""

import fcntl
import os
import sys
import time

TOKEN = "user.zk.lock"
LINE = 64               # no line of the journal is longer


class Stale(Exception):
    """The token is lower than one that was seen before."""


class Resource:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def _last(self):
        end = os.fstat(self.fd).st_size
        lines = os.pread(self.fd, LINE, max(0, end - LINE)).splitlines()
        return map(int, lines[-1].split()) if lines else (0, 0)

    def count(self, token, new=None):
        """The count, which is @new from now on; lower tokens are refused."""
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        try:
            last, count = self._last()
            if token < last:
                raise Stale
            count = count if new is None else new
            os.write(self.fd, b"%d %d\n" % (token, count))
            return count
        finally:
            fcntl.flock(self.fd, fcntl.LOCK_UN)


def counts(journal):
    """What was given to the resource: pairs of token and count."""
    with open(journal) as lines:
        pairs = [tuple(map(int, line.split())) for line in lines]
    return [b for a, b in zip(pairs, pairs[1:]) if b[1] != a[1]]


def write(fd, number):
    try:
        os.pwrite(fd, b"%09d" % number, 0)
        os.fsync(fd)
        print(number, flush=True)
    except OSError:
        print("?", number, flush=True)


def add(fd, resource):
    fcntl.flock(fd, fcntl.LOCK_EX)
    token = int(os.getxattr(fd, TOKEN), 16)
    count = resource.count(token)
    write(fd, int(os.pread(fd, 100, 0)) + 1)
    return resource.count(token, count + 1)


def work(locked, journal, total):
    resource = Resource(journal)
    count = 0
    while count < total:
        try:
            fd = os.open(locked, os.O_RDWR)
        except OSError:
            time.sleep(0.01)            # its daemon was killed
            continue
        try:
            count = add(fd, resource)
        except (OSError, Stale):
            pass
        finally:
            try:
                os.close(fd)
            except OSError:
                pass


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]))
