"""Random histories, the same ones for the same seed and the same Kafka: the next request is chosen
with an eye on what Kafka answered so far, so that most requests mean something."""
import random

from . import topics

PIDS = [11, 12, 13, 14, 15, 16]
SEQUENCE_MAX = 2**31 - 1


class Producer:
    """A client that numbers its batches, and remembers what it may send again."""

    def __init__(self, rng, pid):
        self.pid = pid
        self.epoch = rng.choice([0, 0, 0, 3])
        self.sequence = rng.choice([0] * 8 + [5, SEQUENCE_MAX - 3])
        self.in_transaction = False
        self.sent = []  # the last requests that were stored

    def took(self, request, count):
        self.epoch = request["epoch"]
        self.sequence = (request["seq"] + count) % (SEQUENCE_MAX + 1)
        self.sent = (self.sent + [request])[-7:]


class Generator:
    def __init__(self, seed, encode):
        """`encode` gives the bytes, as hex, of the batch that a request would append."""
        self.rng = random.Random(seed)
        self.encode = encode
        self.theme = self.rng.choice(list(topics.THEMES))
        self.config = topics.random_config(self.rng, self.theme)
        self.weights = topics.weights(self.theme, self.config)
        self.length = self.rng.choice([15, 30, 30, 60, 100])
        self.producers = {pid: Producer(self.rng, pid) for pid in PIDS}
        self.bounds = [0]
        self.epoch = self.leader_epoch = 0
        self.view = {"log_start": 0, "lso": 0, "hw": 0, "end": 0, "segments": [0]}

    def opening(self):
        return {"op": "open", "config": self.config}

    def next(self):
        names = list(self.weights)
        name = self.rng.choices(names, [self.weights[each] for each in names])[0]
        request = getattr(self, name)()
        if request["op"] in ("append", "append_raw", "marker") and self.leader_epoch < self.epoch:
            # A leader has a later epoch than any it has followed.
            return {"op": "assign_epoch", "epoch": self.epoch + 1}
        return request

    def learn(self, request, answer, view):
        """What Kafka answered, and its ends afterwards."""
        self.view = view
        if request["op"] in ("truncate", "truncate_fully", "crash", "restart", "compact"):
            self.bounds = [each for each in self.bounds if each < view["end"] // 2]
        known = {view["end"], view["log_start"], *view["segments"], answer.get("base", 0)}
        self.bounds = sorted(known | {each for each in self.bounds if each <= view["end"]})[-60:]
        self.leader_epoch = view["leader_epoch"]
        if "error" in answer:
            return
        self.learn_append(request, answer)

    def learn_append(self, request, answer):
        op = request["op"]
        if op in ("append", "append_follower") and "pid" in request and "seq" in request:
            producer = self.producers[request["pid"]]
            if not answer.get("duplicate"):
                producer.took(request, request.get("n") or len(request["records"]))
                producer.in_transaction |= bool(request.get("txn"))
        if op == "marker" or "marker" in request:
            producer = self.producers[request["pid"]]
            producer.in_transaction = False
            if request["epoch"] != producer.epoch:
                producer.epoch, producer.sequence, producer.sent = request["epoch"], 0, []
        if op == "assign_epoch":
            self.epoch = request["epoch"]

    # --- what is appended ---

    def chance(self, probability):
        return self.rng.random() < probability

    def records(self):
        """`n` or `records`; a compacted topic wants keys."""
        rng = self.rng
        is_compacted = "compact" in self.config.get("cleanup.policy", "")
        count = rng.choice([1, 1, 1, 2, 3, 5])
        if not is_compacted and self.chance(0.6):
            return {"n": count}
        return {"records": [self.record(is_compacted) for _ in range(count)]}

    def record(self, is_compacted):
        rng, record = self.rng, {}
        if self.chance(0.98 if is_compacted else 0.4):
            record["k"] = "k" + str(rng.randrange(5))
        if self.chance(0.75):
            record["v"] = rng.choice(["", "v", "value", "x" * 50, "y" * rng.randrange(200),
                                      "ä→🙂"])
        elif self.chance(0.5):
            record["v"] = None
        if self.chance(0.1):
            record["ts"] = 1_700_000_000_000 + rng.choice([-1, 0, 1, 5_000, -5_000, 10**8, -10**9])
        if self.chance(0.01):
            record["ts"] = rng.choice([-1, 0])
        if self.chance(0.03):
            record["h"] = [["name", "value"], ["name", None]]
        return record

    def codec(self):
        if not self.chance(0.1):
            return {}
        return {"codec": self.rng.choice(["gzip", "snappy", "lz4", "zstd"])}

    def append_plain(self):
        return {"op": "append", **self.records(), **self.codec()}

    def append_next(self):
        """The next batch of a producer, now and then with something wrong."""
        rng = self.rng
        producer = self.producers[rng.choice(PIDS)]
        request = {"op": "append", "pid": producer.pid, "epoch": producer.epoch,
                   "seq": producer.sequence, **self.records(), **self.codec()}
        if producer.in_transaction != self.chance(0.03):
            request["txn"] = True
        return self.spoiled(request)

    def append_txn(self):
        request = self.append_next()
        request["txn"] = True
        return request

    def spoiled(self, request):
        kind = self.rng.choice(["gap", "epoch", "old", "bump"] + ["fine"] * 26)
        if kind == "gap":
            request["seq"] = (request["seq"] + self.rng.choice([1, 5, 100])) % (SEQUENCE_MAX + 1)
        elif kind == "epoch" and request["epoch"] > 0:
            request["epoch"] -= 1
        elif kind == "old":
            request["seq"] = max(0, request["seq"] - self.rng.choice([1, 2]))
        elif kind == "bump":
            request["epoch"] += 1
            request["seq"] = self.rng.choice([0, 0, 0, 1])
        return request

    def append_again(self):
        candidates = [each for each in self.producers.values() if each.sent]
        if not candidates:
            return self.append_next()
        producer = self.rng.choice(candidates)
        again = self.rng.choice(producer.sent[-self.rng.choice([1, 3, 5, 7]):])
        return {**{k: v for k, v in again.items() if k not in ("base", "batch_epoch", "leader_hw",
                                                               "leader_log_start")},
                "op": "append"}

    def marker_of(self, field):
        rng = self.rng
        inside = [each for each in self.producers.values() if each.in_transaction]
        producer = rng.choice(inside) if inside and self.chance(0.9) else \
            self.producers[rng.choice(PIDS)]
        epoch = producer.epoch + rng.choice([0] * 7 + [1, 1, -1])
        request = {"pid": producer.pid, "epoch": max(0, epoch),
                   field: rng.choice(["commit", "abort"])}
        if self.chance(0.15):
            request["coordinator_epoch"] = rng.choice([0, 1, 2])
        return request

    def marker(self):
        return {"op": "marker", **self.marker_of("type")}

    def append_follower(self):
        rng = self.rng
        request = self.marker_of("marker") if self.chance(0.2) else self.append_next()
        request["op"] = "append_follower"
        request["base"] = self.view["end"] + rng.choice([0] * 30 + [1, 3, 40, -1, -2])
        request["batch_epoch"] = self.epoch + rng.choice([0] * 12 + [1, 2])
        if self.chance(0.5):
            request["leader_hw"] = self.view["end"] + 5 if self.chance(0.5) else self.bound(0)
            if self.chance(0.15):
                request["leader_log_start"] = min(request["leader_hw"], self.bound())
        self.epoch = max(self.epoch, request["batch_epoch"])
        return request

    def append_many(self):
        """A leader's answer to a fetch: several batches, with gaps as compaction leaves them."""
        hexes, parts, base = [], [], self.view["end"]
        for _ in range(self.rng.choice([2, 2, 3, 4])):
            part = self.append_follower()
            part.pop("leader_hw", None), part.pop("leader_log_start", None), part.pop("codec", None)
            part["base"] = base = base + self.rng.choice([0] * 12 + [1, 5])
            hexes.append(self.encode(part))
            parts.append(part)
            self.learn_append(part, {})
            base += 1 if "marker" in part else part.get("n") or len(part["records"])
        return {"op": "append_follower", "hex": "".join(hexes), "parts": parts}

    def append_raw(self):
        """Bytes as no client of Kafka's would send them, or fine ones."""
        rng = self.rng
        data = self.encode(rng.choice([self.append_plain, self.append_next, self.append_txn])())
        kind = rng.choice(["fine", "two", "tail", "flip", "cut", "offset", "nothing"])
        if kind == "two":
            data += self.encode(self.append_next())
        elif kind == "tail":
            data += rng.choice(["00", "00" * 20, data[:rng.randrange(2, 120) * 2]])
        elif kind == "flip":
            at = rng.randrange(0, len(data), 2)
            flipped = int(data[at:at + 2], 16) ^ 1 << rng.randrange(8)
            data = f"{data[:at]}{flipped:02x}{data[at + 2:]}"
        elif kind == "cut":
            data = data[:rng.randrange(0, len(data), 2)]
        elif kind == "offset":
            data = "0000000000000005" + data[16:]
        elif kind == "nothing":
            data = ""
        origin = {"origin": "coordinator"} if self.chance(0.2) else {}
        return {"op": "append_raw", "hex": data, **origin}

    # --- what moves or removes ---

    def bound(self, stray=0.1):
        """An offset at which a batch begins or ends, or any other."""
        if self.chance(stray):
            return self.rng.randrange(0, self.view["end"] + 3)
        return self.rng.choice(self.bounds[-self.rng.choice([3, 10, 60]):])

    def hw(self):
        return {"op": "hw", "to": "end" if self.chance(0.7) else self.bound(0.02)}

    def clock(self):
        return {"op": "clock", "advance": self.rng.choice([1, 10, 200, 1500, 60_000, 5_000_000])}

    def roll(self):
        return {"op": "roll"}

    def flush(self):
        return {"op": self.rng.choice(["flush", "flush", "checkpoint"])}

    def reopen(self):
        return {"op": self.rng.choice(["restart", "crash"])}

    def truncate(self):
        if self.chance(0.12):
            return {"op": "truncate_fully", "at": self.view["end"] + self.rng.choice([0, 0, 7, -3])
                    if self.view["end"] > 3 else 5}
        return {"op": "truncate", "to": self.bound()}

    def delete_records(self):
        return {"op": "delete_records", "before": -1 if self.chance(0.3) else self.bound()}

    def retention(self):
        return {"op": "retention"}

    def compact(self):
        return {"op": "compact"}

    def expire(self):
        return {"op": "expire_producers"}

    def assign_epoch(self):
        return {"op": "assign_epoch",
                "epoch": self.epoch + self.rng.choice([1, 1, 1, 2, 0])}

    # --- what only looks ---

    def isolation(self):
        return {"isolation": self.rng.choice(["uncommitted", "committed", "committed", "replica"])}

    def read(self):
        request = {"op": "read", "from": self.bound(0.5), **self.isolation()}
        if self.chance(0.3):
            request["max_bytes"] = self.rng.choice([0, 1, 61, 100, 300, 1000])
        if self.chance(0.2):
            request["min_one"] = False
        return request

    def consume(self):
        return {"op": "consume", "from": self.bound(0.3), **self.isolation()}

    def list_offsets(self):
        rng = self.rng
        start = 1_700_000_000_000
        near = start + rng.choice([1, 10, 200, 1710, 5000, 10**7, -10**9])
        stamp = rng.choice([-1, -2, -3, 0, start, near])
        return {"op": "list_offsets", "timestamp": stamp, **self.isolation()}

    def epoch_end(self):
        return {"op": "epoch_end", "epoch": max(-1, self.epoch + self.rng.choice([0, -1, -2, 1]))}

    def look(self):
        return {"op": self.rng.choice(["state", "state", "producers", "producers", "epochs",
                                       "aborted_index", "batches"])}


def closing(view):
    """What is asked at the end of every history."""
    start = view["log_start"]
    requests = [{"op": op} for op in ("state", "batches", "records", "producers", "epochs",
                                      "aborted_index")]
    for isolation in ("uncommitted", "committed", "replica"):
        requests.append({"op": "consume", "from": start, "isolation": isolation})
        requests.append({"op": "list_offsets", "timestamp": -3, "isolation": isolation})
    requests.append({"op": "read", "from": start, "isolation": "committed"})
    requests.append({"op": "list_offsets", "timestamp": 1_700_000_000_005})
    return requests
