"""What may differ between oncelog and Kafka, and why. Each entry says for one kind of request under
which condition two answers count as equal; everything else is a finding."""
import copy


class Diverged(Exception):
    """From here on the two logs differ as they may, and the rest of the history says nothing."""


class Memory:
    """What the entries below need to know of the history so far."""

    def __init__(self):
        self.stored = {}  # (pid, epoch, seq, count) -> base offset
        self.was_reloaded = False

    def note(self, request, kafka, oncelog):
        op = request["op"]
        if op in ("restart", "crash", "truncate", "truncate_fully"):
            self.was_reloaded = True
        if op == "append" and "pid" in request and "base" in kafka:
            self.stored[batch_key(request)] = kafka["base"]


def batch_key(request):
    count = request.get("n") or len(request.get("records", []))
    return request.get("pid"), request.get("epoch"), request.get("seq"), count


class Rule:
    """`settle` returns both answers without what may differ, or None where it does not apply."""

    def __init__(self, name, source, reason, settle):
        self.name, self.source, self.reason, self.settle = name, source, reason, settle


PERMITTED = []


def comparable_files(files):
    """Of each file what must agree; snapshots and our own files are nobody's business here."""
    kept = {}
    for name, data in sorted(files.items()):
        if name.endswith((".log", ".index", ".timeindex", ".txnindex")):
            if data or name.endswith(".log"):
                kept[name.replace(".", "_")] = data.hex()
        elif name == "leader-epoch-checkpoint":
            kept[name] = data.decode()
    return kept
