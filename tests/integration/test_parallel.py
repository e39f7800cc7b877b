# SPDX-License-Identifier: Apache-2.0
"""Many at once: appenders, huge lists, everything on two mounts."""

import os
import random
import signal
import subprocess
import time

import pytest

from harness import procs, sizes, tree
from harness.announcer import helpers
from harness.files import fails, get, opened, put
from harness.threads import repeating, run_threads
from harness.wait import SLOW, wait_equal

pytestmark = pytest.mark.deadline(240)

APPENDER = """
import os, sys
path, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for i in range(count):
    line = f"{who} {i} {'x' * (i % 50)} end\\n".encode()
    assert os.write(fd, line) == len(line)
os.close(fd)
"""


def spawn_python(script, *args):
    return subprocess.Popen(
        procs.tied(["/usr/bin/python3", "-c", script, *map(str, args)]),
        stderr=subprocess.PIPE)


def finish(running, timeout=200):
    for proc in running:
        _, err = proc.communicate(timeout=timeout * SLOW)
        assert proc.returncode == 0, err.decode()


def test_appenders_lose_nothing(m, m2, zk):
    count = sizes.stress(200, 1000)
    finish([spawn_python(APPENDER, (m, m2)[k % 2] / "log", f"p{k}", count)
            for k in range(8)])
    data, st = zk.get("/log")
    lines = data.decode().splitlines()
    assert sorted(lines) == sorted(
        f"p{k} {i} {'x' * (i % 50)} end"
        for k in range(8) for i in range(count))
    for k in range(8):
        own = [int(x.split()[1]) for x in lines if x.startswith(f"p{k} ")]
        assert own == list(range(count)), "the order of one writer"
    assert st.version == 8 * count - 1
    wait_equal(lambda: get(m / "log"), data)
    wait_equal(lambda: get(m2 / "log"), data)


def test_appenders_on_one_descriptor(m, zk):
    """Threads that share an open file, as a logger does."""
    zk.create("/log", b"")
    with opened(m / "log", os.O_WRONLY | os.O_APPEND) as fd:
        def add(k):
            for i in range(100):
                os.write(fd, b"%d:%d\n" % (k, i))
        run_threads(*[(add, k) for k in range(8)])
    lines = zk.get("/log")[0].split()
    assert sorted(lines) == sorted(
        b"%d:%d" % (k, i) for k in range(8) for i in range(100))


def test_huge_list_while_others_read(m, zk):
    """A list of 100,000 names comes whole, and others go on meanwhile."""
    count = sizes.stress(20_000, 100_000)
    tree.create_all(zk, [("/big", None)] + [
        (f"/big/{'n' * 50}{i:06}", b"") for i in range(count)])
    for i in range(200):
        zk.create(f"/f{i}", b"v%d" % i)
    took = []

    def read_another():
        i = len(took) % 200
        start = time.monotonic()
        assert get(m / f"f{i}") == b"v%d" % i
        took.append(time.monotonic() - start)

    with repeating(read_another):
        names = os.listdir(m / "big")
    assert len(names) == len(set(names)) == count
    assert took
    assert max(took) < 2 * SLOW, f"a read took {max(took):.2f} s"
    assert get(m / "big" / names[17]) == b""
    assert len(os.listdir(m / "big")) == count


def test_huge_list_changes_under_the_reader(m, zk):
    """What is there all the time is listed exactly once."""
    tree.create_all(zk, [("/d", None)] + [
        (f"/d/stays{i:05}", b"") for i in range(3000)])

    def come_and_go():
        zk.create("/d/comes", b"")
        zk.delete("/d/comes")

    with repeating(come_and_go):
        for _ in range(15):
            names = [e.name for e in os.scandir(m / "d")]
            assert len(names) == len(set(names))
            assert sum(n.startswith("stays") for n in names) == 3000


def test_rewinddir_lists_anew(m, zk):
    zk.create("/d", None)
    with opened(m / "d", os.O_RDONLY | os.O_DIRECTORY) as fd:
        assert os.listdir(fd) == []
        put(m / "d/new", b"")
        assert os.listdir(fd) == ["new"]


def test_removing_while_listing(m, zk):
    """readdir with deletions between, as rm -r does it."""
    tree.create_all(zk, [("/d", None)] +
                    [(f"/d/f{i:05}", b"") for i in range(2000)])
    seen = 0
    with os.scandir(m / "d") as entries:
        for e in entries:
            os.unlink(e.path)
            seen += 1
    assert seen == 2000
    assert zk.get_children("/d") == []
    os.rmdir(m / "d")


def kill_helpers(*mounts):
    for mnt in mounts:
        for pid in helpers(mnt.pid):
            procs.kill_quietly(pid, signal.SIGKILL)
    time.sleep(0.1)


@pytest.mark.parametrize("seed", range(3))
def test_random_operations_while_helpers_die(m, m2, zk, seed):
    with repeating(lambda: kill_helpers(m, m2)):
        test_random_operations_on_two_mounts(m, m2, zk, seed)


@pytest.mark.parametrize("seed", range(3))
def test_random_operations_on_two_mounts(m, m2, zk, seed):
    """Four threads at random; in the end both mounts show the true tree."""
    names = [f"n{i}" for i in range(6)]

    def work(mnt, seed):
        rng = random.Random(seed)
        for i in range(sizes.stress(250, 3000)):
            a = mnt / rng.choice(names)
            b = mnt / rng.choice(names)
            action = rng.choice(("put", "put", "append", "get", "unlink",
                                 "rename", "mkdir", "rmdir", "list", "stat"))
            try:
                if action == "put":
                    put(a, rng.randbytes(rng.choice((0, 1, 4096, 5000))))
                elif action == "append":
                    put(a, b"+", os.O_CREAT | os.O_APPEND)
                elif action == "rename":
                    os.rename(a, b)
                elif action == "list":
                    os.listdir(mnt)
                else:
                    {"get": get, "unlink": os.unlink, "mkdir": os.mkdir,
                     "rmdir": os.rmdir, "stat": os.stat}[action](a)
            except OSError as e:
                assert e.strerror in (
                    "No such file or directory", "File exists",
                    "Is a directory", "Not a directory",
                    "Directory not empty", "Stale file handle"), \
                    f"{action}: {e}"

    run_threads(*[(work, mnt, seed * 10 + k)
                  for k, mnt in enumerate((m, m2, m, m2))])

    truth = as_shown(zk)
    for mnt in (m, m2):
        wait_equal(lambda mnt=mnt: tree.differences(truth, shown(mnt)), [])


def as_shown(zk):
    """What a mount is to show of a tree of one level: name -> value."""
    return {path[1:]: data for path, data in tree.snapshot(zk).items()
            if path != "/"}


def shown(mnt):
    """The same as it does: None of a directory with nothing in it."""
    return {name: value(mnt / name) for name in os.listdir(mnt)}


def value(path):
    if not os.path.isdir(path):
        return get(path)
    names = os.listdir(path)
    return get(path / ".data") if names == [".data"] else names or None


def test_mkdir_race_has_one_winner(m, m2, zk):
    won = []

    def race(mnt):
        for i in range(100):
            try:
                os.mkdir(mnt / f"d{i}")
                won.append(i)
            except FileExistsError:
                pass

    run_threads((race, m), (race, m2), (race, m))
    assert sorted(won) == list(range(100))


def test_unlink_race_has_one_winner(m, m2, zk):
    tree.create_all(zk, [(f"/f{i}", b"") for i in range(100)])
    won = []

    def race(mnt):
        for i in range(100):
            try:
                os.unlink(mnt / f"f{i}")
                won.append(i)
            except FileNotFoundError:
                pass

    run_threads((race, m), (race, m2), (race, m))
    assert sorted(won) == list(range(100))
    with fails("ENOENT"):
        os.stat(m / "f0")


def test_thousands_in_flight(m, zk):
    """Cold reads of many files by many threads at once."""
    count = sizes.stress(3000, 20_000)
    tree.create_all(zk, [("/d", None)] +
                    [(f"/d/f{i}", b"%d" % i) for i in range(count)])

    def read(k):
        for i in range(k, count, 32):
            assert get(m / f"d/f{i}") == b"%d" % i

    run_threads(*[(read, k) for k in range(32)])


def test_many_new_files_from_many_processes(m, m2, zk):
    script = """
import os, sys
for i in range(100):
    with open(f"{sys.argv[1]}/{sys.argv[2]}-{i}", "w") as f:
        f.write(f"{i}\\n")
"""
    finish([spawn_python(script, (m, m2)[k % 2].path, k) for k in range(6)])
    want = {f"{k}-{i}": b"%d\n" % i for k in range(6) for i in range(100)}
    assert {p[1:]: d for p, d in tree.snapshot(zk).items() if p != "/"} == \
        want
    for mnt in (m, m2):
        wait_equal(lambda mnt=mnt: sorted(os.listdir(mnt)), sorted(want))
