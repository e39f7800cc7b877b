# SPDX-License-Identifier: Apache-2.0
"""What README shows can be done, and looks as it shows it."""

import re
import shutil

import pytest

from harness import examples
from harness.files import ok
from harness.wait import wait_for

BLOCKS = examples.indented("README.md")

# What builds, installs or mounts is run by scripts/quickstart, scripts/test
# and test_docs.py.
ELSEWHERE = re.compile(r"scripts/|build/src/znodefs|fusermount3|zk1:2181")

# Commands that wait for changes until somebody ends them.
ENDLESS = re.compile(r"inotifywait -m|.*\| entr ")


def commands(block):
    """Its lines, without the remarks at their ends."""
    return [re.sub(r"\s+# .*", "", line) for line in block.splitlines()]


def shown():
    """The commands of all blocks that are for a mount, in order."""
    return [command for block in BLOCKS if not examples.is_session(block)
            for command in commands(block) if not ELSEWHERE.match(command)]


# Of the machine that dies: nobody waits for half a minute here.
TIMEOUTS = {"beta": 4}


@pytest.mark.deadline(120)
def test_the_session_of_three_machines(mount, source):
    [session] = filter(examples.is_session, BLOCKS)
    with examples.Shells() as shells:
        for name in ("alpha", "beta", "gamma"):
            m = mount(source, f"session_timeout={TIMEOUTS.get(name, 30)}")
            shells.add(name, m, m.pid)
            if name in TIMEOUTS:
                mortal = m
        examples.play(session, shells)
    mortal.destroy()


def run_until_it_watches(command, m):
    with examples.background(command, m) as proc:
        wait_for(lambda: examples.watches_of(proc.pid), 20,
                 f"{command} watches something")


@pytest.mark.deadline(120)
def test_the_commands(m, tmp):
    """One after the other in one mount; files for elsewhere go to a disk."""
    assert len(shown()) > 15
    for command in shown():
        if ENDLESS.match(command):
            program = command.split("| ")[-1].split()[0]
            if shutil.which(program):
                run_until_it_watches(command, m)
        else:
            ok("bash", "-e", "-c", command, cwd=m, env={"HOME": str(tmp)})
