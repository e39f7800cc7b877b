# SPDX-License-Identifier: Apache-2.0
"""What was reported as written is not lost when the mount ends under it."""

import os
import signal

from harness.wait import wait_equal


def test_gathered_blocks_are_committed_at_sigterm(m, zk):
    zk.create("/f", b"old")
    data = os.urandom(8 * 4096)
    fd = os.open(m / "f", os.O_WRONLY | os.O_TRUNC)
    new = os.open(m / "new", os.O_WRONLY | os.O_CREAT)
    try:
        assert os.write(fd, data) == len(data)
        assert os.write(new, data) == len(data)
        assert zk.get("/f")[0] == b"old"
        m.kill(signal.SIGTERM)
        assert m.wait(10) == 0
    finally:
        for each in (fd, new):
            try:
                os.close(each)
            except OSError:
                pass  # the mount is gone
    wait_equal(lambda: zk.get("/f")[0], data)
    assert zk.get("/new")[0] == data
