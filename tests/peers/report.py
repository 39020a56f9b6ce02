"""The report of a run: a table on stdout and as Markdown, everything as JSON, ratios as a plot."""

import json
import math
import subprocess
from pathlib import Path

from setup import ENGINES, say

PLOT = Path(__file__).resolve().parent / "plot.py"


def save(folder, results):
    """Writes what there is so far: a run that is interrupted keeps its finished suites."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(results, indent=1))
    (folder / "report.md").write_text(markdown(results))


def show(folder, results, plotter):
    print(markdown(results))
    if plotter:
        command = [plotter, "-B", str(PLOT), str(folder / "report.json"), str(folder / "report.svg")]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            say(f"no plot: {done.stderr.strip().splitlines()[-1:]}")
    say(f"written to {folder}")


def figure(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def ratios(query, base):
    """CPU time of each peer in that of the measure."""
    timed = query.get("engines", {})
    if base not in timed:
        return {}
    return {name: timed[name]["cpu_ms"] / timed[base]["cpu_ms"] for name in timed if name != base}


def mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def markdown(results):
    base, *peers = results["engines"]
    about = results["about"]
    lines = [
        f"CPU time of each engine in multiples of {ENGINES[base]}'s, median of all runs of {about['rounds']} rounds; "
        f"{about['cores']} cores, {about['threads']} threads where an engine can use them.",
        "",
    ]
    lines += [f"- {ENGINES[name]} is absent: {why}" for name, why in about["absent"].items()]
    for suite in results["suites"]:
        lines += ["", f"## {suite['suite']}", ""] + table(suite, base, peers) + [""] + verdict(suite, base)
    return "\n".join(lines) + "\n"


def table(suite, base, peers):
    asked = lambda name: any(name in query["said"] or name in query.get("engines", {}) for query in suite["queries"])
    peers = [name for name in peers if asked(name)]
    rows = [["query", "rows", "CPU ms", "wall ms", "MB", *(ENGINES[name] for name in peers)]]
    fastest = []
    for query in suite["queries"]:
        own, found = query.get("engines", {}).get(base), ratios(query, base)
        cells = [figure(own["cpu_ms"]), figure(own["wall_ms"]), f"{query['memory_mb'][base]:.0f}"] if own else ["–"] * 3
        for name in peers:
            cells.append(f"{figure(found[name])}×" if name in found else query["said"].get(name, "–"))
        fastest += [min(found.values())] if found else []
        rows.append([query["name"], str(query["rows"]), *cells])
    if fastest:
        means = [mean([r[name] for q in suite["queries"] if name in (r := ratios(q, base))]) for name in peers]
        cells = [f"{figure(m)}×" if m else "–" for m in means]
        rows.append(["geometric mean", "", "", "", "", *cells])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    pad = lambda row: "| " + " | ".join(cell.ljust(width) if at == 0 else cell.rjust(width)
                                       for at, (cell, width) in enumerate(zip(row, widths))) + " |"
    rule = "|" + "|".join("-" * (width + 1) + ("-" if at == 0 else ":") for at, width in enumerate(widths)) + "|"
    lines = [pad(rows[0]), rule, *map(pad, rows[1:])]
    if fastest:
        lines += ["", f"Geometric mean against the fastest peer of each query: {figure(mean(fastest))}×"]
    return lines


def verdict(suite, base):
    """Which queries miss the suite's goal."""
    goal = suite["goal"]
    against = " or ".join(ENGINES[name] for name in goal["against"])
    against += ", whichever is faster" if len(goal["against"]) > 1 else ""
    fastest = {}
    for query in suite["queries"]:
        found = [ratio for name, ratio in ratios(query, base).items() if name in goal["against"]]
        if found:
            fastest[query["name"]] = min(found)
    if not fastest:
        return []
    behind = [f"{name} {figure(ratio)}×" for name, ratio in fastest.items() if ratio < goal["each"]]
    return [
        f"Goal, against {against}: each at least {goal['each']}×, mean at least {goal['mean']}×. "
        f"Mean: {figure(mean(list(fastest.values())))}×. Behind: {', '.join(behind) or 'none'}.",
    ]
