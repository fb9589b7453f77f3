// batches.h: bytes of batches, made through RecordBatchBuilder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/record_builder.h"
#include "oncelog/types.h"
#include "record/batch_header.h"

namespace oncelog::test {

using Buffer = std::vector<std::byte>;

/// One batch of equal records; the defaults are those of a client without a producer id.
struct BatchSpec {
  std::int64_t base = 0;
  std::int32_t leader_epoch = -1;
  int records = 1;
  std::int64_t timestamp = 1000;  ///< of every record
  std::size_t value_bytes = 10;
  Codec codec = Codec::kNone;
  bool is_transactional = false;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t sequence = -1;  ///< of the first record
};

[[nodiscard]] Buffer make_batch(const BatchSpec& spec = {});

/// The header of a batch, without its bytes.
[[nodiscard]] record::BatchHeader make_header(const BatchSpec& spec);

struct MarkerSpec {
  std::int64_t base = 0;
  std::int32_t leader_epoch = -1;
  MarkerType type = MarkerType::kCommit;
  std::int64_t producer_id = 0;
  std::int16_t producer_epoch = 0;
  std::int32_t coordinator_epoch = 0;
  std::int64_t timestamp = 1000;
};

[[nodiscard]] MarkerFields marker_fields(const MarkerSpec& spec);
[[nodiscard]] Buffer make_marker(const MarkerSpec& spec);

[[nodiscard]] Buffer join(const std::vector<Buffer>& parts);

/// The header at the front of a batch.
[[nodiscard]] record::BatchHeader header_of(Bytes batch);
/// Base offsets of the whole batches in some bytes.
[[nodiscard]] std::vector<std::int64_t> base_offsets(Bytes batches);

/// Bytes of hexadecimal digits; everything else between them is skipped.
[[nodiscard]] Buffer from_hex(std::string_view text);
[[nodiscard]] std::string to_hex(Bytes bytes);

}  // namespace oncelog::test
