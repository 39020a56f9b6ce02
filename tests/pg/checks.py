"""What is checked, one function after the other, each with a server that the ones before have used."""

import datetime
import decimal
import socket
import struct
import threading
import time
import traceback

import psycopg

from server import Server

UTC = datetime.timezone.utc
LONG = "select count(*) from generate_series(1, 100000000000) where value % 7 = 1"


def same(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def refused(state, ask, words=""):
    """Asks for what must fail with a state, and gives the error."""
    try:
        got = ask()
    except psycopg.Error as error:
        assert error.sqlstate == state, f"{error.sqlstate}: {error}, wanted {state}"
        assert words in str(error), f"{error}, wanted {words}"
        return error
    raise AssertionError(f"{state} was wanted, it went well: {got!r}")


START = struct.pack("!ii", 17, 3 << 16) + b"user\0me\0\0"


def talk(server, data):
    """What comes back for bytes, up to the end."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as peer:
        heard = b""
        try:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            while part := peer.recv(4096):
                heard += part
        except OSError:
            pass
        return heard


def every_type(server):
    wanted = ("milk", 3, True, 0.1, 0.5, datetime.datetime(2026, 1, 31, 12, 0, 0, 123000, UTC),
              decimal.Decimal("12345678901234567890.12"), "note.kind/errand", ["a", "b c"], None)
    columns = "title, stars, done, weight, share, at, price, kind, tags, seal"
    with server.connect() as conn:
        for binary in [False, True]:
            row = conn.execute(f"select {columns} from note where title = 'milk'", binary=binary).fetchone()
            same(row[:8] + (sorted(row[8]),) + row[9:], wanted)
            oids = [column.type_code for column in conn.execute(f"select {columns} from note", binary=binary).description]
            same(oids, [25, 20, 16, 701, 700, 1184, 1700, 25, 1009, 17])
            row = conn.execute(
                "select date '2026-02-28', timestamp '1999-12-31 23:59:59.5', interval '1 month 2 days 3 seconds', "
                "x'00ff', array[1, null, 3], null, cast(1 as smallint), cast(-0.5 as decimal(9, 3)), "
                "timestamp '1969-12-31 23:59:59.999', 'ä\"\\'", binary=binary).fetchone()
            same(row[:2], (datetime.date(2026, 2, 28), datetime.datetime(1999, 12, 31, 23, 59, 59, 500000)))
            same(row[2].seconds, 3)
            same(row[3:8], (b"\x00\xff", [1, None, 3], None, 1, decimal.Decimal("-0.500")))
            same(row[8], datetime.datetime(1969, 12, 31, 23, 59, 59, 999000))
            same(row[9], "ä\"\\")


def parameters(server):
    with server.connect() as conn:
        for prepare in [False, True]:
            row = conn.execute("select title from note where stars = %s and title = %s", (3, "milk"), prepare=prepare)
            same(row.fetchall(), [("milk",)])
        titles = conn.execute("select title from note where at < %s", (datetime.datetime.now(UTC),)).fetchall()
        same(titles, [("milk",)])
        titles = conn.execute("select title from note where price = %s", (decimal.Decimal("12345678901234567890.12"),))
        same(titles.fetchall(), [("milk",)])
        # Without its type, a value is read as what it is compared with.
        same(conn.execute("select title from note where stars < %s order by 1 limit %s", ("2", 5)).fetchall(), [("bread",)])
        for binary in ["%s", "%b", "%t"]:
            row = conn.execute(f"select {binary}, {binary}, {binary}", (7, 0.5, [1, 2])).fetchone()
            same(row, (7, 0.5, [1, 2]))
        same(conn.execute("select %s", (b"\x00\xff",)).fetchone(), (b"\x00\xff",))
        same(conn.execute("select %s is null", (None,)).fetchone(), (True,))
        refused("22P02", lambda: conn.execute("select title from note where stars = %s", ("many",)))
        # Described before the values are known, run many times, and row by row.
        prepared = conn.pgconn.prepare(b"one", b"select title, stars from note where stars > $1")
        same(prepared.status, psycopg.pq.ExecStatus.COMMAND_OK)
        described = conn.pgconn.describe_prepared(b"one")
        same([described.param_type(0), described.ftype(0), described.ftype(1)], [20, 25, 20])
        for stars, rows in [(b"0", 1), (b"-5", 2), (b"9", 0)]:
            same(conn.pgconn.exec_prepared(b"one", [stars]).ntuples, rows)
        with conn.pipeline():
            cursors = [conn.execute("select %s + 1", (n,)) for n in range(50)]
        same([cursor.fetchone() for cursor in cursors], [(n + 1,) for n in range(50)])
        with conn.cursor() as cursor:
            same([n for n, in cursor.stream("select value from generate_series(1, 20000)")], list(range(1, 20001)))


def changes(server):
    with server.connect() as conn, server.connect() as other:
        def seen():
            return other.execute("select title, stars from note where title like 'x%' order by title").fetchall()
        done = conn.execute("insert into note (title, stars) values ('x1', 1), ('x2', 2), ('x3', 3)")
        same(done.statusmessage, "INSERT 0 3")
        same(seen(), [("x1", 1), ("x2", 2), ("x3", 3)])
        done = conn.execute("update note set stars = stars + %s where title like %s", (10, "x%"))
        same((done.statusmessage, done.rowcount), ("UPDATE 3", 3))
        same(seen(), [("x1", 11), ("x2", 12), ("x3", 13)])
        same(conn.execute("delete from note where title > 'x1' and title < 'y'").statusmessage, "DELETE 2")
        same(seen(), [("x1", 11)])
        same(conn.execute("delete from note where title = 'nothing'").statusmessage, "DELETE 0")
        with conn.cursor() as cursor:
            cursor.executemany("insert into note (title, stars, at, seal, tags) values (%s, %s, %s, %s, %s)",
                               [(f"xm{n}", n, datetime.datetime(2026, 1, n, tzinfo=UTC), bytes([n]), ["t", str(n)]) for n in [1, 2]])
        row = other.execute("select stars, at, seal, tags from note where title = 'xm2'").fetchone()
        same(row[:3] + (sorted(row[3]),), (2, datetime.datetime(2026, 1, 2, tzinfo=UTC), b"\x02", ["2", "t"]))
        conn.execute("delete from note where title like 'x%'")


def errors(server):
    with server.connect() as conn:
        error = refused("42601", lambda: conn.execute("select 1 +"))
        error = refused("42P01", lambda: conn.execute("select * from nothing"), "there is no table nothing")
        error = refused("42703", lambda: conn.execute("select 'ä', missing from note"), "missing")
        same(error.diag.statement_position, "13")
        refused("42703", lambda: conn.execute("select missing from note where stars = %s", (1,)))
        refused("22012", lambda: conn.execute("select 1 / 0"))
        refused("22P02", lambda: conn.execute("select cast('many' as int)"))
        refused("42804", lambda: conn.execute("select title + 1 from note"))
        refused("42883", lambda: conn.execute("select no_such_function(1)"))
        refused("0A000", lambda: conn.execute("create table other (a int)"))
        refused("0A000", lambda: conn.execute("select * from pg_catalog.pg_class"), "SHOW TABLES")
        refused("42601", lambda: conn.execute("copy note from stdin"))
        refused("42000", lambda: conn.execute("select * from read_csv('/etc/passwd')"), "may not use files")
        refused("42704", lambda: conn.execute("show nonsense"))
        same(conn.execute("select 1").fetchone(), (1,))


def blocks(server):
    with server.connect(autocommit=False) as conn:
        same(conn.execute("select 1").fetchone(), (1,))
        refused("0A000", lambda: conn.execute("insert into note (title) values ('never')"), "autocommit")
        refused("25P02", lambda: conn.execute("select 1"))
        conn.rollback()
        same(conn.execute("select count(*) from note where title = 'never'").fetchone(), (0,))
        conn.commit()
        refused("0A000", lambda: conn.execute("savepoint a"))
        conn.rollback()
        same(conn.info.transaction_status, psycopg.pq.TransactionStatus.IDLE)
    with server.connect() as conn:
        refused("0A000", lambda: conn.execute("begin isolation level serializable"))
        conn.execute("set application_name = 'tests'")
        same(conn.execute("show application_name").fetchone(), ("tests",))
        same(conn.execute("show transaction isolation level").fetchone(), ("read committed",))
        conn.execute("set time zone 'UTC'")
        refused("0A000", lambda: conn.execute("set timezone to 'Europe/Berlin'"))
        same(conn.info.parameter_status("TimeZone"), "UTC")
        conn.execute("discard all")
        same(conn.execute("show application_name").fetchone(), ("",))


def times(server):
    with server.connect() as conn:
        conn.execute("insert into note (title, stars) values ('then', 1)")
        at = conn.execute("select max(tx) from transactions").fetchone()[0]
        conn.execute("update note set stars = 2 where title = 'then'")
        ask = f"select stars from note for system_time as of {at} where title = 'then'"
        same(conn.execute(ask).fetchone(), (1,))
        ask = "select stars from note for system_time as of %s where title = 'then'"
        same(conn.execute(ask, (at,)).fetchone(), (1,))
        same(conn.execute("select stars from note where title = 'then'").fetchone(), (2,))
        conn.execute("delete from note where title = 'then'")


def cancelled(server):
    with server.connect() as conn:
        threading.Timer(0.5, conn.cancel_safe).start()
        refused("57014", lambda: conn.execute(LONG), "cancelled")
        same(conn.execute("select 1").fetchone(), (1,))
        conn.execute("set statement_timeout = '300ms'")
        refused("57014", lambda: conn.execute(LONG), "300 ms")
        conn.execute("reset statement_timeout")
        same(conn.execute("show statement_timeout").fetchone(), ("0",))


def together(server):
    faults = []

    def work(name):
        try:
            with server.connect() as conn:
                for n in range(10):
                    conn.execute("insert into note (title, stars) values (%s, %s)", (f"{name}{n}", n))
                    same(conn.execute("select count(*) from note where title like %s", (name + "%",)).fetchone(), (n + 1,))
                conn.execute("delete from note where title like %s", (name + "%",))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ["left", "right"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(faults, [])


def row_by_row(server):
    """A portal of five rows, taken two at a time."""
    def message(tag, body):
        return tag + struct.pack("!i", len(body) + 4) + body
    asked = message(b"P", b"\0select value from generate_series(1, 5)\0\0\0")
    asked += message(b"B", b"\0\0" + bytes(6))
    asked += 3 * message(b"E", b"\0\0\0\0\2") + message(b"S", b"")
    heard, tags = talk(server, START + asked + message(b"X", b"")), ""
    while heard:
        tags += chr(heard[0])
        heard = heard[1 + struct.unpack("!i", heard[1:5])[0]:]
    same(tags.split("Z")[1], "12DDsDDsDC")


def nonsense(server):
    same(talk(server, b"GET / HTTP/1.1\r\n\r\n"), b"")
    same(talk(server, struct.pack("!i", 2**31 - 1)), b"")
    same(talk(server, b"\0"), b"")
    same(talk(server, bytes(range(256)) * 300), b"")
    for message in [b"Q" + struct.pack("!i", 2**31 - 1), b"\xff" + struct.pack("!i", 4)]:
        assert b"08P01" in talk(server, START + message)
    # A text without its end, then one that is not UTF-8: refused, and the connection goes on.
    for message, state in [(b"Q\0\0\0\5x", b"08P01"), (b"Q\0\0\0\6\xff\0", b"22021"), (b"B\0\0\0\4", b"08P01")]:
        heard = talk(server, START + message + b"S\0\0\0\4" + b"Q\0\0\0\x0dselect 1\0")
        assert state in heard and b"SELECT 1" in heard, heard
    # Open halfway, and silent.
    halves = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
    halves[0].sendall(START[:6])
    with server.connect() as conn:
        same(conn.execute("select 1").fetchone(), (1,))
    # Gone in the midst of an answer.
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        ask = b"select * from generate_series(1, 10000000)\0"
        peer.sendall(START + b"Q" + struct.pack("!i", 4 + len(ask)) + ask)
        peer.recv(1000)
    with server.connect() as conn:
        same(conn.execute("select 1").fetchone(), (1,))
    for half in halves:
        half.close()


def by_psql(server):
    same(server.psql("-Atc", "select title, stars, done from note order by title").stdout, "bread|-1|\nmilk|3|t\n")
    same(server.psql("-c", "insert into note (title) values ('p')").stdout, "INSERT 0 1\n")
    same(server.psql("-Atc", "select 1; select 2; delete from note where title = 'p'").stdout, "1\n2\nDELETE 1\n")
    shown = server.psql("-c", "select title, missing from note", "-v", "VERBOSITY=verbose").stderr
    assert "42703" in shown and "^" in shown, shown
    shown = server.psql("-c", "\\dt").stderr
    assert "SHOW TABLES" in shown, shown
    shown = server.psql("-Atc", "select table_name from information_schema.tables where table_name = 'note'").stdout
    same(shown, "note\n")


def limits(program, server):
    few = Server(program, "--connections", "1", folder=server.folder)
    try:
        with few.connect() as conn:
            refused(None, lambda: few.connect(connect_timeout=30), "at most 1 clients")
            same(conn.execute("select 1").fetchone(), (1,))
        for _ in range(1000):
            # The place is free a moment after its client is gone.
            try:
                few.connect().close()
                break
            except psycopg.OperationalError:
                pass
        else:
            raise AssertionError("the place of the client that left is not given away")
    finally:
        same(few.stop(), 0)


def passwords(program, server):
    import subprocess
    import tempfile
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("open sesame\n")
        file.flush()
        closed = Server(program, "--password-file", file.name, folder=server.folder)
        try:
            with closed.connect(password="open sesame") as conn:
                same(conn.execute("select 1").fetchone(), (1,))
            refused(None, lambda: closed.connect(password="sesame"), "password is wrong")
            refused(None, lambda: closed.connect(password=""), "password")
            same(closed.psql("-Atc", "select 2", PGPASSWORD="open sesame").stdout, "2\n")
        finally:
            same(closed.stop(), 0)
    command = [str(program), "serve", "--pg", "0.0.0.0:0", "--db", server.db]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "takes a password" in done.stderr, done


def end(server):
    with server.connect() as conn:
        threading.Timer(0.5, server.stop).start()
        began = time.monotonic()
        refused("57014", lambda: conn.execute(LONG))
        assert time.monotonic() - began < 30
        same(server.process.wait(timeout=30), 0)


def faults(program):
    server = Server(program)
    found = []
    with_server = [every_type, parameters, changes, errors, blocks, times, cancelled, together, row_by_row, nonsense, by_psql]
    checks = [(check.__name__, lambda check=check: check(server)) for check in with_server]
    checks += [(check.__name__, lambda check=check: check(program, server)) for check in [limits, passwords]]
    checks += [("end", lambda: end(server))]
    for name, check in checks:
        try:
            check()
            print(f"ok: {name}")
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in place if frame.filename == __file__]
            found.append(f"{name}, line {lines[-1] if lines else '?'}: {type(error).__name__}: {error}")
    if server.process.poll() is None:
        server.process.kill()
    return found
