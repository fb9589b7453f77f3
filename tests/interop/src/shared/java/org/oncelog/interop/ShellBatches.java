package org.oncelog.interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.DefaultRecord;
import org.apache.kafka.common.record.DefaultRecordBatch;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

/**
 * Batches from the fields of a request. Kafka's own builder refuses to write what a broken client
 * sends, so the header is written here, with Kafka's functions.
 */
final class ShellBatches {
  private static final long OFFSET_OF_A_CLIENT = 0;
  private static final int EPOCH_OF_A_CLIENT = -1;

  private ShellBatches() {}

  static MemoryRecords fromClient(JsonNode request, long now) throws IOException {
    return batch(request, now, OFFSET_OF_A_CLIENT, EPOCH_OF_A_CLIENT);
  }

  /** What a leader would answer to a follower's fetch. */
  static MemoryRecords fromLeader(JsonNode request, long now) throws IOException {
    if (request.has("hex")) {
      return fromHex(request);
    }
    long base = request.get("base").asLong();
    int leaderEpoch = request.path("batch_epoch").asInt(0);
    return request.has("marker")
        ? marker(request, request.get("marker").asText(), base, leaderEpoch, now)
        : batch(request, now, base, leaderEpoch);
  }

  static MemoryRecords fromCoordinator(JsonNode request, int leaderEpoch, long now) {
    return marker(request, request.get("type").asText(), OFFSET_OF_A_CLIENT, leaderEpoch, now);
  }

  static MemoryRecords fromHex(JsonNode request) {
    String hex = request.get("hex").asText();
    return MemoryRecords.readableRecords(ByteBuffer.wrap(java.util.HexFormat.of().parseHex(hex)));
  }

  private static MemoryRecords marker(
      JsonNode request, String type, long base, int leaderEpoch, long now) {
    ControlRecordType control =
        type.equals("abort") ? ControlRecordType.ABORT : ControlRecordType.COMMIT;
    return MemoryRecords.withEndTransactionMarker(
        base,
        request.path("ts").asLong(now),
        leaderEpoch,
        request.get("pid").asLong(),
        (short) request.get("epoch").asInt(),
        new EndTransactionMarker(control, request.path("coordinator_epoch").asInt(0)));
  }

  private record NewRecord(long timestamp, byte[] key, byte[] value, Header[] headers) {}

  private static MemoryRecords batch(JsonNode request, long now, long base, int leaderEpoch)
      throws IOException {
    List<NewRecord> records = records(request, now);
    long first = records.isEmpty() ? now : records.get(0).timestamp();
    CompressionType codec = CompressionType.forName(request.path("codec").asText("none"));
    byte[] body = body(records, first, codec);

    ByteBuffer buffer = ByteBuffer.allocate(DefaultRecordBatch.RECORD_BATCH_OVERHEAD + body.length);
    buffer.position(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
    buffer.put(body);
    buffer.flip();
    DefaultRecordBatch.writeHeader(
        buffer,
        base,
        records.size() - 1,
        buffer.limit(),
        RecordBatch.MAGIC_VALUE_V2,
        codec,
        TimestampType.CREATE_TIME,
        first,
        records.stream().mapToLong(NewRecord::timestamp).max().orElse(first),
        request.path("pid").asLong(RecordBatch.NO_PRODUCER_ID),
        (short) request.path("epoch").asInt(RecordBatch.NO_PRODUCER_EPOCH),
        request.path("seq").asInt(RecordBatch.NO_SEQUENCE),
        request.path("txn").asBoolean(false),
        false, // not a control batch
        false, // no delete horizon
        leaderEpoch,
        records.size());
    return MemoryRecords.readableRecords(buffer.rewind());
  }

  private static byte[] body(List<NewRecord> records, long firstTimestamp, CompressionType codec)
      throws IOException {
    ByteBufferOutputStream plain = new ByteBufferOutputStream(512);
    try (DataOutputStream out =
        new DataOutputStream(
            Compression.of(codec).build().wrapForOutput(plain, RecordBatch.MAGIC_VALUE_V2))) {
      int delta = 0;
      for (NewRecord record : records) {
        DefaultRecord.writeTo(
            out,
            delta++,
            record.timestamp() - firstTimestamp,
            record.key() == null ? null : ByteBuffer.wrap(record.key()),
            record.value() == null ? null : ByteBuffer.wrap(record.value()),
            record.headers());
      }
    }
    ByteBuffer written = plain.buffer();
    written.flip();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.write(written.array(), written.arrayOffset(), written.limit());
    return bytes.toByteArray();
  }

  private static List<NewRecord> records(JsonNode request, long now) {
    List<NewRecord> records = new ArrayList<>();
    for (JsonNode record : request.path("records")) {
      records.add(
          new NewRecord(
              record.path("ts").asLong(now),
              text(record.path("k")),
              text(record.path("v")),
              headers(record.path("h"))));
    }
    for (int i = 0; i < request.path("n").asInt(0); i++) {
      byte[] value = ("r" + i).getBytes(StandardCharsets.UTF_8);
      records.add(new NewRecord(now, null, value, new Header[0]));
    }
    return records;
  }

  private static Header[] headers(JsonNode list) {
    List<Header> headers = new ArrayList<>();
    list.forEach(
        header -> headers.add(new RecordHeader(header.get(0).asText(), text(header.get(1)))));
    return headers.toArray(Header[]::new);
  }

  private static byte[] text(JsonNode text) {
    return text.isTextual() ? text.asText().getBytes(StandardCharsets.UTF_8) : null;
  }
}
