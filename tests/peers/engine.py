"""Engines as processes that live as long as a suite: asked by lines, killed past a limit of time."""

import json
import selectors
import subprocess
import time

LOAD_LIMIT_S = 1800


class Failed(Exception):
    """What an engine said instead of an answer."""


class Late(Failed):
    """The engine did not answer in time; it was killed."""


class Engine:
    def __init__(self, name, command, folder, threads):
        self.name, self.command, self.folder, self.threads = name, command, str(folder), threads
        self.process = None

    def ask(self, request, limit_s):
        """Answers one request."""
        self.ready()
        return self.told(request, limit_s)

    def ready(self):
        """Starts the engine and loads its suite where it does not run."""
        if self.process is None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self.told({"do": "load", "folder": self.folder, "threads": self.threads}, LOAD_LIMIT_S)

    def told(self, request, limit_s):
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            line = self.line(time.monotonic() + limit_s)
        except (BrokenPipeError, EOFError):
            self.end()
            raise Failed("its process ended") from None
        said = json.loads(line)
        if "error" in said:
            raise Failed(said["error"])
        return said

    def line(self, until):
        text = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not text.endswith(b"\n"):
                left = until - time.monotonic()
                if left <= 0 or not selector.select(left):
                    self.end()
                    raise Late("late")
                part = self.process.stdout.read1(1 << 16)
                if not part:
                    raise EOFError
                text += part
        return text

    def memory_mb(self):
        """Most memory since it was last forgotten, and memory now."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return [int(fields[key].split()[0]) / 1024 for key in ("VmHWM", "VmRSS")]

    def forget_memory(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None
