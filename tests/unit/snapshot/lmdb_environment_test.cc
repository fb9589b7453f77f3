// LMDB behind values: transactions that are whole or not at all, a map that grows, readers beside
// it.
#include "snapshot/lmdb_environment.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "oncelog/io.h"
#include "snapshot/lmdb_check.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::snapshot {
namespace {

using test::FailsWith;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

/// The smallest map there is.
constexpr std::int64_t kSmallMap = 16 << 20;
constexpr std::size_t kLarge = 64 << 10;

using Rows = std::vector<std::pair<std::string, std::string>>;

class LmdbEnvironmentTest : public testing::Test {
 protected:
  LmdbEnvironmentTest() { open(); }

  void open(std::int64_t map_bytes = kSmallMap) {
    environment_.reset();
    environment_ = value_of(LmdbEnvironment::open(path_, map_bytes));
  }
  void put(std::string_view key, std::string_view value) {
    ASSERT_THAT(environment_->write([&](LmdbTransaction& transaction) {
      return transaction.put(as_bytes(key), as_bytes(value));
    }),
                Succeeds());
  }
  [[nodiscard]] std::optional<std::string> get(std::string_view key) {
    std::optional<std::string> found;
    EXPECT_THAT(environment_->read([&](LmdbTransaction& transaction) -> Result<void> {
      ONCELOG_TRY_ASSIGN(const auto value, transaction.get(as_bytes(key)));
      if (value) found = std::string(as_text(*value));
      return {};
    }),
                Succeeds());
    return found;
  }
  /// Rows at or behind `from`, as a cursor shows them.
  [[nodiscard]] Rows rows(std::string_view from = "\x01") {
    Rows all;
    EXPECT_THAT(environment_->read([&](LmdbTransaction& transaction) -> Result<void> {
      ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
      ONCELOG_TRY(cursor.seek(as_bytes(from)));
      while (cursor.has_row()) {
        all.emplace_back(as_text(cursor.key()), as_text(cursor.value()));
        ONCELOG_TRY(cursor.next());
      }
      return {};
    }),
                Succeeds());
    return all;
  }
  [[nodiscard]] std::int64_t file_bytes() const {
    return static_cast<std::int64_t>(std::filesystem::file_size(path_));
  }
  [[nodiscard]] static std::string numbered(std::string_view name, int number) {
    return std::string(name) + std::to_string(100'000 + number);
  }
  /// A body that puts so many rows of 64 KiB.
  [[nodiscard]] static LmdbEnvironment::Body large_rows(std::string_view name, int count) {
    return [name = std::string(name), count](LmdbTransaction& transaction) -> Result<void> {
      const std::string value(kLarge, 'v');
      for (int i = 0; i < count; ++i) {
        ONCELOG_TRY(transaction.put(as_bytes(numbered(name, i)), as_bytes(value)));
      }
      return {};
    };
  }

  test::TempDir dir_{test::memory_directory()};
  const std::string path_ = dir_.file("state");
  std::unique_ptr<LmdbEnvironment> environment_;
};

// ---- rows

TEST_F(LmdbEnvironmentTest, ANewOneHasNoRows) {
  EXPECT_THAT(rows(), IsEmpty());
  EXPECT_EQ(environment_->row_count(), 0);
  EXPECT_EQ(get("a"), std::nullopt);
}

TEST_F(LmdbEnvironmentTest, RowsSurviveAReopen) {
  put("a", "1");
  put("b", std::string(100'000, 'x'));
  put("c", "");
  open();
  EXPECT_EQ(environment_->row_count(), 3);
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("b"), std::string(100'000, 'x'));
  EXPECT_EQ(get("c"), "");
}

TEST_F(LmdbEnvironmentTest, APutReplacesAndAnEraseOfNothingIsNoError) {
  put("a", "1");
  put("a", "2");
  EXPECT_EQ(get("a"), "2");
  const auto erase = [](LmdbTransaction& transaction) { return transaction.erase(as_bytes("a")); };
  EXPECT_THAT(environment_->write(erase), Succeeds());
  EXPECT_EQ(get("a"), std::nullopt);
  EXPECT_THAT(environment_->write(erase), Succeeds());
  EXPECT_EQ(environment_->row_count(), 0);
}

TEST_F(LmdbEnvironmentTest, ACursorShowsRowsInTheOrderOfTheirBytes) {
  for (const char* key : {"b", "a", "ab", "\xFF", "b\x01"}) put(key, key);
  EXPECT_THAT(rows(), ElementsAre(Pair("a", "a"), Pair("ab", "ab"), Pair("b", "b"),
                                  Pair("b\x01", "b\x01"), Pair("\xFF", "\xFF")));
  EXPECT_THAT(rows("aa"), ElementsAre(Pair("ab", "ab"), Pair("b", "b"), Pair("b\x01", "b\x01"),
                                      Pair("\xFF", "\xFF")));
  EXPECT_THAT(rows("\xFF\x01"), IsEmpty());
}

TEST_F(LmdbEnvironmentTest, ACursorKnowsWhatItsKeyBeginsWith) {
  put("ab", "");
  ASSERT_THAT(environment_->read([](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    EXPECT_FALSE(cursor.has_row());
    EXPECT_FALSE(cursor.starts_with({}));
    ONCELOG_TRY(cursor.seek(as_bytes("a")));
    EXPECT_TRUE(cursor.starts_with(as_bytes("")));
    EXPECT_TRUE(cursor.starts_with(as_bytes("a")));
    EXPECT_TRUE(cursor.starts_with(as_bytes("ab")));
    EXPECT_FALSE(cursor.starts_with(as_bytes("abc")));
    EXPECT_FALSE(cursor.starts_with(as_bytes("b")));
    ONCELOG_TRY(cursor.next());
    EXPECT_FALSE(cursor.has_row());
    EXPECT_FALSE(cursor.starts_with(as_bytes("a")));
    return {};
  }),
              Succeeds());
}

TEST_F(LmdbEnvironmentTest, AWriterSeesItsOwnRows) {
  ASSERT_THAT(environment_->write([](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY(transaction.put(as_bytes("a"), as_bytes("1")));
    ONCELOG_TRY_ASSIGN(const auto value, transaction.get(as_bytes("a")));
    EXPECT_TRUE(value && as_text(*value) == "1");
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    ONCELOG_TRY(cursor.seek(as_bytes("a")));
    EXPECT_TRUE(cursor.has_row());
    return {};
  }),
              Succeeds());
}

// ---- whole or not at all

TEST_F(LmdbEnvironmentTest, AnAbortedBodyLeavesNothingAndItsErrorIsTheAnswer) {
  put("a", "1");
  const auto body = [](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY(transaction.put(as_bytes("a"), as_bytes("2")));
    ONCELOG_TRY(transaction.put(as_bytes("b"), as_bytes("2")));
    return fail(ErrorCode::CORRUPT_MESSAGE, "a reason");
  };
  EXPECT_THAT(environment_->write(body), FailsWith(ErrorCode::CORRUPT_MESSAGE, "a reason"));
  EXPECT_THAT(rows(), ElementsAre(Pair("a", "1")));
  put("c", "3");  // and the next one begins
  open();
  EXPECT_THAT(rows(), ElementsAre(Pair("a", "1"), Pair("c", "3")));
}

TEST_F(LmdbEnvironmentTest, AnErrorOfAReaderIsTheAnswerAndTheNextOneReads) {
  put("a", "1");
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(environment_->read([](LmdbTransaction&) -> Result<void> {
      return fail(ErrorCode::CORRUPT_MESSAGE, "a reason");
    }),
                FailsWith(ErrorCode::CORRUPT_MESSAGE, "a reason"));
    EXPECT_EQ(get("a"), "1");
  }
}

TEST_F(LmdbEnvironmentTest, AReaderSeesTheStateOfItsBeginning) {
  put("a", "1");
  ASSERT_THAT(environment_->read([&](LmdbTransaction& transaction) -> Result<void> {
    std::jthread([&] {
      put("a", "2");
      put("b", "2");
      EXPECT_EQ(get("a"), "2") << "a reader that begins now";
    }).join();
    ONCELOG_TRY_ASSIGN(const auto a, transaction.get(as_bytes("a")));
    ONCELOG_TRY_ASSIGN(const auto b, transaction.get(as_bytes("b")));
    EXPECT_TRUE(a && as_text(*a) == "1");
    EXPECT_FALSE(b);
    return {};
  }),
              Succeeds());
  EXPECT_EQ(get("a"), "2") << "a reader that is used again sees what is new";
}

TEST_F(LmdbEnvironmentTest, NobodySeesWhatIsNotCommitted) {
  ASSERT_THAT(environment_->write([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY(transaction.put(as_bytes("a"), as_bytes("1")));
    std::jthread([&] { EXPECT_EQ(get("a"), std::nullopt); }).join();
    return {};
  }),
              Succeeds());
  EXPECT_EQ(get("a"), "1");
}

TEST_F(LmdbEnvironmentTest, WritersComeOneAfterTheOther) {
  constexpr int kThreads = 4;
  constexpr int kSteps = 50;
  put("count", "0");
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int step = 0; step < kSteps; ++step) {
        const auto written = environment_->write([](LmdbTransaction& transaction) -> Result<void> {
          ONCELOG_TRY_ASSIGN(const auto value, transaction.get(as_bytes("count")));
          const std::string next = std::to_string(std::stoi(std::string(as_text(*value))) + 1);
          return transaction.put(as_bytes("count"), as_bytes(next));
        });
        EXPECT_THAT(written, Succeeds());
      }
    });
  }
  threads.clear();
  EXPECT_EQ(get("count"), std::to_string(kThreads * kSteps));
}

// ---- a full map

TEST_F(LmdbEnvironmentTest, AFullMapGrows) {
  constexpr int kCount = 4 * kSmallMap / static_cast<int>(kLarge);
  int runs = 0;
  const auto body = large_rows("row", kCount);
  ASSERT_THAT(environment_->write([&](LmdbTransaction& transaction) {
    ++runs;
    return body(transaction);
  }),
              Succeeds());
  EXPECT_GE(runs, 3) << "one doubling is not enough";
  EXPECT_EQ(environment_->row_count(), kCount);
  EXPECT_GT(file_bytes(), 4 * kSmallMap);
  open();  // with the small map again: what the file needs is more
  EXPECT_EQ(environment_->row_count(), kCount);
  EXPECT_EQ(get(numbered("row", kCount - 1)), std::string(kLarge, 'v'));
  put("more", std::string(2 * kSmallMap, 'x'));
  EXPECT_EQ(environment_->row_count(), kCount + 1);
}

TEST_F(LmdbEnvironmentTest, AMapThatGrewIsSoundToItsCheck) {
  ASSERT_THAT(environment_->write(large_rows("row", 600)), Succeeds());
  environment_.reset();
  const auto file = value_of(posix_vfs().open(path_, OpenMode::kRead));
  const LmdbCheck check = value_of(check_lmdb_file(*file, LmdbCheckDepth::kAllPages));
  EXPECT_EQ(check.verdict, LmdbVerdict::kSound) << check.reason;
}

TEST_F(LmdbEnvironmentTest, RoomIsMadeOnceAndBeforeTheMapGrows) {
  std::vector<std::string> events;
  const auto body = large_rows("row", 3 * kSmallMap / static_cast<int>(kLarge));
  ASSERT_THAT(
      environment_->write(
          [&](LmdbTransaction& transaction) {
            events.emplace_back(file_bytes() > kSmallMap ? "body in a larger file" : "body");
            return body(transaction);
          },
          [&](LmdbTransaction& transaction) {
            events.emplace_back("room");
            return transaction.put(as_bytes("made"), as_bytes("room"));
          }),
      Succeeds());
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(events[0], "body");
  EXPECT_EQ(events[1], "room");
  EXPECT_EQ(events[2], "body");
  EXPECT_EQ(std::ranges::count(events, "room"), 1);
  EXPECT_EQ(get("made"), "room");
}

TEST_F(LmdbEnvironmentTest, NoRoomIsMadeWhereThereIsSome) {
  bool has_asked = false;
  ASSERT_THAT(environment_->write(large_rows("row", 10),
                                  [&](LmdbTransaction&) -> Result<void> {
                                    has_asked = true;
                                    return {};
                                  }),
              Succeeds());
  EXPECT_FALSE(has_asked);
}

// Pages that a transaction frees may be used by the one after the next only (mdb_find_oldest): the
// map may double once before the room counts.
TEST_F(LmdbEnvironmentTest, WhatWasMadeRoomForGrowsTheMapOnceAtMost) {
  ASSERT_THAT(environment_->write(large_rows("old", 220)), Succeeds());
  ASSERT_LT(file_bytes(), kSmallMap);
  for (int round = 0; round < 3; ++round) {
    ASSERT_THAT(
        environment_->write(large_rows(numbered("new", round), 60),
                            [&](LmdbTransaction& transaction) -> Result<void> {
                              for (int i = 0; i < 220; ++i) {
                                ONCELOG_TRY(transaction.erase(as_bytes(numbered("old", i))));
                              }
                              return {};
                            }),
        Succeeds());
  }
  EXPECT_EQ(environment_->row_count(), 3 * 60);
  EXPECT_LE(file_bytes(), 2 * kSmallMap) << "the map grew although there was room";
}

TEST_F(LmdbEnvironmentTest, AFailureToMakeRoomIsNoFailureOfTheWrite) {
  ASSERT_THAT(environment_->write(large_rows("row", 600),
                                  [](LmdbTransaction&) -> Result<void> {
                                    return fail(ErrorCode::CORRUPT_MESSAGE, "no room");
                                  }),
              Succeeds());
  EXPECT_EQ(environment_->row_count(), 600);
}

TEST_F(LmdbEnvironmentTest, ABodyThatFailsInALargerMapLeavesNothing) {
  put("a", "1");
  const auto rows_first = large_rows("row", 600);
  EXPECT_THAT(environment_->write([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY(rows_first(transaction));
    return fail(ErrorCode::CORRUPT_MESSAGE, "behind the rows");
  }),
              FailsWith(ErrorCode::CORRUPT_MESSAGE, "behind the rows"));
  EXPECT_EQ(environment_->row_count(), 1);
  open();
  EXPECT_EQ(environment_->row_count(), 1);
}

/// Readers in threads of their own: each sees two rows that agree, and all rows that they count.
class Readers {
 public:
  enum class Rhythm : std::uint8_t {
    kPausing,      ///< a moment between two
    kOverlapping,  ///< one goes on until the next has begun, if that is soon
  };
  Readers(LmdbEnvironment& environment, Rhythm rhythm)
      : environment_(environment), rhythm_(rhythm) {
    for (int i = 0; i < kThreads; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
    }
  }
  /// All of them have read once more.
  void wait() {
    const int before = reads_.load();
    while (reads_.load() < before + 2 * kThreads) std::this_thread::yield();
  }
  static constexpr int kThreads = 4;

 private:
  void run(const std::stop_token& stop) {
    int newest = 0;
    while (!stop.stop_requested()) {
      EXPECT_THAT(environment_.read(
                      [&](LmdbTransaction& transaction) { return check(transaction, newest); }),
                  Succeeds());
      reads_.fetch_add(1);
      if (rhythm_ == Rhythm::kPausing) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }
  void wait_for_next() {
    const int mine = ++begun_;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    while (begun_.load() == mine && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  static Result<void> check(LmdbTransaction& transaction, int& newest) {
    ONCELOG_TRY_ASSIGN(const auto left, transaction.get(as_bytes("left")));
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    ONCELOG_TRY(cursor.seek(as_bytes("right")));
    EXPECT_EQ(as_text(*left), as_text(cursor.value()));
    const int now = std::stoi(std::string(as_text(*left)));
    EXPECT_GE(now, newest) << "an older state than before";
    newest = now;
    ONCELOG_TRY(cursor.seek(as_bytes("row")));
    int count = 0;
    while (cursor.has_row()) {
      const std::string_view value = as_text(cursor.value());
      EXPECT_TRUE(value.size() == kRowBytes && value.front() == 'v' && value.back() == 'v');
      ++count;
      ONCELOG_TRY(cursor.next());
    }
    EXPECT_EQ(count, now);
    return {};
  }

 public:
  static constexpr std::size_t kRowBytes = 1 << 20;

 private:
  LmdbEnvironment& environment_;
  const Rhythm rhythm_;
  std::atomic<int> begun_{0};
  std::atomic<int> reads_{0};
  std::vector<std::jthread> threads_;  // last: they end first
};

class GrowingLmdbEnvironmentTest : public LmdbEnvironmentTest {
 protected:
  static constexpr int kRounds = 20;
  /// One more row of 1 MiB in each round.
  void grow() {
    const std::string value(Readers::kRowBytes, 'v');
    for (int round = 1; round <= kRounds; ++round) {
      EXPECT_THAT(environment_->write([&](LmdbTransaction& transaction) -> Result<void> {
        const std::string number = std::to_string(round);
        ONCELOG_TRY(transaction.put(as_bytes("left"), as_bytes(number)));
        ONCELOG_TRY(transaction.put(as_bytes(numbered("row", round)), as_bytes(value)));
        return transaction.put(as_bytes("right"), as_bytes(number));
      }),
                  Succeeds());
    }
  }
};

TEST_F(GrowingLmdbEnvironmentTest, ReadersReadOnWhileTheMapGrows) {
  put("left", "0");
  put("right", "0");
  {
    Readers readers(*environment_, Readers::Rhythm::kPausing);
    readers.wait();
    grow();
    readers.wait();
  }
  EXPECT_GT(file_bytes(), kSmallMap) << "the map did not have to grow";
  EXPECT_EQ(get("left"), std::to_string(kRounds));
}

TEST_F(GrowingLmdbEnvironmentTest, ReadersAreHeldBackWhileTheMapGrows) {
  // Of readers that follow each other without a pause some one always reads: a lock that prefers
  // them keeps the writer waiting for ever.
  constexpr std::chrono::seconds kPatience(2);
  put("left", "0");
  put("right", "0");
  std::atomic<bool> has_grown{false};
  std::jthread writer;
  {
    Readers readers(*environment_, Readers::Rhythm::kOverlapping);
    readers.wait();
    writer = std::jthread([&] {
      grow();
      has_grown.store(true);
    });
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!has_grown.load() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(has_grown.load()) << "the writer waits behind its readers";
  }
  writer.join();
  EXPECT_GT(file_bytes(), kSmallMap) << "the map did not have to grow";
}

// ---- opening

TEST_F(LmdbEnvironmentTest, WhereSoManyAddressesAreNotToBeHadFewerDo) {
  put("a", "1");
  open(std::int64_t{1} << 52);
  EXPECT_EQ(get("a"), "1");
  put("b", "2");
  open();
  EXPECT_EQ(environment_->row_count(), 2);
}

TEST_F(LmdbEnvironmentTest, APathThatCannotBeOpenedIsNamed) {
  const std::string path = dir_.file("missing/state");
  EXPECT_THAT(LmdbEnvironment::open(path, kSmallMap),
              FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, path));
}

TEST_F(LmdbEnvironmentTest, MoreReadersThanThreadsAreNotLeftBehind) {
  put("a", "1");
  std::vector<std::jthread> threads;
  for (int i = 0; i < 200; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(get("a"), "1"); });
    if (threads.size() == 8) threads.clear();
  }
  threads.clear();
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(get("a"), "1");  // more than there are slots
}

// ---- readers that died

/// A process of its own that holds the environment open, with a reader if asked to.
class OtherProcess {
 public:
  OtherProcess(const std::string& path, bool has_reader) {
    int ready[2];
    if (::pipe(ready) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      MDB_env* environment = nullptr;
      MDB_txn* reader = nullptr;
      const bool is_open =
          mdb_env_create(&environment) == MDB_SUCCESS &&
          mdb_env_set_mapsize(environment, static_cast<std::size_t>(4 * kSmallMap)) ==
              MDB_SUCCESS &&
          mdb_env_set_maxreaders(environment, 1024) == MDB_SUCCESS &&
          mdb_env_open(environment, path.c_str(), MDB_NOSUBDIR | MDB_NOTLS, 0600) == MDB_SUCCESS &&
          (!has_reader || mdb_txn_begin(environment, nullptr, MDB_RDONLY, &reader) == MDB_SUCCESS);
      const char answer = is_open ? 'y' : 'n';
      if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
      while (true) ::pause();
    }
    char answer = 'n';
    ::close(ready[1]);
    if (::read(ready[0], &answer, 1) != 1 || answer != 'y') throw std::runtime_error("no reader");
    ::close(ready[0]);
  }
  ~OtherProcess() { kill(); }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

TEST_F(LmdbEnvironmentTest, AReaderThatDiedHoldsNoPages) {
  put("a", std::string(1 << 20, '0'));
  environment_.reset();
  const OtherProcess alive(path_, false);  // or the table would be made anew
  OtherProcess dead(path_, true);
  dead.kill();
  open(4 * kSmallMap);
  for (int i = 0; i < 40; ++i) put("a", std::string(1 << 20, static_cast<char>('0' + i)));
  EXPECT_LT(file_bytes(), 10 << 20) << "old pages are not used again";
}

TEST_F(LmdbEnvironmentTest, AReaderThatLivesKeepsItsPages) {
  // The counterpart of the one above: what it measures does grow.
  put("a", std::string(1 << 20, '0'));
  environment_.reset();
  const OtherProcess alive(path_, true);
  open(4 * kSmallMap);
  for (int i = 0; i < 40; ++i) put("a", std::string(1 << 20, static_cast<char>('0' + i)));
  EXPECT_GT(file_bytes(), 20 << 20);
}

}  // namespace
}  // namespace oncelog::snapshot
