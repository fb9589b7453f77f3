#include "compaction/cleaned_segment.h"

#include <array>
#include <limits>
#include <tuple>

namespace oncelog::compaction {

using namespace segment;  // the suffixes
using record::BatchHeader;

namespace {

constexpr std::size_t kBufferBytes = 1 << 20;
constexpr std::int64_t kSegmentBytesMax = std::numeric_limits<std::int32_t>::max();

}  // namespace

Result<CleanedSegment> CleanedSegment::create(Vfs& vfs, std::string directory, Offset base,
                                              const TopicConfig& config) {
  CleanedSegment cleaned(vfs, std::move(directory), base, config);
  ONCELOG_TRY_ASSIGN(cleaned.log_, vfs.open(cleaned.path_of(kLogSuffix), OpenMode::kCreateNew));
  cleaned.suffixes_.push_back(kLogSuffix);
  return cleaned;
}

std::string CleanedSegment::path_of(std::string_view suffix) const {
  return directory_ + "/" + segment_file_name(base_, suffix) + std::string(kCleanedSuffix);
}

Result<void> CleanedSegment::add(const RecordBatchView& batch) {
  return append(record::header_of(batch), batch.bytes(), {});
}

Result<void> CleanedSegment::add(const record::NewBatch& batch) {
  std::array<std::byte, record::kHeaderBytes> header;
  record::encode_batch_header(batch.header, header);
  return append(batch.header, header, batch.record_bytes);
}

Result<void> CleanedSegment::append(const BatchHeader& header, Bytes first, Bytes second) {
  if (header.size_bytes() > kSegmentBytesMax - builder_.bytes()) {
    return fail(ErrorCode::MESSAGE_TOO_LARGE, path_of(kLogSuffix), ": more than ", kSegmentBytesMax,
                " bytes with the batch at offset ", header.base_offset);
  }
  for (const Bytes part : {first, second}) {
    hasher_.add(part);
    buffer_.insert(buffer_.end(), part.begin(), part.end());
  }
  builder_.add_batch(header);
  last_batch_ = header;
  return buffer_.size() >= kBufferBytes ? write_buffer() : Result<void>{};
}

Result<void> CleanedSegment::write_buffer() {
  const Bytes parts[] = {buffer_};
  ONCELOG_TRY(log_->write_at(parts, written_));
  written_ += std::ssize(buffer_);
  buffer_.clear();
  return {};
}

Result<void> CleanedSegment::write_index(std::string_view suffix, Bytes entries) {
  // Kafka takes a segment without an offset index for damaged, also where it has nothing to hold.
  if (entries.empty() && suffix != kOffsetIndexSuffix) return {};
  ONCELOG_TRY_ASSIGN(const auto file, vfs_->open(path_of(suffix), OpenMode::kCreateNew));
  suffixes_.push_back(suffix);
  const Bytes parts[] = {entries};
  ONCELOG_TRY(file->write_at(parts, 0));
  return file->sync();
}

Result<SegmentContents> CleanedSegment::finish(std::optional<std::int64_t> modified_ms,
                                               std::vector<OpenTransaction> open_transactions) {
  if (!buffer_.empty()) ONCELOG_TRY(write_buffer());
  if (modified_ms) ONCELOG_TRY(log_->set_modified(*modified_ms));
  ONCELOG_TRY(log_->sync());
  log_.reset();

  SegmentContents contents = builder_.finish(false);
  contents.log_hash = hasher_.digest();
  contents.open_transactions = std::move(open_transactions);
  std::vector<std::byte> offsets;
  for (const auto& entry : contents.offset_index.entries) encode(offsets, base_, entry);
  std::vector<std::byte> times;
  for (const auto& entry : contents.time_index.entries) encode(times, base_, entry);
  std::vector<std::byte> aborted;
  for (const auto& entry : contents.txn_index.entries) encode(aborted, entry);
  ONCELOG_TRY(write_index(kOffsetIndexSuffix, offsets));
  ONCELOG_TRY(write_index(kTimeIndexSuffix, times));
  ONCELOG_TRY(write_index(kTxnIndexSuffix, aborted));
  contents.offset_index.is_file_stale = false;
  contents.time_index.is_file_stale = false;
  contents.txn_index.is_file_stale = false;
  return contents;
}

void CleanedSegment::discard() {
  log_.reset();
  for (const std::string_view suffix : suffixes_) std::ignore = vfs_->remove(path_of(suffix));
}

}  // namespace oncelog::compaction
