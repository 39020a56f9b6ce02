"""How a process that holds an engine speaks: a line of JSON in, a line of JSON out.

- `load`: a suite's folder, threads.
- `check`: a query; its rows, and a checksum that their order does not change.
- `time`: a query and milliseconds; CPU and wall milliseconds of each run, at least one.

An engine is an object with `load(folder, suite, threads)`, `ask(query)` which gives the engine's
own result, and `rows(result)` which gives tuples of it. Only `ask` is timed.
"""

import json
import math
import sys
import time
from zlib import crc32

MOST_RUNS = 500


def text_of(kind, value):
    if kind == "real":
        return str(math.floor(value * 1e4 + 0.5))
    if kind == "whole":
        return str(math.floor(value + 0.5))
    return str(int(value)) if kind in ("int", "tx") else str(value)


def digest(rows, columns):
    """How many rows, and the sum of their CRC-32s: fields as text between tabs."""
    kinds = columns.split()
    count = total = 0
    if set(kinds) <= {"int", "tx"}:
        form = "\t".join(["%d"] * len(kinds))
        for row in rows:
            count += 1
            total += crc32((form % tuple(row)).encode())
    else:
        for row in rows:
            count += 1
            total += crc32("\t".join(map(text_of, kinds, row)).encode())
    return {"rows": count, "digest": total % 2**48}


def timed(engine, query):
    cpu_ms, wall_ms, result = [], [], None
    end = time.perf_counter() + query["ms"] / 1000
    while not cpu_ms or (time.perf_counter() < end and len(cpu_ms) < MOST_RUNS):
        result = None
        cpu, wall = time.process_time(), time.perf_counter()
        result = engine.ask(query)
        cpu_ms.append(1000 * (time.process_time() - cpu))
        wall_ms.append(1000 * (time.perf_counter() - wall))
    return {"cpu_ms": cpu_ms, "wall_ms": wall_ms}


def answer(engine, request):
    if request["do"] == "load":
        with open(request["folder"] + "/suite.json", encoding="utf-8") as file:
            engine.load(request["folder"], json.load(file), request["threads"])
        return {}
    if request["do"] == "check":
        return digest(engine.rows(engine.ask(request)), request["columns"])
    return timed(engine, request)


def serve(engine):
    for line in sys.stdin:
        try:
            said = answer(engine, json.loads(line))
        except Exception as error:  # Whatever an engine throws is the answer.
            said = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(said), flush=True)


def read(folder, table):
    """The rows of a table, typed."""
    kinds = [None if c["type"] in ("str", "key") else int for c in table["columns"]]
    with open(f"{folder}/{table['name']}.tsv", encoding="utf-8", newline="") as file:
        for line in file:
            fields = line[:-1].split("\t")
            yield [None if x == "\\N" else kind(x) if kind else x for kind, x in zip(kinds, fields)]
