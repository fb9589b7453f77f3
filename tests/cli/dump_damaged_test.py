#!/usr/bin/env python3
"""`oncelog dump` names damaged bytes, goes on behind them, and says so in its exit status."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import check, run, run_json, run_test  # noqa: E402


def damaged_copy(folder, name, data, change):
    copy = bytearray(data)
    change(copy)
    path = folder / name / "00000000000000000000.log"
    path.parent.mkdir()
    path.write_bytes(copy)
    return path


def expect_damage(oncelog, path, batches, gone, position):
    """All batches but those numbered in `gone` are still shown, the damage begins at `position`."""
    shown = run_json(oncelog, "dump", path, "--json", status=1)
    damage = [line for line in shown if "damage" in line]
    whole = [line for line in shown if "damage" not in line]
    wanted = [b["base"] for number, b in enumerate(batches) if number not in gone]
    check([b["base"] for b in whole] == wanted, path, "shows", [b["base"] for b in whole])
    check(damage and damage[0]["position"] == position and damage[0]["damage"], path, damage)
    ends = [line["position"] + line["bytes"] for line in damage]
    starts = [b["position"] for b in whole] + [path.stat().st_size]
    check(ends[-1] in starts, path, "reading goes on at", ends, "but a batch is at", starts)
    output, _ = run(oncelog, "dump", path, "--records", status=1)
    check(b"DAMAGED" in output and str(position).encode() in output, path, "prints", output)


def test(oncelog, folder):
    store = folder / "store"
    lines = b"".join(b"line %d\n" % number for number in range(100))
    run(oncelog, "produce", store, "t-0", "--batch-records", 10, "--codec", "gzip", given=lines)
    log = store / "t-0" / "00000000000000000000.log"
    batches = run_json(oncelog, "dump", store, "t-0", "--json", "--records")
    check(len(batches) == 10, "batches", batches)
    values = [record["value"] for batch in batches for record in batch["records"]]
    check(values == [f"line {n}" for n in range(100)], "records", values)
    check(run_json(oncelog, "dump", log, "--json", "--records") == run_json(
        oncelog, "dump", store / "t-0", "--json", "--records"), "a file and its folder differ")
    output, _ = run(oncelog, "dump", log, "--records")
    check(output.count(b"line 42") == 1 and b"DAMAGED" not in output, "the table", output)
    run(oncelog, "verify", store, "t-0")
    producer, = run_json(oncelog, "producers", store, "t-0", "--json")
    check(producer["pid"] == 1 and producer["last_seq"] == 99, "producers", producer)

    data = log.read_bytes()
    at = [batch["position"] for batch in batches]

    def flip(position):
        def change(copy):
            copy[position] ^= 0x40
        return change

    def cut(count):
        def change(copy):
            del copy[-count:]
        return change

    def insert(position, noise):
        def change(copy):
            copy[position:position] = noise
        return change

    body = damaged_copy(folder, "body", data, flip(at[2] + 70))
    expect_damage(oncelog, body, batches, {2}, at[2])
    length = damaged_copy(folder, "length", data, flip(at[5] + 9))
    expect_damage(oncelog, length, batches, {5}, at[5])
    magic = damaged_copy(folder, "magic", data, flip(at[0] + 16))
    expect_damage(oncelog, magic, batches, {0}, at[0])
    tail = damaged_copy(folder, "tail", data, cut(5))
    expect_damage(oncelog, tail, batches, {9}, at[9])
    noise = damaged_copy(folder, "noise", data, insert(at[4], b"\x13" * 99))
    expect_damage(oncelog, noise, batches, set(), at[4])
    run(oncelog, "verify", body.parent, status=1)
    run(oncelog, "dump", folder / "nothing-0", status=3)


run_test(test)
