# SPDX-License-Identifier: Apache-2.0
"""What the manual pages show can be done, and the options are those there are.
"""

import os
import re
import shutil

import pytest

from harness import examples, procs
from harness.files import ok, put, shell
from harness.mount import binary
from harness.wait import wait_for

MANUAL = "man/znodefs.1.scd"
RECIPES = "man/znodefs-recipes.7.scd"
TEXT = (examples.TOP / MANUAL).read_text()


def section(name):
    return re.search(rf"^# {name}\n(.*?)(?=^# |\Z)", TEXT, re.M | re.S)[1]


def block_with(page, text):
    [block] = [b for b in examples.fenced(page) if text in b]
    return block


# -- examples of znodefs(1) --------------------------------------------------

def test_sequential_example(m):
    os.mkdir(m / "queue")
    assert examples.run_block(block_with(MANUAL, ".sequential/"), m) == "job\n"


def test_container_and_ttl_example(m):
    examples.run_block(block_with(MANUAL, ".ttl/30"), m,
                       env={"HOSTNAME": "h1"})


def test_acl_example(m):
    put(m / "f", b"v")
    examples.run_block(block_with(MANUAL, "HASH:cdrwa"), m)


def test_condition_in_python(m):
    put(m / "n", b"%20d" % 41)
    examples.run_block(block_with(MANUAL, "os.pwrite"), m)
    assert int((m / "n").read_text()) == 42


def test_condition_in_a_shell(m):
    put(m / "f", b"1\n")
    assert "faster" not in examples.run_block(block_with(MANUAL, "4<>f"), m)
    assert (m / "f").read_text() == "2\n"


@pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync in PATH")
def test_rsync_example(mount, source, tmp):
    m = mount(source, "quiet")
    os.mkdir(m / "app")
    (tmp / "f").write_text("v")
    block = block_with(MANUAL, "rsync")
    examples.run_block(block.replace("/backup/app", str(tmp))
                       .replace("/mnt/zk", str(m.path)), tmp)
    assert (m / "app/f").read_text() == "v"


# fusermount3(1) says that it is busy while an event is being announced.
PATIENT = "fusermount3() { until command fusermount3 \"$@\"; do :; done; }\n"


def test_examples(source, tmp, workplace):
    """All of EXAMPLES, in order, as somebody would type them."""
    mnt, home = tmp / "mnt", tmp / "home"
    for directory in (mnt, home, tmp / "bin"):
        os.mkdir(directory)
    os.symlink(binary(), tmp / "bin/znodefs")
    env = {"HOME": str(home), "PATH": f"{tmp}/bin:{os.environ['PATH']}"}
    text = re.sub(r"zk1:2181\S*", source, section("EXAMPLES"))
    blocks = re.findall(r"^```\n(.*?)^```$", text.replace("/mnt/zk", str(mnt)),
                        re.M | re.S)
    assert len(blocks) > 5
    try:
        examples.run_block("$ " + PATIENT[:-1] + "\n" + "".join(blocks), tmp,
                           env=env)
    finally:
        for path in (mnt, home / "zk"):
            if procs.mount_type(path):
                shell(PATIENT + 'fusermount3 -u "$1"', path)
            wait_for(lambda p=path: not procs.daemons_of(p), 10,
                     "the daemon has ended")


# -- examples of znodefs-recipes(7) ------------------------------------------

@pytest.fixture
def env(tmp):
    """The recipes in PATH, and stubs of the programs that they are to run."""
    (tmp / "bin").mkdir()
    for name in ("scheduler", "convert"):
        (tmp / "bin" / name).write_text(
            f"#!/bin/sh\necho {name} >> {tmp}/did\n")
        (tmp / "bin" / name).chmod(0o755)
    path = f"{tmp}/bin:{examples.TOP}/scripts/recipes:{os.environ['PATH']}"
    return {**os.environ, "HOSTNAME": "h1", "PATH": path}


needs_recipes = pytest.mark.skipif(
    not all(map(shutil.which, ("inotifywait", "setpriv"))),
    reason="inotifywait or setpriv is missing")


@needs_recipes
def test_names_of_the_recipes(m):
    os.mkdir(m / "election")
    examples.run_block(block_with(RECIPES, "read -r name"), m,
                       env={"HOSTNAME": "h1"})


@needs_recipes
def test_watching_members(m):
    os.mkdir(m / "group")
    look, watch = block_with(RECIPES, "ls DIR").replace(
        "DIR", "group").splitlines()
    ok(*look.split(), cwd=m)
    with examples.background(watch, m) as proc:
        wait_for(lambda: examples.watches_of(proc.pid), 20, "it watches")


@needs_recipes
@pytest.mark.parametrize("does", ["scheduler", "convert"])
def test_recipes_at_work(m, tmp, env, does):
    """The last command of each goes on until it is ended."""
    block = block_with(RECIPES, f" {does} ").replace("/mnt/zk", str(m.path))
    before, last = block.rstrip().rsplit("\n$ ", 1)
    examples.run_block(before + "\n", tmp, env=env)
    with examples.background(last, tmp, env):
        wait_for((tmp / "did").exists, 30, f"{does} has run")


# -- options -----------------------------------------------------------------

def parsed():
    """The names of all options that options.c knows: {name: is ignored}."""
    source = (examples.TOP / "src/options.c").read_text()
    found = re.findall(r'\b(TEXT|FLAG|FUSE_OPT_KEY)\("([^"]*?)(?:=?%s|=)?"',
                       source)
    return {name: macro == "FUSE_OPT_KEY" for macro, name in found}


def described():
    """The names in *bold* in OPTIONS, and those of them that have a text."""
    text = section("OPTIONS").replace("\\", "")
    words = set(re.findall(r"\*([\w-]+?)=?\*", text))
    tags = re.findall(r"^\t?(\*.*)$", text, re.M)
    return words, {name for tag in tags if re.match(r"\*[\w=-]+\*", tag)
                   for name in re.findall(r"\*([\w-]+?)=?\*(?!\()", tag)}


LIBFUSES = {"allow_other", "default_permissions"}


def test_the_manual_has_every_option():
    words, tags = described()
    assert set(parsed()) - words == set()
    assert tags - set(parsed()) - LIBFUSES - {"-o"} == set()


def test_help_has_every_option_that_does_something():
    text = "".join(re.findall(r"^    -.*\n", ok(binary(), "--help"), re.M))
    names = re.findall(r"-o (\w+)|,(gid)=| (-[a-np-zA-Z]\b|--\w+)", text)
    names = {name for match in names for name in match if name}
    does = {name for name, ignored in parsed().items() if not ignored}
    assert does - names == {"rw"}   # the default
    assert names - does - LIBFUSES == set()
