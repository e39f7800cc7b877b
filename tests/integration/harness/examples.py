# SPDX-License-Identifier: Apache-2.0
"""The examples of the documentation: taken out of it, and run.

Three forms: a session of several machines, whose lines begin with
`NAME$ command` or are what is printed; commands behind a `$ `, each before the
lines that it prints, if they are shown; and commands alone.
"""

import contextlib
import os
import pathlib
import re
import select
import signal
import subprocess
import time

from . import procs
from .files import ok
from .wait import SLOW, wait_for

TOP = pathlib.Path(__file__).resolve().parents[3]
PROMPT = re.compile(r"^(\w+)\$ (.*)$")


def indented(path):
    """The blocks of a Markdown file that are indented, one string each."""
    text = (TOP / path).read_text()
    found = re.findall(r"(?<=\n\n)((?:    .*\n|\n(?=    ))+)", text)
    return [re.sub(r"^    ", "", block, flags=re.M) for block in found]


def fenced(path):
    """The literal blocks of a manual page for scdoc."""
    return re.findall(r"^```\n(.*?)^```$", (TOP / path).read_text(),
                      re.M | re.S)


def like(line):
    """A line up to its numbers, and so to the time of day."""
    return re.sub(r"\d+", "N", line.rstrip())


def is_session(block):
    return bool(PROMPT.match(block.splitlines()[0]))


def steps(block):
    """[(machine, command, [lines that are printed then])...]"""
    found = []
    for line in block.splitlines():
        prompt = PROMPT.match(line)
        if prompt:
            found.append((prompt[1], prompt[2], []))
        else:
            found[-1][2].append(line)
    return found


class Shells:
    """A bash for each machine; what they print comes in one stream."""

    def __init__(self):
        self._read, self._write = os.pipe()
        self._shells = {}
        self._rest = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for shell in self._shells.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.stdin.close()
            shell.wait()
        os.close(self._read)
        os.close(self._write)

    def add(self, name, directory, pid):
        """@pid is what `pidof` says on this machine."""
        self._shells[name] = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=self._write,
            stderr=subprocess.STDOUT, cwd=directory, text=True, bufsize=1,
            start_new_session=True)
        self.send(name, f"pidof() {{ echo {pid}; }}")

    def send(self, name, command):
        self._shells[name].stdin.write(command + "\n")
        self._shells[name].stdin.flush()

    def wait_for_lines(self, count, seconds=60):
        """The next lines that are printed, as many as these."""
        end = time.monotonic() + seconds * SLOW
        while self._rest.count("\n") < count and time.monotonic() < end:
            self._fill(0.1)
        lines = self._rest.split("\n")
        self._rest = "\n".join(lines[count:])
        return lines[:count]

    def _fill(self, seconds):
        if select.select([self._read], [], [], seconds)[0]:
            self._rest += os.read(self._read, 1 << 16).decode()

    def left(self):
        self._fill(0)
        return self._rest


MARK = "-- done --"


def play(block, shells):
    """Give the commands one after the other, and compare what is printed.

    A command that is the last of its machine may go on for ever.  What several
    machines print after one command comes in any order.
    """
    todo = steps(block)
    for i, (name, command, wanted) in enumerate(todo):
        wanted = [like(line) for line in wanted]
        if any(other == name for other, _, _ in todo[i + 1:]):
            command += f"; echo {MARK}"
            wanted.append(MARK)
        shells.send(name, command)
        got = [like(line) for line in shells.wait_for_lines(len(wanted))]
        assert sorted(got) == sorted(wanted), \
            f"{name}$ {command}: {got} instead of {wanted}, {shells.left()!r}"
    assert shells.left() == ""


# -- commands of one machine -------------------------------------------------

def commands(block):
    """[(command, [lines that it prints])...] of a block with `$ ` in it."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def run_block(block, directory, **kwargs):
    """Run the commands of a block in one shell; what they print is compared.

    A block without a prompt is a script, of Python if it looks so.
    """
    if "os.open" in block:
        return ok("/usr/bin/python3", "-c", "import os\n" + block,
                  cwd=directory, **kwargs)
    if not block.startswith("$ "):
        return ok("bash", "-e", "-c", block, cwd=directory, **kwargs)
    todo = commands(block)
    script = f"\necho {MARK}\n".join(command for command, _ in todo)
    done = ok("bash", "-e", "-c", script, cwd=directory, **kwargs)
    for (command, wanted), printed in zip(todo, done.split(MARK + "\n")):
        if wanted:
            assert list(map(like, printed.splitlines())) == \
                list(map(like, wanted)), command
    return done


def watches_of(session):
    """How many inotify watches the processes of the session have."""
    count = 0
    for pid in procs.of_session(session):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fdinfo"):
                with open(f"/proc/{pid}/fdinfo/{fd}") as f:
                    count += sum(line.startswith("inotify wd:") for line in f)
    return count


@contextlib.contextmanager
def background(command, directory, env=None):
    """A command that does not end by itself, in a session of its own."""
    proc = subprocess.Popen(
        ["bash", "-c", command], cwd=directory, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, start_new_session=True, env=env)
    try:
        yield proc
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(proc.pid, signal.SIGKILL)
        proc.wait()
        wait_for(lambda: not procs.of_session(proc.pid), 10,
                 f"the processes of {command} are gone")
