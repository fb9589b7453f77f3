#include "segment/header_walk.h"

namespace oncelog::segment {

Result<std::optional<record::BatchHeader>> HeaderWalk::next() {
  position_ = next_position_;
  if (position_ >= end_) return std::nullopt;
  const std::int64_t header_end = position_ + kBatchHeaderBytes;
  if (header_end > end_) {
    return fail(ErrorCode::CORRUPT_MESSAGE, path_, ": ", end_ - position_, " bytes at position ",
                position_, " are no batch header");
  }
  if (position_ < buffer_begin_ || header_end > buffer_begin_ + buffered_bytes_) {
    ONCELOG_TRY_ASSIGN(const std::size_t read, file_.read_at(buffer_, position_));
    buffer_begin_ = position_;
    buffered_bytes_ = static_cast<std::int64_t>(read);
    if (buffered_bytes_ < kBatchHeaderBytes) {
      return fail(ErrorCode::CORRUPT_MESSAGE, path_, ": ends at position ",
                  position_ + buffered_bytes_, ", expected ", end_);
    }
  }
  const auto begin = static_cast<std::size_t>(position_ - buffer_begin_);
  const record::BatchHeader header = record::decode_batch_header(
      std::span<const std::byte>(buffer_).subspan(begin).first<record::kHeaderBytes>());
  if (header.magic != record::kMagic || header.size_bytes() < kBatchHeaderBytes ||
      header.size_bytes() > end_ - position_ || header.last_offset_delta < 0) {
    return fail(ErrorCode::CORRUPT_MESSAGE, path_, ": no batch at position ", position_, " (magic ",
                static_cast<int>(header.magic), ", length ", header.batch_length, ", ",
                end_ - position_, " bytes left)");
  }
  next_position_ = position_ + header.size_bytes();
  return header;
}

}  // namespace oncelog::segment
