# SPDX-License-Identifier: Apache-2.0
"""What an operation costs: requests, counted by the server.

A ping of one of the daemon's sessions can fall into a measurement, so each is
made several times on something equal, and the smallest count is taken.
"""

import os

import pytest

from harness import sizes
from harness.files import fails, get, ok, opened, put, shell
from harness.status import status
from harness.tree import create_all
from harness.wait import wait_for

TIMES = 3


@pytest.fixture
def cost(server, zk, zkroot):
    """cost(f): the fewest requests for f(i), i = 0, 1, ..."""
    def measure(operation, times=TIMES):
        counts = []
        for i in range(times):
            with server.requests(zk, zkroot) as count:
                operation(i)
            counts.append(count.n)
        return min(counts)

    return measure


@pytest.fixture
def top(m, zk):
    """A top-level directory that has been touched: its subtree is watched."""
    zk.create("/t", None)
    wait_for(lambda: os.path.isdir(m / "t"), what="the directory")
    return m / "t"


@pytest.fixture
def deep(zk, top):
    """A few equal paths a/b/c below directories of their own."""
    for i in range(TIMES):
        create_all(zk, [(f"/t/a{i}", None), (f"/t/a{i}/b", None),
                        (f"/t/a{i}/b/c", b"v")])
    return top


def test_cold_walk_stat_and_read(deep, cost):
    assert cost(lambda i: ok("cat", deep / f"a{i}/b/c")) <= 3


def test_first_touch_of_a_top_level_name_also_sets_the_watch(m, zk, cost):
    for i in range(TIMES):
        zk.create(f"/f{i}", b"v")
    assert cost(lambda i: ok("cat", m / f"f{i}")) <= 2


def test_warm_walk_stat_and_read(deep, cost):
    # As soon as all has been told of how it came to be.
    wait_for(lambda: cost(lambda i: ok("cat", deep / f"a{i}/b/c")) == 0,
             what="a walk that costs nothing")
    wait_for(lambda: cost(lambda i: os.stat(deep / f"a{i}/b/c")) == 0,
             what="a stat that costs nothing")


def test_reading_a_large_value_is_one_request(m, zk, cost):
    for i in range(TIMES):
        zk.create(f"/f{i}", b"v" * 900_000)
    assert cost(lambda i: get(m / f"f{i}")) <= 2
    assert cost(lambda i: get(m / f"f{i}")) <= 1


def test_ls(top, zk, cost):
    for i in range(TIMES):
        create_all(zk, [(f"/t/d{i}", None)] +
                   [(f"/t/d{i}/{n}", b"v") for n in range(50)])
    assert cost(lambda i: len(os.listdir(top / f"d{i}"))) <= 2


def test_ls_again(m, zk, cost):
    for i in range(TIMES):
        create_all(zk, [(f"/d{i}", None)] +
                   [(f"/d{i}/{n}", b"v") for n in range(50)])
    # As soon as everything about the new directories has been told.
    wait_for(lambda: cost(lambda i: os.listdir(m / f"d{i}")) == 0,
             what="listings that cost nothing")


@pytest.mark.parametrize("tool", [["ls", "-l"], ["find"],
                                  ["grep", "-r", "v"]])
def test_ls_l_find_grep(m, zk, cost, tool):
    n = 50
    for i in range(TIMES):
        create_all(zk, [(f"/d{i}", None)] +
                   [(f"/d{i}/{j}", b"v") for j in range(n)])
    assert cost(lambda i: ok(*tool, m / f"d{i}")) <= 2 + n + n // 10
    wait_for(lambda: cost(lambda i: ok(*tool, m / f"d{i}")) == 0,
             what="a second time that costs nothing")


def test_name_that_is_not_there(m, zk, cost):
    def miss(i):
        with fails("ENOENT"):
            os.stat(m / f"d{i}/absent")

    for i in range(TIMES):
        zk.create(f"/d{i}", None)
        os.stat(m / f"d{i}")
    wait_for(lambda: cost(lambda i: None) == 0, what="all has been told")
    assert cost(miss) <= 1
    assert cost(miss) <= 1
    for i in range(TIMES):
        os.listdir(m / f"d{i}")
    wait_for(lambda: cost(miss) == 0, what="absent names for nothing")
    assert cost(miss) == 0


@pytest.mark.parametrize("script", [
    'echo v > "$1/new"', 'echo v > "$1/old"', 'rm "$1/old"', 'mkdir "$1/dir"',
    'rmdir "$1/null"'])
def test_a_write_is_one_transaction_and_few_requests(m, zk, server, cost,
                                                     script):
    for i in range(TIMES):
        create_all(zk, [(f"/d{i}", None), (f"/d{i}/old", b"v"),
                        (f"/d{i}/null", None)])
        ok("ls", "-lR", m / f"d{i}")
    before = server.zxid()
    assert cost(lambda i: shell(script, m / f"d{i}")) <= 3
    assert server.zxid() == before + TIMES


def test_mv_is_one_transaction(m, zk, server, cost):
    """Besides: value, ACL and children of the source, and the target."""
    for i in range(TIMES):
        create_all(zk, [(f"/d{i}", None), (f"/d{i}/old", b"v")])
    wait_for(lambda: cost(lambda i: ok("ls", "-lR", m / f"d{i}")) == 0,
             what="all is known")
    before = server.zxid()
    assert cost(lambda i: ok("mv", m / f"d{i}/old", m / f"d{i}/new")) <= 5
    assert server.zxid() == before + TIMES


def test_reading_back_an_own_write_costs_at_most_one(top, cost):
    for i in range(TIMES):
        put(top / f"f{i}", b"v%d" % i)
    assert cost(lambda i: get(top / f"f{i}")) <= 1
    assert cost(lambda i: get(top / f"f{i}")) == 0


def test_a_path_through_a_huge_directory(m, zk, cost):
    create_all(zk, [("/big", None)] +
               [(f"/big/n{i:06}", b"v") for i in range(3000)])
    assert cost(lambda i: get(m / f"big/n{i:06}")) <= 2
    assert cost(lambda i: get(m / f"big/n{i:06}")) == 0


def test_remote_change_costs_at_most_one_read(m, zk, cost):
    for i in range(TIMES):
        zk.create(f"/f{i}", b"old")
        get(m / f"f{i}")

    def change_and_read(i):
        zk.set(f"/f{i}", b"new")
        while get(m / f"f{i}") != b"new":
            pass

    assert cost(change_and_read) <= 1


# -- reading ahead --


def test_who_lists_and_another_who_reads_one(top, zk, cost):
    """A machine is told only of what it uses."""
    for i in range(TIMES):
        create_all(zk, [(f"/t/d{i}", None)] +
                   [(f"/t/d{i}/{j:03}", b"v") for j in range(100)])
    wait_for(lambda: cost(lambda i: ok("ls", top / f"d{i}")) == 0,
             what="all has been told")
    assert cost(lambda i: ok("cat", top / f"d{i}/050")) <= 1


def test_who_stops_early_has_cost_little(top, zk, cost):
    for i in range(TIMES):
        create_all(zk, [(f"/t/d{i}", None)] +
                   [(f"/t/d{i}/{j:03}", b"v") for j in range(500)])

    def look_at_two(i):
        for name in os.listdir(top / f"d{i}")[:2]:
            os.stat(top / f"d{i}" / name)
        wait_for(lambda: status(top.parent)["requests_in_flight"] == 0)

    assert cost(look_at_two) <= 2 + 2 * 4


def test_who_goes_on_reads_nothing_twice(top, zk, cost):
    n = sizes.stress(1000, 1000)        # not so many that pings are counted
    for i in range(TIMES):
        create_all(zk, [(f"/t/d{i}", None)] +
                   [(f"/t/d{i}/{j:04}", b"v") for j in range(n)])
    # An event that comes after the first look costs a second one.
    wait_for(lambda: status(top.parent)["feed_events"] >= TIMES * (1 + n),
             what="all has been told")
    assert cost(lambda i: ok("grep", "-r", "v", top / f"d{i}")) <= 2 + n
    assert cost(lambda i: ok("grep", "-r", "v", top / f"d{i}")) == 0


# -- messages of the kernel to the daemon --


@pytest.fixture
def messages(m):
    """messages(f, n): how many n calls of f cause.

    The fewest of a few tries, less those of looking at the status.  The root
    is asked about once a second.
    """
    def measure(operation, n):
        counts = []
        for _ in range(TIMES):
            marks = [status(m)["messages"], status(m)["messages"]]
            for _ in range(n):
                operation()
            marks.append(status(m)["messages"])
            counts.append(marks[2] - marks[1] - (marks[1] - marks[0]))
        return min(counts)

    return measure


@pytest.fixture
def warm(deep, messages):
    """A file that has been read; after a read, the kernel asks for atime."""
    path = deep / "a0/b/c"

    def is_kept():
        get(path)
        os.listdir(path.parent)
        os.stat(path)
        return messages(lambda: os.stat(path), 5) <= 1

    wait_for(is_kept, what="the kernel keeps what it has been told")
    return path


def test_stat_again_is_answered_by_the_kernel(warm, messages):
    assert messages(lambda: os.stat(warm), 50) <= 1


def test_names_again_are_answered_by_the_kernel(warm, messages):
    assert messages(lambda: os.access(warm, os.R_OK), 50) <= 1


def test_open_read_close_again_is_open_read_and_release(warm, messages):
    """Nobody waits for the release, and there is no flush."""
    def read():
        with opened(warm, os.O_RDONLY) as fd:
            assert os.read(fd, 4096) == b"v"

    assert messages(read, 50) <= 3 * 50 + 1


def test_a_new_file_is_six_messages(top, messages):
    """The directory's attributes, LOOKUP, CREATE, WRITE, FLUSH, RELEASE."""
    names = iter(range(1000))

    def create():
        put(top / f"n{next(names)}", b"v")

    # The kernel asks for one thing more if its clock's tick is in between.
    assert messages(create, 50) <= 6 * 50 + 5


def test_list_again_is_opendir_and_releasedir(warm, messages):
    assert messages(lambda: os.listdir(warm.parent), 50) <= 2 * 50 + 1
