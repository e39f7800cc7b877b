# SPDX-License-Identifier: Apache-2.0
"""An ensemble whose members reach each other through proxies, or do not."""

import contextlib

from .ensemble import Ensemble
from .proxy import Connection, Proxy


class _Carrier(Connection):
    """It carries whatever servers say to each other."""

    def _note(self, data):
        pass


class Link(Proxy):
    """The way from one member to a port of another."""

    def connect(self, client, server):
        return _Carrier(client, server)

    @property
    def port(self):
        return int(self.hostport.rsplit(":", 1)[1])


class Partitioned(Ensemble):
    """Three voters; cut() takes one of them away from the others.

    Clients reach all of them all the time.
    """

    def __init__(self, mkdir, **kwargs):
        self._stack = contextlib.ExitStack()
        self._links = {}        # (from, to) -> the two of them
        super().__init__(mkdir, **kwargs)
        for a in self.members:
            a.configure("\n".join(b.line(self._ports(a, b))
                                  for b in self.members), "")

    def _ports(self, a, b):
        """Where @a finds @b."""
        if a is b:
            return a.peer_ports
        links = tuple(self._stack.enter_context(Link(f"127.0.0.1:{port}"))
                      for port in b.peer_ports)
        self._links[a, b] = links
        return tuple(link.port for link in links)

    def _of(self, member):
        for pair, links in self._links.items():
            if member in pair:
                yield from links

    def cut(self, member):
        for link in self._of(member):
            link.block()

    def heal(self, member):
        for link in self._of(member):
            link.unblock()

    def kill(self):
        super().kill()
        self._stack.close()
