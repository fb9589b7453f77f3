"""Findings that stand (lib/DECISIONS.md, 65): where oncelog answers something else than Kafka, beside
the differences of the design. Each has a history in ../histories; a mend takes its entry away."""
from .differences import Diverged, Permitted


def forgotten_by_truncation(memory, request, kafka, oncelog):
    """What Kafka's snapshots at segment bases still hold, and no batch says any more: of a marker
    that compaction has emptied the batch is left, which has the producer's id only, and a marker
    that stays says nothing of the data before it."""
    if not memory.was_compacted or "producers" not in kafka or "producers" not in oncelog:
        return None
    batches = memory.oncelog.ask({"op": "batches"})["batches"]
    ours = {each["pid"]: each for each in oncelog["producers"]}
    for theirs in kafka["producers"]:
        known = ours.get(theirs["pid"], {"epoch": -1, "coordinator_epoch": -1, "last_offset": -1})
        left = [each for each in batches if each["pid"] == theirs["pid"]]
        is_data_gone = not any(each["last"] == theirs["last_offset"] for each in left)
        is_marker_gone = not any(each["control"] in ("commit", "abort") for each in left)
        if (known["last_offset"] < theirs["last_offset"] and is_data_gone
                or known["coordinator_epoch"] < theirs["coordinator_epoch"] and is_marker_gone):
            raise Diverged
    return None


def nothing_behind_the_last_batch(memory, request, kafka, oncelog):
    is_empty = kafka.get("batches") == [] and kafka.get("aborted", 1) is None
    return (kafka, kafka) if is_empty and oncelog == {**kafka, "aborted": []} else None


def emptied_below_start(memory, request, kafka, oncelog):
    theirs, ours = kafka.get("segments"), oncelog.get("segments")
    if not theirs or not ours or ours[-len(theirs):] != theirs or len(ours) == len(theirs):
        return None
    batches = memory.oncelog.ask({"op": "batches"})["batches"]
    if any(each["last"] >= kafka["log_start"] for each in batches):
        return None
    raise Diverged


def empty_active_segment(memory, request, kafka, oncelog):
    theirs, ours = kafka.get("segments"), oncelog.get("segments")
    if theirs and ours and theirs == ours + [kafka["end"]]:
        raise Diverged
    return None


def rebuilt_coordinator_batch(memory, request, kafka, oncelog):
    is_moved = request.get("origin") == "coordinator" and not request["hex"].startswith("0" * 16)
    if is_moved and kafka.get("error") == "UNKNOWN_SERVER_ERROR" and kafka != oncelog:
        raise Diverged
    return None


def largest_time_behind_truncation(memory, request, kafka, oncelog):
    if not memory.was_truncated or kafka.get("offset") == oncelog.get("offset"):
        return None
    records = memory.oncelog.ask({"op": "records"})["records"]
    times = {each["offset"]: each["ts"] for each in records}
    is_found = times.get(oncelog.get("offset"), oncelog.get("timestamp")) == oncelog["timestamp"]
    return (kafka, kafka) if kafka.get("offset") == -1 and is_found else None


def full_index_in_a_set(memory, request, kafka, oncelog):
    if "hex" in request and kafka.get("error") == "UNKNOWN_SERVER_ERROR" and "end" in oncelog:
        if memory.index_bytes < 1000:
            raise Diverged
    return None


def epoch_wavers_in_a_set(memory, request, kafka, oncelog):
    if "producers" not in kafka or "producers" not in oncelog:
        return None
    for theirs, ours in memory.pairs_of(kafka, oncelog):
        if theirs != ours and ours["pid"] in memory.wavering:
            raise Diverged
    return None


def epoch_went_back(memory, request, kafka, oncelog):
    if request["op"] == "append_follower":
        epoch = request.get("parts", [request])[-1].get("batch_epoch", 0)
    elif request["op"] == "assign_epoch":
        epoch = memory.leader_epoch = request["epoch"]
    else:
        epoch = memory.leader_epoch
    if epoch < memory.epoch_max:
        raise Diverged
    memory.epoch_max = epoch
    return None


def segment_without_times(memory, request, kafka, oncelog):
    wanted = request["timestamp"]
    if wanted < 0 or kafka.get("offset") != -1 or oncelog.get("offset", -1) < 0:
        return None
    segments = memory.oncelog.ask({"op": "state"})["segments"]
    records = [each for each in memory.oncelog.ask({"op": "records"})["records"]
               if each["offset"] >= memory.log_start()]
    late = min(((each["offset"], each["ts"]) for each in records if each["ts"] >= wanted),
               default=None)
    if (oncelog["offset"], oncelog["timestamp"]) != late:
        return None
    for base, following in zip(segments, segments[1:]):
        times = [each["ts"] for each in records if base <= each["offset"] < following]
        if following <= oncelog["offset"] and times and max(times) < 0:
            return kafka, kafka
    return None


def epochs_of_recovered_batches(memory, request, kafka, oncelog):
    theirs, ours = (side.ask({"op": "epochs"}) for side in (memory.kafka, memory.oncelog))
    if "error" in theirs or "error" in ours:
        return None
    is_part = all(each in theirs["epochs"] for each in ours["epochs"])
    if theirs != ours and is_part:
        raise Diverged
    return None


KNOWN = [
    Permitted("a leader epoch that goes back", "semantics 14.2, 14.7",
              "an older epoch erases newer ones from the cache; after a crash Kafka's recovery"
              " finds them in the batches again, oncelog takes epochs of batches behind the"
              " cache's end only",
              ("append", "append_raw", "marker", "append_follower", "assign_epoch"),
              epoch_went_back),
    Permitted("epochs of recovered batches", "semantics 14.7",
              "a truncation to the log start empties the cache; after a crash Kafka finds the"
              " epoch of the batches that lie below in the segment, oncelog looks behind the"
              " recovery point only",
              ("crash",), epochs_of_recovered_batches),
    Permitted("truncation below the watermark of a compacted log", "design 5, 1.2",
              "the producer-state checkpoint that compaction leaves lies above the cut, and of"
              " what compaction took away a replay finds nothing; Kafka has a snapshot at each"
              " segment",
              ("truncate",), forgotten_by_truncation),
    Permitted("no list of aborted transactions behind the last batch", "semantics 9.6",
              "a committed read between the last batch and an end that a truncation left has an"
              " empty list here and null in Kafka, which mean the same to a consumer",
              ("read",), nothing_behind_the_last_batch),
    Permitted("a segment below the log start", "semantics 21.10",
              "where an open finds no batch at or above the log start Kafka removes the"
              " segments below it, oncelog keeps them",
              ("crash", "restart"), emptied_below_start),
    Permitted("a roll of an empty segment", "semantics 17.4",
              "a truncation inside its first batch empties the active segment and leaves a"
              " later end; Kafka rolls it, oncelog does not",
              ("roll",), empty_active_segment),
    Permitted("a segment whose records have no time", "semantics 12.4",
              "Kafka takes the time when its file was written last for theirs, ends a lookup by"
              " time there without a record, and misses those behind it, which oncelog finds",
              ("list_offsets",), segment_without_times),
    Permitted("a compressed coordinator batch with a base offset", "semantics 2.10",
              "Kafka wants to rebuild it and fails with an internal error, oncelog does not",
              ("append_raw",), rebuilt_coordinator_batch),
    Permitted("the largest time behind a truncation", "semantics 12.4, 12.5",
              "Kafka loses the largest time of a segment that was cut before it was asked for"
              " it",
              ("list_offsets",), largest_time_behind_truncation),
    Permitted("a producer epoch that wavers in a set", "semantics 5.12",
              "a follower's set in which a producer's epoch goes back and forth leaves Kafka its"
              " window, batch by batch (as Kafka recovers it) it is emptied",
              ("producers", "crash", "restart", "truncate"), epoch_wavers_in_a_set),
    Permitted("an index that is full inside a set", "semantics 17.1",
              "Kafka stores the batches and then fails, oncelog stores them without an entry",
              ("append_follower",), full_index_in_a_set),
]

# What only a newer Kafka answers otherwise; the judge's release says what oncelog says.
NEWER = []
