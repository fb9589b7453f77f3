// checkpoint_entries.cc: Kafka's text files line by line: a wrong one does not hide the others.
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/entry_lists.h"
#include "log/checkpoint.h"

namespace oncelog::inspect {

namespace {

struct Line {
  std::int64_t position = 0;
  std::int64_t bytes = 0;   ///< with its end
  std::string_view text{};  ///< without
};

std::vector<Line> split_lines(std::string_view text) {
  std::vector<Line> lines;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::size_t next = std::min(end + 1, text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(
        {static_cast<std::int64_t>(begin), static_cast<std::int64_t>(next - begin), line});
    begin = next;
  }
  return lines;
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return number;
}

/// On one line of a terminal, whatever has got into a checkpoint.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShownBytes = 80;
  std::string shown;
  for (const char c : text.substr(0, kShownBytes)) shown += c >= ' ' && c <= '~' ? c : '?';
  return "\"" + shown + (text.size() > kShownBytes ? "\"..." : "\"");
}

/// The version and the count of entries.
FileEntry read_header(std::span<const Line> lines, bool& is_other_version) {
  FileEntry shown{"header", 0, lines[0].bytes, {}, {}};
  const auto version = parse_number(lines[0].text);
  shown.fields.push_back({"version", version});
  is_other_version = version && *version != log::kCheckpointVersion;
  if (!version) {
    shown.damage = "the first line, " + quoted(lines[0].text) + ", is no version";
  } else if (is_other_version) {
    shown.damage = "its version is not " + std::to_string(log::kCheckpointVersion);
  }
  // Kafka reads a file without a count, too: as one without entries.
  if (lines.size() == 1) return shown;
  shown.bytes += lines[1].bytes;
  const auto count = parse_number(lines[1].text);
  shown.fields.push_back({"count", count});
  const auto seen = static_cast<std::int64_t>(lines.size() - 2);
  if (!shown.damage.empty() || count == seen) return shown;
  shown.damage = count ? "there are " + std::to_string(seen) + " entries"
                       : "the second line, " + quoted(lines[1].text) + ", is no count";
  return shown;
}

using LineReader = std::function<FileEntry(std::string_view)>;

Result<void> list_lines(const EntrySource& source, const LineReader& read,
                        const FileEntryVisitor& visit) {
  ONCELOG_TRY_ASSIGN(const auto content, source.read_whole(log::kCheckpointBytesMax));
  const std::vector<Line> lines = split_lines(as_text(content));
  bool goes_on = true;
  if (!lines.empty()) {
    bool is_other_version = false;
    FileEntry header = read_header(lines, is_other_version);
    if (is_other_version) header.bytes = source.bytes();
    goes_on = visit(header) && !is_other_version;
  }
  for (std::size_t i = 2; i < lines.size() && goes_on; ++i) {
    FileEntry shown = read(lines[i].text);
    shown.what = "entry";
    shown.position = lines[i].position;
    shown.bytes = lines[i].bytes;
    goes_on = visit(shown);
  }
  if (goes_on && std::ssize(content) < source.bytes()) visit(source.cut_at(std::ssize(content)));
  return {};
}

}  // namespace

Result<void> list_leader_epochs(const EntrySource& source, const FileEntryVisitor& visit) {
  std::optional<LeaderEpochStart> before;
  const LineReader read = [&](std::string_view line) -> FileEntry {
    const auto entry = log::parse_epoch_entry(line);
    FileEntry shown;
    if (!entry) {
      shown.damage = quoted(line) + " is no leader epoch and start offset";
      return shown;
    }
    shown.fields = {{"epoch", entry->epoch}, {"start", entry->start}};
    if (before && (entry->epoch <= before->epoch || entry->start <= before->start)) {
      shown.damage = "it is not above the entry before it";
    } else {
      before = entry;
    }
    return shown;
  };
  return list_lines(source, read, visit);
}

Result<void> list_offset_checkpoint(const EntrySource& source, const FileEntryVisitor& visit) {
  const LineReader read = [](std::string_view line) -> FileEntry {
    const auto entry = log::parse_offset_entry(line);
    FileEntry shown;
    if (entry) {
      shown.fields = {{"topic", entry->name.topic},
                      {"partition", entry->name.partition},
                      {"offset", entry->offset}};
    } else {
      shown.damage = quoted(line) + " is no topic, partition and offset";
    }
    return shown;
  };
  return list_lines(source, read, visit);
}

Result<void> list_partition_metadata(const EntrySource& source, const FileEntryVisitor& visit) {
  constexpr std::int64_t kBytesMax = 4096;
  ONCELOG_TRY_ASSIGN(const auto content, source.read_whole(kBytesMax));
  const auto id = log::parse_topic_id(as_text(content));
  FileEntry shown{"metadata", 0, source.bytes(), {}, {}};
  if (id) {
    shown.fields = {{"version", id->version}, {"topic_id", id->topic_id}};
  } else {
    shown.damage = quoted(as_text(content)) + " is no version and topic id";
  }
  if (visit(shown) && std::ssize(content) < source.bytes()) {
    visit(source.cut_at(std::ssize(content)));
  }
  return {};
}

}  // namespace oncelog::inspect
