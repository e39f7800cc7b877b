# SPDX-License-Identifier: Apache-2.0
"""A mount in namespaces of its own, by whom it is made for.

    cell = Cell(source, directory, "umask=077", user=NOBODY)
    cell.start()
    cell.ok("cat", cell / "f")

The daemon has a mount namespace, in which everybody may open /dev/fuse, as on
most machines, and on request a user namespace, in which it is root.  Who looks
from outside sees nothing of the mount.
"""

import os

from . import files
from .mount import Mount, command
from .procs import SETPRIV, tied

NOBODY = 65534
OPEN_FUSE = ('mknod -m 666 "$1" c 10 229; mount --bind "$1" /dev/fuse; shift; '
             'exec "$@"')


def as_user(uid, gid=None):
    """The beginning of a command line; nothing for None."""
    if uid is None:
        return []
    gid = uid if gid is None else gid
    return [SETPRIV, "--reuid", str(uid), "--regid", str(gid),
            "--clear-groups"]


class Cell(Mount):
    """One mount, made and used by @user; None is root."""

    def __init__(self, source, directory, *options, user=None, userns=False,
                 allow=None):
        super().__init__(source, directory, *options, allow=allow)
        self.user = as_user(user)
        self.userns = userns
        self.device = os.path.join(directory, "fuse")
        if user is not None:
            os.chown(self.path, user, user)

    def command(self):
        userns = ["unshare", "-Urm"] if self.userns else []
        return ["unshare", "-m", "sh", "-ec", OPEN_FUSE, "sh", self.device,
                *self.user, *userns,
                *tied(command(self.source, self.path, *self.options))]

    def argv(self, *argv, user=None):
        """The command line that runs @argv where the mount is seen."""
        where = ["nsenter", "-t", str(self.pid), "-m"]
        if self.userns:
            return [*where, "-U", *argv]        # as the daemon, root in it
        return [*where, *(user or self.user), *argv]

    def run(self, *argv, **kwargs):
        return files.run(*self.argv(*argv, **kwargs))

    def ok(self, *argv, **kwargs):
        return files.ok(*self.argv(*argv, **kwargs))

    def mounted(self):
        try:
            with open(f"/proc/{self.pid}/mountinfo", encoding="utf-8") as f:
                return any(line.split()[4] == str(self.path) for line in f)
        except OSError:
            return False

    def answers(self):
        return self.run("stat", self.path).returncode == 0

    def _try_unmount(self):
        return self.run("fusermount3", "-u", self.path)
