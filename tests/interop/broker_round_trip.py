#!/usr/bin/env python3
"""A data directory goes from a real Kafka broker to oncelog and back, stopped cleanly and killed.

    broker_round_trip.py ONCELOG EMPTY_FOLDER

Kafka's Java clients write; the broker stops, or is killed with signal 9; oncelog looks at its
directory and goes on in it as leader; the broker starts on it again. Its consumers must read what
both have written, and the producers, which have lived on, must go on where they were. README.md
says what is written where. Exit status 77: skipped, no JVM here.
"""
import re
import signal
import sys
import time

from broker import SKIPPED, Broker, Clients, check, find_classpath, print_tail
from broker_directory import OurSide
from broker_story import JavaSide, Model, Transaction
from command import run_test

SEGMENTS = {"segment.bytes": 16384, "index.interval.bytes": 256}
COMPACTED = {"cleanup.policy": "compact", "segment.bytes": 4096, "index.interval.bytes": 256,
             "min.cleanable.dirty.ratio": "0.01"}
TOPICS = {"plain": SEGMENTS, "idempotent": SEGMENTS, "transactions": SEGMENTS,
          "compressed": SEGMENTS, "compacted": COMPACTED, "hanging": SEGMENTS, "mixed": SEGMENTS}
INTERNAL_TOPICS = 2     # of transactions and of groups, a partition each
CODECS = ["gzip", "snappy", "lz4", "zstd"]
# Ids no broker of this test comes to: it gives them out from 0 on.
OUR_IDEMPOTENT, OUR_TRANSACTIONAL, OUR_HANGING, OUR_MIXED = range(9_000_000, 9_000_004)
IN_FLIGHT = 4000        # records given to a producer whose broker is killed meanwhile
ACKNOWLEDGED_BEFORE_KILL = 200
# What a broker does not say of a directory that was closed cleanly and is sound. The metadata log
# has no clean end: every start recovers it.
COMPLAINT = re.compile(r" (WARN|ERROR|FATAL) |[Rr]ecovering |no clean shutdown file|Found invalid|"
                       r"[Cc]orrupt|unclean (shut|leader)|[Rr]ebuilding (index|time|offset)")
HARMLESS = re.compile(r"partition=__cluster_metadata-0|Performing controller activation")


class RoundTrip:
    def __init__(self, oncelog, folder, classpath):
        self.begin = time.monotonic()
        self.broker = Broker(classpath, folder)
        self.model = Model(TOPICS)
        self.clients = Clients(classpath, self.broker.bootstrap, folder)
        self.java = JavaSide(self.clients, self.model)
        self.ours = OurSide(oncelog, self.broker.data, self.model)
        self.in_flight = {}     # by topic: records given to a producer, not known to be stored
        self.acknowledged = {}  # of these, [offset, key, value] as the producer was told

    def step(self, what):
        print(f"{time.monotonic() - self.begin:6.1f} s  {what}", flush=True)

    def end(self):
        self.clients.end()
        self.broker.end()

    def start_again(self):
        """On a directory that was closed cleanly, and is sound, by the broker's own words."""
        self.broker.start()
        log = self.broker.log.read_text(errors="replace")
        complaints = [line for line in log.splitlines() if COMPLAINT.search(line)
                      and not HARMLESS.search(line)]
        check(not complaints, "the broker complains:", "\n".join(complaints))
        taken_for_clean = f"Skipping recovery of {len(TOPICS) + INTERNAL_TOPICS} logs"
        check(taken_for_clean in log, "the broker does not say:", taken_for_clean)

    # --- the first act: stopped ---

    def first_writes(self):
        self.java.open_producer("plain", enable_idempotence="false", acks="1")
        self.java.open_producer("alive", batch_size="100")
        self.java.open_producer("closed")
        for name in ("t1", "t2", "t3"):
            self.java.open_transactional(name)
        for topic in ("plain", "mixed", "hanging"):
            self.java.send("plain", topic, 40)
        for _ in range(10):
            self.java.send("alive", "idempotent", 40)
            self.java.send("closed", "idempotent", 10)
        self.clients.ok("end", producer="closed")
        self.write_transactions()
        for codec in CODECS:
            self.java.open_producer(codec, compression_type=codec, linger_ms="50")
            self.java.send(codec, "compressed", 100, width=100)
        self.write_keys()
        self.clients.ok("commit_offset", group="billing", topic="plain", offset=17)

    def write_transactions(self):
        for outcome in ("commit", "abort", "commit"):
            with self.java.transaction("t1", outcome) as first:
                with self.java.transaction("t2", "abort") as second:
                    self.java.send("t1", "transactions", 20, first)
                    self.java.send("t2", "transactions", 20, second)
                self.java.send("t1", "transactions", 20, first)
                self.java.send("t1", "mixed", 5, first)
        with self.java.transaction("t3", "open") as self.left_open:
            self.java.send("t3", "transactions", 10, self.left_open)
        with self.java.transaction("t1") as behind:
            self.java.send("t1", "transactions", 10, behind)

    def write_keys(self):
        self.java.open_producer("keys", batch_size="200")
        self.java.open_transactional("t_keys")
        for outcome in ("commit", "abort", "commit"):
            self.java.send("keys", "compacted", 100, keys=10)
            with self.java.transaction("t_keys", outcome) as transaction:
                self.java.send("t_keys", "compacted", 20, transaction, keys=12)
        checkpoint = self.broker.data / "cleaner-offset-checkpoint"
        end = time.monotonic() + 60
        while "compacted 0" not in checkpoint.read_text():
            check(time.monotonic() < end, "the broker's cleaner has done nothing")
            time.sleep(0.1)

    def go_on_after_stop(self):
        self.ours.produce("plain", 50, "--not-idempotent")
        self.retry_and_go_on()
        self.ours.produce("idempotent", 100, "--append", "--producer-id", OUR_IDEMPOTENT, "--codec",
                          "zstd", "--batch-records", 7)
        with self.ours.leading("transactions") as shell:
            for epoch, outcome in enumerate(("commit", "abort", "commit")):
                self.ours.lead_transaction(shell, "transactions", OUR_TRANSACTIONAL, epoch, outcome)
        with self.ours.leading("hanging") as shell:
            self.ours_open = Transaction()
            self.ours.append(shell, "hanging", 5, OUR_HANGING, transaction=self.ours_open)
            self.ours.append(shell, "hanging", 5, OUR_IDEMPOTENT)
        aborted = self.ours.produce("mixed", 100, "--append", "--producer-id", OUR_MIXED,
                                    "--txn-every", 10, "--abort-every", 3, "--batch-records", 4)
        check(aborted > 0, "oncelog produce has aborted nothing")
        for number, codec in enumerate(CODECS):
            with self.ours.leading("compressed") as shell:
                self.ours.append(shell, "compressed", 20, OUR_IDEMPOTENT, seq=20 * number,
                                 codec=codec)
        self.compact_keys(OUR_IDEMPOTENT)

    def retry_and_go_on(self):
        """As the producer that was closed: its last batch again, a gap, then what comes next."""
        value = next(record[2] for record in reversed(self.model["idempotent"].records)
                     if record[2].startswith("closed"))
        batches = self.ours.dump("idempotent")
        last = next(batch for batch in reversed(batches)
                    if any(record["value"] == value for record in batch["records"]))
        count = len(last["records"])
        pid, epoch, seq = last["pid"], last["epoch"], last["seq"]
        with self.ours.leading("idempotent") as shell:
            records = [{"v": record["value"]} for record in last["records"]]
            answer = shell.ok("append", pid=pid, epoch=epoch, seq=seq, records=records)
            check(answer["duplicate"] and answer["base"] == last["base"], "a retry:", answer)
            shell.refused("OUT_OF_ORDER_SEQUENCE_NUMBER", "append", pid=pid, epoch=epoch,
                          seq=seq + count + 1, n=1)
            self.ours.append(shell, "idempotent", 10, pid, epoch, seq + count)

    def compact_keys(self, pid):
        with self.ours.leading("compacted", config=COMPACTED) as shell:
            for batch in range(20):
                self.ours.append(shell, "compacted", 10, pid, seq=10 * batch, keys=8)
            shell.ok("roll")
            answer = shell.ok("compact")
            check(answer["compacted"], "there was nothing to compact:", answer)
            self.ours.append(shell, "compacted", 10, pid, seq=200, keys=4)

    def go_on_with_broker(self):
        """The producers have outlived the broker's stop, and t3 its open transaction."""
        self.java.send("plain", "plain", 20)
        self.java.send("alive", "idempotent", 40)
        self.java.end_transaction("t3", self.left_open, "commit")
        for outcome in ("commit", "abort"):
            with self.java.transaction("t1", outcome) as transaction:
                self.java.send("t1", "transactions", 20, transaction)
                self.java.send("t1", "mixed", 5, transaction)
        for codec in CODECS:
            self.java.send(codec, "compressed", 20, width=100)
        self.java.send("keys", "compacted", 50, keys=9)
        self.java.send("plain", "hanging", 5)

    # --- the second act: killed ---

    def write_until_killed(self):
        """Acknowledged, in flight and not sent yet; t1, t2 and t3 with open transactions."""
        with self.java.transaction("t2", "open") as self.to_abort:
            self.java.send("t2", "transactions", 10, self.to_abort)
        with self.java.transaction("t3", "open") as self.left_open:
            self.java.send("t3", "transactions", 10, self.left_open)
        with self.java.transaction("t1", "open") as self.cut:
            self.java.send("t1", "transactions", 10, self.cut)
        for name, topic in (("t1", "transactions"), ("alive", "idempotent")):
            self.in_flight[topic] = self.java.send(name, topic, IN_FLIGHT, wait=False)
        self.acknowledged = {"transactions": [], "idempotent": []}
        end = time.monotonic() + 60
        while any(len(seen) < ACKNOWLEDGED_BEFORE_KILL for seen in self.acknowledged.values()):
            check(time.monotonic() < end, "the broker does not acknowledge")
            self.take_acknowledged()
        self.broker.kill()
        self.take_acknowledged()

    def take_acknowledged(self):
        for name, topic in (("t1", "transactions"), ("alive", "idempotent")):
            answer = self.clients.ok("acknowledged", producer=name)
            self.acknowledged[topic] += answer["acknowledged"]

    def take_stored(self, shell, topic, transaction=None):
        """Of what was in flight, what the killed broker has stored: the first of it, with all that
        was acknowledged. The producer sends the rest again."""
        check(shell.opened["recovered"], "a killed broker's partition was taken for closed")
        consumed = shell.ok("consume", isolation="uncommitted", **{"from": 0})["records"]
        stored = consumed[len(self.model[topic].records):]
        sent, acknowledged = self.in_flight[topic], self.acknowledged[topic]
        check([record[1:] for record in stored] == sent[:len(stored)], topic, "holds", stored)
        check(stored[:len(acknowledged)] == acknowledged, topic, "has lost acknowledged records")
        check(len(stored) < len(sent), topic, "was all stored before the kill")
        print(f"          {topic}: {len(acknowledged)} acknowledged, {len(stored)} stored of "
              f"{len(sent)}", flush=True)
        for offset, key, value in stored:
            self.model[topic].add(key, value, transaction, offset)
        self.in_flight[topic] = sent[len(stored):]

    def go_on_after_kill(self):
        with self.ours.leading("transactions") as shell:
            self.take_stored(shell, "transactions", self.cut)
            first = self.model["transactions"].first_offset_of(self.to_abort)
            abandoned = [producer for producer in shell.ok("producers")["producers"]
                         if producer["txn_first"] == first]
            check(len(abandoned) == 1, "whose transaction is to be aborted?", abandoned)
            shell.ok("marker", pid=abandoned[0]["pid"], epoch=abandoned[0]["epoch"], type="abort",
                     coordinator_epoch=abandoned[0]["coordinator_epoch"])
            self.to_abort.end("abort")
            self.ours.lead_transaction(shell, "transactions", OUR_TRANSACTIONAL, 3, "commit")
        with self.ours.leading("hanging") as shell:
            shell.ok("marker", pid=OUR_HANGING, epoch=0, type="commit")
            self.ours_open.end("commit")
        with self.ours.leading("idempotent") as shell:
            self.take_stored(shell, "idempotent")
        self.ours.produce("idempotent", 100, "--append", "--producer-id", OUR_IDEMPOTENT, "--codec",
                          "lz4", "--batch-records", 7)
        self.ours.recover_all()

    def settle(self):
        """What was in flight is acknowledged now: where it had been stored, or behind ours."""
        for name, topic, transaction in (("t1", "transactions", self.cut),
                                         ("alive", "idempotent", None)):
            self.acknowledged[topic] += self.clients.ok("settle", producer=name)["acknowledged"]
            for key, value in self.in_flight[topic]:
                self.model[topic].add(key, value, transaction)
            stored = {record[2]: record[0] for record in self.model[topic].records}
            for offset, _, value in self.acknowledged[topic]:
                check(stored[value] in (None, offset), topic, value, "was acknowledged at", offset,
                      "and is at", stored[value])

    def go_on_after_all(self):
        self.java.end_transaction("t1", self.cut, "commit")
        self.java.check_consumers("transactions")
        self.java.end_transaction("t3", self.left_open, "commit")
        self.clients.ok("abort", producer="t2")
        for name in ("t1", "t2", "t3"):
            with self.java.transaction(name) as transaction:
                self.java.send(name, "transactions", 10, transaction)
        self.java.send("alive", "idempotent", 40)

    def check_group(self):
        answer = self.clients.ok("committed_offset", group="billing", topic="plain")
        check(answer["offset"] == 17, "the group stands at", answer)


def round_trip(trip):
    trip.step("format")
    trip.broker.format()
    trip.step("start")
    trip.broker.start()
    for topic, config in TOPICS.items():
        trip.clients.ok("create", topic=topic, config=config)
    trip.step("Java clients write")
    trip.first_writes()
    trip.java.check_consumers()
    trip.step("stop")
    trip.broker.stop()
    trip.step("look")
    trip.ours.look()
    trip.step("go on as leader")
    trip.go_on_after_stop()
    trip.ours.hand_back()
    trip.step("start")
    trip.start_again()
    trip.step("Java clients read")
    trip.java.check_producers(trip.ours.producers)
    trip.java.check_consumers()
    trip.check_group()
    trip.step("Java clients go on")
    trip.go_on_with_broker()
    trip.java.check_consumers()
    trip.step("Java clients write, kill -9")
    trip.write_until_killed()
    trip.step("look")
    trip.ours.look({"transactions": (trip.in_flight["transactions"], True),
                    "idempotent": (trip.in_flight["idempotent"], False)})
    trip.step("go on as leader")
    trip.go_on_after_kill()
    trip.ours.hand_back()
    trip.step("start")
    trip.start_again()
    trip.step("Java clients go on, and read")
    trip.settle()
    trip.check_group()
    trip.java.check_consumers()
    trip.go_on_after_all()
    trip.java.check_consumers()
    trip.step("stop")
    trip.broker.stop()
    trip.ours.look()
    trip.step("done")


def test(oncelog, folder):
    classpath = find_classpath()
    if classpath is None:
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    trip = RoundTrip(oncelog, folder, classpath)
    try:
        round_trip(trip)
    except BaseException:
        print_tail(trip.broker.log)
        print_tail(trip.clients.log)
        raise
    finally:
        trip.end()
    return 0


run_test(test)
