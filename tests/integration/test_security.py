# SPDX-License-Identifier: Apache-2.0
"""Credentials stay where they are: no file, list or core of them."""

import contextlib
import os
import pathlib
import resource
import signal
import subprocess

import pytest
from kazoo.security import make_digest_acl

from harness import announcer, procs
from harness.files import fails, get, ok, put
from harness.inotify import Inotify
from harness.mount import command
from harness.status import status, wait_status
from harness.wait import wait_for

USER, SECRET = "joe", "s3cr3t-passphrase-8Jq"


@pytest.fixture
def auth(tmp):
    path = tmp / "auth"
    path.write_text(f"# whose mount this is\ndigest:{USER}:{SECRET}\n")
    path.chmod(0o600)
    return f"auth_file={path}"


@pytest.fixture
def locked(zk):
    """A file that only the owner of the credential may touch."""
    acl = [make_digest_acl(USER, SECRET, all=True)]
    zk.create("/locked", b"v", acl=acl)
    zk.add_auth("digest", f"{USER}:{SECRET}")


def proc_files(pid):
    """What others can read of a process, as far as we can."""
    for name in ("cmdline", "environ", "status", "maps", "comm", "mountinfo"):
        try:
            yield name, pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
        except PermissionError:
            pass


def test_credentials_are_nowhere_to_be_read(mount, source, locked, zk, auth):
    m = mount(source, auth, allow=".")
    assert get(m / "locked") == b"v"
    zk.set("/locked", b"w")
    wait_for(lambda: get(m / "locked") == b"w")
    secret = SECRET.encode()
    for name in ("status", "metrics"):
        assert secret not in get(m / ".znodefs" / name)
    assert secret not in m.log().encode()
    seen = set()
    for pid in [m.pid, *announcer.helpers(m.pid)]:
        for name, content in proc_files(pid):
            seen.add(name)
            assert secret not in content, name
    assert {"cmdline", "status"} <= seen
    assert SECRET not in ok("mount")


def connections(pid):
    """The sockets and pipes that a process has open."""
    found = set()
    for f in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f))
    return {link for link in found if link.startswith(("socket:", "pipe:"))}


def test_a_helper_has_no_connection_of_the_daemon(mount, source):
    m = mount(source)
    helper, = wait_for(lambda: announcer.helpers(m.pid))
    assert len(connections(helper)) == 1, "it has more than its socket"
    assert connections(m.pid) & connections(helper) == set()


def test_a_debug_log_has_no_credentials(mount, source, locked, auth):
    m = mount(source, auth, "debug", allow=".")
    assert get(m / "locked") == b"v"
    put(m / "locked", b"w")
    assert "feed: up" in m.log() and "LOOKUP" in m.log(), "no debug log"
    assert SECRET not in m.log()


def test_a_refused_file_is_not_quoted(server, tmp):
    path = tmp / "auth"
    for mode, text in ((0o600, f"{SECRET}\n"), (0o600, f" digest:{SECRET}\n"),
                       (0o644, f"digest:joe:{SECRET}\n"),
                       (0o600, f"digest:joe:{SECRET}\r\n")):
        path.write_text(text)
        path.chmod(mode)
        (tmp / "mnt").mkdir(exist_ok=True)
        done = subprocess.run(
            command(server.hostport, tmp / "mnt", f"auth_file={path}"),
            capture_output=True, text=True, timeout=60)
        assert done.returncode > 0
        assert SECRET not in done.stdout + done.stderr


def test_every_session_has_the_credentials(mount, source, locked, zk, auth):
    m = mount(source, auth, "session_timeout=1", allow=".")
    put(m / ".ephemeral/e", b"v")
    m.kill(signal.SIGSTOP)
    wait_for(lambda: not zk.exists("/e"), 30)
    m.kill(signal.SIGCONT)
    wait_status(m, 60, state="connected", feed="up", sessions=2)
    put(m / "locked", b"w")
    assert get(m / "locked") == b"w"


def test_without_them_nothing_is_served(mount, source, locked):
    m = mount(source)
    with fails("EACCES"):
        get(m / "locked")
    with fails("EACCES"):
        put(m / "locked", b"w")
    status(m)


def dumps_core(source, tmp, *options):
    """Whether the kernel makes a core of a daemon that is told to abort."""
    mnt, cwd = tmp / "mnt", tmp / "cwd"
    mnt.mkdir(exist_ok=True)
    cwd.mkdir(exist_ok=True)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    proc = subprocess.Popen(
        procs.tied(command(source, mnt, *options)), cwd=cwd,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE,
                                              unlimited))
    try:
        wait_for(lambda: procs.mount_type(mnt), 20)
        os.stat(mnt)
        proc.send_signal(signal.SIGABRT)
        _, result = os.waitpid(proc.pid, 0)
        proc.returncode = -signal.SIGABRT
    finally:
        if proc.returncode is None:
            procs.kill_quietly(proc.pid)
        subprocess.run(["fusermount3", "-uz", mnt],
                       stderr=subprocess.DEVNULL)
    assert os.WIFSIGNALED(result) and os.WTERMSIG(result) == signal.SIGABRT
    for core in cwd.iterdir():
        assert SECRET.encode() not in core.read_bytes()
        core.unlink()
    return os.WCOREDUMP(result)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root for the limit")
def test_no_core_has_credentials(source, locked, auth, tmp):
    if os.environ.get("ZNODEFS_WRAP"):
        pytest.skip("the wrapper's core, not ours")
    assert not dumps_core(source, tmp, auth)
    if not dumps_core(source, tmp):
        pytest.skip("no cores are made here at all")


# A user's own mount, in a namespace where he may open /dev/fuse.  Prints what
# he sees of it, and then whether he can look into its daemon.
USERS_OWN = """
mknod -m 666 "$1/fuse" c 10 229
mount --bind "$1/fuse" /dev/fuse
mnt=$2
shift 2
as_user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
setpriv --reuid 65534 --regid 65534 --clear-groups "$@" &
until as_user ls "$mnt" | grep .; do
	kill -0 $!
	sleep 0.05
done
as_user cat /proc/$!/environ >/dev/null && echo sees || echo blind
as_user fusermount3 -u "$mnt"
wait $!
"""


def user_looks(source, directory, *options):
    directory.mkdir()
    mnt = directory / "mnt"
    mnt.mkdir()
    os.chown(mnt, 65534, 65534)
    return ok("unshare", "-m", "sh", "-ec", USERS_OWN, "sh", directory, mnt,
              *command(source, mnt, *options))


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_another_process_of_the_user_cannot_look(source, locked, auth, tmp):
    """Nothing but root looks into a daemon that has credentials."""
    os.chown(tmp / "auth", 65534, 65534)
    assert user_looks(source, tmp / "a") == "locked\nsees\n"
    assert user_looks(source, tmp / "b", auth) == "locked\nblind\n"


# -- the helper ---------------------------------------------------------------

# A process with the number $1 in a namespace of its own: it does in the
# directory $2 what helpers do.
NAMESAKE = r"""
import os, sys
number, top = int(sys.argv[1]), sys.argv[2]
with open("/proc/sys/kernel/ns_last_pid", "w") as f:
    f.write(str(number - 1))
child = os.fork()
if child == 0:
    assert os.getpid() == number, os.getpid()
    os.chdir(top)
    os.close(os.open("made", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    os.mkdir("dir")
    os.unlink("gone")
    fd = os.open("cut", os.O_WRONLY)
    os.ftruncate(fd, 0)
    os.close(fd)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="makes a pid namespace")
def test_a_namesake_of_the_helper(m, zk):
    """Its number is another one where the mount is: what it does is done."""
    zk.create("/d", None)
    for name in ("gone", "cut"):
        zk.create(f"/d/{name}", b"v")
    assert sorted(os.listdir(m / "d")) == ["cut", "gone"]
    with Inotify() as inotify:
        inotify.add_watch(m / "d")
        zk.set("/d/cut", b"w")  # has a helper started
        wait_for(lambda: inotify.read(1))
        number, = announcer.helpers(m.pid)
        ok("unshare", "-pf", "--kill-child", "/usr/bin/python3", "-c",
           NAMESAKE, str(number), m / "d")
    wait_for(lambda: sorted(zk.get_children("/d")) == ["cut", "dir", "made"])
    assert zk.get("/d/cut")[0] == b""
