#include "log/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <random>

#include "segment/segment_names.h"

namespace oncelog::log {

namespace {

/// URL-safe base64.
constexpr std::string_view kTopicIdDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Error> malformed(const std::string& path, std::size_t line, std::string_view what) {
  return fail(ErrorCode::KAFKA_STORAGE_ERROR, path, ": line ", line, ": ", what);
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t begin = text.find_first_not_of(separators);
    if (begin == std::string_view::npos) return parts;
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

/// The lines of a file; its last need not be ended.
std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// The text of a checkpoint, empty if it is missing.
Result<std::string> read_checkpoint(Vfs& vfs, const std::string& path) {
  ONCELOG_TRY_ASSIGN(auto text, read_small_file(vfs, path, kCheckpointBytesMax));
  return std::move(text).value_or(std::string());
}

/// The entries of the lines behind version and count, which are checked (formats 11.1).
template <class Entry>
Result<std::vector<Entry>> parse_checkpoint(const std::string& path, std::string_view text,
                                            std::optional<Entry> (*parse)(std::string_view)) {
  const std::vector<std::string_view> lines = split_lines(text);
  std::vector<Entry> entries;
  if (lines.empty()) return entries;
  const auto version = parse_number<int>(lines[0]);
  if (!version) return malformed(path, 1, "no version");
  if (*version != kCheckpointVersion) {
    return fail(ErrorCode::UNSUPPORTED_VERSION, path, ": version ", *version, ", expected ",
                kCheckpointVersion);
  }
  if (lines.size() == 1) return entries;
  const auto count = parse_number<std::int64_t>(lines[1]);
  if (!count || *count < 0) return malformed(path, 2, "no count of entries");
  if (static_cast<std::size_t>(*count) != lines.size() - 2) {
    return fail(ErrorCode::KAFKA_STORAGE_ERROR, path, ": ", lines.size() - 2, " entries, expected ",
                *count);
  }
  for (std::size_t i = 2; i < lines.size(); ++i) {
    auto entry = parse(lines[i]);
    if (!entry) return malformed(path, i + 1, "no entry");
    entries.push_back(*std::move(entry));
  }
  return entries;
}

/// 22 digits, not all of them zero.
bool is_topic_id(std::string_view text) {
  return text.size() == 22 && text.find_first_not_of(kTopicIdDigits) == std::string_view::npos &&
         text.find_first_not_of(kTopicIdDigits[0]) != std::string_view::npos;
}

std::string header_text(std::size_t count) {
  return std::to_string(kCheckpointVersion) + "\n" + std::to_string(count) + "\n";
}

std::string aside_path(const std::string& path) {
  return path + std::string(segment::kTemporarySuffix);
}

}  // namespace

Result<std::optional<std::string>> read_small_file(Vfs& vfs, const std::string& path,
                                                   std::int64_t bytes_max) {
  ONCELOG_TRY_ASSIGN(const std::optional<FileStatus> status, vfs.status(path));
  if (!status) return std::nullopt;
  if (status->is_directory || status->bytes > bytes_max) {
    return fail(ErrorCode::KAFKA_STORAGE_ERROR, path, ": ", status->bytes,
                " bytes, expected a file of at most ", bytes_max);
  }
  ONCELOG_TRY_ASSIGN(const std::unique_ptr<File> file, vfs.open(path, OpenMode::kRead));
  std::string text(static_cast<std::size_t>(status->bytes), '\0');
  ONCELOG_TRY_ASSIGN(const std::size_t read,
                     file->read_at(std::as_writable_bytes(std::span(text)), 0));
  text.resize(read);
  return text;
}

Result<FileReplacement> FileReplacement::begin(Vfs& vfs, const std::string& path) {
  ONCELOG_TRY_ASSIGN(std::unique_ptr<File> file, vfs.open(aside_path(path), OpenMode::kCreate));
  ONCELOG_TRY(file->truncate(0));
  return FileReplacement(vfs, path, std::move(file));
}

Result<void> FileReplacement::commit() {
  ONCELOG_TRY(file_->sync());
  file_.reset();
  ONCELOG_TRY(vfs_->rename(aside_path(path_), path_));
  return vfs_->sync_directory(directory_of(path_));
}

Result<void> replace_file(Vfs& vfs, const std::string& path, Bytes content) {
  ONCELOG_TRY_ASSIGN(FileReplacement replacement, FileReplacement::begin(vfs, path));
  const Bytes parts[] = {content};
  ONCELOG_TRY(replacement.file().write_at(parts, 0));
  return replacement.commit();
}

std::optional<OffsetCheckpointEntry> parse_offset_entry(std::string_view line) {
  const auto fields = split(line, " \t");
  if (fields.size() != 3) return std::nullopt;
  const auto partition = parse_number<std::int32_t>(fields[1]);
  const auto offset = parse_number<std::int64_t>(fields[2]);
  if (!partition || *partition < 0 || !offset || *offset < 0) return std::nullopt;
  return OffsetCheckpointEntry{{std::string(fields[0]), *partition}, Offset(*offset)};
}

std::optional<LeaderEpochStart> parse_epoch_entry(std::string_view line) {
  const auto fields = split(line, " \t");
  if (fields.size() != 2) return std::nullopt;
  const auto epoch = parse_number<std::int32_t>(fields[0]);
  const auto start = parse_number<std::int64_t>(fields[1]);
  if (!epoch || *epoch < 0 || !start || *start < 0) return std::nullopt;
  return LeaderEpochStart{LeaderEpoch(*epoch), Offset(*start)};
}

Result<std::vector<OffsetCheckpointEntry>> read_offset_checkpoint(Vfs& vfs,
                                                                  const std::string& path) {
  ONCELOG_TRY_ASSIGN(const std::string text, read_checkpoint(vfs, path));
  return parse_checkpoint(path, text, parse_offset_entry);
}

Result<void> write_offset_checkpoint(Vfs& vfs, const std::string& path,
                                     const std::vector<OffsetCheckpointEntry>& entries) {
  std::string text = header_text(entries.size());
  for (const OffsetCheckpointEntry& entry : entries) {
    text += entry.name.topic + " " + std::to_string(entry.name.partition) + " " +
            std::to_string(entry.offset.value()) + "\n";
  }
  return replace_file(vfs, path, as_bytes(text));
}

Result<std::vector<LeaderEpochStart>> read_leader_epochs(Vfs& vfs, const std::string& path) {
  ONCELOG_TRY_ASSIGN(const std::string text, read_checkpoint(vfs, path));
  return parse_checkpoint(path, text, parse_epoch_entry);
}

Result<void> write_leader_epochs(Vfs& vfs, const std::string& path,
                                 const std::vector<LeaderEpochStart>& epochs) {
  std::string text = header_text(epochs.size());
  for (const LeaderEpochStart& epoch : epochs) {
    text += std::to_string(epoch.epoch.value()) + " " + std::to_string(epoch.start.value()) + "\n";
  }
  return replace_file(vfs, path, as_bytes(text));
}

std::string random_topic_id() {
  std::random_device random;
  std::array<std::uint8_t, 16> id{};
  for (std::uint8_t& byte : id) byte = static_cast<std::uint8_t>(random());
  id[6] = static_cast<std::uint8_t>((id[6] & 0x0F) | 0x40);  // a random UUID, version 4
  id[8] = static_cast<std::uint8_t>((id[8] & 0x3F) | 0x80);
  std::string text;
  std::uint32_t bits = 0;
  int bit_count = 0;
  for (const std::uint8_t byte : id) {
    bits = bits << 8 | byte;
    for (bit_count += 8; bit_count >= 6; bit_count -= 6) {
      text += kTopicIdDigits[bits >> (bit_count - 6) & 63];
    }
  }
  return text += kTopicIdDigits[bits << (6 - bit_count) & 63];
}

std::optional<TopicIdFile> parse_topic_id(std::string_view text) {
  const std::vector<std::string_view> lines = split_lines(text);
  constexpr std::string_view kVersionKey = "version:";
  constexpr std::string_view kIdKey = "topic_id:";
  if (lines.size() != 2 || !lines[0].starts_with(kVersionKey) || !lines[1].starts_with(kIdKey)) {
    return std::nullopt;
  }
  const auto version_text = split(lines[0].substr(kVersionKey.size()), " \t");
  const auto id = split(lines[1].substr(kIdKey.size()), " \t");
  if (version_text.size() != 1 || id.size() != 1 || !is_topic_id(id[0])) return std::nullopt;
  const auto version = parse_number<int>(version_text[0]);
  if (!version || *version < 0) return std::nullopt;
  return TopicIdFile{*version, std::string(id[0])};
}

Result<std::string> read_topic_id(Vfs& vfs, const std::string& path) {
  constexpr std::int64_t kMetadataBytesMax = 4096;
  ONCELOG_TRY_ASSIGN(const auto text, read_small_file(vfs, path, kMetadataBytesMax));
  if (!text) return std::string();
  auto parsed = parse_topic_id(*text);
  if (parsed) return std::move(parsed->topic_id);
  return fail(ErrorCode::KAFKA_STORAGE_ERROR, path, ": expected a version and a topic id");
}

Result<void> write_topic_id(Vfs& vfs, const std::string& path, const std::string& topic_id) {
  return replace_file(vfs, path, as_bytes("version: 0\ntopic_id: " + topic_id));
}

}  // namespace oncelog::log
