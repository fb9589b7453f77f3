#!/usr/bin/env python3
"""`oncelog consume --follow` sees every committed line once, across rolls, killed writers and torn
tails, starting before there is a partition."""
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import (check, join_lines, make_lines, run, run_json, run_test,  # noqa: E402
                     wait_until)

SEED = 977
KILLS = 6


def tear_tail(partition, chance):
    """What a power cut leaves: the beginning of a batch, or noise, behind the last whole batch."""
    active = sorted(partition.glob("*.log"))[-1]
    whole = active.read_bytes()
    torn = [whole[:chance.randrange(1, 61)], chance.randbytes(100), bytes(64)]
    with open(active, "ab") as file:
        file.write(chance.choice(torn))


def follow(oncelog, *arguments, output):
    command = [oncelog, "consume", *map(str, arguments), "--follow"]
    with open(output, "wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE)


def stop(reader):
    reader.send_signal(signal.SIGTERM)
    _, errors = reader.communicate(timeout=60)
    check(reader.returncode == 0, "the reader exited", reader.returncode, errors)


def follows_a_killed_writer(oncelog, folder, chance):
    store, seen = folder / "store", folder / "seen.txt"
    lines = make_lines(SEED, 3000)
    head, tail = folder / "head.txt", folder / "tail.txt"
    head.write_bytes(join_lines(lines[:2700]))
    tail.write_bytes(join_lines(lines[2700:]))
    writer = [oncelog, "produce", str(store), "t-0", str(head)]
    flags = ["--txn-every", "60", "--abort-every", "4", "--batch-records", "20", "--level",
             "written", "--delay-us", "2000", "--config", "segment.bytes=6000"]

    reader = follow(oncelog, store, "t-0", output=seen)
    try:
        for _ in range(KILLS):
            process = subprocess.Popen([*writer, "-", *flags], stdin=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.05, 0.2))
            process.kill()
            process.communicate()
            if list((store / "t-0").glob("*.log")):
                tear_tail(store / "t-0", chance)
            time.sleep(chance.uniform(0, 0.05))
        run(oncelog, *writer[1:], tail, *flags)
        wanted = join_lines(lines)
        wait_until(lambda: os.path.getsize(seen) >= len(wanted) or reader.poll() is not None,
                   "the reader to come to the end")
        stop(reader)
    finally:
        reader.kill()
        reader.communicate()
    check(seen.read_bytes() == wanted, "the follower saw other lines than were written")
    segments = list((store / "t-0").glob("*.log"))
    check(len(segments) > 10, "only", len(segments), "segments")


def reads_parts(oncelog, store):
    """--from, --max, --isolation and the formats agree with each other."""
    committed = run_json(oncelog, "consume", store, "t-0", "--format", "json")
    everything = run_json(oncelog, "consume", store, "t-0", "--format", "json", "--isolation",
                          "read_uncommitted")
    check(len(everything) > len(committed) == 3000, "aborted records are not there")
    some = run_json(oncelog, "consume", store, "t-0", "--format", "json", "--from",
                    committed[100]["offset"], "--max", 50)
    check(some == committed[100:150], "--from and --max")
    check(run(oncelog, "consume", store, "t-0", "--from", "latest")[0] == b"", "--from latest")
    at = committed[2000]["timestamp"]
    by_time = run_json(oncelog, "consume", store, "t-0", "--format", "json", "--from", f"@{at}",
                       "--max", 1)
    first = next(record for record in everything if record["timestamp"] >= at)
    wanted = next(record for record in committed if record["offset"] >= first["offset"])
    check(by_time == [wanted], "--from @time", by_time, wanted)
    run(oncelog, "consume", store / "t-0", "--max", 1)
    _, errors = run(oncelog, "consume", store, "t-1", status=3)
    check(errors.startswith("oncelog: UNKNOWN_TOPIC_OR_PARTITION: "), "no partition:", errors)
    run(oncelog, "consume", store, "t-0", "--from", "yesterday", status=2)
    run(oncelog, "consume", store, "t-0", "--from", 10**15, status=5)


def ends_when_idle(oncelog, store):
    begin = time.monotonic()
    output, _ = run(oncelog, "consume", store, "t-0", "--follow", "--idle-ms", 300)
    check(output.count(b"\n") == 3000, "the idle follower saw other lines")
    check(time.monotonic() - begin >= 0.3, "it did not wait")
    run(oncelog, "consume", store, "t-7", "--follow", "--idle-ms", 100)


def tells_damage(oncelog, folder):
    """Behind a flipped byte of a finished segment nothing comes, until somebody mends it."""
    store, seen = folder / "store", folder / "seen_damaged.txt"
    damaged = sorted((store / "t-0").glob("*.log"))[4]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    said = f"oncelog: {damaged}: position ".encode()
    reader = follow(oncelog, store, "t-0", output=seen)
    try:
        first = reader.stderr.readline()
        check(first.startswith(said) and b"CRC" in first, first)
        check(0 < seen.read_bytes().count(b"\n") < 3000, "not what lies before the damage")
        _, errors = run(oncelog, "consume", store, "t-0", "--follow", "--idle-ms", 1200, status=1)
        check(errors.count(said.decode()) == 1, errors)
        damaged.write_bytes(whole)
        wait_until(lambda: seen.read_bytes().count(b"\n") == 3000, "the rest")
        stop(reader)
    finally:
        reader.kill()
        reader.communicate()


def is_quiet_when_its_reader_goes(oncelog, store):
    reader = subprocess.Popen([oncelog, "consume", str(store), "t-0"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    reader.stdout.readline()
    reader.stdout.close()
    errors = reader.stderr.read()
    check(reader.wait(60) == 0 and errors == b"", "a broken pipe:", reader.returncode, errors)


def test(oncelog, folder):
    print(f"seed {SEED}")
    follows_a_killed_writer(oncelog, folder, random.Random(SEED))
    reads_parts(oncelog, folder / "store")
    ends_when_idle(oncelog, folder / "store")
    tells_damage(oncelog, folder)
    is_quiet_when_its_reader_goes(oncelog, folder / "store")


run_test(test)
