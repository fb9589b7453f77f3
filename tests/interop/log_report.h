// log_report.h: what our API says of a partition, in the words of `tests/interop/kafka read`
// (README.md): the same keys, so that two documents can be compared key by key.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "oncelog/inspect.h"
#include "oncelog/partition_log.h"
#include "oncelog/record.h"

namespace oncelog::interop {

using Json = nlohmann::json;

/// Where Kafka's clock stands when it judges; ours stands there, too.
inline constexpr Timestamp kNow{1'700'000'000'000};

/// The value, or an exception with the error's text, which fails the test.
template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

inline Json read_json(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " cannot be read");
  return Json::parse(file);
}

inline void copy_tree(const std::string& from, const std::string& to) {
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

/// Leaves nothing in a store's directory but what nobody can rebuild: the `.log` files, the log
/// start and what names the topic. Whoever opens it must recover everything.
inline void strip_to_log(const std::string& directory) {
  static const std::set<std::string> kKept{".log", ".metadata"};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  for (const std::filesystem::path& file : files) {
    const bool is_kept = kKept.contains(file.extension().string()) ||
                         file.filename() == "log-start-offset-checkpoint";
    if (!is_kept) std::filesystem::remove(file);
  }
}

inline Json json_text(const std::optional<Bytes>& bytes) {
  return bytes ? Json(as_text(*bytes)) : Json(nullptr);
}

inline Json json_control(const RecordBatchView& batch) {
  constexpr int kNoRecordLeft = -1;
  if (!batch.is_control()) return nullptr;
  const std::optional<ControlRecord> control = value_of(batch.control_record());
  if (!control) return kNoRecordLeft;
  if (!control->is_marker()) return control->type;
  return control->is_abort() ? "abort" : "commit";
}

inline Json json_batch(const RecordBatchView& batch) {
  static const std::vector<std::string> kCodecs{"none", "gzip", "snappy", "lz4", "zstd"};
  return {{"base", batch.base_offset().value()},
          {"last", batch.last_offset().value()},
          {"pid", batch.producer_id().value()},
          {"epoch", batch.producer_epoch().value()},
          {"seq", batch.base_sequence().value()},
          {"count", batch.record_count()},
          {"txn", batch.is_transactional()},
          {"control", json_control(batch)},
          {"leader_epoch", batch.leader_epoch().value()},
          {"codec", kCodecs.at(batch.codec_bits())}};
}

/// What a scan of a partition directory visits.
struct ScanReport {
  Json batches = Json::array();
  std::vector<std::string> damage{};  ///< "file position: what is wrong"
};

inline ScanReport scan_report(const std::string& directory) {
  ScanReport report;
  value_of(scan_batches(directory, [&report](const ScannedBatch& scanned) {
    if (!scanned.damage.empty() || !scanned.batch) {
      report.damage.push_back(std::filesystem::path(scanned.file).filename().string() + " " +
                              std::to_string(scanned.position) + ": " + scanned.damage);
    } else {
      report.batches.push_back(json_batch(*scanned.batch));
    }
    return true;
  }));
  return report;
}

/// A consumer's walk from the log start to where a fetch gives nothing new.
template <class Log>
class Consumption {
 public:
  Consumption(const Log& log, Isolation isolation, std::int64_t fetch_bytes) : log_(log) {
    for (Offset position = log.ends().log_start;;) {
      const Offset next = take_fetch(position, {isolation, fetch_bytes, true, {}});
      if (next <= position) break;
      position = next;
    }
  }
  [[nodiscard]] const Json& records() const { return records_; }
  /// (first offset, producer id) of what the fetches named as aborted.
  [[nodiscard]] const std::set<std::pair<Offset, ProducerId>>& aborted() const { return aborted_; }

 private:
  Offset take_fetch(Offset position, const FetchOptions& options) {
    const Fetched fetched = value_of(log_.fetch(position, options));
    const std::vector<std::byte> bytes = value_of(fetched.read());
    const auto aborted = fetched.aborted.value_or(std::vector<AbortedTransaction>{});
    for (const AbortedTransaction& one : aborted) {
      aborted_.emplace(one.first_offset, one.producer_id);
    }
    CommittedRecords records(bytes, aborted, {.from = position});
    while (const std::optional<RecordView> record = value_of(records.next())) {
      records_.push_back(
          {record->offset.value(), json_text(record->key), json_text(record->value)});
    }
    return records.position();
  }

  const Log& log_;
  Json records_ = Json::array();
  std::set<std::pair<Offset, ProducerId>> aborted_;
};

inline Json json_producers(const std::vector<ProducerInfo>& producers) {
  Json list = Json::array();
  for (const ProducerInfo& one : producers) {
    const auto first = one.transaction_first_offset;
    list.push_back({{"pid", one.producer_id.value()},
                    {"epoch", one.epoch.value()},
                    {"last_seq", one.last_sequence.value()},
                    {"last_offset", one.last_offset.value()},
                    {"coordinator_epoch", one.coordinator_epoch.value()},
                    {"txn_first", first ? Json(first->value()) : Json(nullptr)},
                    {"timestamp", one.last_timestamp.value()}});
  }
  return list;
}

inline std::vector<ProducerInfo> producers_of(const PartitionLog& log) {
  return value_of(log.producers());
}
inline std::vector<ProducerInfo> producers_of(const PartitionReader& reader) {
  return reader.producers();
}

/// The keys that a PartitionLog and a PartitionReader both have: ends, records, producers.
template <class Log>
Json report_reads(const Log& log) {
  constexpr std::int64_t kLargeFetch = 1 << 20;
  const LogEnds ends = log.ends();
  const Consumption committed(log, Isolation::kReadCommitted, kLargeFetch);
  const Consumption in_small_steps(log, Isolation::kReadCommitted, 1);
  if (committed.records() != in_small_steps.records()) {
    throw std::runtime_error("a consumer's records depend on the size of its fetches");
  }
  auto aborted = committed.aborted();
  aborted.insert(in_small_steps.aborted().begin(), in_small_steps.aborted().end());
  Json aborted_list = Json::array();
  for (const auto& [first, producer_id] : aborted) {
    if (first >= ends.last_stable_offset) continue;  // as Kafka's report: no consumer gets there
    aborted_list.push_back({{"pid", producer_id.value()}, {"first", first.value()}});
  }
  return {{"log_start", ends.log_start.value()},
          {"high_watermark", ends.high_watermark.value()},
          {"last_stable_offset", ends.last_stable_offset.value()},
          {"log_end", ends.log_end.value()},
          {"uncommitted", Consumption(log, Isolation::kReadUncommitted, kLargeFetch).records()},
          {"committed", committed.records()},
          {"aborted", std::move(aborted_list)},
          {"producers", json_producers(producers_of(log))}};
}

/// The whole document but `made_by` and `how`.
inline Json report_log(const PartitionLog& log, const std::string& directory) {
  Json report = report_reads(log);
  const ScanReport scan = scan_report(directory);
  if (!scan.damage.empty()) throw std::runtime_error("damage in an open log: " + scan.damage[0]);
  const TopicPartition& name = log.topic_partition();
  report["partition"] = name.topic + "-" + std::to_string(name.partition);
  report["clean"] = log.recovery_report().was_clean;
  report["batches"] = scan.batches;
  report["segments"] = report["aborted_index"] = report["epochs"] = Json::array();
  for (const Offset base : log.segments()) report["segments"].push_back(base.value());
  for (const AbortedTransactionEntry& entry : log.aborted_transactions()) {
    report["aborted_index"].push_back({{"segment", entry.segment.value()},
                                       {"pid", entry.producer_id.value()},
                                       {"first", entry.first_offset.value()},
                                       {"last", entry.last_offset.value()},
                                       {"lso", entry.last_stable_offset.value()}});
  }
  for (const LeaderEpochStart& start : log.leader_epochs()) {
    report["epochs"].push_back({start.epoch.value(), start.start.value()});
  }
  return report;
}

/// Every key of `ours` says what Kafka says under it; differences are shown as a JSON patch that
/// makes Kafka's value ours.
inline void expect_same(const Json& ours, const Json& kafka, const std::string& when) {
  for (const auto& [key, value] : ours.items()) {
    ASSERT_TRUE(kafka.contains(key)) << when << ": Kafka says nothing of " << key;
    EXPECT_EQ(Json::diff(kafka.at(key), value).dump(), "[]")
        << when << ", " << key << "\n  Kafka: " << kafka.at(key) << "\n  ours:  " << value;
  }
}

/// The document under these keys alone.
inline Json only(const Json& report, const std::vector<std::string>& keys) {
  Json part = Json::object();
  for (const std::string& key : keys) part[key] = report.at(key);
  return part;
}

/// The document without these keys.
inline Json without(Json report, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) report.erase(key);
  return report;
}

inline std::vector<std::string> problems_in(const std::string& directory) {
  std::vector<std::string> problems;
  for (const Problem& found : value_of(verify_partition(directory))) {
    problems.push_back(std::filesystem::path(found.file).filename().string() + " " +
                       std::to_string(found.position) + ": " + found.problem);
  }
  return problems;
}

}  // namespace oncelog::interop
