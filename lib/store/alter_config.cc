// alter_config.cc: the configuration of a partition changes while it is open.
//
// Invariant: what is in force is what the store keeps.
//
// 1 check: the entries, and all of them together.    Die here: nothing has happened.
// 2 write: `.options` takes the place of the old one. Die here: the next open finds either.
// 3 apply: memory: every verb that begins now reads it.
#include "oncelog/clock.h"
#include "segment/segment_names.h"
#include "store/kept_options.h"
#include "store/store_state.h"

namespace oncelog {

namespace store {

Result<void> StoreState::check_in_force(PartitionOptions options) const {
  if (!options.level) options.level = options_.level;
  return options.check();
}

Result<StoreState::Altered> StoreState::write_altered(const std::string& directory,
                                                      const std::optional<KeptOptions>& before,
                                                      const std::vector<ConfigChange>& changes) {
  Altered altered;
  if (before) {
    altered.kept = *before;
  } else {
    ONCELOG_TRY_ASSIGN(const auto found, read_kept_options(vfs_, directory));
    altered.kept = found.value_or(KeptOptions{});
  }
  ONCELOG_TRY_ASSIGN(altered.kept, change_config(std::move(altered.kept), changes));
  ONCELOG_TRY_ASSIGN(altered.options, apply_kept_options(altered.kept, options_.topic_defaults));
  ONCELOG_TRY(check_in_force(altered.options));

  ONCELOG_TRY(write_kept_options(vfs_, directory, altered.kept));
  return altered;
}

Result<void> StoreState::alter_config(const TopicPartition& name,
                                      const std::vector<ConfigChange>& changes) {
  ONCELOG_TRY(check_name(name));
  Lock lock(mutex_);
  await_opening(lock, name);
  if (is_closed_) return fail(ErrorCode::MISUSE, directory_, ": the store is closed");
  ONCELOG_TRY_ASSIGN(const std::string directory, find_directory(name));
  const auto open = open_.find(name);
  std::optional<KeptOptions> before;
  if (open != open_.end()) before = open->second.kept;
  opening_.insert(name);  // nobody opens, closes or alters it meanwhile
  lock.unlock();
  auto altered = write_altered(directory, before, changes);
  lock.lock();
  opening_.erase(name);
  opening_ended_.notify_all();
  if (!altered) return std::unexpected(std::move(altered).error());

  if (open == open_.end()) return {};
  open->second.kept = std::move(altered->kept);
  open->second.options.config = altered->options.config;
  log::apply_config(*open->second.state, altered->options.config);
  return {};
}

/// Requires mutex_.
Result<std::string> StoreState::find_directory(const TopicPartition& name) const {
  std::string directory = path(segment::partition_directory_name(name));
  ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(directory));
  if (!status) return fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, directory, ": no such partition");
  return directory;
}

Result<KeptOptions> StoreState::kept_options(const TopicPartition& name) const {
  ONCELOG_TRY(check_name(name));
  const Lock lock(mutex_);
  if (const auto open = open_.find(name); open != open_.end()) return open->second.kept;
  if (is_closed_) return fail(ErrorCode::MISUSE, directory_, ": the store is closed");
  ONCELOG_TRY_ASSIGN(const std::string directory, find_directory(name));
  ONCELOG_TRY_ASSIGN(const auto kept, read_kept_options(vfs_, directory));
  return kept.value_or(KeptOptions{});
}

}  // namespace store

Result<void> Store::alter_config(const TopicPartition& name,
                                 const std::vector<ConfigChange>& changes) {
  return state_->alter_config(name, changes);
}

Result<KeptOptions> Store::kept_options(const TopicPartition& name) const {
  return state_->kept_options(name);
}

}  // namespace oncelog
