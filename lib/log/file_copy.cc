#include "log/file_copy.h"

#include <algorithm>
#include <vector>

#include "log/checkpoint.h"
#include "segment/segment_names.h"

namespace oncelog::log {

namespace {

constexpr std::int64_t kBlockBytes = 1 << 20;

}  // namespace

Result<void> copy_bytes(const File& from, const std::string& from_path, std::int64_t bytes,
                        File& to, const CopyProgress& progress) {
  std::vector<std::byte> block(static_cast<std::size_t>(std::min(bytes, kBlockBytes)));
  for (std::int64_t done = 0; done < bytes;) {
    const auto wanted = static_cast<std::size_t>(std::min(bytes - done, kBlockBytes));
    const std::span<std::byte> part = std::span(block).first(wanted);
    ONCELOG_TRY_ASSIGN(const std::size_t read, from.read_at(part, done));
    if (read < wanted) {
      return fail(ErrorCode::KAFKA_STORAGE_ERROR, from_path, ": ends at position ",
                  done + static_cast<std::int64_t>(read), ", expected ", bytes);
    }
    const Bytes parts[] = {part};
    ONCELOG_TRY(to.write_at(parts, done));
    done += std::ssize(part);
    if (progress) ONCELOG_TRY(progress(std::ssize(part)));
  }
  return {};
}

Result<void> make_file_own(Vfs& vfs, const std::string& path) {
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  if (!status || status->link_count <= 1) return {};
  const auto copy = [&]() -> Result<void> {
    ONCELOG_TRY_ASSIGN(const auto shared, vfs.open(path, OpenMode::kRead));
    ONCELOG_TRY_ASSIGN(FileReplacement replacement, FileReplacement::begin(vfs, path));
    ONCELOG_TRY(copy_bytes(*shared, path, status->bytes, replacement.file(), {}));
    ONCELOG_TRY(replacement.file().set_modified(status->modified_ms));
    return replacement.commit();
  };
  auto copied = copy();
  // As large as the log: not to be left where there is no space.
  if (!copied) std::ignore = vfs.remove(path + std::string(segment::kTemporarySuffix));
  return copied;
}

}  // namespace oncelog::log
