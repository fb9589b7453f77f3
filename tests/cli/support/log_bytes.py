"""Magic-2 batches and records of internal topics, encoded by hand (not by oncelog)."""
import struct

_TABLE = []
for _number in range(256):
    for _ in range(8):
        _number = (_number >> 1) ^ (0x82F63B78 if _number & 1 else 0)
    _TABLE.append(_number)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def uvarint(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def varint(value):
    return uvarint(((value << 1) ^ (value >> 63)) & 0xFFFFFFFFFFFFFFFF)


def record(offset_delta, key, value):
    body = b"\0" + varint(0) + varint(offset_delta)
    for part in (key, value):
        body += varint(-1) if part is None else varint(len(part)) + part
    body += varint(0)
    return varint(len(body)) + body


def batch(base, records, timestamp=1700000000000, attributes=0):
    """`records`: pairs of key and value, bytes or None."""
    payload = b"".join(record(number, *pair) for number, pair in enumerate(records))
    tail = struct.pack(">hiqqqhii", attributes, len(records) - 1, timestamp, timestamp, -1, -1, -1,
                       len(records)) + payload
    body = struct.pack(">ib", 0, 2) + struct.pack(">I", crc32c(tail)) + tail
    return struct.pack(">qi", base, len(body)) + body


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def offset_key(group, topic, partition, kind=1):
    return struct.pack(">h", kind) + text(group) + text(topic) + struct.pack(">i", partition)


def group_key(group, kind=2):
    return struct.pack(">h", kind) + text(group)


def transaction_key(transactional_id):
    return struct.pack(">h", 0) + text(transactional_id)
