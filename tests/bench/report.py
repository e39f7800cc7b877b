# SPDX-License-Identifier: Apache-2.0
"""The same results as a table, as JSON, and as a plot."""

import json
import os
import platform
import subprocess

from bench.measure import MOUNT, Figure

HEAD = ("", "median", "p99", "ratio", "wanted", "", "requests",
        "transactions", "messages")


def time_text(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def verdict(reached):
    return {True: "yes", False: "NO", None: ""}[reached]


def wanted(row):
    if row.limit is None:
        return ""
    return f"{'>=' if getattr(row, 'faster', False) else '<='} {row.limit:g}"


def row_lines(row):
    """The mount's line, and one for each of the others."""
    counts = row.counts()
    ratio = row.ratio()
    yield (row.name, time_text(row.median(MOUNT)), time_text(row.p99(MOUNT)),
           "" if ratio is None else f"{ratio:.2f}", wanted(row),
           verdict(row.reached()),
           *([f"{c:.2f}".rstrip("0").rstrip(".") for c in counts]
             if counts else ("", "", "")))
    for name in row.samples:
        if name != MOUNT:
            mark = " (base)" if name in row.base else ""
            yield (f"    {name}{mark}", time_text(row.median(name)),
                   time_text(row.p99(name)), "", "", "", "", "", "")


def figure_line(figure):
    return (figure.name, f"{figure.value:.3g} {figure.unit}", "", "",
            wanted(figure), verdict(figure.reached()), "", "", "")


def table(results):
    lines = [HEAD]
    for r in results:
        lines += [figure_line(r)] if isinstance(r, Figure) else row_lines(r)
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join("  ".join(
        [line[0].ljust(widths[0])] +
        [cell.rjust(w) for cell, w in zip(line[1:], widths[1:])]).rstrip()
        for line in lines)


def machine():
    load = os.getloadavg()
    return {"cpus": os.cpu_count(), "kernel": platform.release(),
            "load": [round(x, 1) for x in load]}


def as_json(results, before):
    """Everything but the single samples; times are in nanoseconds."""
    rows = []
    for r in results:
        if isinstance(r, Figure):
            rows.append({"name": r.name, "what": r.what, "value": r.value,
                         "unit": r.unit, "wanted": r.limit,
                         "reached": r.reached()})
            continue
        rows.append({
            "name": r.name, "what": r.what, "ratio": r.ratio(),
            "base": r.base, "wanted": r.limit, "reached": r.reached(),
            "counts": dict(zip(("requests", "transactions", "messages"),
                               r.counts() or ())),
            "times": {name: {"median": r.median(name), "p99": r.p99(name),
                             "samples": len(r.samples[name])}
                      for name in r.samples}})
    return json.dumps({"before": before, "after": machine(), "rows": rows},
                      indent=1)


PLOT = """
set terminal pngcairo size 900,480 font "sans,10" noenhanced
set output "{output}"
set title "Time of an operation: znodefs beside the raw client and others"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 border -1
set boxwidth 0.9
set logscale y
set format y "%g"
set ylabel "microseconds (median), log scale"
set grid ytics
set xtics rotate by -25
set key outside right top
$data << END
{data}
END
plot for [i=2:{columns}] $data using i:xtic(1) title columnheader(i)
"""
CONTENDERS = [MOUNT, "mount again", "client", "passthrough_ll", "tmpfs",
              "kazoo"]


def plot(results, output):
    """A PNG by gnuplot.  zkCli.sh, a second each, would flatten the rest."""
    rows = [r for r in results if not isinstance(r, Figure)]
    used = [c for c in CONTENDERS if any(c in r.samples for r in rows)]
    lines = [" ".join(['"operation"'] + [f'"{c}"' for c in used])]
    for r in rows:
        cells = [f"{r.median(c) / 1e3:.3f}" if c in r.samples else "?"
                 for c in used]
        lines.append(" ".join([f'"{r.name}"', *cells]))
    script = PLOT.format(output=output, data="\n".join(lines),
                         columns=len(used) + 1)
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
