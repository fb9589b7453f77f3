// crash_image.h: what a loss of power leaves of a disk: all that was synced, and of the rest any
// part. Marked unstable.
//
// io.h says what a sync promises; everything else may or may not survive, in any order, torn at a
// sector. A CrashChoice says for each unsynced change what became of it; as one line of text it can
// be printed and read again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/error.h"
#include "sim/disk_state.h"

namespace oncelog::sim {

/// What a device does beyond what io.h asks of it. The defaults are the worst that we must live
/// with.
struct DevicePromises {
  std::int64_t sector_bytes = 512;
  bool is_sector_atomic = false;      ///< a torn sector has its old or its new bytes, nothing else
  bool is_append_safe = false;        ///< a file is never longer than the data that it has got
  bool is_rename_after_data = false;  ///< a new name survives only with all that was written before
};

/// What becomes of one unsynced change. Names and lengths know the first two only: anything but
/// kLost keeps them.
enum class Fate : std::uint8_t {
  kLost,        ///< `-`
  kKept,        ///< `+`
  kTorn,        ///< `~`: each sector by lot: old, new, zeros where there was nothing, or garbage
  kLengthOnly,  ///< `0`: the file has grown, by zeros
  kHalf,        ///< `/`: the first half of the bytes: a call that was cut short
};

/// Changes beyond the last fate are lost.
struct CrashChoice {
  std::vector<Fate> fates{};
  std::uint64_t seed = 0;  ///< of torn sectors

  friend bool operator==(const CrashChoice&, const CrashChoice&) = default;
};

/// For example `++-~0 seed 7`.
[[nodiscard]] std::string print_choice(const CrashChoice& choice);
/// INVALID_CONFIG for anything else.
Result<CrashChoice> parse_choice(std::string_view text);

/// The disk after the loss of power.
[[nodiscard]] DiskState lose_power(const DiskState& before, const CrashChoice& choice,
                                   const DevicePromises& device);

/// Which images of one crash are looked at.
struct ImageOptions {
  std::size_t exhaustive_max = 4;  ///< up to so many changes every subset is an image
  std::size_t subset_count = 6;    ///< of more changes: subsets by lot
  std::size_t torn_count = 4;      ///< images with fates by lot
  /// Prefixes, and changes that are alone or left out: of so many changes at most, half of them the
  /// last ones, the others by lot.
  std::size_t systematic_max = 1000;
  std::uint64_t seed = 1;
};

/// None, all, each prefix, the last write of each prefix torn, halved and by its length only, all
/// but one, one alone, subsets, and any fates by lot. No choice twice.
[[nodiscard]] std::vector<CrashChoice> choose_images(const DiskState& before,
                                                     const ImageOptions& options);

}  // namespace oncelog::sim
