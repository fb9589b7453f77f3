package org.oncelog.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Kafka's own clients, driven by JSON lines: a request a line on standard input, an answer a line
 * on standard output. One process holds them all over the broker's restarts, so that what goes on
 * afterwards is the same producer with the same epoch and sequences, not a new one.
 */
public final class BrokerClients {
  private static final Duration PATIENCE = Duration.ofSeconds(150);
  private static final int PARTITION = 0;

  private final ObjectMapper mapper = new ObjectMapper();
  private final String bootstrap;
  private final Map<String, Sender> senders = new HashMap<>();

  /** A producer, and what became of the records that it was given. */
  private static final class Sender {
    final KafkaProducer<String, String> producer;
    final ArrayNode acknowledged;
    final AtomicReference<Exception> failure = new AtomicReference<>();

    Sender(KafkaProducer<String, String> producer, ArrayNode acknowledged) {
      this.producer = producer;
      this.acknowledged = acknowledged;
    }
  }

  private BrokerClients(String bootstrap) {
    this.bootstrap = bootstrap;
  }

  public static void main(String[] args) throws Exception {
    BrokerClients clients = new BrokerClients(args[0]);
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.println(clients.answer(line));
    }
    // Producers may still try to reach a broker that is gone.
    System.exit(0);
  }

  private String answer(String line) throws Exception {
    ObjectNode answer = mapper.createObjectNode();
    try {
      run(mapper.readTree(line), answer);
    } catch (ExecutionException e) {
      answer.put("error", e.getCause().toString());
    } catch (Exception e) {
      answer.put("error", e.toString());
    }
    return mapper.writeValueAsString(answer);
  }

  private void run(JsonNode request, ObjectNode answer) throws Exception {
    String op = request.get("op").asText();
    switch (op) {
      case "create" -> create(request);
      case "producer" -> openProducer(request, answer);
      case "begin" -> sender(request).producer.beginTransaction();
      case "commit" -> sender(request).producer.commitTransaction();
      case "abort" -> sender(request).producer.abortTransaction();
      case "send" -> send(request, answer);
      case "settle" -> settle(sender(request), answer);
      case "acknowledged" -> putAcknowledged(sender(request), answer);
      case "end" -> senders.remove(request.get("producer").asText()).producer.close(PATIENCE);
      case "read" -> read(request, answer);
      case "commit_offset" -> commitOffset(request);
      case "committed_offset" -> committedOffset(request, answer);
      case "producer_states" -> producerStates(request, answer);
      default -> throw new IllegalArgumentException("unknown op " + op);
    }
  }

  private Sender sender(JsonNode request) {
    return senders.get(request.get("producer").asText());
  }

  private static TopicPartition partition(JsonNode request) {
    return new TopicPartition(request.get("topic").asText(), PARTITION);
  }

  private Admin openAdmin() {
    return Admin.create(Map.of("bootstrap.servers", bootstrap));
  }

  private static void putAll(JsonNode config, Map<String, ? super String> into) {
    if (config != null) {
      config.properties().forEach(entry -> into.put(entry.getKey(), entry.getValue().asText()));
    }
  }

  private void create(JsonNode request) throws Exception {
    Map<String, String> config = new HashMap<>();
    putAll(request.get("config"), config);
    NewTopic topic =
        new NewTopic(request.get("topic").asText(), Optional.of(1), Optional.empty())
            .configs(config);
    try (Admin admin = openAdmin()) {
      admin.createTopics(List.of(topic)).all().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }
  }

  private void openProducer(JsonNode request, ObjectNode answer) {
    Map<String, Object> config = new HashMap<>();
    config.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    config.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
    config.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
    // No producer gives up while the broker is away.
    config.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, "900000");
    config.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, String.valueOf(PATIENCE.toMillis()));
    config.put(ProducerConfig.RECONNECT_BACKOFF_MAX_MS_CONFIG, "200");
    putAll(request.get("config"), config);
    KafkaProducer<String, String> producer = new KafkaProducer<>(config);
    senders.put(
        request.get("producer").asText(), new Sender(producer, mapper.createArrayNode()));
    if (config.containsKey(ProducerConfig.TRANSACTIONAL_ID_CONFIG)) {
      producer.initTransactions();
    }
  }

  /** Gives all records to the producer and, unless "wait" is false, waits for their answers. */
  private void send(JsonNode request, ObjectNode answer) throws Exception {
    Sender sender = sender(request);
    String topic = request.get("topic").asText();
    for (JsonNode record : request.get("records")) {
      String key = record.get(0).isNull() ? null : record.get(0).asText();
      String value = record.get(1).isNull() ? null : record.get(1).asText();
      sender.producer.send(
          new ProducerRecord<>(topic, PARTITION, key, value),
          (metadata, failure) -> note(sender, key, value, metadata.offset(), failure));
    }
    if (!request.has("wait") || request.get("wait").asBoolean()) {
      settle(sender, answer);
    }
  }

  private static void note(
      Sender sender, String key, String value, long offset, Exception failure) {
    if (failure != null) {
      sender.failure.compareAndSet(null, failure);
      return;
    }
    synchronized (sender) {
      sender.acknowledged.addArray().add(offset).add(key).add(value);
    }
  }

  private static void settle(Sender sender, ObjectNode answer) throws Exception {
    sender.producer.flush();
    Exception failure = sender.failure.get();
    if (failure != null) {
      throw failure;
    }
    putAcknowledged(sender, answer);
  }

  /** Takes out what was acknowledged since the last time: [offset, key, value] each. */
  private static void putAcknowledged(Sender sender, ObjectNode answer) {
    synchronized (sender) {
      answer.set("acknowledged", sender.acknowledged.deepCopy());
      sender.acknowledged.removeAll();
    }
  }

  private KafkaConsumer<String, String> openConsumer(String isolation, String group) {
    Properties config = new Properties();
    config.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    config.put(ConsumerConfig.GROUP_ID_CONFIG, group);
    config.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
    config.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, isolation);
    return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
  }

  /** All that the isolation lets a consumer see now, from the log start on. */
  private void read(JsonNode request, ObjectNode answer) throws TimeoutException {
    TopicPartition partition = partition(request);
    ArrayNode records = answer.putArray("records");
    try (var consumer = openConsumer(request.get("isolation").asText(), "reader")) {
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      long end = consumer.endOffsets(List.of(partition), PATIENCE).get(partition);
      long deadline = System.nanoTime() + PATIENCE.toNanos();
      while (consumer.position(partition, PATIENCE) < end) {
        if (System.nanoTime() > deadline) {
          throw new TimeoutException("stands at " + consumer.position(partition) + " of " + end);
        }
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
          records.addArray().add(record.offset()).add(record.key()).add(record.value());
        }
      }
      answer.put("end", end);
    }
  }

  private void commitOffset(JsonNode request) {
    try (var consumer = openConsumer("read_committed", request.get("group").asText())) {
      OffsetAndMetadata offset = new OffsetAndMetadata(request.get("offset").asLong());
      consumer.commitSync(Map.of(partition(request), offset), PATIENCE);
    }
  }

  private void committedOffset(JsonNode request, ObjectNode answer) {
    TopicPartition partition = partition(request);
    try (var consumer = openConsumer("read_committed", request.get("group").asText())) {
      OffsetAndMetadata offset = consumer.committed(Set.of(partition), PATIENCE).get(partition);
      answer.put("offset", offset == null ? -1 : offset.offset());
    }
  }

  /** The producers as the broker knows them, by id. */
  private void producerStates(JsonNode request, ObjectNode answer) throws Exception {
    TopicPartition partition = partition(request);
    ArrayNode states = answer.putArray("producers");
    try (Admin admin = openAdmin()) {
      var described = admin.describeProducers(List.of(partition)).partitionResult(partition);
      for (ProducerState state :
          described.get(PATIENCE.toSeconds(), TimeUnit.SECONDS).activeProducers()) {
        ObjectNode node = states.addObject();
        node.put("pid", state.producerId());
        node.put("epoch", state.producerEpoch());
        node.put("last_seq", state.lastSequence());
        if (state.currentTransactionStartOffset().isPresent()) {
          node.put("txn_first", state.currentTransactionStartOffset().getAsLong());
        } else {
          node.putNull("txn_first");
        }
      }
    }
  }
}
