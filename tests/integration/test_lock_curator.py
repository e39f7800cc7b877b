# SPDX-License-Identifier: Apache-2.0
"""Locks taken in turns with Curator's recipes.

Skipped without a JDK or Curator (Debian: default-jdk-headless,
libcurator-recipes-java).  $ZNODEFS_JARS is where the jars are, /usr/share/java
by default.
"""

import fcntl
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import procs, sizes
from harness.files import get, put
from harness.locker import Locker
from harness.threads import run_threads
from harness.wait import SLOW

pytestmark = pytest.mark.deadline(300)
EX, SH, UN, NB = (fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB)
SOURCE = pathlib.Path(__file__).with_name("CuratorLock.java")
WHERE = [os.environ.get("ZNODEFS_JARS", "/usr/share/java"), "/usr/share/java"]
JARS = ["curator-client", "curator-framework", "curator-recipes", "guava",
        "zookeeper", "slf4j-simple"]


def find(name):
    for where in WHERE:
        path = pathlib.Path(where) / f"{name}.jar"
        if path.exists():
            return str(path)
    pytest.skip(f"no {name}.jar (Debian: libcurator-recipes-java)")


@pytest.fixture(scope="module")
def classpath(workplace):
    jars = ":".join(find(name) for name in JARS)
    if not shutil.which("javac"):
        pytest.skip("no javac (Debian: default-jdk-headless)")
    out = workplace.mkdir("classes")
    subprocess.run(["javac", "-cp", jars, "-d", out, SOURCE], check=True,
                   timeout=120 * SLOW)
    return f"{jars}:{out}"


@pytest.fixture
def curator(classpath, server, chroot):
    """A function that starts one with a lock of this kind at this path."""
    running = []

    def start(path, kind):
        proc = subprocess.Popen(
            procs.tied(["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                        "-cp", classpath, "CuratorLock",
                        server.hostport + chroot, path, kind]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(proc)
        assert proc.stdout.readline() == "ready\n"

        def say(*words):
            print(*words, file=proc.stdin, flush=True)
            return proc.stdout.readline().strip() == "true"

        return say

    yield start
    for proc in running:
        proc.kill()
        proc.wait()


def test_taking_turns(m, zk, curator):
    rounds = sizes.stress(50, 500)
    zk.create("/n", b"0")
    zk.create("/lock", b"")
    say = curator("/lock", "mutex")

    def by_flock():
        for _ in range(rounds):
            with open(m / "lock", "rb") as lock:
                fcntl.flock(lock, EX)
                put(m / "n", b"%d" % (int(get(m / "n")) + 1))

    run_threads((say, "count", "/n", rounds), (by_flock,))
    assert zk.get("/n")[0] == b"%d" % (2 * rounds)


@pytest.mark.parametrize("kind,how,theirs_first,ours_first", [
    # Who is first keeps the other out: theirs ours, ours theirs.
    ("mutex", EX, True, True),
    ("mutex", SH, True, False),     # it does not know of shared locks
    ("read", SH, False, False),
    ("read", EX, True, False),      # nor it of those that are not its own
    ("write", SH, True, True),
    ("write", EX, True, False),
])
def test_who_keeps_whom_out(m, zk, curator, kind, how, theirs_first,
                            ours_first):
    """As the manual page has it."""
    zk.create("/f", b"v")
    say = curator("/f", kind)
    with Locker() as a:
        a.open(m / "f")
        assert say("acquire", 10000)
        assert (a.flock(how | NB) == "EAGAIN") is theirs_first
        a.flock(UN)
        assert say("release")
        assert a.flock(how | NB) == "ok"
        assert say("acquire", 300) is not ours_first
