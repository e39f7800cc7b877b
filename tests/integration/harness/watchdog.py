# SPDX-License-Identifier: Apache-2.0
"""A deadline for each test that also holds against a stuck filesystem.

A thread that sits in a request to a FUSE daemon that does not answer takes no
signal but a fatal one, so an alarm is not enough.  The watchdog first kills
the daemons and servers that the test runs on, which makes the kernel end every
request with ENOTCONN, and then raises TestTimeout in the main thread.  Should
even that not end the test, faulthandler prints where it hangs and ends pytest.
"""

import contextlib
import faulthandler
import os
import signal
import sys
import threading

GRACE = 30


class TestTimeout(BaseException):
    """Not an Exception, so that no test swallows it."""

    __test__ = False


def _raise(signum, frame):
    raise TestTimeout("the test ran past its deadline")


@contextlib.contextmanager
def watchdog(seconds, kill_all):
    """Break off the body after @seconds; @kill_all ends what it runs on."""
    main = threading.get_ident()

    def bark():
        sys.stderr.write(f"\nno end after {seconds:g} s, stacks:\n")
        faulthandler.dump_traceback(all_threads=True)
        kill_all()
        signal.pthread_kill(main, signal.SIGALRM)

    old = signal.signal(signal.SIGALRM, _raise)
    timer = threading.Timer(seconds, bark)
    timer.daemon = True
    timer.start()
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True)
    try:
        yield
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, old)


def interrupt_on_sigterm():
    """Let SIGTERM (from meson, from CI) run the fixtures' ends as Ctrl-C."""
    def handler(signum, frame):
        raise KeyboardInterrupt

    if os.name == "posix":
        signal.signal(signal.SIGTERM, handler)
