// log_facts.h: what a committed reader and a producer can know of a log.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "oncelog/partition_log.h"
#include "support/keyed_batches.h"
#include "support/log_comparison.h"

namespace oncelog::test {

/// What compaction must not change, and what it may only take away.
struct LogFacts {
  LogEnds ends{};
  std::map<std::string, std::string> newest{};  ///< of each key, for a committed reader
  std::vector<std::string> producers{};
  std::set<std::string> records{};  ///< all that are stored
};

[[nodiscard]] inline LogFacts facts_of(const PartitionLog& log) {
  LogFacts facts;
  facts.ends = log.ends();
  facts.producers = texts_of(require_value(log.producers(), "producers"));
  for (const std::string& record : stored_records(log)) facts.records.insert(record);
  Offset from = facts.ends.log_start;
  while (from < facts.ends.last_stable_offset) {
    const Fetched fetched =
        require_value(log.fetch(from, {.isolation = Isolation::kReadCommitted}), "fetch");
    if (fetched.region.bytes == 0) break;
    const auto bytes = require_value(fetched.read(), "read");
    CommittedRecords records(bytes, *fetched.aborted, {.from = from});
    while (const auto record = require_value(records.next(), "records")) {
      if (!record->key) continue;  // nothing that can be superseded
      const std::string key(as_text(*record->key));
      if (record->value) {
        facts.newest[key] = std::string(as_text(*record->value));
      } else {
        facts.newest.erase(key);
      }
    }
    from = records.position();
  }
  return facts;
}

}  // namespace oncelog::test
