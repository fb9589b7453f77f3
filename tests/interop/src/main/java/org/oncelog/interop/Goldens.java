package org.oncelog.interop;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.storage.internals.log.LogAppendInfo;
import org.apache.kafka.storage.internals.log.LogStartOffsetIncrementReason;

/** The stories of the golden directories. */
final class Goldens {
  private static final long DELETE_RETENTION_MS = 60_000;

  private Goldens() {}

  static List<Golden> all() {
    return List.of(
        new Golden(
            "codecs",
            "Batches of every codec and of none, with null keys and values, headers, text beyond"
                + " ASCII and empty strings, over several segments; closed cleanly.",
            topic(2048),
            Golden.End.CLEAN,
            (dir, leader) -> codecs(leader)),
        new Golden(
            "idempotent",
            "Producers with more than five batches each, retries, epoch bumps, a sequence that"
                + " wraps at 2147483647 inside a batch and one that wraps between two; closed"
                + " cleanly.",
            topic(1024),
            Golden.End.CLEAN,
            (dir, leader) -> idempotent(leader)),
        new Golden(
            "transactions",
            "Commits and aborts, interleaved, one across a roll, markers without data, a"
                + " transaction begun anew in a later epoch and two left open at the end; closed"
                + " cleanly.",
            topic(1024),
            Golden.End.CLEAN,
            (dir, leader) -> transactions(leader)),
        new Golden(
            "epochs",
            "Leader epochs 0, 1, 4 and 7 with rolls in between, epoch 5 without any batch, and"
                + " epoch 9 assigned at the end but never written in; closed cleanly.",
            topic(512),
            Golden.End.CLEAN,
            (dir, leader) -> epochs(leader)),
        new Golden(
            "compacted",
            "Four rounds of Kafka's cleaner: holes, emptied data and control batches of active"
                + " producers, tombstones and markers with a delete horizon, some dropped after it,"
                + " and a tail not yet cleaned; closed cleanly.",
            compactedTopic(),
            Golden.End.CLEAN,
            Goldens::compacted),
        new Golden(
            "unclean",
            "The files while the broker ran, checkpoints from the first third: indexes with a tail"
                + " of zeros, an aborted and an open transaction behind the recovery point, and two"
                + " thirds of one more batch.",
            topic(1024),
            Golden.End.TORN,
            Goldens::unclean),
        new Golden(
            "log_start",
            "Records deleted up to an offset inside the third segment and inside a batch, segments"
                + " below it removed: the log start is in its checkpoint file only; closed"
                + " cleanly.",
            topic(1024),
            Golden.End.CLEAN,
            (dir, leader) -> logStart(leader)));
  }

  /**
   * Small segments, small indexes (an unclean end leaves them at full size) and many index entries.
   */
  private static Map<String, String> topic(int segmentBytes) {
    return new HashMap<>(
        Map.of(
            TopicConfig.SEGMENT_BYTES_CONFIG, Integer.toString(segmentBytes),
            TopicConfig.SEGMENT_INDEX_BYTES_CONFIG, "4096",
            TopicConfig.INDEX_INTERVAL_BYTES_CONFIG, "128"));
  }

  private static Map<String, String> compactedTopic() {
    Map<String, String> config = topic(1024);
    config.put(TopicConfig.CLEANUP_POLICY_CONFIG, TopicConfig.CLEANUP_POLICY_COMPACT);
    config.put(TopicConfig.MIN_CLEANABLE_DIRTY_RATIO_CONFIG, "0.01");
    config.put(TopicConfig.DELETE_RETENTION_MS_CONFIG, Long.toString(DELETE_RETENTION_MS));
    return config;
  }

  private static void codecs(Leader leader) {
    Producer numbered = new Producer(1000);
    for (int round = 0; round < 4; round++) {
      for (CompressionType type : CompressionType.values()) {
        Compression codec = Compression.of(type).build();
        leader.append(Producer.plain(codec, oddRecords(leader, type + "-" + round)));
        leader.append(numbered.batch(codec, false, wordyRecords(leader, type.name, 3 + round)));
      }
    }
  }

  /** What an encoder gets wrong first: absent, empty, long, and not ASCII. */
  private static SimpleRecord[] oddRecords(Leader leader, String label) {
    long now = leader.time().milliseconds();
    return new SimpleRecord[] {
      leader.record(null, label),
      leader.record(label, null),
      leader.record(null, null),
      leader.record("", ""),
      leader.record("schlüssel", "значение 値 🙂"),
      leader.record(
          "headers",
          "v",
          new RecordHeader("trace", Leader.bytes("ä→🙂")),
          new RecordHeader("trace", null),
          new RecordHeader("empty", new byte[0])),
      new SimpleRecord(
          now - 5_000, Leader.bytes("older"), Leader.bytes("time goes back inside a batch")),
    };
  }

  private static SimpleRecord[] wordyRecords(Leader leader, String key, int count) {
    SimpleRecord[] records = new SimpleRecord[count];
    for (int i = 0; i < count; i++) {
      records[i] = leader.record(key + i, "the same words again and again ".repeat(i + 1));
    }
    return records;
  }

  private static void idempotent(Leader leader) {
    Producer steady = new Producer(1001);
    Producer bumped = new Producer(1002);
    Producer wrapsInside = new Producer(1003, (short) 4, Integer.MAX_VALUE - 13);
    Producer wrapsBetween = new Producer(1004, (short) 0, Integer.MAX_VALUE - 11);
    Producer single = new Producer(1005);

    for (int round = 0; round < 8; round++) {
      MemoryRecords batch = steady.batch(numbered(leader, "steady", round, 1 + round % 3));
      MemoryRecords retry = MemoryRecords.readableRecords(Leader.copy(batch));
      LogAppendInfo stored = leader.append(batch);
      if (leader.append(retry).firstOffset() != stored.firstOffset()) {
        throw new IllegalStateException("a retry was stored again");
      }
      if (round == 3 || round == 6) {
        bumped.bumpEpoch();
      }
      leader.append(bumped.batch(numbered(leader, "bumped", round, 2)));
      leader.append(wrapsInside.batch(numbered(leader, "wraps inside", round, 5)));
      leader.append(wrapsBetween.batch(numbered(leader, "wraps between", round, 4)));
    }
    leader.append(single.batch(numbered(leader, "single", 0, 1)));
    leader.append(Producer.plain(Compression.NONE, numbered(leader, "plain", 0, 2)));
  }

  private static void transactions(Leader leader) {
    Producer a = new Producer(2001);
    Producer b = new Producer(2002);
    Producer c = new Producer(2003);
    Producer withoutData = new Producer(2004, (short) 2, 0);
    Producer idempotent = new Producer(2005);

    // One after the other.
    leader.append(a.inTransaction(numbered(leader, "a commits", 0, 2)));
    leader.commit(a);
    leader.append(a.inTransaction(numbered(leader, "a aborts", 1, 2)));
    leader.abort(a);

    // Interleaved, ending in another order than they began, plain records between them.
    leader.append(a.inTransaction(numbered(leader, "a aborts", 2, 1)));
    leader.append(b.inTransaction(numbered(leader, "b commits", 2, 3)));
    leader.append(idempotent.batch(numbered(leader, "no transaction", 2, 2)));
    leader.append(c.inTransaction(numbered(leader, "c aborts", 2, 2)));
    leader.append(a.inTransaction(numbered(leader, "a aborts", 3, 1)));
    leader.commit(b);
    leader.append(Producer.plain(Compression.NONE, numbered(leader, "plain", 3, 1)));
    leader.abort(c);
    leader.abort(a);

    // Markers without data: of a producer never seen, and of one that is known.
    leader.commit(withoutData);
    leader.abort(b);

    // Across a roll, with another one's complete transaction in the new segment.
    leader.append(a.inTransaction(numbered(leader, "a aborts across a roll", 4, 2)));
    leader.append(b.inTransaction(numbered(leader, "b commits across a roll", 4, 2)));
    leader.roll();
    leader.append(c.inTransaction(numbered(leader, "c aborts", 4, 2)));
    leader.abort(c);
    leader.append(a.inTransaction(numbered(leader, "a aborts across a roll", 5, 2)));
    leader.abort(a);
    leader.commit(b);

    // The coordinator fences a producer: its marker carries the next epoch, its next batch begins
    // at 0.
    leader.append(c.inTransaction(numbered(leader, "c is fenced", 6, 2)));
    c.bumpEpoch();
    leader.abort(c);
    leader.append(c.inTransaction(numbered(leader, "c commits in epoch 1", 7, 2)));
    leader.commit(c);

    for (int round = 8; round < 16; round++) {
      leader.append(a.inTransaction(numbered(leader, "a", round, 2)));
      leader.append(b.inTransaction(numbered(leader, "b", round, 1)));
      if (round % 2 == 0) {
        leader.commit(a);
        leader.abort(b);
      } else {
        leader.abort(a);
        leader.commit(b);
      }
    }

    // Left open: what follows is stored, replicated, and not stable.
    leader.append(b.inTransaction(numbered(leader, "b stays open", 16, 2)));
    leader.append(idempotent.batch(numbered(leader, "behind the open one", 16, 2)));
    leader.append(c.inTransaction(numbered(leader, "c aborts behind the open one", 16, 2)));
    leader.abort(c);
    leader.append(a.inTransaction(numbered(leader, "a stays open", 16, 1)));
    leader.append(b.inTransaction(numbered(leader, "b stays open", 17, 2)));
  }

  private static void epochs(Leader leader) {
    Producer producer = new Producer(3001);
    int round = 0;
    for (int epoch : new int[] {0, 1, 4, 5, 7}) {
      leader.becomeLeader(epoch);
      boolean silent = epoch == 5;
      for (int i = 0; i < 6 && !silent; i++) {
        leader.append(producer.batch(numbered(leader, "epoch " + epoch, round++, 2)));
      }
      if (epoch == 4) {
        leader.roll(); // the next epoch begins with a segment, the others within one
      }
    }
    leader.becomeLeader(9);
  }

  private static void compacted(KafkaDir dir, Leader leader) throws IOException {
    Compactor compactor = new Compactor(dir, new OpenLog(leader.log()), leader.time());
    Producer once = new Producer(4001);
    Producer often = new Producer(4002);
    Producer transactional = new Producer(4003);
    Producer aborting = new Producer(4004);
    Producer lastBatchGoes = new Producer(4005);

    leader.append(once.batch(leader.record("k1", "superseded"), leader.record("k2", "superseded")));
    leader.append(
        Producer.plain(
            Compression.gzip().build(),
            leader.record("k3", "stays"),
            leader.record("k1", "superseded"),
            leader.record("k4", "stays"),
            leader.record("gone", "superseded by a tombstone"),
            leader.record("k5", "stays")));
    for (int round = 0; round < 6; round++) {
      leader.append(
          often.batch(
              leader.record("k1", "round " + round),
              leader.record("often" + round, "stays"),
              leader.record("k2", "round " + round)));
      leader.append(
          transactional.inTransaction(
              leader.record("t", "round " + round),
              leader.record("t" + round % 2, "round " + round)));
      leader.commit(transactional);
      leader.append(
          aborting.inTransaction(leader.record("k3", "aborted"), leader.record("x", "aborted")));
      leader.abort(aborting);
    }
    leader.append(
        Producer.plain(
            Compression.NONE, leader.record("gone", null), leader.record("k6", "stays")));
    leader.append(
        lastBatchGoes.batch(leader.record("k7", "superseded"), leader.record("k8", "superseded")));
    leader.append(
        Producer.plain(
            Compression.lz4().build(), leader.record("k7", "x"), leader.record("k8", null)));
    leader.commit(new Producer(4006)); // a producer of which nothing but a marker is ever seen
    leader.roll();
    compactor.run(); // data goes; tombstones, and the marker without data, get a horizon

    leader.time().advance(DELETE_RETENTION_MS / 2);
    for (int round = 6; round < 10; round++) {
      leader.append(
          often.batch(
              leader.record("k1", "round " + round), leader.record("k2", "round " + round)));
      leader.append(transactional.inTransaction(leader.record("t", "round " + round)));
      leader.commit(transactional);
    }
    leader.append(aborting.inTransaction(leader.record("y", "aborted")));
    leader.abort(aborting);
    leader.append(
        Producer.plain(
            Compression.zstd().build(), leader.record("k4", null), leader.record("k9", "stays")));
    leader.roll();
    compactor.run(); // markers whose data went in the first round get theirs: two rounds after it

    // Exactly between the horizons of the first round and those of the second.
    leader.time().advance(DELETE_RETENTION_MS * 2 / 3);
    leader.append(
        Producer.plain(
            Compression.NONE, leader.record("k9", "newer"), leader.record("k10", "stays")));
    leader.append(often.batch(leader.record("k5", null)));
    leader.roll();
    compactor.run(); // what got a horizon in the first round goes

    leader.time().advance(DELETE_RETENTION_MS / 2);
    leader.append(often.batch(leader.record("k3", "newer"), leader.record("k5", null)));
    leader.roll();
    compactor.run(); // what got one in the second round goes; that of the third round stays

    leader.append(
        often.batch(
            leader.record("k1", "not cleaned yet"), leader.record("k1", "not cleaned yet")));
    leader.append(transactional.inTransaction(leader.record("t", "not cleaned yet")));
    leader.commit(transactional);
  }

  private static void unclean(KafkaDir dir, Leader leader) throws Exception {
    Producer committing = new Producer(5001);
    Producer aborting = new Producer(5002);
    Producer open = new Producer(5003);
    Producer idempotent = new Producer(5004);
    for (int round = 0; round < 18; round++) {
      if (round == 6) {
        dir.checkpoint();
      }
      if (round == 9) {
        leader.becomeLeader(2);
      }
      leader.append(idempotent.batch(numbered(leader, "idempotent", round, 2)));
      leader.append(committing.inTransaction(numbered(leader, "committed", round, 2)));
      leader.append(aborting.inTransaction(numbered(leader, "aborted", round, 1)));
      leader.commit(committing);
      leader.abort(aborting);
    }
    leader.append(open.inTransaction(numbered(leader, "open", 0, 3)));
    leader.append(idempotent.batch(numbered(leader, "idempotent", 18, 2)));
    leader.append(aborting.inTransaction(numbered(leader, "aborted", 18, 2)));
    leader.abort(aborting);
  }

  private static void logStart(Leader leader) {
    Producer goneWithItsData = new Producer(6001);
    Producer steady = new Producer(6002);
    Producer acrossTheStart = new Producer(6003);
    Producer epochBumped = new Producer(6004);

    leader.append(goneWithItsData.batch(numbered(leader, "gone", 0, 3)));
    for (int round = 0; round < 20; round++) {
      leader.append(steady.batch(numbered(leader, "steady", round, 3)));
      leader.append(epochBumped.batch(numbered(leader, "bumped", round, 1)));
      if (round == 6) {
        epochBumped.bumpEpoch();
        leader.becomeLeader(1);
      }
      // Begun below the log start, ended above it: the fetch from the start must name it.
      if (round >= 6 && round < 14) {
        leader.append(
            acrossTheStart.inTransaction(numbered(leader, "aborted across the start", round, 2)));
      }
      if (round == 14) {
        leader.abort(acrossTheStart);
      }
    }

    List<Long> bases = new ArrayList<>();
    leader.log().logSegments().forEach(segment -> bases.add(segment.baseOffset()));
    long insideThird = bases.get(2) + 4;
    leader
        .log()
        .maybeIncrementLogStartOffset(
            insideThird, LogStartOffsetIncrementReason.ClientRecordDeletion);
    leader.log().deleteOldSegments();
  }

  private static SimpleRecord[] numbered(Leader leader, String key, int round, int count) {
    SimpleRecord[] records = new SimpleRecord[count];
    for (int i = 0; i < count; i++) {
      records[i] = leader.record(key, round + "." + i);
    }
    return records;
  }
}
