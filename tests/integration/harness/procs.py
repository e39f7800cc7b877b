# SPDX-License-Identifier: Apache-2.0
"""Processes and mounts of this machine, and the end of those we started."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

SETPRIV = shutil.which("setpriv")

# Run when pytest's end of the pipe closes, however pytest ended.
_JANITOR = r"""
cat >/dev/null
for pass in 1 2 3; do
	sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .*/\1/' /proc/self/mountinfo |
	grep -F "$0/" | sort -r | while read -r m; do
		fusermount3 -uz "$m" 2>/dev/null || umount -l "$m" 2>/dev/null
	done
done
rm -rf --one-file-system "$0"
"""


def tied(argv):
    """@argv, made to be killed when the thread that starts it ends."""
    if SETPRIV:
        return [SETPRIV, "--pdeathsig", "KILL", *map(str, argv)]
    return [str(a) for a in argv]


class Workplace:
    """A private temporary directory that does not outlive this process.

    A janitor process in a session of its own waits for the end of a pipe; it
    unmounts what is left below the directory and removes it, also after a
    kill -9 of pytest.
    """

    def __init__(self):
        self.path = os.path.realpath(tempfile.mkdtemp(prefix="znodefs-test-"))
        os.chmod(self.path, 0o755)
        self._janitor = subprocess.Popen(
            ["sh", "-c", _JANITOR, self.path], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        self._count = 0

    def mkdir(self, name):
        self._count += 1
        path = os.path.join(self.path, f"{self._count}-{name}")
        os.mkdir(path)
        return path

    def close(self):
        self._janitor.stdin.close()
        self._janitor.wait()


def drop_copies(path):
    """Unmount @path in the mount namespaces that have a copy of it.

    Every unshare -m, of this or of another test, copies all that is mounted.
    """
    done = {os.readlink("/proc/self/ns/mnt")}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            namespace = os.readlink(f"/proc/{pid}/ns/mnt")
            with open(f"/proc/{pid}/mounts", encoding="utf-8",
                      errors="replace") as f:
                copied = f" {path} " in f.read()
        except OSError:
            continue            # it has ended
        if copied and namespace not in done:
            subprocess.run(["nsenter", "-t", pid, "-m", "umount", "-l", path],
                           capture_output=True)
        done.add(namespace)


def mount_type(path):
    """The type of the topmost filesystem mounted at @path, or None."""
    found = None
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        for line in f:
            left, right = line.split(" - ", 1)
            if left.split()[4] == str(path):
                found = right.split()[0]
    return found


def running_on(path):
    """Pids of the processes that have @path among their arguments."""
    pids = []
    want = os.fsencode(str(path))
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                if want in f.read().split(b"\0"):
                    pids.append(int(entry))
        except OSError:
            pass
    return pids


def daemons_of(mountpoint):
    """Pids of the znodefs processes that serve @mountpoint."""
    return [pid for pid in running_on(mountpoint) if _comm(pid) == "znodefs"]


def _comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return ""


def task_states(pid):
    """The states of a process's tasks, as letters: R, S, D, T, Z..."""
    states = ""
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", "rb") as f:
                states += f.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        pass                    # it ends, or has ended
    return states


def uninterruptible(pids=None):
    """(pid, name) of those with a task in D state, among @pids if given."""
    if pids is None:
        pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    return [(pid, _comm(pid)) for pid in pids if "D" in task_states(pid)]


def waits_for_fuse(pid):
    """Whether the main thread of @pid sleeps in a request to a FUSE daemon.

    Or behind one: a mkdir that waits holds the lock of its directory.
    """
    try:
        with open(f"/proc/{pid}/wchan", encoding="utf-8") as f:
            where = f.read()
    except OSError:
        return False
    return any(s in where for s in ("request_wait", "fuse", "rwsem",
                                 "path_openat", "lookup"))


def of_session(session):
    """Pids of who lives in the session."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                stat = f.read().rpartition(")")[2].split()
            if int(stat[3]) == session and stat[0] != "Z":
                found.append(int(pid))
    return found


def kill_quietly(pid, signum=signal.SIGKILL):
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        pass
