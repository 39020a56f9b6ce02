"""Notebooks, executed by nbclient; their outputs are to be those they hold.

What counts as the same is what `datalith notebook run --check` takes for it.
"""

import difflib
import re
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

DURATION = re.compile(r"\s*\b\d[\d.,]*\s?(ns|µs|us|ms|s|min)\b")
CELL_SECONDS = 120


def faults(paths):
    found = []
    for path in paths:
        began = time.monotonic()
        held = nbformat.read(path, as_version=4)
        ran = nbformat.from_dict(held)
        client = NotebookClient(ran, timeout=CELL_SECONDS, kernel_name="datalith",
                                resources={"metadata": {"path": str(path.resolve().parent)}})
        try:
            client.execute()
        except CellExecutionError as error:
            found.append(f"{path.name}: {error}")
            continue
        pairs = zip(code(held), code(nbformat.from_dict(ran)))
        for number, (before, after) in enumerate(pairs, 1):
            was, now = texts(before), texts(after)
            if [timeless(line) for line in was] != [timeless(line) for line in now]:
                lines = "\n".join(difflib.unified_diff(was, now, "held", "now", lineterm=""))
                found.append(f"{path.name}, cell {number}:\n{lines}")
        print(f"{path.name}: {time.monotonic() - began:.2f} s")
    return found


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def timeless(line):
    return DURATION.sub(" …", line)


def texts(cell):
    lines, last = [], ""
    for output in cell.outputs:
        kind = output.output_type
        if kind == "stream":
            text = output.text
        elif kind == "error":
            text = f"{output.ename}: {output.evalue}"
        else:
            text = output.data.get("text/plain", "")
        if (kind, last) != ("stream", "stream"):
            lines.append(f"[{kind}]")
        lines += [line.rstrip() for line in text.splitlines()]
        last = kind
    return lines
