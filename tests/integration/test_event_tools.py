# SPDX-License-Identifier: Apache-2.0
"""Programs that wait for changes see those that others make."""

import contextlib
import os
import shutil

import pytest

from harness.files import get, put, run
from harness.inotify import (CLOSE_WRITE, CREATE, DELETE, DELETE_SELF,
                             MOVE_SELF, MOVED_FROM, MOVED_TO, Inotify)
from harness.program import Program
from harness.wait import wait_changing, wait_for


def needs(program):
    return pytest.mark.skipif(not shutil.which(program),
                              reason=f"no {program} in PATH")


@pytest.fixture
def w(mount, source, zk):
    """A directory of a mount, with a file and a directory in it."""
    zk.create("/w", None)
    zk.create("/w/f", b"one\n")
    zk.create("/w/d", None)
    return mount(source) / "w"


@needs("inotifywait")
def test_inotifywait(w, zk):
    """Recursively, in directories that come later too."""
    with Program("inotifywait", "-m", "-r", "-q", "--format", "%e %w%f",
                 "-e", "create,delete,modify,close_write", w) as p:
        p.watching(2)
        zk.set("/w/f", b"two\n")
        zk.create("/w/d/g", b"v")
        zk.create("/w/new", None)
        p.prints(f"MODIFY {w}/f", f"CLOSE_WRITE,CLOSE {w}/f",
                 f"CREATE {w}/d/g", f"CREATE,ISDIR {w}/new")
        p.watching(3)
        zk.create("/w/new/h", b"v")
        p.prints(f"CREATE {w}/new/h")  # or a set may be part of it
        zk.set("/w/new/h", b"w")
        p.prints(f"MODIFY {w}/new/h")
        zk.delete("/w/new/h")
        zk.delete("/w/new")
        p.prints(f"DELETE {w}/new/h", f"DELETE,ISDIR {w}/new")


WATCHDOG = """
import sys
from watchdog.events import FileSystemEventHandler
from watchdog.observers.inotify import InotifyObserver

class Handler(FileSystemEventHandler):
    def on_any_event(self, event):
        kind = "directory" if event.is_directory else "file"
        print(event.event_type, kind, event.src_path, flush=True)

observer = InotifyObserver()
observer.schedule(Handler(), sys.argv[1], recursive=True)
observer.start()
print("ready", flush=True)
observer.join()
"""


def test_watchdog(w, zk):
    """The library that most Python programs watch files with."""
    if run("/usr/bin/python3", "-c", "import watchdog").returncode:
        pytest.skip("no watchdog (Debian: python3-watchdog)")
    with Program("/usr/bin/python3", "-c", WATCHDOG, w) as p:
        p.prints("ready")
        zk.set("/w/f", b"two\n")
        zk.create("/w/d/g", b"v")
        zk.create("/w/new", None)
        p.prints(f"modified file {w}/f", f"closed file {w}/f",
                 f"created file {w}/d/g", f"created directory {w}/new")
        zk.delete("/w/d/g")
        zk.delete("/w/new")
        p.prints(f"deleted file {w}/d/g", f"deleted directory {w}/new")


@needs("entr")
def test_entr(w, zk):
    """It runs its command once more when the file changes."""
    with Program("entr", "-n", "cat", w / "f",
                 stdin=f"{w}/f\n".encode()) as p:
        p.prints("one")
        for word in ("two", "three", "four"):
            wait_changing(lambda: word in p.output(),
                          lambda: zk.set("/w/f", word.encode() + b"\n"))


@needs("entr")
def test_entr_of_a_directory(w, zk):
    """entr -d ends when a file is added, so that a loop can list anew."""
    with Program("entr", "-n", "-d", "true", stdin=f"{w}/f\n".encode()) as p:
        p.watching(2)
        wait_changing(lambda: p.proc.poll() == 2,
                      lambda: zk.create("/w/new", b"v", sequence=True))


@needs("tail")
def test_tail_follows_what_others_append(w, zk):
    with Program("tail", "-F", "-s", "0.1", w / "f") as p:
        p.prints("one")
        text = b"one\n"
        for word in (b"two", b"three", b"four"):
            text += word + b"\n"
            zk.set("/w/f", text)
            p.prints(word.decode())
        assert p.output() == text.decode()


@needs("tail")
def test_tail_follows_a_new_file_of_the_name(w, zk):
    with Program("tail", "-F", "-s", "0.1", w / "f") as p:
        p.prints("one")
        zk.delete("/w/f")
        wait_for(lambda: "inaccessible" in p.output(), what="tail misses it")
        zk.create("/w/f", b"another\n")
        p.prints("another")


class PathUnit:
    """What systemd does for PathChanged=: watch the file, and above it.

    The file is watched for its content, each directory above it for the
    entry on the way; after every event all of it is looked up anew.
    """

    FILE = CLOSE_WRITE | DELETE_SELF | MOVE_SELF
    ABOVE = CREATE | DELETE | MOVED_FROM | MOVED_TO | DELETE_SELF | MOVE_SELF

    def __init__(self, inotify, path):
        self.inotify = inotify
        self.path = path
        self.watch()

    def watch(self):
        for directory in (self.path.parents[1], self.path.parent):
            with contextlib.suppress(FileNotFoundError):
                self.inotify.add_watch(directory, self.ABOVE)
        self.file = None
        with contextlib.suppress(FileNotFoundError):
            self.file = self.inotify.add_watch(self.path, self.FILE)

    def triggered(self):
        """Wait for an event of the file or its entry; its content then."""
        def concerns_us(events):
            return any(e.wd == self.file or e.name == self.path.name
                       for e in events)

        seen = self.inotify.until(concerns_us)
        assert concerns_us(seen), "the unit is not triggered"
        self.watch()
        with contextlib.suppress(FileNotFoundError):
            return get(self.path)


def test_path_unit(w, zk):
    with Inotify() as inotify:
        unit = PathUnit(inotify, w / "f")
        zk.set("/w/f", b"two")
        assert unit.triggered() == b"two"
        zk.delete("/w/f")
        assert unit.triggered() is None
        inotify.read()
        zk.create("/w/f", b"three")
        assert unit.triggered() == b"three"
        zk.set("/w/f", b"four")
        assert unit.triggered() == b"four"


def test_editor_on_another_mount(w, mount, source, zk):
    """It saves under another name and renames: one change of the file."""
    m2 = mount(source)
    with Inotify() as inotify:
        unit = PathUnit(inotify, w / "f")
        put(m2 / "w/f.tmp", b"edited")
        os.rename(m2 / "w/f.tmp", m2 / "w/f")
        assert unit.triggered() == b"edited"
