// record_decoder.h: records of Kafka's internal topics as text and JSON, and bytes as hexadecimal.
#pragma once

#include <optional>
#include <string>

#include "render.h"

namespace oncelog::cli {

/// The internal topic whose partition a path is, or lies in, by the directory's name.
[[nodiscard]] std::optional<CoordinatorTopic> coordinator_topic_at(const std::string& path);

[[nodiscard]] Json json_decoded(const DecodedRecord& record);
/// offset_commit group=g topic=t partition=0 -> v3 offset=42 ...
[[nodiscard]] std::string text_of_decoded(const DecodedRecord& record);

/// Hexadecimal or null.
[[nodiscard]] Json json_hex(const std::optional<Bytes>& bytes);
[[nodiscard]] std::string hex_text(const std::optional<Bytes>& bytes);

}  // namespace oncelog::cli
