#include "store/checkpoint_files.h"

#include "log/checkpoint.h"

namespace oncelog::store {

Result<std::vector<std::string>> CheckpointFiles::load() {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> unreadable;
  for (Table* table : {&recovery_points_, &log_starts_, &high_watermarks_, &cleaner_offsets_}) {
    ONCELOG_TRY(load_table(*table, unreadable));
  }
  return unreadable;
}

Result<void> CheckpointFiles::load_table(Table& table, std::vector<std::string>& unreadable) {
  auto entries = log::read_offset_checkpoint(vfs_, directory_ + "/" + std::string(table.file));
  if (!entries) {
    const bool is_later_version = entries.error().code == ErrorCode::UNSUPPORTED_VERSION;
    if (is_later_version || entries.error().os_errno != 0)
      return std::unexpected(std::move(entries).error());
    unreadable.push_back(entries.error().context);
    return {};
  }
  for (const log::OffsetCheckpointEntry& entry : *entries) {
    table.offsets[entry.name] = entry.offset;
  }
  return {};
}

log::PartitionCheckpoint CheckpointFiles::find(const TopicPartition& name) const {
  const std::scoped_lock lock(mutex_);
  const auto entry = [&](const Table& table) -> std::optional<Offset> {
    const auto found = table.offsets.find(name);
    if (found == table.offsets.end()) return std::nullopt;
    return found->second;
  };
  return {entry(recovery_points_), entry(log_starts_), entry(high_watermarks_),
          entry(cleaner_offsets_)};
}

Result<void> CheckpointFiles::write(Table& table, std::map<TopicPartition, Offset> offsets) {
  std::vector<log::OffsetCheckpointEntry> entries;
  for (const auto& [partition, entry] : offsets) entries.push_back({partition, entry});
  table.is_file_uncertain = true;
  ONCELOG_TRY(
      log::write_offset_checkpoint(vfs_, directory_ + "/" + std::string(table.file), entries));
  table.is_file_uncertain = false;
  table.offsets = std::move(offsets);
  return {};
}

Result<void> CheckpointFiles::remove(const TopicPartition& name) {
  const std::scoped_lock lock(mutex_);
  for (Table* table : {&recovery_points_, &log_starts_, &high_watermarks_, &cleaner_offsets_}) {
    if (!table->offsets.contains(name)) continue;
    std::map<TopicPartition, Offset> offsets = table->offsets;
    offsets.erase(name);
    ONCELOG_TRY(write(*table, std::move(offsets)));
  }
  return {};
}

Result<void> CheckpointFiles::save_entry(Table& table, const TopicPartition& name,
                                         std::optional<Offset> offset, bool waits) {
  if (waits) {
    const auto before = table.offsets.find(name);
    const bool is_known = !offset || (before != table.offsets.end() && before->second == *offset);
    if (is_known) return {};
    table.offsets[name] = *offset;
    table.is_file_uncertain = true;
    return {};
  }
  std::map<TopicPartition, Offset> offsets = table.offsets;
  if (offset) offsets[name] = *offset;
  if (offsets == table.offsets && !table.is_file_uncertain) return {};
  return write(table, std::move(offsets));
}

void CheckpointFiles::set_waits(const TopicPartition& name, bool waits) {
  const std::scoped_lock lock(mutex_);
  if (waits) {
    waiting_.insert(name);
  } else {
    waiting_.erase(name);
  }
}

Result<void> CheckpointFiles::write_waiting() {
  const std::scoped_lock lock(mutex_);
  for (Table* table : {&cleaner_offsets_, &log_starts_, &high_watermarks_, &recovery_points_}) {
    if (table->is_file_uncertain) ONCELOG_TRY(write(*table, table->offsets));
  }
  return {};
}

Result<void> CheckpointFiles::save(const TopicPartition& name,
                                   const log::PartitionCheckpoint& checkpoint) {
  const std::scoped_lock lock(mutex_);
  const bool waits = checkpoint.can_wait && waiting_.contains(name);
  ONCELOG_TRY(save_entry(cleaner_offsets_, name, checkpoint.cleaner, waits));
  ONCELOG_TRY(save_entry(log_starts_, name, checkpoint.log_start, waits));
  ONCELOG_TRY(save_entry(high_watermarks_, name, checkpoint.high_watermark, waits));
  return save_entry(recovery_points_, name, checkpoint.recovery_point, waits);
}

}  // namespace oncelog::store
