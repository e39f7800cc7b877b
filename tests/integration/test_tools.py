# SPDX-License-Identifier: Apache-2.0
"""Tools that people have: what they make of the mount, and it of them."""

import json
import os
import pathlib
import shutil

import pytest

from harness import names, sizes, tree
from harness.files import get, ok, opened, put, run, shell
from harness.terminal import Terminal
from harness.wait import wait_for


def needs(*programs):
    lacking = [p for p in programs if not shutil.which(p)]
    return pytest.mark.skipif(bool(lacking), reason=f"no {lacking} in PATH")


# -- trees to a disk and back -----------------------------------------------

@pytest.fixture
def pair(server, zkroot, client, chroot, mount, request):
    """Two mounts with chroots of their own, and a kazoo client for each."""
    sides = []
    options = ["quiet"] if "rsync-a" in request.node.name else []
    for name in ("from", "to"):
        zkroot.create(f"{chroot}/{name}", None)
        source = f"{server.hostport}{chroot}/{name}"
        sides.append((mount(source, *options),
                      client(server.hostport, f"{chroot}/{name}")))
    return sides


def fill(zk, count):
    nodes = tree.generate(count)
    nodes += [("/dir", None), ("/dir/.data", b"called so"),
              ("/max", os.urandom(1_000_000)), ("/.ephemeral", b"as well"),
              ("/" + "long" * 75, b"300 bytes"),
              ("/dir/" + "ü" * 150, b"300 bytes too")]
    tree.create_all(zk, nodes)
    return len(nodes)


def shown(snapshot):
    """The same snapshot, long names replaced by their aliases."""
    def short(path):
        return "/".join(n if len(n.encode()) <= 255 else names.entry(n)
                        for n in path.split("/"))
    return {short(path): data for path, data in snapshot.items()}


def compare(left, right):
    left, right = shown(tree.snapshot(left)), shown(tree.snapshot(right))
    assert not tree.differences(left, right)
    return len(left)


COPIES = {
    "cp": ('cp -a "$1/." "$3/"', 'cp -a "$3/." "$2/"'),
    "tar": ('tar -C "$1" -cf "$3.tar" . ', 'tar -C "$2" -xf "$3.tar"'),
    "tar-pipe": ('tar -C "$1" -c . | tar -C "$3" -x',
                 'tar -C "$3" -c . | tar -C "$2" -x'),
    "rsync-r": ('rsync -r "$1/" "$3/"', 'rsync -r "$3/" "$2/"'),
    # rsync -p gives its temporary files another mode for a moment.
    "rsync-a": ('rsync -a "$1/" "$3/"', 'rsync -a "$3/" "$2/"'),
}


@pytest.mark.deadline(300)
@pytest.mark.parametrize("tool", COPIES)
def test_copy_to_disk_and_back(pair, tmp, tool):
    if tool.startswith("rsync") and not shutil.which("rsync"):
        pytest.skip("no rsync in PATH")
    (src, zk_src), (dst, zk_dst) = pair
    full = 1000 if tool in ("cp", "tar") else 300
    count = fill(zk_src, sizes.stress(full, 10_000))
    disk = tmp / "disk"
    disk.mkdir()
    out, back = COPIES[tool]
    shell(out, src.path, dst.path, disk, timeout=240)
    shell(back, src.path, dst.path, disk, timeout=240)
    assert compare(zk_src, zk_dst) == count + 1


def test_cp_between_two_mounts(pair):
    (src, zk_src), (dst, zk_dst) = pair
    fill(zk_src, 100)
    shell('cp -a "$1/." "$2/"', src.path, dst.path)
    compare(zk_src, zk_dst)


@needs("rsync")
def test_rsync_r_again_sends_nothing(pair, tmp, server):
    (src, zk_src), _ = pair
    (tmp / "d").mkdir()
    for i in range(20):
        (tmp / f"d/f{i}").write_bytes(b"v" * i)
    ok("rsync", "-r", "--checksum", f"{tmp}/d/", f"{src.path}/")
    assert zk_src.get("/f19")[0] == b"v" * 19
    with server.transactions(0):
        ok("rsync", "-r", "--checksum", f"{tmp}/d/", f"{src.path}/")
    (tmp / "d/f5").write_bytes(b"changed")
    with server.transactions(3):        # O_EXCL, its write, and the rename
        ok("rsync", "-r", "--checksum", f"{tmp}/d/", f"{src.path}/")
    assert zk_src.get("/f5")[0] == b"changed"
    assert len(zk_src.get_children("/")) == 20


# -- editors ----------------------------------------------------------------

TEXT = b"first line\nsecond line\n"


@needs("vim")
@pytest.mark.parametrize("settings", [
    "", "backupcopy=yes", "backupcopy=no", "backup backupskip=",
    "noswapfile"])
def test_vim(m, zk, settings):
    zk.create("/d", None)
    zk.create("/d/f", TEXT)
    setup = ["-c", f"set {settings}"] if settings else []
    ok("vim", "-N", "-u", "NONE", "-i", "NONE", "-es", *setup,
       "-c", "%s/second/changed/", "-c", "wq", m / "d/f")
    assert zk.get("/d/f")[0] == b"first line\nchanged line\n"
    want = ["f", "f~"] if settings.startswith("backup ") else ["f"]
    assert sorted(zk.get_children("/d")) == want


@needs("vim")
def test_vim_new_file(m, zk):
    ok("vim", "-N", "-u", "NONE", "-i", "NONE", "-es",
       "-c", "normal ihello", "-c", "wq", m / "new")
    assert zk.get("/new")[0] == b"hello\n"
    assert zk.get_children("/") == ["new"]


@needs("nano")
def test_nano(m, zk):
    zk.create("/f", TEXT)
    screen = Terminal("nano", "-I", m / "f")
    screen.expect("second line")
    screen.type("new ")
    screen.expect("new first")
    screen.type("\x0f")                 # ^O, write
    screen.expect("Write")
    screen.type("\r")
    wait_for(lambda: zk.get("/f")[0] == b"new " + TEXT, what="nano saved")
    screen.type("\x18")                 # ^X, exit
    assert screen.end() == 0
    assert zk.get_children("/") == ["f"]


@pytest.mark.parametrize("path", ["f", "d/.data"])
def test_sed_i(m, zk, path):
    zk.create("/f", TEXT)
    zk.create("/d", TEXT)
    zk.create("/d/x", b"")
    ok("sed", "-i", "s/second/changed/", m / path)
    znode = "/d" if path.startswith("d") else "/f"
    assert zk.get(znode)[0] == b"first line\nchanged line\n"
    assert sorted(zk.get_children("/")) == ["d", "f"]
    assert zk.get_children("/d") == ["x"]


def test_sort_o_tee_and_install(m, zk, tmp):
    zk.create("/f", b"b\na\n")
    ok("sort", "-o", m / "f", m / "f")
    assert zk.get("/f")[0] == b"a\nb\n"
    shell('echo c | tee -a "$1" > /dev/null', m / "f")
    assert zk.get("/f")[0] == b"a\nb\nc\n"
    shell('sponge=$(cat "$1"); printf %s "$sponge" > "$1"', m / "f")
    assert zk.get("/f")[0] == b"a\nb\nc"


# -- git --------------------------------------------------------------------

@needs("git")
@pytest.mark.deadline(120)
def test_git(m, zk, tmp):
    env = {"HOME": str(tmp), "GIT_CONFIG_NOSYSTEM": "1",
           "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
           "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org"}
    (m / "r").mkdir()

    def git(*args):
        return ok("git", *args, cwd=m / "r", env=env)

    git("init", "-q")
    for i in range(5):
        put(m / f"r/f{i}", b"content %d\n" % i)
        git("add", ".")
        git("commit", "-q", "-m", f"commit {i}")
    git("gc", "-q")
    git("fsck", "--strict")
    assert git("status", "--porcelain") == ""
    assert git("log", "--oneline").count("\n") == 5
    git("clone", "-q", m / "r", tmp / "clone")
    assert (tmp / "clone/f4").read_bytes() == b"content 4\n"
    assert get(m / "r/.git/HEAD").startswith(b"ref: refs/heads/")
    assert zk.get("/r/f4")[0] == b"content 4\n"


# -- those that only read ---------------------------------------------------

@pytest.fixture
def known(zk):
    tree.create_all(zk, [
        ("/app", b"top needle"), ("/app/db", None),
        ("/app/db/host", b"10.0.0.1\n"), ("/app/db/port", b"5432\n"),
        ("/app/empty", b""), ("/app/null", None),
        ("/app/web", b"a needle here\n"), ("/app/web/x", b"needle\n")])


def test_find(m, known):
    def find(*args):
        return sorted(ok("find", ".", *args, cwd=m.path).split())

    assert find("-type", "f") == [
        "./app/.data", "./app/db/host", "./app/db/port", "./app/empty",
        "./app/web/.data", "./app/web/x"]
    assert find("-type", "d") == [
        ".", "./app", "./app/db", "./app/null", "./app/web"]
    assert find("-empty") == ["./app/empty", "./app/null"]
    assert find("-size", "-6c", "-size", "+4c") == ["./app/db/port"]
    assert find("-newer", "app/web/x") == []


def test_grep_r(m, known):
    out = ok("grep", "-r", "needle", ".", cwd=m.path)
    assert sorted(out.splitlines()) == [
        "./app/.data:top needle", "./app/web/.data:a needle here",
        "./app/web/x:needle"]


@needs("tree")
def test_tree(m, known):
    out = ok("tree", "-a", "--noreport", "-J", ".", cwd=m.path)
    top, = json.loads(out)
    app, = top["contents"]
    assert {e["name"]: e["type"] for e in app["contents"]} == {
        ".data": "file", "db": "directory", "empty": "file",
        "null": "directory", "web": "directory"}


def test_du_wc_md5sum_diff(m, known, tmp):
    ok("du", "-a", m.path)
    assert ok("wc", "-c", m / "app/web/x").split()[0] == "7"
    ok("cp", "-r", m / "app", tmp / "app")
    ok("diff", "-r", m / "app", tmp / "app")
    assert run("diff", "-r", m / "app/web", tmp / "app/db").returncode == 1


def test_shell_loops_and_globs(m, known):
    out = shell('cd "$1/app"; for f in db/*; do read -r v < $f; echo $v; done',
                m.path)
    assert out == "10.0.0.1\n5432\n"
    assert shell('cd "$1"; echo app/*/x', m.path) == "app/web/x\n"
    assert shell('cd "$1/app/db"; pwd -P', m.path).strip() == \
        str(m / "app/db")


# -- programs ---------------------------------------------------------------

def test_pathlib_and_json(m, zk, server):
    with server.transactions(1), open(m / "j", "w", encoding="utf-8") as f:
        json.dump({"key": list(range(3000))}, f)
    assert json.loads(zk.get("/j")[0]) == {"key": list(range(3000))}
    path = pathlib.Path(m / "p")
    with server.transactions(1):
        path.write_text("text\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "text\n"
    assert path.stat().st_size == 5
    with server.transactions(1):
        path.rename(m / "q")
    assert sorted(p.name for p in pathlib.Path(m.path).iterdir()) == \
        ["j", "q"]
    with server.transactions(1):
        pathlib.Path(m / "q").unlink()
    assert not path.exists()


def test_atomic_replace_as_libraries_do_it(m, zk):
    """A temporary file by O_EXCL, written, synced, moved over the target."""
    import tempfile
    zk.create("/d", None)
    zk.create("/d/f", b"old")
    fd, name = tempfile.mkstemp(dir=m / "d")
    os.write(fd, b"new")
    os.fsync(fd)
    os.close(fd)
    os.replace(name, m / "d/f")
    with opened(m / "d", os.O_RDONLY | os.O_DIRECTORY) as d:
        os.fsync(d)
    assert zk.get("/d/f")[0] == b"new"
    assert zk.get_children("/d") == ["f"]


def test_sqlite_reads(m, tmp):
    """A database is copied to the mount, and read there."""
    import sqlite3
    with sqlite3.connect(tmp / "db") as db:
        db.execute("create table t (a, b)")
        db.executemany("insert into t values (?, ?)",
                       [(i, "x" * 50) for i in range(2000)])
    db.close()
    ok("cp", tmp / "db", m / "db")
    db = sqlite3.connect(f"file:{m / 'db'}?mode=ro&immutable=1", uri=True)
    assert db.execute("select count(*), sum(a) from t").fetchone() == \
        (2000, 1999000)
    db.close()
