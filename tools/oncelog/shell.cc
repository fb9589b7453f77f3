// shell.cc: `oncelog shell`: one partition, driven by JSON lines: a request a line on standard
// input, an answer a line on standard output, in order, flushed at once. The table below says which
// ops there are and which fields they take; nothing gets past it.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "args.h"
#include "commands.h"
#include "render.h"
#include "shell_session.h"

namespace oncelog::cli {

namespace {

using ShellOp = Result<Json> (*)(ShellSession&, const Request&);

struct OpRule {
  std::string_view name{};
  ShellOp op = nullptr;  ///< none: not built yet
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

std::vector<OpRule> built_ops() {
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
      {"expire_producers", shell_expire_producers, {}},
      {"checkpoint", shell_checkpoint, {}},
  };
}

std::vector<OpRule> all_ops() {
  using enum FieldType;
  std::vector<OpRule> ops = built_ops();
  const std::vector<OpRule> later = {
      {"compact", nullptr, {}},
  };
  ops.insert(ops.end(), later.begin(), later.end());
  return ops;
}

Result<Json> answer(ShellSession& session, const std::string& line) {
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
  if (rule->op == nullptr) return fail(ErrorCode::INVALID_REQUEST, name, " is not built yet");
  if (rule->needs_partition && !session.is_open()) {
    return fail(ErrorCode::INVALID_REQUEST, name, ": no partition is open");
  }
  return rule->op(session, Request(json));
}

Json json_error(const Error& error) {
  std::string message = error.context;
  if (error.os_errno != 0) message += fmt::format(": {}", std::strerror(error.os_errno));
  return {{"error", kafka_name(error.code)}, {"message", message}};
}

int run_shell(const std::string& directory) {
  ShellSession session;
  session.directory = directory;
  Output output;
  std::string line;
  while (output.is_open() && std::getline(std::cin, line)) {
    const Result<Json> answered = answer(session, line);
    output.write(json_line(answered ? *answered : json_error(answered.error())));
    output.write("\n");
    output.flush();
  }
  if (const Result<void> closed = close_session(session); !closed) return report(closed.error());
  return output.finish();
}

}  // namespace

void add_shell(CLI::App& app, Run& run) {
  CLI::App* const shell = app.add_subcommand(
      "shell", "Drive one partition with JSON lines: a request a line in, an answer a line out");
  const auto directory = std::make_shared<std::string>();
  shell->add_option("DIR", *directory, "Store directory, made if it is missing")->required();
  shell->footer(
      "Example:\n"
      "  printf '%s\\n' '{\"op\":\"open\"}' '{\"op\":\"append\",\"n\":3}' \\\n"
      "      '{\"op\":\"hw\",\"to\":\"end\"}' '{\"op\":\"consume\",\"from\":0}' \\\n"
      "      | oncelog shell /tmp/store");
  shell->callback([&run, directory] { run = [directory] { return run_shell(*directory); }; });
}

}  // namespace oncelog::cli
