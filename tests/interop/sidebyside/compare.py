"""Runs one history on both sides, request by request, up to the first difference."""
import dataclasses

from . import differences
from .generate import Generator, closing

SNAPSHOT = ".snapshot"


@dataclasses.dataclass
class Difference:
    """Where two answers part: `kind` is what stays the same while a history is shrunk."""
    index: int
    request: dict
    path: str
    kafka: object
    oncelog: object

    @property
    def kind(self):
        names = [part for part in self.path.split(".") if not part.isdigit()]
        errors = [side if ".error" in "." + self.path else type(side).__name__
                  for side in (self.kafka, self.oncelog)]
        return (self.request["op"], *names, *errors)

    def __str__(self):
        return (f"request {self.index} {self.request}\n  at {self.path or 'the answer'}:"
                f"\n    Kafka   {self.kafka!r:.900}\n    oncelog {self.oncelog!r:.900}")


def first_mismatch(kafka, oncelog, path=""):
    """(path, Kafka's, ours) of the first place where they differ, or None."""
    if isinstance(kafka, dict) and isinstance(oncelog, dict):
        for key in sorted(kafka.keys() | oncelog.keys(), key=lambda key: (key != "error", key)):
            at = f"{path}.{key}" if path else key
            if key not in kafka or key not in oncelog:
                return at, kafka.get(key, "(nothing)"), oncelog.get(key, "(nothing)")
            found = first_mismatch(kafka[key], oncelog[key], at)
            if found:
                return found
        return None
    if isinstance(kafka, list) and isinstance(oncelog, list) and len(kafka) == len(oncelog):
        for i, (theirs, ours) in enumerate(zip(kafka, oncelog)):
            found = first_mismatch(theirs, ours, f"{path}.{i}")
            if found:
                return found
        return None
    return None if kafka == oncelog and type(kafka) is type(oncelog) else (path, kafka, oncelog)


class Pair:
    """Kafka and oncelog, told the same history."""

    def __init__(self, kafka, oncelog, rules):
        self.kafka, self.oncelog, self.rules = kafka, oncelog, rules
        self.met = {}  # name of a permitted or known difference -> how often it was met

    def run_seed(self, seed):
        """The requests of a new history, and the difference that ended it, if one did."""
        generator = Generator(seed, self.kafka.encode)
        self.begin()
        history = [generator.opening()]
        while True:
            request = history[-1]
            found, answer = self.tell(request, len(history) - 1)
            if found or self.has_diverged or len(history) > generator.length:
                break
            view = self.kafka.ask({"op": "state"})
            if "error" in view:
                break
            view["leader_epoch"] = self.memory.leader_epoch
            generator.learn(request, answer, view)
            history.append(generator.next())
        if not found and not self.has_diverged and "error" not in view:
            for request in closing(view):
                history.append(request)
                found, _ = self.tell(request, len(history) - 1)
                if found or self.has_diverged:
                    break
        return history, found or self.compare_files(len(history))

    def run_history(self, history):
        self.begin()
        for index, request in enumerate(history):
            found, _ = self.tell(request, index)
            if found:
                return found
            if self.has_diverged:
                return None
        return self.compare_files(len(history))

    def begin(self):
        self.kafka.begin()
        self.oncelog.begin()
        self.memory = differences.Memory(self.kafka, self.oncelog)
        self.has_diverged = False

    def tell(self, request, index):
        """The difference between both answers, if any, and Kafka's answer."""
        sent = self.in_bytes(request)
        before = self.watermark() if request["op"] == "crash" else None
        kafka, oncelog = self.kafka.answer(sent), self.oncelog.answer(sent)
        theirs, ours = self.settle(request, *self.with_producers(request, kafka, oncelog))
        mismatch = first_mismatch(theirs, ours)
        self.memory.note(request, kafka, oncelog)
        mismatch = mismatch or self.set_watermark_again(request, before)
        if mismatch and not self.has_diverged:
            return Difference(index, request, *mismatch), kafka
        return None, kafka

    def set_watermark_again(self, request, before):
        """A crash may leave an older watermark, and a truncation one that Kafka looks at later."""
        if request["op"] not in ("crash", "truncate"):
            return None
        hw = {"op": "hw", "to": self.watermark() if before is None else before}
        return first_mismatch(*self.settle({**hw, "after": request["op"]}, *self.both(hw)))

    def both(self, request):
        return without_message(self.kafka.ask(request)), without_message(self.oncelog.ask(request))

    def watermark(self):
        return self.kafka.ask({"op": "state"}).get("hw", 0)

    def with_producers(self, request, kafka, oncelog):
        """A reload may change the producers, so its answer includes them."""
        theirs, ours = without_message(kafka), without_message(oncelog)
        if request["op"] in differences.RELOADS and "error" not in theirs | ours:
            of_kafka, of_oncelog = self.both({"op": "producers"})
            theirs["producers"] = of_kafka.get("producers")
            ours["producers"] = of_oncelog.get("producers")
        return theirs, ours

    def settle(self, request, theirs, ours):
        """Both answers without what may differ."""
        for rule in self.rules:
            if request["op"] not in rule.requests:
                continue
            try:
                settled = rule.settle(self.memory, request, theirs, ours)
            except differences.Diverged:
                self.has_diverged = True
                settled = theirs, ours
            if settled:
                self.met[rule.name] = self.met.get(rule.name, 0) + 1
                theirs, ours = settled
        return theirs, ours

    def in_bytes(self, request):
        """The same compressed bytes for both sides, which have not the same compressors."""
        request = {key: value for key, value in request.items() if key != "parts"}
        if request.get("codec", "none") == "none" or request["op"] == "append_raw":
            return request
        raw = {"hex": self.kafka.encode(request)}
        if request["op"] == "append":
            return {"op": "append_raw", **raw}
        for key in ("leader_hw", "leader_log_start"):
            if key in request:
                raw[key] = request[key]
        return {"op": "append_follower", **raw}

    def compare_files(self, index):
        """Both closed cleanly, their files."""
        if self.has_diverged:
            return None
        request = {"op": "close"}
        found, _ = self.tell(request, index)
        if found:
            return found
        kafka = differences.comparable_files(self.kafka.files())
        oncelog = differences.comparable_files(self.oncelog.files())
        theirs, ours = self.settle({"op": "files"}, kafka, oncelog)
        mismatch = first_mismatch(theirs, ours)
        return Difference(index, {"op": "files"}, *mismatch) if mismatch else None


def without_message(answer):
    return {key: value for key, value in answer.items() if key != "message"}
