package org.oncelog.interop;

import java.nio.ByteBuffer;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.DefaultRecordBatch;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.record.TimestampType;

/**
 * The client's side of one producer: numbers its batches, or leaves them without (see {@link
 * #plain}).
 */
final class Producer {
  private static final int BUFFER_BYTES = 4096; // grows when needed

  private final long id;
  private short epoch;
  private int nextSequence;

  Producer(long id) {
    this(id, (short) 0, 0);
  }

  Producer(long id, short epoch, int nextSequence) {
    this.id = id;
    this.epoch = epoch;
    this.nextSequence = nextSequence;
  }

  long id() {
    return id;
  }

  void bumpEpoch() {
    epoch++;
    nextSequence = 0;
  }

  MemoryRecords batch(SimpleRecord... records) {
    return batch(Compression.NONE, false, records);
  }

  MemoryRecords inTransaction(SimpleRecord... records) {
    return batch(Compression.NONE, true, records);
  }

  MemoryRecords batch(Compression codec, boolean transactional, SimpleRecord... records) {
    MemoryRecords batch = build(codec, id, epoch, nextSequence, transactional, records);
    nextSequence = DefaultRecordBatch.incrementSequence(nextSequence, records.length);
    return batch;
  }

  /** A batch of a producer that asks for no idempotence. */
  static MemoryRecords plain(Compression codec, SimpleRecord... records) {
    return build(
        codec,
        RecordBatch.NO_PRODUCER_ID,
        RecordBatch.NO_PRODUCER_EPOCH,
        RecordBatch.NO_SEQUENCE,
        false,
        records);
  }

  /** What the transaction coordinator writes to end the transaction of this producer. */
  MemoryRecords marker(ControlRecordType type, int coordinatorEpoch, long timestamp) {
    return MemoryRecords.withEndTransactionMarker(
        timestamp, id, epoch, new EndTransactionMarker(type, coordinatorEpoch));
  }

  private static MemoryRecords build(
      Compression codec,
      long id,
      short epoch,
      int sequence,
      boolean transactional,
      SimpleRecord... records) {
    try (MemoryRecordsBuilder builder =
        MemoryRecords.builder(
            ByteBuffer.allocate(BUFFER_BYTES),
            RecordBatch.CURRENT_MAGIC_VALUE,
            codec,
            TimestampType.CREATE_TIME,
            0L,
            RecordBatch.NO_TIMESTAMP,
            id,
            epoch,
            sequence,
            transactional,
            RecordBatch.NO_PARTITION_LEADER_EPOCH)) {
      for (SimpleRecord record : records) {
        builder.append(record);
      }
      return builder.build();
    }
  }
}
