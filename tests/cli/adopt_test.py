#!/usr/bin/env python3
"""`oncelog adopt` says what recovery does to Kafka's directory before it does it, and does just
that; with --release a store that was not closed is ready for Kafka."""
import json
import pathlib
import shutil
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "support"))
from command import Shell, check, run, run_json, run_test, state  # noqa: E402
from terminal import run_at_terminal  # noqa: E402

KAFKA = HERE.parent / "interop" / "golden"


def check_dry_run(oncelog, directory, *flags, status=0):
    before = state(directory)
    output, _ = run(oncelog, "adopt", directory, "--dry-run", *flags, status=status)
    rows = run_json(oncelog, "adopt", directory, "--dry-run", "--json", *flags, status=status)
    check(state(directory) == before, "a dry run has changed something")
    return output, rows


def last_log(partition):
    return sorted(partition.glob("*.log"))[-1]


def check_same(planned, done):
    """What was done is what the dry run said; only the dry run has no `.state`."""
    rest = {"dry_run", "producers", "warnings"}
    for before, after in zip(planned, done, strict=True):
        check({name: value for name, value in before.items() if name not in rest} ==
              {name: value for name, value in after.items() if name not in rest}, before, after)


def test_sound(oncelog, folder):
    directory = folder / "sound"
    shutil.copytree(KAFKA / "transactions" / "data", directory)
    expected = json.loads((KAFKA / "transactions" / "expected.json").read_text())
    output, planned = check_dry_run(oncelog, directory)
    opened = [row for row in expected["producers"] if row["txn_first"] is not None]
    check(output.decode().startswith(
        f"t-0: log start 0, log end {expected['log_end']}, high watermark "), output)
    check(f"{len(opened)} open transactions; was closed cleanly\n" in output.decode(), output)
    check(output.endswith(b"nothing was changed\n"), output)
    before = state(directory)
    _, errors = run(oncelog, "adopt", directory, status=5)
    check("no terminal to ask" in errors, errors)
    seen = run_at_terminal(oncelog, "adopt", directory, answer=b"", status=5)
    check(state(directory) == before, "an adoption that nobody agreed to has changed something")

    seen = run_at_terminal(oncelog, "adopt", directory, answer=b"yes")
    check(b"adopted 1 partitions" in seen, seen)
    check((directory / ".state").exists() and (directory / ".clean").exists(), "not adopted")
    done = run_json(oncelog, "adopt", directory, "--yes", "--json")
    check_same(planned, done)
    check(done[0]["producers"] == len(expected["producers"]), done)
    run(oncelog, "abort", directory, "t-0", opened[0]["pid"], "--dry-run")  # is allowed now


def test_torn(oncelog, folder):
    directory = folder / "torn"
    shutil.copytree(KAFKA / "unclean" / "data", directory)
    log = last_log(directory / "t-0")
    output, planned = check_dry_run(oncelog, directory, status=1)
    cut, = planned[0]["cuts"]  # it was torn when Kafka's process was killed
    whole = log.read_bytes()[:cut["position"]]
    check(cut["bytes"] == log.stat().st_size - len(whole), cut)
    log.write_bytes(whole + whole[:70] + b"torn")
    output, planned = check_dry_run(oncelog, directory, status=1)
    check(f"  cut: {log.name} position {len(whole)}: 74 bytes: ".encode() in output, output)
    check(planned[0]["bytes_cut"] == 74 and not planned[0]["was_clean"], planned)
    done = run_json(oncelog, "adopt", directory, "--yes", "--json", status=1)
    check_same(planned, done)
    check(log.read_bytes() == whole, "not cut where it should")
    run_json(oncelog, "adopt", directory, "--yes", "--json")


def test_damaged(oncelog, folder):
    directory = folder / "damaged"
    for name in ("t-0", "t-1"):
        shutil.copytree(KAFKA / "transactions" / "data" / "t-0", directory / name)
    log = last_log(directory / "t-0")
    end = run_json(oncelog, "offsets", directory, "t-0", "--json")[0]["log_end"]
    (directory / "recovery-point-offset-checkpoint").write_text(f"0\n1\nt 0 {end}\n")
    log.write_bytes(log.read_bytes()[:-1])
    damaged = state(directory / "t-0")
    output, planned = check_dry_run(oncelog, directory, status=5)
    check(b"t-0: refused: KAFKA_STORAGE_ERROR" in output and b"t-1: log start" in output, output)
    _, errors = run(oncelog, "adopt", directory, status=5)  # asks nothing
    check(errors == "", errors)
    output, _ = run(oncelog, "adopt", directory, "--yes", status=5)
    check(b"oncelog repair" in output, output)
    check(state(directory / "t-0") == damaged, "a refused partition has changed")
    check(not (directory / ".kafka_cleanshutdown").exists(), "Kafka would believe the damage")
    run(oncelog, "adopt", "--release", directory, "--yes", status=5)
    check(not (directory / ".kafka_cleanshutdown").exists(), "Kafka would believe the damage")


def test_release(oncelog, folder):
    store = folder / "store"
    shell = Shell(oncelog, store)
    shell.ok("open")
    shell.ok("append", pid=4000, epoch=2, seq=0, n=3, txn=True)
    shell.ok("flush")
    for flags in (["--dry-run"], ["--yes"]):
        run(oncelog, "adopt", "--release", store, *flags, status=4)
    shell.kill()
    check(not (store / ".kafka_cleanshutdown").exists(), "a killed shell left a clean marker")
    output, planned = check_dry_run(oncelog, store, "--release")
    check(b"was not closed cleanly\n" in output, output)
    output, _ = run(oncelog, "adopt", "--release", store, "--yes")
    check(b"was not closed cleanly\n" in output and output.endswith(b"released 1 partitions\n"),
          output)
    check((store / ".kafka_cleanshutdown").exists(), "no clean marker")
    check((store / "t-0" / "00000000000000000003.snapshot").exists(), "no snapshot")


def test(oncelog, folder):
    test_sound(oncelog, folder)
    test_torn(oncelog, folder)
    test_damaged(oncelog, folder)
    test_release(oncelog, folder)
    store = folder / "store"
    for wrong in (store / "t-0", folder / "nowhere"):
        before = state(folder)
        run(oncelog, "adopt", wrong, "--yes", status=3)
        check(state(folder) == before, "what is no store has changed")


run_test(test)
