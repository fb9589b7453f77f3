package org.oncelog.interop;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import kafka.log.UnifiedLog;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.record.DefaultRecordBatch;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.storage.internals.log.LogAppendInfo;
import org.apache.kafka.storage.internals.log.ProducerStateEntry;

/**
 * Goes on where every producer stopped: Kafka must answer a retry of the last batch with its
 * offset, refuse a gap, and store what comes next, inside the open transaction if there is one.
 */
final class ProducerContinuation {
  private final UnifiedLog log;
  private final Leader leader;

  ProducerContinuation(UnifiedLog log, FixedTime time) {
    this.log = log;
    leader = new Leader(log, time);
  }

  /** Returns how many producers went on. */
  int run() {
    List<ProducerStateEntry> waiting =
        log.producerStateManager().activeProducers().values().stream()
            .filter(entry -> entry.lastSeq() != RecordBatch.NO_SEQUENCE)
            .sorted(Comparator.comparingLong(ProducerStateEntry::producerId))
            .toList();
    waiting.forEach(this::goOn);
    return waiting.size();
  }

  private void goOn(ProducerStateEntry entry) {
    int last = entry.lastSeq();
    long end = log.logEndOffset();

    long lastBatch = entry.lastDataOffset() - entry.lastOffsetDelta();
    LogAppendInfo retried = append(entry, entry.firstSeq(), entry.lastOffsetDelta() + 1);
    check(
        retried.firstOffset() == lastBatch && log.logEndOffset() == end,
        entry,
        "stored a retry again");

    try {
      append(entry, DefaultRecordBatch.incrementSequence(last, 2), 1);
      check(false, entry, "took a sequence behind a gap");
    } catch (OutOfOrderSequenceException expected) {
      check(log.logEndOffset() == end, entry, "stored what it refused");
    }

    LogAppendInfo next = append(entry, DefaultRecordBatch.incrementSequence(last, 1), 1);
    check(next.firstOffset() == end, entry, "took the next sequence for one it had stored before");
  }

  private LogAppendInfo append(ProducerStateEntry entry, int sequence, int count) {
    Producer producer = new Producer(entry.producerId(), entry.producerEpoch(), sequence);
    SimpleRecord[] records = new SimpleRecord[count];
    Arrays.fill(records, leader.record("continue", Long.toString(producer.id())));
    boolean inTransaction = entry.currentTxnFirstOffset().isPresent();
    return leader.append(inTransaction ? producer.inTransaction(records) : producer.batch(records));
  }

  private static void check(boolean holds, ProducerStateEntry entry, String complaint) {
    if (!holds) {
      throw new IllegalStateException("producer " + entry.producerId() + ": Kafka " + complaint);
    }
  }
}
