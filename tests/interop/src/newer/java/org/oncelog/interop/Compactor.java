package org.oncelog.interop;

import java.io.File;
import java.io.IOException;
import java.security.DigestException;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.storage.internals.log.Cleaner;
import org.apache.kafka.storage.internals.log.CleanerStats;
import org.apache.kafka.storage.internals.log.LogCleanerManager;
import org.apache.kafka.storage.internals.log.LogToClean;
import org.apache.kafka.storage.internals.log.PreCleanStats;
import org.apache.kafka.storage.internals.log.SkimpyOffsetMap;
import org.apache.kafka.storage.internals.log.UnifiedLog;
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
  private final UnifiedLog log;
  private final FixedTime time;

  Compactor(KafkaDir dir, UnifiedLog log, FixedTime time) {
    this.dir = dir;
    this.log = log;
    this.time = time;
  }

  /** Returns up to where is clean now, or nothing if no compaction is due. */
  OptionalLong run() throws IOException {
    ConcurrentMap<TopicPartition, UnifiedLog> logs = new ConcurrentHashMap<>();
    logs.put(log.topicPartition(), log);
    File parent = log.parentDirFile();
    LogCleanerManager manager =
        new LogCleanerManager(List.of(parent), logs, dir.failures());

    Optional<LogToClean> due = manager.grabFilthiestCompactedLog(time, new PreCleanStats());
    if (due.isEmpty()) {
      return OptionalLong.empty();
    }
    Map.Entry<Long, CleanerStats> outcome = clean(cleaner(manager), due.get());
    long cleanedTo = outcome.getKey();
    manager.doneCleaning(log.topicPartition(), parent, cleanedTo);
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
        manager::checkCleaningAborted);
  }

  private static Map.Entry<Long, CleanerStats> clean(Cleaner cleaner, LogToClean due)
      throws IOException {
    try {
      return cleaner.clean(due);
    } catch (DigestException e) {
      throw new IllegalStateException("the cleaner's map refuses a key", e);
    }
  }

  private static SkimpyOffsetMap newMap() {
    try {
      return new SkimpyOffsetMap(MAP_BYTES);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this JDK has no MD5", e);
    }
  }
}
