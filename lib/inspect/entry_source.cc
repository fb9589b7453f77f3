#include "inspect/entry_source.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "segment/segment_names.h"

namespace oncelog::inspect {

namespace {

/// Read at once; a multiple of nothing in particular.
constexpr std::int64_t kBlockBytes = std::int64_t{1} << 18;

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

/// Entries of zeros one behind the other, held back until it is known what they are.
class ZeroRun {
 public:
  void add(std::int64_t position, std::int64_t bytes) {
    if (bytes_ == 0) begin_ = position;
    bytes_ += bytes;
  }
  /// As what they are where `damage` says why they may not be there. False if the visitor ends it.
  bool show(std::string damage, const FileEntryVisitor& visit) {
    if (bytes_ == 0) return true;
    return visit({"unused", begin_, std::exchange(bytes_, 0), {}, std::move(damage)});
  }

 private:
  std::int64_t begin_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace

Result<EntrySource> EntrySource::open(Vfs& vfs, const std::string& path) {
  ONCELOG_TRY_ASSIGN(const std::optional<FileStatus> status, vfs.status(path));
  if (status && status->is_directory) {
    return fail(ErrorCode::KAFKA_STORAGE_ERROR, path, ": is a directory, expected a file");
  }
  ONCELOG_TRY_ASSIGN(std::unique_ptr<File> file, vfs.open(path, OpenMode::kRead));
  EntrySource source(path, std::move(file));
  ONCELOG_TRY_ASSIGN(source.bytes_, source.file_->size());
  source.base_ = segment::offset_of_file_name(last_part(path));
  return source;
}

Result<std::vector<std::byte>> EntrySource::read_whole(std::int64_t bytes_max) const {
  if (bytes_ > bytes_max) {
    return fail(ErrorCode::CORRUPT_MESSAGE, path_, ": ", bytes_,
                " bytes, files of this kind have at most ", bytes_max);
  }
  std::vector<std::byte> content(static_cast<std::size_t>(bytes_));
  ONCELOG_TRY_ASSIGN(const std::size_t count, file_->read_at(content, 0));
  content.resize(count);
  return content;
}

FileEntry EntrySource::cut_at(std::int64_t end) const {
  return {"cut",
          end,
          bytes_ - end,
          {},
          "the file had " + std::to_string(bytes_) + " bytes and was cut to " +
              std::to_string(end) + " while it was read"};
}

Result<bool> visit_array(const EntrySource& source, const EntryArray& array,
                         const EntryReader& read, const FileEntryVisitor& visit) {
  const std::int64_t whole_end = array.end - (array.end - array.begin) % array.entry_bytes;
  const std::int64_t block_bytes = kBlockBytes / array.entry_bytes * array.entry_bytes;
  std::vector<std::byte> block;
  ZeroRun zeros;
  for (std::int64_t begin = array.begin; begin < whole_end; begin += block_bytes) {
    block.resize(static_cast<std::size_t>(std::min(block_bytes, whole_end - begin)));
    ONCELOG_TRY_ASSIGN(const std::size_t count, source.file().read_at(block, begin));
    Bytes rest = Bytes(block).first(count);
    std::int64_t position = begin;
    const auto step = static_cast<std::size_t>(array.entry_bytes);
    for (; rest.size() >= step; rest = rest.subspan(step), position += array.entry_bytes) {
      const Bytes entry = rest.first(step);
      if (array.may_end_in_zeros && is_zero(entry)) {
        zeros.add(position, array.entry_bytes);
      } else if (!zeros.show("zeros in front of entries", visit) || !visit(read(position, entry))) {
        return false;
      }
    }
    if (count == block.size()) continue;
    if (!zeros.show({}, visit)) return false;
    return visit(source.cut_at(begin + static_cast<std::int64_t>(count)));
  }
  if (!zeros.show({}, visit)) return false;
  if (whole_end >= array.end) return true;
  const std::int64_t left = array.end - whole_end;
  return visit({"rest",
                whole_end,
                left,
                {},
                std::to_string(left) + " bytes behind the last entry are no entry, which has " +
                    std::to_string(array.entry_bytes)});
}

}  // namespace oncelog::inspect
