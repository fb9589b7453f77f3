// check_fixture.h: check_batch with the rules of one topic.
#pragma once

#include <utility>

#include "record/batch_check.h"
#include "record/compression.h"
#include "unit/record/examples.h"

namespace oncelog::record {

struct Topic {
  TopicConfig config{};
  DecompressionLimits decompression{};
  AppendOrigin origin = AppendOrigin::kClient;
  Timestamp now = kTime;

  [[nodiscard]] Result<std::optional<CheckedBatch>> check(Bytes bytes) const {
    return check_batch(bytes, {config, decompression, origin, now});
  }
  /// The error's code; NONE if a batch may be stored.
  [[nodiscard]] ErrorCode code(Bytes bytes) const {
    const auto checked = check(bytes);
    if (!checked) return checked.error().code;
    EXPECT_TRUE(*checked) << "nothing to store";
    return ErrorCode::NONE;
  }
  /// The stored bytes of a batch that passes.
  [[nodiscard]] ByteList stored(Bytes bytes) const {
    const auto checked = check(bytes);
    EXPECT_THAT(checked, Succeeds());
    if (!checked || !*checked) return {};
    ByteList batch(kHeaderBytes);
    encode_batch_header((*checked)->header, std::span(batch).first<kHeaderBytes>());
    const Bytes records = (*checked)->record_bytes;
    batch.insert(batch.end(), records.begin(), records.end());
    return batch;
  }
};

/// A client's batch of these record bytes; every one of its fields can be changed before.
inline ByteList client_batch(std::string_view records_hex, std::int32_t record_count = 1) {
  return raw_batch(client_header(record_count), from_hex(records_hex));
}

/// The same with the record bytes compressed.
inline ByteList compressed_batch(BatchHeader header, Codec codec, Bytes plain) {
  const Result<ByteList> stream = compress(codec, std::nullopt, plain);
  EXPECT_THAT(stream, Succeeds());
  header.attributes = static_cast<std::int16_t>(header.attributes | std::to_underlying(codec));
  return raw_batch(header, stream.value_or(ByteList()));
}

}  // namespace oncelog::record
