// fault_vfs.h: a Vfs that passes every call on to another one, counts them, and fails those that a
// test chose.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/io.h"
#include "sim/fault_plan.h"
#include "support/sync_gate.h"

namespace oncelog::test {

using sim::Fault;
using sim::FaultPlan;
using sim::IoCall;

class FaultVfs final : public Vfs {
 public:
  explicit FaultVfs(Vfs& under) : under_(under), plan_(std::make_shared<FaultPlan>()) {}

  [[nodiscard]] FaultPlan& plan() { return *plan_; }
  [[nodiscard]] SyncGate& syncs() { return *syncs_; }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::optional<FileStatus>> status(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<LinkOutcome> link(const std::string& from, const std::string& to) override;
  Result<void> create_directory(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  /// Counted as an open; stores cannot fail.
  Result<std::unique_ptr<MappedFile>> map_new(const std::string& path, std::int64_t bytes) override;
  /// What other libraries do with the file is neither counted nor failed.
  [[nodiscard]] std::optional<std::string> native_path(const std::string& path) const override {
    return under_.native_path(path);
  }

 private:
  Vfs& under_;
  std::shared_ptr<FaultPlan> plan_;
  std::shared_ptr<SyncGate> syncs_ = std::make_shared<SyncGate>();
};

}  // namespace oncelog::test
