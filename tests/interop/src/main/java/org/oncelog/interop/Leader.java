package org.oncelog.interop;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import kafka.log.UnifiedLog;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.server.common.RequestLocal;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogAppendInfo;
import org.apache.kafka.storage.internals.log.VerificationGuard;
import scala.Option;

/**
 * The broker's side: a leader without followers, so the high watermark follows the log end at once.
 */
final class Leader {
  private static final long BETWEEN_APPENDS_MS = 10;

  private final UnifiedLog log;
  private final FixedTime time;
  private int epoch;

  Leader(UnifiedLog log, FixedTime time) {
    this.log = log;
    this.time = time;
    Option<Object> latest = log.latestEpoch();
    epoch = latest.isDefined() ? (Integer) latest.get() : 0;
  }

  UnifiedLog log() {
    return log;
  }

  FixedTime time() {
    return time;
  }

  int epoch() {
    return epoch;
  }

  /** A new leadership: Kafka notes where it begins even before it has written anything. */
  void becomeLeader(int newEpoch) {
    epoch = newEpoch;
    log.assignEpochStartOffset(newEpoch, log.logEndOffset());
  }

  SimpleRecord record(String key, String value, Header... headers) {
    return new SimpleRecord(time.milliseconds(), bytes(key), bytes(value), headers);
  }

  LogAppendInfo append(MemoryRecords batch) {
    return append(batch, AppendOrigin.CLIENT);
  }

  void commit(Producer producer) {
    end(producer, ControlRecordType.COMMIT);
  }

  void abort(Producer producer) {
    end(producer, ControlRecordType.ABORT);
  }

  private void end(Producer producer, ControlRecordType type) {
    int coordinatorEpoch = 3;
    append(producer.marker(type, coordinatorEpoch, time.milliseconds()), AppendOrigin.COORDINATOR);
  }

  private LogAppendInfo append(MemoryRecords batch, AppendOrigin origin) {
    LogAppendInfo answer =
        log.appendAsLeader(
            batch, epoch, origin, RequestLocal.noCaching(), VerificationGuard.SENTINEL);
    log.updateHighWatermark(log.logEndOffset());
    time.advance(BETWEEN_APPENDS_MS);
    return answer;
  }

  void roll() {
    log.roll(Option.empty());
  }

  /**
   * Kafka writes offsets into the batch it is given; whoever sends it again needs what was sent
   * first.
   */
  static ByteBuffer copy(MemoryRecords batch) {
    ByteBuffer from = batch.buffer();
    return ByteBuffer.allocate(from.remaining()).put(from).flip();
  }

  static byte[] bytes(String text) {
    return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
  }
}
