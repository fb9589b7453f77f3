package org.apache.kafka.clients.consumer.internals;

import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.message.FetchResponseData.PartitionData;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.LogContext;

/**
 * Kafka's consumer without a broker: hands a fetch response to the class that turns one into
 * records, skipping control batches and aborted transactions. That class is open to its own package
 * only, which is why this one is ours but not in our package; an own filter would judge us by our
 * own reading.
 */
public final class OfflineConsumer {
  /** What one fetch gave, and where the consumer fetches next. */
  public record Fetched(List<ConsumerRecord<String, String>> records, long position) {}

  private final TopicPartition partition;
  private final FetchConfig config;
  private final Deserializers<String, String> strings =
      new Deserializers<>(new StringDeserializer(), new StringDeserializer(), null);
  private final SubscriptionState subscriptions =
      new SubscriptionState(new LogContext(), AutoOffsetResetStrategy.NONE);
  private final FetchMetricsManager metrics =
      new FetchMetricsManager(new Metrics(), new FetchMetricsRegistry());

  public OfflineConsumer(TopicPartition partition, IsolationLevel isolation) {
    this.partition = partition;
    // Of these only CRC checking and the isolation level mean anything to a fetch that has arrived.
    config =
        new FetchConfig(
            1, Integer.MAX_VALUE, 0, Integer.MAX_VALUE, Integer.MAX_VALUE, true, "", isolation);
    subscriptions.assignFromUser(Set.of(partition));
  }

  public Fetched take(PartitionData response, long position) {
    CompletedFetch fetch =
        new CompletedFetch(
            new LogContext().logger(CompletedFetch.class),
            subscriptions,
            BufferSupplier.NO_CACHING,
            partition,
            response,
            new FetchMetricsAggregator(metrics, Set.of(partition)),
            position);
    List<ConsumerRecord<String, String>> records =
        fetch.fetchRecords(config, strings, Integer.MAX_VALUE);
    return new Fetched(records, fetch.nextFetchOffset());
  }
}
