#include "record_rows.h"

#include <fmt/format.h>

#include "partitions.h"

namespace oncelog::cli {

namespace {

std::string json_row(const LocatedRecord& found) {
  return json_line({{"file", found.file},
                    {"position", found.position},
                    {"offset", found.record.offset.value()},
                    {"timestamp", found.record.timestamp.value()},
                    {"pid", found.batch.producer_id().value()},
                    {"epoch", found.batch.producer_epoch().value()},
                    {"seq", found.record.sequence.value()},
                    {"txn", found.batch.is_transactional()},
                    {"key", json_text(found.record.key)},
                    {"value", json_text(found.record.value)},
                    {"headers", json_headers(found.record)}}) +
         "\n";
}

}  // namespace

RecordRows::RecordRows(Output& output, bool is_json)
    : output_(output),
      is_json_(is_json),
      table_(output, {{"offset"},
                      {"time", Align::kLeft},
                      {"pid"},
                      {"file", Align::kLeft},
                      {"position"},
                      {"key", Align::kLeft},
                      {"value", Align::kLeft}}) {}

bool RecordRows::show(const LocatedRecord& found) {
  if (is_json_) return output_.write(json_row(found));
  return table_.add({std::to_string(found.record.offset.value()),
                     timestamp_text(found.record.timestamp),
                     std::to_string(found.batch.producer_id().value()), last_name(found.file),
                     std::to_string(found.position), json_line(json_text(found.record.key)),
                     json_line(json_text(found.record.value))});
}

}  // namespace oncelog::cli
