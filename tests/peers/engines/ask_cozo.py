"""Cozo, in memory; its result is a list of lists.

Only edges get a second index: with one on a column of a wider relation, Cozo 0.7.6 answers queries
that ask for other columns too with no rows.
"""

import wire
from cozo_embedded import CozoDbPy


class Cozo:
    def load(self, folder, suite, _threads):
        self.database = CozoDbPy("mem", "", "{}")
        for table in suite["tables"]:
            name, columns = table["name"], table["columns"]
            names = [c["name"] for c in columns]
            if any(c.get("many") for c in columns) and len(columns) == 2:
                self.run(f":create {name} {{a: Int, b: Int}}")
                self.run(f"::index create {name}:by_b {{b, a}}")
            else:
                kinds = {"str": "String", "key": "String"}
                typed = [f'{c["name"]}: {kinds.get(c["type"], "Int?")}' for c in columns]
                self.run(f":create {name} {{{names[0]}: Int => {', '.join(typed[1:])}}}")
            rows = list(wire.read(folder, table))
            for at in range(0, len(rows), 50_000):
                self.database.import_relations({name: {"headers": names, "rows": rows[at : at + 50_000]}})

    def run(self, script):
        return self.database.run_script(script, {}, False)

    def ask(self, query):
        return self.database.run_script(query["text"], {}, True)

    def rows(self, result):
        return result["rows"]


if __name__ == "__main__":
    wire.serve(Cozo())
