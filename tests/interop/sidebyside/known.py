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


KNOWN = [
    Permitted("truncation below the watermark of a compacted log", "design 5, 1.2",
              "the producer-state checkpoint that compaction leaves lies above the cut, and of what"
              " compaction took away a replay finds nothing; Kafka has a snapshot at each segment",
              ("truncate",), forgotten_by_truncation),
]
