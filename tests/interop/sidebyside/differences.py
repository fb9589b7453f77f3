"""What may differ between oncelog and Kafka, and why: the table PERMITTED at the end. Each entry
says for some requests under which condition two answers count as equal; all else is a finding."""
import dataclasses
import struct
import typing

RELOADS = ("restart", "crash", "truncate", "truncate_fully")
APPENDS = ("append", "append_raw", "append_follower", "marker")


class Diverged(Exception):
    """From here on the two logs differ as they may, and the rest of the history says nothing."""


class Memory:
    """What the entries need to know of the history so far."""

    def __init__(self, kafka, oncelog):
        self.kafka, self.oncelog = kafka, oncelog
        self.stored = {}  # (pid, epoch, seq, count) -> base offset
        self.was_reloaded = self.was_compacted = self.was_truncated = False
        self.first_seen = {}  # producer id -> least offset and time of what it did
        self.outlived = set()  # ids of producers that Kafka has forgotten once
        self.epochs, self.wavering = {}, set()  # of producers; ids whose epoch went back in a set
        self.expiration_ms = 86_400_000
        self.index_bytes = 10_485_760
        self.leader_epoch = self.epoch_max = 0
        self.has_other_index = False  # entries of the transaction index that may differ do

    def note(self, request, kafka, oncelog):
        if request["op"] in RELOADS:
            self.was_reloaded = True
        if request["op"] in ("restart", "crash"):
            epochs = self.kafka.ask({"op": "epochs"}).get("epochs", [])
            self.leader_epoch = epochs[-1][0] if epochs else 0
        self.was_truncated |= request["op"] == "truncate"
        config = request.get("config", {})
        self.index_bytes = config.get("segment.index.bytes", self.index_bytes)
        self.expiration_ms = config.get("producer.id.expiration.ms", self.expiration_ms)
        self.was_compacted |= bool(kafka.get("compacted"))
        self.note_wavering(request.get("parts", []))
        for part in request.get("parts", [request]):
            self.note_batch(part, kafka)

    def note_wavering(self, parts):
        """Producers whose epoch goes back among these batches, or behind what it was before."""
        for part in parts:
            if part["epoch"] < self.epochs.get(part["pid"], -1):
                self.wavering.add(part["pid"])
            self.epochs[part["pid"]] = part["epoch"]

    def note_batch(self, request, answer):
        offset = answer.get("base", answer.get("offset", request.get("base")))
        if "pid" in request and "error" not in answer and offset is not None:
            times = [each["ts"] for each in request.get("records", []) if "ts" in each]
            self.see(request["pid"], offset, min([self.kafka.now, *times]))
            if "hex" not in request:
                self.epochs[request["pid"]] = max(request["epoch"],
                                                  self.epochs.get(request["pid"], -1))
        if "pid" in request and "seq" in request and "base" in answer:
            self.stored[batch_key(request)] = answer["base"]

    def is_expired(self, producer):
        return self.kafka.now - producer["timestamp"] >= self.expiration_ms

    def see(self, pid, offset, time):
        first, earliest = self.first_seen.get(pid, (offset, time))
        self.first_seen[pid] = min(first, offset), min(earliest, time)

    def may_be_forgotten(self, pid, log_start):
        """Whether some of what the producer did is below the log start, or expired."""
        if pid not in self.first_seen:
            return False
        offset, time = self.first_seen[pid]
        return offset < log_start or self.kafka.now - time >= self.expiration_ms

    @staticmethod
    def pairs_of(kafka, oncelog):
        """What both sides know of the producers that both know."""
        theirs = {each["pid"]: each for each in kafka["producers"]}
        return [(theirs[each["pid"]], each) for each in oncelog["producers"]
                if each["pid"] in theirs]

    def log_start(self):
        return self.kafka.ask({"op": "state"})["log_start"]

    def is_batch_base(self, offset):
        batches = self.oncelog.ask({"op": "batches"})["batches"]
        bases = {each["base"] for each in batches}
        return offset in bases | {self.oncelog.ask({"op": "state"})["end"]}

    def holds(self, request, base):
        """Whether this batch of the request's producer is there, however it was appended."""
        batches = self.oncelog.ask({"op": "batches"})["batches"]
        return any(each["base"] == base and all(each[key] == request.get(key, each[key])
                                                for key in ("pid", "epoch", "seq"))
                   for each in batches)

    def has_emptied(self):
        """Whether compaction left a segment or a batch without records."""
        batches = self.oncelog.ask({"op": "batches"})["batches"]
        segments = self.oncelog.ask({"op": "state"})["segments"]
        return any(each["count"] == 0 for each in batches) or any(
            not any(base <= each["base"] < following for each in batches)
            for base, following in zip(segments, segments[1:]))


def batch_key(request):
    count = request.get("n") or len(request.get("records", []))
    return request["pid"], request["epoch"], request["seq"], count


def header_of(batch):
    """What a batch of magic 2, as hex, says of its producer, in the words of a request."""
    pid, epoch, sequence, count = struct.unpack(">qhii", bytes.fromhex(batch)[43:61])
    return {"pid": pid, "epoch": epoch, "seq": sequence, "n": count}


def window_of_five(memory, request, kafka, oncelog):
    if not memory.was_reloaded or not oncelog.get("duplicate"):
        return None
    sent = header_of(request["hex"]) if "hex" in request else request
    is_retry = memory.stored.get(batch_key(sent)) == oncelog["base"]
    if not is_retry and not memory.holds(sent, oncelog["base"]):
        return None
    is_forgotten = kafka.get("error") == "OUT_OF_ORDER_SEQUENCE_NUMBER"
    is_older_copy = kafka.get("duplicate") and oncelog["base"] < kafka["base"]
    return (kafka, kafka) if is_forgotten or is_older_copy else None  # a coordinator may store twice


def time_of_duplicate(memory, request, kafka, oncelog):
    is_duplicate = kafka.get("duplicate") and oncelog.get("duplicate") and memory.was_reloaded
    if not is_duplicate or kafka["append_time"] == oncelog["append_time"]:
        return None
    return kafka, {**oncelog, "append_time": kafka["append_time"]}


def outlived_producers(memory, request, kafka, oncelog):
    if "producers" in kafka and "producers" in oncelog:
        known = {each["pid"] for each in kafka["producers"]}
        extra = [each for each in oncelog["producers"] if each["pid"] not in known]
        if memory.was_reloaded or request["op"] in RELOADS:
            start = memory.log_start()
            for each in extra:
                if each["last_offset"] < start or memory.is_expired(each):
                    memory.outlived.add(each["pid"])
                    if each["txn_first"] is not None:
                        raise Diverged  # its transaction holds the last stable offset here
            for theirs, ours in memory.pairs_of(kafka, oncelog):
                if theirs != ours and memory.may_be_forgotten(ours["pid"], start):
                    memory.outlived.add(ours["pid"])
                    if theirs["txn_first"] != ours["txn_first"]:
                        raise Diverged
        kept = [without_outlived(memory, side) for side in (kafka, oncelog)]
        return tuple(kept) if kept != [kafka, oncelog] else None
    if request["op"] in APPENDS and request.get("pid") in memory.outlived and kafka != oncelog:
        raise Diverged
    return None


def without_outlived(memory, answer):
    kept = [each for each in answer["producers"] if each["pid"] not in memory.outlived]
    return {**answer, "producers": kept}


def compacts_outlived(memory, request, kafka, oncelog):
    if memory.outlived and kafka.get("compacted"):
        raise Diverged
    return None


def expired_outlived(memory, request, kafka, oncelog):
    kept = [{**side, "expired": [each for each in side.get("expired", [])
                                 if each not in memory.outlived]} for side in (kafka, oncelog)]
    return tuple(kept) if kept != [kafka, oncelog] else None


def unreplicated_after_reload(memory, request, kafka, oncelog):
    """Once the watermark is at the end, which replicates those markers, both say the same again."""
    if kafka == oncelog or not (memory.was_reloaded or request["op"] in RELOADS):
        return None
    theirs, ours = (side.ask({"op": "state"}) for side in (memory.kafka, memory.oncelog))
    if "error" in theirs or theirs["hw"] != ours["hw"] or ours["lso"] == theirs["lso"]:
        return None
    for side in (memory.kafka, memory.oncelog):
        side.ask({"op": "hw", "to": "end"})
    if request["op"] in ("read", "consume", "list_offsets"):
        return tuple({key: value for key, value in side.ask(request).items() if key != "message"}
                     for side in (memory.kafka, memory.oncelog))
    after = [side.ask({"op": "state"}) for side in (memory.kafka, memory.oncelog)]
    return tuple({**side, "lso": after[0]["lso"], "after": each}
                 for side, each in zip((kafka, oncelog), after))


def other_magic(memory, request, kafka, oncelog):
    is_other = len(request["hex"]) >= 34 and request["hex"][32:34] != "02"
    return (kafka, kafka) if is_other and "error" in kafka and "error" in oncelog else None


def later_aborted(memory, request, kafka, oncelog):
    if request.get("isolation") != "committed" or "error" in kafka or "error" in oncelog:
        return None
    if None in (kafka["aborted"], oncelog["aborted"]) or kafka["aborted"] == oncelog["aborted"]:
        return None
    last = max((each["last"] for each in kafka["batches"]), default=-1)
    kept = [[each for each in side["aborted"] if each["first"] <= last]
            for side in (kafka, oncelog)]
    return tuple({**side, "aborted": each} for side, each in zip((kafka, oncelog), kept))


def begun_below_start(memory, request, kafka, oncelog):
    """Such a transaction's index entry, here and in what a fetch or a file says of it."""
    if request["op"] == "files":
        rest = [{k: v for k, v in side.items() if not k.endswith("_txnindex")}
                for side in (kafka, oncelog)]
        return tuple(rest) if memory.has_other_index and rest != [kafka, oncelog] else None
    field = "entries" if request["op"] == "aborted_index" else "aborted"
    if not memory.was_reloaded or kafka.get(field) == oncelog.get(field):
        return None
    if None in (kafka.get(field), oncelog.get(field)):
        return None
    start = memory.log_start()
    begun = {each["pid"] for each in kafka[field] + oncelog[field] if each["first"] < start}
    if not begun:
        return None
    memory.has_other_index = True
    kept = [[each for each in side[field] if each["pid"] not in begun] for side in (kafka, oncelog)]
    return tuple({**side, field: each} for side, each in zip((kafka, oncelog), kept))


def later_stable_offset(memory, request, kafka, oncelog):
    theirs, ours = kafka.get("entries", []), oncelog.get("entries", [])
    if not memory.was_reloaded or theirs == ours or len(theirs) != len(ours):
        return None
    if any(their["lso"] > our["lso"] for their, our in zip(theirs, ours)):
        return None
    memory.has_other_index = True
    return kafka, {**oncelog, "entries": [{**our, "lso": their["lso"]}
                                          for their, our in zip(theirs, ours)]}


def emptied_by_compaction(memory, request, kafka, oncelog):
    if kafka.get("offset") == -1 and oncelog.get("offset", -1) >= 0 and memory.has_emptied():
        return kafka, kafka
    return None


def watermark_after_crash(memory, request, kafka, oncelog):
    if "error" in kafka or "error" in oncelog:
        return None
    is_sane = oncelog["log_start"] <= oncelog["lso"] <= oncelog["hw"] <= oncelog["end"]
    if not is_sane or oncelog["hw"] == kafka["hw"]:
        return None
    return kafka, {**oncelog, "hw": kafka["hw"], "lso": kafka["lso"]}


def deleted_maximum(memory, request, kafka, oncelog):
    if request["timestamp"] == -3 and -1 < kafka.get("offset", -1) < memory.log_start():
        return kafka, kafka
    return None


def watermark_inside(memory, request, kafka, oncelog):
    if kafka == oncelog or "error" in kafka or "error" in oncelog:
        return None
    theirs, ours = (side.ask({"op": "state"}) for side in (memory.kafka, memory.oncelog))
    for end in ("hw", "lso"):
        if theirs[end] != ours[end] and not memory.is_batch_base(ours[end]):
            raise Diverged
    return None


def refused_log_start(memory, request, kafka, oncelog):
    if "leader_log_start" in request and "error" in kafka and "error" in oncelog:
        if memory.kafka.ask({"op": "state"}) != memory.oncelog.ask({"op": "state"}):
            raise Diverged
        return kafka, kafka
    return None


def recovery_point_inside(memory, request, kafka, oncelog):
    ends = [each["last"] + 1 for each in memory.oncelog.ask({"op": "batches"})["batches"]]
    field = "offset" if request["op"] == "checkpoint" else "recovery_point"
    point = oncelog.get(field)
    if point is None or point > kafka.get(field, -1) or point != max(ends, default=point):
        return None
    return kafka, kafka


def index_of_reopened_segment(memory, request, kafka, oncelog):
    """Entry by entry the index may be another one; that it is right, `verify` says."""
    if not memory.was_reloaded:
        return None
    def is_index(name):
        return name.endswith(("_index", "_timeindex"))
    rest = [{k: v for k, v in each.items() if not is_index(k)} for each in (kafka, oncelog)]
    return tuple(rest) if rest != [kafka, oncelog] else None


def needless_roll(memory, request, kafka, oncelog):
    """Not an answer differs but what follows: oncelog is told to roll where Kafka did."""
    if "error" not in kafka and not kafka.get("duplicate"):
        return None
    theirs, ours = (side.ask({"op": "state"}) for side in (memory.kafka, memory.oncelog))
    if theirs["segments"][:-1] != ours["segments"] or theirs["end"] != ours["end"]:
        return None
    if theirs["segments"][-1] > theirs["end"]:
        raise Diverged  # nor will it take a batch before there
    memory.oncelog.ask({"op": "roll"})
    return kafka, oncelog


def needless_epoch(memory, request, kafka, oncelog):
    """As above: the epoch of a refused batch begins where Kafka has noted it."""
    if "error" not in kafka and not kafka.get("duplicate"):
        return None
    theirs, ours = (side.ask({"op": "epochs"})["epochs"] for side in (memory.kafka, memory.oncelog))
    if theirs == ours:
        return None
    if request["op"] == "append_follower" or theirs != ours + theirs[-1:]:
        raise Diverged
    memory.oncelog.ask({"op": "assign_epoch", "epoch": theirs[-1][0]})
    return kafka, oncelog


@dataclasses.dataclass
class Permitted:
    """`settle` returns both answers without what may differ, or None where it does not apply."""
    name: str
    source: str  # the section of the design that says so
    reason: str
    requests: tuple
    settle: typing.Callable


PERMITTED = [
    Permitted("window of five", "design 1.2, 9",
              "after a reload Kafka knows one batch of a producer, oncelog the last five",
              ("append", "append_raw"), window_of_five),
    Permitted("outlived producers are active", "design 1.2, semantics 23.3.4",
              "compaction keeps an empty batch for a producer that Kafka has forgotten",
              ("compact",), compacts_outlived),
    Permitted("time of a duplicate", "design 9, semantics Q9",
              "after a reload Kafka answers a duplicate with the producer's last timestamp",
              ("append", "append_raw"), time_of_duplicate),
    Permitted("producers outlive their data", "design 1.2, 9",
              "a reload makes Kafka forget what producers did below the log start, and those that"
              " are expired",
              ("producers", *RELOADS, *APPENDS), outlived_producers),
    Permitted("they expire, too", "design 5",
              "a producer that Kafka has forgotten is expired by oncelog only, or at another time",
              ("expire_producers",), expired_outlived),
    Permitted("watermark after a crash", "shell.md, semantics 13.7",
              "how old the watermark is that a crash leaves depends on when it was written last",
              ("crash",), watermark_after_crash),
    Permitted("unreplicated transactions after a reload", "design 9, semantics Q20",
              "which completed transactions are still unreplicated a reload may forget",
              ("read", "consume", "list_offsets", "state", "hw", "append_follower", "roll",
               "retention", "compact", *RELOADS), unreplicated_after_reload),
    Permitted("another magic", "semantics 1.5",
              "Kafka refuses it above its log, which says something else of such bytes",
              ("append_raw",), other_magic),
    Permitted("aborted transactions behind the data", "semantics 9.4",
              "how far behind a fetch's data transactions are named depends on the sparse index",
              ("read",), later_aborted),
    Permitted("transaction begun below the log start", "design 5, semantics 21.7",
              "where a crash lost its index entry, it is made of the batches that are left",
              ("aborted_index", "read", "files"), begun_below_start),
    Permitted("stable offset of a set's transactions", "semantics 9.3",
              "an index entry knows transactions that began in its set, or not once it is rebuilt",
              ("aborted_index",), later_stable_offset),
    Permitted("emptied by compaction", "semantics 12.4",
              "a segment or batch without records hides others from Kafka's lookup by time",
              ("list_offsets",), emptied_by_compaction),
    Permitted("maximum below the log start", "design 9, semantics Q18",
              "the lookup of the largest timestamp looks at deleted records in Kafka",
              ("list_offsets",), deleted_maximum),
    Permitted("watermark inside a batch", "design 9",
              "Kafka moves a watermark inside a batch or gap to a batch's base when it looks it up",
              ("read", "consume", "state", "hw", "append_follower", "list_offsets", "restart",
               "crash", "roll", "retention", "truncate", "truncate_fully", "compact",
               "delete_records"),
              watermark_inside),
    Permitted("refused log start", "design 9",
              "a follower's append that is refused for its log start leaves no batch here, and is"
              " refused for that first",
              ("append_follower",), refused_log_start),
    Permitted("recovery point inside a batch", "design 3",
              "behind a truncation inside a batch it is the end of the last batch that is left; so"
              " is the offset of a checkpoint",
              ("flush", "checkpoint"), recovery_point_inside),
    Permitted("no roll for what is not stored", "design 9, semantics Q6",
              "Kafka rolls before it asks whether the batch is a duplicate or to be refused",
              APPENDS, needless_roll),
    Permitted("no epoch for what is not stored", "design 9, semantics 1.24",
              "Kafka notes a batch's leader epoch before it may refuse the batch",
              APPENDS, needless_epoch),
    Permitted("index of a reopened segment", "design 3",
              "a reopened segment goes on counting bytes to its next entry; Kafka begins at 0",
              ("files",), index_of_reopened_segment),
]


def comparable_files(files):
    """Of each file what must agree; snapshots and our own files are nobody's business here."""
    kept = {}
    for name, data in sorted(files.items()):
        if name.endswith((".log", ".index", ".timeindex", ".txnindex")):
            if data or name.endswith(".log"):
                kept[name.replace(".", "_")] = data.hex()
        elif name == "leader-epoch-checkpoint":
            entries = data.decode().splitlines()[2:]  # none are as good as no file
            if entries:
                kept[name] = entries
    return kept
