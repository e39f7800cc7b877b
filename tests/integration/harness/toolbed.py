# SPDX-License-Identifier: Apache-2.0
"""A table of tools, each with what is done with it, and where to do it.

    TOOLS = Table()

    @TOOLS.tool("cat", "reads what another client has set")
    def cat(t):
        t.zk.set("/app/conf", b"new")
        assert ok("cat", t.conf) == "new"

What such a function returns, if anything, is the result that the table shows:
where it is not simply that the tool works.
"""

import shutil
from typing import Callable, NamedTuple

import pytest

CONF = b"port = 80\nhost = a\n"
TREE = [("/app", None), ("/app/conf", CONF), ("/app/db", None),
        ("/app/db/url", b"pg://needle\n"), ("/app/web", b"own data\n"),
        ("/app/web/x", b"a needle\n")]
FILES = ["conf", "db/url", "web/.data", "web/x"]


class Bed:
    """A mount with a small tree, its other client, and a directory on disk."""

    def __init__(self, m, zk, tmp, server):
        self.m = m
        self.zk = zk
        self.tmp = tmp
        self.server = server
        self.app = m / "app"
        self.conf = m / "app/conf"
        for path, data in TREE:
            zk.create(path, data)

    def value(self, name):
        """What is at the server."""
        return self.zk.get(f"/app/{name}")[0]

    def names(self, name=""):
        return sorted(self.zk.get_children(f"/app/{name}".rstrip("/")))


class Tool(NamedTuple):
    does: str
    programs: tuple
    use: Callable


class Table(dict):
    """Tools by name, and how they fared."""

    def __init__(self):
        super().__init__()
        self.results = {}

    def tool(self, name, does, *programs):
        def register(use):
            assert name not in self, name
            self[name] = Tool(does, programs or (name.split()[0],), use)
            return use

        return register

    def try_out(self, name, bed):
        tool = self[name]
        lacking = [p for p in tool.programs if not shutil.which(p)]
        if lacking:
            self.results[name] = "not installed"
            pytest.skip(f"no {lacking} in PATH")
        self.results[name] = "FAILED"
        self.results[name] = tool.use(bed) or "works"

    def markdown(self):
        lines = ["| tool | what is done | result |", "| --- | --- | --- |"]
        lines += [f"| {name} | {self[name].does} | {result} |"
                  for name, result in self.results.items()]
        return "\n".join(lines) + "\n"
