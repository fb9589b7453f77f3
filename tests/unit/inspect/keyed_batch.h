// keyed_batch.h: a batch of records with keys, values and one header.
#pragma once

#include <string>
#include <vector>

#include "unit/inspect/partition_files.h"

namespace oncelog::test {

struct KeyedRecord {
  std::string key{};
  std::string value{};
  std::string header{};  ///< its name; its value is "on"
  std::int64_t timestamp = 1000;
};

inline Buffer keyed_batch(const BatchFields& fields, const std::vector<KeyedRecord>& records) {
  RecordBatchBuilder builder(fields);
  for (const KeyedRecord& record : records) {
    const NewRecord::Header header{record.header, as_bytes("on")};
    NewRecord added{.timestamp = Timestamp(record.timestamp),
                    .key = as_bytes(record.key),
                    .value = as_bytes(record.value)};
    if (!record.header.empty()) added.headers = {&header, 1};
    EXPECT_TRUE(builder.add(added));
  }
  return *builder.build();
}

}  // namespace oncelog::test
