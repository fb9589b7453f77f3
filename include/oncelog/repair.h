// repair.h: the way out where an open is refused, or verify_partition finds what is wrong: what is
// sound before the damage stays, everything else is put aside. First a plan that changes nothing,
// then, for whoever agrees with it, its execution.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/inspect.h"
#include "oncelog/io.h"
#include "oncelog/types.h"

namespace oncelog {

enum class RepairKind : std::uint8_t {
  kCutLog,           ///< a `.log` ends at `position` from then on
  kRemoveFile,       ///< a file goes whole
  kRebuildFile,      ///< a file that can be made anew out of the batches is
  kLowerCheckpoint,  ///< an offset of a checkpoint file comes down to the new log end
};

/// One thing that a repair does.
struct RepairStep {
  RepairKind kind = RepairKind::kRemoveFile;
  std::string file{};
  std::int64_t position = 0;  ///< where the bytes begin that go; they are kept aside
  std::int64_t bytes = 0;     ///< how many these are
  Offset begin{};             ///< offsets that are lost: [begin, end), as far as can be known
  Offset end{};
  std::string reason{};  ///< seen and expected
  std::string action{};  ///< what is done about it
};

/// What there is to do in one partition.
struct PartitionRepair {
  std::string directory{};
  Offset log_end{};  ///< afterwards
  std::vector<RepairStep> steps{};
  std::vector<Problem> left{};     ///< what verify_partition finds and no repair can mend
  std::optional<Error> refusal{};  ///< why it is left alone; then there are no steps
};

struct RepairPlan {
  std::string aside{};  ///< the folder that takes what is removed
  std::vector<RepairStep> store_steps{};
  std::vector<PartitionRepair> partitions{};  ///< ascending by name; all that were looked at

  [[nodiscard]] bool has_steps() const {
    bool found = !store_steps.empty();
    for (const PartitionRepair& one : partitions) found = found || !one.steps.empty();
    return found;
  }
};

struct RepairOptions {
  /// A folder outside of the store, which is made and must be empty: a broker takes any folder in
  /// its directory for a partition. If empty: beside the store, `<store>.aside-1`, or the next
  /// number that is free.
  std::string aside{};
  Vfs* vfs = nullptr;  ///< not owned; the machine's file systems if null
};

/// Reads every byte of a store, or of one partition's directory, and says what repair would do.
/// Changes nothing and takes no lock. STORE_IN_USE if it has an owner at this moment,
/// UNKNOWN_TOPIC_OR_PARTITION if the path is neither.
Result<RepairPlan> plan_repair(const std::string& path, const RepairOptions& options = {});

/// Is shown the plan, before anything is changed; false: then nothing is.
using RepairConfirmation = std::function<bool(const RepairPlan&)>;

/// Takes the store's lock, plans, asks, and does it. What goes has been copied aside, synced,
/// before the first change; the recovery point comes down, synced, before a log is cut. On return
/// all of it is on stable storage, the store opens with what is sound before the damage, and `left`
/// is all that verify_partition still finds. After an error, or a crash, nothing sound is lost: a
/// second repair, or an open, goes on. Answers what was done, which is nothing if it was refused.
Result<RepairPlan> repair(const std::string& path, const RepairConfirmation& confirm,
                          const RepairOptions& options = {});

}  // namespace oncelog
