#include "inspect/scan_ahead.h"

#include <algorithm>
#include <exception>
#include <span>
#include <utility>

#include "base/threads.h"
#include "segment/batch_scan.h"

namespace oncelog::inspect {

namespace {

/// By bench_inspect: smaller chunks are handed over too often; of larger ones, or more of them, the
/// bytes have left the cache when their buffer is filled again.
constexpr std::int64_t kChunkBytes = 512 << 10;
constexpr std::size_t kChunksPerThread = 2;
constexpr std::int64_t kKeptBytesMax = 2 * kChunkBytes;
/// A longer batch is left to the caller.
constexpr std::int64_t kBatchBytesMax = 64 << 20;

/// Memory that a thread does not get, for a chunk or in an exam, ends what is given: the caller's
/// own scan comes there, and may throw to whoever called it.
template <class Chunk, class Step>
void attempt(Chunk& chunk, const Step& step) {
  try {
    step();
  } catch (const std::exception&) {
    chunk.is_last = true;
  }
}

}  // namespace

ScanAhead::ScanAhead(const File& file, Options options)
    : file_(file),
      options_(std::move(options)),
      first_chunk_begin_(options_.begin - options_.begin % kChunkBytes),
      chunk_count_((options_.end - first_chunk_begin_ - 1) / kChunkBytes + 1),
      chunks_(kChunksPerThread *
              static_cast<std::size_t>(std::max<std::int64_t>(
                  std::min<std::int64_t>(options_.thread_count, chunk_count_), 1))),
      turn_position_(options_.begin),
      position_(options_.begin) {
  threads_ = base::start_threads(chunks_.size() / kChunksPerThread - 1, [this] { work(); });
}

ScanAhead::~ScanAhead() {
  {
    const std::scoped_lock lock(mutex_);
    claimed_ = chunk_count_;
  }
  is_room_.notify_all();
  turn_ = kNoTurn;
  turn_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

const CheckedBatch* ScanAhead::next() {
  while (true) {
    if (open_chunk_ == nullptr) {
      if (given_back_ == chunk_count_) return nullptr;
      open_chunk_ = &next_chunk();
      next_in_chunk_ = 0;
    }
    if (next_in_chunk_ < open_chunk_->batches.size()) {
      const CheckedBatch& found = open_chunk_->batches[next_in_chunk_++];
      position_ = found.position + std::ssize(found.batch.bytes());
      return &found;
    }
    if (open_chunk_->is_last) return nullptr;
    give_back_chunk();
  }
}

void ScanAhead::work() {
  while (work_once(true)) {
  }
}

bool ScanAhead::work_once(bool may_wait) {
  const auto index = claim(may_wait);
  if (!index) return false;
  Chunk& chunk = chunk_at(*index);
  chunk.begin = first_chunk_begin_ + *index * kChunkBytes;
  chunk.filled = 0;
  chunk.places.clear();
  chunk.batches.clear();
  chunk.is_last = false;
  // The frame of a batch that begins in here is read with it.
  attempt(chunk, [&] { read_to(chunk, kChunkBytes + segment::kFrameBytes); });
  if (!wait_for_turn(*index)) return false;
  if (!chunk.is_last) attempt(chunk, [&] { follow_lengths(chunk, turn_position_); });
  pass_turn(chunk, *index);
  attempt(chunk, [&] { check(chunk); });
  {
    const std::scoped_lock lock(mutex_);
    chunk.is_done = true;
  }
  is_chunk_done_.notify_one();
  return true;
}

std::optional<std::int64_t> ScanAhead::claim(bool may_wait) {
  std::unique_lock lock(mutex_);
  const auto is_room = [this] { return claimed_ - given_back_ < std::ssize(chunks_); };
  if (may_wait) is_room_.wait(lock, [&] { return claimed_ >= chunk_count_ || is_room(); });
  if (claimed_ >= chunk_count_ || !is_room()) return std::nullopt;
  return claimed_++;
}

void ScanAhead::read_to(Chunk& chunk, std::int64_t bytes) const {
  const std::int64_t wanted = std::min(bytes, options_.end - chunk.begin);
  if (wanted <= chunk.filled) return;
  const std::size_t pages = (static_cast<std::size_t>(wanted) + kPageBytes - 1) / kPageBytes;
  if (chunk.pages.size() < pages) chunk.pages.resize(pages);
  const auto missing = std::as_writable_bytes(std::span(chunk.pages))
                           .subspan(static_cast<std::size_t>(chunk.filled),
                                    static_cast<std::size_t>(wanted - chunk.filled));
  const auto count = file_.read_at(missing, chunk.begin + chunk.filled);
  if (count) chunk.filled += static_cast<std::int64_t>(*count);
}

bool ScanAhead::wait_for_turn(std::int64_t index) const {
  std::int64_t turn = turn_.load();
  while (turn != index && turn != kNoTurn) {
    turn_.wait(turn);
    turn = turn_.load();
  }
  return turn == index;
}

void ScanAhead::follow_lengths(Chunk& chunk, std::int64_t first) const {
  const std::int64_t chunk_end = chunk.begin + std::min(kChunkBytes, options_.end - chunk.begin);
  chunk.places.push_back(first);
  while (chunk.places.back() < chunk_end) {
    const std::int64_t at = chunk.places.back();
    const std::int64_t inside = at - chunk.begin;
    chunk.is_last = chunk.filled - inside < segment::kFrameBytes;
    if (chunk.is_last) return;
    const auto bytes =
        segment::framed_bytes(chunk.part(inside, segment::kFrameBytes), options_.end - at);
    chunk.is_last = !bytes || *bytes > kBatchBytesMax;
    if (chunk.is_last) return;
    chunk.places.push_back(at + *bytes);
  }
}

void ScanAhead::pass_turn(const Chunk& chunk, std::int64_t index) {
  if (!chunk.is_last) turn_position_ = chunk.places.back();
  // Unless the end has been told meanwhile.
  turn_.compare_exchange_strong(index, chunk.is_last ? kNoTurn : index + 1);
  turn_.notify_all();
  if (!chunk.is_last) return;
  {
    const std::scoped_lock lock(mutex_);
    claimed_ = chunk_count_;
  }
  is_room_.notify_all();
}

void ScanAhead::check(Chunk& chunk) const {
  if (chunk.places.size() > 1) read_to(chunk, chunk.places.back() - chunk.begin);
  for (std::size_t i = 0; i + 1 < chunk.places.size(); ++i) {
    const std::int64_t at = chunk.places[i] - chunk.begin;
    const std::int64_t bytes = chunk.places[i + 1] - chunk.places[i];
    const auto batch = at + bytes > chunk.filled
                           ? std::unexpected(std::string())
                           : segment::check_batch(chunk.part(at, bytes), true);
    if (!batch) {
      chunk.is_last = true;
      return;
    }
    chunk.batches.push_back(
        {*batch, chunk.places[i], options_.exam ? options_.exam(*batch) : std::string()});
  }
}

const ScanAhead::Chunk& ScanAhead::next_chunk() {
  Chunk& chunk = chunk_at(given_back_);
  std::unique_lock lock(mutex_);
  while (!chunk.is_done) {
    lock.unlock();
    const bool has_worked = work_once(false);
    lock.lock();
    // All that there is has been taken: others are at it.
    if (!has_worked) is_chunk_done_.wait(lock, [&] { return chunk.is_done; });
  }
  return chunk;
}

void ScanAhead::give_back_chunk() {
  Chunk& chunk = chunk_at(given_back_);
  // A single long batch is no reason to keep its room.
  if (std::ssize(chunk.pages) * std::ssize(Page{}.bytes) > kKeptBytesMax) chunk.pages = {};
  {
    const std::scoped_lock lock(mutex_);
    chunk.is_done = false;
    ++given_back_;
  }
  open_chunk_ = nullptr;
  is_room_.notify_one();
}

}  // namespace oncelog::inspect
