#include "segment/append_ring.h"

#include <random>
#include <thread>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"

namespace oncelog::segment {

namespace {

constexpr std::uint64_t kMagic = 0x6f6e6365'7461696c;  // "oncetail"
constexpr std::uint32_t kVersion = 1;

// A fill's header, at the front.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kHasAnchorAt = 12;
constexpr std::size_t kNonceAt = 16;
constexpr std::size_t kSegmentBaseAt = 24;
constexpr std::size_t kAnchorAt = 32;
constexpr std::size_t kEntryFieldBytes = 32;
constexpr std::size_t kHeaderHashAt = kAnchorAt + kEntryFieldBytes;
static_assert(kRingFillBytes == kHeaderHashAt + 8);

/// Making another partition give its ring back costs as much as some thousand writes.
constexpr std::int64_t kAppendsWorthARing = 1 << 14;

/// Bodies from here upwards; entries from the end downwards.
constexpr std::size_t kBodyAt = 512;
constexpr std::size_t kChainAt = kEntryFieldBytes;
constexpr std::size_t kEntryBytes = kChainAt + 8;

void encode_fields(std::span<std::byte> bytes, const RingEntry& entry) {
  base::store_be(bytes, 0, entry.position);
  base::store_be(bytes, 8, entry.base_offset.value());
  base::store_be(bytes, 16, entry.leader_epoch.value());
  base::store_be(bytes, 20, entry.bytes);
  base::store_be(bytes, 24, entry.crc);
  base::store_be(bytes, 28, std::uint32_t{0});
}

RingEntry decode_fields(Bytes bytes) {
  return {.position = base::load_be<std::int64_t>(bytes, 0),
          .base_offset = Offset(base::load_be<std::int64_t>(bytes, 8)),
          .leader_epoch = LeaderEpoch(base::load_be<std::int32_t>(bytes, 16)),
          .bytes = base::load_be<std::int32_t>(bytes, 20),
          .crc = base::load_be<std::uint32_t>(bytes, 24)};
}

/// The batch of an entry, if its bytes are what the entry says.
std::optional<Bytes> batch_of(Bytes bytes, const RingEntry& entry) {
  const auto batch = RecordBatchView::parse(bytes);
  if (!batch || std::ssize(batch->bytes()) != entry.bytes) return std::nullopt;
  const record::BatchHeader header = record::header_of(*batch);
  if (ring_entry_of(header, entry.position) != entry || !batch->check_crc()) return std::nullopt;
  return bytes;
}

}  // namespace

RingEntry ring_entry_of(const record::BatchHeader& header, std::int64_t position) {
  return {.position = position,
          .base_offset = header.base_offset,
          .leader_epoch = header.leader_epoch,
          .bytes = static_cast<std::int32_t>(header.size_bytes()),
          .crc = header.crc};
}

bool RingBudget::take(std::int64_t bytes) {
  std::int64_t left = left_.load();
  while (left >= bytes) {
    if (left_.compare_exchange_weak(left, left - bytes)) return true;
  }
  return false;
}

void RingBudget::make_room(std::int64_t bytes) {
  if (left_.load() >= bytes) return;
  const std::unique_lock lock(reclaim_mutex_, std::try_to_lock);
  if (lock.owns_lock() && reclaim_) reclaim_();
}

void RingBudget::stop_reclaiming() {
  const std::scoped_lock lock(reclaim_mutex_);
  reclaim_ = {};
}

AppendRing::AppendRing(Vfs& vfs, std::string path, std::int64_t bytes,
                       std::shared_ptr<RingBudget> budget)
    : vfs_(vfs),
      path_(std::move(path)),
      bytes_(std::min(std::max(bytes, kRingBytesMin), kRingBytesMax)),
      budget_(std::move(budget)),
      nonce_((std::uint64_t{std::random_device()()} << 32) | std::random_device()()) {}

AppendRing::~AppendRing() {
  if (file_) budget_->give_back(bytes_);
}

bool AppendRing::is_wanted(Timestamp now) {
  last_used_ms_.store(now.value(), std::memory_order_relaxed);
  const State state = state_.load(std::memory_order_acquire);
  if (state != kNoRoom) return state == kUntried;
  return appends_without_.fetch_add(1, std::memory_order_relaxed) >= kAppendsWorthARing;
}

void AppendRing::prepare() {
  const State state = state_.load();
  if (state != kUntried && state != kNoRoom) return;
  appends_without_.store(0);
  if (!budget_->take(bytes_)) return state_.store(kNoRoom);
  auto file = vfs_.map_new(path_, bytes_);
  if (!file || !*file) {
    budget_->give_back(bytes_);
    return state_.store(kUnavailable);
  }
  file_ = *std::move(file);
  state_.store(kReady, std::memory_order_release);
}

void AppendRing::give_back() {
  ONCELOG_ASSERT(state_.load() == kRetired, path_);
  while (readers_.load() != 0) std::this_thread::yield();
  file_.reset();
  budget_->give_back(bytes_);
  appends_without_.store(0);
  state_.store(kNoRoom);
}

bool AppendRing::fits(std::int64_t bytes, std::size_t batches, bool is_new) const {
  const std::int64_t used = is_new ? 0 : body_bytes_;
  const std::int64_t entries = (is_new ? 0 : entries_) + static_cast<std::int64_t>(batches);
  constexpr auto kBody = static_cast<std::int64_t>(kBodyAt);
  constexpr auto kEntry = static_cast<std::int64_t>(kEntryBytes);
  return bytes <= bytes_ - kBody - used - entries * kEntry;
}

std::array<std::byte, kRingFillBytes> encode(const RingFill& fill) {
  std::array<std::byte, kRingFillBytes> header{};
  base::store_be(header, 0, kMagic);
  base::store_be(header, kVersionAt, kVersion);
  base::store_be(header, kHasAnchorAt, std::uint32_t{fill.anchor ? 1U : 0U});
  base::store_be(header, kNonceAt, fill.nonce);
  base::store_be(header, kSegmentBaseAt, fill.segment_base.value());
  encode_fields(std::span(header).subspan(kAnchorAt), fill.anchor.value_or(RingEntry{}));
  base::store_be(header, kHeaderHashAt, base::hash64(Bytes(header).first(kHeaderHashAt)));
  return header;
}

std::optional<RingFill> decode_ring_fill(Bytes bytes) {
  if (bytes.size() < kRingFillBytes || base::load_be<std::uint64_t>(bytes, 0) != kMagic ||
      base::load_be<std::uint32_t>(bytes, kVersionAt) != kVersion ||
      base::load_be<std::uint64_t>(bytes, kHeaderHashAt) !=
          base::hash64(bytes.first(kHeaderHashAt))) {
    return std::nullopt;
  }
  RingFill fill;
  fill.nonce = base::load_be<std::uint64_t>(bytes, kNonceAt);
  fill.segment_base = Offset(base::load_be<std::int64_t>(bytes, kSegmentBaseAt));
  if (base::load_be<std::uint32_t>(bytes, kHasAnchorAt) != 0) {
    fill.anchor = decode_fields(bytes.subspan(kAnchorAt));
  }
  return fill;
}

Result<void> AppendRing::begin_fill(Offset segment_base, const std::optional<RingEntry>& anchor) {
  while (readers_.load() != 0) std::this_thread::yield();
  nonce_ += 1;
  const auto header = encode(RingFill{nonce_, segment_base, anchor});
  ONCELOG_TRY(file_->store(0, header));
  body_bytes_ = 0;
  entries_ = 0;
  chain_ = base::load_be<std::uint64_t>(header, kHeaderHashAt);
  return {};
}

Result<void> AppendRing::add(std::span<const record::BatchHeader> headers,
                             std::span<const Bytes> parts, std::int64_t position) {
  std::int64_t body_end = static_cast<std::int64_t>(kBodyAt) + body_bytes_;
  for (const Bytes part : parts) {
    ONCELOG_TRY(file_->store(body_end, part));
    body_end += std::ssize(part);
  }
  std::int64_t entries = entries_;
  std::uint64_t chain = chain_;
  for (const record::BatchHeader& header : headers) {
    std::array<std::byte, kEntryBytes> entry;
    encode_fields(entry, ring_entry_of(header, position));
    chain = base::hash64(Bytes(entry).first(kEntryFieldBytes), chain);
    base::store_be(entry, kChainAt, chain);
    entries += 1;
    position += header.size_bytes();
    // Last of all: an entry that is there has its batch.
    ONCELOG_TRY(file_->store(bytes_ - entries * static_cast<std::int64_t>(kEntryBytes), entry));
  }
  body_bytes_ = body_end - static_cast<std::int64_t>(kBodyAt);
  entries_ = entries;
  chain_ = chain;
  return {};
}

Bytes AppendRing::pending() const {
  return file_->bytes().subspan(kBodyAt, static_cast<std::size_t>(body_bytes_));
}

Result<void> AppendRing::invalidate() {
  if (!is_ready()) return {};
  ONCELOG_TRY(file_->store(0, std::array<std::byte, kRingFillBytes>{}));
  return file_->sync();
}

const std::byte* AppendRing::Reading::bytes() const {
  return ring_.file_->bytes().data() + kBodyAt;
}

std::optional<RingContent> read_ring(Bytes file) {
  if (std::ssize(file) < kRingBytesMin) return std::nullopt;
  const std::optional<RingFill> fill = decode_ring_fill(file);
  if (!fill) return std::nullopt;
  RingContent content;
  content.fill = *fill;
  std::uint64_t chain = base::load_be<std::uint64_t>(file, kHeaderHashAt);
  std::size_t body_at = kBodyAt;
  for (std::size_t at = file.size() - kEntryBytes; at >= body_at; at -= kEntryBytes) {
    const RingEntry entry = decode_fields(file.subspan(at));
    chain = base::hash64(file.subspan(at, kEntryFieldBytes), chain);
    if (chain != base::load_be<std::uint64_t>(file, at + kChainAt) || entry.bytes < 0 ||
        std::cmp_greater(entry.bytes, at - body_at)) {
      break;
    }
    const auto bytes = static_cast<std::size_t>(entry.bytes);
    const auto batch = batch_of(file.subspan(body_at, bytes), entry);
    if (!batch) break;
    content.entries.push_back(entry);
    content.batches.push_back(*batch);
    body_at += bytes;
  }
  return content;
}

}  // namespace oncelog::segment
