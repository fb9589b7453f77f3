"""What the topics of broker_round_trip.py must hold: told record by record, as they are written;
and the Java clients' side of the writing."""
import contextlib

from broker import check


class Transaction:
    def __init__(self):
        self.state = "open"

    def end(self, outcome):
        self.state = outcome


class Log:
    """One partition. Records are kept in the order of the log: [offset or None, key, value]."""

    def __init__(self, topic, is_compacted):
        self.topic = topic
        self.is_compacted = is_compacted
        self.records = []
        self.transactions = []
        self.count = 0

    def next_number(self):
        self.count += 1
        return self.count

    def add(self, key, value, transaction=None, offset=None):
        self.records.append([offset, key, value])
        self.transactions.append(transaction)

    def first_offset_of(self, transaction):
        return next(record[0] for record, its in zip(self.records, self.transactions)
                    if its is transaction)

    def visible(self, isolation):
        """Up to the first open transaction, without aborted ones; or all."""
        seen = []
        for record, transaction in zip(self.records, self.transactions):
            state = "commit" if transaction is None else transaction.state
            if isolation == "read_committed" and state == "open":
                break
            if isolation == "read_uncommitted" or state == "commit":
                seen.append(record)
        return seen

    def check_read(self, isolation, records, reader, in_flight=None):
        """`in_flight`: of a killed broker, what may lie behind all that is known. The reader may
        stop before the end, at a high watermark that is older."""
        wanted = self.visible(isolation)
        if in_flight is not None and not self.is_compacted:
            wanted += [[None, key, value] for key, value in in_flight]
            wanted = wanted[:len(records)]
        where = f"{self.topic}, {isolation}, {reader}:"
        offsets = [record[0] for record in records]
        check(offsets == sorted(set(offsets)), where, "offsets do not ascend")
        if self.is_compacted:
            is_complete = isolation == "read_committed" and in_flight is None
            check_compacted(wanted, records, where, is_complete)
            return
        check(len(records) == len(wanted), where, len(records), "records instead of", len(wanted))
        for seen, record in zip(records, wanted):
            is_right = seen[1:] == record[1:] and record[0] in (None, seen[0])
            check(is_right, where, seen, "instead of", record)


class Model:
    def __init__(self, topics):
        self.logs = {name: Log(name, "cleanup.policy" in config)
                     for name, config in topics.items()}

    def __getitem__(self, topic):
        return self.logs[topic]


def check_compacted(wanted, records, where, is_complete):
    """Only what was written, where it was written, and the newest of each key; where aborted
    records are read, too, these may hide it or be gone."""
    written = {record[0]: record for record in wanted}
    for record in records:
        check(written.get(record[0]) == record, where, record, "was not written there")
    if not is_complete:
        return
    newest = {record[1]: record for record in wanted}
    seen = {record[1]: record for record in records}
    check(seen == newest, where, "the newest of the keys are", seen, "instead of", newest)


class JavaSide:
    """Kafka's clients, and the model of what they have written."""

    def __init__(self, clients, model):
        self.clients = clients
        self.model = model

    def open_producer(self, name, **config):
        config = {key.replace("_", "."): value for key, value in config.items()}
        self.clients.ok("producer", producer=name, config=config)

    def open_transactional(self, name):
        # No transaction times out while the broker is away, or slow.
        self.open_producer(name, transactional_id=name, transaction_timeout_ms="900000",
                           batch_size="100")

    def send(self, name, topic, count, transaction=None, keys=None, wait=True, width=0):
        """New records, each told apart by its value; answers those that were given to it."""
        log = self.model[topic]
        records = []
        for number in range(count):
            key = None if keys is None else f"k{number % keys}"
            value = f"{name}-{log.next_number()}".ljust(width, ".")
            records.append([key, value])
        answer = self.clients.ok("send", producer=name, topic=topic, records=records, wait=wait)
        if wait:
            acknowledged = answer["acknowledged"]
            check([record[1:] for record in acknowledged] == records, "acknowledged:", answer)
            for offset, key, value in acknowledged:
                log.add(key, value, transaction, offset)
        return records

    @contextlib.contextmanager
    def transaction(self, name, outcome="commit"):
        """What is sent within is committed, aborted, or left open."""
        transaction = Transaction()
        self.clients.ok("begin", producer=name)
        yield transaction
        if outcome != "open":
            self.end_transaction(name, transaction, outcome)

    def end_transaction(self, name, transaction, outcome):
        self.clients.ok(outcome, producer=name)
        transaction.end(outcome)

    def check_consumers(self, *topics):
        for topic in topics or self.model.logs:
            log = self.model[topic]
            for isolation in ("read_committed", "read_uncommitted"):
                records = self.clients.ok("read", topic=topic, isolation=isolation)["records"]
                log.check_read(isolation, records, "a Java consumer")

    def check_producers(self, producers):
        """What the broker knows of producers is what we have read from its files."""
        for topic, ours in producers.items():
            answer = self.clients.ok("producer_states", topic=topic)["producers"]
            theirs = {state["pid"]: state for state in answer}
            check(theirs == ours, topic, "has", ours, "and for the broker", theirs)
