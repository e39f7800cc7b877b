# SPDX-License-Identifier: Apache-2.0
"""How the mount shows a znode name, worked out independently of it."""

import re

SPECIAL = [".ephemeral", ".sequential", ".ephemeral-sequential",
           ".container", ".ttl", ".znodefs"]
ALIAS = re.compile(r"%~[0-9a-f]{16}$")


def fnv1a(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return value


def entry(name, at_root=False):
    """The directory entry of the znode @name."""
    reserved = [".data"] + (SPECIAL if at_root else [])
    for r in reserved:
        m = re.fullmatch(r"(?:\.|%((?:25)*)2E)" + re.escape(r[1:]), name)
        if m:
            name = f"%2E{r[1:]}" if m.group(1) is None else \
                f"%25{name[1:]}"
            break
    raw = name.encode()
    if len(raw) <= 255:
        return name
    head = raw[:237].decode(errors="ignore")
    return f"{head}%~{fnv1a(raw):016x}"
