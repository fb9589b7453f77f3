#include "io/store_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

#include "support/temp_dir.h"

namespace oncelog {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A child process that does something, says so, and stays until told to end.
template <class Action>
class Child {
 public:
  explicit Child(Action action) {
    if (::pipe(ready_.data()) != 0 || ::pipe(end_.data()) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(end_[1]);
      const char is_done = action() ? 'y' : 'n';
      char byte = 0;
      if (::write(ready_[1], &is_done, 1) != 1) ::_exit(1);
      ::_exit(::read(end_[0], &byte, 1) == 0 ? 0 : 1);
    }
    ::close(end_[0]);
    char is_done = 'n';
    is_ready_ = ::read(ready_[0], &is_done, 1) == 1 && is_done == 'y';
  }
  ~Child() { end(); }

  void end() {
    if (pid_ <= 0) return;
    ::close(end_[1]);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
    ::close(ready_[0]);
    ::close(ready_[1]);
  }
  [[nodiscard]] bool is_ready() const { return is_ready_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  std::array<int, 2> ready_{};
  std::array<int, 2> end_{};
  pid_t pid_ = 0;
  bool is_ready_ = false;
};

class StoreLock : public testing::Test {
 protected:
  std::string refusal() {
    const auto lock = posix_vfs().lock(path_);
    EXPECT_FALSE(lock);
    if (lock) return {};
    EXPECT_EQ(lock.error().code, ErrorCode::STORE_IN_USE);
    EXPECT_THAT(lock.error().context, HasSubstr(path_ + " is owned by "));
    return lock.error().context;
  }

  test::TempDir dir_;
  std::string path_ = dir_.file(".lock");
};

TEST_F(StoreLock, NotesItsProcessInTheFile) {
  std::ofstream(path_) << "99999999999 an older and longer note";
  const auto lock = posix_vfs().lock(path_);
  ASSERT_TRUE(lock) << lock.error().text();
  std::string text;
  std::getline(std::ifstream(path_), text);
  EXPECT_EQ(text, std::to_string(::getpid()));
}

TEST_F(StoreLock, RefusesASecondOwnerInTheSameProcess) {
  const auto lock = posix_vfs().lock(path_);
  ASSERT_TRUE(lock);
  EXPECT_THAT(refusal(), HasSubstr("process " + std::to_string(::getpid()) + " (this process)"));
  EXPECT_THAT(refusal(), HasSubstr("this process"));  // the refused attempt changed nothing
}

TEST_F(StoreLock, IsReleasedWithTheObject) {
  {
    ASSERT_TRUE(posix_vfs().lock(path_));
  }
  EXPECT_TRUE(posix_vfs().lock(path_));
}

TEST_F(StoreLock, OutlivesOtherDescriptorsOfTheFile) {
  const auto lock = posix_vfs().lock(path_);
  ASSERT_TRUE(lock);
  {
    ASSERT_TRUE(posix_vfs().open(path_, OpenMode::kWrite));
  }
  refusal();
}

TEST_F(StoreLock, NamesTheOtherProcessThatOwnsIt) {
  std::unique_ptr<FileLock> kept;
  Child child([&] {
    auto lock = posix_vfs().lock(path_);
    if (!lock) return false;
    kept = *std::move(lock);
    return true;
  });
  ASSERT_TRUE(child.is_ready());
  const std::string text = refusal();
  EXPECT_THAT(text, HasSubstr("process " + std::to_string(child.pid())));
  EXPECT_THAT(text, Not(HasSubstr("this process")));
  child.end();
  EXPECT_TRUE(posix_vfs().lock(path_));
}

TEST_F(StoreLock, RespectsThePlainLockOfABrokerWhateverTheFileSays) {
  std::ofstream(path_) << ::getpid();  // left by an owner that is gone
  Child child([&] {
    struct flock range{};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    const int fd = ::open(path_.c_str(), O_RDWR);
    return fd >= 0 && ::fcntl(fd, F_SETLK, &range) == 0;
  });
  ASSERT_TRUE(child.is_ready());
  const std::string text = refusal();
  EXPECT_THAT(text, HasSubstr("process " + std::to_string(child.pid())));
  EXPECT_THAT(text, HasSubstr("perhaps a Kafka broker"));
}

TEST_F(StoreLock, KeepsAPlainLockOut) {
  const auto lock = posix_vfs().lock(path_);
  ASSERT_TRUE(lock);
  Child child([&] {
    struct flock range{};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    const int fd = ::open(path_.c_str(), O_RDWR);
    return fd >= 0 && ::fcntl(fd, F_SETLK, &range) == 0;
  });
  EXPECT_FALSE(child.is_ready());
}

TEST_F(StoreLock, AnOwnerWithoutANoteMayBeABroker) {
  Child child([&] {
    struct flock range{};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT, 0644);
    return fd >= 0 && ::fcntl(fd, F_OFD_SETLK, &range) == 0;
  });
  ASSERT_TRUE(child.is_ready());
  EXPECT_THAT(refusal(), HasSubstr("another process, perhaps a Kafka broker"));
}

TEST_F(StoreLock, AMissingDirectoryIsAStorageError) {
  const auto lock = posix_vfs().lock(dir_.file("missing/.lock"));
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().code, ErrorCode::KAFKA_STORAGE_ERROR);
}

}  // namespace
}  // namespace oncelog
