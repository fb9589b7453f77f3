// crash_check.h: what a store that is opened after a crash may have, and whether it has it.
//
// The rule: acknowledged ⊆ recovered ⊆ submitted, no producer sequence twice, and everything that
// the log answers is what the oracle says of some history that the crash allows.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "oncelog/clock.h"
#include "oncelog/store.h"
#include "sim/mem_snapshot_store.h"
#include "sim/sim_disk.h"
#include "support/log_model.h"

namespace oncelog::test {

inline const std::string kCrashStore = "/store";
inline const TopicPartition kCrashPartition{"crash", 0};
inline const std::string kCrashDirectory = kCrashStore + "/crash-0";

/// How the partition and its store are opened, before and after.
struct CrashOptions {
  PartitionOptions partition{};
  StoreOptions store{};
  bool reuses_inode_numbers = false;  ///< of the disk
};

/// Everything that a crash leaves: files, and the state of the producers beside them.
struct CrashedDisk {
  std::unique_ptr<sim::SimDisk> files{};
  std::unique_ptr<sim::MemSnapshotStore> producers{};
};

/// What a crash at one point allows.
struct Expectation {
  /// The history without the verb that is under way, and with it, or with a part of it. None: the
  /// partition was deleted.
  std::vector<LogModel> histories{};
  Offset written_end{};               ///< batches below it survive the end of the process
  Offset durable_end{};               ///< batches below it survive the loss of power
  std::set<Offset> first_bases{};     ///< segments that the verb under way may leave as the first
  bool may_forget_producers = false;  ///< all but those whose batches are left
  bool may_be_absent = false;         ///< nobody has been told yet that the partition is there
  /// What the store may keep of retention.ms, where a verb alters it; "" for nothing.
  std::set<std::string> kept_retention_ms{};
};

enum class CrashKind : std::uint8_t {
  kProcessDeath,
  kPowerLoss,
  /// And the producers' state is an older one: what they know of data that is gone may be lost.
  kOldProducers,
};

/// A log that was opened behind a crash, and where it lies.
struct RecoveredLog {
  const PartitionLog& log;
  const PartitionOptions& options;
  sim::SimDisk& files;
  Timestamp now{};
};

/// The history that the log turns out to have, of those that are allowed. Throws Disagreement with
/// every history's reason if none fits.
[[nodiscard]] LogModel find_history(const RecoveredLog& recovered, const Expectation& expected,
                                    CrashKind kind);

/// A store that was opened again, with the history that it turned out to have.
class ReopenedLog {
 public:
  /// Opens and compares, as find_history.
  ReopenedLog(CrashedDisk disk, const CrashOptions& options, const Expectation& expected,
              CrashKind kind);
  ~ReopenedLog();

  /// The history that fits.
  [[nodiscard]] const LogModel& model() const { return model_; }
  /// Appends, repeats what was appended last, closes, loses power, opens, and compares again. Where
  /// there is no partition, a new one of that name must meet nothing of an old one.
  void check_goes_on();

 private:
  void open();
  void check_kept_options(const Expectation& expected) const;
  void choose_history(const Expectation& expected, CrashKind kind);
  [[nodiscard]] RecoveredLog recovered() const;
  void create_anew();
  void close_and_lose_power();
  void append_next(ProducerId id, bool is_again);

  CrashedDisk disk_;
  CrashOptions options_;
  ManualClock clock_;
  LogModel model_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

}  // namespace oncelog::test
