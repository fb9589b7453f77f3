#include "record/control_record.h"

#include <utility>

#include "base/bytes.h"

namespace oncelog::record {

namespace {

constexpr std::size_t kVersionAt = 0;
constexpr std::size_t kTypeAt = 2;
constexpr std::size_t kCoordinatorEpochAt = 2;
constexpr std::int16_t kVersion = 0;

}  // namespace

Result<ControlRecord> decode_control_record(const StoredRecord& record) {
  using base::load_be;
  const Bytes key = record.key.value_or(Bytes());
  if (key.size() < kControlKeyBytes) {
    return fail(ErrorCode::INVALID_RECORD, "control record: key of ", key.size(),
                " bytes, at least 4 expected");
  }
  if (load_be<std::int16_t>(key, kVersionAt) < 0) {
    return fail(ErrorCode::INVALID_RECORD, "control record: key of version ",
                load_be<std::int16_t>(key, kVersionAt));
  }
  ControlRecord control{.type = load_be<std::int16_t>(key, kTypeAt)};
  if (!control.is_marker()) return control;

  const Bytes value = record.value.value_or(Bytes());
  if (value.size() < kMarkerValueBytes) {
    return fail(ErrorCode::INVALID_RECORD, "transaction marker: value of ", value.size(),
                " bytes, at least 6 expected");
  }
  if (load_be<std::int16_t>(value, kVersionAt) < 0) {
    return fail(ErrorCode::INVALID_RECORD, "transaction marker: value of version ",
                load_be<std::int16_t>(value, kVersionAt));
  }
  control.coordinator_epoch = CoordinatorEpoch(load_be<std::int32_t>(value, kCoordinatorEpochAt));
  return control;
}

std::array<std::byte, kControlKeyBytes> encode_control_key(MarkerType type) {
  std::array<std::byte, kControlKeyBytes> key;
  base::store_be(key, kVersionAt, kVersion);
  base::store_be(key, kTypeAt, static_cast<std::int16_t>(std::to_underlying(type)));
  return key;
}

std::array<std::byte, kMarkerValueBytes> encode_marker_value(CoordinatorEpoch epoch) {
  std::array<std::byte, kMarkerValueBytes> value;
  base::store_be(value, kVersionAt, kVersion);
  base::store_be(value, kCoordinatorEpochAt, epoch.value());
  return value;
}

}  // namespace oncelog::record
