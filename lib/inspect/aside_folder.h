// aside_folder.h: where a repair keeps what it removes, copied and synced before anything goes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/io.h"

namespace oncelog::inspect {

/// A folder outside of the store. Copies, not renames: nothing promises that a rename from one
/// directory to another leaves one of the two names after a crash, and it may be another disk.
class AsideFolder {
 public:
  /// Where the folder will be: `wanted`, or beside `store` under the first free name.
  /// INVALID_CONFIG if it lies inside of the store, or is not an empty folder. Changes nothing.
  static Result<std::string> choose(Vfs& vfs, const std::string& store, const std::string& wanted);

  AsideFolder(Vfs& vfs, std::string path) : vfs_(vfs), path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  Result<void> create();
  /// Copies `[position, position + bytes)` of a file into `folder` (of a partition; may be empty),
  /// under the file's name, with `.from-<position>` behind it if that is not 0. Synced, but for the
  /// name.
  Result<void> keep(const std::string& file, std::int64_t position, std::int64_t bytes,
                    std::string_view folder);
  /// A file of ours: what lies here, and where it was.
  Result<void> note(std::string_view name, std::string_view text);
  /// All names are on stable storage on return.
  Result<void> sync();

 private:
  Vfs& vfs_;
  const std::string path_;
  std::vector<std::string> folders_;
};

}  // namespace oncelog::inspect
