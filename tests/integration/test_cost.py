# SPDX-License-Identifier: Apache-2.0
"""What an operation costs: requests, counted by the server.

A ping of one of the daemon's sessions can fall into a measurement, so each is
made several times on something equal, and the smallest count is taken.
"""

import os

import pytest

from harness.files import fails, get, ok, put, shell
from harness.tree import create_all

TIMES = 3
# Some of these hold without a cache too; all of them do with one.
needs_cache = pytest.mark.xfail(strict=False, reason="needs guarded caching")


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
def deep(zk):
    """A few equal paths a/b/c below directories of their own."""
    for i in range(TIMES):
        create_all(zk, [(f"/a{i}", None), (f"/a{i}/b", None),
                        (f"/a{i}/b/c", b"v")])


def test_cold_walk_stat_and_read(m, deep, cost):
    assert cost(lambda i: ok("cat", m / f"a{i}/b/c")) <= 3


@needs_cache
def test_warm_walk_stat_and_read(m, deep, cost):
    for i in range(TIMES):
        ok("cat", m / f"a{i}/b/c")
    assert cost(lambda i: ok("cat", m / f"a{i}/b/c")) == 0
    assert cost(lambda i: os.stat(m / f"a{i}/b/c")) == 0


def test_reading_a_large_value_is_one_request(m, zk, cost):
    for i in range(TIMES):
        zk.create(f"/f{i}", b"v" * 900_000)
    assert cost(lambda i: get(m / f"f{i}")) <= 2
    assert cost(lambda i: get(m / f"f{i}")) <= 1


def test_ls(m, zk, cost):
    for i in range(TIMES):
        create_all(zk, [(f"/d{i}", None)] +
                   [(f"/d{i}/{n}", b"v") for n in range(50)])
    assert cost(lambda i: len(os.listdir(m / f"d{i}"))) <= 2


@needs_cache
def test_ls_again(m, zk, cost):
    for i in range(TIMES):
        create_all(zk, [(f"/d{i}", None)] +
                   [(f"/d{i}/{n}", b"v") for n in range(50)])
        os.listdir(m / f"d{i}")
    assert cost(lambda i: len(os.listdir(m / f"d{i}"))) == 0


@needs_cache
@pytest.mark.parametrize("tool", [["ls", "-l"], ["find"],
                                  ["grep", "-r", "v"]])
def test_ls_l_find_grep(m, zk, cost, tool):
    n = 50
    for i in range(TIMES):
        create_all(zk, [(f"/d{i}", None)] +
                   [(f"/d{i}/{j}", b"v") for j in range(n)])
    assert cost(lambda i: ok(*tool, m / f"d{i}")) <= 2 + n + n // 10
    assert cost(lambda i: ok(*tool, m / f"d{i}")) == 0


@needs_cache
def test_name_that_is_not_there(m, zk, cost):
    def miss(i):
        with fails("ENOENT"):
            os.stat(m / f"d{i}/absent")

    for i in range(TIMES):
        zk.create(f"/d{i}", None)
        os.stat(m / f"d{i}")
    assert cost(miss) <= 1
    assert cost(miss) <= 1
    for i in range(TIMES):
        os.listdir(m / f"d{i}")
    assert cost(miss) == 0
    assert cost(miss) == 0


@needs_cache
@pytest.mark.parametrize("script", [
    'echo v > "$1/new"', 'echo v > "$1/old"', 'rm "$1/old"', 'mkdir "$1/dir"',
    'rmdir "$1/null"', 'mv "$1/old" "$1/moved"'])
def test_a_write_is_one_transaction_and_few_requests(m, zk, server, cost,
                                                     script):
    for i in range(TIMES):
        create_all(zk, [(f"/d{i}", None), (f"/d{i}/old", b"v"),
                        (f"/d{i}/null", None)])
        ok("ls", "-lR", m / f"d{i}")
    before = server.zxid()
    assert cost(lambda i: shell(script, m / f"d{i}")) <= 3
    assert server.zxid() == before + TIMES


@needs_cache
def test_reading_back_an_own_write_costs_at_most_one(m, zk, cost):
    for i in range(TIMES):
        put(m / f"f{i}", b"v%d" % i)
    assert cost(lambda i: get(m / f"f{i}")) <= 1
    assert cost(lambda i: get(m / f"f{i}")) == 0


@needs_cache
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
