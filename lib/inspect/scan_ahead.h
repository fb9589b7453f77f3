// scan_ahead.h: the batches of a file, read and checked by several threads and given in order.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "oncelog/io.h"
#include "oncelog/record.h"

namespace oncelog::inspect {

/// What is wrong with a batch whose CRC is right, or empty. Called by several threads at once.
using BatchExam = std::function<std::string(const RecordBatchView&)>;

/// A sound batch and its place.
struct CheckedBatch {
  RecordBatchView batch;
  std::int64_t position = 0;
  std::string finding{};  ///< of the exam
};

/// The file is cut into chunks at fixed places. A thread takes the next one, reads it, waits until
/// it is known where the first batch begins in it, follows the lengths to the chunk's end, tells
/// the next one, and only then takes CRCs: reading and CRCs run beside each other, and what has to
/// happen in order is short. The caller does the same where it would wait. Memory: two chunks a
/// thread, and in their place batches of up to 64 MiB while they are given.
///
/// It ends at the first bytes that are no sound batch, without a word on them: a BatchScan there
/// says what is wrong, a failed read, a file that shrinks or a want of memory included.
class ScanAhead {
 public:
  struct Options {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    /// The caller's and others, started here as far as the system gives them, joined at the end.
    int thread_count = 1;
    BatchExam exam{};  ///< may be empty
  };
  ScanAhead(const File& file, Options options);
  ~ScanAhead();
  ScanAhead(const ScanAhead&) = delete;
  ScanAhead& operator=(const ScanAhead&) = delete;

  /// Null where it ends. Valid until the next call.
  const CheckedBatch* next();
  /// Behind the batch given last.
  [[nodiscard]] std::int64_t position() const { return position_; }

 private:
  /// Where a buffer and the bytes of the file are not at the same place of a page, some processors
  /// copy from the page cache at a sixth of their speed: a large buffer of malloc always is 16
  /// bytes off.
  static constexpr std::size_t kPageBytes = 4096;
  struct alignas(kPageBytes) Page {
    std::array<std::byte, kPageBytes> bytes;
  };
  struct Chunk {
    std::int64_t begin = 0;   ///< in the file, of pages
    std::int64_t filled = 0;  ///< bytes
    std::vector<Page> pages{};
    std::vector<std::int64_t> places{};  ///< of batches, and behind the last one; none at all is
                                         ///< for want of memory
    std::vector<CheckedBatch> batches{};
    bool is_last = false;  ///< no batch behind these is given
    bool is_done = false;  ///< by mutex_

    [[nodiscard]] Bytes part(std::int64_t at, std::int64_t bytes) const {
      return std::as_bytes(std::span(pages))
          .subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(bytes));
    }
  };

  void work();
  /// Reads and checks the next chunk that nobody has taken; false at the end.
  bool work_once(bool may_wait);
  /// Nothing at the end, and where there is no room unless it may wait for that.
  std::optional<std::int64_t> claim(bool may_wait);
  /// So many bytes from the chunk's begin, as far as the file has them.
  void read_to(Chunk& chunk, std::int64_t bytes) const;
  /// Until the chunks before have told where this one's first batch begins; false if they will not.
  bool wait_for_turn(std::int64_t index) const;
  void follow_lengths(Chunk& chunk, std::int64_t first) const;
  void pass_turn(const Chunk& chunk, std::int64_t index);
  void check(Chunk& chunk) const;
  /// The chunk that is next in order, when it is done.
  const Chunk& next_chunk();
  void give_back_chunk();
  Chunk& chunk_at(std::int64_t index) {
    return chunks_[static_cast<std::size_t>(index) % chunks_.size()];
  }

  const File& file_;
  const Options options_;
  const std::int64_t first_chunk_begin_;
  const std::int64_t chunk_count_;

  std::mutex mutex_;
  std::condition_variable is_room_;
  std::condition_variable is_chunk_done_;
  std::vector<Chunk> chunks_;  ///< each its thread's from claim to done, then the caller's
  std::int64_t claimed_ = 0;
  std::int64_t given_back_ = 0;
  std::vector<std::thread> threads_{};

  /// The chunk whose lengths are followed next, or kNoTurn when no lengths are followed any more.
  static constexpr std::int64_t kNoTurn = -1;
  std::atomic<std::int64_t> turn_{0};
  std::int64_t turn_position_;  ///< where its first batch begins; by turn_

  // The caller's.
  const Chunk* open_chunk_ = nullptr;
  std::size_t next_in_chunk_ = 0;
  std::int64_t position_;
};

}  // namespace oncelog::inspect
