package org.oncelog.interop;

import static scala.jdk.javaapi.CollectionConverters.asScala;

import java.io.File;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import kafka.log.Cleaner;
import kafka.log.LogCleanerManager;
import kafka.log.LogManager;
import kafka.log.LogToClean;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.CleanerConfig;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;
import scala.Function1;
import scala.Option;
import scala.runtime.BoxedUnit;

/** What must be said to this Kafka in other words than to a newer one. */
final class Release {
  private static final long NEVER = Long.MAX_VALUE;

  private Release() {}

  /** An argument that is left out. */
  static <T> Option<T> none() {
    return Option.empty();
  }

  /** An argument that may be left out, but is not. */
  static <T> Option<T> some(T value) {
    return Option.apply(value);
  }

  static LogConfig logConfig(Map<String, String> topicConfig) {
    return new LogConfig(topicConfig);
  }

  static LogManager logManager(
      File dir,
      LogConfig config,
      ProducerStateManagerConfig producers,
      LogDirFailureChannel failures,
      Time time) {
    return new LogManager(
        asScala(List.of(dir)).toSeq(),
        asScala(List.<File>of()).toSeq(),
        resource -> new Properties(),
        config,
        new CleanerConfig(false),
        1, // recovery threads
        NEVER, // how often to flush, and to write each kind of checkpoint, and to delete
        NEVER,
        NEVER,
        NEVER,
        15 * 60 * 1000, // longest transaction
        producers,
        KafkaDir.DAY_MS, // how often to expire producers
        new InlineScheduler(),
        new BrokerTopicStats(),
        failures,
        time,
        true, // keep partition.metadata
        false, // no remote storage
        30_000); // delay of the periodic tasks
  }

  /** What a cleaner asks again and again while it works. */
  static Function1<TopicPartition, BoxedUnit> abortCheck(LogCleanerManager manager) {
    return partition -> {
      manager.checkCleaningAborted(partition);
      return BoxedUnit.UNIT;
    };
  }

  /** Returns up to where is clean now. */
  static long clean(Cleaner cleaner, LogToClean due) {
    return (Long) cleaner.clean(due)._1();
  }
}
