// repair_survey.h: what one partition needs, found by the rules of an open and by verify. Changes
// nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/checkpoint_keeper.h"
#include "log/leader_epochs.h"
#include "log/recovery.h"
#include "oncelog/repair.h"

namespace oncelog::inspect {

/// What is known of the partition outside of its directory.
struct RepairContext {
  Vfs& vfs;
  log::PartitionCheckpoint checkpoint{};
  std::optional<log::CleanEnd> clean_end{};  ///< of our record, if that is believed
  bool was_clean_for_kafka = false;
  std::string checkpoint_directory{};  ///< of the checkpoint files, for messages
};

/// The plan, and what its execution needs.
struct RepairSurvey {
  PartitionRepair plan{};
  std::vector<Offset> bases{};           ///< of all segments
  log::LogScan scan{};                   ///< of those that stay, up to the damage
  std::vector<std::size_t> rewritten{};  ///< segments that stay whose `.log` or indexes are written
  std::optional<std::vector<LeaderEpochStart>> epochs{};  ///< what the epoch file is to be
  log::PartitionCheckpoint lowered{};  ///< what is to be saved; nothing where it stays
  /// The record of the last clean end, ours or Kafka's, is not true any more.
  bool ends_clean_record = false;
};

/// An error only where the disk cannot be read; what must not be repaired is the plan's refusal.
Result<RepairSurvey> survey_partition(const RepairContext& context, const std::string& directory);

}  // namespace oncelog::inspect
