# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy before a ZooKeeper server, to cut connections on purpose."""

import contextlib
import itertools
import socket
import struct
import threading

ADD_WATCH = 106         # the request that tells the feed from the session


class Connection:
    """Two sockets and the two threads that carry bytes between them."""

    def __init__(self, client, server):
        self.client = client
        self.server = server
        self.opcodes = set()    # of the requests so far
        self.closed = False
        self._frames = b""
        self._first = True      # the connect request has no opcode
        self.flowing = threading.Event()    # to the client
        self.flowing.set()
        self._pumps = [self._up, self._down]
        for pump in list(self._pumps):
            threading.Thread(target=self._run, args=(pump,),
                             daemon=True).start()

    def _run(self, pump):
        pump()
        self._pumps.remove(pump)
        if not self._pumps:
            self.client.close()
            self.server.close()

    @property
    def feed(self):
        return ADD_WATCH in self.opcodes and not self.closed

    def close(self):
        self.closed = True
        self.flowing.set()
        for s in (self.client, self.server):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def _up(self):
        self._pump(self.client, self.server, self._note)

    def _down(self):
        self._pump(self.server, self.client,
                   lambda data: self.flowing.wait())

    def _pump(self, source, sink, note):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                note(data)
                sink.sendall(data)
        self.close()

    def _note(self, data):
        """Find the opcodes: frames of length, xid, opcode, and the rest."""
        self._frames += data
        while len(self._frames) >= 12:
            size, _, opcode = struct.unpack_from(">iii", self._frames)
            if len(self._frames) < 4 + size:
                break
            if not self._first:
                self.opcodes.add(opcode)
            self._first = False
            self._frames = self._frames[4 + size:]


class Proxy:
    """Connections to hostport go to @target until they are cut.

    @address is where it listens; else a port of 127.0.0.1.
    """

    def connect(self, client, server):
        """What carries bytes between two sockets."""
        return Connection(client, server)

    def __init__(self, target, address=("127.0.0.1", 0)):
        host, port = target.rsplit(":", 1)
        self.target = host, int(port)
        self.connections = []
        self.accepted = 0       # also those that were closed at once
        self._open = True
        self._listener = socket.create_server(address)
        self.hostport = "%s:%d" % self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.block()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            for _ in itertools.count():
                client, _ = self._listener.accept()
                self.accepted += 1
                self._connect(client)

    def _connect(self, client):
        try:
            if not self._open:
                raise ConnectionRefusedError
            server = socket.create_connection(self.target)
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            client.close()
            return
        self.connections.append(self.connect(client, server))
        if not self._open:
            self.block()        # it was closed meanwhile

    def feeds(self):
        """The connections on which a tree is watched."""
        return [c for c in self.connections if c.feed]

    def cut_feeds(self):
        """Cut these, and leave the sessions alone; how many there were."""
        feeds = self.feeds()
        for c in feeds:
            c.close()
        return len(feeds)

    @contextlib.contextmanager
    def late_feeds(self):
        """What feeds are told meanwhile, they are told afterwards."""
        feeds = self.feeds()
        for c in feeds:
            c.flowing.clear()
        yield
        for c in feeds:
            c.flowing.set()

    def sessions(self):
        """The connections that are there and are no feed."""
        return [c for c in self.connections if not c.closed and not c.feed]

    def block(self):
        """Cut everything and let nothing through."""
        self._open = False
        for c in self.connections:
            c.close()

    def unblock(self):
        self._open = True
