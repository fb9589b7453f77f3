// flip_test.cc: for each byte of a closed store: flipped, it is found and named, or changes no
// answer of any verb, or stands in FORMAT.md among what nothing can find.
//
// ONCELOG_FLIP_STRIDE: every so many bytes one is flipped, 7 by default; .state, which has tests of
// its own (state_file_test, lmdb_check_test), gets one in 50 of these.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "oncelog/inspect.h"
#include "support/log_fixture.h"

namespace oncelog::test {
namespace {

/// As a disk does it: the file's times stay.
void rot_byte(const std::string& path, std::int64_t position) {
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(file, 0) << path;
  struct stat before = {};
  unsigned char byte = 0;
  ASSERT_EQ(::fstat(file, &before), 0);
  ASSERT_EQ(::pread(file, &byte, 1, position), 1);
  byte = static_cast<unsigned char>(~byte);
  ASSERT_EQ(::pwrite(file, &byte, 1, position), 1);
  const struct timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::futimens(file, times), 0);
  ::close(file);
}

class FlipTest : public LogFixture {
 protected:
  FlipTest() {
    store_options_.sealed_segment_bytes_min = 0;
    options_.config.segment_bytes = 500;
    options_.config.index_interval_bytes = 100;
    options_.level = Level::kWritten;
  }

  /// A closed store with one of everything.
  void make_store() {
    std::filesystem::remove_all(store_path());
    open();
    for (int i = 0; i < 5; ++i) append({.producer_id = 1, .producer_epoch = 0, .sequence = i});
    append({.is_transactional = true, .producer_id = 2, .producer_epoch = 0, .sequence = 0});
    EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(3)), Succeeds());
    append({.records = 3, .producer_id = 1, .producer_epoch = 0, .sequence = 5});
    append_marker({.type = MarkerType::kAbort, .producer_id = 2});
    append({.is_transactional = true, .producer_id = 3, .producer_epoch = 0, .sequence = 0});
    EXPECT_THAT(log_->delete_records(Offset(1)), Succeeds());
    close();
  }
  std::string answers_by_time() const {
    std::string all = answers();
    for (const std::int64_t time : {0, 1000, 1001}) {
      const auto found = log_->list_offsets(Timestamp(time), Isolation::kReadCommitted);
      all += "\nat " + std::to_string(time) + ' ' +
             (found ? std::to_string(found->offset.value()) : found.error().text());
    }
    return all;
  }

  /// Who has noticed, or "" if nobody has.
  std::string who_finds(const std::string& sound) {
    const auto problems = verify_partition(directory());
    if (!problems || !problems->empty()) return "verify";
    if (!try_open_store()) return "open, refused";
    if (!try_open()) return "open, refused";
    const RecoveryReport& seen = report();
    const bool is_reported = !seen.was_clean || !seen.warnings.empty() ||
                             !seen.files_rebuilt.empty() || !seen.cuts.empty() ||
                             !seen.files_removed.empty();
    if (is_reported) return "open, reported";
    if (!value_of(log_->scrub()).findings.empty()) return "scrub";
    return answers_by_time() == sound ? "changes nothing" : "";
  }
  bool try_open_store() {
    auto opened = Store::open(store_path(), store_options_);
    if (opened) store_ = *std::move(opened);
    return store_ != nullptr;
  }
};

std::int64_t stride() {
  const char* wanted = std::getenv("ONCELOG_FLIP_STRIDE");
  return wanted == nullptr ? 7 : std::max<std::int64_t>(1, std::atoll(wanted));
}

TEST_F(FlipTest, EveryByteIsFoundOrSaysNothing) {
  make_store();
  open();
  const std::string sound = answers_by_time();
  crash();
  make_store();
  std::map<std::string, std::int64_t> files;
  for (const auto& [name, content] : directory_content(store_path())) {
    files[name] = std::ssize(content);
  }
  ASSERT_TRUE(files.contains("t-0/00000000000000000000.seal"));
  std::map<std::string, std::map<std::string, int>> tally;
  for (const auto& [name, bytes] : files) {
    // Of the lock files nobody reads a byte.
    if (name == ".lock" || name == ".state-lock") continue;
    const std::int64_t step = stride() * (name == ".state" ? 50 : 1);
    for (std::int64_t position = 0; position < bytes; position += step) {
      make_store();
      rot_byte(store_path() + "/" + name, position);
      const std::string who = who_finds(sound);
      EXPECT_NE(who, "") << name << " byte " << position << "\n"
                         << sound << "\nbecame\n"
                         << answers_by_time();
      ++tally[name][who];
      crash();
    }
  }
  for (const auto& [name, outcomes] : tally) {
    std::cout << name << ":";
    for (const auto& [who, count] : outcomes) std::cout << ' ' << who << ' ' << count << ';';
    std::cout << '\n';
  }
}

}  // namespace
}  // namespace oncelog::test
