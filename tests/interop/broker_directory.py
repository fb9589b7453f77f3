"""A broker's data directory in our hands: looked at, gone on in as leader, handed back."""
import contextlib
import hashlib
import time

from broker import check
from broker_story import Transaction
from command import Shell, run, run_json


def is_foreign(name):
    """Files that are the broker's alone; partition.metadata has the topic's id."""
    return (name.parts[0] == "__cluster_metadata-0"
            or name.name in ("meta.properties", "bootstrap.checkpoint", "partition.metadata"))


def in_flight_of(in_flight, topic, isolation):
    """What may lie behind all that is known; None: nothing may. `in_flight` has, by topic, the
    records and whether they are in a transaction."""
    if in_flight is None:
        return None
    records, is_transactional = in_flight.get(topic, ([], False))
    return [] if is_transactional and isolation == "read_committed" else records


class OurSide:
    """The oncelog command on the directory, and the model of what it has written."""

    def __init__(self, oncelog, data, model):
        self.oncelog = oncelog
        self.data = data
        self.model = model
        self.producers = {}
        self.foreign = {}

    def cli(self, *arguments, **given):
        return run(self.oncelog, *arguments, **given)

    def partitions(self):
        return sorted(path.name for path in self.data.iterdir() if path.is_dir())

    def digests(self, is_wanted=lambda name: True):
        names = [path.relative_to(self.data) for path in self.data.rglob("*") if path.is_file()]
        return {str(name): hashlib.sha256((self.data / name).read_bytes()).hexdigest()
                for name in sorted(names) if is_wanted(name)}

    def look(self, in_flight=None):
        """Looking changes nothing, finds nothing wrong, and shows what the consumers saw."""
        before = self.digests()
        for partition in self.partitions():
            self.check_sound(partition)
        self.producers = {topic: self.read_producers(topic) for topic in self.model.logs}
        for topic in self.model.logs:
            for isolation in ("read_committed", "read_uncommitted"):
                records = self.consume(topic, isolation)
                self.model[topic].check_read(isolation, records, "oncelog consume",
                                             in_flight_of(in_flight, topic, isolation))
        check(self.digests() == before, "looking changed the directory")
        self.foreign = self.digests(is_foreign)

    def check_sound(self, partition):
        """Each of these exits with 1 on damage, or where files contradict each other."""
        for command in ("dump", "verify", "epochs", "aborted"):
            self.cli(command, self.data, partition)

    def dump(self, topic):
        return run_json(self.oncelog, "dump", self.data, f"{topic}-0", "--records", "--json")

    def read_producers(self, topic):
        rows = run_json(self.oncelog, "producers", self.data, f"{topic}-0", "--json")
        wanted = ("pid", "epoch", "last_seq", "txn_first")
        return {row["pid"]: {name: row[name] for name in wanted} for row in rows}

    def consume(self, topic, isolation):
        rows = run_json(self.oncelog, "consume", self.data, f"{topic}-0", "--isolation", isolation,
                        "--format", "json")
        return [[row["offset"], row["key"], row["value"]] for row in rows]

    @contextlib.contextmanager
    def leading(self, topic, **options):
        """A shell on the partition, as the leader that goes on in it, at the present time."""
        shell = Shell(self.oncelog, self.data)
        try:
            # Else all that is written now would be due for deletion by the broker's clock.
            shell.ok("clock", set=int(time.time() * 1000))
            shell.opened = shell.ok("open", partition=f"{topic}-0", high_watermark="log_end",
                                    **options)
            yield shell
            shell.end()
        finally:
            shell.kill()

    def append(self, shell, topic, count, pid, epoch=0, seq=0, transaction=None, keys=None,
               codec="none"):
        log = self.model[topic]
        records = [{"k": f"k{number % keys}" if keys else None, "v": f"ours-{log.next_number()}"}
                   for number in range(count)]
        answer = shell.ok("append", pid=pid, epoch=epoch, seq=seq, txn=transaction is not None,
                          codec=codec, records=records)
        check(answer["duplicate"] is False, "a new batch is a duplicate:", answer)
        for place, record in enumerate(records):
            log.add(record["k"], record["v"], transaction, answer["base"] + place)

    def produce(self, topic, count, *options):
        """`oncelog produce` of new lines. Those it aborts on purpose it sends again."""
        log = self.model[topic]
        lines = [f"produced-{log.next_number()}" for _ in range(count)]
        text = "".join(line + "\n" for line in lines).encode()
        self.cli("produce", self.data, f"{topic}-0", *options, given=text)
        stored = self.consume(topic, "read_uncommitted")[len(log.records):]
        committed = {record[0] for record in self.consume(topic, "read_committed")}
        for offset, key, value in stored:
            transaction = None if offset in committed else Transaction()
            if transaction:
                transaction.end("abort")
            log.add(key, value, transaction, offset)
        kept = [value for offset, _, value in stored if offset in committed]
        check(kept == lines, topic, "has", kept, "instead of", lines)
        return len(stored) - len(kept)

    def recover_all(self):
        """The broker's own partitions, too: else there is no clean end behind a kill."""
        self.cli("export-snapshots", self.data)

    def hand_back(self):
        """All partitions are closed for Kafka, and what is not ours is as it was."""
        check((self.data / ".kafka_cleanshutdown").exists(), "no clean marker for the broker")
        for partition in self.partitions():
            self.check_sound(partition)
        self.producers = {topic: self.read_producers(topic) for topic in self.model.logs}
        check(self.digests(is_foreign) == self.foreign, "files that are the broker's were changed")

    def lead_transaction(self, shell, topic, pid, epoch, outcome):
        transaction = Transaction()
        self.append(shell, topic, 5, pid, epoch, 0, transaction)
        self.append(shell, topic, 5, pid, epoch, 5, transaction)
        shell.ok("marker", pid=pid, epoch=epoch, type=outcome)
        transaction.end(outcome)
