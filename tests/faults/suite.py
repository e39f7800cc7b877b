# SPDX-License-Identifier: Apache-2.0
"""The fault suite: see scripts/faults."""

import argparse
import dataclasses
import glob
import logging
import os
import shutil
import sys
import time
import traceback

from faults.faults import FAULTS
from faults.rig import FEW, ROLES, Rig
from harness import mount, procs, server, watchdog
from harness.mount import Mount
from harness.server import Server
from harness.wait import SLOW

DESCRIPTORS = 3         # more than before are a leak
# The same of memory: caches and arenas grow, and sanitizers keep what is freed.
MEGABYTES = 48 if SLOW == 1 else 400


@dataclasses.dataclass
class Result:
    fault: str
    runs: int = 0
    acknowledged: int = 0
    refused: int = 0
    lost: list = dataclasses.field(default_factory=list)
    torn: list = dataclasses.field(default_factory=list)
    stale: list = dataclasses.field(default_factory=list)
    hung: list = dataclasses.field(default_factory=list)
    other: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    BAD = ("lost", "torn", "stale", "hung", "other")

    @property
    def good(self):
        return not any(getattr(self, kind) for kind in self.BAD)

    def report(self):
        """What is wrong, as lines to read."""
        return [f"{self.fault}: {kind}: {line}" for kind in self.BAD
                for line in getattr(self, kind)[:10]]


def growth(before, after):
    for i, (old, new) in enumerate(zip(before, after)):
        if old[0] != new[0]:
            continue            # another daemon
        if new[1] > old[1] + DESCRIPTORS:
            yield f"mount {i}: {old[1]} descriptors became {new[1]}"
        if new[2] > old[2] + MEGABYTES:
            yield f"mount {i}: {old[2]:.0f} MB became {new[2]:.0f}"


def run(place, name, session=4, timeout=8, pace=0.002, load=2, roles=ROLES):
    """One run of one fault; what it was like."""
    fault = FAULTS[name]
    result = Result(name, runs=1)
    start = time.monotonic()
    rig = Rig(place, fault, session, timeout, pace, roles)
    try:
        rig.start(fault.ensemble)
        rig.run(load)
        before = rig.resources()
        fault(rig)
        rig.wait_progress()
        rig.run(load)
        judge(rig, result, before)
    except Exception:
        result.other.append(traceback.format_exc())
    finally:
        if not result.good:
            result.other += [f"log: {m.log()[-2000:]}" for m in rig.mounts]
        rig.close()
    result.seconds = time.monotonic() - start
    return result


def judge(rig, result, before):
    judgement = rig.stop_load()
    result.stale = rig.settle()
    result.other += growth(before, rig.resources())
    rig.stop()
    result.acknowledged = judgement.acknowledged
    result.refused = judgement.refused
    result.lost = judgement.lost
    result.torn = judgement.torn
    result.hung = judgement.hung
    result.other += rig.problems


def add(total, result):
    for field in dataclasses.fields(Result)[1:]:
        value = getattr(total, field.name) + getattr(result, field.name)
        setattr(total, field.name, value)


HEAD = ("fault", "runs", "acknowledged", "refused", "lost", "torn", "stale",
        "hung", "other", "seconds")


def keep(place, directory):
    """What the programs have written down, see load.py."""
    for history in glob.glob(f"{place.path}/*-history"):
        shutil.copytree(history, directory)


def table(results):
    rows = [HEAD]
    for r in results:
        counts = [str(len(getattr(r, kind))) for kind in Result.BAD]
        rows.append((r.fault, str(r.runs), str(r.acknowledged),
                     str(r.refused), *counts, f"{r.seconds:.0f}"))
    wide = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(
        cell.ljust(w) if i == 0 else cell.rjust(w)
        for i, (cell, w) in enumerate(zip(row, wide))) for row in rows)


def parse(argv):
    p = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    p.add_argument("--runs", type=int, default=1, help="of each fault")
    p.add_argument("--short", action="store_true",
                   help="a small load and short timeouts, as in the tests")
    p.add_argument("--list", action="store_true", help="the faults there are")
    p.add_argument("--keep", metavar="DIR",
                   help="the histories of what is not good")
    p.add_argument("fault", nargs="*", help="which; default: all")
    options = p.parse_args(argv)
    unknown = set(options.fault) - set(FAULTS)
    if unknown:
        p.error(f"no such fault: {', '.join(sorted(unknown))}")
    return options


SHORT = {"session": 2, "timeout": 4, "pace": 0.02, "load": 0.5, "roles": FEW}


def run_all(options):
    results = []
    for name in options.fault or FAULTS:
        total = Result(name)
        results.append(total)
        for n in range(options.runs):
            place = procs.Workplace()
            one = run(place, name, **(SHORT if options.short else {}))
            if options.keep and not one.good:
                keep(place, os.path.join(options.keep, f"{name}-{n + 1}"))
            place.close()
            add(total, one)
            print(f"{name} {n + 1}/{options.runs}: "
                  f"{'good' if one.good else 'BAD'}, "
                  f"{one.acknowledged} writes, {one.seconds:.0f} s",
                  flush=True)
            for line in one.report():
                print("  " + line, flush=True)
    return results


def main():
    options = parse(sys.argv[1:])
    if options.list:
        print("\n".join(FAULTS))
        return 0
    reason = mount.missing() or server.missing()
    if reason:
        print(reason, file=sys.stderr)
        return 77
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)
    watchdog.interrupt_on_sigterm()
    try:
        results = run_all(options)
    finally:
        Mount.kill_all()
        Server.kill_all()
    print(table(results))
    return 0 if all(r.good for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
