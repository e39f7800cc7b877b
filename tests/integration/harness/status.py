# SPDX-License-Identifier: Apache-2.0
"""What a mount says of itself in `.znodefs`."""

import re

from .files import get
from .wait import wait_for

_SAMPLE = re.compile(
    r'([a-zA-Z_:][a-zA-Z0-9_:]*)'
    r'(\{[a-zA-Z_]\w*="[^"\\\n]*"(?:,[a-zA-Z_]\w*="[^"\\\n]*")*\})?'
    r' (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)')


def status(mnt):
    """`.znodefs/status` as a dictionary; numbers are numbers."""
    lines = get(mnt / ".znodefs/status").decode().splitlines()
    pairs = [line.split(" ") for line in lines]
    assert all(len(p) == 2 and p[0] and p[1] for p in pairs), lines
    assert len({key for key, _ in pairs}) == len(pairs), "a key twice"
    return {k: int(v) if v.isdigit() else v for k, v in pairs}


def wait_status(mnt, timeout=30, **want):
    """Wait until these keys have these values; the whole status."""
    def there():
        now = status(mnt)
        return now if all(now[k] == v for k, v in want.items()) else None

    return wait_for(there, timeout, f"the status is {want}")


def parse_metrics(text):
    """The text format of Prometheus, strictly: sample -> value, and types."""
    assert text.endswith("\n")
    samples, types, helped = {}, {}, set()
    family = None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family, help_text = line[7:].split(" ", 1)
            assert family not in helped and help_text, line
            helped.add(family)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == family and name not in types, line
            assert kind in ("counter", "gauge"), line
            assert (kind == "counter") == name.endswith("_total"), line
            types[name] = kind
        else:
            m = _SAMPLE.fullmatch(line)
            assert m, f"not a sample: {line!r}"
            assert m.group(1) == family and family in types, line
            sample = m.group(1) + (m.group(2) or "")
            assert sample not in samples, f"twice: {line}"
            samples[sample] = float(m.group(3))
    return samples, types


def metrics(mnt):
    return parse_metrics(get(mnt / ".znodefs/metrics").decode())[0]
