#!/usr/bin/env python3
"""The looking subcommands beside a live owner, on bytes that are wrong in any way, and into a pipe
that nobody reads: they change nothing, end, and exit with a status that is documented."""
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import (ANSWER_SECONDS, Shell, check, run, run_json, run_test,  # noqa: E402
                     wait_until)

LOOKS = [["txns"], ["why-lso"], ["aborted"], ["offsets"], ["epochs"], ["stats", "--keys"], ["find"],
         ["tail"]]
KAFKA = pathlib.Path(__file__).resolve().parent.parent / "interop" / "golden"


def records_of(*values):
    return [{"v": value} for value in values]


def look_beside_an_owner(oncelog, store):
    shell = Shell(oncelog, store)
    try:
        shell.ok("open", level="durable", high_watermark="log_end")
        records = records_of("aa", "bb")
        shell.ok("append", pid=7, epoch=0, seq=0, txn=True, records=records)
        shell.ok("append", pid=8, epoch=0, seq=0, txn=True, records=records)
        shell.ok("marker", pid=8, epoch=0, type="abort", coordinator_epoch=2)
        look_at_live(oncelog, store)
        shell.end()
    finally:
        shell.kill()
    run(oncelog, "offsets", store)
    run(oncelog, "aborted", store)


def look_at_live(oncelog, store):
    txns = run_json(oncelog, "txns", store, "--json")
    check([(row["pid"], row["state"], row["records"]) for row in txns] ==
          [(8, "aborted", 2), (7, "open", 2)], "transactions", txns)
    why, = run_json(oncelog, "why-lso", store, "t-0", "--json")
    check(why["last_stable_offset"] == 0, "why-lso", why)
    for look in LOOKS:
        run(oncelog, *look, store)
    run(oncelog, "diff", store, store)


def damage_is_survived(oncelog, folder, seed):
    chance = random.Random(seed)
    for number in range(24):
        copy = folder / f"wrong-{number}"
        shutil.copytree(KAFKA / chance.choice(["transactions", "compacted", "codecs"]) / "data", copy)
        files = sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size)
        for path in chance.choices(files, k=3) + list(copy.rglob("*0000.log"))[:1]:
            data = bytearray(path.read_bytes())
            for _ in range(chance.choice([1, 4, 60])):
                data[chance.randrange(len(data))] = chance.randrange(256)
            path.write_bytes(data[:chance.randrange(len(data)) + 1])
        for look in LOOKS + [["diff", KAFKA / "epochs" / "data"]]:
            for form in [[], ["--json"]]:
                command = [oncelog, *map(str, look), *form, str(copy)]
                done = subprocess.run(command, capture_output=True, timeout=ANSWER_SECONDS)
                check(done.returncode in (0, 1), "seed", seed, command, "exited", done.returncode,
                      done.stderr)
                check(done.returncode == 0 or done.stderr or b"\n" in done.stdout, command,
                      "names nothing")
                for line in done.stdout.splitlines() if form else []:
                    json.loads(line)


def nobody_reads(oncelog, store):
    for look in LOOKS:
        process = subprocess.Popen([oncelog, *look, str(store)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.close()
        errors = process.stderr.read()
        check(process.wait(ANSWER_SECONDS) == 0 and not errors, look, "into a closed pipe:",
              process.returncode, errors)


def tail_follows(oncelog, store, seen_path):
    with open(seen_path, "wb") as seen:
        follow = subprocess.Popen([oncelog, "tail", str(store), "t-0", "-n", "1", "--follow",
                                   "--json"], stdout=seen)
    try:
        def values():
            return [json.loads(line)["value"] for line in seen_path.read_text().splitlines()]
        wait_until(lambda: len(values()) == 1, "the last record")
        run(oncelog, "produce", store, "t-0", "--append", given=b"one\ntwo\n")
        wait_until(lambda: values()[1:] == ["one", "two"], "what came")
        follow.send_signal(signal.SIGTERM)
        check(follow.wait(ANSWER_SECONDS) == 0, "tail exited", follow.returncode)
    finally:
        follow.kill()
        follow.wait()


def test(oncelog, folder):
    look_beside_an_owner(oncelog, folder / "live")
    store = folder / "store"
    lines = b"".join(b"line %d\n" % number for number in range(40_000))
    run(oncelog, "produce", store, "t-0", "--batch-records", 500, given=lines)
    nobody_reads(oncelog, store)
    last, = run_json(oncelog, "tail", store, "-n", 1, "--json")
    check(last["value"] == "line 39999", "tail", last)
    total = run_json(oncelog, "stats", store, "--json")[-1]
    check(total["records"] == 40_000, "stats", total)
    run(oncelog, "tail", folder / "live", "t-0", "x", status=2)
    tail_follows(oncelog, store, folder / "followed")
    damage_is_survived(oncelog, folder, seed=20261122)


run_test(test)
