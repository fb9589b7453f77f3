// shell_answer.cc: one line of the shell. The table below says which ops there are and which fields
// they take; nothing gets past it.
#include <algorithm>
#include <string>
#include <vector>

#include "render.h"
#include "shell_session.h"

namespace oncelog::cli {

namespace {

using ShellOp = Result<Json> (*)(ShellSession&, const Request&);

struct OpRule {
  std::string_view name{};
  ShellOp op = nullptr;
  std::vector<FieldRule> fields{};
  bool needs_partition = true;
};

constexpr bool kRequired = true;
constexpr std::string_view kCodecs = "|none|gzip|snappy|lz4|zstd|";
constexpr std::string_view kIsolations = "|uncommitted|committed|replica|";
constexpr std::string_view kMarkers = "|commit|abort|";

std::vector<FieldRule> append_fields() {
  using enum FieldType;
  return {{"pid", kInt64},
          {"epoch", kInt16},
          {"seq", kInt32},
          {"txn", kBool},
          {"n", kCount},
          {"records", kRecords},
          {"codec", kChoice, false, kCodecs}};
}

std::vector<FieldRule> append_follower_fields() {
  using enum FieldType;
  std::vector<FieldRule> fields = append_fields();
  const std::vector<FieldRule> more = {{"hex", kHex},
                                       {"base", kInt64},
                                       {"batch_epoch", kInt32},
                                       {"marker", kChoice, false, kMarkers},
                                       {"coordinator_epoch", kInt32},
                                       {"ts", kInt64},
                                       {"leader_hw", kInt64},
                                       {"leader_log_start", kInt64}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

std::vector<OpRule> all_ops() {
  using enum FieldType;
  const FieldRule isolation = {"isolation", kChoice, false, kIsolations};
  return {
      {"open",
       shell_open,
       {{"partition", kText},
        {"config", kConfig},
        {"level", kChoice, false, "|written|durable|"},
        {"high_watermark", kChoice, false, "|manual|log_end|durable|"},
        {"leader_epoch", kInt32}},
       false},
      {"close", shell_close, {}},
      {"clock", shell_clock, {{"set", kInt64}, {"advance", kInt64}}, false},
      {"append", shell_append, append_fields()},
      {"append_raw",
       shell_append_raw,
       {{"hex", kHex, kRequired}, {"origin", kChoice, false, "|client|coordinator|"}}},
      {"append_follower", shell_append_follower, append_follower_fields()},
      {"marker",
       shell_marker,
       {{"pid", kInt64, kRequired},
        {"epoch", kInt16, kRequired},
        {"type", kChoice, kRequired, kMarkers},
        {"coordinator_epoch", kInt32},
        {"ts", kInt64}}},
      {"hw", shell_hw, {{"to", kOffsetOrEnd, kRequired}}},
      {"state", shell_state, {}},
      {"read",
       shell_read,
       {{"from", kInt64, kRequired}, isolation, {"max_bytes", kBytes}, {"min_one", kBool}}},
      {"consume", shell_consume, {{"from", kInt64, kRequired}, isolation, {"max_bytes", kBytes}}},
      {"list_offsets", shell_list_offsets, {{"timestamp", kInt64, kRequired}, isolation}},
      {"roll", shell_roll, {}},
      {"flush", shell_flush, {}},
      {"producers", shell_producers, {}},
      {"epochs", shell_epochs, {}},
      {"assign_epoch", shell_assign_epoch, {{"epoch", kInt32, kRequired}}},
      {"epoch_end", shell_epoch_end, {{"epoch", kInt32, kRequired}}},
      {"aborted_index", shell_aborted_index, {}},
      {"batches", shell_batches, {}},
      {"records", shell_records, {}},
      {"verify", shell_verify, {}},
      {"truncate", shell_truncate, {{"to", kInt64, kRequired}}},
      {"truncate_fully", shell_truncate_fully, {{"at", kInt64, kRequired}}},
      {"delete_records", shell_delete_records, {{"before", kInt64, kRequired}}},
      {"retention", shell_retention, {}},
      {"compact", shell_compact, {}},
      {"expire_producers", shell_expire_producers, {}},
      {"checkpoint", shell_checkpoint, {}},
  };
}

}  // namespace

Result<Json> shell_answer(ShellSession& session, const std::string& line) {
  static const std::vector<OpRule> ops = all_ops();
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return fail(ErrorCode::INVALID_REQUEST, "not a JSON object");
  if (!json.contains("op") || !json.at("op").is_string()) {
    return fail(ErrorCode::INVALID_REQUEST, "field \"op\" must be a string");
  }
  const auto& name = json.at("op").get_ref<const std::string&>();
  const auto rule = std::ranges::find(ops, std::string_view(name), &OpRule::name);
  if (rule == ops.end()) return fail(ErrorCode::INVALID_REQUEST, "unknown op \"", name, "\"");

  ONCELOG_TRY(check_fields(name, json, rule->fields));
  if (rule->needs_partition && !session.is_open()) {
    return fail(ErrorCode::INVALID_REQUEST, name, ": no partition is open");
  }
  return rule->op(session, Request(json));
}

}  // namespace oncelog::cli
