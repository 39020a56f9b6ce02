"""A CSV file as one wide table: Parquet (ZSTD) and a DuckDB file.

wide.py CSV OUT_DIR NAME=TYPE...
Prints: bytes of Parquet, bytes of DuckDB, CPU seconds of DuckDB's load, rows.
"""

import os
import sys
import time

try:
    import duckdb
except ImportError:
    sys.exit("the package duckdb is missing")

csv, out, *columns = sys.argv[1:]
columns = dict(column.split("=", 1) for column in columns)
os.makedirs(out, exist_ok=True)
parquet, database = os.path.join(out, "wide.parquet"), os.path.join(out, "wide.duckdb")
for path in (parquet, database):
    if os.path.exists(path):
        os.remove(path)

# Several values in a cell stand between semicolons.
plain = {name: "VARCHAR" if kind.endswith("[]") else kind for name, kind in columns.items()}
cells = ", ".join(
    f"string_split(\"{name}\", ';')::{kind} AS \"{name}\"" if kind.endswith("[]") else f'"{name}"'
    for name, kind in columns.items()
)
before = time.process_time()
connection = duckdb.connect(database)
connection.execute("SET threads = 2")
types = ", ".join(f"'{name}': '{kind}'" for name, kind in plain.items())
connection.execute(
    f"CREATE TABLE wide AS SELECT {cells} FROM "
    f"read_csv('{csv}', header = true, columns = {{{types}}})"
)
connection.execute("CHECKPOINT")
spent = time.process_time() - before
rows = connection.execute("SELECT count(*) FROM wide").fetchone()[0]
connection.execute(f"COPY wide TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)")
connection.close()
print(os.path.getsize(parquet), os.path.getsize(database), f"{spent:.3f}", rows)
