// settle_directory.cc: what an interrupted compaction, roll or deletion has left, finished or
// undone.
//
// Crash: every step is a removal or a rename that the next open would do again
// (semantics 21.2-21.4, 21.15).
#include <algorithm>

#include "log/recovery.h"
#include "segment/batch_scan.h"
#include "segment/segment_names.h"

namespace oncelog::log {

namespace {

using namespace segment;  // the suffixes

bool has_suffix(const std::string& name, std::string_view suffix) {
  return name.ends_with(suffix) && offset_of_file_name(name).has_value();
}

/// The offset behind the last batch of a file, or its base.
Result<Offset> next_offset_of(Vfs& vfs, const std::string& path, Offset base) {
  ONCELOG_TRY_ASSIGN(const std::unique_ptr<File> file, vfs.open(path, OpenMode::kRead));
  ONCELOG_TRY_ASSIGN(const std::int64_t bytes, file->size());
  BatchScan scan(*file, {.begin = 0, .end = bytes});
  Offset next = base;
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<RecordBatchView> batch, scan.next());
    if (!batch) return next;
    next = batch->next_offset();
  }
}

class Settlement {
 public:
  Settlement(LogState& state, std::vector<std::string> names)
      : state_(state), vfs_(state.environment.vfs), names_(std::move(names)) {}

  /// Pass 1: what was being deleted goes; what a compaction had not finished building goes, and a
  /// copy of a shared `.log`.
  Result<void> remove_unfinished() {
    const std::string copy_suffix = std::string(kLogSuffix) + std::string(kTemporarySuffix);
    ONCELOG_TRY(remove_if([&](const std::string& name) { return has_suffix(name, copy_suffix); }));
    std::optional<Offset> first_cleaned;
    for (const std::string& name : names_) {
      if (!has_suffix(name, kCleanedSuffix)) continue;
      const Offset base = *offset_of_file_name(name);
      first_cleaned = first_cleaned ? std::min(*first_cleaned, base) : base;
    }
    // A `.cleaned` that is left proves that the swap had not begun for it, nor for any base above:
    // it must outlive what it speaks of.
    ONCELOG_TRY(remove_if([&](const std::string& name) {
      return has_suffix(name, kDeletedSuffix) || (first_cleaned && has_suffix(name, kSwapSuffix) &&
                                                  *offset_of_file_name(name) >= *first_cleaned);
    }));
    ONCELOG_TRY(sync_if_changed());
    return remove_if([&](const std::string& name) { return has_suffix(name, kCleanedSuffix); });
  }

  /// Pass 2: files that complete replacements cover go.
  Result<void> remove_replaced() {
    std::optional<std::pair<Offset, Offset>> replaced;
    for (const std::string& name : names_) {
      if (!has_suffix(name, std::string(kLogSuffix) + std::string(kSwapSuffix))) continue;
      const Offset base = *offset_of_file_name(name);
      ONCELOG_TRY_ASSIGN(const Offset next, next_offset_of(vfs_, state_.path(name), base));
      replaced = replaced
                     ? std::pair(std::min(replaced->first, base), std::max(replaced->second, next))
                     : std::pair(base, next);
    }
    if (!replaced) return {};
    // A process may have died between the renames and their sync: without them, `.cleaned` files
    // would say that the swap had not begun.
    ONCELOG_TRY(vfs_.sync_directory(state_.directory));
    return remove_if([&](const std::string& name) {
      const std::optional<Offset> offset = offset_of_file_name(name);
      return offset && !has_suffix(name, kSwapSuffix) && *offset >= replaced->first &&
             *offset < replaced->second;
    });
  }

  /// Pass 3: the replacements get their names; the files they replace must be gone for good before
  /// a `.swap` is.
  Result<void> rename_swapped() {
    ONCELOG_TRY(sync_if_changed());
    for (std::string& name : names_) {
      if (!has_suffix(name, kSwapSuffix)) continue;
      std::string settled = name.substr(0, name.size() - kSwapSuffix.size());
      ONCELOG_TRY(vfs_.rename(state_.path(name), state_.path(settled)));
      name = std::move(settled);
      has_changed_ = true;
    }
    return sync_if_changed();
  }

  [[nodiscard]] DirectoryContent content() const {
    DirectoryContent content;
    for (const std::string& name : names_) {
      if (const auto base = offset_of_file_name(name, kLogSuffix)) content.bases.push_back(*base);
      if (const auto offset = offset_of_file_name(name, kSnapshotSuffix)) {
        content.kafka_snapshots.push_back(*offset);
      }
      if (const auto base = offset_of_file_name(name, kSealSuffix)) content.seals.push_back(*base);
    }
    std::ranges::sort(content.bases);
    std::ranges::sort(content.kafka_snapshots);
    std::ranges::sort(content.seals);
    for (const std::string& name : names_) {
      for (const std::string_view suffix : segment::kIndexSuffixes) {
        const auto base = offset_of_file_name(name, suffix);
        if (base && !std::ranges::binary_search(content.bases, *base)) {
          content.orphans.push_back(name);
        }
      }
    }
    return content;
  }

 private:
  Result<void> sync_if_changed() {
    if (!has_changed_) return {};
    has_changed_ = false;
    return vfs_.sync_directory(state_.directory);
  }

  template <class Predicate>
  Result<void> remove_if(Predicate is_to_go) {
    std::vector<std::string> kept;
    for (std::string& name : names_) {
      if (!is_to_go(name)) {
        kept.push_back(std::move(name));
        continue;
      }
      ONCELOG_TRY(vfs_.remove(state_.path(name)));
      state_.report.files_removed.push_back(name);
      has_changed_ = true;
    }
    names_ = std::move(kept);
    return {};
  }

  LogState& state_;
  Vfs& vfs_;
  std::vector<std::string> names_;
  bool has_changed_ = false;
};

}  // namespace

Result<DirectoryContent> settle_directory(LogState& state) {
  ONCELOG_TRY_ASSIGN(std::vector<std::string> names, state.environment.vfs.list(state.directory));
  Settlement settlement(state, std::move(names));
  ONCELOG_TRY(settlement.remove_unfinished());
  ONCELOG_TRY(settlement.remove_replaced());
  ONCELOG_TRY(settlement.rename_swapped());
  return settlement.content();
}

}  // namespace oncelog::log
