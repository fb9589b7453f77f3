package org.oncelog.interop;

import java.io.IOException;
import java.security.NoSuchAlgorithmException;
import java.util.OptionalLong;
// The classes of the cleaner lie in the one or the other of these, as the release has it.
import kafka.log.*;
import org.apache.kafka.storage.internals.log.*;
import org.apache.kafka.storage.internals.utils.Throttler;

/**
 * One round of Kafka's log cleaner, in this thread: the same steps as its cleaner thread (choose,
 * clean, write {@code cleaner-offset-checkpoint}) with the same classes, but when the story wants
 * it.
 */
final class Compactor {
  private static final int MAP_BYTES = 1024 * 1024;
  private static final int IO_BYTES = 64 * 1024;

  private final KafkaDir dir;
  private final OpenLog log;
  private final FixedTime time;

  Compactor(KafkaDir dir, OpenLog log, FixedTime time) {
    this.dir = dir;
    this.log = log;
    this.time = time;
  }

  /** Returns up to where is clean now, or nothing if no compaction is due. */
  OptionalLong run() throws IOException {
    LogCleanerManager manager = log.cleanerManager(dir.failures());
    var due = manager.grabFilthiestCompactedLog(time, new PreCleanStats());
    if (due.isEmpty()) {
      return OptionalLong.empty();
    }
    long cleanedTo = Release.clean(cleaner(manager), due.get());
    manager.doneCleaning(log.kafka().topicPartition(), log.kafka().parentDirFile(), cleanedTo);
    return OptionalLong.of(cleanedTo);
  }

  private Cleaner cleaner(LogCleanerManager manager) {
    double mapLoadFactor = 0.9;
    Throttler unthrottled =
        new Throttler(Double.MAX_VALUE, Long.MAX_VALUE, "cleaner", "bytes", time);
    return new Cleaner(
        0,
        newMap(),
        IO_BYTES,
        IO_BYTES,
        mapLoadFactor,
        unthrottled,
        time,
        Release.abortCheck(manager));
  }

  private static SkimpyOffsetMap newMap() {
    try {
      return new SkimpyOffsetMap(MAP_BYTES);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this JDK has no MD5", e);
    }
  }
}
