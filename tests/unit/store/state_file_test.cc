// `.state` as an open may find it: missing, damaged, somebody else's, of another version; on a disk
// without space, or that cannot be written. The log is what counts.
#include <gmock/gmock.h>
#include <lmdb.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>

#include "base/bytes.h"
#include "base/hash.h"
#include "oncelog/store.h"
#include "snapshot/lmdb_environment.h"
#include "snapshot/state_rows.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::int64_t kSmallMap = 16 << 20;

/// Directories of tests that lose no power, while one of these lives.
class InMemory {
 public:
  InMemory() { ::setenv("TMPDIR", test::memory_directory().c_str(), 1); }
  ~InMemory() { ::unsetenv("TMPDIR"); }
  InMemory(const InMemory&) = delete;
  InMemory& operator=(const InMemory&) = delete;
};

/// The body in a process of its own, which may die of it: what is wrong, in words.
std::string run_in_child(const std::function<std::string()>& body) {
  int words[2];
  if (::pipe(words) != 0) return "pipe";
  const bool had_failure = ::testing::Test::HasFailure();
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(words[0]);
    std::string wrong;
    try {
      wrong = body();
    } catch (const std::exception& error) {
      wrong = error.what();
    }
    if (::testing::Test::HasFailure() && !had_failure) wrong += " (a check failed)";
    const bool is_written = ::write(words[1], wrong.data(), wrong.size()) >= 0;
    ::_exit(is_written ? 0 : 1);
  }
  ::close(words[1]);
  std::string wrong;
  char buffer[4096];
  for (ssize_t read = 0; (read = ::read(words[0], buffer, sizeof buffer)) > 0;) {
    wrong.append(buffer, static_cast<std::size_t>(read));
  }
  ::close(words[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) wrong += " died of signal " + std::to_string(WTERMSIG(status));
  return wrong;
}

class StateFileTest : private InMemory, public test::LogFixture {
 protected:
  StateFileTest() { options_.level = Level::kWritten; }

  [[nodiscard]] std::string state_path() const { return store_path() + "/.state"; }
  [[nodiscard]] bool has(const std::string& name) const {
    return std::filesystem::exists(store_path() + "/" + name);
  }
  void write(std::int64_t id, std::int32_t sequence) {
    append({.producer_id = id, .producer_epoch = 0, .sequence = sequence});
  }
  /// Producers with windows, an open transaction, one aborted; part of it behind the checkpoint.
  void make_store(bool ends_clean) {
    open();
    for (int i = 0; i < 6; ++i) write(1, i);
    append({.is_transactional = true, .producer_id = 2, .producer_epoch = 0, .sequence = 0});
    append({.is_transactional = true, .producer_id = 3, .producer_epoch = 0, .sequence = 0});
    append_marker({.type = MarkerType::kAbort, .producer_id = 3});
    value_of(log_->checkpoint());
    write(4, 0);
    write(1, 6);
    value_of(log_->flush());
    answers_ = answers();
    if (ends_clean) {
      close();
    } else {
      crash();
    }
  }
  /// The store opens and has everything; what its report says of `.state` is answered.
  std::string reopen() {
    open();
    EXPECT_EQ(answers(), answers_);
    EXPECT_THAT(log_->check_invariants(), IsEmpty());
    std::string said;
    for (const std::string& warning : report().warnings) {
      if (warning.find(state_path()) != std::string::npos) said += warning + '\n';
    }
    return said;
  }
  /// It goes on after that, and the next open has its checkpoints again.
  void expect_to_go_on() {
    if (!log_) open();
    write(1, 7);
    value_of(log_->checkpoint());
    value_of(log_->flush());
    answers_ = answers();
    crash();
    EXPECT_EQ(reopen(), "");
    EXPECT_TRUE(report().replayed_from);
    crash();
  }
  /// Somebody else's file: kept under the next free name, byte for byte.
  void expect_foreign(const std::string& content, int number) {
    test::write_text(state_path(), content);
    const std::string aside = ".state.foreign-" + std::to_string(number);
    EXPECT_THAT(reopen(), HasSubstr(aside));
    EXPECT_FALSE(report().replayed_from) << "replayed from the log";
    ASSERT_TRUE(has(aside));
    EXPECT_EQ(test::read_text(store_path() + "/" + aside), content);
    crash();
  }
  void expect_damaged(const std::string& content) {
    test::write_text(state_path(), content);
    EXPECT_THAT(reopen(), HasSubstr(".state.damaged"));
    EXPECT_FALSE(report().replayed_from) << "replayed from the log";
    EXPECT_EQ(test::read_text(state_path() + ".damaged"), content);
    EXPECT_FALSE(has(".state.foreign-1"));
    crash();
  }

  std::string answers_;
};

class EitherEndTest : public StateFileTest, public testing::WithParamInterface<bool> {
 protected:
  void make() { make_store(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Ends, EitherEndTest, testing::Bool(), [](const auto& parameter) {
  return parameter.param ? std::string("Clean") : std::string("Unclean");
});

// ---- missing and damaged

TEST_P(EitherEndTest, AWholeOneIsUsed) {
  make();
  EXPECT_EQ(reopen(), "");
  EXPECT_EQ(report().replayed_from, Offset(GetParam() ? 11 : 9));
  expect_to_go_on();
}

TEST_P(EitherEndTest, AMissingOneIsMadeAnew) {
  make();
  std::filesystem::remove(state_path());
  reopen();
  EXPECT_FALSE(report().replayed_from);
  crash();
  ASSERT_TRUE(has(".state"));
  expect_to_go_on();
}

TEST_P(EitherEndTest, AMissingLockFileOfItIsMadeAnew) {
  make();
  std::filesystem::remove(state_path() + "-lock");
  EXPECT_EQ(reopen(), "");
  EXPECT_TRUE(report().replayed_from);
}

TEST_P(EitherEndTest, ALockFileOfRubbishDoesNoHarm) {
  make();
  test::write_text(state_path() + "-lock", std::string(10'000, 'x'));
  reopen();
  crash();
  test::write_text(state_path() + "-lock", "");
  reopen();
}

TEST_P(EitherEndTest, ACutOneIsSetAside) {
  make();
  const std::string whole = test::read_text(state_path());
  ASSERT_GT(whole.size(), 3u * 4096);
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{100}, std::size_t{4095},
                                  std::size_t{4096}, std::size_t{4097}, std::size_t{8191}}) {
    SCOPED_TRACE(bytes);
    expect_damaged(whole.substr(0, bytes));
  }
  expect_to_go_on();
}

TEST_P(EitherEndTest, HoweverItIsCutTheLogIsWhole) {
  make();
  const std::string whole = test::read_text(state_path());
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += 1021) {
    test::write_text(state_path(), whole.substr(0, bytes));
    reopen();
    crash();
  }
}

TEST_P(EitherEndTest, AnEmptyOneIsANewOne) {
  make();
  test::write_text(state_path(), "");
  reopen();
  EXPECT_FALSE(report().replayed_from);
  expect_to_go_on();
}

TEST_P(EitherEndTest, ZerosAreDamage) {
  make();
  expect_damaged(std::string(std::filesystem::file_size(state_path()), '\0'));
  expect_to_go_on();
}

TEST_P(EitherEndTest, ADamagedOneTakesThePlaceOfTheDamagedOneBefore) {
  make();
  expect_damaged(std::string(8192, '\0'));
  expect_damaged(std::string(12288, '\0'));
}

TEST_P(EitherEndTest, ARowThatIsWrongIsDamage) {
  make();
  {
    const auto environment = value_of(snapshot::LmdbEnvironment::open(state_path(), kSmallMap));
    ASSERT_THAT(environment->write([](snapshot::LmdbTransaction& transaction) -> Result<void> {
      ONCELOG_TRY_ASSIGN(snapshot::LmdbCursor cursor, transaction.cursor());
      ONCELOG_TRY(cursor.seek(as_bytes("R")));
      const snapshot::Row key(cursor.key().begin(), cursor.key().end());
      snapshot::Row value(cursor.value().begin(), cursor.value().end());
      value.at(7) ^= std::byte{1};
      return transaction.put(key, value);
    }),
                Succeeds());
  }
  expect_damaged(test::read_text(state_path()));
  expect_to_go_on();
}

// ---- somebody else's

TEST_P(EitherEndTest, TextIsSetAsideAndNeverOverwritten) {
  make();
  std::string first;
  while (first.size() < 20'000) first += "notes that somebody keeps here\n";
  const std::string second = first + first;
  expect_foreign(first, 1);
  expect_foreign(second, 2);
  EXPECT_EQ(test::read_text(state_path() + ".foreign-1"), first);
  expect_to_go_on();
}

/// An environment with rows of somebody else.
std::string foreign_environment(const std::string& path, const std::string& value) {
  MDB_env* environment = nullptr;
  MDB_txn* transaction = nullptr;
  MDB_dbi rows = 0;
  MDB_val key{3, const_cast<char*>("key")};
  MDB_val data{value.size(), const_cast<char*>(value.data())};
  const bool is_made = mdb_env_create(&environment) == 0 &&
                       mdb_env_open(environment, path.c_str(), MDB_NOSUBDIR, 0644) == 0 &&
                       mdb_txn_begin(environment, nullptr, 0, &transaction) == 0 &&
                       mdb_dbi_open(transaction, nullptr, 0, &rows) == 0 &&
                       mdb_put(transaction, rows, &key, &data, 0) == 0 &&
                       mdb_txn_commit(transaction) == 0;
  mdb_env_close(environment);
  if (!is_made) throw std::runtime_error("no environment");
  return test::read_text(path);
}

TEST_P(EitherEndTest, AnEnvironmentOfSomebodyElseIsSetAsideAndNeverOverwritten) {
  make();
  const std::string first = foreign_environment(dir_.file("first"), "theirs");
  const std::string second = foreign_environment(dir_.file("second"), "too");
  expect_foreign(first, 1);
  expect_foreign(second, 2);
  EXPECT_EQ(test::read_text(state_path() + ".foreign-1"), first);
  expect_to_go_on();
}

TEST_P(EitherEndTest, AnEnvironmentWithOtherPagesIsSetAside) {
  make();
  std::string content = test::read_text(state_path());
  const std::uint32_t page_bytes = 16384;
  for (const std::size_t meta : {std::size_t{0}, std::size_t{4096}}) {
    constexpr std::size_t kPadPosition = 40;  // of a meta page, in md_pad of the free tree
    std::memcpy(content.data() + meta + kPadPosition, &page_bytes, sizeof page_bytes);
  }
  expect_foreign(content, 1);
  expect_to_go_on();
}

TEST_P(EitherEndTest, ALaterVersionOfOursIsSetAsideForTheOneThatReadsIt) {
  make();
  {
    const auto environment = value_of(snapshot::LmdbEnvironment::open(state_path(), kSmallMap));
    const snapshot::Row key = snapshot::store_key();
    snapshot::Row value = snapshot::encode(key, snapshot::StoreRow{snapshot::Incarnation(5)});
    value.resize(value.size() - 8);
    base::store_be(std::span(value), 4, std::int16_t{2});
    const std::uint64_t hash = base::hash64(value, base::hash64(key));
    value.resize(value.size() + 8);
    base::store_be(std::span(value), value.size() - 8, hash);
    ASSERT_THAT(environment->write([&](snapshot::LmdbTransaction& transaction) {
      return transaction.put(key, value);
    }),
                Succeeds());
  }
  const std::string content = test::read_text(state_path());
  expect_foreign(content, 1);
  expect_foreign(content, 2);
  expect_to_go_on();
}

TEST_P(EitherEndTest, TheStateOfAnotherStoreSaysNothingOfThisOne) {
  std::string other_state;
  {
    open();
    for (int id = 1; id < 20; ++id) write(id, 100 + id);
    value_of(log_->checkpoint());
    close();
    other_state = test::read_text(state_path());
    std::filesystem::remove_all(store_path());
  }
  make();
  test::write_text(state_path(), other_state);
  reopen();  // the same name, but another topic id
  EXPECT_FALSE(report().replayed_from);
  expect_to_go_on();
}

// ---- flipped bits

class FlippedBitsTest : public StateFileTest {
 protected:
  /// Opens copies of the store, each with one other bit of `.state`; answers what is wrong.
  std::string flip(std::uint64_t seed, int rounds) {
    const auto files = test::directory_content(store_path());
    const std::string state = files.at(".state");
    std::mt19937_64 random(seed);
    int noticed = 0;
    for (int round = 0; round < rounds; ++round) {
      std::size_t bit = std::uniform_int_distribution<std::size_t>(0, 8 * state.size() - 1)(random);
      // Most bytes are zeros that nobody reads: every second round goes on to one that is not.
      while (round % 2 == 0 && state[bit / 8] == 0) bit = (bit + 8) % (8 * state.size());
      std::filesystem::remove_all(store_path());
      std::filesystem::create_directories(directory());
      for (const auto& [name, content] : files) {
        test::write_text(store_path() + "/" + name, content);
      }
      std::string flipped = state;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      test::write_text(state_path(), flipped);
      const std::string where = "bit " + std::to_string(bit) + ": ";
      if (const auto opened = try_open(); !opened) return where + opened.error().text();
      if (const std::string now = answers(); now != answers_) return where + now;
      if (!log_->check_invariants().empty()) return where + "invariants";
      noticed += has(".state.damaged") || has(".state.foreign-1") ? 1 : 0;
      if (round % 10 == 0) {  // and it can be written
        const bool goes_on =
            log_->append_as_leader(
                    make_batch({.producer_id = 1, .producer_epoch = 0, .sequence = 7}))
                .has_value() &&
            log_->checkpoint().has_value();
        if (!goes_on) return where + "does not go on";
      }
      crash();
    }
    return 10 * noticed > rounds ? "" : "only " + std::to_string(noticed) + " were noticed";
  }
  void flip_in_children(std::uint64_t first_seed) {
    constexpr int kChildren = 4;
    constexpr int kRoundsPerChild = 250;
    for (std::uint64_t seed = first_seed; seed < first_seed + kChildren; ++seed) {
      EXPECT_EQ(run_in_child([&] { return flip(seed, kRoundsPerChild); }), "") << "seed " << seed;
    }
  }
};

TEST_F(FlippedBitsTest, AfterACleanEndDoNoHarm) {
  make_store(true);
  flip_in_children(1);
}

TEST_F(FlippedBitsTest, AfterAnUncleanEndDoNoHarm) {
  make_store(false);
  flip_in_children(101);
}

// ---- a second owner, and none at all

TEST_F(StateFileTest, ASecondOwnerIsRefusedAndTouchesNothing) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  const auto before = test::directory_content(store_path());
  EXPECT_THAT(Store::open(store_path()), FailsWith(ErrorCode::STORE_IN_USE));
  EXPECT_EQ(run_in_child([&]() -> std::string {
              const auto second = Store::open(store_path());
              if (second) return "a second owner";
              return second.error().code == ErrorCode::STORE_IN_USE ? "" : second.error().text();
            }),
            "");
  EXPECT_EQ(test::directory_content(store_path()), before);
  write(1, 1);
  value_of(log_->checkpoint());
}

TEST_F(StateFileTest, WithoutAStateStoreAllWorksByReplay) {
  store_options_.producer_state = ProducerStateStore::kNone;
  for (const bool ends_clean : {true, false}) {
    make_store(ends_clean);
    EXPECT_FALSE(has(".state"));
    EXPECT_FALSE(has(".state-lock"));
    EXPECT_EQ(reopen(), "");
    EXPECT_FALSE(report().replayed_from);
    EXPECT_TRUE(append({.producer_id = 1, .producer_epoch = 0, .sequence = 6}).is_duplicate);
    crash();
    EXPECT_FALSE(has(".state"));
    std::filesystem::remove_all(store_path());
  }
}

TEST_F(StateFileTest, AStateThatWasSwitchedOffIsCompletedWhenItIsOnAgain) {
  make_store(true);
  store_options_.producer_state = ProducerStateStore::kNone;
  open();
  write(1, 7);
  write(5, 0);
  value_of(log_->flush());
  answers_ = answers();
  close();
  store_options_.producer_state = ProducerStateStore::kLmdb;
  EXPECT_EQ(reopen(), "");
  EXPECT_EQ(report().replayed_from, Offset(11)) << "what it was when it was switched off";
}

TEST_F(StateFileTest, APartitionMadeAnewWhileTheStateWasOffMeetsNothingOfTheOld) {
  make_store(true);
  store_options_.producer_state = ProducerStateStore::kNone;
  open();
  ASSERT_THAT(store_->delete_partition(name_), Succeeds());
  crash();
  open();
  append();
  close();
  store_options_.producer_state = ProducerStateStore::kLmdb;
  open();
  EXPECT_THAT(value_of(log_->producers()), IsEmpty());
  EXPECT_FALSE(report().replayed_from);
}

// ---- deleted and made again

class DeletedPartitionTest : public StateFileTest {
 protected:
  DeletedPartitionTest() {
    options_.leader_epoch = LeaderEpoch(5);
    options_.high_watermark = HighWatermarkPolicy::kManual;
  }
  /// Everything that a partition can leave outside of its directory.
  void make_old() {
    open();
    for (int i = 0; i < 6; ++i) write(1, i);
    append({.is_transactional = true, .producer_id = 2, .producer_epoch = 0, .sequence = 0});
    value_of(log_->set_high_watermark(Offset(6)));
    value_of(log_->delete_records(Offset(4)));
    value_of(log_->checkpoint());
    value_of(log_->flush());
    ASSERT_THAT(checkpoint_lines(), HasSubstr("t 0 "));
  }
  [[nodiscard]] std::string checkpoint_lines() const {
    std::string lines;
    for (const auto& [name, content] : test::directory_content(store_path())) {
      if (name.ends_with("-checkpoint") && name.find('/') == std::string::npos) lines += content;
    }
    return lines;
  }
  void expect_new() {
    EXPECT_TRUE(report().was_created);
    EXPECT_THAT(value_of(log_->producers()), IsEmpty());
    EXPECT_EQ(value_of(log_->find_producer(ProducerId(1))), std::nullopt);
    const LogEnds ends = log_->ends();
    EXPECT_EQ(ends.log_start, Offset(0));
    EXPECT_EQ(ends.log_end, Offset(0));
    EXPECT_EQ(ends.high_watermark, Offset(0));
    EXPECT_EQ(ends.last_stable_offset, Offset(0));
    EXPECT_THAT(log_->leader_epochs(), IsEmpty());
    write(1, 3);
    crash_and_open();
    EXPECT_EQ(value_of(log_->producers()).size(), 1u);
    EXPECT_EQ(log_->ends().log_end, Offset(1));
    EXPECT_EQ(log_->ends().log_start, Offset(0));
    value_of(log_->checkpoint());
    crash_and_open();
    EXPECT_EQ(value_of(log_->producers()).size(), 1u);
  }
  [[nodiscard]] std::string going() const {
    return store_path() + "/t-0.0123456789abcdef0123456789abcdef-delete";
  }
};

TEST_F(DeletedPartitionTest, MeetsAnEmptyStateWhenItIsMadeAgain) {
  make_old();
  ASSERT_THAT(store_->delete_partition(name_), Succeeds());
  EXPECT_THAT(checkpoint_lines(), Not(HasSubstr("t 0 ")));
  EXPECT_THAT(value_of(store_->partitions()), IsEmpty());
  log_ = value_of(store_->create_partition(name_, options_));
  expect_new();
}

TEST_F(DeletedPartitionTest, MeetsAnEmptyStateAfterACrash) {
  make_old();
  ASSERT_THAT(store_->delete_partition(name_), Succeeds());
  crash_and_open();
  expect_new();
}

TEST_F(DeletedPartitionTest, ADeathBehindTheRenameIsFinishedByTheNextOpen) {
  for (const bool has_files : {true, false}) {
    make_old();
    crash();
    std::filesystem::rename(directory(), going());  // rows and lines are still there
    if (!has_files) {
      std::filesystem::remove_all(going());
      std::filesystem::create_directory(going());
    }
    ASSERT_THAT(checkpoint_lines(), HasSubstr("t 0 "));
    open();
    EXPECT_THAT(report().warnings, Contains(HasSubstr("interrupted deletion")));
    EXPECT_FALSE(std::filesystem::exists(going()));
    expect_new();
    crash();
    std::filesystem::remove_all(store_path());
  }
}

TEST_F(DeletedPartitionTest, ADeathAnywhereLeavesThePartitionWholeOrTheNameFree) {
  bool has_struck = true;
  for (int nth = 1; has_struck; ++nth) {
    make_old();
    vfs_.plan().add({.nth = nth, .is_lasting = true});
    has_struck = !store_->delete_partition(name_);
    vfs_.plan().clear();
    crash();
    open();
    if (report().was_created) {
      expect_new();
    } else {
      EXPECT_EQ(log_->ends().log_start, Offset(4)) << "call " << nth;
      EXPECT_EQ(log_->ends().log_end, Offset(7)) << "call " << nth;
      EXPECT_EQ(value_of(log_->producers()).size(), 2u) << "call " << nth;
      EXPECT_TRUE(has_struck);
    }
    for (const auto& entry : std::filesystem::directory_iterator(store_path())) {
      EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("-delete"))) << "call " << nth;
    }
    EXPECT_TRUE(has_struck || nth > 8) << "no call was failed";
    crash();
    std::filesystem::remove_all(store_path());
    if (HasFailure()) break;
  }
}

TEST_F(DeletedPartitionTest,
       ADeletionThatFailedHalfwayLeavesNothingToAPartitionMadeInTheSameStore) {
  bool has_struck = true;
  for (int nth = 1; has_struck; ++nth) {
    make_old();
    vfs_.plan().add({.nth = nth});
    has_struck = !store_->delete_partition(name_);
    vfs_.plan().clear();
    auto created = store_->create_partition(name_, options_);
    if (created) {
      log_ = *created;
      EXPECT_THAT(value_of(log_->producers()), IsEmpty()) << "call " << nth;
      EXPECT_EQ(log_->ends().log_start, Offset(0)) << "call " << nth;
      EXPECT_EQ(log_->ends().high_watermark, Offset(0)) << "call " << nth;
      EXPECT_EQ(log_->ends().log_end, Offset(0)) << "call " << nth;
      write(1, 3);
    }
    // Or it is refused, and the next open of the store settles it.
    crash();
    open();
    for (const auto& entry : std::filesystem::directory_iterator(store_path())) {
      EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("-delete"))) << "call " << nth;
    }
    crash();
    std::filesystem::remove_all(store_path());
    if (HasFailure()) break;
  }
}

// ---- a disk without space, and one that cannot be written

/// A small file system of its own.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directory(path_);
    is_mounted_ = ::mount("oncelog-test", path_.c_str(), "tmpfs", 0, "size=4m") == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (is_mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool is_mounted() const { return is_mounted_; }
  [[nodiscard]] std::string store() const { return path_ + "/store"; }
  /// Leaves about so many bytes free.
  void fill(std::uint64_t free_bytes) {
    const auto space = std::filesystem::space(path_);
    if (space.available <= free_bytes) return;
    test::write_text(filler(), std::string(space.available - free_bytes, 'f'));
  }
  void make_space() { std::filesystem::remove(filler()); }
  [[nodiscard]] bool set_read_only(bool is_read_only) {
    return ::mount("oncelog-test", path_.c_str(), "tmpfs",
                   is_read_only ? MS_REMOUNT | MS_RDONLY : MS_REMOUNT, "size=4m") == 0;
  }

 private:
  [[nodiscard]] std::string filler() const { return path_ + "/filler"; }

  std::string path_;
  bool is_mounted_ = false;
};

class SmallDiskTest : public StateFileTest {
 protected:
  void SetUp() override {
    if (!disk_.is_mounted()) GTEST_SKIP() << "no file system can be mounted here";
  }
  std::unique_ptr<Store> open_store() {
    return value_of(Store::open(disk_.store(), store_options_));
  }

  SmallDisk disk_{dir_.file("disk")};
};

TEST_F(SmallDiskTest, ACheckpointWithoutSpaceCostsNothingAndSucceedsWhenThereIsSome) {
  EXPECT_EQ(run_in_child([&]() -> std::string {
              store_options_.checkpoint_interval_records = 50;
              auto store = open_store();
              auto log = value_of(store->open_partition(name_, options_));
              const auto append_one = [&](std::int64_t id) {
                return log->append_as_leader(
                    make_batch({.producer_id = id, .producer_epoch = 0, .sequence = 0}));
              };
              std::int64_t next_id = 0;
              for (; next_id < 100; ++next_id) value_of(append_one(next_id));
              disk_.fill(100'000);
              bool was_full = false;
              for (int refused = 0; refused < 20 && next_id < 5000;) {
                const auto appended = append_one(next_id);
                if (appended) {
                  ++next_id;
                } else if (appended.error().code == ErrorCode::STORAGE_FULL) {
                  was_full = true;
                  ++refused;
                } else {
                  return appended.error().text();
                }
              }
              if (!was_full) return "the disk was never full";
              const auto saved = log->checkpoint();
              if (!saved && saved.error().code != ErrorCode::STORAGE_FULL)
                return saved.error().text();
              for (std::int64_t id = 0; id < next_id; id += 7) {
                if (!value_of(log->find_producer(ProducerId(id)))) return "a producer was lost";
              }
              disk_.make_space();
              value_of(append_one(next_id++));
              if (value_of(log->checkpoint()) != Offset(next_id)) return "the checkpoint's offset";
              if (!log->check_invariants().empty()) return log->check_invariants().front();
              log.reset();
              store.reset();

              store = open_store();
              log = value_of(store->open_partition(name_, options_));
              if (log->recovery_report().replayed_from != Offset(next_id)) return "replayed";
              if (std::ssize(value_of(log->producers())) != next_id) return "producers were lost";
              return log->ends().log_end == Offset(next_id) ? "" : "records were lost";
            }),
            "");
}

TEST_F(SmallDiskTest, AnOpenOnAFullDiskIsAnErrorOrWorks) {
  for (const bool has_lock_file : {true, false}) {
    for (const bool has_state : {true, false}) {
      const std::string wrong = run_in_child([&]() -> std::string {
        {
          auto store = open_store();
          const auto log = value_of(store->open_partition(name_, options_));
          value_of(log->append_as_leader(make_batch()));
          value_of(log->checkpoint());
          value_of(log->append_as_leader(make_batch()));
        }
        if (!has_lock_file) std::filesystem::remove(disk_.store() + "/.state-lock");
        if (!has_state) std::filesystem::remove(disk_.store() + "/.state");
        disk_.fill(0);
        if (auto store = Store::open(disk_.store(), store_options_)) {
          const auto log = (*store)->open_partition(name_, options_);
          if (log && (*log)->ends().log_end != Offset(2)) return "records were lost";
        }
        return {};
      });
      EXPECT_EQ(wrong, "") << "lock file " << has_lock_file << ", state " << has_state;
      disk_.make_space();
      const auto store = Store::open(disk_.store(), store_options_);
      ASSERT_THAT(store, Succeeds());
      const auto log = (*store)->open_partition(name_, options_);
      ASSERT_THAT(log, Succeeds());
      EXPECT_EQ((*log)->ends().log_end, Offset(2));
      std::filesystem::remove_all(disk_.store());
    }
  }
}

TEST_F(SmallDiskTest, AFileSystemThatCannotBeWrittenIsAnErrorAndNothingChanges) {
  {
    auto store = open_store();
    const auto log = value_of(store->open_partition(name_, options_));
    value_of(
        log->append_as_leader(make_batch({.producer_id = 1, .producer_epoch = 0, .sequence = 0})));
    ASSERT_THAT(store->close(), Succeeds());
  }
  const auto before = test::directory_content(disk_.store());
  if (!disk_.set_read_only(true)) GTEST_SKIP() << "it cannot be mounted read-only";
  EXPECT_FALSE(Store::open(disk_.store(), store_options_));
  EXPECT_EQ(test::directory_content(disk_.store()), before);
  ASSERT_TRUE(disk_.set_read_only(false));
  const auto store = open_store();
  EXPECT_TRUE(value_of(store->open_partition(name_, options_))->recovery_report().was_clean);
}

TEST_F(StateFileTest, ADirectoryOfSomebodyElseIsAnErrorAndNothingChanges) {
  if (::geteuid() != 0) GTEST_SKIP() << "root alone can become somebody else";
  make_store(true);
  const auto before = test::directory_content(store_path());
  namespace fs = std::filesystem;
  fs::permissions(dir_.path(), fs::perms(0755));
  for (const bool can_lock : {false, true}) {
    if (can_lock) fs::permissions(store_path() + "/.lock", fs::perms(0666));
    EXPECT_EQ(run_in_child([&]() -> std::string {
                if (::setgid(65534) != 0 || ::setuid(65534) != 0) return "setuid";
                const auto opened = Store::open(store_path(), store_options_);
                return opened ? "it was opened" : "";
              }),
              "");
    auto after = test::directory_content(store_path());
    after[".lock"] = before.at(".lock");  // the owner's number
    EXPECT_EQ(after, before) << can_lock;
  }
  EXPECT_EQ(reopen(), "");
  EXPECT_TRUE(report().was_clean);
}

}  // namespace
}  // namespace oncelog
