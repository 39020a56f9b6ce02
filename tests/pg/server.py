"""A database of a few notes, and a server of it."""

import os
import signal
import subprocess
import tempfile

import psycopg

SCHEMA = """[
  {:db/ident :note/title :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/ident :note/stars :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :note/done :db/valueType :db.type/boolean :db/cardinality :db.cardinality/one}
  {:db/ident :note/weight :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
  {:db/ident :note/share :db/valueType :db.type/float :db/cardinality :db.cardinality/one}
  {:db/ident :note/at :db/valueType :db.type/instant :db/cardinality :db.cardinality/one}
  {:db/ident :note/price :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
  {:db/ident :note/seal :db/valueType :db.type/bytes :db/cardinality :db.cardinality/one}
  {:db/ident :note/kind :db/valueType :db.type/keyword :db/cardinality :db.cardinality/one}
  {:db/ident :note/tags :db/valueType :db.type/string :db/cardinality :db.cardinality/many}]"""
NOTES = """[
  {:note/title "milk" :note/stars 3 :note/done true :note/weight 0.1 :note/share 0.5 :note/price 12345678901234567890.12M
   :note/at #inst "2026-01-31T12:00:00.123" :note/kind :note.kind/errand :note/tags ["a" "b c"]}
  {:note/title "bread" :note/stars -1}]"""


class Server:
    """`datalith serve` on a free port."""

    def __init__(self, program, *options, folder=None):
        self.program = str(program)
        self.kept = tempfile.TemporaryDirectory() if folder is None else None
        self.folder = folder or self.kept.name
        self.db = os.path.join(self.folder, "notes.db")
        if folder is None:
            for data in [SCHEMA, NOTES]:
                self.datalith("transact", "--db", self.db, "--create", data)
        command = [self.program, "serve", "--pg", "127.0.0.1:0", "--db", self.db, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening at "):
            raise RuntimeError(line + self.process.stderr.read())
        self.port = int(line.rsplit(":", 1)[1])

    def datalith(self, *words):
        return subprocess.run([self.program, *words], capture_output=True, text=True, check=True).stdout

    def connect(self, **options):
        given = {"host": "127.0.0.1", "port": self.port, "user": "me", "dbname": "notes", "autocommit": True}
        return psycopg.connect(**(given | options))

    def psql(self, *words, **environment):
        command = ["psql", "-X", "-h", "127.0.0.1", "-p", str(self.port), "-U", "me", "-d", "notes", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | environment)

    def stop(self):
        """Ends it as Ctrl-C does; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)
