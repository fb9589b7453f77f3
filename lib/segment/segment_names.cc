#include "segment/segment_names.h"

#include <algorithm>
#include <charconv>

namespace oncelog::segment {

namespace {
constexpr std::size_t kOffsetDigits = 20;
/// Of a KRaft broker, which keeps it by Raft's rules beside its partitions: no partition of theirs
/// for Kafka's log manager, and none of ours.
constexpr std::string_view kClusterMetadataTopic = "__cluster_metadata";

template <class T>
std::optional<T> parse_decimal(std::string_view digits) {
  if (digits.starts_with('-')) return {};  // "-0" is not negative
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return {};
  return value;
}
}  // namespace

std::string segment_file_name(Offset base, std::string_view suffix) {
  std::string digits = std::to_string(base.value());
  std::string name(kOffsetDigits - std::min(kOffsetDigits, digits.size()), '0');
  return name.append(digits).append(suffix);
}

std::optional<Offset> offset_of_file_name(std::string_view name) {
  const std::string_view digits = name.substr(0, name.find('.'));
  if (digits.size() != kOffsetDigits || digits.size() == name.size()) return {};
  const auto value = parse_decimal<std::int64_t>(digits);
  return value ? std::optional(Offset(*value)) : std::nullopt;
}

std::optional<Offset> offset_of_file_name(std::string_view name, std::string_view suffix) {
  if (name.size() != kOffsetDigits + suffix.size() || !name.ends_with(suffix)) return {};
  return offset_of_file_name(name);
}

std::optional<TopicPartition> parse_partition_directory(std::string_view name) {
  const std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return {};
  const auto partition = parse_decimal<std::int32_t>(name.substr(dash + 1));
  if (!partition) return {};
  TopicPartition parsed{std::string(name.substr(0, dash)), *partition};
  // "t-00" is no name that we would ever give: two directories would be one partition.
  if (partition_directory_name(parsed) != name) return {};
  return parsed;
}

std::string partition_directory_name(const TopicPartition& name) {
  return name.topic + "-" + std::to_string(name.partition);
}

Result<std::vector<TopicPartition>> list_partition_directories(Vfs& vfs,
                                                               const std::string& directory) {
  ONCELOG_TRY_ASSIGN(const std::vector<std::string> names, vfs.list(directory));
  std::vector<TopicPartition> partitions;
  for (const std::string& name : names) {
    const auto partition = parse_partition_directory(name);
    if (!partition || partition->topic == kClusterMetadataTopic) continue;
    ONCELOG_TRY_ASSIGN(const auto status, vfs.status(directory + "/" + name));
    if (status && status->is_directory) partitions.push_back(*partition);
  }
  std::ranges::sort(partitions);
  return partitions;
}

}  // namespace oncelog::segment
