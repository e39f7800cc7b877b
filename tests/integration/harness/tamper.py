# SPDX-License-Identifier: Apache-2.0
"""A proxy that does to connections what networks do, at a chosen moment.

What happens to a single request is a rule, which is used up by it:

    rule = proxy.on("after", SET)       the reply is lost, and the connection
    ...
    assert rule.hit.wait(10)

before      the request is lost, and the connection
block       the same, and nobody connects before unblock()
block-after as block, and the request arrives
after       the request arrives; its reply is lost, and the connection
cut         the request breaks off in the middle, and the connection with it
cut-reply   the same of its reply
dark-before the request is lost, and from then on nothing passes; nobody is
            told that
dark-after  the same, and the request arrives
half-open   the request arrives; the server's end is closed, the client is
            not told of that
hold        the request arrives; its reply, and all behind that, come when
            deliver() is called
late        the connection is lost, and the request arrives when deliver() is
            called

What happens to all connections together:

    freeze() thaw()     nothing passes, and what was sent meanwhile does later
    darken()            nothing passes any more on those there are
    abandon()           the server's ends are closed, the clients are not told
    terminate()         the sessions are closed, as if the clients had done it
    delay = s           each frame takes up to so long
    budget = n          each connection is cut after so many bytes or less
"""

import contextlib
import random
import socket
import struct
import threading
import time

from .proxy import Connection, Proxy

DELETE = 2
SET = 5
SET_ACL = 7
MULTI = 14
CLOSE_SESSION = -11
CREATE = 15             # create2, which is what the client library sends


def close_session(target, session):
    """Take the session over by another connection, and close it."""
    sid, password = session
    connect = struct.pack(">iqiqi", 0, 0, 10_000, sid, len(password))
    connect += password + b"\0"
    with socket.create_connection(target, 10) as s:
        for request in connect, struct.pack(">ii", 1, CLOSE_SESSION):
            s.sendall(struct.pack(">i", len(request)) + request)
        while s.recv(1 << 12):
            pass


class Rule:
    def __init__(self, action, opcodes):
        self.action = action
        self.opcodes = opcodes
        self.hit = threading.Event()
        self._held = threading.Event()

    def deliver(self):
        """Let the late request go, or the reply that is held."""
        self._held.set()

    def wait(self):
        self._held.wait(60)


class Tampered(Connection):
    """A connection whose frames are looked at."""

    def __init__(self, client, server, proxy):
        self.proxy = proxy
        self.dark = False
        self.replies = {}       # xid -> rule, of what is to happen to them
        self.session = None     # id and password
        self.left = random.randint(1, proxy.budget) if proxy.budget else None
        super().__init__(client, server)

    def _up(self):
        with contextlib.suppress(OSError):
            for number, frame in enumerate(self._frames_of(self.client)):
                self._request(number, frame)
        self._end(self.client)

    def _down(self):
        with contextlib.suppress(OSError):
            for number, frame in enumerate(self._frames_of(self.server)):
                if number == 0:
                    self._connected(frame)
                self._reply(frame)
        self._end(self.server)

    def _end(self, source):
        """One end has closed: so does the other, where that is passed on."""
        if not self.dark or source is self.client:
            self.close()

    def _frames_of(self, source):
        buffer = b""
        while data := source.recv(1 << 16):
            self.proxy.gate.wait()
            buffer += data
            while len(buffer) >= 4:
                size = 4 + struct.unpack_from(">i", buffer)[0]
                if len(buffer) < size:
                    break
                yield buffer[:size]
                buffer = buffer[size:]

    def _pass(self, sink, frame):
        """Send it on, after a while, as far as the connection lasts."""
        if self.dark:
            return
        if self.proxy.delay:
            time.sleep(random.uniform(0, self.proxy.delay))
        if self.left is not None:
            if self.left < len(frame):
                sink.sendall(frame[:self.left])
                self.close()
            self.left -= len(frame)
        sink.sendall(frame)

    def _request(self, number, frame):
        xid, opcode = struct.unpack_from(">ii", frame, 4)
        rule = None
        if number > 0:          # the connect request has no opcode
            self.opcodes.add(opcode)
            rule = self.proxy.take_rule(opcode)
        if not rule:
            return self._pass(self.server, frame)
        getattr(self, "_do_" + rule.action.replace("-", "_"))(
            rule, xid, frame)

    def _connected(self, frame):
        """The answer to a connect request names the session."""
        _, _, _, sid, size = struct.unpack_from(">iiiqi", frame)
        self.session = sid, frame[24:24 + size]

    def _reply(self, frame):
        (xid,) = struct.unpack_from(">i", frame, 4)
        rule = self.replies.pop(xid, None)
        if not rule:
            return self._pass(self.client, frame)
        if rule.action == "hold":
            rule.hit.set()
            rule.wait()
            self._pass(self.client, frame)
        elif rule.action == "dark-after":
            self.dark = True
        elif rule.action == "half-open":
            self.leave_client()
        else:
            if rule.action == "cut-reply":
                self.client.sendall(frame[:len(frame) // 2])
            if rule.action == "block-after":
                self.proxy.block()
            self.close()
        rule.hit.set()

    def leave_client(self):
        """The server's end is closed, and the client hears nothing."""
        self.dark = True
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)

    def _do_before(self, rule, xid, frame):
        self.close()
        rule.hit.set()

    def _do_block(self, rule, xid, frame):
        self.proxy.block()
        rule.hit.set()

    def _do_cut(self, rule, xid, frame):
        self.server.sendall(frame[:len(frame) // 2])
        self._do_before(rule, xid, frame)

    def _do_dark_before(self, rule, xid, frame):
        self.dark = True
        rule.hit.set()

    def _do_late(self, rule, xid, frame):
        self.client.shutdown(socket.SHUT_RDWR)
        rule.hit.set()
        rule.wait()
        with contextlib.suppress(OSError):
            self.server.sendall(frame)

    def _do_after(self, rule, xid, frame):
        self.replies[xid] = rule
        self.server.sendall(frame)

    _do_cut_reply = _do_dark_after = _do_half_open = _do_after
    _do_block_after = _do_hold = _do_after


class TamperProxy(Proxy):
    def __init__(self, target):
        self.rules = []
        self.gate = threading.Event()
        self.gate.set()
        self.delay = 0
        self.budget = 0
        super().__init__(target)

    def connect(self, client, server):
        return Tampered(client, server, self)

    def on(self, action, *opcodes):
        rule = Rule(action, opcodes)
        self.rules.append(rule)
        return rule

    def take_rule(self, opcode):
        for rule in self.rules:
            if opcode in rule.opcodes:
                self.rules.remove(rule)
                return rule
        return None

    def freeze(self):
        self.gate.clear()

    def thaw(self):
        self.gate.set()

    def darken(self):
        for c in self.connections:
            c.dark = True

    def abandon(self):
        for c in self.connections:
            c.leave_client()

    def terminate(self):
        for c in self.connections:
            if c.session and not c.closed:
                close_session(self.target, c.session)

    def cut(self):
        """Cut all there are; new ones pass."""
        for c in self.connections:
            c.close()
