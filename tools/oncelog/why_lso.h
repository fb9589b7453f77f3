// why_lso.h: what holds a last stable offset back, in words.
#pragma once

#include <string>

#include "oncelog/oncelog.h"

namespace oncelog::cli {

/// A whole sentence; ages are measured up to `now`.
[[nodiscard]] std::string why_sentence(const PartitionOffsets& offsets, Timestamp now);
/// open_transaction, unreplicated_transaction, high_watermark or nothing.
[[nodiscard]] std::string bound_name(StableOffsetBound bound);
/// The call of the broker's tool that ends a transaction whose producer is gone; empty where that
/// is not what helps.
[[nodiscard]] std::string remedy_command(const std::string& partition,
                                         const PartitionOffsets& offsets);

}  // namespace oncelog::cli
