#!/usr/bin/env python3
"""What `oncelog dump` prints of each kind of file, whole and damaged, as text and as JSON, is what
tests/cli/golden has; bad input ends with a sentence and the right exit status.

To write the golden files anew, to be read before they are committed:

    tests/cli/dump_golden_test.py --update build/dev/tools/oncelog /tmp/empty-folder
"""
import os
import pathlib
import re
import shutil
import struct
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "support"))
from command import Shell, check, run, run_json, run_test  # noqa: E402
from golden import compare_with_golden, transcript  # noqa: E402
from log_bytes import (batch, group_key, offset_key, text, transaction_key)  # noqa: E402

ROOT = HERE.parent.parent
KAFKA = ROOT / "tests" / "interop" / "golden"
UPDATE = "--update" in sys.argv
if UPDATE:
    sys.argv.remove("--update")
TIME = 1700000000000
ZERO = "00000000000000000000"

FILES = [
    "t-0/00000000000000000057.index", "t-0/00000000000000000057.timeindex",
    "t-0/00000000000000000073.txnindex", "t-0/00000000000000000073.snapshot",
    "t-0/leader-epoch-checkpoint", "t-0/partition.metadata", "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
]
OURS = ["own/00000000000000000031.seal", "own/.tail", "own/.clean", "store/.state"]
TRANSCRIPTS = {
    "dump-files": [f"transactions/{name}{flag}" for name in FILES for flag in ("", " --json")],
    "dump-own-files": [f"{name}{flag}" for name in OURS for flag in ("", " --json")],
    "dump-damaged-files": [
        "damaged/00000000000000000005.index", "damaged/00000000000000000005.index --json",
        "damaged/00000000000000000005.index --index-sanity-check",
        "damaged/00000000000000000005.timeindex", "damaged/00000000000000000005.txnindex",
        "damaged/00000000000000000005.txnindex --json", "damaged/00000000000000000005.snapshot",
        "damaged/00000000000000000005.snapshot --json", "damaged/leader-epoch-checkpoint",
        "damaged/recovery-point-offset-checkpoint", "damaged/partition.metadata",
        "damaged/00000000000000000005.seal", "damaged/.tail", "damaged/.clean", "damaged/.state"],
    "dump-internal-topics": [
        "__consumer_offsets-7 --records", "__consumer_offsets-7 --records --json",
        f"__consumer_offsets-7/{ZERO}.log --records --hex",
        "__transaction_state-3 --records", "__transaction_state-3 --records --json",
        "other-0 --offsets-decoder", "__transaction_state-3 --offsets-decoder"],
    "dump-kafka-flags": [
        f"--files transactions/t-0/{ZERO}.log,transactions/t-0/{ZERO}.index --max-bytes 300",
        f"transactions/t-0/{ZERO}.log --print-data-log --max-bytes 300 --skip-record-metadata",
        f"transactions/t-0/{ZERO}.log --print-data-log --max-bytes 300 --skip-record-metadata "
        "--json", f"transactions/t-0/{ZERO}.log --records --hex --max-bytes 300",
        f"transactions/t-0/{ZERO}.log --records --hex --max-bytes 150 --json",
        f"transactions/t-0/{ZERO}.log --deep-iteration --max-bytes 300 --max-message-size 9",
        "transactions/t-0/00000000000000000057.timeindex --verify-index-only",
        "lying/t-0/00000000000000000057.timeindex --verify-index-only",
        "lying/t-0/00000000000000000057.timeindex --verify-index-only --json",
        "lying/t-0/00000000000000000057.timeindex --index-sanity-check",
        f"transactions/t-0/{ZERO}.log --max-bytes 80 "
        "--value-decoder-class kafka.serializer.StringDecoder",
        "transactions/t-0 --value-decoder-class my.own.Decoder"],
    "dump-bad-input": [
        "nothing", "nothing.index", f"empty/{ZERO}.log", f"empty/{ZERO}.index",
        f"empty/{ZERO}.snapshot", "empty/.state", "empty", "empty/notes.txt", "loop.index",
        "loop.log", f"directory/{ZERO}.index", f"empty/{ZERO}.log/more.index",
        f"empty/{ZERO}.log --as dream", "empty/notes.txt --as checkpoint", "", "--max-bytes -1 x",
        f"--files empty/{ZERO}.log empty", "--offsets-decoder --transaction-log-decoder x",
        f"huge/{ZERO}.log", f"huge/{ZERO}.snapshot", "huge/__consumer_offsets-0 --records",
        "huge/recovery-point-offset-checkpoint", "huge/.tail"],
}


def format_blocks():
    """The hex examples of lib/FORMAT.md, by kind."""
    page = (ROOT / "lib" / "FORMAT.md").read_text()
    blocks = {}
    for head, body in re.findall(r"^```hex ([^\n]*)\n(.*?)^```", page, re.M | re.S):
        digits = "".join(line[4:].split("#")[0] for line in body.splitlines())
        blocks.setdefault(head.split()[0], bytes.fromhex(digits))
    return blocks


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x40
    path.write_bytes(data)


def make_state(folder):
    """A `.state` of which all is known but the number of a life: the topic's id and all times are
    given."""
    write(folder / "store/t-0/partition.metadata", b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw")
    shell = Shell(make_state.oncelog, folder / "store")
    shell.ok("clock", set=TIME)
    shell.ok("open")
    for pid in (7, 8):
        for seq in (0, 2):
            shell.ok("append", pid=pid, epoch=0, seq=seq, txn=pid == 8,
                     records=[{"k": "a", "v": "b", "ts": TIME + seq + k} for k in (0, 1)])
    shell.ok("close")
    shell.end()


def without_lives(text):
    """Every life is another number; the next one is the one behind it."""
    row = next(row for row in run_json(make_state.oncelog, "dump", "store/.state", "--json")
               if row["entry"] == "store")
    next_life = row["next_life"]
    life = f"{int(next_life, 16) - 1:016x}"
    return text.replace(next_life, "next-life-hidden").replace(life, "this-life-hidden")


def make_damaged(folder, blocks):
    start = folder / "damaged" / "00000000000000000005"
    write(start.with_suffix(".index"),
          struct.pack(">iiiiiiii", 5, 100, 3, 200, 0, 0, 9, 300) + bytes(16) + b"end")
    write(start.with_suffix(".timeindex"), struct.pack(">qiqi", TIME, 5, TIME - 1, 7))
    entry = struct.Struct(">hqqqq")
    write(start.with_suffix(".txnindex"), entry.pack(0, 4000, 6, 9, 10) + entry.pack(1, 1, 2, 3, 4) +
          entry.pack(0, 4000, 5, 8, 9) + entry.pack(0, 4001, 11, 12, 13) + b"\0\0\0")
    snapshot = bytearray(blocks["producer-snapshot"])
    snapshot[6:10] = struct.pack(">i", 0x7FFFFFFF)
    write(start.with_suffix(".snapshot"), bytes(snapshot[:-6]))
    write(folder / "damaged/leader-epoch-checkpoint", b"0\n4\n0 0\nthree 9\n5 30\n4 40\n")
    write(folder / "damaged/recovery-point-offset-checkpoint", b"0\n9\nt 0 5\nt 1 -3\n")
    write(folder / "damaged/partition.metadata", b"version: 0\ntopic_id: short")
    write(start.with_suffix(".seal"), blocks["seal"])  # another segment's
    write(folder / "damaged/.tail", b"x" + blocks["ring-fill"][1:].ljust(4096, b"\0"))
    write(folder / "damaged/.clean", blocks["clean-record"][:-3])
    shutil.copy(folder / "store/.state", folder / "damaged/.state")
    rows = run_json(make_state.oncelog, "dump", folder / "store/.state", "--json")
    row = next(row for row in rows if row["entry"] == "producer")
    flip(folder / "damaged/.state", row["position"] + 40)


def make_internal_topics(folder):
    stamp = struct.pack(">q", TIME)
    commit = struct.pack(">hqi", 3, 42, 7) + text("note") + stamp
    member = (text("m-1") + struct.pack(">h", -1) + text("c") + text("/10.0.0.1") +
              struct.pack(">iii", 300000, 45000, 2) + b"\1\2" + struct.pack(">i", 1) + b"\3")
    group = (struct.pack(">h", 3) + text("consumer") + struct.pack(">i", 1) + text("range") +
             text("m-1") + stamp + struct.pack(">i", 1) + member)
    offsets = [
        (offset_key("g1", "orders", 3), commit),
        (offset_key("g1", "orders", 3, kind=0), struct.pack(">hq", 1, 9) + text("") + stamp + stamp),
        (offset_key("g 2", "orders", 0), None),
        (group_key("g1"), group),
        (group_key("g1"), struct.pack(">h", 3) + text("consumer") + struct.pack(">ihh", 2, -1, -1) +
         stamp + struct.pack(">i", 0)),
        (group_key("g1", kind=3), struct.pack(">hi", 0, 5) + b"\0"),
        (group_key("g1", kind=25), b"\0\0\0"),
        (offset_key("g1", "orders", 3), struct.pack(">h", 9) + b"later"),
        (offset_key("g1", "orders", 3), commit[:-1]),
    ]
    marker = batch(9, [(struct.pack(">hh", 0, 1), struct.pack(">hi", 0, 5))], attributes=0x30)
    for name in ("__consumer_offsets-7", "other-0"):
        write(folder / name / f"{ZERO}.log", batch(0, offsets) + marker)
    ongoing = bytes.fromhex("00000000000000000fa000020000ea600100000001000174000000020000000000000003"
                            "0000018bcfe568010000018bcfe56800")
    flexible = bytes.fromhex("00010000000000000fa07ffe0000ea6002010000018bcfe568010000018bcfe5680003"
                             "00080000000000000f9f0108000000000000100402020002")
    empty = bytes.fromhex("00000000000000000fa000000000ea6000ffffffff0000018bcfe56800"
                          "ffffffffffffffff")
    key = transaction_key("my-txn")
    write(folder / "__transaction_state-3" / f"{ZERO}.log",
          batch(0, [(key, ongoing), (key, flexible), (key, empty), (key, None),
                    (key, b"\0\7")]))


def make_bad_input(folder):
    for name in (f"{ZERO}.log", f"{ZERO}.index", f"{ZERO}.snapshot", ".state", "notes.txt"):
        write(folder / "empty" / name, b"")
    (folder / "directory" / f"{ZERO}.index").mkdir(parents=True)
    for name in ("loop.index", "loop.log"):
        (folder / name).symlink_to(name)
    whole = batch(0, [(b"k", b"v")])
    huge = struct.pack(">qi", 0, 0x7FFFFFFF) + whole[12:]
    write(folder / "huge" / f"{ZERO}.log", huge + whole)
    write(folder / "huge" / f"{ZERO}.snapshot", struct.pack(">hIi", 1, 0, 0x7FFFFFFF))
    group = struct.pack(">h", 3) + text("c") + struct.pack(">ihhqi", 1, -1, -1, -1, 0x7FFFFFFF)
    write(folder / "huge/__consumer_offsets-0" / f"{ZERO}.log", batch(0, [(group_key("g"), group)]))
    write(folder / "huge/recovery-point-offset-checkpoint", b"0\n2147483647\n")
    write(folder / "huge/.tail", b"")
    os.truncate(folder / "huge/.tail", 1 << 31)  # sparse


def make_directories(folder):
    blocks = format_blocks()
    for name in ("transactions", "lying"):
        shutil.copytree(KAFKA / "transactions" / "data", folder / name)
    flip(folder / "lying/t-0/00000000000000000057.timeindex", 11)
    write(folder / "own/00000000000000000031.seal", blocks["seal"])
    write(folder / "own/.tail", blocks["ring-fill"].ljust(4096, b"\0"))
    write(folder / "own/.clean", blocks["clean-record"])
    make_state(folder)
    make_damaged(folder, blocks)
    make_internal_topics(folder)
    make_bad_input(folder)


def check_permission(oncelog, folder):
    """Root may read everything."""
    path = folder / f"closed-{ZERO}.index"
    path.write_bytes(b"")
    path.chmod(0)
    if os.access(path, os.R_OK):
        return
    _, errors = run(oncelog, "dump", path, status=3)
    check("Permission denied" in errors, errors)


def check_broken_pipe(oncelog):
    """Quiet, and no damage."""
    reading, writing = os.pipe()
    os.close(reading)
    pid = os.posix_spawn(oncelog, [oncelog, "dump", "transactions", "--records"], os.environ,
                         file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
    os.close(writing)
    _, status = os.waitpid(pid, 0)
    check(os.waitstatus_to_exitcode(status) == 0, "a broken pipe ends with", status)


def check_live_files(oncelog, folder):
    """The files of a store that somebody has open; then its `.tail` as a killed writer leaves it:
    the batches are the ones that were acknowledged."""
    shell = Shell(oncelog, folder / "killed")
    shell.ok("open", level="written")
    shell.ok("append", pid=7, epoch=0, seq=0, n=1)
    shell.ok("checkpoint")
    names = [path for path in (folder / "killed").rglob("*") if path.is_file()]
    for path in names:
        if path.name not in (".lock", ".state-lock", ".options"):
            run(oncelog, "dump", path)
    rows = run_json(oncelog, "dump", folder / "killed/.state", "--json")
    check([row["pid"] for row in rows if row["entry"] == "producer"] == [7], rows)
    for _ in range(3):
        shell.ok("append", n=2)
    shell.kill()
    ring = folder / "killed/t-0/.tail"
    if not ring.exists():
        return
    rows = run_json(oncelog, "dump", ring, "--json")
    check([row["entry"] for row in rows] == ["fill", "batch", "batch", "batch"], rows)
    check([row["last"] for row in rows[1:]] == [2, 4, 6], rows)


def test(oncelog, folder):
    oncelog = str(pathlib.Path(oncelog).resolve())
    make_state.oncelog = oncelog
    os.chdir(folder)
    folder = pathlib.Path()
    make_directories(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*")
              if path.is_file() and path.stat().st_size < 1 << 20}
    for name, commands in TRANSCRIPTS.items():
        compare_with_golden(name, without_lives(transcript(oncelog, "dump", commands)), UPDATE)
    check_permission(oncelog, folder)
    check_broken_pipe(oncelog)
    after = {path: path.read_bytes() for path in before}
    check(after == before, "looking changed the files")
    check(not (folder / "damaged/.state-lock").exists(), "looking made a lock file")
    check_live_files(oncelog, folder)


run_test(test)
