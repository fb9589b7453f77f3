package org.oncelog.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.HexFormat;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogAppendInfo;
import org.apache.kafka.storage.internals.log.LogStartOffsetIncrementReason;

/** The requests that append, and {@code encode}: the batch that one would append, not appended. */
final class ShellAppends {
  private final KafkaPartition partition;
  private final int leaderEpoch;
  private final long now;

  ShellAppends(KafkaPartition partition, int leaderEpoch, long now) {
    this.partition = partition;
    this.leaderEpoch = leaderEpoch;
    this.now = now;
  }

  /** False: that is none of these requests. */
  boolean answer(String op, JsonNode request, ObjectNode answer) throws IOException {
    switch (op) {
      case "append" -> lead(ShellBatches.fromClient(request, now), AppendOrigin.CLIENT, answer);
      case "append_raw" -> lead(ShellBatches.fromHex(request), origin(request), answer);
      case "append_follower" -> follow(request, answer);
      case "marker" -> mark(request, answer);
      case "encode" -> encode(request, answer);
      default -> {
        return false;
      }
    }
    return true;
  }

  private static AppendOrigin origin(JsonNode request) {
    return request.path("origin").asText("client").equals("coordinator")
        ? AppendOrigin.COORDINATOR
        : AppendOrigin.CLIENT;
  }

  private void lead(MemoryRecords batch, AppendOrigin origin, ObjectNode answer) {
    long endBefore = partition.end();
    LogAppendInfo info = partition.appendAsLeader(batch, leaderEpoch, origin);
    boolean isEmpty = info.validBytes() <= 0;
    answer
        .put("base", isEmpty ? -1 : info.firstOffset())
        .put("last", isEmpty ? -1 : info.lastOffset())
        .put("duplicate", !isEmpty && info.lastOffset() < endBefore)
        .put("append_time", info.logAppendTime())
        .put("log_start", info.logStartOffset());
  }

  private void mark(JsonNode request, ObjectNode answer) {
    MemoryRecords marker = ShellBatches.fromCoordinator(request, leaderEpoch, now);
    LogAppendInfo info = partition.appendAsLeader(marker, leaderEpoch, AppendOrigin.COORDINATOR);
    answer.put("offset", info.firstOffset());
  }

  private void follow(JsonNode request, ObjectNode answer) throws IOException {
    partition.appendAsFollower(ShellBatches.fromLeader(request, now));
    if (request.has("leader_hw")) {
      partition.followHighWatermark(request.get("leader_hw").asLong());
    }
    if (request.has("leader_log_start")) {
      partition.raiseLogStart(
          request.get("leader_log_start").asLong(),
          LogStartOffsetIncrementReason.LeaderOffsetIncremented);
    }
    answer
        .put("end", partition.end())
        .put("hw", partition.highWatermark())
        .put("lso", partition.lastStableOffset());
  }

  private void encode(JsonNode request, ObjectNode answer) throws IOException {
    boolean isFromLeader = request.has("base");
    var bytes =
        (isFromLeader
                ? ShellBatches.fromLeader(request, now)
                : ShellBatches.fromClient(request, now))
            .buffer();
    byte[] copy = new byte[bytes.remaining()];
    bytes.get(copy);
    answer.put("hex", HexFormat.of().formatHex(copy));
  }
}
