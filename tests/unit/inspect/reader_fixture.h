// reader_fixture.h: a PartitionReader over files written by hand.
#pragma once

#include <gmock/gmock.h>

#include <utility>
#include <vector>

#include "oncelog/inspect.h"
#include "unit/inspect/partition_files.h"

namespace oncelog::test {

using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;
inline constexpr FetchOptions kCommitted{.isolation = Isolation::kReadCommitted};

class ReaderFixture : public ::testing::Test {
 protected:
  std::unique_ptr<PartitionReader> open() {
    auto reader = PartitionReader::open(files_.path());
    EXPECT_TRUE(reader) << reader.error().text();
    return *std::move(reader);
  }
  static void refresh(PartitionReader& reader) {
    const auto refreshed = reader.refresh();
    EXPECT_TRUE(refreshed) << refreshed.error().text();
  }
  static std::int64_t end_of(const PartitionReader& reader) {
    return reader.ends().log_end.value();
  }
  static Fetched fetch(const PartitionReader& reader, std::int64_t from,
                       FetchOptions options = {}) {
    auto fetched = reader.fetch(Offset(from), options);
    EXPECT_TRUE(fetched) << fetched.error().text();
    return fetched.value_or(Fetched{});
  }
  static Buffer bytes_from(const PartitionReader& reader, std::int64_t from,
                           FetchOptions options = {}) {
    const auto bytes = fetch(reader, from, options).read();
    EXPECT_TRUE(bytes) << bytes.error().text();
    return bytes.value_or(Buffer{});
  }
  static std::vector<std::int64_t> bases_from(const PartitionReader& reader, std::int64_t from,
                                              FetchOptions options = {}) {
    const Buffer bytes = bytes_from(reader, from, options);
    BatchCursor cursor(bytes);
    std::vector<std::int64_t> bases;
    while (true) {
      const auto batch = cursor.next();
      EXPECT_TRUE(batch);
      if (!batch || !*batch) return bases;
      bases.push_back((*batch)->base_offset().value());
    }
  }
  static OffsetFound find(const PartitionReader& reader, Timestamp timestamp,
                          Isolation isolation = Isolation::kReadUncommitted) {
    const auto found = reader.list_offsets(timestamp, isolation);
    EXPECT_TRUE(found) << found.error().text();
    return found.value_or(OffsetFound{});
  }
  static std::vector<std::pair<std::int64_t, std::int64_t>> aborted_from(
      const PartitionReader& reader, std::int64_t from, std::int64_t bytes_max = 1 << 20) {
    const Fetched fetched =
        fetch(reader, from, {.isolation = Isolation::kReadCommitted, .bytes_max = bytes_max});
    EXPECT_TRUE(fetched.aborted);
    std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
    for (const AbortedTransaction& aborted : fetched.aborted.value()) {
      pairs.emplace_back(aborted.producer_id.value(), aborted.first_offset.value());
    }
    return pairs;
  }

  PartitionFiles files_;
};

}  // namespace oncelog::test
