"""SQLite, in memory; its result is a list of tuples. It uses one thread."""

import sqlite3

import wire


class Sqlite:
    def load(self, folder, suite, _threads):
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        run = self.connection.execute
        run("begin")
        for table in suite["tables"]:
            name, columns = table["name"], table["columns"]
            first, keyed = columns[0]["name"], not any(c.get("many") for c in columns)
            is_edges = not keyed and len(columns) == 2
            kinds = {"str": "text", "key": "text"}
            fields = [f'{c["name"]} {kinds.get(c["type"], "integer")}' for c in columns]
            if is_edges:
                fields.append("primary key (a, b)")
            run(f"create table {name} ({', '.join(fields)})" + (" without rowid" if is_edges else ""))
            places = ", ".join("?" * len(columns))
            self.connection.executemany(f"insert into {name} values ({places})", wire.read(folder, table))
            if not is_edges:
                run(f"create index {name}_{first} on {name} ({first})")
            for c in columns[1:]:
                if c.get("index") or c.get("unique") or (is_edges and c["type"] == "ref"):
                    run(f"create index {name}_{c['name']} on {name} ({c['name']})")
        run("commit")
        run("analyze")

    def ask(self, query):
        return self.connection.execute(query["text"]).fetchall()

    def rows(self, result):
        return result


if __name__ == "__main__":
    wire.serve(Sqlite())
