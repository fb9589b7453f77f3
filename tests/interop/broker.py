"""A real Kafka broker and its Java clients, as processes of a test: started, stopped, killed."""
import contextlib
import ctypes
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "cli" / "support"))
from command import check  # noqa: E402

SKIPPED = 77
STEP_SECONDS = 180      # for a machine that has much else to do
TAIL_LINES = 60
PORT_MIN = 10_000
CLUSTER_ID = "b25jZWxvZy1yb3VuZHRyaQ"  # any 16 bytes, in base 64
# Soon done, and small: no optimizing compiler, no parallel collector.
JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dfile.encoding=UTF-8"]
SILENT = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
TALKING = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
           "-Dorg.slf4j.simpleLogger.log.kafka=info",
           "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.storage=info",
           "-Dorg.slf4j.simpleLogger.log.state.change.logger=warn"]


def find_classpath():
    """Where Kafka's jars and our Java classes are, built if need be; None where they cannot be."""
    if os.environ.get("ONCELOG_JVM") == "off":
        print("interop: ONCELOG_JVM is off, skipped", file=sys.stderr)
        return None
    done = subprocess.run([HERE / "kafka", "classpath"], stdout=subprocess.PIPE, check=False)
    if done.returncode == SKIPPED:
        return None
    check(done.returncode == 0, "the build of the Java sources failed")
    return done.stdout.decode().strip()


def die_with_parent():
    """In the child: no broker outlives a test, however the test ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def free_ports(count):
    """Ports nobody listens on now. Not of those that the system gives to who connects: while the
    broker is away, one of its clients could come to be connected with itself there."""
    given_out = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    end = max(int(given_out[0]), PORT_MIN + 1000)
    sockets = []
    try:
        for port in random.sample(range(PORT_MIN, end), 100):
            if len(sockets) == count:
                break
            one = socket.socket()
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                sockets.append(one)
        check(len(sockets) == count, "no free ports")
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def print_tail(path):
    if path.exists():
        lines = path.read_text(errors="replace").splitlines()
        print(f"--- the end of {path}", *lines[-TAIL_LINES:], sep="\n", file=sys.stderr)


class Broker:
    """One node, broker and controller at once, on one data directory."""

    def __init__(self, classpath, folder):
        self.folder = folder
        self.data = folder / "data"
        self.java = ["java", *JVM, "-Xmx512m", "-cp", classpath]
        self.process = None
        self.starts = 0
        self.port, controller_port = free_ports(2)
        self.properties = folder / "server.properties"
        self.properties.write_text("\n".join([
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{controller_port}",
            f"listeners=PLAINTEXT://127.0.0.1:{self.port},"
            f"CONTROLLER://127.0.0.1:{controller_port}",
            "controller.listener.names=CONTROLLER",
            f"log.dirs={self.data}",
            "auto.create.topics.enable=false",
            # One of each internal partition: a start loads them all.
            "offsets.topic.num.partitions=1",
            "offsets.topic.replication.factor=1",
            "transaction.state.log.num.partitions=1",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "group.initial.rebalance.delay.ms=0",
            # Compacts as soon as there is something to compact.
            "log.cleaner.backoff.ms=200",
            "log.cleaner.dedupe.buffer.size=4194304",
            "log.initial.task.delay.ms=500",
            ""]))

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.folder / f"broker-{self.starts}.log"

    def format(self):
        with open(self.folder / "format.log", "wb") as log:
            subprocess.run([*self.java, SILENT, "kafka.tools.StorageTool", "format", "-t",
                            CLUSTER_ID, "-c", self.properties], stdout=log,
                           stderr=subprocess.STDOUT, timeout=STEP_SECONDS, check=True)

    def start(self):
        self.starts += 1
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*self.java, *TALKING, "kafka.Kafka", str(self.properties)], stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        end = time.monotonic() + STEP_SECONDS
        while "Kafka Server started" not in self.log.read_text(errors="replace"):
            check(self.process.poll() is None, "the broker ended with", self.process.returncode)
            check(time.monotonic() < end, "the broker has not started in", STEP_SECONDS, "s")
            time.sleep(0.1)

    def stop(self):
        """A controlled shutdown."""
        self.process.terminate()
        self.process.wait(STEP_SECONDS)
        stopped_by_signal = 128 + signal.SIGTERM
        check(self.process.returncode in (0, stopped_by_signal), "the broker ended with",
              self.process.returncode)

    def kill(self):
        self.process.kill()
        self.process.wait(STEP_SECONDS)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()


class Clients:
    """BrokerClients.java: one process for all producers and consumers, over all restarts."""

    def __init__(self, classpath, bootstrap, folder):
        self.log = folder / "clients.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["java", *JVM, SILENT, "-Xmx256m", "-cp", classpath,
                 "org.oncelog.interop.BrokerClients", bootstrap], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, preexec_fn=die_with_parent)

    def ask(self, op, **fields):
        impatience = threading.Timer(STEP_SECONDS, self.process.kill)
        impatience.start()
        try:
            self.process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            impatience.cancel()
        check(line.endswith(b"\n"), "the clients ended at", op, fields)
        return json.loads(line)

    def ok(self, op, **fields):
        answer = self.ask(op, **fields)
        check("error" not in answer, op, str(fields)[:200], "answered", answer.get("error"))
        return answer

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
