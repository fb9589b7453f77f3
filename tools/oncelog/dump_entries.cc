// dump_entries.cc: `oncelog dump` of a file that holds no batches: an index, a snapshot, a
// checkpoint, or one of our own.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "args.h"
#include "dump.h"
#include "fields.h"
#include "table.h"

namespace oncelog::cli {

namespace {

/// An entry with more fields than this stands on lines of its own.
constexpr std::size_t kColumnsMax = 12;

class EntryDump {
 public:
  EntryDump(Output& output, const DumpFlags& flags, const std::string& path)
      : output_(output), flags_(flags), path_(path), damage_(output, flags.json) {}

  /// False ends the listing.
  bool show(const FileEntry& entry) {
    show_heading();
    const bool is_unused = entry.fields.empty() && entry.damage.empty();
    entry_count_ += entry.fields.empty() ? 0 : 1;
    const bool is_shown = !flags_.damage_only() && (is_unused || !entry.fields.empty());
    if (is_shown) flags_.json ? show_json(entry) : show_text(entry);
    if (!entry.damage.empty()) {
      finish_table();
      damage_.show({path_, entry.position, entry.bytes}, entry.damage);
    }
    return output_.is_open();
  }

  int finish(const Result<void>& outcome) {
    if (outcome) show_heading();
    finish_table();
    // Where nothing could be opened there is nothing to sum up.
    if (!flags_.json && has_heading_) {
      output_.write(fmt::format("{} entries, {}\n", entry_count_, damage_.summary()));
    }
    const int status = damage_.count() > 0 ? kExitDamage : kExitDone;
    return outcome ? status : std::max(status, report(outcome.error()));
  }

 private:
  void show_heading() {
    if (std::exchange(has_heading_, true) || flags_.json) return;
    output_.write(path_ + "\n");
  }

  void show_json(const FileEntry& entry) {
    Json line = {{"file", path_},
                 {"position", entry.position},
                 {"bytes", entry.bytes},
                 {"entry", std::string(entry.what)}};
    line.update(json_fields(entry.fields));
    output_.write(json_line(line) + "\n");
  }

  void show_text(const FileEntry& entry) {
    if (entry.fields.empty()) {
      finish_table();
      output_.write(
          fmt::format("{} bytes from position {} are unused\n", entry.bytes, entry.position));
    } else if (entry.fields.size() > kColumnsMax) {
      finish_table();
      for (const Field& field : entry.fields) {
        output_.write(fmt::format("{:<24} {}\n", field.name, text_of(field.value)));
      }
    } else {
      show_row(entry);
    }
  }

  /// Entries of one kind are a table.
  void show_row(const FileEntry& entry) {
    if (!table_ || what_ != entry.what) {
      finish_table();
      what_ = entry.what;
      std::vector<Column> columns = {{"position"}, {"entry", Align::kLeft}};
      for (const Field& field : entry.fields) {
        columns.push_back({std::string(field.name), align_of(field.value)});
      }
      table_.emplace(output_, std::move(columns));
    }
    std::vector<std::string> cells = {std::to_string(entry.position), std::string(entry.what)};
    for (const Field& field : entry.fields) cells.push_back(text_of(field.value));
    table_->add(std::move(cells));
  }

  static Align align_of(const FieldValue& value) {
    const bool is_number = std::holds_alternative<std::int64_t>(value.value) ||
                           std::holds_alternative<std::uint64_t>(value.value) ||
                           std::holds_alternative<std::monostate>(value.value);
    return is_number ? Align::kRight : Align::kLeft;
  }

  void finish_table() {
    if (table_) table_->finish();
    table_.reset();
  }

  Output& output_;
  const DumpFlags& flags_;
  const std::string& path_;
  DamageLines damage_;
  std::optional<Table> table_{};
  std::string what_{};
  bool has_heading_ = false;
  std::int64_t entry_count_ = 0;
};

/// What its own entries do not show: whether they are true of the `.log`.
Result<std::vector<Problem>> compare_with_log(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
  ONCELOG_TRY_ASSIGN(std::vector<Problem> problems, verify_partition(directory));
  std::erase_if(problems,
                [&](const Problem& problem) { return !problem.file.ends_with("/" + name); });
  return problems;
}

int verify_index(Output& output, const DumpFlags& flags, const std::string& path) {
  const auto problems = compare_with_log(path);
  if (!problems) return report(problems.error());
  for (const Problem& problem : *problems) {
    output.write(
        flags.json
            ? json_line(
                  {{"file", path}, {"position", problem.position}, {"damage", problem.problem}}) +
                  "\n"
            : fmt::format("{:>10} DAMAGED: {}\n", problem.position, problem.problem));
  }
  if (!flags.json) output.write(fmt::format("{}: {} problems\n", path, problems->size()));
  return problems->empty() ? kExitDone : kExitDamage;
}

}  // namespace

int dump_entries(Output& output, const DumpFlags& flags, const std::string& path, FileKind kind) {
  const bool is_index =
      kind == FileKind::kOffsetIndex || kind == FileKind::kTimeIndex || kind == FileKind::kTxnIndex;
  if (flags.verify_index_only && is_index) return verify_index(output, flags, path);
  EntryDump dump(output, flags, path);
  const Result<void> outcome =
      list_file_entries(path, kind, [&dump](const FileEntry& entry) { return dump.show(entry); });
  return dump.finish(outcome);
}

}  // namespace oncelog::cli
