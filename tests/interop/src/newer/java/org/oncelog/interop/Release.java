package org.oncelog.interop;

import static scala.jdk.javaapi.CollectionConverters.asScala;

import java.io.File;
import java.io.IOException;
import java.security.DigestException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.function.Consumer;
import kafka.log.LogManager;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.Cleaner;
import org.apache.kafka.storage.internals.log.CleanerConfig;
import org.apache.kafka.storage.internals.log.LogCleanerManager;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogToClean;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

/** What must be said to this Kafka in other words than to the judge. */
final class Release {
  private static final long NEVER = Long.MAX_VALUE;

  private Release() {}

  /** An argument that is left out. */
  static <T> Optional<T> none() {
    return Optional.empty();
  }

  /** An argument that may be left out, but is not. */
  static <T> Optional<T> some(T value) {
    return Optional.of(value);
  }

  static LogConfig logConfig(Map<String, String> topicConfig) {
    Map<String, String> config = new HashMap<>(topicConfig);
    // Its own tests' name for segments smaller than the least that an owner of a topic may ask for.
    String segmentBytes = config.remove(TopicConfig.SEGMENT_BYTES_CONFIG);
    if (segmentBytes != null) {
      config.put(LogConfig.INTERNAL_SEGMENT_BYTES_CONFIG, segmentBytes);
    }
    return new LogConfig(config);
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
        false, // no remote storage
        30_000); // delay of the periodic tasks
  }

  /** What a cleaner asks again and again while it works. */
  static Consumer<TopicPartition> abortCheck(LogCleanerManager manager) {
    return manager::checkCleaningAborted;
  }

  /** Returns up to where is clean now. */
  static long clean(Cleaner cleaner, LogToClean due) throws IOException {
    try {
      return cleaner.clean(due).getKey();
    } catch (DigestException e) {
      throw new IllegalStateException("the cleaner's map refuses a key", e);
    }
  }
}
