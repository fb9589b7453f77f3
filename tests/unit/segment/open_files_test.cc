// Files that are closed where nobody uses them: which, when, and what is not lost by it.
#include "segment/open_files.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "support/fault_vfs.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::segment {
namespace {

using test::FailsWith;
using test::IoCall;
using test::Succeeds;
using test::value_of;

class OpenFilesTest : public testing::Test {
 protected:
  [[nodiscard]] std::shared_ptr<PooledFile> make(const std::string& name) {
    const std::string path = dir_.file(name);
    return std::make_shared<PooledFile>(&vfs_, path, value_of(vfs_.open(path, OpenMode::kCreate)),
                                        pool_);
  }
  [[nodiscard]] std::shared_ptr<PooledFile> make_stored(const std::string& name) {
    auto file = make(name);
    write(*file, name);
    EXPECT_THAT(file->sync(), Succeeds());
    return file;
  }
  static void write(PooledFile& file, std::string_view text) {
    const Bytes parts[] = {as_bytes(text)};
    ASSERT_THAT(file.write_at(parts, 0), Succeeds());
  }
  static std::string read(const PooledFile& file) {
    std::vector<std::byte> bytes(3);
    bytes.resize(value_of(file.read_at(bytes, 0)));
    return std::string(as_text(bytes));
  }

  test::TempDir dir_{test::memory_directory()};
  test::FaultVfs vfs_{posix_vfs()};
  std::shared_ptr<OpenFiles> pool_ = std::make_shared<OpenFiles>(2);
};

TEST_F(OpenFilesTest, NoMoreAreOpenThanMayBeAndAllCanBeRead) {
  std::vector<std::shared_ptr<PooledFile>> files;
  for (char name = 'a'; name < 'k'; ++name) files.push_back(make_stored(std::string(3, name)));
  EXPECT_EQ(pool_->count(), 2);
  EXPECT_FALSE(pool_->is_over());
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(read(*files[i]), std::string(3, static_cast<char>('a' + i)));
    EXPECT_LE(pool_->count(), 2);
  }
  files.clear();
  EXPECT_EQ(pool_->count(), 0);
}

TEST_F(OpenFilesTest, OneThatHoldsUnstoredBytesStaysOpen) {
  const auto unstored = make("unstored");
  write(*unstored, "abc");
  const auto one = make_stored("one");
  const auto two = make_stored("two");
  const std::int64_t opens = vfs_.plan().call_count();
  EXPECT_EQ(read(*unstored), "abc");
  EXPECT_EQ(vfs_.plan().call_count(), opens + 1) << "a read, and no open";
  const auto also = make("also");
  write(*also, "abc");
  const auto more = make("more");
  EXPECT_TRUE(pool_->is_over());
  for (const auto& file : {unstored, also, more}) EXPECT_THAT(file->sync(), Succeeds());
  const auto next = make_stored("next");
  EXPECT_FALSE(pool_->is_over());
}

TEST_F(OpenFilesTest, AChangeBehindASyncKeepsItOpen) {
  const auto file = make_stored("abc");
  write(*file, "def");
  const auto one = make_stored("one");
  const auto two = make_stored("two");
  vfs_.plan().add({.call = IoCall::kSync, .path_part = "abc"});
  EXPECT_THAT(file->sync(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  const auto three = make_stored("thr");
  const auto four = make_stored("fou");
  vfs_.plan().add({.call = IoCall::kOpen, .path_part = "abc"});
  EXPECT_EQ(read(*file), "def") << "a failed sync does not let go of it";
  EXPECT_EQ(vfs_.plan().struck_count(), 1);
}

TEST_F(OpenFilesTest, WhatWasHandedOutStaysReadable) {
  const auto file = make_stored("abc");
  const std::shared_ptr<File> held = value_of(file->acquire());
  const auto one = make_stored("one");
  const auto two = make_stored("two");
  file->retire(false);
  std::filesystem::remove(dir_.file("abc"));
  EXPECT_THAT(file->acquire(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "is gone"));
  std::vector<std::byte> bytes(3);
  EXPECT_EQ(value_of(held->read_at(bytes, 0)), 3u);
}

TEST_F(OpenFilesTest, OneThatIsRetiredIsNeverAnotherFileOfItsName) {
  const auto closed = make_stored("abc");
  const auto held = make_stored("def");
  const auto one = make_stored("one");
  const auto two = make_stored("two");
  closed->retire(false);
  held->retire(true);
  for (const char* name : {"abc", "def"}) {
    std::filesystem::remove(dir_.file(name));
    test::write_text(dir_.file(name), "new");
  }
  EXPECT_THAT(closed->size(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "is gone"));
  const auto three = make_stored("thr");
  const auto four = make_stored("fou");
  EXPECT_EQ(read(*held), "def") << "and is not closed any more";
}

TEST_F(OpenFilesTest, WithoutAPoolItStaysOpen) {
  const std::string path = dir_.file("abc");
  PooledFile file(nullptr, path, value_of(vfs_.open(path, OpenMode::kCreate)), nullptr);
  write(file, "abc");
  EXPECT_THAT(file.sync(), Succeeds());
  EXPECT_FALSE(std::filesystem::exists(dir_.file("none")));
  EXPECT_EQ(read(file), "abc");
}

TEST_F(OpenFilesTest, WhereTheSystemHasNoneLeftOthersAreClosed) {
  pool_ = std::make_shared<OpenFiles>(10);
  const auto one = make_stored("one");
  const auto two = make_stored("two");
  EXPECT_EQ(pool_->count(), 2);
  EXPECT_TRUE(pool_->frees_descriptors({ErrorCode::KAFKA_STORAGE_ERROR, EMFILE, ""}));
  EXPECT_EQ(pool_->count(), 0);
  EXPECT_FALSE(pool_->frees_descriptors({ErrorCode::KAFKA_STORAGE_ERROR, EIO, ""}));
  vfs_.plan().add({.call = IoCall::kOpen, .path_part = "one", .os_errno = EMFILE});
  EXPECT_EQ(read(*one), "one") << "tried again";
  EXPECT_EQ(vfs_.plan().struck_count(), 1);
}

/// Who wants to close the file sees that it holds more, and must not be taken for having closed it.
TEST_F(OpenFilesTest, ASyncOfUnstoredBytesIsNeverPassedOver) {
  const auto busy = make("busy");
  write(*busy, "abc");
  vfs_.plan().add({.call = IoCall::kSync, .path_part = "busy", .is_lasting = true});
  std::atomic<bool> is_done{false};
  std::thread closer([&] {
    const Error none_left{ErrorCode::KAFKA_STORAGE_ERROR, EMFILE, ""};
    while (!is_done) std::ignore = pool_->frees_descriptors(none_left);
  });
  int passed_over = 0;
  for (int i = 0; i < 500'000; ++i) passed_over += busy->sync() ? 1 : 0;
  is_done = true;
  closer.join();
  EXPECT_EQ(passed_over, 0);
}

TEST_F(OpenFilesTest, ReadersAndWritersGoOnWhileFilesComeAndGo) {
  vfs_.plan().set_skips_syncs(true);
  std::vector<std::shared_ptr<PooledFile>> files;
  for (char name = 'a'; name < 'i'; ++name) files.push_back(make_stored(std::string(3, name)));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t id = 0; id < 4; ++id) {
    threads.emplace_back([&, id] {
      for (std::size_t i = 0; i < 2000; ++i) {
        PooledFile& file = *files[(i * (id + 1)) % files.size()];
        const std::string text = read(file);
        if (text.size() != 3 || text[0] != text[1]) ++wrong;
        if (i % 10 != 0) continue;
        const Bytes parts[] = {as_bytes(text)};
        if (!file.write_at(parts, 0) || !file.sync()) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
  const auto last = make_stored("end");
  EXPECT_LE(pool_->count(), 2);
}

}  // namespace
}  // namespace oncelog::segment
