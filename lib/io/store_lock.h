// store_lock.h: the one owner of a store: a write lock on its `.lock` file.
//
// Invariant: at most one StoreLock of a file lives, in all processes of the machine. The lock
// belongs to the open descriptor, so that two stores of one process exclude each other and closing
// another descriptor of the file releases nothing (both fail with plain fcntl locks). It conflicts
// with the fcntl lock that a Java program takes.
// Crash: the system releases it; the pid stays in the file and is believed only under a lock.
#pragma once

#include <memory>
#include <string>

#include "io/descriptor.h"
#include "oncelog/io.h"

namespace oncelog::io {

class StoreLock final : public FileLock {
 public:
  /// Locks the file and notes this process in it; STORE_IN_USE names the owner there is.
  static Result<std::unique_ptr<FileLock>> take(Descriptor descriptor, const std::string& path);

  /// STORE_IN_USE, as take, if somebody has the lock of the file; takes it not and changes nothing.
  static Result<void> check_free(const std::string& path);

  explicit StoreLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;  // closing it unlocks
};

}  // namespace oncelog::io
