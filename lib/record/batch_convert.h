// batch_convert.h: making batches: out of plain records, and a batch in another codec or with the
// log's own time.
#pragma once

#include <optional>
#include <vector>

#include "oncelog/options.h"
#include "oncelog/types.h"
#include "record/batch_header.h"
#include "record/record_codec.h"

namespace oncelog::record {

/// The plain records of a batch that is being made, with consecutive offset deltas from 0.
class PlainRecords {
 public:
  /// Adds a record with this time; its deltas are set here. INVALID_RECORD for a time below −1 or
  /// parts that do not fit 32 bits, MESSAGE_TOO_LARGE beyond 2^31−1 bytes; nothing has changed
  /// then.
  Result<void> add(Timestamp timestamp, StoredRecord record);

  [[nodiscard]] std::int32_t count() const { return count_; }
  [[nodiscard]] Timestamp base_timestamp() const { return base_timestamp_; }
  [[nodiscard]] Timestamp max_timestamp() const { return max_timestamp_; }
  [[nodiscard]] Bytes bytes() const { return bytes_; }
  /// Gives the bytes away and is empty again.
  std::vector<std::byte> take();

 private:
  std::vector<std::byte> bytes_{};
  std::int32_t count_ = 0;
  Timestamp base_timestamp_ = kNoTimestamp;  // of the first record
  Timestamp max_timestamp_ = kNoTimestamp;
};

/// How the records of a new batch are stored.
struct Storing {
  Codec codec = Codec::kNone;
  std::optional<int> level{};              ///< the codec's default if none
  std::optional<Timestamp> append_time{};  ///< of a LogAppendTime batch
};

struct NewBatch {
  BatchHeader header{};
  std::vector<std::byte> record_bytes{};
};

/// A batch of these records. From `origin` come the offset, leader epoch, producer fields, and the
/// attributes but codec, timestamp type and delete horizon; all the rest is set here, with the CRC.
/// MESSAGE_TOO_LARGE if the stored bytes pass 2^31−1, INVALID_CONFIG for a level that the codec
/// does not have.
Result<NewBatch> make_batch(const BatchHeader& origin, PlainRecords records,
                            const Storing& storing);

/// The same batch made anew from its plain record bytes, which have been checked (semantics 2.11).
Result<NewBatch> convert_batch(const BatchHeader& header, Bytes plain, const Storing& storing);

}  // namespace oncelog::record
