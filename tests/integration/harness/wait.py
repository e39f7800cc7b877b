# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, never for a length of time.

Every deadline here is multiplied by ZNODEFS_SLOW, for builds that are slow on
purpose (sanitizers, valgrind).
"""

import os
import time

SLOW = float(os.environ.get("ZNODEFS_SLOW", "1"))


def wait_for(cond, timeout=10, what=None, interval=0.01):
    """Call @cond until it returns something true; return that.

    @what names the condition in the message when @timeout seconds are over.
    """
    end = time.monotonic() + timeout * SLOW
    while True:
        value = cond()
        if value:
            return value
        if time.monotonic() > end:
            name = what or getattr(cond, "__name__", "condition")
            raise AssertionError(f"not within {timeout * SLOW:g} s: {name}")
        time.sleep(interval)


def wait_changing(cond, change):
    """Change something again and again until @cond.

    entr drops what happens while its command runs, and right after that.
    """
    def attempt():
        if not cond():
            change()
        return cond()

    wait_for(attempt, interval=0.2)


def wait_equal(get, expected, timeout=10):
    """Call @get until it returns @expected; the last value is in the message.

    An OSError counts as the value it is, so that ENOENT can be waited out.
    """
    last = None
    end = time.monotonic() + timeout * SLOW
    while True:
        try:
            last = get()
        except OSError as e:
            last = e
        if not isinstance(last, OSError) and last == expected:
            return last
        if time.monotonic() > end:
            raise AssertionError(
                f"not within {timeout * SLOW:g} s: "
                f"{_short(last)} never became {_short(expected)}")
        time.sleep(0.01)


def _short(value):
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "..."
