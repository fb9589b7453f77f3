package org.oncelog.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.LogStartOffsetIncrementReason;

/** The requests that move or remove what is stored. */
final class ShellVerbs {
  private static final long HIGH_WATERMARK = -1;

  private final KafkaPartition partition;

  ShellVerbs(KafkaPartition partition) {
    this.partition = partition;
  }

  /** False: that is none of these requests. */
  boolean answer(String op, JsonNode request, ObjectNode answer) throws IOException {
    switch (op) {
      case "hw" -> moveWatermark(request.get("to"), answer);
      case "roll" -> partition.roll();
      case "flush" -> answer.put("recovery_point", partition.flush());
      case "checkpoint" -> checkpoint(answer);
      case "truncate" -> partition.truncate(request.get("to").asLong());
      case "truncate_fully" -> partition.truncateFully(request.get("at").asLong());
      case "delete_records" -> deleteRecords(request.get("before").asLong(), answer);
      case "retention" -> retain(answer);
      case "compact" -> compact(answer);
      case "expire_producers" -> expire(answer);
      default -> {
        return false;
      }
    }
    if (Set.of("roll", "truncate", "truncate_fully", "retention", "compact").contains(op)) {
      ShellReads.putState(partition, answer);
    }
    return true;
  }

  private void moveWatermark(JsonNode to, ObjectNode answer) throws IOException {
    partition.setHighWatermark(to.isTextual() ? partition.end() : to.asLong());
    answer.put("hw", partition.highWatermark()).put("lso", partition.lastStableOffset());
  }

  private void checkpoint(ObjectNode answer) throws IOException {
    partition.flush();
    partition.snapshotProducers();
    answer.put("offset", partition.end());
  }

  /** As the leader of a partition does it, which is above the log. */
  private void deleteRecords(long before, ObjectNode answer) throws IOException {
    if (!partition.deletesRecords()) {
      throw new PolicyViolationException("records of a compacted topic are not deleted");
    }
    long to = before == HIGH_WATERMARK ? partition.highWatermark() : before;
    if (to < 0) {
      throw new OffsetOutOfRangeException("before is " + before);
    }
    partition.raiseLogStart(to, LogStartOffsetIncrementReason.ClientRecordDeletion);
    answer.put("log_start", partition.logStart());
  }

  private void retain(ObjectNode answer) throws IOException {
    List<Long> before = bases();
    partition.deleteOldSegments();
    Set<Long> left = new HashSet<>(bases());
    ArrayNode deleted = answer.putArray("deleted");
    before.stream().filter(base -> !left.contains(base)).forEach(deleted::add);
  }

  private List<Long> bases() {
    return partition.segments().stream().map(LogSegment::baseOffset).toList();
  }

  private void compact(ObjectNode answer) throws IOException {
    OptionalLong cleanedTo = partition.compact();
    answer.put("compacted", cleanedTo.isPresent());
    cleanedTo.ifPresent(offset -> answer.put("cleaned_to", offset));
  }

  private void expire(ObjectNode answer) {
    Set<Long> ids = new TreeSet<>(partition.producers().keySet());
    partition.expireProducers();
    ids.removeAll(partition.producers().keySet());
    ArrayNode expired = answer.putArray("expired");
    ids.forEach(expired::add);
  }
}
