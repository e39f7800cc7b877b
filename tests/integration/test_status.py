# SPDX-License-Identifier: Apache-2.0
"""`.znodefs`: how the mount fares, for people, scripts and Prometheus."""

import fcntl
import os
import pathlib
import re
import select
import shutil
import stat
import subprocess
import time

import pytest

from harness.files import fails, get, ok, opened, put, run
from harness.status import metrics, parse_metrics, status, wait_status
from harness.wait import wait_for

MAN = pathlib.Path(__file__).parents[2] / "man/znodefs.1.scd"


def test_entered_by_name_and_not_listed(m, zk):
    zk.create("/f", b"v")
    assert os.listdir(m) == ["f"]
    assert sorted(os.listdir(m / ".znodefs")) == ["metrics", "status"]
    assert ok("find", m.path).count("\n") == 2
    assert stat.S_ISDIR(os.stat(m / ".znodefs").st_mode)
    with fails("ENOENT"):
        os.stat(m / ".znodefs/other")
    zk.create("/d", None)
    with fails("ENOENT"):
        os.stat(m / "d/.znodefs")
    with fails("ENOENT"):
        os.stat(m / ".ephemeral/.znodefs")


def test_a_znode_of_the_name(m, zk):
    zk.create("/.znodefs", b"v")
    assert get(m / "%2Eznodefs") == b"v"
    assert "state" in status(m)


@pytest.mark.parametrize("name", ["status", "metrics"])
def test_tools_read_it(m, name, tmp):
    path = m / ".znodefs" / name
    text = ok("cat", path)
    assert len(text.splitlines()) > 20
    assert ok("head", "-n", "1", path) == text.splitlines(True)[0]
    assert ok("tail", "-n", "1", path).count("\n") == 1
    assert "connected" in ok("grep", "connected", path)
    assert "connected" in ok("grep", "-r", "connected", m / ".znodefs")
    assert int(ok("wc", "-l", path).split()[0]) == len(text.splitlines())
    ok("cp", path, tmp / "copy")
    assert len((tmp / "copy").read_text().splitlines()) > 20
    assert "connected" in path.read_text()
    with open(path, encoding="ascii") as f:
        assert len(list(f)) == len(text.splitlines())
    with open(path, "rb", buffering=0) as f:
        assert b"".join(iter(lambda: f.read(7), b"")).startswith(
            text[:20].encode())
    assert ok("ls", "-l", path).startswith("-r--r--r--")


def test_one_open_is_one_version(m, zk):
    with opened(m / ".znodefs/status", os.O_RDONLY) as fd:
        first = os.pread(fd, 1 << 16, 0)
        for i in range(10):
            put(m / f"f{i}", b"v")
        assert os.pread(fd, 1 << 16, 0) == first
        assert os.pread(fd, 10, 5) == first[5:15]
        assert os.pread(fd, 10, len(first)) == b""
    assert get(m / ".znodefs/status") != first


@pytest.mark.parametrize("act", [
    lambda d: put(d / "status", b"x"), lambda d: put(d / "new", b"x"),
    lambda d: os.unlink(d / "status"), lambda d: os.mkdir(d / "dir"),
    lambda d: os.rmdir(d), lambda d: os.truncate(d / "status", 0),
    lambda d: os.rename(d / "status", d / "other"),
    lambda d: os.rename(d / "status", d.parent / "other"),
    lambda d: os.rename(d.parent / "f", d / "status"),
    lambda d: os.rename(d, d.parent / "other"),
    lambda d: os.chmod(d / "status", 0o777),
    lambda d: os.link(d / "status", d / "other"),
    lambda d: os.symlink("x", d / "other")])
def test_nothing_can_be_changed(m, zk, act):
    zk.create("/f", b"v")
    with fails("EPERM", "EACCES", "EROFS"):
        act(m / ".znodefs")
    assert sorted(os.listdir(m / ".znodefs")) == ["metrics", "status"]
    assert zk.get_children("/") == ["f"]


@pytest.mark.parametrize("act", [
    lambda fd: fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB),
    lambda fd: fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB),
    os.listxattr, lambda fd: os.getxattr(fd, "user.zk.version")])
def test_no_znode_is_behind_it(m, act):
    with opened(m / ".znodefs/status", os.O_RDONLY) as fd:
        with fails("ENOTSUP"):
            act(fd)
        poll = select.poll()
        poll.register(fd, select.POLLIN | select.POLLPRI)
        assert poll.poll(0) == [(fd, select.POLLIN)]


def test_what_it_says(m, zk, server, client):
    zk.create("/d", None)
    zk.create("/d/f", b"v" * 1000)
    before = time.time()
    assert get(m / "d/f") == b"v" * 1000
    put(m / ".ephemeral/e", b"v")
    with opened(m / "d/f", os.O_RDONLY):
        s = wait_status(m, requests_in_flight=0)
        assert s["open_files"] == 1
    assert s["state"] == "connected"
    assert s["server"] == s["feed_server"] == server.hostport
    assert int(s["session"], 16) == zk.exists("/e").ephemeralOwner
    assert s["session_timeout_ms"] == 30000
    assert s["strict"] == "no"
    assert s["feed"] == "up"
    assert (s["sessions"], s["connections"], s["ephemerals"]) == (1, 1, 1)
    assert s["feed_watches"] >= 2
    assert 1000 <= s["cached_bytes"] <= s["cache_limit_bytes"] == 64 << 20
    assert 3 <= s["inodes"] and 3 <= s["nodes"]
    since = time.mktime(time.strptime(s["since"], "%Y-%m-%dT%H:%M:%SZ"))
    assert abs(since - time.timezone - before) < 60
    assert s["seconds"] < 60


def test_numbers_move(m, zk):
    zk.create("/d", None)
    zk.create("/d/f", b"v")
    get(m / "d/f")
    before = status(m)
    zk.set("/d/f", b"new")
    wait_for(lambda: get(m / "d/f") == b"new")
    after = wait_status(m, names_to_announce=0, names_to_read=0)
    wait_for(lambda: status(m)["announcements"] > before["announcements"])
    assert after["requests"] > before["requests"]
    assert after["feed_events"] > before["feed_events"]
    assert after["feed_received_bytes"] > before["feed_received_bytes"]
    assert after["helpers"] >= 1
    wait_status(m, helpers_stuck=0)


def test_costs_the_server_nothing(m, zk, server):
    status(m)
    with server.requests(zk) as count:
        for _ in range(100):
            status(m)
            metrics(m)
            os.listdir(m / ".znodefs")
    assert count.n < 10         # pings


def test_metrics(m, zk):
    put(m / "f", b"v")
    text = get(m / ".znodefs/metrics").decode()
    samples, types = parse_metrics(text)
    assert all(name.startswith("znodefs_") for name in types)
    assert samples['znodefs_state{state="connected"}'] == 1
    assert samples['znodefs_state{state="lost"}'] == 0
    assert samples["znodefs_feed_up"] == 1
    assert samples["znodefs_session_timeout_seconds"] == 30
    version = ok(os.environ.get("ZNODEFS_BIN", "build/src/znodefs"),
                 "--version").split()[1]
    assert samples[f'znodefs_info{{version="{version}"}}'] == 1
    states = [v for k, v in samples.items() if k.startswith("znodefs_state{")]
    assert sum(states) == 1


@pytest.mark.skipif(not shutil.which("promtool"),
                    reason="no promtool (Debian: prometheus)")
def test_promtool_accepts_the_metrics(m):
    done = subprocess.run(["promtool", "check", "metrics"], text=True,
                          input=get(m / ".znodefs/metrics").decode(),
                          capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_both_say_the_same(m, zk):
    keys = [k for k, v in status(m).items() if isinstance(v, int)]
    names = metrics(m)
    elsewhere = {"seconds", "session_timeout_ms"}
    for key in set(keys) - elsewhere:
        assert (f"znodefs_{key}" in names) != (
            f"znodefs_{key}_total" in names), key


def test_every_key_is_in_the_manual(m):
    text = MAN.read_text()
    section = text[text.index("## .znodefs"):].split("\n# ")[0]
    named = set(re.findall(r"\*([a-z_]+)\*", section.replace("\\_", "_")))
    assert set(status(m)) <= named


def test_answers_during_an_outage(mount, own_server, client):
    zk = client(own_server.hostport)
    zk.stop()
    m = mount(own_server.hostport, "timeout=60", allow=".")
    own_server.kill()
    s = wait_status(m, state="lost", feed="down")
    assert s["server"] == "-"
    start = time.monotonic()
    for _ in range(10):
        status(m)
        metrics(m)
        os.listdir(m / ".znodefs")
    assert time.monotonic() - start < 5
    own_server.start()
    assert wait_status(m, state="connected", feed="up")["connections"] == 2


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_modes_follow_the_mount(mount, source):
    m = mount(source, "umask=077", "uid=12", "gid=34")
    for name, mode in ((".znodefs", 0o500), (".znodefs/status", 0o400)):
        st = os.stat(m / name)
        assert stat.S_IMODE(st.st_mode) == mode
        assert (st.st_uid, st.st_gid) == (12, 34)
    assert run("cat", m / ".znodefs/status").returncode == 0
