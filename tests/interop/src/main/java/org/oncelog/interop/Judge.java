package org.oncelog.interop;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import kafka.log.UnifiedLog;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.TopicConfig;

/** The command line: Kafka's storage code, asked from outside of a JVM. */
public final class Judge {
  private static final String USAGE =
      """
      usage: write OUT_DIR                  write the golden directories
             read LOG_DIR [PARTITION]       open as a broker does, print what Kafka finds, close
             continue LOG_DIR [PARTITION]   the same, then go on where each producer stopped
             compact LOG_DIR [PARTITION]    the same as read, behind one round of Kafka's cleaner
             check DIR                      golden directories against their expected.json""";
  private static final int EXIT_FAILED = 1;
  private static final int EXIT_USAGE = 2;

  private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

  private Judge() {}

  public static void main(String[] args) {
    try {
      run(List.of(args));
      OUT.flush();
    } catch (UsageException e) {
      System.err.println(USAGE);
      System.exit(EXIT_USAGE);
    } catch (Throwable e) {
      OUT.flush();
      System.err.println("interop: " + e);
      if (e.getCause() != null) {
        System.err.println("  caused by " + e.getCause());
      }
      // Kafka may have left threads and locks behind.
      System.exit(EXIT_FAILED);
    }
  }

  private static void run(List<String> args) throws Exception {
    if (args.size() < 2 || args.size() > 3) {
      throw new UsageException();
    }
    String command = args.get(0);
    Path path = Path.of(args.get(1));
    boolean onePath = args.size() == 2;
    TopicPartition partition = onePath ? GoldenWriter.PARTITION : partition(args.get(2));
    switch (command) {
      case "read" -> read(path, partition);
      case "continue" -> goOn(path, partition);
      case "compact" -> compact(path, partition);
      case "write" -> write(onePath ? path : refuse());
      case "check" -> check(onePath ? path : refuse());
      default -> refuse();
    }
  }

  private static Path refuse() {
    throw new UsageException();
  }

  private static TopicPartition partition(String name) throws IOException {
    return UnifiedLog.parseTopicPartitionName(Path.of(name).toFile());
  }

  private static void write(Path out) throws Exception {
    GoldenWriter writer = new GoldenWriter(out);
    for (Golden golden : Goldens.all()) {
      writer.write(golden);
    }
  }

  private static void read(Path path, TopicPartition partition) throws IOException {
    try (KafkaDir dir = KafkaDir.open(path, Map.of(), new FixedTime())) {
      OUT.print(
          JsonOut.render(
              LogReader.read(
                  dir.lead(partition).kafka(), dir.foundClean(), "Opened by `read`.")));
    }
  }

  private static void goOn(Path path, TopicPartition partition) throws IOException {
    FixedTime time = new FixedTime();
    try (KafkaDir dir = KafkaDir.open(path, Map.of(), time)) {
      UnifiedLog log = dir.lead(partition).kafka();
      OUT.print(JsonOut.render(LogReader.read(log, dir.foundClean(), "Opened by `continue`.")));
      OUT.flush();
      int producers = new ProducerContinuation(log, time).run();
      System.err.println("interop: Kafka took the next batch of " + producers + " producers");
    }
  }

  /** All that is due by Kafka's rules, with tombstones and markers kept for 100 ms. */
  private static void compact(Path path, TopicPartition partition) throws IOException {
    Map<String, String> config =
        Map.of(
            TopicConfig.CLEANUP_POLICY_CONFIG, TopicConfig.CLEANUP_POLICY_COMPACT,
            TopicConfig.MIN_CLEANABLE_DIRTY_RATIO_CONFIG, "0",
            TopicConfig.DELETE_RETENTION_MS_CONFIG, "100");
    FixedTime time = new FixedTime();
    try (KafkaDir dir = KafkaDir.open(path, config, time)) {
      OpenLog log = dir.lead(partition);
      new Compactor(dir, log, time)
          .run()
          .orElseThrow(() -> new IllegalStateException("the cleaner finds nothing to do"));
      OUT.print(
          JsonOut.render(LogReader.read(log.kafka(), dir.foundClean(), "Opened by `compact`.")));
    }
  }

  private static void check(Path goldens) throws IOException {
    ObjectMapper json = new ObjectMapper();
    int checked = 0;
    for (Path folder : folders(goldens)) {
      String expected = Files.readString(folder.resolve(GoldenWriter.EXPECTED));
      String how = json.readTree(expected).get("how").asText();
      if (!GoldenWriter.expected(folder.resolve(GoldenWriter.DATA), how).equals(expected)) {
        throw new IOException(folder + ": Kafka finds something else than expected.json says");
      }
      checked++;
    }
    OUT.println("checked " + checked + " golden directories");
  }

  private static List<Path> folders(Path goldens) throws IOException {
    try (Stream<Path> paths = Files.list(goldens)) {
      return paths
          .filter(path -> Files.exists(path.resolve(GoldenWriter.EXPECTED)))
          .sorted()
          .toList();
    }
  }

  private static final class UsageException extends RuntimeException {
    private static final long serialVersionUID = 1;
  }
}
