"""DuckDB, in memory; its result is the columns that an `execute` of a prepared query leaves."""

import duckdb

import wire


class DuckDb:
    def load(self, folder, suite, threads):
        self.connection = duckdb.connect(config={"threads": threads})
        self.prepared = {}
        kinds = {"str": "varchar", "key": "varchar"}
        for table in suite["tables"]:
            columns = {c["name"]: kinds.get(c["type"], "bigint") for c in table["columns"]}
            path = f"{folder}/{table['name']}.tsv"
            self.connection.execute(
                f"create table {table['name']} as from read_csv('{path}', delim = '\t', header = false, "
                f"quote = '', escape = '', nullstr = '\\N', columns = {columns})"
            )

    def ask(self, query):
        name = self.prepared.get(query["text"])
        if name is None:
            name = f"prepared_{len(self.prepared)}"
            self.connection.execute(f"prepare {name} as {query['text']}")
            self.prepared[query["text"]] = name
        return self.connection.execute(f"execute {name}")

    def rows(self, result):
        while rows := result.fetchmany(100_000):
            yield from rows


if __name__ == "__main__":
    wire.serve(DuckDb())
