// append_ring.h: the append ring: batches that have been appended and are not in the `.log` yet, in
// a mapped file, so that a small append costs no system call. Format: FORMAT.md, `.tail`.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/counter.h"
#include "oncelog/error.h"
#include "oncelog/io.h"
#include "record/batch_header.h"

namespace oncelog::segment {

/// Beside the segments of its partition.
inline constexpr std::string_view kRingFile = ".tail";
inline constexpr std::size_t kRingFillBytes = 72;  ///< the header of a fill
inline constexpr std::int64_t kRingBytesMin = 4096;
inline constexpr std::int64_t kRingBytesMax = 64 << 20;

/// A batch and where it belongs in the `.log`.
struct RingEntry {
  std::int64_t position = 0;
  Offset base_offset{};
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::int32_t bytes = 0;
  std::uint32_t crc = 0;

  friend bool operator==(const RingEntry&, const RingEntry&) = default;
};
[[nodiscard]] RingEntry ring_entry_of(const record::BatchHeader& header, std::int64_t position);

/// Bytes of rings that one store may have. Thread-safe.
class RingBudget {
 public:
  /// Makes the owner of an idle ring give it back, if it finds one.
  using Reclaim = std::function<void()>;

  explicit RingBudget(std::int64_t bytes, Reclaim reclaim = {})
      : left_(bytes), reclaim_(std::move(reclaim)) {}
  [[nodiscard]] bool take(std::int64_t bytes);
  void give_back(std::int64_t bytes) { left_.fetch_add(bytes); }
  /// Sees to room for so many bytes, unless another thread is at it. The caller holds no lock of a
  /// log or store.
  void make_room(std::int64_t bytes);
  /// When this returns, nobody is asked any more: the owners go.
  void stop_reclaiming();

 private:
  std::atomic<std::int64_t> left_;
  std::mutex reclaim_mutex_;
  Reclaim reclaim_;
};

/// One partition's ring, which may come and go. It is filled from its front on, one fill after the
/// other; a fill follows one batch of one segment, its anchor, and ends when its batches have been
/// written to the `.log`.
///
/// Invariant: an entry follows only exactly the bytes that it followed when it was appended: each
///   is hashed together with all before it, from the fill's header on, which names the anchor.
/// Threads: "append" under the log's writer lock; "read" from any thread; "come and go" under the
///   log's file lock, but for what says otherwise.
class AppendRing {
 public:
  /// Of so many bytes, all told; the file is made by prepare().
  AppendRing(Vfs& vfs, std::string path, std::int64_t bytes, std::shared_ptr<RingBudget> budget);
  ~AppendRing();
  AppendRing(const AppendRing&) = delete;
  AppendRing& operator=(const AppendRing&) = delete;

  // ---- come and go
  /// Notes that an append is to come at `now`; whether prepare() would be worth it: that has not
  /// been tried, or much was appended without a ring since. Any thread, without a lock.
  [[nodiscard]] bool is_wanted(Timestamp now);
  /// Sees to room in the store. Without any lock: the logs of idle rings take theirs.
  void make_room() { budget_->make_room(bytes_); }
  /// Makes the file, where the store has room for it; what cannot be made is done without.
  void prepare();
  [[nodiscard]] bool is_ready() const { return state_.load(std::memory_order_acquire) == kReady; }
  /// When is_wanted() was called last. Any thread.
  [[nodiscard]] Timestamp last_used() const {
    return Timestamp(last_used_ms_.load(std::memory_order_relaxed));
  }
  /// Appends go past it from now on; it has been drained. Under the writer lock, too.
  void retire() { state_.store(kRetired); }
  /// A retired ring, whose file is gone for good, leaves its room to others.
  void give_back();

  // ---- append
  [[nodiscard]] std::int64_t size_bytes() const { return bytes_; }
  /// Whether the present fill has room; any fill for `is_new`.
  [[nodiscard]] bool fits(std::int64_t bytes, std::size_t batches, bool is_new) const;
  /// Begins a fill behind `anchor`, the last batch of the segment, if it has one. Waits for who
  /// still copies from the fill before.
  Result<void> begin_fill(Offset segment_base, const std::optional<RingEntry>& anchor);
  /// Puts batches behind those that are there. `parts` are their bytes, one behind the other. On an
  /// error the ring is as before.
  Result<void> add(std::span<const record::BatchHeader> headers, std::span<const Bytes> parts,
                   std::int64_t position);
  /// Notes that the fill's batches have been written to the `.log`.
  void count_drain() noexcept { drains_.add(1); }
  /// Any thread.
  [[nodiscard]] std::int64_t drain_count() const noexcept { return drains_.get(); }
  /// Bytes of the fill's batches, one behind the other.
  [[nodiscard]] Bytes pending() const;
  /// Nothing that was ever added comes back, once this has returned without an error.
  Result<void> invalidate();

  // ---- read
  /// While one lives, no fill begins.
  class Reading {
   public:
    explicit Reading(const AppendRing& ring) : ring_(ring) { ring_.readers_.fetch_add(1); }
    ~Reading() { ring_.readers_.fetch_sub(1); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    /// The fill's bytes from its first batch on; the caller knows how many.
    [[nodiscard]] const std::byte* bytes() const;

   private:
    const AppendRing& ring_;
  };

 private:
  enum State : std::uint8_t {
    kUntried,
    kReady,
    kRetired,     ///< being given back
    kNoRoom,      ///< in the store
    kUnavailable  ///< on this file system
  };

  Vfs& vfs_;
  const std::string path_;
  const std::int64_t bytes_;
  const std::shared_ptr<RingBudget> budget_;
  std::atomic<State> state_{kUntried};
  std::atomic<std::int64_t> appends_without_{0};  ///< since the store had no room
  std::atomic<std::int64_t> last_used_ms_{0};
  std::unique_ptr<MappedFile> file_;  // set before state_
  mutable std::atomic<int> readers_{0};

  // ---- writer lock
  base::Counter drains_;
  std::int64_t body_bytes_ = 0;
  std::int64_t entries_ = 0;
  std::uint64_t chain_ = 0;
  std::uint64_t nonce_;
};

/// The header of a fill.
struct RingFill {
  std::uint64_t nonce = 0;  ///< another one for each fill
  Offset segment_base{};
  std::optional<RingEntry> anchor{};  ///< the last batch of the segment, if it has one

  friend bool operator==(const RingFill&, const RingFill&) = default;
};
[[nodiscard]] std::array<std::byte, kRingFillBytes> encode(const RingFill& fill);
/// Nothing if the bytes do not begin with one.
[[nodiscard]] std::optional<RingFill> decode_ring_fill(Bytes bytes);

/// What a ring's file holds.
struct RingContent {
  RingFill fill{};
  std::vector<RingEntry> entries{};  ///< one behind the other, from the anchor on
  std::vector<Bytes> batches{};      ///< their bytes, in the file's
};
/// Nothing if there is no fill. Batches behind one that is not whole are not there.
[[nodiscard]] std::optional<RingContent> read_ring(Bytes file);

}  // namespace oncelog::segment
