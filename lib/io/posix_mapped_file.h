// posix_mapped_file.h: a MappedFile in this machine's memory.
#pragma once

#include <memory>
#include <string>

#include "oncelog/io.h"

namespace oncelog::io {

/// Maps a file that has `bytes` bytes, all of them with space on the disk.
Result<std::unique_ptr<MappedFile>> map_file(const std::string& path, std::int64_t bytes);

}  // namespace oncelog::io
