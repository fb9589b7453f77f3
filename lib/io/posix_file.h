// posix_file.h: a File over a descriptor.
#pragma once

#include <string>
#include <utility>

#include "io/descriptor.h"
#include "oncelog/io.h"

namespace oncelog::io {

/// Space on the disk for the first `bytes` of the file, which grows to them if `grows`. False where
/// the file system cannot.
Result<bool> set_space_aside(const Descriptor& descriptor, std::int64_t bytes, bool grows,
                             const std::string& path);

/// Short reads and writes and interrupted calls are gone on with; a sync is never repeated.
class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  [[nodiscard]] Result<std::size_t> read_at(std::span<std::byte> buffer,
                                            std::int64_t position) const override;
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override;
  [[nodiscard]] Result<std::int64_t> size() const override;
  Result<void> truncate(std::int64_t bytes) override;
  Result<void> preallocate(std::int64_t bytes) override;
  Result<void> reserve(std::int64_t bytes) override;
  Result<void> sync() override;
  Result<void> set_modified(std::int64_t modified_ms) override;
  Result<void> drop_cache(std::int64_t position) override;
  [[nodiscard]] int native_handle() const override { return descriptor_.get(); }

 private:
  Descriptor descriptor_;
  std::string path_;
};

}  // namespace oncelog::io
