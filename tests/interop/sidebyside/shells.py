"""The two sides: `oncelog shell` and Kafka's log behind the same protocol, each a child process."""
import json
import os
import pathlib
import selectors
import shutil
import subprocess

ANSWER_SECONDS = 120
CLOCK_START = 1_700_000_000_000


class SideFailed(Exception):
    """A side ended or fell silent, which no history may make it do."""


class LineProcess:
    """A child process that answers each line with a line."""

    def __init__(self, command, errors):
        self.buffer = b""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=errors)

    def ask(self, request):
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise SideFailed(f"ended ({self.process.wait()}) before {request}") from None
        while b"\n" not in self.buffer:
            self.read_more(request)
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def read_more(self, request):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(ANSWER_SECONDS):
                raise SideFailed(f"no answer in {ANSWER_SECONDS} s to {request}")
        chunk = os.read(self.process.stdout.fileno(), 1 << 20)
        if not chunk:
            raise SideFailed(f"ended ({self.process.wait()}) at {request}")
        self.buffer += chunk

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Side:
    """What both sides have: a store directory, a clock, and how they were opened last."""

    def __init__(self, folder):
        self.store = pathlib.Path(folder)
        self.now = CLOCK_START
        self.opened = {"op": "open"}

    def begin(self):
        """A new empty store, the clock at its start."""
        self.stop()
        shutil.rmtree(self.store, ignore_errors=True)
        self.now = CLOCK_START
        self.start()

    def answer(self, request):
        """The answer to a request of the protocol, or to `restart` or `crash`: both open again as
        before but for the `config` they may bring, at the time it was."""
        op = request["op"]
        if op == "open":
            self.opened = request
        if op in ("restart", "crash"):
            if "config" in request:
                self.opened = {**self.opened, "config": request["config"]}
            if op == "restart":
                closed = self.ask({"op": "close"})
                if "error" in closed:
                    return closed
            else:
                self.crash()
                self.ask({"op": "clock", "set": self.now})
            return self.ask(self.opened)
        answer = self.ask(request)
        if op == "clock":
            self.now = answer.get("now", self.now)
        return answer

    def files(self):
        """Name -> bytes of the partition's directory."""
        folder = self.store / "t-0"
        if not folder.is_dir():
            return {}
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class OncelogSide(Side):
    name = "oncelog"

    def __init__(self, binary, folder):
        super().__init__(folder)
        self.command = [str(binary), "shell", str(self.store)]
        self.child = None

    def start(self):
        self.child = LineProcess(self.command, None)

    def stop(self):
        if self.child:
            self.child.kill()
            self.child = None

    def crash(self):
        self.stop()
        self.start()

    def ask(self, request):
        return self.child.ask(request)


class KafkaSide(Side):
    """One JVM for all histories; `begin` and `kill` are its words for a new process."""
    name = "kafka"

    def __init__(self, command, folder, errors):
        super().__init__(folder)
        self.child = LineProcess([*command, "shell", str(self.store)], errors)

    def start(self):
        self.ask({"op": "begin", "dir": str(self.store)})

    def stop(self):
        self.ask({"op": "kill"})

    def end(self):
        self.child.kill()

    def crash(self):
        self.ask({"op": "kill"})

    def ask(self, request):
        return self.child.ask(request)

    def encode(self, request):
        """The bytes of the batch that an `append` would send, as hex."""
        return self.ask({**request, "op": "encode"})["hex"]
