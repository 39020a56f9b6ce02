"""Draws a report's ratios: plot.py REPORT.json OUT.svg. A dot is an engine at a query; log scale."""

import json
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

with open(sys.argv[1], encoding="utf-8") as file:
    results = json.load(file)
base, *peers = results["engines"]
points = {name: ([], []) for name in peers}
labels = []
for suite in results["suites"]:
    for query in suite["queries"]:
        timed = query.get("engines", {})
        if base not in timed or len(timed) < 2:
            continue
        for name in peers:
            if name in timed:
                points[name][0].append(timed[name]["cpu_ms"] / timed[base]["cpu_ms"])
                points[name][1].append(len(labels))
        labels.append(f"{suite['suite']} {query['name']}")

figure, axes = pyplot.subplots(figsize=(10, 2 + 0.22 * len(labels)), layout="constrained")
for name, (ratios, places) in points.items():
    if ratios:
        axes.scatter(ratios, places, s=22, label=name, alpha=0.85)
axes.axvline(1, color="black", linewidth=1)
axes.axvline(10, color="grey", linewidth=0.8, linestyle=":")
axes.set_xscale("log")
axes.set_yticks(range(len(labels)), labels, fontsize=7)
axes.set_ylim(len(labels) - 0.5, -0.5)
axes.grid(axis="x", alpha=0.3)
axes.set_xlabel(f"CPU time in multiples of {base}'s; right of 1 the peer needs more")
axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0), ncols=6, fontsize=8)
figure.savefig(sys.argv[2])
