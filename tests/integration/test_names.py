# SPDX-License-Identifier: Apache-2.0
"""Names: znodes that are called oddly, entries that no znode can have."""

import os

import pytest

from harness import names
from harness.files import fails, get, put
from harness.tree import create_all
from harness.wait import wait_equal

ODD = [".data", "%2Edata", "%252Edata", "%25252Edata", "%2edata", "%2E", "%",
       "%%", "100%", "%25", "a%2Fb", "%zz", "%41", "%00", "a b", "-n", "*?[]",
       "'", '"', "\\", "ü", "日本語", "é", "e\u0301", "\ufeff", " ", "~", "...",
       "..data", ".datax", "\u00a0", "\ud7ff", "\uf900", "\uffef",
       ".ephemeral", "%2Eephemeral", ".sequential", ".ephemeral-sequential",
       ".container", ".ttl", ".znodefs", "x" * 255, "ü" * 127]


@pytest.mark.parametrize("top", ["", "/sub"])
def test_every_name_is_shown_and_one_to_one(m, zk, top):
    if top:
        zk.create(top, None)
    create_all(zk, [(f"{top}/{n}", n.encode()) for n in ODD])
    want = {names.entry(n, not top): n.encode() for n in ODD}
    assert len(want) == len(ODD)
    d = m / top.strip("/")
    assert sorted(os.listdir(d)) == sorted(want)
    assert {n: get(d / n) for n in want} == want


@pytest.mark.parametrize("top", ["", "/sub"])
def test_every_entry_can_be_made_changed_and_removed(m, zk, top):
    if top:
        zk.create(top, None)
    d = m / top.strip("/")
    for n in ODD:
        put(d / names.entry(n, not top), b"first")
    assert sorted(zk.get_children(top or "/")) == sorted(ODD)
    for n in ODD:
        put(d / names.entry(n, not top), n.encode())
        assert zk.get(f"{top}/{n}")[0] == n.encode()
    assert sorted(os.listdir(d)) == sorted(
        names.entry(n, not top) for n in ODD)
    for n in ODD:
        os.unlink(d / names.entry(n, not top))
    assert zk.get_children(top or "/") == []


def test_data_entry_beside_data_znode(m, zk):
    zk.create("/d", b"the directory's")
    zk.create("/d/.data", b"the child's")
    assert sorted(os.listdir(m / "d")) == ["%2Edata", ".data"]
    assert get(m / "d/.data") == b"the directory's"
    assert get(m / "d/%2Edata") == b"the child's"


def test_directories_with_odd_names(m, zk):
    for n in (".data", "%2Edata", "100%", "日本", ".ephemeral"):
        os.mkdir(m / names.entry(n, True))
        assert zk.get(f"/{n}")[0] is None
        put(m / names.entry(n, True) / "x", b"v")
        assert zk.get(f"/{n}/x")[0] == b"v"


# -- long names -------------------------------------------------------------

LONG = ["p" * 300, "p" * 299 + "q", "日" * 100, "x" + "é" * 140, "y" * 256,
        "z" * 3000]


def test_long_names_are_shown_under_an_alias(m, zk):
    create_all(zk, [(f"/{n}", n.encode()) for n in LONG])
    shown = os.listdir(m)
    assert sorted(shown) == sorted(names.entry(n) for n in LONG)
    for n in LONG:
        alias = names.entry(n)
        head = alias[:names.ALIAS.search(alias).start()]
        assert n.startswith(head) and 230 < len(head.encode()) <= 237
        assert len(alias.encode()) <= 255
        assert os.stat(m / alias).st_size == len(n.encode())
        assert get(m / alias) == n.encode()


def test_alias_is_found_without_a_list(mount, source, zk):
    n = "p" * 300
    zk.create(f"/{n}", b"v")
    m = mount(source)
    assert get(m / names.entry(n)) == b"v"


def test_alias_can_be_written_and_removed(m, zk):
    n = "p" * 300
    zk.create(f"/{n}", b"v")
    alias = names.entry(n)
    put(m / alias, b"w")
    assert zk.get(f"/{n}")[0] == b"w"
    assert zk.get_children("/") == [n]
    os.unlink(m / alias)
    assert zk.get_children("/") == []


def test_alias_of_a_directory(m, zk):
    n = "d" * 300
    zk.create(f"/{n}", b"inner")
    zk.create(f"/{n}/child", b"v")
    alias = m / names.entry(n)
    assert sorted(os.listdir(alias)) == [".data", "child"]
    assert get(alias / "child") == b"v"
    assert get(alias / ".data") == b"inner"
    put(alias / "new", b"n")
    assert zk.get(f"/{n}/new")[0] == b"n"


def test_alias_follows_remote_changes(m, zk):
    n = "p" * 300
    zk.create(f"/{n}", b"v")
    assert get(m / names.entry(n)) == b"v"
    zk.set(f"/{n}", b"new")
    wait_equal(lambda: get(m / names.entry(n)), b"new")
    zk.delete(f"/{n}")
    wait_equal(lambda: os.listdir(m), [])


def test_a_name_is_at_most_255_bytes(m, zk, server):
    with server.transactions(0):
        with fails("ENAMETOOLONG"):
            put(m / ("x" * 256), b"v")
        with fails("ENAMETOOLONG"):
            os.mkdir(m / ("é" * 128))


# -- names that the server would refuse -------------------------------------

REFUSED = [b"\x01", b"a\x1fb", b"tab\there", b"new\nline", b"\x7f",
           "\u0080".encode(), "\u009f".encode(), "\ue000".encode(),
           "\uf8ff".encode(), "\ufff0".encode(), "\U0001f600".encode(),
           "\U00010000".encode(), b"\xff", b"ab\xc3", b"\xc0\xaf",
           b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_sent(m, zk, server, name):
    path = os.fsencode(m / "") + b"/" + name
    zk.create("/f", b"v")
    os.stat(m / "f")
    os.listdir(m)
    with server.transactions(0), server.requests(zk) as count:
        with fails("EILSEQ", "EINVAL"):
            put(path, b"v")
        with fails("EILSEQ", "EINVAL"):
            os.mkdir(path)
        with fails("EILSEQ", "EINVAL"):
            os.rename(m / "f", path)
        with fails("EILSEQ", "EINVAL", "ENOENT"):
            os.stat(path)
        with fails("EILSEQ", "EINVAL", "ENOENT"):
            os.unlink(path)
    assert count.n <= 1, "more than a ping was sent"
    assert zk.get_children("/") == ["f"]
    assert get(m / "f") == b"v"
