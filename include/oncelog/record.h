// record.h: the read side. Views over bytes that may be wrong: nothing is trusted, nothing is
// copied that need not be.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/types.h"

namespace oncelog {

/// Bytes in front of the records of a magic-2 batch (FORMAT.md, record batch).
inline constexpr std::int64_t kBatchHeaderBytes = 61;
/// Bytes of a batch that its length field does not count: base offset and the length itself.
inline constexpr std::int64_t kBatchPrefixBytes = 12;

/// How far decompression may go before it is refused with CORRUPT_MESSAGE.
struct DecompressionLimits {
  std::int64_t bytes_max = std::int64_t{1} << 30;  ///< of plain records in one batch
  std::int64_t ratio_max =
      16384;  ///< plain bytes per compressed byte; small batches may reach 1 MiB
};

struct RecordHeader {
  std::string_view key{};
  std::optional<Bytes> value{};
};

/// One record. Key, value and headers point into the batch or into the reader that gave it, and
/// live as long.
struct RecordView {
  Offset offset{};
  Timestamp timestamp = kNoTimestamp;
  Sequence sequence = kNoSequence;
  std::optional<Bytes> key{};
  std::optional<Bytes> value{};
  std::int32_t header_count = 0;
  Bytes header_bytes{};  ///< the headers as stored, checked; read them with headers()

  [[nodiscard]] std::vector<RecordHeader> headers() const;
};

/// What a control batch says in its first record.
struct ControlRecord {
  std::int16_t type = -1;  ///< 0 abort, 1 commit, others: not a transaction marker
  CoordinatorEpoch coordinator_epoch = kNoCoordinatorEpoch;  ///< of a transaction marker

  [[nodiscard]] bool is_marker() const { return type == 0 || type == 1; }
  [[nodiscard]] bool is_abort() const { return type == 0; }
};

/// One magic-2 batch in memory, without a copy. The bytes must outlive the view. Not owning, cheap
/// to copy.
class RecordBatchView {
 public:
  /// Takes the batch at the front of `bytes`, which may go on behind it. CORRUPT_MESSAGE if no
  /// whole batch is there; UNSUPPORTED_VERSION for magic 0 and 1. The CRC is not looked at: see
  /// check_crc().
  static Result<RecordBatchView> parse(Bytes bytes);

  [[nodiscard]] Bytes bytes() const { return bytes_; }
  [[nodiscard]] Bytes record_bytes() const { return bytes_.subspan(kBatchHeaderBytes); }
  [[nodiscard]] Offset base_offset() const;
  [[nodiscard]] Offset last_offset() const;  ///< inclusive, as the header says
  [[nodiscard]] Offset next_offset() const { return last_offset() + 1; }
  [[nodiscard]] LeaderEpoch leader_epoch() const;
  [[nodiscard]] std::uint32_t crc() const;
  [[nodiscard]] std::int16_t attributes() const;
  [[nodiscard]] std::uint8_t codec_bits() const;  ///< 0 to 7; above 4 no codec is known
  [[nodiscard]] TimestampType timestamp_type() const;
  [[nodiscard]] bool is_transactional() const;
  [[nodiscard]] bool is_control() const;
  [[nodiscard]] bool has_delete_horizon() const;
  [[nodiscard]] std::int32_t last_offset_delta() const;
  [[nodiscard]] Timestamp base_timestamp() const;
  [[nodiscard]] Timestamp max_timestamp() const;
  [[nodiscard]] ProducerId producer_id() const;
  [[nodiscard]] ProducerEpoch producer_epoch() const;
  [[nodiscard]] Sequence base_sequence() const;
  [[nodiscard]] Sequence last_sequence() const;
  [[nodiscard]] std::int32_t record_count() const;

  /// CORRUPT_MESSAGE with both values unless the stored CRC-32C is that of the bytes behind it.
  Result<void> check_crc() const;
  /// The first record of a control batch; nothing for a batch without records. INVALID_RECORD if
  /// malformed.
  Result<std::optional<ControlRecord>> control_record() const;

 private:
  explicit RecordBatchView(Bytes bytes) : bytes_(bytes) {}
  Bytes bytes_;
};

/// Walks the records of one batch, decompressing first if need be. Movable; the batch must outlive
/// it.
class RecordReader {
 public:
  static Result<RecordReader> open(const RecordBatchView& batch, DecompressionLimits limits = {});
  RecordReader(RecordReader&&) noexcept;
  RecordReader& operator=(RecordReader&&) noexcept;
  ~RecordReader();

  /// The next record, or nothing behind the last. INVALID_RECORD if a record is malformed, if there
  /// are fewer than the batch says, or bytes behind the last one. Views stay valid as long as this
  /// reader.
  Result<std::optional<RecordView>> next();

 private:
  struct State;
  explicit RecordReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Splits bytes as a fetch returns them into batches. A partial batch at the end is no error.
class BatchCursor {
 public:
  explicit BatchCursor(Bytes bytes) : bytes_(bytes) {}

  /// The next batch, or nothing at the end (formats 1.6, memory buffer). After an error it stays
  /// where it is.
  Result<std::optional<RecordBatchView>> next();
  /// Bytes consumed so far.
  [[nodiscard]] std::int64_t position() const { return position_; }

 private:
  Bytes bytes_;
  std::int64_t position_ = 0;
};

/// Data of this producer from `first_offset` to its next abort marker was aborted.
struct AbortedTransaction {
  ProducerId producer_id = kNoProducerId;
  Offset first_offset{};

  friend auto operator<=>(const AbortedTransaction&, const AbortedTransaction&) = default;
};

/// The consumer's filter (semantics 10): walks fetched bytes and gives only what a Kafka consumer
/// would be given.
///
/// Invariant: position() never goes back; control batches are never delivered; with an aborted
/// list, records of aborted transactions neither.
class CommittedRecords {
 public:
  struct Options {
    Offset from{};           ///< records below are skipped
    bool check_crcs = true;  ///< as a consumer's check.crcs
    DecompressionLimits limits{};
  };
  /// `bytes` must outlive this object. An empty `aborted` gives what read_uncommitted does.
  CommittedRecords(Bytes bytes, std::vector<AbortedTransaction> aborted, Options options);
  CommittedRecords(CommittedRecords&&) noexcept;
  ~CommittedRecords();

  /// The next record, or nothing at the end. Views are valid until the following call.
  Result<std::optional<RecordView>> next();
  /// Where the next fetch must begin.
  [[nodiscard]] Offset position() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace oncelog
