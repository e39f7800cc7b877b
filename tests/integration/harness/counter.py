# SPDX-License-Identifier: Apache-2.0
"""counter.py NUMBER LOCK TIMES: add 1 to a number, each time under a lock."""

import fcntl
import os
import sys


def count(number, lockfile, times):
    for _ in range(times):
        with open(lockfile, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fd = os.open(number, os.O_RDONLY)
            value = int(os.read(fd, 100))
            os.close(fd)
            with open(number, "wb", buffering=0) as f:
                f.write(b"%d" % (value + 1))


if __name__ == "__main__":
    count(sys.argv[1], sys.argv[2], int(sys.argv[3]))
