# SPDX-License-Identifier: Apache-2.0
"""Files as a program sees them: one system call where one is meant."""

import contextlib
import ctypes
import errno
import os
import subprocess

from .wait import SLOW

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
AT_FDCWD = -100

_libc = ctypes.CDLL(None, use_errno=True)


def put(path, data, flags=os.O_CREAT | os.O_TRUNC):
    """open, write(2) until all is written, close: as `printf v > f`."""
    with opened(path, os.O_WRONLY | flags) as fd:
        while data:
            data = data[os.write(fd, data):]


def append(path, data):
    put(path, data, os.O_APPEND)


def get(path):
    with opened(path, os.O_RDONLY) as fd:
        return slurp(fd)


def slurp(fd):
    return b"".join(iter(lambda: os.read(fd, 1 << 20), b""))


@contextlib.contextmanager
def opened(path, flags, mode=0o666):
    """A descriptor; closing it reports what close(2) returns."""
    fd = os.open(path, flags, mode)
    try:
        yield fd
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(fd)
        raise
    os.close(fd)


@contextlib.contextmanager
def fails(*names):
    """Assert that the body raises OSError with one of the errno @names."""
    try:
        yield
    except OSError as e:
        name = errno.errorcode.get(e.errno, e.errno)
        assert name in names, f"{name}, expected {' or '.join(names)}"
    else:
        raise AssertionError(f"no error, expected {' or '.join(names)}")


def renameat2(old, new, flags):
    if _libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new),
                       flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(old), None, str(new))


def run(*argv, timeout=60, **kwargs):
    """Run a program to its end; stdout and stderr are kept as text."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", **kwargs.pop("env", {})}
    return subprocess.run(
        [os.fspath(a) for a in argv], capture_output=True, text=True,
        timeout=timeout * SLOW, env=env, stdin=subprocess.DEVNULL, **kwargs)


def ok(*argv, **kwargs):
    """Run a program that has to succeed; its standard output."""
    done = run(*argv, **kwargs)
    assert done.returncode == 0, \
        f"{argv}: {done.returncode}\n{done.stdout[-500:]}{done.stderr[-1500:]}"
    return done.stdout


def shell(script, *args, check=True, **kwargs):
    """Run a bash script with @args as $1, $2...; assert success by default."""
    argv = ["bash", "-c", script, "bash", *args]
    return ok(*argv, **kwargs) if check else run(*argv, **kwargs)
