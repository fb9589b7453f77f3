#!/usr/bin/env python3
"""`oncelog export-snapshots` writes, byte for byte, what Kafka needs to go on with a store."""
import json
import pathlib
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import check, run, run_test  # noqa: E402

ENTRY = struct.Struct(">qhiqiqiq")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def drive(oncelog, store, requests):
    """Runs the shell and kills it before it can close anything."""
    shell = subprocess.Popen([oncelog, "shell", str(store)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    for request in requests:
        shell.stdin.write(json.dumps(request).encode() + b"\n")
        shell.stdin.flush()
        answer = json.loads(shell.stdout.readline())
        check(answer.get("ok"), request, answer)
    shell.kill()
    shell.communicate()


def test(oncelog, folder):
    store = folder / "store"
    drive(oncelog, store, [
        {"op": "open"},
        {"op": "append", "pid": 4000, "epoch": 2, "seq": 0, "n": 3},
        {"op": "append", "pid": 4001, "epoch": 0, "seq": 9, "n": 1, "txn": True},
        {"op": "marker", "pid": 4000, "epoch": 2, "type": "commit", "coordinator_epoch": 5}])
    check(not (store / ".kafka_cleanshutdown").exists(), "a killed shell left a clean marker")

    output, _ = run(oncelog, "export-snapshots", store)
    check(output == b"t-0/00000000000000000005.snapshot: 2 producers\n", output)
    check((store / ".kafka_cleanshutdown").exists(), "no clean marker")
    file = (store / "t-0" / "00000000000000000005.snapshot").read_bytes()
    version, crc, count = struct.unpack(">hIi", file[:10])
    check((version, count) == (1, 2) and crc == crc32c(file[6:]), "header", version, crc, count)
    now = 1700000000000
    check(list(ENTRY.iter_unpack(file[10:])) ==
          [(4000, 2, 2, 2, 2, now, 5, -1), (4001, 0, 9, 3, 0, now, -1, 3)], file.hex())

    run(oncelog, "export-snapshots", store)
    check((store / "t-0" / "00000000000000000005.snapshot").read_bytes() == file, "differs again")
    run(oncelog, "export-snapshots", folder / "nowhere", status=3)


run_test(test)
