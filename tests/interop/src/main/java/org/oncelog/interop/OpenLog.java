package org.oncelog.interop;

import static scala.jdk.javaapi.CollectionConverters.asScala;

import java.util.List;
import java.util.Optional;
import kafka.log.LogCleanerManager;
import kafka.log.UnifiedLog;
import kafka.utils.Pool;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.storage.internals.log.EpochEntry;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;

/**
 * Kafka's open log under a name that stays: the class itself moved to another package. What every
 * release is asked in the same words is asked of {@code kafka()}.
 */
record OpenLog(UnifiedLog kafka) {
  /** Nothing where the end of the epoch is not known here. */
  Optional<EpochEntry> epochEnd(int epoch) {
    var end = kafka.endOffsetForEpoch(epoch);
    return end.isEmpty()
        ? Optional.empty()
        : Optional.of(new EpochEntry(end.get().leaderEpoch(), end.get().offset()));
  }

  /** A cleaner's manager that has this log only. */
  LogCleanerManager cleanerManager(LogDirFailureChannel failures) {
    Pool<TopicPartition, UnifiedLog> logs = new Pool<>(Release.none());
    logs.put(kafka.topicPartition(), kafka);
    return new LogCleanerManager(asScala(List.of(kafka.parentDirFile())).toSeq(), logs, failures);
  }
}
