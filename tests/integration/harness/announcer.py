# SPDX-License-Identifier: Apache-2.0
"""The helper processes of a daemon, which act out remote changes."""

import os

from . import procs

NAME = "znodefs-helper"


def helpers(pid):
    """Pids of the helpers that the daemon @pid has started."""
    return [p for p in map(int, filter(str.isdigit, os.listdir("/proc")))
            if _name_and_parent(p) == (NAME, pid)]


def _name_and_parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            head, _, tail = f.read().rpartition(")")
    except OSError:
        return None, None
    return head.partition("(")[2], int(tail.split()[1])


def kill_helpers(pid):
    """kill -9 of those there are now; how many that was."""
    found = helpers(pid)
    for helper in found:
        procs.kill_quietly(helper)
    return len(found)
