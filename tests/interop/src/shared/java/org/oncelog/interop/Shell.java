package org.oncelog.interop;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.storage.internals.log.RecordValidationException;

/**
 * The protocol of {@code oncelog shell} over Kafka's own log: a request a line in, an answer a line
 * out. So that thousands of histories need one JVM, it knows two requests more: {@code kill} drops
 * the partition as the end of the process would, and {@code begin} names the next store directory
 * and sets the clock back.
 */
public final class Shell {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final int DAY_MS = 86_400_000;
  private static final String EXPIRATION_CONFIG = "producer.id.expiration.ms";

  private final FixedTime time = new FixedTime();
  private Path store;
  private KafkaPartition partition;
  private int leaderEpoch;
  private boolean watermarkFollowsEnd;

  private Shell(Path store) {
    this.store = store;
  }

  public static void main(String[] args) throws IOException {
    new Shell(Path.of(args[0])).run(System.in, System.out);
  }

  private void run(InputStream in, OutputStream out) throws IOException {
    var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      out.write(MAPPER.writeValueAsBytes(answer(line)));
      out.write('\n');
      out.flush();
    }
    if (partition != null) {
      partition.close();
    }
    // Kafka's pools leave threads that are not daemons.
    System.exit(0);
  }

  private ObjectNode answer(String line) {
    try {
      return answer(MAPPER.readTree(line));
    } catch (JsonProcessingException e) {
      return error(Errors.INVALID_REQUEST, "not a JSON object");
    } catch (RecordValidationException e) {
      return error(Errors.forException(e.invalidException()), e.toString());
    } catch (ApiException e) {
      return error(Errors.forException(e), e.toString());
    } catch (Exception e) {
      return error(Errors.forException(e), e + " at " + e.getStackTrace()[0]);
    }
  }

  private static ObjectNode error(Errors code, String message) {
    return MAPPER.createObjectNode().put("error", code.name()).put("message", message);
  }

  private ObjectNode answer(JsonNode request) throws IOException {
    String op = request.path("op").asText();
    ObjectNode answer = MAPPER.createObjectNode().put("ok", true);
    switch (op) {
      case "begin" -> begin(request);
      case "kill" -> kill();
      case "clock" -> clock(request, answer);
      case "open" -> open(request, answer);
      default -> {
        if (partition == null) {
          return error(Errors.INVALID_REQUEST, op + ": no partition is open");
        }
        if (op.equals("close")) {
          close();
        } else if (!verb(op, request, answer)) {
          return error(Errors.INVALID_REQUEST, "unknown op " + op);
        }
      }
    }
    return answer;
  }

  private boolean verb(String op, JsonNode request, ObjectNode answer) throws IOException {
    if (op.equals("assign_epoch")) {
      partition.assignEpoch(request.get("epoch").asInt());
      leaderEpoch = request.get("epoch").asInt();
      return new ShellReads(partition).answer("epochs", request, answer);
    }
    if (new ShellReads(partition).answer(op, request, answer)
        || new ShellVerbs(partition).answer(op, request, answer)) {
      return true;
    }
    boolean isAppend =
        new ShellAppends(partition, leaderEpoch, time.milliseconds()).answer(op, request, answer);
    if (isAppend && watermarkFollowsEnd) {
      partition.setHighWatermark(partition.end());
    }
    return isAppend;
  }

  private void begin(JsonNode request) throws IOException {
    kill();
    store = Path.of(request.get("dir").asText());
  }

  private void kill() throws IOException {
    if (partition != null) {
      partition.kill();
      partition = null;
    }
    time.set(FixedTime.START_MS);
  }

  private void close() throws IOException {
    try {
      partition.close();
    } finally {
      partition = null;
    }
  }

  private void clock(JsonNode request, ObjectNode answer) {
    if (request.has("set")) {
      time.set(request.get("set").asLong());
    } else {
      time.advance(request.get("advance").asLong());
    }
    answer.put("now", time.milliseconds());
  }

  private void open(JsonNode request, ObjectNode answer) throws IOException {
    if (partition != null) {
      throw Errors.INVALID_REQUEST.exception("open: a partition is open");
    }
    Map<String, String> config = new HashMap<>();
    request.path("config").properties().forEach(e -> config.put(e.getKey(), e.getValue().asText()));
    String expiration = config.remove(EXPIRATION_CONFIG);
    String name = request.path("partition").asText("t-0");
    int dash = name.lastIndexOf('-');
    partition =
        KafkaPartition.open(
            store,
            new TopicPartition(name.substring(0, dash), Integer.parseInt(name.substring(dash + 1))),
            config,
            expiration == null ? DAY_MS : Integer.parseInt(expiration),
            time);
    watermarkFollowsEnd = !request.path("high_watermark").asText("manual").equals("manual");
    leaderEpoch =
        Math.max(request.path("leader_epoch").asInt(0), partition.latestEpoch().orElse(0));
    ShellReads.putState(partition, answer);
    answer.put("recovered", partition.wasRecovered()).put("truncated_bytes", partition.bytesCut());
  }
}
