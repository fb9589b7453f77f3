#!/usr/bin/env python3
"""The shell refuses what the protocol does not allow, changes nothing then, and goes on; a store
has one owner."""
import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import Shell, check, run, run_test  # noqa: E402

NO_JSON = [b"", b"{", b"null", b"[]", b"3", b'"open"', b"{}", b'{"op":3}', b'{"op":"none"}',
           b'\xff', b'{"op":"state"} x', b"[" * 100_000, b'{"op":"append","n":1e999}']

WRONG = [
    {"op": "append"},
    {"op": "append", "n": 1, "records": []},
    {"op": "append", "n": -1},
    {"op": "append", "n": 1.0},
    {"op": "append", "n": 2**31},
    {"op": "append", "n": 1, "pid": 2**63},
    {"op": "append", "n": 1, "pid": 1, "epoch": 70000},
    {"op": "append", "n": 1, "pid": 1, "epoch": 0, "seq": 2**31},
    {"op": "append", "n": 1, "codec": "brotli"},
    {"op": "append", "n": 1, "codec": "none|gzip"},
    {"op": "append", "n": 1, "hex": "00"},
    {"op": "append", "records": [{"v": "a"}, {"v": "b", "offset": 1}]},
    {"op": "append", "records": [{"h": [["a"]]}]},
    {"op": "append", "records": [{"h": [[None, "a"]]}]},
    {"op": "append_raw", "hex": "0"},
    {"op": "append_raw", "hex": "AB"},
    {"op": "append_raw", "hex": "", "origin": "broker"},
    {"op": "append_follower", "n": 1},
    {"op": "append_follower", "hex": "", "n": 1},
    {"op": "append_follower", "base": 0, "n": 1, "ts": 5},
    {"op": "append_follower", "base": 0, "marker": "commit", "pid": 1},
    {"op": "append_follower", "base": 0, "marker": "commit", "pid": 1, "epoch": 0, "seq": 0},
    {"op": "marker", "pid": 1, "epoch": 0},
    {"op": "marker", "pid": 1, "epoch": 0, "type": "abandon"},
    {"op": "hw"},
    {"op": "hw", "to": "begin"},
    {"op": "read", "from": 0, "isolation": "serializable"},
    {"op": "read", "from": 0, "max_bytes": -1},
    {"op": "clock"},
    {"op": "clock", "set": 1, "advance": 1},
    {"op": "clock", "advance": 2**63 - 1},
    {"op": "state", "verbose": True},
    {"op": "open"},
    {"op": "truncate"},
]


def refuses_and_goes_on(oncelog, store):
    shell = Shell(oncelog, store)
    for op in ("state", "close", "flush", "verify"):
        shell.refused("INVALID_REQUEST", op)
    shell.refused("INVALID_REQUEST", "open", partition="t")
    shell.refused("INVALID_REQUEST", "open", partition="../t-0")
    shell.refused("INVALID_REQUEST", "open", config={"segment.bytes": None})
    shell.refused("INVALID_CONFIG", "open", config={"segment.bites": 5})
    shell.refused("INVALID_CONFIG", "open", high_watermark="durable")
    shell.ok("open", config={"segment.bytes": 4096, "preallocate": False, "retention.ms": "-1"})
    shell.ok("append", pid=7, epoch=0, seq=0, n=3)
    before = shell.ok("state")
    check(before["end"] == 3, "state answered", before)

    for line in NO_JSON:
        answer = shell.send(line)
        check(answer.get("error") == "INVALID_REQUEST", line[:40], "answered", answer)
    for request in WRONG:
        answer = shell.send(json.dumps(request).encode())
        check(answer.get("error") == "INVALID_REQUEST", request, "answered", answer)
    check(shell.ok("state") == before, "a refused request changed something")
    shell.end()


def keeps_every_number_and_text(oncelog, store):
    shell = Shell(oncelog, store)
    shell.ok("open")
    big = 2**63 - 1
    check(shell.ok("clock", set=big)["now"] == big, "the clock is not exact")
    shell.ok("clock", set=1_700_000_000_000)
    text = "\u00e4\u20ac\U0001f600 \"quoted\" \n"
    shell.ok("append", pid=big, epoch=0, seq=0, records=[
        {"k": text, "v": text, "ts": 5, "h": [["a", None], ["b", text]]}, {"k": None}])
    shell.ok("hw", to="end")
    check(shell.ok("consume", **{"from": 0})["records"] == [[0, text, text], [1, None, None]],
          "the text came back otherwise")
    check(shell.ok("producers")["producers"][0]["pid"] == big, "the producer id is not exact")
    records = shell.ok("records")["records"]
    check([r["ts"] for r in records] == [5, 1_700_000_000_000], "timestamps", records)
    shell.end()


def reopens(oncelog, store):
    shell = Shell(oncelog, store)
    first = shell.ok("open", partition="orders-12")
    check(first["recovered"] is False and first["truncated_bytes"] == 0, "created:", first)
    shell.ok("append", n=2)
    shell.ok("close")
    shell.refused("INVALID_REQUEST", "close")
    again = shell.ok("open", partition="orders-12")
    check(again["recovered"] is False and again["end"] == 2, "closed cleanly:", again)
    shell.ok("append", n=1)
    shell.kill()
    shell = Shell(oncelog, store)
    after = shell.ok("open", partition="orders-12")
    check(after["recovered"] is True and after["end"] == 3, "killed:", after)
    shell.end()


def has_one_owner(oncelog, store):
    owner, other = Shell(oncelog, store), Shell(oncelog, store)
    owner.ok("open")
    message = other.refused("STORE_IN_USE", "open")
    check(str(owner.process.pid) in message, "no process id in", message)
    _, errors = run(oncelog, "produce", store, "t-0", status=4)
    check(errors.startswith("oncelog: STORE_IN_USE: "), "produce said", errors)
    owner.ok("append", n=1)
    owner.ok("close")
    other.ok("open")
    owner.refused("STORE_IN_USE", "open")
    owner.end()
    other.end()


def usage(oncelog):
    wrong = ([], ["shell"], ["none"], ["consume"], ["produce", "a", "b-0", "--level", "x"])
    for arguments in wrong:
        _, errors = run(oncelog, *arguments, status=2)
        check(len(errors.splitlines()) == 1, arguments, "said", errors)
    for command in ("produce", "consume", "dump", "verify", "producers", "shell"):
        output, _ = run(oncelog, command, "--help")
        check(b"Example" in output, command, "--help shows no example")
    output, _ = run(oncelog, "--version")
    check(output.startswith(b"oncelog "), "--version printed", output)


def test(oncelog, folder):
    os.makedirs(folder, exist_ok=True)
    usage(oncelog)
    refuses_and_goes_on(oncelog, folder / "refuses")
    keeps_every_number_and_text(oncelog, folder / "exact")
    reopens(oncelog, folder / "reopens")
    has_one_owner(oncelog, folder / "owner")


run_test(test)
