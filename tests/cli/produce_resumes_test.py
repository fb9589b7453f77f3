#!/usr/bin/env python3
"""`oncelog produce`, killed at random moments and started again, stores every line exactly once."""
import json
import pathlib
import random
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import (check, join_lines, make_lines, run, run_json, run_test,  # noqa: E402
                     wait_until)

SEED = 20240611
KILLS = 6
SETUPS = {
    "plain": ["--level", "written"],
    "durable": ["--level", "durable", "--batch-records", "40"],
    "transactions": ["--level", "written", "--txn-every", "150", "--abort-every", "3"],
    "codecs": ["--level", "written", "--codec", "zstd", "--txn-every", "90", "--abort-every", "2"],
    "keys": ["--level", "written", "--codec", "lz4", "--key-separator", " "],
    "segments": ["--level", "written", "--config", "segment.bytes=40000", "--txn-every", "40",
                 "--abort-every", "5", "--config", "index.interval.bytes=500"],
}


def log_bytes(store):
    return sum(path.stat().st_size for path in (store / "t-0").glob("*.log"))


def kill_some(command, store, chance):
    """Starts the writer KILLS times and kills it; its standard input never ends before. Every
    third is killed at any moment, the others once they have stored something."""
    for number in range(KILLS):
        before, limit = log_bytes(store), time.monotonic() + 3
        writer = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        while number % 3 and log_bytes(store) <= before and time.monotonic() < limit:
            time.sleep(0.001)
        time.sleep(chance.uniform(0.001, 0.025))
        check(writer.poll() is None, "the writer ended before it was killed:", writer.poll())
        writer.kill()
        writer.communicate()


def stored_lines(oncelog, store):
    """Lines as the committed records say, keys put back in front."""
    lines = []
    for line in run(oncelog, "consume", store, "t-0", "--format", "hex")[0].splitlines():
        _, key, value = line.split(b" ") if line.count(b" ") == 2 else line.split(b" ") + [b""]
        text = bytes.fromhex(value.decode())
        lines.append(text if key == b"-" else bytes.fromhex(key.decode()) + b" " + text)
    return lines


def resumes(oncelog, folder, name, flags, chance):
    store, stats = folder / name, folder / f"{name}.stats"
    lines = make_lines(chance.random(), 8000)
    head, tail = folder / f"{name}.head", folder / f"{name}.tail"
    head.write_bytes(join_lines(lines[:7500]))
    tail.write_bytes(join_lines(lines[7500:]))
    base = [oncelog, "produce", str(store), "t-0", str(head)]
    options = ["--stats", str(stats), *flags]
    if "--batch-records" not in flags:
        options += ["--batch-records", "25"]
    kill_some([*base, "-", *options, "--delay-us", "1000"], store, chance)
    run(oncelog, *base[1:], tail, *options)
    check(stored_lines(oncelog, store) == lines, name, "lines were lost, repeated or mixed up")

    events = [json.loads(line) for line in stats.read_text().splitlines()]
    last_runs = [event for event in events if event["event"] in ("start", "resume")]
    check(sum(event["duplicates"] for event in last_runs) > 0, name, "no retry was a duplicate")
    check(all(e["duplicates"] == e["retried_batches"] for e in last_runs), name, last_runs)
    check(events[-1]["event"] == "end" and events[-1]["error"] is None, name, events[-1])
    if "--abort-every" in flags:
        controls = [batch["control"] for batch in run_json(oncelog, "dump", store, "t-0", "--json")]
        check("abort" in controls and "commit" in controls, name, "transactions are missing")
    run(oncelog, "verify", store, "t-0")
    return base, tail, options, lines


def goes_on_after_the_end(oncelog, folder, chance):
    """A finished run repeated does nothing; other input is refused; --append takes it."""
    base, tail, options, lines = resumes(oncelog, folder, "transactions", SETUPS["transactions"],
                                         chance)
    store = folder / "transactions"
    before = run(oncelog, "dump", store, "t-0")[0]
    run(oncelog, *base[1:], tail, *options)
    check(run(oncelog, "dump", store, "t-0")[0] == before, "a repeated run changed the log")

    _, errors = run(oncelog, "produce", store, "t-0", status=5, given=b"something else\n")
    check("are not the beginning of this input" in errors, "refused with", errors)
    run(oncelog, "produce", store, "t-0", "--append", given=b"more\n")
    run(oncelog, "produce", store, "t-0", "--producer-id", "2", given=b"another stream\n")
    run(oncelog, "produce", store, "t-0", "--not-idempotent", given=b"a\na")
    run(oncelog, "produce", store, "t-0", "--not-idempotent", given=b"a\na")
    wanted = lines + [b"more", b"another stream"] + [b"a"] * 4
    check(stored_lines(oncelog, store) == wanted, "the appended lines are not as they were given")


def aborts_what_another_run_left_open(oncelog, folder):
    """--append cannot know the lines of an open transaction, so it ends it without them."""
    store = folder / "open"
    command = [oncelog, "produce", str(store), "t-0", "-", "--txn-every", "100",
               "--batch-records", "1", "--level", "written"]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    writer.stdin.write(b"first\nsecond\n")
    writer.stdin.flush()
    reading = [oncelog, "consume", str(store), "t-0", "--isolation", "read_uncommitted"]
    wait_until(lambda: subprocess.run(reading, capture_output=True).stdout == b"first\nsecond\n",
               "both lines to be stored")
    writer.kill()
    writer.communicate()
    check(run(oncelog, "consume", store, "t-0")[0] == b"", "an open transaction is visible")
    run(oncelog, "produce", store, "t-0", "--append", given=b"third\n")
    check(run(oncelog, "consume", store, "t-0")[0] == b"third\n", "the open one was not aborted")


def stops_cleanly(oncelog, folder):
    """SIGTERM ends a run between two batches, with a clean close; the next one goes on."""
    store, stats = folder / "stopped", folder / "stopped.stats"
    lines = folder / "stopped.txt"
    lines.write_bytes(join_lines(make_lines(3, 3000)))
    command = ["produce", store, "t-0", lines, "--batch-records", "10", "--stats", stats]
    writer = subprocess.Popen([oncelog, *map(str, command), "--delay-us", "2000"],
                              stderr=subprocess.DEVNULL)
    reading = [oncelog, "consume", str(store), "t-0"]
    wait_until(lambda: subprocess.run(reading, capture_output=True).stdout, "a line to be stored")
    writer.terminate()
    check(writer.wait(60) == 0, "SIGTERM: the writer exited", writer.returncode)
    run(oncelog, *command)
    events = [json.loads(line) for line in stats.read_text().splitlines()]
    check([event["event"] for event in events] == ["start", "end", "resume", "end"], events)
    check(events[1]["stopped"] and not events[2]["recovered"], "it was not a clean stop", events)
    check(run(oncelog, "consume", store, "t-0")[0] == lines.read_bytes(), "lines differ")


def test(oncelog, folder):
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    for name, flags in SETUPS.items():
        if name != "transactions":
            resumes(oncelog, folder, name, flags, chance)
    goes_on_after_the_end(oncelog, folder, chance)
    aborts_what_another_run_left_open(oncelog, folder)
    stops_cleanly(oncelog, folder)


run_test(test)
