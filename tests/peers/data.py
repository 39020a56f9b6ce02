"""The data of every suite, the same for all engines: tables as text, from fixed seeds.

A suite is a folder with `suite.json`, which names tables, columns and attributes, and one file
per table: fields between tabs, `\\N` for a missing one. The first column is the entity; a table
with `later` is transacted after what stands before it, and takes the place of former values.
"""

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

SUITES = ["people", "rules", "joins", "temporal", "debian", "closures", "scale"]
NAMES = ["Ivan", "Petr", "Sergei", "Oleg", "Yuri", "Dmitry", "Fedor", "Denis"]
LAST = ["Ivanov", "Petrov", "Sidorov", "Kovalev", "Kuznetsov", "Voronoi"]


class Absent(Exception):
    """Why a suite cannot be made here."""


class Suite:
    """Writes tables into a folder; `names` are what queries may say in braces."""

    def __init__(self, folder):
        self.folder, self.tables, self.names = folder, [], {}

    def table(self, name, columns, rows, **more):
        """Writes rows; columns as `name type [attribute [index|unique|many]…]`."""
        described = [column(*text.split()) for text in columns]
        count = 0
        with open(self.folder / f"{name}.tsv", "w", encoding="utf-8", newline="") as file:
            for row in rows:
                file.write("\t".join("\\N" if x is None else str(x) for x in row) + "\n")
                count += 1
        self.tables.append({"name": name, "columns": described, "rows": count, **more})

    def edges(self, name, rows, attribute=None):
        self.table(name, ["a id", f"b ref {attribute or name} many"], dict.fromkeys(rows))

    def close(self):
        text = json.dumps({"tables": self.tables, "names": self.names})
        (self.folder / "suite.json").write_text(text)


def column(name, kind, attribute=None, *flags):
    return {"name": name, "type": kind, "attribute": attribute, **{flag: True for flag in flags}}


def make(name, folder, scale=1):
    """The folder of a suite; made only where it is not there yet. Scale: millions of rows."""
    folder = Path(folder) / (f"scale-{scale}M" if name == "scale" else name)
    if not (folder / "suite.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        suite = Suite(folder)
        MAKERS[name](suite, scale)
        suite.close()
    return folder


PERSON = ["id id", "name str name index", "last_name str last-name index", "sex key sex index"]


def persons():
    count = 20_000
    chance = random.Random(20260822)
    rows = [
        [i, chance.choice(NAMES), chance.choice(LAST), chance.choice(["male", "female"]),
         chance.randrange(100), chance.randrange(100_000)]
        for i in range(1, count + 1)
    ]
    for row in rows:
        row.append(1 + chance.randrange(count) if chance.random() < 0.5 else None)
    later = [[i, 100 + chance.randrange(50)] for i in range(1, count // 10 + 1)]
    return rows, later


def people(suite, _scale):
    columns = PERSON + ["age int age index", "salary int salary index", "follows ref follows many"]
    suite.table("people", columns, persons()[0])


def temporal(suite, _scale):
    """Two transactions. `ages` says for SQL when each age held, by transaction."""
    rows, later = persons()
    suite.table("people", PERSON + ["age int age index"], [row[:5] for row in rows])
    suite.table("changes", ["id id", "age int age"], later, later=True)
    changed = dict(later)
    ages = [[row[0], row[4], 2, 3 if row[0] in changed else None] for row in rows]
    ages += [[i, age, 3, None] for i, age in later]
    columns = ["id id", "age int", "since int", "until int"]
    suite.table("ages", columns, ages, only="sql")


def rules(suite, _scale):
    def wide(node, depth, width):
        for child in (node * width + k for k in range(width if depth else 0)):
            yield node + 1, child + 1
            yield from wide(child, depth - 1, width)

    def long(depth, width):
        for chain in range(width):
            first = chain * (depth + 1)
            yield from ((a + 1, a + 2) for a in range(first, first + depth))

    for depth, width in [(3, 3), (5, 3), (7, 3), (4, 6)]:
        suite.edges(f"wide_{depth}x{width}", wide(1, depth, width))
    for depth, width in [(10, 3), (30, 3), (30, 5)]:
        suite.edges(f"long_{depth}x{width}", long(depth, width))


def java_random(seed):
    """`java.util.Random.nextInt(n)`, as its documentation defines it."""
    state = (seed ^ 0x5DEECE66D) & ((1 << 48) - 1)

    def below(n):
        nonlocal state
        while True:
            state = (state * 0x5DEECE66D + 0xB) & ((1 << 48) - 1)
            bits = state >> 17
            if bits - bits % n + n - 1 < 1 << 31:
                return bits % n

    return below


def joins(suite, _scale):
    below = java_random(42)
    count = 20_000
    suite.table("divs", ["id id", "name str div/name"], ((1 + i, f"div-{i}") for i in range(10)))
    suite.table(
        "depts",
        ["id id", "name str d/name", "budget int d/budget index", "div ref d/div"],
        ((11 + i, f"dept-{i}", i * 5000, 1 + i % 10) for i in range(100)),
    )
    suite.table(
        "staff",
        ["id id", "name str p/name", "dept ref p/dept index", "salary int p/salary index"],
        ((111 + i, f"p-{i}", 11 + i % 100, 30_000 + below(70_000)) for i in range(count)),
    )


def packages():
    """Debian's own index of bookworm/main, as apt has it: name to fields."""
    found = sorted(Path("/var/lib/apt/lists").glob("*_dists_bookworm_main_binary-amd64_Packages*"))
    if not found:
        raise Absent("apt has no package index of Debian bookworm here")
    command = ["/usr/lib/apt/apt-helper", "cat-file", str(found[0])]
    text = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    index = {}
    for stanza in text.split("\n\n"):
        lines = (line for line in stanza.split("\n") if line[:1] not in " \t" and ":" in line)
        fields = {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}
        if "Package" in fields:
            index.setdefault(fields["Package"], fields)
    return dict(sorted(index.items()))


def dependencies(index, fields, virtual):
    """Edges between ids: of each alternative the first that is there, by name or by what provides it."""
    plain = lambda text: re.sub(r"[\s(:\[<].*", "", text.strip())
    ids = {name: i for i, name in enumerate(index, 1)}
    provider = {}
    for name, stanza in index.items() if virtual else []:
        for provided in filter(None, map(plain, stanza.get("Provides", "").split(","))):
            provider.setdefault(provided, name)
    edges = {}
    for name, stanza in index.items():
        parts = (part for field in fields for part in stanza.get(field, "").split(","))
        for part in parts:
            names = (plain(text) for text in part.split("|"))
            known = (ids.get(n) or ids.get(provider.get(n)) for n in names)
            if to := next(filter(None, known), None):
                edges[ids[name], to] = True
    return ids, list(edges)


def debian(suite, _scale):
    index = packages()
    ids, edges = dependencies(index, ["Pre-Depends", "Depends"], virtual=False)
    clean = lambda text: text.replace("\t", " ")
    text = ["name", "version", "section", "priority", "maintainer", "description"]
    flags = {"name": "unique", "section": "index", "maintainer": "index"}
    columns = ["id id"] + [f"{x} str package/{x} {flags.get(x, '')}" for x in text]
    columns.append("installed_size int package/installed-size index")
    suite.table("packages", columns, (
        [ids[name]] + [clean(stanza.get("Package" if x == "name" else x.capitalize(), "")) for x in text]
        + [int(stanza.get("Installed-Size") or 0)]
        for name, stanza in index.items()
    ))
    suite.edges("depends", edges, "package/depends")
    suite.names = {name: str(ids[name]) for name in ("gnome", "libreoffice", "libssl3") if name in ids}


def closures(suite, _scale):
    index = packages()
    ids, edges = dependencies(index, ["Depends"], virtual=True)
    sections = {ids[name]: stanza.get("Section") for name, stanza in index.items()}
    within = lambda wanted: [e for e in edges if all(sections[x] in wanted for x in e)]
    suite.edges("debian", edges)
    suite.edges("subset", within({"libs", "gnome", "python"}))
    suite.edges("rust", within({"rust"}))
    chance, (nodes, count) = random.Random(2000), (2000, 10_000)
    drawn = ((1 + chance.randrange(nodes), 1 + chance.randrange(nodes)) for _ in range(10 * count))
    suite.edges("random2k", list(dict.fromkeys(drawn))[:count])
    suite.edges("chain5k", ((i, i + 1) for i in range(1, 5001)))
    suite.edges("tree100k", tree(100_000))


def tree(nodes):
    return ((1 + (i - 1) // 30, 1 + i) for i in range(1, nodes))


def scale(suite, scale):
    """A million facts for each of 100,000 entities of a dimension, and a tree; times `scale`."""
    facts = scale * 1_000_000
    dims = facts // 10
    chance = random.Random(20261123)
    order = list(range(1, dims + 1))
    chance.shuffle(order)
    suite.table(
        "dims",
        ["id id", "g int d/g", "s str d/s"],
        ((i, at % 1000, f"s{at % 1000}") for at, i in enumerate(order)),
    )
    suite.table(
        "facts",
        ["id id", "d ref f/d index", "v int f/v"],
        ((dims + i, int(chance.random() * dims) + 1, int(chance.random() * 1_000_000)) for i in range(1, facts + 1)),
    )
    if scale <= 10:
        suite.edges("tree", tree(facts))


MAKERS = {name: globals()[name] for name in SUITES}
