package org.oncelog.interop;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.record.FileRecords.TimestampAndOffset;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.server.common.RequestLocal;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.server.storage.log.UnexpectedAppendOffsetException;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.EpochEntry;
import org.apache.kafka.storage.internals.log.FetchDataInfo;
import org.apache.kafka.storage.internals.log.LogAppendInfo;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.LogStartOffsetIncrementReason;
import org.apache.kafka.storage.internals.log.ProducerStateEntry;
import org.apache.kafka.storage.internals.log.VerificationGuard;

/**
 * One open partition of Kafka's, and all that the shell knows of Kafka's log. The broker's periodic
 * tasks run right behind what makes them due.
 */
final class KafkaPartition {
  private static final String LOG_SUFFIX = ".log";

  private final KafkaDir dir;
  private final OpenLog log;
  private final FixedTime time;
  private final boolean wasCreated;
  private final long bytesCut;

  private KafkaPartition(
      KafkaDir dir, OpenLog log, FixedTime time, boolean wasCreated, long bytesCut) {
    this.dir = dir;
    this.log = log;
    this.time = time;
    this.wasCreated = wasCreated;
    this.bytesCut = bytesCut;
  }

  static KafkaPartition open(
      Path path,
      TopicPartition partition,
      Map<String, String> config,
      int producerExpirationMs,
      FixedTime time)
      throws IOException {
    Files.createDirectories(path);
    Path partitionPath = path.resolve(partition.toString());
    long bytesBefore = logBytes(partitionPath);
    KafkaDir dir = KafkaDir.open(path, config, producerExpirationMs, time);
    try {
      Optional<OpenLog> found = dir.find(partition);
      OpenLog log = found.orElseGet(() -> dir.create(partition, Uuid.randomUuid()));
      log.kafka().updateHighWatermark(dir.checkpointedHighWatermark(partition));
      long bytesCut = Math.max(0, bytesBefore - logBytes(partitionPath));
      return new KafkaPartition(dir, log, time, found.isEmpty(), bytesCut);
    } catch (RuntimeException | IOException e) {
      dir.kill();
      throw e;
    }
  }

  private static long logBytes(Path partition) throws IOException {
    if (!Files.isDirectory(partition)) {
      return 0;
    }
    try (Stream<Path> files = Files.list(partition)) {
      return files
          .filter(file -> file.toString().endsWith(LOG_SUFFIX))
          .mapToLong(file -> file.toFile().length())
          .sum();
    }
  }

  boolean wasRecovered() {
    return !wasCreated && !dir.foundClean();
  }

  long bytesCut() {
    return bytesCut;
  }

  void close() throws IOException {
    dir.close();
  }

  void kill() throws IOException {
    dir.kill();
  }

  TopicPartition name() {
    return log.kafka().topicPartition();
  }

  long logStart() {
    return log.kafka().logStartOffset();
  }

  long highWatermark() {
    return log.kafka().highWatermark();
  }

  long lastStableOffset() {
    return log.kafka().lastStableOffset();
  }

  long end() {
    return log.kafka().logEndOffset();
  }

  Collection<LogSegment> segments() {
    return log.kafka().logSegments();
  }

  boolean deletesRecords() {
    return log.kafka().config().delete;
  }

  LogAppendInfo appendAsLeader(MemoryRecords batch, int leaderEpoch, AppendOrigin origin) {
    return log.kafka()
        .appendAsLeader(
            batch, leaderEpoch, origin, RequestLocal.noCaching(), VerificationGuard.SENTINEL);
  }

  /** A replica begins anew at a batch that reaches over the only offset its empty log has. */
  void appendAsFollower(MemoryRecords batches) throws IOException {
    try {
      log.kafka().appendAsFollower(batches, Integer.MAX_VALUE);
    } catch (UnexpectedAppendOffsetException e) {
      boolean isEmpty = end() == logStart();
      if (!isEmpty || e.firstOffset >= end() || e.lastOffset < end()) {
        throw e;
      }
      truncateFully(e.firstOffset);
      log.kafka().appendAsFollower(batches, Integer.MAX_VALUE);
    }
  }

  /** Wherever the owner wants it; the log bounds it. */
  void setHighWatermark(long to) throws IOException {
    log.kafka().updateHighWatermark(to);
    dir.checkpoint();
  }

  void followHighWatermark(long leaderHighWatermark) throws IOException {
    log.kafka().maybeUpdateHighWatermark(leaderHighWatermark);
    dir.checkpoint();
  }

  void raiseLogStart(long to, LogStartOffsetIncrementReason reason) throws IOException {
    log.kafka().maybeIncrementLogStartOffset(to, reason);
    dir.checkpoint();
  }

  FetchDataInfo read(long from, int bytesMax, FetchIsolation bound, boolean minOneMessage)
      throws IOException {
    return log.kafka().read(from, bytesMax, bound, minOneMessage);
  }

  Optional<TimestampAndOffset> findByTimestamp(long timestamp) {
    return log.kafka().fetchOffsetByTimestamp(timestamp, Release.none()).timestampAndOffsetOpt();
  }

  OptionalInt latestEpoch() {
    return epochs().stream().mapToInt(entry -> entry.epoch).max();
  }

  List<EpochEntry> epochs() {
    return log.kafka().leaderEpochCache().epochEntries();
  }

  void assignEpoch(int epoch) {
    log.kafka().assignEpochStartOffset(epoch, log.kafka().logEndOffset());
  }

  /** Nothing where the end of the epoch is not known here. */
  Optional<EpochEntry> epochEnd(int epoch) {
    return log.epochEnd(epoch);
  }

  void roll() throws IOException {
    log.kafka().roll(Release.none());
    dir.checkpoint();
  }

  long flush() throws IOException {
    log.kafka().flush(false);
    dir.checkpoint();
    return log.kafka().recoveryPoint();
  }

  void snapshotProducers() throws IOException {
    log.kafka().takeProducerSnapshot();
  }

  Map<Long, ProducerStateEntry> producers() {
    return log.kafka().producerStateManager().activeProducers();
  }

  void expireProducers() {
    log.kafka().removeExpiredProducers(time.milliseconds());
  }

  void truncate(long to) throws IOException {
    boolean isBelowActive = to < log.kafka().activeSegment().baseOffset();
    dir.truncate(name(), to);
    if (isBelowActive) {
      lowerCleanerCheckpoint();
    }
    dir.checkpoint();
  }

  void truncateFully(long at) throws IOException {
    dir.truncateFully(name(), at);
    lowerCleanerCheckpoint();
    dir.checkpoint();
  }

  /** The log manager leaves this to the cleaner's threads, which are not there. */
  private void lowerCleanerCheckpoint() {
    if (!log.kafka().config().compact) {
      return;
    }
    log.cleanerManager(dir.failures())
        .maybeTruncateCheckpoint(
            log.kafka().parentDirFile(), name(), log.kafka().activeSegment().baseOffset());
  }

  void deleteOldSegments() throws IOException {
    log.kafka().deleteOldSegments();
    dir.checkpoint();
  }

  OptionalLong compact() throws IOException {
    OptionalLong cleanedTo = new Compactor(dir, log, time).run();
    dir.checkpoint();
    return cleanedTo;
  }
}
