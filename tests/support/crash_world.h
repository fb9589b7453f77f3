// crash_world.h: a partition on a simulated disk with the oracle beside it, and a record of every
// point at which it could have crashed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/crash_check.h"

namespace oncelog::test {

/// The world just before one change of its disk, or at the end of a verb.
struct CrashPoint {
  std::string text{};  ///< which
  CrashedDisk disk{};
  std::shared_ptr<const Expectation> expected{};
};

/// A verb, or an open, was refused: as it may be where the disk has faults.
class Refusal : public std::runtime_error {
 public:
  Refusal(const std::string& verb, Error error)
      : std::runtime_error(verb + ": " + error.text()), error_(std::move(error)) {}

  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
};

class CrashWorld {
 public:
  explicit CrashWorld(const CrashOptions& options);
  /// The world after a crash, opened and compared with what the crash allows; it goes on there.
  CrashWorld(const CrashOptions& options, CrashedDisk left, const Expectation& expected,
             CrashKind kind);
  ~CrashWorld();

  /// From now on each change of the disk is a point; or each behind the first fault that strikes.
  void record_points();
  void record_points_behind_a_fault();
  /// The points so far, and the present one.
  std::vector<CrashPoint> take_points();

  // ---- faults: where one strikes, a verb may throw Refusal, and is under way from then on

  /// In the words of sim/fault_plan.h.
  void add_faults(const std::vector<sim::Fault>& faults);
  [[nodiscard]] bool has_fault_struck() const;
  /// Behind a refusal: it is a disk's, what was durable can be read, and poison stays.
  void check_refused(const Refusal& refusal);
  /// On a disk that is sound again, in the same process: as behind a loss of power. False where no
  /// partition is open.
  bool reopen();

  // ---- verbs: on the log, then on the oracle. Each throws Refusal if it is refused.

  void open();
  void close();
  void end_process();  ///< without a close
  void append(int producer, bool is_transactional, std::optional<Level> level = {},
              int records = 2);
  void marker(int producer, MarkerType type);
  /// Batches of one leader epoch, `gap` offsets above the end, of two records each.
  void append_received(int count, int epoch, int gap = 0);
  void assign_epoch(int epoch);
  void set_high_watermark(Offset to);
  void roll();
  void flush();
  void checkpoint();
  void truncate_to(Offset to);
  void truncate_fully(Offset at);
  void delete_records(Offset before);
  void apply_retention();
  void expire_producers(std::int64_t after_ms);
  /// From what the store keeps, if anything, to another value of retention.ms.
  void alter_retention_ms(const std::string& to);
  /// Another partition of the store begins to be appended to.
  void append_elsewhere();
  void delete_partition();
  void create_again();

  [[nodiscard]] const LogModel& model() const { return model_; }
  [[nodiscard]] const PartitionLog& log() const { return *log_; }
  [[nodiscard]] Timestamp now() const { return clock_.now(); }
  [[nodiscard]] sim::SimDisk& disk() { return *disk_.files; }
  [[nodiscard]] const CrashOptions& options() const { return options_; }

 private:
  /// While the verb runs, either history may be found after a crash.
  template <class Verb>
  auto run(std::vector<LogModel> histories, const Verb& verb);
  template <class Verb>
  auto run(const LogModel& after, const Verb& verb);
  void lower_ends(Offset to);
  void note_done();
  void note_fault();
  void expect(std::vector<LogModel> histories);
  [[nodiscard]] ModelBatch next_batch(int producer, bool is_transactional, int records) const;
  void add_point(std::string text);

  CrashOptions options_;
  ManualClock clock_;
  CrashedDisk disk_;
  LogModel model_;
  Offset durable_end_{};            ///< as the log said last
  std::int64_t faults_behind_ = 0;  ///< that struck before the log was reopened
  Expectation expectation_;
  std::shared_ptr<const Expectation> shared_expectation_;
  std::vector<CrashPoint> points_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

/// A copy of what a disk and its producers are at this moment, as the next process finds them.
[[nodiscard]] CrashedDisk copy_of(const CrashedDisk& disk);
/// The same after the loss of power.
[[nodiscard]] CrashedDisk copy_of(const CrashedDisk& disk, const sim::CrashChoice& choice);

}  // namespace oncelog::test
