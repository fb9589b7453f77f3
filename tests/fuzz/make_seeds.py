#!/usr/bin/env python3
"""tests/fuzz/make_seeds.py FOLDER: the first inputs of each fuzz target, made from the files that Kafka wrote
(tests/interop/golden), the hex blocks of lib/FORMAT.md and what stands below, as FOLDER/<target>/<name>."""
import re
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/interop/golden"
OUT = Path(sys.argv[1])
LOG_BYTES_MAX = 4096  # a larger input only makes an execution slower


def write(target, name, content):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def format_blocks():
    """(kind, attributes, bytes) of each hex block."""
    text = (ROOT / "lib/FORMAT.md").read_text()
    for head, body in re.findall(r"^```hex ([^\n]*)\n(.*?)^```", text, re.M | re.S):
        digits = "".join(line[4:] for line in body.splitlines())
        words = head.split("#")[0].split()
        yield words[0], dict(word.split("=") for word in words[1:]), bytes.fromhex(digits)


def batches_of(log):
    while len(log) >= 61:
        size = 12 + struct.unpack_from(">i", log, 8)[0]
        yield log[:size]
        log = log[size:]


def seed_batch(name, batch):
    as_client = struct.pack(">q", 0) + batch[8:]
    attributes = struct.unpack_from(">h", batch, 21)[0]
    is_control = attributes & 0x20
    write("batch", name, as_client + bytes([1 if is_control else 0]))
    for rule in (2, 4, 8, 0x90, 0xC0):  # own time, keys, window, into gzip, into zstd
        if attributes & 7 == 0 and not is_control and len(batch) < 200:
            write("batch", f"{name}-rule-{rule:02x}", as_client + bytes([rule]))
    write("records", name, batch[61:] + bytes([attributes & 7]))
    write("records", f"{name}-again", batch[61:] + bytes([attributes & 7 | 8]))


def reversed_number(value, size):
    """As Input::number takes it from the end."""
    return value.to_bytes(size, "big", signed=True)[::-1]


def seed_index(target, name, base, content):
    looked_for = 57 if target == "offset_index" else 1_700_000_000_000
    looked_for_bytes = 4 if target == "offset_index" else 8
    write(target, name, content + reversed_number(looked_for, looked_for_bytes) + reversed_number(base, 8))


def seed_ring(name, head, batches):
    """The fuzzer's mutator makes entries for the batches."""
    body = b"".join(batches)
    write("append_ring", name, (head.ljust(512, b"\0") + body).ljust(4096, b"\0") + b"\0")


def seed_golden():
    kinds = set()
    for path in sorted(GOLDEN.glob("*/data/**/*")):
        if not path.is_file():
            continue
        story = path.relative_to(GOLDEN).parts[0]
        content = path.read_bytes()
        name = f"{story}-{path.name.split('.')[0][-3:]}"
        if path.suffix == ".log" and content:
            for number, batch in enumerate(batches_of(content)):
                kind = (struct.unpack_from(">h", batch, 21)[0], len(batch) // 64, batch[43:51] == b"\xff" * 8)
                if kind not in kinds and len(batch) < 1024:
                    kinds.add(kind)
                    seed_batch(f"{name}-{number}", batch)
            if len(content) <= LOG_BYTES_MAX:
                write("segment_scan", name, content)
                no_list = bytes(6) + bytes([0, 0])
                a_list = bytes([40, 1, 20, 1, 0, 1]) + bytes([3, 5])
                write("committed_records", name, content + no_list)
                write("committed_records", f"{name}-aborted", content + a_list)
        elif path.suffix == ".index":
            seed_index("offset_index", name, int(path.stem), content)
        elif path.suffix == ".timeindex":
            seed_index("time_index", name, int(path.stem), content)
        elif path.suffix == ".txnindex":
            write("txn_index", name, content)
        elif path.suffix == ".snapshot":
            write("kafka_snapshot", name, content)
        elif path.suffix in ("", ".metadata") and not path.name.startswith("."):
            write("checkpoint", f"{story}-{path.name}", content)


def seed_format():
    rows = {"state-store": 1, "state-partition": 7, "state-checkpoint": 17, "state-producer": 25}
    texts = ("leader-epochs", "offset-checkpoint", "partition-metadata")
    for number, (kind, attributes, content) in enumerate(format_blocks()):
        name = f"format-{kind}-{number}"
        if kind in ("record-batch", "control-batch"):
            seed_batch(name, content)
            write("segment_scan", name, content)
        elif kind == "offset-index":
            seed_index("offset_index", name, int(attributes["base"]), content)
        elif kind == "time-index":
            seed_index("time_index", name, int(attributes["base"]), content)
        elif kind == "transaction-index":
            write("txn_index", name, content)
        elif kind == "ring-fill":
            seed_ring("one", content, [b for k, _, b in format_blocks() if k == "record-batch"][:3])
        elif kind == "clean-record":
            write("clean_record", name, content)
        elif kind == "partition-options":
            write("kept_options", name, content)
        elif kind == "producer-snapshot":
            write("kafka_snapshot", name, content)
        elif kind in texts:
            write("checkpoint", name, content)
        elif kind in rows:
            write("state_rows", name, bytes([rows[kind]]) + content)
    for kind, key_bytes in (("O", 25), ("T", 25), ("G", 25), ("U", 9)):
        body = 9 if kind == "O" else 8
        write("state_rows", f"kind-{kind}", bytes([key_bytes]) + kind.encode() + bytes(key_bytes - 1 + body))
    write("checkpoint", "partition-name", b"orders-17\n")
    write("checkpoint", "segment-name", b"00000000000000000031.log\n")


def change(verb, file, position, content=b""):
    return struct.pack(">BBHB", file, verb, position, len(content)) + content


def seed_store():
    put, cut, insert, erase, replace, remove, zero, rename, repair = 0, 1, 2, 3, 4, 5, 6, 7, 0x80
    for ending in range(5):
        for how in (0, 0x20, 0x3F, 0x80):
            write("store", f"as-it-is-{ending}-{how:02x}", bytes([how, ending]))
        for file in range(0, 24):
            write("store", f"removed-{ending}-{file}", change(remove, file, 0) + bytes([0x20, ending]))
            write("store", f"cut-{ending}-{file}", change(cut, file, 70) + bytes([0, ending]))
            write("store", f"put-{ending}-{file}", change(put | repair, file, 57, b"\0\0\0\1") + bytes([0, ending]))
            write("store", f"zero-{ending}-{file}", change(zero, file, 90) + bytes([0x21, ending]))
        write("store", f"several-{ending}", change(insert, 7, 20, b"abc") + change(erase, 5, 3, b"xy") +
              change(replace, 3, 0, b"0\n0\n") + change(rename, 6, 5) + bytes([0, ending]))


def seed_lmdb():
    for file in range(4):
        write("lmdb_check", f"as-it-is-{file}", bytes([file]))
        for page in range(0, 6):
            for at in (8, 10, 12, 14, 16, 18):
                write("lmdb_check", f"page-{file}-{page}-{at}",
                      struct.pack(">HB", page * 4096 + at, 1) + b"\2" + bytes([file]))
        write("lmdb_check", f"cut-{file}", struct.pack(">HB", 9000, 0) + bytes([file]))
        write("lmdb_check", f"value-{file}", struct.pack(">HB", 4 * 4096 - 9, 2) + b"xy" + bytes([file]))


COORDINATOR = [  # type, value: the worked examples of Kafka's own writers
    ("T", "00000000000000000fa000020000ea6001000000010001740000000200000000000000030000018bcfe568010000018bcfe56800"),
    ("T", "00000000000000000fa000000000ea6000ffffffff0000018bcfe56800ffffffffffffffff"),
    ("T", "00010000000000000fa000030000ea6002020274030000000000000003000000018bcfe568010000018bcfe568000102020002"),
    ("T", "00010000000000000fa07ffe0000ea6002010000018bcfe568010000018bcfe568000300080000000000000f9f01080000000000001004"
          "02020002"),
    (0, "0000000000000000002a00000000018bcfe56800"),
    (1, "0001000000000000002a00000000018bcfe568000000018bcfe56be8"),
    (1, "0003000000000000002a0000000700000000018bcfe56800"),
    (1, "0004000000000000002a00000007010000018bcfe5680000"),
    (2, "00030008636f6e73756d657200000001000572616e676500036d2d310000018bcfe568000000000100036d2d31ffff00016300092f3130"
        "2e302e302e31000493e00000afc80000000201020000000103"),
    (2, "00040263000000010000ffffffffffffffff02026d000263026800000004000000050201010000"),
    (3, "00000000000900"),
    (4, "000002000000000000000000000000000000000274000000010200000002020272000000"),
    (5, "000000000263026802027400000000070001000c010000000502027002ff0000"),
    (7, "0000020000000000000000000000000000000002000000030000"),
    (8, "000000000002000000010102000102030405060708090a0b0c0d0e0f0200000003000100"),
    (15, "0000020000000000000000000000000000000002740200000001000100"),
    (16, "00000202740000000000000001000000000000000200"),
]


def seed_coordinator():
    for number, (kind, value) in enumerate(COORDINATOR):
        choice = 1 if kind == "T" else kind << 2
        content = bytes.fromhex(value)
        write("coordinator_record", f"example-{number}", content + bytes([0, choice]))
        write("coordinator_record", f"tombstone-{number}", bytes([0, choice | 2]))
    for number, key in enumerate(("000000066d792d74786e", "00010002673100017400000003", "000200026731", "0011000267")):
        key = bytes.fromhex(key)
        for topic in (0, 1):
            write("coordinator_record", f"key-{number}-{topic}", b"\0\0" + key + bytes([len(key), 0xC0 | topic]))


SHELL = [
    ['{"op":"open"}', '{"op":"append","n":3}', '{"op":"hw","to":"end"}', '{"op":"consume","from":0}',
     '{"op":"read","from":0,"isolation":"committed","max_bytes":100,"min_one":true}', '{"op":"close"}',
     '{"op":"open"}', '{"op":"state"}', '{"op":"verify"}'],
    ['{"op":"open","partition":"orders-3","config":{"segment.bytes":200,"index.interval.bytes":50,'
     '"compression.type":"lz4"},"level":"durable","high_watermark":"log_end","leader_epoch":4}',
     '{"op":"append","pid":1,"epoch":0,"seq":0,"txn":true,"records":[{"k":"a","v":"b","ts":5,"h":[["x",null]]}]}',
     '{"op":"append","pid":1,"epoch":0,"seq":1,"txn":true,"n":2,"codec":"zstd"}',
     '{"op":"marker","pid":1,"epoch":0,"type":"abort","coordinator_epoch":2}', '{"op":"roll"}',
     '{"op":"producers"}', '{"op":"aborted_index"}', '{"op":"consume","from":0,"isolation":"committed"}',
     '{"op":"batches"}', '{"op":"records"}', '{"op":"list_offsets","timestamp":5}'],
    ['{"op":"clock","set":1000}', '{"op":"open","config":{"cleanup.policy":"compact,delete","retention.ms":10}}',
     '{"op":"append_follower","base":7,"batch_epoch":2,"n":4,"leader_hw":9,"leader_log_start":7}',
     '{"op":"append_follower","base":11,"batch_epoch":3,"marker":"commit","pid":5,"epoch":1}',
     '{"op":"epochs"}', '{"op":"epoch_end","epoch":2}', '{"op":"assign_epoch","epoch":6}',
     '{"op":"truncate","to":9}', '{"op":"delete_records","before":8}', '{"op":"clock","advance":100000}',
     '{"op":"retention"}', '{"op":"expire_producers"}', '{"op":"checkpoint"}', '{"op":"flush"}',
     '{"op":"truncate_fully","at":20}', '{"op":"state"}'],
]


def seed_shell():
    batch = next(content for kind, _, content in format_blocks() if kind == "record-batch")
    as_client = (bytes(8) + batch[8:]).hex()
    raw = ['{"op":"open"}', '{"op":"append_raw","hex":"%s"}' % as_client,
           '{"op":"append_raw","hex":"%s","origin":"coordinator"}' % as_client,
           '{"op":"append_follower","hex":"%s"}' % batch.hex(), '{"op":"records"}']
    for number, lines in enumerate(SHELL + [raw]):
        write("shell_line", f"session-{number}", "\n".join(lines).encode() + b"\n")
    for line in sorted({line for lines in SHELL for line in lines}):
        write("shell_line", "op-" + re.sub(r"[^a-z]+", "-", line[6:30]).strip("-"), line.encode())


seed_golden()
seed_format()
seed_store()
seed_lmdb()
seed_coordinator()
seed_shell()
