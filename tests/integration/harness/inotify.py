# SPDX-License-Identifier: Apache-2.0
"""inotify(7) by ctypes: what the kernel tells, in order, with a deadline."""

import ctypes
import os
import select
import struct
import time
from typing import NamedTuple

from .wait import SLOW

MODIFY = 0x2
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
UNMOUNT = 0x2000
Q_OVERFLOW = 0x4000
IGNORED = 0x8000
ONLYDIR = 0x1000000
ISDIR = 0x40000000

# All that a change of the tree raises; ATTRIB is left out.
CHANGES = (CREATE | DELETE | MODIFY | CLOSE_WRITE | MOVED_FROM | MOVED_TO |
           DELETE_SELF | MOVE_SELF)

NAMES = {value: name for name, value in list(globals().items())
         if isinstance(value, int) and name.isupper() and name != "CHANGES"}

_libc = ctypes.CDLL(None, use_errno=True)
_HEAD = struct.Struct("iIII")


class Event(NamedTuple):
    wd: int
    mask: int
    name: str

    def what(self):
        """CREATE, or CREATE,ISDIR."""
        return ",".join(name for value, name in sorted(NAMES.items())
                        if self.mask & value)

    def __str__(self):
        return f"{self.what()} {self.name}".rstrip()


def _checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class Inotify:
    """One inotify instance; nothing is read ahead of what is returned."""

    def __init__(self):
        self.fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def add_watch(self, path, mask=CHANGES):
        """Watch @path, which is looked up and neither opened nor listed."""
        return _checked(_libc.inotify_add_watch(
            self.fd, os.fsencode(path), ctypes.c_uint32(mask)))

    def rm_watch(self, wd):
        _checked(_libc.inotify_rm_watch(self.fd, wd))

    def read(self, timeout=0.0):
        """Some hundred events at most; waits up to @timeout for the first."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return []
        return list(_parse(os.read(self.fd, 1 << 14)))

    def until(self, complete, timeout=10):
        """Read until complete(all events so far), or time is over."""
        seen = []
        end = time.monotonic() + timeout * SLOW
        while not complete(seen):
            left = end - time.monotonic()
            if left < 0:
                break
            seen += self.read(left)
        return seen


def _parse(buffer):
    offset = 0
    while offset < len(buffer):
        wd, mask, _, size = _HEAD.unpack_from(buffer, offset)
        offset += _HEAD.size
        name = buffer[offset:offset + size].rstrip(b"\0")
        offset += size
        yield Event(wd, mask, os.fsdecode(name))
