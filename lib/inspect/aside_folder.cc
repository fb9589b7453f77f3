#include "inspect/aside_folder.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <span>
#include <system_error>

#include "inspect/segment_list.h"

namespace oncelog::inspect {

namespace {

constexpr std::int64_t kCopyBytes = 1 << 20;

/// With what links stand for replaced, where the machine can tell.
std::filesystem::path real_path(const Vfs& vfs, const std::string& path) {
  std::filesystem::path lexical = std::filesystem::path(path).lexically_normal();
  const auto native = vfs.native_path(path);
  if (!native) return lexical;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(*native, error);
  if (error) return lexical;
  const auto canonical = std::filesystem::weakly_canonical(absolute, error);
  return error ? absolute.lexically_normal() : canonical;
}

bool is_inside(const std::filesystem::path& path, const std::filesystem::path& directory) {
  const auto [end, _] = std::ranges::mismatch(directory, path);
  return end == directory.end();
}

Result<void> copy(const File& from, std::int64_t position, std::int64_t bytes, File& to) {
  std::vector<std::byte> buffer;
  for (std::int64_t done = 0; done < bytes;) {
    buffer.resize(static_cast<std::size_t>(std::min(kCopyBytes, bytes - done)));
    ONCELOG_TRY_ASSIGN(const std::size_t count, from.read_at(buffer, position + done));
    if (count == 0) {
      return fail(ErrorCode::KAFKA_STORAGE_ERROR, "to be kept aside: the file ends at ",
                  position + done, ", expected ", position + bytes);
    }
    const Bytes parts[] = {Bytes(buffer).first(count)};
    ONCELOG_TRY(to.write_at(parts, done));
    done += static_cast<std::int64_t>(count);
  }
  return to.sync();
}

}  // namespace

Result<std::string> AsideFolder::choose(Vfs& vfs, const std::string& store,
                                        const std::string& wanted) {
  const std::filesystem::path real_store = real_path(vfs, store);
  if (wanted.empty()) {
    std::string stem = real_store.string();
    while (stem.ends_with('/')) stem.pop_back();
    if (stem.empty()) {
      return fail(ErrorCode::INVALID_CONFIG, store, ": name a folder for what is put aside");
    }
    for (int number = 1;; ++number) {
      std::string path = stem + ".aside-" + std::to_string(number);
      ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
      if (!status) return path;
    }
  }
  if (is_inside(real_path(vfs, wanted), real_store)) {
    return fail(ErrorCode::INVALID_CONFIG, wanted, ": lies inside of ", store,
                ", where a broker would take it for a partition");
  }
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(wanted));
  if (!status) return wanted;
  if (status->is_directory) {
    ONCELOG_TRY_ASSIGN(const auto names, vfs.list(wanted));
    if (names.empty()) return wanted;
  }
  return fail(ErrorCode::INVALID_CONFIG, wanted, ": is not an empty folder");
}

Result<void> AsideFolder::create() {
  ONCELOG_TRY(vfs_.create_directory(path_));
  return vfs_.sync_directory(join_path(path_, ".."));
}

Result<void> AsideFolder::keep(const std::string& file, std::int64_t position, std::int64_t bytes,
                               std::string_view folder) {
  std::string target = path_;
  if (!folder.empty()) {
    target = join_path(path_, folder);
    if (std::ranges::find(folders_, target) == folders_.end()) {
      ONCELOG_TRY(vfs_.create_directory(target));
      folders_.push_back(target);
    }
  }
  std::string name = file.substr(file.rfind('/') + 1);
  if (position > 0) name += ".from-" + std::to_string(position);
  ONCELOG_TRY_ASSIGN(const auto from, vfs_.open(file, OpenMode::kRead));
  ONCELOG_TRY_ASSIGN(const auto to, vfs_.open(join_path(target, name), OpenMode::kCreateNew));
  return copy(*from, position, bytes, *to);
}

Result<void> AsideFolder::note(std::string_view name, std::string_view text) {
  ONCELOG_TRY_ASSIGN(const auto file, vfs_.open(join_path(path_, name), OpenMode::kCreateNew));
  const Bytes parts[] = {as_bytes(text)};
  ONCELOG_TRY(file->write_at(parts, 0));
  return file->sync();
}

Result<void> AsideFolder::sync() {
  for (const std::string& folder : folders_) ONCELOG_TRY(vfs_.sync_directory(folder));
  return vfs_.sync_directory(path_);
}

}  // namespace oncelog::inspect
