#!/usr/bin/env python3
"""`oncelog repair` says what it would do, does it, and keeps what it removes."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import Shell, check, run, run_json, run_test, state  # noqa: E402


def test(oncelog, folder):
    store = folder / "store"
    lines = b"".join(b"line %d\n" % number for number in range(100))
    for name in ("t-0", "u-1"):
        run(oncelog, "produce", store, name, "--batch-records", 10, given=lines)
    output, _ = run(oncelog, "repair", store, "--dry-run")
    check(b"nothing to do" in output, output)
    output, _ = run(oncelog, "repair", store)
    check(b"nothing to do" in output and not (folder / "store.aside-1").exists(), output)

    log = store / "t-0" / "00000000000000000000.log"
    batches = run_json(oncelog, "dump", log, "--json")
    data = log.read_bytes()
    position = batches[6]["position"]
    log.write_bytes(data[:position + 70] + b"\x13" + data[position + 71:])
    damaged = log.read_bytes()
    run(oncelog, "verify", store, "t-0", status=1)
    run(oncelog, "export-snapshots", store, status=3)  # an open refuses it

    before = state(folder)
    output, _ = run(oncelog, "repair", store, "--dry-run", status=1)
    check(b"offsets 60 to 99 are lost" in output and b"CRC" in output, output)
    check(b"nothing was changed" in output and b"store.aside-1" in output, output)
    steps = run_json(oncelog, "repair", store, "t-0", "--dry-run", "--json", status=1)
    cut, = [step for step in steps if step.get("kind") == "cut"]
    check((cut["position"], cut["bytes"]) == (position, len(data) - position), cut)
    check((cut["lost_begin"], cut["lost_end"]) == (60, 100), cut)
    check(state(folder) == before, "a dry run has changed something")

    run(oncelog, "repair", store, "--aside", store / "kept", status=2)
    check(state(folder) == before, "a refused repair has changed something")

    output, _ = run(oncelog, "repair", store, "--aside", folder / "kept")
    check(output.endswith(b"done\n") and b"offsets 60 to 99 are lost" in output, output)
    kept = folder / "kept" / "t-0" / f"{log.name}.from-{position}"
    check(kept.read_bytes() == damaged[position:], "the cut bytes are not those that lie aside")
    check(log.read_bytes() == data[:position], "the log is not what is sound of it")
    check((folder / "kept" / "repair.txt").exists(), "no note")
    for name in ("t-0", "u-1"):
        run(oncelog, "verify", store, name)
    run(oncelog, "repair", store, "--dry-run")
    consumed, _ = run(oncelog, "consume", store, "t-0")
    check(consumed == b"".join(b"line %d\n" % number for number in range(60)), consumed)
    run(oncelog, "export-snapshots", store)  # it opens
    producer, = run_json(oncelog, "producers", store, "t-0", "--json")
    check(producer["last_seq"] == 59, producer)

    shell = Shell(oncelog, store)
    shell.ok("open")
    run(oncelog, "repair", store, "--dry-run", status=4)
    run(oncelog, "repair", store, status=4)
    shell.end()
    run(oncelog, "repair", folder / "nowhere", status=3)


run_test(test)
