#include "io/posix_mapped_file.h"

#include <atomic>
#include <boost/interprocess/file_mapping.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <cstring>

#include "io/os_error.h"

namespace oncelog::io {

namespace {

namespace interprocess = boost::interprocess;

class PosixMappedFile final : public MappedFile {
 public:
  PosixMappedFile(const std::string& path, std::size_t bytes)
      : path_(path),
        region_(interprocess::file_mapping(path.c_str(), interprocess::read_write),
                interprocess::read_write, 0, bytes) {}

  [[nodiscard]] Bytes bytes() const override { return {data(), region_.get_size()}; }

  Result<void> store(std::int64_t position, Bytes bytes) override {
    // The process may end anywhere: the compiler must not move a later store before this one. No
    // other order counts: whoever looks after the end sees what this thread had got to.
    std::atomic_signal_fence(std::memory_order_release);
    std::memcpy(data() + position, bytes.data(), bytes.size());
    return {};
  }

  Result<void> sync() override {
    if (!region_.flush(0, region_.get_size(), false)) return os_failure(errno, "sync", path_);
    return {};
  }

 private:
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(region_.get_address()); }

  std::string path_;
  interprocess::mapped_region region_;
};

}  // namespace

Result<std::unique_ptr<MappedFile>> map_file(const std::string& path, std::int64_t bytes) {
  try {
    return std::make_unique<PosixMappedFile>(path, static_cast<std::size_t>(bytes));
  } catch (const interprocess::interprocess_exception& failure) {
    return os_failure(failure.get_native_error(), "map", path);
  }
}

}  // namespace oncelog::io
