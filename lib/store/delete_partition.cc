// delete_partition.cc: a partition goes, with all that is known of it elsewhere.
//
// Crash: before the rename is on the disk the partition is whole. Behind it the directory's name
// says that it is going, and the next open of the store goes on here. The name is free only once
// the checkpoint lines and the producers' rows are gone, so that a new partition of that name meets
// nothing of the old one.
#include <algorithm>
#include <optional>

#include "log/checkpoint.h"
#include "segment/segment_names.h"
#include "store/store_state.h"

namespace oncelog::store {

namespace {

constexpr std::string_view kGoingSuffix = "-delete";

/// Kafka's form of the name: `<topic>-<partition>.<id>-delete`, the topic cut where that is too
/// long.
std::string going_name(const TopicPartition& name) {
  constexpr std::size_t kNameBytesMax = 255;
  const std::string suffix = "." + log::random_topic_id() + std::string(kGoingSuffix);
  return segment::partition_directory_name(name).substr(0, kNameBytesMax - suffix.size()) + suffix;
}

/// The partition that such a directory was, if its name says.
std::optional<TopicPartition> partition_of(const std::string& going) {
  const std::size_t dot = going.rfind('.');
  if (!going.ends_with(kGoingSuffix) || dot == std::string::npos) return std::nullopt;
  return segment::parse_partition_directory(going.substr(0, dot));
}

}  // namespace

Result<void> StoreState::delete_partition(const TopicPartition& name) {
  Lock lock(mutex_);
  await_opening(lock, name);
  if (is_closed_) return fail(ErrorCode::MISUSE, directory_, ": the store is closed");
  const std::string directory = segment::partition_directory_name(name);
  ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(path(directory)));
  if (!status) {
    return fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, directory, ": no such partition");
  }
  if (const auto open = open_.find(name); open != open_.end()) {
    log::abandon_log(*open->second.state);
    forget_open(open);
    unclean_.insert(name);
  }
  const std::string going = going_name(name);
  ONCELOG_TRY(vfs_.rename(path(directory), path(going)));
  ONCELOG_TRY(vfs_.sync_directory(directory_));
  clean_ends_.erase(name);
  unclean_.erase(name);
  going_[name] = going;
  return finish_deletion(name, going);
}

Result<void> StoreState::finish_deletion(const TopicPartition& name, const std::string& directory) {
  ONCELOG_TRY(snapshots_->drop(name));
  ONCELOG_TRY(checkpoints_.remove(name));
  going_.erase(name);  // free: nothing is known of it any more
  return remove_partition_files(directory);
}

Result<void> StoreState::remove_partition_files(const std::string& directory) {
  ONCELOG_TRY_ASSIGN(const std::vector<std::string> files, vfs_.list(path(directory)));
  for (const std::string& file : files) ONCELOG_TRY(vfs_.remove(path(directory + "/" + file)));
  ONCELOG_TRY(vfs_.remove_directory(path(directory)));
  return vfs_.sync_directory(directory_);
}

Result<void> StoreState::finish_deletions() {
  ONCELOG_TRY_ASSIGN(const std::vector<std::string> names, vfs_.list(directory_));
  for (const std::string& going : names) {
    const auto name = partition_of(going);
    if (!name) continue;
    // Where the name is in use again, all that was known of the old one had gone before.
    const bool is_in_use =
        std::ranges::binary_search(names, segment::partition_directory_name(*name));
    ONCELOG_TRY(is_in_use ? remove_partition_files(going) : finish_deletion(*name, going));
    warnings_.push_back(path(going) + ": an interrupted deletion was finished");
  }
  return {};
}

}  // namespace oncelog::store
