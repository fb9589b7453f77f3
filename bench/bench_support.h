// bench_support.h: what the benchmarks have in common.
#pragma once

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/record.h"
#include "oncelog/record_builder.h"

namespace oncelog::bench {

/// A measurement that went wrong is none.
[[noreturn]] inline void give_up(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

template <class Body>
double nanoseconds_of(Body&& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

/// The value at a share of the sorted values; 0.5 is the median. There must be one.
template <class Number>
Number quantile(std::vector<Number> values, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, values.begin() + at);
  return values[static_cast<std::size_t>(at)];
}

template <class Number>
Number median(std::vector<Number> values) {
  return quantile(std::move(values), 0.5);
}

/// Options set their variables in the order in which they were added: `--quick` comes before these.
inline void add_common_options(CLI::App& app, std::string& directory, int& runs) {
  app.add_option("--directory", directory, "Where the files lie; removed at the end")
      ->check(CLI::ExistingDirectory);
  app.add_option("--runs", runs, "Of which the medians are taken")->check(CLI::PositiveNumber);
}

inline void add_mib_option(CLI::App& app, std::int64_t& bytes) {
  app.add_option_function<std::int64_t>("--mib", [&bytes](std::int64_t mib) { bytes = mib << 20; })
      ->check(CLI::PositiveNumber);
}

/// One batch of one record, of `bytes` bytes, all told, but for some.
inline std::vector<std::byte> make_record_batch(std::int64_t bytes, const BatchFields& fields) {
  constexpr std::int64_t kOverheadBytes = kBatchHeaderBytes + 10;
  RecordBatchBuilder builder(fields);
  const auto value_bytes = std::max<std::int64_t>(bytes - kOverheadBytes, 1);
  const std::string value(static_cast<std::size_t>(value_bytes), 'v');
  must(builder.add({.timestamp = Timestamp(1'700'000'000'000), .value = as_bytes(value)}));
  return must(builder.build());
}

/// One idempotent batch of about `bytes` bytes, one record of 1 KiB after the other.
inline std::vector<std::byte> make_idempotent_batch(std::int64_t bytes, std::int32_t sequence) {
  RecordBatchBuilder builder({.producer_id = ProducerId(1),
                              .producer_epoch = ProducerEpoch(0),
                              .base_sequence = Sequence(sequence)});
  const std::int64_t value_bytes = std::clamp<std::int64_t>(bytes - 61 - 12, 1, 1000);
  const std::string value(static_cast<std::size_t>(value_bytes), 'v');
  for (std::int64_t made = 61; made + value_bytes <= bytes; made += value_bytes + 12) {
    must(builder.add({.timestamp = Timestamp(1'700'000'000'000), .value = as_bytes(value)}));
  }
  return must(builder.build());
}

/// A new folder, removed at the end with all that is in it.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& parent) : path_(parent + "/oncelog-bench-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) give_up("cannot make a folder in " + parent);
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// A name in it that has not been used before.
  std::string next() { return path_ + "/" + std::to_string(++count_); }
  /// Removes what is in it. Memory of the page cache that comes back is used for the next files: a
  /// virtual machine pays dearly for pages that it has not touched before.
  void clear() const {
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      std::filesystem::remove_all(entry.path());
    }
  }

 private:
  std::string path_;
  int count_ = 0;
};

}  // namespace oncelog::bench
