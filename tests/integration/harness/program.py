# SPDX-License-Identifier: Apache-2.0
"""A program that goes on while a test changes what it looks at."""

import contextlib
import os
import select
import subprocess

from .procs import tied
from .wait import wait_for


class Program:
    """A program that runs until the end of the test, and what it prints."""

    def __init__(self, *argv, stdin=b"", **kwargs):
        self.text = ""
        self.proc = subprocess.Popen(
            tied(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, **kwargs)
        self.proc.stdin.write(stdin)
        self.proc.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()

    def output(self):
        while select.select([self.proc.stdout], [], [], 0)[0]:
            data = os.read(self.proc.stdout.fileno(), 1 << 16)
            if not data:
                break
            self.text += data.decode()
        return self.text

    def prints(self, *lines):
        """Wait until it has printed each of @lines."""
        try:
            wait_for(lambda: all(f"\n{line}\n" in f"\n{self.output()}"
                                 for line in lines))
        except AssertionError:
            raise AssertionError(
                f"wanted {lines}, printed:\n{self.text}") from None

    def watches(self):
        """How many inotify watches it has."""
        count = 0
        with contextlib.suppress(FileNotFoundError):
            for fd in os.listdir(f"/proc/{self.proc.pid}/fdinfo"):
                with open(f"/proc/{self.proc.pid}/fdinfo/{fd}") as f:
                    count += sum(line.startswith("inotify wd:") for line in f)
        return count

    def watching(self, count):
        wait_for(lambda: self.watches() >= count,
                 what=f"it has {count} inotify watches: {self.output()}")
