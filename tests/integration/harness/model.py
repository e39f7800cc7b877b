# SPDX-License-Identifier: Apache-2.0
"""A tree rebuilt from inotify events alone, to prove that none is lost.

A Watcher is a process of its own, so that nothing it does disturbs the test.
It watches every directory below the one it is given, and takes the initial
listing and then only what events tell: it never lists again to repair itself.
The kind of an entry is what the event said; only the content is read, at once.

A tree is a dict from path to content, None for a directory; "" is the top.

    with Watcher(m / "t") as w:
        ...
        assert not differences(w.tree(), snapshot)
"""

import collections
import contextlib
import errno
import fcntl
import json
import os
import pathlib
import select
import stat
import subprocess
import sys
import traceback

from . import inotify
from .inotify import Inotify
from .procs import tied
from .wait import SLOW

QUEUE = 1 << 20
QUEUE_LIMIT = "/proc/sys/fs/inotify/max_queued_events"
UNREAD = "(never read)"     # content of what went before it could be read
MASK = inotify.CHANGES | inotify.ONLYDIR
GONE = (inotify.DELETE, inotify.MOVED_FROM)
MOVED_ON = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ESTALE)


def shown(data):
    """Content as a tree has it: text, shortened where that hides little."""
    text = data.decode("latin-1")
    return text if len(text) < 100 else f"{text[:80]}... {len(text)} bytes"


def raise_unless_moved_on(error):
    """What was told of may be something else already."""
    if error.errno not in MOVED_ON:
        raise error


def join(directory, name):
    return f"{directory}/{name}" if directory else name


class Model:
    """The tree below @top, in the process that watches."""

    def __init__(self, top):
        self.top = os.fspath(top)
        self.tree = {}
        self.watches = {}       # path of a directory -> watch descriptor
        self.paths = {}         # the reverse
        self.seen = 0
        self.history = collections.defaultdict(
            lambda: collections.deque(maxlen=15))
        raise_queue_limit()
        self.inotify = Inotify()
        self._take_directory("")
        if not self.watches:
            raise FileNotFoundError(top)

    def handle(self, events):
        for event in events:
            self.seen += 1
            self._handle(event)

    def _handle(self, event):
        if event.mask & (inotify.Q_OVERFLOW | inotify.UNMOUNT):
            raise AssertionError(f"{event.what()} after {self.seen} events")
        directory = self.paths.get(event.wd)
        if directory is None or not event.name:
            return              # not watched any more, or told by the parent
        path = join(directory, event.name)
        self._note(path, event.what())
        is_directory = bool(event.mask & inotify.ISDIR)
        came = event.mask & (inotify.CREATE | inotify.MOVED_TO)
        if came and path in self.tree \
                and (self.tree[path] is None) != is_directory:
            self._drop(path)    # made here, where another one was elsewhere
        if event.mask & inotify.MOVED_TO and is_directory:
            self._drop(path)    # one that others had emptied
        if any(event.mask & mask for mask in GONE):
            self._drop(path)
        elif is_directory:
            self._take_directory(path)
        else:
            self._take_file(path, came)

    def _full(self, path):
        return f"{self.top}/{path}" if path else self.top

    def _take_file(self, path, came=True):
        """Its content; where it has gone again, an event has to tell.

        But who had it open when it was removed may write and close it after
        that, which is told as well (inotify(7), IN_EXCL_UNLINK).
        """
        was_gone = not came and path not in self.tree
        self.tree.setdefault(path, UNREAD)
        try:
            with open(self._full(path), "rb") as f:
                content = shown(f.read())
        except OSError as e:
            raise_unless_moved_on(e)
            self._note(path, f"reading: {e.strerror}")
            if was_gone:
                del self.tree[path]
            return
        self._note(path, f"read {content[:20]!r}")
        if self.tree[path] is not None:
            self.tree[path] = content

    def _take_directory(self, path):
        """Watch it first, then take what is in it."""
        if self.tree.get(path, UNREAD) == UNREAD:
            self.tree[path] = None
        try:
            self._watch(path)
            names = os.listdir(self._full(path))
        except OSError as e:
            raise_unless_moved_on(e)
            self._note(path, f"watching: {e.strerror}")
            return              # an event has to tell
        self._note(path, f"{len(names)} in it")
        for name in names:
            self._take_listed(join(path, name))

    def _watch(self, path):
        """The directory that is there now, and no other that was."""
        wd = self.inotify.add_watch(self._full(path), MASK)
        if self.watches.get(path) != wd:
            self._unwatch(path)
        self.watches[path] = wd
        self.paths[wd] = path

    def _unwatch(self, path):
        wd = self.watches.pop(path, None)
        if self.paths.get(wd) == path:      # not moved to another path
            del self.paths[wd]
            with contextlib.suppress(OSError):
                self.inotify.rm_watch(wd)

    def _take_listed(self, path):
        self._note(path, "listed")
        try:
            is_directory = stat.S_ISDIR(os.lstat(self._full(path)).st_mode)
        except OSError as e:
            raise_unless_moved_on(e)
            is_directory = False        # whatever it was: an event has to tell
        if is_directory:
            self._take_directory(path)
        else:
            self._take_file(path)

    def _drop(self, path):
        for below in [p for p in self.tree
                      if p == path or p.startswith(path + "/")]:
            del self.tree[below]
            self._unwatch(below)

    def _note(self, path, what):
        self.history[path].append(what)

    def answer(self, request):
        if "history" in request:
            return {"history": list(self.history[request["history"]])}
        return {"tree": self.tree, "seen": self.seen}


def raise_queue_limit():
    """Root may have a longer queue; it is never made shorter again."""
    with contextlib.suppress(OSError), open(QUEUE_LIMIT, "r+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        if int(f.read()) < QUEUE:
            f.seek(0)
            f.write(str(QUEUE))


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def serve(top):
    """Follow the events, and answer requests until the end of stdin."""
    model = Model(top)
    say({"ready": True})
    while True:
        ready = select.select([sys.stdin, model.inotify.fd], [], [])[0]
        model.handle(model.inotify.read())
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                return
            say(model.answer(json.loads(line)))


def main():
    try:
        serve(sys.argv[1])
    except BaseException:
        say({"error": traceback.format_exc()})
        raise SystemExit(1) from None


# -- in the process of the test ---------------------------------------------

class Watcher:
    """A process that keeps a Model of @top; ready when this returns."""

    def __init__(self, top, name=None):
        self.name = name or str(top)
        self.proc = spawn_module("harness.model", os.fspath(top))
        self._pending = b""
        self._receive(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self.proc.pid

    def tree(self):
        return self.ask({})["tree"]

    def seen(self):
        """How many events there were."""
        return self.ask({})["seen"]

    def history(self, path):
        """The last events and readings of @path, oldest first."""
        return self.ask({"history": path})["history"]

    def ask(self, request, timeout=20):
        try:
            self.proc.stdin.write(json.dumps(request).encode() + b"\n")
            self.proc.stdin.flush()
        except BrokenPipeError:
            pass                # its last words are still in the pipe
        return self._receive(timeout)

    def _receive(self, timeout):
        while b"\n" not in self._pending:
            if not select.select([self.proc.stdout], [], [],
                                 timeout * SLOW)[0]:
                raise AssertionError(f"the watcher of {self.name} is stuck")
            data = os.read(self.proc.stdout.fileno(), 1 << 20)
            if not data:
                raise AssertionError(f"the watcher of {self.name} has ended")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"watcher of {self.name}: {answer['error']}")
        return answer

    def close(self):
        """Let it end; one that does not is killed, and an error."""
        end_process(self.proc, f"the watcher of {self.name}")


def spawn_module(module, *args):
    """Run a module of the harness with pipes to its stdin and stdout."""
    here = pathlib.Path(__file__).resolve().parents[1]
    return subprocess.Popen(
        tied([sys.executable, "-B", "-m", module, *map(str, args)]),
        cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def end_process(proc, what, timeout=10):
    """Close its stdin and wait for its end; its exit status."""
    with contextlib.suppress(BrokenPipeError):
        proc.stdin.close()
    try:
        return proc.wait(timeout * SLOW)
    except subprocess.TimeoutExpired:
        proc.kill()
        raise AssertionError(f"{what} does not end") from None


# -- comparing --------------------------------------------------------------

def walk(top):
    """The tree that a fresh walk of @top finds."""
    top = os.fspath(top)
    found = {}
    for directory, _, files in os.walk(top):
        base = os.path.relpath(directory, top)
        base = "" if base == "." else base
        found[base] = None
        for name in files:
            with open(os.path.join(directory, name), "rb") as f:
                found[join(base, name)] = shown(f.read())
    return found


def as_tree(snapshot, model):
    """The tree that @snapshot (tree.snapshot) is on a mount.

    Kinds are stable: a znode that has lost its children stays a directory,
    and a file whose data becomes null stays a file, an empty one, as long as
    the mount knows it.  So for a znode without children @model decides.
    """
    want = {}
    inner = {path.rpartition("/")[0] for path in snapshot}
    for path, data in snapshot.items():
        key = path.strip("/")
        directory = path in inner or not key or \
            model.get(key, data) is None
        if directory:
            want[key] = None
            key = join(key, ".data")
        if data is not None or not directory:
            want[key] = shown(data or b"")
    return want


def differences(model, want):
    """Path -> (in the model, wanted) where two trees differ."""
    absent = "(absent)"
    return {p: (model.get(p, absent), want.get(p, absent))
            for p in sorted(model.keys() | want.keys())
            if model.get(p, absent) != want.get(p, absent)}


def describe(watcher, diff):
    """@diff as lines to read, each with what the watcher has seen there."""
    lines = [f"{watcher.name}: {len(diff)} paths differ"]
    for path, (got, want) in list(diff.items())[:10]:
        lines.append(f"  {path or '(top)'}: model {_text(got)}, "
                     f"truth {_text(want)}")
        for p in (path, path.rpartition("/")[0]):
            lines.append(f"    {p}: " + "; ".join(watcher.history(p)))
    return "\n".join(lines)


def _text(value):
    return "a directory" if value is None else repr(value)


if __name__ == "__main__":
    main()
