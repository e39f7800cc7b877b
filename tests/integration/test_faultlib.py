# SPDX-License-Identifier: Apache-2.0
"""A client library that is late, repeats itself, and says what is not so.

The daemon runs with faultlib.c before the library.  While it does, programs
may fail, but each of them ends, the daemon lives, and nothing is answered
twice (it would abort).  When it behaves again the mount shows the true tree.

ZNODEFS_FAULTLIB in the environment is the module; else it is looked for beside
the program.
"""

import contextlib
import os
import pathlib
import re
import shlex
import signal
import subprocess

import pytest

from harness import mount as mounts
from harness import procs, sizes, tree
from harness.files import get, put
from harness.wait import SLOW, wait_for

pytestmark = pytest.mark.deadline(300)

# Small programs, each with one or two system calls on the mount, in a shell
# that goes on whatever becomes of them.  $1 the mount, $2 how many, $3 a seed,
# $4 a file: when that is gone, enough is enough.
LOAD = r"""
until cd "$1"; do [ -e "$4" ] || exit 0; done 2>/dev/null
RANDOM=$3
i=0
while [ "$i" -lt "$2" ] && [ -e "$4" ]; do
	i=$((i + 1))
	a=n$((RANDOM % 6)) b=n$((RANDOM % 6))
	case $((RANDOM % 10)) in
	0) cat "$a" ;;
	1) echo "value $i" > "$a" ;;
	2) echo "more $i" >> "$a" ;;
	3) mv -T "$a" "$b" ;;
	4) ls -l ;;
	5) rm -f "$a" ;;
	6) mkdir "$a" ;;
	7) rmdir "$a" ;;
	8) head -c 9000 /dev/zero | dd of="$a" bs=4096 ;;
	9) echo x > ".ephemeral/$a"; cat "$a/.data" ;;
	esac
done >/dev/null 2>&1 </dev/null
exit 0
"""

FAULTS = {
    "late": {"LATE": 60, "LATE_MS": 30},
    "twice": {"TWICE": 50, "LATE_MS": 10},
    "lost": {"CODE": 15, "CODES": "-4,-7,-112"},
    "wrong": {"CODE": 15},
    "refused": {"SUBMIT": 10},
    "all": {"LATE": 40, "TWICE": 20, "CODE": 8, "SUBMIT": 3},
}


def module():
    given = os.environ.get("ZNODEFS_FAULTLIB")
    build = pathlib.Path(mounts.binary()).parent.parent
    path = pathlib.Path(given or build / "tests/integration/libfaultlib.so")
    if not path.exists():
        pytest.skip(f"no module at {path}: set ZNODEFS_FAULTLIB")
    return str(path)


class Faulty:
    """A mount behind faultlib: faults come while on() and not after off()."""

    def __init__(self, monkeypatch, directory, faults, seed):
        self.switch = directory / "faults"
        self.logfile = directory / "faultlog"
        variables = {"LD_PRELOAD": mounts.preload(module()), "ZNODEFS_FAULT_SEED": seed,
                     "ZNODEFS_FAULT_WHILE": self.switch,
                     "ZNODEFS_FAULT_LOG": self.logfile}
        for name, value in faults.items():
            variables[f"ZNODEFS_FAULT_{name}"] = value
        wrap = shlex.join(["env", *(f"{k}={v}" for k, v in variables.items())])
        monkeypatch.setenv(
            "ZNODEFS_WRAP", f"{wrap} {os.environ.get('ZNODEFS_WRAP', '')}")

    def on(self):
        self.switch.touch()

    def off(self):
        self.switch.unlink(missing_ok=True)

    def done(self):
        """What was done, summed over the sessions; after the end."""
        counts = {}
        for name, n in re.findall(r"(\w+) (\d+)", self.logfile.read_text()):
            counts[name] = counts.get(name, 0) + int(n)
        return counts


@pytest.fixture
def faulty(monkeypatch, tmp):
    def make(faults, seed=1):
        return Faulty(monkeypatch, tmp, faults, seed)

    return make


@contextlib.contextmanager
def load(mnt, faults, workers, count):
    """Shells that work on @mnt while faults are on; all of them end."""
    faults.on()
    running = [subprocess.Popen(
        procs.tied(["bash", "-c", LOAD, "load", mnt.path, count, seed,
                    faults.switch]), start_new_session=True)
        for seed in range(1, workers + 1)]
    try:
        yield running
        for proc in running:
            assert proc.wait(120 * SLOW) == 0
    except subprocess.TimeoutExpired:
        stuck = procs.uninterruptible()
        raise AssertionError(f"a program hangs; in D state: {stuck}") from None
    finally:
        faults.off()
        for proc in running:
            if proc.poll() is None:
                os.killpg(proc.pid, signal.SIGKILL)
                proc.wait()


def shows(mnt, truth):
    """Whether @mnt shows @truth, path -> data."""
    try:
        return is_shown(mnt, truth)
    except OSError:
        return False


def is_shown(mnt, truth):
    names = {p[1:] for p in truth if p.count("/") == 1 and p != "/"}
    if set(os.listdir(mnt)) != names:
        return False
    for path, data in truth.items():
        name = mnt / path[1:]
        if path == "/" or (data is None and os.path.isdir(name)):
            continue
        if get(name / ".data" if os.path.isdir(name) else name) != \
                (data or b""):
            return False
    return True


@pytest.mark.parametrize("kind", FAULTS)
def test_mixed_load(faulty, mount, source, zk, kind):
    """Whatever the library does, all programs end and the mount goes on."""
    faults = faulty(FAULTS[kind])
    m = mount(source, "timeout=5")
    with load(m, faults, 6, sizes.stress(50, 2000)):
        pass
    assert m.proc.poll() is None, f"the daemon died: {m.log()}"
    wait_for(lambda: shows(m, tree.snapshot(zk)), 20, "the true tree")
    put(m / "after", b"v")
    assert zk.get("/after")[0] == b"v"
    m.stop()
    done = faults.done()
    for name in FAULTS[kind]:
        if name.lower() in done:
            assert done[name.lower()] > 0, done


@pytest.mark.parametrize("seed", range(2, 5))
def test_unmount_in_the_middle(faulty, mount, source, zk, seed):
    """The end comes while completions are late, twice and wrong."""
    faults = faulty({**FAULTS["all"], "LATE_MS": 300}, seed)
    m = mount(source, "timeout=5")
    with load(m, faults, 4, 1_000_000):
        wait_for(lambda: len(zk.get_children("/")) > 2, 20,
                 "the load has begun")
        m.kill(signal.SIGTERM)
        assert m.wait(20) == 0, m.log()
        faults.off()
    m.stop()


@pytest.mark.parametrize("kind", ["late", "all"])
def test_interrupted_programs(faulty, mount, source, kind):
    """Signals for programs whose completions are under way."""
    faults = faulty({**FAULTS[kind], "LATE_MS": 1500})
    # Who is interrupted in close(2) is not told what becomes of the commit.
    m = mount(source, "timeout=5", allow="closed and could not be committed")
    put(m / "f", b"v")
    faults.on()
    for _ in range(sizes.stress(6, 50)):
        running = [subprocess.Popen(
            procs.tied(["bash", "-c", script, "bash", m / "f"]),
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            for script in ('exec cat "$1"', 'exec ls "$1"', 'echo v > "$1"',
                           'exec mv "$1" "$1.old"', 'exec rm "$1.old"') * 2]
        for proc in running:
            proc.terminate()
        for proc in running:
            proc.wait(20 * SLOW)
    faults.off()
    wait_for(lambda: put(m / "g", b"v") is None, 20)
    assert get(m / "g") == b"v"
