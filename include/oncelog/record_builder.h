// record_builder.h: the write side: plain records in, the bytes of a batch out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/types.h"

namespace oncelog {

/// A record to be written. The views must live until it has been added.
struct NewRecord {
  struct Header {
    std::string_view key{};
    std::optional<Bytes> value{};
  };
  Timestamp timestamp = kNoTimestamp;
  std::optional<Bytes> key{};
  std::optional<Bytes> value{};
  std::span<const Header> headers{};
};

/// What stands in the header of a batch that is built. The defaults are those of a batch without a
/// producer.
struct BatchFields {
  Offset base_offset{};  ///< 0 in a batch for append_as_leader
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  Codec codec = Codec::kNone;
  std::optional<int> compression_level{};  ///< the codec's default if none
  TimestampType timestamp_type = TimestampType::kCreateTime;
  bool is_transactional = false;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  Sequence base_sequence = kNoSequence;
};

/// Builds one magic-2 batch. Not thread-safe.
class RecordBatchBuilder {
 public:
  explicit RecordBatchBuilder(BatchFields fields = {});
  RecordBatchBuilder(RecordBatchBuilder&&) noexcept;
  RecordBatchBuilder& operator=(RecordBatchBuilder&&) noexcept;
  ~RecordBatchBuilder();

  /// Adds a record; offset deltas count up from 0. INVALID_RECORD if it does not fit the format's
  /// 32-bit lengths, MESSAGE_TOO_LARGE if the batch would pass 2^31−1 bytes; the batch is then as
  /// before.
  Result<void> add(const NewRecord& record);
  /// Plain bytes of the batch so far, header included.
  [[nodiscard]] std::int64_t plain_bytes() const;
  [[nodiscard]] std::int32_t record_count() const;
  /// The finished bytes. INVALID_RECORD without a record. The builder is empty again, with the same
  /// fields.
  Result<std::vector<std::byte>> build();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What a transaction marker says.
struct MarkerFields {
  Offset base_offset{};
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  MarkerType type = MarkerType::kCommit;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  CoordinatorEpoch coordinator_epoch{0};
  Timestamp timestamp = kNoTimestamp;
};

/// The 78 bytes of a transaction marker (FORMAT.md, control batches).
[[nodiscard]] std::vector<std::byte> build_marker(const MarkerFields& fields);

}  // namespace oncelog
