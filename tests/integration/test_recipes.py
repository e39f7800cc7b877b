# SPDX-License-Identifier: Apache-2.0
"""The recipes of scripts/recipes, on two mounts, with deaths in the middle."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from harness import procs
from harness.files import ok
from harness.wait import SLOW, wait_equal, wait_for

RECIPES = pathlib.Path(__file__).resolve().parents[2] / "scripts/recipes"
NEEDED = ("inotifywait", "setpriv", "bash")

pytestmark = [
    pytest.mark.skipif(not all(map(shutil.which, NEEDED)),
                       reason=f"one of {NEEDED} is missing"),
    pytest.mark.deadline(120),
]


@pytest.fixture
def recipe(tmp):
    """recipe(name, arg...): a process in a session of its own."""
    running = []

    def start(name, *args, **kwargs):
        proc = subprocess.Popen(
            [RECIPES / name, *map(os.fspath, args)], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            start_new_session=True, **kwargs)
        running.append(proc)
        return proc

    yield start
    for proc in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(proc.pid, signal.SIGKILL)
        proc.wait()
        proc.stdout.close()
        wait_for(lambda p=proc: not procs.of_session(p.pid), 10,
                 "the recipe's processes are gone")


@pytest.fixture
def log(tmp):
    """A file on disk that the commands write to; its lines, when called."""
    path = tmp / "log"
    path.touch()

    def lines():
        return path.read_text().splitlines()

    lines.path = path
    return lines


def says(log, word, then="exec sleep 1000"):
    """A command that writes @word into the log."""
    return "sh", "-c", f'echo {word} >>"$0"; {then}', log.path


def die(proc):
    """kill -9 of the process that was started, and of nothing else."""
    proc.kill()
    proc.wait()


@pytest.fixture
def mortal(mount, source):
    """A mount whose daemon is killed, and whose session ends soon then."""
    m = mount(source, "session_timeout=1", allow=".")
    yield m
    m.destroy()


def children(zk, path):
    return sorted(zk.get_children(path))


# -- leader election ---------------------------------------------------------

@pytest.fixture
def election(zk):
    zk.create("/e", None)


def queued(zk, n):
    wait_for(lambda: len(zk.get_children("/e")) == n, 20 * SLOW,
             f"{n} candidates")


def candidates(recipe, zk, log, *mounts):
    """One on each mount, in this order in line."""
    procs_ = []
    for i, m in enumerate(mounts):
        procs_.append(recipe("elect", m / "e", *says(log, i)))
        queued(zk, i + 1)
    return procs_


def test_one_leads_after_the_other(m, m2, zk, election, recipe, log):
    first, second, third = candidates(recipe, zk, log, m, m2, m)
    wait_equal(log, ["0"], 20)
    die(second)                 # one in the middle of the line
    queued(zk, 2)
    assert log() == ["0"]
    die(first)                  # the leader: his command goes with him
    wait_equal(log, ["0", "2"], 20)
    queued(zk, 1)
    assert third.poll() is None


def test_a_leader_that_is_done_gives_way(m, m2, zk, election, recipe, log):
    go = log.path.with_name("go")
    wait = f'until [ -e "{go}" ]; do sleep .1; done; exit 7'
    first = recipe("elect", m / "e", *says(log, "first", wait))
    queued(zk, 1)
    second = recipe("elect", m2 / "e", *says(log, "second", "exit 0"))
    queued(zk, 2)
    wait_equal(log, ["first"], 20)
    go.touch()
    assert first.wait(20 * SLOW) == 7
    assert second.wait(20 * SLOW) == 0
    assert log() == ["first", "second"]
    queued(zk, 0)


def test_a_leader_whose_daemon_dies(m, mortal, zk, election, recipe, log):
    first, second = candidates(recipe, zk, log, mortal, m)
    wait_equal(log, ["0"], 20)
    mortal.kill()
    wait_equal(log, ["0", "1"], 30)
    assert first.wait(30 * SLOW) != 0       # and does not lead any more
    assert second.poll() is None


def test_a_leader_that_loses_its_session(m, mortal, zk, election, recipe,
                                         log):
    first, second = candidates(recipe, zk, log, mortal, m)
    wait_equal(log, ["0"], 20)
    mortal.kill(signal.SIGSTOP)
    wait_equal(log, ["0", "1"], 30)
    mortal.kill(signal.SIGCONT)
    assert first.wait(30 * SLOW) == 1
    assert second.poll() is None
    queued(zk, 1)


def test_many_candidates(m, m2, zk, election, recipe, log):
    """Each leads once, one at a time, although half of them die waiting."""
    command = says(log, "in", f'sleep .1; echo out >>"{log.path}"')
    all_of_them = [recipe("elect", (m, m2)[i % 2] / "e", *command)
                   for i in range(8)]
    for proc in all_of_them[4:]:
        die(proc)
    for proc in all_of_them[:4]:
        assert proc.wait(60 * SLOW) == 0
    queued(zk, 0)
    lines = log()
    assert lines.count("out") >= 4
    # One that died while it led has said "in" and nothing more.
    assert all(line == "in" for line, next_ in zip(lines, lines[1:])
               if next_ == "out")


# -- membership --------------------------------------------------------------

def test_members_come_and_go(m, m2, zk, recipe):
    zk.create("/g", None)
    a = recipe("member", m / "g", "a", "sleep", "1000")
    b = recipe("member", m2 / "g", "b", "sleep", "1000")

    def seen(mnt):
        return sorted(name[:-11] for name in os.listdir(mnt / "g"))

    for mnt in (m, m2):
        wait_equal(lambda mnt=mnt: seen(mnt), ["a", "b"], 20)
    entry = [name for name in os.listdir(m2 / "g") if name[0] == "a"][0]
    assert ok("cat", m2 / "g" / entry).split()[1].isdigit()
    die(a)
    for mnt in (m, m2):
        wait_equal(lambda mnt=mnt: seen(mnt), ["b"], 20)
    die(b)
    wait_equal(lambda: zk.get_children("/g"), [], 20)


def test_a_member_whose_daemon_dies(m, mortal, zk, recipe, log):
    zk.create("/g", None)
    proc = recipe("member", mortal / "g", "a", *says(log, "here"))
    wait_equal(log, ["here"], 20)
    assert len(os.listdir(m / "g")) == 1
    mortal.kill()
    wait_equal(lambda: os.listdir(m / "g"), [], 30)
    assert proc.poll() is None


def test_a_member_ends(m, zk, recipe):
    zk.create("/g", None)
    assert recipe("member", m / "g", "a", "sh", "-c",
                  "exit 3").wait(20 * SLOW) == 3
    wait_equal(lambda: zk.get_children("/g"), [], 20)


# -- barrier -----------------------------------------------------------------

def test_a_barrier(m, m2, mortal, zk, recipe):
    zk.create("/b", None)

    def arrive(mnt):
        before = len(waiting())
        proc = recipe("barrier", mnt / "b", "3")
        wait_for(lambda: len(waiting()) > before, 20, "it waits")
        return proc

    def waiting():
        return zk.get_children("/b/at") if zk.exists("/b/at") else []

    first = arrive(m)
    dead = arrive(m2)
    die(dead)
    wait_equal(lambda: len(waiting()), 1, 20)
    arrive(mortal)
    mortal.kill()
    wait_equal(lambda: len(waiting()), 1, 30)
    second = arrive(m2)
    assert not zk.exists("/b/open")
    assert first.poll() is None and second.poll() is None
    third = recipe("barrier", m / "b", "3")
    for proc in (first, second, third):
        assert proc.wait(20 * SLOW) == 0
    assert zk.exists("/b/open")
    assert recipe("barrier", m2 / "b", "3").wait(20 * SLOW) == 0
    wait_equal(waiting, [], 20)


def test_many_at_a_barrier(m, m2, zk, recipe):
    zk.create("/b", None)
    all_of_them = [recipe("barrier", (m, m2)[i % 2] / "b", "8")
                   for i in range(8)]
    for proc in all_of_them:
        assert proc.wait(60 * SLOW) == 0


# -- queue -------------------------------------------------------------------

@pytest.fixture
def put(zk):
    zk.create("/q", None)

    def put_job(mnt, job):
        return ok(RECIPES / "queue-put", mnt / "q", job).strip()

    return put_job


def left(zk):
    return children(zk, "/q/jobs") + children(zk, "/q/claims")


DO = ("sh", "-c", 'cat >>"$0"')


def test_a_queue(m, m2, zk, put, recipe, log):
    assert put(m, "one") == "q/jobs/job-0000000000"
    assert zk.get("/q/jobs/job-0000000000")[0] == b"one\n"
    put(m2, "two")
    recipe("queue-work", m / "q", *DO, log.path)
    wait_equal(log, ["one", "two"], 20)
    put(m2, "three")            # while somebody waits for it
    wait_equal(log, ["one", "two", "three"], 20)
    wait_equal(lambda: left(zk), [], 20)


def test_many_workers(m, m2, zk, put, recipe, log):
    """Nobody dies: each job is worked on once."""
    for i in range(4):
        recipe("queue-work", (m, m2)[i % 2] / "q", *DO, log.path)
    jobs = [f"job {i}" for i in range(24)]
    for i, job in enumerate(jobs):
        put((m, m2)[i % 2], job)
    wait_for(lambda: len(log()) >= len(jobs), 60)
    wait_equal(lambda: left(zk), [], 20)
    assert sorted(log()) == sorted(jobs)


def crashing(log):
    """A command that says what it got, and then works for ever."""
    return "sh", "-c", 'sed "s/^/got /" >>"$0"; exec sleep 1000', log.path


def test_a_worker_that_dies(m, m2, zk, put, recipe, log):
    put(m, "one")
    worker = recipe("queue-work", m / "q", *crashing(log))
    wait_equal(log, ["got one"], 20)
    recipe("queue-work", m2 / "q", *DO, log.path)
    put(m, "two")
    wait_equal(log, ["got one", "two"], 20)
    wait_equal(lambda: children(zk, "/q/claims"), ["job-0000000000"], 20)
    die(worker)
    wait_equal(log, ["got one", "two", "one"], 20)
    wait_equal(lambda: left(zk), [], 20)


def test_a_worker_whose_daemon_dies(m, mortal, zk, put, recipe, log):
    put(m, "one")
    recipe("queue-work", mortal / "q", *crashing(log))
    wait_equal(log, ["got one"], 20)
    recipe("queue-work", m / "q", *DO, log.path)
    wait_for(lambda: procs.running_on(m / "q"))
    mortal.kill()
    wait_equal(log, ["got one", "one"], 30)
    wait_equal(lambda: left(zk), [], 20)


def test_a_command_that_fails(m, m2, zk, put, recipe, log):
    put(m, "one")
    worker = recipe("queue-work", m / "q", "sh", "-c", "exit 9")
    assert worker.wait(20 * SLOW) == 9
    wait_equal(lambda: left(zk), ["job-0000000000"], 20)
    recipe("queue-work", m2 / "q", *DO, log.path)
    wait_equal(log, ["one"], 20)


def test_workers_that_die_all_the_time(m, m2, zk, put, recipe, log):
    """Nothing is lost, whenever kill -9 comes."""
    jobs = [f"job {i}" for i in range(12)]
    for job in jobs:
        put(m, job)
    slow = ("sh", "-c", 'sleep .05; cat >>"$0"', log.path)
    end = time.monotonic() + 60 * SLOW
    turn = 0
    while children(zk, "/q/jobs") and time.monotonic() < end:
        worker = recipe("queue-work", (m, m2)[turn % 2] / "q", *slow)
        turn += 1
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait((0.3 + turn % 7 / 20) * SLOW)
        die(worker)
    assert set(log()) == set(jobs)
    wait_equal(lambda: left(zk), [], 20)


@pytest.mark.parametrize("name", ["elect", "member", "barrier", "queue-put",
                                  "queue-work", "on-change"])
@pytest.mark.parametrize("args", [[], ["--help"]], ids=["nothing", "help"])
def test_says_what_it_wants(name, args):
    done = subprocess.run([RECIPES / name, *args], capture_output=True,
                          text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"usage: {name} ")
    assert done.stderr.count("\n") == 1
