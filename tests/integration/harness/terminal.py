# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal: type keys, and wait for what it shows."""

import os
import pty
import re
import select
import subprocess
import time

from .procs import tied
from .wait import SLOW


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *argv):
        self.master, slave = pty.openpty()
        self.proc = subprocess.Popen(
            tied(argv), stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "vt100", "LINES": "24",
                 "COLUMNS": "80", "LC_ALL": "C.UTF-8"})
        os.close(slave)
        self.text = ""

    def type(self, keys):
        os.write(self.master, keys.encode())

    def expect(self, text):
        """Wait until @text has come since the last expect()."""
        end = time.monotonic() + 10 * SLOW
        while text not in self.text:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} never came: {self.text!r}"
            if select.select([self.master], [], [], left)[0]:
                raw = os.read(self.master, 65536).decode(errors="replace")
                self.text += re.sub(r"\x1b[\[(][0-9;?]*[A-Za-z]", "", raw)
        self.text = ""

    def end(self):
        status = self.proc.wait(10 * SLOW)
        os.close(self.master)
        return status
