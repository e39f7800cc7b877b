# SPDX-License-Identifier: Apache-2.0
"""The package for Debian: made, installed, used, upgraded and removed.

That is done to a throwaway root: an overlay of this one in namespaces that end
with the test, so nothing of it reaches the machine.
"""

import os
import pathlib
import re
import shutil

import pytest

from harness.files import ok, run
from harness.wait import SLOW

TOP = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ("dpkg-deb", "dpkg-shlibdeps", "dpkg-buildflags", "meson", "scdoc")

pytestmark = [
    pytest.mark.deadline(1000),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)),
                       reason=f"one of {TOOLS} is missing"),
    # It is made by the compiler and the flags of Debian, whatever is tested.
    pytest.mark.skipif(SLOW > 1, reason="once is enough, without sanitizers"),
]


@pytest.fixture(scope="module")
def deb(workplace):
    out = ok(TOP / "scripts/package", workplace.mkdir("package"), timeout=900)
    return pathlib.Path(out.splitlines()[-1])


def field(deb, name):
    return ok("dpkg-deb", "-f", deb, name).strip()


def test_name_and_version(deb):
    version = re.search("version: '(.*)'",
                        (TOP / "meson.build").read_text())[1]
    arch = ok("dpkg", "--print-architecture").strip()
    assert deb.name == f"znodefs_{version}_{arch}.deb"
    assert field(deb, "Version") == version


def test_what_it_depends_on(deb):
    names = {d.split()[0] for d in field(deb, "Depends").split(",")}
    assert names == {"libc6", "libfuse3-3", "libzookeeper-mt2", "fuse3"}


@pytest.mark.skipif(not shutil.which("lintian"), reason="no lintian")
def test_lintian(deb):
    done = run("lintian", "--display-info", "--fail-on", "error,warning,info",
               deb, timeout=300)
    assert done.stdout == "", done.stdout
    assert done.returncode == 0, done.stderr


# -- in use -----------------------------------------------------------------

# $1 is an empty directory.  Then the script $2 with the rest as $1... on a
# copy of this root.
THROWAWAY = """
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" none "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount -t sysfs -o ro sys "$1/root/sys"
mount -t tmpfs none "$1/root/run"
mount -t tmpfs none "$1/root/tmp"
cp "$3" "$1/root/znodefs.deb"
root=$1 script=$2
shift 3
exec chroot "$root/root" sh -euc "$script" sh "$@"
"""

needs_overlay = pytest.mark.skipif(
    os.getuid() != 0 or run(
        "unshare", "-m", "sh", "-ec", """
        mount -t tmpfs none /mnt; mkdir /mnt/u /mnt/w /mnt/r
        mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w x /mnt/r
        """).returncode != 0, reason="no throwaway root can be made here")


@pytest.fixture
def throwaway(deb, tmp):
    """A function that runs a shell script as root of a throwaway root."""
    def run_in(script, *args):
        (tmp / "root").mkdir()
        return ok("unshare", "-mpf", "--kill-child", "sh", "-ec", THROWAWAY,
                  "sh", tmp / "root", script, deb, *args, timeout=200,
                  env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                       "DEBIAN_FRONTEND": "noninteractive"})

    return run_in


HELPERS = r"""
mnt=/mnt/zk
quietly() { "$@" >/tmp/log 2>&1 || { cat /tmp/log >&2; exit 1; }; }
# A whole number of tenths of a second, and then a command until it succeeds.
within() {
	left=$1
	shift
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || { echo "not in time: $*" >&2; exit 1; }
		sleep 0.1
	done
}
reads() { [ "$(cat $mnt/$1)" = "$2" ]; }
mounted() { grep -q " $mnt fuse.znodefs " /proc/mounts; }
# The processes of this name.
pids() {
	for p in /proc/[0-9]*; do
		[ "$(cat $p/comm 2>/dev/null)" != "$1" ] || echo ${p#/proc/}
	done
}
not() { ! "$@"; }		# which "set -e" sees
none_runs() { [ -z "$(pids znodefs)" ]; }
mkdir -p $mnt
rm -f /var/lib/man-db/auto-update	# it takes longer than all the rest
dpkg() { command dpkg --force-unsafe-io "$@"; }
"""


@needs_overlay
def test_install_mount_upgrade_remove(throwaway, source, zk):
    zk.create("/f", b"the value")
    throwaway(HELPERS + r"""
quietly dpkg -i /znodefs.deb
[ "$(znodefs --version | cut -d ' ' -f 1)" = znodefs ]
dpkg -V znodefs
files=$(dpkg -L znodefs | grep znodefs)
for file in $files; do [ -e "$file" ]; done

# by fstab
echo "$1 $mnt fuse.znodefs defaults,_netdev 0 0" >/etc/fstab
mount -a
mounted
reads f "the value"
echo mine >$mnt/.ephemeral/mine

# An upgrade leaves the mount alone, and the mount is whole: it can start a
# helper, by which changes get to the kernel.
quietly dpkg -i /znodefs.deb
mounted
readlink /proc/$(pids znodefs)/exe | grep -q "(deleted)"
kill -9 $(pids znodefs-helper)
znodefs "$1" /media
cat $mnt/f >/dev/null
echo new >/media/f
within 200 reads f new
within 200 grep -q "^helpers 2$" $mnt/.znodefs/status
umount /media

# So does its removal.
quietly dpkg -P znodefs
for file in $files; do [ ! -e "$file" ]; done
mounted
reads mine mine
umount $mnt
within 300 none_runs
""", source)
    assert zk.get("/f")[0] == b"new\n"
    assert not zk.exists("/mine"), "the session was not closed"


@needs_overlay
def test_fstab_says_why_not(throwaway, source):
    throwaway(HELPERS + r"""
quietly dpkg -i /znodefs.deb
echo "$1/no/such $mnt fuse.znodefs defaults,_netdev 0 0" >/etc/fstab
not mount -a 2>/tmp/said
grep -q "no znode .*/no/such to mount" /tmp/said
not mounted
""", source)
