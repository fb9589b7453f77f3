package org.oncelog.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.clients.consumer.internals.OfflineConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.message.FetchResponseData.AbortedTransaction;
import org.apache.kafka.common.message.FetchResponseData.PartitionData;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.FileRecords;
import org.apache.kafka.common.record.FileRecords.TimestampAndOffset;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.Records;
import org.apache.kafka.common.requests.ListOffsetsRequest;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.storage.internals.log.AbortedTxn;
import org.apache.kafka.storage.internals.log.EpochEntry;
import org.apache.kafka.storage.internals.log.FetchDataInfo;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.ProducerStateEntry;

/** The requests that only look. */
final class ShellReads {
  private static final int FETCH_BYTES = 1 << 20;
  private static final int UNDEFINED = -1;

  private final KafkaPartition partition;

  ShellReads(KafkaPartition partition) {
    this.partition = partition;
  }

  /** False: that is none of these requests. */
  boolean answer(String op, JsonNode request, ObjectNode answer) throws IOException {
    switch (op) {
      case "state" -> putState(partition, answer);
      case "read" -> read(request, answer);
      case "consume" -> consume(request, answer);
      case "list_offsets" -> listOffsets(request, answer);
      case "producers" -> producers(answer.putArray("producers"));
      case "epochs" -> epochs(answer.putArray("epochs"));
      case "epoch_end" -> epochEnd(request.get("epoch").asInt(), answer);
      case "aborted_index" -> abortedIndex(answer.putArray("entries"));
      case "batches" -> batches(answer.putArray("batches"));
      case "records" -> records(answer.putArray("records"));
      default -> {
        return false;
      }
    }
    return true;
  }

  static void putState(KafkaPartition partition, ObjectNode answer) {
    answer
        .put("log_start", partition.logStart())
        .put("lso", partition.lastStableOffset())
        .put("hw", partition.highWatermark())
        .put("end", partition.end());
    ArrayNode segments = answer.putArray("segments");
    partition.segments().forEach(segment -> segments.add(segment.baseOffset()));
  }

  private static FetchIsolation isolation(JsonNode request, String fallback) {
    return switch (request.path("isolation").asText(fallback)) {
      case "committed" -> FetchIsolation.TXN_COMMITTED;
      case "replica" -> FetchIsolation.LOG_END;
      default -> FetchIsolation.HIGH_WATERMARK;
    };
  }

  private static int bytesMax(JsonNode request) {
    return (int) Math.min(Integer.MAX_VALUE, request.path("max_bytes").asLong(FETCH_BYTES));
  }

  private void read(JsonNode request, ObjectNode answer) throws IOException {
    FetchDataInfo fetched =
        partition.read(
            request.get("from").asLong(),
            bytesMax(request),
            isolation(request, "uncommitted"),
            request.path("min_one").asBoolean(true));
    ArrayNode batches = answer.putArray("batches");
    asReceived(fetched.records).batches().forEach(batch -> describe(batch, batches.addObject()));
    if (fetched.abortedTransactions.isEmpty()) {
      answer.putNull("aborted");
    } else {
      ArrayNode aborted = answer.putArray("aborted");
      fetched
          .abortedTransactions
          .get()
          .forEach(
              one ->
                  aborted
                      .addObject()
                      .put("pid", one.producerId())
                      .put("first", one.firstOffset()));
    }
    answer
        .put("hw", partition.highWatermark())
        .put("lso", partition.lastStableOffset())
        .put("log_start", partition.logStart());
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

  private static void describe(RecordBatch batch, ObjectNode answer) {
    answer
        .put("base", batch.baseOffset())
        .put("last", batch.lastOffset())
        .put("pid", batch.producerId())
        .put("epoch", batch.producerEpoch())
        .put("seq", batch.baseSequence())
        .put("count", batch.countOrNull())
        .put("txn", batch.isTransactional())
        .put("leader_epoch", batch.partitionLeaderEpoch())
        .put("codec", batch.compressionType().name);
    if (!batch.isControlBatch()) {
      answer.putNull("control");
      return;
    }
    var records = batch.iterator();
    if (!records.hasNext()) {
      answer.putNull("control"); // compaction emptied it, and nothing tells what it was
      return;
    }
    Record record = records.next();
    short type = ControlRecordType.parseTypeId(record.key());
    switch (ControlRecordType.fromTypeId(type)) {
      case COMMIT -> answer.put("control", "commit");
      case ABORT -> answer.put("control", "abort");
      default -> answer.put("control", type);
    }
  }

  private void consume(JsonNode request, ObjectNode answer) throws IOException {
    FetchIsolation bound = isolation(request, "committed");
    OfflineConsumer consumer =
        new OfflineConsumer(
            partition.name(),
            bound == FetchIsolation.TXN_COMMITTED
                ? IsolationLevel.READ_COMMITTED
                : IsolationLevel.READ_UNCOMMITTED);
    ArrayNode rows = answer.putArray("records");
    long position = request.get("from").asLong();
    while (true) {
      PartitionData fetched = fetch(position, bytesMax(request), bound);
      OfflineConsumer.Fetched taken = consumer.take(fetched, position);
      taken
          .records()
          .forEach(row -> rows.addArray().add(row.offset()).add(row.key()).add(row.value()));
      if (taken.position() <= position) {
        break;
      }
      position = taken.position();
    }
    answer.put("position", position);
  }

  private PartitionData fetch(long position, int bytesMax, FetchIsolation bound)
      throws IOException {
    FetchDataInfo answer = partition.read(position, bytesMax, bound, true);
    List<AbortedTransaction> aborted = answer.abortedTransactions.orElse(null);
    return new PartitionData()
        .setHighWatermark(partition.highWatermark())
        .setLastStableOffset(partition.lastStableOffset())
        .setLogStartOffset(partition.logStart())
        .setAbortedTransactions(aborted)
        .setRecords(asReceived(answer.records));
  }

  /** As the leader of a partition answers, which hides from a client what it may not read yet. */
  private void listOffsets(JsonNode request, ObjectNode answer) {
    long bound =
        switch (isolation(request, "uncommitted")) {
          case TXN_COMMITTED -> partition.lastStableOffset();
          case HIGH_WATERMARK -> partition.highWatermark();
          case LOG_END -> partition.end();
        };
    long timestamp = request.get("timestamp").asLong();
    if (timestamp == ListOffsetsRequest.LATEST_TIMESTAMP) {
      answer.put("offset", bound).put("timestamp", UNDEFINED);
      return;
    }
    Optional<TimestampAndOffset> found = partition.findByTimestamp(timestamp);
    if (timestamp != ListOffsetsRequest.EARLIEST_TIMESTAMP) {
      found = found.filter(one -> one.offset < bound);
    }
    answer
        .put("offset", found.map(one -> one.offset).orElse((long) UNDEFINED))
        .put("timestamp", found.map(one -> one.timestamp).orElse((long) UNDEFINED));
  }

  private void producers(ArrayNode list) {
    partition.producers().values().stream()
        .sorted(Comparator.comparingLong(ProducerStateEntry::producerId))
        .forEach(entry -> describe(entry, list.addObject()));
  }

  private static void describe(ProducerStateEntry entry, ObjectNode answer) {
    answer
        .put("pid", entry.producerId())
        .put("epoch", entry.producerEpoch())
        .put("last_seq", entry.lastSeq())
        .put("last_offset", entry.lastDataOffset())
        .put("coordinator_epoch", entry.coordinatorEpoch())
        .put("timestamp", entry.lastTimestamp());
    if (entry.currentTxnFirstOffset().isPresent()) {
      answer.put("txn_first", entry.currentTxnFirstOffset().getAsLong());
    } else {
      answer.putNull("txn_first");
    }
  }

  private void epochs(ArrayNode list) {
    for (EpochEntry entry : partition.epochs()) {
      list.addArray().add(entry.epoch).add(entry.startOffset);
    }
  }

  private void epochEnd(int epoch, ObjectNode answer) {
    Optional<EpochEntry> end = partition.epochEnd(epoch);
    answer
        .put("epoch", end.map(one -> one.epoch).orElse(UNDEFINED))
        .put("offset", end.map(one -> one.startOffset).orElse((long) UNDEFINED));
  }

  private void abortedIndex(ArrayNode entries) {
    for (LogSegment segment : partition.segments()) {
      for (AbortedTxn txn : segment.txnIndex().allAbortedTxns()) {
        entries
            .addObject()
            .put("segment", segment.baseOffset())
            .put("pid", txn.producerId())
            .put("first", txn.firstOffset())
            .put("last", txn.lastOffset())
            .put("lso", txn.lastStableOffset());
      }
    }
  }

  private void batches(ArrayNode list) {
    for (LogSegment segment : partition.segments()) {
      for (RecordBatch batch : segment.log().batches()) {
        ObjectNode row = list.addObject();
        describe(batch, row);
        row.put("bytes", batch.sizeInBytes());
      }
    }
  }

  private void records(ArrayNode list) {
    for (LogSegment segment : partition.segments()) {
      for (RecordBatch batch : segment.log().batches()) {
        if (!batch.isControlBatch()) {
          batch.forEach(record -> describe(record, batch, list.addObject()));
        }
      }
    }
  }

  private static void describe(Record record, RecordBatch batch, ObjectNode answer) {
    answer
        .put("offset", record.offset())
        .put("k", text(record.key()))
        .put("v", text(record.value()))
        .put("ts", record.timestamp())
        .put("txn", batch.isTransactional())
        .put("pid", batch.producerId());
  }

  private static String text(ByteBuffer bytes) {
    return bytes == null ? null : StandardCharsets.UTF_8.decode(bytes).toString();
  }
}
