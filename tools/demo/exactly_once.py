#!/usr/bin/env python3
"""Shows that every line is stored exactly once, whatever happens to the writer.

A large text is appended in transactions, some of which are aborted on purpose, by `oncelog
produce`, which is killed with signal 9 again and again at random moments and started again each
time, while `oncelog consume --follow` reads what is committed. At the end both texts must be the
same.

    exactly_once.py --oncelog build/dev/tools/oncelog [--kills 25] [--megabytes 16] [--dir DIR]

Exit status 0 if nothing was lost or stored twice, and if there was something to survive; else 1.
"""
import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PARTITION = "orders-0"
SOURCES = [("/usr/share/common-licenses", "*"), ("/usr/include", "**/*.h"),
           ("/usr/include", "**/*.hpp"), ("/usr/share/perl", "**/*.p[lm]"),
           ("/usr/share/doc", "**/copyright"), ("/usr/lib/python3", "**/*.py"),
           ("/usr/lib", "**/*.py")]
LINE_BYTES_MAX = 100_000
TAIL_SHARE = 0.05       # held back until the last kill, so that no writer can finish before
KILLS_AT_LEAST = 20
TRANSACTION_LINES = 500
ABORT_EVERY = 7
PLAIN_SECONDS = 12      # about how long all batches take, kills and restarts aside
BATCH_LINES = 50
CODECS = ["none", "lz4", "zstd", "snappy", "gzip"]
PATIENCE_SECONDS = 120  # without any progress


class Failed(Exception):
    pass


def say(text):
    print(text, flush=True)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def source_files():
    seen = set()
    for folder, pattern in SOURCES:
        for path in sorted(pathlib.Path(folder).glob(pattern)):
            real = os.path.realpath(path)
            if real not in seen and os.path.isfile(real):
                seen.add(real)
                yield real


def gather_text(wanted_bytes):
    """Lines of real files, as bytes, without zeros; more than once if there are not enough."""
    lines, size = [], 0
    while size < wanted_bytes:
        size_before = size
        for path in source_files():
            try:
                data = pathlib.Path(path).read_bytes()
            except OSError:
                continue
            if b"\0" in data:
                continue
            fresh = [line for line in data.split(b"\n") if len(line) <= LINE_BYTES_MAX]
            lines += fresh
            size += sum(map(len, fresh)) + len(fresh)
            if size >= wanted_bytes:
                break
        if size == size_before:
            raise Failed("no text was found on this machine to work with")
    return lines


class Demonstration:
    def __init__(self, options, folder):
        self.oncelog = os.path.abspath(options.oncelog)
        self.kills_wanted = options.kills
        self.chance = random.Random(options.seed)
        self.folder = folder
        self.store = folder / "store"
        self.consumed = folder / "consumed.txt"
        self.stats = folder / "stats.jsonl"
        self.head, self.tail = folder / "head.txt", folder / "tail.txt"
        self.kills = 0
        self.running = []

    def make_input(self, megabytes):
        self.lines = gather_text(int(megabytes * (1 << 20)))
        self.text = b"".join(line + b"\n" for line in self.lines)
        held_back = max(1, int(len(self.lines) * TAIL_SHARE))
        head = b"".join(line + b"\n" for line in self.lines[:-held_back])
        self.head.write_bytes(head)
        self.tail.write_bytes(self.text[len(head):])
        # What the reader is sure to see while the rest is held back: not the last transactions.
        unsure = sum(len(line) + 1 for line in self.lines[-held_back - 3 * TRANSACTION_LINES:])
        self.sure_bytes = max(0, len(self.text) - unsure)
        self.delay_us = int(PLAIN_SECONDS * 1e6 / (len(self.lines) / BATCH_LINES))

    def start(self, command, **streams):
        process = subprocess.Popen(list(map(str, command)), **streams)
        self.running.append(process)
        return process

    def start_reader(self):
        command = [self.oncelog, "consume", self.store, PARTITION, "--follow", "--isolation",
                   "read_committed"]
        with open(self.consumed, "wb") as output:
            self.reader = self.start(command, stdout=output)

    def start_writer(self, number, last=False):
        """A writer's files end with standard input, which stays open: it cannot finish alone."""
        level = "durable" if number % 3 == 2 else "written"
        command = [self.oncelog, "produce", self.store, PARTITION, self.head,
                   self.tail if last else "-",
                   "--txn-every", TRANSACTION_LINES, "--abort-every", ABORT_EVERY,
                   "--batch-records", BATCH_LINES, "--level", level,
                   "--codec", CODECS[number % len(CODECS)], "--config", "segment.bytes=1048576",
                   "--delay-us", 0 if last else self.delay_us, "--stats", self.stats]
        with open(self.folder / "writer.log", "ab") as log:
            return self.start(command, stdin=subprocess.PIPE, stderr=log)

    def consumed_bytes(self):
        return os.path.getsize(self.consumed)

    def wait_for_progress(self, writer, target):
        """Until the reader has come to the target."""
        seen, since = self.consumed_bytes(), time.monotonic()
        while seen < target:
            self.check_alive(writer)
            time.sleep(0.002)
            now = self.consumed_bytes()
            if now > seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > PATIENCE_SECONDS:
                raise Failed(f"no progress for {PATIENCE_SECONDS} s at {seen} bytes")

    def check_alive(self, writer):
        if writer.poll() is not None:
            log = (self.folder / "writer.log").read_text(errors="replace")
            raise Failed(f"the writer ended with {writer.returncode}: {log[-1000:]}")
        if self.reader.poll() is not None:
            raise Failed(f"the reader ended with {self.reader.returncode}")

    def kill_writers(self):
        """Most are killed when they have come some way, every fifth while it still starts."""
        for number in range(self.kills_wanted):
            writer = self.start_writer(number)
            if number % 5 == 4:
                time.sleep(self.chance.uniform(0, 0.15))
            else:
                share = (number + self.chance.random()) / self.kills_wanted
                self.wait_for_progress(writer, share * self.sure_bytes)
                time.sleep(self.chance.uniform(0, 0.05))
            self.check_alive(writer)
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
            if writer.returncode != -signal.SIGKILL:
                raise Failed(f"the writer ended with {writer.returncode} before it was killed")
            self.kills += 1
            progress(f"{self.kills} kills, {self.consumed_bytes() / len(self.text):.0%} read")

    def finish(self):
        writer = self.start_writer(self.kills_wanted, last=True)
        writer.communicate()
        if writer.returncode != 0:
            self.check_alive(writer)
        seen, since = -1, time.monotonic()
        while self.consumed_bytes() < len(self.text) and time.monotonic() - since < 10:
            if self.consumed_bytes() > seen:
                seen, since = self.consumed_bytes(), time.monotonic()
            time.sleep(0.01)
        time.sleep(0.2)  # what comes now would be too much, and must be seen
        self.reader.send_signal(signal.SIGTERM)
        if self.reader.wait(30) != 0:
            raise Failed(f"the reader ended with {self.reader.returncode}")
        progress("")

    def output_of(self, *arguments):
        done = subprocess.run([self.oncelog, *map(str, arguments)], capture_output=True)
        if done.returncode != 0:
            raise Failed(f"oncelog {arguments[0]} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def judge(self):
        """The table, and what in it is not as it must be."""
        consumed = self.consumed.read_bytes()
        got = consumed.split(b"\n")[:-1]
        wanted, seen = collections.Counter(self.lines), collections.Counter(got)
        lost, duplicated = (wanted - seen).total(), (seen - wanted).total()
        displaced = sum(a != b for a, b in zip(self.lines, got)) if not lost + duplicated else 0
        batches = [json.loads(line) for line in
                   self.output_of("dump", self.store, PARTITION, "--json").splitlines()]
        controls = collections.Counter(batch["control"] for batch in batches)
        events = [json.loads(line) for line in self.stats.read_text().splitlines()]
        starts = [event for event in events if event["event"] in ("start", "resume")]
        duplicates = sum(event["duplicates"] for event in starts)
        again = self.output_of("consume", self.store, PARTITION)
        self.output_of("verify", self.store, PARTITION)
        table = [
            ("writers killed with signal 9", self.kills, self.kills >= KILLS_AT_LEAST),
            ("retries answered as duplicates", duplicates, duplicates > 0),
            ("retries stored again", sum(e["retried_batches"] for e in starts) - duplicates, None),
            ("torn bytes cut by recovery", sum(e["truncated_bytes"] for e in starts), True),
            ("transactions committed", controls["commit"], controls["commit"] > 0),
            ("transactions aborted", controls["abort"], controls["abort"] > 0),
            ("batches in the log", len(batches), len(batches) > 0),
            ("records written", len(self.lines), True),
            ("records consumed", len(got), len(got) == len(self.lines)),
            ("records lost", lost, lost == 0),
            ("records duplicated", duplicated, duplicated == 0),
            ("records out of order", displaced, displaced == 0),
            ("SHA-256 of the input", hashlib.sha256(self.text).hexdigest(), True),
            ("SHA-256 as consumed", hashlib.sha256(consumed).hexdigest(), consumed == self.text),
            ("SHA-256 as consumed anew", hashlib.sha256(again).hexdigest(), again == self.text),
        ]
        wrong = []
        for name, value, is_right in table:
            is_right = value == 0 if is_right is None else is_right
            say(f"  {name:<32} {value:>10,}" if isinstance(value, int) else f"  {name:<32} {value}")
            if not is_right:
                wrong.append(name)
        return wrong

    def show_one_batch(self):
        rows = self.output_of("dump", self.store, PARTITION, "--records").decode(errors="replace")
        say("The first batch, as `oncelog dump --records` shows it:")
        for row in rows.splitlines()[1:6]:
            say(row[:110])

    def end(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()


def demonstrate(options, folder):
    demonstration = Demonstration(options, folder)
    try:
        begin = time.monotonic()
        demonstration.make_input(options.megabytes)
        say(f"{len(demonstration.lines):,} lines, {len(demonstration.text):,} bytes; "
            f"{options.kills} kills; seed {options.seed}")
        demonstration.start_reader()
        demonstration.kill_writers()
        demonstration.finish()
        wrong = demonstration.judge()
        demonstration.show_one_batch()
        if wrong:
            raise Failed("not as it must be: " + ", ".join(wrong))
        say(f"Every record was stored exactly once ({time.monotonic() - begin:.0f} s).")
    finally:
        demonstration.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oncelog", required=True, help="the oncelog command")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--megabytes", type=float, default=16)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--dir", help="work here, in a new folder, and keep it")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="exactly-once-", dir=options.dir))
    try:
        demonstrate(options, folder)
        return 0
    except Failed as reason:
        print(f"\nFAILED (seed {options.seed}): {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if not options.dir:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
