"""Findings that stand: where oncelog answers something else than Kafka and nobody has decided that it
may. Each has a history in ../histories; a mend takes its entry away."""
from .differences import Diverged, Permitted


def forgotten_by_truncation(memory, request, kafka, oncelog):
    """What Kafka's snapshots at segment bases still hold."""
    if not memory.was_compacted or "producers" not in kafka or "producers" not in oncelog:
        return None
    ours = {each["pid"] for each in oncelog["producers"]}
    if any(each["pid"] not in ours for each in kafka["producers"]):
        raise Diverged
    return None


def epoch_went_back(memory, request, kafka, oncelog):
    if request["op"] == "append_follower":
        epoch = request.get("batch_epoch", 0)
    elif request["op"] == "assign_epoch":
        epoch = memory.leader_epoch = request["epoch"]
    else:
        epoch = memory.leader_epoch
    if epoch < memory.epoch_max:
        raise Diverged
    memory.epoch_max = epoch
    return None


KNOWN = [
    Permitted("a leader epoch that goes back", "semantics 14.2, 14.7",
              "an older epoch erases newer ones from the cache; after a crash Kafka's recovery finds"
              " them in the batches again, oncelog takes epochs of batches behind the cache's end only",
              ("append", "append_raw", "marker", "append_follower", "assign_epoch"),
              epoch_went_back),
    Permitted("truncation below the watermark of a compacted log", "design 5, 1.2",
              "the producer-state checkpoint that compaction leaves lies above the cut, and of what"
              " compaction took away a replay finds nothing; Kafka has a snapshot at each segment",
              ("truncate",), forgotten_by_truncation),
]
