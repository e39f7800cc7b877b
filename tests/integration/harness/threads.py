# SPDX-License-Identifier: Apache-2.0
"""Threads whose failures fail the test."""

import contextlib
import threading


def _start(calls, errors):
    def guard(function, args):
        try:
            function(*args)
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=guard, args=(f, args))
               for f, *args in calls]
    for t in threads:
        t.start()
    return threads


def run_threads(*calls):
    """Run (function, argument...) each in a thread, to their ends."""
    errors = []
    for t in _start(calls, errors):
        t.join()
    if errors:
        raise errors[0]


@contextlib.contextmanager
def repeating(*functions):
    """Call each of @functions in a thread of its own, again and again.

    They stop after the body, or when one fails; its error is raised then.
    """
    stop, errors = threading.Event(), []

    def loop(function):
        while not stop.is_set() and not errors:
            function()

    threads = _start([(loop, f) for f in functions], errors)
    try:
        yield
    finally:
        stop.set()
        for t in threads:
            t.join()
    if errors:
        raise errors[0]
