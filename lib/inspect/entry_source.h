// entry_source.h: a file whose entries are listed, and what the listings of all kinds share.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/inspect_file.h"
#include "oncelog/io.h"

namespace oncelog::inspect {

/// As long as it was when it was opened: what is appended meanwhile is not looked at.
class EntrySource {
 public:
  /// KAFKA_STORAGE_ERROR for a directory.
  static Result<EntrySource> open(Vfs& vfs, const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const File& file() const { return *file_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  /// In the file's name.
  [[nodiscard]] std::optional<Offset> base() const { return base_; }

  /// All bytes; fewer of a file that has been cut meanwhile. CORRUPT_MESSAGE if there are more than
  /// `bytes_max`, which no file of this kind can have.
  Result<std::vector<std::byte>> read_whole(std::int64_t bytes_max) const;
  /// What to say of a file that ends at `end` now.
  [[nodiscard]] FileEntry cut_at(std::int64_t end) const;

 private:
  EntrySource(std::string path, std::unique_ptr<File> file) noexcept
      : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  std::unique_ptr<File> file_;
  std::int64_t bytes_ = 0;
  std::optional<Offset> base_{};
};

/// How the entries of an array lie in a file.
struct EntryArray {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t entry_bytes = 0;
  /// Zeros at the end are room set aside.
  bool may_end_in_zeros = false;
};
/// Answers the entry at a position, with what it says and what is wrong with it.
using EntryReader = std::function<FileEntry(std::int64_t position, Bytes entry)>;

/// Visits the entries of an array one by one, what is left over of one at its end, zeros where none
/// may be, and where a file was cut meanwhile. Answers false if the visitor ended it.
Result<bool> visit_array(const EntrySource& source, const EntryArray& array,
                         const EntryReader& read, const FileEntryVisitor& visit);

}  // namespace oncelog::inspect
