"""Partition directories made of batches that Kafka wrote: copies, damaged ones, very long ones."""
import pathlib
import shutil
import struct

KAFKA = pathlib.Path(__file__).resolve().parents[2] / "interop" / "golden"


def copy_partition(name, to):
    shutil.copytree(KAFKA / name / "data" / "t-0", to)
    return to


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x40
    path.write_bytes(data)


def batches_of(path):
    """The batches of a `.log` file, as bytes."""
    data, batches = path.read_bytes(), []
    while data:
        length = 12 + struct.unpack_from(">i", data, 8)[0]
        batches.append(data[:length])
        data = data[length:]
    return batches


def write_long_log(directory, patterns, count):
    """`count` batches, those of `patterns` in turn, offset behind offset. A batch's CRC does not
    cover its base offset, so copies stay right."""
    directory.mkdir(parents=True)
    offset = 0
    spans = [struct.unpack_from(">i", batch, 23)[0] + 1 for batch in patterns]
    with open(directory / f"{0:020}.log", "wb") as log:
        for number in range(count):
            batch = patterns[number % len(patterns)]
            log.write(struct.pack(">q", offset) + batch[8:])
            offset += spans[number % len(patterns)]
    return offset
