package org.oncelog.interop;

import com.fasterxml.jackson.annotation.JsonFormat;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.databind.PropertyNamingStrategies.SnakeCaseStrategy;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.util.List;

/** What Kafka says about one partition: the document that {@code read} prints. */
@JsonNaming(SnakeCaseStrategy.class)
record LogReport(
    String madeBy,
    String how,
    String partition,
    boolean clean,
    long logStart,
    long highWatermark,
    long lastStableOffset,
    long logEnd,
    List<Long> segments,
    List<Batch> batches,
    List<Row> uncommitted,
    List<Row> committed,
    List<Aborted> aborted,
    List<AbortedEntry> abortedIndex,
    List<Producer> producers,
    List<Epoch> epochs) {

  /**
   * {@code control} is null, "commit", "abort", another type's number, or -1 if no record is left.
   */
  @JsonNaming(SnakeCaseStrategy.class)
  record Batch(
      long base,
      long last,
      long pid,
      int epoch,
      int seq,
      int count,
      boolean txn,
      Object control,
      int leaderEpoch,
      String codec) {}

  /** One record as a consumer is given it. */
  @JsonFormat(shape = JsonFormat.Shape.ARRAY)
  @JsonPropertyOrder({"offset", "key", "value"})
  record Row(long offset, String key, String value) {}

  /** An aborted transaction as a fetch response names it. */
  record Aborted(long pid, long first) {}

  /** One entry of a {@code .txnindex} file. */
  record AbortedEntry(long segment, long pid, long first, long last, long lso) {}

  @JsonNaming(SnakeCaseStrategy.class)
  record Producer(
      long pid,
      int epoch,
      int lastSeq,
      long lastOffset,
      int coordinatorEpoch,
      Long txnFirst,
      long timestamp) {}

  @JsonFormat(shape = JsonFormat.Shape.ARRAY)
  @JsonPropertyOrder({"epoch", "startOffset"})
  record Epoch(int epoch, long startOffset) {}
}
