package org.oncelog.interop;

import static scala.jdk.javaapi.CollectionConverters.asScala;

import java.io.File;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.OptionalLong;
import kafka.log.Cleaner;
import kafka.log.CleanerStats;
import kafka.log.LogCleanerManager;
import kafka.log.LogToClean;
import kafka.log.PreCleanStats;
import kafka.log.UnifiedLog;
import kafka.utils.Pool;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.storage.internals.log.SkimpyOffsetMap;
import org.apache.kafka.storage.internals.utils.Throttler;
import scala.Option;
import scala.Tuple2;
import scala.runtime.BoxedUnit;

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
  OptionalLong run() {
    Pool<TopicPartition, UnifiedLog> logs = new Pool<>(Option.empty());
    logs.put(log.topicPartition(), log);
    File parent = log.parentDirFile();
    LogCleanerManager manager =
        new LogCleanerManager(asScala(List.of(parent)).toSeq(), logs, dir.failures());

    Option<LogToClean> due = manager.grabFilthiestCompactedLog(time, new PreCleanStats());
    if (due.isEmpty()) {
      return OptionalLong.empty();
    }
    Tuple2<Object, CleanerStats> outcome = cleaner(manager).clean(due.get());
    long cleanedTo = (Long) outcome._1();
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
        partition -> {
          manager.checkCleaningAborted(partition);
          return BoxedUnit.UNIT;
        });
  }

  private static SkimpyOffsetMap newMap() {
    try {
      return new SkimpyOffsetMap(MAP_BYTES);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this JDK has no MD5", e);
    }
  }
}
