"""The kernel, asked by jupyter_client."""

import time
import traceback
from queue import Empty

from jupyter_client import BlockingKernelClient
from jupyter_client.manager import KernelManager

PATIENCE = 20


class Session:
    """A kernel that runs, and a client of it."""

    def __init__(self, folder):
        began = time.monotonic()
        self.manager = KernelManager(kernel_name="datalith")
        self.manager.start_kernel(cwd=folder)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)
        self.seconds = time.monotonic() - began

    def run(self, code, **options):
        """The reply to a cell, and what was published about it."""
        return self.outcome(self.client.execute(code, **options))

    def outcome(self, request):
        published = self.published(request)
        while True:
            reply = self.client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"]["msg_id"] == request:
                return reply["content"], published

    def published(self, request):
        """Kinds and contents of the messages about a request, up to the one that says it is done."""
        found = []
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            found.append((message["msg_type"], message["content"]))
            if message["content"].get("execution_state") == "idle":
                return found

    def ask(self, request):
        while True:
            reply = self.client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"]["msg_id"] == request:
                self.published(request)
                return reply["content"]

    def complete(self, code):
        return self.ask(self.client.complete(code, len(code)))

    def end(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)


def kinds(published):
    return [kind for kind, _ in published]


def content(published, kind):
    return next(content for found, content in published if found == kind)


def results(session):
    reply, published = session.run("let x = 20; x + 1")
    assert reply["status"] == "ok" and reply["execution_count"] == 1, reply
    assert kinds(published) == ["status", "execute_input", "execute_result", "status"], published
    result = content(published, "execute_result")
    assert result["data"] == {"text/plain": "21"} and result["execution_count"] == 1, result
    _, published = session.run("x + 2;")
    assert "execute_result" not in kinds(published), published
    _, published = session.run('table([#{name: "<b>", n: x}])')
    data = content(published, "execute_result")["data"]
    assert "<table" in data["text/html"] and "&lt;b&gt;" in data["text/html"], data
    _, published = session.run('plot(table([#{a: 1, b: 2}, #{a: 2, b: 3}]), #{kind: "bar", x: "a", y: "b"})')
    data = content(published, "execute_result")["data"]
    assert data["image/svg+xml"].startswith("<svg"), data["image/svg+xml"][:80]
    assert "vega-lite/v5" in data["application/vnd.vegalite.v5+json"]["$schema"], data


def printing(session):
    _, published = session.run('print("a"); print("b"); show(table([#{n: 1}])); print("c"); 7')
    assert kinds(published)[2:-1] == ["stream", "display_data", "stream", "execute_result"], published
    assert content(published, "stream") == {"name": "stdout", "text": "a\nb\n"}, published
    _, published = session.run('for i in 0..20000 { print(`line ${i}`); }')
    texts = [content["text"] for kind, content in published if kind == "stream"]
    assert "".join(texts) == "".join(f"line {i}\n" for i in range(20000))
    assert len(texts) < 200, len(texts)
    reply, published = session.run('loop { print("flood") }')
    assert reply["status"] == "error" and reply["ename"] == "LimitError", reply


def queries(session):
    session.run('let conn = open(":memory:");')
    schema = ('conn.transact("[{:db/ident :person/name :db/valueType :db.type/string '
              ':db/cardinality :db.cardinality/one :db/doc \\"what people say\\"}]");')
    reply, _ = session.run(schema)
    assert reply["status"] == "ok", reply
    session.run('conn.transact([#{"person/name": "Ada"}]);')
    _, published = session.run("[:find ?n :where [_ :person/name ?n]] ; newest")
    assert "Ada" in content(published, "execute_result")["data"]["text/html"], published
    reply, _ = session.run("\n[:find ?n :where (foo ?n)]")
    assert reply["status"] == "error", reply


def errors(session):
    reply, published = session.run("let a = 1;\nlet b = missing;", stop_on_error=False)
    assert reply["status"] == "error" and "missing" in reply["evalue"], reply
    told = content(published, "error")
    text = "\n".join(told["traceback"])
    assert "cell:2:9" in text and "\x1b[1;31m^" in text and told["ename"], text
    waiting = [session.client.execute(code) for code in ['sleep(0.2); throw "no"', "1", "2"]]
    statuses = [session.ask(request)["status"] for request in waiting]
    assert statuses == ["error", "aborted", "aborted"], statuses
    reply, _ = session.run("1")
    assert reply["status"] == "ok", reply


def silence(session):
    before = session.run("1")[0]["execution_count"]
    reply, published = session.run('print("x"); 5', silent=True)
    assert kinds(published) == ["status", "status"], published
    reply, _ = session.run("1", store_history=False)
    assert reply["execution_count"] == before, reply
    assert session.run("1")[0]["execution_count"] == before + 1


def typing(session):
    session.run("let numbers = 1; fn twice(n) { n * 2 }")
    found = session.complete("[:find ?n :where [_ :person/na")
    assert found["matches"] == [":person/name"], found
    assert (found["cursor_start"], found["cursor_end"]) == (20, 30), found
    assert session.complete("read_c")["matches"] == ["read_csv"]
    assert session.complete("twi")["matches"] == ["twice"]
    found = session.complete('let e = "é"; numb')
    assert found["matches"] == ["numbers"] and found["cursor_start"] == 13, found
    assert "transact" in session.complete("conn.tr")["matches"]
    for code, text in [("read_csv", "CSV"), (":person/name", "what people say"), ("read_csv(", "CSV")]:
        known = session.ask(session.client.inspect(code, len(code)))
        assert known["found"] and text in known["data"]["text/plain"], known
    assert not session.ask(session.client.inspect("frobnicate", 3))["found"]
    for code, status in [("1 + 1", "complete"), ("fn f(x) {", "incomplete"), ("let = 1", "invalid"),
                         ("[:find ?e", "incomplete"), ("[:find ?e :where [?e :a]]", "complete")]:
        assert session.ask(session.client.is_complete(code))["status"] == status, code
    assert session.ask(session.client.history(stop=9))["history"] == []
    assert session.ask(session.client.comm_info())["comms"] == {}


def interruption(session):
    for code in ["loop {}", "sleep(60)", "try { loop { } } catch { }"]:
        request = session.client.execute(code)
        while content_of(session.client.get_iopub_msg(timeout=PATIENCE), request) != "execute_input":
            pass
        time.sleep(0.1)
        began = time.monotonic()
        session.manager.interrupt_kernel()
        reply, _ = session.outcome(request)
        seconds = time.monotonic() - began
        assert reply["status"] == "error" and reply["ename"] == "Cancelled", reply
        assert seconds < 1, f"{code}: {seconds:.2f} s"
    reply, published = session.run("x")
    assert content(published, "execute_result")["data"]["text/plain"] == "20", published


def content_of(message, request):
    return message["msg_type"] if message["parent_header"].get("msg_id") == request else None


def company(session):
    """Another client comes, hears what the first one does, and goes; the first stays."""
    other = BlockingKernelClient(connection_file=session.manager.connection_file)
    other.load_connection_file()
    other.start_channels()
    other.wait_for_ready(timeout=PATIENCE)
    request = session.client.execute('print("to all")')
    session.outcome(request)
    while True:
        heard = other.get_iopub_msg(timeout=PATIENCE)
        if content_of(heard, request) == "stream":
            break
    assert heard["content"]["text"] == "to all\n", heard
    other.stop_channels()
    for _ in range(3):
        reply, published = session.run('print("still"); 1')
        assert "stream" in kinds(published) and reply["status"] == "ok", published
    assert session.client.hb_channel.is_beating()


def files(session):
    reply, _ = session.run('write_text("note.txt", "here"); read_text("note.txt")')
    assert reply["status"] == "ok", reply
    reply, _ = session.run('read_text("/etc/hostname")')
    assert reply["status"] == "error" and "--allow-read" in reply["evalue"], reply


def ending(session):
    request = session.client.execute("loop {}")
    while content_of(session.client.get_iopub_msg(timeout=PATIENCE), request) != "execute_input":
        pass
    began = time.monotonic()
    session.manager.shutdown_kernel()
    seconds = time.monotonic() - began
    assert not session.manager.has_kernel and seconds < 4, f"{seconds:.2f} s"


CHECKS = [results, printing, queries, errors, silence, typing, interruption, company, files, ending]


def faults(folder):
    found = []
    session = Session(folder)
    print(f"kernel ready after {session.seconds:.2f} s")
    for check in CHECKS:
        began = time.monotonic()
        try:
            check(session)
        except (AssertionError, Empty, StopIteration):
            found.append(f"kernel, {check.__name__}: {traceback.format_exc()}")
        print(f"kernel, {check.__name__}: {time.monotonic() - began:.2f} s")
    session.end()
    return found
