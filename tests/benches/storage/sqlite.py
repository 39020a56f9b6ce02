"""Single-row transactions into SQLite, each durable.

sqlite.py FILE TRANSACTIONS
Prints: milliseconds of the median and of the 99th percentile.
"""

import os
import sqlite3
import sys
import time

path, count = sys.argv[1], int(sys.argv[2])
for suffix in ("", "-wal", "-shm"):
    if os.path.exists(path + suffix):
        os.remove(path + suffix)
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = FULL")
connection.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, name TEXT UNIQUE, age INTEGER)")
times = []
for n in range(count):
    before = time.perf_counter()
    connection.execute("INSERT INTO note (name, age) VALUES (?, ?)", (f"name {n}", n % 100))
    times.append(1000 * (time.perf_counter() - before))
assert connection.execute("SELECT count(*) FROM note").fetchone()[0] == count
times.sort()
print(times[count // 2], times[count * 99 // 100])
