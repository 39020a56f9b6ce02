#!/usr/bin/env python3
"""Compares answers that the bench wrote with DuckDB's to the same statements about the same files.

compare.py PARQUET ANSWERS: the folder of the Parquet files, and that of `--answers`.

Exit status: 1 where an answer differs.
"""

import csv
import datetime
import math
import sys
from pathlib import Path

import duckdb

TABLES = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"]
# How far two sums of the same doubles may be apart, as a share of them.
TOLERANCE = 1e-9
# Queries that leave the order of some rows open, or order them by sums of doubles.
LOOSELY_ORDERED = [3, 5, 10, 11, 18]


def text_of(cell):
    """A cell as the bench writes it, but for numbers."""
    if cell is None:
        return ""
    if isinstance(cell, datetime.datetime):
        return int(round(cell.timestamp() * 1000))
    return cell


def is_same(ours, other):
    if isinstance(other, str):
        return ours == other
    return math.isclose(float(ours), float(other), rel_tol=TOLERANCE, abs_tol=0.0)


def exact(row, like):
    """What of a row is no double, to sort rows by."""
    return [str(cell) for cell, other in zip(row, like) if not isinstance(other, float)]


def difference(number, ours, other):
    if len(ours) != len(other):
        return f"{len(ours)} rows, not {len(other)}"
    if number in LOOSELY_ORDERED and other:
        like = other[0]
        ours = sorted(ours, key=lambda row: exact(row, like))
        other = sorted(other, key=lambda row: exact(row, like))
    for a, b in zip(ours, other):
        if len(a) != len(b) or not all(map(is_same, a, b)):
            return f"{a}, not {b}"
    return None


def main():
    parquet, answers = map(Path, sys.argv[1:3])
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    for table in TABLES:
        connection.execute(f"create view {table} as select * from read_parquet('{parquet / table}.parquet')")
    faults = 0
    for number in range(1, 23):
        statement = (answers / f"q{number}.sql").read_text()
        rows = connection.execute(statement).fetchall()
        other = [[text_of(cell) for cell in row] for row in rows]
        with open(answers / f"q{number}.csv", newline="") as file:
            ours = list(csv.reader(file))
        wrong = difference(number, ours, other)
        faults += wrong is not None
        print(f"q{number}: {wrong or f'{len(ours)} rows, the same'}")
    print(f"{22 - faults} of 22 the same as DuckDB {duckdb.__version__}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
