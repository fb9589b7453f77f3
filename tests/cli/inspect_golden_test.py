#!/usr/bin/env python3
"""What the looking subcommands print for directories that Apache Kafka wrote, whole and damaged,
is what tests/cli/golden has; and it agrees with what Kafka itself said of them.

To write the golden files anew, to be read before they are committed:

    tests/cli/inspect_golden_test.py --update build/dev/tools/oncelog /tmp/empty-folder
"""
import json
import os
import pathlib
import shutil
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "support"))
from command import check, run_json, run_test  # noqa: E402
from golden import compare_with_golden, transcript  # noqa: E402

KAFKA = HERE.parent / "interop" / "golden"
DIRECTORIES = ["transactions", "unclean", "log_start", "compacted", "epochs", "codecs"]
UPDATE = "--update" in sys.argv
if UPDATE:
    sys.argv.remove("--update")

# `store` holds two partitions, `damaged` is `transactions` with wrong bytes.
COMMANDS = {
    "txns": ["transactions t-0", "transactions --json", "unclean t-0 --state open",
             "transactions/t-0 --state hanging --now 1700009999999",
             "transactions/t-0 --state hanging --now 1700009999999 --hanging-ms 99999999",
             "compacted t-0", "log_start t-0 --json", "store --state open", "damaged t-0",
             "damaged --json --state open", "nothing", "transactions --state dreaming"],
    "why-lso": ["transactions t-0", "transactions --json", "unclean", "log_start", "waiting",
                "waiting --json", "store", "damaged", "damaged --json", "nothing"],
    "aborted": ["transactions t-0", "log_start --json", "compacted", "store", "damaged",
                "damaged --json", "nothing"],
    "offsets": ["transactions", "transactions --json", "unclean", "log_start", "compacted", "store",
                "waiting", "short", "short --json", "damaged", "nothing"],
    "epochs": ["epochs", "epochs --json", "unclean", "log_start", "store", "damaged",
               "damaged --json", "nothing"],
    "stats": ["codecs", "codecs --json", "transactions --keys", "compacted --keys --json",
              "codecs --keys --keys-bytes 64", "store", "damaged", "damaged --json", "nothing"],
    "find": ["codecs --header trace --max 4", "codecs --header empty= --max 1 --json", "transactions --key 'a stays open'",
             "transactions --producer 2003 --json", "transactions --offset 10..15",
             "transactions --timestamp 1700000000600..", "codecs --offset ..3 --json",
             "transactions --max 2", "store --offset 40", "damaged --offset ..20",
             "transactions --offset ten", "transactions --offset 1..x", "transactions --offset .. --max 1",
             "nothing"],
    "tail": ["transactions", "transactions t-0 -n 2 --json", "codecs -n 3", "unclean -n 1",
             "transactions -n 0", "store", "damaged -n 70",
             "damaged -n 1 --follow --idle-ms 1", "transactions -n 1 --follow --idle-ms 1", "nothing"],
    "diff": ["transactions transactions", "transactions/t-0 damaged/t-0",
             "transactions/t-0 damaged/t-0 --json", "transactions/t-0 shorter/t-0",
             "transactions store", "transactions store --json", "transactions nothing"],
    "verify": ["transactions t-0", "transactions/t-0 --json", "damaged t-0", "damaged t-0 --json",
               "nothing"],
    "producers": ["transactions t-0", "transactions t-0 --json", "unclean t-0", "nothing"],
    "consume": ["transactions t-0", "transactions t-0 --isolation read_uncommitted --from 60 --max 9",
                "codecs t-0 --max 6 --format json", "codecs t-0 --max 6 --format hex",
                "unclean t-0 --from @1700000000600 --max 2 --format json",
                "damaged t-0 --isolation read_uncommitted", "nothing"],
    "repair": ["transactions --dry-run", "damaged --dry-run --aside kept",
               "damaged t-0 --dry-run --aside kept --json",
               "nothing --dry-run"],
    "adopt": ["transactions --dry-run", "unclean --dry-run", "unclean --dry-run --json",
              "damaged --dry-run", "damaged --dry-run --json", "store", "nothing"],
    "completion": ["tcsh"],
}


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x40
    path.write_bytes(data)


def make_directories(folder):
    for name in DIRECTORIES:
        shutil.copytree(KAFKA / name / "data", folder / name)
    for name in ["damaged", "waiting", "short", "shorter"]:
        shutil.copytree(KAFKA / "transactions" / "data", folder / name)
    damaged = folder / "damaged" / "t-0"
    flip(damaged / "00000000000000000000.log", 500)
    flip(damaged / "00000000000000000041.log", 100)
    flip(damaged / "00000000000000000073.txnindex", 9)
    (damaged / "leader-epoch-checkpoint").write_text("0\n1\n3 0\n")
    # A high watermark that lies on the marker of the transaction from 70 on, and one too far.
    (folder / "waiting" / "replication-offset-checkpoint").write_text("0\n1\nt 0 72\n")
    (folder / "short" / "replication-offset-checkpoint").write_text("0\n1\nt 0 1234\n")
    (folder / "shorter" / "t-0" / "00000000000000000073.log").unlink()
    for name, source in [("orders-0", "transactions"), ("orders-1", "unclean")]:
        shutil.copytree(KAFKA / source / "data" / "t-0", folder / "store" / name)


def compare_with_kafka(oncelog, name):
    """The same facts, as Kafka gave them after it had opened the directory."""
    expected = json.loads((KAFKA / name / "expected.json").read_text())
    status = 0 if expected["clean"] else 1
    offsets, = run_json(oncelog, "offsets", name, "--json", status=status)
    check(offsets["log_start"] == expected["log_start"], name, "log start", offsets)
    check(offsets["log_end"] == expected["log_end"], name, "log end", offsets)
    if offsets["high_watermark"] == expected["log_end"]:
        check(offsets["last_stable_offset"] == expected["last_stable_offset"], name, offsets)

    aborts = [{"pid": row["pid"], "first": row["first_offset"], "last": row["marker_offset"],
               "lso": row["last_stable_offset"]}
              for row in run_json(oncelog, "aborted", name, "--json", status=status)
              if row["in_index"]]
    wanted = [{key: entry[key] for key in ("pid", "first", "last", "lso")}
              for entry in expected["aborted_index"]]
    check(aborts == wanted, name, "aborted", aborts)

    txns = run_json(oncelog, "txns", name, "--state", "open", "--json", status=status)
    still_open = {row["pid"]: row["first_offset"] for row in txns}
    wanted = {row["pid"]: row["txn_first"] for row in expected["producers"]
              if row["txn_first"] is not None}
    check(still_open == wanted, name, "open transactions", still_open)

    epochs = [[row["epoch"], row["start"]]
              for row in run_json(oncelog, "epochs", name, "--json", status=status)
              if row["batches"]]
    check(epochs == expected["epochs"], name, "epochs", epochs)

    total = run_json(oncelog, "stats", name, "--json", status=status)[-1]
    records = [batch for batch in expected["batches"] if batch["control"] is None]
    check(total["segment"] == "total" and total["batches"] == len(expected["batches"]), name, total)
    if name != "compacted":
        check(total["records"] == sum(batch["count"] for batch in records), name, total)
    found = run_json(oncelog, "find", name, "--json", status=status)
    seen = [[row["offset"], row["key"], row["value"]] for row in found
            if row["offset"] >= expected["log_start"]]
    check(seen == expected["uncommitted"], name, "records", seen[:3])


def test(oncelog, folder):
    oncelog = str(pathlib.Path(oncelog).resolve())
    os.chdir(folder)
    make_directories(pathlib.Path())
    before = {path: path.read_bytes() for path in pathlib.Path().rglob("*") if path.is_file()}
    for subcommand, arguments in COMMANDS.items():
        compare_with_golden(subcommand, transcript(oncelog, subcommand, arguments), UPDATE)
    for name in DIRECTORIES:
        compare_with_kafka(oncelog, name)
    after = {path: path.read_bytes() for path in pathlib.Path().rglob("*") if path.is_file()}
    check(after == before, "looking changed the directories")


run_test(test)
