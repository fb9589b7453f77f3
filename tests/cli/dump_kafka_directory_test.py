#!/usr/bin/env python3
"""`oncelog dump` of a directory that Apache Kafka wrote shows all that Kafka says is in it."""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import check, run, run_json, run_test  # noqa: E402

GOLDEN = pathlib.Path(__file__).parent.parent / "interop" / "golden" / "transactions"


def test(oncelog, folder):
    expected = json.loads((GOLDEN / "expected.json").read_text())
    data = GOLDEN / "data"
    before = {path.name: path.read_bytes() for path in (data / "t-0").iterdir()}

    batches = run_json(oncelog, "dump", data / "t-0", "--records", "--json")
    seen = [{name: batch[name] for name in wanted}
            for batch, wanted in zip(batches, expected["batches"])]
    check(len(batches) == len(expected["batches"]), len(batches), "batches")
    check(seen == expected["batches"], "batches differ:", seen)
    records = [[record["offset"], record["key"], record["value"]]
               for batch in batches if batch["control"] is None for record in batch["records"]]
    check(records == expected["uncommitted"], "records differ:", records)

    text = run(oncelog, "dump", data, "t-0", "--records")[0].decode()
    words = [line.split() for line in text.splitlines()]
    for marker in ("commit", "abort"):
        shown = sum(marker in line[8:9] for line in words)
        stored = sum(batch["control"] == marker for batch in expected["batches"])
        check(shown == stored > 0, shown, marker, "markers are shown,", stored, "are stored")
    check(text.endswith(f"{len(batches)} batches, 0 damaged stretches, 0 damaged bytes\n"), text)

    after = {path.name: path.read_bytes() for path in (data / "t-0").iterdir()}
    check(after == before, "looking changed the directory")


run_test(test)
