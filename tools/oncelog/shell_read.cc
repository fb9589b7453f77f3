// shell_read.cc: ops of the shell that read: as a client or a follower would, or everything that
// lies in the files.
#include <utility>
#include <vector>

#include "shell_session.h"

namespace oncelog::cli {

namespace {

Isolation isolation_of(const Request& request, std::string_view fallback) {
  const std::string text = request.text("isolation", fallback);
  if (text == "committed") return Isolation::kReadCommitted;
  return text == "replica" ? Isolation::kReplica : Isolation::kReadUncommitted;
}

FetchOptions fetch_options(const Request& request, std::string_view isolation) {
  FetchOptions options;
  options.isolation = isolation_of(request, isolation);
  options.bytes_max = request.number("max_bytes", 1 << 20);
  options.min_one_batch = request.flag("min_one", true);
  return options;
}

Json json_aborted(const Fetched& fetched) {
  if (!fetched.aborted) return nullptr;
  Json aborted = Json::array();
  for (const AbortedTransaction& transaction : *fetched.aborted) {
    aborted.push_back(
        {{"pid", transaction.producer_id.value()}, {"first", transaction.first_offset.value()}});
  }
  return aborted;
}

/// Calls `visit` with every whole batch in the files of the partition, up to the log end. The files
/// get what is to be seen, but nothing is flushed: looking must not move the recovery point.
template <class Visit>
Result<void> scan_files(const ShellSession& session, const Visit& visit) {
  const Offset end = session.log->ends().log_end;
  Result<void> outcome;
  const auto visit_stored = [&](const ScannedBatch& scanned) {
    if (!scanned.batch) return true;
    if (scanned.batch->base_offset() >= end) return false;
    outcome = visit(scanned);
    return outcome.has_value();
  };
  ONCELOG_TRY(session.log->drain());
  ONCELOG_TRY(scan_batches(session.partition_directory, visit_stored, session.vfs));
  return outcome;
}

Result<void> add_records(Json& records, const RecordBatchView& batch) {
  if (batch.is_control()) return {};
  ONCELOG_TRY_ASSIGN(RecordReader reader, RecordReader::open(batch));
  while (true) {
    ONCELOG_TRY_ASSIGN(const auto record, reader.next());
    if (!record) return {};
    records.push_back({{"offset", record->offset.value()},
                       {"k", json_text(record->key)},
                       {"v", json_text(record->value)},
                       {"ts", record->timestamp.value()},
                       {"txn", batch.is_transactional()},
                       {"pid", batch.producer_id().value()}});
  }
}

Result<Json> json_problems(const ShellSession& session) {
  ONCELOG_TRY(session.log->drain());
  ONCELOG_TRY_ASSIGN(const auto problems,
                     verify_partition(session.partition_directory, session.vfs));
  Json list = Json::array();
  for (const Problem& problem : problems) {
    list.push_back(
        {{"file", problem.file}, {"position", problem.position}, {"problem", problem.problem}});
  }
  return list;
}

}  // namespace

Result<Json> shell_read(ShellSession& session, const Request& request) {
  const Offset from(request.number("from"));
  const FetchOptions options = fetch_options(request, "uncommitted");
  ONCELOG_TRY_ASSIGN(const Fetched fetched, session.log->fetch(from, options));
  ONCELOG_TRY_ASSIGN(const auto bytes, fetched.read());

  Json batches = Json::array();
  BatchCursor cursor(bytes);
  while (true) {
    ONCELOG_TRY_ASSIGN(const auto batch, cursor.next());
    if (!batch) break;
    batches.push_back(json_batch(*batch));
  }
  return Json{{"ok", true},
              {"batches", std::move(batches)},
              {"aborted", json_aborted(fetched)},
              {"hw", fetched.ends.high_watermark.value()},
              {"lso", fetched.ends.last_stable_offset.value()},
              {"log_start", fetched.ends.log_start.value()}};
}

Result<Json> shell_consume(ShellSession& session, const Request& request) {
  const FetchOptions options = fetch_options(request, "committed");
  Offset position(request.number("from"));
  Json list = Json::array();
  while (true) {
    ONCELOG_TRY_ASSIGN(Fetched fetched, session.log->fetch(position, options));
    ONCELOG_TRY_ASSIGN(const auto bytes, fetched.read());
    auto aborted = std::move(fetched.aborted).value_or(std::vector<AbortedTransaction>{});
    CommittedRecords records(bytes, std::move(aborted), {.from = position});
    while (true) {
      ONCELOG_TRY_ASSIGN(const auto record, records.next());
      if (!record) break;
      list.push_back({record->offset.value(), json_text(record->key), json_text(record->value)});
    }
    if (records.position() <= position) break;
    position = records.position();
  }
  return Json{{"ok", true}, {"records", std::move(list)}, {"position", position.value()}};
}

Result<Json> shell_list_offsets(ShellSession& session, const Request& request) {
  const Timestamp timestamp(request.number("timestamp"));
  const Isolation isolation = isolation_of(request, "uncommitted");
  ONCELOG_TRY_ASSIGN(const OffsetFound found, session.log->list_offsets(timestamp, isolation));
  return Json{
      {"ok", true}, {"offset", found.offset.value()}, {"timestamp", found.timestamp.value()}};
}

Result<Json> shell_batches(ShellSession& session, const Request&) {
  Json batches = Json::array();
  ONCELOG_TRY(scan_files(session, [&](const ScannedBatch& scanned) -> Result<void> {
    batches.push_back(json_batch(*scanned.batch));
    batches.back()["bytes"] = scanned.bytes;
    return {};
  }));
  return Json{{"ok", true}, {"batches", std::move(batches)}};
}

Result<Json> shell_records(ShellSession& session, const Request&) {
  Json records = Json::array();
  ONCELOG_TRY(scan_files(session, [&](const ScannedBatch& scanned) -> Result<void> {
    return add_records(records, *scanned.batch);
  }));
  return Json{{"ok", true}, {"records", std::move(records)}};
}

Result<Json> shell_verify(ShellSession& session, const Request&) {
  ONCELOG_TRY_ASSIGN(Json problems, json_problems(session));
  if (!problems.empty()) {  // perhaps only index entries that are still in memory
    ONCELOG_TRY(session.log->flush());
    ONCELOG_TRY_ASSIGN(problems, json_problems(session));
  }
  return Json{{"ok", true}, {"problems", std::move(problems)}};
}

}  // namespace oncelog::cli
