package org.oncelog.interop;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.storage.internals.log.EpochEntry;
import org.apache.kafka.storage.internals.log.LogCleanerManager;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.UnifiedLog;

/**
 * Kafka's open log under a name that stays: the class itself moved to another package. What every
 * release is asked in the same words is asked of {@code kafka()}.
 */
record OpenLog(UnifiedLog kafka) {
  /** Nothing where the end of the epoch is not known here. */
  Optional<EpochEntry> epochEnd(int epoch) {
    return kafka.endOffsetForEpoch(epoch).map(end -> new EpochEntry(end.epoch(), end.offset()));
  }

  /** A cleaner's manager that has this log only. */
  LogCleanerManager cleanerManager(LogDirFailureChannel failures) {
    ConcurrentMap<TopicPartition, UnifiedLog> logs = new ConcurrentHashMap<>();
    logs.put(kafka.topicPartition(), kafka);
    return new LogCleanerManager(List.of(kafka.parentDirFile()), logs, failures);
  }
}
