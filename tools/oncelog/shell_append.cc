// shell_append.cc: ops of the shell that append: batches built from fields or given as bytes, as
// leader or as follower, and transaction markers.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "args.h"
#include "shell_session.h"

namespace oncelog::cli {

namespace {

std::optional<Bytes> optional_bytes(const Json& json) {
  if (json.is_null()) return {};
  return as_bytes(json.get_ref<const std::string&>());
}

Result<void> add_record(RecordBatchBuilder& builder, const Json& json, Timestamp now) {
  NewRecord record;
  record.timestamp = json.contains("ts") ? Timestamp(json.at("ts").get<std::int64_t>()) : now;
  if (json.contains("k")) record.key = optional_bytes(json.at("k"));
  if (json.contains("v")) record.value = optional_bytes(json.at("v"));
  std::vector<NewRecord::Header> headers;
  if (json.contains("h")) {
    for (const Json& header : json.at("h")) {
      headers.push_back({header[0].get_ref<const std::string&>(), optional_bytes(header[1])});
    }
  }
  record.headers = headers;
  return builder.add(record);
}

/// The batch that the fields of `append` describe; offset and leader epoch are those in `fields`.
Result<std::vector<std::byte>> build_batch(const ShellSession& session, const Request& request,
                                           BatchFields fields) {
  if (request.has("records") == request.has("n")) {
    return fail(ErrorCode::INVALID_REQUEST, "append: either records or n");
  }
  fields.producer_id = ProducerId(request.number("pid", -1));
  fields.producer_epoch = ProducerEpoch(static_cast<std::int16_t>(request.number("epoch", -1)));
  fields.base_sequence = Sequence(static_cast<std::int32_t>(request.number("seq", -1)));
  fields.is_transactional = request.flag("txn", false);
  fields.codec = parse_codec(request.text("codec", "none")).value_or(Codec::kNone);

  RecordBatchBuilder builder(fields);
  const Timestamp now = session.clock.now();
  if (request.has("records")) {
    for (const Json& record : request.at("records")) ONCELOG_TRY(add_record(builder, record, now));
  }
  for (std::int64_t i = 0; i < request.number("n", 0); ++i) {
    const std::string value = "r" + std::to_string(i);
    ONCELOG_TRY(builder.add({.timestamp = now, .value = as_bytes(value)}));
  }
  return builder.build();
}

MarkerFields marker_fields(const ShellSession& session, const Request& request,
                           std::string_view type_field) {
  MarkerFields fields;
  fields.type = request.text(type_field) == "abort" ? MarkerType::kAbort : MarkerType::kCommit;
  fields.producer_id = ProducerId(request.number("pid"));
  fields.producer_epoch = ProducerEpoch(static_cast<std::int16_t>(request.number("epoch")));
  fields.coordinator_epoch =
      CoordinatorEpoch(static_cast<std::int32_t>(request.number("coordinator_epoch", 0)));
  fields.timestamp = Timestamp(request.number("ts", session.clock.now().value()));
  return fields;
}

/// INVALID_REQUEST unless every field that is there belongs to the one form the request may take.
Result<void> check_follower_form(const Request& request) {
  constexpr std::array<std::string_view, 4> kAppendOnly = {"seq", "txn", "n", "records"};
  constexpr std::array<std::string_view, 2> kMarkerOnly = {"coordinator_epoch", "ts"};
  constexpr std::array<std::string_view, 4> kNotWithHex = {"marker", "pid", "epoch", "codec"};
  const bool is_hex = request.has("hex");
  const bool is_marker = request.has("marker");
  const auto refuse = [](std::string_view name) {
    return fail(ErrorCode::INVALID_REQUEST, "append_follower: \"", name, "\" does not go with it");
  };
  for (const std::string_view name : kAppendOnly) {
    if ((is_hex || is_marker) && request.has(name)) return refuse(name);
  }
  for (const std::string_view name : kMarkerOnly) {
    if ((is_hex || !is_marker) && request.has(name)) return refuse(name);
  }
  for (const std::string_view name : kNotWithHex) {
    if (is_hex && request.has(name)) return refuse(name);
  }
  if (is_marker && request.has("codec")) return refuse("codec");
  if (is_marker && !(request.has("pid") && request.has("epoch"))) {
    return fail(ErrorCode::INVALID_REQUEST, "append_follower: a marker needs pid and epoch");
  }
  if (!is_hex && !request.has("base")) {
    return fail(ErrorCode::INVALID_REQUEST, "append_follower: field \"base\" is missing");
  }
  return {};
}

Result<std::vector<std::byte>> build_follower_bytes(const ShellSession& session,
                                                    const Request& request) {
  ONCELOG_TRY(check_follower_form(request));
  if (request.has("hex")) return request.bytes("hex");
  const Offset base(request.number("base"));
  const LeaderEpoch epoch(static_cast<std::int32_t>(request.number("batch_epoch", 0)));
  if (request.has("marker")) {
    MarkerFields fields = marker_fields(session, request, "marker");
    fields.base_offset = base;
    fields.leader_epoch = epoch;
    return build_marker(fields);
  }
  BatchFields fields;
  fields.base_offset = base;
  fields.leader_epoch = epoch;
  return build_batch(session, request, fields);
}

Json json_appended(const Appended& appended) {
  return {{"ok", true},
          {"base", appended.base_offset.value()},
          {"last", appended.last_offset.value()},
          {"duplicate", appended.is_duplicate},
          {"append_time", appended.append_time.value()},
          {"log_start", appended.log_start.value()}};
}

}  // namespace

Result<Json> shell_append(ShellSession& session, const Request& request) {
  ONCELOG_TRY_ASSIGN(const auto bytes, build_batch(session, request, {}));
  ONCELOG_TRY_ASSIGN(const Appended appended, session.log->append_as_leader(bytes));
  return json_appended(appended);
}

Result<Json> shell_append_raw(ShellSession& session, const Request& request) {
  LeaderAppendOptions options;
  if (request.text("origin") == "coordinator") options.origin = AppendOrigin::kCoordinator;
  const auto bytes = request.bytes("hex");
  ONCELOG_TRY_ASSIGN(const Appended appended, session.log->append_as_leader(bytes, options));
  return json_appended(appended);
}

Result<Json> shell_append_follower(ShellSession& session, const Request& request) {
  ONCELOG_TRY_ASSIGN(const auto bytes, build_follower_bytes(session, request));
  FollowerAppendOptions options;
  if (request.has("leader_hw")) {
    options.leader_high_watermark = Offset(request.number("leader_hw"));
  }
  if (request.has("leader_log_start")) {
    options.leader_log_start = Offset(request.number("leader_log_start"));
  }
  ONCELOG_TRY(session.log->append_as_follower(bytes, options));
  const LogEnds ends = session.log->ends();
  return Json{{"ok", true},
              {"end", ends.log_end.value()},
              {"hw", ends.high_watermark.value()},
              {"lso", ends.last_stable_offset.value()}};
}

Result<Json> shell_marker(ShellSession& session, const Request& request) {
  const MarkerFields fields = marker_fields(session, request, "type");
  ONCELOG_TRY_ASSIGN(const Appended appended, session.log->append_marker(fields));
  return Json{{"ok", true}, {"offset", appended.base_offset.value()}};
}

}  // namespace oncelog::cli
