#!/usr/bin/env python3
"""`oncelog abort` ends a hanging transaction, and refuses what is none, with nothing changed."""
import pathlib
import shutil
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "support"))
from command import Shell, check, run, run_json, run_test, state  # noqa: E402
from terminal import run_at_terminal  # noqa: E402

OPEN = (b"t-0: producer 4000 (epoch 2, coordinator epoch 5) has a transaction open from offset 4 "
        b"on; its last batch ends at offset 5 and is of 2023-11-14T22:13:20.000Z; the last stable "
        b"offset is 4\n")


def make_store(oncelog, store):
    """Two open transactions: of producer 4000 from 4 on, of producer 4001 from 6 on."""
    shell = Shell(oncelog, store)
    shell.ok("open", high_watermark="log_end")
    shell.ok("append", pid=4000, epoch=2, seq=0, n=3, txn=True)
    shell.ok("marker", pid=4000, epoch=2, type="commit", coordinator_epoch=5)
    shell.ok("append", pid=4000, epoch=2, seq=3, n=2, txn=True)
    shell.ok("append", pid=4001, epoch=0, seq=0, n=1, txn=True)
    shell.ok("append", pid=4002, epoch=0, seq=0, n=1)
    return shell


def check_refusals(oncelog, folder, store):
    before = state(folder)
    for arguments, status, word in [
            (["t-0", 4000], 5, "no terminal to ask"),
            (["t-0", 4000, "--epoch", 1, "--dry-run"], 5, "has epoch 2, not 1"),
            (["t-0", 4002, "--dry-run"], 5, "has no transaction open"),
            (["t-0", 4003, "--dry-run"], 5, "is not known here"),
            (["t-1", 4000, "--dry-run"], 3, "no partition t-1"),
            (["t", 4000, "--yes"], 2, "no partition's name"),
            (["t-0", "-1"], 2, "PRODUCER_ID")]:
        _, errors = run(oncelog, "abort", store, *arguments, status=status)
        check(word in errors, arguments, errors)
    check(state(folder) == before, "a refusal has changed something")
    # Without a dry run the store is opened first, and closed cleanly again.
    run(oncelog, "abort", store, "t-0", 4000, "--epoch", 1, "--yes", status=5)
    check((store / ".kafka_cleanshutdown").exists(), "a refusal has left the store unclean")
    run(oncelog, "abort", folder / "nowhere", "t-0", 4000, "--yes", status=3)

    kafka = folder / "kafka"
    shutil.copytree(HERE.parent / "interop" / "golden" / "transactions" / "data", kafka)
    before = state(folder)
    _, errors = run(oncelog, "abort", kafka, "t-0", 2003, "--yes", status=5)
    check("oncelog adopt " + str(kafka) in errors and "kafka-transactions.sh" in errors, errors)
    check(state(folder) == before, "Kafka's directory has changed")


def test(oncelog, folder):
    store = folder / "store"
    shell = make_store(oncelog, store)
    for flags in ([], ["--dry-run"], ["--yes"]):
        run(oncelog, "abort", store, "t-0", 4000, *flags, status=4)
    shell.end()
    check_refusals(oncelog, folder, store)

    before = state(folder)
    output, _ = run(oncelog, "abort", store, "t-0", 4000, "--dry-run")
    check(output == OPEN + b"an abort marker with epoch 2 and coordinator epoch 5 would be written "
          b"at offset 8; the last stable offset would be 6\n", output)
    planned, = run_json(oncelog, "abort", store, "t-0", 4000, "--dry-run", "--json")
    check(state(folder) == before, "a dry run has changed something")

    done, = run_json(oncelog, "abort", store, "t-0", 4000, "--epoch", 2, "--yes", "--json")
    check(done == {"partition": "t-0", "pid": 4000, "epoch": 2, "coordinator_epoch": 5,
                   "first_offset": 4, "last_offset": 5, "last_timestamp": 1700000000000,
                   "last_stable_offset_before": 4, "marker_offset": 8, "last_stable_offset": 6,
                   "high_watermark": 9, "written": True}, done)
    check(planned == {**done, "written": False}, planned)
    run(oncelog, "abort", store, "t-0", 4000, "--yes", status=5)

    seen = run_at_terminal(oncelog, "abort", store, "t-0", 4001, answer=b"n", status=5)
    check(b"nothing was changed" in seen and b"coordinator epoch -1" in seen, seen)
    seen = run_at_terminal(oncelog, "abort", store, "t-0", 4001, answer=b"y")
    check(b"coordinator epoch 0 was written at offset 9; the last stable offset is 10" in seen,
          seen)
    check(run_json(oncelog, "txns", store, "--state", "open", "--json") == [], "still open")
    aborts = run_json(oncelog, "aborted", store, "--json")
    check([(row["pid"], row["first_offset"], row["marker_offset"]) for row in aborts] ==
          [(4000, 4, 8), (4001, 6, 9)], aborts)
    run(oncelog, "verify", store, "t-0")
    output, _ = run(oncelog, "consume", store, "t-0")
    check(output == b"r0\nr1\nr2\nr0\n", output)


run_test(test)
