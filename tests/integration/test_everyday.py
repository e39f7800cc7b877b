# SPDX-License-Identifier: Apache-2.0
"""The tools of every day: each does on a mount what it is for.

test_tools.py and test_event_tools.py have more of some of them.  With
ZNODEFS_TABLE=FILE in the environment, the table of what was done is written
there.
"""

import json
import os
import shutil

import pytest

from harness.files import get, ok, put, run, shell
from harness.inotify import CLOSE_WRITE, Inotify
from harness.program import Program
from harness.terminal import Terminal
from harness.toolbed import CONF, FILES, Bed, Table
from harness.wait import wait_changing, wait_for

TOOLS = Table()
tool = TOOLS.tool


@pytest.fixture
def bed(m, zk, tmp, server):
    """Once it has been announced: to be told is to be new to the kernel."""
    with Inotify() as notify:
        notify.add_watch(m)
        made = Bed(m, zk, tmp, server)
        notify.until(lambda evs: any(e.name == "app" for e in evs))
    return made


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    if "ZNODEFS_TABLE" in os.environ:
        with open(os.environ["ZNODEFS_TABLE"], "w", encoding="utf-8") as f:
            f.write(TOOLS.markdown())


# -- looking ----------------------------------------------------------------

@tool("ls", "lists kinds, sizes and names of what another client made")
def _(t):
    lines = ok("ls", "-lA", t.app).splitlines()[1:]
    assert [(x[0], x.split()[4], x.split()[-1]) for x in lines] == \
        [("-", str(len(CONF)), "conf"), ("d", "0", "db"), ("d", "0", "web")]


@tool("cat", "reads a value, and the next one after it has been set elsewhere")
def _(t):
    assert ok("cat", t.conf) == CONF.decode()
    with Inotify() as inotify:
        inotify.add_watch(t.conf, CLOSE_WRITE)
        t.zk.set("/app/conf", b"new")
        assert inotify.until(len)
    assert ok("cat", t.conf, t.app / "db/url") == "newpg://needle\n"


@tool("head", "the first line, the first bytes")
def _(t):
    assert ok("head", "-n", "1", t.conf) == "port = 80\n"
    assert ok("head", "-c", "4", t.conf) == "port"


@tool("tail -F", "prints what others append, and goes on with a new file")
def _(t):
    with Program("tail", "-F", "-s", "0.1", t.conf) as p:
        p.prints("host = a")
        t.zk.set("/app/conf", CONF + b"more\n")
        p.prints("more")
        t.zk.delete("/app/conf")
        wait_for(lambda: "inaccessible" in p.output(), what="tail misses it")
        t.zk.create("/app/conf", b"another\n")
        p.prints("another")


@tool("find", "by name, kind, size and age; -exec and -delete")
def _(t):
    def find(*args):
        return sorted(ok("find", ".", *args, cwd=t.app).split())

    assert find("-type", "f") == [f"./{f}" for f in FILES]
    assert find("-type", "d") == [".", "./db", "./web"]
    assert find("-size", "+11c", "-name", "u*") == ["./db/url"]
    assert find("-mmin", "+60") == []
    assert ok("find", t.app, "-name", "x", "-exec", "cat", "{}", "+") == \
        "a needle\n"
    find("-name", "x", "-delete")
    assert t.names("web") == []


@tool("grep -r", "finds the files that have a word")
def _(t):
    assert sorted(ok("grep", "-rl", "needle", ".", cwd=t.app).split()) == \
        ["./db/url", "./web/x"]


@tool("awk", "takes fields out of files")
def _(t):
    assert ok("awk", "/port/ { print $3 } END { print NR }", t.conf,
              t.app / "web/x") == "80\n3\n"


@tool("tree", "shows the tree")
def _(t):
    top, = json.loads(ok("tree", "-a", "--noreport", "-J", t.app))
    assert {e["name"]: e["type"] for e in top["contents"]} == {
        "conf": "file", "db": "directory", "web": "directory"}


@tool("du", "adds up the sizes of the values")
def _(t):
    size = sum(len(get(t.app / f)) for f in FILES)
    assert ok("du", "-sb", t.app).split()[0] == str(size)


@tool("diff -r", "compares a subtree with a copy on disk")
def _(t):
    shutil.copytree(t.app, t.tmp / "app")
    ok("diff", "-r", t.app, t.tmp / "app")
    t.zk.set("/app/web/x", b"changed\n")
    wait_for(lambda: get(t.app / "web/x") == b"changed\n")
    done = run("diff", "-r", t.tmp / "app", t.app)
    assert done.returncode == 1 and "> changed\n" in done.stdout


@tool("jq", "reads JSON; a changed copy is moved over it")
def _(t):
    t.zk.create("/app/j", b'{"a": {"b": [1, 2]}}')
    assert ok("jq", ".a.b[1]", t.app / "j") == "2\n"
    with t.server.transactions(2):
        shell('cd "$1"; jq -c ".a.b += [3]" j > j.new && mv j.new j', t.app)
    assert json.loads(t.value("j")) == {"a": {"b": [1, 2, 3]}}


# -- changing ---------------------------------------------------------------

@tool("echo", "one transaction a value; one too large is an error of echo's",
      "bash")
def _(t):
    with t.server.transactions(2):
        shell('echo new > "$1/n"; echo more >> "$1/n"', t.app)
    assert t.value("n") == b"new\nmore\n"
    large = shell('echo "$(printf %01100000d 0)" > "$1"', t.conf, check=False)
    assert large.returncode and "File too large" in large.stderr
    assert t.value("conf") == CONF


@tool("tee", "writes two values, appends to one")
def _(t):
    shell('echo v | tee "$1/a" "$1/b"; echo w | tee -a "$1/a"', t.app)
    assert (t.value("a"), t.value("b")) == (b"v\nw\n", b"v\n")


@tool("dd", "half a megabyte in one transaction; into the middle")
def _(t):
    data = os.urandom(1 << 19)
    (t.tmp / "d").write_bytes(data)
    with t.server.transactions(1):
        ok("dd", f"if={t.tmp}/d", f"of={t.app}/d", "bs=64k", "conv=fsync")
    assert t.value("d") == data
    shell('printf 81 | dd of="$1" bs=1 seek=7 conv=notrunc', t.conf)
    assert t.value("conf") == CONF.replace(b"80", b"81")


def shell_and_compare(t, there, back):
    """To the disk and back to another name: the same znodes."""
    (t.tmp / "disk").mkdir()
    os.mkdir(t.m / "copy")
    shell(there, t.app, t.tmp / "disk")
    shell(back, t.m / "copy", t.tmp / "disk")
    for name in ("conf", "db", "db/url", "web", "web/x"):
        assert t.zk.get(f"/copy/{name}")[0] == t.value(name), name


@tool("cp -a", "a subtree to a disk and back: the same znodes")
def _(t):
    shell_and_compare(t, 'cp -a "$1/." "$2"', 'cp -a "$2/." "$1"')


@tool("tar", "a subtree to a disk and back: the same znodes")
def _(t):
    shell_and_compare(t, 'tar -C "$1" -cf "$2.tar" .',
                      'tar -C "$1" -xf "$2.tar"')


@tool("rsync", "-rt, a subtree to a disk and back: the same znodes")
def _(t):
    shell_and_compare(t, 'rsync -rt "$1/" "$2"', 'rsync -rt "$2/" "$1"')
    # Its temporary files have another mode first.
    done = run("rsync", "-a", f"{t.tmp}/disk/", t.m / "copy/all")
    assert done.returncode == 23 and "not permitted" in done.stderr
    assert t.zk.get_children("/copy/all/db") == []
    return "works; -a copies no files into the mount, but with *-o quiet*"


@tool("zip", "packs a subtree into a value, and unpacks it", "zip", "unzip")
def _(t):
    ok("zip", "-qr", t.m / "z.zip", ".", cwd=t.app)
    os.mkdir(t.m / "copy")
    ok("unzip", "-q", t.m / "z.zip", cwd=t.m / "copy")
    ok("diff", "-r", t.app, t.m / "copy")
    assert t.zk.get("/copy/web")[0] == b"own data\n"


@tool("mv", "a subtree in one transaction; to a disk; over a file")
def _(t):
    with t.server.transactions(1):
        ok("mv", t.app / "web", t.app / "moved")
    assert t.zk.get("/app/moved/x")[0] == b"a needle\n"
    ok("mv", t.app / "moved", t.tmp)
    assert t.names() == ["conf", "db"]
    (t.tmp / "f").write_bytes(b"from disk")
    ok("mv", t.tmp / "f", t.app / "db/url")
    assert t.value("db/url") == b"from disk"
    czxid = t.zk.exists("/app/conf").czxid
    ok("mv", t.app / "db/url", t.conf)
    assert t.value("conf") == b"from disk"
    assert t.zk.exists("/app/conf").czxid == czxid


@tool("rm -r", "a subtree")
def _(t):
    ok("rm", "-r", t.app)
    assert not t.zk.exists("/app")


@tool("sed -i", "edits a file in place; no other file is left")
def _(t):
    ok("sed", "-i", "s/80/81/", t.conf)
    assert t.value("conf") == CONF.replace(b"80", b"81")
    assert t.names() == ["conf", "db", "web"]


@tool("perl", "-pi edits in place; open, print and close write")
def _(t):
    ok("perl", "-pi", "-e", "s/80/81/", t.conf)
    assert t.value("conf") == CONF.replace(b"80", b"81")
    ok("perl", "-e", 'open(F, ">", shift) && print(F "v\n") && close(F) or '
                     'die $!', t.app / "p")
    assert t.value("p") == b"v\n"
    assert t.names() == ["conf", "db", "p", "web"]


@tool("vim", "on a terminal, with its swap file: change a line and save")
def _(t):
    screen = Terminal("vim", "-N", "-u", "NONE", "-i", "NONE", t.conf)
    screen.expect("host = a")
    screen.type(":%s/80/81/\r:wq\r")
    assert screen.end() == 0
    assert t.value("conf") == CONF.replace(b"80", b"81")
    assert t.names() == ["conf", "db", "web"]


@tool("nano", "on a terminal: insert a word and save")
def _(t):
    screen = Terminal("nano", "-I", t.conf)
    screen.expect("host = a")
    screen.type("new ")
    screen.expect("new port")
    screen.type("\x0f")                 # ^O, write
    screen.expect("Write")
    screen.type("\r")
    wait_for(lambda: t.value("conf") == b"new " + CONF, what="nano saved")
    screen.type("\x18")                 # ^X, exit
    assert screen.end() == 0
    assert t.names() == ["conf", "db", "web"]


@tool("git", "init, add, commit, gc, fsck and clone of a repository")
def _(t):
    env = {"HOME": str(t.tmp), "GIT_CONFIG_NOSYSTEM": "1",
           "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
           "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org"}

    def git(*args):
        return ok("git", *args, cwd=t.app, env=env)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    git("gc", "-q")
    git("fsck", "--strict")
    assert git("status", "--porcelain") == ""
    git("clone", "-q", t.app, t.tmp / "clone")
    assert (t.tmp / "clone/db/url").read_bytes() == b"pg://needle\n"


@tool("make", "builds what is older than a value set elsewhere, nothing else")
def _(t):
    put(t.app / "Makefile", b"out: conf\n\ttr a-z A-Z <conf >out\n")

    def make():
        return ok("make", "-s", "-C", t.app)

    make()
    assert t.value("out") == CONF.upper()
    with t.server.transactions(0):
        assert "up to date" in ok("make", "-C", t.app)
    t.zk.set("/app/conf", b"changed\n")
    wait_for(lambda: get(t.conf) == b"changed\n")
    make()
    assert t.value("out") == b"CHANGED\n"


PATHLIB = """
import json, pathlib, sys
app = pathlib.Path(sys.argv[1])
(app / "j").write_text(json.dumps({"a": 1}))
print(json.loads((app / "j").read_text()), (app / "j").stat().st_size)
(app / "j").rename(app / "k")
print(sorted(p.name for p in app.iterdir()))
print(sorted(str(p.relative_to(app)) for p in app.rglob("x")))
(app / "k").unlink()
"""


@tool("python pathlib, json", "write, read, rename, list, unlink",
      "/usr/bin/python3")
def _(t):
    with t.server.transactions(3):
        out = ok("/usr/bin/python3", "-c", PATHLIB, t.app)
    assert out.splitlines() == [
        "{'a': 1} 8", "['conf', 'db', 'k', 'web']", "['web/x']"]


@tool("sqlite3", "a database: refused where it wants to lock ranges; "
                 "one that is only read (immutable=1) can be read")
def _(t):
    make = "create table t (a); insert into t values (42)"
    done = run("sqlite3", t.app / "db1", make)
    assert done.returncode and "disk I/O error" in done.stderr
    wait_for(lambda: "db1" in t.names())        # committed by its last close
    assert t.value("db1") == b""
    ok("sqlite3", t.tmp / "db2", make)
    ok("cp", t.tmp / "db2", t.app)
    assert ok("sqlite3", f"file:{t.app}/db2?immutable=1",
              "select a from t") == "42\n"
    return "refuses to write: \"disk I/O error\"; reads"


# -- waiting for changes ----------------------------------------------------

@tool("inotifywait", "-m -r prints what others do, in new directories too")
def _(t):
    with Program("inotifywait", "-m", "-r", "-q", "--format", "%e %w%f",
                 "-e", "create,delete,close_write", t.app) as p:
        p.watching(3)
        t.zk.set("/app/conf", b"new")
        t.zk.create("/app/new", None)
        p.prints(f"CLOSE_WRITE,CLOSE {t.conf}", f"CREATE,ISDIR {t.app}/new")
        p.watching(4)
        t.zk.create("/app/new/f", b"v")
        p.prints(f"CREATE {t.app}/new/f")
        t.zk.delete("/app/new/f")
        p.prints(f"DELETE {t.app}/new/f")


WATCHDOG = """
import sys
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

class Handler(FileSystemEventHandler):
    def on_any_event(self, event):
        print(event.event_type, event.src_path, flush=True)

observer = Observer()
observer.schedule(Handler(), sys.argv[1], recursive=True)
observer.start()
print("ready", flush=True)
observer.join()
"""


@tool("python watchdog", "its observer calls for what others do",
      "/usr/bin/python3")
def _(t):
    if run("/usr/bin/python3", "-c", "import watchdog").returncode:
        pytest.skip("no watchdog (Debian: python3-watchdog)")
    with Program("/usr/bin/python3", "-c", WATCHDOG, t.app) as p:
        p.prints("ready")
        t.zk.set("/app/web/x", b"new")
        t.zk.create("/app/new", b"v")
        t.zk.delete("/app/db/url")
        p.prints(f"modified {t.app}/web/x", f"created {t.app}/new",
                 f"deleted {t.app}/db/url")


@tool("python inotify", "inotify(7) by ctypes: set, create and delete",
      "/usr/bin/python3")
def _(t):
    want = {"CLOSE_WRITE conf", "CREATE new", "DELETE,ISDIR db"}
    with Inotify() as inotify:
        inotify.add_watch(t.app)
        ok("ls", "-l", t.app)           # and so it is known what db is
        t.zk.set("/app/conf", b"new")
        t.zk.create("/app/new", b"v")
        t.zk.delete("/app/db", recursive=True)
        seen = inotify.until(lambda e: want <= {str(x) for x in e})
    assert want <= {str(e) for e in seen}


FS_WATCH = """
const fs = require("fs"), [dir] = process.argv.slice(1);
fs.writeFileSync(dir + "/written", "by node");
const show = (what) => (event, name) => console.log(what, event, name);
fs.watch(dir, show("dir"));
fs.watch(dir + "/conf", (event) =>
	console.log("conf", event, fs.readFileSync(dir + "/conf", "utf8")));
console.log("ready");
"""


@tool("node fs.watch", "a directory and a file; the callback reads the value",
      "node")
def _(t):
    with Program("node", "-e", FS_WATCH, t.app) as p:
        p.prints("ready")
        assert t.value("written") == b"by node"
        t.zk.set("/app/conf", b"new")
        t.zk.create("/app/new", b"v")
        p.prints("dir change conf", "conf change new", "dir rename new")
        t.zk.delete("/app/web/x")
        t.zk.delete("/app/web")
        p.prints("dir rename web")


@tool("entr", "runs a command when another client sets a value")
def _(t):
    with Program("entr", "-n", "cat", t.conf,
                 stdin=f"{t.conf}\n".encode()) as p:
        p.prints("host = a")
        wait_changing(lambda: "two" in p.output(),
                      lambda: t.zk.set("/app/conf", b"two\n"))


INCRON = """system_table_dir = {0}/tables
user_table_dir = {0}/users
allowed_users = {0}/allow
denied_users = {0}/deny
lockfile_dir = {0}
"""


@tool("incron", "its daemon runs a command when another client sets a value",
      "incrond")
def _(t):
    for name in ("tables", "users"):
        (t.tmp / name).mkdir()
    (t.tmp / "conf").write_text(INCRON.format(t.tmp))
    (t.tmp / "tables/t").write_text(
        f"{t.app} IN_CLOSE_WRITE cp $@/$# {t.tmp}/copy\n")
    with Program("incrond", "-n", "-f", t.tmp / "conf") as p:
        p.watching(3)                   # its two tables, and ours
        t.zk.set("/app/conf", b"new")
        wait_for((t.tmp / "copy").exists)
        wait_for(lambda: (t.tmp / "copy").read_bytes() == b"new")


# -- locks, and who has what ------------------------------------------------

HOLD = 'exec 9<"$1"; flock 9; echo held; exec sleep 1000'


@tool("flock", "excludes another mount, until the holder ends")
def _(t):
    other = t.second_mount() / "app/conf"
    with Program("bash", "-c", HOLD, "bash", t.conf) as p:
        p.prints("held")
        assert run("flock", "-n", other, "true").returncode == 1
    ok("flock", "-w", "20", other, "true")


@tool("lslocks", "does not show the locks, which are not the kernel's")
def _(t):
    with Program("bash", "-c", HOLD, "bash", t.conf) as p:
        p.prints("held")
        assert str(p.proc.pid) not in ok("lslocks", "-n", "-o", "PID").split()
    return "shows none"


OPEN = 'exec 9<"$1"; echo open; exec sleep 1000'


@tool("lsof", "says who has a file open")
def _(t):
    with Program("bash", "-c", OPEN, "bash", t.conf) as p:
        p.prints("open")
        assert ok("lsof", "-t", t.conf).split() == [str(p.proc.pid)]


@tool("fuser", "says who has a file open, and who uses the mount")
def _(t):
    with Program("bash", "-c", OPEN, "bash", t.conf) as p:
        p.prints("open")
        assert ok("fuser", t.conf).split() == [str(p.proc.pid)]
        assert str(p.proc.pid) in ok("fuser", "-m", t.m).split()


# -- the mount --------------------------------------------------------------

@tool("df", "shows server and mount point; sizes are nominal")
def _(t):
    out = ok("df", "--output=source,target", t.conf).splitlines()[1].split()
    assert out == [t.m.source, str(t.m.path)]


@tool("mountpoint", "says that it is one")
def _(t):
    ok("mountpoint", "-q", t.m)
    assert run("mountpoint", "-q", t.app).returncode != 0


@tool("findmnt", "shows server and type, for any path in the mount")
def _(t):
    assert ok("findmnt", "-n", "-o", "SOURCE,FSTYPE", "-T",
              t.app / "web/x").split() == [t.m.source, "fuse.znodefs"]


@tool("getfattr", "shows version, zxids, owner and the like")
def _(t):
    out = ok("getfattr", "-d", t.conf)
    stat = t.zk.exists("/app/conf")
    assert f'user.zk.version="{stat.version}"' in out
    assert f'user.zk.czxid="{stat.czxid:#x}"' in out


@tool("setfattr", "sets an ACL, which then holds")
def _(t):
    ok("setfattr", "-n", "user.zk.acl", "-v", "world:anyone:r", t.conf)
    assert [a.perms for a in t.zk.get_acls("/app/conf")[0]] == [1]
    denied = shell('echo v > "$1"', t.conf, check=False)
    assert "Permission denied" in denied.stderr


CONTAINER = """
mkdir "$2/root" "$2/root/conf"
mount --bind / "$2/root"
mount --bind "$1" "$2/root/mnt"
exec chroot "$2/root" inotifywait -m -q --format "%e %f" -e create /mnt
"""


@tool("container", "a directory bound into another root, in a mount "
                   "namespace of its own: inotifywait there",
      "unshare", "inotifywait")
def _(t):
    if os.getuid():
        pytest.skip("needs root")
    with Program("unshare", "-m", "bash", "-ec", CONTAINER, "bash", t.app,
                 t.tmp) as p:
        p.watching(1)
        t.zk.create("/app/new", b"v")
        p.prints("CREATE new")


@pytest.mark.parametrize("name", TOOLS)
def test_tool(bed, mount, source, name):
    bed.second_mount = lambda: mount(source)
    TOOLS.try_out(name, bed)
