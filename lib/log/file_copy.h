// file_copy.h: bytes of one file into another, and a `.log` that another store's directory names,
// too, made this one's own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "oncelog/error.h"
#include "oncelog/io.h"

namespace oncelog::log {

/// Told how many bytes have been copied since it was told last; an error ends the copy.
using CopyProgress = std::function<Result<void>(std::int64_t)>;

/// Copies the first `bytes` of `from`, which has at least so many, into an empty file. Nothing is
/// synced. `progress` may be empty.
Result<void> copy_bytes(const File& from, const std::string& from_path, std::int64_t bytes,
                        File& to, const CopyProgress& progress);

/// A file that has more than one name, because a backup shares it, becomes one that has this name
/// alone: what is changed in place from now on changes nobody else's. Durable on return, and cheap
/// where there is only one name. Who has the file open goes on with the shared one.
///
/// Crash: the shared file or the whole copy, under the same name; `<path>.tmp` may be left.
Result<void> make_file_own(Vfs& vfs, const std::string& path);

}  // namespace oncelog::log
