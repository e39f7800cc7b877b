# SPDX-License-Identifier: Apache-2.0
"""user.zk.version written on an open descriptor: compare and set."""

import errno
import os
import subprocess
import sys
import threading

import pytest

from harness.files import fails, get, ok, opened, put, shell
from harness.wait import SLOW, wait_for

VERSION = "user.zk.version"


def version(where):
    return os.getxattr(where, VERSION)


def only_if(where, value):
    os.setxattr(where, VERSION, value)


@pytest.fixture
def f(m, zk):
    """A file of version 3, open for reading and writing."""
    zk.create("/f", b"0")
    for n in (b"1", b"2", b"3"):
        zk.set("/f", n)
    wait_for(lambda: get(m / "f") == b"3")
    with opened(m / "f", os.O_RDWR) as fd:
        yield fd


# -- what it does ------------------------------------------------------------

def test_a_commit_of_that_version(f, zk, server):
    only_if(f, b"3")
    with server.transactions(1):
        os.pwrite(f, b"4", 0)
    assert zk.get("/f")[0] == b"4"


def test_a_commit_of_another_version(f, zk):
    zk.set("/f", b"other")
    only_if(f, b"3")
    with fails("ESTALE"):
        os.pwrite(f, b"4", 0)
    assert zk.get("/f")[0] == b"other"


def test_of_an_older_and_of_a_newer_one(f, zk, server):
    for value in (b"2", b"4", b"-1", b"2147483647", b"-2147483647"):
        only_if(f, value)
        with server.transactions(0), fails("ESTALE"):
            os.pwrite(f, b"4", 0)
    assert zk.get("/f")[0] == b"3"


def test_it_is_used_up(f, zk):
    only_if(f, b"3")
    os.pwrite(f, b"4", 0)
    os.pwrite(f, b"5", 0)
    only_if(f, b"1")
    with fails("ESTALE"):
        os.pwrite(f, b"6", 0)
    os.pwrite(f, b"7", 0)
    assert zk.get("/f")[0] == b"7"


def test_the_last_one_counts(f, zk):
    only_if(f, b"1")
    only_if(f, b"3")
    os.pwrite(f, b"4", 0)
    assert zk.get("/f")[0] == b"4"


def test_it_can_be_taken_back(f, zk):
    only_if(f, b"1")
    os.removexattr(f, VERSION)
    os.pwrite(f, b"4", 0)
    assert zk.get("/f")[0] == b"4"
    os.removexattr(f, VERSION)


def test_a_znode_that_is_gone(f, zk):
    zk.delete("/f")
    only_if(f, b"3")
    with fails("ESTALE"):
        os.pwrite(f, b"4", 0)
    assert not zk.exists("/f")


def test_one_that_was_removed_here(f, m):
    os.unlink(m / "f")
    only_if(f, b"3")
    with fails("ESTALE"):
        os.pwrite(f, b"4", 0)


def test_another_one_of_the_same_version(f, zk):
    zk.delete("/f")
    zk.create("/f", b"another")
    for _ in range(3):
        zk.set("/f", b"another")
    only_if(f, b"3")
    with fails("ESTALE"):
        os.pwrite(f, b"4", 0)
    assert zk.get("/f")[0] == b"another"


def test_a_whole_value(m, zk, f):
    """O_TRUNC and ftruncate() wait for what is written then."""
    with opened(m / "f", os.O_WRONLY | os.O_TRUNC) as fd:
        only_if(fd, b"3")
        os.write(fd, b"whole")
        assert zk.get("/f")[0] == b"whole"
        os.ftruncate(fd, 0)
        only_if(fd, b"3")
    # What was cut off before is not subject to it.
    assert zk.get("/f")[0] == b""
    only_if(f, b"5")
    os.ftruncate(f, 0)
    os.pwrite(f, b"5+", 0)
    assert zk.get("/f")[0] == b"5+"
    only_if(f, b"5")
    os.ftruncate(f, 0)
    with fails("ESTALE"):
        os.pwrite(f, b"6", 0)
    assert zk.get("/f")[0] == b"5+"


def test_an_append(m, zk, f):
    with opened(m / "f", os.O_WRONLY | os.O_APPEND) as fd:
        only_if(fd, b"3")
        os.write(fd, b"+")
        only_if(fd, b"3")
        with fails("ESTALE"):
            os.write(fd, b"+")
    assert zk.get("/f")[0] == b"3+"


def test_what_is_gathered(f, zk):
    """It is the commit that is conditional, not the write."""
    only_if(f, b"3")
    os.pwrite(f, b"x" * 4096, 0)
    os.pwrite(f, b"y" * 4096, 4096)
    assert zk.get("/f")[0] == b"3"
    os.fsync(f)
    assert zk.get("/f")[0] == b"x" * 4096 + b"y" * 4096


def test_close_tells(m, zk, f):
    with fails("ESTALE"):
        with opened(m / "f", os.O_WRONLY) as fd:
            only_if(fd, b"1")
            os.write(fd, b"y" * 4096)
    assert zk.get("/f")[0] == b"3"


def test_it_is_not_about_what_was_written_before(m, zk, f):
    os.pwrite(f, b"x" * 4096, 0)
    only_if(f, b"4")
    os.pwrite(f, b"y" * 4096, 4096)
    assert zk.get("/f")[0] == b"x" * 4096
    os.fsync(f)
    assert zk.get("/f")[0] == b"x" * 4096 + b"y" * 4096
    # As when it was set after all was written, which is how copies do it.
    with opened(m / "f", os.O_WRONLY) as fd:
        os.write(fd, b"z" * 4096)
        only_if(fd, b"1")
    assert zk.get("/f")[0] == b"z" * 4096 + b"y" * 4096


def test_a_new_file_has_no_version(m, zk):
    with opened(m / "new", os.O_WRONLY | os.O_CREAT) as fd:
        only_if(fd, b"0")
        with fails("ESTALE"):
            os.write(fd, b"v")
    assert not zk.exists("/new")
    with opened(m / "excl", os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
        only_if(fd, b"0")
        os.write(fd, b"v")
    assert zk.get("/excl")[0] == b"v"


def test_a_directorys_data(m, zk):
    zk.create("/d", b"0")
    zk.create("/d/c", b"")
    wait_for(lambda: os.path.exists(m / "d/.data"))
    with opened(m / "d/.data", os.O_RDWR) as fd:
        only_if(fd, b"0")
        os.pwrite(fd, b"1", 0)
        only_if(fd, b"0")
        with fails("ESTALE"):
            os.pwrite(fd, b"2", 0)
    assert zk.get("/d")[0] == b"1"


@pytest.mark.parametrize("text", [b"", b"x", b"1x", b" 1", b"1\n", b"-", b"+1",
                                  b"0x1", b"2147483648", b"9" * 40])
def test_what_is_no_version(f, zk, text):
    with fails("EINVAL"):
        only_if(f, text)
    os.pwrite(f, b"4", 0)
    assert zk.get("/f")[0] == b"4"


# -- whose it is -------------------------------------------------------------

def test_without_a_descriptor(m, zk):
    zk.create("/f", b"v")
    wait_for(lambda: os.path.exists(m / "f"))
    with fails("ENOTSUP"):
        only_if(m / "f", b"0")
    with opened(m / "f", os.O_RDONLY) as fd, fails("ENOTSUP"):
        only_if(fd, b"0")


def test_it_is_dropped_at_close(m, zk, f):
    with opened(m / "f", os.O_WRONLY) as fd:
        only_if(fd, b"1")
        os.removexattr(f, VERSION)
        only_if(fd, b"1")
    os.removexattr(f, VERSION)
    with opened(m / "f", os.O_WRONLY) as fd:
        os.write(fd, b"4")
    with opened(m / "f", os.O_WRONLY | os.O_TRUNC) as fd:
        only_if(fd, b"1")
    wait_for(lambda: zk.get("/f")[0] == b"")


def test_descriptors_of_one_process_share_it(m, zk, f):
    with opened(m / "f", os.O_RDWR) as fd:
        only_if(fd, b"1")
        with fails("ESTALE"):
            os.pwrite(f, b"4", 0)
        os.pwrite(fd, b"5", 0)
        only_if(m / "f", b"4")
        os.pwrite(fd, b"6", 0)
        os.pwrite(f, b"7", 0)
    assert zk.get("/f")[0] == b"7"
    only_if(f, b"1")
    os.close(os.open(m / "f", os.O_RDWR))
    with fails("ESTALE"):
        os.pwrite(f, b"8", 0)


def test_threads_of_one_process_share_it(m, zk, f):
    def in_thread(call, *args):
        result = []
        t = threading.Thread(target=lambda: result.append(call(*args)))
        t.start()
        t.join()
        return result[0]

    # Whoever opened it need not live any more.
    fd = in_thread(os.open, m / "f", os.O_RDWR)
    in_thread(only_if, fd, b"1")
    with fails("ESTALE"):
        os.pwrite(fd, b"4", 0)
    only_if(fd, b"3")
    assert in_thread(os.pwrite, fd, b"5", 0) == 1
    os.close(fd)
    assert zk.get("/f")[0] == b"5"


OTHER = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
print("open", flush=True)
for line in sys.stdin:
    try:
        exec(line)
        print("ok", flush=True)
    except OSError as e:
        print(e.errno, flush=True)
"""


@pytest.fixture
def other(m, f):
    """A process of its own with a descriptor; other(code) is its answer."""
    p = subprocess.Popen([sys.executable, "-c", OTHER, m / "f"], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert p.stdout.readline() == "open\n"

    def ask(line):
        p.stdin.write(line + "\n")
        p.stdin.flush()
        return p.stdout.readline().strip()

    yield ask
    p.stdin.close()
    p.wait(10 * SLOW)
    p.stdout.close()


def test_processes_do_not(f, zk, other):
    assert other(f"os.setxattr(fd, '{VERSION}', b'1')") == "ok"
    os.pwrite(f, b"4", 0)
    assert other("os.pwrite(fd, b'5', 0)") == str(errno.ESTALE)
    only_if(f, b"1")
    assert other("os.pwrite(fd, b'6', 0)") == "ok"
    with fails("ESTALE"):
        os.pwrite(f, b"7", 0)
    assert zk.get("/f")[0] == b"6"


def test_a_shell(m, zk):
    """setfattr(1) opens nothing, and speaks for the shell that has it open."""
    zk.create("/f", b"1")
    wait_for(lambda: os.path.exists(m / "f"))
    script = """
        set -e
        exec 3<>"$1"
        version=$(getfattr --absolute-names --only-values -n "$2" "$1")
        read -r n <&3 || :
        setfattr -n "$2" -v "$version" "$1"
        if [ -n "$3" ]; then echo other > "$3/f"; fi
        echo $((n + 1)) >&3
    """
    # bash has read up to the end, so echo writes behind the old value.
    shell(script, m / "f", VERSION, "")
    assert zk.get("/f")[0] == b"12\n"


def test_a_shell_whose_value_has_changed(m, m2, zk):
    zk.create("/f", b"1\n")
    wait_for(lambda: os.path.exists(m / "f") and os.path.exists(m2 / "f"))
    script = """
        exec 3<"$1" 4<>"$1"
        version=$(getfattr --absolute-names --only-values -n "$2" "$1")
        read -r n <&3
        setfattr -n "$2" -v "$version" "$1" || exit 9
        echo other > "$3/f"
        echo $((n + 1)) >&4
    """
    done = shell(script, m / "f", VERSION, m2, check=False)
    assert done.returncode == 1 and "Stale file handle" in done.stderr
    assert zk.get("/f")[0] == b"other\n"


def test_setfattr_without_a_descriptor_says_so(m, zk):
    zk.create("/f", b"1")
    wait_for(lambda: os.path.exists(m / "f"))
    done = shell('setfattr -n "$2" -v 0 "$1"', m / "f", VERSION, check=False)
    assert done.returncode == 1 and "not supported" in done.stderr


# -- what it is for ----------------------------------------------------------

COUNTER = """
import errno, os, sys
path, times = sys.argv[1], int(sys.argv[2])
fd = os.open(path, os.O_RDWR)
lost = 0
while times:
    version = os.getxattr(fd, "user.zk.version")
    n = int(os.pread(fd, 100, 0))
    os.setxattr(fd, "user.zk.version", version)
    try:
        os.pwrite(fd, b"%20d" % (n + 1), 0)
        times -= 1
    except OSError as e:
        if e.errno != errno.ESTALE:
            raise
        lost += 1
print(lost)
"""


@pytest.mark.deadline(120)
def test_counters_are_exact(m, m2, zk):
    times, processes = 25, 8
    zk.create("/n", b"%20d" % 0)
    wait_for(lambda: os.path.exists(m / "n") and os.path.exists(m2 / "n"))
    running = [subprocess.Popen(
        [sys.executable, "-c", COUNTER, (m, m2)[i % 2] / "n", str(times)],
        stdout=subprocess.PIPE, text=True) for i in range(processes)]
    lost = 0
    for p in running:
        out, _ = p.communicate(timeout=100 * SLOW)
        assert p.returncode == 0
        lost += int(out)
    value, stat = zk.get("/n")
    assert int(value) == stat.version == times * processes
    assert lost > 0, "nobody was in anybody's way"


def test_a_counter_without_a_rival_never_waits(m, zk):
    zk.create("/n", b"%20d" % 0)
    wait_for(lambda: os.path.exists(m / "n"))
    assert ok(sys.executable, "-c", COUNTER, m / "n", "20") == "0\n"
    assert zk.get("/n")[1].version == 20
