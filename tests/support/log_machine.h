// log_machine.h: runs operations on a partition in a real Store and on the oracle, and compares the
// two after each.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "oncelog/oncelog.h"
#include "support/fault_vfs.h"
#include "support/log_comparison.h"
#include "support/log_model.h"
#include "support/temp_dir.h"

namespace oncelog::test {

enum class OperationKind : std::uint8_t {
  kAppend,  ///< a client: right and wrong epochs and sequences, with and without transaction
  kRetry,   ///< any batch of the history once more, whole, shortened or lengthened
  kAppendMalformed,    ///< damaged, torn, too large, twice, or a marker from a client
  kAppendCoordinator,  ///< data with the coordinator's authority
  kMarker,
  kFollower,  ///< several batches, with gaps, older epochs, repeated sequences
  kAssignEpoch,
  kSetHighWatermark,
  kRaiseLogStart,
  kRoll,
  kFlush,
  kWaitDurable,
  kAdvanceClock,
  kRead,          ///< everything from some offset in each isolation
  kProbeWindows,  ///< every remembered batch again
  kReopen,        ///< after a clean close
  kCrash,         ///< after the process died, perhaps with a torn tail
  kTruncate,      ///< anywhere, also inside of batches
  kTruncateFully,
  kDeleteRecords,
  kApplyRetention,
  kExpireProducers,
  kCheckpoint,
};
inline constexpr std::uint8_t kOperationKinds = 23;

struct Operation {
  OperationKind kind = OperationKind::kAppend;
  std::array<std::uint8_t, 10> choices{};  ///< what of all that is possible; zeros the plainest

  [[nodiscard]] std::string text() const;
};

/// How the producer state is kept.
enum class StateMode : std::uint8_t {
  kKept,     ///< in LMDB; sometimes an operator deletes it before an open
  kDeleted,  ///< in LMDB, deleted before every open of the store
  kNone,
};

/// What picks a configuration; zeros are the plainest.
using ConfigurationChoices = std::array<std::uint8_t, 16>;

class LogMachine {
 public:
  explicit LogMachine(const ConfigurationChoices& choices)
      : LogMachine(choices, choose_state_mode(choices)) {}
  LogMachine(const ConfigurationChoices& choices, StateMode state_mode);

  /// Throws Disagreement.
  void run(const Operation& operation);
  /// How often each thing has happened: answers by code, reopenings by kind.
  [[nodiscard]] const std::map<std::string, std::int64_t>& tally() const { return tally_; }
  /// Ends, epochs, producers and aborted transactions, in words.
  [[nodiscard]] std::string answers() const;

 private:
  static StateMode choose_state_mode(const ConfigurationChoices& choices);
  [[nodiscard]] std::uint8_t choice(std::size_t index) const { return operation_.choices[index]; }
  /// True for one choice of `n`, never for 0.
  [[nodiscard]] bool is_rare(std::size_t index, int n) const { return choice(index) % n == n - 1; }

  void open_store();
  void open_partition();
  [[nodiscard]] bool has_state_store() const { return state_mode_ != StateMode::kNone; }
  [[nodiscard]] std::string partition_path() const { return directory_.file("store/model-0"); }

  void run_kind();
  [[nodiscard]] std::string configuration_text() const;
  [[nodiscard]] ModelBatch choose_batch(bool is_client);
  [[nodiscard]] Timestamp choose_timestamp(std::uint8_t by) const;
  [[nodiscard]] ModelBatch choose_follower_batch(std::minstd_rand& random, Offset base,
                                                 LeaderEpoch epoch) const;
  void append(const ModelBatch& batch, AppendOrigin origin);
  [[nodiscard]] LogComparison comparison() { return LogComparison(*log_, model_); }
  void check_everything();
  void check_answer(const Result<Appended>& seen, const ModelAnswer& expected);
  void note_durable(Offset at_least);

  void run_append();
  void run_retry();
  void run_malformed();
  void run_coordinator();
  void run_marker();
  void run_follower();
  void run_assign_epoch();
  void run_set_high_watermark();
  void run_raise_log_start();
  void run_flush();
  void run_read();
  void run_probe_windows();

  [[nodiscard]] Offset choose_truncation_point() const;
  void run_truncate();
  void run_truncate_fully();
  void run_delete_records();
  void run_apply_retention();
  void run_expire_producers();
  void run_checkpoint();
  void settle_expiries();
  [[nodiscard]] std::vector<ModelSegment> segments_on_disk() const;

  void run_reopen(bool is_clean);
  void check_closed(PartitionLog& log) const;
  /// Answers how many bytes recovery must cut.
  std::int64_t tear_tail();
  void damage_indexes();
  void delete_state();
  void choose_retention();
  struct ReopenCase {
    bool is_clean = true;  ///< the store or the partition was closed
    bool is_state_deleted = false;
    std::int64_t torn_bytes = 0;
    std::vector<Offset> bases{};  ///< segments before
  };
  void check_reopened(const ReopenCase& reopened);
  void check_ends_after_reopen(const ReopenCase& reopened);
  void check_producers_after_reopen(const ReopenCase& reopened);
  void check_files();

  TempDir directory_{memory_directory()};
  FaultVfs vfs_;
  ManualClock clock_;
  StateMode state_mode_;
  unsigned producer_count_ = 4;
  StoreOptions store_options_;
  PartitionOptions options_;
  TopicPartition name_{"model", 0};
  LogModel model_;
  Operation operation_;
  Offset durable_end_{};
  std::map<std::string, std::int64_t> tally_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

/// The bytes of a batch as a client sends it, or (with offsets and leader epoch) as a leader does.
[[nodiscard]] std::vector<std::byte> encode(const ModelBatch& batch, bool is_from_leader);

}  // namespace oncelog::test
