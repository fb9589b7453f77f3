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
};
inline constexpr std::uint8_t kOperationKinds = 17;

struct Operation {
  OperationKind kind = OperationKind::kAppend;
  std::array<std::uint8_t, 8> choices{};  ///< what of all that is possible; zeros are the plainest

  [[nodiscard]] std::string text() const;
};

class LogMachine {
 public:
  /// `choices` pick the configuration; zeros are the plainest.
  explicit LogMachine(const std::array<std::uint8_t, 12>& choices);

  /// Throws Disagreement.
  void run(const Operation& operation);
  /// How often each thing has happened: answers by code, reopenings by kind.
  [[nodiscard]] const std::map<std::string, std::int64_t>& tally() const { return tally_; }

 private:
  [[nodiscard]] std::uint8_t choice(std::size_t index) const { return operation_.choices[index]; }
  /// True for one choice of `n`, never for 0.
  [[nodiscard]] bool is_rare(std::size_t index, int n) const { return choice(index) % n == n - 1; }

  void open_store();
  void open_partition();

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
  void run_read();
  void run_probe_windows();
  void run_reopen(bool is_clean);
  void close_cleanly();
  /// Answers how many bytes recovery must cut.
  std::int64_t tear_tail();
  void damage_indexes();
  void check_reopened(bool is_clean, std::int64_t torn_bytes);

  TempDir directory_{memory_directory()};
  FaultVfs vfs_;
  ManualClock clock_;
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
