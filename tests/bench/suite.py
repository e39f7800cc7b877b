# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/bench, which has the manual."""

import argparse
import pathlib
import sys
import time

from bench import events, report, rows
from bench.place import Place
from harness import mount, server, watchdog

ROWS = {
    "stat": rows.stat_warm,
    "read": rows.read_warm,
    "read4k": rows.read_warm_4k,
    "cat": rows.cat_cold,
    "new": rows.echo_new,
    "existing": rows.echo_old,
    "find": rows.find_cold,
    "grep": rows.grep_cold,
    "readers": rows.readers,
    "list": rows.list_huge,
    "event": events.event,
    "burst": events.burst,
    "memory": events.memory,
    "mounts": events.mounts,
}


def parse():
    p = argparse.ArgumentParser(prog="scripts/bench", add_help=False)
    p.add_argument("--files", required=True)
    p.add_argument("--client", required=True)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--known", type=int)
    p.add_argument("--json")
    p.add_argument("--plot")
    p.add_argument("--list", action="store_true")
    p.add_argument("rows", nargs="*", metavar="ROW")
    args = p.parse_args()
    for name in args.rows:
        if name not in ROWS:
            p.error(f"no row {name}; --list has them")
    return args


def show_progress(text):
    """On a terminal one line that changes, else nothing but the rows."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def run(place, names, scale):
    results = []
    for name in names:
        start = time.monotonic()
        show_progress(name)
        result = ROWS[name](place, scale, show_progress)
        results += result if isinstance(result, list) else [result]
        show_progress("")
        print(f"{name}: {time.monotonic() - start:.1f} s", file=sys.stderr)
    return results


def main():
    args = parse()
    if args.list:
        print(*ROWS, sep="\n")
        return 0
    reason = mount.missing() or server.missing()
    if reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 77
    watchdog.interrupt_on_sigterm()
    scale = rows.Scale(args.quick, args.known)
    before = report.machine()
    with Place(args.files, args.client, scale.heap) as place:
        results = run(place, args.rows or ROWS, scale)
    print(report.table(results))
    print(f"\n{before['cpus']} CPUs, Linux {before['kernel']}; load before "
          f"{before['load']}, after {report.machine()['load']}")
    if args.json:
        pathlib.Path(args.json).write_text(report.as_json(results, before),
                                           encoding="ascii")
    if args.plot:
        report.plot(results, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
