// crash_images.h: opens every image that a crash at some points may leave, and counts them.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "support/crash_world.h"

namespace oncelog::test {

/// How thoroughly the images of a point are looked at.
struct ImageBudget {
  sim::ImageOptions choices{};
  int nested_every = 16;  ///< each so manieth image is opened with crashes during the open as well
  int nested_depth = 1;   ///< and so often one inside the other
};

struct CrashTally {
  std::int64_t points = 0;
  std::int64_t images = 0;         ///< opened and compared
  std::int64_t nested_points = 0;  ///< during the opens of images
  std::vector<std::string> failures{};
};

/// Adds to a tally, and says of each image that does not hold which it was.
class CrashImages {
 public:
  CrashImages(CrashOptions options, ImageBudget budget)
      : options_(std::move(options)), budget_(budget) {}

  void check(const std::vector<CrashPoint>& points);
  [[nodiscard]] const CrashTally& tally() const { return tally_; }

 private:
  void check_point(const CrashPoint& point, CrashKind kind, int depth);
  void check_image(const CrashPoint& point, CrashedDisk disk, CrashKind kind,
                   const std::string& text, int depth);
  void check_old_producers(const CrashPoint& point);
  void check_open(const CrashPoint& point, CrashedDisk disk, CrashKind kind,
                  const std::string& text, int depth);

  CrashOptions options_;
  ImageBudget budget_;
  CrashTally tally_;
  std::set<std::uint64_t> seen_;  ///< images of the point that is being looked at
};

}  // namespace oncelog::test
