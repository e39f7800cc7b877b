# SPDX-License-Identifier: Apache-2.0
"""A service whose configuration is on the mount: set elsewhere, loaded here."""

import contextlib
import http.client
import os
import pathlib
import shutil
import socket

import pytest

from harness.program import Program
from harness.wait import wait_equal, wait_for

ON_CHANGE = (pathlib.Path(__file__).resolve().parents[2] /
             "scripts/recipes/on-change")

CONF = """daemon off;
user {user};
pid {tmp}/pid;
error_log {tmp}/error.log notice;
events {{ }}
http {{
	access_log off;
	client_body_temp_path {tmp}/t;
	proxy_temp_path {tmp}/t;
	fastcgi_temp_path {tmp}/t;
	scgi_temp_path {tmp}/t;
	uwsgi_temp_path {tmp}/t;
	server {{
		listen unix:{tmp}/socket;
		include {sites}/*.conf;
	}}
}}
"""

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("nginx", "inotifywait", "setpriv"))),
    reason="no nginx or inotifywait in PATH")


def site(path, answer):
    return f'location {path} {{ return 200 "{answer}"; }}\n'.encode()


class Nginx:
    """It runs in the foreground, with its configuration on the mount."""

    def __init__(self, m, tmp):
        self.tmp = tmp
        self.argv = ["nginx", "-p", tmp, "-e", tmp / "error.log",
                     "-c", m / "nginx/nginx.conf"]

    def start(self):
        return Program(*self.argv)

    def reload(self):
        return [*self.argv, "-s", "reload"]

    def get(self, path):
        """What it answers; OSError if it does not."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        with contextlib.closing(connection):
            connection.sock.connect(str(self.tmp / "socket"))
            connection.request("GET", path)
            return connection.getresponse().read().decode()

    def complaints(self):
        return (self.tmp / "error.log").read_text().count("[emerg]")


@pytest.fixture
def nginx(m, zk, tmp):
    conf = CONF.format(tmp=tmp, sites=m / "nginx/sites",
                       user="root" if os.getuid() == 0 else "nobody")
    zk.create("/nginx", None)
    zk.create("/nginx/nginx.conf", conf.encode())
    zk.create("/nginx/sites", None)
    zk.create("/nginx/sites/a.conf", site("/a", "one"))
    own = Nginx(m, tmp)
    with own.start():
        wait_equal(lambda: own.get("/a"), "one")
        yield own
        # Its workers are its children, and no others have this name.
        with contextlib.suppress(OSError):
            os.kill(int((tmp / "pid").read_text()), 15)
        wait_for(lambda: not (tmp / "pid").exists(), what="nginx ends")


def test_nginx_is_reloaded(m, zk, nginx):
    """By on-change, which waits for inotify events."""
    with Program(ON_CHANGE, m / "nginx", *nginx.reload()) as watcher:
        zk.set("/nginx/sites/a.conf", site("/a", "two"))
        wait_equal(lambda: nginx.get("/a"), "two")
        zk.create("/nginx/sites/b.conf", site("/b", "new"))
        wait_equal(lambda: nginx.get("/b"), "new")
        zk.delete("/nginx/sites/b.conf")
        wait_for(lambda: "404" in nginx.get("/b"))

        before = nginx.complaints()
        zk.set("/nginx/sites/a.conf", b"location {")
        wait_for(lambda: nginx.complaints() > before, what="it complains")
        wait_for(lambda: "status 1" in watcher.output())
        assert nginx.get("/a") == "two"
        zk.set("/nginx/sites/a.conf", site("/a", "three"))
        wait_equal(lambda: nginx.get("/a"), "three")


def test_all_changes_are_seen(m, zk, tmp):
    """On a file; also what changes while the command runs."""
    zk.create("/d", None)
    zk.create("/d/f", b"0")
    with Program(ON_CHANGE, m / "d/f", "cp", m / "d/f", tmp / "copy"):
        wait_equal((tmp / "copy").read_bytes, b"0")
        for i in range(50):
            zk.set("/d/f", b"%d" % i)
        wait_equal((tmp / "copy").read_bytes, b"49")
        zk.delete("/d/f")
        zk.create("/d/f", b"another")
        wait_equal((tmp / "copy").read_bytes, b"another")
