package org.oncelog.interop;

import static scala.jdk.javaapi.CollectionConverters.asJava;
import static scala.jdk.javaapi.CollectionConverters.asScala;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import kafka.log.LogManager;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.server.util.FileLock;
import org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.log.CleanerConfig;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;
import scala.Option;
import scala.jdk.javaapi.OptionConverters;

/**
 * A log directory in the hands of Kafka's {@link LogManager}, which is what a broker opens and
 * closes its directories with. The one thing a broker does elsewhere (in its replica manager) is
 * done here: the high watermark comes from and goes to {@code replication-offset-checkpoint}.
 */
final class KafkaDir implements AutoCloseable {
  private static final String HIGH_WATERMARK_FILE = "replication-offset-checkpoint";

  /** Any number will do; a broker writes the epoch its controller gave it into the clean marker. */
  private static final long BROKER_EPOCH = 1;

  private static final long NEVER = Long.MAX_VALUE;
  private static final int DAY_MS = 86_400_000;

  private final File dir;
  private final boolean foundClean;
  private final LogManager manager;
  private final LogDirFailureChannel failures = new LogDirFailureChannel(1);

  private KafkaDir(
      Path path, Map<String, String> topicConfig, int producerExpirationMs, FixedTime time) {
    dir = path.toAbsolutePath().normalize().toFile();
    foundClean = new CleanShutdownFileHandler(dir.getPath()).exists();
    manager =
        new LogManager(
            asScala(List.of(dir)).toSeq(),
            asScala(List.<File>of()).toSeq(),
            resource -> new Properties(),
            config(topicConfig),
            new CleanerConfig(false),
            1, // recovery threads
            NEVER, // how often to flush, and to write each kind of checkpoint, and to delete
            NEVER,
            NEVER,
            NEVER,
            15 * 60 * 1000, // longest transaction
            // No transaction verification: it asks a coordinator, and there is none.
            new ProducerStateManagerConfig(producerExpirationMs, false),
            DAY_MS, // how often to expire producers
            new InlineScheduler(),
            new BrokerTopicStats(),
            failures,
            time,
            false, // no remote storage
            30_000); // delay of the periodic tasks
    manager.startup(asScala(Set.<String>of()), log -> false);
  }

  /** Loads all partitions below the directory, recovering them if the clean marker is missing. */
  static KafkaDir open(
      Path path, Map<String, String> topicConfig, int producerExpirationMs, FixedTime time) {
    return new KafkaDir(path, topicConfig, producerExpirationMs, time);
  }

  private static LogConfig config(Map<String, String> topicConfig) {
    Map<String, String> merged = new HashMap<>();
    merged.put(TopicConfig.FILE_DELETE_DELAY_MS_CONFIG, "0");
    // Histories have their own clock: nothing is too new to be appended.
    merged.put(TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG, Long.toString(Long.MAX_VALUE));
    merged.putAll(topicConfig);
    // Its own tests' name for segments smaller than the least that an owner of a topic may ask for.
    String segmentBytes = merged.remove(TopicConfig.SEGMENT_BYTES_CONFIG);
    if (segmentBytes != null) {
      merged.put(LogConfig.INTERNAL_SEGMENT_BYTES_CONFIG, segmentBytes);
    }
    return new LogConfig(merged);
  }

  boolean foundClean() {
    return foundClean;
  }

  LogDirFailureChannel failures() {
    return failures;
  }

  Optional<UnifiedLog> find(TopicPartition partition) {
    return OptionConverters.toJava(manager.getLog(partition, false));
  }

  UnifiedLog create(TopicPartition partition, Uuid topicId) {
    return manager.getOrCreateLog(
        partition, true, false, Optional.of(topicId), Option.empty());
  }

  /** The watermark that was written last; a partition that has none begins at 0. */
  long checkpointedHighWatermark(TopicPartition partition) throws IOException {
    return highWatermarks().read().getOrDefault(partition, 0L);
  }

  /** As a broker truncates: it writes the recovery point right behind the cut. */
  void truncate(UnifiedLog log, long to) {
    manager.truncateTo(
        asScala(Map.<TopicPartition, Object>of(log.topicPartition(), to)), false);
  }

  void truncateFully(UnifiedLog log, long at) {
    manager.truncateFullyAndStartAt(log.topicPartition(), at, false, Optional.empty());
  }

  /** What the broker's periodic tasks write: recovery points, log starts, high watermarks. */
  void checkpoint() throws IOException {
    manager.checkpointLogRecoveryOffsets();
    manager.checkpointLogStartOffsets();
    checkpointHighWatermarks();
  }

  /**
   * The end of a process without a word: files stay as they are, only what would keep this process
   * from opening the directory again is let go.
   */
  void kill() throws IOException {
    for (UnifiedLog log : asJava(manager.allLogs())) {
      log.removeLogMetrics();
      log.closeHandlers();
    }
    for (FileLock lock : asJava(manager.dirLocks())) {
      lock.destroy();
    }
  }

  private void checkpointHighWatermarks() throws IOException {
    Map<TopicPartition, Long> offsets = new HashMap<>();
    manager.allLogs().foreach(log -> offsets.put(log.topicPartition(), log.highWatermark()));
    highWatermarks().write(offsets);
  }

  private OffsetCheckpointFile highWatermarks() throws IOException {
    return new OffsetCheckpointFile(new File(dir, HIGH_WATERMARK_FILE), failures);
  }

  /**
   * A broker's controlled shutdown, in its order: watermarks, then logs, checkpoints, clean marker.
   */
  @Override
  public void close() throws IOException {
    checkpointHighWatermarks();
    manager.shutdown(BROKER_EPOCH);
    if (failures.hasOfflineLogDir(dir.getPath())) {
      throw new IOException("Kafka gave up " + dir + " while closing it");
    }
  }
}
