# SPDX-License-Identifier: Apache-2.0
"""Coming and going: options, errors of mounting, unmounting, sudden death."""

import contextlib
import os
import pathlib
import signal
import stat
import subprocess
import time

import pytest

from harness import procs
from harness.files import fails, get, ok, put, run
from harness.inotify import Inotify
from harness.mount import binary, command
from harness.procs import daemons_of, mount_type, uninterruptible
from harness.server import free_port
from harness.wait import SLOW, wait_for


@pytest.fixture
def mountpoint(tmp):
    """An empty directory; whatever is mounted on it goes in the end."""
    path = tmp / "mnt"
    path.mkdir()
    yield path
    for pid in daemons_of(path):
        procs.kill_quietly(pid)
    while mount_type(path):
        subprocess.run(["fusermount3", "-uz", path], check=True)


def refused(*argv, timeout=20):
    """Run a command line that must fail with one line; return the line."""
    done = run(*argv, timeout=timeout)
    assert done.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    assert done.returncode > 0, f"ended by signal {-done.returncode}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1, f"not one line on stderr: {lines}"
    assert done.stdout == ""
    assert len(lines[0]) > 10, "not a clear line"
    return lines[0]


both = pytest.mark.parametrize("foreground", [False, True],
                               ids=["daemon", "foreground"])


# -- what is refused --------------------------------------------------------

@both
def test_no_server_in_time(mountpoint, foreground):
    start = time.monotonic()
    line = refused(*command(f"127.0.0.1:{free_port()}", mountpoint,
                            "connect_timeout=2", foreground=foreground))
    assert 1 < time.monotonic() - start < 8 * SLOW
    assert "127.0.0.1" in line
    assert not mount_type(mountpoint)


@both
def test_hung_server(own_server, mountpoint, foreground):
    own_server.pause()
    refused(*command(own_server.hostport, mountpoint, "connect_timeout=2",
                     foreground=foreground))
    assert not mount_type(mountpoint)


@both
def test_chroot_that_does_not_exist(server, mountpoint, foreground):
    line = refused(*command(f"{server.hostport}/no/such", mountpoint,
                            foreground=foreground))
    assert "/no/such" in line
    assert not mount_type(mountpoint)


@pytest.mark.parametrize("option", [
    "no_such_option", "layout=nonsense", "empty=nonsense", "timeout=abc",
    "connect_timeout=", "session_timeout=90000", "max_size=-1", "max_size=1x",
    "umask=99", "uid=me?", "max_read=65536"])
@both
def test_bad_option(source, mountpoint, option, foreground):
    line = refused(*command(source, mountpoint, option,
                            foreground=foreground))
    assert option.split("=")[0] in line
    assert not mount_type(mountpoint)


@pytest.mark.parametrize("args", [[], ["127.0.0.1:2181"],
                                  ["127.0.0.1:2181", "/tmp", "/tmp"],
                                  ["--no-such-option"]])
def test_bad_arguments(args):
    done = run(binary(), *args)
    assert done.returncode > 0
    assert done.stderr.count("\n") == 1 and done.stdout == ""


@pytest.mark.parametrize("spec", [
    "", ":2181", "127.0.0.1:", "127.0.0.1:port", "127.0.0.1:99999",
    "127.0.0.1:0", "127.0.0.1:2181,,127.0.0.1:2182", "/", "/chroot",
    "127.0.0.1:2181//a", "127.0.0.1:2181/a//b", "127.0.0.1:2181/a/../b",
    "no-such-host.invalid:2181"])
def test_bad_server(mountpoint, spec):
    refused(*command(spec, mountpoint, "connect_timeout=2"))
    assert not mount_type(mountpoint)


@both
def test_mountpoint_missing(source, tmp, foreground):
    line = refused(*command(source, tmp / "absent", foreground=foreground))
    assert "absent" in line


@both
def test_mountpoint_is_a_file(source, tmp, foreground):
    (tmp / "file").write_text("")
    line = refused(*command(source, tmp / "file", foreground=foreground))
    assert "file" in line


@both
def test_mountpoint_is_a_mount_already(m, source, zk, foreground):
    zk.create("/f", b"v")
    line = refused(*command(source, m.path, foreground=foreground))
    assert str(m.path) in line
    assert get(m / "f") == b"v"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
@both
def test_dev_fuse_unreadable(source, mountpoint, foreground):
    """As a user that may not open /dev/fuse, in a mount namespace of ours."""
    os.chown(mountpoint, 65534, 65534)
    script = ('mknod -m 600 "$1/fuse" c 10 229 && '
              'mount --bind "$1/fuse" /dev/fuse && shift && '
              'exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"')
    done = run("unshare", "-m", "sh", "-c", script, "sh", mountpoint.parent,
               *command(source, mountpoint, foreground=foreground))
    assert done.returncode > 0
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "/dev/fuse" in done.stderr or "ermission" in done.stderr


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_auth_file_that_others_can_read(source, mountpoint, tmp, mode):
    auth = tmp / "auth"
    auth.write_text("digest:joe:pw\n")
    auth.chmod(mode)
    line = refused(*command(source, mountpoint, f"auth_file={auth}"))
    assert str(auth) in line
    assert not mount_type(mountpoint)


def test_auth_file_missing(source, mountpoint, tmp):
    line = refused(*command(source, mountpoint, f"auth_file={tmp}/absent"))
    assert "absent" in line


def test_auth_file(mount, source, zk, tmp):
    from kazoo.security import make_digest_acl
    auth = tmp / "auth"
    auth.write_text("digest:joe:pw\n")
    auth.chmod(0o600)
    zk.create("/f", b"v", acl=[make_digest_acl("joe", "pw", all=True)])
    m = mount(source, f"auth_file={auth}")
    assert get(m / "f") == b"v"
    put(m / "f", b"w")
    zk.add_auth("digest", "joe:pw")
    assert zk.get("/f")[0] == b"w"


@pytest.mark.parametrize("option", ["--help", "-h", "--version", "-V"])
def test_help_and_version(option):
    done = run(binary(), option)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "znodefs" in done.stdout


# -- as a daemon ------------------------------------------------------------

def mounted_as_daemon(source, mountpoint, *options):
    ok(*command(source, mountpoint, *options, foreground=False))
    pids = daemons_of(mountpoint)
    assert pids, "no daemon is left"
    return pids


def gone(mountpoint):
    return not mount_type(mountpoint) and not daemons_of(mountpoint)


def test_daemon_returns_when_the_mount_answers(source, mountpoint, zk):
    zk.create("/f", b"v")
    for _ in range(5):
        mounted_as_daemon(source, mountpoint)
        assert get(mountpoint / "f") == b"v"
        put(mountpoint / "g", b"w")
        assert zk.get("/g")[0] == b"w"
        ok("fusermount3", "-u", mountpoint)
        wait_for(lambda: gone(mountpoint))


def test_daemon_logs_to_syslog_only(source, mountpoint):
    done = run(*command(source, mountpoint, foreground=False))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_daemon_let_go_of_its_surroundings(source, mountpoint):
    """Its own session, the root as directory, nothing open of the caller."""
    pid = min(mounted_as_daemon(source, mountpoint))
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.getsid(pid) != os.getsid(0)
    for fd in ("0", "1", "2"):
        assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"


def test_relative_mountpoint(source, mountpoint, zk):
    zk.create("/f", b"v")
    ok(binary(), source, mountpoint.name, cwd=mountpoint.parent)
    assert get(mountpoint / "f") == b"v"
    ok("fusermount3", "-u", mountpoint)
    wait_for(lambda: not mount_type(mountpoint))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP,
                                 "umount"])
@both
def test_clean_end(source, mountpoint, zk, how, foreground, mount):
    if foreground:
        m = mount(source)
        path, pids = m.path, [m.pid]
    else:
        path, pids = mountpoint, mounted_as_daemon(source, mountpoint)
    put(path / ".ephemeral/e", b"v")
    assert zk.exists("/e").ephemeralOwner
    if how == "umount":
        ok("fusermount3", "-u", path)
    else:
        os.kill(min(pids), how)
    if foreground:
        assert m.wait() == 0
    wait_for(lambda: gone(path))
    assert not zk.exists("/e"), "the ephemeral outlived its session"


def test_end_while_the_mount_is_in_use(source, mountpoint, zk):
    """SIGTERM also ends it while somebody sits in it; nobody hangs."""
    zk.create("/d", None)
    zk.create("/d/f", b"v")
    pids = mounted_as_daemon(source, mountpoint)
    holder = subprocess.Popen(["sleep", "1000"], cwd=mountpoint / "d",
                              stdin=open(mountpoint / "d/f", "rb"))
    try:
        os.kill(min(pids), signal.SIGTERM)
        wait_for(lambda: gone(mountpoint))
    finally:
        holder.kill()
        holder.wait()


def test_unmount_of_a_busy_mount_is_refused(m, zk):
    zk.create("/d", None)
    holder = subprocess.Popen(["sleep", "1000"], cwd=m / "d")
    try:
        done = run("fusermount3", "-u", m.path)
        assert done.returncode and "busy" in done.stderr
        put(m / "f", b"still there")
        assert zk.get("/f")[0] == b"still there"
    finally:
        holder.kill()
        holder.wait()


def test_mounted_again_and_again(mount, source, zk):
    zk.create("/f", b"v")
    for _ in range(5):
        m = mount(source)
        assert get(m / "f") == b"v"
        m.stop()


# -- sudden death -----------------------------------------------------------

@pytest.mark.deadline(120)
def test_kill_9(mount, source, zk):
    m = mount(source, "session_timeout=2")
    put(m / ".ephemeral/e", b"v")
    put(m / "f", b"v")
    fd = os.open(m / "f", os.O_RDONLY)
    m.kill(signal.SIGKILL)
    assert m.wait() == -signal.SIGKILL
    with fails("ENOTCONN"):
        os.listdir(m.path)
    # The attributes of the root are kept for a second.
    wait_for(lambda: not os.path.exists(m.path), 10, "stat notices")
    with fails("ENOTCONN"):
        os.stat(m.path)
    with fails("ENOTCONN"):
        os.read(fd, 100)
    with contextlib.suppress(OSError):
        os.close(fd)
    assert not uninterruptible([os.getpid()])
    ok("fusermount3", "-u", m.path)
    assert not m.mounted()
    wait_for(lambda: not zk.exists("/e"), 60,
             "the ephemeral goes with the session")
    m.destroy()
    m.check_gone()
    assert zk.get("/f")[0] == b"v"


def test_mounted_again_after_kill_9(mount, source, zk):
    zk.create("/f", b"v")
    m = mount(source)
    m.kill(signal.SIGKILL)
    m.wait()
    ok("fusermount3", "-u", m.path)
    m.destroy()
    again = mount(source)
    assert get(again / "f") == b"v"


# -- by mount(8) ------------------------------------------------------------

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def by_mount_8(script, *args):
    """Run a script in which mount(8) finds the program under test.

    mount(8) sets PATH itself, so the program's directory takes the place of
    /usr/local/sbin in a mount namespace that ends with the script.
    """
    return run("unshare", "-m", "sh", "-ec",
               'mount --bind "$1" /usr/local/sbin; shift; ' + script,
               "sh", os.path.dirname(binary()), *args)


@pytest.mark.parametrize("option", [
    "x-systemd.automount", "x-any=thing", "comment=a text", "relatime",
    "defaults", "_netdev", "nofail", "noauto"])
def test_what_is_meant_for_mount_8(mount, source, option):
    """Also where it comes from elsewhere, as in OPTIONS of the unit."""
    assert os.listdir(mount(source, option, "ro", "rw")) == []


def test_fsname(mount, source):
    m = mount(source, "fsname=of the user")
    assert (f"of\\040the\\040user {m.path} fuse.znodefs "
            in pathlib.Path("/proc/mounts").read_text())


SHOW = ('grep " - fuse.znodefs " /proc/self/mountinfo; cat "$1/f"; '
        'umount "$1"; ! mountpoint -q "$1"')


@needs_root
@pytest.mark.parametrize("options", ["defaults,_netdev", "ro,noatime",
                                     "allow_other,umask=022", "nofail,quiet",
                                     "noauto,x-systemd.automount,user"])
def test_mount_8(source, mountpoint, zk, options):
    zk.create("/f", b"the value")
    done = by_mount_8('mount -t fuse.znodefs -o "$3" "$2" "$1"; ' + SHOW,
                      mountpoint, source, options)
    assert done.returncode == 0, done.stderr
    assert source in done.stdout and str(mountpoint) in done.stdout
    assert done.stdout.endswith("the value")
    wait_for(lambda: gone(mountpoint))


@needs_root
def test_fstab(source, mountpoint, tmp, zk):
    zk.create("/f", b"the value")
    fstab = tmp / "fstab"
    fstab.write_text(f"{source} {mountpoint} fuse.znodefs "
                     "defaults,_netdev 0 0\n")
    done = by_mount_8('mount -T "$2" "$1"; ' + SHOW, mountpoint, fstab)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the value")
    wait_for(lambda: gone(mountpoint))


@needs_root
def test_mount_8_reports_failure(server, mountpoint):
    done = by_mount_8('mount -t fuse.znodefs "$2" "$1"', mountpoint,
                      f"{server.hostport}/no/such")
    assert done.returncode != 0
    assert "/no/such" in done.stderr


@needs_root
@pytest.mark.parametrize("allow", [False, True])
def test_allow_other(mount, source, zk, allow):
    zk.create("/f", b"v")
    m = mount(source, *(["allow_other"] if allow else []))
    for path in (m.path.parent, m.path.parent.parent):
        assert stat.S_IMODE(os.stat(path).st_mode) & 0o005 == 0o005
    done = run("setpriv", "--reuid", "65534", "--regid", "65534",
               "--clear-groups", "cat", m / "f")
    assert (done.returncode == 0) == allow
    assert done.stdout == ("v" if allow else "")


@needs_root
def test_chroot_of_several_levels(mount, source, zk):
    zk.create("/a", None)
    zk.create("/a/b", None)
    zk.create("/a/b/f", b"v")
    m = mount(f"{source}/a/b")
    assert os.listdir(m) == ["f"]
    put(m / "g", b"w")
    assert zk.get("/a/b/g")[0] == b"w"


def test_whole_tree(mount, server, chroot, zk):
    """Without a chroot the mount shows the server's root."""
    zk.create("/f", b"v")
    m = mount(server.hostport)
    assert get(m / chroot[1:] / "f") == b"v"
    assert "zookeeper" in os.listdir(m)


def test_whole_tree_is_watched(mount, own_server, client):
    """The server's root, too, tells of names that come and go."""
    zk = client(own_server.hostport)
    zk.create("/f", b"v")
    m = mount(own_server.hostport)
    with Inotify() as inotify:
        inotify.add_watch(m.path)
        zk.create("/new", b"v")
        zk.delete("/f")
        want = {"CREATE new", "DELETE f"}
        seen = inotify.until(lambda e: want <= {str(x) for x in e})
    assert want <= {str(e) for e in seen}
    assert sorted(os.listdir(m)) == [".data", "new", "zookeeper"]


def test_several_servers(mount, server, chroot, zk):
    """The first of the list is not there; the second is used."""
    zk.create("/f", b"v")
    m = mount(f"127.0.0.1:{free_port()},{server.hostport}{chroot}", allow=".")
    assert get(m / "f") == b"v"
