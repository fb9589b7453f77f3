// segment_seal.cc: what a finished segment's seal says, read from its files and compared with what
// memory knows: a seal must not bless what was damaged before it was made.
#include <limits>

#include "segment/seal.h"
#include "segment/segment.h"

namespace oncelog::segment {

namespace {

/// Whether an index file holds exactly these bytes; then what the seal says of it.
Result<std::optional<SealedFile>> describe_index(Vfs& vfs, const std::string& path,
                                                 Bytes expected) {
  ONCELOG_TRY_ASSIGN(const SealedFile found, hash_index_file(vfs, path));
  if (found != SealedFile{std::ssize(expected), base::hash128(expected)}) return std::nullopt;
  return found;
}

}  // namespace

/// Reads every batch and compares with what was appended.
Result<base::Hash128> Segment::check_log() const {
  constexpr Offset kAnyEnd{std::numeric_limits<std::int64_t>::max()};
  ONCELOG_TRY_ASSIGN(const LogDigest digest, digest_log(*log_, bytes(), base_, kAnyEnd));
  if (!digest.damage.empty()) {
    return fail(ErrorCode::CORRUPT_MESSAGE, log_path_, " position ", digest.position, ": ",
                digest.damage);
  }
  if (digest.header_chain != header_chain_) {
    return fail(ErrorCode::CORRUPT_MESSAGE, log_path_,
                ": the batches' headers are not those that were appended");
  }
  return digest.hash;
}

Result<std::optional<Seal>> Segment::describe_files() const {
  Seal seal;
  ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(log_path_));
  if (!status || status->bytes != bytes()) return std::nullopt;
  seal.base_offset = base_;
  seal.next_offset = base_;
  seal.inode = status->inode;
  seal.modified_ms = status->modified_ms;
  seal.log.bytes = bytes();
  if (hash_at_open_ && bytes_at_open_ == bytes()) {
    seal.log.hash = *hash_at_open_;
  } else {
    ONCELOG_TRY_ASSIGN(seal.log.hash, check_log());
  }
  ONCELOG_TRY_ASSIGN(const auto last, last_batch());
  if (last) {
    seal.next_offset = last->next_offset();
    seal.last_batch = {last->base_offset, last->leader_epoch, last->crc};
  }
  std::vector<std::byte> offsets;
  for (std::int64_t i = 0; i < offset_index_.count(); ++i) encode(offsets, base_, offset_index_[i]);
  std::vector<std::byte> times;
  for (std::int64_t i = 0; i < time_index_.count(); ++i) encode(times, base_, time_index_[i]);
  std::vector<std::byte> aborted;
  for (std::size_t i = 0; i < txn_index_.size(); ++i) encode(aborted, txn_index_[i]);
  ONCELOG_TRY_ASSIGN(const auto offset_file,
                     describe_index(vfs_, path_of(kOffsetIndexSuffix), offsets));
  ONCELOG_TRY_ASSIGN(const auto time_file, describe_index(vfs_, path_of(kTimeIndexSuffix), times));
  ONCELOG_TRY_ASSIGN(const auto txn_file, describe_index(vfs_, path_of(kTxnIndexSuffix), aborted));
  if (!offset_file || !time_file || !txn_file) return std::nullopt;
  seal.offset_index = *offset_file;
  seal.time_index = *time_file;
  seal.txn_index = *txn_file;
  seal.header_chain = header_chain_;
  seal.max_timestamp = max_timestamp();
  seal.offset_of_max_timestamp = offset_of_max_timestamp_;
  seal.first_batch_timestamp = first_batch_timestamp_;
  seal.bytes_since_index_entry = bytes_since_index_entry_;
  seal.open_transactions = open_transactions_;
  return seal;
}

}  // namespace oncelog::segment
