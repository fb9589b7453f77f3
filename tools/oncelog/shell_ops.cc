// shell_ops.cc: ops of the shell that open, close, move or look at the partition as a whole.
#include <tuple>
#include <utility>

#include "args.h"
#include "shell_session.h"

namespace oncelog::cli {

namespace {

Result<PartitionOptions> partition_options(const Request& request) {
  PartitionOptions options;
  if (request.has("config")) {
    for (const auto& [name, value] : request.at("config").items()) {
      const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      ONCELOG_TRY(options.config.set(name, text));
    }
  }
  const std::string policy = request.text("high_watermark", "manual");
  options.level = request.text("level", "written") == "durable" ? Level::kDurable : Level::kWritten;
  options.high_watermark = policy == "manual"    ? HighWatermarkPolicy::kManual
                           : policy == "log_end" ? HighWatermarkPolicy::kLogEnd
                                                 : HighWatermarkPolicy::kDurable;
  options.leader_epoch = LeaderEpoch(static_cast<std::int32_t>(request.number("leader_epoch", 0)));
  ONCELOG_TRY(options.check());
  return options;
}

Json json_epochs(const PartitionLog& log) {
  Json epochs = Json::array();
  for (const LeaderEpochStart& entry : log.leader_epochs()) {
    epochs.push_back({entry.epoch.value(), entry.start.value()});
  }
  return {{"ok", true}, {"epochs", std::move(epochs)}};
}

}  // namespace

Result<void> close_session(ShellSession& session) {
  if (!session.is_open()) return {};
  const auto log = std::exchange(session.log, nullptr);
  const auto store = std::exchange(session.store, nullptr);
  return store->close();
}

Json json_state(const ShellSession& session) {
  const LogEnds ends = session.log->ends();
  Json segments = Json::array();
  for (const Offset base : session.log->segments()) segments.push_back(base.value());
  return {{"ok", true},
          {"log_start", ends.log_start.value()},
          {"lso", ends.last_stable_offset.value()},
          {"hw", ends.high_watermark.value()},
          {"end", ends.log_end.value()},
          {"segments", std::move(segments)}};
}

Result<Json> shell_open(ShellSession& session, const Request& request) {
  if (session.is_open()) {
    return fail(ErrorCode::INVALID_REQUEST,
                "open: ", partition_name(session.log->topic_partition()), " is open");
  }
  const std::string text = request.text("partition", "t-0");
  const auto name = parse_partition_name(text);
  if (!name) return fail(ErrorCode::INVALID_REQUEST, "open: not a partition's name: ", text);
  ONCELOG_TRY_ASSIGN(const PartitionOptions options, partition_options(request));

  StoreOptions store_options;
  store_options.clock = &session.clock;
  store_options.vfs = session.vfs;
  ONCELOG_TRY_ASSIGN(auto store, Store::open(session.directory, store_options));
  auto opened = store->open_partition(*name, options);
  if (!opened) {
    std::ignore = store->close();  // other partitions keep the clean end that this open has taken
    return std::unexpected(std::move(opened).error());
  }
  auto log = *std::move(opened);

  session.partition_directory = session.directory + "/" + text;
  session.store = std::move(store);
  session.log = std::move(log);
  const RecoveryReport& recovery = session.log->recovery_report();
  Json state = json_state(session);
  state["recovered"] = !recovery.was_clean && !recovery.was_created;
  state["truncated_bytes"] = recovery.bytes_cut;
  return state;
}

Result<Json> shell_close(ShellSession& session, const Request&) {
  ONCELOG_TRY(close_session(session));
  return Json{{"ok", true}};
}

Result<Json> shell_clock(ShellSession& session, const Request& request) {
  if (request.has("set") == request.has("advance")) {
    return fail(ErrorCode::INVALID_REQUEST, "clock: either set or advance");
  }
  std::int64_t now = request.number("set");
  if (request.has("advance") &&
      __builtin_add_overflow(session.clock.now().value(), request.number("advance"), &now)) {
    return fail(ErrorCode::INVALID_REQUEST, "clock: beyond the end of time");
  }
  session.clock.set(Timestamp(now));
  return Json{{"ok", true}, {"now", now}};
}

Result<Json> shell_hw(ShellSession& session, const Request& request) {
  const bool is_end = request.at("to").is_string();
  const Offset to = is_end ? session.log->ends().log_end : Offset(request.number("to"));
  ONCELOG_TRY(session.log->set_high_watermark(to));
  const LogEnds ends = session.log->ends();
  return Json{
      {"ok", true}, {"hw", ends.high_watermark.value()}, {"lso", ends.last_stable_offset.value()}};
}

Result<Json> shell_state(ShellSession& session, const Request&) { return json_state(session); }

Result<Json> shell_roll(ShellSession& session, const Request&) {
  ONCELOG_TRY(session.log->roll());
  return json_state(session);
}

Result<Json> shell_flush(ShellSession& session, const Request&) {
  ONCELOG_TRY_ASSIGN(const Offset recovery_point, session.log->flush());
  return Json{{"ok", true}, {"recovery_point", recovery_point.value()}};
}

Result<Json> shell_producers(ShellSession& session, const Request&) {
  Json producers = Json::array();
  ONCELOG_TRY_ASSIGN(const auto infos, session.log->producers());
  for (const ProducerInfo& info : infos) {
    Json first = nullptr;
    if (info.transaction_first_offset) first = info.transaction_first_offset->value();
    producers.push_back({{"pid", info.producer_id.value()},
                         {"epoch", info.epoch.value()},
                         {"last_seq", info.last_sequence.value()},
                         {"last_offset", info.last_offset.value()},
                         {"coordinator_epoch", info.coordinator_epoch.value()},
                         {"txn_first", std::move(first)},
                         {"timestamp", info.last_timestamp.value()}});
  }
  return Json{{"ok", true}, {"producers", std::move(producers)}};
}

Result<Json> shell_epochs(ShellSession& session, const Request&) {
  return json_epochs(*session.log);
}

Result<Json> shell_assign_epoch(ShellSession& session, const Request& request) {
  const LeaderEpoch epoch(static_cast<std::int32_t>(request.number("epoch")));
  ONCELOG_TRY(session.log->assign_leader_epoch(epoch));
  return json_epochs(*session.log);
}

Result<Json> shell_epoch_end(ShellSession& session, const Request& request) {
  const LeaderEpoch epoch(static_cast<std::int32_t>(request.number("epoch")));
  const LeaderEpochEnd end = session.log->epoch_end(epoch);
  return Json{{"ok", true}, {"epoch", end.epoch.value()}, {"offset", end.end.value()}};
}

Result<Json> shell_aborted_index(ShellSession& session, const Request&) {
  Json entries = Json::array();
  for (const AbortedTransactionEntry& entry : session.log->aborted_transactions()) {
    entries.push_back({{"segment", entry.segment.value()},
                       {"pid", entry.producer_id.value()},
                       {"first", entry.first_offset.value()},
                       {"last", entry.last_offset.value()},
                       {"lso", entry.last_stable_offset.value()}});
  }
  return Json{{"ok", true}, {"entries", std::move(entries)}};
}

Result<Json> shell_truncate(ShellSession& session, const Request& request) {
  ONCELOG_TRY(session.log->truncate_to(Offset(request.number("to"))));
  return json_state(session);
}

Result<Json> shell_truncate_fully(ShellSession& session, const Request& request) {
  ONCELOG_TRY(session.log->truncate_fully_and_start_at(Offset(request.number("at"))));
  return json_state(session);
}

Result<Json> shell_delete_records(ShellSession& session, const Request& request) {
  const Offset before(request.number("before"));
  ONCELOG_TRY_ASSIGN(const Offset log_start, session.log->delete_records(before));
  return Json{{"ok", true}, {"log_start", log_start.value()}};
}

Result<Json> shell_retention(ShellSession& session, const Request&) {
  ONCELOG_TRY_ASSIGN(const auto bases, session.log->apply_retention());
  Json deleted = Json::array();
  for (const Offset base : bases) deleted.push_back(base.value());
  Json state = json_state(session);
  state["deleted"] = std::move(deleted);
  return state;
}

Result<Json> shell_compact(ShellSession& session, const Request&) {
  ONCELOG_TRY_ASSIGN(const CompactionReport report, session.log->compact());
  Json state = json_state(session);
  state["compacted"] = report.was_due && !report.was_interrupted;
  if (report.was_due) state["cleaned_to"] = report.cleaned_to.value();
  return state;
}

Result<Json> shell_expire_producers(ShellSession& session, const Request&) {
  ONCELOG_TRY_ASSIGN(const auto ids, session.log->expire_producers());
  Json expired = Json::array();
  for (const ProducerId id : ids) expired.push_back(id.value());
  return Json{{"ok", true}, {"expired", std::move(expired)}};
}

Result<Json> shell_checkpoint(ShellSession& session, const Request&) {
  ONCELOG_TRY_ASSIGN(const Offset offset, session.log->checkpoint());
  return Json{{"ok", true}, {"offset", offset.value()}};
}

}  // namespace oncelog::cli
