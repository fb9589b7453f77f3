package org.oncelog.interop;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import kafka.log.UnifiedLog;
import org.apache.kafka.clients.consumer.internals.OfflineConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.message.FetchResponseData.AbortedTransaction;
import org.apache.kafka.common.message.FetchResponseData.PartitionData;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.FileRecords;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.Records;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.storage.internals.log.AbortedTxn;
import org.apache.kafka.storage.internals.log.FetchDataInfo;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.ProducerStateEntry;

/** Asks one open log everything that a {@link LogReport} holds. */
final class LogReader {
  static final String MADE_BY = "Apache Kafka " + AppInfoParser.getVersion();

  private static final int FETCH_BYTES = 1024 * 1024;

  /** A control batch that compaction has emptied says no more what it was. */
  private static final int NO_CONTROL_RECORD = -1;

  private final UnifiedLog log;
  private final SortedSet<LogReport.Aborted> aborted =
      new TreeSet<>(
          Comparator.comparingLong(LogReport.Aborted::first).thenComparing(LogReport.Aborted::pid));

  private LogReader(UnifiedLog log) {
    this.log = log;
  }

  static LogReport read(UnifiedLog log, boolean foundClean, String how) throws IOException {
    return new LogReader(log).report(foundClean, how);
  }

  private LogReport report(boolean foundClean, String how) throws IOException {
    List<LogReport.Row> committed = consume(IsolationLevel.READ_COMMITTED, FETCH_BYTES);
    if (!committed.equals(consume(IsolationLevel.READ_COMMITTED, 1))) {
      throw new IllegalStateException("a consumer's records depend on the size of its fetches");
    }
    return new LogReport(
        MADE_BY,
        how,
        log.topicPartition().toString(),
        foundClean,
        log.logStartOffset(),
        log.highWatermark(),
        log.lastStableOffset(),
        log.logEndOffset(),
        log.logSegments().stream().map(LogSegment::baseOffset).toList(),
        batches(),
        consume(IsolationLevel.READ_UNCOMMITTED, FETCH_BYTES),
        committed,
        List.copyOf(aborted),
        abortedIndex(),
        producers(),
        log.leaderEpochCache().epochEntries().stream()
            .map(entry -> new LogReport.Epoch(entry.epoch, entry.startOffset))
            .toList());
  }

  private List<LogReport.Batch> batches() {
    List<LogReport.Batch> batches = new ArrayList<>();
    for (LogSegment segment : log.logSegments()) {
      segment.log().batches().forEach(batch -> batches.add(describe(batch)));
    }
    return batches;
  }

  private static LogReport.Batch describe(RecordBatch batch) {
    return new LogReport.Batch(
        batch.baseOffset(),
        batch.lastOffset(),
        batch.producerId(),
        batch.producerEpoch(),
        batch.baseSequence(),
        batch.countOrNull(),
        batch.isTransactional(),
        control(batch),
        batch.partitionLeaderEpoch(),
        batch.compressionType().name);
  }

  private static Object control(RecordBatch batch) {
    if (!batch.isControlBatch()) {
      return null;
    }
    var records = batch.iterator();
    if (!records.hasNext()) {
      return NO_CONTROL_RECORD;
    }
    Record record = records.next();
    short type = ControlRecordType.parseTypeId(record.key());
    return switch (ControlRecordType.fromTypeId(type)) {
      case COMMIT -> "commit";
      case ABORT -> "abort";
      default -> (int) type;
    };
  }

  /**
   * All that a consumer gets that starts at the log start and stops when a fetch gives nothing new.
   */
  private List<LogReport.Row> consume(IsolationLevel isolation, int fetchBytes) throws IOException {
    OfflineConsumer consumer = new OfflineConsumer(log.topicPartition(), isolation);
    List<LogReport.Row> rows = new ArrayList<>();
    long position = log.logStartOffset();
    while (true) {
      OfflineConsumer.Fetched fetched =
          consumer.take(fetch(position, isolation, fetchBytes), position);
      fetched
          .records()
          .forEach(
              record -> rows.add(new LogReport.Row(record.offset(), record.key(), record.value())));
      if (fetched.position() == position) {
        return rows;
      }
      position = fetched.position();
    }
  }

  /** A broker's answer to a fetch request of this isolation. */
  private PartitionData fetch(long position, IsolationLevel isolation, int maxBytes)
      throws IOException {
    FetchIsolation bound =
        isolation == IsolationLevel.READ_COMMITTED
            ? FetchIsolation.TXN_COMMITTED
            : FetchIsolation.HIGH_WATERMARK;
    FetchDataInfo answer = log.read(position, maxBytes, bound, true);
    List<AbortedTransaction> transactions = answer.abortedTransactions.orElse(null);
    if (transactions != null) {
      collect(transactions);
    }
    return new PartitionData()
        .setHighWatermark(log.highWatermark())
        .setLastStableOffset(log.lastStableOffset())
        .setLogStartOffset(log.logStartOffset())
        .setAbortedTransactions(transactions)
        .setRecords(asReceived(answer.records));
  }

  /**
   * Kafka names transactions up to the next entry of its offset index, so how far beyond the last
   * stable offset it goes depends on how sparse that index is; no consumer gets there, and no two
   * engines need agree there.
   */
  private void collect(List<AbortedTransaction> transactions) {
    transactions.stream()
        .filter(one -> one.firstOffset() < log.lastStableOffset())
        .forEach(one -> aborted.add(new LogReport.Aborted(one.producerId(), one.firstOffset())));
  }

  /** What crosses the wire is bytes: the last batch may be cut by the limit of the fetch. */
  private static MemoryRecords asReceived(Records records) throws IOException {
    if (records instanceof MemoryRecords inMemory) {
      return inMemory;
    }
    ByteBuffer bytes = ByteBuffer.allocate(records.sizeInBytes());
    ((FileRecords) records).readInto(bytes, 0);
    return MemoryRecords.readableRecords(bytes);
  }

  private List<LogReport.AbortedEntry> abortedIndex() {
    List<LogReport.AbortedEntry> entries = new ArrayList<>();
    for (LogSegment segment : log.logSegments()) {
      for (AbortedTxn txn : segment.txnIndex().allAbortedTxns()) {
        entries.add(
            new LogReport.AbortedEntry(
                segment.baseOffset(),
                txn.producerId(),
                txn.firstOffset(),
                txn.lastOffset(),
                txn.lastStableOffset()));
      }
    }
    return entries;
  }

  private List<LogReport.Producer> producers() {
    return log.producerStateManager().activeProducers().values().stream()
        .sorted(Comparator.comparingLong(ProducerStateEntry::producerId))
        .map(LogReader::describe)
        .toList();
  }

  private static LogReport.Producer describe(ProducerStateEntry entry) {
    var txnFirst = entry.currentTxnFirstOffset();
    return new LogReport.Producer(
        entry.producerId(),
        entry.producerEpoch(),
        entry.lastSeq(),
        entry.lastDataOffset(),
        entry.coordinatorEpoch(),
        txnFirst.isPresent() ? txnFirst.getAsLong() : null,
        entry.lastTimestamp());
  }
}
