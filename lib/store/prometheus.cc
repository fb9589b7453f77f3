// prometheus.cc: metrics as text. Format: Prometheus' text exposition format 0.0.4. Names follow
// its conventions: base units, `_total` behind counters, one family of one meaning at a time.
#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <set>
#include <string_view>

#include "oncelog/metrics.h"

namespace oncelog {

namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

constexpr std::array<std::string_view, 4> kOwnLabels{"error", "le", "partition", "topic"};

bool is_label_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  // Two underscores in front are Prometheus' own.
  return !name.empty() && is_letter(name.front()) && !name.starts_with("__") &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || is_digit(c); });
}

Result<void> check_labels(const Labels& labels) {
  std::set<std::string_view> seen;
  for (const auto& [name, value] : labels) {
    if (!is_label_name(name)) {
      return fail(ErrorCode::INVALID_CONFIG, "to_prometheus: \"", name, "\" is no name of a label");
    }
    if (std::ranges::binary_search(kOwnLabels, name) || !seen.insert(name).second) {
      return fail(ErrorCode::INVALID_CONFIG, "to_prometheus: the label ", name, " is taken");
    }
  }
  return {};
}

/// Inside quotes.
std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text;
}

/// The shortest text that reads as this number.
std::string to_text(double number) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return {buffer.data(), end};
}

std::string to_seconds(std::chrono::nanoseconds time) {
  return to_text(std::chrono::duration<double>(time).count());
}

/// One subject of the samples: a partition, or the store.
struct Subject {
  Labels labels{};
  const PartitionCounters* counters = nullptr;
  const PartitionMetrics* partition = nullptr;  ///< null for the store
};

class Exposition {
 public:
  Exposition(std::string prefix, std::vector<Subject> subjects)
      : prefix_(std::move(prefix)), subjects_(std::move(subjects)) {}

  template <class Value>
  void add_counter(std::string_view name, std::string_view help, Value value_of) {
    begin(std::string(name) + "_total", help, "counter");
    for (const Subject& one : subjects_) {
      add_sample("", one.labels, std::to_string(value_of(*one.counters)));
    }
  }
  void add_seconds(std::string_view name, std::string_view help,
                   std::chrono::nanoseconds PartitionCounters::* time) {
    begin(std::string(name) + "_seconds_total", help, "counter");
    for (const Subject& one : subjects_) {
      add_sample("", one.labels, to_seconds(one.counters->*time));
    }
  }
  void add_errors(std::string_view name, std::string_view help,
                  std::map<ErrorCode, std::int64_t> PartitionCounters::* errors) {
    begin(std::string(name) + "_total", help, "counter");
    for (const Subject& one : subjects_) {
      for (const auto& [code, count] : one.counters->*errors) {
        Labels labels = one.labels;
        labels.emplace_back("error", kafka_name(code));
        add_sample("", labels, std::to_string(count));
      }
    }
  }
  void add_histogram(std::string_view name, std::string_view help,
                     DurationHistogram PartitionCounters::* histogram) {
    begin(std::string(name) + "_seconds", help, "histogram");
    for (const Subject& one : subjects_) add_buckets(one, one.counters->*histogram);
  }
  template <class Value>
  void add_gauge(std::string_view name, std::string_view help, Value value_of) {
    begin(std::string(name), help, "gauge");
    for (const Subject& one : subjects_) add_sample("", one.labels, value_of(one));
  }

  std::string take() { return std::move(text_); }

 private:
  void begin(std::string name, std::string_view help, std::string_view type) {
    name_ = prefix_ + std::move(name);
    text_.append("# HELP ").append(name_).append(" ").append(help).append("\n");
    text_.append("# TYPE ").append(name_).append(" ").append(type).append("\n");
  }

  void add_buckets(const Subject& one, const DurationHistogram& histogram) {
    std::int64_t cumulative = 0;
    for (std::size_t i = 0; i < DurationHistogram::kBucketCount; ++i) {
      cumulative += histogram.counts[i];
      const bool is_last = i + 1 == DurationHistogram::kBucketCount;
      Labels labels = one.labels;
      labels.emplace_back("le", is_last ? "+Inf" : to_seconds(DurationHistogram::bound(i)));
      add_sample("_bucket", labels, std::to_string(cumulative));
    }
    add_sample("_sum", one.labels, to_seconds(histogram.sum));
    add_sample("_count", one.labels, std::to_string(cumulative));
  }

  void add_sample(std::string_view suffix, const Labels& labels, const std::string& value) {
    text_.append(name_).append(suffix);
    char before = '{';
    for (const auto& [name, label] : labels) {
      text_ += before;
      text_.append(name).append("=\"").append(escaped(label)).append("\"");
      before = ',';
    }
    if (!labels.empty()) text_ += '}';
    text_.append(" ").append(value).append("\n");
  }

  const std::string prefix_;
  const std::vector<Subject> subjects_;
  std::string name_;
  std::string text_;
};

void add_appends_and_fetches(Exposition& out) {
  using Counters = PartitionCounters;
  out.add_counter("appended_batches", "Batches stored.",
                  [](const Counters& c) { return c.appended_batches; });
  out.add_counter("appended_records", "Records stored.",
                  [](const Counters& c) { return c.appended_records; });
  out.add_counter("appended_bytes", "Bytes of the batches stored.",
                  [](const Counters& c) { return c.appended_bytes; });
  out.add_counter("duplicate_batches", "Retries answered with their first answer.",
                  [](const Counters& c) { return c.duplicate_batches; });
  out.add_errors("append_errors", "Appends refused or failed, by error.", &Counters::append_errors);
  out.add_counter("fetches", "Fetches answered.", [](const Counters& c) { return c.fetches; });
  out.add_counter("fetched_bytes", "Bytes that fetches answered with.",
                  [](const Counters& c) { return c.fetched_bytes; });
  out.add_errors("fetch_errors", "Fetches refused or failed, by error.", &Counters::fetch_errors);
}

void add_upkeep(Exposition& out) {
  using Counters = PartitionCounters;
  out.add_histogram("sync_duration", "Time of the syncs of group commits, rolls and flushes.",
                    &Counters::sync_time);
  out.add_counter("ring_drains", "Writes that emptied the append ring.",
                  [](const Counters& c) { return c.ring_drains; });
  out.add_counter("rolls", "Segments begun behind a full one.",
                  [](const Counters& c) { return c.rolls; });
  out.add_histogram("checkpoint_duration", "Time of checkpoints of the producer state.",
                    &Counters::checkpoint_time);
  out.add_counter("retention_removed_segments", "Segments removed by retention.",
                  [](const Counters& c) { return c.retention_segments; });
  out.add_counter("retention_removed_bytes", "Log bytes removed by retention.",
                  [](const Counters& c) { return c.retention_bytes; });
  out.add_counter("compaction_rounds", "Rounds of compaction that ended.",
                  [](const Counters& c) { return c.compaction_rounds; });
  out.add_counter("compaction_removed_records", "Records that compaction took away.",
                  [](const Counters& c) { return c.compaction_records; });
  out.add_counter("compaction_removed_bytes", "Log bytes that compaction took away.",
                  [](const Counters& c) { return c.compaction_bytes; });
  out.add_counter("truncations", "Truncations that cut something off.",
                  [](const Counters& c) { return c.truncations; });
  out.add_counter("producer_cache_hits", "Producers of appends found in memory.",
                  [](const Counters& c) { return c.producer_cache_hits; });
  out.add_counter("producer_cache_misses", "Producers of appends looked up in the state file.",
                  [](const Counters& c) { return c.producer_cache_misses; });
  out.add_counter("expired_producers", "Producers forgotten because of their age.",
                  [](const Counters& c) { return c.expired_producers; });
  out.add_seconds("recovery", "Time that opens took.", &Counters::recovery_time);
  out.add_counter("recovery_read_bytes", "Log bytes that opens read.",
                  [](const Counters& c) { return c.recovery_bytes; });
}

void add_gauges(Exposition& out) {
  using Partition = PartitionMetrics;
  const auto add = [&](std::string_view name, std::string_view help, auto value_of) {
    out.add_gauge(name, help,
                  [&](const Subject& one) { return std::to_string(value_of(*one.partition)); });
  };
  add("log_start_offset", "First offset that can be read.",
      [](const Partition& p) { return p.ends.log_start.value(); });
  add("last_stable_offset", "Where read_committed ends.",
      [](const Partition& p) { return p.ends.last_stable_offset.value(); });
  add("high_watermark", "Where read_uncommitted ends.",
      [](const Partition& p) { return p.ends.high_watermark.value(); });
  add("log_end_offset", "Offset of the next record.",
      [](const Partition& p) { return p.ends.log_end.value(); });
  add("durable_end_offset", "Below it every batch is on stable storage.",
      [](const Partition& p) { return p.ends.durable_end.value(); });
  add("last_stable_offset_lag", "High watermark less last stable offset.",
      [](const Partition& p) { return p.last_stable_offset_lag(); });
  add("log_size_bytes", "Bytes of all batches.", [](const Partition& p) { return p.log_bytes; });
  add("segments", "Segments.", [](const Partition& p) { return p.segment_count; });
  add("open_transactions", "Transactions without a marker.",
      [](const Partition& p) { return p.open_transactions; });
  out.add_gauge("oldest_transaction_age_seconds",
                "Age of the oldest open transaction, 0 if none is open.", [](const Subject& one) {
                  const auto age = one.partition->oldest_transaction_age;
                  return to_seconds(age.value_or(std::chrono::seconds(0)));
                });
  add("cached_producers", "Producers in memory as the newest checkpoint has them.",
      [](const Partition& p) { return p.cached_producers; });
  add("changed_producers", "Producers in memory that no checkpoint holds yet.",
      [](const Partition& p) { return p.changed_producers; });
  add("cached_producer_bytes", "Memory of the producers that a checkpoint holds.",
      [](const Partition& p) { return p.cached_producer_bytes; });
  add("changed_producer_bytes", "Memory of the producers that no checkpoint holds yet.",
      [](const Partition& p) { return p.changed_producer_bytes; });
  add("poisoned", "1 if nothing can be written before a reopen.",
      [](const Partition& p) { return p.is_poisoned ? 1 : 0; });
}

std::string expose_partitions(const StoreMetrics& metrics, const Labels& labels) {
  std::vector<Subject> subjects;
  for (const PartitionMetrics& one : metrics.partitions) {
    Subject subject{labels, &one.counters, &one};
    subject.labels.emplace_back("topic", one.name.topic);
    subject.labels.emplace_back("partition", std::to_string(one.name.partition));
    subjects.push_back(std::move(subject));
  }
  Exposition out("oncelog_partition_", std::move(subjects));
  add_appends_and_fetches(out);
  add_upkeep(out);
  add_gauges(out);
  return out.take();
}

}  // namespace

Result<std::string> to_prometheus(const StoreMetrics& metrics, const PrometheusOptions& options) {
  ONCELOG_TRY(check_labels(options.labels));
  Exposition out("oncelog_store_", {{options.labels, &metrics.totals, nullptr}});
  add_appends_and_fetches(out);
  add_upkeep(out);
  out.add_gauge("open_partitions", "Partitions that are open.",
                [&](const Subject&) { return std::to_string(metrics.partitions.size()); });
  std::string text = out.take();
  if (options.has_partitions) text += expose_partitions(metrics, options.labels);
  return text;
}

}  // namespace oncelog
