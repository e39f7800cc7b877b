# SPDX-License-Identifier: Apache-2.0
"""A znodefs in the foreground with a mountpoint and a log of its own."""

import errno
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import time

from .procs import (drop_copies, mount_type, running_on, tied,
                    uninterruptible)
from .wait import SLOW, wait_for

SUSPICIOUS = re.compile(
    r"error|warning|assert|AddressSanitizer|ThreadSanitizer|"
    r"runtime error|\bleak", re.I)


def binary():
    """The program under test: $ZNODEFS_BIN or ./build/src/znodefs."""
    return os.path.abspath(
        os.environ.get("ZNODEFS_BIN") or "build/src/znodefs")


def command(source, mountpoint, *options, foreground=True):
    """The command line; $ZNODEFS_WRAP (valgrind, strace) goes before it."""
    argv = [*shlex.split(os.environ.get("ZNODEFS_WRAP", "")), binary()]
    if foreground:
        argv.append("-f")
    if options:
        argv += ["-o", ",".join(options)]
    return [*argv, source, str(mountpoint)]


def preload(module):
    """For LD_PRELOAD: @module, behind the runtime of a sanitizer if any."""
    linked = subprocess.run(["ldd", binary()], text=True,
                            capture_output=True, check=True).stdout
    runtimes = re.findall(r"=> (\S*/lib[at]san\.so\S*)", linked)
    return ":".join([*runtimes, str(module)])


class Mount:
    """One mount, from start() to stop().

    os.fspath() and the / operator give paths in it.  @allow is a pattern of
    log lines that are expected and so not suspicious.
    """

    live = set()

    def __init__(self, source, directory, *options, allow=None):
        self.source = source
        self.options = options
        self.path = pathlib.Path(directory) / "mnt"
        self.logfile = pathlib.Path(directory) / "stderr"
        self.allow = re.compile(allow) if allow else None
        self.proc = None
        self.path.mkdir()

    def __fspath__(self):
        return str(self.path)

    def __truediv__(self, name):
        return self.path / name

    @property
    def pid(self):
        return self.proc.pid

    def command(self):
        return tied(command(self.source, self.path, *self.options))

    def start(self):
        with open(self.logfile, "wb") as log:
            self.proc = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        Mount.live.add(self)
        wait_for(self._ready, 20, f"the mount of {self.source} answers")
        return self

    def _ready(self):
        if self.proc.poll() is not None:
            raise AssertionError(
                f"znodefs ended with {self.proc.returncode}: {self.log()}")
        return self.mounted() and self.answers()

    def answers(self):
        os.stat(self.path)
        return True

    def mounted(self):
        return (mount_type(self.path) or "").startswith("fuse")

    def log(self):
        """What the daemon has said; nothing once the workplace is gone."""
        try:
            return self.logfile.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _try_unmount(self):
        return subprocess.run(["fusermount3", "-u", self.path],
                              capture_output=True, text=True)

    def unmount(self):
        """fusermount3 -u, or lazily where something still holds it.

        While an event is being announced, the mount is busy for a moment.
        """
        if not self.mounted():
            return
        end = time.monotonic() + 3 * SLOW
        done = self._try_unmount()
        while done.returncode and self.mounted() and time.monotonic() < end:
            time.sleep(0.05)
            done = self._try_unmount()
        if done.returncode and self.mounted():
            subprocess.run(["fusermount3", "-uz", self.path])
            raise AssertionError(f"cannot unmount: {done.stderr}")

    def wait(self, timeout=10):
        """Wait for the end of the process; its exit status.

        It ends when the last copy of its mount is gone, wherever that is.
        """
        end = time.monotonic() + timeout * SLOW
        while True:
            try:
                return self.proc.wait(timeout=min(1, timeout * SLOW))
            except subprocess.TimeoutExpired:
                if time.monotonic() > end:
                    raise AssertionError(
                        f"znodefs still runs after {timeout} s") from None
            if not self.mounted():
                drop_copies(self.path)

    def stop(self):
        """Unmount and check that the daemon left cleanly; may be repeated."""
        if self not in Mount.live:
            return
        try:
            if self.proc.poll() is None:
                self.unmount()
            status = self.wait()
            assert status == 0, f"znodefs ended with {status}: {self.log()}"
            self.check_gone()
            self.check_log()
        finally:
            self.destroy()

    def check_gone(self):
        """Nothing is left: no mount, no process, no task in D state."""
        assert not self.mounted(), "the mount is still there"
        wait_for(lambda: not running_on(self.path), 5,
                 "no process is left that has the mountpoint as argument")
        wait_for(lambda: not uninterruptible([self.pid]), 5, "no D state")

    def check_log(self):
        bad = [line for line in self.log().splitlines()
               if SUSPICIOUS.search(line)
               and not (self.allow and self.allow.search(line))]
        assert not bad, "suspicious lines in the log:\n" + "\n".join(bad)

    def destroy(self):
        """Leave nothing, whatever state it is in; no questions asked."""
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        Mount.live.discard(self)
        if self.mounted():
            subprocess.run(["fusermount3", "-uz", self.path],
                           stderr=subprocess.DEVNULL)

    def kill(self, signum=signal.SIGKILL):
        self.proc.send_signal(signum)

    @classmethod
    def kill_all(cls):
        for mount in list(cls.live):
            if mount.proc:
                mount.proc.kill()


def missing():
    """Why nothing can be mounted here, or None."""
    if not shutil.which("fusermount3"):
        return "no fusermount3 in PATH (Debian: fuse3)"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as e:
        return f"/dev/fuse: {errno.errorcode[e.errno]}"
    return None
