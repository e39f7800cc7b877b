# SPDX-License-Identifier: Apache-2.0
"""`.sequential` and `.ephemeral-sequential`: the server chooses the name."""

import os
import re
import signal
import subprocess

import pytest

from harness.files import append, fails, ok, opened, put, run, shell, slurp
from harness.inotify import Inotify
from harness.model import Watcher, as_tree, differences
from harness.tree import snapshot
from harness.wait import SLOW, wait_equal, wait_for

SEQ = ".sequential/queue"
EPH = ".ephemeral-sequential/queue"
RDWR = os.O_RDWR | os.O_CREAT


@pytest.fixture(autouse=True)
def queue(zk):
    zk.create("/queue", None)


def names(zk):
    return sorted(zk.get_children("/queue"), key=lambda n: n[-10:])


def values(zk):
    return [zk.get(f"/queue/{n}")[0] for n in names(zk)]


def owner(zk, name):
    return zk.exists(f"/{name}").ephemeralOwner


# -- making and reading back -------------------------------------------------

@pytest.mark.parametrize("program", ["bash", "dash"])
def test_write_and_read_back_in_a_shell(m, zk, server, program):
    script = (f"exec 3<>{SEQ}/task- && echo job >&3 && read -r name <&3 && "
              'printf %s "$name"')
    with server.transactions(1):
        name = ok(program, "-c", script, cwd=m.path)
    assert name == "queue/task-0000000000"
    data, st = zk.get("/" + name)
    assert (data, st.version, st.ephemeralOwner) == (b"job\n", 0, 0)


def test_the_name_is_a_path_in_the_mount(m, zk):
    out = shell(f"exec 3<>{SEQ}/t-; echo job >&3; read -r n <&3; "
                'cat "$n"; rm "$n"; cat <&3', cwd=m.path)
    assert out == "job\n"       # and the name has been read to its end
    assert names(zk) == []


def test_write_and_read_back_in_python(m, zk):
    with open(m / SEQ / "task-", "w+", encoding="utf-8") as f:
        f.write("job")
        f.flush()
        name = f.read()
    assert name == "queue/task-0000000000\n"
    assert values(zk) == [b"job"]


def test_the_value_and_then_the_path(m, zk):
    with opened(m / SEQ / "task-", RDWR) as fd:
        os.write(fd, b"job\n")
        whole = b"job\nqueue/task-0000000000\n"
        assert os.pread(fd, 100, 0) == whole
        for i in range(len(whole) + 1):
            assert os.pread(fd, 3, i) == whole[i:i + 3]
        assert os.pread(fd, 100, 1000) == b""
        assert os.fstat(fd).st_size == 4


def test_a_byte_at_a_time(m):
    with opened(m / SEQ / "task-", RDWR) as fd:
        os.write(fd, b"job\n")
        assert b"".join(iter(lambda: os.read(fd, 1), b"")) == \
            b"queue/task-0000000000\n"


def test_reading_commits_what_was_not_written(m, zk, server):
    with server.transactions(1):
        with opened(m / SEQ / "task-", RDWR) as fd:
            assert slurp(fd) == b"queue/task-0000000000\n"
            assert values(zk) == [b""]
    assert values(zk) == [b""]


def test_reading_commits_what_was_gathered(m, zk, server):
    with server.transactions(1):
        with opened(m / SEQ / "task-", RDWR) as fd:
            os.write(fd, b"x" * 8192)
            assert names(zk) == []
            assert slurp(fd) == b"queue/task-0000000000\n"
    assert values(zk) == [b"x" * 8192]


def test_the_name_is_not_wanted(m, zk, server, tmp):
    (tmp / "file").write_bytes(b"y" * 200000)
    with server.transactions(1):
        shell(f"echo 1 >{SEQ}/a-", cwd=m.path)
    with server.transactions(1):
        shell(f"echo 2 >>{SEQ}/a-", cwd=m.path)
    with server.transactions(1):
        shell(f'cat "$1" >{SEQ}/a-', tmp / "file", cwd=m.path)
    with server.transactions(1):
        shell(f'cp "$1" {SEQ}/a-', tmp / "file", cwd=m.path)
    with server.transactions(1):
        with open(m / SEQ / "a-", "w", encoding="utf-8") as f:
            f.write("3")
    with server.transactions(1):
        shell(f"printf 4 | dd of={SEQ}/a- status=none", cwd=m.path)
    with server.transactions(1):
        put(m / SEQ / "a-", b"5", os.O_CREAT | os.O_EXCL)
    big = b"y" * 200000
    assert values(zk) == [b"1\n", b"2\n", big, big, b"3", b"4", b"5"]
    assert all(re.fullmatch(r"a-\d{10}", n) for n in names(zk))


def test_mv_into_it(m, zk, tmp):
    (tmp / "file").write_bytes(b"job")
    ok("mv", tmp / "file", m / SEQ / "a-")
    put(m / "here", b"other")
    ok("mv", m / "here", m / SEQ / "a-")
    assert values(zk) == [b"job", b"other"]
    assert not zk.exists("/here") and not (tmp / "file").exists()


def test_without_data(m, zk):
    shell(f": >{SEQ}/a-", cwd=m.path)
    wait_equal(lambda: names(zk), ["a-0000000000"])
    ok("touch", m / SEQ / "a-")
    wait_equal(lambda: names(zk), ["a-0000000000", "a-0000000001"])
    assert values(zk) == [b"", b""]


def test_nothing_is_there_before_the_commit(m, zk):
    with opened(m / SEQ / "a-", RDWR) as fd:
        assert names(zk) == [] == os.listdir(m / "queue")
        assert not os.path.exists(m / "queue/a-")
        assert not os.path.exists(m / SEQ / "a-")
        assert os.fstat(fd).st_size == 0
        os.write(fd, b"v")
        assert names(zk) == ["a-0000000000"] == os.listdir(m / "queue")


def test_names_that_are_not_plain(m, zk):
    long = "n" * 250
    for prefix in ("%2Edata", "a b", "日本-", long):
        out = shell('exec 3<>"$1"; echo v >&3; read -r n <&3; cat "$n"; '
                    'printf %s "$n"', f"{SEQ}/{prefix}", cwd=m.path)
        assert out.startswith("v\nqueue/")
    assert names(zk) == [".data0000000000", "a b0000000001",
                         "日本-0000000002", long + "0000000003"]


def test_at_the_root(m, zk):
    shell("exec 3<>.sequential/r-; echo v >&3; read -r n <&3; "
          '[ "$n" = r-0000000001 ] && cat "$n"', cwd=m.path)
    assert zk.get("/r-0000000001")[0] == b"v\n"


# -- several opens, several writes -------------------------------------------

def test_each_open_makes_one(m, zk):
    fds = [os.open(m / SEQ / "a-", RDWR) for _ in range(5)]
    for i, fd in reversed(list(enumerate(fds))):
        os.write(fd, b"%d" % i)
    got = [slurp(fd) for fd in fds]
    for fd in fds:
        os.close(fd)
    assert got == [b"queue/a-%010d\n" % (4 - i) for i in range(5)]
    assert values(zk) == [b"4", b"3", b"2", b"1", b"0"]


WORKER = """
for i in 1 2 3 4 5 6 7 8; do
	exec 3<>"$1" && echo "$2-$i" >&3 && read -r name <&3 || exit 1
	echo "$name $2-$i"
done
"""


@pytest.mark.parametrize("many", [2, 16])
def test_processes_at_once(m, m2, zk, many):
    workers = [subprocess.Popen(
        ["bash", "-c", WORKER, "bash", (m, m2)[i % 2] / SEQ / "a-", str(i)],
        stdout=subprocess.PIPE, text=True) for i in range(many)]
    lines = []
    for worker in workers:
        out, _ = worker.communicate(timeout=60 * SLOW)
        assert worker.returncode == 0
        lines += out.splitlines()
    got = dict(line.split() for line in lines)
    assert len(got) == len(lines) == 8 * many
    assert {f"queue/{n}": zk.get(f"/queue/{n}")[0].decode().strip()
            for n in names(zk)} == got


def test_a_later_write_is_a_set(m, zk, server):
    with opened(m / SEQ / "a-", RDWR) as fd:
        os.write(fd, b"one\n")
        with server.transactions(1):
            os.write(fd, b"two\n")
        assert slurp(fd) == b"queue/a-0000000000\n"
        assert values(zk) == [b"one\ntwo\n"]
        with fails("EINVAL"):
            os.write(fd, b"behind the name")
        assert values(zk) == [b"one\ntwo\n"]
        os.pwrite(fd, b"ONE\n", 0)
        assert values(zk) == [b"ONE\ntwo\n"]
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"3", 0)
        assert values(zk) == [b"3"]
    assert names(zk) == ["a-0000000000"]


def test_append_goes_on(m, zk):
    shell(f"{{ echo a; echo b; echo c; }} >>{SEQ}/a-", cwd=m.path)
    assert values(zk) == [b"a\nb\nc\n"]


def test_written_through_a_second_descriptor(m, zk):
    with opened(m / SEQ / "a-", RDWR) as fd:
        put(f"/proc/self/fd/{fd}", b"v", 0)
        assert values(zk) == [b"v"]
        assert os.pread(fd, 100, 0).endswith(b"queue/a-0000000000\n")
    assert values(zk) == [b"v"]


def test_deleted_by_others_while_open(m, zk):
    with opened(m / SEQ / "a-", RDWR) as fd:
        os.write(fd, b"v")
        zk.delete("/queue/a-0000000000")
        assert slurp(fd) == b"queue/a-0000000000\n"
        with fails("ENOENT"):
            os.pwrite(fd, b"again", 0)
    assert names(zk) == []


def test_open_when_the_mount_ends(m, zk):
    fd = os.open(m / SEQ / "a-", RDWR)
    os.write(fd, b"x" * 4096)
    m.kill(signal.SIGTERM)
    m.wait()
    assert values(zk) == [b"x" * 4096]
    with fails("ENOTCONN"):
        os.close(fd)


# -- ephemeral ---------------------------------------------------------------

def test_ephemeral(m, zk):
    out = shell(f"exec 3<>{EPH}/m-; echo me >&3; cat <&3; "
                "find .ephemeral -type f", cwd=m.path)
    name = "queue/m-0000000000"
    assert out == f"{name}\n.ephemeral/{name}\n"
    assert owner(zk, name)
    shell('echo more >> "$1"', m / ".ephemeral" / name)
    assert zk.get("/" + name)[0] == b"me\nmore\n"
    m.stop()
    assert names(zk) == []


def test_touch_makes_what_the_view_says(m, zk):
    ok("touch", m / ".ephemeral/queue/e", m / EPH / "s-")
    assert sorted(names(zk)) == ["e", "s-0000000001"]
    assert all(owner(zk, f"queue/{n}") for n in names(zk))


# -- errors and what else one may do there -----------------------------------

def test_refusals(m, zk):
    with fails("ENOENT"):
        put(m / ".sequential/absent/a-", b"v")
    for call in (os.unlink, os.stat, os.listdir):
        with fails("ENOENT"):
            call(m / SEQ / "a-")
    with fails("ENOENT"):
        put(m / SEQ / "a-", b"v", 0)            # no O_CREAT
    with fails("EPERM"):
        os.mknod(m / SEQ / "a-")
    for call in (os.mkdir, lambda p: put(p, b"v")):
        with fails("EEXIST", "EISDIR"):
            call(m / ".sequential")
    with fails("EPERM"):
        os.rmdir(m / ".sequential")
    with fails("EISDIR"):
        put(m / SEQ, b"v")
    with fails("EFBIG"):
        put(m / SEQ / "a-", b"x" * (1 << 20) + b"y")
    assert names(zk) == []


def test_too_large_is_refused_and_the_next_is_made(m, zk):
    fd = os.open(m / SEQ / "a-", RDWR)
    for write in (lambda: os.pwrite(fd, b"y", 2 << 20),
                  lambda: os.write(fd, b"the rest"), lambda: os.close(fd)):
        with fails("EFBIG"):
            write()
    with opened(m / SEQ / "a-", RDWR) as fd:
        os.write(fd, b"v")
        assert slurp(fd) == b"queue/a-0000000000\n"
    assert values(zk) == [b"v"]


def test_read_only_mount(mount, source, zk):
    m = mount(source, "ro")
    with fails("EROFS"):
        put(m / SEQ / "a-", b"v")
    assert names(zk) == []


def test_below_an_ephemeral(m, zk):
    put(m / ".ephemeral/e", b"v")
    with fails("ENOTDIR"):
        put(m / ".sequential/e/a-", b"v")


def test_below_a_file(m, zk):
    zk.create("/file", b"config")
    shell("echo v >.sequential/file/a-", cwd=m.path)
    assert zk.get("/file/a-0000000000")[0] == b"v\n"
    wait_equal(lambda: sorted(os.listdir(m / "file")),
               [".data", "a-0000000000"])


def test_what_is_there_is_a_directory(m, zk):
    shell(f"echo v >{SEQ}/a-; mkdir {SEQ}/d", cwd=m.path)
    assert sorted(os.listdir(m / SEQ)) == ["a-0000000000", "d"]
    assert zk.get("/queue/d")[0] is None
    assert os.path.isdir(m / SEQ / "a-0000000000")
    with fails("EISDIR"):
        put(m / SEQ / "d", b"a prefix that is a name")
    os.rmdir(m / SEQ / "d")
    wait_equal(lambda: os.listdir(m / "queue"), ["a-0000000000"])
    assert ".sequential" not in os.listdir(m)


def test_rename_is_exdev(m, zk):
    put(m / SEQ / "a-", b"v")
    with fails("EXDEV"):
        os.rename(m / SEQ / "a-0000000000", m / SEQ / "b-")
    assert names(zk) == ["a-0000000000"]


def test_layout_dir(mount, source, zk):
    m = mount(source, "layout=dir")
    out = shell(f"exec 3<>{SEQ}/a-; echo v >&3; read -r n <&3; "
                'cat "$n/.data"', cwd=m.path)
    assert out == "v\n"


def test_lost_connection(mount, own_server, client):
    """A create whose outcome is not known is EIO; the next open is new."""
    zk = client(own_server.hostport)
    zk.create("/queue", None)
    m = mount(own_server.hostport, "timeout=1", allow="connect|lost|commit")
    fd = os.open(m / SEQ / "a-", RDWR)
    own_server.pause()
    with fails("EIO"):
        os.write(fd, b"1")
    own_server.resume()
    os.close(fd)

    def again():
        done = run("bash", "-c", f"echo 2 >{SEQ}/b-", cwd=m.path)
        return done.returncode == 0

    wait_for(again, 20)
    assert b"2\n" in values(zk)


# -- events ------------------------------------------------------------------

def created(name):
    return lambda seen: [str(e) for e in seen
                         if e.what() == "CREATE"] == [f"CREATE {name}"]


@pytest.mark.parametrize("view", [SEQ, EPH])
def test_watchers_here_and_elsewhere(m, m2, zk, view):
    with Inotify() as here, Inotify() as there:
        here.add_watch(m / "queue")
        there.add_watch(m2 / "queue")
        shell(f"echo v >{view}/a-", cwd=m.path)
        for ino in (here, there):
            seen = ino.until(created("a-0000000000"))
            assert created("a-0000000000")(seen), [str(e) for e in seen]
        zk.create("/queue/last", b"v")      # nothing more comes before this
        seen = here.until(created("last"))
        assert [str(e) for e in seen] == ["CREATE last"]


def test_a_later_write_is_told(m, zk):
    with Inotify() as ino, opened(m / SEQ / "a-", RDWR) as fd:
        ino.add_watch(m / "queue")
        os.write(fd, b"v")
        assert created("a-0000000000")(ino.until(created("a-0000000000")))
        os.write(fd, b"w")
        seen = ino.until(lambda seen: len(seen) >= 2)
        assert [str(e) for e in seen] == ["MODIFY a-0000000000",
                                          "CLOSE_WRITE a-0000000000"]


def test_deleted_by_others_is_told(m, zk):
    with Inotify() as ino:
        ino.add_watch(m / "queue")
        shell(f"echo v >{SEQ}/a-", cwd=m.path)
        zk.delete("/queue/a-0000000000")
        zk.create("/queue/last", b"v")
        ino.until(lambda seen: "CREATE last" in map(str, seen))
    assert os.listdir(m / "queue") == ["last"]


def test_a_model_kept_from_events(m, m2, zk):
    """Made here and there, taken here and there: the watcher has the tree."""
    with Watcher(m / "queue") as w:
        workers = [subprocess.Popen(
            ["bash", "-c", WORKER, "bash", mnt / SEQ / "a-", str(i)],
            stdout=subprocess.DEVNULL) for i, mnt in enumerate((m, m2, m))]
        for i, worker in enumerate(workers):
            assert worker.wait(60 * SLOW) == 0
        for name in names(zk)[::3]:
            os.unlink(m / "queue" / name)
        for name in names(zk)[::3]:
            os.unlink(m2 / "queue" / name)
        append(m / "queue" / names(zk)[0], b"more")

        def same():
            model = w.tree()
            return not differences(
                model, as_tree(snapshot(zk, "/queue"), model))

        wait_for(same, 20)
