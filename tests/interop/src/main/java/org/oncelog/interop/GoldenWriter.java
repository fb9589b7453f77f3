package org.oncelog.interop;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import kafka.log.UnifiedLog;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.record.MemoryRecords;

/** Lets Kafka write a golden directory, and then say what it finds when it opens a copy of it. */
final class GoldenWriter {
  static final TopicPartition PARTITION = new TopicPartition("t", 0);
  static final String DATA = "data";
  static final String EXPECTED = "expected.json";

  /** Fixed, since Kafka writes it into partition.metadata and would draw another one each time. */
  private static final Uuid TOPIC_ID = Uuid.fromString("b25jZWxvZy1nb2xkZW4xMg");

  private static final String LOCK_FILE = ".lock";

  private final Path out;

  GoldenWriter(Path out) {
    this.out = out;
  }

  void write(Golden golden) throws Exception {
    Path folder = out.resolve(golden.name());
    Path data = folder.resolve(DATA);
    remove(data);
    Files.createDirectories(data);

    Path work = Files.createTempDirectory("interop");
    try {
      tell(golden, work, data);
    } finally {
      remove(work);
    }
    Files.writeString(folder.resolve(EXPECTED), expected(data, golden.how()));
  }

  /**
   * What Kafka says of a golden directory that has been written before; {@code how} is repeated.
   */
  static String expected(Path data, String how) throws IOException {
    Path copy = Files.createTempDirectory("interop");
    try {
      copyTree(data, copy);
      try (KafkaDir dir = KafkaDir.open(copy, Map.of(), new FixedTime())) {
        return JsonOut.render(LogReader.read(dir.lead(PARTITION).kafka(), dir.foundClean(), how));
      }
    } finally {
      remove(copy);
    }
  }

  private static void tell(Golden golden, Path work, Path data) throws Exception {
    FixedTime time = new FixedTime();
    try (KafkaDir dir = KafkaDir.open(work, golden.topicConfig(), time)) {
      Leader leader = new Leader(dir.create(PARTITION, TOPIC_ID).kafka(), time);
      golden.story().tell(dir, leader);
      if (golden.end() == Golden.End.TORN) {
        copyTree(work, data);
        tearLastWrite(data, leader);
      }
    }
    if (golden.end() == Golden.End.CLEAN) {
      copyTree(work, data);
    }
  }

  /** The batch that was under way when the machine stopped: two thirds of it are there. */
  private static void tearLastWrite(Path data, Leader leader) throws IOException {
    UnifiedLog log = leader.log();
    MemoryRecords whole =
        new Producer(9999)
            .batch(
                leader.record("torn", "this record was never acknowledged"),
                leader.record("torn", "and neither was this one"));
    whole
        .batches()
        .forEach(
            batch -> {
              batch.setLastOffset(log.logEndOffset() + 1);
              batch.setPartitionLeaderEpoch(leader.epoch());
            });
    ByteBuffer torn = Leader.copy(whole);
    torn.limit(torn.limit() * 2 / 3);
    Path active =
        data.resolve(PARTITION.toString()).resolve(log.activeSegment().log().file().getName());
    try (var channel = Files.newByteChannel(active, StandardOpenOption.APPEND)) {
      channel.write(torn);
    }
  }

  /**
   * All but the lock file, which says nothing about the log and would be found open by whoever
   * copies.
   */
  private static void copyTree(Path from, Path to) throws IOException {
    for (Path source : tree(from)) {
      Path target = to.resolve(from.relativize(source).toString());
      if (Files.isDirectory(source)) {
        Files.createDirectories(target);
      } else if (!source.getFileName().toString().equals(LOCK_FILE)) {
        Files.copy(source, target);
      }
    }
  }

  private static void remove(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    for (Path path : tree(folder).stream().sorted(Comparator.reverseOrder()).toList()) {
      Files.delete(path);
    }
  }

  private static List<Path> tree(Path folder) throws IOException {
    try (Stream<Path> paths = Files.walk(folder)) {
      return paths.toList();
    }
  }
}
