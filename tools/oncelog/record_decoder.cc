#include "record_decoder.h"

#include <filesystem>
#include <system_error>

#include "args.h"
#include "fields.h"

namespace oncelog::cli {

namespace {

std::optional<CoordinatorTopic> topic_of_directory(const std::filesystem::path& directory) {
  const auto partition = parse_partition_name(directory.filename().string());
  return partition ? coordinator_topic_of(partition->topic) : std::nullopt;
}

}  // namespace

std::optional<CoordinatorTopic> coordinator_topic_at(const std::string& path) {
  std::error_code failed;
  // Made whole, as the directory may be the current one.
  const auto whole = std::filesystem::weakly_canonical(path, failed);
  if (failed) return std::nullopt;
  if (const auto topic = topic_of_directory(whole)) return topic;
  return topic_of_directory(whole.parent_path());
}

Json json_decoded(const DecodedRecord& record) {
  Json line = {
      {"type", record.type.empty() ? Json(nullptr) : Json(std::string(record.type))},
      {"key", record.key.empty() ? Json(nullptr) : json_fields(record.key)},
      {"tombstone", record.is_tombstone},
      {"value_version", record.value_version ? Json(*record.value_version) : Json(nullptr)},
      {"value", record.value.empty() ? Json(nullptr) : json_fields(record.value)}};
  if (!record.not_decoded.empty()) line["not_decoded"] = record.not_decoded;
  return line;
}

std::string text_of_decoded(const DecodedRecord& record) {
  std::string text(record.type);
  if (!record.key.empty()) text += " " + text_of(record.key);
  if (!record.not_decoded.empty()) {
    return text + (text.empty() ? "" : " ") + "(not decoded: " + record.not_decoded + ")";
  }
  if (record.is_tombstone) return text + " -> tombstone";
  return text + " -> v" + std::to_string(record.value_version.value_or(-1)) + " " +
         text_of(record.value);
}

Json json_hex(const std::optional<Bytes>& bytes) {
  return bytes ? Json(to_hex(*bytes)) : Json(nullptr);
}

std::string hex_text(const std::optional<Bytes>& bytes) {
  if (!bytes) return "null";
  return bytes->empty() ? "\"\"" : to_hex(*bytes);
}

}  // namespace oncelog::cli
