// repair.h: lengths and checksums that fit again, so that mutated bytes get past them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "fuzz/target.h"

namespace oncelog::fuzz {

/// One batch that takes all the bytes: magic, length and CRC.
void repair_batch(std::span<std::byte> batch);
/// Batches one behind the other: one whose length does not fit takes all that is left.
void repair_batches(std::span<std::byte> bytes);
/// The CRC of a producer snapshot, and its count if `with_count`.
void repair_kafka_snapshot(std::span<std::byte> file, bool with_count);
void repair_clean_record(std::span<std::byte> file);
/// The last line, if there is room for it.
void repair_kept_options(std::span<std::byte> file);
/// The header of a `.tail`, and entries for the batches that lie in it, as many as given.
void repair_ring(std::span<std::byte> file, std::size_t entries);
/// What the name says that the file is; nothing for files without a checksum.
void repair_file(std::string_view name, std::span<std::byte> file);

/// The plain records of a batch are mutated and stored again, its codec's or another one's, with
/// counts that fit. Nothing if they cannot be read.
[[nodiscard]] std::optional<Buffer> mutate_records(Bytes batch, unsigned seed);

/// A mutator's work on the batch in the stretch: its bytes, its records, its counts; mostly
/// repaired.
void mutate_batch(Stretch& batch, unsigned seed);

}  // namespace oncelog::fuzz
