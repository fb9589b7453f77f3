package org.oncelog.interop;

import static scala.jdk.javaapi.CollectionConverters.asJava;
import static scala.jdk.javaapi.CollectionConverters.asScala;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import kafka.log.LogManager;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.server.util.FileLock;
import org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import scala.Option;
import scala.jdk.javaapi.OptionConverters;

/**
 * A log directory in the hands of Kafka's {@link LogManager}, which is what a broker opens and
 * closes its directories with. The one thing a broker does elsewhere (in its replica manager) is
 * done here: the high watermark comes from and goes to {@code replication-offset-checkpoint}.
 */
final class KafkaDir implements AutoCloseable {
  static final int DAY_MS = 86_400_000;

  private static final String HIGH_WATERMARK_FILE = "replication-offset-checkpoint";

  /** Any number will do; a broker writes the epoch its controller gave it into the clean marker. */
  private static final long BROKER_EPOCH = 1;

  private final File dir;
  private final boolean foundClean;
  private final LogManager manager;
  private final LogDirFailureChannel failures = new LogDirFailureChannel(1);

  private KafkaDir(
      Path path, Map<String, String> topicConfig, int producerExpirationMs, FixedTime time) {
    dir = path.toAbsolutePath().normalize().toFile();
    foundClean = new CleanShutdownFileHandler(dir.getPath()).exists();
    manager =
        Release.logManager(
            dir,
            config(topicConfig),
            // No transaction verification: it asks a coordinator, and there is none.
            new ProducerStateManagerConfig(producerExpirationMs, false),
            failures,
            time);
    manager.startup(asScala(Set.<String>of()), log -> false);
  }

  /** Loads all partitions below the directory, recovering them if the clean marker is missing. */
  static KafkaDir open(Path path, Map<String, String> topicConfig, FixedTime time)
      throws IOException {
    if (!Files.isDirectory(path)) {
      throw new IOException(path + " is not a directory"); // Kafka would create it
    }
    return new KafkaDir(path, topicConfig, DAY_MS, time);
  }

  /** The same, with producers that are forgotten after another time than a day. */
  static KafkaDir open(
      Path path, Map<String, String> topicConfig, int producerExpirationMs, FixedTime time) {
    return new KafkaDir(path, topicConfig, producerExpirationMs, time);
  }

  private static LogConfig config(Map<String, String> topicConfig) {
    Map<String, String> merged = new HashMap<>();
    merged.put(TopicConfig.FILE_DELETE_DELAY_MS_CONFIG, "0");
    // Whoever opens a directory has a clock of his own: nothing is too new to be appended.
    merged.put(TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG, Long.toString(Long.MAX_VALUE));
    merged.putAll(topicConfig);
    return Release.logConfig(merged);
  }

  boolean foundClean() {
    return foundClean;
  }

  LogDirFailureChannel failures() {
    return failures;
  }

  Optional<OpenLog> find(TopicPartition partition) {
    return OptionConverters.toJava(manager.getLog(partition, false)).map(OpenLog::new);
  }

  OpenLog create(TopicPartition partition, Uuid topicId) {
    return new OpenLog(
        manager.getOrCreateLog(partition, true, false, Release.some(topicId), Option.empty()));
  }

  /**
   * The partition as a broker has it that is the only replica: all that is in the log is
   * replicated.
   */
  OpenLog lead(TopicPartition partition) throws IOException {
    Optional<OpenLog> found = find(partition);
    if (found.isEmpty()) {
      throw new IOException("Kafka loaded no partition " + partition + " from " + dir);
    }
    OpenLog log = found.get();
    log.kafka().updateHighWatermark(checkpointedHighWatermark(partition));
    log.kafka().updateHighWatermark(log.kafka().logEndOffset());
    return log;
  }

  /** The watermark that was written last; a partition that has none begins at 0. */
  long checkpointedHighWatermark(TopicPartition partition) throws IOException {
    return highWatermarks().read().getOrDefault(partition, 0L);
  }

  /** As a broker truncates: it writes the recovery point right behind the cut. */
  void truncate(TopicPartition partition, long to) {
    manager.truncateTo(asScala(Map.<TopicPartition, Object>of(partition, to)), false);
  }

  void truncateFully(TopicPartition partition, long at) {
    manager.truncateFullyAndStartAt(partition, at, false, Release.none());
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
    for (var log : asJava(manager.allLogs())) {
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
